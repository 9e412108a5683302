"""The linter of tiers by rule: what it finds in tables whose faults are known."""

import pytest

from crm_analysis.base.settings_schemes import Scheme
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.segmentation.linter import LINT_SCHEMA, Finding, lint_scheme, lint_table, unreachable
from crm_analysis.segmentation.schemes import scheme_names
from crm_analysis.segmentation.schemes_findings import finding_lint, lint_remarks_table


def scheme(**rules: str) -> Scheme:
    """Return a scheme of tiers by name and condition."""
    tiers = [{"id": id_, "name": {"zh": id_, "en": id_}, "when": when} for id_, when in rules.items()]
    rest = {"id": "rest", "name": {"zh": "其余", "en": "rest"}}
    return Scheme.model_validate({"name": {"zh": "方案", "en": "scheme"}, "tiers": tiers, "otherwise": rest})


def found(**rules: str) -> list[tuple[str, str, str, str]]:
    return [(f.lint, f.tier, f.other_tier, f.cells) for f in lint_scheme(scheme(**rules))]


def test_a_table_without_fault_is_clean() -> None:
    assert found(a="spend_amount >= 100", b="spend_amount < 100") == [("clean", "", "", "")]
    assert found(a="known(points)", b="not known(points)") == [("clean", "", "", "")]


@pytest.mark.parametrize(
    ("rules", "cells"),
    [
        ({"a": "spend_amount >= 100"}, ["spend_amount < 100"]),
        ({"a": "points >= 100"}, ["points <= 99 or not known(points)"]),
        ({"a": "points >= 100", "b": "points < 100"}, ["not known(points)"]),
        ({"a": "order_count == 2"}, ["order_count <= 1", "order_count >= 3"]),
        ({"a": "company_size == 'large'"}, ["company_size != 'large' or not known(company_size)"]),
        ({"a": "company_size not in ['large', 'odd']"},
         ["company_size in ['large', 'odd'] or not known(company_size)"]),
        ({"a": "first_order_date < '2025-01-01' or not known(first_order_date)"},
         ["first_order_date >= '2025-01-01'"]),
        ({"a": "spend_amount > 2 * gross_amount"}, ["not (spend_amount > 2 * gross_amount)"]),
        ({"a": "gross_amount > 0 and spend_amount > 0"},
         ["spend_amount <= 0", "gross_amount <= 0"]),
        ({"a": "gross_amount > 5 and gross_amount != 7"}, ["gross_amount <= 5", "gross_amount == 7"]),
    ],
)  # fmt: skip
def test_gaps_are_told_as_ranges(rules: dict[str, str], cells: list[str]) -> None:
    assert [(lint, text) for lint, _, _, text in found(**rules) if lint == "gap"] == [("gap", text) for text in cells]


def test_many_gaps_are_counted() -> None:
    gaps = lint_scheme(scheme(a=f"order_count not in {list(range(1, 30, 2))}"))
    assert [finding.lint for finding in gaps] == ["gap"] * 8 + ["more_gaps"]
    assert (gaps[0].cells, gaps[-1].cell_count) == ("order_count == 1", 7)


def test_overlaps_name_the_earlier_rule_and_where() -> None:
    assert found(a="spend_amount >= 100", b="spend_amount >= 50", c="spend_amount < 100") == [
        ("overlap", "b", "a", "spend_amount >= 100"),
        ("overlap", "c", "b", "50 <= spend_amount < 100"),
    ]
    table = lint_table({"s": scheme(a="spend_amount >= 100", b="true")})
    assert table[["status", "lint"]].values.tolist() == [["good", "overlap"]]


def test_shadowed_rules_name_all_that_take_their_cells() -> None:
    rules = {"a": "spend_amount >= 100", "b": "spend_amount < 50", "c": "spend_amount >= 120 or spend_amount < 10"}
    assert unreachable(scheme(**rules)) == [
        Finding("shadowed", "c", "a, b", "spend_amount < 10", 3)
    ]  # fmt: skip
    assert unreachable(scheme(c=rules["c"], a=rules["a"], b=rules["b"])) == []


@pytest.mark.parametrize(
    "when",
    [
        "spend_amount > 5 and spend_amount < 5",
        "order_count > 1 and order_count < 2",  # no whole number between
        "order_count < 0",
        "company_size == 'large' and company_size == 'small'",
        "known(points) and not known(points)",
        "points > 5 and not known(points)",
        "order_count_90d > 3 and order_count < 3",  # orders of 90 days are orders
        "recency_days > 180 and order_count_90d >= 1",
        "recency_days < 30 and order_count_30d == 0",
        "order_count == 0 and known(recency_days)",
        "false",
    ],
)
def test_contradictions_are_dead(when: str) -> None:
    assert [(f.lint, f.tier) for f in unreachable(scheme(x=when, y="true"))] == [("dead", "x")]


@pytest.mark.parametrize(
    "when",
    [
        "recency_days == 89 and order_count_90d == 1",  # the last day of the window
        "recency_days == 90 and order_count_90d == 0",
        "order_count == 0 and not known(recency_days)",
        "spend_amount < 0 and order_count > 3",  # refunds
        "spend_amount / order_count > 5 and spend_amount < 1",  # not judged: two features
    ],
)
def test_what_can_be_is_not_dead(when: str) -> None:
    assert unreachable(scheme(x=when)) == []


def test_bounds_of_both_sides_or_of_none() -> None:
    shared = found(a="gross_amount <= 10", b="gross_amount >= 10")
    assert ("bound_shared", "b", "a", "gross_amount == 10") in shared
    open_ = found(a="gross_amount < 10", b="gross_amount > 10")
    assert ("bound_open", "", "", "gross_amount == 10") in open_
    mixed = found(a="gross_amount < 10 and points > 1", b="gross_amount <= 10", c="gross_amount > 10")
    assert ("bound_mixed", "", "", "gross_amount == 10") in mixed
    fine = found(a="gross_amount < 10", b="gross_amount >= 10")
    assert fine == [("clean", "", "", "")]


def test_too_many_cells_are_judged_two_by_two() -> None:
    names = ["spend_amount", "gross_amount", "refund_amount", "discount_amount", "spend_amount_30d",
             "spend_amount_90d", "spend_amount_180d"]  # fmt: skip
    rules = {f"t{k}": f"{name} in [1, 2, 3]" for k, name in enumerate(names)}
    rules |= {"dead": "points > 5 and points < 5", "twice": "spend_amount == 2 and points > 1"}
    told = found(**rules)
    assert ("dead", "dead", "", "") in told
    assert ("shadowed", "twice", "t0", "spend_amount == 2 and points >= 2") in told
    assert ("overlap", "t1", "t0", "spend_amount == 1 and gross_amount == 1") in told
    assert ("not_examined", "", "", "") in told
    assert not any(lint == "gap" for lint, *_ in told)


def test_remarks_stand_in_words_of_both_languages() -> None:
    schemes = {
        "one": scheme(a="spend_amount >= 100", b="spend_amount > 120", c="points > 1 and points < 1"),
        "two": scheme(a="gross_amount <= 10", b="gross_amount >= 10 and points > 3"),
        "three": scheme(a="true"),
    }
    lint = lint_table(schemes)
    assert list(lint.columns) == list(LINT_SCHEMA)
    assert lint.groupby("scheme")["status"].first().to_dict() == {"one": "bad", "two": "watch", "three": "good"}
    for lang in LANGUAGES:
        words = Words(lang, names=scheme_names(schemes))
        remarks = lint_remarks_table(lint, schemes=schemes, words=words)
        assert len(remarks) == len(lint)
        assert not remarks["remark"].str.contains("{", regex=False).any()
    assert words.say(finding_lint(lint)).startswith("1 of 3 schemes hold rules that never decide: scheme")
    assert finding_lint(lint.loc[lint["scheme"] == "three"]).id == "schemes.lint.finding_good"
    assert finding_lint(lint.loc[lint["scheme"] == "two"]).args["watched"] == 1
    assert finding_lint(lint.iloc[:0]).id == "schemes.lint.none"
