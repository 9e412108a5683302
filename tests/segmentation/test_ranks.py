"""The order of tiers: of the schemes that are known, of rules, and as settings give it."""

from pathlib import Path

import pytest

from crm_analysis import opening
from crm_analysis.base.errors import SettingsError
from crm_analysis.base.settings import SegmentationSettings, load_preset
from crm_analysis.segmentation.ranks import ALARMS, TIER_ORDERS, given_tiers, held_tiers, ranked_tiers
from crm_analysis.segmentation.rules import TEN_SEGMENTS

SCHEMES = load_preset("retail")["segmentation"]["schemes"]
FILE = """
company: {zh: 某公司, en: A company}
data: {tables: {orders: {path: orders.csv}}}
segmentation:
  primary_scheme: eight_types
"""


def settings(scheme: str, **given) -> SegmentationSettings:
    return SegmentationSettings(schemes=SCHEMES, primary_scheme=scheme, **given)


def test_the_eight_types_are_ranked_and_all_can_be_held() -> None:
    order = ranked_tiers(settings("eight_types"))
    assert order[0] == "important_value"
    assert order[-1] == "general_winback"
    assert len(order) == 8
    assert held_tiers(settings("eight_types")) == order
    assert held_tiers(settings("eight_types", hysteresis={"at_once": ["important_value"]})) == order[1:]


def test_alarms_are_not_held_unless_settings_say_so() -> None:
    order = ranked_tiers(settings("ten_segments"))
    assert held_tiers(settings("ten_segments")) == order[:-3] == order[: order.index("cant_lose_them")]
    assert held_tiers(settings("ten_segments", hysteresis={"at_once": []})) == order


def test_ten_segments_are_ranked_by_worth_and_tables_of_settings_by_their_rules() -> None:
    rules = [rule.id for rule in TEN_SEGMENTS]
    order = ranked_tiers(settings("ten_segments"))
    assert set(order) == set(rules)
    assert rules.index("cant_lose_them") < rules.index("loyal_customers")
    assert order.index("cant_lose_them") > order.index("loyal_customers")
    own = settings("ten_segments", rfm={"table": [{"id": "best", "r": [4, 5]}, {"id": "good"}], "otherwise": "rest"})
    assert ranked_tiers(own) == ("best", "good")
    assert given_tiers(own) == ["best", "good", "rest"]


def test_schemes_by_rule_leave_out_the_rest_and_settings_win() -> None:
    assert ranked_tiers(settings("abc")) == ("abc_a", "abc_b", "abc_c")
    assert given_tiers(settings("abc"))[-2:] == ["abc_prospect", "abc_unclassified"]
    assert ranked_tiers(settings("retail_value"))[-1] == "retail_churn_risk"  # the first of the rules but one
    assert "retail_churn_risk" not in held_tiers(settings("retail_value"))
    assert ranked_tiers(settings("abc", tier_order={"abc": ["abc_c", "abc_a"]})) == ("abc_c", "abc_a")
    assert ranked_tiers(settings("b2b_classes")) == ("b2b_a", "b2b_b", "b2b_c")  # as the rules have it
    assert ranked_tiers(settings("abc", tier_order={"retail_value": ["x"]})) == ("abc_a", "abc_b", "abc_c")


@pytest.mark.parametrize("scheme", sorted({*TIER_ORDERS, *ALARMS}))
def test_orders_and_alarms_name_tiers_that_exist(scheme: str) -> None:
    tiers = given_tiers(settings(scheme))
    assert set(TIER_ORDERS.get(scheme, ())) <= set(tiers)
    assert set(ALARMS.get(scheme, ())) <= set(TIER_ORDERS[scheme]) != set()


def test_tiers_that_do_not_exist_are_told_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "crm.yml"
    path.write_text(
        FILE
        + """
  hysteresis:
    at_once: [important_winbak]
    boundaries: [{from_tier: important_value, to_tier: vip, quarters: 3}]
  tier_order: {eight_types: [general_value, general_value, gold], abc: [whatever]}
""",
        "utf-8",
    )
    with pytest.raises(SettingsError) as refused:
        opening.open_settings(path)
    said = str(refused.value)
    for part in (
        "no tier 'important_winbak'", "did you mean 'important_winback'?", "segmentation.hysteresis.at_once.0",
        "no tier 'vip'", "hysteresis.boundaries.0.to_tier", "no tier 'gold'", "a tier stands twice in the order",
    ):  # fmt: skip
        assert part in said
    assert "whatever" not in said
    assert len(refused.value.problems) == 4


def test_right_names_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "crm.yml"
    own = "  hysteresis: {quarters_to_fall: 3, at_once: [general_winback]}\n"
    path.write_text(FILE + own, "utf-8")
    assert opening.open_settings(path).segmentation.hysteresis.quarters_to_fall == 3
