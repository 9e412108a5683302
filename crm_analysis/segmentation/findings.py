"""Sentences of the segmentation, made from its results."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.words import Message, message
from crm_analysis.segmentation.rules import NON_BUYER, UNSCORED

_AT_RISK = ("declining", "dormant")
#: Days of data from which on a year can be compared with the year before.
_COMPARED_DAYS = 730


def finding_eligibility(eligibility: Mapping[str, Any]) -> Message:
    """Return whether all buyers could be scored, and why not."""
    return Message.from_json(eligibility["message"])


def finding_segments(sizes: pd.DataFrame) -> Message:
    """Return which segment brings most, beside its share of customers."""
    named = sizes.loc[~sizes["segment"].isin([NON_BUYER, UNSCORED]) & sizes["spend_share"].notna()]
    if named.empty:
        is_scored = not sizes["segment"].isin([NON_BUYER, UNSCORED]).all()
        return message("segmentation.sizes.no_spend" if is_scored else "segmentation.sizes.none")
    top = named.sort_values(["spend_amount", "segment"], ascending=[False, True]).iloc[0]
    return message(
        "segmentation.sizes.finding",
        segment=str(top["segment"]),
        customers=float(top["customer_share"]),
        spend=float(top["spend_share"]),
        n=int(top["customer_count"]),
        total=int(sizes["customer_count"].sum()),
    )


def note_lifecycle(eligibility: Mapping[str, Any]) -> Message:
    """Return how stages are told; with less than two years of data, that the comparison of years is lacking."""
    days = max((population["history_days"] for population in eligibility["populations"]), default=0)
    if days < _COMPARED_DAYS:
        return message("segmentation.lifecycle.note_short", days=days, needed=_COMPARED_DAYS)
    return message("segmentation.lifecycle.note")


def finding_lifecycle(sizes: pd.DataFrame) -> Message:
    """Return how many buyers are declining or dormant, what they are worth, and how many are lost."""
    buyers = sizes.loc[sizes["segment"] != "prospect"].set_index("segment")
    total = int(buyers["customer_count"].sum())
    if total == 0:
        return message("segmentation.sizes.none")
    at_risk = buyers.loc[buyers.index.isin(_AT_RISK)]
    lost = buyers.loc[buyers.index == "lost", "customer_count"].sum()
    return message(
        "segmentation.lifecycle.finding",
        n=int(at_risk["customer_count"].sum()),
        total=total,
        share=round(int(at_risk["customer_count"].sum()) / total, 6),
        spend=0.0 if at_risk.empty else round(float(at_risk["spend_share"].sum(min_count=1)), 6),
        lost=int(lost),
        lost_share=round(int(lost) / total, 6),
    )


def finding_stage_by_type(table: pd.DataFrame) -> Message:
    """Return which of the important types has most customers declining, dormant or lost."""
    important = table.loc[table["segment"].str.startswith("important_") & table["stage"].isin([*_AT_RISK, "lost"])]
    slipping = important.groupby("segment").agg(n=("customer_count", "sum"), share=("customer_share", "sum"))
    if slipping.empty:
        return message("segmentation.sizes.none")
    if slipping["n"].sum() == 0:
        return message("segmentation.stage_by_type.clean")
    first = slipping.reset_index().sort_values(["n", "segment"], ascending=[False, True]).iloc[0]
    steepest = slipping.reset_index().sort_values(["share", "segment"], ascending=[False, True]).iloc[0]
    sizes = table.groupby("segment")["customer_count"].sum()
    return message(
        "segmentation.stage_by_type.finding",
        steepest=str(steepest["segment"]),
        steepest_n=int(steepest["n"]),
        steepest_share=round(float(steepest["share"]), 6),
        segment=str(first["segment"]),
        n=int(first["n"]),
        total=int(sizes[first["segment"]]),
        share=round(float(first["share"]), 6),
    )


def finding_grid(grid: pd.DataFrame, *, minimum_customers: int = 30) -> Message:
    """Return the mean spend of the best cell beside that of all cells, cells of few customers left out."""
    filled = grid.loc[grid["customer_count"] > 0]
    large = filled.loc[filled["customer_count"] >= minimum_customers]
    if filled.empty:
        return message("segmentation.sizes.none")
    if large.empty:
        return message("segmentation.grid.small", minimum=minimum_customers)
    best = large.sort_values(["spend_mean_amount", "r_score", "f_score"], ascending=[False, False, False]).iloc[0]
    total = float((filled["spend_mean_amount"] * filled["customer_count"]).sum())
    return message(
        "segmentation.grid.finding",
        r=int(best["r_score"]),
        f=int(best["f_score"]),
        amount=float(best["spend_mean_amount"]),
        n=int(best["customer_count"]),
        mean=round(total / int(filled["customer_count"].sum()), 2),
        kind=str(best["kind"]),
        minimum=minimum_customers,
    )


def alt_segment_sizes(sizes: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.figures.plot_segment_sizes`."""
    return message("segmentation.sizes.alt", count=len(sizes), finding=finding_segments(sizes))


def alt_lifecycle(sizes: pd.DataFrame) -> Message:
    """Return the alternative text of the figure of lifecycle stages."""
    return message("segmentation.lifecycle.alt", count=len(sizes), finding=finding_lifecycle(sizes))


def alt_rfm_grid(grid: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.figures.plot_rfm_grid`."""
    return message("segmentation.grid.alt", finding=finding_grid(grid))


def alt_stage_by_type(table: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.figures.plot_stage_by_type`."""
    return message("segmentation.stage_by_type.alt", finding=finding_stage_by_type(table))
