"""Coverage, satisfaction rate, weighting, five-point questions, CSAT and NPS, by hand."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.base.settings_kpis import SatisfactionSettings
from crm_analysis.base.words import Words
from crm_analysis.evaluation import kpi_findings as findings
from crm_analysis.evaluation.breakdown import KPI_PARTS_SCHEMA
from crm_analysis.evaluation.kpi_display import format_questions, format_satisfaction, format_surveys_sent
from crm_analysis.evaluation.kpi_figures import plot_satisfaction
from crm_analysis.evaluation.kpis import KpiInputs
from crm_analysis.evaluation.satisfaction import (
    QUESTIONS_SCHEMA,
    SATISFACTION_SCHEMA,
    SURVEYS_SENT_SCHEMA,
    csat_document,
    nps_document,
    satisfaction_estimate,
    satisfaction_table,
    survey_numbers,
    survey_questions_table,
    surveys_sent_table,
)
from crm_analysis.reporting.tables import render_table
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.periods import customer_periods_table

QUARTER = Quarter(2025, 3)
SETTINGS = SatisfactionSettings()
NAMES = {f"segment.{tier}": {"zh": tier, "en": tier} for tier in ("gold", "silver", "bronze")}


def made(**tiers: tuple[int, int, int, int, int, int]) -> pd.DataFrame:
    """Return parts from ``(asked, customers, returned, sent, satisfied, answers)`` per tier, the whole added."""
    kpis = ("survey_coverage_rate", "survey_response_rate", "satisfaction_rate")
    rows = []
    for place, kpi in enumerate(kpis):
        pairs = {tier: numbers[2 * place : 2 * place + 2] for tier, numbers in tiers.items()}
        whole = tuple(map(sum, zip(*pairs.values(), strict=True)))
        rows += [(kpi, "all", "all", *whole, whole[1], whole[1])]
        rows += [(kpi, "tier", tier, *pair, pair[1], pair[1]) for tier, pair in pairs.items()]
    return pd.DataFrame(rows, columns=list(KPI_PARTS_SCHEMA)).astype({"numerator": float, "denominator": float})


PARTS = made(gold=(80, 100, 50, 80, 45, 50), silver=(150, 400, 60, 150, 30, 50), bronze=(5, 20, 2, 5, 0, 0))


def test_coverage_and_rates_by_tier() -> None:
    table = satisfaction_table(PARTS, settings=SETTINGS, tier_order=["gold", "silver"])
    check_columns(table.columns, SATISFACTION_SCHEMA, result="satisfaction")
    assert list(table["tier"]) == ["all", "gold", "silver", "bronze"]
    rows = table.set_index("tier")
    assert rows["coverage_status"].to_dict() == {"all": "bad", "gold": "good", "silver": "bad", "bronze": "too_small"}
    assert rows.loc["gold", ["coverage_share", "response_rate", "satisfaction_rate"]].tolist() == [0.8, 0.625, 0.9]
    assert rows.loc["bronze", ["coverage_share", "response_rate", "satisfaction_rate"]].isna().all()
    assert rows.loc["all", ["asked_count", "customer_count", "returned_count"]].tolist() == [235, 520, 112]
    # 45 of 50 at 95 % by Wilson: 0.7864 to 0.9565
    ends = rows.loc["gold", ["satisfaction_rate_low", "satisfaction_rate_high"]].tolist()
    assert ends == pytest.approx([0.7864, 0.9565], abs=5e-5)
    lower = satisfaction_table(PARTS, settings=SatisfactionSettings(coverage_target=0.3)).set_index("tier")
    assert lower.loc["silver", "coverage_status"] == "good"


def test_the_weighted_estimate_gives_every_tier_its_customers() -> None:
    estimate = satisfaction_estimate(satisfaction_table(PARTS, settings=SETTINGS))
    # raw 75 of 100; weighted 0.2 x 0.9 + 0.8 x 0.6
    assert (estimate["raw_rate"], estimate["weighted_rate"], estimate["n"]) == (0.75, 0.66, 100)
    assert estimate["covered_share"] == pytest.approx(500 / 520, abs=1e-6)  # nobody of bronze answered
    gold, silver = 46 / 52, 31 / 52
    error = (0.2**2 * gold * (1 - gold) / 50 + 0.8**2 * silver * (1 - silver) / 50) ** 0.5
    assert [estimate["low"], estimate["high"]] == pytest.approx([0.66 - 1.959964 * error, 0.66 + 1.959964 * error],
                                                                abs=1e-6)  # fmt: skip


def test_few_answers_give_no_rate() -> None:
    few = satisfaction_table(made(gold=(10, 40, 29, 40, 20, 29)), settings=SETTINGS)
    assert few["satisfaction_rate"].isna().all()
    assert satisfaction_estimate(few)["status"] == "too_small"
    assert satisfaction_estimate(few)["weighted_rate"] is None
    whole_only = made(gold=(10, 40, 40, 40, 20, 40)).query("dimension == 'all'")
    alone = satisfaction_estimate(satisfaction_table(whole_only, settings=SETTINGS))
    assert (alone["status"], alone["raw_rate"], alone["weighted_rate"]) == ("no_tiers", 0.5, None)


def test_a_quarter_in_which_nobody_was_asked_says_so() -> None:
    unasked = satisfaction_table(made(gold=(0, 100, 0, 0, 0, 0)), settings=SETTINGS)
    estimate = satisfaction_estimate(unasked)
    assert estimate["status"] == "not_asked"
    assert findings.finding_satisfaction(estimate).id == "kpis.satisfaction_not_asked"


def test_every_question_that_was_sent_is_a_sample_of_its_own(inputs) -> None:
    unanswered = {"answered_at": None}
    rows = [
        answer(1, 5, "satisfaction"), answer(2, 4, "satisfaction", "b"), answer(3, 4, "satisfaction", **unanswered),
        answer(4, 9, "satisfaction"),  # off its scale
        answer(1, 4, "resolution_efficiency"),
        *(answer(n, 9, "nps", scale_min=0, scale_max=10) for n in range(50, 80)),
        answer(80, 9, "nps", sent_at="2025-06-30 10:00"),  # the quarter before
    ]  # fmt: skip
    table = surveys_sent_table(inputs(rows))
    check_columns(table.columns, SURVEYS_SENT_SCHEMA, result="surveys_sent")
    assert table.fillna(-1).values.tolist() == [
        ["nps", 1, 30, 30, 1.0, 30],
        ["resolution_efficiency", 1, 1, 1, -1.0, 1],
        ["satisfaction", 2, 4, 3, -1.0, 2],
    ]


def test_without_surveys_there_is_nothing() -> None:
    empty = satisfaction_table(PARTS.iloc[:0], settings=SETTINGS)
    assert list(empty.columns) == list(SATISFACTION_SCHEMA)
    assert findings.finding_coverage(empty, settings=SETTINGS).id == "kpis.no_surveys"


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 90), st.floats(0, 1)), min_size=1, max_size=6))
def test_the_weighted_rate_lies_between_the_tiers_and_equals_the_raw_one_when_they_agree(tiers) -> None:
    numbers = {f"t{n}": (size, size, 0, 0, round(share * count), count) for n, (size, count, share) in enumerate(tiers)}
    numbers["t0"] = (tiers[0][0], tiers[0][0], 0, 0, 30, 60)
    estimate = satisfaction_estimate(satisfaction_table(made(**numbers), settings=SETTINGS))
    rates = [row[4] / row[5] for row in numbers.values()]
    assert min(rates) - 1e-6 <= estimate["weighted_rate"] <= max(rates) + 1e-6
    assert 0 <= estimate["low"] <= estimate["weighted_rate"] <= estimate["high"] <= 1
    same = {tier: (*row[:4], row[5], 2 * row[5]) for tier, row in numbers.items()}
    assert satisfaction_estimate(satisfaction_table(made(**same), settings=SETTINGS))["weighted_rate"] == 0.5


# -- questions, CSAT, NPS ----------------------------------------------------------------------------------------------


def answer(n: int, score: float, question: str, customer: str = "a", **more: Any) -> dict[str, Any]:
    return {"survey_id": f"s{n}", "customer_id": customer, "sent_at": "2025-08-01 10:00",
            "answered_at": "2025-08-02 10:00", "score": score, "question": question} | more  # fmt: skip


@pytest.fixture
def inputs(make_tables):
    def make(surveys: list[dict[str, Any]], **settings: Any) -> KpiInputs:
        orders = [{"customer_id": "a", "ordered_at": "2025-08-01 10:00"}]
        tables = as_of(make_tables(orders=orders, surveys=surveys), QUARTER.end, zone="Asia/Shanghai")
        periods = customer_periods_table(tables, quarters=QUARTER.back(4))
        return KpiInputs(tables, periods, QUARTER, EvaluationSettings(**settings))

    return make


ANSWERS = [
    *(answer(n, 5 if n % 2 else 4, "professional_attitude", "ab"[n < 30]) for n in range(40)),  # mean 4.5
    *(answer(n, 4 if n % 2 else 3, "resolution_efficiency") for n in range(40)),  # mean 3.5
    *(answer(n, 3, "information_completeness") for n in range(30)),
    answer(99, 5, "information_completeness", sent_at="2025-06-30 10:00"),  # the quarter before
]


def test_questions_stand_in_three_bands(inputs) -> None:
    made_inputs = inputs(ANSWERS)
    con = made_inputs.tables["surveys"].get_backend()
    tiers = con.create_table("tiers", pd.DataFrame({"customer_id": ["b"], "tier": ["gold"]}))
    table = survey_questions_table(made_inputs, tiers)
    check_columns(table.columns, QUESTIONS_SCHEMA, result="survey_questions")
    whole = table.loc[table["tier"] == "all"].set_index("question")
    assert whole["score_mean"].to_dict() == {
        "professional_attitude": 4.5, "resolution_efficiency": 3.5, "information_completeness": 3.0,
    }  # fmt: skip
    assert whole["band"].tolist() == ["excellent", "fair", "plan"]
    assert whole["n"].tolist() == [40, 40, 30]
    # s of 20 times 4 and 20 times 5 is 0.50637; 1.96 x s / sqrt(40) = 0.1569
    ends = whole.loc["professional_attitude", ["score_mean_low", "score_mean_high"]].tolist()
    assert ends == pytest.approx([4.3431, 4.6569], abs=1e-4)
    gold = table.loc[table["tier"] == "gold"].set_index("question")
    assert gold["n"].to_dict() == {"professional_attitude": 30}
    assert gold["band"].tolist() == ["excellent"]
    rest = table.loc[table["tier"] == "not_recorded"].set_index("question")
    assert rest.loc["professional_attitude", "band"] == "too_small"
    assert pd.isna(rest.loc["professional_attitude", "score_mean"])
    assert findings.finding_questions(table, settings=SETTINGS).id == "kpis.questions_plan"


def test_the_ends_of_the_bands_are_settings(inputs) -> None:
    bands = inputs(ANSWERS, satisfaction={"excellent_from": 3.5, "plan_below": 3.0})
    assert survey_questions_table(bands)["band"].tolist() == ["excellent", "excellent", "fair"]
    with pytest.raises(ValueError, match="plan_below must lie below excellent_from"):
        SatisfactionSettings(excellent_from=3, plan_below=3)


def test_other_scales_are_stretched_to_five_points(inputs) -> None:
    ten = [answer(n, 5, "professional_attitude", scale_min=0, scale_max=10) for n in range(30)]
    row = survey_questions_table(inputs(ten)).iloc[0]
    assert (row["score_mean"], row["band"]) == (3.0, "plan")  # half way up


def test_csat_by_both_methods(inputs) -> None:
    scores = [answer(n, score, "professional_attitude") for n, score in enumerate([5] * 10 + [4] * 10 + [2] * 10)]
    # mean 110 / 30 of 5 = 73.3333; 20 of 30 in the two best steps
    mean = csat_document(inputs(scores))
    assert (mean["method"], mean["points"], mean["other_points"], mean["n"]) == (
        "mean_of_scale", 73.3333, 66.6667, 30,
    )  # fmt: skip
    top = csat_document(inputs(scores, satisfaction={"csat_method": "top_two_box"}))
    assert (top["method"], top["points"], top["other_points"]) == ("top_two_box", 66.6667, 73.3333)
    assert csat_document(inputs(scores[:29]))["points"] is None


def test_nps_with_its_interval_and_what_is_no_nps(inputs) -> None:
    def nps(n: int, score: float, **more: Any) -> dict[str, Any]:
        return answer(n, score, "nps", **{"scale_min": 0, "scale_max": 10} | more)

    scores = [10] * 12 + [9] * 6 + [8] * 6 + [6] * 5 + [0]  # 18 promoters, 6 passives, 6 detractors
    surveys = [nps(n, score) for n, score in enumerate(scores)]
    surveys += [nps(98, 5, scale_min=1, scale_max=5), nps(99, 11)]
    found = nps_document(inputs(surveys))
    assert [found[f"{name}_count"] for name in ("promoter", "passive", "detractor")] == [18, 6, 6]
    assert (found["points"], found["n"]) == (40.0, 30)
    # sqrt((24/30 - 0.16) / 30) = 0.146059; x 1.959964 x 100 = 28.6271
    assert [found["low"], found["high"]] == pytest.approx([11.3729, 68.6271], abs=1e-4)
    assert (found["other_scale_count"], found["outside_count"]) == (1, 1)
    assert findings.note_nps_scale({"nps": found}).id == "kpis.nps_scale_bad"
    assert nps_document(inputs(surveys[:29]))["points"] is None


def test_numbers_of_surveys_are_empty_without_them(make_tables) -> None:
    orders = [{"customer_id": "a", "ordered_at": "2025-08-01 10:00"}]
    tables = make_tables(orders=orders)
    assert survey_numbers(KpiInputs(tables, tables["orders"], QUARTER, EvaluationSettings())) == {}
    for finding in (findings.finding_csat, findings.finding_nps):
        assert finding({}).id == "kpis.no_surveys"
    assert findings.note_nps_scale({}).id == "kpis.nps_scale_good"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_satisfaction_is_read_in_both_languages(inputs, lang: str) -> None:
    words = Words(lang, names=NAMES)
    table = satisfaction_table(PARTS, settings=SETTINGS)
    shown = format_satisfaction(table, words=words).set_index("tier")
    assert shown.loc["gold", ["coverage", "satisfaction"]].tolist() == ["80.0%", "90.0%"]
    assert shown.loc["bronze", "satisfaction"] == words.word("absent.too_small")
    assert "<table" in render_table(shown.reset_index(), words=words, id_="x")
    made_inputs = inputs(ANSWERS)
    questions = survey_questions_table(made_inputs)
    assert "<table" in render_table(format_questions(questions, words=words), words=words, id_="y")
    sent = format_surveys_sent(surveys_sent_table(made_inputs), words=words)
    assert "<table" in render_table(sent, words=words, id_="z")
    assert sent["survey_response"].tolist() == ["100.0%"] * 3
    numbers = survey_numbers(made_inputs)
    for told in (
        findings.finding_coverage(table, settings=SETTINGS),
        findings.finding_satisfaction(satisfaction_estimate(table)),
        findings.finding_questions(questions, settings=SETTINGS), findings.finding_csat(numbers),
        findings.finding_nps(numbers), findings.note_surveys_sent(sent, question="satisfaction"),
        findings.alt_satisfaction(table, settings=SETTINGS),
    ):  # fmt: skip
        assert words.say(told)
    figure = plot_satisfaction(table, coverage_target=0.8, words=words)
    assert len(figure.axes) == 2
