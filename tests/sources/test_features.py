"""Features of a customer, each by hand on a company small enough to read."""

import math
from datetime import date, timedelta
from itertools import pairwise

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.columns import BEFORE, FEATURES, FEATURES_SCHEMA, WINDOWS, Kind
from crm_analysis.sources.features import features_table
from crm_analysis.sources.purchases import with_purchase_history

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
    for column in FEATURES:
        if column.kind in {Kind.COUNT, Kind.AMOUNT}:
            assert row[column.name] == 0, column.name
        elif column.name not in {"customer_id", "region", "exists_since_date", "tenure_days", "cooperation_days"}:
            assert pd.isna(row[column.name]), column.name
            assert column.null_en, column.name
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
    ("refunds", "gap_count", "mean"),
    [
        ({"o2": 35}, 2, 25),  # 60, 30, 10 days ago are left
        ({"o2": 35, "o3": 25}, 1, 50),
        ({"o4": 5}, 2, 15),
        ({"o1": 5}, 2, 15),
        ({"o2": 0}, 3, 50 / 3),  # refunded after the door: still there
    ],
)
def test_an_order_refunded_in_full_leaves_no_trace_in_the_rhythm(
    make_tables, features_of, refunds, *, gap_count, mean
) -> None:
    orders = [
        {"order_id": name, "ordered_at": ago(day)} for name, day in (("o1", 60), ("o2", 40), ("o3", 30), ("o4", 10))
    ]
    back = [{"ordered_at": ago(day), "amount": -100, "refund_of": name} for name, day in refunds.items()]
    row = features_of(make_tables(orders=[*orders, *back]), DAY).loc["c1"]
    assert (row.gap_count, row.order_day_count) == (gap_count, gap_count + 1)
    assert row.gap_mean_days == pytest.approx(mean, abs=1e-6)


def test_trends_are_symmetric_and_bounded(make_tables, features_of) -> None:
    tables = make_tables(
        orders=[
            *bought(10, 20, 30, customer_id="more", amount=30),
            *bought(100, customer_id="more", amount=10),
            *bought(10, customer_id="new"),
            *bought(100, customer_id="gone"),
            *bought(200, customer_id="long_gone"),
            *bought(10, customer_id="refund", amount=-50),
            *bought(100, customer_id="refund", amount=50),
        ]
    )
    found = features_of(tables, DAY)
    assert found.order_trend_90d.dropna().to_dict() == {"more": 0.5, "new": 1, "gone": -1, "refund": -1}
    assert found.spend_trend_90d.dropna().to_dict() == {"more": 0.8, "new": 1, "gone": -1, "refund": -1}
    assert found.order_trend_365d.to_dict() == {"more": 1, "new": 1, "gone": 1, "long_gone": 1, "refund": 1}


def test_silence_is_measured_in_own_gaps(make_tables, features_of) -> None:
    tables = make_tables(orders=[*bought(61, 41, 31), *bought(31, customer_id="once")])
    found = features_of(tables, DAY)
    assert found.silence_ratio["c1"] == 2  # 30 days of silence, 15 between purchases
    assert pd.isna(found.silence_ratio["once"])


def test_refunds_as_a_share_of_spend(make_tables, features_of) -> None:
    orders = [*bought(60, amount=300), *bought(40, amount=100), *bought(20, amount=-100)]
    assert features_of(make_tables(orders=orders), DAY).refund_share["c1"] == 0.25
    only_refund = features_of(make_tables(orders=bought(20, amount=-100)), DAY)
    assert pd.isna(only_refund.refund_share["c1"])


def test_baskets_of_this_year_and_the_year_before(make_tables, features_of) -> None:
    orders = [
        *bought(1, 365, amount=100),
        *bought(366, amount=70),
        *bought(730, amount=50),
        *bought(731, amount=999),
        *bought(20, amount=-40),
    ]
    row = features_of(make_tables(orders=orders), DAY).loc["c1"]
    assert row.basket_mean_amount_365d == 100  # refunds lower spend, not the basket
    assert row.basket_mean_amount_365d_before == 60


def test_contacts_of_a_year_their_resolution_and_events(make_tables, features_of) -> None:
    tables = make_tables(
        orders=bought(500),
        interactions=[
            {"opened_at": ago(91, "09:00"), "direction": "out"},
            {"opened_at": ago(365, "09:00"), "direction": "in", "resolved_at": ago(364, "09:00")},
            {"opened_at": ago(366, "09:00"), "direction": "in", "resolved_at": ago(300, "09:00")},
            {"opened_at": ago(30, "09:00"), "direction": "in", "resolved_at": ago(30, "15:00")},
            {"opened_at": ago(20, "09:00"), "direction": "in", "resolved_at": ago(0, "15:00")},
        ],
        events=[{"at": ago(days, clock)} for days, clock in ((1, "23:59"), (90, "00:00"), (91, "23:59"))],
    )
    row = features_of(tables, DAY).loc["c1"]
    assert (row.interaction_in_count_365d, row.interaction_out_count_365d) == (3, 1)
    assert row.resolution_hours_mean_365d == 15
    assert row.event_count_90d == 2


def test_how_long_customers_take_to_come_back(make_tables, features_of) -> None:
    def contact(days: int, clock: str, direction: str) -> dict[str, str]:
        return {"opened_at": ago(days, clock), "direction": direction}

    tables = make_tables(
        orders=bought(500),
        interactions=[
            contact(10, "09:00", "out"), contact(10, "11:00", "in"),  # 2 hours
            contact(50, "09:00", "out"), contact(49, "09:00", "out"), contact(49, "13:00", "in"),  # 4: the later one
            contact(45, "09:00", "in"),  # comes of his own
            contact(120, "09:00", "out"), contact(80, "09:00", "in"),  # 40 days: no reply any more
            contact(181, "09:00", "out"), contact(179, "09:00", "in"),  # 48, asked in the window before
        ],
    )  # fmt: skip
    row = features_of(tables, DAY).loc["c1"]
    assert row.customer_reply_hours_mean_180d == 3
    assert row.customer_reply_hours_mean_180d_before == 48


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
    assert row.channel_count == len({*channels} - {None})


def test_favourite_category_counts_lines_of_purchases(make_tables, features_of) -> None:
    lines = [("o1", "tea"), ("o1", "tea"), ("o2", "cups"), ("o3", "cups"), ("o3", "cups"), ("o2", None)]
    tables = make_tables(
        orders=[*bought(30), *bought(20), *bought(10), *bought(5, amount=-100, refund_of="o3")],
        order_items=[{"order_id": order, "category": category} for order, category in lines],
    )
    row = features_of(tables, DAY).loc["c1"]
    assert (row.category_top, row.category_count) == ("tea", 2)  # o3 went back
    assert row.category_top_share == pytest.approx(2 / 3, abs=1e-6)
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
    assert found.contract_count.tolist() == [2, 1, 0]
    assert found.contract_active_count.tolist() == [1, 0, 0]
    assert pd.isna(found.contract_days_left["c3"])


def test_a_contract_is_active_on_its_last_day(make_tables, features_of) -> None:
    ends = {"c1": DAY - timedelta(days=1), "c2": DAY - timedelta(days=2)}
    contracts = [{"customer_id": name, "start_date": "2025-01-01", "end_date": day} for name, day in ends.items()]
    tables = make_tables(orders=[{"customer_id": name, "ordered_at": ago(9)} for name in ends], contracts=contracts)
    assert features_of(tables, DAY).contract_active_count.tolist() == [1, 0]


def test_opportunities_open_and_won(make_tables, features_of) -> None:
    def stage(name: str, entered: int, **more: object) -> dict[str, object]:
        return {"opportunity_id": name, "entered_at": ago(entered), "stage": "lead"} | more

    tables = make_tables(
        orders=[{"customer_id": name, "ordered_at": ago(500)} for name in ("c1", "c2")],
        opportunities=[
            stage("p1", 90), stage("p1", 60, stage="closed", closed_at=ago(60), won=True),
            stage("p2", 50), stage("p2", 40, stage="proposal"),
            stage("p3", 45, stage="closed", closed_at=ago(45), won=False),
            stage("p4", 30, stage="qualified", closed_at=ago(0), won=True),
            stage("p5", 0, stage="negotiation"),
        ],
    )  # fmt: skip
    found = features_of(tables, DAY)
    columns = ["opportunity_stage", "opportunity_open_count", "opportunity_won_count"]
    assert found.loc["c1", columns].tolist() == ["qualified", 2, 1]  # p2 and p4 are open; p4 is won after the door
    assert pd.isna(found.opportunity_stage["c2"])


def test_cooperation_may_begin_before_the_register(make_tables, features_of) -> None:
    tables = make_tables(
        customers=[
            {"customer_id": "old", "cooperation_start": "2020-07-01", "registered_at": ago(11), "points": 120},
            {"customer_id": "plain", "registered_at": ago(11)},
        ],
        orders=[],
    )
    found = features_of(tables, DAY)
    assert found.cooperation_days.to_dict() == {"old": 1825, "plain": 10}
    assert found.points["old"] == 120
    assert pd.isna(found.points["plain"])


# -- invariants --------------------------------------------------------------------------------------------------------

LOADED_SQL: dict[date, str] = {}  # making it takes much longer than running it
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


@settings(max_examples=12, deadline=None)
@given(
    drawn=st.lists(rows, min_size=1, max_size=25),
    refunds=st.lists(st.tuples(st.integers(0, 24), st.integers(-5, 400), st.sampled_from([0.4, 0.6, 1, 1.5]))),
)
def test_a_history_derived_once_serves_every_day(make_tables, features_of, drawn, refunds) -> None:
    """What loading derives over all orders gives the same features as deriving it from what the door lets through."""
    orders = _orders(drawn)
    back = [
        {"order_id": f"r{n:03d}", "customer_id": orders[of]["customer_id"], "ordered_at": ago(day),
         "amount": -abs(orders[of]["amount"]) * share, "refund_of": orders[of]["order_id"]}
        for n, (of, day, share) in enumerate(refunds) if of < len(orders)
    ]  # fmt: skip
    tables = make_tables(orders=[*orders, *back])
    engine = tables["orders"].get_backend()
    loaded = {"orders": engine.create_table("loaded", with_purchase_history(tables["orders"]).to_pyarrow())}
    for day in (DAY, DAY - timedelta(days=120)):
        expected = features_of(tables, day)
        if day not in LOADED_SQL:
            expression = features_table(as_of(loaded, day, zone="Asia/Shanghai"), as_of=day)
            LOADED_SQL[day] = ibis.to_sql(expression, dialect="duckdb")
        found = engine.con.execute(LOADED_SQL[day]).df().set_index("customer_id")
        pd.testing.assert_frame_equal(found, expected)
