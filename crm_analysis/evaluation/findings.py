"""Sentences about the scorecard, with the numbers they rest on."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

import pandas as pd

from crm_analysis.base.metrics import DERIVED_TABLES, METRICS
from crm_analysis.base.words import Message, message
from crm_analysis.evaluation.display import change_message, target_message, value_message
from crm_analysis.evaluation.scorecard import is_beyond_chance


def finding_scorecard(scorecard: pd.DataFrame) -> Message:
    """Return how many KPIs reach their target, and the one that is furthest from it by more than chance."""
    if scorecard.empty:
        return message("finding.scorecard_no_purchase")
    judged = scorecard.loc[scorecard["status"].isin(["good", "watch", "bad"])]
    if judged.empty:
        return message("finding.scorecard_no_target", kpi_count=len(scorecard))
    good = int((judged["status"] == "good").sum())
    missed = judged.loc[judged["status"] != "good"]
    if missed.empty:
        return message("finding.scorecard_all_good", kpi_count=len(judged))
    clear = missed.loc[is_beyond_chance(missed)]
    if clear.empty:
        return message("finding.scorecard_by_chance", good_count=good, kpi_count=len(judged))
    worst = clear.sort_values(["attainment_share", "kpi"], na_position="last").iloc[0]
    return message("finding.scorecard", good_count=good, kpi_count=len(judged), worst=_kpi_clause(worst))


def finding_movement(scorecard: pd.DataFrame) -> Message:
    """Return what revenue and buyers did on the last quarter and on the same quarter of last year."""
    rows = {row["kpi"]: row for row in scorecard.to_dict("records")}
    if not {"revenue", "active_customers"} <= set(rows):
        return message("finding.movement_none")
    revenue, buyers = rows["revenue"], rows["active_customers"]
    return message(
        "finding.movement",
        revenue=value_message(revenue["value"], unit="amount"),
        revenue_change=_change(revenue, "change"),
        revenue_year=_change(revenue, "year_ago_change"),
        buyers=value_message(buyers["value"], unit="count"),
        buyers_year=_change(buyers, "year_ago_change"),
    )


def note_history(scorecard: pd.DataFrame) -> Message:
    """Return how many KPIs cannot be told, or not compared with last year, because data begin too late."""
    if scorecard.empty:
        return message("finding.scorecard_no_purchase")
    short = scorecard.loc[scorecard["status"] == "no_history"]
    uncompared = scorecard.loc[scorecard["year_ago_absent"] == "no_history"]
    if uncompared.empty:
        return message("note.history_enough")
    if short.empty:
        return message("note.history_no_year", count=len(uncompared))
    return message(
        "note.history_short", count=len(short), kpi=message(METRICS[short["kpi"].iloc[0]].name), years=len(uncompared)
    )


def finding_unavailable(scorecard: pd.DataFrame) -> Message:
    """Return which KPIs cannot be had and the tables they need, or that all are there."""
    if scorecard.empty:
        return message("finding.scorecard_no_purchase")
    absent = [metric for id_, metric in METRICS.items() if id_ not in set(scorecard["kpi"])]
    if not absent:
        return message("note.kpi_all_available", kpi_count=len(METRICS))
    needed = dict.fromkeys(tuple(name for name in metric.needs if name not in DERIVED_TABLES) for metric in absent)
    clauses = [
        message(
            "note.kpi_needs",
            tables=[message("note.kpi_table", table=name) for name in tables],
            kpis=[message(metric.name) for metric in absent if set(metric.needs) - set(DERIVED_TABLES) == set(tables)],
        )
        for tables in needed
    ]
    told = reduce(lambda said, clause: message("note.kpi_needs_more", said=said, more=clause), clauses)
    return message("note.kpi_unavailable", kpi_count=len(absent), told=told)


def alt_attainment(scorecard: pd.DataFrame) -> Message:
    """Return what the attainment figure shows, in words."""
    judged = scorecard.loc[scorecard["attainment_share"].notna()]
    if judged.empty:
        return message("alt.attainment_empty")
    ordered = judged.sort_values(["attainment_share", "kpi"])
    low, high = ordered.iloc[0], ordered.iloc[-1]
    return message(
        "alt.attainment", kpi_count=len(judged),
        low=message(METRICS[low["kpi"]].name), low_share=float(low["attainment_share"]),
        high=message(METRICS[high["kpi"]].name), high_share=float(high["attainment_share"]),
    )  # fmt: skip


def alt_trend(history: pd.DataFrame) -> Message:
    """Return what the trend figure shows, in words."""
    shown = history.loc[history["value"].notna()]
    if shown.empty:
        return message("alt.trend_empty")
    quarters = sorted(shown["quarter"].unique())
    return message("alt.trend", first=quarters[0], last=quarters[-1], quarter_count=len(quarters))


def _change(row: Mapping[Any, Any], column: str) -> Message:
    """Return a relative change of a row of the scorecard, or why there is none."""
    absent = row["change_absent" if column == "change" else "year_ago_absent"]
    return change_message(row[column], unit=row["unit"], kind="relative", absent=absent)


def _kpi_clause(row: pd.Series) -> Message:
    """Return "satisfaction rate 81 % (target at least 90 %, n 420)"."""
    return message(
        "clause.kpi_against_target",
        kpi=message(METRICS[row["kpi"]].name),
        value=value_message(row["value"], unit=row["unit"]),
        target=target_message(row["target"], kpi=row["kpi"]),
        n=int(row["n"]),
    )
