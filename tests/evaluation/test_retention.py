"""Retention by quarter of first purchase and by tier at the start, by hand."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.words import Words
from crm_analysis.evaluation import kpi_findings as findings
from crm_analysis.evaluation.kpi_display import format_cohorts, format_tier_retention
from crm_analysis.evaluation.kpi_figures import plot_cohorts
from crm_analysis.evaluation.retention import (
    COHORT_MEAN_SCHEMA,
    COHORT_SCHEMA,
    TIER_RETENTION_SCHEMA,
    check_retention,
    cohort_mean_table,
    cohort_table,
    tier_retention_table,
)
from crm_analysis.reporting.tables import render_table
from crm_analysis.sources.periods import customer_periods_table

QUARTER = Quarter(2025, 3)
BEGINNING = Quarter(2024, 4)
DAYS = {"2024Q4": "2024-11-01", "2025Q1": "2025-02-01", "2025Q2": "2025-05-01", "2025Q3": "2025-08-01"}


def bought(customers: range, *quarters: str) -> list[dict[str, Any]]:
    return [
        {"customer_id": f"c{n:03d}", "ordered_at": f"{DAYS[quarter]} 10:00"} for quarter in quarters for n in customers
    ]


ORDERS = [
    *bought(range(0, 10), "2024Q4", "2025Q1"),  # may have bought before the data begin
    *bought(range(10, 50), "2025Q1"),  # 40 new in Q1; 20 of them back in Q2, 30 in Q3
    *bought(range(10, 30), "2025Q2"),
    *bought(range(10, 40), "2025Q3"),
    *bought(range(50, 80), "2025Q2"),  # 30 new in Q2, 15 back
    *bought(range(50, 65), "2025Q3"),
    *bought(range(80, 109), "2025Q3"),  # 29 new in Q3
]


@pytest.fixture
def periods(make_tables):
    def make(orders: list[dict[str, Any]] = ORDERS):
        made = make_tables(orders=orders)
        table = customer_periods_table(made, quarters=QUARTER.back(8))
        return made["orders"].get_backend().create_table("cohort_periods", table, overwrite=True)

    return make


def cells(table: pd.DataFrame) -> dict[tuple[str, int], tuple[int, int]]:
    names = ["cohort", "quarters_since", "customer_count", "retained_count"]
    return {(c, since): (n, kept) for c, since, n, kept in table[names].itertuples(index=False)}


def test_cohorts_by_hand_size_first_future_cells_absent(periods) -> None:
    table = cohort_table(periods(), quarter=QUARTER, beginning=BEGINNING, cohorts=8)
    check_columns(table.columns, COHORT_SCHEMA, result="cohorts")
    assert cells(table) == {
        ("2025Q1", 0): (40, 40), ("2025Q1", 1): (40, 20), ("2025Q1", 2): (40, 30),
        ("2025Q2", 0): (30, 30), ("2025Q2", 1): (30, 15),
        ("2025Q3", 0): (29, 29),
    }  # fmt: skip
    rates = table.set_index(["cohort", "quarters_since"])["retention_rate"]
    assert rates[("2025Q1", 1)] == 0.5
    assert pd.isna(rates[("2025Q3", 0)])  # 29 are too few
    assert not table["is_running"].any()


def test_so_many_cohorts_go_back(periods) -> None:
    assert set(cohort_table(periods(), quarter=QUARTER, beginning=BEGINNING, cohorts=2)["cohort"]) == {
        "2025Q2",
        "2025Q3",
    }
    none = cohort_table(periods(), quarter=QUARTER, beginning=QUARTER, cohorts=8)
    assert none.empty
    assert findings.finding_cohorts(cohort_mean_table(none)).id == "kpis.cohorts_few"


def test_means_take_finished_cells_only(periods) -> None:
    whole = cohort_table(periods(), quarter=QUARTER, beginning=BEGINNING, cohorts=8)
    means = cohort_mean_table(whole)
    check_columns(means.columns, COHORT_MEAN_SCHEMA, result="cohort_means")
    assert means.loc[1, ["cohort_count", "customer_count", "retained_count"]].tolist() == [2, 70, 35]
    assert means["retention_rate"].tolist() == [1, 0.5, 0.75]
    running = cohort_table(periods(), quarter=QUARTER, beginning=BEGINNING, cohorts=8, is_complete=False)
    assert running.loc[running["is_running"], "quarter"].unique().tolist() == ["2025Q3"]
    finished = cohort_mean_table(running)
    assert finished[["cohort_count", "retained_count"]].to_numpy().tolist() == [[2, 70], [1, 20]]
    told = findings.finding_cohorts(means)
    assert (told.args["first_since"], told.args["first_rate"], told.args["last_since"]) == (1, 0.5, 2)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(list(DAYS))), min_size=1, max_size=40))
def test_every_new_buyer_is_in_one_cohort_and_never_more_come_back_than_there_are(periods, purchases) -> None:
    orders = [{"customer_id": f"c{n}", "ordered_at": f"{DAYS[quarter]} 10:00"} for n, quarter in purchases]
    table = cohort_table(periods(orders), quarter=QUARTER, beginning=Quarter(2024, 3), cohorts=4)
    assert (table["retained_count"] <= table["customer_count"]).all()
    assert table.loc[table["quarters_since"] == 0, "customer_count"].sum() == len({n for n, _ in purchases})
    by_quarter = table.groupby("quarter")["retained_count"].sum()
    buyers = {quarter: len({n for n, then in purchases if then == quarter}) for quarter in DAYS}
    assert by_quarter.to_dict() == buyers


def test_tiers_at_the_start_not_at_the_end(periods) -> None:
    known = periods()
    start = pd.DataFrame({"customer_id": [f"c{n:03d}" for n in range(109)], "tier": ["gold"] * 50 + ["silver"] * 59})
    tiers = known.get_backend().create_table("tiers", start, overwrite=True)
    table = tier_retention_table(known, {QUARTER: tiers}, tier_order=["silver", "gold"])
    check_columns(table.columns, TIER_RETENTION_SCHEMA, result="tier_retention")
    # buyers of Q2: c10-c29 (gold), of whom all came back, and c50-c79 (silver), of whom 15 did
    assert table[["tier", "customer_count", "retained_count"]].to_numpy().tolist() == [
        ["silver", 30, 15], ["gold", 20, 20],
    ]  # fmt: skip
    assert table["retention_rate"].tolist() == pytest.approx([0.5, float("nan")], nan_ok=True)
    assert tier_retention_table(known, {}).empty
    words = Words("en", names={f"segment.{tier}": {"zh": tier, "en": tier} for tier in ("gold", "silver")})
    shown = format_tier_retention(table, words=words)
    assert shown["retention"].tolist() == ["50.0%", words.word("absent.too_small")]
    assert "<table" in render_table(shown, words=words, id_="x")


def test_both_formulas_stand_side_by_side() -> None:
    scorecard = pd.DataFrame({"kpi": ["customer_retention_rate", "yearly_retention_rate"], "value": [0.5, float("nan")],
                              "n": [40, 12]})  # fmt: skip
    found = check_retention(scorecard)
    assert found == {"quarterly_rate": 0.5, "quarterly_n": 40, "yearly_rate": None, "yearly_n": 12,
                     "renewal_rate": None, "renewal_n": 0}  # fmt: skip
    told = findings.finding_retention(found)
    assert [part.id for part in told.args["parts"]] == ["kpis.retention.quarterly"]
    assert findings.finding_retention(check_retention(scorecard.iloc[1:])).id == "kpis.retention_few"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_cohorts_are_read_in_both_languages(periods, lang: str) -> None:
    words = Words(lang)
    table = cohort_table(periods(), quarter=QUARTER, beginning=BEGINNING, cohorts=8, is_complete=False)
    means = cohort_mean_table(table)
    shown = format_cohorts(means, words=words)
    assert "<table" in render_table(shown, words=words, id_="x")
    assert shown["retention"].tolist() == ["100.0%", "50.0%"]
    assert words.say(findings.finding_cohorts(means))
    assert words.say(findings.alt_cohorts(means))
    rates = {"kpi": ["customer_retention_rate", "contract_renewal_rate"], "value": [0.5, 0.9], "n": [40, 30]}
    assert words.say(findings.finding_retention(check_retention(pd.DataFrame(rates))))
    texts = [text.get_text() for text in plot_cohorts(table, words=words).axes[0].texts]
    assert "50%" in texts
    assert "75%*" in texts  # still running
    assert plot_cohorts(table.iloc[:0], words=words).axes[0].texts


def test_referrals_say_so_when_they_are_few() -> None:
    rows = pd.DataFrame({"kpi": ["referral_share"], "value": [0.4], "n": [50]})
    reviews = rows.assign(kpi="positive_review_share", low=0.27, high=0.54)
    assert Words("en").say(findings.finding_reviews(reviews))
    assert findings.finding_reviews(reviews.assign(value=float("nan"), n=3)).args == {"n": 3, "minimum": 30}
    assert findings.finding_reviews(rows).id == "kpis.reviews_few"
    assert findings.finding_referrals(rows).args == {"share": 0.4, "n": 50}
    assert findings.finding_referrals(rows.assign(value=float("nan"))).id == "kpis.referrals_few"
    assert findings.finding_referrals(rows.iloc[:0]).args == {"n": 0}
