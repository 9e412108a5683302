"""Features of a customer, each by hand on a company small enough to read."""

import math
from datetime import date, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.sources.features import BEFORE, FEATURES_SCHEMA, WINDOWS

DAY = date(2025, 7, 1)


def ago(days: int, clock: str = "10:00") -> str:
    """Return a local time so many days before the door; 1 is the last included day."""
    return f"{DAY - timedelta(days=days)} {clock}"


def day_ago(days: int) -> pd.Timestamp:
    return pd.Timestamp(DAY - timedelta(days=days))


def bought(*days: int, **more: object) -> list[dict[str, object]]:
    return [{"ordered_at": ago(day)} | more for day in days]


def test_columns_are_those_declared_and_customers_are_sorted(make_tables, features_of) -> None:
    tables = make_tables(orders=[{"customer_id": name, "ordered_at": ago(3)} for name in ("b", "c", "a", "B")])
    found = features_of(tables, DAY)
    assert [found.index.name, *found.columns] == list(FEATURES_SCHEMA)
    assert found.index.tolist() == ["B", "a", "b", "c"]


def test_spending_and_purchases_by_hand(make_tables, features_of) -> None:
    tables = make_tables(
        orders=[
            {"order_id": "o1", "ordered_at": ago(400), "amount": 300, "discount": 100},
            {"order_id": "o2", "ordered_at": ago(100), "amount": 200},
            {"order_id": "o3", "ordered_at": ago(20), "amount": 80, "discount": 20},
            {"order_id": "o4", "ordered_at": ago(15), "amount": 50},
            {"order_id": "r4", "ordered_at": ago(10), "amount": -50, "refund_of": "o4", "discount": 7},
            {"order_id": "r2", "ordered_at": ago(5), "amount": -30, "refund_of": "o2"},
        ]
    )
    row = features_of(tables, DAY).loc["c1"]
    assert row.order_count == 3
    assert row.order_day_count == 3
    assert row.gross_amount == 630
    assert (row.refund_count, row.refund_amount) == (2, 80)
    assert row.spend_amount == 550
    assert row.discount_amount == 120
    assert row.discount_share == pytest.approx(120 / (120 + 630), abs=1e-6)
    assert row.basket_mean_amount == pytest.approx(580 / 3, abs=1e-6)
    assert (row.first_order_date, row.last_order_date) == (day_ago(400), day_ago(20))
    assert row.recency_days == 19
    # money falls at its own date, orders at theirs
    assert [row[f"spend_amount_{days}d"] for days in WINDOWS] == [50, 50, 250, 250]
    assert [row[f"order_count_{days}d"] for days in WINDOWS] == [1, 1, 2, 2]
    assert [row[f"spend_amount_{days}d_before"] for days in BEFORE] == [200, 300]
    assert [row[f"order_count_{days}d_before"] for days in BEFORE] == [1, 1]


@pytest.mark.parametrize("days", WINDOWS)
def test_windows_are_half_open_at_both_ends(make_tables, features_of, days: int) -> None:
    orders = [
        {"ordered_at": ago(days + 1, "23:59"), "amount": 1},
        {"ordered_at": ago(days, "00:00"), "amount": 10},
        {"ordered_at": ago(1, "23:59"), "amount": 100},
        {"ordered_at": ago(0, "00:00"), "amount": 1000},
    ]
    row = features_of(make_tables(orders=orders), DAY).loc["c1"]
    assert row[f"spend_amount_{days}d"] == 110
    assert row[f"order_count_{days}d"] == 2


@pytest.mark.parametrize("days", BEFORE)
def test_the_window_before_ends_where_the_window_begins(make_tables, features_of, days: int) -> None:
    orders = [
        {"ordered_at": ago(2 * days + 1, "23:59"), "amount": 1},
        {"ordered_at": ago(2 * days, "00:00"), "amount": 10},
        {"ordered_at": ago(days + 1, "23:59"), "amount": 100},
        {"ordered_at": ago(days, "00:00"), "amount": 1000},
    ]
    row = features_of(make_tables(orders=orders), DAY).loc["c1"]
    assert row[f"spend_amount_{days}d_before"] == 110
    assert row[f"order_count_{days}d_before"] == 2
    assert row[f"spend_amount_{days}d"] == 1000


def test_recency_and_tenure_run_to_the_last_included_day(make_tables, features_of) -> None:
    tables = make_tables(
        customers=[
            {"customer_id": "c1", "registered_at": ago(11)},
            {"customer_id": "c2", "registered_at": ago(3)},
            {"customer_id": "c3", "registered_at": ago(31)},
        ],
        orders=[
            {"customer_id": "c1", "ordered_at": ago(1, "23:59")},
            {"customer_id": "c2", "ordered_at": ago(8)},
        ],
    )
    found = features_of(tables, DAY)
    assert found.recency_days.tolist()[:2] == [0, 7]
    assert math.isnan(found.recency_days["c3"])
    assert found.tenure_days.tolist() == [10, 7, 30]  # c2 bought before anybody registered him
    assert found.exists_since_date["c2"] == day_ago(8)


def test_a_customer_without_orders_counts_nought_and_knows_no_means(make_tables, features_of) -> None:
    tables = make_tables(customers=[{"customer_id": "c1", "registered_at": ago(5), "region": "华东"}], orders=[])
    row = features_of(tables, DAY).loc["c1"]
    nought = [name for name in FEATURES_SCHEMA if "_count" in name or name.startswith(("spend", "gross", "refund"))]
    assert all(row[name] == 0 for name in [*nought, "discount_amount"])
    unknown = ["recency_days", "first_order_date", "gap_mean_days", "gap_spread_days", "basket_mean_amount",
               "discount_share", "channel_top", "channel_top_share", "category_top", "survey_score_mean",
               "contract_end_date", "contract_days_left", "first_response_hours_mean_365d"]  # fmt: skip
    assert row[unknown].isna().all()
    assert row.region == "华东"


def test_customers_are_known_from_orders_alone(make_tables, features_of) -> None:
    orders = [{"customer_id": "stranger", "ordered_at": ago(2)}, {"customer_id": "refund_only", "ordered_at": ago(4),
                                                                 "amount": -20}]  # fmt: skip
    alone = features_of(make_tables(orders=orders), DAY)
    beside = features_of(make_tables(customers=[{"customer_id": "c9", "registered_at": ago(9)}], orders=orders), DAY)
    for found in (alone, beside.drop(index="c9")):
        assert found.index.tolist() == ["refund_only", "stranger"]
        assert found.exists_since_date.tolist() == [day_ago(4), day_ago(2)]
        assert found.order_count.tolist() == [0, 1]
        assert found.spend_amount.tolist() == [-20, 100]
        assert found.kind.isna().all()


@pytest.mark.parametrize(
    ("days", "gap_count", "mean", "spread"),
    [
        ([50], 0, math.nan, math.nan),
        ([50, 50], 0, math.nan, math.nan),
        ([50, 40], 1, 10, math.nan),
        ([50, 40, 40, 10], 2, 20, 10),
        ([60, 50, 40, 25], 3, 35 / 3, math.sqrt((100 + 100 + 225) / 3 - (35 / 3) ** 2)),
    ],
)
def test_gaps_between_days_with_a_purchase(make_tables, features_of, days, gap_count, *, mean, spread) -> None:
    row = features_of(make_tables(orders=bought(*days)), DAY).loc["c1"]
    assert row.gap_count == gap_count
    assert row.order_day_count == gap_count + 1
    assert row.order_count == len(days)
    assert row.gap_mean_days == pytest.approx(mean, nan_ok=True, abs=1e-6)
    assert row.gap_spread_days == pytest.approx(spread, nan_ok=True, abs=1e-6)


def test_a_refund_neither_renews_recency_nor_makes_a_gap(make_tables, features_of) -> None:
    orders = [*bought(60, 50), *bought(5, amount=-10)]
    row = features_of(make_tables(orders=orders), DAY).loc["c1"]
    assert (row.recency_days, row.gap_count, row.order_count, row.refund_count) == (49, 1, 2, 1)


@pytest.mark.parametrize(
    ("channels", "top", "share"),
    [
        (["web", "store", "web"], "web", 2 / 3),
        (["web", "store"], "store", 1 / 2),
        (["store", None, None], "store", 1),
        (["网店", "app", "门店"], "app", 1 / 3),
        ([None], None, None),
    ],
)
def test_favourite_channel_and_its_ties(make_tables, features_of, channels, top, share) -> None:
    orders = [{"ordered_at": ago(10 + n), "channel": channel} for n, channel in enumerate(channels)]
    row = features_of(make_tables(orders=orders), DAY).loc["c1"]
    if top is None:
        assert pd.isna(row.channel_top)
        assert pd.isna(row.channel_top_share)
    else:
        assert row.channel_top == top
        assert row.channel_top_share == pytest.approx(share, abs=1e-6)


def test_favourite_category_counts_lines_of_purchases(make_tables, features_of) -> None:
    lines = [("o1", "tea"), ("o1", "tea"), ("o2", "cups"), ("o3", "cups"), ("o3", "cups"), ("o2", None)]
    tables = make_tables(
        orders=[*bought(30), *bought(20), *bought(10), *bought(5, amount=-100, refund_of="o3")],
        order_items=[{"order_id": order, "category": category} for order, category in lines],
    )
    assert features_of(tables, DAY).category_top["c1"] == "tea"  # o3 went back
    tie = make_tables(orders=bought(30), order_items=[{"order_id": "o1", "category": c} for c in ("tea", "cups")])
    assert features_of(tie, DAY).category_top["c1"] == "cups"


def test_contacts_complaints_and_speed_of_the_first_reply(make_tables, features_of) -> None:
    tables = make_tables(
        orders=bought(500),
        interactions=[
            {"opened_at": ago(90, "00:00"), "direction": "in", "kind": "complaint",
             "first_human_reply_at": ago(90, "02:00")},
            {"opened_at": ago(91, "23:59"), "direction": "in", "kind": "complaint"},
            {"opened_at": ago(365, "09:00"), "direction": "in", "first_human_reply_at": ago(365, "10:00")},
            {"opened_at": ago(366, "09:00"), "direction": "in", "kind": "complaint",
             "first_human_reply_at": ago(366, "23:00")},
            {"opened_at": ago(20, "09:00"), "direction": "out", "first_human_reply_at": ago(19, "09:00")},
            {"opened_at": ago(10, "09:00"), "direction": "in", "first_human_reply_at": ago(10, "08:00")},
            {"opened_at": ago(1, "09:00"), "direction": "in", "first_human_reply_at": ago(0, "09:00")},
            {"opened_at": ago(0, "09:00"), "direction": "in", "kind": "complaint"},
        ],
    )  # fmt: skip
    row = features_of(tables, DAY).loc["c1"]
    assert row.interaction_in_count_90d == 3
    assert row.interaction_out_count_90d == 1
    assert row.complaint_count_90d == 1
    assert row.complaint_count_365d == 2
    # two and one hours; replies before the question and after the door are left out, outgoing ones too
    assert row.first_response_hours_mean_365d == 1.5


def test_survey_scores_are_scaled_by_their_own_scales(make_tables, features_of) -> None:
    tables = make_tables(
        orders=bought(500),
        surveys=[
            {"survey_id": "s1", "sent_at": ago(200), "answered_at": ago(190), "score": 5},
            {"survey_id": "s2", "sent_at": ago(100), "answered_at": ago(50), "score": 9, "question": "nps",
             "scale_min": 0, "scale_max": 10},
            {"survey_id": "s2", "sent_at": ago(100), "answered_at": ago(50), "score": 2},
            {"survey_id": "s3", "sent_at": ago(40)},
            {"survey_id": "s4", "sent_at": ago(30), "answered_at": ago(0), "score": 1},
            {"survey_id": "s5", "sent_at": ago(30), "answered_at": ago(20)},
        ],
    )  # fmt: skip
    row = features_of(tables, DAY).loc["c1"]
    assert row.survey_answered_count == 3
    assert row.survey_score_mean == pytest.approx((1 + 0.9 + 0.25) / 3, abs=1e-6)
    assert row.survey_score_last == pytest.approx((0.9 + 0.25) / 2, abs=1e-6)


def test_contract_state_is_the_latest_end_agreed_before_the_door(make_tables, features_of) -> None:
    tables = make_tables(
        orders=[{"customer_id": name, "ordered_at": ago(500)} for name in ("c1", "c2", "c3")],
        contracts=[
            {"customer_id": "c1", "start_date": "2024-01-01", "end_date": "2024-12-31"},
            {"customer_id": "c1", "start_date": "2025-01-01", "end_date": "2025-07-10"},
            {"customer_id": "c1", "start_date": "2025-07-01", "end_date": "2026-06-30"},
            {"customer_id": "c2", "start_date": "2024-06-01", "end_date": "2025-06-20"},
        ],
    )
    found = features_of(tables, DAY)
    assert found.contract_end_date["c1"] == pd.Timestamp("2025-07-10")
    assert found.contract_days_left.tolist()[:2] == [10, -10]
    assert pd.isna(found.contract_days_left["c3"])


# -- invariants --------------------------------------------------------------------------------------------------------

rows = st.fixed_dictionaries(
    {
        "customer": st.integers(0, 3),
        "day": st.integers(0, 800),
        "cents": st.integers(-20_000, 50_000),
        "channel": st.sampled_from(["web", "store", None]),
    }
)


def _orders(drawn: list[dict], *, prefix: str = "c", scale: int = 1) -> list[dict]:
    return [
        {"order_id": f"o{n:03d}", "customer_id": f"{prefix}{row['customer']}", "ordered_at": ago(row["day"]),
         "amount": row["cents"] * scale / 100, "channel": row["channel"]}
        for n, row in enumerate(drawn)
    ]  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(drawn=st.lists(rows, min_size=1, max_size=25), seed=st.randoms(use_true_random=False))
def test_row_order_names_and_scale_do_not_matter(make_tables, features_of, drawn, seed) -> None:
    plain = features_of(make_tables(orders=_orders(drawn)), DAY)
    other = _orders(drawn, prefix="z-", scale=10)
    seed.shuffle(other)
    other = features_of(make_tables(orders=other), DAY).set_axis(plain.index)
    money = [name for name in plain.columns if "_amount" in name]
    pd.testing.assert_frame_equal(other[money], plain[money] * 10, check_exact=False, atol=1e-5)
    pd.testing.assert_frame_equal(other.drop(columns=money), plain.drop(columns=money))


@settings(max_examples=8, deadline=None)
@given(drawn=st.lists(rows, min_size=1, max_size=25))
def test_counts_and_sums_hold_together(make_tables, features_of, drawn) -> None:
    found = features_of(make_tables(orders=_orders(drawn)), DAY)
    behind = [row for row in drawn if row["day"] >= 1]
    assert len(found) == len({row["customer"] for row in behind})
    assert found.spend_amount.sum() == pytest.approx(sum(row["cents"] for row in behind) / 100)
    assert (found.gross_amount - found.refund_amount).tolist() == pytest.approx(found.spend_amount.tolist())
    assert found.order_count.sum() == sum(row["cents"] > 0 for row in behind)
    assert (found.gap_count == (found.order_day_count - 1).clip(lower=0)).all()
    for shorter, longer in pairwise(WINDOWS):
        assert (found[f"order_count_{shorter}d"] <= found[f"order_count_{longer}d"]).all()
