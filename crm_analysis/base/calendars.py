"""Dates that move trade: Spring Festival (lunar), 6.18 and 11.11."""

from datetime import date
from functools import cache

from holidays.countries.china import China


@cache
def spring_festival(year: int) -> date:
    """Return the first day of the lunar year that begins in ``year``.

    >>> spring_festival(2025).isoformat()
    '2025-01-29'
    """
    holidays = China(years=year, language="en_US")
    named = holidays.get_named("Chinese New Year (Spring Festival)", split_multiple_names=False)
    return min(day for day in named if day.year == year)


def festivals(start: date, end: date) -> list[tuple[date, str]]:
    """Return ``(day, slug)`` of the festivals in ``[start, end)``, in order; slugs are words ``festival.*``."""
    found = []
    for year in range(start.year, end.year + 1):
        found += [
            (spring_festival(year), "spring_festival"),
            (date(year, 6, 18), "june_18"),
            (date(year, 11, 11), "november_11"),
        ]
    return sorted((day, slug) for day, slug in found if start <= day < end)
