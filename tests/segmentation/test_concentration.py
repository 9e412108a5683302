"""Concentration of net spend: hand-computed shares, what is left out, and what may not be seen."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_value import ConcentrationSettings
from crm_analysis.base.words import LANGUAGES, Message, Words
from crm_analysis.segmentation import value_figures as figures
from crm_analysis.segmentation import value_findings as findings
from crm_analysis.segmentation.concentration import (
    PARETO_SCHEMA,
    TIER_SPEND_SCHEMA,
    concentration_document,
    gini_of,
    pareto_table,
    tier_spend_table,
)

SETTINGS = ConcentrationSettings(minimum_buyers=5, minimum_cell=2)


def features(amounts: list[float], orders: int = 1) -> pd.DataFrame:
    return pd.DataFrame({
        "customer_id": [f"c{k:04}" for k in range(len(amounts))], "order_count_365d": orders,
        "spend_amount_365d": amounts,
    })  # fmt: skip


#: One of 20 spends half of everything, one has given more back than bought.
SPEND = features([950.0, *[50.0] * 18, 50.0, -30.0])


def test_by_hand() -> None:
    document = concentration_document(SPEND, settings=SETTINGS)
    # 21 buyers, 1,900 in all; the best 20 % are 5 (rounded up): 950 + 4 * 50
    assert (document["buyer_count"], document["spend_amount"]) == (21, 1900.0)
    assert (document["negative_count"], document["negative_amount"]) == (1, -30.0)
    hundredth, tenth, fifth = document["tops"]
    assert (fifth["customer_count"], fifth["spend_share"]) == (5, round(1150 / 1900, 6))
    assert (tenth["customer_count"], tenth["spend_share"]) == (3, round(1050 / 1900, 6))
    assert (hundredth["customer_count"], hundredth["spend_share"]) == (1, None)
    # 0 once, 50 nineteen times (ranks 2 to 20), 950 once (rank 21)
    ranked = 50 * sum(range(2, 21)) + 950 * 21
    assert document["gini"] == pytest.approx(2 * ranked / (21 * 1900) - 22 / 21, abs=1e-4)


def test_refunds_alone_make_no_buyer() -> None:
    refunded = features([-70.0, 0.0], orders=0).assign(customer_id=["x1", "x2"])
    document = concentration_document(pd.concat([SPEND, refunded]), settings=SETTINGS)
    assert (document["buyer_count"], document["refund_only_count"]) == (21, 1)


def test_curve_by_hand() -> None:
    curve = pareto_table(SPEND, settings=SETTINGS)
    check_columns(curve.columns, PARETO_SCHEMA, result="pareto")
    # 10 steps of 2 customers or more of 21, rounded up
    assert curve["customer_count"].tolist() == [0, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21]
    assert curve["spend_share"].iloc[[0, 1, 2, -1]].tolist() == [0.0, round(1050 / 1900, 6), round(1150 / 1900, 6), 1.0]


@pytest.mark.parametrize(("n", "steps"), [(1000, 100), (999, 50), (499, 20), (199, 10), (99, 5), (49, 1)])
def test_no_step_tells_of_few_customers(n: int, steps: int) -> None:
    settings = ConcentrationSettings(minimum_buyers=2)
    customers = features([float(k + 1) for k in range(n)])
    curve = pareto_table(customers, settings=settings)
    assert len(curve) == steps + 1
    assert curve["customer_count"].diff().min() >= min(settings.minimum_cell, n)
    tops = concentration_document(customers, settings=settings)["tops"]
    told = {top["customer_count"] for top in tops if top["spend_share"] is not None}
    assert (len(told) > 0) == (n >= 99)
    assert told <= set(curve["customer_count"])


@pytest.mark.parametrize(
    "customers", [features([1.0] * 4), features([0.0] * 9), features([-1.0] * 9), features([5.0] * 9, orders=0)]
)
def test_too_little_is_said_to_be(customers: pd.DataFrame) -> None:
    document = concentration_document(customers, settings=SETTINGS)
    assert (document["status"], document["gini"], document["tops"]) == ("insufficient", None, [])
    assert Message.from_json(document["message"]).args["minimum"] == 5
    assert pareto_table(customers, settings=SETTINGS).empty


@pytest.mark.parametrize(
    ("amounts", "gini"), [([1, 1, 1, 1], 0.0), ([0, 0, 0, 1], 0.75), ([1, 3], 0.25), ([1, 2, 3], 2 / 9)]
)
def test_gini_by_hand(amounts: list[float], gini: float) -> None:
    assert gini_of(np.array(amounts, dtype=float)) == pytest.approx(gini)


@examples(max_examples=30)
@given(
    amounts=st.lists(st.integers(-50, 10_000), min_size=30, max_size=200).filter(lambda xs: sum(x > 0 for x in xs) > 5),
    factor=st.sampled_from([0.01, 3.0, 1e6]),
    seed=st.integers(0, 99),
)
def test_rows_names_and_the_unit_of_money_change_nothing(amounts: list[int], factor: float, seed: int) -> None:
    customers = features([float(x) for x in amounts])
    other = customers.sample(frac=1, random_state=seed).assign(customer_id=[f"k{k}" for k in range(len(amounts))])
    other["spend_amount_365d"] *= factor
    one, two = (concentration_document(frame, settings=SETTINGS) for frame in (customers, other))
    assert one["gini"] == pytest.approx(two["gini"], abs=1e-4)
    for a, b in zip(one["tops"], two["tops"], strict=True):
        assert a["spend_share"] == pytest.approx(b["spend_share"], abs=1e-5)
    steps = pareto_table(customers, settings=SETTINGS).diff().iloc[1:]
    assert (steps["spend_share"] >= 0).all()
    assert ((steps["spend_share"] / steps["customer_count"]).diff().iloc[1:] < 1e-5).all()  # the best come first


def test_tiers_by_hand() -> None:
    segments = pd.DataFrame({"customer_id": SPEND["customer_id"], "tier": ["vip"] * 3 + ["rest"] * 17 + ["lost"]})
    tiers = tier_spend_table(SPEND, segments, settings=ConcentrationSettings(minimum_cell=1))
    check_columns(tiers.columns, TIER_SPEND_SCHEMA, result="tier_spend")
    assert tiers["tier"].tolist() == ["vip", "rest", "lost"]
    assert tiers["year_spend_amount"].tolist() == [1050.0, 850.0, 0.0]
    assert tiers["spend_share"].tolist() == [round(1050 / 1900, 6), round(850 / 1900, 6), 0.0]
    assert tiers["customer_share"].tolist() == [round(3 / 21, 6), round(17 / 21, 6), round(1 / 21, 6)]
    hidden = tier_spend_table(SPEND, segments, settings=SETTINGS).set_index("tier")["spend_share"]
    assert hidden.isna().to_dict() == {"vip": True, "rest": False, "lost": True}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(lang: str) -> None:
    words = Words(lang)
    customers = features([float(k) for k in range(1, 1201)])
    tiers = pd.DataFrame({"customer_id": customers["customer_id"], "tier": ["lost"] * 900 + ["champions"] * 300})
    spend = tier_spend_table(customers, tiers, settings=SETTINGS)
    document, curve = (make(customers, settings=SETTINGS) for make in (concentration_document, pareto_table))
    # the best 240 of 1 to 1,200: (1200 + 961) / 2 * 240 of 1201 * 600
    assert "36.0%" in words.say(findings.finding_concentration(document))
    assert "1,200" in words.say(findings.note_concentration(document))
    # the upper quarter: (1200 + 901) / 2 * 300
    assert "43.7%" in words.say(findings.finding_tier_spend(spend))
    assert "43.7%" in words.say(findings.alt_concentration(document, spend))
    left, _ = figures.plot_concentration(curve, spend, words=words).axes
    assert len(left.texts) == 3
    assert len(figures.plot_concentration(curve.iloc[:0], spend, words=words).axes) == 1
    none = concentration_document(customers.iloc[:3], settings=SETTINGS)
    assert "3" in words.say(findings.finding_concentration(none))
    assert words.say(findings.finding_tier_spend(spend.iloc[:0])) == words.word("concentration.none")
