"""The same quarter of last year with Spring Festival on the same days."""

from collections.abc import Callable
from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base.calendars import spring_festival
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_effects import FestivalSettings
from crm_analysis.evaluation.festival import (
    FESTIVAL_SCHEMA,
    FESTIVAL_STATUSES,
    FLOWS,
    daily_flows_table,
    days_needed,
    festival_days,
    festival_document,
    festival_table,
)
from crm_analysis.sources.as_of import as_of

FORTNIGHT = FestivalSettings()
#: February to April: the festival of 2025 (29 January) lies before it, that of 2024 (10 February) in it.
FISCAL = Quarter.containing(date(2025, 2, 1), first_month=2)


def company(quarter: Quarter, level: Callable[[date], float]) -> pd.DataFrame:
    """Return daily flows of a company that sells ``level(day)`` on every day."""
    start, end = days_needed(quarter)
    days = [start + timedelta(days=k) for k in range((end - start).days)]
    sold = [float(level(day)) for day in days]
    return pd.DataFrame({"date": pd.to_datetime(days).astype("datetime64[s]"), **dict.fromkeys(FLOWS, sold)})


def distance(day: date) -> int:
    """Return the days from the nearest festival."""
    return min(((day - spring_festival(day.year + k)).days for k in (-1, 0, 1)), key=abs)


def constant(day: date) -> float:
    """Return sales that never change but for a festival that sells 30 a day in its window instead of 10."""
    return 30 if -15 <= distance(day) <= 15 else 10


@pytest.mark.parametrize(
    "day",
    ["2015-02-19", "2018-02-16", "2019-02-05", "2023-01-22", "2028-01-26", "2029-02-13", "2030-02-03", "2031-01-23",
     "2032-02-11", "2033-01-31", "2034-02-19", "2035-02-08"],
)  # fmt: skip
def test_the_festival_is_known_from_2015_to_2035(day: str) -> None:
    assert spring_festival(int(day[:4])) == date.fromisoformat(day)


def test_a_constant_company_whose_festival_moves_does_not_shrink() -> None:
    table = festival_table(company(FISCAL, constant), quarter=FISCAL, settings=FORTNIGHT).set_index("flow")
    check_columns(table.reset_index().columns, FESTIVAL_SCHEMA, result="festival")
    # 13 days of the window (to 13 February) of 89 days against 25 (to 25 February) of 90
    revenue = table.loc["revenue"]
    assert (revenue["value"], revenue["year_ago_value"]) == (13 * 30 + 76 * 10, 25 * 30 + 65 * 10)
    assert revenue["plain_change_share"] == pytest.approx(-250 / 1400, abs=1e-6)
    assert revenue["aligned_value"] == 1150
    aligned = table[["aligned_change_share", "window_change_share", "ordinary_change_share"]]
    assert (aligned == 0).all(axis=None)
    document = festival_document(FISCAL, settings=FORTNIGHT, begun=FISCAL.shift(-8))
    assert {name: document[name] for name in ("status", "day_count", "year_ago_day_count")} == {
        "status": "moved", "day_count": 13, "year_ago_day_count": 25,
    }  # fmt: skip
    assert (document["festival_date"], document["year_ago_date"]) == ("2025-01-29", "2024-02-10")


def test_growth_is_still_seen_beside_the_moved_festival() -> None:
    grown = company(FISCAL, lambda day: constant(day) * (1.1 if day >= FISCAL.start else 1))
    table = festival_table(grown, quarter=FISCAL, settings=FORTNIGHT).set_index("flow")
    assert table.loc["revenue", "aligned_change_share"] == pytest.approx(0.1)
    assert table.loc["revenue", "plain_change_share"] == pytest.approx(1150 * 1.1 / 1400 - 1, abs=1e-6)


@given(
    year=st.integers(2016, 2034),
    number=st.integers(1, 4),
    first_month=st.integers(1, 12),
    before=st.integers(0, 40),
    after=st.integers(0, 40),
    ordinary=st.integers(1, 1000),
    profile=st.integers(1, 97),
)
def test_whatever_the_festival_sells_a_constant_company_is_constant(
    year: int, number: int, first_month: int, before: int, after: int, ordinary: int, profile: int
) -> None:
    quarter = Quarter(year, number, first_month)
    window = FestivalSettings(days_before=before, days_after=after)

    def level(day: date) -> float:
        near = distance(day)
        return (profile * (near + 50)) % 101 if -before <= near <= after else ordinary

    table = festival_table(company(quarter, level), quarter=quarter, settings=window).set_index("flow")
    status = festival_document(quarter, settings=window, begun=quarter.shift(-9))["status"]
    revenue = table.loc["revenue"]
    if status == "untouched":
        assert revenue["aligned_value"] == revenue["year_ago_value"]
        assert not festival_days(quarter, settings=window)
    else:
        assert revenue["aligned_value"] == pytest.approx(revenue["value"])
        if revenue["value"]:
            assert revenue["aligned_change_share"] == pytest.approx(0, abs=1e-6)


def test_a_quarter_without_the_festival_has_one_comparison() -> None:
    quarter = Quarter(2025, 3)
    grown = company(quarter, lambda day: 12 if day >= quarter.start else 10)
    row = festival_table(grown, quarter=quarter, settings=FORTNIGHT).set_index("flow").loc["order_count"]
    assert row["plain_change_share"] == row["aligned_change_share"] == 0.2
    assert row["window_change_share"] != row["window_change_share"]  # there is no window
    assert row["n"] == 12 * 92
    document = festival_document(quarter, settings=FORTNIGHT, begun=quarter.shift(-4))
    assert document["status"] == "untouched"
    assert document["marked"] == []
    in_spring = festival_document(Quarter(2025, 2), settings=FORTNIGHT, begun=None)
    assert [each["festival"] for each in in_spring["marked"]] == ["june_18", "june_18"]


def test_whole_windows_in_both_quarters_leave_a_leap_day_alone() -> None:
    quarter = Quarter(2025, 1)
    row = (
        festival_table(company(quarter, constant), quarter=quarter, settings=FORTNIGHT).set_index("flow").loc["revenue"]
    )
    assert row["value"] - row["year_ago_value"] == -10  # 90 days against 91
    assert row["aligned_change_share"] == 0
    assert festival_document(quarter, settings=FORTNIGHT, begun=quarter.shift(-4))["status"] == "whole"


def test_what_cannot_be_compared_says_why() -> None:
    quarter = Quarter(2025, 3)
    for begun, is_complete, status in (
        (None, True, "no_history"),
        (quarter.shift(-3), True, "no_history"),
        (quarter.shift(-4), False, "incomplete"),
    ):
        found = festival_document(quarter, settings=FORTNIGHT, begun=begun, is_complete=is_complete)["status"]
        assert found == status
        assert found in FESTIVAL_STATUSES
    # the days of last year's window that February to April 2024 is compared with begin in January 2023
    later = FISCAL.shift(-4)
    assert festival_document(later, settings=FORTNIGHT, begun=later.shift(-4))["status"] == "no_history"
    assert festival_document(later, settings=FORTNIGHT, begun=later.shift(-5))["status"] == "moved"


def test_days_before_data_give_no_change_of_nothing() -> None:
    quarter = Quarter(2025, 3)
    new = company(quarter, lambda day: 10 if day >= quarter.start else 0)
    table = festival_table(new, quarter=quarter, settings=FORTNIGHT)
    assert table["plain_change_share"].isna().all()
    assert table["aligned_change_share"].isna().all()


def test_daily_flows_by_hand(make_tables) -> None:
    orders = [
        {"customer_id": "a", "ordered_at": "2025-07-01 00:00", "amount": 100},
        {"customer_id": "a", "ordered_at": "2025-07-01 09:00", "amount": 50},
        {"order_id": "b1", "customer_id": "b", "ordered_at": "2025-07-01 23:59", "amount": 30},
        {"customer_id": "b", "ordered_at": "2025-07-03 10:00", "amount": -30, "refund_of": "b1"},
        {"customer_id": "c", "ordered_at": "2025-06-30 23:59", "amount": 999},
        {"customer_id": "c", "ordered_at": "2025-07-04 00:00", "amount": 999},
    ]
    tables = as_of(make_tables(orders=orders), date(2025, 10, 1), zone="Asia/Shanghai")
    daily = daily_flows_table(tables["orders"], start=date(2025, 7, 1), end=date(2025, 7, 4))
    assert daily["date"].dt.day.tolist() == [1, 3]
    assert daily["revenue"].tolist() == [180, -30]
    assert daily["order_count"].tolist() == [2, 0]  # b's order was refunded in full
    assert daily["buyer_days"].tolist() == [1, 0]
