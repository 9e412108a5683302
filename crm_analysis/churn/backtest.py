"""Time-ordered backtest: every held-out origin is predicted from what was known before it (REQUIREMENTS C2)."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.intervals import NORMAL_975
from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import message
from crm_analysis.churn.comparison import compare_auc, is_better
from crm_analysis.churn.inputs import BASELINE_COLUMN
from crm_analysis.churn.labels import outcome_end
from crm_analysis.churn.measures import MEASURES, quality, resampled_intervals
from crm_analysis.churn.model import MODELS, RULES, fit_churn, usable_rules

_DAYS_OF_YEAR = 365

PREDICTIONS_SCHEMA: ResultSchema = (
    {"customer_id": DIRECT, "origin": OPEN, "is_churned": SENSITIVE, "at_stake_amount": SENSITIVE}
    | {f"{name}_score": SENSITIVE for name in (*MODELS, *RULES)}
    | {f"{name}_probability": SENSITIVE for name in (*MODELS, *RULES)}
)
BACKTEST_SCHEMA: ResultSchema = dict.fromkeys(
    ["origin_date", "model", "n", "base_rate", "auc", "average_precision", "brier", "calibration_intercept",
     "calibration_slope", "list_count", "precision_rate", "lift", "list_precision_rate", "value_saved_amount",
     "spend_saved_amount"], OPEN,
)  # fmt: skip
INTERVALS_SCHEMA: ResultSchema = dict.fromkeys(
    ["model", "churn_measure", "origin_date", "measure_value", "measure_low", "measure_high", "interval_kind",
     "origin_count", "n"], OPEN,
)  # fmt: skip


def churn_predictions(training: pd.DataFrame, *, settings: ChurnSettings, status: Mapping[str, Any]) -> pd.DataFrame:
    """Predict each held-out origin from strictly earlier ones.

    ``churn_training`` -> columns of ``PREDICTIONS_SCHEMA``; no rows when ``status`` is not ``ok``

    Parameters
    ----------
    status
        Document of :func:`~crm_analysis.churn.labels.check_churn_data`; names the origins that are large enough.

    Notes
    -----
    An origin may teach only when its outcome ended at or before the held-out origin; two of them are needed (one to
    calibrate on), so that the earliest origins are never held out. Parameters are chosen anew for each, inside what was
    known. All customers of a held-out origin are predicted, whatever ``max_training_rows``. ``expected_purchases`` is
    empty where the training rows do not bring it.
    """
    origins = sorted(status["origins"]) if status["status"] == "ok" else []
    frames = []
    for held in origins:
        start = date.fromisoformat(held)
        known = [o for o in origins if outcome_end(date.fromisoformat(o), settings=settings) <= start]
        labels = training.loc[training["origin"].isin(known), ["origin", "is_churned"]]
        counts = labels.groupby("origin")["is_churned"].nunique()
        if len(known) < 2 or (counts < 2).any():
            continue
        rows = training.loc[training["origin"] == held].reset_index(drop=True)
        usable = (*MODELS, *usable_rules(training.loc[training["origin"].isin([*known, held]), [BASELINE_COLUMN]]))
        taught = training if "expected_purchases" in usable else training.assign(**{BASELINE_COLUMN: np.nan})
        predicted: dict[str, Any] = {"at_stake_amount": amount_at_stake(rows, settings=settings)}
        for name in (*MODELS, *RULES):
            if name not in usable:
                predicted |= {f"{name}_score": np.nan, f"{name}_probability": np.nan}
                continue
            fitted = fit_churn(taught, name=name, settings=settings, origins=known)
            chance = np.round(fitted.probability(rows), 6)
            predicted[f"{name}_score"] = np.round(fitted.score(rows), 6) if fitted.is_rule else chance
            predicted[f"{name}_probability"] = chance
        frames.append(rows[["customer_id", "origin", "is_churned"]].assign(**predicted))
    columns = list(PREDICTIONS_SCHEMA)
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def amount_at_stake(customers: pd.DataFrame, *, settings: ChurnSettings) -> pd.Series:
    """Return the net spend of the last 365 days scaled to the horizon, 0 when negative (currency)."""
    spent = customers["spend_amount_365d"].astype("float64").clip(lower=0)
    return (spent * settings.horizon_days / _DAYS_OF_YEAR).round(2)


def _asked(predictions: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame, str]]:
    """Return origin, model or rule, and its predictions, wherever there are both labels and predictions."""
    parts = [(str(origin), part) for origin, part in predictions.groupby("origin")
             if part["is_churned"].min() < part["is_churned"].max()]  # fmt: skip
    return [
        (origin, name, part, f"{name}_score")
        for origin, part in parts
        for name in (*MODELS, *RULES)
        if part[f"{name}_score"].notna().all()
    ]


def backtest_table(predictions: pd.DataFrame, *, settings: ChurnSettings) -> pd.DataFrame:
    """Return how each model and rule did at each held-out origin (result ``churn_backtest``).

    ``churn_predictions`` -> columns of ``BACKTEST_SCHEMA``, sorted by origin, models before rules; the columns are
    those of :func:`~crm_analysis.churn.measures.quality`

    Notes
    -----
    Equal scores at the end of the list count by their mean, so that the order of rows plays no part.
    """
    rows = [
        {"origin_date": origin, "model": name}
        | quality(*_arrays(part, name), part["at_stake_amount"].to_numpy(dtype=float), settings=settings)
        for origin, name, part, _ in _asked(predictions)
    ]
    table = pd.DataFrame(rows, columns=list(BACKTEST_SCHEMA))
    return table.astype({"origin_date": "str", "model": "str", "n": "int64", "list_count": "int64"})


def _arrays(part: pd.DataFrame, name: str) -> tuple[Any, Any, Any]:
    return (
        part["is_churned"].to_numpy(dtype=int),
        part[f"{name}_score"].to_numpy(dtype=float),
        part[f"{name}_probability"].to_numpy(dtype=float),
    )


def backtest_intervals_table(
    predictions: pd.DataFrame, backtest: pd.DataFrame, *, settings: ChurnSettings
) -> pd.DataFrame:
    """Return every measure with its 95 % interval, by origin and over origins (result ``churn_intervals``).

    ``churn_predictions`` and ``churn_backtest`` -> columns of ``INTERVALS_SCHEMA``; ``origin_date`` is empty over
    origins

    Notes
    -----
    ``interval_kind`` states which: ``customers`` within an origin (resampled customers), ``origins`` over three origins
    or more (Student's t, as if origins were drawn independently; they share customers). Over fewer there is no
    interval.
    """
    from scipy.stats import t

    if backtest.empty:
        return pd.DataFrame(columns=list(INTERVALS_SCHEMA))
    rows: list[dict[str, Any]] = []
    known = backtest.set_index(["origin_date", "model"])
    for origin, name, part, _ in _asked(predictions):
        exact = {measure: float(known.loc[(origin, name), measure]) for measure in MEASURES}  # type: ignore[arg-type]
        found = resampled_intervals(*_arrays(part, name), exact=exact, settings=settings)
        for measure, (low, high) in found.items():
            rows.append({
                "model": name, "churn_measure": measure, "origin_date": origin, "measure_value": exact[measure],
                "measure_low": low, "measure_high": high, "interval_kind": "customers", "origin_count": 1,
                "n": len(part),
            })  # fmt: skip
    for name in [name for name in (*MODELS, *RULES) if name in set(backtest["model"])]:
        own = backtest.loc[backtest["model"] == name]
        for measure in (*MEASURES, "value_saved_amount"):
            values = own[measure].astype(float)
            count, middle = len(values), float(values.mean())
            half = float(t.ppf(0.975, count - 1) * values.std(ddof=1) / count**0.5) if count > 2 else float("nan")
            rows.append({
                "model": name, "churn_measure": measure, "origin_date": None, "measure_value": round(middle, 6),
                "measure_low": round(middle - half, 6), "measure_high": round(middle + half, 6),
                "interval_kind": "origins", "origin_count": count, "n": int(own["n"].sum()),
            })  # fmt: skip
    return pd.DataFrame(rows)[list(INTERVALS_SCHEMA)]


def choose_champion(backtest: pd.DataFrame, predictions: pd.DataFrame, *, status: Mapping[str, Any]) -> dict[str, Any]:
    """Return which model or rule is used from now on, and why (document ``champion``).

    The model with the best mean average precision is used only if it beats the best simple rule over the held-out
    origins on mean average precision, on mean AUC against every rule, and there by more than chance (the 95 % interval
    of :func:`~crm_analysis.churn.comparison.compare_auc` lies above 0); otherwise the rule is used, and the message
    says so. It also says when neither ranks better than chance.

    Returns
    -------
    dict
        ``status, model`` (``None`` without a backtest), ``is_model, beats_chance, rule``, ``message``,
        ``origin_count``, ``n``, ``comparison`` (best model against best rule), and ``means``: per model its mean
        ``base_rate, average_precision, auc, brier, precision_rate, lift, list_precision_rate, value_saved_amount`` and
        ``spend_saved_amount``.
    """
    if backtest.empty:
        return {"status": "insufficient", "model": None, "is_model": False, "beats_chance": False, "rule": None,
                "message": status["message"], "origin_count": 0, "n": 0, "comparison": {}, "means": {}}  # fmt: skip
    measures = ["base_rate", "average_precision", "auc", "brier", "precision_rate", "lift", "list_precision_rate",
                "value_saved_amount", "spend_saved_amount"]  # fmt: skip
    is_everywhere = backtest.groupby("model")["origin_date"].nunique() == backtest["origin_date"].nunique()
    rounded = backtest.groupby("model")[measures].mean().round(6).loc[is_everywhere]
    means = {str(name): {m: float(row[m]) for m in measures} for name, row in rounded.iterrows()}
    rules = tuple(name for name in RULES if name in means)
    model, rule = _best(means, MODELS), _best(means, rules)
    is_higher = means[model]["average_precision"] > means[rule]["average_precision"] and means[model]["auc"] > max(
        means[name]["auc"] for name in rules
    )
    keenest = max(rules, key=lambda name: means[name]["auc"])
    comparison = compare_auc(predictions, model=model, rule=keenest) | {"model": model, "rule": keenest}
    is_model = is_higher and is_better(comparison)
    used = model if is_model else rule
    n = int(backtest.loc[backtest["model"] == used, "n"].sum())
    origin_count = int(backtest["origin_date"].nunique())
    is_better_than_chance = any(beats_chance(backtest.loc[backtest["model"] == name]) for name in (model, rule))
    kind = "model" if is_model else "unsure" if is_higher else "rule"
    told = message(
        "finding.champion_chance" if not is_better_than_chance else f"finding.champion_{kind}",
        model=model, rule=rule, model_lift=means[model]["lift"], rule_lift=means[rule]["lift"],
        model_precision=means[model]["average_precision"], rule_precision=means[rule]["average_precision"],
        model_auc=means[model]["auc"], rule_auc=means[rule]["auc"], low=comparison["low"], high=comparison["high"],
        keenest=keenest, list_count=int(backtest["list_count"].max()), origin_count=origin_count, n=n,
    )  # fmt: skip
    return {"status": "ok", "model": used, "is_model": is_model, "beats_chance": is_better_than_chance, "rule": rule,
            "message": told.to_json(), "origin_count": origin_count, "n": n, "comparison": comparison,
            "means": means}  # fmt: skip


def beats_chance(rows: pd.DataFrame) -> bool:
    """Tell whether the mean AUC of one model over its origins lies above 0.5 by more than chance (95 %, two-sided).

    Notes
    -----
    Under chance the AUC of an origin has the variance ``(n + 1) / (12 * n1 * n0)`` of the Mann-Whitney statistic.
    """
    n = rows["n"].astype(float)
    churned = n * rows["base_rate"]
    variance = ((n + 1) / (12 * churned * (n - churned))).sum() / len(rows) ** 2
    return bool(rows["auc"].mean() - 0.5 > NORMAL_975 * variance**0.5)


def _best(means: Mapping[str, Mapping[str, float]], names: tuple[str, ...]) -> str:
    """Return the name with the highest mean average precision; the one named first, the simpler, on a tie."""
    return max(names, key=lambda name: means[name]["average_precision"])
