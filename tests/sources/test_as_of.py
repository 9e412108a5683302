"""The door in time: rows, timestamps and values that were not known before local midnight of a day."""

from datetime import date, datetime

import ibis
import pandas as pd
import pytest

from crm_analysis.sources.as_of import as_of, utc_midnight
from crm_analysis.sources.purchases import with_purchase_history
from crm_analysis.sources.schema import TABLES, Change

DAY = date(2025, 7, 1)
ZONE = "Asia/Shanghai"


def _behind(tables: dict[str, ibis.Table], name: str, *, zone: str = ZONE, day: date = DAY) -> pd.DataFrame:
    key = [*TABLES[name].key] or [TABLES[name].names[0]]
    return as_of(tables, day, zone=zone)[name].order_by(key).to_pandas()


def test_rows_before_local_midnight_stay_and_later_ones_are_absent(make_tables) -> None:
    times = ["2025-06-30 23:59:59", "2025-07-01 00:00:00", "2025-06-30 12:00", "2025-07-02 08:00"]
    tables = make_tables(orders=[{"ordered_at": time} for time in times])
    assert _behind(tables, "orders").order_id.tolist() == ["o1", "o3"]


def test_dates_are_compared_as_days_not_as_utc(make_tables) -> None:
    starts = ["2025-06-30", "2025-07-01"]
    tables = make_tables(orders=[], contracts=[{"start_date": start, "end_date": "2026-06-30"} for start in starts])
    assert _behind(tables, "contracts").contract_id.tolist() == ["k1"]


@pytest.mark.parametrize(
    ("day", "last_instant", "utc"),
    [
        # Berlin: winter time until 2025-03-30, 02:00; summer time until 2025-10-26, 03:00
        (date(2025, 3, 30), "2025-03-29 23:59:59", datetime(2025, 3, 29, 23)),
        (date(2025, 3, 31), "2025-03-30 23:59:59", datetime(2025, 3, 30, 22)),
        (date(2025, 10, 26), "2025-10-25 23:59:59", datetime(2025, 10, 25, 22)),
        (date(2025, 10, 27), "2025-10-26 23:59:59", datetime(2025, 10, 26, 23)),
    ],
)
def test_midnight_follows_summer_time(make_tables, day: date, last_instant: str, utc: datetime) -> None:
    zone = "Europe/Berlin"
    assert utc_midnight(day, zone) == utc
    tables = make_tables(zone=zone, orders=[{"ordered_at": last_instant}, {"ordered_at": f"{day} 00:00"}])
    assert _behind(tables, "orders", zone=zone, day=day).order_id.tolist() == ["o1"]


@pytest.mark.parametrize(
    ("zone", "day", "utc"),
    [
        ("America/Asuncion", date(2023, 10, 1), datetime(2023, 10, 1, 4)),  # there is no midnight: 00:00 became 01:00
        ("America/Havana", date(2025, 11, 2), datetime(2025, 11, 2, 4)),  # there are two: 01:00 became 00:00
        ("Asia/Kathmandu", date(2025, 7, 1), datetime(2025, 6, 30, 18, 15)),
    ],
)
def test_a_day_begins_once(zone: str, day: date, utc: datetime) -> None:
    assert utc_midnight(day, zone) == utc


def test_the_last_microsecond_is_known(make_tables) -> None:
    times = [datetime(2025, 6, 30, 23, 59, 59, 999999), datetime(2025, 7, 1)]
    tables = make_tables(orders=[{"ordered_at": time} for time in times])
    assert _behind(tables, "orders").order_id.tolist() == ["o1"]


def test_a_zone_behind_utc_keeps_its_own_evening(make_tables) -> None:
    # 2025-06-30 21:00 in New York is 2025-07-01 01:00 UTC
    tables = make_tables(zone="America/New_York", orders=[{"ordered_at": "2025-06-30 21:00"}])
    assert len(_behind(tables, "orders", zone="America/New_York")) == 1
    assert _behind(tables, "orders", zone="UTC").empty


def test_later_timestamps_and_what_they_tell_are_null(make_tables) -> None:
    opened = {"opened_at": "2025-06-20 09:00", "outcome": "solved", "reason": "price", "urgency": "urgent"}
    tables = make_tables(
        orders=[],
        interactions=[
            opened | {"first_human_reply_at": "2025-06-20 10:00", "resolved_at": "2025-06-30 23:00"},
            opened | {"first_human_reply_at": "2025-06-20 10:00", "resolved_at": "2025-07-01 00:00"},
            opened | {"first_human_reply_at": "2025-07-03 10:00"},
            opened | {"resolved_at": "2025-06-21 10:00", "reopened_at": "2025-07-04 10:00"},
        ],
    )
    found = _behind(tables, "interactions")
    assert found.first_human_reply_at.notna().tolist() == [True, True, False, False]
    assert found.resolved_at.notna().tolist() == [True, False, False, True]
    assert found.reopened_at.notna().tolist() == [False] * 4
    # the outcome is known from resolved_at on; what was known at the start stays
    assert found.outcome.notna().tolist() == [True, False, False, True]
    assert found.reason.notna().tolist() == [True, False, False, True]
    assert (found.urgency == "urgent").all()


def test_answers_are_unknown_until_they_come(make_tables) -> None:
    sent = {"sent_at": "2025-06-25 09:00", "score": 5, "text": "good"}
    times = ["2025-06-30 23:59", "2025-07-01 00:00", None]
    tables = make_tables(orders=[], surveys=[sent | {"answered_at": time} for time in times])
    found = _behind(tables, "surveys")
    assert found.survey_id.tolist() == ["s1", "s2", "s3"]
    assert found.score.notna().tolist() == [True, False, False]
    assert found.text.notna().tolist() == [True, False, False]


def test_dates_inside_a_row_are_hidden_too(make_tables) -> None:
    invoice = {"invoiced_on": "2025-05-01", "due_date": "2025-06-01"}
    paid = ["2025-06-30", "2025-07-01", None]
    tables = make_tables(orders=[], receivables=[invoice | {"paid_on": day} for day in paid])
    assert _behind(tables, "receivables").paid_on.notna().tolist() == [True, False, False]


def test_replies_before_their_question_are_shown_as_they_are(make_tables) -> None:
    replies = {"first_human_reply_at": "2025-06-20 08:00", "resolved_at": "2025-06-19 08:00"}
    contact = {"opened_at": "2025-06-20 09:00", "outcome": "solved"} | replies
    found = _behind(make_tables(orders=[], interactions=[contact]), "interactions")
    assert found.loc[0, list(replies)].map(str).tolist() == ["2025-06-20 00:00:00", "2025-06-19 00:00:00"]  # UTC
    assert found.outcome.tolist() == ["solved"]


def test_a_case_opened_again_is_open_until_it_is_resolved_again(make_tables) -> None:
    contact = {"opened_at": "2025-06-01 09:00", "reopened_at": "2025-06-20 09:00", "resolved_at": "2025-07-02 09:00"}
    found = _behind(make_tables(orders=[], interactions=[contact]), "interactions")
    assert found.reopened_at.notna().all()
    assert found.resolved_at.isna().all()


def test_an_action_is_known_with_its_result_only_when_done(make_tables) -> None:
    assigned = {"assigned_at": "2025-06-01 09:00", "status": "done", "cost": 20, "feedback": "glad"}
    tables = make_tables(
        orders=[],
        actions=[assigned | {"done_at": "2025-06-15 09:00"}, assigned | {"done_at": "2025-07-15 09:00"}],
    )
    found = _behind(tables, "actions")
    for name in ("done_at", "status", "cost", "feedback"):
        assert found[name].notna().tolist() == [True, False], name


def test_the_status_of_an_action_says_whether_it_was_done(make_tables) -> None:
    assigned = {"assigned_at": "2025-06-01 09:00", "due_date": "2025-06-10"}
    statuses = ["planned", "in_progress", "done", "cancelled"]
    tables = make_tables(
        orders=[],
        actions=[assigned | {"status": status} for status in statuses]
        + [assigned | {"status": status, "done_at": "2025-06-30 23:59"} for status in statuses],
    )
    found = _behind(tables, "actions")
    assert found.status.fillna("").tolist() == [""] * 4 + ["done"] * 4  # whatever became of it since
    assert found.due_date.notna().all()


def test_customers_exist_from_registration_or_from_their_first_order(make_tables) -> None:
    tables = make_tables(
        customers=[
            {"customer_id": "early", "registered_at": "2025-06-30 23:00"},
            {"customer_id": "late", "registered_at": "2025-07-01 00:00"},
            {"customer_id": "late_buyer", "registered_at": "2025-08-01 09:00"},
            {"customer_id": "undated_buyer"},
            {"customer_id": "undated"},
            {"customer_id": "future_buyer"},
        ],
        orders=[
            {"customer_id": "late_buyer", "ordered_at": "2025-06-01 09:00"},
            {"customer_id": "undated_buyer", "ordered_at": "2025-06-01 09:00"},
            {"customer_id": "future_buyer", "ordered_at": "2025-07-09 09:00"},
        ],
    )
    found = _behind(tables, "customers")
    assert found.customer_id.tolist() == ["early", "late_buyer", "undated_buyer"]
    for name in ("registered_at", "registered_on", "registered_hour"):
        assert found[name].notna().tolist() == [True, False, False], name


def test_the_last_update_is_hidden_when_it_lies_after_the_door(make_tables) -> None:
    registered = {"registered_at": "2025-01-01 09:00"}
    tables = make_tables(
        customers=[registered | {"updated_at": "2025-06-30 09:00"}, registered | {"updated_at": "2025-07-01 09:00"}],
        orders=[],
    )
    assert _behind(tables, "customers").updated_at.notna().tolist() == [True, False]


def test_items_follow_their_orders(make_tables) -> None:
    tables = make_tables(
        orders=[{"ordered_at": "2025-06-30 09:00"}, {"ordered_at": "2025-07-01 09:00"}],
        order_items=[{"order_id": "o1"}, {"order_id": "o1"}, {"order_id": "o2"}, {"order_id": "gone"}],
    )
    assert _behind(tables, "order_items").order_id.tolist() == ["o1", "o1"]


@pytest.mark.parametrize(
    ("day", "first_month", "known", "over"),
    [
        (date(2025, 7, 1), 1, ["2024Q4", "2025Q1", "2025Q2"], ["2024Q4", "2025Q1", "2025Q2"]),
        (date(2025, 7, 2), 1, ["2024Q4", "2025Q1", "2025Q2", "2025Q3"], ["2024Q4", "2025Q1", "2025Q2"]),
        (date(2025, 6, 30), 1, ["2024Q4", "2025Q1", "2025Q2"], ["2024Q4", "2025Q1"]),
        (date(2025, 1, 1), 1, ["2024Q4"], ["2024Q4"]),
        # the fiscal year begins in April: FY25Q4 is January to March 2025
        (date(2025, 4, 1), 4, ["FY25Q4"], ["FY25Q4"]),
        (date(2025, 3, 31), 4, ["FY25Q4"], []),
        (date(2025, 4, 2), 4, ["FY25Q4", "FY26Q1"], ["FY25Q4"]),
    ],
)
def test_budgets_are_known_when_their_quarter_begins_and_their_use_when_it_ends(
    make_tables, day: date, first_month: int, known: list[str], over: list[str]
) -> None:
    texts = ["2024Q4", "2025Q1", "2025Q2", "2025Q3"] if first_month == 1 else ["FY25Q4", "FY26Q1"]
    texts += ["2025", "2025Q5", "next year", "FY2025Q1"]  # no quarters
    tables = make_tables(orders=[], budgets=[{"quarter": text, "used_amount": 7} for text in texts])
    found = as_of(tables, day, zone=ZONE, first_month=first_month)["budgets"].order_by("quarter").to_pandas()
    assert found.quarter.tolist() == known
    assert found.loc[found.used_amount.notna(), "quarter"].tolist() == over
    assert (found.granted_amount == 100).all()


def test_calendar_quarters_of_a_fiscal_company_are_calendar_quarters(make_tables) -> None:
    tables = make_tables(orders=[], budgets=[{"quarter": text} for text in (" 2025q2 ", "2025Q3", "fy26q1", "FY26Q2")])
    found = as_of(tables, date(2025, 6, 30), zone=ZONE, first_month=4)["budgets"].to_pandas()
    assert set(found.quarter) == {" 2025q2 ", "fy26q1"}


def test_the_start_of_cooperation_is_hidden_when_it_lies_after_the_door(make_tables) -> None:
    registered = {"registered_at": "2025-01-01 09:00", "birth_date": "2990-01-01"}
    starts = ["2025-06-30", "2025-07-01", None]
    tables = make_tables(customers=[registered | {"cooperation_start": day} for day in starts], orders=[])
    found = _behind(tables, "customers")
    assert found.cooperation_start.notna().tolist() == [True, False, False]
    assert found.birth_date.notna().all()  # an impossible date is a fault of the data, not of the past


def test_the_day_of_a_full_refund_is_hidden_when_it_lies_after_the_door(make_tables) -> None:
    def behind(*refunds: tuple[str, int]) -> list[str | None]:
        orders = [{"order_id": "o", "ordered_at": "2025-05-01 10:00", "amount": 100}]
        orders += [
            {"order_id": f"r{n}", "ordered_at": at, "amount": amount, "refund_of": "o"}
            for n, (at, amount) in enumerate(refunds)
        ]
        tables = make_tables(orders=orders)
        dated = with_purchase_history(tables["orders"])
        assert dated.refunded_on.count().execute() == 1  # in the end it is refunded
        found = as_of({"orders": dated}, DAY, zone=ZONE)["orders"].to_pandas()
        return found.loc[found.order_id == "o", "refunded_on"].map(str).tolist()

    assert behind(("2025-06-30 23:59:59", -100)) == ["2025-06-30 00:00:00"]
    assert behind(("2025-07-01 00:00:00", -100)) == ["NaT"]
    assert behind(("2025-06-30 12:00", -60), ("2025-07-01 00:00", -40)) == ["NaT"]
    assert behind(("2025-06-10 12:00", -60), ("2025-06-12 12:00", -40)) == ["2025-06-12 00:00:00"]


def test_local_days_and_hours_go_with_their_time(make_tables) -> None:
    opened = {"opened_at": "2025-06-20 09:00", "resolved_at": "2025-07-01 00:00"}
    tables = make_tables(orders=[], interactions=[opened, opened | {"resolved_at": "2025-06-30 12:00"}])
    dated = tables["interactions"].mutate(resolved_on=ibis.date("2025-07-01"), resolved_hour=ibis.literal(9))
    found = _behind(tables | {"interactions": dated}, "interactions")
    for name in ("resolved_at", "resolved_on", "resolved_hour"):
        assert found[name].notna().tolist() == [False, True], name
    assert found.opened_on.notna().all()


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_the_schema_gives_the_door_what_it_needs(table) -> None:
    assert set(table.key) <= set(table.names)
    assert table.time is None or table[table.time].change is Change.EVENT
    for field in table:
        if field.known_at is not None:
            assert table[field.known_at].change is Change.EVENT, field.name
            assert field.known_at != table.time, field.name
