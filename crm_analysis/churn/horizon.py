"""Which horizon suits the customers' rhythm: proposed from the gaps between purchases (REQUIREMENTS C1).

A customer who buys again after the horizon was called churned too early. How many would be can be read from the curve
of gaps (Kaplan & Meier 1958), in which gaps that are still open count for as long as they have been followed: leaving
them out would leave out the long ones.
"""

import warnings
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.intervals import NORMAL_975, wilson
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import Message, message
from crm_analysis.churn.labels import outcome_end
from crm_analysis.sources.purchases import counted_orders

GAPS_SCHEMA: ResultSchema = dict.fromkeys(["gap_length_days", "is_open", "customer_count"], OPEN)
HORIZON_SCHEMA: ResultSchema = dict.fromkeys(
    ["horizon_days", "at_risk_count", "returned_rate", "returned_rate_low", "returned_rate_high", "too_early_share",
     "is_proposed", "is_current"],
    OPEN,
)  # fmt: skip
RETURNS_SCHEMA: ResultSchema = dict.fromkeys(
    ["origin_date", "churned_count", "returned_count", "returned_rate", "returned_rate_low", "returned_rate_high",
     "followed_days"],
    OPEN,
)  # fmt: skip
_LEVELS = (0.5, 0.75, 0.9)
_RATES = ("_rate", "_rate_low", "_rate_high", "_share")


def purchase_gaps_table(orders: ibis.Table, *, as_of: date, settings: ChurnSettings) -> pd.DataFrame:
    """Return one gap per customer, counted by length: from the first purchase day in the window to the next one.

    ``orders`` behind the door -> ``gap_length_days, is_open, customer_count``, sorted; ``is_open``: no purchase since,
    followed to the last included day (``as_of`` - 1)

    Notes
    -----
    The window is the last ``window_days``. One gap each, so that who buys often does not weigh more, and the customers
    are independent of each other; the first of the window, so that its length plays no part in whether it is looked at.
    Purchases of one day are one.
    """
    known = counted_orders(orders)
    days = known.filter(known.ordered_on < ibis.literal(as_of)).select("customer_id", "ordered_on").distinct()
    begun = days.filter(days.ordered_on >= ibis.literal(as_of - timedelta(days=settings.model.horizon.window_days)))
    first = begun.group_by(first_id="customer_id").aggregate(first_on=begun.ordered_on.min())
    later = begun.join(first, begun.customer_id == first.first_id)
    gaps = later.group_by("customer_id").aggregate(
        first_on=later.first_on.min(), next_on=later.ordered_on.min(where=later.ordered_on > later.first_on)
    )
    end = ibis.coalesce(gaps.next_on, ibis.literal(as_of - timedelta(days=1)))
    gaps = gaps.select(
        gap_length_days=end.delta(gaps.first_on, unit="day").cast("int64"), is_open=gaps.next_on.isnull()
    )
    counted = gaps.group_by(["gap_length_days", "is_open"]).aggregate(customer_count=gaps.count())
    return counted.order_by("gap_length_days", "is_open").to_pandas()[list(GAPS_SCHEMA)]


def _curve(gaps: pd.DataFrame) -> pd.DataFrame:
    """Return the share not yet back after so many days: ``days, open_share, error, at_risk``."""
    with warnings.catch_warnings():
        # statsmodels 0.14 uses two decorators that pandas 3 has marked for removal
        warnings.filterwarnings("ignore", message="(Substitution|Appender) is deprecated", category=DeprecationWarning)
        from statsmodels.duration.survfunc import SurvfuncRight

    used = gaps.loc[gaps["gap_length_days"] > 0]  # bought on the last day: not followed at all
    fitted = SurvfuncRight(
        used["gap_length_days"].to_numpy(dtype=float), (~used["is_open"].astype(bool)).to_numpy(dtype=int),
        freq_weights=used["customer_count"].to_numpy(dtype=float),
    )  # fmt: skip
    # statsmodels has no standard errors with weights: Greenwood's, from the same counts
    times, at_risk, returned = fitted.surv_times, fitted.n_risk, fitted.n_events
    left = at_risk * (at_risk - returned)
    spread = (returned / pd.Series(left).where(lambda value: value > 0)).fillna(0).cumsum()
    error = fitted.surv_prob * spread.to_numpy() ** 0.5
    return pd.DataFrame({"days": times, "open_share": fitted.surv_prob, "error": error, "at_risk": at_risk})


def followed_days(gaps: pd.DataFrame, *, least: int) -> int:
    """Return the days for which at least so many customers were followed without being back before; 0 for none."""
    longest = gaps.groupby("gap_length_days")["customer_count"].sum().sort_index(ascending=False).cumsum()
    enough = longest.loc[longest >= least]
    return int(enough.index[0]) if len(enough) else 0


def horizon_table(gaps: pd.DataFrame, *, settings: ChurnSettings) -> pd.DataFrame:
    """Return for each horizon how many customers are back by then, and how many would be called churned too early.

    columns of ``GAPS_SCHEMA`` -> columns of ``HORIZON_SCHEMA``, a row per candidate and for the horizon of settings;
    no rows where too few were followed

    Notes
    -----
    ``returned_rate``: share of customers back within the days, with its 95 % interval (Greenwood 1926);
    ``at_risk_count``: customers followed that long and not back before. ``too_early_share``: of those who come back at
    all (within as many days as ``minimum_customers`` customers are followed), the share that does so after the horizon;
    empty beyond. The proposal is the shortest candidate at which it is at most that of settings. The horizon of a label
    begins at a quarter's start and not at the purchase; gaps under way then are longer than gaps at large, so that this
    share says nothing of labels: :func:`churn_returns_table` does.
    """
    if gaps.empty or not (~gaps["is_open"].astype(bool)).any():
        return pd.DataFrame(columns=list(HORIZON_SCHEMA))
    wanted = settings.model.horizon
    last = followed_days(gaps, least=wanted.minimum_customers)
    curve = _curve(gaps)
    followed = curve.loc[curve["days"] <= last]
    if followed.empty:
        return pd.DataFrame(columns=list(HORIZON_SCHEMA))
    never = float(followed["open_share"].iloc[-1])
    rows: list[dict[str, Any]] = []
    for days in sorted({*wanted.candidates, settings.horizon_days}):
        until = followed.loc[followed["days"] <= days]
        open_share, error = (1.0, 0.0) if until.empty else (
            float(until["open_share"].iloc[-1]), float(until["error"].iloc[-1]))  # fmt: skip
        share, half = 1 - open_share, NORMAL_975 * error
        longer = gaps.loc[gaps["gap_length_days"] >= days, "customer_count"].sum()
        rows.append({
            "horizon_days": days,
            "at_risk_count": int(longer),
            "returned_rate": round(share, 6),
            "returned_rate_low": round(max(0.0, share - half), 6),
            "returned_rate_high": round(min(1.0, share + half), 6),
            "too_early_share": round((open_share - never) / (1 - never), 6),
            "is_current": days == settings.horizon_days,
        })  # fmt: skip
        if days > last:
            rows[-1] |= dict.fromkeys([name for name in rows[-1] if name.endswith(_RATES)], float("nan"))
    table = pd.DataFrame(rows)
    fits = table["horizon_days"].isin(wanted.candidates) & (table["too_early_share"] <= wanted.too_early_share)
    table["is_proposed"] = table["horizon_days"] == (table.loc[fits, "horizon_days"].min() if fits.any() else -1)
    return table[list(HORIZON_SCHEMA)]


def horizon_document(gaps: pd.DataFrame, horizons: pd.DataFrame, *, settings: ChurnSettings) -> dict[str, Any]:
    """Return the proposal beside the horizon of settings (document ``horizon``).

    Returns
    -------
    dict
        ``status`` (``ok``, ``none_fits`` or ``insufficient``), ``current_days, proposed_days`` (null without one),
        ``too_early_share`` (at the current), ``proposed_too_early_share``, ``n`` (customers), ``open_count`` (gaps
        still open), ``followed_days`` (as far as the curve is read), ``quantiles`` (``50, 75, 90``: days by which that
        share of those who come back at all is back), and ``message``.
    """
    n = int(gaps["customer_count"].sum()) if len(gaps) else 0
    open_count = int(gaps.loc[gaps["is_open"].astype(bool), "customer_count"].sum()) if len(gaps) else 0
    base: dict[str, Any] = {"current_days": settings.horizon_days, "n": n, "open_count": open_count}
    if horizons.empty:
        told = message("horizon.insufficient", horizon_days=settings.horizon_days, n=n)
        return base | {"status": "insufficient", "proposed_days": None, "too_early_share": None,
                       "proposed_too_early_share": None, "followed_days": None, "quantiles": {},
                       "message": told.to_json()}  # fmt: skip
    curve = _curve(gaps)
    last = followed_days(gaps, least=settings.model.horizon.minimum_customers)
    followed = curve.loc[curve["days"] <= last]
    never = float(followed["open_share"].iloc[-1])
    back = (1 - followed["open_share"]) / (1 - never)
    quantiles = {f"{level:.0%}"[:-1]: float(followed.loc[back >= level - 1e-12, "days"].iloc[0]) for level in _LEVELS}
    current = horizons.loc[horizons["is_current"]].iloc[0]
    proposed = horizons.loc[horizons["is_proposed"]]
    days = int(proposed["horizon_days"].iloc[0]) if len(proposed) else None
    share = float(proposed["too_early_share"].iloc[0]) if len(proposed) else None
    found = base | {
        "status": "ok" if days is not None else "none_fits",
        "proposed_days": days,
        "too_early_share": _known(current["too_early_share"]),
        "proposed_too_early_share": share,
        "followed_days": last,
        "quantiles": quantiles,
    }
    return found | {"message": _told(found, allowed=settings.model.horizon.too_early_share).to_json()}


def _known(value: Any) -> float | None:
    return float(value) if value == value else None  # NaN is unequal to itself


def _told(found: Mapping[str, Any], *, allowed: float) -> Message:
    given = {name: found[name] for name in ("current_days", "proposed_days", "too_early_share", "n", "open_count")}
    given |= {"proposed_share": found["proposed_too_early_share"], "allowed": allowed, "q90": found["quantiles"]["90"]}
    if found["too_early_share"] is None:
        return message("horizon.too_short_history", followed_days=found["followed_days"], **given)
    if found["status"] == "none_fits":
        return message("horizon.none_fits", **given)
    if found["proposed_days"] == found["current_days"]:
        return message("horizon.fits", **given)
    id_ = "horizon.too_short" if found["proposed_days"] > found["current_days"] else "horizon.could_be_shorter"
    return message(id_, **given)


def churn_returns_table(
    training: ibis.Table, orders: ibis.Table, *, as_of: date, settings: ChurnSettings
) -> pd.DataFrame:
    """Return how many of those labelled churned bought again later, by origin (result ``churn_returns``).

    ``customer_id, origin, is_churned`` of ``churn_training`` and ``orders`` behind the door of ``as_of`` -> columns of
    ``RETURNS_SCHEMA``, oldest origin first

    Notes
    -----
    ``returned_count``: customers with a counted order from the end of the outcome window to the day before ``as_of``,
    which are ``followed_days`` days; ``returned_rate`` is their share, with its 95 % interval (Wilson 1927). Rates are
    empty where nobody was labelled or no day has been followed. The older the origin, the longer it was followed.
    """
    known = counted_orders(orders)
    bought = known.filter(known.ordered_on < ibis.literal(as_of))
    last = bought.group_by(buyer="customer_id").aggregate(last_on=bought.ordered_on.max())
    window = ibis.interval(days=settings.gap_days + settings.horizon_days)
    # a table without rows has lost its types
    origin = training.origin.cast("string")
    labelled = training.select(
        origin_date=origin,
        ends_on=(origin.cast("date") + window).cast("date"),
        labelled_id=training.customer_id.cast("string"),
        is_churned=training.is_churned.cast("int8"),
    )
    joined = labelled.left_join(last, labelled.labelled_id == last.buyer)
    is_churned = joined.is_churned == 1
    counted = joined.group_by("origin_date").aggregate(
        churned_count=joined.count(where=is_churned),
        returned_count=joined.count(where=is_churned & (joined.last_on >= joined.ends_on)),
    )
    rows: list[dict[str, Any]] = []
    for found in counted.order_by("origin_date").to_pandas().to_dict("records"):
        churned, returned = int(found["churned_count"]), int(found["returned_count"])
        days = (as_of - outcome_end(date.fromisoformat(str(found["origin_date"])), settings=settings)).days
        is_known = days > 0 and churned > 0
        low, high = wilson(returned, churned) if is_known else (float("nan"), float("nan"))
        rows.append({
            "origin_date": str(found["origin_date"]), "churned_count": churned, "returned_count": returned,
            "returned_rate": round(returned / churned, 6) if is_known else float("nan"),
            "returned_rate_low": low, "returned_rate_high": high, "followed_days": days,
        })  # fmt: skip
    table = pd.DataFrame(rows, columns=list(RETURNS_SCHEMA))
    counts = dict.fromkeys(["churned_count", "returned_count", "followed_days"], "int64")
    rates = dict.fromkeys(["returned_rate", "returned_rate_low", "returned_rate_high"], "float64")
    return table.astype({"origin_date": "str"} | counts | rates)
