"""Bridges of customers and revenue: parts worked out by hand, identities that hold whatever customers do."""

from typing import Any

import ibis
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.evaluation import bridges_figures as figures
from crm_analysis.evaluation import bridges_findings as findings
from crm_analysis.evaluation.bridges import (
    BRIDGE_SCHEMA,
    PARTS,
    SPANS,
    Span,
    bridge_spans,
    bridge_steps_table,
    bridge_table,
)
from crm_analysis.evaluation.revenue_retention import (
    RETENTION_SCHEMA,
    retention_shown_table,
    revenue_retention_table,
)
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.periods import customer_periods_table

NOW = Quarter(2025, 3)
LAST = Span("previous_quarter", (NOW.shift(-1), NOW.shift(-1)), (NOW, NOW))
SETTINGS = PortfolioSettings(minimum_cell=2, minimum_base=3)

#: customer, quarters back, orders, net spend. lost, down, level, up, returned, new, refund only, and one who bought
#: last quarter but got more back, one who did nothing in both.
HISTORY = [
    ("lost", 1, 1, 100.0),
    ("lost", 0, 0, -10.0),
    ("down", 1, 2, 80.5),
    ("down", 0, 1, 30.25),
    ("level", 1, 1, 50.0),
    ("level", 0, 1, 50.0),
    ("up", 1, 1, 40.0),
    ("up", 0, 3, 100.0),
    ("returned", 4, 1, 70.0),
    ("returned", 0, 1, 20.0),
    ("new", 0, 1, 60.0),
    ("refund_only", 3, 1, 90.0),
    ("refund_only", 0, 0, -15.0),
    ("unbased", 1, 1, -5.0),
    ("unbased", 0, 1, 25.0),
    ("silent", 5, 1, 33.0),
    ("silent", 0, 0, 0.0),
]


def periods(rows: list[tuple[str, int, int, float]]) -> ibis.Table:
    frame = pd.DataFrame(rows, columns=["customer_id", "back", "order_count", "spend_amount"])
    frame["quarter_start"] = [NOW.shift(-back).start for back in frame.pop("back")]
    return ibis.duckdb.connect().create_table("periods", frame)


def part(bridge: pd.DataFrame, name: str) -> Any:
    return bridge.set_index("bridge_part").loc[name]


def test_by_hand() -> None:
    bridge = bridge_table(periods(HISTORY), spans=[LAST])
    check_columns(bridge.columns, BRIDGE_SCHEMA, result="bridge")
    assert bridge["bridge_part"].tolist() == list(PARTS)
    assert bridge["tier"].isna().all()
    assert bridge["customer_count"].tolist() == [1, 1, 1, 2, 1, 1, 1]
    assert bridge["change_amount"].tolist() == [-110.0, -50.25, 0.0, 90.0, 20.0, 60.0, -15.0]
    # 100 + 80.5 + 50 + 40 - 5 before; -10 + 30.25 + 50 + 100 + 20 + 60 - 15 + 25 now
    assert (bridge["before_amount"].sum(), bridge["now_amount"].sum()) == (265.5, 260.25)
    up = part(bridge, "up")
    assert (up["unbased_count"], up["unbased_before_amount"], up["unbased_now_amount"]) == (1, -5.0, 25.0)
    assert up["capped_amount"] == 40.0


def test_retention_by_hand() -> None:
    table = revenue_retention_table(bridge_table(periods(HISTORY), spans=[LAST]), settings=SETTINGS)
    check_columns(table.columns, RETENTION_SCHEMA, result="retention")
    row = table.iloc[0]
    # lost, down, level, up: 270.5 before, 170.25 now; capped at what each bought before: -10 + 30.25 + 50 + 40
    assert (row["base_customer_count"], row["base_amount"], row["later_amount"]) == (4, 270.5, 170.25)
    assert row["capped_amount"] == 110.25
    assert row["net_retention_rate"] == round(170.25 / 270.5, 6)
    assert row["gross_retention_rate"] == round(110.25 / 270.5, 6)
    assert (row["unbased_count"], row["status"]) == (1, "neutral")
    assert pd.isna(row["unbased_before_amount"]), "the amount of a single customer"
    assert retention_shown_table(table).columns[0] == "bridge_span"
    few = revenue_retention_table(
        bridge_table(periods(HISTORY), spans=[LAST]), settings=PortfolioSettings(minimum_base=5, minimum_cell=1)
    ).iloc[0]
    assert (few["status"], few["unbased_before_amount"]) == ("too_small", -5.0)
    assert few[["gross_retention_rate", "net_retention_rate"]].isna().all()


def test_orders_become_a_bridge(make_tables) -> None:
    orders = [
        {"customer_id": "a", "ordered_at": "2025-06-30 23:59", "amount": 100},
        {"order_id": "a2", "customer_id": "a", "ordered_at": "2025-07-01 00:00", "amount": 150},
        {"customer_id": "a", "ordered_at": "2025-08-01 10:00", "amount": -20, "refund_of": "a2"},
        {"customer_id": "b", "ordered_at": "2024-06-01 10:00", "amount": 30},
        {"customer_id": "b", "ordered_at": "2025-09-30 10:00", "amount": 40},
        {"customer_id": "c", "ordered_at": "2025-10-01 00:00", "amount": 999},
    ]
    known = as_of(make_tables(orders=orders), NOW.end, zone="Asia/Shanghai")
    bridge = bridge_table(customer_periods_table(known, quarters=NOW.back(9)), spans=[LAST])
    changed = bridge.loc[bridge["change_amount"] != 0].set_index("bridge_part")["change_amount"]
    assert changed.to_dict() == {"up": 30.0, "returned": 40.0}


def test_spans_need_their_earlier_period() -> None:
    def names(beginning: Quarter) -> list[str]:
        return [span.name for span in bridge_spans(NOW, beginning=beginning)]

    assert names(NOW.shift(-7)) == list(SPANS)
    assert names(NOW.shift(-6)) == ["previous_quarter", "year_ago"]
    assert names(NOW.shift(-3)) == ["previous_quarter"]
    assert names(NOW) == []
    year = bridge_spans(NOW, beginning=NOW.shift(-7))[-1]
    assert (str(year.before[0]), str(year.before[1])) == ("2023Q4", "2024Q3")
    assert (str(year.now[0]), str(year.now[1])) == ("2024Q4", "2025Q3")


def test_a_year_against_the_year_before() -> None:
    year = bridge_spans(NOW, beginning=NOW.shift(-7))[-1]
    bridge = bridge_table(periods(HISTORY), spans=[year]).set_index("bridge_part")["customer_count"]
    # bought in the year before: returned (4 back), who bought less in this one, and silent (5 back); all others are new
    assert bridge.loc[bridge > 0].to_dict() == {"lost": 1, "down": 1, "new": 7}


def test_tiers_are_those_that_are_given() -> None:
    table = periods(HISTORY)
    known = [("lost", "a"), ("down", "a"), ("level", "b"), ("up", "b"), ("returned", "b"), ("silent", "b")]
    tiers = ibis.memtable(pd.DataFrame(known, columns=["customer_id", "tier"]))
    staged = table.get_backend().create_table("tiers", tiers.to_pandas())
    bridge = bridge_table(table, spans=[LAST], tiers={"previous_quarter": staged}, order=["b", "a"])
    assert bridge["tier"].unique().tolist() == ["b", "a", "joined"]
    assert len(bridge) == 3 * len(PARTS)
    by_tier = bridge.groupby("tier")["change_amount"].sum().to_dict()
    # joined: new 60, refunds -15, unbased 30
    assert by_tier == {"a": -160.25, "b": 80.0, "joined": 75.0}
    retention = revenue_retention_table(bridge, settings=SETTINGS).set_index("tier")
    assert retention["base_customer_count"].to_dict() == {"b": 2, "a": 2, "joined": 0}
    shown = retention_shown_table(retention.reset_index(), span="previous_quarter")
    assert shown["tier"].tolist() == ["b", "a", "joined"]
    assert "bridge_span" not in shown.columns
    assert retention_shown_table(retention.reset_index(), span="year_ago").empty
    assert bridge_table(table, spans=[LAST], tiers={"year_ago": staged}).empty


def test_amounts_of_few_customers_are_hidden_with_what_gives_them_away() -> None:
    rows = [(f"{tier}{k}", back, 1, 100.0) for tier, n in (("a", 9), ("b", 5), ("c", 1)) for k in range(n)
            for back in (0, 1)]  # fmt: skip
    table = periods(rows)
    tiers = pd.DataFrame([(row[0], row[0][0]) for row in rows], columns=["customer_id", "tier"]).drop_duplicates()
    staged = table.get_backend().create_table("tiers", tiers)
    bridge = bridge_table(table, spans=[LAST], tiers={"previous_quarter": staged})
    retention = revenue_retention_table(bridge, settings=SETTINGS).set_index("tier")
    assert retention["base_amount"].isna().to_dict() == {"a": False, "b": True, "c": True}
    assert retention["status"].to_dict() == {"a": "neutral", "b": "neutral", "c": "too_small"}


def test_without_history_there_is_no_bridge() -> None:
    bridge = bridge_table(periods(HISTORY), spans=[])
    check_columns(bridge.columns, BRIDGE_SCHEMA, result="bridge")
    retention = revenue_retention_table(bridge, settings=SETTINGS)
    check_columns(retention.columns, RETENTION_SCHEMA, result="retention")
    assert bridge.empty
    assert retention.empty
    assert retention_shown_table(retention).empty


def test_steps_by_hand() -> None:
    bridge = bridge_table(periods(HISTORY), spans=[LAST])
    steps = bridge_steps_table(bridge, span="previous_quarter", minimum_cell=1)
    assert steps["bridge_part"].tolist() == ["start", *PARTS, "end"]
    assert steps["customer_count"].tolist() == [5, 1, 1, 1, 2, 1, 1, 1, 6]
    assert steps["from_amount"].tolist() == [0.0, 265.5, 155.5, 105.25, 105.25, 195.25, 215.25, 275.25, 0.0]
    assert steps["to_amount"].tolist() == [265.5, 155.5, 105.25, 105.25, 195.25, 215.25, 275.25, 260.25, 260.25]
    folded = bridge_steps_table(bridge, span="previous_quarter", minimum_cell=2)
    # lost, down, returned, new hold one customer each and are told together
    assert folded["bridge_part"].tolist() == ["start", "level", "up", "refund_only", "few", "end"]
    few = folded.set_index("bridge_part").loc["few"]
    assert (few["customer_count"], few["change_amount"]) == (4, -80.25)
    assert folded["to_amount"].iloc[-2] == folded["to_amount"].iloc[-1] == 260.25
    assert bridge_steps_table(bridge, span="year_ago", minimum_cell=1).empty


def test_a_single_small_part_takes_the_next_smallest_with_it() -> None:
    rows = [("x", 1, 1, 10.0), *((f"n{k}", 0, 1, 5.0) for k in range(4))]
    rows += [(f"u{k}", back, 1, 10.0 - back) for k in range(9) for back in (0, 1)]
    steps = bridge_steps_table(bridge_table(periods(rows), spans=[LAST]), span="previous_quarter", minimum_cell=3)
    assert steps["bridge_part"].tolist() == ["start", "up", "few", "end"]
    assert steps["customer_count"].tolist() == [10, 9, 5, 13]


CUSTOMER = st.tuples(*[st.one_of(st.none(), st.tuples(st.integers(0, 2), st.integers(-80, 200))) for _ in range(3)])


@examples(max_examples=15)
@given(customers=st.lists(CUSTOMER, min_size=1, max_size=25), factor=st.sampled_from([1, 3, 1000]))
def test_identities(customers: list[Any], factor: int) -> None:
    rows = [
        (f"c{k:02}", back, cell[0], float(cell[1] * factor))
        for k, cells in enumerate(customers)
        for back, cell in zip((2, 1, 0), cells, strict=True)
        if cell is not None
    ]
    if not rows:
        return
    table = periods(rows)
    bridge = bridge_table(table, spans=[LAST])
    frame = pd.DataFrame(rows, columns=["customer_id", "back", "orders", "spend"])
    sums = frame.groupby("back")["spend"].sum().reindex([0, 1], fill_value=0.0)
    assert bridge["change_amount"].sum() == pytest.approx(sums[0] - sums[1], abs=0.01)
    buyers = frame.loc[frame["orders"] > 0].groupby("back")["customer_id"].nunique().reindex([0, 1], fill_value=0)
    count = bridge.set_index("bridge_part")["customer_count"].reindex(PARTS, fill_value=0)
    assert buyers[0] == buyers[1] - count["lost"] + count["returned"] + count["new"]
    assert buyers[1] == count[["lost", "down", "level", "up"]].sum()
    if bridge.empty:
        return
    row = revenue_retention_table(bridge, settings=PortfolioSettings(minimum_base=1)).iloc[0]
    if row["status"] == "neutral":
        assert row["gross_retention_rate"] <= min(row["net_retention_rate"], 1.0) + 1e-9
    steps = bridge_steps_table(bridge, span="previous_quarter", minimum_cell=4)
    assert steps["to_amount"].iloc[-2] == pytest.approx(steps["to_amount"].iloc[-1], abs=0.01)
    assert steps["change_amount"].iloc[:-1].sum() == pytest.approx(sums[0], abs=0.01)
    tiers = pd.DataFrame({"customer_id": [f"c{k:02}" for k in range(0, len(customers), 2)]})
    tiers["tier"] = [("a", "b")[k % 2] for k in range(len(tiers))]
    staged = table.get_backend().create_table("tiers", tiers)
    parts = bridge_table(table, spans=[LAST], tiers={"previous_quarter": staged})
    numbers = [name for name in BRIDGE_SCHEMA if name.endswith(("count", "amount"))]
    by_part, whole = (each.groupby("bridge_part")[numbers].sum() for each in (parts, bridge))
    pd.testing.assert_frame_equal(by_part, whole, check_dtype=False)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(lang: str) -> None:
    words, span = Words(lang), "previous_quarter"
    bridge = bridge_table(periods(HISTORY), spans=[LAST])
    steps = bridge_steps_table(bridge, span=span, minimum_cell=1)
    retention = revenue_retention_table(bridge, settings=SETTINGS)
    said = words.say(findings.finding_bridge(steps, span=span))
    # 260.25 against 265.5; most gained by up (90 from two), most lost by lost (110 from one)
    assert all(text in said for text in ("¥260", "¥266", "-2.0%", "¥90", "¥110"))
    assert said in words.say(findings.alt_bridge(steps, span=span))
    assert "62.9%" in words.say(findings.finding_retention(retention, span=span))
    assert "40.8%" in words.say(findings.finding_retention(retention, span=span))
    few = revenue_retention_table(bridge, settings=PortfolioSettings())
    assert "4" in words.say(findings.finding_retention(few, span=span))
    none = bridge_steps_table(bridge, span="year_ago", minimum_cell=1)
    assert words.word("bridge_span.year_ago") in words.say(findings.finding_bridge(none, span="year_ago"))
    assert words.word("bridge_span.year_ago") in words.say(findings.finding_retention(retention, span="year_ago"))
    figure = figures.plot_bridge(steps, words=words)
    assert len(figure.axes[0].patches) == len(steps) - 1, "level changes nothing and has no bar"
    assert words.word("note.not_enough_data") in [text.get_text() for text in figures.plot_bridge(
        none, words=words).axes[0].texts]  # fmt: skip


def test_tiers_with_highest_and_lowest_retention() -> None:
    rates = pd.DataFrame({
        "bridge_span": "year_ago", "tier": ["lost", "champions", "promising", "joined"],
        "net_retention_rate": [0.5, 1.2, None, 3.0], "base_customer_count": [40, 50, 2, 60],
    })  # fmt: skip
    told = findings.finding_tier_retention(rates, span="year_ago")
    assert (told.args["best"], told.args["best_n"], told.args["worst"]) == ("champions", 50, "lost")
    assert findings.finding_tier_retention(rates.iloc[1:], span="year_ago").id == "retention.no_tiers"
    assert "120.0%" in Words("en").say(told)
