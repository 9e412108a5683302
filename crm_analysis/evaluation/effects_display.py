"""Highlights, measures, effect and movement for reading: values of different units as text."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.words import Message, Words, message
from crm_analysis.evaluation.display import target_message, value_message

#: Units in which a difference of two values is told in words of its own.
_POINTS = 100
_LEAST_VALUES = 2


def signed_message(value: float, *, unit: str) -> Message:
    """Return a difference of two values of a unit with its sign: shares in percentage points, others in their unit."""
    if value != value:  # NaN is unequal to itself
        return message("value.absent")
    if unit == "share":
        return message("change.share", change=float(value))
    sign = "plus" if value > 0 else "minus" if value < 0 else "same"
    return message(f"effects.{sign}", value=size_message(abs(float(value)), unit=unit))


def size_message(value: float, *, unit: str) -> Message:
    """Return the size of a difference without a sign."""
    if value != value:  # NaN is unequal to itself
        return message("value.absent")
    if unit == "share":
        return message("effects.share_points", points=round(_POINTS * float(value), 1))
    return mean_message(value, unit=unit)


def mean_message(value: float, *, unit: str) -> Message:
    """Return a mean in its unit; days have words of their own."""
    if unit == "days" and value == value:  # NaN is unequal to itself
        return message("effects.days", days=round(float(value), 1))
    return value_message(value, unit=unit)


def range_message(low: float, high: float, *, unit: str) -> Message:
    """Return a 95 % interval of a difference."""
    if low != low or high != high:  # NaN is unequal to itself
        return message("value.absent")
    return message("effects.range", low=signed_message(low, unit=unit), high=signed_message(high, unit=unit))


def measure_message(measure: str) -> Message:
    """Return the text of a measure: built-in ones of a KPI, others by their own id."""
    return message(f"measure_for.{measure}" if measure in METRICS else f"improvement.{measure}")


def campaign_message(row: Mapping[str, Any]) -> Message:
    """Return what a row of the effect is about: one campaign, or how many together."""
    if row["scope"] == "campaign":
        return message("effects.campaign", campaign=row["campaign"])
    return message(f"effects.scope.{row['scope']}")


def format_highlights(highlights: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return highlights or shortfalls: ``kpi, value, target, distance, noise, noise_score, status, n``."""
    rows = _records(highlights)
    return pd.DataFrame(
        {
            "kpi": highlights["kpi"],
            "value": _texts([value_message(r["value"], unit=r["unit"]) for r in rows], words),
            "target": _texts([target_message(r["target"], kpi=r["kpi"]) for r in rows], words),
            "distance": _texts([signed_message(r["distance"], unit=r["unit"]) for r in rows], words),
            "noise": _texts([_noise(r) for r in rows], words),
            "noise_score": highlights["noise_score"].round(1),
            "status": highlights["status"],
            "n": highlights["n"],
        }
    )


def format_measures(measures: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the measures: ``kpi, value, target, measure, department, due_date, n``; texts in the KPI's unit."""
    rows = _records(measures)
    return pd.DataFrame(
        {
            "kpi": measures["kpi"],
            "value": _texts([value_message(r["value"], unit=r["unit"]) for r in rows], words),
            "target": _texts([_wanted(r) for r in rows], words),
            "measure": _texts([measure_message(r["measure"]) for r in rows], words),
            "department": _texts([_department(r["department"], words) for r in rows], words),
            "due_date": measures["due_date"],
            "n": measures["n"],
        }
    )  # fmt: skip


def format_checks(checks: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return what became of measures: whether done, values, change in units of noise, verdict."""
    rows = _records(checks)
    return pd.DataFrame(
        {
            "kpi": checks["kpi"],
            "measure": _texts([measure_message(r["measure"]) for r in rows], words),
            "done_state": _texts([_done(r) for r in rows], words),
            "value_before": _texts([value_message(r["value_before"], unit=r["unit"]) for r in rows], words),
            "value_now": _texts([value_message(r["value_now"], unit=r["unit"]) for r in rows], words),
            "target": _texts([target_message(r["target"], kpi=r["kpi"]) for r in rows], words),
            "change_score": checks["change_score"].round(1),
            "verdict": checks["verdict"],
            "n": checks["n"],
        }
    )


def format_effect(effect: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the effect: campaign, outcome, groups, means, difference with interval, uplift, power, verdict."""
    rows = _records(effect)
    return pd.DataFrame(
        {
            "campaign": _texts([campaign_message(r) for r in rows], words),
            "outcome": effect["outcome"],
            "n_treated": effect["n_treated"],
            "n_control": effect["n_control"],
            "treated_mean": _texts([mean_message(r["treated_mean"], unit=r["unit"]) for r in rows], words),
            "control_mean": _texts([mean_message(r["control_mean"], unit=r["unit"]) for r in rows], words),
            "difference": _texts([signed_message(r["difference"], unit=r["unit"]) for r in rows], words),
            "interval": _texts([range_message(r["low"], r["high"], unit=r["unit"]) for r in rows], words),
            "detectable": _texts([size_message(r["detectable"], unit=r["unit"]) for r in rows], words),
            "verdict": effect["verdict"],
        }
    )


def format_balance(balance: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the balance: campaign, covariate, groups, means, standardised difference and what chance allows."""
    rows = _records(balance)
    return pd.DataFrame(
        {
            "campaign": _texts([campaign_message(r) for r in rows], words),
            "covariate": balance["covariate"],
            "n_treated": balance["n_treated"],
            "n_control": balance["n_control"],
            "treated_mean": _texts([mean_message(r["treated_mean"], unit=r["unit"]) for r in rows], words),
            "control_mean": _texts([mean_message(r["control_mean"], unit=r["unit"]) for r in rows], words),
            "standard_difference": balance["standard_difference"],
            "chance_limit": balance["chance_limit"],
            "is_balanced": balance["is_balanced"],
        }
    )


def format_mix_parts(parts: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the parts of a change without its ends; contributions are text in the KPI's unit."""
    inner = parts.loc[~parts["change_part"].isin(["before", "now"])].reset_index(drop=True)
    contributions = [signed_message(r["contribution"], unit=r["unit"]) for r in _records(inner)]
    return inner.assign(contribution=_texts(contributions, words))[
        ["kpi", "change_part", "contribution", "part_share", "n_before", "n_now"]
    ]


def format_mix_tiers(tiers: pd.DataFrame, *, kpi: str, words: Words) -> pd.DataFrame:
    """Return what tiers contributed: ``tier, n_before, n_now, mean_before, mean_now, mix, within`` as text."""
    unit = METRICS[kpi].unit
    means = {n: _texts([value_message(v, unit=unit) for v in tiers[n]], words) for n in ("mean_before", "mean_now")}
    parts = {name: _texts([signed_message(v, unit=unit) for v in tiers[name]], words) for name in ("mix", "within")}
    return tiers.assign(**means, **parts)


def format_festival(festival: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the comparison with last year, plain and aligned: values as text in the flow's unit."""
    rows = _records(festival)
    values = {
        name: _texts([value_message(r[name], unit=r["unit"]) for r in rows], words)
        for name in ("value", "year_ago_value", "aligned_value")
    }
    return festival.assign(**values).drop(columns=["unit"])


def marked_days_table(document: Mapping[str, Any]) -> pd.DataFrame:
    """Return the festivals of both quarters: ``quarter, date, festival``."""
    table = pd.DataFrame(document["marked"], columns=["quarter", "date", "festival"])
    return table.astype({"quarter": "str", "date": "datetime64[s]", "festival": "str"})


def _noise(row: Mapping[str, Any]) -> Message:
    absent = row["noise_absent"]
    return message(f"effects.noise.{absent}") if absent else size_message(row["noise"], unit=row["unit"])


def _wanted(row: Mapping[str, Any]) -> Message:
    """Return the target that a KPI missed, or that it does not grow."""
    if row["cause"] == "not_growing":
        return message("effects.not_growing")
    return target_message(row["target"], kpi=row["kpi"])


def _done(row: Mapping[str, Any]) -> Message:
    if row["done_state"] == "done":
        return message("effects.done_count", n=int(row["done_count"]))
    return message(f"done_state.{row['done_state']}")


def _department(name: str, words: Words) -> Message:
    return message(f"department.{name}") if words.has(f"department.{name}") else message("effects.as_is", text=name)


def _texts(messages: Sequence[Message], words: Words) -> pd.Series:
    return pd.Series([words.say(each) for each in messages], dtype="str")


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    return rows
