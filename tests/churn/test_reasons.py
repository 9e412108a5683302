"""Coded reasons of losses: episodes by hand, what is known when, small cells, what the demo plants."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_signals import ReasonSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import insight_figures as figures
from crm_analysis.churn import reason_findings as findings
from crm_analysis.churn.reasons import (
    REASON_COUNTS_SCHEMA,
    REASON_MONEY_SCHEMA,
    REASON_TREND_SCHEMA,
    REASONS_SCHEMA,
    hidden_matrix,
    loss_counts_table,
    reason_money_table,
    reason_trend_table,
    reasons_table,
)
from crm_analysis.sources.as_of import as_of as door

NOW = Quarter(2025, 3)
SETTINGS = ReasonSettings(minimum_cell=1)
BEGINNING = Quarter(2024, 1)


def counts_frame(rows: list[tuple[str, str, str, str, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(REASON_COUNTS_SCHEMA))


def made(make_tables, *, day: date = NOW.end, tiers: tuple[tuple[str, str], ...] = (("a", "gold"), ("b", "gold"))):
    orders = [
        {"customer_id": "a", "ordered_at": "2024-06-01", "amount": 40},  # a year and a day before: not counted
        {"customer_id": "a", "ordered_at": "2024-12-01", "amount": 100},
        {"customer_id": "a", "ordered_at": "2025-02-01", "amount": 50},
        {"order_id": "p", "customer_id": "a", "ordered_at": "2025-06-02", "amount": 30},
        {"customer_id": "a", "ordered_at": "2025-06-02", "amount": -10, "refund_of": "p"},
        # lost on 2025-04-11 (100 days), back on 2025-04-12
        {"customer_id": "b", "ordered_at": "2025-01-01", "amount": 7},
        {"customer_id": "b", "ordered_at": "2025-04-12", "amount": 8},
        # 100 days to the next: never lost before
        {"customer_id": "c", "ordered_at": "2025-02-01", "amount": 5},
        {"customer_id": "c", "ordered_at": "2025-05-12", "amount": 6},
    ]  # fmt: skip
    contacts = [
        {"customer_id": "a", "opened_at": "2025-07-01", "resolved_at": "2025-07-02", "reason": "price"},
        {"customer_id": "a", "opened_at": "2025-08-01", "resolved_at": "2025-08-02", "reason": "competitor"},
        {"customer_id": "a", "opened_at": "2025-08-05", "resolved_at": "2025-10-02", "reason": "delivery"},  # not yet
        {"customer_id": "a", "opened_at": "2025-08-09", "resolved_at": "2025-08-09"},
        {"customer_id": "a", "opened_at": "2025-08-10", "resolved_at": "2025-08-10", "reason": "marketing",
         "kind": "complaint", "direction": "in"},
        {"customer_id": "b", "opened_at": "2025-04-12", "resolved_at": "2025-04-12", "reason": "price"},  # after it
        {"customer_id": "c", "opened_at": "2025-07-12", "resolved_at": "2025-07-12", "reason": "price"},
    ]  # fmt: skip
    contacts = [{"direction": "out", "kind": "call"} | row for row in contacts]
    tables = make_tables(orders=orders, interactions=contacts)
    con = tables["orders"].get_backend()
    staged = con.create_table("tiers", pd.DataFrame(list(tiers), columns=["customer_id", "tier"]))
    return door(tables, day, zone="Asia/Shanghai"), staged


def test_episodes_by_hand(make_tables) -> None:
    known, tiers = made(make_tables)
    counts = loss_counts_table(
        known["orders"], known["interactions"], tiers, quarter=NOW, horizon_days=100, settings=SETTINGS,
        beginning=BEGINNING,
    )  # fmt: skip
    check_columns(counts.columns, REASON_COUNTS_SCHEMA, result="reason_counts")
    found = {tuple(row[:4]): tuple(row[4:]) for row in counts.itertuples(index=False)}
    assert found == {
        ("lost", "2024Q3", "gold", "not_recorded"): (1, 40.0),  # a, silent from 2024-06-01 on
        ("lost", "2025Q2", "gold", "not_recorded"): (2, 190.0 + 7.0),  # a, and b, who was asked on his return
        ("lost", "2025Q3", "gold", "competitor"): (1, 170.0),  # a: the last one resolved; refunds are taken off
        ("lost", "2025Q3", "gold", "price"): (1, 15.0),  # b, told on the day of his last purchase
        ("lost", "2025Q3", "joined", "price"): (1, 11.0),
    }


def test_who_comes_back_and_leaves_again_is_two_losses(make_tables) -> None:
    """a bought on 2024-12-10 and 2025-04-01: lost on 2025-03-20 and 2025-07-10, his 100 in both years before."""
    orders = [{"customer_id": "a", "ordered_at": "2024-12-10", "amount": 100},
              {"customer_id": "a", "ordered_at": "2025-04-01", "amount": 30}]  # fmt: skip
    tables = make_tables(orders=orders)
    tiers = tables["orders"].get_backend().create_table("tiers", pd.DataFrame({"customer_id": ["a"], "tier": ["gold"]}))
    known = door(tables, NOW.end, zone="Asia/Shanghai")
    counts = loss_counts_table(
        known["orders"], None, tiers, quarter=NOW, horizon_days=100, settings=SETTINGS, beginning=BEGINNING
    )
    assert counts[["quarter", "case_count", "year_spend_amount"]].to_numpy().tolist() == [
        ["2025Q1", 1, 100.0], ["2025Q3", 1, 130.0]]  # fmt: skip
    table = reasons_table(counts, quarter=NOW, settings=SETTINGS)
    assert table[["case_count", "year_spend_amount"]].to_numpy().tolist() == [[2.0, 230.0]]  # one customer spent 130
    assert findings.finding_reasons(table).args["unknown"].args["n"] == 2


def test_customers_at_risk_and_no_interactions(make_tables) -> None:
    known, tiers = made(make_tables)
    con = known["orders"].get_backend()
    risk = con.create_table("risk", pd.DataFrame({"customer_id": ["a", "b", "new"]}))
    counts = loss_counts_table(
        known["orders"], known["interactions"], tiers, quarter=NOW, horizon_days=2000, settings=SETTINGS,
        beginning=BEGINNING, at_risk=risk,
    )  # fmt: skip
    found = {(r.risk_state, r.tier, r.reason): (r.case_count, r.year_spend_amount) for r in counts.itertuples()}
    assert found == {
        ("at_risk", "gold", "competitor"): (1, 170.0),
        ("at_risk", "gold", "price"): (1, 15.0),
        ("at_risk", "joined", "not_recorded"): (1, 0.0),
    }
    without = loss_counts_table(
        known["orders"], None, tiers, quarter=NOW, horizon_days=100, settings=SETTINGS, beginning=BEGINNING
    )
    assert set(without["reason"]) == {"not_recorded"}


def test_shares_by_hand() -> None:
    counts = counts_frame([
        ("lost", "2025Q3", "a", "price", 30, 300.0), ("lost", "2025Q2", "b", "price", 10, 100.0),
        ("lost", "2025Q1", "b", "competitor", 60, 600.0), ("lost", "2024Q4", "b", "not_recorded", 100, 50.0),
        ("lost", "2024Q3", "b", "price", 500, 1.0),  # more than four quarters ago
        ("at_risk", "2025Q3", "b", "price", 4, 9.0),
    ])  # fmt: skip
    table = reasons_table(counts, quarter=NOW, settings=SETTINGS)
    check_columns(table.columns, REASONS_SCHEMA, result="reasons")
    lost = table.loc[table["risk_state"] == "lost"].set_index("reason")
    assert lost.index.tolist() == ["competitor", "price", "not_recorded"]
    assert lost["reason_share"].tolist() == [0.6, 0.4, 0.5]
    assert lost["cumulative_share"].tolist()[:2] == [0.6, 1.0]
    assert np.isnan(lost.loc["not_recorded", "cumulative_share"])
    assert lost["year_spend_amount"].tolist() == [600.0, 400.0, 50.0]
    low, high = proportion_confint(40, 100, method="wilson")
    assert lost.loc["price", ["reason_share_low", "reason_share_high"]].tolist() == pytest.approx([low, high], abs=1e-6)
    hidden = reasons_table(counts, quarter=NOW, settings=ReasonSettings(minimum_cell=50))
    rows = hidden.loc[hidden["risk_state"] == "lost"].set_index("reason")
    assert rows["is_hidden"].to_dict() == {"competitor": True, "price": True, "not_recorded": False}
    assert rows.loc["price", ["case_count", "reason_share", "year_spend_amount"]].isna().all()


def test_the_trend_marks_quarters_that_are_still_filled() -> None:
    counts = counts_frame([
        ("lost", "2024Q4", "a", "price", 20, 1.0), ("lost", "2024Q4", "a", "competitor", 20, 1.0),
        ("lost", "2025Q1", "a", "price", 60, 1.0), ("lost", "2025Q1", "a", "not_recorded", 40, 1.0),
        ("lost", "2025Q3", "a", "price", 2, 1.0), ("lost", "2025Q3", "a", "not_recorded", 8, 1.0),
    ])  # fmt: skip
    trend = reason_trend_table(counts, quarter=NOW, settings=ReasonSettings(minimum_cell=5))
    check_columns(trend.columns, REASON_TREND_SCHEMA, result="reason_trend")
    price = trend.loc[trend["reason"] == "price"].set_index("quarter")
    assert price["reason_share"].tolist()[:2] == [0.5, 1.0]
    assert np.isnan(price.loc["2025Q3", "reason_share"])
    assert price["unknown_share"].tolist() == [0.0, 0.4, 0.8]
    assert price["is_running"].tolist() == [False, False, True]
    told = findings.finding_reason_trend(trend)
    assert (told.args["before"], told.args["now"], told.args["judged"].id) == (0.5, 1.0, "reasons.moved")


def test_money_by_tier_gives_no_small_cell_away() -> None:
    counts = counts_frame([
        ("lost", "2025Q3", "a", "price", 12, 1.0), ("lost", "2025Q3", "a", "competitor", 15, 2.0),
        ("lost", "2025Q3", "b", "price", 2, 3.0), ("lost", "2025Q3", "b", "competitor", 8, 4.0),
        ("lost", "2025Q3", "c", "price", 30, 5.0), ("lost", "2025Q3", "c", "competitor", 30, 6.0),
    ])  # fmt: skip
    money = reason_money_table(counts, quarter=NOW, settings=ReasonSettings(minimum_cell=5), order=("c", "b"))
    check_columns(money.columns, REASON_MONEY_SCHEMA, result="reason_money")
    assert money["tier"].drop_duplicates().tolist() == ["c", "b", "a"]
    shown = money.loc[~money["is_hidden"], ["tier", "case_count"]].to_numpy().tolist()
    assert shown == [["c", 30.0], ["c", 30.0]]


@given(st.lists(st.lists(st.integers(0, 25), min_size=3, max_size=3), min_size=1, max_size=5), st.integers(1, 12))
@run(max_examples=80)
def test_no_row_or_column_hides_a_single_small_cell(cells: list[list[int]], minimum: int) -> None:
    counts = pd.DataFrame(cells)
    hidden = hidden_matrix(counts, minimum=minimum)
    values, marks = counts.to_numpy(), hidden.to_numpy()
    assert marks[(values > 0) & (values < minimum)].all()
    for line, mark in (*zip(values, marks, strict=True), *zip(values.T, marks.T, strict=True)):
        is_all = (mark == (line > 0)).all()
        assert not mark.any() or is_all or (mark.sum() >= 2 and line[mark].sum() >= minimum)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(lang: str) -> None:
    words = Words(lang)
    full = [("lost", "2025Q3", "a", "price", 30, 300.0), ("lost", "2025Q1", "a", "own_code", 60, 600.0),
            ("lost", "2024Q4", "b", "price", 70, 50.0), ("lost", "2024Q4", "b", "not_recorded", 70, 50.0),
            ("at_risk", "2025Q3", "b", "price", 4, 9.0)]  # fmt: skip
    for rows in (full, full[:1], full[3:4], full[4:], []):
        counts = counts_frame(rows)
        settings = ReasonSettings()
        reasons = reasons_table(counts, quarter=NOW, settings=settings)
        trend = reason_trend_table(counts, quarter=NOW, settings=settings)
        money = reason_money_table(counts, quarter=NOW, settings=settings)
        for state in ("lost", "at_risk"):
            told = findings.finding_reasons(reasons, state=state)
            assert words.say(told)
            if told.id == "reasons.few_lost" and rows:  # without any share, nothing is said of shares
                assert told.args["unknown"].id in {
                    "reasons.only_lost",
                    "reasons.unknown_none",
                    "reasons.unknown_hidden",
                }
            assert words.say(findings.alt_reasons(reasons, state=state))
            assert figures.plot_reasons(reasons, words=words, state=state).axes
        assert words.say(findings.finding_reason_trend(trend))
        tables = (findings.format_reasons(reasons, words=words), findings.format_reason_trend(trend, words=words),
                  findings.format_reason_money(money, words=words))  # fmt: skip
        assert all(words.has(f"column.{name}") for table in tables for name in table.columns)
    assert words.word("column.lost_count") == {"zh": "流失人次", "en": "Losses"}[lang]
    assert words.say(findings.note_reasons(horizon_days=90))


def test_the_demo_leaves_for_the_planted_causes(demo_config: Path) -> None:
    """Hazards of the causes are .07 x quality, .05, .06, .085, .05: service or competitors lead, all five occur."""
    from crm_analysis.opening import open_workspace

    ws = open_workspace(demo_config, quarter="2025Q3")
    tiers = ws.at(ws.quarter.shift(-4)).rows("segments").select("customer_id", "tier")
    counts = loss_counts_table(
        ws.tables["orders"], ws.tables["interactions"], tiers, quarter=ws.quarter, horizon_days=180,
        settings=ReasonSettings(), beginning=Quarter(2022, 4),
    )  # fmt: skip
    lost = counts.loc[counts["reason"] != "not_recorded"].groupby("reason")["case_count"].sum()
    assert set(lost.index) <= {"service_experience", "price", "product_quality", "competitor", "no_longer_needed"}
    assert len(lost) == 5
    assert set(lost.sort_values(ascending=False).index[:2]) & {"service_experience", "competitor"}
    trend = reason_trend_table(counts, quarter=ws.quarter, settings=ReasonSettings())
    unknown = trend.drop_duplicates("quarter").set_index("quarter")["unknown_share"]
    assert unknown["2025Q3"] > unknown["2024Q4"]  # contacts 60 to 240 days after are still to come
