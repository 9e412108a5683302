"""Business seconds between instants, counted by the engine (REQUIREMENTS E7)."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any

import ibis

from crm_analysis.base.period import Quarter
from crm_analysis.base.settings_service import BusinessHours
from crm_analysis.sources.business_calendar import (
    SECONDS_PER_DAY,
    BusinessCalendar,
    business_days_table,
    open_stretches,
)


def with_business_seconds(
    rows: ibis.Table,
    *,
    since: str,
    until: Mapping[str, str],
    calendar: BusinessCalendar,
    first: date,
    end: date,
    always: ibis.Value | None = None,
) -> ibis.Table:
    """Return rows with the business seconds from one instant to others.

    Parameters
    ----------
    rows
        Instants are UTC without zone.
    since
        Column of the first instant.
    until
        ``{new column: column of the last instant}``.
    first, end
        Local days ``[first, end)`` that hold all instants; the moment when they end is one of them. What lies further
        outside has no seconds (null).
    always
        Rows that are served round the clock: any second of them is one of business.

    Returns
    -------
    ibis.Table
        ``rows`` with whole seconds, fractions dropped; null where an instant is null, 0 where the last lies before the
        first.
    """
    days = _days(calendar, first, end)
    positions = {column: f"_business_{number}" for number, column in enumerate(dict.fromkeys([since, *until.values()]))}
    joined = rows.mutate(_always=ibis.literal(False) if always is None else always.fill_null(False))
    for column, position in positions.items():
        named = days.select(
            **{f"{position}_{name}": days[name] for name in days.columns if name != "utc_date"},
            **{f"{position}_date": days.utc_date},
        )
        joined = joined.left_join(named, joined[column].date() == named[f"{position}_date"])
        joined = joined.mutate(**{position: _position(joined, column, prefix=position)})
        joined = joined.drop(*named.columns)
    counted = {}
    for name, column in until.items():
        clock = _seconds(joined[column]) - _seconds(joined[since])
        business = joined[positions[column]] - joined[positions[since]]
        seconds = ibis.ifelse(joined["_always"], clock, business).cast("int64")
        counted[name] = ibis.ifelse(seconds < 0, 0, seconds)
    return joined.mutate(**counted).drop("_always", *positions.values())


def calendar_document(calendar: BusinessCalendar, *, quarter: Quarter) -> dict[str, Any]:
    """Return the opening hours of a quarter in numbers (document ``service_calendar``; REQUIREMENTS E7).

    ``shifts``, ``weekend``, ``country``, ``always_open_channels`` as in settings; ``workday_count``; ``closed_count``:
    days of the week that are usually worked but were closed; ``made_up_count``: days of the weekend that were worked;
    ``open_hours``: hours of business; ``unpublished_years``: years whose holidays and make-up workdays are not known,
    so that only days of the week and the company's own days count in them.
    """
    days = [quarter.start + timedelta(days=n) for n in range((quarter.end - quarter.start).days)]
    plain = BusinessCalendar(BusinessHours(weekend=calendar.hours.weekend, country=None), calendar.zone)
    is_open, is_usual = ([each.is_workday(day) for day in days] for each in (calendar, plain))
    stretches = open_stretches(calendar, quarter.start, quarter.end)
    return {
        **{name: list(getattr(calendar.hours, name)) for name in ("shifts", "weekend", "always_open_channels")},
        "country": calendar.hours.country,
        "workday_count": sum(is_open),
        "closed_count": sum(usual and not now for usual, now in zip(is_usual, is_open, strict=True)),
        "made_up_count": sum(now and not usual for usual, now in zip(is_usual, is_open, strict=True)),
        "open_hours": round(int((stretches[:, 1] - stretches[:, 0]).sum()) / 3600, 2),
        "unpublished_years": list(calendar.unpublished_years(quarter.start, quarter.end)),
    }


@cache
def _days(calendar: BusinessCalendar, first: date, end: date) -> ibis.Table:
    """Return the calendar as a small table; the same one for the same arguments, so that queries share their work."""
    return ibis.memtable(business_days_table(calendar, first, end))


def _position(joined: ibis.Table, column: str, *, prefix: str) -> ibis.Value:
    """Return the business seconds from the beginning of the calendar to an instant."""
    clock = _seconds(joined[column]) % SECONDS_PER_DAY
    total = joined[f"{prefix}_before_seconds"]
    pairs = sum(name.startswith(f"{prefix}_begin_") for name in joined.columns)
    for number in range(1, pairs + 1):
        begin, end = (joined[f"{prefix}_{edge}_{number}_seconds"] for edge in ("begin", "end"))
        total = total + (ibis.least(clock, end) - ibis.least(clock, begin))
    return total


def _seconds(at: ibis.Value) -> ibis.Value:
    """Return whole seconds since 1970; the engine alone would round them."""
    return at.truncate("s").epoch_seconds()
