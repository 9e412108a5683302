"""Who has churned at past origins: origins, eligibility, labels and the definition in writing (REQUIREMENTS C1).

A customer is eligible at an origin when he has bought within ``active_within_days`` before it. He has churned (label 1)
when no counted purchase falls into ``[origin + gap, origin + gap + horizon)``.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.intervals import wilson
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import Message, Words, message
from crm_analysis.churn.inputs import BASELINE_COLUMN, FEATURE_COLUMNS, SENSITIVE_FEATURES

TRAINING_SCHEMA: ResultSchema = (
    {"customer_id": DIRECT, "origin": OPEN, "is_churned": SENSITIVE, "gap_order_count": OPEN}
    | {BASELINE_COLUMN: SENSITIVE}
    | {name: SENSITIVE if name in SENSITIVE_FEATURES else OPEN for name in FEATURE_COLUMNS}
)  # fmt: skip

#: Features as of an origin, and what was bought after it.
Known = tuple[pd.DataFrame, pd.DataFrame]
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
    ``TRAINING_SCHEMA``, one row per eligible customer, sorted by id; numbers in 32 bits, as millions of rows are kept.
    ``expected_purchase_count`` (what a purchase model expects within the horizon) is empty unless features bring it.

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
    eligible = select_eligible(features, settings=settings)
    if BASELINE_COLUMN not in eligible:
        eligible = eligible.assign(**{BASELINE_COLUMN: np.nan})
    numbers = [*FEATURE_COLUMNS, BASELINE_COLUMN]
    eligible = eligible[["customer_id", *numbers]].astype(dict.fromkeys(numbers, "float32"))
    bought = outcomes[["customer_id", "order_count", "gap_order_count"]].rename(
        columns={"order_count": "outcome_order_count"}
    )
    joined = eligible.merge(bought, on="customer_id", how="left", validate="one_to_one")
    joined["is_churned"] = (joined["outcome_order_count"].fillna(0) < 1).astype("int8")
    joined["gap_order_count"] = joined["gap_order_count"].fillna(0).astype("int64")
    joined["origin"] = pd.Series([as_of_origin.isoformat()] * len(joined), index=joined.index, dtype="str")
    return joined.sort_values("customer_id")[list(TRAINING_SCHEMA)].reset_index(drop=True)


def training_table(
    by_origin: Mapping[date, Known] | Iterable[tuple[date, Known]], *, settings: ChurnSettings
) -> pd.DataFrame:
    """Return the labelled customers of all origins, in time order.

    ``{origin: (features, outcomes)}``, or such pairs one after another so that only one is held, -> columns of
    ``TRAINING_SCHEMA``
    """
    pairs = by_origin.items() if isinstance(by_origin, Mapping) else by_origin
    frames = {
        origin: label_churn(features, outcomes, settings=settings, as_of_origin=origin)
        for origin, (features, outcomes) in pairs
    }
    ordered = [frames[origin] for origin in sorted(frames)]
    return pd.concat(ordered, ignore_index=True) if ordered else pd.DataFrame(columns=list(TRAINING_SCHEMA))


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
    training: pd.DataFrame, features: pd.DataFrame, *, settings: ChurnSettings, as_of: date, begun: date | None = None
) -> dict[str, Any]:
    """Return the definition of churn as applied, with its base rates (document).

    Parameters
    ----------
    features
        As of the report: how many can be scored now, and how long their purchase gaps are.
    begun
        Day of the first order in the data. An origin with less than ``active_within_days`` before it sees only some of
        the active customers, so that its churn rate is not comparable (``is_history_short``).

    Returns
    -------
    dict
        ``gap_days, horizon_days, active_within_days, rule_silence_days, as_of, n_now``, ``gap_q90_days`` (90 %
        quantile of the mean purchase gaps of the ``rhythm_count`` active customers who bought on more than one day,
        each counting once: what to hold the horizon against), ``origins``: a list of ``origin, n, base_rate,
        base_low, base_high`` (95 %, Wilson 1927), ``gap_customer_count, is_history_short``, and ``message``.
    """
    origins = [
        {
            "origin": str(origin),
            "n": len(rows),
            "base_rate": round(float(rows["is_churned"].mean()), 6),
            **_base_interval(rows["is_churned"]),
            "gap_customer_count": int((rows["gap_order_count"] > 0).sum()),
            "is_history_short": _is_short(date.fromisoformat(str(origin)), begun=begun, settings=settings),
        }
        for origin, rows in training.groupby("origin")
    ]
    eligible = select_eligible(features, settings=settings)
    gaps = eligible["gap_mean_days"].dropna().astype(float)
    return {
        "as_of": as_of.isoformat(),
        "gap_days": settings.gap_days,
        "horizon_days": settings.horizon_days,
        "active_within_days": settings.active_within_days,
        "rule_silence_days": settings.rule_silence_days,
        "n_now": len(eligible),
        "rhythm_count": len(gaps),
        "gap_q90_days": round(float(gaps.quantile(0.9)), 1) if len(gaps) else None,
        "origins": origins,
        "message": _definition_message(settings, origins=origins).to_json(),
    }


def origins_table(definition: Mapping[str, Any]) -> pd.DataFrame:
    """Return the origins of a definition, with ``gap_customer_count`` if there is a gap.

    ``origin_date, n, churn_rate, churn_rate_low, churn_rate_high`` (95 %, Wilson); the rates are empty where history
    before the origin is too short
    """
    rates = {"base_rate": "churn_rate", "base_low": "churn_rate_low", "base_high": "churn_rate_high"}
    columns = ["origin", "n", *rates, "gap_customer_count", "is_history_short"]
    table = pd.DataFrame(definition["origins"], columns=columns)
    for name in rates:
        table[name] = table[name].astype(float).mask(table["is_history_short"].astype(bool))
    unused = ["is_history_short"] if definition["gap_days"] else ["is_history_short", "gap_customer_count"]
    return table.drop(columns=unused).rename(columns={"origin": "origin_date"} | rates)


def format_origins(definition: Mapping[str, Any], *, words: Words) -> pd.DataFrame:
    """Return the origins for reading: as :func:`origins_table`, a rate without enough history told in words."""
    table = origins_table(definition)
    texts = [words.word("churn.no_history") if rate != rate else words.format_percent(rate)  # NaN is unequal to itself
             for rate in table["churn_rate"]]  # fmt: skip
    return table.assign(churn_rate=pd.Series(texts, dtype="str"))


def _base_interval(labels: pd.Series) -> dict[str, float]:
    low, high = wilson(int(labels.sum()), len(labels))
    return {"base_low": low, "base_high": high}


def _definition_message(settings: ChurnSettings, *, origins: list[dict[str, Any]]) -> Message:
    if not origins or origins[-1]["is_history_short"]:
        rate = message("churn.rate_unknown", active_days=settings.active_within_days)
    else:
        rate = message(
            "churn.rate", origin=origins[-1]["origin"], rate=origins[-1]["base_rate"], n=origins[-1]["n"]
        )  # fmt: skip
    given = {"active_days": settings.active_within_days, "horizon_days": settings.horizon_days, "rate": rate}
    if settings.gap_days:
        return message("churn.definition_gap", gap_days=settings.gap_days, **given)
    return message("churn.definition", **given)


def _is_short(origin: date, *, begun: date | None, settings: ChurnSettings) -> bool:
    return begun is not None and (origin - begun).days < settings.active_within_days
