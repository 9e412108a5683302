"""Sentences on the bridges, on revenue retention, on concentration and on the dependence on single accounts."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.words import Message, message
from crm_analysis.evaluation.bridges import END, JOINED, START


def finding_bridge(steps: pd.DataFrame, *, span: str) -> Message:
    """Return how revenue and buyers changed, and which part of the bridge added and which took most.

    what :func:`crm_analysis.evaluation.bridges.bridge_steps_table` returns -> message
    """
    if steps.empty:
        return message("bridge.no_history", span=span)
    rows = steps.set_index("bridge_part")
    before, now = (float(rows["change_amount"][end]) for end in (START, END))
    return message(
        "bridge.finding",
        span=span,
        now_span=span,
        before=before,
        now=now,
        change=_relative(before, now),
        buyers_before=int(rows["customer_count"][START]),
        buyers_now=int(rows["customer_count"][END]),
        gain=_largest(steps, sign=1),
        loss=_largest(steps, sign=-1),
    )


def _relative(before: float, now: float) -> Message:
    if before <= 0:
        return message("bridge.no_base")
    return message("bridge.change", change=round(now / before - 1, 6))


def _largest(steps: pd.DataFrame, *, sign: int) -> Message:
    """Return the part with the largest gain (sign 1) or loss (sign -1)."""
    parts = steps.iloc[1:-1]
    moved = parts.loc[sign * parts["change_amount"] > 0]
    if moved.empty:
        return message("bridge.no_gain" if sign > 0 else "bridge.no_loss")
    row = moved.iloc[int(moved["change_amount"].abs().argmax())]
    return message(
        "bridge.gain" if sign > 0 else "bridge.loss",
        part=str(row["bridge_part"]), n=int(row["customer_count"]), amount=abs(float(row["change_amount"])),
    )  # fmt: skip


def finding_retention(retention: pd.DataFrame, *, span: str) -> Message:
    """Return gross and net revenue retention of all customers with the base they rest on.

    columns of ``RETENTION_SCHEMA`` (of all customers) -> message
    """
    rows = retention.loc[retention["bridge_span"] == span]
    if rows.empty:
        return message("bridge.no_history", span=span)
    row = rows.iloc[0]
    n, unbased = int(row["base_customer_count"]), int(row["unbased_count"])
    if row["status"] == "too_small":
        return message("retention.too_small", span=span, n=n)
    gross, net = float(row["gross_retention_rate"]), float(row["net_retention_rate"])
    id_ = "retention.finding_unbased" if unbased else "retention.finding"
    return message(id_, span=span, gross=gross, net=net, n=n, unbased=unbased)


def finding_tier_retention(retention: pd.DataFrame, *, span: str) -> Message:
    """Return the tiers with the highest and the lowest net revenue retention.

    columns of ``RETENTION_SCHEMA`` (by tier) -> message; customers who joined during the earlier period bought in a
    part of it only, so they are not compared
    """
    rows = retention.loc[(retention["bridge_span"] == span) & retention["net_retention_rate"].notna()]
    rows = rows.loc[rows["tier"] != JOINED]
    if len(rows) < 2:
        return message("retention.no_tiers")
    ordered = rows.sort_values(["net_retention_rate", "tier"], ignore_index=True)
    low, high = ordered.iloc[0], ordered.iloc[-1]
    return message(
        "retention.tiers", span=span,
        best=str(high["tier"]), best_net=float(high["net_retention_rate"]), best_n=int(high["base_customer_count"]),
        worst=str(low["tier"]), worst_net=float(low["net_retention_rate"]), worst_n=int(low["base_customer_count"]),
    )  # fmt: skip


def alt_bridge(steps: pd.DataFrame, *, span: str) -> Message:
    """Return the alternative text of :func:`crm_analysis.evaluation.bridges_figures.plot_bridge`."""
    return message("bridge.alt", finding=finding_bridge(steps, span=span))


def finding_dependence(document: Mapping[str, Any]) -> Message:
    """Return whether single accounts bring so much of the revenue that the company depends on them."""
    return Message.from_json(document["message"])


def finding_concentration_change(table: pd.DataFrame) -> Message:
    """Return the share of the best fifth now and a year ago.

    what :func:`crm_analysis.evaluation.dependence.concentration_change_table` returns -> message
    """
    rows = table.loc[table["account_group"] == "top_20"]
    if rows.empty or pd.isna(rows["spend_share"].iloc[0]):
        return message("dependence.no_share")
    row = rows.iloc[0]
    told = {"fifth": float(row["spend_share"]), "n": int(row["n"])}
    if pd.isna(row["year_ago_share"]):
        return message("dependence.no_year_ago", **told)
    return message(
        "dependence.change", **told, before=float(row["year_ago_share"]), change=float(row["share_change_pp"])
    )


def note_dependence(document: Mapping[str, Any]) -> Message:
    """Return the concentration as a number of equal accounts, and what is not told of persons."""
    if document["equal_count"] is None:
        return message("dependence.note_persons")
    equal = round(float(document["equal_count"]))
    id_ = "dependence.note" if document["are_organisations"] else "dependence.note_mixed"
    return message(id_, herfindahl=round(10_000 * float(document["herfindahl"])), equal=equal)
