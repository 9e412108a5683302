"""Breakdowns by tier, owner, department, region, store and product line: parts by hand, sums that cannot differ."""

from collections.abc import Sequence
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import EvaluationSettings, Target
from crm_analysis.base.words import Words
from crm_analysis.evaluation import kpi_findings as findings
from crm_analysis.evaluation.breakdown import (
    KPI_BREAKDOWN_SCHEMA,
    KPI_PARTS_SCHEMA,
    check_parts,
    kpi_breakdown_table,
    kpi_parts_table,
)
from crm_analysis.evaluation.history import finish_history
from crm_analysis.evaluation.kpi_display import format_breakdown, format_orders
from crm_analysis.evaluation.kpi_figures import plot_breakdown
from crm_analysis.evaluation.order_breakdown import ORDER_BREAKDOWN_SCHEMA, order_breakdown_table
from crm_analysis.evaluation.registry import KPI_FUNCTIONS, KpiInputs, available_kpis, kpi_totals
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.periods import customer_periods_table

QUARTER = Quarter(2025, 3)
NAN = float("nan")
CUSTOMERS = [
    {"customer_id": "a", "owner": "w1", "region": "north"},
    {"customer_id": "b", "owner": "w1", "region": "south"},
    {"customer_id": "c", "owner": None, "region": "south"},
]
ORDERS = [
    {"customer_id": "a", "ordered_at": "2025-05-01 10:00", "amount": 10},
    {"customer_id": "a", "ordered_at": "2025-08-01 10:00", "amount": 100},
    {"customer_id": "b", "ordered_at": "2025-05-01 10:00", "amount": 10},
    {"customer_id": "c", "ordered_at": "2025-08-01 10:00", "amount": 40},
    {"customer_id": "d", "ordered_at": "2025-08-01 10:00", "amount": 7},  # not in the register
]
ANY_SIZE = EvaluationSettings(kpis={"minimum_customers": 1})


def make_inputs(make_tables, settings: EvaluationSettings = ANY_SIZE, **tables: Any) -> KpiInputs:
    made = as_of(make_tables(**{"orders": ORDERS, "customers": CUSTOMERS} | tables), QUARTER.end, zone="Asia/Shanghai")
    periods = customer_periods_table(made, quarters=QUARTER.back(12))
    con = made["orders"].get_backend()
    return KpiInputs(made, con.create_table("kpi_periods", periods, overwrite=True), QUARTER, settings)


def tiers_of(inputs: KpiInputs, name: str = "tiers", **tiers: str) -> ibis.Table:
    frame = pd.DataFrame({"customer_id": list(tiers), "tier": list(tiers.values())})
    return inputs.periods.get_backend().create_table(name, frame, overwrite=True)


def part(parts: pd.DataFrame, kpi: str, dimension: str, name: str) -> tuple[float, float, int, int]:
    row = parts.set_index(["kpi", "dimension", "part"]).loc[(kpi, dimension, name)]
    return row["numerator"], row["denominator"], row["n"], row["customer_count"]


FEW = ("revenue", "customer_retention_rate", "yearly_retention_rate", "value_growth_rate")


@pytest.fixture
def parts(make_tables) -> pd.DataFrame:
    inputs = make_inputs(make_tables)
    return kpi_parts_table(inputs, tiers={1: tiers_of(inputs, a="gold", b="gold", c="silver")}, kpis=FEW)


def test_parts_by_hand(parts: pd.DataFrame) -> None:
    check_columns(parts.columns, KPI_PARTS_SCHEMA, result="kpi_parts")
    revenue = parts.loc[parts["kpi"] == "revenue"].set_index(["dimension", "part"])["numerator"].to_dict()
    assert revenue == {
        ("all", "all"): 147,
        ("tier", "gold"): 100, ("tier", "silver"): 40, ("tier", "not_recorded"): 7,
        ("owner", "w1"): 100, ("owner", "not_recorded"): 47,  # c has none, d is not in the register
        ("region", "north"): 100, ("region", "south"): 40, ("region", "not_recorded"): 7,
    }  # fmt: skip
    # bought in Q2: a and b, both gold; a came back
    assert part(parts, "customer_retention_rate", "tier", "gold") == (1, 2, 2, 2)
    assert ("customer_retention_rate", "silver") not in set(zip(parts["kpi"], parts["part"], strict=True))
    assert "department" not in set(parts["dimension"])  # nobody has one


def test_a_kpi_of_a_longer_period_takes_the_tier_of_its_own_start(make_tables) -> None:
    orders = [{"customer_id": "a", "ordered_at": f"{day} 10:00", "amount": amount}
              for day, amount in (("2024-01-10", 100), ("2025-02-10", 150))]  # fmt: skip
    inputs = make_inputs(make_tables, orders=orders)
    now, then = tiers_of(inputs, "now", a="gold"), tiers_of(inputs, "then", a="silver")
    parts = kpi_parts_table(inputs, tiers={1: now, 4: now, 8: then}, kpis=FEW)
    assert part(parts, "value_growth_rate", "tier", "silver") == (50, 100, 1, 1)
    assert part(parts, "yearly_retention_rate", "tier", "gold") == (1, 1, 1, 1)
    without = kpi_parts_table(inputs, tiers={1: now}, kpis=FEW)
    assert set(without.loc[without["kpi"] == "value_growth_rate", "dimension"]) == {"all", "owner", "region"}


def test_without_a_register_and_tiers_there_is_only_the_whole(make_tables) -> None:
    made = as_of(make_tables(orders=ORDERS), QUARTER.end, zone="Asia/Shanghai")
    inputs = KpiInputs(made, customer_periods_table(made, quarters=QUARTER.back(12)), QUARTER, ANY_SIZE)
    assert set(kpi_parts_table(inputs, tiers={}, kpis=FEW)["dimension"]) == {"all"}


NAMES = st.sampled_from("abcdef")
DAYS = st.dates(min_value=pd.Timestamp("2024-01-01").date(), max_value=pd.Timestamp("2025-09-30").date())
SALES = st.lists(st.tuples(NAMES, DAYS, st.integers(-50, 300)), min_size=1, max_size=25)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sales=SALES, tiers=st.dictionaries(NAMES, st.sampled_from(["gold", "silver"]), min_size=1))
def test_parts_sum_to_the_whole_whatever_is_sold(make_tables, sales, tiers: dict[str, str]) -> None:
    orders = [{"customer_id": c, "ordered_at": f"{day} 10:00", "amount": amount} for c, day, amount in sales if amount]
    inputs = make_inputs(make_tables, orders=orders or ORDERS)
    known = tiers_of(inputs, **tiers)
    _check_sums(inputs, kpi_parts_table(inputs, tiers={1: known, 8: known}, kpis=FEW), FEW)


def _check_sums(inputs: KpiInputs, parts: pd.DataFrame, kpis: Sequence[str]) -> None:
    totals = kpi_totals(inputs, kpis).to_pandas().assign(quarter="2025Q3", behind=99)
    found = check_parts(parts, finish_history(totals), quarter="2025Q3")
    assert found["wrong"] == []
    assert (found["status"], found["kpi_count"]) == ("good", parts["kpi"].nunique())


def test_the_parts_of_every_kpi_sum_to_the_whole(make_tables) -> None:
    when = {"opened_at": "2025-08-01 10:00", "first_human_reply_at": "2025-08-01 10:20"}
    sent = {"sent_at": "2025-08-01 10:00", "answered_at": "2025-08-02 10:00", "score": 4}
    questions = ("satisfaction", "resolution_efficiency", "professional_attitude")
    inputs = make_inputs(
        make_tables,
        orders=[*ORDERS, *(row | {"ordered_at": "2024-01-10 10:00"} for row in ORDERS)],
        interactions=[when | {"customer_id": c} for c in "aabz"] + [when | {"customer_id": "c", "direction": "out"}],
        surveys=[sent | {"customer_id": c, "survey_id": c, "question": q} for c in "abz" for q in questions]
        + [sent | {"customer_id": "a", "survey_id": "n", "question": "nps", "scale_min": 0, "scale_max": 10}],
        contracts=[{"customer_id": c, "start_date": "2024-06-01", "end_date": "2025-05-31"} for c in "ac"],
        opportunities=[{"customer_id": "b", "stage": "closed", "entered_at": "2025-08-01 10:00", "won": True}],
    )
    known = tiers_of(inputs, a="gold", b="silver", c="silver")
    parts = kpi_parts_table(inputs, tiers={1: known, 4: known, 8: known})
    assert list(parts["kpi"].unique()) == available_kpis(inputs.tables)
    assert part(parts, "referral_share", "all", "all") == (0, 0, 0, 0)  # nobody is new
    _check_sums(inputs, parts, available_kpis(inputs.tables))


def test_a_part_that_is_lost_is_found_by_the_check(parts: pd.DataFrame, make_tables) -> None:
    history = finish_history(
        kpi_totals(make_inputs(make_tables), ["revenue"]).to_pandas().assign(quarter="2025Q3", behind=99)
    )
    good = check_parts(parts, history, quarter="2025Q3")
    assert (good["status"], good["wrong"]) == ("good", [])
    lost = parts.drop(parts.index[(parts["kpi"] == "revenue") & (parts["part"] == "silver")])
    bad = check_parts(lost, history, quarter="2025Q3")
    assert bad["wrong"] == [
        {"kpi": "revenue", "dimension": "tier", "what": "n"},
        {"kpi": "revenue", "dimension": "tier", "what": "numerator"},
    ]
    wrong = check_parts(parts, history.assign(numerator=history["numerator"] + 1), quarter="2025Q3")
    assert wrong["wrong"] == [{"kpi": "revenue", "dimension": "scorecard", "what": "numerator"}]
    assert findings.note_parts(bad).id == "kpis.parts_bad"


# -- what parts say ----------------------------------------------------------------------------------------------------


def made_parts(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(KPI_PARTS_SCHEMA))


PARTS = made_parts(
    ("revenue", "all", "all", 1000.0, NAN, 100, 100),
    ("revenue", "tier", "gold", 600.0, NAN, 40, 40),
    ("revenue", "tier", "silver", 370.0, NAN, 52, 52),
    ("revenue", "tier", "bronze", 30.0, NAN, 8, 8),
    ("repurchase_rate", "all", "all", 60.0, 100.0, 100, 100),
    ("repurchase_rate", "tier", "gold", 33.0, 40.0, 40, 40),
    ("repurchase_rate", "tier", "silver", 20.0, 40.0, 40, 40),
    ("repurchase_rate", "tier", "bronze", 7.0, 20.0, 20, 20),
    ("repurchase_rate", "owner", "w1", 60.0, 100.0, 100, 100),
    ("churn_rate", "all", "all", 60.0, 100.0, 100, 100),
)
TARGETS = (
    Target(kpi="repurchase_rate", value=0.6),
    Target(kpi="repurchase_rate", value=0.8, tier="gold"),
    Target(kpi="revenue", value=900),
)


def said(parts: pd.DataFrame = PARTS, **more: Any) -> pd.DataFrame:
    known: dict[str, Any] = {"short_kpis": ["churn_rate"], "settings": EvaluationSettings(targets=TARGETS)}
    return kpi_breakdown_table(parts, **known | more).set_index(["kpi", "dimension", "part"])


def by_tier(rows: pd.DataFrame, kpi: str) -> pd.DataFrame:
    return rows.query("kpi == @kpi and dimension == 'tier'").droplevel(["kpi", "dimension"])


def test_values_targets_and_what_is_too_small() -> None:
    rows = said()
    check_columns(rows.reset_index().columns, KPI_BREAKDOWN_SCHEMA, result="kpi_breakdown")
    gold = rows.loc[("repurchase_rate", "tier", "gold")]
    assert (gold["value"], gold["target"], gold["status"]) == (0.825, 0.8, "good")  # its own target
    silver = rows.loc[("repurchase_rate", "tier", "silver")]
    assert (silver["value"], silver["target"], silver["status"]) == (0.5, 0.6, "bad")  # that of all customers
    bronze = rows.loc[("repurchase_rate", "tier", "bronze")]
    assert (bronze["status"], bronze["n"]) == ("too_small", 20)
    assert bronze[["value", "numerator", "denominator", "low"]].isna().all()
    assert rows.loc[("repurchase_rate", "owner", "w1"), "status"] == "good"
    assert rows.loc[("churn_rate", "all", "all"), "status"] == "no_history"
    assert np.isnan(rows.loc[("churn_rate", "all", "all"), "value"])
    # 33 of 40 at 95 % by Wilson: 0.6805 to 0.9125
    assert gold[["low", "high"]].tolist() == pytest.approx([0.6805, 0.9125], abs=5e-5)


def test_money_of_few_customers_is_hidden_and_what_would_give_it_away() -> None:
    revenue = said().loc["revenue"]["value"].to_dict()
    # bronze has 8 customers; the next smallest goes with it, or 1000 - 600 - 370 would tell
    assert {key: value for key, value in revenue.items() if value == value} == {
        ("all", "all"): 1000,
        ("tier", "silver"): 370,
    }
    shown = said(settings=EvaluationSettings(kpis={"minimum_customers": 8})).loc["revenue"]["value"]
    assert shown.notna().all()


def test_the_target_of_a_sum_is_none_for_its_parts() -> None:
    rows = said(settings=EvaluationSettings(targets=TARGETS, kpis={"minimum_customers": 1})).loc["revenue"]
    assert rows.loc[("all", "all"), "status"] == "good"
    assert set(rows.loc["tier", "status"]) == {"no_target"}


def test_tiers_stand_in_their_order_the_rest_last() -> None:
    rest = made_parts(("repurchase_rate", "tier", "not_recorded", 50.0, 60.0, 60, 60))
    rows = said(pd.concat([rest, PARTS]), tier_order=["bronze", "gold"])
    assert list(by_tier(rows, "repurchase_rate").index) == ["bronze", "gold", "silver", "not_recorded"]


def test_relative_targets_stand_on_the_same_tier_a_year_ago() -> None:
    relative = (Target(kpi="repurchase_rate", value=0.1, tier="gold", relative=True),
                Target(kpi="repurchase_rate", value=0.1, tier="bronze", relative=True))  # fmt: skip
    year_ago = made_parts(("repurchase_rate", "tier", "gold", 15.0, 30.0, 30, 30),
                          ("repurchase_rate", "tier", "bronze", 15.0, 29.0, 29, 29))  # fmt: skip
    settings_ = EvaluationSettings(targets=relative)
    rows = by_tier(said(settings=settings_, year_ago=year_ago), "repurchase_rate")
    assert rows.loc["gold", ["target", "status"]].tolist() == [0.55, "good"]  # 0.5 x 1.1
    assert np.isnan(rows.loc["bronze", "target"])  # 29 were too few
    told = findings.note_relative_targets(relative, said(settings=settings_, year_ago=year_ago).reset_index())
    assert told.args == {"count": 2, "missing_count": 1}
    assert by_tier(said(settings=settings_), "repurchase_rate")["target"].isna().all()
    assert findings.note_relative_targets(TARGETS, said().reset_index()).id == "kpis.relative_none"


def test_findings_name_the_part_furthest_from_its_target() -> None:
    by_chance = findings.finding_breakdown(said().reset_index(), dimension="tier")
    assert (by_chance.id, by_chance.args["good_count"]) == ("kpis.breakdown_by_chance", 1)  # silver: n is 30
    told = findings.finding_breakdown(said().reset_index().assign(low=np.nan, high=np.nan), dimension="tier")
    assert {k: told.args[k] for k in ("judged_count", "good_count", "few", "value_count", "clear_count")} == {
        "judged_count": 2, "good_count": 1, "few": 3, "value_count": 6, "clear_count": 1,
    }  # fmt: skip
    assert told.args["worst"].args["part"].args == {"part": "silver"}
    named = Words("en", names={"region.西南": {"zh": "西南", "en": "Southwest"}})
    assert named.say("kpis.part_region", part="西南") == "Southwest"
    assert findings.finding_breakdown(said().reset_index(), dimension="region").id == "kpis.breakdown_none"
    assert findings.finding_breakdown(said().reset_index(), dimension="owner").id == "kpis.breakdown_all_good"
    plain = said(settings=EvaluationSettings()).reset_index()
    assert findings.finding_breakdown(plain, dimension="tier").id == "kpis.breakdown_no_target"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_breakdowns_are_read_in_both_languages(lang: str) -> None:
    from crm_analysis.reporting.tables import render_table

    names = {f"segment.{tier}": {"zh": tier, "en": tier} for tier in ("gold", "silver", "bronze")}
    words = Words(lang, names=names)
    breakdown = said().reset_index()
    table = format_breakdown(breakdown, dimension="tier", words=words)
    assert table.loc[0, ["tier", "value", "company_value"]].tolist() == ["gold", "82.5%", "60.0%"]
    assert words.word("absent.too_small") in set(table["value"])
    assert "<table" in render_table(table, words=words, id_="x")
    assert len(format_breakdown(breakdown, dimension="tier", words=words, max_rows=1)) == 1
    assert format_breakdown(breakdown, dimension="tier", words=words, max_rows=1)["status"].item() == "bad"
    assert plot_breakdown(breakdown, words=words).axes[0].get_yticklabels()
    assert words.say(findings.finding_breakdown(breakdown, dimension="tier"))
    assert words.say(findings.alt_breakdown(breakdown))
    assert words.say(findings.note_tier_periods(breakdown))
    assert plot_breakdown(breakdown.iloc[:0], words=words).axes[0].texts


def test_kpis_without_a_tier_at_their_start_are_named() -> None:
    told = findings.note_tier_periods(said().reset_index())
    assert [item.id for item in told.args["kpis"]] == ["metric.churn_rate.name"]
    only_whole = said(PARTS.loc[PARTS["dimension"] == "all"]).reset_index()
    assert findings.note_tier_periods(only_whole).id == "kpis.tier_unknown"


# -- store and product line --------------------------------------------------------------------------------------------


LINES = [
    {"order_id": "o1", "category": "tea", "amount": 60}, {"order_id": "o1", "category": "cups", "amount": 20},
    {"order_id": "o1", "category": "cups", "amount": 20},
    {"order_id": "o2", "category": "cups", "amount": 50}, {"order_id": "o2", "category": None, "amount": 50},
    {"order_id": "before", "category": "tea", "amount": 10},
]  # fmt: skip
SHOP = [
    {"order_id": "before", "ordered_at": "2025-06-30 10:00", "amount": 500, "store": "s1"},
    {"order_id": "o1", "ordered_at": "2025-07-01 10:00", "amount": 90, "store": "s1"},  # lines of 100, 10 off
    {"order_id": "o2", "ordered_at": "2025-08-01 10:00", "amount": 100, "store": "s2", "customer_id": "c2"},
    {"order_id": "r1", "ordered_at": "2025-09-01 10:00", "amount": -30, "refund_of": "o1", "store": "s1"},
    {"order_id": "o3", "ordered_at": "2025-09-30 10:00", "amount": 7, "customer_id": "c3"},
]


def test_orders_by_store_and_product_line(make_tables) -> None:
    inputs = make_inputs(make_tables, orders=SHOP, order_items=LINES)
    table = order_breakdown_table(inputs)
    check_columns(table.columns, ORDER_BREAKDOWN_SCHEMA, result="order_breakdown")
    found = table.set_index(["dimension", "part"])[["revenue_amount", "order_count", "customer_count"]]
    assert {key: tuple(row) for key, row in zip(found.index, found.to_numpy().tolist(), strict=True)} == {
        ("store", "s2"): (100, 1, 1),
        ("store", "s1"): (60, 1, 1),  # 90 - 30
        ("store", "not_recorded"): (7, 1, 1),
        # o1 and its refund are three fifths tea: 54 - 18; cups take the rest, and half of o2, which they lead
        ("category", "cups"): (36 - 12 + 50, 1, 2),
        ("category", "tea"): (54 - 18, 1, 1),
        ("category", "not_recorded"): (50 + 7, 1, 2),
    }
    assert table["order_value_amount"].isna().all()  # below the smallest sample of the KPI


def test_order_values_are_of_the_orders_that_a_line_leads(make_tables) -> None:
    orders = [{"order_id": f"o{n}", "customer_id": f"c{n}", "ordered_at": "2025-08-01 10:00", "amount": 10}
              for n in range(30)]  # fmt: skip
    lines = [{"order_id": f"o{n}", "category": name, "amount": amount}
             for n in range(30) for name, amount in (("tea", 6), ("cups", 4))]  # fmt: skip
    table = order_breakdown_table(make_inputs(make_tables, orders=orders, order_items=lines)).set_index("part")
    assert table.loc["tea", ["revenue_amount", "order_count", "order_value_amount"]].tolist() == [180, 30, 10]
    assert table.loc["cups", ["revenue_amount", "order_count"]].tolist() == [120, 0]
    assert np.isnan(table.loc["cups", "order_value_amount"])
    assert "store" not in set(table["dimension"])  # no order has one


def test_small_stores_show_no_money(make_tables) -> None:
    sold = [(store, f"{store}{n}") for store, count in (("s1", 12), ("s2", 11), ("s3", 2)) for n in range(count)]
    when = {"ordered_at": "2025-08-01 10:00", "amount": 10}
    orders = [when | {"order_id": id_, "customer_id": id_, "store": store} for store, id_ in sold]
    table = order_breakdown_table(make_inputs(make_tables, EvaluationSettings(), orders=orders)).set_index("part")
    assert table["status"].to_dict() == {"s1": "no_target", "s2": "too_small", "s3": "too_small"}
    assert table["revenue_amount"].dropna().to_dict() == {"s1": 120}
    assert table["order_count"].to_dict() == {"s1": 12, "s2": 11, "s3": 2}
    told = findings.finding_orders(table.reset_index(), dimension="store")
    assert (told.args["part"], told.args["amount"], told.args["part_count"]) == ("s1", 120, 3)
    assert findings.finding_orders(table.reset_index(), dimension="category").id == "kpis.orders_none.category"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_orders_are_read_in_both_languages(make_tables, lang: str) -> None:
    from crm_analysis.reporting.tables import render_table

    table = order_breakdown_table(make_inputs(make_tables, orders=SHOP, order_items=LINES))
    words = Words(lang)
    for dimension in ("store", "category"):
        assert "<table" in render_table(format_orders(table, dimension=dimension, words=words), words=words, id_="x")
        assert words.say(findings.finding_orders(table, dimension=dimension))


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sales=SALES, lines=st.lists(st.tuples(st.integers(0, 24), st.sampled_from(["x", "y", None]), st.integers(0, 99)),
                                   max_size=30))  # fmt: skip
def test_stores_and_lines_sum_to_the_company(make_tables, sales, lines) -> None:
    orders = [{"order_id": f"o{n}", "customer_id": c, "ordered_at": f"{day} 10:00", "amount": amount,
               "store": "xyz"[n % 3]} for n, (c, day, amount) in enumerate(sales) if amount]  # fmt: skip
    orders += [{"order_id": "z", "ordered_at": "2025-08-01 10:00", "amount": 5, "store": "x"}]
    items = [{"order_id": f"o{n}", "category": category, "amount": amount} for n, category, amount in lines]
    items += [{"order_id": "z", "category": "x", "amount": 5}]
    inputs = make_inputs(make_tables, orders=orders, order_items=items)
    table = order_breakdown_table(inputs)
    whole = kpi_totals(inputs, ["revenue"]).to_pandas().iloc[0]
    sums = table.groupby("dimension")[["revenue_amount", "order_count"]].sum()
    assert list(sums.index) == ["category", "store"]
    assert sums["revenue_amount"].tolist() == pytest.approx([whole["numerator"]] * 2, abs=0.02)
    assert set(sums["order_count"]) == {whole["n"]}


def test_every_function_says_what_each_customer_contributes(make_tables) -> None:
    inputs = make_inputs(make_tables, orders=ORDERS, surveys=[], interactions=[], contracts=[], opportunities=[])
    for id_ in available_kpis(inputs.tables):
        table = KPI_FUNCTIONS[id_](inputs)
        assert {"customer_id", "numerator", "denominator", "n"} <= set(table.columns), id_
