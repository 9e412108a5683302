"""Segment tables as data: ordered rules over the 125 cells of three 1-5 scores, and a linter for them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd
from pydantic import ValidationError

from crm_analysis.base.errors import Problem
from crm_analysis.base.settings_file import SettingsFile, mapping_at
from crm_analysis.base.settings_rfm import RFMSettings, SegmentRule
from crm_analysis.base.words import LANGUAGES, load_catalogue

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
#: All cells of three scores, ``(r, f, m)``.
CELLS = tuple(product(range(1, 6), range(1, 6), range(1, 6)))
_CELLS_SHOWN = 10


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
    uncovered = ["".join(map(str, cell)) for cell in CELLS if found[cell] is None]
    deciding = set(found.values())
    shadowed = [f"{k + 1} {rule.id}" for k, rule in enumerate(rules) if k not in deciding]
    overlaps = sum(sum(_matches(rule, cell) for rule in rules) > 1 for cell in CELLS)
    return {
        "status": "watch" if uncovered or shadowed else "good",
        "uncovered": uncovered,
        "shadowed": shadowed,
        "overlap_count": overlaps,
    }


def rules_document(segments: pd.DataFrame, *, settings: RFMSettings) -> dict[str, Any]:
    """Return what :func:`check_rules` finds in the table in force, and how many customers no rule matches.

    Parameters
    ----------
    segments
        ``r_score, f_score, m_score`` of all customers, empty where they are not scored.

    Returns
    -------
    dict
        Beside what the linter returns ``otherwise``, ``customer_count`` (in the cells that no rule matches),
        ``scored_count``.
    """
    found = check_rules(segment_rules(settings))
    scores = [segments[name] for name in ("r_score", "f_score", "m_score")]
    codes = 100 * scores[0] + 10 * scores[1] + scores[2]
    return found | {
        "otherwise": settings.otherwise,
        "customer_count": int(codes.isin([int(cell) for cell in found["uncovered"]]).sum()),
        "scored_count": int(codes.notna().sum()),
    }


def check_table(file: SettingsFile) -> list[Problem]:
    """Return what is wrong with the user's own segment table, as far as its form can be read.

    Ids that stand twice, ids without a name, and rules that never decide since earlier rules take all their cells.
    Cells that no rule matches are no fault: they go to ``otherwise``, and the report tells them.
    """
    table = mapping_at(file.merged, "segmentation", "rfm").get("table")
    if not isinstance(table, list) or not all(isinstance(rule, Mapping) for rule in table):
        return []
    place = ("segmentation", "rfm", "table")
    counts = Counter(str(rule.get("id")) for rule in table)
    seen: set[str] = set()
    problems = []
    for number, rule in enumerate(table):
        id_, where = rule.get("id"), file.where(*place, number, "id")
        if not isinstance(id_, str):
            continue
        if id_ in seen:
            what = f"segment {id_!r} stands in {counts[id_]} rules"
            problems.append(Problem(what, where, "give one rule to every segment: widen one, or rename the other"))
        elif not _has_name(f"segment.{id_}", file.merged):
            fix = f"add it: names: {{segment.{id_}: {{zh: ..., en: ...}}}}"
            problems.append(Problem(f"segment {id_!r} has no name", where, fix))
        seen.add(id_)
    return [*problems, *_shadowed_problems(table, file=file, place=place)]


def _has_name(id_: str, values: Mapping[str, Any]) -> bool:
    return id_ in mapping_at(values, "names") or all(id_ in load_catalogue(lang) for lang in LANGUAGES)


def _shadowed_problems(table: Sequence[Any], *, file: SettingsFile, place: tuple[str, ...]) -> list[Problem]:
    try:
        rules = [SegmentRule.model_validate(rule) for rule in table]
    except ValidationError:  # told by the check of settings itself
        return []
    found = _first_match(rules)
    problems = []
    for number, rule in enumerate(rules):
        cells = [cell for cell in CELLS if _matches(rule, cell)]
        if any(found[cell] == number for cell in cells):
            continue
        takers = dict.fromkeys(rules[int(found[cell] or 0)].id for cell in cells)
        shown = " ".join("".join(map(str, cell)) for cell in cells[:_CELLS_SHOWN])
        more = f" and {len(cells) - _CELLS_SHOWN} more" if len(cells) > _CELLS_SHOWN else ""
        above = f"{', '.join(takers)} above it take all its cells ({shown}{more})"
        what = f"rule {number + 1} ({rule.id!r}) never decides: {above}"
        fix = "move it above them, narrow them, or drop it"
        problems.append(Problem(what, file.where(*place, number), fix))
    return problems


def _first_match(rules: Sequence[SegmentRule]) -> dict[tuple[int, int, int], int | None]:
    return {cell: next((k for k, rule in enumerate(rules) if _matches(rule, cell)), None) for cell in CELLS}


def _matches(rule: SegmentRule, cell: tuple[int, ...]) -> bool:
    ranges = (rule.r, rule.f, rule.m)
    return all(low <= score <= high for score, (low, high) in zip(cell, ranges, strict=True))
