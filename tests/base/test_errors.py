"""Errors: what, where, fix; all at once, ten at most."""

import pytest

from crm_analysis.base.errors import (
    MAX_SHOWN,
    AnalysisError,
    CRMError,
    DataError,
    InsufficientDataError,
    Problem,
    SettingsError,
)


def test_a_problem_says_what_where_and_the_fix() -> None:
    error = DataError(Problem("it is empty", "orders.csv", "export it again"))
    assert str(error) == "Data cannot be used:\n  orders.csv: it is empty\n    fix: export it again"
    assert error.problems == (Problem("it is empty", "orders.csv", "export it again"),)


@pytest.mark.parametrize(("count", "shown", "tail"), [(1, 1, ""), (10, 10, ""), (13, 10, "... and 3 more of the same")])
def test_at_most_ten_are_shown_and_the_rest_counted(count: int, shown: int, tail: str) -> None:
    error = CRMError([Problem(f"number {n}", "here", "mend it") for n in range(count)])
    assert MAX_SHOWN == 10
    assert str(error).count("fix: mend it") == shown
    assert len(error.problems) == count
    assert (tail in str(error)) if tail else ("more of the same" not in str(error))


@pytest.mark.parametrize(
    ("kind", "code"), [(SettingsError, 2), (DataError, 1), (InsufficientDataError, 1), (AnalysisError, 1)]
)
def test_exit_codes(kind: type[CRMError], code: int) -> None:
    assert kind(Problem("a", "b", "c")).exit_code == code
    assert issubclass(kind, CRMError)
