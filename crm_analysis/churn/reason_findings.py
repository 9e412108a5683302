"""Reasons of losses for reading: sentences and tables."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.words import ABSENT, Message, Words, message
from crm_analysis.churn.reasons import LOST, NOT_RECORDED

Row = Mapping[Any, Any]


def finding_reasons(reasons: pd.DataFrame, *, state: str = LOST) -> Message:
    """Return the most frequent reason of losses (or of customers ``at_risk``), and how many are unknown.

    columns of ``REASONS_SCHEMA`` -> message
    """
    rows = reasons.loc[reasons["risk_state"] == state]
    if rows.empty:
        return message(f"reasons.none_{state}")
    unknown = rows.loc[rows["reason"] == NOT_RECORDED]
    known = rows.loc[(rows["reason"] != NOT_RECORDED) & ~rows["is_hidden"].astype(bool)]
    if known.empty:
        return message(f"reasons.few_{state}", unknown=_unknown(unknown, id_=f"only_{state}"))
    missing = _unknown(unknown, id_=f"unknown_{state}")
    top = known.iloc[0]
    return message(
        f"reasons.finding_{state}", reason=str(top["reason"]), n=int(top["case_count"]),
        share=float(top["reason_share"]), low=float(top["reason_share_low"]), high=float(top["reason_share_high"]),
        known=round(float(top["case_count"] / top["reason_share"])), money=float(top["year_spend_amount"]),
        unknown=missing,
    )  # fmt: skip


def _unknown(rows: pd.DataFrame, *, id_: str) -> Message:
    if rows.empty:
        return message("reasons.unknown_none")
    row = rows.iloc[0]
    if row["is_hidden"]:
        return message("reasons.unknown_hidden")
    return message(f"reasons.{id_}", n=int(row["case_count"]), share=float(row["reason_share"]))


def finding_reason_trend(trend: pd.DataFrame) -> Message:
    """Return whether the share of the most frequent reason moved between the first and the last finished quarter.

    columns of ``REASON_TREND_SCHEMA`` -> message; a move counts as one when neither interval holds the other's share
    """
    told = trend.loc[~trend["is_running"].astype(bool) & ~trend["is_hidden"].astype(bool)]
    if told["quarter"].nunique() < 2:
        return message("reasons.trend_short", n=int(told["quarter"].nunique()))
    reason = str(told["reason"].iloc[0])
    rows = told.loc[told["reason"] == reason]
    first, last = rows.iloc[0], rows.iloc[-1]
    is_apart = not (
        first["reason_share_low"] <= last["reason_share"] <= first["reason_share_high"]
        or last["reason_share_low"] <= first["reason_share"] <= last["reason_share_high"]
    )
    return message(
        "reasons.trend", reason=reason, first=str(first["quarter"]), before=float(first["reason_share"]),
        n_before=int(first["known_count"]), last=str(last["quarter"]), now=float(last["reason_share"]),
        n=int(last["known_count"]), judged=message("reasons.moved" if is_apart else "reasons.steady"),
    )  # fmt: skip


def note_reasons(*, horizon_days: int) -> Message:
    """Return how losses are counted, which contacts tell the reason, and what the shares do not tell."""
    return message("reasons.note", horizon_days=horizon_days)


def alt_reasons(reasons: pd.DataFrame, *, state: str = LOST) -> Message:
    """Return what the Pareto figure shows, in words."""
    rows = shown_reasons(reasons, state=state)
    if rows.empty:
        return message("reasons.alt_none")
    told = [message("reasons.alt_item", reason=row["reason"], share=row["reason_share"])
            for row in rows.to_dict("records")]  # fmt: skip
    return message("reasons.alt", told=told)


def shown_reasons(reasons: pd.DataFrame, *, state: str = LOST) -> pd.DataFrame:
    """Return the known reasons that may be shown, most frequent first."""
    is_told = (reasons["risk_state"] == state) & (reasons["reason"] != NOT_RECORDED)
    return reasons.loc[is_told & ~reasons["is_hidden"].astype(bool)].reset_index(drop=True)


def format_reasons(reasons: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return reasons for reading, those of losses before those of customers at risk.

    columns of ``REASONS_SCHEMA`` -> ``risk_state_text, churn_reason, reason_cases, reason_share_text, interval,
    year_spend``
    """
    rows = reasons.to_dict("records")
    cells = {
        "risk_state_text": [words.word(f"risk_state.{row['risk_state']}") for row in rows],
        "churn_reason": [_reason(row, words=words) for row in rows],
        "reason_cases": [_told(row, words.format_int(row["case_count"]), words=words) for row in rows],
        "reason_share_text": [_told(row, words.format_percent(row["reason_share"]), words=words) for row in rows],
        "interval": [
            ABSENT
            if row["is_hidden"]
            else words.say("value.interval", low=row["reason_share_low"], high=row["reason_share_high"])
            for row in rows
        ],
        "year_spend": [_told(row, words.format_money(row["year_spend_amount"]), words=words) for row in rows],
    }
    return pd.DataFrame(cells, dtype="str")


def format_reason_trend(trend: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the trend for reading: one row per quarter, with the two most frequent reasons of it.

    columns of ``REASON_TREND_SCHEMA`` -> ``quarter, lost_count, known_reasons, unknown_share, top_reasons,
    reason_state``
    """
    cells: dict[str, list[Any]] = {
        "quarter": [], "lost_count": [], "known_reasons": [], "unknown_share": [], "top_reasons": [],
        "reason_state": [],
    }  # fmt: skip
    for quarter, part in trend.groupby("quarter", sort=True):
        first = part.iloc[0]
        cells["quarter"].append(str(quarter))
        cells["reason_state"].append(words.word("reasons.running" if first["is_running"] else "reasons.settled"))
        cells["lost_count"].append(int(first["lost_count"]))
        cells["known_reasons"].append(int(first["known_count"]))
        cells["unknown_share"].append(float(first["unknown_share"]))
        top = part.sort_values("reason_share", ascending=False, kind="stable").head(2).to_dict("records")
        told = [words.say("reasons.alt_item", reason=row["reason"], share=row["reason_share"]) for row in top]
        cells["top_reasons"].append(words.word("absent.too_small") if first["is_hidden"] else words.join(told))
    return pd.DataFrame(cells)


def format_reason_money(money: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the spend of the year before by tier and reason for reading; hidden cells of a tier are left out.

    columns of ``REASON_MONEY_SCHEMA`` -> ``tier, churn_reason, lost_count, year_spend``
    """
    rows = money.loc[~money["is_hidden"].astype(bool)].to_dict("records")
    cells = {
        "tier": [row["tier"] for row in rows],
        "churn_reason": [_reason(row, words=words) for row in rows],
        "lost_count": [words.format_int(row["case_count"]) for row in rows],
        "year_spend": [words.format_money(row["year_spend_amount"]) for row in rows],
    }
    return pd.DataFrame(cells, dtype="str")


def _reason(row: Row, *, words: Words) -> str:
    id_ = f"churn_reason.{row['reason']}"
    return words.word(id_) if words.has(id_) else str(row["reason"])


def _told(row: Row, text: str, *, words: Words) -> str:
    return words.word("signals.few") if row["is_hidden"] else text
