"""The schemes of the guides, customer by customer and bound by bound (REQUIREMENTS S3-S7, S9)."""

from typing import Any

import pandas as pd
import pytest

from crm_analysis.base import tokens
from crm_analysis.base.settings import PRESETS, SegmentationSettings, load_preset
from crm_analysis.base.settings_schemes import Scheme
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.segmentation.criteria import tier_criteria_table
from crm_analysis.segmentation.linter import lint_table
from crm_analysis.segmentation.schemes import assign_tiers, scheme_features, scheme_names

SCHEMES: dict[str, Scheme] = SegmentationSettings.model_validate(
    {"schemes": load_preset("retail")["segmentation"]["schemes"]}
).schemes


def tiers(scheme: str, *customers: dict[str, Any]) -> list[str]:
    """Return the tier of every customer; what is not said of one is 0 for counts and amounts, else missing."""
    columns = scheme_features({scheme: SCHEMES[scheme]})
    empty = {name: 0 if "count" in name or "amount" in name else None for name in columns}
    frame = pd.DataFrame([empty | customer for customer in customers])
    return assign_tiers(frame, scheme=SCHEMES[scheme]).tolist()


def buyer(recency: int, recent: int, money: float, *, lifetime: float | None = None) -> dict[str, Any]:
    spent = money if lifetime is None else lifetime
    return {"recency_days": recency, "order_count": max(recent, 1), "order_count_90d": recent, "spend_amount": spent,
            "spend_amount_90d": money}  # fmt: skip


@pytest.mark.parametrize(
    ("customer", "as_published", "complete"),
    [
        ({}, "retail_prospect", "retail_prospect"),  # never bought: not at risk
        (buyer(181, 0, 0), "retail_churn_risk", "retail_churn_risk"),
        (buyer(180, 0, 0), "retail_unclassified", "retail_ordinary"),  # 6 months ago, not more
        (buyer(90, 0, 0, lifetime=2999.99), "retail_unclassified", "retail_ordinary"),
        (buyer(90, 0, 0, lifetime=3000), "retail_churn_risk", "retail_churn_risk"),  # none in 3 months
        (buyer(89, 1, 10, lifetime=3000), "retail_ordinary", "retail_ordinary"),
        (buyer(5, 3, 5000), "retail_high_value", "retail_high_value"),
        (buyer(5, 3, 4999.99), "retail_unclassified", "retail_potential"),
        (buyer(5, 9, 999.99), "retail_unclassified", "retail_ordinary"),
        (buyer(5, 2, 5000), "retail_unclassified", "retail_high_value"),
        (buyer(5, 1, 5000), "retail_unclassified", "retail_high_value"),
        (buyer(5, 2, 4999.99), "retail_potential", "retail_potential"),
        (buyer(5, 1, 1000), "retail_potential", "retail_potential"),
        (buyer(5, 1, 999.99), "retail_ordinary", "retail_ordinary"),
        (buyer(5, 2, 999.99), "retail_unclassified", "retail_ordinary"),
        (buyer(5, 1, -20), "retail_ordinary", "retail_ordinary"),  # refunds of earlier orders outweigh
    ],
)
def test_retail_value(customer: dict[str, Any], as_published: str, complete: str) -> None:
    assert tiers("retail_value", customer) == [as_published]
    assert tiers("retail_value_complete", customer) == [complete]


@pytest.mark.parametrize(
    ("spent", "orders", "abc", "grade"),
    [
        (1_000_000.01, 4, "abc_a", "grade_vip"),
        (1_000_000, 4, "abc_a", "grade_gold"),  # VIP lies above
        (500_000, 4, "abc_a", "grade_gold"),
        (499_999.99, 4, "abc_b", "grade_silver"),
        (200_000, 4, "abc_b", "grade_silver"),
        (199_999.99, 4, "abc_c", "grade_bronze"),
        (100_000, 4, "abc_c", "grade_bronze"),
        (99_999.99, 4, "abc_c", "grade_standard"),
        (0, 4, "abc_c", "grade_standard"),  # bought once, none in a year
        (-50, 1, "abc_c", "grade_standard"),
        (0, 0, "abc_prospect", "grade_prospect"),
    ],
)
def test_yearly_amount(spent: float, orders: int, abc: str, grade: str) -> None:
    customer = {"spend_amount_365d": spent, "order_count": orders}
    assert (tiers("abc", customer), tiers("five_grades", customer)) == ([abc], [grade])


@pytest.mark.parametrize(
    ("size", "position", "days", "tier"),
    [
        ("large", None, 10, "b2b_a"),
        (None, "leader", 4000, "b2b_a"),  # A before B
        ("small", "leader", 10, "b2b_a"),
        ("small", "major", 1827, "b2b_b"),  # B before C
        ("small", None, 1826, "b2b_c"),  # 5 years are 1,826.25 days
        ("medium", None, 1826, "b2b_unclassified"),
        ("medium", "major", 366, "b2b_unclassified"),
        ("medium", "major", 365, "b2b_c"),  # new: under a year
        ("micro", None, 2000, "b2b_b"),
        ("micro", None, 1000, "b2b_c"),
        (None, None, None, "b2b_unclassified"),
    ],
)
def test_b2b_classes(size: str | None, position: str | None, days: int | None, tier: str) -> None:
    company = {"kind": "organisation", "company_size": size, "industry_position": position, "cooperation_days": days}
    assert tiers("b2b_classes", company) == [tier]
    assert tiers("b2b_classes", company | {"kind": "person"}, company | {"kind": None}) == ["outside_scheme"] * 2


@pytest.mark.parametrize(
    ("ever", "year", "stage", "open_count", "resource", "relation"),
    [
        (0, 0, None, 0, "resource_prospective", "class_prospective"),
        (0, 0, "lead", 1, "resource_prospective", "class_prospective"),
        (0, 0, "qualified", 1, "resource_target", "class_interested"),
        (0, 0, "negotiation", 0, "resource_prospective", "class_prospective"),  # no longer open
        (1, 1, None, 0, "resource_target", "class_won"),
        (4, 3, None, 0, "resource_target", "class_loyal"),
        (4, 4, "lead", 1, "resource_core", "class_loyal"),
        (3, 2, None, 0, "resource_target", "class_loyal"),
        (3, 1, None, 0, "resource_target", "class_won"),
        (9, 0, None, 0, "resource_lost", "class_won"),
        (9, 0, "proposal", 1, "resource_target", "class_won"),  # a target again
    ],
)
def test_resource_and_customer_classes(ever, year, stage, open_count, resource, relation) -> None:
    customer = {"order_count": ever, "order_count_365d": year, "opportunity_stage": stage,
                "opportunity_open_count": open_count}  # fmt: skip
    assert (tiers("resource_classes", customer), tiers("customer_classes", customer)) == ([resource], [relation])


def test_the_mix_to_compare_with_is_the_published_one() -> None:
    names = {tier.id: tier.name.zh for tier in SCHEMES["resource_classes"].tiers}
    mix = {names[id_]: share for id_, share in SCHEMES["resource_classes"].reference_mix.items()}
    assert mix == {"潜在客户": 0.3, "目标客户": 0.4, "核心客户": 0.2, "流失客户": 0.1}


@pytest.mark.parametrize(
    ("points", "level", "tier"),
    [
        (10_000, None, "member_diamond"),
        (9_999, "diamond", "member_gold"),  # points decide where there are some
        (3_000, None, "member_gold"),
        (2_999, None, "member_silver"),
        (1_000, None, "member_silver"),
        (999, "gold", "member_basic"),
        (0, None, "member_basic"),
        (None, "gold", "member_gold"),
        (None, "basic", "member_basic"),
        (None, "platinum", "member_none"),
        (None, None, "member_none"),
    ],
)
def test_membership(points: int | None, level: str | None, tier: str) -> None:
    assert tiers("membership", {"points": points, "member_level": level}) == [tier]


def test_names_and_services_are_those_of_the_guides() -> None:
    named = {id_: [tier.name.zh for tier in scheme.tiers] for id_, scheme in SCHEMES.items()}
    assert named["retail_value"] == ["未购客户", "流失风险客户", "高价值客户", "潜力客户", "普通客户"]
    assert named["abc"][:3] == ["战略客户（A类）", "重点客户（B类）", "普通客户（C类）"]
    assert named["five_grades"][:5] == ["VIP客户", "金卡客户", "银卡客户", "铜卡客户", "普通客户"]
    assert named["b2b_classes"] == ["A级客户", "B级客户", "C级客户"]
    assert named["customer_classes"] == ["忠诚客户", "成交客户", "意向客户", "潜在客户"]
    assert named["membership"] == ["钻石会员", "金卡会员", "银卡会员", "基础会员"]
    assert SCHEMES["retail_value"].otherwise.name.zh == "未归层"
    services = [tier.service.en for tier in SCHEMES["five_grades"].tiers if tier.service]
    assert [service.split()[0] for service in services] == ["exclusive", "priority", "general", "basic", "standard"]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_industry_knows_all_schemes(preset: str) -> None:
    found = SegmentationSettings.model_validate(load_preset(preset)["segmentation"])
    assert list(found.schemes) == list(SCHEMES)


def test_the_linter_finds_the_holes_that_the_guide_leaves_and_no_others() -> None:
    lint = lint_table(SCHEMES)
    status = dict(zip(lint["scheme"], lint["status"], strict=True))
    assert {id_: found for id_, found in status.items() if found != "good"} == {
        "retail_value": "watch", "b2b_classes": "watch", "membership": "watch",
    }  # fmt: skip
    gaps = lint.loc[lint["lint"] == "gap"].groupby("scheme")["cells"].apply(list)
    assert gaps["retail_value"] == [
        "recency_days <= 180 and spend_amount < 3000 and order_count_90d == 0",
        "1 <= order_count_90d <= 2 and spend_amount_90d >= 5000",
        "order_count_90d >= 2 and spend_amount_90d < 1000",
        "order_count_90d >= 3 and spend_amount_90d < 5000",
    ]
    assert gaps["b2b_classes"] == [
        "(company_size not in ['large', 'micro', 'small'] or not known(company_size))"
        " and (industry_position != 'leader' or not known(industry_position)) and 366 <= cooperation_days <= 1826"
    ]
    assert set(lint["lint"]) == {"gap", "overlap"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_criteria_have_words(lang: str) -> None:
    words = Words(lang, names=scheme_names(SCHEMES))
    table = tier_criteria_table(SCHEMES, words=words)
    assert len(table) == sum(len(scheme.tiers) + 1 for scheme in SCHEMES.values())
    assert not table["criteria"].str.contains("_").any()
    assert words.word("segment.retail_unclassified") == {"zh": "未归层", "en": "Unclassified"}[lang]


def test_tiers_of_one_scheme_have_different_colours() -> None:
    for id_, scheme in SCHEMES.items():
        colors = [tokens.SEGMENTS[tier] for tier in scheme.tier_ids]
        assert len(set(colors)) == len(colors), id_
