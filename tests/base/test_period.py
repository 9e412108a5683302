"""Quarters, calendar and fiscal."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base.errors import SettingsError
from crm_analysis.base.period import Quarter, latest_covered_quarter

quarters = st.builds(Quarter, st.integers(1950, 2090), st.integers(1, 4), st.integers(1, 12))


@pytest.mark.parametrize(
    ("text", "first_month", "start", "end", "year_start"),
    [
        ("2025Q1", 1, date(2025, 1, 1), date(2025, 4, 1), date(2025, 1, 1)),
        ("2025Q4", 1, date(2025, 10, 1), date(2026, 1, 1), date(2025, 1, 1)),
        (" 2024q1 ", 1, date(2024, 1, 1), date(2024, 4, 1), date(2024, 1, 1)),
        ("FY26Q1", 4, date(2025, 4, 1), date(2025, 7, 1), date(2025, 4, 1)),
        ("FY26Q4", 4, date(2026, 1, 1), date(2026, 4, 1), date(2025, 4, 1)),
        ("FY25Q1", 12, date(2024, 12, 1), date(2025, 3, 1), date(2024, 12, 1)),
        ("FY25Q2", 2, date(2024, 5, 1), date(2024, 8, 1), date(2024, 2, 1)),
    ],
)
def test_bounds(text: str, first_month: int, start: date, end: date, year_start: date) -> None:
    quarter = Quarter.parse(text, first_month=first_month)
    assert (quarter.start, quarter.end, quarter.year_start) == (start, end, year_start)
    assert quarter.last_day == end - timedelta(days=1)
    assert str(quarter) == text.strip().upper()


@pytest.mark.parametrize(
    "text", ["2025Q5", "2025Q0", "25Q3", "2025", "Q3", "", "2025-Q3", "0001Q1", "9999Q4", "２０２５Q3"]
)
def test_what_is_no_quarter(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is not a quarter\n.*quarters look like 2025Q3 \(or 'latest'\)"):
        Quarter.parse(text)


@pytest.mark.parametrize(("text", "first_month", "form"), [("FY26Q1", 1, "2025Q3"), ("2025Q3", 4, "FY26Q1")])
def test_the_other_kind_of_year_is_refused_with_the_reason(text: str, first_month: int, form: str) -> None:
    match = f"quarters look like {form} .* because fiscal_year_first_month is {first_month}"
    with pytest.raises(SettingsError, match=match):
        Quarter.parse(text, first_month=first_month)


@given(quarters)
def test_a_quarter_is_found_by_its_name_and_by_its_days(quarter: Quarter) -> None:
    for day in (quarter.start, quarter.last_day):
        assert Quarter.containing(day, first_month=quarter.first_month) == quarter
    assert Quarter.containing(quarter.end, first_month=quarter.first_month) == quarter.shift(1)
    if quarter.first_month == 1 or quarter.year >= 2000:
        assert Quarter.parse(str(quarter), first_month=quarter.first_month) == quarter


@given(quarters, st.integers(-40, 40), st.integers(-40, 40))
def test_shifts_add_up(quarter: Quarter, first: int, second: int) -> None:
    assert quarter.shift(first).shift(second) == quarter.shift(first + second)
    assert (quarter.shift(first) < quarter) == (first < 0)


def test_back_ends_with_itself_and_leaves_no_hole() -> None:
    found = Quarter(2025, 2).back(6)
    assert [str(q) for q in found] == ["2024Q1", "2024Q2", "2024Q3", "2024Q4", "2025Q1", "2025Q2"]
    assert all(a.end == b.start for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("newest", "tolerance", "expected"),
    [
        (date(2025, 9, 30), 0, "2025Q3"),
        (date(2025, 9, 29), 0, "2025Q2"),
        (date(2025, 9, 23), 7, "2025Q3"),
        (date(2025, 9, 22), 7, "2025Q2"),
        (date(2025, 10, 1), 7, "2025Q3"),
        (date(2025, 1, 10), 7, "2024Q4"),
    ],
)
def test_the_latest_quarter_is_one_whose_end_the_data_reach(newest: date, tolerance: int, expected: str) -> None:
    assert str(latest_covered_quarter(newest, tolerance_days=tolerance)) == expected


def test_the_latest_fiscal_quarter() -> None:
    assert str(latest_covered_quarter(date(2025, 4, 30), tolerance_days=0, first_month=2)) == "FY26Q1"
