"""Improvement measures and what became of them."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import EvaluationSettings, Target
from crm_analysis.base.settings_effects import HighlightSettings, KpiCondition, MeasureRule
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.evaluation.effects_display import measure_message
from crm_analysis.evaluation.highlights import MISSED
from crm_analysis.evaluation.measures import (
    CHECKS_SCHEMA,
    DONE_SCHEMA,
    DONE_STATES,
    MEASURES_SCHEMA,
    VERDICTS,
    done_actions_table,
    measure_checks_table,
    measure_names,
    measures_table,
    proposals,
)
from crm_analysis.evaluation.scorecard import SCORECARD_SCHEMA, scorecard_table
from crm_analysis.sources.as_of import as_of

QUARTER = Quarter(2025, 3)
NAME = {"zh": "甲", "en": "a"}
JUDGED_KPIS = [id_ for id_, metric in METRICS.items() if metric.direction != "none"]


def card(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Return a scorecard from ``kpi, status, change on last year``."""
    table = pd.DataFrame(
        [{"kpi": kpi, "unit": METRICS[kpi].unit, "status": status, "year_ago_change": change, "value": 1.0,
          "target": np.nan if status == "no_target" else 2.0, "n": 50} for kpi, status, change in rows]
    )  # fmt: skip
    return table.reindex(columns=list(SCORECARD_SCHEMA))


def asked(*rows: tuple[str, str, float], rules: tuple[MeasureRule, ...] = ()) -> dict[str, str]:
    table = measures_table(card(*rows), rules=rules, quarter=QUARTER)
    check_columns(table.columns, MEASURES_SCHEMA, result="measures")
    assert table["kpi"].is_unique
    return dict(zip(table["kpi"], table["measure"], strict=True))


def test_every_missed_kpi_has_its_own_measure() -> None:
    found = asked(("complaint_rate", "bad", 0.1), ("nps", "watch", 0.1), ("csat_points", "good", 0.1),
                  ("churn_rate", "no_target", 0.1), ("refund_rate", "too_small", 0.1))  # fmt: skip
    assert found == {"complaint_rate": "complaint_rate", "nps": "nps"}
    table = measures_table(card(("complaint_rate", "bad", 0.1)), rules=(), quarter=QUARTER)
    row = table.iloc[0]
    assert (row["department"], row["due_date"].date(), row["cause"]) == ("service", date(2025, 10, 31), "missed")
    assert asked() == {}


def test_what_was_dropped_is_not_proposed_again() -> None:
    missed = card(("contacts_per_customer_month", "bad", 0.1), ("nps", "bad", 0.1))
    dropped = {("contacts_per_customer_month", "monthly_live_session"), ("nps", "nps")}
    table = measures_table(missed, rules=(), quarter=QUARTER, dropped=dropped)
    assert dict(zip(table["kpi"], table["measure"], strict=True)) == {
        "contacts_per_customer_month": "contacts_per_customer_month", "nps": "another_measure"}  # fmt: skip
    assert table["cause"].tolist() == ["missed", "missed"]


@given(st.lists(st.sampled_from(["good", "watch", "bad", "no_target", "too_small", "no_history"]),
                min_size=len(JUDGED_KPIS), max_size=len(JUDGED_KPIS)),
       st.sampled_from([-0.1, 0.0, 0.1, float("nan")]))  # fmt: skip
@settings(max_examples=40)
def test_exactly_one_measure_for_each_missed_kpi(statuses: list[str], change: float) -> None:
    rows = [(kpi, status, change) for kpi, status in zip(JUDGED_KPIS, statuses, strict=True)]
    table = measures_table(card(*rows), rules=(), quarter=QUARTER)
    missed = [kpi for kpi, status, _ in rows if status in MISSED]
    assert table.loc[table["cause"] == "missed", "kpi"].tolist() == missed
    assert table["kpi"].is_unique


def test_satisfied_but_not_growing_asks_for_upsell_needs() -> None:
    assert asked(("revenue", "no_target", -0.1), ("satisfaction_rate", "good", 0)) == {"revenue": "upsell_needs"}
    assert asked(("revenue", "no_target", 0.0), ("satisfaction_rate", "good", 0)) == {"revenue": "upsell_needs"}
    assert asked(("revenue", "no_target", 0.1), ("satisfaction_rate", "good", 0)) == {}
    assert asked(("revenue", "no_target", np.nan), ("satisfaction_rate", "good", 0)) == {}
    for status in ("no_target", "too_small"):  # nothing is known of satisfaction
        assert asked(("revenue", "no_target", -0.1), ("satisfaction_rate", status, 0)) == {}
    assert asked(("revenue", "bad", -0.1), ("satisfaction_rate", "no_target", 0)) == {"revenue": "revenue"}
    both = asked(("revenue", "no_target", -0.1), ("value_growth_rate", "bad", 0), ("satisfaction_rate", "good", 0))
    assert both == {"value_growth_rate": "upsell_needs"}  # the same measure is not asked for twice


def test_low_activity_asks_for_a_monthly_live_session() -> None:
    assert asked(("contacts_per_customer_month", "bad", 0.1)) == {"contacts_per_customer_month": "monthly_live_session"}
    falling = asked(("contacts_per_customer_month", "no_target", -0.1))
    assert falling == {"contacts_per_customer_month": "monthly_live_session"}


def rule(**given_: object) -> MeasureRule:
    return MeasureRule.model_validate({"id": "own", "kpi": "nps", "measure": NAME, "department": "sales"} | given_)


def test_rules_of_settings_come_first_and_hold_under_their_conditions() -> None:
    own = rule(due_days=10, department="quality")
    table = measures_table(card(("nps", "bad", 0)), rules=[own], quarter=QUARTER)
    assert table[["measure", "department"]].iloc[0].tolist() == ["own", "quality"]
    assert table["due_date"].dt.date.tolist() == [date(2025, 10, 11)]
    both = rule(conditions=({"kpi": "complaint_rate", "state": "missed"}, {"kpi": "revenue", "state": "growing"}))
    assert (
        asked(("nps", "bad", 0), ("complaint_rate", "bad", 0), ("revenue", "no_target", 0.1), rules=(both,))["nps"]
        == "own"
    )
    assert asked(("nps", "bad", 0), ("complaint_rate", "good", 0), ("revenue", "no_target", 0.1), rules=(both,)) == {
        "nps": "nps"
    }
    assert asked(("nps", "bad", 0), ("complaint_rate", "bad", 0), rules=(both,))["nps"] == "nps"
    growth = rule(states=("not_growing",))
    assert asked(("nps", "good", -1), rules=(growth,)) == {"nps": "own"}
    assert asked(("nps", "bad", 1), rules=(growth,)) == {"nps": "nps"}
    assert measure_names([own]) == {"improvement.own": NAME}


@pytest.mark.parametrize(
    ("given_", "match"),
    [
        ({"id": "nps"}, "'nps' names the built-in measure of that KPI"),
        ({"kpi": "npss"}, "no KPI 'npss'; did you mean 'nps'"),
        ({"states": ()}, "at least 1 item"),
        ({"states": ("met",)}, "'missed' or 'not_growing'"),
        ({"conditions": ({"kpi": "nqs", "state": "met"},)}, "no KPI 'nqs'"),
        ({"id": "Own Rule"}, "should match pattern"),
        ({"due_days": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_rules_are_refused(given_: dict, match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        rule(**given_)


def test_two_rules_of_one_id_are_refused() -> None:
    with pytest.raises(ValidationError, match="ids of measures stand twice: own"):
        EvaluationSettings(measures=(rule(), rule(kpi="revenue")))
    assert KpiCondition(kpi="nps", state="met").state == "met"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_built_in_measure_has_words(lang: str) -> None:
    words = Words(lang)
    ids = {proposal.id for proposal in proposals([])}
    assert set(JUDGED_KPIS) <= ids
    assert all(words.say(measure_message(id_)) for id_ in ids)


# -- one quarter later -------------------------------------------------------------------------------------------------


def test_what_was_done_in_the_quarter(make_tables) -> None:
    actions = [
        {"kind": "call", "assigned_at": "2025-05-01", "done_at": "2025-07-01 00:00"},
        {"kind": "call", "assigned_at": "2025-05-01", "done_at": "2025-09-30 23:59", "campaign_id": "C1"},
        {"kind": "call", "assigned_at": "2025-05-01", "done_at": "2025-06-30 23:59"},  # the quarter before
        {"kind": "call", "assigned_at": "2025-08-01", "done_at": "2025-10-01 00:00"},  # the quarter after
        {"kind": "call", "assigned_at": "2025-08-01", "done_at": "2025-08-02", "is_control": True},
        {"kind": "coupon", "assigned_at": "2025-08-01", "done_at": "2025-08-02"},
        {"kind": "coupon", "assigned_at": "2025-08-01"},
    ]
    tables = as_of(make_tables(orders=[], actions=actions), QUARTER.end, zone="Asia/Shanghai")
    done = done_actions_table(tables["actions"], quarter=QUARTER, zone="Asia/Shanghai")
    check_columns(done.columns, DONE_SCHEMA, result="done_actions")
    assert done.to_numpy().tolist() == [["call", "", 1], ["call", "C1", 1], ["coupon", "", 1]]


DONE = pd.DataFrame({"action_kind": ["call", "gift"], "campaign": ["", "NPS-2025Q3"], "done_count": [3, 2]})
CLEAR = HighlightSettings(clear_score=1)
HOURS = (5.0, 4.0, 6.0, 5.0, 5.0, 4.0, 6.0)  # noise 1.4826 with most values of the last quarter


def checks(
    make_history, *, last: float, before: float = 6.0, n: int = 50, done: pd.DataFrame | None = DONE,
    is_complete: bool = True, quarters: int = 7, **given_: object,
) -> pd.Series:  # fmt: skip
    values = [*HOURS[-quarters:-1], before, last]
    names = [str(quarter) for quarter in QUARTER.back(len(values))]
    sizes = [50] * (len(values) - 1) + [n]
    rows = [("first_response_hours", name, value, size) for name, value, size in zip(names, values, sizes, strict=True)]
    history = make_history(*rows)
    targets = [Target(kpi="first_response_hours", value=4)]
    cards = [scorecard_table(history, targets=targets, quarter=q, tolerance=0.05) for q in (QUARTER.shift(-1), QUARTER)]
    own = rule(kpi="first_response_hours", **({"action_kinds": ("call",)} | given_))
    table = measure_checks_table(
        *cards, history, done, rules=[own], quarter=QUARTER, settings=CLEAR, is_complete=is_complete
    )
    check_columns(table.columns, CHECKS_SCHEMA, result="measure_checks")
    assert len(table) == 1
    return table.iloc[0]


def test_a_measure_that_was_done_and_helped_is_kept(make_history) -> None:
    row = checks(make_history, last=4.0)
    # changes -1 2 -1 0 -1 2 -2: median -1, deviations 0 3 0 1 0 3 1: median 1
    assert row["noise"] == pytest.approx(1.4826)
    assert (row["value_before"], row["value_now"], row["change"]) == (6, 4, 2)  # fewer hours are better
    assert row["change_score"] == pytest.approx(2 / 1.4826, abs=1e-6)
    assert (row["done_state"], row["done_count"], row["verdict"]) == ("done", 3, "keep")
    assert (row["quarter"], row["status"], row["missed_quarter_count"]) == ("2025Q2", "good", 0)
    assert row["due_date"].date() == date(2025, 7, 31)


def test_a_measure_that_was_done_and_did_not_help_is_dropped(make_history) -> None:
    worse = checks(make_history, last=9.0, quarters=2)
    assert (worse["change"], worse["verdict"]) == (-3, "undecided")  # four quarters: there is no noise
    worse = checks(make_history, last=9.0)
    assert (worse["change_score"] < -1, worse["verdict"]) == (True, "drop")
    still = checks(make_history, last=5.5)  # 4 hours two quarters ago: off target for two in a row
    assert (abs(still["change_score"]) < 1, still["missed_quarter_count"], still["verdict"]) == (True, 2, "undecided")


def test_off_target_for_too_long_without_a_move_is_dropped(make_history) -> None:
    values = [5.0, 6.5, 5.0, 6.5, 5.0, 6.5, 6.0, 6.2]
    rows = [("first_response_hours", str(q), v, 50) for q, v in zip(QUARTER.back(8), values, strict=True)]
    history = make_history(*rows)
    targets = [Target(kpi="first_response_hours", value=4)]
    cards = [scorecard_table(history, targets=targets, quarter=q, tolerance=0.05) for q in (QUARTER.shift(-1), QUARTER)]
    own = [rule(kpi="first_response_hours", action_kinds=("call",))]
    for most, verdict in ((8, "drop"), (9, "undecided")):
        table = measure_checks_table(
            *cards, history, DONE, rules=own, quarter=QUARTER, settings=HighlightSettings(drop_after_quarters=most)
        )
        assert table[["missed_quarter_count", "verdict"]].iloc[0].tolist() == [8, verdict]


def test_what_was_not_done_decides_nothing(make_history) -> None:
    assert checks(make_history, last=4.0, done=None)[["done_state", "verdict"]].tolist() == ["unknown", "undecided"]
    other = checks(make_history, last=4.0, action_kinds=("visit",))
    assert other[["done_state", "done_count", "verdict"]].tolist() == ["not_recorded", 0, "undecided"]
    unnamed = checks(make_history, last=4.0, action_kinds=())
    assert unnamed[["done_state", "verdict"]].tolist() == ["unnamed", "undecided"]
    by_name = checks(make_history, last=4.0, action_kinds=(), campaigns=("NPS-*",))
    assert by_name[["done_state", "done_count", "verdict"]].tolist() == ["done", 2, "keep"]
    both = checks(make_history, last=4.0, campaigns=("NPS-*",))
    assert both["done_count"] == 5
    assert {row["done_state"] for row in (other, unnamed, by_name)} <= set(DONE_STATES)
    assert {row["verdict"] for row in (other, unnamed, by_name)} <= set(VERDICTS)


def test_a_rule_of_settings_may_take_the_place_of_a_built_in_one(make_history) -> None:
    kpi = "contacts_per_customer_month"
    history = make_history((kpi, "2025Q2", 1.0, 50), (kpi, "2025Q3", 1.0, 50))
    targets = [Target(kpi=kpi, value=3)]
    cards = [scorecard_table(history, targets=targets, quarter=q, tolerance=0.05) for q in (QUARTER.shift(-1), QUARTER)]
    own = rule(id="monthly_live_session", kpi=kpi, action_kinds=(), campaigns=("NPS-*",))
    table = measure_checks_table(*cards, history, DONE, rules=[own], quarter=QUARTER, settings=CLEAR)
    assert table[["measure", "department", "done_state", "done_count"]].iloc[0].tolist() == [
        "monthly_live_session", "sales", "done", 2,
    ]  # fmt: skip


def test_a_piece_of_a_quarter_or_too_small_a_sample_decides_nothing(make_history) -> None:
    assert checks(make_history, last=4.0, is_complete=False)["verdict"] == "undecided"
    small = checks(make_history, last=4.0, n=10)
    assert (small["status"], small["verdict"], small["n"]) == ("too_small", "undecided", 10)
    assert np.isnan(small["change"])


def test_nothing_was_missed(make_history) -> None:
    history = make_history(("first_response_hours", "2025Q2", 3.0, 50), ("first_response_hours", "2025Q3", 9.0, 50))
    targets = [Target(kpi="first_response_hours", value=4)]
    cards = [scorecard_table(history, targets=targets, quarter=q, tolerance=0.05) for q in (QUARTER.shift(-1), QUARTER)]
    table = measure_checks_table(*cards, history, None, rules=[], quarter=QUARTER, settings=CLEAR)
    check_columns(table.columns, CHECKS_SCHEMA, result="measure_checks")
    assert table.empty
