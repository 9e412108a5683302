"""Bursts of complaints: days with more of them than chance explains (REQUIREMENTS E8, crisis management).

A day is held against the same weekday of the weeks before. The expectation is uncertain because it comes from few days,
and complaints scatter more than a Poisson process: both widen the tail (negative binomial). The level of a single test
is the false alarms allowed in a quarter divided by its days, and what the discrete tail really gives is added up.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd
from scipy import special

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_service import BurstSettings

BURSTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["date", "complaint_count", "expected_complaints", "critical_count", "p_value", "false_alarm_probability",
     "is_burst", "baseline_week_count"],
    OPEN,
)  # fmt: skip
_WEEK = 7
#: Half an event is added to what the weeks before had, as Jeffreys' prior does: a weekday without is possible.
_PRIOR = 0.5
#: Days before that tell how much days scatter: at most, and at least.
_SCATTER_DAYS, _SCATTER_LEAST = 182, 28


def daily_complaints(interactions: ibis.Table | None, *, quarter: Quarter, settings: BurstSettings) -> pd.DataFrame:
    """Return ``date, complaint_count`` of every day that has an expectation to give or to meet.

    From three times the baseline before the quarter (so that bursts and scatter before it are known), but not before
    the first contact in the data, to the quarter's last day; days without a complaint are 0. Empty without
    ``interactions``.
    """
    days = pd.DataFrame({"date": pd.Series(dtype="datetime64[s]"), "complaint_count": pd.Series(dtype="int64")})
    if interactions is None:
        return days
    begun = interactions.opened_on.min().to_pandas()
    if pd.isna(begun):
        return days
    start = max(quarter.start - timedelta(weeks=3 * settings.baseline_weeks), pd.Timestamp(begun).date())
    rows = interactions.filter(
        interactions.kind == "complaint",
        interactions.opened_on >= ibis.literal(start),
        interactions.opened_on < ibis.literal(quarter.end),
    )
    counts = rows.group_by("opened_on").aggregate(n=rows.count()).to_pandas()
    found = pd.Series(counts["n"].to_numpy(), index=pd.to_datetime(counts["opened_on"]))
    calendar = pd.date_range(start, quarter.last_day, freq="D", unit="s")
    return pd.DataFrame({"date": calendar, "complaint_count": found.reindex(calendar).fillna(0).astype("int64").array})


def bursts_table(daily: pd.DataFrame, *, quarter: Quarter, settings: BurstSettings) -> pd.DataFrame:
    """Return a row per day of the quarter with what was expected and whether it was a burst.

    ``date, complaint_count`` of consecutive days -> columns of ``BURSTS_SCHEMA``

    Parameters
    ----------
    daily
        Days before the quarter too (:func:`daily_complaints`).

    Returns
    -------
    pandas.DataFrame
        ``expected_complaints``: mean of the same weekday over the last ``baseline_weeks`` weeks, earlier bursts left
        out (half a complaint is added to their sum); ``p_value``: chance of so many or more; ``critical_count``: from
        how many on the day is a burst; ``false_alarm_probability``: chance of that many where nothing is wrong;
        ``baseline_week_count``: weeks that the expectation rests on. All but the count are null with fewer weeks than
        ``minimum_weeks``, where ``is_burst`` is false.

    Notes
    -----
    With ``k`` weeks and a mean ``m``, a new day has variance ``d m (1 + 1 / k)`` around ``m``; ``d >= 1`` is how much
    the days of the last half year, each against its own expectation, scattered more than that (1 with fewer than four
    weeks of them; bursts are cut at the alarm). For ``d = 1`` it is the exact predictive distribution of a Poisson rate
    under a gamma prior. A day is a burst when its p-value is at most ``false_alarms_per_quarter`` / days of the
    quarter, and it has ``minimum_count`` complaints. REQUIREMENTS E8.
    """
    level = settings.false_alarms_per_quarter / (quarter.end - quarter.start).days
    counts = daily["complaint_count"].to_numpy(dtype="int64")
    days = _Days(counts, np.zeros(len(counts), dtype=bool), np.full(len(counts), np.nan))
    rows = [_judge(days, place=place, level=level, settings=settings) for place in range(len(counts))]
    columns = [name for name in BURSTS_SCHEMA if name not in ("date", "complaint_count")]
    table = pd.concat([daily.reset_index(drop=True), pd.DataFrame(rows, columns=columns)], axis=1)
    table = table.astype({"is_burst": "bool", "baseline_week_count": "int64", "complaint_count": "int64"})
    inside = (table["date"] >= pd.Timestamp(quarter.start)) & (table["date"] < pd.Timestamp(quarter.end))
    return table.loc[inside, list(BURSTS_SCHEMA)].reset_index(drop=True)


def false_alarms_expected(bursts: pd.DataFrame) -> float:
    """Return how many bursts chance alone would report over the days that were judged."""
    return round(float(bursts["false_alarm_probability"].sum()), 3)


@dataclass
class _Days:
    """Days in order, and what is known of those judged so far."""

    counts: np.ndarray
    is_burst: np.ndarray
    scatter: np.ndarray  # squared surprises over what Poisson lets expect, bursts cut at the alarm; null if unjudged


def _judge(days: _Days, *, place: int, level: float, settings: BurstSettings) -> dict[str, Any]:
    """Return a day's expectation from the weeks before it, and the verdict; the day is marked in ``days``."""
    same = np.arange(place - _WEEK, max(place - settings.baseline_weeks * _WEEK, 0) - 1, -_WEEK)
    same = same[~days.is_burst[same]]
    weeks = len(same)
    if weeks < settings.minimum_weeks:
        absent = float("nan")
        return {"expected_complaints": absent, "critical_count": absent, "p_value": absent, "is_burst": False,
                "false_alarm_probability": absent, "baseline_week_count": weeks}  # fmt: skip
    mean = (days.counts[same].sum() + _PRIOR) / weeks
    of_poisson = mean * (1 + 1 / weeks)
    variance = _dispersion(days, place=place) * of_poisson
    tail = _tail(mean, variance)
    critical = max(int(np.argmax(tail <= level)), settings.minimum_count)
    count = int(days.counts[place])
    days.is_burst[place] = count >= critical
    days.scatter[place] = (min(count, critical) - mean) ** 2 / of_poisson
    return {
        "expected_complaints": round(mean, 6),
        "critical_count": float(critical),
        "p_value": float(f"{_at_least(count, mean, variance):.6g}"),
        "is_burst": bool(days.is_burst[place]),
        "false_alarm_probability": float(f"{tail[critical]:.6g}"),
        "baseline_week_count": weeks,
    }


def _dispersion(days: _Days, *, place: int) -> float:
    """Return how much the days before scatter around their expectations, against Poisson: at least 1."""
    known = days.scatter[max(place - _SCATTER_DAYS, 0) : place]
    known = known[~np.isnan(known)]
    return max(float(known.mean()), 1.0) if len(known) >= _SCATTER_LEAST else 1.0


def _tail(mean: float, variance: float) -> np.ndarray:
    """Return the chances of 0, 1, 2, ... or more complaints, until they are too small to matter."""
    return np.asarray(_at_least(np.arange(int(mean + 40 * variance**0.5) + 40), mean, variance))


def _at_least(count: Any, mean: float, variance: float) -> Any:
    """Return the chance that a negative binomial reaches a count."""
    shape, chance = mean**2 / (variance - mean), 1 - mean / variance
    return np.where(np.asarray(count) <= 0, 1.0, special.betainc(np.maximum(count, 1), shape, chance))


def first_day(bursts: pd.DataFrame) -> date | None:
    """Return the first day that could be judged, or none."""
    judged = bursts.loc[bursts["p_value"].notna(), "date"]
    return None if judged.empty else judged.iloc[0].date()
