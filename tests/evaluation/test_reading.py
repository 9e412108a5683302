"""What is read: the scorecard as text, findings, figures, the summary and the cards."""

import json
import re

import pandas as pd
import pytest
from matplotlib.figure import Figure

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.words import LANGUAGES, Message, Words
from crm_analysis.evaluation import figures, findings
from crm_analysis.evaluation.display import change_message, format_scorecard, metric_definitions, value_message
from crm_analysis.evaluation.scorecard import scorecard_table
from crm_analysis.evaluation.summary import finding_summary, format_decisions, format_findings, summary_document
from crm_analysis.reporting.cards import kpi_cards


@pytest.fixture(params=LANGUAGES)
def words(request) -> Words:
    return Words(request.param)


def test_values_stand_in_their_own_unit(scorecard: pd.DataFrame) -> None:
    zh = format_scorecard(scorecard, words=Words("zh")).set_index("kpi")
    assert zh.loc["satisfaction_rate", ["value", "target", "change"]].tolist() == ["88.0%", "≥ 90.0%", "-2.0个百分点"]
    assert zh.loc["first_response_business_hours", ["value", "target", "change"]].tolist() == [
        "5小时",
        "≤ 4小时",
        "+25.0%",
    ]
    assert zh.loc["nps", ["value", "target", "change", "status"]].tolist() == ["—", "—", "样本不足", "too_small"]
    en = format_scorecard(scorecard, words=Words("en")).set_index("kpi")
    assert en.loc["revenue", ["value", "year_ago_change"]].tolist() == ["¥1,000", "+25.0%"]
    assert en["n"].tolist() == [100, 50, 50, 29, 50]


@pytest.mark.parametrize(
    ("change", "unit", "kind", "text"),
    [
        (0.012, "share", "points", "+1.2 pp"),
        (-3.04, "points", "points", "-3 points"),
        (2.5, "points", "points", "+2.5 points"),
        (0.0, "points", "points", "±0 points"),
        (-0.04, "points", "points", "±0 points"),  # the sign is that of the number shown
        (-0.2, "amount", "relative", "-20.0%"),
        (None, "amount", "relative", "—"),
    ],
)
def test_changes_as_text(change: float | None, unit: str, kind: str, text: str) -> None:
    assert Words("en").say(change_message(change, unit=unit, kind=kind)) == text


def test_too_little_history_is_told_instead_of_a_number(make_history) -> None:
    history = make_history(
        ("revenue", "2025Q2", 1000.0, 90), ("revenue", "2025Q3", 1261.0, 100), ("active_customers", "2025Q3", 50.0, 50),
        ("repurchase_rate", "2025Q3", float("nan"), 0),
    )  # fmt: skip
    short = scorecard_table(history, targets=[], quarter=Quarter(2025, 3), tolerance=0.05)
    zh = format_scorecard(short, words=Words("zh")).set_index("kpi")
    assert zh.loc["revenue", ["change", "year_ago_change"]].tolist() == ["+26.1%", "历史数据不足"]
    assert zh.loc["repurchase_rate", ["value", "change", "status"]].tolist() == [
        "历史数据不足", "历史数据不足", "no_history",
    ]  # fmt: skip
    assert Words("zh").say(findings.finding_movement(short)) == (
        "本季度净销售额¥1,261，环比+26.1%，同比历史数据不足；活跃客户50位，同比历史数据不足"
    )
    assert Words("en").say(findings.finding_movement(short)) == (
        "Net revenue is ¥1,261 (on last quarter: +26.1%; on last year: not enough history); active customers: 50 "
        "(on last year: not enough history)"
    )
    assert Words("en").say(findings.note_history(short)) == (
        "Not enough history: KPIs that need more of it and are not shown: 1 (first of them Repurchase rate); KPIs "
        "without the same quarter of last year: 3."
    )
    assert findings.note_history(short.iloc[:2]).id == "note.history_no_year"
    enough = short.assign(year_ago_absent="")
    assert findings.note_history(enough).id == "note.history_enough"
    card = kpi_cards(short, history, words=Words("zh"))[0]
    assert card.change == "环比 +26.1% · 同比 历史数据不足"


def test_intervals_are_shown_beside_proportions(scorecard: pd.DataFrame) -> None:
    known = scorecard.assign(low=0.7878, high=0.9246)
    shown = format_scorecard(known, words=Words("en")).set_index("kpi")["interval"]
    assert shown["satisfaction_rate"] == "78.8% to 92.5%"
    assert shown["first_response_business_hours"] == "0.79 to 0.92"
    assert set(format_scorecard(scorecard, words=Words("zh"))["interval"]) == {"—"}


def test_absent_values_are_a_dash() -> None:
    assert Words("zh").say(value_message(float("nan"), unit="share")) == "—"


def test_the_finding_names_the_kpi_furthest_from_its_target(scorecard: pd.DataFrame) -> None:
    told = Words("en").say(findings.finding_scorecard(scorecard))
    assert told == (
        "0 of 2 KPIs with a target are on target; furthest from it is Mean first response, business hours 5 h "
        "(target ≤ 4 h, n = 50)"
    )


def test_what_misses_its_target_by_chance_does_not_lead(scorecard: pd.DataFrame, words: Words) -> None:
    slow = scorecard["kpi"] == "first_response_business_hours"
    some = scorecard.assign(low=scorecard["low"].mask(slow, 3.9), high=scorecard["high"].mask(slow, 6.1))
    assert "88.0%" in words.say(findings.finding_scorecard(some))
    every = scorecard.assign(low=0.0, high=10.0)
    told = findings.finding_scorecard(every)
    assert (told.id, told.args["good_count"]) == ("finding.scorecard_by_chance", 0)
    assert words.say(told)


def test_findings_without_targets_and_with_all_reached(scorecard: pd.DataFrame, words: Words) -> None:
    free = scorecard.loc[scorecard["status"] == "no_target"]
    assert findings.finding_scorecard(free).id == "finding.scorecard_no_target"
    good = scorecard.assign(status="good")
    assert "5" in words.say(findings.finding_scorecard(good))


def test_movement_tells_revenue_and_buyers(scorecard: pd.DataFrame) -> None:
    told = Words("zh").say(findings.finding_movement(scorecard))
    assert told == "本季度净销售额¥1,000，环比-20.0%，同比+25.0%；活跃客户50位，同比+25.0%"
    assert findings.finding_movement(scorecard.iloc[:0]).id == "finding.movement_none"


def test_kpis_without_tables_are_told(scorecard: pd.DataFrame, words: Words) -> None:
    assert str(len(METRICS) - 5) in words.say(findings.finding_unavailable(scorecard))


@pytest.mark.parametrize("absent", ["customers", "interactions", "surveys", "contracts", "opportunities"])
def test_every_kpi_without_its_table_says_in_one_line_what_it_needs(absent: str) -> None:
    had = [id_ for id_, metric in METRICS.items() if absent not in metric.needs]
    told = findings.finding_unavailable(pd.DataFrame({"kpi": had}))
    assert told.args["kpi_count"] == len(METRICS) - len(had) > 0
    for lang in LANGUAGES:
        words = Words(lang, names={f"table.{absent}": {"zh": "某表", "en": "some table"}})
        said = words.say(told)
        assert words.word(f"table.{absent}") in said
        assert not [id_ for id_ in METRICS if (words.word(METRICS[id_].name) in said) < (id_ not in had)]


def test_figures_for_full_and_empty_tables(scorecard: pd.DataFrame, history: pd.DataFrame, words: Words) -> None:
    full = figures.plot_attainment(scorecard, words=words)
    texts = " ".join(text.get_text() for text in full.findobj(lambda item: hasattr(item, "get_text")))
    assert "88.0%" in texts
    assert len(figures.plot_trend(history, words=words).axes) == 6
    for empty in (
        figures.plot_attainment(scorecard.iloc[:0], words=words),
        figures.plot_trend(history.iloc[:0], words=words),
    ):
        assert isinstance(empty, Figure)
        assert words.word("note.not_enough_data") in [text.get_text() for text in empty.axes[0].texts]
    for alt in (
        findings.alt_attainment(scorecard), findings.alt_attainment(scorecard.iloc[:0]),
        findings.alt_trend(history), findings.alt_trend(history.iloc[:0]),
    ):  # fmt: skip
        assert words.say(alt)


def test_definitions_are_sentences(words: Words) -> None:
    ((name, text),) = metric_definitions(["nps"], words=words)
    assert name == words.word("metric.nps.name")
    assert "30" in text
    assert "100" in text
    ((_, total),) = metric_definitions(["revenue"], words=words)
    assert "1" not in total  # "below a sample of 1" says nothing


# -- summary -----------------------------------------------------------------------------------------------------------

SIZES = pd.DataFrame(
    {
        "segment": ["important_value", "general_value"],
        "customer_count": [20, 80],
        "customer_share": [0.2, 0.8],
        "spend_share": [0.7, 0.3],
    }
)
STRATEGY = pd.DataFrame({"is_covered": [True, False], "due_contact_count": [100.0, None], "contact_count": [40.0, 5.0]})
BANDS = pd.DataFrame(
    {
        "churn_band": ["very_high", "low"],
        "customer_count": [30, 70],
        "expected_loss_amount": [900.0, 100.0],
        "list_count": [25, 5],
        "list_loss_amount": [600.0, 50.0],
    }
)


@pytest.fixture
def summary(scorecard: pd.DataFrame) -> dict:
    return summary_document(
        scorecard, sizes=SIZES, strategy=STRATEGY, bands=BANDS, completeness=0.85, completeness_target=0.9,
        horizon_days=90,
    )  # fmt: skip


def test_the_summary_has_findings_decisions_and_money(summary: dict) -> None:
    assert json.loads(json.dumps(summary)) == summary
    assert [item["chapter"] for item in summary["findings"]] == [
        "evaluation", "evaluation", "segmentation", "churn", "diagnosis",
    ]  # fmt: skip
    assert [item["decision"]["message"] for item in summary["decisions"]] == [
        "summary.warning_decision", "measure_for.first_response_business_hours", "measure_for.satisfaction_rate",
        "summary.contacts_decision",
    ]  # fmt: skip
    assert Words("zh").say(finding_summary(summary)).startswith("2项目标中0项达标；未来90天风险消费额¥1,000；")
    assert summary["decisions"][0]["evidence"]["args"] == {
        "list_count": 30, "list_loss": 650.0, "expected_loss": 1000.0, "n": 100,
    }  # fmt: skip
    assert summary["decisions"][3]["evidence"]["args"] == {"planned_count": 100.0, "made_count": 40.0, "rate": 0.4}
    assert summary["money"] == {"revenue_amount": 1000.0, "expected_loss_amount": 1000.0}


def test_the_summary_reads_the_same_numbers_in_both_languages(summary: dict) -> None:
    numbers = {}
    for lang in LANGUAGES:
        words = Words(lang, names={"segment.important_value": {"zh": "重要价值客户", "en": "Important"}})
        assert words.say(finding_summary(summary))
        shown = pd.concat([format_findings(summary, words=words), format_decisions(summary, words=words)])
        assert not shown.empty
        texts = [*shown["finding"].dropna(), *shown["evidence"].dropna()]
        numbers[lang] = [sorted(re.findall(r"\d(?:[\d,.]*\d)?", text.replace("¥", ""))) for text in texts]
    assert numbers["zh"] == numbers["en"]


def test_the_summary_without_churn_says_so(scorecard: pd.DataFrame, words: Words) -> None:
    told = summary_document(
        scorecard, sizes=SIZES.iloc[:0], strategy=STRATEGY.iloc[:0], bands=BANDS.iloc[:0], completeness=None,
        completeness_target=0.9, horizon_days=90,
    )  # fmt: skip
    assert told["headline"]["message"] == "summary.headline_no_churn"
    assert told["money"]["expected_loss_amount"] is None
    assert [item["chapter"] for item in told["findings"]] == ["evaluation", "evaluation", "churn"]
    assert words.say(Message.from_json(told["findings"][2]["message"]))


def test_the_summary_begins_with_a_quarter_that_is_not_complete(scorecard: pd.DataFrame) -> None:
    def first(*, is_complete: bool) -> dict:
        told = summary_document(
            scorecard, sizes=SIZES, strategy=STRATEGY, bands=BANDS, completeness=None, completeness_target=0.9,
            horizon_days=90, coverage={"is_complete": is_complete, "quarter": "2025Q3", "missing_days": 41},
        )  # fmt: skip
        return told["findings"][0]

    assert first(is_complete=True)["message"]["message"] == "finding.movement"
    finding = first(is_complete=False)
    assert finding["chapter"] == "diagnosis"
    assert Words("zh").say(Message.from_json(finding["message"])) == (
        "2025年第三季度数据不完整（缺41天），各项数字只是阶段性结果"
    )
    assert "41" in Words("en").say(Message.from_json(finding["message"]))


def test_changes_of_a_piece_of_a_quarter_are_words(history: pd.DataFrame, targets) -> None:
    piece = scorecard_table(history, targets=targets, quarter=Quarter(2025, 3), tolerance=0.05, is_complete=False)
    assert Words("zh").say(findings.finding_movement(piece)) == (
        "本季度净销售额¥1,000，环比不作比较，同比不作比较；活跃客户50位，同比不作比较"
    )
    card = kpi_cards(piece, history, words=Words("en"))[0]
    assert card.change == "On last quarter not compared · on last year not compared"


def test_cards_follow_the_scorecard(scorecard: pd.DataFrame, history: pd.DataFrame) -> None:
    cards = kpi_cards(scorecard, history, words=Words("en"))
    assert [card.name for card in cards] == [
        "Net revenue", "Active customers", "Satisfaction rate", "Mean first response, business hours",
    ]  # fmt: skip
    assert cards[0].history == (800, 1250, 1000)
    assert (cards[2].status, cards[2].target, cards[2].n) == ("watch", "≥ 90.0%", 50)
    assert cards[0].target == ""
    assert len(kpi_cards(scorecard, history, words=Words("zh"), count=2)) == 2
