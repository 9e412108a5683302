"""What counts as a purchase, and what refunds do."""

import math
from datetime import date

import ibis
import pytest

from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.purchases import (
    counted_orders,
    purchase_summary_table,
    signed_amounts,
    with_purchase_history,
)

BOUGHT = {"order_id": "bought", "ordered_at": "2025-06-01 10:00", "amount": 100}


def _counted(tables: dict[str, ibis.Table], day: str = "2025-07-01") -> list[str]:
    known = as_of(tables, date.fromisoformat(day), zone="Asia/Shanghai")
    return sorted(counted_orders(known["orders"]).order_id.to_pandas())


@pytest.mark.parametrize(
    ("refunds", "counts"),
    [
        ([], True),
        ([-100], False),
        ([-99.99], True),
        ([-60, -40], False),
        ([-60, -39], True),
        ([-130], False),
        ([100], False),  # a company that writes refunds as positive amounts beside refund_of
        ([60, -40], False),
    ],
)
def test_an_order_refunded_in_full_does_not_count(make_tables, refunds: list[float], counts: bool) -> None:
    rows = [{"ordered_at": "2025-06-05 10:00", "amount": amount, "refund_of": "bought"} for amount in refunds]
    assert _counted(make_tables(orders=[BOUGHT, *rows])) == (["bought"] if counts else [])


def test_a_refund_after_the_door_leaves_the_order_counted(make_tables) -> None:
    refund = {"ordered_at": "2025-07-01 00:00", "amount": -100, "refund_of": "bought"}
    tables = make_tables(orders=[BOUGHT, refund])
    assert _counted(tables, "2025-07-01") == ["bought"]
    assert _counted(tables, "2025-07-02") == []


def test_refunds_without_an_order_and_free_orders_are_no_purchases(make_tables) -> None:
    rows = [
        {"order_id": "loose_refund", "ordered_at": "2025-06-02", "amount": -30},
        {"order_id": "free", "ordered_at": "2025-06-02", "amount": 0},
        {"order_id": "lost_link", "ordered_at": "2025-06-02", "amount": -30, "refund_of": "unknown"},
    ]
    assert _counted(make_tables(orders=[BOUGHT, *rows])) == ["bought"]


def test_the_history_of_every_purchase(make_tables) -> None:
    rows = [
        {"order_id": "a", "ordered_at": "2025-06-01 10:00"},
        {"order_id": "b", "ordered_at": "2025-06-05 09:00"},
        {"order_id": "c", "ordered_at": "2025-06-05 18:00"},
        {"order_id": "free", "ordered_at": "2025-06-06", "amount": 0},
        {"order_id": "other", "customer_id": "c2", "ordered_at": "2025-06-07"},
        {"order_id": "r1", "ordered_at": "2025-06-10", "amount": -60, "refund_of": "b"},
        {"order_id": "r2", "ordered_at": "2025-06-20", "amount": -30, "refund_of": "b"},
        {"order_id": "r3", "ordered_at": "2025-06-20", "amount": -10, "refund_of": "b"},
        {"order_id": "r4", "ordered_at": "2025-06-25", "amount": -99, "refund_of": "a"},
    ]
    found = with_purchase_history(make_tables(orders=rows)["orders"])
    assert with_purchase_history(found) is found
    frame = found.to_pandas().set_index("order_id")
    assert frame.refunded_on.dropna().astype(str).to_dict() == {"b": "2025-06-20"}
    assert frame.previous_on.dropna().astype(str).to_dict() == {"b": "2025-06-01", "c": "2025-06-05"}


def test_counted_before_a_day_that_lies_before_the_door(make_tables) -> None:
    refund = {"ordered_at": "2025-06-20 00:00", "amount": -100, "refund_of": "bought"}
    orders = make_tables(orders=[BOUGHT, refund])["orders"]
    counted = [counted_orders(orders, before=date(2025, 6, day)).count().to_pandas() for day in (20, 21)]
    assert counted == [1, 0]


def test_the_summary_for_purchase_models_by_hand(make_tables) -> None:
    rows = [
        ("twice", "2025-05-01", 50), ("twice", "2025-05-15", 20), ("twice", "2025-05-15", 10),
        ("twice", "2025-06-12", 60), ("once", "2025-06-30", 5), ("same_day", "2025-06-02", 5),
        ("same_day", "2025-06-02", 7),
    ]  # fmt: skip
    orders = make_tables(
        orders=[{"customer_id": who, "ordered_at": f"{day} 09:00", "amount": amount} for who, day, amount in rows]
    )["orders"]
    found = purchase_summary_table(orders, as_of=date(2025, 7, 1)).to_pandas()
    assert found.customer_id.tolist() == ["once", "same_day", "twice"]
    assert found.repeat_count.tolist() == [0, 0, 2]
    assert found.age_at_last.tolist() == [0, 0, 6]
    assert found.age.tolist() == pytest.approx([0, 4, 60 / 7])
    assert found.repeat_mean_amount.tolist() == pytest.approx([math.nan, math.nan, 45], nan_ok=True)
    by_day = purchase_summary_table(orders, as_of=date(2025, 7, 1), days_per_unit=1).to_pandas()
    assert by_day.age.tolist() == [0, 28, 60]


def test_signed_amounts_of_every_kind_of_row(make_tables) -> None:
    rows = [
        BOUGHT,
        {"order_id": "r1", "ordered_at": "2025-06-02", "amount": -30},
        {"order_id": "r2", "ordered_at": "2025-06-03", "amount": 20, "refund_of": "bought"},
        {"order_id": "zero", "ordered_at": "2025-06-04", "amount": 0},
    ]
    signed = signed_amounts(make_tables(orders=rows)["orders"]).to_pandas().set_index("order_id").astype(
        {"gross_amount": float, "refund_amount": float, "spend_amount": float}
    )  # fmt: skip
    assert signed.gross_amount.to_dict() == {"bought": 100, "r1": 0, "r2": 0, "zero": 0}
    assert signed.refund_amount.to_dict() == {"bought": 0, "r1": 30, "r2": 20, "zero": 0}
    assert signed.spend_amount.to_dict() == {"bought": 100, "r1": -30, "r2": -20, "zero": 0}
