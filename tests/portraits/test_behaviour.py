"""Behaviour of tiers by hand."""

from collections.abc import Callable
from datetime import date
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import PortraitSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.portraits.behaviour import BEHAVIOUR_SCHEMA, WEEKDAYS, behaviour_table
from crm_analysis.portraits.findings import finding_behaviour, note_missing

AS_OF = date(2025, 10, 1)
MakeTables = Callable[..., Any]
ORDERS = [
    # Monday 29 September, Tuesday 30 September 2025
    {
        "order_id": "o1",
        "customer_id": "a",
        "ordered_at": "2025-09-29 10:15",
        "amount": 100,
        "discount": 20,
        "channel": "web",
    },
    {"order_id": "o2", "customer_id": "a", "ordered_at": "2025-09-29 20:00", "amount": 80, "channel": "shop"},
    {"order_id": "o3", "customer_id": "b", "ordered_at": "2025-09-30 10:00", "amount": 120, "channel": "web"},
    {"order_id": "o4", "customer_id": "b", "ordered_at": "2025-09-30 11:00", "amount": -20, "refund_of": "o3"},
    {"order_id": "o7", "customer_id": "b", "ordered_at": "2025-09-30 12:00", "amount": 70, "channel": "shop"},
    {"order_id": "o8", "customer_id": "b", "ordered_at": "2025-09-30 13:00", "amount": -70, "refund_of": "o7"},
    {"order_id": "o5", "customer_id": "b", "ordered_at": "2024-09-30 11:00", "amount": 999, "channel": "fair"},
    {"order_id": "o6", "customer_id": "c", "ordered_at": "2025-09-28 09:00", "amount": 50},
]
ITEMS = [
    {"order_id": "o1", "category": "tea"}, {"order_id": "o1", "category": "cups"},
    {"order_id": "o3", "category": "tea"},
    {"order_id": "o5", "category": "pots"}, {"order_id": "o2", "category": None},
]  # fmt: skip
INTERACTIONS = [
    {"customer_id": "a", "opened_at": "2025-09-01", "channel": "wechat"},
    {"customer_id": "b", "opened_at": "2025-09-01", "channel": "phone"},
    {"customer_id": "b", "opened_at": "2025-09-01", "channel": "visit", "direction": "out"},
]


def _behaviour(
    make_tables: MakeTables, *, minimum: int = 1, days: int = 365, with_others: bool = True, orders: Any = ORDERS
) -> pd.DataFrame:
    tables = make_tables(orders=orders, order_items=ITEMS, interactions=INTERACTIONS)
    tiers = ibis.get_backend(tables["orders"]).create_table(
        "tiers", pa.table({"customer_id": ["a", "b", "c", "d"], "tier": ["high", "high", "low", "low"]})
    )
    others = (tables["order_items"], tables["interactions"]) if with_others else (None, None)
    settings = PortraitSettings(minimum_cell=minimum, behaviour_days=days)
    table = behaviour_table(tables["orders"], *others, tiers, settings=settings, as_of=AS_OF)
    check_columns(table.columns, BEHAVIOUR_SCHEMA, result="portrait_behaviour")
    return table.set_index("tier")


def test_high_tier_by_hand(make_tables: MakeTables) -> None:
    row = _behaviour(make_tables).loc["high"]
    assert (row["customer_count"], row["buyer_count"], row["order_count"]) == (2, 2, 3)
    assert row["basket_mean_amount"] == 100, "no refund is an order, nor is one refunded in full"
    assert row["discount_share"] == pytest.approx(20 / 320)
    assert (row["category"], row["category_share"]) == ("tea", pytest.approx(2 / 3, abs=1e-6))
    assert (row["channel"], row["channel_share"]) == ("web", pytest.approx(2 / 3, abs=1e-6))
    assert (row["contact_channel"], row["contact_channel_share"]) == ("phone", 0.5), "ties go to the first by name"
    assert (row["weekday"], row["weekday_share"]) == ("monday", pytest.approx(2 / 3, abs=1e-6))
    assert (row["hour"], row["hour_share"]) == (10, pytest.approx(2 / 3, abs=1e-6))


def test_what_nobody_recorded_is_empty(make_tables: MakeTables) -> None:
    row = _behaviour(make_tables).loc["low"]
    assert (row["customer_count"], row["buyer_count"]) == (2, 1)
    assert row[["channel", "category", "contact_channel"]].isna().all()
    assert _behaviour(make_tables, with_others=False)[["category", "contact_channel"]].isna().all(axis=None)


def test_orders_without_a_time_of_day_have_no_peak_hour(make_tables: MakeTables) -> None:
    days = [row | {"ordered_at": row["ordered_at"][:10]} for row in ORDERS]  # all at midnight
    table = _behaviour(make_tables, orders=days)
    assert table[["hour", "hour_share"]].isna().all(axis=None)
    assert table.loc["high", "weekday"] == "monday"


def test_what_is_missing_altogether_is_named(make_tables: MakeTables) -> None:
    whole = _behaviour(make_tables)
    assert note_missing(whole).id == "portraits.behaviour.complete"
    part = _behaviour(make_tables, with_others=False)
    assert Words("en").say(note_missing(part)) == (
        "Not in the data, or for too few customers (2): Favourite category, Main contact channel; add the data to see "
        "them."
    )
    assert "（2项）：偏好品类、主要互动渠道；" in Words("zh").say(note_missing(part))


def test_window_is_a_setting(make_tables: MakeTables) -> None:
    assert _behaviour(make_tables, days=366).loc["high", "order_count"] == 4
    assert _behaviour(make_tables, days=1).loc["high", "order_count"] == 1


def test_few_customers_are_hidden(make_tables: MakeTables) -> None:
    table = _behaviour(make_tables, minimum=2)
    assert table.loc["low", ["buyer_count", "order_count", "basket_mean_amount", "weekday"]].isna().all()
    assert table.loc["high", "order_count"] == 3
    assert pd.isna(table.loc["high", "contact_channel"]), "one customer phoned"


def test_finding_names_both_ends() -> None:
    table = pd.DataFrame({
        "tier": ["a", "b", "c"], "order_count": [3, 4, None], "basket_mean_amount": [10.0, 30.0, None],
    })  # fmt: skip
    said = finding_behaviour(table, minimum_orders=3)
    assert (said.args["tier"], said.args["amount"], said.args["low_tier"]) == ("b", 30, "a")
    alone = finding_behaviour(table, minimum_orders=4)
    assert (alone.id, alone.args["tier"], alone.args["n"]) == ("portraits.behaviour.only", "b", 4)
    assert finding_behaviour(table).id == "portraits.behaviour.none"
    assert finding_behaviour(table.assign(basket_mean_amount=None), minimum_orders=1).id == "portraits.behaviour.none"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_weekdays_have_words(lang: str) -> None:
    assert len({Words(lang).word(f"weekday.{day}") for day in WEEKDAYS}) == 7
