"""Schemes in settings: what is refused before any data are read, with its line and the fix."""

from pathlib import Path

import pytest

from crm_analysis.base.errors import SettingsError
from crm_analysis.base.settings import Settings
from crm_analysis.opening import open_company, open_settings
from crm_analysis.segmentation.schemes import shown_schemes
from crm_analysis.segmentation.tiers import tier_names

BASE = "company: {zh: 公司, en: Company}\ndata: {tables: {orders: {path: orders.csv}}}\n"
TIER = "{{id: {id}, name: {{zh: {id}, en: {id}}}, when: '{when}'}}"
REST = "{id: own_rest, name: {zh: 其余, en: rest}}"


def own(*rules: tuple[str, str], more: str = "", otherwise: str = f", otherwise: {REST}") -> str:
    tiers = ", ".join(TIER.format(id=id_, when=when) for id_, when in rules)
    return f"segmentation: {{schemes: {{own: {{name: {{zh: 方案, en: own}}, tiers: [{tiers}]{otherwise}{more}}}}}}}\n"


@pytest.fixture
def opened(tmp_path: Path):
    def open_(text: str) -> Settings:
        (tmp_path / "crm.yml").write_text(BASE + text, "utf-8")
        return open_settings(tmp_path / "crm.yml")

    return open_


@pytest.fixture
def problems(opened):
    """Return ``{place: (what, fix)}`` of everything that is wrong."""

    def found(text: str) -> dict[str, tuple[str, str]]:
        with pytest.raises(SettingsError, match="cannot be used") as caught:
            opened(text)
        return {p.where.partition(": ")[2].removeprefix("segmentation.schemes."): (p.what, p.fix)
                for p in caught.value.problems}  # fmt: skip

    return found


def test_a_scheme_of_the_file_stands_beside_those_of_the_presets(opened) -> None:
    settings = opened(own(("own_a", "points > 1")) + "").segmentation
    assert list(settings.schemes)[:2] == ["retail_value", "retail_value_complete"]
    assert settings.schemes["own"].tier_ids == ["own_a", "own_rest"]


def test_a_part_of_a_preset_scheme_may_be_changed(opened) -> None:
    settings = opened("segmentation: {primary_scheme: abc, schemes: {abc: {basis: {zh: 金额, en: amount}}}}\n")
    assert settings.segmentation.schemes["abc"].basis.en == "amount"
    assert settings.segmentation.schemes["abc"].tier_ids[0] == "abc_a"
    assert settings.segmentation.primary_scheme == "abc"


def test_conditions_are_told_with_their_place_beside_all_other_problems(problems) -> None:
    found = problems(
        own(("own_a", "pints > 1"), ("own_b", "points >"), ("own_c", "company_size > 1")) + "churn: {gap_days: -1}\n"
    )
    assert list(found) == ["own.tiers.0.when", "own.tiers.1.when", "own.tiers.2.when", "churn.gap_days"]
    assert found["own.tiers.0.when"] == ("there is no feature 'pints'", "did you mean 'points'?")


@pytest.mark.parametrize(
    ("text", "place", "what", "fix"),
    [
        (own(("own_a", "points > 1"), otherwise=""), "own.otherwise", "it is missing", "add 'otherwise'"),
        (own(("own_a", "points > 1"), ("own_a", "points < 1")), "own", "tier 'own_a' stands twice", "change one"),
        (own(), "own", "it has no tiers beside otherwise", "change one"),
        (own(("own_rest", "points > 1")), "own", "tier 'own_rest' stands twice", "change one"),
        (own(("Own A", "points > 1")), "own.tiers.0.id", "String should match pattern", "of that form"),
        (own(("own_a", "points > 1"), more=", reference_mix: {own_a: 0.5, own_rest: 0.4}"), "own",
         "the shares of reference_mix add up to 0.9, not to 1", "change one"),
        (own(("own_a", "points > 1"), more=", reference_mix: {own_b: 1}"), "own",
         "reference_mix names 'own_b', but the tiers are own_a, own_rest", "change one"),
        (own(("own_a", "points > 1"), more=", population: persons"), "own.population", "'persons' is not allowed",
         "did you mean 'person'"),
        (own(("own_a", "points > 3"), ("own_b", "points > 5")), "own.tiers.1.when",
         "no customer can reach tier 'own_b': own_a before it take all of points >= 6", "move it above own_a"),
        (own(("own_a", "points > 3 and points < 3")), "own.tiers.0.when",
         "no customer can reach tier 'own_a': its condition contradicts itself", "loosen the condition"),
        (own(("vip", "points > 3"), ("champions", "points <= 3")), "own.tiers.1.id",
         "tier 'champions' is one of the scores' segments", "give it another id, such as own_champions"),
        (own(("abc_a", "points > 3")), "own.tiers.0.id", "tier 'abc_a' has another name in scheme 'abc'", "same name"),
        ("segmentation: {schemes: {eight_types: {name: {zh: a, en: a}, tiers: ["
         + TIER.format(id="own_a", when="points > 1") + "], otherwise: " + REST + "}}}\n", "eight_types",
         "is the name of a built-in scheme", "choose another name"),
        ("segmentation: {primary_scheme: retail_valeu}\n", "segmentation.primary_scheme",
         "'retail_valeu' is not allowed", "did you mean 'retail_value'"),
        ("segmentation: {shown_schemes: [abc, five_grade]}\n", "segmentation.shown_schemes",
         "'five_grade' is none of the schemes", ""),
        ("segmentation: {shown_schemes: [abc, abc]}\n", "segmentation.shown_schemes", "a scheme stands twice", ""),
    ],
)  # fmt: skip
def test_what_is_refused(problems, text: str, place: str, what: str, fix: str) -> None:
    found = problems(text)
    assert list(found) == [place]
    assert what in found[place][0]
    assert fix in found[place][1]


def test_the_primary_scheme_is_shown_first_and_built_in_ones_elsewhere(opened) -> None:
    shown = [shown_schemes(opened(f"segmentation: {{{text}}}\n").segmentation) for text in (
        "primary_scheme: abc, shown_schemes: [membership, abc]", "primary_scheme: ten_segments, shown_schemes: [abc]",
        "primary_scheme: eight_types, shown_schemes: []", "")]  # fmt: skip
    assert [list(schemes) for schemes in shown] == [
        ["abc", "membership"], ["abc"], [], ["retail_value_complete", "retail_value", "membership"]]  # fmt: skip


def test_tiers_with_the_same_name_may_be_in_two_schemes(opened) -> None:
    same = "{id: abc_a, name: {zh: 战略客户（A类）, en: Strategic (class A)}}"
    text = own(("own_a", "points > 3"), otherwise=f", otherwise: {same}")
    assert opened(text).segmentation.schemes["own"].otherwise.id == "abc_a"


def test_targets_and_names_follow_the_primary_scheme(opened, problems, tmp_path: Path) -> None:
    scheme = "segmentation: {primary_scheme: b2b_classes}\n"
    target = "evaluation: {targets: [{kpi: nps, value: 1, tier: %s}]}\n"
    for tier in ("b2b_a", "b2b_unclassified", "outside_scheme"):
        assert opened(scheme + target % tier).evaluation.targets[0].tier == tier
    found = problems(scheme + target % "important_value")
    assert found["evaluation.targets.0.tier"][1].startswith("its tiers: b2b_a, b2b_b, b2b_c, b2b_unclassified")
    opened(scheme)
    words = open_company(tmp_path / "crm.yml", lang="zh").words
    assert (words.word("segment.b2b_a"), words.word("scheme.b2b_classes")) == ("A级客户", "企业客户分级")


def test_tier_names_bear_wrong_schemes() -> None:
    wrong = {"tiers": [{"id": "a"}, 7, {}], "otherwise": [], "population": "person"}
    values = {"segmentation": {"primary_scheme": "own", "schemes": {"own": wrong}}}
    assert tier_names(values) == ["a", "outside_scheme"]
