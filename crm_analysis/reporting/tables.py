"""Frames as HTML tables: headings from words, cells by the unit in the column's name, slugs by domain.

The two places to extend are :data:`UNITS` (how a column's name tells its unit) and :data:`DOMAINS` (which words a
column of slugs takes). Nothing that identifies a customer passes.
"""

import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import pandas as pd
from babel.numbers import format_decimal
from pandas.api import types

from crm_analysis.base.errors import AnalysisError, Problem
from crm_analysis.base.privacy import DIRECT, FREE, NEVER_SHOWN, ResultSchema
from crm_analysis.base.tokens import STATUS
from crm_analysis.base.words import ABSENT, Words
from crm_analysis.sources.schema import TABLES

MAX_ROWS = 60

Formatter = Callable[[Words, Any], str]

_INT: Formatter = Words.format_int
_SHARE: Formatter = Words.format_percent
_MONEY: Formatter = Words.format_money
_DATE: Formatter = Words.format_date


def _one_digit(words: Words, value: Any) -> str:
    return format_decimal(round(float(value), 1) + 0.0, "#,##0.0", words.locale)


def _two_digits(words: Words, value: Any) -> str:
    return format_decimal(round(float(value), 2) + 0.0, "#,##0.00", words.locale)


_DATES = r"(_date|_at|_on)$|^(date|as_of|origin)$"

#: How the end of a column's name tells the unit of its numbers; the first that fits wins.
UNITS: tuple[tuple[str, Formatter], ...] = (
    (r"(^|_)change_pp$|_pp$", Words.format_points),
    (r"(^|_)change_share$|(^|_)growth_rate$|(^|_)change_rate$", Words.format_signed_percent),
    (r"(^|_)(share|rate|probability)(_low|_high)?$", _SHARE),
    (r"(^|_)amount(_\w+)?$", _MONEY),
    (r"(^|_)(days|hours|points)(_mean|_median|_p90)?$", _one_digit),
    (r"^(n|n_\w+|\w+_n|rank|weekday|hour)$|(^|_)(count|index)(_\w+)?$", _INT),
    (_DATES, _DATE),
)

#: Which words the slugs of a column take: ``segment`` -> ``segment.champions``. A slug without a word is a defect.
DOMAINS: Mapping[str, str] = {
    "segment": "segment.{value}",
    "other_segment": "segment.{value}",
    "tier": "segment.{value}",
    **dict.fromkeys(("tier_before", "tier_now", "raw_tier", "computed_tier", "override_tier"), "segment.{value}"),
    "ten_segment": "segment.{value}",
    "eight_type": "segment.{value}",
    "stage": "stage.{value}",
    "kpi": "metric.{value}.name",
    "metric": "metric.{value}.name",
    "table": "table.{value}",
    "role": "role.{value}",
    "weekday": "weekday.{value}",
    "field": "field.{table}.{value}",
    "family": "family.{value}",
    "rule": "rule.{value}",
    "kind": "kind.{value}",
    "model": "model.{value}",
    **dict.fromkeys(("churn_reason_1", "churn_reason_2", "churn_reason_3"), "churn_cause.{value}"),
    "attribute": "attribute.{value}",
    "dimension": "dimension.{value}",
    "chapter": "chapter.{value}",
}

#: Columns whose values come from the company's data: a word where there is one, else the value itself.
OPEN_DOMAINS: Mapping[str, str] = {
    "region": "region.{value}",
    "city": "city.{value}",
    "industry": "industry.{value}",
    "category": "category.{value}",
    "channel": "channel.{value}",
    "contact_channel": "channel.{value}",
    "store": "store.{value}",
    "owner": "owner.{value}",
    "department": "department.{value}",
    "campaign": "campaign.{value}",
    "company_size": "company_size.{value}",
    "member_level": "member_level.{value}",
    "case_part": "case_part.{value}",
    "group_name": "group_name.{value}",
    "value": "{attribute}.{value}",
}

_FIELDS = [field for table in TABLES.values() for field in table]
DIRECT_NAMES = frozenset(field.name for field in _FIELDS if field.sensitivity is DIRECT)
FREE_NAMES = frozenset(field.name for field in _FIELDS if field.sensitivity is FREE)
_SLUG = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)+$")


def render_table(
    table: pd.DataFrame, *, words: Words, id_: str, labelled_by: str | None = None, schema: ResultSchema | None = None
) -> str:
    """Return a frame as an HTML ``<table>``, escaped, with ids that begin with ``id_``.

    Parameters
    ----------
    table
        At most 60 rows; the index is left out.
    labelled_by
        Id of the element that holds the caption.
    schema
        Sensitivity of the columns, where the result declares it.

    Raises
    ------
    AnalysisError
        The frame holds direct identifiers or free text, or is too long to be read.
    KeyError
        A heading or a slug has no word.
    """
    check_shown(table, id_=id_, schema=schema)
    cells = pd.DataFrame({name: format_column(table, name=name, words=words) for name in table.columns})
    html = _great_table(cells, table=table, words=words, id_=id_)
    body = html[html.index("<table") : html.index("</table>") + len("</table>")]
    label = f' aria-labelledby="{labelled_by}"' if labelled_by else ""
    return re.sub(r"^<table[^>]*>", f'<table class="gt_table"{label}>', body)


def check_shown(table: pd.DataFrame, *, id_: str, schema: ResultSchema | None = None) -> None:
    """Refuse what a report for management may not show.

    Raises
    ------
    AnalysisError
        Columns that identify a customer or hold free text, all named; or more than 60 rows.
    """
    declared = schema or {}
    named = [str(name) for name in table.columns]
    hidden = [
        name
        for name in named
        if name in DIRECT_NAMES or declared.get(name) in NEVER_SHOWN or (name in FREE_NAMES and name not in declared)
    ]
    problems = [
        Problem(f"column {name!r} identifies customers or holds free text", f"table {id_!r}", "leave it out")
        for name in hidden
    ]
    if len(table) > MAX_ROWS:
        fix = f"show the first {MAX_ROWS} or an aggregate; the workbook takes long lists"
        problems.append(Problem(f"{len(table)} rows are too many to read", f"table {id_!r}", fix))
    if problems:
        raise AnalysisError(problems)


def format_column(table: pd.DataFrame, *, name: str, words: Words) -> list[str]:
    """Return the cells of one column as escaped HTML."""
    values = table[name]
    if name == "status":
        return [format_status(slug, words=words) for slug in values]
    if name in DOMAINS or (name in OPEN_DOMAINS and not types.is_numeric_dtype(values)):
        beside = table[[other for other in ("table", "attribute") if other in table]]
        rows: list[dict[str, Any]] = beside.astype("str").to_dict("records")  # type: ignore[assignment]
        cells = [_translate(name, value, row=row, words=words) for value, row in zip(values, rows, strict=True)]
    else:
        formatter = _formatter(values, name=name)
        cells = [ABSENT if _absent(value) else formatter(words, value) for value in values]
    return [escape(cell) for cell in cells]


def format_status(slug: Any, *, words: Words) -> str:
    """Return a status as HTML: symbol, colour and word together."""
    if _absent(slug):
        return ABSENT
    mark = STATUS[str(slug)]
    word = escape(words.word(f"status.{slug}"))
    symbol = f'<span class="mark" aria-hidden="true">{mark.symbol}</span>'
    return f'<span class="status status-{mark.color}">{symbol}{word}</span>'


def is_number_column(table: pd.DataFrame, *, name: str) -> bool:
    """Tell whether a column is set to the right: numbers, and texts most of which begin with a number."""
    values = table[name]
    if types.is_numeric_dtype(values) and not types.is_bool_dtype(values):
        return True
    is_data = name in OPEN_DOMAINS and (name != "value" or "attribute" in table)
    if is_data or name in {"status", "quarter", *DOMAINS} or re.search(_DATES, name):
        return False
    texts = [value for value in values if isinstance(value, str) and value != ABSENT]
    return 2 * sum(bool(_NUMBER_TEXT.match(value)) for value in texts) > len(texts)


_NUMBER_TEXT = re.compile(r"^[\s≥≤<>+\-−±¥$€£]*\d")


def _formatter(values: pd.Series, *, name: str) -> Formatter:
    """Return what makes text of a column's values: by the unit in its name, else by what they are."""
    by_name = next((formatter for pattern, formatter in UNITS if re.search(pattern, name)), _number)
    if types.is_bool_dtype(values):
        return _answer
    if name == "quarter" or by_name is _DATE:
        return Words.format_quarter if name == "quarter" else _DATE
    if not types.is_numeric_dtype(values):
        return lambda words, value: _plain(name, value, words=words, formatter=by_name)
    known = values.dropna()
    is_whole = bool((known % 1 == 0).all())
    if by_name is _one_digit:
        return _INT if is_whole else _one_digit
    return _two_digits if by_name is _number and not is_whole and (known.abs() < 10).all() else by_name


def _answer(words: Words, value: Any) -> str:
    return words.word(f"answer.{'yes' if value else 'no'}")


def _number(words: Words, value: Any) -> str:
    return words.format_number(value)


def word_of(name: str, value: str, *, words: Words) -> str:
    """Return the word of a slug in a column of that name, or the value itself where no words are declared for it."""
    if name in DOMAINS or name in OPEN_DOMAINS:
        return _translate(name, value, row={}, words=words)
    return words.word(f"{name}.{value}") if words.has(f"{name}.{value}") else value


def _translate(name: str, value: Any, *, row: Mapping[str, str], words: Words) -> str:
    """Return the word of a slug; the columns ``table`` and ``attribute`` beside it may be part of its id."""
    if _absent(value):
        return ABSENT
    is_open = name in OPEN_DOMAINS
    pattern = (OPEN_DOMAINS if is_open else DOMAINS)[name]
    needed = {"table", "attribute"} & set(re.findall(r"\{(\w+)\}", pattern))
    if needed - row.keys():
        pattern = f"{name}.{{value}}"
        is_open = name == "value"
    id_ = pattern.format(value=value, **row)
    if not is_open:
        return words.word(id_)
    known = next((other for other in (id_, f"{name}.{value}") if words.has(other)), None)
    return words.word(known) if known else str(value)


def _plain(name: str, value: Any, *, words: Words, formatter: Formatter) -> str:
    """Return a value of an undeclared column: a word where there is one; a slug without a word is a defect."""
    if not isinstance(value, str):
        return formatter(words, value)
    return words.word(f"{name}.{value}") if words.has(f"{name}.{value}") or _SLUG.match(value) else value


def _absent(value: Any) -> bool:
    return bool(pd.isna(value))


def _great_table(cells: pd.DataFrame, *, table: pd.DataFrame, words: Words, id_: str) -> str:
    from great_tables import GT

    headings: dict[str, Any] = {name: words.word(f"column.{name}") for name in table.columns}
    right = [name for name in table.columns if is_number_column(table, name=name)]
    left = [name for name in table.columns if name not in right]
    great = GT(cells, id=id_).cols_label(cases=headings).fmt(lambda cell: cell, columns=list(cells.columns))
    if right:
        great = great.cols_align("right", columns=right)
    if left:
        great = great.cols_align("left", columns=left)
    return great.as_raw_html()
