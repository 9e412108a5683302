"""Whether a purchase model is to be believed: tracking, hold-out, ranking, and frequency against amount (C5)."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_value_models import ValueModelSettings
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.base.words import message
from crm_analysis.churn.purchase_fit import KINDS, fitted_models
from crm_analysis.churn.purchase_spend import repeaters_of

TRACKING_SCHEMA: ResultSchema = dict.fromkeys(
    ["kind", "week_date", "is_holdout", "actual_purchase_count", "expected_purchase_count", "actual_sum_count",
     "expected_sum_count"], OPEN,
)  # fmt: skip
FREQUENCY_SCHEMA: ResultSchema = dict.fromkeys(
    ["kind", "repeat_class", "customer_count", "actual_mean", "expected_mean"], OPEN
)
RANKING_SCHEMA: ResultSchema = dict.fromkeys(["kind", "customer_ranking", "auc", "n", "buyer_count"], OPEN)
#: Orders of customers that are compared: the second is what the model says, the third a plain count.
RANKINGS = ("by_alive_probability", "by_expected_purchases", "by_repeat_count")
#: Customers with so many repeat purchases or more are one class.
MOST_REPEATS = 7
_DAYS = 7


def tracking_table(days: pd.DataFrame, fits: Mapping[str, Any], *, start: date, as_of: date) -> pd.DataFrame:
    """Return repeat purchases by week, those that came beside those expected, over calibration and hold-out.

    columns of ``DAYS_SCHEMA`` -> columns of ``TRACKING_SCHEMA``, by population in time

    Parameters
    ----------
    days
        First and repeat purchases by day of customers known before ``start``.
    fits
        Document of :func:`~crm_analysis.churn.purchase_fit.purchase_fits_document`, fitted as of ``start``.
    start, as_of
        First day of the hold-out, and the day after its last.

    Returns
    -------
    pandas.DataFrame
        ``week_date``: last day of a week; weeks are counted from ``start`` in both directions. ``*_sum_count``: since
        the first purchase of all. The expectation is that of new customers, from the days of their first purchases.
    """
    frames = []
    for kind, (model, _) in fitted_models(fits).items():
        own = days.loc[days["kind"] == kind]
        origin, last = own["day_date"].min().date(), as_of - timedelta(days=1)
        calibrated = start - timedelta(days=1)
        back, ahead = (calibrated - origin).days // _DAYS, (last - calibrated).days // _DAYS
        ends = [calibrated + timedelta(weeks=week) for week in range(-back, ahead + 1)]
        places = np.array([(end - origin).days for end in ends])
        length = (as_of - origin).days
        first, repeat = (_by_day(own, name, origin=origin, length=length) for name in ("first_count", "repeat_count"))
        curve = model.population_expectation(np.arange(length) / _DAYS)
        expected = np.array([first[: place + 1] @ curve[place::-1] for place in places])
        actual = repeat.cumsum()[places]
        frames.append(
            pd.DataFrame({
                "kind": kind,
                "week_date": pd.to_datetime(ends).astype("datetime64[s]"),
                "is_holdout": np.array(ends) > calibrated,
                "actual_purchase_count": np.diff(actual, prepend=0).astype("int64"),
                "expected_purchase_count": np.diff(expected, prepend=0.0).round(4),
                "actual_sum_count": actual.astype("int64"),
                "expected_sum_count": expected.round(4),
            })
        )  # fmt: skip
    return _stacked(frames, TRACKING_SCHEMA, ints=("actual_purchase_count", "actual_sum_count"))


def _by_day(days: pd.DataFrame, name: str, *, origin: date, length: int) -> np.ndarray:
    places = (days["day_date"] - pd.Timestamp(origin)).dt.days.to_numpy()
    return np.bincount(places, weights=days[name].to_numpy(dtype=float), minlength=length)


def frequency_table(
    holdout: pd.DataFrame, fits: Mapping[str, Any], *, settings: ValueModelSettings, weeks: float
) -> pd.DataFrame:
    """Return the mean purchases in the hold-out by repeat purchases before it: those that came and those expected.

    columns of ``HOLDOUT_SCHEMA`` -> columns of ``FREQUENCY_SCHEMA``

    Parameters
    ----------
    weeks
        Length of the hold-out.

    Returns
    -------
    pandas.DataFrame
        ``repeat_class``: ``0`` to ``6``, and ``7+``. Means of classes with fewer customers than ``minimum_cell`` are
        empty, and so are those that would give them away.
    """
    frames = []
    for kind, (model, _) in fitted_models(fits).items():
        own = holdout.loc[holdout["kind"] == kind]
        names = own["repeat_count"].clip(upper=MOST_REPEATS).map(_class_name)
        expected = pd.Series(model.expected_purchases(own, horizon=weeks), index=own.index)
        grouped = pd.DataFrame({"repeat_class": names, "actual": own["later_count"], "expected": expected})
        table = grouped.groupby("repeat_class", sort=True).agg(
            customer_count=("actual", "size"), actual_mean=("actual", "mean"), expected_mean=("expected", "mean")
        )
        hidden = hidden_cells(table["customer_count"], minimum=settings.minimum_cell)
        means = {name: table[name].round(6).mask(hidden) for name in ("actual_mean", "expected_mean")}
        frames.append(table.assign(kind=kind, **means).reset_index())
    return _stacked(frames, FREQUENCY_SCHEMA, ints=("customer_count",))


def _class_name(repeats: float) -> str:
    return f"{MOST_REPEATS}+" if repeats >= MOST_REPEATS else str(int(repeats))


def ranking_table(holdout: pd.DataFrame, fits: Mapping[str, Any], *, weeks: float) -> pd.DataFrame:
    """Return how well orders of customers tell who bought in the hold-out.

    columns of ``HOLDOUT_SCHEMA`` -> columns of ``RANKING_SCHEMA``

    Notes
    -----
    ``auc``: chance that a customer who bought stands before one who did not; 0.5 is no order. The probability of being
    alive is there to show why nothing is sorted by it.
    """
    from sklearn.metrics import roc_auc_score

    rows = []
    for kind, (model, _) in fitted_models(fits).items():
        own = holdout.loc[holdout["kind"] == kind]
        bought = own["later_count"].to_numpy() > 0
        if bought.all() or not bought.any():
            continue
        alive = model.alive_probability(own)
        ranks = (alive, alive * model.future_if_alive(own, horizon=weeks), own["repeat_count"].to_numpy(dtype=float))
        rows += [
            {"kind": kind, "customer_ranking": name, "auc": round(float(roc_auc_score(bought, score)), 6),
             "n": len(own), "buyer_count": int(bought.sum())}
            for name, score in zip(RANKINGS, ranks, strict=True)
        ]  # fmt: skip
    return _stacked([pd.DataFrame(rows)] if rows else [], RANKING_SCHEMA, ints=("n", "buyer_count"))


def fit_test_document(holdout: pd.DataFrame, fits: Mapping[str, Any], *, weeks: float) -> dict[str, Any]:
    """Return what came of the hold-out against what the model expected of its customers, by population.

    Returns
    -------
    dict
        ``weeks`` and ``tests``: per population ``status, message, n, actual_count, expected_count, error_share``
        (expected / actual - 1). ``status`` is that of the fit as of the start of the hold-out.
    """
    models = fitted_models(fits)
    tests: dict[str, Any] = {}
    for kind, fit in fits["fits"].items():
        empty = {"n": fit["n"], "actual_count": None, "expected_count": None, "error_share": None}
        if kind not in models:
            told = message("purchase.untested", weeks=weeks)
            tests[kind] = {"status": fit["status"], "message": told.to_json(), **empty}
            continue
        own = holdout.loc[holdout["kind"] == kind]
        actual = int(own["later_count"].sum())
        expected = float(models[kind][0].expected_purchases(own, horizon=weeks).sum())
        share = None if actual == 0 else round(expected / actual - 1, 6)
        args = {"weeks": weeks, "n": len(own), "actual": actual, "expected": round(expected, 2)}
        told = message("purchase.tested_none", **args) if share is None else message(
            "purchase.tested", error=share, **args)  # fmt: skip
        tests[kind] = {"status": "ok", "message": told.to_json(), "n": len(own), "actual_count": actual,
                       "expected_count": round(expected, 4), "error_share": share}  # fmt: skip
    return {"weeks": weeks, "tests": tests}


def check_independence(summary: pd.DataFrame, *, settings: ValueModelSettings) -> dict[str, Any]:
    """Return whether customers who buy more often spend more or less each time, by population.

    columns of ``SUMMARY_SCHEMA`` -> per population ``status`` (``ok``, ``warning``, ``unknown``), ``message``, ``n``
    (repeaters), ``correlation`` (Pearson, of repeat purchases and their mean amount)

    Notes
    -----
    Gamma-Gamma takes the two as unrelated. Where they are not, it tells too little of those who buy often and much, or
    too much of those who buy often and little.
    """
    found: dict[str, Any] = {}
    for kind in KINDS:
        kept = repeaters_of(summary.loc[summary["kind"] == kind])
        pair = kept[["repeat_count", "repeat_mean_amount"]].astype("float64")
        if len(pair) < settings.minimum_repeaters or (pair.nunique() < 2).any():
            if (summary["kind"] == kind).any():
                told = message("purchase.correlation_unknown", n=len(pair))
                found[kind] = {"status": "unknown", "message": told.to_json(), "n": len(pair), "correlation": None}
            continue
        value = round(float(np.corrcoef(pair.to_numpy(), rowvar=False)[0, 1]), 6)
        is_high = abs(value) > settings.most_correlation
        told = message(
            "purchase.correlation_high" if is_high else "purchase.correlation_low",
            n=len(pair), value=value, most=settings.most_correlation,
        )  # fmt: skip
        status = "warning" if is_high else "ok"
        found[kind] = {"status": status, "message": told.to_json(), "n": len(pair), "correlation": value}
    return found


def _stacked(frames: list[pd.DataFrame], schema: ResultSchema, *, ints: tuple[str, ...]) -> pd.DataFrame:
    """Return frames one under the other with the declared columns, also when there is none."""
    texts = {"kind", "repeat_class", "customer_ranking"}
    if not frames:
        types = {name: "str" if name in texts else "int64" if name in ints else "float64" for name in schema}
        types |= {"is_holdout": "bool", "week_date": "datetime64[s]"}
        return pd.DataFrame({name: pd.Series(dtype=types[name]) for name in schema})
    table = pd.concat(frames, ignore_index=True)[list(schema)]
    return table.astype(dict.fromkeys(texts & set(schema), "str") | dict.fromkeys(ints, "int64"))
