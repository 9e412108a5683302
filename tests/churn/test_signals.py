"""Risk signals: facts by hand, posteriors against simulation, the record of past signals, what the demo plants."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_signals import SignalSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import insight_figures as figures
from crm_analysis.churn import signal_findings as findings
from crm_analysis.churn.signal_facts import LOG_SCALE, SIGNAL_FACTS_SCHEMA, signal_facts
from crm_analysis.churn.signal_record import SIGNAL_RECORD_SCHEMA, ratio_interval, signal_record_table
from crm_analysis.churn.signals import (
    SIGNAL_COUNTS_SCHEMA,
    SIGNALS,
    SIGNALS_SCHEMA,
    GammaPrior,
    falling_probability,
    fit_rate_prior,
    signal_counts_table,
    signals_table,
    silence_probability,
)
from crm_analysis.sources.as_of import as_of as door

DAY = date(2025, 10, 1)
SETTINGS = SignalSettings()


def facts_frame(n: int, **columns: Any) -> pd.DataFrame:
    """Return facts of ``n`` customers; what is not given is empty."""
    frame = pd.DataFrame({name: np.full(n, np.nan) for name in SIGNAL_FACTS_SCHEMA})
    frame["customer_id"] = pd.Series([f"c{k:05d}" for k in range(n)], dtype="str")
    zero = dict.fromkeys(["recency_days", "purchase_count_recent", "purchase_count_past", "past_days", "gap_count",
                          "gap_total_days"], 0.0)  # fmt: skip
    return frame.assign(**zero | columns)


# -- facts -------------------------------------------------------------------------------------------------------------


def test_facts_by_hand(make_tables) -> None:
    """2025-07-03 is the first of the last 90 days; 2025-04-04 the first of the last 180."""
    orders = [{"order_id": f"o{k}", "ordered_at": f"{day} 10:00", "amount": amount} for k, (day, amount) in enumerate([
        ("2025-01-01", 100), ("2025-02-01", 100), ("2025-02-01", 300), ("2025-07-02", 100), ("2025-07-03", 50),
        ("2025-09-21", 50)])]  # fmt: skip
    orders += [
        {"order_id": "r1", "ordered_at": "2025-09-22 10:00", "amount": 70},
        {"order_id": "r2", "ordered_at": "2025-09-23 10:00", "amount": -70, "refund_of": "r1"},
        {"order_id": "x", "customer_id": "gone", "ordered_at": "2024-01-01", "amount": 5},
    ]
    contacts = [
        {"opened_at": "2025-01-05 10:00", "direction": "out", "kind": "call"},
        {"opened_at": "2025-01-06 10:00", "kind": "inquiry"},
        {"opened_at": "2025-05-01 10:00", "direction": "out", "kind": "call"},  # not answered
        {"opened_at": "2025-05-03 10:00", "direction": "out", "kind": "call"},
        {"opened_at": "2025-05-05 10:00", "kind": "complaint"},
        {"opened_at": "2025-09-20 10:00", "direction": "out", "kind": "call"},  # its 30 days are not over
        {"opened_at": "2025-09-20 11:00", "kind": "complaint"},
    ]
    surveys = [
        {"sent_at": "2024-01-01", "answered_at": "2024-01-02", "question": "nps", "score": 0, "scale_min": 0,
         "scale_max": 10},
        {"sent_at": "2025-03-01", "answered_at": "2025-03-02", "score": 5},
        {"sent_at": "2025-04-01", "answered_at": "2025-04-02", "score": 4},
        {"survey_id": "last", "sent_at": "2025-08-01", "answered_at": "2025-08-02", "score": 2},
        {"survey_id": "last", "sent_at": "2025-08-01", "answered_at": "2025-08-02", "question": "new", "score": 1},
    ]  # fmt: skip
    history = [
        {"field": "contact_person", "value": "a", "changed_at": "2025-01-01"},
        {"field": "contact_person", "value": "a", "changed_at": "2025-08-01"},  # entered again, no change
        {"field": "contact_person", "value": "b", "changed_at": "2025-09-01"},
        {"field": "region", "value": "n", "changed_at": "2025-09-01"},
    ]
    contracts = [{"start_date": "2025-01-01", "end_date": "2025-10-30"}]
    made = make_tables(orders=orders, interactions=contacts, surveys=surveys, customers_history=history,
                       contracts=contracts)  # fmt: skip
    known = door(made, DAY, zone="Asia/Shanghai")
    table = signal_facts(known, as_of=DAY, active_within_days=365, settings=SETTINGS).to_pandas()
    check_columns(table.columns, SIGNAL_FACTS_SCHEMA, result="signal_facts")
    assert table["customer_id"].tolist() == ["c1"]
    row = table.iloc[0]
    assert (row["recency_days"], row["gap_count"], row["gap_total_days"]) == (9, 4, 263)
    assert (row["purchase_count_recent"], row["purchase_count_past"], row["past_days"]) == (2, 2, 182)
    assert (row["order_count_recent"], row["order_count_past"]) == (3, 3)
    assert row["log_sum_recent"] / LOG_SCALE == pytest.approx(np.log(100) + 2 * np.log(50), abs=3e-4)
    assert (row["reply_count_recent"], row["reply_count_past"]) == (1, 1)
    assert (row["reply_hours_recent"], row["reply_hours_past"]) == (48.0, 24.0)
    assert row["complaint_count"] == 1
    assert (row["survey_score_last"], row["survey_score_before"], row["survey_count_before"]) == (0.25, 0.875, 2)
    assert (row["contract_days_left"], row["change_count"]) == (30, 1)


def test_what_no_table_tells_is_empty_not_no(make_tables) -> None:
    made = make_tables(orders=[{"ordered_at": "2025-09-01"}])
    known = door(made, DAY, zone="Asia/Shanghai")
    facts = signal_facts(known, as_of=DAY, active_within_days=365, settings=SETTINGS).to_pandas()
    signals = signals_table(facts, settings=SETTINGS)
    check_columns(signals.columns, SIGNALS_SCHEMA, result="signals")
    assert signals[[f"is_{name}" for name in SIGNALS]].isna().all(axis=None)
    assert signals["signal_count"].tolist() == [0]


# -- posteriors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("recent", "past", "past_days"), [(0, 12, 365), (3, 10, 300), (9, 20, 700)])
def test_the_falling_probability_is_that_of_two_gamma_variables(recent: int, past: int, past_days: int) -> None:
    prior = GammaPrior(1.8, 80.0)
    found = falling_probability(
        np.array([recent]), recent_days=90, past=np.array([past]), past_days=np.array([past_days]), prior=prior
    )[0]
    rng = np.random.default_rng(5)
    now = rng.gamma(0.5 + recent, 1 / 90, 400_000)
    before = rng.gamma(prior.shape + past, 1 / (prior.days + past_days), 400_000)
    assert found == pytest.approx((now < before).mean(), abs=0.004)


def test_the_silence_probability_is_that_of_a_mixed_exponential() -> None:
    prior, rng = GammaPrior(1.8, 80.0), np.random.default_rng(6)
    found = silence_probability(np.array([70.0]), gaps=np.array([6.0]), gap_days=np.array([240.0]), prior=prior)[0]
    waits = rng.exponential(1 / rng.gamma(1.8 + 6, 1 / (80 + 240), 400_000))
    assert found == pytest.approx((waits > 70).mean(), abs=0.003)


@given(st.integers(0, 30), st.integers(0, 60), st.integers(1, 900), st.floats(0.2, 20), st.floats(5, 500))
@run(max_examples=100)
def test_probabilities_move_the_right_way(x: int, past: int, days: int, shape: float, scale: float) -> None:
    prior = GammaPrior(shape, scale)

    def falling(recent: int, before: int) -> float:
        return float(falling_probability(np.array([recent]), recent_days=90, past=np.array([before]),
                                         past_days=np.array([days]), prior=prior)[0])  # fmt: skip

    assert 0 <= falling(x + 1, past) <= falling(x, past) <= falling(x, past + 1) <= 1
    silences = silence_probability(np.array([0.0, 10.0, 200.0]), gaps=np.full(3, past), gap_days=np.full(3, days),
                                   prior=prior)  # fmt: skip
    assert silences[0] == 1
    assert silences[1] > silences[2] >= 0


@pytest.mark.parametrize("rate", [4, 12, 40])
def test_steady_customers_seldom_seem_to_fall_however_busy(rate: int) -> None:
    """The population's prior must not make busy customers fall: of steady ones no more than about 5 % are flagged."""
    rng, n = np.random.default_rng(rate), 20_000
    facts = facts_frame(
        n, purchase_count_recent=rng.poisson(rate * 90 / 365, n), purchase_count_past=rng.poisson(rate * 2, n),
        past_days=730.0, gap_count=rate * 2.0, gap_total_days=730.0,
    )  # fmt: skip
    light = facts_frame(n, purchase_count_recent=0, purchase_count_past=rng.poisson(2, n), past_days=730.0)
    both = pd.concat([facts, light.assign(customer_id=[f"l{k}" for k in range(n)])], ignore_index=True)
    signals = signals_table(both, settings=SETTINGS).iloc[:n]
    flagged = signals["is_frequency_down"].fillna(False).mean()
    assert flagged < 0.06
    if rate < 12:
        return  # one purchase a quarter: its absence proves nothing, so that nobody is flagged
    slower = both.assign(purchase_count_recent=rng.poisson(rate * 90 / 365 / 4, 2 * n))
    assert signals_table(slower, settings=SETTINGS).iloc[:n]["is_frequency_down"].fillna(False).mean() > flagged + 0.04


def test_the_prior_is_found_again() -> None:
    rng = np.random.default_rng(7)
    days = rng.uniform(100, 700, 40_000)
    counts = rng.poisson(rng.gamma(1.8, 1 / 80, 40_000) * days).astype(float)
    prior = fit_rate_prior(counts, days)
    assert prior.shape == pytest.approx(1.8, rel=0.08)
    assert prior.days == pytest.approx(80, rel=0.08)
    equal = fit_rate_prior(np.full(50, 10.0), np.full(50, 100.0))
    assert (equal.shape, equal.days) == (1000.0, 10_000.0)
    assert np.isnan(fit_rate_prior(np.zeros(5), np.full(5, 100.0)).shape)


def test_the_basket_test_by_hand() -> None:
    """With a tiny weight of the usual spread the test is Student's of equal variances on logarithms."""
    recent, past = np.log([50.0, 60.0, 55.0, 40.0]), np.log([100.0, 120.0, 90.0, 110.0, 95.0])
    sums = {
        f"{name}_{window}": value
        for window, values in (("recent", recent), ("past", past))
        for name, value in (("order_count", len(values)), ("log_sum", values.sum() * LOG_SCALE),
                            ("log_square_sum", (values**2).sum() * LOG_SCALE**2))
    }  # fmt: skip
    facts = facts_frame(1, **sums)
    row = signals_table(facts, settings=SignalSettings(basket_prior_orders=1e-9)).iloc[0]
    assert row["basket_change_rate"] == pytest.approx(np.exp(recent.mean() - past.mean()) - 1, abs=1e-6)
    expected = ttest_ind(recent, past, equal_var=True, alternative="less").pvalue
    assert row["basket_p_value"] == pytest.approx(expected, abs=1e-6)
    assert row["is_basket_down"]
    few = facts_frame(1, **sums | {"order_count_recent": 2})
    assert signals_table(few, settings=SETTINGS)["is_basket_down"].isna().all()


@pytest.mark.parametrize(
    ("signal", "columns", "expected"),
    [
        ("complaints", {"complaint_count": [0.0, 1.0, np.nan]}, [False, True, None]),
        ("survey_drop", {"survey_score_last": [0.8, 0.6, np.nan], "survey_score_before": [0.9, 0.8, 0.9]},
         [False, True, None]),
        ("contract_end", {"contract_days_left": [91.0, -30.0, -31.0]}, [False, True, False]),
        ("contact_changed", {"change_count": [0.0, 2.0, np.nan]}, [False, True, None]),
        ("reply_slower", {"reply_count_recent": [2.0, 2.0, 1.0], "reply_count_past": [2.0, 2.0, 5.0],
                          "reply_hours_recent": [14.9, 15.0, 90.0], "reply_hours_past": [10.0, 10.0, 10.0]},
         [False, True, None]),
    ],
)  # fmt: skip
def test_plain_signals_have_their_limits(signal: str, columns: dict[str, list[float]], expected: list[Any]) -> None:
    flags = signals_table(facts_frame(3, **columns), settings=SETTINGS)[f"is_{signal}"]
    assert [None if pd.isna(flag) else bool(flag) for flag in flags] == expected


# -- counts and record -------------------------------------------------------------------------------------------------


def test_counts_by_tier_hide_few() -> None:
    complaints = [1.0] * 40 + [0.0] * 60 + [1.0] * 3 + [0.0] * 17 + [1.0] * 12 + [np.nan] * 8
    facts = facts_frame(140, complaint_count=complaints)
    tiers = pd.DataFrame({"customer_id": facts["customer_id"], "tier": ["a"] * 100 + ["b"] * 20 + ["c"] * 20})
    table = signal_counts_table(signals_table(facts, settings=SETTINGS), tiers, settings=SETTINGS, order=("c", "a"))
    check_columns(table.columns, SIGNAL_COUNTS_SCHEMA, result="signal_counts")
    rows = table.loc[table["signal"] == "complaints"].set_index("tier")
    assert rows.index.tolist() == ["all", "c", "a", "b"]
    assert rows.loc["all", ["assessed_count", "flagged_count"]].tolist() == [132, 55]
    assert rows.loc["a", "flagged_rate"] == 0.4
    assert rows["is_hidden"].tolist() == [False, True, False, True]  # 12 of tier c would give the 3 away
    assert rows.loc[["b", "c"], ["flagged_count", "flagged_rate"]].isna().all(axis=None)


def record_of(counts: dict[str, tuple[int, int, int, int]]) -> pd.DataFrame:
    """Return the record from ``{signal: (with, left of them, without, left of them)}`` of disjoint customers."""
    frames, left = [], []
    for name, (n, x, m, y) in counts.items():
        part = pd.DataFrame({f"is_{each}": pd.array([pd.NA] * (n + m), dtype="boolean") for each in SIGNALS})
        part[f"is_{name}"] = pd.array([True] * n + [False] * m, dtype="boolean")
        frames.append(part)
        left += [1] * x + [0] * (n - x) + [1] * y + [0] * (m - y)
    signals = pd.concat(frames, ignore_index=True)
    signals["customer_id"] = [f"c{k}" for k in range(len(signals))]
    outcomes = pd.DataFrame({"customer_id": signals["customer_id"], "is_churned": left})
    return signal_record_table(signals, outcomes, settings=SETTINGS)


def test_the_record_by_hand() -> None:
    table = record_of({"silence": (100, 60, 400, 80), "complaints": (50, 10, 450, 95), "basket_down": (19, 19, 50, 0),
                       "survey_drop": (100, 10, 300, 120)})  # fmt: skip
    check_columns(table.columns, SIGNAL_RECORD_SCHEMA, result="signal_record")
    rows = table.set_index("signal")
    assert rows["signal_verdict"].to_dict() == {
        "frequency_down": "absent", "silence": "warns", "basket_down": "too_few", "reply_slower": "absent",
        "complaints": "no_difference", "survey_drop": "opposite", "contract_end": "absent", "contact_changed": "absent",
    }  # fmt: skip
    assert rows.loc["silence", ["with_rate", "without_rate", "lift", "false_alarm_rate"]].tolist() == [0.6, 0.2, 3, 0.4]
    z, p, n = 1.959963985, 0.6, 100
    wilson = (p + z**2 / 2 / n - z * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2)) / (1 + z**2 / n)
    assert rows.loc["silence", "with_rate_low"] == pytest.approx(wilson, abs=1e-6)
    assert rows.loc["silence", "lift_low"] > 2
    assert rows.loc["complaints", "lift_low"] < 1 < rows.loc["complaints", "lift_high"]
    assert np.isnan(rows.loc["basket_down", "with_rate"])


def test_verdicts_are_told_apart() -> None:
    """An opposite signal is no signal without a difference, whatever else was found."""
    cases = {"warns": {"silence": (100, 60, 400, 80)}, "opposite": {"survey_drop": (100, 10, 300, 120)},
             "no_difference": {"complaints": (50, 10, 450, 95)}}  # fmt: skip
    for wanted in (("warns", "opposite", "no_difference"), ("warns", "opposite"), ("opposite", "no_difference"),
                   ("warns",), ("opposite",), ("no_difference",)):  # fmt: skip
        record = record_of({name: counts for verdict in wanted for name, counts in cases[verdict].items()})
        found = findings.finding_record(record, origin="2025-07-01")
        parts, rest = [], found.args["parts"]
        while rest.id == "signals.in_turn":
            parts.append(rest.args["first"])
            rest = rest.args["rest"]
        parts.append(rest)
        assert [part.id for part in parts] == [f"signals.part_{verdict}" for verdict in wanted]
        assert [[clause.args["signal"] for clause in part.args["told"]] for part in parts] == [
            list(cases[verdict]) for verdict in wanted
        ]
        for lang in LANGUAGES:
            assert Words(lang).say(found)


def test_the_correction_may_say_less_than_an_interval_alone() -> None:
    """76 with (44 left) and 253 without (111): Fisher's p is below 5 %, twice that after correction for two signals."""
    alone = record_of({"contract_end": (76, 44, 253, 111)}).set_index("signal").loc["contract_end"]
    assert (alone["signal_verdict"], alone["lift_low"] > 1) == ("warns", True)
    both = record_of({"contract_end": (76, 44, 253, 111), "complaints": (50, 10, 450, 95)}).set_index("signal")
    assert both.loc["contract_end", "p_adjusted"] == pytest.approx(2 * alone["p_adjusted"], abs=1e-6)
    assert both.loc["contract_end", "signal_verdict"] == "no_difference"
    assert both.loc["contract_end", "lift_low"] == alone["lift_low"]


def test_nothing_is_told_of_signals_that_few_can_be_assessed_of() -> None:
    replies = {"reply_count_recent": 2.0, "reply_count_past": 2.0, "reply_hours_recent": 10.0, "reply_hours_past": 10.0}
    facts = facts_frame(100, complaint_count=[1.0] * 50 + [0.0] * 40 + [np.nan] * 10)
    for name, value in replies.items():
        facts.loc[0, name] = value
    tiers = pd.DataFrame({"customer_id": facts["customer_id"], "tier": ["a"] * 75 + ["b"] * 25})
    table = signal_counts_table(signals_table(facts, settings=SETTINGS), tiers, settings=SETTINGS)
    whole = table.loc[table["tier"] == "all"].set_index("signal")
    assert whole["assessed_count"].to_dict()["reply_slower"] == 1
    assert whole.loc["reply_slower", ["flagged_count", "flagged_rate"]].isna().all()
    assert whole.loc["complaints", "flagged_rate"] == pytest.approx(50 / 90, abs=1e-6)
    part = table.loc[(table["signal"] == "complaints") & (table["tier"] == "b")].iloc[0]
    assert (part["assessed_count"], part["is_assessable"]) == (15, False)  # below 20: its 0 of 15 is not told
    assert np.isnan(part["flagged_rate"])
    for lang in LANGUAGES:
        words = Words(lang)
        shown = findings.format_signal_counts(table, words=words)
        rows = shown.loc[shown["risk_signal"] == words.word("signal.reply_slower")]
        assert rows["tier"].tolist() == ["all"]
        assert rows["flagged_share"].tolist() == [words.word("signals.few_assessed")]


def test_chance_finds_no_difference() -> None:
    rng = np.random.default_rng(9)
    told = []
    for _ in range(60):
        n = 300
        signals = pd.DataFrame({f"is_{s}": pd.array(rng.random(n) < 0.3, dtype="boolean") for s in SIGNALS})
        signals["customer_id"] = [f"c{k}" for k in range(n)]
        outcomes = pd.DataFrame({"customer_id": signals["customer_id"], "is_churned": rng.random(n) < 0.3})
        told.append(
            (signal_record_table(signals, outcomes, settings=SETTINGS)["signal_verdict"] != "no_difference").any()
        )
    assert np.mean(told) < 0.15


@given(st.integers(1, 60), st.integers(1, 60), st.integers(60, 200), st.integers(60, 200))
@run(max_examples=80)
def test_the_interval_of_a_ratio_holds_it_and_turns_with_it(x: int, y: int, n: int, m: int) -> None:
    from statsmodels.stats.proportion import proportion_confint

    bounds = [tuple(float(b) for b in proportion_confint(a, of, method="wilson")) for a, of in ((x, n), (y, m))]
    low, high = ratio_interval((x / n, y / m), bounds=(bounds[0], bounds[1]))
    assert 0 < low < (x / n) / (y / m) < high
    turned = ratio_interval((y / m, x / n), bounds=(bounds[1], bounds[0]))
    assert turned == pytest.approx((1 / high, 1 / low), rel=1e-6)


# -- sentences and the demo --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(lang: str) -> None:
    words = Words(lang)
    some = {"silence": (100, 60, 400, 80), "complaints": (50, 10, 450, 95), "basket_down": (19, 19, 50, 0)}
    told = (some, {"silence": (100, 60, 400, 0)}, {"complaints": (50, 10, 450, 95)}, {"basket_down": (19, 19, 50, 0)})
    for counts in told:
        record = record_of(counts)
        for sentence in (findings.finding_record(record, origin="2025-07-01"), findings.alt_record(record),
                         findings.finding_unjudged(record, settings=SETTINGS)):  # fmt: skip
            assert words.say(sentence)
        assert len(findings.format_record(record, words=words)) == len(SIGNALS)
        assert figures.plot_signal_record(record, words=words).axes
    for facts in (facts_frame(60, complaint_count=1.0), facts_frame(5, complaint_count=1.0), facts_frame(0)):
        signals = signals_table(facts, settings=SETTINGS)
        tiers = pd.DataFrame({"customer_id": facts["customer_id"], "tier": "champions"})
        counts_table = signal_counts_table(signals, tiers, settings=SETTINGS)
        assert words.say(findings.finding_signals(counts_table, signals))
        findings.format_signal_counts(counts_table, words=words)
    assert words.say(findings.note_signals(settings=SETTINGS))


def test_the_demo_fades_before_it_leaves(demo_config: Path) -> None:
    """Planted: who drops out buys less in the 75 days before; silence tells it, baskets never change."""
    from crm_analysis.opening import open_workspace

    ws = open_workspace(demo_config, quarter="2025Q2")
    facts = signal_facts(ws.tables, as_of=ws.as_of, active_within_days=365, settings=SETTINGS)
    signals = signals_table(facts.to_pandas(), settings=SETTINGS)
    later = ws.at(ws.quarter.shift(1)).frame("features", ["customer_id", "recency_days"])
    later["is_churned"] = later["recency_days"] >= (date(2025, 10, 1) - ws.as_of).days
    outcomes = later.loc[later["customer_id"].isin(signals["customer_id"])]
    record = signal_record_table(signals, outcomes, settings=SETTINGS).set_index("signal")
    assert record.loc["silence", "signal_verdict"] == "warns"
    assert record.loc["silence", "lift_low"] > 1.5
    assert record.loc["basket_down", "signal_verdict"] in {"no_difference", "too_few"}
    assert record.loc["contact_changed", "signal_verdict"] == "absent"
    assert 0.4 < signals["basket_p_value"].mean() < 0.6
    assert timedelta(days=int(facts.to_pandas()["recency_days"].max())).days < 365
