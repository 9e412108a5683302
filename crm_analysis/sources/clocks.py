"""Wall clocks and time zones: local times to UTC and back, and the hours that clocks repeat or leave out."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.datatypes as dt

#: Changes of clocks are looked up between these years; outside of them no local time counts as doubtful.
FIRST_YEAR, LAST_YEAR = 1970, 2060
AMBIGUOUS, NONEXISTENT = "ambiguous", "nonexistent"


@dataclass(frozen=True)
class ClockChange:
    """A change of clocks at ``instant`` (UTC without zone): ``before`` and ``after`` are the offsets from UTC."""

    instant: datetime
    before: timedelta
    after: timedelta

    @property
    def days(self) -> tuple[date, date]:
        """First and last local day with a doubtful time."""
        one, other = self.instant + self.before, self.instant + self.after
        return min(one, other).date(), max(one, other).date()


@ibis.udf.scalar.builtin(name="timezone")
def wall_clock(zone: str, at: dt.Timestamp(timezone="UTC")) -> dt.timestamp:  # type: ignore[valid-type]
    """Move an instant to the wall clock of a zone."""


@ibis.udf.scalar.builtin(name="timezone")
def _instant(zone: str, at: dt.timestamp) -> dt.Timestamp(timezone="UTC"):  # type: ignore[valid-type]
    """Read a wall clock of a zone as an instant."""


def to_utc(local: ibis.Value, zone: str) -> ibis.Value:
    """Return the UTC time without zone of a local wall-clock time.

    Of a time that clocks show twice the later one is meant; a time that clocks leave out is moved on by the gap.
    """
    steady = _steady(zone)
    exact = wall_clock("UTC", _instant(zone, local))
    if steady is None:
        return exact
    since, offset = steady
    return ibis.ifelse(local >= ibis.literal(since), _shifted(local, -offset), exact)


def to_local(utc: ibis.Value, zone: str) -> ibis.Value:
    """Return the local wall-clock time of a UTC time without zone."""
    steady = _steady(zone)
    exact = wall_clock(zone, _instant("UTC", utc))
    if steady is None:
        return exact
    since, offset = steady
    return ibis.ifelse(utc >= ibis.literal(since), _shifted(utc, offset), exact)


def doubtful(local: ibis.Value, zone: str) -> ibis.Value | None:
    """Return ``ambiguous``, ``nonexistent`` or null for local times; ``None`` where clocks of the zone never change."""
    changes = clock_changes(zone)
    if not changes:
        return None
    days = sorted({day for change in changes for day in change.days})
    utc = to_utc(local, zone)
    repeated = {change.before - change.after for change in changes if change.after < change.before}
    twice = [(to_local(_shifted(utc, -gap), zone) == local, AMBIGUOUS) for gap in sorted(repeated)]
    ordinary = (~local.date().isin(days), ibis.null("string"))
    return ibis.cases(ordinary, (to_local(utc, zone) != local, NONEXISTENT), *twice)


@cache
def clock_changes(zone: str) -> tuple[ClockChange, ...]:
    """Return the changes of clocks of a zone, oldest first.

    >>> [str(change.instant) for change in clock_changes("Asia/Shanghai")][-2:]
    ['1991-04-13 18:00:00', '1991-09-14 17:00:00']
    >>> clock_changes("UTC")
    ()
    """
    at, end = datetime(FIRST_YEAR, 1, 1), datetime(LAST_YEAR, 1, 1)
    changes = []
    offset = _offset(at, zone)
    while at < end:
        following = at + timedelta(days=1)
        after = _offset(following, zone)
        if after != offset:
            changes.append(ClockChange(_first(at, following, zone), offset, after))
        at, offset = following, after
    return tuple(changes)


@cache
def _steady(zone: str) -> tuple[datetime, timedelta] | None:
    """Return from when on a zone keeps one offset for good, and that offset: a shift is faster than a conversion."""
    changes = clock_changes(zone)
    last = changes[-1].instant.year if changes else FIRST_YEAR - 1
    if last >= LAST_YEAR - 10:
        return None
    return datetime(last + 1, 1, 2), _offset(datetime(LAST_YEAR, 1, 1), zone)


def _offset(utc: datetime, zone: str) -> timedelta:
    return utc.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)


def _first(low: datetime, high: datetime, zone: str) -> datetime:
    """Return the first second between two instants at which the later offset holds."""
    old = _offset(low, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(middle, zone) == old else (low, middle)
    return high


def _shifted(time: ibis.Value, by: timedelta) -> ibis.Value:
    return time + ibis.interval(seconds=int(by.total_seconds())) if by else time
