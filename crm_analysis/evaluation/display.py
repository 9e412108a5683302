"""Values of different units as text: the scorecard for reading, and the definitions behind it."""

from collections.abc import Sequence

import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.words import Message, Words, message


def value_message(value: float | None, *, unit: str) -> Message:
    """Return a value in its unit as a clause for other messages."""
    if value is None or value != value:  # NaN is unequal to itself
        return message("value.absent")
    digits = {"points": 1, "hours": 1, "score": 2}.get(unit)
    return message(f"value.{unit}", value=float(value) if digits is None else round(float(value), digits))


def change_message(change: float | None, *, unit: str, kind: str) -> Message:
    """Return a change as a clause: percentage points for shares, points for points, percent for the rest."""
    if change is None or change != change:
        return message("value.absent")
    if kind == "relative":
        return message("change.relative", change=float(change))
    if unit == "share":
        return message("change.share", change=float(change))
    sign = "up" if change > 0 else "down" if change < 0 else "same"
    return message(f"change.points_{sign}", change=round(abs(float(change)), 1))


def target_message(target: float | None, *, kpi: str) -> Message:
    """Return a target with its direction: at least, or at most."""
    metric = METRICS[kpi]
    if target is None or target != target:
        return message("value.absent")
    return message(f"target.{metric.direction}", target=value_message(target, unit=metric.unit))


def format_scorecard(scorecard: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the scorecard for reading.

    ``scorecard`` -> ``kpi, value, target, attainment_share, change, year_ago_change, n, status``; values, targets and
    changes are text in the KPI's own unit, the rest as it was
    """

    def change(column: str) -> list[str]:
        cells = zip(scorecard[column], scorecard["unit"], scorecard["change_kind"], strict=True)
        return [words.say(change_message(c, unit=u, kind=k)) for c, u, k in cells]

    values = zip(scorecard["value"], scorecard["unit"], strict=True)
    targets = zip(scorecard["target"], scorecard["kpi"], strict=True)
    return pd.DataFrame(
        {
            "kpi": scorecard["kpi"],
            "value": pd.Series([words.say(value_message(v, unit=u)) for v, u in values], dtype="str"),
            "target": pd.Series([words.say(target_message(t, kpi=k)) for t, k in targets], dtype="str"),
            "attainment_share": scorecard["attainment_share"],
            "change": pd.Series(change("change"), dtype="str"),
            "year_ago_change": pd.Series(change("year_ago_change"), dtype="str"),
            "n": scorecard["n"],
            "status": scorecard["status"],
        }
    )


def metric_definitions(kpis: Sequence[str], *, words: Words) -> list[tuple[str, str]]:
    """Return ``(name, definition)`` per KPI for the glossary: formula, window, smallest sample."""
    return [
        (
            words.word(METRICS[id_].name),
            words.say(
                message(
                    "metric.definition",
                    formula=message(METRICS[id_].formula),
                    window=message(METRICS[id_].window),
                    n=METRICS[id_].minimum_n,
                )
            ),
        )
        for id_ in kpis
    ]
