"""Survival for reading: sentences, and the table at fixed days."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.words import ABSENT, Message, Words, message
from crm_analysis.churn.survival import JOINED


def finding_survival(document: Mapping[str, Any]) -> Message:
    """Return how many go on buying, and whether the tiers differ, or why nothing can be said."""
    return Message.from_json(document["message"])


def finding_median(document: Mapping[str, Any]) -> Message:
    """Return the median length of the spells of all customers and by tier, where it is reached."""
    tiers = document["tiers"]
    if not tiers:
        return message("survival.no_median")
    clauses = [_median(tier) for tier in tiers[1:] if tier["median_days"] is not None]
    waiting = [message("survival.tier", tier=tier["tier"]) for tier in tiers[1:] if tier["median_days"] is None]
    whole = message("survival.not_reached") if tiers[0]["median_days"] is None else _median(tiers[0], of="whole")
    if not clauses and not waiting:
        return message("survival.medians_whole", whole=whole, n=document["n"])
    id_ = "by_tier_all" if not waiting else "by_tier" if clauses else "waiting"
    by_tier = message(f"survival.{id_}", tiers=clauses, waiting=waiting)
    return message("survival.medians", whole=whole, tiers=by_tier, n=document["n"])


def _median(tier: Mapping[str, Any], *, of: str = "of_tier") -> Message:
    """Return the median of a tier as a clause; an upper bound that is not reached is told."""
    id_ = f"survival.median_{of}" if tier["median_days_high"] is not None else f"survival.median_{of}_open"
    return message(id_, tier=tier["tier"], median=tier["median_days"], low=tier["median_days_low"],
                   high=tier["median_days_high"])  # fmt: skip


def note_survival(document: Mapping[str, Any]) -> Message:
    """Return what is followed, what ends a spell, and why the curve stops before the report's day."""
    return message("survival.note", quarter=document["entry"], horizon_days=document["horizon_days"], joined=JOINED)


def note_returned(document: Mapping[str, Any]) -> Message:
    """Return how many of those whose spell ended bought again since: a silence is not a farewell."""
    if not document["end_count"]:
        return message("survival.no_end", n=document["n"])
    return message(
        "survival.returned", n=document["end_count"], returned=document["returned_count"],
        share=round(document["returned_count"] / document["end_count"], 6), horizon_days=document["horizon_days"],
    )  # fmt: skip


def alt_survival(curves: pd.DataFrame) -> Message:
    """Return what the figure of the curves shows, in words."""
    if curves.empty:
        return message("survival.alt_none")
    last = curves.groupby("tier", sort=False).tail(1)
    clauses = [
        message("survival.alt_tier", tier=str(row["tier"]), rate=float(row["survival_rate"]),
                day=int(row["duration_days"]))
        for row in last.to_dict("records")
    ]  # fmt: skip
    return message("survival.alt", n=len(last), tiers=clauses)


def format_survival(table: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the table at fixed days for reading.

    columns of ``SURVIVAL_SCHEMA`` -> ``tier, survival_day, customer_count, followed_count, end_count, unfollowed_count,
    survival, interval``, texts where a share cannot be told
    """
    rows = table.to_dict("records")
    texts = {
        "tier": table["tier"].tolist(),
        "survival_day": [words.say("survival.day", day=row["shown_day"]) for row in rows],
        "survival": [_share(row, words=words) for row in rows],
        "interval": [words.say("value.interval", low=row["survival_rate_low"], high=row["survival_rate_high"])
                     if pd.notna(row["survival_rate_low"]) else ABSENT for row in rows],
    }  # fmt: skip
    shown = pd.DataFrame({name: pd.Series(cells, dtype="str") for name, cells in texts.items()})
    for place, name in enumerate(("customer_count", "followed_count", "end_count", "unfollowed_count"), start=2):
        shown.insert(place, name, table[name])
    return shown


def _share(row: Mapping[Any, Any], *, words: Words) -> str:
    """Return the share still buying, or why there is none: too few customers, or too short an observation."""
    if pd.notna(row["survival_rate"]):
        return words.format_percent(row["survival_rate"])
    return words.word("absent.too_small" if pd.isna(row["end_count"]) else "survival.too_short")
