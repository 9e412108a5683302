"""Wall clocks: hours that clocks repeat or leave out, and zones that have kept one offset for long."""

from datetime import datetime, timedelta

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.sources.clocks import AMBIGUOUS, NONEXISTENT, clock_changes, doubtful, to_local, to_utc

CON = ibis.duckdb.connect()
ORDERS = "order_id,customer_id,ordered_at,amount\n"


def _doubt(moment: datetime, zone: str) -> str | None:
    expression = doubtful(ibis.literal(moment), zone)
    assert expression is not None
    found = CON.execute(expression)
    return found if isinstance(found, str) else None


@pytest.mark.parametrize(
    ("zone", "moment", "doubt"),
    [
        ("Europe/Berlin", "2025-10-26 01:59:59", None),
        ("Europe/Berlin", "2025-10-26 02:00:00", AMBIGUOUS),
        ("Europe/Berlin", "2025-10-26 02:59:59", AMBIGUOUS),
        ("Europe/Berlin", "2025-10-26 03:00:00", None),
        ("Europe/Berlin", "2025-03-30 01:59:59", None),
        ("Europe/Berlin", "2025-03-30 02:00:00", NONEXISTENT),
        ("Europe/Berlin", "2025-03-30 03:00:00", None),
        ("Europe/Berlin", "2025-10-25 02:30:00", None),
        ("Australia/Lord_Howe", "2025-04-06 01:45:00", AMBIGUOUS),
        ("Australia/Lord_Howe", "2025-04-06 01:15:00", None),
        ("Asia/Shanghai", "1991-09-15 01:30:00", AMBIGUOUS),
        ("Asia/Shanghai", "1991-04-14 02:30:00", NONEXISTENT),
        ("Asia/Shanghai", "2025-10-26 02:30:00", None),
        ("America/Santiago", "2024-09-08 00:30:00", NONEXISTENT),
        ("America/Santiago", "2024-04-06 23:30:00", AMBIGUOUS),
    ],
)
def test_doubtful_times(zone: str, moment: str, doubt: str | None) -> None:
    assert _doubt(datetime.fromisoformat(moment), zone) == doubt


def test_a_zone_without_changes_has_no_doubtful_times() -> None:
    assert doubtful(ibis.literal(datetime(2025, 1, 1)), "UTC") is None


def test_a_time_shown_twice_is_the_later_and_one_left_out_moves_on() -> None:
    found = [CON.execute(to_utc(ibis.literal(datetime(2025, month, day, 2, 30)), "Europe/Berlin"))
             for month, day in ((10, 26), (3, 30))]  # fmt: skip
    assert found == [pd.Timestamp("2025-10-26 01:30"), pd.Timestamp("2025-03-30 01:30")]


def test_changes_of_clocks_are_found_to_the_second() -> None:
    changes = [change for change in clock_changes("Europe/Berlin") if change.instant.year == 2025]
    assert [change.instant for change in changes] == [datetime(2025, 3, 30, 1), datetime(2025, 10, 26, 1)]
    assert [change.after - change.before for change in changes] == [timedelta(hours=1), -timedelta(hours=1)]


@settings(max_examples=25, deadline=None)
@given(
    st.datetimes(datetime(1985, 1, 1), datetime(2070, 1, 1)),
    st.sampled_from(["Asia/Shanghai", "Asia/Tokyo", "UTC", "America/New_York", "Asia/Kolkata"]),
)
def test_shifting_is_converting(moment: datetime, zone: str) -> None:
    local = CON.execute(to_local(ibis.literal(moment), zone))
    assert local == pd.Timestamp(moment, tz="UTC").tz_convert(zone).tz_localize(None)


def test_doubtful_times_are_used_and_counted(load_files) -> None:
    times = ["2025-10-26 02:30", "2025-10-26 02:10", "2025-03-30 02:30", "2025-06-01 02:30",
             "2025-10-26T02:30:00+01:00"]  # fmt: skip
    text = ORDERS + "".join(f"o{n},c1,{time},5\n" for n, time in enumerate(times))
    report = load_files({"orders": text}, timezone="Europe/Berlin").report
    assert dict(zip(report.rule, report.row_count, strict=True)) == {
        "read": 5, "used": 5, "note.ambiguous_ordered_at": 2, "note.nonexistent_ordered_at": 1,
    }  # fmt: skip


def test_every_time_field_is_looked_at(load_files) -> None:
    surveys = "survey_id,customer_id,sent_at,answered_at,question,scale_min,scale_max\n"
    surveys += "s1,c1,2025-06-01 10:00,2025-10-26 02:30,nps,0,10\n"
    report = load_files(
        {"orders": ORDERS + "o1,c1,2025-06-01,5\n", "surveys": surveys}, timezone="Europe/Berlin"
    ).report
    assert report[report.table == "surveys"].rule.tolist() == ["read", "used", "note.ambiguous_answered_at"]
