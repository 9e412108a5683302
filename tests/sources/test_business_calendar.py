"""Business calendars: days from published lists, shifts, clocks that change; against every minute's wall clock."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crm_analysis.base.settings_service import BurstSettings, BusinessHours, ServiceSettings, shift_minutes
from crm_analysis.sources.business_calendar import (
    BusinessCalendar,
    business_days_table,
    is_published,
    open_stretches,
    public_days,
)

CHINA = BusinessCalendar(BusinessHours(), "Asia/Shanghai")


# -- days --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        ("2025-09-26", True),  # a Friday
        ("2025-09-27", False),  # a Saturday
        ("2025-09-28", True),  # a Sunday worked for the National Day
        ("2025-10-01", False),
        ("2025-10-08", False),
        ("2025-10-09", True),
        ("2025-10-11", True),  # a Saturday worked for it
        ("2024-02-09", True),  # the eve of the Spring Festival of 2024 was worked by the published list
        ("2024-02-10", False),
        ("2024-02-18", True),
    ],
)
def test_days_of_china_are_those_published(day: str, is_open: bool) -> None:
    assert CHINA.is_workday(date.fromisoformat(day)) is is_open


def test_make_up_workdays_agree_with_another_library() -> None:
    from holidays.countries.china import China

    for year in range(2015, 2027):
        other = China(years=year)
        days = [date(year, 1, 1) + timedelta(days=n) for n in range(365)]
        expected = [(day.weekday() < 5 and day not in other) or day in other.weekend_workdays for day in days]
        assert [CHINA.is_workday(day) for day in days] == expected, year


def test_a_shop_open_on_saturdays_still_closes_for_the_whole_festival() -> None:
    shop = BusinessCalendar(BusinessHours(weekend=("sunday",)), "Asia/Shanghai")
    assert shop.is_workday(date(2025, 9, 27))
    assert not shop.is_workday(date(2025, 10, 4))  # a Saturday inside the seven days


def test_own_days_win() -> None:
    own = BusinessHours(holidays=(date(2025, 9, 26), date(2025, 9, 28)), workdays=(date(2025, 10, 1),))
    calendar = BusinessCalendar(own, "Asia/Shanghai")
    assert [calendar.is_workday(date(2025, 9, day)) for day in (25, 26, 28)] == [True, False, False]
    assert calendar.is_workday(date(2025, 10, 1))


def test_no_country_knows_weekends_alone() -> None:
    calendar = BusinessCalendar(BusinessHours(country=None), "Asia/Shanghai")
    assert calendar.is_workday(date(2025, 10, 1))
    assert not calendar.is_workday(date(2025, 9, 28))
    assert calendar.unpublished_years(date(2090, 1, 1), date(2091, 1, 1)) == ()


def test_another_country_has_its_own_days() -> None:
    germany = BusinessCalendar(BusinessHours(country="DE"), "Europe/Berlin")
    assert not germany.is_workday(date(2025, 10, 3))
    assert germany.is_workday(date(2025, 10, 1))
    assert is_published("DE", 2025)


def test_a_year_that_is_not_published_is_named_and_nothing_of_it_is_guessed() -> None:
    assert not is_published("CN", 2090)
    assert public_days("CN", 2090) == (frozenset(), frozenset())
    assert CHINA.unpublished_years(date(2089, 12, 1), date(2091, 1, 1)) == (2089, 2090)  # the end is not in it
    assert CHINA.unpublished_years(date(2025, 7, 1), date(2025, 10, 1)) == ()
    assert CHINA.is_workday(date(2090, 10, 3))  # a Tuesday: by the day of the week alone
    given_in_full = BusinessHours(complete_years=(2090,), holidays=(date(2090, 10, 3),))
    own = BusinessCalendar(given_in_full, "Asia/Shanghai")
    assert own.unpublished_years(date(2090, 1, 1), date(2091, 1, 1)) == ()
    assert not own.is_workday(date(2090, 10, 3))


# -- stretches ---------------------------------------------------------------------------------------------------------


def test_a_day_of_two_shifts_in_shanghai() -> None:
    found = open_stretches(CHINA, date(2025, 9, 26), date(2025, 9, 27))
    clocks = [tuple(datetime.fromtimestamp(at, tz=UTC).strftime("%d %H:%M") for at in row) for row in found]
    assert clocks == [("26 01:00", "26 04:00"), ("26 05:30", "26 10:00")]


def test_the_table_has_a_row_per_day_of_utc() -> None:
    table = business_days_table(CHINA, date(2025, 9, 26), date(2025, 9, 29))
    assert table["utc_date"].astype(str).tolist() == [f"2025-09-{day}" for day in (25, 26, 27, 28, 29)]
    assert table["before_seconds"].tolist() == [0, 27_000, 54_000, 54_000, 81_000]  # 7.5 h on 25, 26 and Sunday 28
    assert table.loc[1, ["begin_1_seconds", "end_1_seconds", "begin_2_seconds", "end_2_seconds"]].tolist() == [
        3600, 14_400, 19_800, 36_000,
    ]  # fmt: skip


@pytest.mark.parametrize(("day", "hours"), [("2025-03-30", 23), ("2025-10-26", 25), ("2025-10-27", 24)])
def test_a_day_on_which_clocks_change_has_23_or_25_hours(day: str, hours: int) -> None:
    always = BusinessHours(shifts=("00:00-24:00",), weekend=(), country=None)
    begin = date.fromisoformat(day)
    found = open_stretches(BusinessCalendar(always, "Europe/Berlin"), begin, begin + timedelta(days=1))
    assert (found[:, 1] - found[:, 0]).sum() == hours * 3600
    assert len(found) == 1  # touching stretches are one


def test_hours_that_clocks_repeat_count_twice_and_those_left_out_not_at_all() -> None:
    night = BusinessHours(shifts=("02:00-03:00",), weekend=(), country=None)
    calendar = BusinessCalendar(night, "Europe/Berlin")
    spring = open_stretches(calendar, date(2025, 3, 30), date(2025, 3, 31))
    autumn = open_stretches(calendar, date(2025, 10, 26), date(2025, 10, 27))
    assert (spring[:, 1] - spring[:, 0]).sum() == 0
    assert (autumn[:, 1] - autumn[:, 0]).sum() == 7200


def test_a_company_that_is_never_open_has_no_stretches() -> None:
    week = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    closed = BusinessCalendar(BusinessHours(weekend=week, country=None), "Asia/Shanghai")
    assert open_stretches(closed, date(2025, 9, 1), date(2025, 9, 8)).shape == (0, 2)
    table = business_days_table(closed, date(2025, 9, 1), date(2025, 9, 8))
    assert table[["before_seconds", "begin_1_seconds", "end_1_seconds"]].to_numpy().sum() == 0


shifts = st.sampled_from([
    ("09:00-12:00", "13:30-18:00"), ("00:00-24:00",), ("00:00-06:00", "22:00-24:00"), ("01:30-02:30", "02:30-02:45"),
    ("23:59-24:00",),
])  # fmt: skip
zones = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kolkata"])
days = st.sampled_from([
    date(2025, 3, 28), date(2025, 3, 8), date(2025, 10, 25), date(2025, 11, 1), date(2011, 12, 29), date(2025, 9, 26),
])  # fmt: skip


def by_wall_clock(calendar: BusinessCalendar, minute: datetime) -> bool:
    """Tell whether a minute (UTC) is one of business, in the plainest way."""
    local = minute.astimezone(ZoneInfo(calendar.zone))
    clock = local.hour * 60 + local.minute
    return calendar.is_workday(local.date()) and any(
        begin <= clock < end for begin, end in map(shift_minutes, calendar.hours.shifts)
    )


@settings(max_examples=25)
@given(shifts, zones, days, st.sampled_from([("saturday", "sunday"), ()]))
def test_every_minute_is_open_when_its_wall_clock_lies_in_a_shift(shifts, zone, first, weekend) -> None:
    calendar = BusinessCalendar(BusinessHours(shifts=shifts, weekend=weekend), zone)
    table = business_days_table(calendar, first, first + timedelta(days=2))
    start = datetime.combine(table["utc_date"].iloc[0], time(), tzinfo=UTC)
    minutes = [start + timedelta(minutes=n) for n in range(len(table) * 24 * 60)]
    expected = np.array([by_wall_clock(calendar, minute) for minute in minutes])
    pairs = (len(table.columns) - 2) // 2
    clock = np.tile(np.arange(24 * 60) * 60, len(table))
    row = np.repeat(np.arange(len(table)), 24 * 60)
    found = np.zeros(len(minutes), dtype=bool)
    for k in range(1, pairs + 1):
        begin, end = (table[f"{edge}_{k}_seconds"].to_numpy()[row] for edge in ("begin", "end"))
        found |= (begin <= clock) & (clock < end)
    assert (found == expected).all()
    assert (np.diff(table["before_seconds"]) == expected.reshape(len(table), -1).sum(axis=1)[:-1] * 60).all()


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_hours", "reason"),
    [
        ({"shifts": ("9-12",)}, "'9-12' is no shift"),
        ({"shifts": ("12:00-09:00",)}, "'12:00-09:00' is no shift"),
        ({"shifts": ("09:00-24:30",)}, "'09:00-24:30' is no shift"),
        ({"shifts": ("09:75-10:00",)}, "'09:75-10:00' is no shift"),
        ({"shifts": ("09:00-12:00", "11:00-18:00")}, "do not overlap"),
        ({"shifts": ()}, "at least 1"),
        ({"weekend": ("someday",)}, "'monday'"),
        ({"country": "XQ"}, "no public holidays are known of 'XQ'"),
        ({"holidays": (date(2025, 1, 2),), "workdays": (date(2025, 1, 2),)}, "2025-01-02 is given both"),
    ],
)
def test_hours_that_cannot_be(given_hours, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        BusinessHours(**given_hours)


def test_a_baseline_is_at_least_as_long_as_its_minimum() -> None:
    with pytest.raises(ValidationError, match="minimum_weeks is at most baseline_weeks"):
        BurstSettings(baseline_weeks=4, minimum_weeks=5)


def test_defaults_are_those_of_the_guides() -> None:
    given_ = ServiceSettings()
    assert (given_.sla_hours, given_.urgent_hours, given_.complex_hours) == (2, 0.5, 24)
