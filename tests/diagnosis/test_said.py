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
from crm_analysis.diagnosis.loading import finding_loading, load_summary_table, note_absent_tables
from crm_analysis.sources.schema import TABLES, field_names

MakeTables = Callable[..., Any]
REPORT = pd.DataFrame(
    {
        "table": ["orders", "orders", "orders", "customers"],
        "rule": ["used", "missing_amount", "note.unparsable_discount", "used"],
        "row_count": [90, 10, 3, 50],
        "amount": [9000.0, 250.5, None, None],
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
    assert summary.loc["orders"].tolist() == [90, 10, 0.1, 250.5, 3]
    assert summary.loc["customers", ["used_count", "quarantined_count"]].tolist() == [50, 0]
    said = finding_loading(REPORT)
    assert (said.args["n"], said.args["aside"], said.args["amount"]) == (150, 10, 250.5)
    assert said.args["rate"] == pytest.approx(10 / 150, abs=1e-6)
    clean = finding_loading(REPORT.loc[REPORT["rule"] == "used"])
    assert (clean.id, clean.args["n"]) == ("diagnosis.loading.clean", 140)


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
