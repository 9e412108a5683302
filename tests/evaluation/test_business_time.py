"""Business seconds in the engine, against the same counted one by one."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.base.settings_service import BusinessHours, shift_minutes
from crm_analysis.evaluation.business_time import with_business_seconds
from crm_analysis.sources.business_calendar import BusinessCalendar

SHANGHAI, BERLIN = "Asia/Shanghai", "Europe/Berlin"


@pytest.fixture(scope="module")
def con():
    return ibis.duckdb.connect()


def utc(text: str | None, zone: str) -> datetime | None:
    if text is None:
        return None
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def seconds(con, pairs, *, hours=None, zone=SHANGHAI, first="2025-09-01", end="2025-11-01", always=None):
    """Return the business seconds between pairs of instants (UTC)."""
    frame = pd.DataFrame(pairs, columns=["a_at", "b_at"]).astype("datetime64[us]")
    frame["channel"] = "phone" if always is None else always
    rows = con.create_table("pairs", frame.assign(row=range(len(frame))), overwrite=True)
    counted = with_business_seconds(
        rows, since="a_at", until={"business_seconds": "b_at"},
        calendar=BusinessCalendar(hours or BusinessHours(), zone),
        first=date.fromisoformat(first), end=date.fromisoformat(end),
        always=None if always is None else rows.channel == "app",
    )  # fmt: skip
    assert list(counted.columns) == [*rows.columns, "business_seconds"]
    return counted.order_by("row").business_seconds.to_pandas().tolist()


@pytest.mark.parametrize(
    ("opened", "replied", "minutes"),
    [
        ("2025-09-24 10:00", "2025-09-24 10:30", 30),
        ("2025-09-24 11:30", "2025-09-24 14:00", 60),  # over lunch: 30 + 30
        ("2025-09-24 07:00", "2025-09-24 08:30", 0),  # a reply before opening
        ("2025-09-24 07:00", "2025-09-24 09:10", 10),
        ("2025-09-24 17:30", "2025-09-25 09:30", 60),  # over night
        ("2025-09-26 17:00", "2025-09-28 09:15", 75),  # Friday to the Sunday that is worked for the National Day
        ("2025-09-30 17:00", "2025-10-09 10:00", 120),  # over eight closed days
        ("2025-10-10 17:00", "2025-10-13 10:00", 570),  # the Saturday of 11 October is worked: 60 + 450 + 60
        ("2025-10-02 10:00", "2025-10-03 10:00", 0),  # both on holidays
        ("2025-09-24 10:30", "2025-09-24 10:00", 0),  # backwards
    ],
)
def test_cases_worked_out_by_hand(con, opened: str, replied: str, minutes: float) -> None:
    assert seconds(con, [(utc(opened, SHANGHAI), utc(replied, SHANGHAI))]) == [minutes * 60]


def test_fractions_of_a_second_are_dropped(con) -> None:
    pair = (utc("2025-09-24 10:00:00.900", SHANGHAI), utc("2025-09-24 10:00:02.100", SHANGHAI))
    assert seconds(con, [pair]) == [2]


def test_what_is_open_or_lies_outside_of_the_calendar_has_no_seconds(con) -> None:
    opened = utc("2025-09-24 10:00", SHANGHAI)
    found = seconds(con, [(opened, None), (None, opened), (opened, utc("2026-03-01 10:00", SHANGHAI)),
                          (opened, utc("2025-11-01 00:00", SHANGHAI))])  # fmt: skip
    assert [value != value or value is None for value in found] == [True, True, True, False]


def test_channels_that_never_close_count_every_second(con) -> None:
    pair = (utc("2025-10-02 22:00", SHANGHAI), utc("2025-10-03 01:00", SHANGHAI))
    assert seconds(con, [pair, pair, pair], always=["app", "phone", None]) == [3 * 3600, 0, 0]


@pytest.mark.parametrize(
    ("opened", "replied", "hours"),
    [("2025-03-29 12:00", "2025-03-30 12:00", 23), ("2025-10-25 12:00", "2025-10-26 12:00", 25)],
)
def test_a_day_on_which_clocks_change(con, opened: str, replied: str, hours: int) -> None:
    always = BusinessHours(shifts=("00:00-24:00",), weekend=(), country=None)
    pair = (utc(opened, BERLIN), utc(replied, BERLIN))
    assert seconds(con, [pair], hours=always, zone=BERLIN, first="2025-03-01") == [hours * 3600]


def one_by_one(calendar: BusinessCalendar, start: datetime, end: datetime) -> int:
    """Count business minutes between two whole minutes by looking at the wall clock of each."""
    shifts = [shift_minutes(shift) for shift in calendar.hours.shifts]
    count, minute = 0, start.replace(tzinfo=UTC)
    while minute < end.replace(tzinfo=UTC):
        local = minute.astimezone(ZoneInfo(calendar.zone))
        clock = local.hour * 60 + local.minute
        count += any(begin <= clock < until for begin, until in shifts) and calendar.is_workday(local.date())
        minute += timedelta(minutes=1)
    return count


instants = st.integers(0, 6 * 24 * 60)
CASES = st.tuples(
    st.sampled_from([
        ("09:00-12:00", "13:30-18:00"), ("00:00-24:00",), ("00:00-06:00", "22:00-24:00"), ("01:30-02:30",),
    ]),
    st.sampled_from([
        (SHANGHAI, datetime(2025, 9, 26)), (BERLIN, datetime(2025, 3, 28)), (BERLIN, datetime(2025, 10, 24)),
        ("America/New_York", datetime(2025, 10, 31)), ("Asia/Kolkata", datetime(2025, 10, 1)),
        ("Pacific/Auckland", datetime(2025, 9, 26)),
    ]),
    st.lists(st.tuples(instants, instants), min_size=1, max_size=4),
)  # fmt: skip


@settings(max_examples=40)
@given(CASES)
def test_the_engine_counts_what_a_clock_on_the_wall_shows(con, case) -> None:
    shifts, (zone, start), pairs = case
    hours = BusinessHours(shifts=shifts, country="CN" if zone == SHANGHAI else None)
    moments = [tuple(start + timedelta(minutes=minute) for minute in sorted(pair)) for pair in pairs]
    expected = [one_by_one(BusinessCalendar(hours, zone), *pair) * 60 for pair in moments]
    first, end = start.date() - timedelta(days=1), start.date() + timedelta(days=8)
    found = seconds(con, moments, hours=hours, zone=zone, first=first.isoformat(), end=end.isoformat())
    assert found == expected


@settings(max_examples=25)
@given(st.tuples(instants, instants, instants))
def test_business_time_adds_up_and_is_never_more_than_clock_time(con, minutes) -> None:
    a, b, c = (datetime(2025, 9, 26) + timedelta(minutes=minute) for minute in sorted(minutes))
    whole, one, other = seconds(con, [(a, c), (a, b), (b, c)])
    assert whole == one + other
    assert 0 <= whole <= (c - a).total_seconds()
