"""Sentences of the diagnosis, made from its results."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.words import Message, message


def finding_completeness(score: Mapping[str, Any]) -> Message:
    """Return how complete customer information is, against its target."""
    if score["score"] is None:
        return message("diagnosis.completeness.none")
    worst = score["worst"]
    gap = (
        message(
            "diagnosis.completeness.worst",
            field=f"{worst['table']}.{worst['field']}",
            table=worst["table"],
            rate=worst["missing_rate"],
            n=worst["row_count"],
        )
        if worst
        else message("diagnosis.completeness.no_gap")
    )
    id_ = "reached" if score["score"] >= score["target"] else "missed"
    return message(
        f"diagnosis.completeness.{id_}",
        score=score["score"],
        target=score["target"],
        distance=round(score["score"] - score["target"], 6),
        fields=score["field_count"],
        n=score["customer_count"],
        gap=gap,
    )


def note_completeness(score: Mapping[str, Any]) -> Message:
    """Return the definition and the caveat of the score: fields that the files do not hold."""
    return message("diagnosis.completeness.note", fields=score["field_count"], absent=score["absent_field_count"])


def alt_missing_rates(gaps: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.diagnosis.figures.plot_missing_rates`."""
    if gaps.empty:
        return message("diagnosis.completeness.no_gap")
    first = gaps.iloc[0]
    return message(
        "diagnosis.missing.alt",
        count=len(gaps),
        field=f"{first['table']}.{first['field']}",
        table=str(first["table"]),
        rate=float(first["missing_rate"]),
        least=float(gaps.iloc[-1]["missing_rate"]),
    )


def finding_validity(validity: pd.DataFrame) -> Message:
    """Return how many values break a rule, and the rule that is broken most often."""
    checked = int(validity["checked_count"].sum())
    if checked == 0:
        return message("diagnosis.validity.none")
    rules = int((validity["checked_count"] > 0).sum())
    broken = validity.loc[validity["invalid_count"] > 0]
    if broken.empty:
        return message("diagnosis.validity.clean", checked=checked, rules=rules)
    order = broken.sort_values(["invalid_rate", "table", "field", "rule"], ascending=[False, True, True, True])
    worst = order.iloc[0]
    return message(
        "diagnosis.validity.broken",
        broken=len(broken),
        rules=rules,
        field=f"{worst['table']}.{worst['field']}",
        table=str(worst["table"]),
        rule=str(worst["rule"]),
        invalid=int(worst["invalid_count"]),
        n=int(worst["checked_count"]),
        rate=float(worst["invalid_rate"]),
    )
