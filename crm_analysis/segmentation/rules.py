"""Segment tables as data: ordered rules over the 125 cells of three 1-5 scores, and a linter for them."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from crm_analysis.base.settings import RFMSettings, SegmentRule

#: Not part of a rule table: tiers of customers who are not scored.
NON_BUYER = "non_buyer"
UNSCORED = "unscored"


def _rule(id_: str, r: tuple[int, int], f: tuple[int, int] = (1, 5), m: tuple[int, int] = (1, 5)) -> SegmentRule:
    return SegmentRule(id=id_, r=r, f=f, m=m)


#: The international ten segments, our own table: every cell is covered, no rule is shadowed.
TEN_SEGMENTS: tuple[SegmentRule, ...] = (
    _rule("champions", (4, 5), (4, 5), (4, 5)),
    _rule("cant_lose_them", (1, 2), (4, 5), (4, 5)),
    _rule("loyal_customers", (3, 5), (3, 5), (3, 5)),
    _rule("at_risk", (1, 2), (3, 5), (2, 5)),
    _rule("potential_loyalists", (4, 5), (2, 5)),
    _rule("new_customers", (5, 5)),
    _rule("promising", (4, 4)),
    _rule("need_attention", (3, 3), (2, 5)),
    _rule("about_to_sleep", (2, 3)),
    _rule("lost", (1, 1)),
)

#: The table published with the R package rfm; it leaves ten cells to ``otherwise``.
RFM_R_SEGMENTS: tuple[SegmentRule, ...] = (
    _rule("champions", (5, 5), (5, 5), (5, 5)),
    _rule("potential_loyalists", (3, 5), (3, 5), (2, 5)),
    _rule("loyal_customers", (2, 4), (2, 4), (2, 4)),
    _rule("promising", (3, 4), (1, 3), (3, 5)),
    _rule("new_customers", (4, 5), (1, 3), (1, 5)),
    _rule("cant_lose_them", (1, 2), (3, 4), (4, 5)),
    _rule("at_risk", (1, 2), (2, 5), (4, 5)),
    _rule("need_attention", (1, 3), (3, 5), (3, 5)),
    _rule("about_to_sleep", (2, 3), (1, 3), (1, 4)),
    _rule("lost", (1, 1), (1, 5), (1, 5)),
)

#: The Chinese eight types by "above the mean" in R (more recent), F, M.
EIGHT_TYPES = {
    "111": "important_value",
    "101": "important_development",
    "011": "important_retention",
    "001": "important_winback",
    "110": "general_value",
    "100": "general_development",
    "010": "general_retention",
    "000": "general_winback",
}

_TABLES = {"ten": TEN_SEGMENTS, "rfm_r": RFM_R_SEGMENTS}
_CELLS = tuple(product(range(1, 6), range(1, 6), range(1, 6)))


def segment_rules(settings: RFMSettings) -> tuple[SegmentRule, ...]:
    """Return the ordered rules that the settings name or hold."""
    return _TABLES[settings.table] if isinstance(settings.table, str) else settings.table


def cell_segments(rules: Sequence[SegmentRule], *, otherwise: str) -> dict[tuple[int, int, int], str]:
    """Return ``{(r, f, m): segment}`` for all 125 cells; the first rule that matches wins."""
    found = _first_match(rules)
    return {cell: otherwise if place is None else rules[place].id for cell, place in found.items()}


def check_rules(rules: Sequence[SegmentRule]) -> dict[str, Any]:
    """Lint a segment table.

    Returns
    -------
    dict
        ``status`` (``good``, ``watch``), ``uncovered`` (cells such as ``"215"`` that no rule matches), ``shadowed``
        (``"3 loyal_customers"``: number and id of rules that never decide, earlier rules taking all their cells),
        ``overlap_count`` (cells that more than one rule matches; the order decides there).

    Notes
    -----
    REQUIREMENTS S1. The published ten-segment table leaves 10 of 125 cells uncovered; ours none.
    """
    found = _first_match(rules)
    uncovered = ["".join(map(str, cell)) for cell in _CELLS if found[cell] is None]
    deciding = set(found.values())
    shadowed = [f"{k + 1} {rule.id}" for k, rule in enumerate(rules) if k not in deciding]
    overlaps = sum(sum(_matches(rule, cell) for rule in rules) > 1 for cell in _CELLS)
    return {
        "status": "watch" if uncovered or shadowed else "good",
        "uncovered": uncovered,
        "shadowed": shadowed,
        "overlap_count": overlaps,
    }


def _first_match(rules: Sequence[SegmentRule]) -> dict[tuple[int, int, int], int | None]:
    return {cell: next((k for k, rule in enumerate(rules) if _matches(rule, cell)), None) for cell in _CELLS}


def _matches(rule: SegmentRule, cell: tuple[int, ...]) -> bool:
    ranges = (rule.r, rule.f, rule.m)
    return all(low <= score <= high for score, (low, high) in zip(cell, ranges, strict=True))
