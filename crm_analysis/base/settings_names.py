"""Names in settings that point to something else: KPIs and tiers (tables and fields: ``sources.naming``).

The checks read the file as it is written and bear wrong values, so that their problems are told beside all others.
What a preset brings is not held against the user: its rows may name tiers of another scheme.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crm_analysis.base.errors import Problem, nearest
from crm_analysis.base.metrics import METRICS
from crm_analysis.base.settings_file import SettingsFile


def check_targets(file: SettingsFile, *, tiers: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the KPIs and tiers of ``evaluation.targets``.

    Parameters
    ----------
    tiers
        Those of the primary scheme.
    """
    problems, seen = [], set()
    judged = [id_ for id_, metric in METRICS.items() if metric.direction != "none"]
    for number, target in _rows(file, "evaluation", "targets"):
        kpi, tier = target.get("kpi"), target.get("tier")
        where = file.where("evaluation", "targets", number, "kpi")
        if isinstance(kpi, str) and kpi not in METRICS:
            problems.append(Problem(f"there is no KPI {kpi!r}", where, nearest(kpi, judged, kind="KPIs")))
        elif isinstance(kpi, str) and kpi not in judged:
            problems.append(Problem(f"{kpi!r} has no good direction", where, "drop its target"))
        elif isinstance(kpi, str) and (kpi, str(tier)) in seen:
            problems.append(Problem(f"{kpi!r} has two targets for the same customers", where, "keep one"))
        seen.add((str(kpi), str(tier)))
        if isinstance(tier, str) and tier not in tiers:
            problems.append(_no_tier(tier, file.where("evaluation", "targets", number, "tier"), tiers))
    return problems


def check_strategy(file: SettingsFile, *, tiers: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the tiers of ``strategy.rows``."""
    problems, seen = [], set()
    for number, row in _rows(file, "strategy", "rows"):
        tier, where = row.get("tier"), file.where("strategy", "rows", number, "tier")
        if isinstance(tier, str) and tier not in tiers:
            problems.append(_no_tier(tier, where, tiers))
        elif isinstance(tier, str) and tier in seen:
            problems.append(Problem(f"tier {tier!r} has two rows", where, "keep one"))
        seen.add(str(tier))
    return problems


def _rows(file: SettingsFile, section: str, name: str) -> Iterator[tuple[int, Mapping[Any, Any]]]:
    rows = file.given(section).get(name)
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        if isinstance(row, Mapping):
            yield number, row


def _no_tier(tier: str, where: str, tiers: Sequence[str]) -> Problem:
    what = f"the primary scheme has no tier {tier!r}"
    return Problem(what, where, nearest(tier, tiers, kind="its tiers"))
