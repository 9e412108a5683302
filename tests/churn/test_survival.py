"""Survival by tier: curves by hand, a known hazard found again, sentences and figure."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_signals import SurvivalSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import survival_figures as figures
from crm_analysis.churn import survival_findings as findings
from crm_analysis.churn.survival import (
    EVERYBODY,
    SURVIVAL_COUNTS_SCHEMA,
    SURVIVAL_CURVE_SCHEMA,
    SURVIVAL_SCHEMA,
    fit_survival,
    follow_up_start,
    survival_counts_table,
    survival_curve_table,
    survival_document,
    survival_table,
)

ENTRY = Quarter(2024, 1)
SETTINGS = SurvivalSettings(minimum_customers=1, minimum_known=1)
#: Remission of leukaemia patients under 6-MP and under placebo in weeks (Freireich et al. 1963), + for censored.
TREATED = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"


def spells(text: str, *, tier: str = "a") -> pd.DataFrame:
    rows = [(tier, int(each.rstrip("+")), not each.endswith("+"), False, 1) for each in text.split()]
    table = pd.DataFrame(rows, columns=list(SURVIVAL_COUNTS_SCHEMA))
    keys = ["tier", "duration_days", "is_event", "is_returned"]
    return table.groupby(keys, as_index=False)["customer_count"].sum()


def purchases(rows: Sequence[tuple[str, date]]) -> ibis.Table:
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_on"])
    frame["ordered_on"] = pd.to_datetime(frame["ordered_on"]).astype("datetime64[s]")
    con = ibis.duckdb.connect()
    return con.create_table("p", frame).mutate(ordered_on=ibis._.ordered_on.cast("date"))


def tiers_of(table: ibis.Table, tiers: dict[str, str]) -> ibis.Table:
    con: Any = ibis.get_backend(table)
    return con.create_table("t", pd.DataFrame({"customer_id": list(tiers), "tier": list(tiers.values())}))


# -- the curve ---------------------------------------------------------------------------------------------------------


def test_the_classic_example_by_hand() -> None:
    curve = fit_survival(spells(TREATED))
    assert curve.days.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.ends.tolist() == [3, 1, 1, 1, 1, 1, 1]
    by_hand = np.cumprod([18 / 21, 16 / 17, 14 / 15, 11 / 12, 10 / 11, 6 / 7, 5 / 6])
    assert curve.rate == pytest.approx(by_hand)
    assert curve.rate[-1] == pytest.approx(0.448, abs=5e-4)  # as published
    # Greenwood at the first end: 3 / (21 * 18); log-log interval of 18/21
    reach = 1.959963985 * np.sqrt(3 / (21 * 18)) / abs(np.log(18 / 21))
    assert curve.low[0] == pytest.approx((18 / 21) ** np.exp(reach))
    assert curve.high[0] == pytest.approx((18 / 21) ** np.exp(-reach))
    assert curve.median[0] == 23
    assert fit_survival(spells(PLACEBO)).median[0] == 8


def test_log_rank_by_hand_and_as_published() -> None:
    counts = pd.concat([spells(TREATED, tier="a"), spells(PLACEBO, tier="b")], ignore_index=True)
    document = survival_document(counts, entry=ENTRY, horizon_days=90, settings=SETTINGS)
    test = document["test"]
    assert test["statistic"] == pytest.approx(16.79, abs=0.005)
    assert (test["degrees"], test["n"], test["end_count"]) == (1, 42, 30)
    expected = observed = variance = 0.0
    for day in sorted(set(counts.loc[counts["is_event"], "duration_days"])):
        at_risk = counts.loc[counts["duration_days"] >= day]
        n, n_a = at_risk["customer_count"].sum(), at_risk.loc[at_risk["tier"] == "a", "customer_count"].sum()
        ends = counts.loc[counts["is_event"] & (counts["duration_days"] == day)]
        d, d_a = ends["customer_count"].sum(), ends.loc[ends["tier"] == "a", "customer_count"].sum()
        observed, expected = observed + d_a, expected + d * n_a / n
        variance += d * n_a / n * (1 - n_a / n) * (n - d) / max(n - 1, 1)
    assert test["statistic"] == pytest.approx((observed - expected) ** 2 / variance, abs=1e-3)
    assert document["status"] == "ok"
    assert [tier["tier"] for tier in document["tiers"]] == [EVERYBODY, "a", "b"]


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.integers(1, 30)), min_size=1, max_size=40))
@run(max_examples=60)
def test_a_curve_falls_and_its_interval_holds_it(rows: list[tuple[int, bool, int]]) -> None:
    counts = pd.DataFrame(rows, columns=["duration_days", "is_event", "customer_count"])
    curve = fit_survival(counts)
    assert (np.diff(curve.rate) <= 1e-12).all()
    known = ~np.isnan(curve.low)
    assert (curve.low[known] >= 0).all()
    assert (curve.high[known] <= 1).all()
    assert (curve.low[known] <= curve.rate[known] + 1e-12).all()
    assert (curve.rate[known] <= curve.high[known] + 1e-12).all()
    once = counts.loc[counts.index.repeat(counts["customer_count"])].assign(customer_count=1)
    assert fit_survival(once).rate == pytest.approx(curve.rate)
    assert fit_survival(once).low == pytest.approx(curve.low, nan_ok=True)


# -- spells of activity ------------------------------------------------------------------------------------------------


def test_spells_by_hand() -> None:
    """Horizon 90, known to 2024-12-31: the last decided day is 2024-10-02."""
    rows = [
        ("back", date(2024, 1, 10)), ("back", date(2024, 2, 10)), ("back", date(2024, 6, 1)),  # a gap of 112 days
        ("exact", date(2024, 1, 1)), ("exact", date(2024, 3, 31)),  # 90 days are no gap; then silent
        ("once", date(2024, 3, 31)),
        ("on", date(2023, 12, 31)), ("on", date(2024, 2, 1)), ("on", date(2024, 5, 1)), ("on", date(2024, 7, 30)),
        ("on", date(2024, 10, 1)), ("on", date(2024, 12, 20)),
        ("edge", date(2024, 3, 1)), ("edge", date(2024, 5, 1)), ("edge", date(2024, 7, 4)), ("edge", date(2024, 10, 2)),
        ("late", date(2024, 4, 1)),  # bought after the quarter of the entry
        ("twice", date(2024, 2, 1)), ("twice", date(2024, 2, 1)),
    ]  # fmt: skip
    bought = purchases(rows)
    tiers = tiers_of(bought, {"back": "a", "exact": "a", "on": "b", "edge": "b", "late": "b"})
    counts = survival_counts_table(bought, tiers, entry=ENTRY, as_of=date(2025, 1, 1), horizon_days=90)
    check_columns(counts.columns, SURVIVAL_COUNTS_SCHEMA, result="survival_counts")
    found = {(r.tier, r.duration_days, r.is_event): r.customer_count for r in counts.itertuples()}
    assert found == {
        ("a", 31, True): 1,  # back: his return in June does not prolong it
        ("a", 90, True): 1,
        ("b", 244, False): 1,  # on: from 2024-02-01 to 2024-10-02, what he bought since is not looked at
        ("b", 215, True): 1,  # edge: his last purchase lies on the last decided day, and 90 days have passed
        ("joined", 0, True): 2,
    }
    assert counts.loc[counts["is_returned"], ["tier", "duration_days"]].to_numpy().tolist() == [["a", 31]]
    undecided = survival_counts_table(bought, tiers, entry=ENTRY, as_of=date(2024, 3, 1), horizon_days=90)
    assert undecided.empty


def test_later_data_do_not_move_what_was_decided() -> None:
    """Whoever is censored today may only leave later: ends that were seen stay as they are."""
    rng = np.random.default_rng(3)
    rows = [(f"c{k}", date(2024, 1, 1) + timedelta(days=int(day)))
            for k in range(60) for day in np.cumsum(rng.integers(1, 150, 8))]  # fmt: skip
    bought = purchases(rows)
    tiers = tiers_of(bought, {f"c{k}": "ab"[k % 2] for k in range(60)})

    def counts(day: date) -> pd.DataFrame:
        known = bought.filter(bought.ordered_on < ibis.literal(day))
        return survival_counts_table(known, tiers, entry=ENTRY, as_of=day, horizon_days=60)

    early, later = counts(date(2024, 10, 1)), counts(date(2025, 4, 1))
    before = fit_survival(early)
    after = fit_survival(later)
    shared = before.days < 100  # nobody is censored so early: the shares are equal
    assert before.rate[shared] == pytest.approx(after.rate[: shared.sum()])


@pytest.mark.parametrize("hazard", [1 / 120, 1 / 400])
def test_a_known_hazard_is_found_and_careless_censoring_is_not(hazard: float) -> None:
    """Purchases every 20 days until a dropout of constant hazard: P(spell > 20 k) = exp(-20 (k + 1) hazard)."""
    rng, n, step, horizon = np.random.default_rng(11), 6000, 20, 60
    as_of = date(2025, 1, 1)
    entry = rng.integers(0, 60, n)
    life = np.floor(rng.exponential(1 / hazard, n) / step).astype(int)  # purchases after the first
    length = (as_of - ENTRY.start).days
    rows = [
        (f"c{k}", ENTRY.start + timedelta(days=int(day)))
        for k in range(n)
        for day in range(entry[k], min(entry[k] + step * life[k] + 1, length), step)
    ]
    bought = purchases(rows)
    tiers = tiers_of(bought, {"c0": "a"})
    counts = survival_counts_table(bought, tiers, entry=ENTRY, as_of=as_of, horizon_days=horizon)
    curve = fit_survival(counts)
    assert counts["customer_count"].sum() == n
    for day in (0, 100, 200, 240):
        rate, low, high = curve.at(day)
        assert rate == pytest.approx(np.exp(-hazard * (day + step)), abs=0.02)
        assert low <= rate <= high
    last = np.minimum(entry + step * life, length - 1)
    last -= (last - entry) % step
    is_silent = length - 1 - last > horizon  # judged on the day of the report, by the silence that it sees
    careless = pd.DataFrame(
        {"duration_days": np.where(is_silent, last - entry, length - 1 - entry), "is_event": is_silent,
         "customer_count": 1}
    )  # fmt: skip
    beyond = length - 1 - 60  # days of follow-up in which nobody can have been seen to end
    biased, _, _ = fit_survival(careless).at(beyond)
    assert biased - np.exp(-hazard * (beyond // step * step + step)) > 0.02


def test_the_follow_up_begins_when_a_whole_quarter_lies_behind_it() -> None:
    assert follow_up_start(Quarter(2025, 3), beginning=Quarter(2024, 4), settings=SETTINGS) == Quarter(2025, 1)


# -- tables, sentences, figure -----------------------------------------------------------------------------------------


def test_the_table_tells_only_what_enough_customers_show() -> None:
    counts = pd.concat([spells(TREATED, tier="a"), spells("3 4 5+", tier="b")], ignore_index=True)
    settings = SurvivalSettings(minimum_customers=5, minimum_known=6, shown_days=(10, 22, 30))
    table = survival_table(counts, settings=settings)
    check_columns(table.columns, SURVIVAL_SCHEMA, result="survival")
    assert table["tier"].tolist() == [EVERYBODY] * 3 + ["a"] * 3 + ["b"] * 3
    a = table.loc[table["tier"] == "a"].set_index("shown_day")
    assert a["end_count"].tolist() == [5, 8, 9]
    assert a["unfollowed_count"].tolist() == [2, 7, 8]  # 6+ 9+; then 10+ 11+ 17+ 19+ 20+; then 25+
    assert a["followed_count"].tolist() == [14, 6, 4]  # 10+ is followed to day 10
    assert a.loc[22, "survival_rate"] == pytest.approx(0.537815, abs=1e-6)
    assert np.isnan(a.loc[30, "survival_rate"])  # 4 are seen, 8 out of sight
    b = table.loc[table["tier"] == "b"]
    assert b["customer_count"].tolist() == [3, 3, 3]
    assert b[["followed_count", "end_count", "unfollowed_count", "survival_rate"]].isna().all(axis=None)
    curves = survival_curve_table(counts, settings=settings)
    check_columns(curves.columns, SURVIVAL_CURVE_SCHEMA, result="survival_curves")
    assert set(curves["tier"]) == {"a"}
    assert curves["duration_days"].max() == 23


def test_a_share_is_hidden_by_short_observation_never_by_leaving() -> None:
    """All of "gone" leave and are told down to 0; "new" and "mixed" are lost from sight."""
    gone = spells(" ".join(["20"] * 20 + ["100"] * 8 + ["200"] * 2), tier="gone")
    new = spells(" ".join(["20"] * 5 + ["50+"] * 25), tier="new")
    mixed = spells(" ".join(["20"] * 12 + ["150+"] * 18), tier="mixed")
    counts = pd.concat([gone, new, mixed], ignore_index=True)
    table = survival_table(counts, settings=SurvivalSettings(shown_days=(50, 90, 180, 365)))
    rows = {str(tier): part.set_index("shown_day") for tier, part in table.groupby("tier")}
    assert rows["gone"]["survival_rate"].tolist() == pytest.approx([10 / 30, 10 / 30, 2 / 30, 0], abs=1e-6)
    assert rows["gone"]["followed_count"].tolist() == [10, 10, 2, 0]
    assert rows["gone"]["end_count"].tolist() == [20, 20, 28, 30]
    assert rows["new"]["survival_rate"].tolist()[0] == pytest.approx(25 / 30, abs=1e-6)
    assert rows["new"]["survival_rate"].iloc[1:].isna().all()  # the fate at day 90 is known of the 5 who left
    assert rows["new"]["unfollowed_count"].tolist() == [0, 25, 25, 25]
    assert rows["mixed"]["survival_rate"].tolist()[:2] == pytest.approx([0.6, 0.6])
    assert rows["mixed"]["survival_rate"].iloc[2:].isna().all()  # known of 12, but nobody is followed to day 180
    adds_up = table[["followed_count", "end_count", "unfollowed_count"]].sum(axis=1)
    assert (adds_up == table["customer_count"]).all()
    whole = rows[EVERYBODY]  # at day 180 two are followed, 43 of those left are out of sight
    assert whole["survival_rate"].notna().tolist() == [True, True, False, False]
    told = survival_finding(counts, SurvivalSettings())
    assert (told.args["day"], told.args["worst"]) == (90, "gone")
    shown = findings.format_survival(table, words=Words("en")).set_index(["tier", "survival_day"])["survival"]
    assert (shown["gone", "180 days"], shown["new", "180 days"]) == ("6.7%", "observed too briefly")
    curves = survival_curve_table(counts, settings=SurvivalSettings())
    assert curves.groupby("tier")["duration_days"].max().to_dict() == {"gone": 200, "mixed": 20, "new": 20}


def test_few_customers_or_one_tier_are_told() -> None:
    none = survival_document(spells("1").head(0), entry=ENTRY, horizon_days=90, settings=SETTINGS)
    assert (none["status"], none["n"]) == ("insufficient", 0)
    one = survival_document(spells(TREATED), entry=ENTRY, horizon_days=90, settings=SETTINGS)
    assert (one["status"], one["test"]) == ("one_tier", None)
    assert survival_table(spells("1").head(0), settings=SETTINGS).empty
    assert survival_curve_table(spells("1").head(0), settings=SETTINGS).empty


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(lang: str) -> None:
    words = Words(lang, names={f"segment.{t}": {"zh": t, "en": t} for t in "abc"})
    days = SurvivalSettings(minimum_customers=1, minimum_known=1, shown_days=(5, 10, 20))
    both = pd.concat([spells(TREATED, tier="a"), spells(PLACEBO, tier="b")], ignore_index=True)
    three = pd.concat([both, spells("40+ 50+", tier="c")], ignore_index=True)
    for counts in (both, three, spells(TREATED), spells("40+ 50+"), spells("1").head(0)):
        document = survival_document(counts, entry=ENTRY, horizon_days=90, settings=days)
        curves = survival_curve_table(counts, settings=days)
        sentences = [findings.finding_survival(document), findings.finding_median(document),
                     findings.note_survival(document), findings.note_returned(document),
                     findings.alt_survival(curves)]  # fmt: skip
        assert all(words.say(sentence) for sentence in sentences)
        findings.format_survival(survival_table(counts, settings=days), words=words)
        assert figures.plot_survival(curves, words=words).axes
    late = SurvivalSettings(minimum_customers=1, minimum_known=1, shown_days=(365,))
    assert words.say(survival_finding(both, late))


def survival_finding(counts: pd.DataFrame, settings: SurvivalSettings) -> Any:
    return findings.finding_survival(survival_document(counts, entry=ENTRY, horizon_days=90, settings=settings))


# -- the demo ----------------------------------------------------------------------------------------------------------


def test_the_demo_loses_customers_as_planted(demo_config: Path) -> None:
    """Customers drop out at some 30 % a year; tiers by recent orders must differ, and nobody lives for ever."""
    from crm_analysis.opening import open_workspace
    from crm_analysis.sources.purchases import counted_orders

    ws = open_workspace(demo_config, quarter="2025Q3")
    settings = SurvivalSettings()
    entry = follow_up_start(ws.quarter, beginning=Quarter(2022, 4), settings=settings)
    tiers = ws.at(entry.shift(-1)).rows("segments").select("customer_id", "tier")
    bought = counted_orders(ws.tables["orders"])
    counts = survival_counts_table(bought, tiers, entry=entry, as_of=ws.as_of, horizon_days=180)
    document = survival_document(counts, entry=entry, horizon_days=180, settings=settings)
    assert document["status"] == "ok"
    assert document["test"]["p_value"] < 0.01
    table = survival_table(counts, settings=settings).set_index(["tier", "shown_day"])
    year = table.loc[(EVERYBODY, 365), "survival_rate"]
    assert 0.35 < year < 0.85
    assert table.loc[("retail_potential", 365), "survival_rate"] > year
