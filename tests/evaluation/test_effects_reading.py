"""What is read of comparisons, highlights, measures, effect and movement: sentences, tables, figures."""

import re
from datetime import date
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.settings_effects import FestivalSettings, HighlightSettings, MeasureRule, ProgrammeSettings
from crm_analysis.base.words import LANGUAGES, Message, Words
from crm_analysis.evaluation import effects_display as display
from crm_analysis.evaluation import effects_figures as figures
from crm_analysis.evaluation import effects_findings as findings
from crm_analysis.evaluation.effect import (
    BALANCE_SCHEMA,
    BEFORE_AFTER_SCHEMA,
    EFFECT_SCHEMA,
    EFFECT_VERDICTS,
    SCOPES,
)
from crm_analysis.evaluation.effect_sums import COVARIATES, OUTCOMES
from crm_analysis.evaluation.festival import FESTIVAL_SCHEMA, FLOWS, festival_document
from crm_analysis.evaluation.highlights import HIGHLIGHTS_SCHEMA, NOISE_ABSENT
from crm_analysis.evaluation.measures import CHECKS_SCHEMA, DONE_SCHEMA, DONE_STATES, MEASURES_SCHEMA, VERDICTS
from crm_analysis.evaluation.mix_effect import MIX_SCHEMA, PARTS, PARTS_SCHEMA, TIERS_COLUMNS
from crm_analysis.reporting.tables import render_table

EN, ZH = Words("en"), Words("zh")
PROGRAMME = ProgrammeSettings()


@pytest.fixture(params=LANGUAGES)
def words(request) -> Words:
    return Words(
        request.param, names={"segment.a": {"zh": "甲", "en": "a"}, "improvement.own": {"zh": "乙", "en": "b"}}
    )


def cells(table: pd.DataFrame, words: Words) -> list[list[str]]:
    """Return the text of the cells of a rendered table, row by row, the heading left out."""
    html = render_table(table, words=words, id_="t")
    rows = re.findall(r"<tr.*?</tr>", html, flags=re.DOTALL)
    texts = [[re.sub("<.*?>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)] for row in rows]
    return [row for row in texts if row]


def texts_of(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda item: hasattr(item, "get_text")))


# -- frames by hand ----------------------------------------------------------------------------------------------------


@pytest.fixture
def highlights() -> pd.DataFrame:
    rows = [
        ("first_response_hours", "hours", "shortfall", 7.0, 4.0, -3.0, 1.5, -2.0, True, "", 8, "bad", 90),
        ("customer_retention_rate", "share", "highlight", 0.82, 0.80, 0.02, 0.01, 2.0, True, "", 8, "good", 500),
        ("nps", "points", "highlight", 31.0, 30.0, 1.0, np.nan, np.nan, False, "few_quarters", 3, "good", 60),
    ]
    return pd.DataFrame(rows, columns=list(HIGHLIGHTS_SCHEMA))


@pytest.fixture
def measures() -> pd.DataFrame:
    rows = [
        ("complaint_rate", "share", 0.07, 0.05, "bad", "missed", "complaint_rate", "service", "2025-10-31", 90),
        ("revenue", "amount", 1e6, np.nan, "no_target", "not_growing", "upsell_needs", "sales", "2025-11-15", 9),
        ("nps", "points", 20.0, 30.0, "bad", "missed", "own", "品质部", "2025-10-11", 60),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(MEASURES_SCHEMA)).astype({"due_date": "datetime64[s]"})


@pytest.fixture
def checks() -> pd.DataFrame:
    due = pd.Timestamp("2025-07-31")
    rows = [
        ("complaint_rate", "share", "2025Q2", "missed", "complaint_rate", "service", due, 0.05, 0.08, 0.06, "bad",
         "done", 3.0, 0.02, 0.01, 2.0, 4, "keep", 90),
        ("nps", "points", "2025Q2", "missed", "nps", "service", due, 30.0, 20.0, np.nan, "too_small", "unknown",
         np.nan, np.nan, 3.0, np.nan, 0, "undecided", 9),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(CHECKS_SCHEMA))


@pytest.fixture
def effect() -> pd.DataFrame:
    rows = []
    for scope, campaign, told in (("all", "", "positive"), ("quarter", "", "unclear"), ("campaign", "K1", "too_small")):
        for outcome, unit in OUTCOMES.items():
            numbers = {"spend": (738, 426, 312, 58, 566), "orders": (1.13, 0.84, 0.29, 0.12, 0.46),
                       "buyers": (0.54, 0.46, 0.08, 0.02, 0.15)}[outcome]  # fmt: skip
            numbers = (*numbers, numbers[2], 0.3, 0.1, 0.6) if told != "too_small" else (np.nan,) * 9
            rows.append((scope, campaign, outcome, unit, 1058, 280, 8, *numbers, told))
    return pd.DataFrame(rows, columns=list(EFFECT_SCHEMA))


@pytest.fixture
def balance() -> pd.DataFrame:
    rows = [("all", "", name, unit, 1058, 280, 100.0, 90.0, 0.05, 0.13, True) for name, unit in COVARIATES.items()]
    return pd.DataFrame(rows, columns=list(BALANCE_SCHEMA))


@pytest.fixture
def parts() -> pd.DataFrame:
    values = [("before", 0.42), ("mix", 0.05), ("within", 0.01), ("joined", -0.01), ("left", -0.04), ("now", 0.43)]
    rows = [("churn_rate", "share", part, value, np.nan if part in {"before", "now"} else value / 0.01, 100, 110)
            for part, value in values]  # fmt: skip
    return pd.DataFrame(rows, columns=list(PARTS_SCHEMA))


@pytest.fixture
def festival() -> pd.DataFrame:
    rows = [("revenue", "amount", 115000.0, 140000.0, -0.178571, 115000.0, 0.0, 0.0, 0.0, 900, 950),
            ("order_count", "count", 900.0, 950.0, -0.05, 900.0, 0.0, np.nan, 0.0, 900, 950)]  # fmt: skip
    return pd.DataFrame(rows, columns=list(FESTIVAL_SCHEMA))


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_slug_and_heading_has_a_word(lang: str) -> None:
    words = Words(lang)
    slugs = {
        "flow": FLOWS, "verdict": (*VERDICTS, *EFFECT_VERDICTS), "done_state": DONE_STATES, "outcome": OUTCOMES,
        "covariate": COVARIATES, "change_part": ("before", *PARTS, "other", "now"), "scope": SCOPES,
        "noise_absent": [each for each in NOISE_ABSENT if each], "side": ("highlight", "shortfall"),
        "cause": ("missed", "not_growing"), "unit": [*COVARIATES.values(), *OUTCOMES.values(), *FLOWS.values()],
    }  # fmt: skip
    missing = [
        f"{prefix}.{slug}" for prefix, all_ in slugs.items() for slug in all_ if not words.has(f"{prefix}.{slug}")
    ]
    schemas = (HIGHLIGHTS_SCHEMA, MEASURES_SCHEMA, CHECKS_SCHEMA, DONE_SCHEMA, EFFECT_SCHEMA, BALANCE_SCHEMA,
               BEFORE_AFTER_SCHEMA, MIX_SCHEMA, PARTS_SCHEMA, FESTIVAL_SCHEMA, TIERS_COLUMNS)  # fmt: skip
    missing += [f"column.{name}" for schema in schemas for name in schema if not words.has(f"column.{name}")]
    assert missing == []


def test_before_and_after_is_never_called_an_effect_without_saying_so() -> None:
    found = [files("crm_analysis.base").joinpath("locale", lang, "effects.po").read_text("utf-8") for lang in LANGUAGES]
    for text, effect_word, denial in zip(found, ("效果", "effect"), ("不是效果", "not an effect"), strict=True):
        entries = re.findall(r'msgid "(effects\.before_after\.\w+)"\nmsgstr "(.*)"', text)
        assert len(entries) == 3
        assert all(denial in told for _, told in entries if effect_word in told)
        assert denial in dict(entries)["effects.before_after.finding"]


# -- tables ------------------------------------------------------------------------------------------------------------


def test_highlights_stand_in_their_own_units(highlights: pd.DataFrame) -> None:
    told = display.format_highlights(highlights, words=EN).set_index("kpi")
    assert told.loc["first_response_hours", ["value", "target", "distance", "noise"]].tolist() == [
        "7 h", "≤ 4 h", "-3 h", "1.5 h",
    ]  # fmt: skip
    assert told.loc["customer_retention_rate", ["value", "distance", "noise"]].tolist() == ["82.0%", "+2.0 pp", "1 pp"]
    assert told.loc["nps", ["distance", "noise"]].tolist() == ["+1 points", "too few quarters"]


def test_every_table_can_be_rendered(
    words, highlights, measures, checks, effect, balance, parts, festival,
) -> None:  # fmt: skip
    tiers = pd.DataFrame([("a", 20, 30, 0.4, 0.5, 0.05, np.nan)], columns=list(TIERS_COLUMNS))
    document = festival_document(Quarter(2025, 2), settings=FestivalSettings(), begun=Quarter(2024, 1))
    shown = {
        "highlights": display.format_highlights(highlights, words=words),
        "measures": display.format_measures(measures, words=words),
        "checks": display.format_checks(checks, words=words),
        "effect": display.format_effect(effect, words=words),
        "balance": display.format_balance(balance, words=words),
        "parts": display.format_mix_parts(parts, words=words),
        "tiers": display.format_mix_tiers(tiers, kpi="churn_rate", words=words),
        "festival": display.format_festival(festival, words=words),
        "marked": display.marked_days_table(document),
    }
    for name, table in shown.items():
        found = cells(table, words)
        assert len(found) == len(table), name
        assert not any("nan" in cell.lower() for row in found for cell in row), name
    assert len(shown["parts"]) == 4
    assert shown["marked"]["date"].dt.date.tolist() == [date(2024, 6, 18), date(2025, 6, 18)]


def test_measures_tell_what_by_whom_until_when(measures: pd.DataFrame) -> None:
    words = Words("en", names=display_names())
    told = display.format_measures(measures, words=words)
    assert told["target"].tolist() == ["≤ 5.0%", "not growing on last year", "≥ 30 points"]
    assert told["department"].tolist() == ["Service", "Sales", "品质部"]
    assert told["measure"].iloc[2] == "Call ten customers"
    assert findings.finding_measures(measures).args["due"] == "2025-10-11"
    assert words.say(findings.finding_measures(measures)) == (
        '3 improvement measures are proposed, 2 of them for one missed KPI each; the first, "Call ten customers", is '
        "due on Oct 11, 2025"
    )


def display_names() -> dict[str, dict[str, str]]:
    from crm_analysis.evaluation.measures import measure_names

    name = {"zh": "回访十名客户", "en": "Call ten customers"}
    return measure_names([MeasureRule.model_validate({"id": "own", "kpi": "nps", "measure": name, "department": "x"})])


def test_differences_have_signs_and_shares_points() -> None:
    say = EN.say
    assert say(display.signed_message(0.0123, unit="share")) == "+1.2 pp"
    assert say(display.signed_message(-312.0, unit="amount")) == "-¥312"
    assert say(display.signed_message(0.0, unit="score")) == "±0"
    assert say(display.size_message(0.0123, unit="share")) == "1.2 pp"
    assert say(display.mean_message(81.84, unit="days")) == "81.8 days"
    assert say(display.range_message(-0.5, 0.25, unit="score")) == "-0.5 to +0.25"
    nan = float("nan")
    for told in (display.signed_message(nan, unit="share"), display.size_message(nan, unit="share"),
                 display.mean_message(nan, unit="days"), display.range_message(nan, 1.0, unit="score")):  # fmt: skip
        assert say(told) == "—"


# -- sentences ---------------------------------------------------------------------------------------------------------


def test_the_clearest_shortfall_and_highlight_are_told(highlights: pd.DataFrame) -> None:
    assert EN.say(findings.finding_highlights(highlights)) == (
        "Of 3 KPIs that can be judged, 1 miss their target, 1 of them by more than their usual noise. Clearest "
        "shortfall: Mean first response 7 h (target ≤ 4 h, n = 90), 2 times its usual noise (1.5 h) away. Clearest "
        "highlight: Customer retention 82.0% (target ≥ 80.0%, n = 500), better by 2 times its usual noise (1 pp)."
    )
    small = highlights.assign(noise_score=[-0.5, 0.5, np.nan], is_clear=False)
    assert "may be no more than that" in EN.say(findings.finding_highlights(small))
    none = findings.finding_highlights(highlights.assign(noise_score=np.nan))
    assert none.args["worst"].id == "effects.highlights.no_shortfall"
    assert findings.finding_highlights(highlights.iloc[:0]).id == "effects.highlights.none"
    assert findings.note_highlights(highlights, settings=HighlightSettings()).args["absent"] == 1


def test_what_became_of_measures_is_told(checks: pd.DataFrame, words: Words) -> None:
    told = findings.finding_checks(checks)
    assert {name: told.args[name] for name in ("n", "done", "unknown", "keep", "drop", "undecided")} == {
        "n": 2, "done": 1, "unknown": 1, "keep": 1, "drop": 0, "undecided": 1,
    }  # fmt: skip
    assert words.say(told)
    assert words.say(findings.note_checks(settings=HighlightSettings()))
    assert findings.finding_checks(checks.iloc[:0]).id == "effects.checks.none"


def test_the_effect_is_told_with_interval_and_groups(effect: pd.DataFrame) -> None:
    told = EN.say(findings.finding_effect(effect, settings=PROGRAMME))
    assert told == (
        "All 8 recent campaigns together, 60 days from the assignment, treated against held-out control (1,058 against "
        "280 assignments): orders per head 1.13 against 0.84, a difference of +0.29 (95% interval +0.12 to +0.46); net "
        "spend per head ¥738 against ¥426, a difference of +¥312 (95% interval +¥58 to +¥566). Times the customers "
        "treated, that is about +¥330.1K of net spend (95% interval +¥61.4K to +¥598.8K)."
    )
    quarter = ZH.say(findings.finding_quarter_effect(effect, settings=PROGRAMME))
    assert "与偶然波动无法区分" in quarter
    unclear = effect.assign(verdict="unclear")
    assert findings.finding_effect(unclear, settings=PROGRAMME).args["total"].id == "effects.effect.no_total"


@pytest.mark.parametrize("verdict", ["too_small", "no_control", "no_treated"])
def test_why_no_effect_is_told(effect: pd.DataFrame, verdict: str, words: Words) -> None:
    for told in (
        findings.finding_effect(effect.assign(verdict=verdict), settings=PROGRAMME),
        findings.finding_quarter_effect(effect.assign(verdict=verdict), settings=PROGRAMME),
    ):
        assert told.id == f"effects.effect.{verdict}"
        assert "280" in words.say(told)


def test_no_campaign_is_told(effect: pd.DataFrame, words: Words) -> None:
    empty = effect.iloc[:0]
    assert findings.finding_effect(empty, settings=PROGRAMME).id == "effects.effect.no_campaign"
    assert findings.finding_quarter_effect(empty, settings=PROGRAMME).id == "effects.effect.none_in_quarter"
    assert words.say(findings.alt_effect(empty, outcome="orders", settings=PROGRAMME))


NONE = {"conflict_count": 0, "crossed_count": 0}


def test_balance_is_told_for_all_campaigns_together(balance: pd.DataFrame, words: Words) -> None:
    assert findings.note_balance(balance, settings=PROGRAMME, conflicts=NONE).id == "effects.balance.alike"
    single = pd.concat([balance, balance.assign(scope="campaign", is_balanced=False)])
    assert findings.note_balance(single, settings=PROGRAMME, conflicts=NONE).id == "effects.balance.alike"
    unlike = findings.note_balance(
        balance.assign(is_balanced=[True, True, False]),
        settings=PROGRAMME,
        conflicts={"conflict_count": 3, "crossed_count": 7},
    )
    assert unlike.args["covariate"] == "recency_days"
    assert (unlike.args["conflicts"], unlike.args["crossed"]) == (3, 7)
    assert words.say(unlike)
    assert findings.note_balance(balance.iloc[:0], settings=PROGRAMME, conflicts=NONE).id == "effects.balance.none"


def test_before_and_after_is_told_as_no_effect(words: Words) -> None:
    table = pd.DataFrame([("K1", 40, 10.0, 30.0, 20.0, -5.0, 25.0)], columns=list(BEFORE_AFTER_SCHEMA))
    assert words.say(findings.finding_before_after(table, settings=PROGRAMME))
    assert len(cells(table, words)) == 1
    few = table.assign(n=5, **{name: np.nan for name in BEFORE_AFTER_SCHEMA if name.endswith("_amount")})
    assert findings.finding_before_after(few, settings=PROGRAMME).id == "effects.before_after.too_small"
    assert findings.finding_before_after(table.iloc[:0], settings=PROGRAMME).id == "effects.before_after.none"


def test_the_parts_of_a_change_are_told(parts: pd.DataFrame) -> None:
    assert EN.say(findings.finding_mix(parts, kpi="churn_rate")) == (
        "Churn rate went from 42.0% in the same quarter last year to 43.0% (+1.0 pp): customers moving between tiers "
        "+5.0 pp, change within tiers +1.0 pp, customers who joined -1.0 pp and customers who left -4.0 pp (customers "
        "counted: 100 then, 110 now)"
    )
    assert findings.finding_mix(parts, kpi="revenue").id == "effects.mix.none"
    assert "fewer than 7 customers" in EN.say(findings.note_mix(minimum_cell=7))


@pytest.mark.parametrize(
    ("quarter", "begun", "id_"),
    [
        (Quarter.containing(date(2025, 2, 1), first_month=2), Quarter(2020, 1, 2), "moved"),
        (Quarter(2025, 1), Quarter(2020, 1), "whole"),
        (Quarter(2025, 3), Quarter(2020, 1), "untouched"),
        (Quarter(2025, 3), None, "no_history"),
    ],
)
def test_the_festival_is_told(festival, words: Words, quarter: Quarter, begun: Quarter | None, id_: str) -> None:
    document = festival_document(quarter, settings=FestivalSettings(), begun=begun)
    told = findings.finding_festival(festival, document)
    assert told.id == f"effects.festival.{id_}"
    text = words.say(told)
    assert ("-17.9%" in text) == (id_ != "no_history")
    assert findings.finding_festival(festival.iloc[:0], document).id == "effects.festival.no_history"


# -- figures -----------------------------------------------------------------------------------------------------------


def test_figures_show_their_numbers(words, highlights, effect, parts) -> None:
    told = texts_of(figures.plot_highlights(highlights, words=words))
    assert "82.0%" in told
    assert words.word(METRICS["nps"].name) not in told  # it has no noise
    drawn = figures.plot_effect(effect, outcome="orders", words=words)
    assert "+0.29" in texts_of(drawn)
    assert "K1" not in texts_of(drawn)  # too small
    fall = figures.plot_waterfall(parts, kpi="churn_rate", words=words)
    heights = [patch.get_height() for patch in fall.axes[0].patches]
    assert heights == pytest.approx([0, 0.05, 0.01, -0.01, -0.04, 0.01])
    bottoms = [patch.get_y() for patch in fall.axes[0].patches]
    assert bottoms == pytest.approx([0, 0, 0.05, 0.06, 0.05, 0])
    for told_alt in (findings.alt_highlights(highlights), findings.alt_mix(parts, kpi="churn_rate"),
                     findings.alt_effect(effect, outcome="spend", settings=PROGRAMME)):  # fmt: skip
        assert isinstance(told_alt, Message)
        assert words.say(told_alt)


def test_figures_without_data_say_so(words, highlights, effect, parts) -> None:
    for figure in (
        figures.plot_highlights(highlights.iloc[:0], words=words),
        figures.plot_effect(effect.iloc[:0], outcome="orders", words=words),
        figures.plot_waterfall(parts, kpi="revenue", words=words),
    ):
        assert len(figure.axes) == 1
        assert texts_of(figure).strip()
