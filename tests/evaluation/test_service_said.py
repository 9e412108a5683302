"""What is said and drawn of service: sentences for every state, tables for reading, figures without computing."""

import pandas as pd
import pytest

from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.base.settings_service import ServiceSettings
from crm_analysis.base.words import LANGUAGES, Message, Words
from crm_analysis.evaluation import service_display as display
from crm_analysis.evaluation import service_figures as figures
from crm_analysis.evaluation import service_findings as findings
from crm_analysis.evaluation.bursts import BURSTS_SCHEMA
from crm_analysis.evaluation.complaints import COMPLAINT_RESPONSE_SCHEMA, COMPLAINTS_SCHEMA, no_complaints
from crm_analysis.evaluation.service import TIMES_SCHEMA, finish_times
from crm_analysis.reporting.tables import render_table

SETTINGS = EvaluationSettings()
EN = Words("en")
_STATES = ("met", "late", "overdue", "pending", "unclear")


def times(*rows: dict) -> pd.DataFrame:
    """Return ``service_times`` from counts; every reply takes an hour of business unless ``hours`` says otherwise."""
    made = []
    for row in rows:
        hours, given = row.get("hours", 1.0), {f"{state}_n": 0 for state in _STATES} | row
        answered = given["met_n"] + given["late_n"]
        resolved = given.get("resolved", answered)
        made.append(
            {"dimension": "all", "part": "all", "hidden_n": 0, "was_resolved_n": resolved, "reopened_n": 0,
             "n": sum(given[f"{state}_n"] for state in _STATES), "resolution_resolved_n": resolved,
             "resolution_overdue_n": given.get("unresolved", 0), "resolution_pending_n": 0, "resolution_unclear_n": 0}
            | {name: value for name, value in given.items() if name in TIMES_SCHEMA}
            | {f"{what}_{clock}hours_{name}": value * 3600
               for what, n in (("response", answered), ("resolution", resolved)) for clock in ("", "business_")
               for name, value in (("sum", hours * n), ("median", hours), ("p90", hours))}
        )  # fmt: skip
    return finish_times(pd.DataFrame(made), settings=SETTINGS)[list(TIMES_SCHEMA)]


GOOD = times(
    {"met_n": 95, "late_n": 5, "pending_n": 2},
    {"met_n": 12, "late_n": 1, "dimension": "urgency", "part": "urgent", "hours": 0.4},
    {"met_n": 3, "dimension": "channel", "part": "live_chat"},
)
BAD = times(
    {"met_n": 40, "late_n": 50, "overdue_n": 10, "hours": 6.0, "unresolved": 20},
    {"met_n": 2, "late_n": 18, "dimension": "urgency", "part": "urgent", "hours": 2.0},
)
FEW = times({"met_n": 3, "overdue_n": 1})
NONE = pd.DataFrame(
    {name: pd.Series(dtype="str" if name in ("dimension", "part", "status") else "float64") for name in TIMES_SCHEMA}
)


@pytest.mark.parametrize(
    ("finding", "table", "id_"),
    [
        (findings.finding_speed, GOOD, "service.speed_good"),
        (findings.finding_speed, BAD, "service.speed_bad"),
        (findings.finding_speed, FEW, "service.speed_few"),
        (findings.finding_speed, NONE, "service.none"),
        (findings.finding_standards, GOOD, "service.standards_good"),
        (findings.finding_standards, BAD, "service.standards_bad"),
        (findings.finding_standards, FEW, "service.standards_few"),
        (findings.finding_standards, NONE, "service.none"),
        (findings.finding_resolution, GOOD, "service.resolution_good"),
        (findings.finding_resolution, BAD, "service.resolution_bad"),
        (findings.finding_resolution, FEW, "service.resolution_few"),
        (findings.finding_resolution, NONE, "service.none"),
        (findings.note_cases, GOOD, "service.cases_note"),
        (findings.alt_speed, BAD, "service.speed_alt"),
        (findings.alt_standards, NONE, "service.standards_alt"),
    ],
)
def test_every_state_has_its_sentence_in_both_languages(finding, table: pd.DataFrame, id_: str) -> None:
    said = finding(table, settings=SETTINGS)
    assert said.id == id_
    assert said == Message.from_json(said.to_json())
    for lang in LANGUAGES:
        assert "nan" not in Words(lang).say(said)


def test_the_numbers_of_speed_and_standards() -> None:
    speed = findings.finding_speed(BAD, settings=SETTINGS)
    assert {name: speed.args[name] for name in ("mean", "target", "n", "open")} == {
        "mean": 6,
        "target": 4,
        "n": 90,
        "open": 10,
    }
    assert speed.args["urgent"].id == "service.urgent_bad"
    assert findings.finding_speed(GOOD, settings=SETTINGS).args["urgent"].id == "service.urgent_good"
    standards = findings.finding_standards(BAD, settings=SETTINGS).args
    assert (standards["rate"], standards["n"], standards["late"], standards["overdue"]) == (0.4, 100, 50, 10)
    resolution = findings.finding_resolution(BAD, settings=SETTINGS).args
    assert (resolution["resolved"], resolution["n"], round(resolution["rate"], 4)) == (90, 110, 0.8182)


def test_the_clock_of_the_sentence_is_that_of_the_standard() -> None:
    by_clock = EvaluationSettings(service=ServiceSettings(sla_clock="calendar"))
    assert findings.finding_speed(GOOD, settings=by_clock).args["clock"].id == "service.clock.calendar"
    assert findings.finding_speed(GOOD, settings=SETTINGS).args["clock"].id == "service.clock.business"


def test_the_calendar_says_which_years_it_does_not_know() -> None:
    document = {"shifts": ["09:00-12:00", "13:30-18:00"], "workday_count": 66, "closed_count": 0, "made_up_count": 0,
                "open_hours": 495.0, "unpublished_years": [2090]}  # fmt: skip
    flagged = EN.say(findings.note_calendar(document))
    assert "make-up workdays of 2090 are not published" in flagged
    assert "2090" in Words("zh").say(findings.note_calendar(document))
    assert "09:00-12:00 and 13:30-18:00" in flagged
    known = findings.note_calendar(document | {"unpublished_years": []})
    assert known.args["flag"].id == "service.calendar_known"


# -- complaints --------------------------------------------------------------------------------------------------------


def complaint_rows(count: int, *, per_customers: float, per_orders: float) -> pd.DataFrame:
    rows = [("per_customers", count, 500, per_customers), ("per_orders", count, 900, per_orders),
            ("non_buyers", 3, 20, 15.0), ("urgent", 1, 20, 5.0), ("marketing", 2, 20, 10.0), ("mediated", 0, 20, 0.0),
            ("reopened", 0, 20, 0.0)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["complaint_measure", "complaint_count", "base_count", "per_100"])
    return table.assign(per_100_low=0.0, per_100_high=50.0)[list(COMPLAINTS_SCHEMA)]


@pytest.mark.parametrize(
    ("table", "id_"),
    [
        (complaint_rows(25, per_customers=5.0, per_orders=2.7), "service.complaints"),
        (complaint_rows(0, per_customers=0.0, per_orders=0.0), "service.complaints_zero"),
        (complaint_rows(2, per_customers=float("nan"), per_orders=float("nan")), "service.complaints_few"),
        (no_complaints(), "service.complaints_unknown"),
    ],
)
def test_complaints_are_told_or_why_not(table: pd.DataFrame, id_: str) -> None:
    said = findings.finding_complaints(table, settings=SETTINGS)
    assert said.id == id_
    assert "nan" not in EN.say(said)


def response_rows(n: int, rate: float, *, urgent_rate: float) -> pd.DataFrame:
    groups = ["all", "normal", "urgent", "urgent_standard"]
    table = pd.DataFrame({"complaint_group": groups, "limit_hours": [24, 24, 24, 0.5], "n": n, "answered_n": n})
    table = table.assign(met_n=n, late_n=0, overdue_n=0, pending_n=0, unclear_n=0)
    table["in_time_rate"] = [rate, rate, rate, urgent_rate]
    return table.reindex(columns=list(COMPLAINT_RESPONSE_SCHEMA)).fillna(
        {"in_time_rate_low": 0.5, "in_time_rate_high": 1.0}
    )


@pytest.mark.parametrize(
    ("table", "id_", "urgent"),
    [
        (response_rows(30, 0.9, urgent_rate=0.6), "service.complaint_response", "service.complaint_urgent"),
        (
            response_rows(30, 0.9, urgent_rate=float("nan")),
            "service.complaint_response",
            "service.complaint_urgent_few",
        ),
        (response_rows(3, float("nan"), urgent_rate=float("nan")), "service.complaint_response_few", None),
        (response_rows(0, float("nan"), urgent_rate=float("nan")), "service.complaint_response_none", None),
        (response_rows(0, 0, urgent_rate=0).head(0), "service.complaint_response_none", None),
    ],
)
def test_the_response_to_complaints_is_told_or_why_not(table: pd.DataFrame, id_: str, urgent: str | None) -> None:
    said = findings.finding_complaint_response(table, settings=SETTINGS)
    assert said.id == id_
    assert (said.args["urgent"].id if "urgent" in said.args else None) == urgent
    assert "nan" not in EN.say(said)


def burst_rows(*, bursts: int = 0, judged: bool = True) -> pd.DataFrame:
    table = pd.DataFrame({"date": pd.date_range("2025-07-01", periods=92, unit="s")})
    known = 1.0 if judged else float("nan")
    table = table.assign(complaint_count=1, expected_complaints=known, critical_count=5 * known, p_value=0.6 * known,
                         false_alarm_probability=0.003 * known, is_burst=False, baseline_week_count=8)  # fmt: skip
    for place in range(bursts):
        table.loc[10 + place, ["complaint_count", "p_value", "is_burst"]] = [9 + place, 1e-5 / (1 + place), True]
    return table[list(BURSTS_SCHEMA)]


@pytest.mark.parametrize(
    ("table", "id_"),
    [
        (burst_rows(bursts=2), "service.bursts"),
        (burst_rows(), "service.bursts_none"),
        (burst_rows(judged=False), "service.bursts_no_history"),
        (burst_rows().head(0), "service.complaints_unknown"),
    ],
)
def test_bursts_are_told_with_the_false_alarms_to_be_expected(table: pd.DataFrame, id_: str) -> None:
    said = findings.finding_bursts(table)
    assert said.id == id_
    if id_ == "service.bursts":
        told = {name: said.args[name] for name in ("count", "date", "observed", "days", "false_alarms")}
        assert told == {"count": 2, "date": "2025-07-12", "observed": 10, "days": 92, "false_alarms": 0.276}
    for lang in LANGUAGES:
        assert Words(lang).say(findings.alt_bursts(table))
        assert Words(lang).say(findings.note_bursts(settings=SETTINGS))


# -- for reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [display.SPEED, display.STANDARDS, display.RESOLUTION])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_tables_can_be_shown(lang: str, columns) -> None:
    words = Words(lang)
    shown = display.format_times(GOOD, words=words, columns=columns)
    assert shown["case_dimension"].tolist() == ["all", "channel", "urgency"]
    html = render_table(shown, words=words, id_="t")
    assert "live_chat" in html  # a channel of the company's own has no word


def test_parts_take_the_words_of_their_dimension() -> None:
    assert display.part_word("urgency", "urgent", words=EN) == "Urgent"
    assert display.part_word("channel", "wechat", words=EN) == "WeChat"
    assert display.part_word("tier", "no_tier", words=EN) == "No tier at the start"
    assert display.part_word("owner", "unknown", words=EN) == "Not recorded"
    assert display.part_word("owner", "w1", words=EN) == "w1"


def test_owners_are_shown_with_most_cases_first_and_not_all_of_them() -> None:
    rows = [{"met_n": 30 - n, "dimension": "owner", "part": f"w{n}"} for n in range(25)]
    shown = display.format_owners(times({"met_n": 500}, *rows), words=EN)
    assert shown["case_part"].tolist() == [f"w{n}" for n in range(20)]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("schema", [TIMES_SCHEMA, COMPLAINTS_SCHEMA, COMPLAINT_RESPONSE_SCHEMA, BURSTS_SCHEMA])
def test_every_column_has_a_heading(lang: str, schema) -> None:
    assert [name for name in schema if not Words(lang).has(f"column.{name}")] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_figures_draw_what_there_is_or_say_that_there_is_nothing(lang: str) -> None:
    words = Words(lang)
    speed = figures.plot_speed(BAD, clock="business", words=words)
    texts = [text.get_text() for text in speed.axes[0].texts]
    assert [text[0] for text in texts] == ["×", "×"]
    assert len(figures.plot_standards(BAD, words=words).axes[0].patches) == 2 * 4
    marked = figures.plot_bursts(burst_rows(bursts=2), words=words).axes[0]
    assert len(marked.texts) == 2
    empty = [figures.plot_speed(NONE, clock="calendar", words=words), figures.plot_standards(NONE, words=words),
             figures.plot_bursts(burst_rows().head(0), words=words)]  # fmt: skip
    assert [len(figure.axes[0].texts) for figure in empty] == [1, 1, 1]
