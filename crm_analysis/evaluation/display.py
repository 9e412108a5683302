"""Values of different units as text: the scorecard for reading, and the definitions behind it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.words import Message, Words, message


def value_message(value: float | None, *, unit: str) -> Message:
    """Return a value in its unit as a clause for other messages."""
    if value is None or value != value:  # NaN is unequal to itself
        return message("value.absent")
    digits = {"points": 1, "hours": 1, "score": 2}.get(unit)
    return message(f"value.{unit}", value=float(value) if digits is None else round(float(value), digits))


def change_message(change: float | None, *, unit: str, kind: str, absent: str = "") -> Message:
    """Return a change as a clause: percentage points for shares, points for points, percent for the rest.

    Parameters
    ----------
    absent
        Why there is none (``no_history``, ``too_small``, ``no_base``; see the scorecard); it is told instead.
    """
    if change is None or change != change:
        return message(f"absent.{absent}" if absent else "value.absent")
    if kind == "relative":
        return message("change.relative", change=float(change))
    if unit == "share":
        return message("change.share", change=float(change))
    points = round(float(change), 1)
    sign = "up" if points > 0 else "down" if points < 0 else "same"
    return message(f"change.points_{sign}", change=abs(points))


def interval_message(row: Mapping[str, Any], *, unit: str = "share") -> Message:
    """Return the interval from ``low`` to ``high`` of a value in its unit as a clause; a dash where there is none."""
    if row["low"] != row["low"] or row["high"] != row["high"]:  # NaN is unequal to itself
        return message("value.absent")
    of_unit = "value.interval" if unit == "share" else "value.interval_number"
    return message(of_unit, low=round(float(row["low"]), 6), high=round(float(row["high"]), 6))


def target_message(target: float | None, *, kpi: str) -> Message:
    """Return a target with its direction: at least, or at most."""
    metric = METRICS[kpi]
    if target is None or target != target:
        return message("value.absent")
    return message(f"target.{metric.direction}", target=value_message(target, unit=metric.unit))


def format_scorecard(scorecard: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the scorecard for reading.

    ``scorecard`` -> ``kpi, value, interval, target, attainment_share, change, year_ago_change, n, status``; values,
    their 95 % intervals, targets and changes are text in the KPI's own unit, the rest as it was
    """

    def change(column: str, absent: str) -> list[str]:
        cells = zip(scorecard[column], scorecard["unit"], scorecard["change_kind"], scorecard[absent], strict=True)
        return [words.say(change_message(c, unit=u, kind=k, absent=a)) for c, u, k, a in cells]

    def value(row: Mapping[str, Any]) -> str:
        is_short = row["status"] == "no_history"
        return words.say(message("absent.no_history") if is_short else value_message(row["value"], unit=row["unit"]))

    rows: list[dict[str, Any]] = scorecard.astype({"status": "str"}).to_dict("records")  # type: ignore[assignment]
    targets = zip(scorecard["target"], scorecard["kpi"], strict=True)
    return pd.DataFrame(
        {
            "kpi": scorecard["kpi"],
            "value": pd.Series([value(row) for row in rows], dtype="str"),
            "interval": pd.Series([words.say(interval_message(row, unit=row["unit"])) for row in rows], dtype="str"),
            "target": pd.Series([words.say(target_message(t, kpi=k)) for t, k in targets], dtype="str"),
            "attainment_share": scorecard["attainment_share"],
            "change": pd.Series(change("change", "change_absent"), dtype="str"),
            "year_ago_change": pd.Series(change("year_ago_change", "year_ago_absent"), dtype="str"),
            "n": scorecard["n"],
            "status": scorecard["status"],
        }
    )


def metric_definitions(kpis: Sequence[str], *, words: Words) -> list[tuple[str, str]]:
    """Return ``(name, definition)`` per KPI for the glossary: formula, window, smallest sample where one is needed."""
    return [
        (
            words.word(METRICS[id_].name),
            words.say(
                message(
                    "metric.definition" if METRICS[id_].minimum_n > 1 else "metric.definition_total",
                    formula=message(METRICS[id_].formula),
                    window=message(METRICS[id_].window),
                    n=METRICS[id_].minimum_n,
                )
            ),
        )
        for id_ in kpis
    ]
