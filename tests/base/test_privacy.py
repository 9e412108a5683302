"""Declared columns, and masks."""

import pytest

from crm_analysis.base.errors import AnalysisError
from crm_analysis.base.privacy import (
    DIRECT,
    FREE,
    NEVER_SHOWN,
    OPEN,
    QUASI,
    SENSITIVE,
    Sensitivity,
    check_columns,
    mask,
)

SCHEMA = {"customer_id": DIRECT, "segment": OPEN}


def test_exactly_the_declared_columns_pass_in_any_order() -> None:
    check_columns(["segment", "customer_id"], SCHEMA, result="segments")


def test_undeclared_and_absent_columns_are_named_together() -> None:
    with pytest.raises(AnalysisError) as caught:
        check_columns(["customer_id", "phone", "name"], SCHEMA, result="segments")
    assert [problem.what for problem in caught.value.problems] == [
        "column 'name' is not declared", "column 'phone' is not declared", "declared column 'segment' is absent",
    ]  # fmt: skip
    assert all("'segments'" in problem.where for problem in caught.value.problems)


def test_what_names_somebody_is_never_shown() -> None:
    assert {DIRECT, FREE} == NEVER_SHOWN
    assert set(Sensitivity) - NEVER_SHOWN == {OPEN, QUASI, SENSITIVE}


@pytest.mark.parametrize(
    ("value", "keep", "expected"),
    [("王小明", 1, "王**"), ("13800001111", 3, "138********"), ("a", 1, "a"), ("", 1, ""), (None, 1, ""),
     (float("nan"), 1, ""), ("ab", 5, "ab")],
)  # fmt: skip
def test_masks(value: str | None, keep: int, expected: str) -> None:
    assert mask(value, keep=keep) == expected
