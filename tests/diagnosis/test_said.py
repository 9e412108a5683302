"""What the diagnosis says and draws: loading, findings, figures."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from crm_analysis.base.settings import DiagnosisSettings
from crm_analysis.base.words import LANGUAGES, Message, Words
from crm_analysis.diagnosis import findings
from crm_analysis.diagnosis.completeness import completeness_score, completeness_table, gaps_table
from crm_analysis.diagnosis.figures import plot_missing_rates
from crm_analysis.diagnosis.loading import (
    MOST_RULES,
    finding_loading,
    load_rules_table,
    load_summary_table,
    note_absent_tables,
)
from crm_analysis.reporting.tables import format_column, render_table
from crm_analysis.sources.currencies import RATES
from crm_analysis.sources.schema import TABLES, field_names

MakeTables = Callable[..., Any]
REPORT = pd.DataFrame(
    {
        "table": ["orders"] * 4 + ["customers"] * 2 + ["order_items"] * 3,
        "rule": [
            "read",
            "used",
            "missing_amount",
            "note.unparsable_discount",
            "read",
            "used",
            "read",
            "used",
            "order_not_used",
        ],
        "row_count": [100, 90, 10, 3, 50, 50, 20, 15, 5],
        "amount": [None, 9000.0, 250.5, None, None, None, None, 1500.0, 100.0],
    }
)
VALIDITY = pd.DataFrame(
    {
        "table": ["customers", "customers", "orders"],
        "field": ["phone", "email", "customer_id"],
        "rule": ["phone_form", "email_form", "orphan_customer"],
        "checked_count": [10, 20, 0],
        "invalid_count": [1, 4, 0],
        "invalid_rate": [0.1, 0.2, None],
    }
)


@pytest.fixture(params=LANGUAGES)
def words(request: pytest.FixtureRequest) -> Words:
    return Words(request.param, names=field_names())


@pytest.fixture
def completeness(make_tables: MakeTables) -> pd.DataFrame:
    tables = make_tables(customers=[{"name": "a", "phone": "1"}, {"name": "b"}])
    return completeness_table(tables, settings=DiagnosisSettings())


def test_loading_by_hand() -> None:
    summary = load_summary_table(REPORT).set_index("table")
    assert summary.loc["orders"].tolist() == [100, 90, 10, 0.1, 250.5, 3]
    assert summary.loc["order_items"].tolist() == [20, 15, 5, 0.25, 100, 0]
    assert summary.loc["customers", ["read_count", "used_count", "quarantined_count"]].tolist() == [50, 50, 0]
    assert pd.isna(summary.loc["customers", "quarantined_amount"])
    said = finding_loading(REPORT)
    assert (said.args["n"], said.args["aside"]) == (170, 15)
    assert said.args["amount"] == 250.5, "money of items is that of their order"
    assert said.args["rate"] == pytest.approx(15 / 170, abs=1e-6)
    clean = finding_loading(REPORT.loc[REPORT["table"] == "customers"])
    assert (clean.id, clean.args["n"]) == ("diagnosis.loading.clean", 50)


def test_rules_of_loading_by_hand(words: Words) -> None:
    table = load_rules_table(REPORT)
    assert table[["table", "rule"]].values.tolist() == [
        ["orders", "missing"], ["orders", "unparsable"], ["order_items", "order_not_used"],
    ]  # fmt: skip
    assert table["field"].fillna("").tolist() == ["amount", "discount", ""]
    assert table["quarantined_count"].fillna(0).tolist() == [10, 0, 5]
    assert table["quarantined_amount"].fillna(0).tolist() == [250.5, 0, 100]
    assert table["remark_count"].fillna(0).tolist() == [0, 3, 0]
    html = render_table(table, words=words, id_="loading-rules")
    assert words.word("rule.order_not_used") in html
    assert words.word("field.orders.discount") in html


def test_the_most_frequent_rules_are_kept_in_order() -> None:
    many = pd.DataFrame({"table": "orders", "rule": [f"missing_{n}" for n in range(MOST_RULES + 5)],
                         "row_count": range(1, MOST_RULES + 6), "amount": 1.0})  # fmt: skip
    assert load_rules_table(many)["field"].tolist() == [str(n) for n in range(5, MOST_RULES + 5)]


def test_every_rule_of_loading_has_words(words: Words) -> None:
    rules = [
        (table.name, f"{head}_{field.name}")
        for table in [*TABLES.values(), RATES]
        for field in table
        for head in ("missing", "unparsable", "note.unparsable", "note.ambiguous", "note.nonexistent")
    ]
    rules += [("order_items", f"missing_{name}") for name in ("order_id", "customer_id", "ordered_at", "amount")]
    whole = ["before_earliest", "after_export", "void_status", "duplicate_key", "no_rate", "malformed_row",
             "not_positive", "note.unknown_refund_of"]  # fmt: skip
    rules += [("orders", rule) for rule in whole]
    for table, rule in rules:
        report = pd.DataFrame({"table": [table], "rule": [rule], "row_count": [1], "amount": [None]})
        shown = load_rules_table(report)
        for name in ("table", "rule", "field"):
            assert format_column(shown, name=name, words=words)


def test_completeness_names_the_worst_gap(completeness: pd.DataFrame) -> None:
    score = completeness_score(completeness, settings=DiagnosisSettings(completeness_target=0.75))
    said = findings.finding_completeness(score)
    assert said.id == "diagnosis.completeness.reached"
    assert said.args["gap"].args["field"] == "customers.phone"
    strict = completeness_score(completeness, settings=DiagnosisSettings(completeness_target=0.76))
    assert findings.finding_completeness(strict).id == "diagnosis.completeness.missed"
    assert findings.finding_completeness({"score": None}).id == "diagnosis.completeness.none"


def test_validity_counts_rules_that_had_something_to_check() -> None:
    said = findings.finding_validity(VALIDITY)
    assert (said.args["broken"], said.args["rules"], said.args["rule"]) == (2, 2, "email_form")
    assert findings.finding_validity(VALIDITY.assign(invalid_count=0)).id == "diagnosis.validity.clean"
    assert findings.finding_validity(VALIDITY.assign(checked_count=0)).id == "diagnosis.validity.none"


def test_everything_can_be_said_and_drawn(words: Words, completeness: pd.DataFrame) -> None:
    score, gaps = completeness_score(completeness, settings=DiagnosisSettings()), gaps_table(completeness)
    said = [
        finding_loading(REPORT), findings.finding_completeness(score), findings.note_completeness(score),
        findings.alt_missing_rates(gaps), findings.finding_validity(VALIDITY),
    ]  # fmt: skip
    for sentence in map(words.say, said):
        assert "{" not in sentence
        assert "customers." not in sentence, "a field is named in words"
    figure = plot_missing_rates(gaps, target=0.9, words=words)
    ax = figure.axes[0]
    assert [patch.get_width() for patch in ax.patches] == pytest.approx(gaps["missing_rate"].tolist())
    assert ax.lines[0].get_xdata()[0] == pytest.approx(0.1)


def test_every_rule_has_a_word(words: Words, make_tables: MakeTables) -> None:
    from datetime import date

    from crm_analysis.diagnosis.validity import validity_table

    tables = make_tables(**{name: [] for name in TABLES})
    rules = set(validity_table(tables, settings=DiagnosisSettings(), as_of=date(2025, 10, 1))["rule"])
    assert len(rules) >= 12
    assert all(words.word(f"rule.{rule}") for rule in rules)


def test_without_gaps_the_figure_says_so(words: Words, completeness: pd.DataFrame) -> None:
    figure = plot_missing_rates(gaps_table(completeness.assign(missing_count=0)), target=0.9, words=words)
    assert isinstance(figure, Figure)
    assert words.word("diagnosis.completeness.no_gap") in {text.get_text() for text in figure.axes[0].texts}


def test_absent_tables_are_named_with_what_they_would_add() -> None:

    report = pd.DataFrame({"table": [name for name in TABLES if name not in {"surveys", "contracts"}]})
    note = note_absent_tables(report)
    assert Words("en", names=field_names()).say(note) == (
        "Tables not given (2) and what each would add: surveys (satisfaction, CSAT, NPS, response rate) and "
        "contracts (renewal rate, contracts about to end)."
    )
    assert Message.from_json(note.to_json()).to_json() == note.to_json()
    assert note_absent_tables(pd.DataFrame({"table": list(TABLES)})).id == "diagnosis.absent.none"
