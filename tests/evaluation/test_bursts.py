"""Bursts of complaints: planted ones are found, steady weeks raise no more alarms than stated."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crm_analysis.base.period import Quarter
from crm_analysis.base.settings_service import BurstSettings
from crm_analysis.evaluation.bursts import BURSTS_SCHEMA, bursts_table, daily_complaints, false_alarms_expected
from crm_analysis.sources.as_of import as_of

QUARTER = Quarter(2025, 3)
SETTINGS = BurstSettings()
START = pd.Timestamp("2025-01-14")  # 24 weeks before the quarter
DAYS = pd.date_range(START, "2025-09-30", unit="s")
WEEK = np.array([1.6, 1.3, 1.1, 1.0, 1.0, 0.6, 0.4])  # Tuesday first, as DAYS begin


def series(counts) -> pd.DataFrame:
    return pd.DataFrame({"date": DAYS[: len(counts)], "complaint_count": np.asarray(counts, dtype="int64")})


def steady(rng: np.random.Generator, *, level: float, dispersion: float = 1.0) -> pd.DataFrame:
    """Return counts whose mean follows the week; ``dispersion`` is the variance over the mean."""
    means = level * np.tile(WEEK, len(DAYS) // 7 + 1)[: len(DAYS)]
    if dispersion > 1:
        means = rng.gamma(means / (dispersion - 1), dispersion - 1)
    return series(rng.poisson(means))


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_an_expectation_worked_out_by_hand() -> None:
    counts = np.zeros(len(DAYS), dtype=int)
    counts[::7] = 2  # every Tuesday two complaints, none on other days
    row = bursts_table(series(counts), quarter=QUARTER, settings=SETTINGS).set_index("date").loc["2025-07-08"]
    mean = (8 * 2 + 0.5) / 8
    assert row["expected_complaints"] == pytest.approx(mean, abs=1e-6)
    # steady weeks do not scatter: a Poisson rate whose posterior is a gamma of shape 16.5 and rate 8
    tail = stats.nbinom(16.5, 8 / 9)
    assert row["p_value"] == pytest.approx(tail.sf(1), rel=1e-5)
    assert tail.sf(row["critical_count"] - 1) <= 0.5 / 92 < tail.sf(row["critical_count"] - 2)
    assert row["false_alarm_probability"] == pytest.approx(tail.sf(row["critical_count"] - 1), rel=1e-5)
    assert (row["complaint_count"], row["is_burst"], row["baseline_week_count"]) == (2, False, 8)


def test_a_busy_weekday_is_no_burst_but_the_same_count_on_a_quiet_one_is() -> None:
    counts = np.zeros(len(DAYS), dtype=int)
    counts[::7] = 12
    quiet = DAYS.get_loc(pd.Timestamp("2025-08-24"))
    counts[quiet] = 12
    table = bursts_table(series(counts), quarter=QUARTER, settings=SETTINGS)
    assert table.loc[table["is_burst"], "date"].dt.date.astype(str).tolist() == ["2025-08-24"]


def test_a_burst_does_not_hide_the_next_one() -> None:
    counts = np.ones(len(DAYS), dtype=int)
    for day in ("2025-08-05", "2025-08-12", "2025-08-19"):
        counts[DAYS.get_loc(pd.Timestamp(day))] = 15
    table = bursts_table(series(counts), quarter=QUARTER, settings=SETTINGS).set_index("date")
    found = table.loc[table["is_burst"]]
    assert [str(day.date()) for day in found.index] == ["2025-08-05", "2025-08-12", "2025-08-19"]
    assert found["expected_complaints"].tolist() == pytest.approx([8.5 / 8, 7.5 / 7, 6.5 / 6], abs=1e-6)
    assert found["baseline_week_count"].tolist() == [8, 7, 6]


def test_few_complaints_are_no_crisis_however_unlikely() -> None:
    counts = np.zeros(len(DAYS), dtype=int)
    counts[DAYS.get_loc(pd.Timestamp("2025-08-05"))] = 3
    calm = bursts_table(series(counts), quarter=QUARTER, settings=BurstSettings(minimum_count=4))
    assert not calm["is_burst"].any()
    assert bursts_table(series(counts), quarter=QUARTER, settings=SETTINGS)["is_burst"].sum() == 1


def test_too_short_a_history_says_nothing() -> None:
    short = series(np.full(len(DAYS), 2)).tail(92 + 6)
    table = bursts_table(short, quarter=QUARTER, settings=SETTINGS)
    assert len(table) == 92
    unknown = table["p_value"].isna()
    assert unknown.sum() == 22  # the first four weeks, six days of which lie before the quarter
    assert not table.loc[unknown, "is_burst"].any()
    assert table.loc[unknown, ["expected_complaints", "critical_count"]].isna().all(axis=None)
    assert not bursts_table(short, quarter=QUARTER, settings=BurstSettings(minimum_weeks=3)).loc[21, "p_value"] > 1


def test_scattered_days_need_more_complaints_to_stand_out() -> None:
    rng = np.random.default_rng(5)
    plain = bursts_table(steady(rng, level=4), quarter=QUARTER, settings=SETTINGS)
    wild = bursts_table(steady(rng, level=4, dispersion=4), quarter=QUARTER, settings=SETTINGS)
    assert wild["critical_count"].mean() > plain["critical_count"].mean() + 3


# -- by simulation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "dispersion"), [(0.6, 1.0), (5.0, 1.0), (5.0, 2.0)])
def test_steady_weeks_raise_no_more_alarms_than_stated(level: float, dispersion: float) -> None:
    rng = np.random.default_rng(20250930)
    runs = 40
    tables = [
        bursts_table(steady(rng, level=level, dispersion=dispersion), quarter=QUARTER, settings=SETTINGS)
        for _ in range(runs)
    ]
    alarms = sum(int(table["is_burst"].sum()) for table in tables)
    stated = sum(false_alarms_expected(table) for table in tables)
    assert 0 < stated <= SETTINGS.false_alarms_per_quarter * runs
    # a Poisson count of so many alarms or more would be rarer than one in a thousand
    assert stats.poisson.sf(alarms - 1, SETTINGS.false_alarms_per_quarter * runs) > 0.001
    assert alarms <= 2 * stated + 3


def test_a_planted_burst_is_found_in_scattered_seasonal_weeks() -> None:
    rng = np.random.default_rng(7)
    found = []
    for _ in range(20):
        daily = steady(rng, level=4, dispersion=1.5)
        day = pd.Timestamp("2025-08-12")  # a Tuesday, on which 6.4 are usual
        daily.loc[daily["date"] == day, "complaint_count"] = 25
        table = bursts_table(daily, quarter=QUARTER, settings=SETTINGS).set_index("date")
        found.append(bool(table.loc[day, "is_burst"]))
    assert sum(found) >= 19


def test_more_allowed_alarms_find_no_fewer_days() -> None:
    daily = steady(np.random.default_rng(3), level=3, dispersion=3)
    strict, lax = (
        bursts_table(daily, quarter=QUARTER, settings=BurstSettings(false_alarms_per_quarter=allowed))
        for allowed in (0.05, 5)
    )
    assert (lax["critical_count"] <= strict["critical_count"]).mean() > 0.95
    assert false_alarms_expected(lax) > false_alarms_expected(strict)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 6), min_size=len(DAYS), max_size=len(DAYS)), st.integers(0, 91))
def test_more_complaints_on_a_day_never_make_it_less_of_a_burst(counts: list[int], place: int) -> None:
    more = list(counts)
    more[-92 + place] += 30
    before, after = (bursts_table(series(each), quarter=QUARTER, settings=SETTINGS) for each in (counts, more))
    assert after.loc[place, "p_value"] <= before.loc[place, "p_value"]
    assert after.loc[place, "expected_complaints"] == before.loc[place, "expected_complaints"]
    assert (before["is_burst"] == (before["complaint_count"] >= before["critical_count"])).all()
    pd.testing.assert_frame_equal(after.head(place), before.head(place))


# -- from the engine ---------------------------------------------------------------------------------------------------


def test_days_are_counted_from_the_first_contact_and_silent_ones_are_zero(make_tables) -> None:
    rows = [
        {"opened_at": "2025-06-20 10:00", "kind": "inquiry"},
        {"opened_at": "2025-07-02 23:59", "kind": "complaint"},
        {"opened_at": "2025-07-02 00:00", "kind": "complaint"},
        {"opened_at": "2025-10-01 00:00", "kind": "complaint"},
    ]
    known = as_of(make_tables(interactions=rows), QUARTER.end, zone="Asia/Shanghai")
    daily = daily_complaints(known["interactions"], quarter=QUARTER, settings=SETTINGS)
    assert str(daily["date"].iloc[0].date()) == "2025-06-20"
    assert str(daily["date"].iloc[-1].date()) == "2025-09-30"
    assert len(daily) == 11 + 92
    assert daily["complaint_count"].sum() == 2
    assert daily.set_index("date").loc["2025-07-02", "complaint_count"] == 2
    table = bursts_table(daily, quarter=QUARTER, settings=SETTINGS)
    assert list(table) == list(BURSTS_SCHEMA)
    assert len(table) == 92


def test_without_records_there_are_no_days() -> None:
    daily = daily_complaints(None, quarter=QUARTER, settings=SETTINGS)
    table = bursts_table(daily, quarter=QUARTER, settings=SETTINGS)
    assert table.empty
    assert list(table) == list(BURSTS_SCHEMA)
