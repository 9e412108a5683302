"""Growth of two years: factors that sum exactly, tiers of the earlier year, customers with and without a base."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.base.words import Words
from crm_analysis.evaluation import kpi_findings as findings
from crm_analysis.evaluation.kpi_display import format_classes, format_growth
from crm_analysis.evaluation.kpi_figures import plot_growth
from crm_analysis.evaluation.kpis import KpiInputs
from crm_analysis.evaluation.value_growth import (
    GROWTH_CLASSES_SCHEMA,
    VALUE_GROWTH_SCHEMA,
    growth_classes_table,
    growth_document,
    split_change,
    value_growth_table,
)
from crm_analysis.reporting.tables import render_table
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.periods import customer_periods_table

QUARTER = Quarter(2025, 3)
BEFORE, NOW = "2024-05-01 10:00", "2025-05-01 10:00"
NAMES = {f"segment.{tier}": {"zh": tier, "en": tier} for tier in ("gold", "silver")}


def side(buyers: float, orders: float, revenue: float) -> pd.DataFrame:
    return pd.DataFrame({"buyer_count": [buyers], "order_count": [orders], "revenue_amount": [revenue]})


def split(before: tuple[float, float, float], now: tuple[float, float, float]) -> list[float]:
    return split_change(side(*before), side(*now)).iloc[0].tolist()


def test_one_factor_alone_takes_the_whole_change() -> None:
    assert split((10, 20, 200), (20, 40, 400)) == pytest.approx([200, 0, 0])  # twice the buyers
    assert split((10, 20, 200), (10, 40, 400)) == pytest.approx([0, 200, 0])  # twice as often
    assert split((10, 20, 200), (10, 20, 400)) == pytest.approx([0, 0, 200])  # twice as much


def test_three_factors_by_hand() -> None:
    # 10 x 2 x 10 = 200 -> 20 x 3 x 11 = 660; of the buyers: 10 x [2 (2 x 10 + 3 x 11) + 2 x 11 + 3 x 10] / 6
    assert split((10, 20, 200), (20, 60, 660)) == pytest.approx([10 * 158 / 6, 1 * 950 / 6, 1 * 230 / 6])
    assert sum(split((10, 20, 200), (20, 60, 660))) == pytest.approx(460)


def test_without_orders_on_one_side_all_is_the_customers() -> None:
    assert split((0, 0, 0), (5, 9, 90)) == [90, 0, 0]
    assert split((5, 9, 90), (0, 0, -10)) == [-100, 0, 0]  # only refunds are left
    assert split((0, 0, 0), (0, 0, 0)) == [0, 0, 0]


SIDE = st.tuples(st.integers(0, 500), st.integers(0, 40), st.floats(-1e4, 1e6)).map(
    lambda row: (row[0], row[0] + row[1] if row[0] else 0, row[2])
)


@given(before=SIDE, now=SIDE)
def test_factors_sum_to_the_change_and_back_is_the_opposite(before, now) -> None:
    effects = split(before, now)
    size = max(abs(before[2]), abs(now[2]), 1)
    assert sum(effects) == pytest.approx(now[2] - before[2], abs=1e-8 * size)
    assert split(now, before) == pytest.approx([-effect for effect in effects], abs=1e-8 * size)


@given(before=SIDE, now=SIDE, scale=st.floats(0.01, 100))
def test_factors_scale_with_the_currency(before, now, scale: float) -> None:
    scaled = split((*before[:2], before[2] * scale), (*now[:2], now[2] * scale))
    size = max(abs(before[2]), abs(now[2]), 1) * scale
    assert scaled == pytest.approx([effect * scale for effect in split(before, now)], abs=1e-8 * size)


# -- tables ------------------------------------------------------------------------------------------------------------


def order(customer: str, at: str, amount: float) -> dict[str, Any]:
    return {"customer_id": customer, "ordered_at": at, "amount": amount}


ORDERS = [
    order("a", BEFORE, 100), order("a", NOW, 150), order("a", "2025-06-01 10:00", 50),  # grows
    order("b", BEFORE, 100), order("b", NOW, 95),  # steady
    order("c", BEFORE, 60), order("c", NOW, 30),  # falls
    order("d", BEFORE, 40),  # stops
    order("e", NOW, 500),  # no base, came later
    order("f", "2023-09-30 10:00", 999), order("f", NOW, 10),  # bought a day before the earlier year: no base
]  # fmt: skip


@pytest.fixture
def inputs(make_tables):
    def make(orders: list[dict[str, Any]] = ORDERS, minimum: int = 1) -> KpiInputs:
        tables = as_of(make_tables(orders=orders), QUARTER.end, zone="Asia/Shanghai")
        periods = customer_periods_table(tables, quarters=QUARTER.back(12))
        kept = tables["orders"].get_backend().create_table("growth_periods", periods, overwrite=True)
        return KpiInputs(tables, kept, QUARTER, EvaluationSettings(kpis={"minimum_customers": minimum}))

    return make


def tiers_of(inputs: KpiInputs):
    known = pd.DataFrame({"customer_id": list("abcdf"), "tier": ["gold", "gold", "silver", "silver", "silver"]})
    return inputs.periods.get_backend().create_table("tiers", known, overwrite=True)


def test_the_change_by_tier_of_the_earlier_year(inputs) -> None:
    made = inputs()
    table = value_growth_table(made, tiers_of(made), tier_order=["silver", "gold"])
    check_columns(table.columns, VALUE_GROWTH_SCHEMA, result="value_growth")
    assert list(table["tier"]) == ["all", "silver", "gold", "not_recorded"]
    rows = table.set_index("tier")
    whole = rows.loc["all"]
    assert whole[["buyer_count_before", "buyer_count_now", "order_count_before", "order_count_now"]].tolist() == [
        4,
        5,
        4,
        6,
    ]
    assert whole[["revenue_amount_before", "revenue_amount_now", "change_amount"]].tolist() == [300, 835, 535]
    assert whole["growth_rate"] == pytest.approx(535 / 300, abs=1e-6)
    gold = rows.loc["gold"]
    # 2 buyers on both sides; 1 -> 1.5 orders each; 100 -> 98.33 each
    assert gold[["customers_amount", "frequency_amount", "price_amount"]].tolist() == pytest.approx([0, 99.17, -4.17])
    assert rows.loc["not_recorded", ["customers_amount", "frequency_amount", "price_amount"]].tolist() == [500, 0, 0]
    parts = rows.drop(index="all")
    assert parts["change_amount"].sum() == pytest.approx(535)
    factors = rows[["customers_amount", "frequency_amount", "price_amount"]].sum(axis=1)
    assert factors.tolist() == pytest.approx(rows["change_amount"].tolist(), abs=0.02)
    assert pd.isna(rows.loc["not_recorded", "growth_rate"])


def test_without_tiers_only_the_whole_is_told(inputs) -> None:
    table = value_growth_table(inputs())
    assert list(table["tier"]) == ["all"]
    assert findings.note_growth_tiers(table).id == "kpis.growth_no_tiers"


def test_money_of_few_customers_is_hidden(inputs) -> None:
    made = inputs(minimum=2)
    rows = value_growth_table(made, tiers_of(made)).set_index("tier")
    assert rows["status"].to_dict() == {
        "all": "no_target", "gold": "too_small", "silver": "no_target", "not_recorded": "too_small",
    }  # fmt: skip
    assert rows.loc[["gold", "not_recorded"], "change_amount"].isna().all()
    assert rows["buyer_count_now"].to_dict() == {"all": 5, "gold": 2, "silver": 2, "not_recorded": 1}


def test_customers_by_what_they_did_those_without_a_base_apart(inputs) -> None:
    made = inputs()
    classes = growth_classes_table(made, tiers_of(made))
    check_columns(classes.columns, GROWTH_CLASSES_SCHEMA, result="growth_classes")
    whole = classes.loc[classes["tier"] == "all"].set_index("growth_class")
    assert whole["customer_count"].to_dict() == {"no_base": 2, "stopped": 1, "falling": 1, "steady": 1, "growing": 1}
    assert whole.loc["no_base", ["revenue_amount_before", "revenue_amount_now"]].tolist() == [0, 510]
    shares = classes.groupby("tier")["customer_share"].sum()
    assert shares.tolist() == pytest.approx([1.0] * 4, abs=1e-5)
    narrow = growth_classes_table(made, band=0.01)
    assert narrow.set_index("growth_class").loc["falling", "customer_count"] == 2  # b lost 5 %


def test_growth_per_customer_needs_thirty(inputs) -> None:
    made = inputs()
    few = growth_document(made, growth_classes_table(made))
    assert (few["n"], few["growth_rate"], few["no_base_count"]) == (4, None, 2)
    many = [order(f"c{n}", at, amount) for n in range(30) for at, amount in ((BEFORE, 100), (NOW, 90 + n))]
    made = inputs(many)
    document = growth_document(made, growth_classes_table(made))
    # amounts 90 to 119: their sum is 3135 of 3000, the middle one 104.5
    assert (document["growth_rate"], document["median_rate"]) == (0.045, 0.045)
    assert document["growing_count"] == 9  # 111 to 119
    newcomer = inputs([*many, order("new", NOW, 300)])
    wide = growth_document(newcomer, growth_classes_table(newcomer))
    assert (wide["growth_rate"], wide["total_rate"]) == (0.045, 0.145)  # 3435 of 3000


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_growth_is_read_in_both_languages(inputs, lang: str) -> None:
    words = Words(lang, names=NAMES)
    made = inputs([order(f"c{n}", at, 10 + n) for n in range(30) for at in (BEFORE, NOW)])
    growth, classes = value_growth_table(made), growth_classes_table(made)
    document = growth_document(made, classes)
    assert findings.finding_growth(growth, document).id == "kpis.growth_same"
    for told in (findings.finding_growth(growth, document), findings.finding_growth_per_customer(document),
                 findings.note_growth_tiers(growth), findings.alt_growth(growth, document)):  # fmt: skip
        assert words.say(told)
    assert "<table" in render_table(format_growth(growth, words=words), words=words, id_="x")
    assert "<table" in render_table(format_classes(classes), words=words, id_="y")
    assert plot_growth(growth, words=words).axes[0].patches
    assert plot_growth(growth.iloc[:0], words=words).axes[0].texts
    assert findings.finding_growth(growth.iloc[:0], {}).id == "kpis.growth_few"
