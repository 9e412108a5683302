"""The scorecard: every KPI against its target, last quarter and the same quarter of last year (REQUIREMENTS E10)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.metrics import METRICS, Metric
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import Target
from crm_analysis.evaluation.targets import Key, check_targets, resolve_targets

SCORECARD_SCHEMA: ResultSchema = dict.fromkeys(
    ["kpi", "unit", "quarter", "value", "low", "high", "target", "attainment_share", "previous_value", "change",
     "change_kind", "year_ago_value", "year_ago_change", "change_absent", "year_ago_absent", "n", "status"],
    OPEN,
)  # fmt: skip
STATUSES = ("bad", "watch", "good", "no_target", "too_small", "no_history")
#: Why a change cannot be told; empty where it can.
ABSENT_REASONS = ("", "no_history", "too_small", "no_value", "no_base", "incomplete")
_ABSENT_COLUMNS = ("change_absent", "year_ago_absent")
_DIGITS = 9


def scorecard_table(
    history: pd.DataFrame,
    *,
    targets: Sequence[Target],
    quarter: Quarter,
    tolerance: float,
    is_complete: bool = True,
) -> pd.DataFrame:
    """Return one row per KPI of the quarter.

    ``kpi_history`` -> columns of ``SCORECARD_SCHEMA``, in the registry's order

    Parameters
    ----------
    targets
        Those without a tier apply; a KPI has at most one. A relative one is resolved on the value of a year ago.
    tolerance
        Share of the target by which a KPI may miss it and still be watched instead of bad.
    is_complete
        Whether the data cover the quarter; a piece of a quarter is not compared with whole ones.

    Returns
    -------
    pandas.DataFrame
        ``attainment_share``: value / target where more is better, 2 - value / target where less is (not below 0); null
        for targets that are not positive. ``change`` and ``year_ago_change`` as ``change_kind`` says: ``points`` is the
        difference (of shares 0-1, or of points), ``relative`` the difference / base; ``change_absent`` and
        ``year_ago_absent`` hold one of ``ABSENT_REASONS``.
        ``status``: ``good`` reaches the target, ``watch`` misses it by no more than the tolerance, ``bad`` by more;
        ``no_target``; ``too_small`` when n is below the metric's ``minimum_n``: then no value is shown;
        ``no_history`` when too few quarters of data lie before.

    Raises
    ------
    SettingsError
        A target names no KPI, or a KPI has two.
    """
    now, before, year_ago = (str(quarter.shift(-k)) for k in (0, 1, 4))
    shown = history.assign(value=history["value"].where(_is_large_enough(history)))
    values = shown.set_index(["kpi", "quarter"])["value"].to_dict()
    past = shown.loc[shown["quarter"] == year_ago]
    then: dict[Key, float] = {(str(kpi), None): value for kpi, value in zip(past["kpi"], past["value"], strict=True)}
    by_kpi = {kpi: value for (kpi, tier), value in resolve_targets(targets, year_ago=then).items() if tier is None}
    states = dict(zip(values, (_state(row) for row in shown.to_dict("records")), strict=True))
    rows = []
    for row in shown.loc[shown["quarter"] == now].to_dict("records"):
        metric, state = METRICS[row["kpi"]], _state(row)
        value, target = row["value"], by_kpi.get(metric.id, np.nan)
        previous, past = (values.get((metric.id, q), np.nan) for q in (before, year_ago))
        rows.append(
            {
                "kpi": metric.id,
                "unit": metric.unit,
                "quarter": now,
                "value": value,
                "low": row["low"] if row["n"] >= metric.minimum_n else np.nan,
                "high": row["high"] if row["n"] >= metric.minimum_n else np.nan,
                "target": target,
                "attainment_share": attainment_score(value, target, metric=metric),
                "previous_value": previous,
                "change": change_score(value, previous, metric=metric),
                "change_kind": metric.change_kind,
                "year_ago_value": past,
                "year_ago_change": change_score(value, past, metric=metric),
                "change_absent": _absence(state, states.get((metric.id, before)), base=previous, metric=metric),
                "year_ago_absent": _absence(state, states.get((metric.id, year_ago)), base=past, metric=metric),
                "n": row["n"],
                "status": "no_history"
                if state == "no_history"
                else status_of(value, target, metric=metric, n=row["n"], tolerance=tolerance),
            }
        )
    table = pd.DataFrame(rows, columns=list(SCORECARD_SCHEMA))
    if not is_complete:
        reasons = {name: table[name].where(table[name] != "", "incomplete") for name in _ABSENT_COLUMNS}
        table = table.assign(change=np.nan, year_ago_change=np.nan, **reasons)
    text = dict.fromkeys(("kpi", "unit", "quarter", "change_kind", "change_absent", "year_ago_absent", "status"), "str")
    numbers = dict.fromkeys([c for c in SCORECARD_SCHEMA if c not in text and c != "n"], "float64")
    return table.astype(text | numbers | {"n": "int64"})


def attainment_score(value: float, target: float, *, metric: Metric) -> float:
    """Return how much of a target is reached (1 = reached), direction respected; NaN where it has no meaning.

    >>> attainment_score(0.81, 0.90, metric=METRICS["satisfaction_rate"])
    0.9
    >>> attainment_score(5.0, 4.0, metric=METRICS["first_response_hours"])
    0.75
    """
    if np.isnan(value) or np.isnan(target) or target <= 0:
        return float("nan")
    ratio = value / target
    return round(ratio if metric.direction == "up" else max(0.0, 2 - ratio), 6)


def change_score(value: float, base: float, *, metric: Metric) -> float:
    """Return the change on a base: a difference for shares and points, else relative to a positive base."""
    if np.isnan(value) or np.isnan(base):
        return float("nan")
    if metric.change_kind == "points":
        return round(value - base, 6)
    return float("nan") if base <= 0 else round((value - base) / base, 6)


def status_of(value: float, target: float, *, metric: Metric, n: int, tolerance: float) -> str:
    """Return one of ``STATUSES`` by rule; see :func:`scorecard_table`."""
    if n < metric.minimum_n or np.isnan(value):
        return "too_small"
    if np.isnan(target):
        return "no_target"
    short = round((target - value) if metric.direction == "up" else (value - target), _DIGITS)
    if short <= 0:
        return "good"
    return "watch" if short <= round(abs(target) * tolerance, _DIGITS) else "bad"


def is_beyond_chance(judged: pd.DataFrame) -> pd.Series:
    """Return which values lie further from their target than their 95 % interval reaches, or have no interval."""
    return ~judged["target"].between(judged["low"], judged["high"])


def _state(row: Mapping[Any, Any]) -> str:
    """Return why a row of the history has no value, or nothing."""
    if row["is_history_short"]:
        return "no_history"
    if row["n"] < METRICS[row["kpi"]].minimum_n:
        return "too_small"
    return "no_value" if np.isnan(row["value"]) else ""


def _absence(now: str, before: str | None, *, base: float, metric: Metric) -> str:
    """Return why there is no change: no value now, none before (a quarter without data has no state), or no base."""
    if now or before is None or before:
        return now or ("no_history" if before is None else before)
    return "no_base" if metric.change_kind == "relative" and base <= 0 else ""


def _is_large_enough(history: pd.DataFrame) -> pd.Series:
    least = pd.Series([METRICS[kpi].minimum_n for kpi in history["kpi"]], index=history.index, dtype="int64")
    return history["n"] >= least


__all__ = [
    "ABSENT_REASONS",
    "SCORECARD_SCHEMA",
    "STATUSES",
    "attainment_score",
    "change_score",
    "check_targets",
    "is_beyond_chance",
    "scorecard_table",
    "status_of",
]
