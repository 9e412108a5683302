"""Customer x quarter sums, and the outcomes that labels are made from."""

from collections import Counter
from datetime import date, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.base.period import Quarter
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.periods import OUTCOMES_SCHEMA, PERIODS_SCHEMA, customer_periods_table, outcomes_table

ZONE = "Asia/Shanghai"
LAST = Quarter(2025, 2)


def _periods(tables: Any, *, last: Quarter = LAST, count: int = 4) -> pd.DataFrame:
    known = as_of(tables, last.end, zone=ZONE)
    return customer_periods_table(known, quarters=last.back(count)).to_pandas()


def test_quarters_by_hand(make_tables) -> None:
    tables = make_tables(
        orders=[
            {"order_id": "o1", "ordered_at": "2025-03-31 23:59", "amount": 100, "discount": 8},
            {"order_id": "o2", "ordered_at": "2025-04-01 00:00", "amount": 40},
            {"order_id": "o3", "ordered_at": "2025-04-02 09:00", "amount": 60},
            {"order_id": "r1", "ordered_at": "2025-05-02 09:00", "amount": -25, "refund_of": "o1"},
            {"order_id": "r3", "ordered_at": "2025-05-03 09:00", "amount": -60, "refund_of": "o3", "discount": 5},
            {"order_id": "o4", "ordered_at": "2025-07-01 00:00", "amount": 5},
            {"order_id": "o5", "customer_id": "b1", "ordered_at": "2024-12-31 12:00", "amount": 7},
            {"order_id": "o6", "customer_id": "b1", "ordered_at": "2024-06-30 12:00", "amount": 9},
        ],
        interactions=[
            {"opened_at": "2025-04-01 00:00", "direction": "in", "kind": "complaint"},
            {"opened_at": "2025-06-30 23:59", "direction": "out", "kind": "care"},
            {"opened_at": "2025-06-30 23:59", "direction": "in", "kind": "inquiry"},
            {"customer_id": "a9", "opened_at": "2025-02-01 09:00", "direction": "out", "kind": "call"},
        ],
    )
    found = _periods(tables)
    assert found.columns.tolist() == list(PERIODS_SCHEMA)
    names = ["customer_id", "quarter", "order_count", "gross_amount", "refund_amount", "spend_amount",
             "interaction_in_count", "interaction_out_count", "complaint_count"]  # fmt: skip
    assert found[names].to_numpy().tolist() == [
        ["a9", "2025Q1", 0, 0, 0, 0, 0, 1, 0],
        ["b1", "2024Q4", 1, 7, 0, 7, 0, 0, 0],
        ["c1", "2025Q1", 1, 100, 0, 100, 0, 0, 0],
        ["c1", "2025Q2", 1, 100, 85, 15, 2, 1, 1],  # o3 went back in full: its money counts, the order does not
    ]
    assert found.counted_amount.tolist() == [0, 7, 100, 40]
    assert found.refund_count.tolist() == [0, 0, 0, 2]
    assert found.discount_amount.tolist() == [0, 0, 8, 0]
    assert found.quarter_start.tolist() == [
        pd.Timestamp(day) for day in ("2025-01-01", "2024-10-01", "2025-01-01", "2025-04-01")
    ]


def test_fiscal_quarters(make_tables) -> None:
    days = ["2025-03-31", "2025-04-01", "2025-06-30"]
    tables = make_tables(orders=[{"ordered_at": f"{day} 12:00"} for day in days])
    found = _periods(tables, last=Quarter(2026, 1, 4), count=2)
    assert found.quarter.tolist() == ["FY25Q4", "FY26Q1"]
    assert found.order_count.tolist() == [1, 2]
    assert found.quarter_start.tolist() == [pd.Timestamp("2025-01-01"), pd.Timestamp("2025-04-01")]


def test_an_order_refunded_after_the_door_still_counts_before_it(make_tables) -> None:
    tables = make_tables(
        orders=[
            {"order_id": "o1", "ordered_at": "2025-06-30 12:00", "amount": 50},
            {"ordered_at": "2025-07-02 12:00", "amount": -50, "refund_of": "o1"},
        ]
    )
    assert _periods(tables).order_count.tolist() == [1]
    later = _periods(tables, last=Quarter(2025, 3), count=2)
    assert later.order_count.tolist() == [0, 0]
    assert later.spend_amount.tolist() == [50, -50]


rows = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["c1", "c2", "c3"]),
        "ordered_at": st.datetimes(datetime(2024, 6, 1), datetime(2025, 8, 1)),
        "amount": st.integers(-50_000, 90_000).map(lambda cents: cents / 100),
    }
)


@settings(max_examples=10, deadline=None)
@given(drawn=st.lists(rows, min_size=1, max_size=30))
def test_sums_by_quarter_are_the_sums_over_the_rows(make_tables, drawn) -> None:
    found = _periods(make_tables(orders=drawn))
    spent: Counter[tuple[str, str]] = Counter()
    for row in drawn:
        spent[row["customer_id"], str(Quarter.containing(row["ordered_at"].date()))] += round(row["amount"] * 100)
    wanted = {str(quarter) for quarter in LAST.back(4)}
    expected = {key: cents / 100 for key, cents in spent.items() if key[1] in wanted}
    keys = zip(found.customer_id, found.quarter, strict=True)
    assert dict(zip(keys, found.spend_amount, strict=True)) == pytest.approx(expected)


def _outcomes(tables: Any, *, gap: int, horizon: int) -> pd.DataFrame:
    known = as_of(tables, date(2025, 7, 1), zone=ZONE)
    found = outcomes_table(known, origin=date(2025, 3, 1), gap_days=gap, horizon_days=horizon)
    return found.to_pandas().set_index("customer_id")


@pytest.mark.parametrize(
    ("ordered_at", "inside", "in_gap"),
    [
        ("2025-02-28 23:59", None, None),
        ("2025-03-01 00:00", 0, 1),
        ("2025-03-10 23:59", 0, 1),
        ("2025-03-11 00:00", 1, 0),
        ("2025-04-09 23:59", 1, 0),
        ("2025-04-10 00:00", None, None),
    ],
)
def test_outcomes_begin_after_the_gap_and_end_with_the_horizon(make_tables, ordered_at, inside, in_gap) -> None:
    found = _outcomes(make_tables(orders=[{"ordered_at": ordered_at, "amount": 30}]), gap=10, horizon=30)
    assert [found.index.name, *found.columns] == list(OUTCOMES_SCHEMA)
    if inside is None:
        assert found.empty
    else:
        assert found.loc["c1"].tolist() == [inside, 30 * inside, in_gap]


def test_without_a_gap_the_origin_itself_is_the_first_day(make_tables) -> None:
    tables = make_tables(orders=[{"ordered_at": "2025-03-01 00:00"}, {"ordered_at": "2025-02-28 23:59"}])
    assert _outcomes(tables, gap=0, horizon=30).loc["c1"].tolist() == [1, 100, 0]


@pytest.mark.parametrize(("refunded_at", "order_count"), [("2025-03-30 23:59", 0), ("2025-03-31 00:00", 1)])
def test_a_purchase_refunded_within_the_horizon_saves_nobody(make_tables, refunded_at, order_count) -> None:
    tables = make_tables(
        orders=[
            {"order_id": "o1", "ordered_at": "2025-03-05 12:00", "amount": 50},
            {"ordered_at": refunded_at, "amount": -50, "refund_of": "o1"},
        ]
    )
    found = _outcomes(tables, gap=0, horizon=30)
    assert found.order_count.sum() == order_count
