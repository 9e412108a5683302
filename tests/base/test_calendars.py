"""Dates that move trade."""

from datetime import date

import pytest

from crm_analysis.base.calendars import festivals, spring_festival


@pytest.mark.parametrize(
    ("year", "day"),
    [
        (2010, date(2010, 2, 14)),
        (2016, date(2016, 2, 8)),
        (2017, date(2017, 1, 28)),
        (2020, date(2020, 1, 25)),
        (2021, date(2021, 2, 12)),
        (2022, date(2022, 2, 1)),
        (2023, date(2023, 1, 22)),
        (2024, date(2024, 2, 10)),
        (2025, date(2025, 1, 29)),
        (2026, date(2026, 2, 17)),
        (2027, date(2027, 2, 6)),
    ],
)
def test_first_day_of_the_lunar_year(year: int, day: date) -> None:
    assert spring_festival(year) == day


def test_festivals_of_a_stretch_are_in_order_and_half_open() -> None:
    found = festivals(date(2024, 2, 10), date(2025, 1, 29))
    assert found == [
        (date(2024, 2, 10), "spring_festival"),
        (date(2024, 6, 18), "june_18"),
        (date(2024, 11, 11), "november_11"),
    ]
    assert festivals(date(2025, 1, 29), date(2025, 1, 29)) == []
