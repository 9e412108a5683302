"""What counts as a purchase, and what refunds do."""

from datetime import date

import ibis
import pytest

from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.purchases import counted_orders, signed_amounts

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


def test_counting_keeps_the_columns(make_tables) -> None:
    orders = make_tables(orders=[BOUGHT])["orders"]
    assert counted_orders(orders).columns == orders.columns


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
