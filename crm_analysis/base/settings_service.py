"""Settings of service and of business time (REQUIREMENTS E7, E8)."""

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from crm_analysis.base.settings_model import Frozen, Positive, Share

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Clock = Literal["business", "calendar"]
_SHIFT = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")
_MINUTES_PER_DAY = 24 * 60


class BusinessHours(Frozen):
    """When service is open.

    Attributes
    ----------
    shifts
        Opening hours of a workday by the company's wall clock, such as ``09:00-12:00``; a shift ends at ``24:00`` at
        the latest: write one over midnight as two.
    weekend
        Days of the week that are closed.
    country
        Country whose public holidays are closed: ``CN`` (with its make-up workdays) or a code of the library
        ``holidays``; none with ``null``.
    holidays, workdays
        Days of the company's own; they win over weekends and public holidays.
    complete_years
        Years whose closed days and make-up workdays are given here in full, because they are not published yet (or not
        known to the library); such a year is not flagged.
    always_open_channels
        Channels that are served round the clock: there a business hour is any hour.
    """

    shifts: Annotated[tuple[str, ...], Field(min_length=1)] = ("09:00-12:00", "13:30-18:00")
    weekend: tuple[Weekday, ...] = ("saturday", "sunday")
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = "CN"
    holidays: tuple[date, ...] = ()
    workdays: tuple[date, ...] = ()
    complete_years: tuple[int, ...] = ()
    always_open_channels: tuple[str, ...] = ()

    @field_validator("shifts")
    @classmethod
    def _in_order(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        minutes = [minute for shift in value for minute in shift_minutes(shift)]
        if any(before > after for before, after in pairwise(minutes)):
            raise ValueError("shifts follow each other and do not overlap")
        return value

    @field_validator("country")
    @classmethod
    def _known_country(cls, value: str | None) -> str | None:
        from holidays import list_supported_countries

        if value is not None and value not in list_supported_countries(include_aliases=False):
            raise ValueError(f"no public holidays are known of {value!r}; use null and list the days in holidays")
        return value

    @model_validator(mode="after")
    def _open_or_closed(self) -> "BusinessHours":
        both = sorted(set(self.holidays) & set(self.workdays))
        if both:
            raise ValueError(f"{both[0].isoformat()} is given both as holiday and as workday")
        return self


class BurstSettings(Frozen):
    """When a day's complaints count as a burst (E8).

    Attributes
    ----------
    baseline_weeks, minimum_weeks
        Weeks before a day that its expectation is made from; with fewer than the minimum nothing is said of it.
    false_alarms_per_quarter
        Bursts that pure chance may report in a quarter, on average.
    minimum_count
        Complaints of a day below which it is no crisis, however unlikely it is.
    """

    baseline_weeks: Annotated[int, Field(ge=4)] = 8
    minimum_weeks: Annotated[int, Field(ge=3)] = 4
    false_alarms_per_quarter: Annotated[float, Field(gt=0, le=5)] = 0.5
    minimum_count: Annotated[int, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _long_enough(self) -> "BurstSettings":
        if self.minimum_weeks > self.baseline_weeks:
            raise ValueError("minimum_weeks is at most baseline_weeks")
        return self


class ServiceSettings(Frozen):
    """Service (E7, E8). Mean first response, complaints and resolution have their targets in ``evaluation`` itself.

    Attributes
    ----------
    sla_clock
        Clock of the service standard and of the targets of mean first response: hours of business, or any.
    sla_hours, urgent_hours, complex_hours
        Hours in which a case must have its first reply: any other case, an urgent one (complex or not), and the first
        assessment of a complex one. The means of urgent and of complex cases have the same limits as targets.
    sla_target
        Share of cases that should be answered in time.
    closed_loop_target
        Share of cases that should be resolved when they are due.
    minimum_n
        Cases below which means, medians and shares are not shown.
    mediation_outcomes
        Values of ``interactions.outcome`` that mean a third party mediated.
    marketing_reasons
        Values of ``interactions.reason`` that mean a complaint was about marketing.
    """

    hours: BusinessHours = BusinessHours()
    sla_clock: Clock = "business"
    sla_hours: Positive = 2
    urgent_hours: Positive = 0.5
    complex_hours: Positive = 24
    sla_target: Share = 0.9
    closed_loop_target: Share = 0.95
    minimum_n: Annotated[int, Field(ge=1)] = 10
    mediation_outcomes: tuple[str, ...] = ("mediated",)
    marketing_reasons: tuple[str, ...] = ("marketing",)
    bursts: BurstSettings = BurstSettings()


def shift_minutes(shift: str) -> tuple[int, int]:
    """Return the minutes since midnight at which a shift begins and ends.

    >>> shift_minutes("13:30-18:00")
    (810, 1080)

    Raises
    ------
    ValueError
        The text is no shift, or it does not end after it begins.
    """
    match = _SHIFT.fullmatch(shift)
    begin, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
    is_clock = match is not None and int(match[2]) < 60 and int(match[4]) < 60
    if not (is_clock and begin < end <= _MINUTES_PER_DAY):
        raise ValueError(f"{shift!r} is no shift; write one such as '09:00-12:00', at the latest until '24:00'")
    return begin, end
