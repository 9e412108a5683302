"""Linter of tiers by rule: gaps, overlaps, shadowed and dead rules, and bounds that belong to two tiers or none.

It judges the rules alone, on all cells that they can tell apart (:mod:`.cells`); what the data make of them stands in
:func:`.schemes.scheme_sizes_table`. The segment tables over RFM scores have their own (:func:`.rules.check_rules`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_schemes import Scheme
from crm_analysis.segmentation.cells import Grid, Mask, all_cuts, grid_of
from crm_analysis.segmentation.conditions import Condition
from crm_analysis.segmentation.ranges import boxes
from crm_analysis.segmentation.reading import parse_condition

LINT_SCHEMA: ResultSchema = dict.fromkeys(
    ["scheme", "status", "lint", "tier", "other_tier", "cells", "cell_count"], OPEN
)
#: Product of cells up to which all rules are judged together; beyond it, two by two.
MOST_CELLS = 200_000
#: Gaps told one by one; the rest is counted.
MOST_GAPS = 8
_BAD = frozenset({"shadowed", "dead"})
_FINE = frozenset({"clean", "overlap"})


@dataclass(frozen=True)
class Finding:
    """One thing that the linter tells.

    Attributes
    ----------
    lint
        ``gap`` (cells left to the rest), ``more_gaps`` (further ones, only counted), ``overlap`` (two rules fit, the
        earlier decides), ``shadowed`` (earlier rules take all its cells), ``dead`` (no customer can fit),
        ``bound_shared`` and ``bound_open`` (a threshold itself belongs to both sides, or to none), ``bound_mixed`` (a
        threshold goes with the side above in one place and with the side below in another), ``not_examined`` (too many
        cells), ``clean``.
    tier, other_tier
        Tier of the rule, and of the earlier one it meets; empty where none is meant.
    cells
        Where, in the rule language; empty where all is meant.
    """

    lint: str
    tier: str = ""
    other_tier: str = ""
    cells: str = ""
    cell_count: int = 0


def lint_table(schemes: Mapping[str, Scheme]) -> pd.DataFrame:
    """Return what the rules of every scheme leave open, decide twice or never decide.

    ``{id: scheme}`` -> ``scheme, status, lint, tier, other_tier, cells, cell_count``, at least one row per scheme
    (``clean``), see :class:`Finding`

    Notes
    -----
    One ``status`` per scheme: ``bad`` with a shadowed or dead rule, ``watch`` with gaps or doubtful bounds, ``good``
    otherwise; overlaps are no fault, the order decides. ``cells`` is text of the rule language, which
    :func:`.criteria.condition_words` puts into words. Cells that no customer can lie in (more orders in 90 days than
    in all) are left out of counts. REQUIREMENTS S3-S7, S9.
    """
    rows = []
    for id_, scheme in schemes.items():
        found = lint_scheme(scheme)
        kinds = {finding.lint for finding in found}
        status = "bad" if kinds & _BAD else "watch" if kinds - _FINE else "good"
        rows += [{"scheme": id_, "status": status, **finding.__dict__} for finding in found]
    return pd.DataFrame(rows, columns=list(LINT_SCHEMA)).astype({"cell_count": "int64"})


def lint_scheme(scheme: Scheme) -> list[Finding]:
    """Return what the linter has to tell of one scheme.

    Raises
    ------
    SettingsError
        A condition cannot be read.
    """
    rules = {tier.id: parse_condition(tier.when) for tier in scheme.tiers}
    grid = grid_of(list(rules.values()))
    found = [*_whole(rules, grid)] if grid.size <= MOST_CELLS else [*_by_pairs(rules)]
    found += _mixed_bounds(rules)
    return found or [Finding("clean")]


def unreachable(scheme: Scheme) -> list[Finding]:
    """Return the rules that can never decide: shadowed and dead ones."""
    return [finding for finding in lint_scheme(scheme) if finding.lint in _BAD]


def _whole(rules: Mapping[str, Condition], grid: Grid) -> Iterator[Finding]:
    """Yield what all rules together show."""
    areas = {tier: grid.area(rule) & grid.possible for tier, rule in rules.items()}
    taken = np.zeros(grid.shape, dtype=bool)
    earlier: list[str] = []
    for tier, area in areas.items():
        if not area.any():
            yield Finding("dead", tier)
        elif not (area & ~taken).any():
            takers = [other for other in earlier if (areas[other] & area).any()]
            cells = next(boxes(area, grid)).text
            yield Finding("shadowed", tier, ", ".join(takers), cells, int(area.sum()))
        taken |= area
        earlier.append(tier)
    yield from _gaps(grid.possible & ~taken, grid)
    for (first, one), (second, other) in combinations(areas.items(), 2):
        both = one & other
        if both.any():
            yield Finding("overlap", second, first, next(boxes(both, grid)).text, int(both.sum()))
    yield from _bounds(areas, grid)


def _gaps(open_: Mask, grid: Grid) -> Iterator[Finding]:
    told = np.zeros(grid.shape, dtype=bool)
    for number, box in enumerate(boxes(open_, grid)):
        if number == MOST_GAPS:
            yield Finding("more_gaps", cell_count=int((open_ & ~told).sum()))
            return
        told |= box.mask
        yield Finding("gap", cells=box.text, cell_count=int((box.mask & open_).sum()))


def _bounds(areas: Mapping[str, Mask], grid: Grid) -> Iterator[Finding]:
    """Yield thresholds that belong to the tiers of both sides, or to none while both sides have one."""
    fitting = np.logical_or.reduce(list(areas.values()))
    for place, axis in enumerate(grid.axes):
        for k in range(1, len(axis.ranges) - 1):
            low, high = axis.ranges[k]
            if low != high:
                continue
            below, at, above = (_slices(areas, place, k + step) for step in (-1, 0, 1))
            bound = f"{axis.name} == {low:.15g}"
            for one, other in combinations(areas, 2):
                for lower, upper in ((one, other), (other, one)):
                    ends = below[lower] & ~above[lower] & at[lower] & at[upper] & above[upper] & ~below[upper]
                    if ends.any():
                        yield Finding("bound_shared", other, one, bound, int(ends.sum()))
            sides = [np.take(fitting, k + step, axis=place) for step in (-1, 0, 1)]
            possible = np.take(grid.possible, k, axis=place)
            none = sides[0] & ~sides[1] & sides[2] & possible
            if none.any() and not axis.is_whole:  # a single whole number is a gap, no slip of a bound
                yield Finding("bound_open", cells=bound, cell_count=int(none.sum()))


def _slices(areas: Mapping[str, Mask], place: int, k: int) -> dict[str, Mask]:
    return {tier: np.take(area, k, axis=place) for tier, area in areas.items()}


def _mixed_bounds(rules: Mapping[str, Condition]) -> Iterator[Finding]:
    """Yield thresholds that lie on one side in one place and on the other elsewhere."""
    sides: dict[tuple[str, float], set[str]] = {}
    for rule in rules.values():
        for cut in all_cuts(rule):
            if cut.sign in {"<", "<=", ">", ">="}:
                side = "below" if cut.sign in {"<=", ">"} else "above"
                sides.setdefault((cut.name, float(cut.value)), set()).add(side)
    for (name, value), found in sides.items():
        if len(found) > 1:
            yield Finding("bound_mixed", cells=f"{name} == {value:.15g}", cell_count=0)


def _by_pairs(rules: Mapping[str, Condition]) -> Iterator[Finding]:
    """Yield what two rules at a time show; gaps are not looked for."""
    skipped = 0
    told: set[str] = set()
    for tier, rule in rules.items():
        alone = grid_of([rule])
        if alone.size <= MOST_CELLS and not (alone.area(rule) & alone.possible).any():
            told.add(tier)
            yield Finding("dead", tier)
    for (first, one), (second, other) in combinations(rules.items(), 2):
        grid = grid_of([one, other])
        if grid.size > MOST_CELLS:
            skipped += 1
            continue
        areas = grid.area(one) & grid.possible, grid.area(other) & grid.possible
        both = areas[0] & areas[1]
        if not both.any():
            continue
        cells, count = next(boxes(both, grid)).text, int(both.sum())
        if not (areas[1] & ~areas[0]).any() and second not in told:
            told.add(second)
            yield Finding("shadowed", second, first, cells, count)
        else:
            yield Finding("overlap", second, first, cells, count)
    yield Finding("not_examined", cell_count=skipped)
