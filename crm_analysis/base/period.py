"""Quarters: calendar (``2025Q3``) and fiscal (``FY26Q1``), half-open ``[start, end)`` in local dates."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from crm_analysis.base.errors import Problem, SettingsError

_PATTERN = re.compile(r"^(?:(?P<calendar>(?:19|20|21)[0-9]{2})|FY(?P<fiscal>[0-9]{2}))Q(?P<number>[1-4])$")


@dataclass(frozen=True, order=True)
class Quarter:
    """Three months of a (fiscal) year.

    ``year`` is the calendar year in which the fiscal year ends, as in "FY26"; with ``first_month == 1`` that is
    the calendar year itself.

    Examples
    --------
    >>> quarter = Quarter.parse("2025Q3")
    >>> quarter.start.isoformat(), quarter.end.isoformat(), str(quarter.shift(-3))
    ('2025-07-01', '2025-10-01', '2024Q4')
    >>> Quarter.parse("FY26Q1", first_month=4).start.isoformat()
    '2025-04-01'
    """

    year: int
    number: int
    first_month: int = 1

    @classmethod
    def parse(cls, text: str, *, first_month: int = 1) -> Self:
        """Read ``2025Q3`` (calendar years only) or ``FY26Q1`` (fiscal years only).

        Raises
        ------
        SettingsError
            The text is no quarter, or of the other kind than the settings' fiscal year.
        """
        form = "2025Q3" if first_month == 1 else "FY26Q1"
        match = _PATTERN.match(str(text).strip().upper())
        if match is None or (match["calendar"] is None) == (first_month == 1):
            reason = f"quarters look like {form} (or 'latest')"
            if match is not None:
                reason += f" because fiscal_year_first_month is {first_month}"
            raise SettingsError(Problem(f"{text!r} is not a quarter", "quarter", reason))
        year = int(match["calendar"]) if match["calendar"] else 2000 + int(match["fiscal"])
        return cls(year, int(match["number"]), first_month)

    @classmethod
    def containing(cls, day: date, *, first_month: int = 1) -> Self:
        """Return the quarter that ``day`` lies in."""
        months = day.year * 12 + day.month - first_month
        year, offset = divmod(months, 12)
        return cls(year + (first_month > 1), offset // 3 + 1, first_month)

    @property
    def start(self) -> date:
        """First day."""
        months = (self.year - (self.first_month > 1)) * 12 + self.first_month - 1 + (self.number - 1) * 3
        return date(months // 12, months % 12 + 1, 1)

    @property
    def end(self) -> date:
        """First day after the quarter; also the ``as_of`` of its report (everything before it is known)."""
        return self.shift(1).start

    @property
    def last_day(self) -> date:
        """Last day."""
        return self.end - timedelta(days=1)

    @property
    def year_start(self) -> date:
        """First day of its (fiscal) year."""
        return Quarter(self.year, 1, self.first_month).start

    def shift(self, quarters: int) -> "Quarter":
        """Return the quarter that lies ``quarters`` later (earlier when negative)."""
        year, number = divmod(self.year * 4 + self.number - 1 + quarters, 4)
        return Quarter(year, number + 1, self.first_month)

    def since(self, earlier: "Quarter") -> int:
        """Return how many quarters lie between an earlier quarter and this one (0 for the same)."""
        return (self.year - earlier.year) * 4 + self.number - earlier.number

    def back(self, count: int) -> list["Quarter"]:
        """Return ``count`` quarters, oldest first, the last being this one."""
        return [self.shift(-k) for k in range(count - 1, -1, -1)]

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}" if self.first_month == 1 else f"FY{self.year % 100:02d}Q{self.number}"


def latest_covered_quarter(
    newest: date, *, tolerance_days: int, first_month: int = 1, today: date | None = None
) -> Quarter:
    """Return the newest quarter whose end the data reach, ``tolerance_days`` of silence allowed.

    Parameters
    ----------
    newest
        Local date of the newest order.
    today
        A quarter that is not over today is never the latest one, whatever the data say.

    Examples
    --------
    >>> str(latest_covered_quarter(date(2025, 9, 25), tolerance_days=7))
    '2025Q3'
    >>> str(latest_covered_quarter(date(2025, 9, 20), tolerance_days=7))
    '2025Q2'
    >>> str(latest_covered_quarter(date(2025, 9, 29), tolerance_days=7, today=date(2025, 9, 30)))
    '2025Q2'
    """
    quarter = Quarter.containing(newest, first_month=first_month)
    covered = quarter if (quarter.last_day - newest).days <= tolerance_days else quarter.shift(-1)
    if today is None:
        return covered
    return min(covered, Quarter.containing(today, first_month=first_month).shift(-1))
