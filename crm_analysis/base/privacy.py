"""Sensitivity of columns, and what may leave the house: every result declares a schema (REQUIREMENTS X1)."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from crm_analysis.base.errors import AnalysisError, Problem


class Sensitivity(StrEnum):
    """How a column may be used.

    ``open`` shows nothing of a person; ``direct`` names one (``customer_id`` counts as direct); ``quasi`` helps to
    find one together with others (birth date, city); ``sensitive`` harms when known (complaints, scores of churn);
    ``free`` is text somebody typed, which may hold anything.
    """

    OPEN = "open"
    DIRECT = "direct"
    QUASI = "quasi"
    SENSITIVE = "sensitive"
    FREE = "free"


OPEN, DIRECT, QUASI, SENSITIVE, FREE = Sensitivity
ResultSchema = Mapping[str, Sensitivity]

#: Columns that may never stand in a report for management.
NEVER_SHOWN = frozenset({DIRECT, FREE})


def check_columns(columns: Iterable[str], schema: ResultSchema, *, result: str) -> None:
    """Refuse a frame whose columns are not exactly the declared ones.

    Raises
    ------
    AnalysisError
        A column is undeclared, or a declared one is absent; all are named.
    """
    found, declared = set(columns), set(schema)
    problems = [
        Problem(f"column {name!r} is not declared", f"result {result!r}", "declare it with its sensitivity")
        for name in sorted(found - declared)
    ] + [
        Problem(f"declared column {name!r} is absent", f"result {result!r}", "return it, or drop its declaration")
        for name in sorted(declared - found)
    ]
    if problems:
        raise AnalysisError(problems)


def mask(value: str | None, *, keep: int = 1) -> str:
    """Return a text with all but its first ``keep`` characters hidden.

    >>> mask("王小明"), mask("13800001111", keep=3), mask(None)
    ('王**', '138********', '')
    """
    if not isinstance(value, str):
        return ""
    return value[:keep] + "*" * max(0, len(value) - keep)
