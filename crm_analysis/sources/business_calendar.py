"""Business calendars: when service is open, second by second, whatever the clocks of the zone do.

A calendar is turned into one small table with a row per day of UTC (:func:`business_days_table`): the seconds of
business before the day, and the stretches of it that are open. With it the engine counts business seconds between any
two instants by equal joins and plain arithmetic (:mod:`crm_analysis.evaluation.business_time`), and knows nothing of
zones.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from crm_analysis.base.settings_service import BusinessHours, shift_minutes
from crm_analysis.sources.clocks import clock_changes

SECONDS_PER_DAY = 86_400
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class BusinessCalendar:
    """Opening hours of a company in its time zone.

    Examples
    --------
    >>> calendar = BusinessCalendar(BusinessHours(), "Asia/Shanghai")
    >>> calendar.is_workday(date(2025, 9, 28)), calendar.is_workday(date(2025, 10, 1))  # a make-up Sunday, a holiday
    (True, False)
    >>> calendar.unpublished_years(date(2025, 12, 30), date(2026, 1, 2))
    ()
    """

    hours: BusinessHours
    zone: str

    def is_workday(self, day: date) -> bool:
        """Tell whether service is open on a day.

        Of a year whose public holidays are not published the days of the week and the company's own days are all that
        is known: nothing is guessed, and :meth:`unpublished_years` names it.
        """
        if day in self.hours.holidays or day in self.hours.workdays:
            return day in self.hours.workdays
        is_open = _WEEKDAYS[day.weekday()] not in self.hours.weekend
        closed, made_up = public_days(self.hours.country, day.year)
        return (is_open or day in made_up) and day not in closed

    def unpublished_years(self, first: date, end: date) -> tuple[int, ...]:
        """Return the years of ``[first, end)`` whose public holidays or make-up workdays are not published."""
        if self.hours.country is None or end <= first:
            return ()
        years = range(first.year, (end - timedelta(days=1)).year + 1)
        unknown = [year for year in years if not is_published(self.hours.country, year)]
        return tuple(year for year in unknown if year not in self.hours.complete_years)


def public_days(country: str | None, year: int) -> tuple[frozenset[date], frozenset[date]]:
    """Return the days of a year that are closed by law, and the weekend days that are worked instead.

    Both are empty without a country, and for a year that is not published.
    """
    if country is None or not is_published(country, year):
        return frozenset(), frozenset()
    return _chinese_days(year) if country == "CN" else _days_of_library(country, year)


def is_published(country: str, year: int) -> bool:
    """Tell whether the public holidays of a year are known, make-up workdays included."""
    if country == "CN":
        return bool(_chinese_days(year)[0])
    import holidays

    found = holidays.country_holidays(country)
    return found.start_year <= year <= found.end_year


@cache
def _chinese_days(year: int) -> tuple[frozenset[date], frozenset[date]]:
    """Return holidays (weekends inside them too) and make-up workdays as the State Council published them."""
    from chinese_calendar import constants

    closed, made_up = (
        frozenset(day for day in days if day.year == year) for days in (constants.holidays, constants.workdays)
    )
    return closed, made_up


@cache
def _days_of_library(country: str, year: int) -> tuple[frozenset[date], frozenset[date]]:
    import holidays

    found = holidays.country_holidays(country, years=year)
    closed = frozenset(day for day in found if day.year == year)
    return closed, frozenset(day for day in found.weekend_workdays if day.year == year)


# -- stretches of business time ----------------------------------------------------------------------------------------


def open_stretches(calendar: BusinessCalendar, first: date, end: date) -> np.ndarray:
    """Return when service is open, as seconds since 1970 in UTC.

    Parameters
    ----------
    first, end
        Local days, ``[first, end)``.

    Returns
    -------
    numpy.ndarray
        Two columns, begin and end of each stretch; in order, apart from each other, shape ``(k, 2)``.

    Notes
    -----
    A second is business time when the wall clock that it shows lies in a shift of a workday. So hours that clocks
    repeat count twice, and those that they leave out not at all.
    """
    days = [first + timedelta(days=n) for n in range((end - first).days)]
    midnights = np.array(
        [(day - _EPOCH).days * SECONDS_PER_DAY for day in days if calendar.is_workday(day)], dtype="int64"
    )
    shifts = [(begin * 60, until * 60) for begin, until in map(shift_minutes, calendar.hours.shifts)]
    clocks = np.array([(day + begin, day + until) for day in midnights for begin, until in shifts], dtype="int64")
    clocks = clocks.reshape(-1, 2)
    pieces = [
        np.clip(clocks - offset, begin, until) for begin, until, offset in _steady_spans(calendar.zone, first, end)
    ]
    found = np.concatenate(pieces)
    found = found[found[:, 0] < found[:, 1]]
    return _merged(found[np.argsort(found[:, 0], kind="stable")])


def business_days_table(calendar: BusinessCalendar, first: date, end: date) -> pd.DataFrame:
    """Return a row per day of UTC that holds an instant of the local days ``[first, end)``, or the one when they end.

    Returns
    -------
    pandas.DataFrame
        ``utc_date``; ``before_seconds``: business seconds from the first row to its beginning; ``begin_1_seconds,
        end_1_seconds, ...``: stretches of business within the day in seconds since its midnight, as many pairs as the
        fullest day needs (at least one), 0 to 0 where a day has fewer.
    """
    around = timedelta(days=2)  # a day of UTC lies in up to three local days
    days = [first - timedelta(days=1) + timedelta(days=n) for n in range((end - first).days + 2)]
    low = (days[0] - _EPOCH).days
    cut = _split_at_midnight(open_stretches(calendar, first - around, end + around))
    number = cut[:, 0] // SECONDS_PER_DAY - low
    cut, number = (rows[(number >= 0) & (number < len(days))] for rows in (cut, number))
    per_day = np.bincount(number, minlength=len(days))
    place = np.arange(len(cut)) - np.repeat(per_day.cumsum() - per_day, per_day)
    lengths = np.bincount(number, weights=cut[:, 1] - cut[:, 0], minlength=len(days)).astype("int64")
    columns = {"utc_date": days, "before_seconds": lengths.cumsum() - lengths}
    for k in range(max(int(per_day.max(initial=0)), 1)):
        chosen = place == k
        midnight = (number[chosen] + low) * SECONDS_PER_DAY
        for name, edge in (("begin", 0), ("end", 1)):
            values = np.zeros(len(days), dtype="int64")
            values[number[chosen]] = cut[chosen, edge] - midnight
            columns[f"{name}_{k + 1}_seconds"] = values
    return pd.DataFrame(columns)


def _steady_spans(zone: str, first: date, end: date) -> list[tuple[int, int, int]]:
    """Return the spans without a change of clocks around some days: begin, end (UTC) and offset, in seconds."""
    low, high = (
        int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + shift * SECONDS_PER_DAY
        for day, shift in ((first, -2), (end, 2))
    )
    changes = [int(change.instant.replace(tzinfo=UTC).timestamp()) for change in clock_changes(zone)]
    edges = [low, *(at for at in changes if low < at < high), high]
    return [(begin, until, _offset_at(begin, zone)) for begin, until in pairwise(edges)]


def _offset_at(second: int, zone: str) -> int:
    offset = datetime.fromtimestamp(second, tz=ZoneInfo(zone)).utcoffset() or timedelta(0)
    return int(offset.total_seconds())


def _merged(stretches: np.ndarray) -> np.ndarray:
    """Return stretches in order with those that touch made one."""
    if not len(stretches):
        return stretches
    is_new = np.append(True, stretches[1:, 0] > stretches[:-1, 1])
    ends = np.append(np.flatnonzero(is_new)[1:] - 1, len(stretches) - 1)
    return np.column_stack([stretches[is_new, 0], stretches[ends, 1]])


def _split_at_midnight(stretches: np.ndarray) -> np.ndarray:
    """Return stretches cut at every midnight of UTC inside them."""
    if not len(stretches):
        return stretches
    midnights = -(-stretches[:, 1] // SECONDS_PER_DAY) - stretches[:, 0] // SECONDS_PER_DAY
    row = np.repeat(np.arange(len(stretches)), midnights)
    step = np.arange(len(row)) - np.repeat(midnights.cumsum() - midnights, midnights)
    day = (stretches[row, 0] // SECONDS_PER_DAY + step) * SECONDS_PER_DAY
    begin, until = np.maximum(stretches[row, 0], day), np.minimum(stretches[row, 1], day + SECONDS_PER_DAY)
    return np.column_stack([begin, until])
