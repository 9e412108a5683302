"""Targets of KPIs: for all customers or one tier, absolute or relative to the same quarter of last year (E10, D6, S12).

One function resolves them for the scorecard and for the breakdown by tier.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from crm_analysis.base.errors import Problem, SettingsError, nearest
from crm_analysis.base.metrics import METRICS
from crm_analysis.base.settings import EvaluationSettings, Target

#: Targets and values are known by KPI and tier; ``None`` stands for all customers.
Key = tuple[str, str | None]


def all_targets(settings: EvaluationSettings) -> tuple[Target, ...]:
    """Return the targets of settings with those that stand beside a standard, unless the KPI has one of its own.

    The first response is judged on one clock, that of the standard.
    """
    given = {target.kpi for target in settings.targets if target.tier is None}
    responses = {"business": "first_response_business_hours", "calendar": "first_response_hours"}
    response = {} if given & set(responses.values()) else {
        responses[settings.service.sla_clock]: settings.first_response_hours
    }  # fmt: skip
    standards = response | {
        "sla_attainment_rate": settings.service.sla_target,
        "closed_loop_rate": settings.service.closed_loop_target,
        "survey_coverage_rate": settings.satisfaction.coverage_target,
    }
    more = (Target(kpi=kpi, value=value) for kpi, value in standards.items() if kpi not in given)
    return (*settings.targets, *more)


def check_targets(targets: Sequence[Target]) -> dict[str, float]:
    """Return ``{kpi: value}`` of the targets for all customers, as written.

    Raises
    ------
    SettingsError
        A target names no KPI, one without a good direction, or there are two for the same customers; all problems at
        once.
    """
    return {kpi: target.value for (kpi, tier), target in targets_by_key(targets).items() if tier is None}


def targets_by_key(targets: Sequence[Target]) -> dict[Key, Target]:
    """Return the targets by KPI and tier.

    Raises
    ------
    SettingsError
        See :func:`check_targets`.
    """
    where = "evaluation.targets"
    problems: list[Problem] = []
    found: dict[Key, Target] = {}
    for target in targets:
        key = (target.kpi, target.tier)
        whom = "all customers" if target.tier is None else f"the tier {target.tier!r}"
        if target.kpi not in METRICS:
            fix = nearest(target.kpi, METRICS, kind="KPIs are")
            problems.append(Problem(f"there is no KPI {target.kpi!r}", where, fix))
        elif METRICS[target.kpi].direction == "none":
            problems.append(Problem(f"{target.kpi!r} has no good direction", where, "drop its target"))
        elif key in found:
            problems.append(Problem(f"{target.kpi!r} has two targets for {whom}", where, "keep one"))
        else:
            found[key] = target
    if problems:
        raise SettingsError(problems)
    return found


def resolve_targets(targets: Sequence[Target], *, year_ago: Mapping[Key, float]) -> dict[Key, float]:
    """Return every target as a value of its KPI.

    Parameters
    ----------
    year_ago
        Values of the same quarter of last year, by KPI and tier; those too small or without history are absent or NaN.

    Returns
    -------
    dict
        A relative target is ``base x (1 + value)`` where more is better and ``base x (1 - value)`` where less is; NaN
        where the base is unknown or not positive: an improvement on it means nothing.

    Raises
    ------
    SettingsError
        See :func:`check_targets`.

    Examples
    --------
    >>> ten_more = Target(kpi="repurchase_rate", value=0.1, tier="abc_b", relative=True)
    >>> resolve_targets([ten_more], year_ago={("repurchase_rate", "abc_b"): 0.5})
    {('repurchase_rate', 'abc_b'): 0.55}
    """
    return {
        key: _improved(year_ago.get(key, np.nan), target) if target.relative else target.value
        for key, target in targets_by_key(targets).items()
    }


def _improved(base: float, target: Target) -> float:
    if np.isnan(base) or base <= 0:
        return float("nan")
    sign = -1 if METRICS[target.kpi].direction == "down" else 1
    return round(base * (1 + sign * target.value), 6)
