"""Sentences on cut points, segment tables, the period view and trials of other thresholds, made from their results."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.words import Message, message
from crm_analysis.segmentation.periods_view import GROUPS


def finding_basis(basis: Mapping[str, Any]) -> Message:
    """Return where the cut points come from: frozen for the fiscal year, of the quarter, or of settings."""
    return Message.from_json(basis["message"])


def note_cuts(basis: Mapping[str, Any]) -> Message:
    """Return how the table of cut points is read."""
    return message(f"rfm.cuts.note_{basis['method']}")


def note_split(basis: Mapping[str, Any]) -> Message:
    """Return where "high" begins in the eight types."""
    if basis["split"] == "top_share":
        return message("rfm.split.note_top_share", share=basis["top_share"])
    return message(f"rfm.split.note_{basis['split']}")


def finding_rules(rules: Mapping[str, Any]) -> Message:
    """Return whether the segment table covers all 125 cells, which it leaves out, and whom that touches."""
    uncovered = rules["uncovered"]
    if not uncovered:
        return message("rfm.rules.complete", overlaps=rules["overlap_count"])
    return message(
        "rfm.rules.gaps",
        count=len(uncovered),
        cells=" ".join(uncovered[:_CELLS_SHOWN]) + (" ..." if len(uncovered) > _CELLS_SHOWN else ""),
        segment=rules["otherwise"],
        n=rules["customer_count"],
        total=rules["scored_count"],
        share=round(rules["customer_count"] / max(rules["scored_count"], 1), 6),
    )


_CELLS_SHOWN = 20


def finding_movements(table: pd.DataFrame) -> Message:
    """Return who was active in the last quarter, and how many of the quarter before did not buy again."""
    if table.empty:
        return message("rfm.movements.none")
    last = table.iloc[-1]
    counts = {group: None if pd.isna(last[f"{group}_count"]) else int(last[f"{group}_count"]) for group in GROUPS}
    if last["is_first_quarter"]:
        return message("rfm.movements.first", quarter=str(last["quarter"]), n=int(last["active_count"]))
    before = int(last["retained_count"] + last["churned_count"])
    if not before:
        return message("rfm.movements.from_nothing", quarter=str(last["quarter"]), n=int(last["active_count"]))
    return message(
        "rfm.movements.finding",
        quarter=str(last["quarter"]),
        n=int(last["active_count"]),
        **counts,
        before=before,
        share=float(last["lapsed_share"]),
        amount=float(last["churned_spend_amount"]),
    )


def note_movements(table: pd.DataFrame) -> Message:
    """Return the definitions of the period view; where the first quarter of the data is shown, what it cannot tell."""
    return message("rfm.movements.note_first" if table["is_first_quarter"].any() else "rfm.movements.note")


def alt_movements(table: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.rfm_figures.plot_movements`."""
    return message("rfm.movements.alt", count=len(table), finding=finding_movements(table))


def finding_compare(table: pd.DataFrame) -> Message:
    """Return how many customers another labeling puts elsewhere, and the largest of these moves."""
    total = int(table["customer_count"].sum())
    changed = table.loc[table["is_changed"]]
    if changed.empty:
        return message("rfm.compare.same", total=total)
    largest = changed.iloc[0]
    n = int(changed["customer_count"].sum())
    return message(
        "rfm.compare.finding",
        n=n,
        total=total,
        share=round(n / total, 6),
        segment=str(largest["segment"]),
        other=str(largest["other_segment"]),
        most=int(largest["customer_count"]),
    )
