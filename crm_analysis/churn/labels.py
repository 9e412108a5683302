"""Who has churned at past origins: origins, eligibility, labels and the definition in writing (REQUIREMENTS C1).

A customer is eligible at an origin when he has bought within ``active_within_days`` before it. He has churned (label 1)
when no counted purchase falls into ``[origin + gap, origin + gap + horizon)``.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import Message, message
from crm_analysis.churn.inputs import FEATURE_COLUMNS, SENSITIVE_FEATURES

TRAINING_SCHEMA: ResultSchema = (
    {"customer_id": DIRECT, "origin": OPEN, "is_churned": SENSITIVE, "gap_order_count": OPEN}
    | {name: SENSITIVE if name in SENSITIVE_FEATURES else OPEN for name in FEATURE_COLUMNS}
)  # fmt: skip

#: One origin to learn from, a later one to calibrate on, a still later one to test on.
MINIMUM_ORIGINS = 3


def churn_origins(quarter: Quarter, *, settings: ChurnSettings) -> list[date]:
    """Return the quarter starts to learn from, oldest first.

    The outcome of the last one ends at or before the end of ``quarter``, which is the report's ``as_of``.

    Examples
    --------
    >>> [day.isoformat() for day in churn_origins(Quarter(2025, 3), settings=ChurnSettings(origins=2))]
    ['2025-04-01', '2025-07-01']
    """
    candidates = [quarter.shift(-back).start for back in range(settings.origins + 40)]
    known = [day for day in candidates if outcome_end(day, settings=settings) <= quarter.end]
    return sorted(known[: settings.origins])


def outcome_end(origin: date, *, settings: ChurnSettings) -> date:
    """Return the first day after the outcome window of an origin."""
    return origin + timedelta(days=settings.gap_days + settings.horizon_days)


def select_eligible(features: pd.DataFrame, *, settings: ChurnSettings) -> pd.DataFrame:
    """Return the customers that can churn: bought, the last time within ``active_within_days``."""
    is_eligible = (features["order_count"] >= 1) & (features["recency_days"] < settings.active_within_days)
    return features.loc[is_eligible].reset_index(drop=True)


def label_churn(
    features: pd.DataFrame, outcomes: pd.DataFrame, *, settings: ChurnSettings, as_of_origin: date
) -> pd.DataFrame:
    """Label the eligible customers of one origin.

    ``features`` as of the origin and ``customer_id, order_count, gap_order_count`` after it -> columns of
    ``TRAINING_SCHEMA``, one row per eligible customer, sorted by id

    Parameters
    ----------
    outcomes
        Customers with a purchase in the gap or the outcome window; absent ones bought nothing.
    as_of_origin
        Written to ``origin`` as ISO text.

    Notes
    -----
    A purchase in the gap is neither label nor feature, and is counted. Refunds never save from churn. REQUIREMENTS C1.
    """
    eligible = select_eligible(features, settings=settings)[["customer_id", *FEATURE_COLUMNS]]
    bought = outcomes[["customer_id", "order_count", "gap_order_count"]].rename(
        columns={"order_count": "outcome_order_count"}
    )
    joined = eligible.merge(bought, on="customer_id", how="left", validate="one_to_one")
    joined["is_churned"] = (joined["outcome_order_count"].fillna(0) < 1).astype("int8")
    joined["gap_order_count"] = joined["gap_order_count"].fillna(0).astype("int64")
    joined["origin"] = pd.Series([as_of_origin.isoformat()] * len(joined), index=joined.index, dtype="str")
    return joined.sort_values("customer_id")[list(TRAINING_SCHEMA)].reset_index(drop=True)


def training_table(
    by_origin: Mapping[date, tuple[pd.DataFrame, pd.DataFrame]], *, settings: ChurnSettings
) -> pd.DataFrame:
    """Return the labelled customers of all origins, in time order.

    ``{origin: (features, outcomes)}`` -> columns of ``TRAINING_SCHEMA``
    """
    frames = [
        label_churn(features, outcomes, settings=settings, as_of_origin=origin)
        for origin, (features, outcomes) in sorted(by_origin.items())
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(TRAINING_SCHEMA))


def check_churn_data(training: pd.DataFrame, *, settings: ChurnSettings) -> dict[str, Any]:
    """Return whether the labelled customers suffice for a backtest, and if not, why (document ``churn_status``).

    ``status`` is ``ok`` or ``insufficient``; ``message`` tells the reason with the numbers.
    """
    sizes = training.groupby("origin")["is_churned"].agg(["size", "sum"])
    large = sizes.loc[sizes["size"] >= settings.minimum_customers]
    rarer = pd.concat([large["sum"], large["size"] - large["sum"]])
    events = int(rarer.min()) if len(large) else 0
    status = "insufficient"
    if len(large) < MINIMUM_ORIGINS:
        reason = message(
            "churn.too_few_origins",
            origin_count=len(large), needed_count=MINIMUM_ORIGINS, n=settings.minimum_customers,
        )  # fmt: skip
    elif events < settings.minimum_events:
        reason = message("churn.too_few_events", event_count=events, needed_count=settings.minimum_events)
    else:
        status = "ok"
        reason = message("churn.enough_data", origin_count=len(large), n=int(large["size"].sum()))
    return {
        "status": status,
        "message": reason.to_json(),
        "n": int(sizes["size"].sum()),
        "origins": [str(origin) for origin in large.index],
    }


def churn_definition(
    training: pd.DataFrame, features: pd.DataFrame, *, settings: ChurnSettings, as_of: date
) -> dict[str, Any]:
    """Return the definition of churn as applied, with its base rates (document).

    Parameters
    ----------
    features
        As of the report: how many can be scored now, and how long their purchase gaps are.

    Returns
    -------
    dict
        ``gap_days, horizon_days, active_within_days, rule_silence_days, as_of, n_now``, ``gap_q90_days`` (90 %
        quantile of the customers' mean purchase gaps, weighted by their number of gaps: a proposal to hold the
        horizon against), ``origins``: a list of ``origin, n, base_rate, gap_customer_count``, and ``message``.
    """
    origins = [
        {
            "origin": str(origin),
            "n": len(rows),
            "base_rate": round(float(rows["is_churned"].mean()), 6),
            "gap_customer_count": int((rows["gap_order_count"] > 0).sum()),
        }
        for origin, rows in training.groupby("origin")
    ]
    eligible = select_eligible(features, settings=settings)
    return {
        "as_of": as_of.isoformat(),
        "gap_days": settings.gap_days,
        "horizon_days": settings.horizon_days,
        "active_within_days": settings.active_within_days,
        "rule_silence_days": settings.rule_silence_days,
        "n_now": len(eligible),
        "gap_q90_days": _weighted_quantile(eligible["gap_mean_days"], eligible["gap_count"], share=0.9),
        "origins": origins,
        "message": _definition_message(settings, origins=origins).to_json(),
    }


def origins_table(definition: Mapping[str, Any]) -> pd.DataFrame:
    """Return the origins of a definition: ``origin_date, n, churn_rate, gap_customer_count``."""
    table = pd.DataFrame(definition["origins"], columns=["origin", "n", "base_rate", "gap_customer_count"])
    return table.rename(columns={"origin": "origin_date", "base_rate": "churn_rate"})


def _definition_message(settings: ChurnSettings, *, origins: list[dict[str, Any]]) -> Message:
    rate = origins[-1]["base_rate"] if origins else None
    return message(
        "churn.definition", active_days=settings.active_within_days, gap_days=settings.gap_days,
        horizon_days=settings.horizon_days, rate=rate, n=origins[-1]["n"] if origins else 0,
    )  # fmt: skip


def _weighted_quantile(values: pd.Series, weights: pd.Series, *, share: float) -> float | None:
    """Return the smallest value that ``share`` of the weight does not exceed; ``None`` without values."""
    known = pd.DataFrame({"value": values, "weight": weights}).dropna()
    known = known.loc[known["weight"] > 0].sort_values("value")
    if known.empty:
        return None
    reached = known["weight"].cumsum() >= share * known["weight"].sum()
    return round(float(known.loc[reached, "value"].iloc[0]), 1)
