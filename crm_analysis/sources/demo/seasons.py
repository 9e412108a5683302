"""How strongly people and organisations buy on each day and hour of the history."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from crm_analysis.base.calendars import spring_festival
from crm_analysis.sources.demo.columns import Bools, Floats, Ints

EPOCH = date(1970, 1, 1)

PERSON_MONTHS = (1.00, 0.92, 0.95, 0.96, 1.02, 1.04, 0.94, 0.95, 1.02, 1.03, 1.08, 1.09)
ORGANISATION_MONTHS = (1.00, 0.85, 1.10, 0.98, 0.98, 1.10, 0.93, 0.93, 1.10, 0.95, 1.02, 1.15)
PERSON_WEEK = (0.92, 0.90, 0.92, 0.95, 1.05, 1.16, 1.10)
ORGANISATION_WEEK = (1.38, 1.35, 1.32, 1.30, 1.25, 0.25, 0.15)
PERSON_HOURS = (1, 0.5, 0.2, 0.1, 0.1, 0.2, 0.7, 1.5, 2.5, 3.5, 4.5, 5, 6.5, 5.5, 4, 4, 4, 4.5, 5.5, 7, 9, 9.5, 7, 3)
OFFICE_HOURS = (0, 0, 0, 0, 0, 0, 0, 0.2, 2, 9, 11, 9, 2, 5, 10, 10, 9, 6, 1.5, 0.5, 0.2, 0, 0, 0)


@dataclass(frozen=True)
class Seasons:
    """Daily weights of the history; every cumulative array has one more entry than days and starts at 0.

    Attributes
    ----------
    start, days
        First day and number of days.
    person, organisation
        Cumulative weights of purchases; the mean daily weight is 1.
    promotion
        Cumulative number of promotion days.
    is_promotion
        Whether a day lies in a promotion.
    """

    start: date
    days: int
    person: Floats
    organisation: Floats
    promotion: Floats
    is_promotion: Bools

    @property
    def origin(self) -> int:
        """Days from 1970-01-01 to ``start``."""
        return (self.start - EPOCH).days

    def day_of(self, day: date) -> int:
        """Return the index of a date (negative before ``start``)."""
        return (day - self.start).days

    def at(self, cumulative: Floats, day: Floats) -> Floats:
        """Return a cumulative weight at fractional day indices, clipped to the history."""
        return np.interp(day, np.arange(self.days + 1), cumulative)


def make_seasons(start: date, until: date) -> Seasons:
    """Return the weights of ``[start, until]``: months, weekdays, Spring Festival, National Day, 6.18, 11.11, 12.12."""
    days = [start + timedelta(days=k) for k in range((until - start).days + 1)]
    month = np.array([day.month - 1 for day in days])
    weekday = np.array([day.weekday() for day in days])
    index = np.arange(len(days))
    person = np.array(PERSON_MONTHS)[month] * np.array(PERSON_WEEK)[weekday]
    organisation = np.array(ORGANISATION_MONTHS)[month] * np.array(ORGANISATION_WEEK)[weekday]
    promotion = np.zeros(len(days), dtype=bool)

    for year in range(start.year, until.year + 2):
        festival = (spring_festival(year) - start).days
        before = (index >= festival - 21) & (index < festival)
        person[before] *= 1.35 + 0.55 * (index[before] - festival + 21) / 21
        person[(index >= festival) & (index < festival + 7)] *= 0.30
        organisation[(index >= festival - 21) & (index < festival - 4)] *= 1.35
        organisation[(index >= festival - 4) & (index < festival + 8)] *= 0.04
        promotion |= (index >= festival - 21) & (index < festival - 2)

        for first, last, lift, peak, is_promotion in (
            (date(year, 6, 8), date(year, 6, 18), 1.45, 2.2, True),
            (date(year, 11, 1), date(year, 11, 11), 1.45, 3.8, True),
            (date(year, 12, 10), date(year, 12, 12), 1.25, 1.3, False),
            (date(year, 10, 1), date(year, 10, 7), 1.20, 1.0, False),
        ):
            low, high = (first - start).days, (last - start).days
            inside = (index >= low) & (index <= high)
            person[inside] *= lift
            person[index == high] *= peak
            if is_promotion:
                promotion |= inside
        national = (date(year, 10, 1) - start).days
        organisation[(index >= national) & (index < national + 7)] *= 0.05

    def cumulative(weights: Floats) -> Floats:
        return np.concatenate([[0.0], np.cumsum(weights / weights.mean())])

    return Seasons(
        start, len(days), cumulative(person), cumulative(organisation),
        np.concatenate([[0.0], np.cumsum(promotion.astype(float))]), promotion,
    )  # fmt: skip


def seconds_of_day(rng: np.random.Generator, *, office: Bools) -> Ints:
    """Return a second of the day for each entry: office hours where ``office``, else lunch and evenings."""
    draws = rng.random(len(office))
    made = np.empty(len(office), dtype=np.int64)
    for chosen, weights in ((office, OFFICE_HOURS), (~office, PERSON_HOURS)):
        edges = np.concatenate([[0.0], np.cumsum(weights)]) / sum(weights)
        made[chosen] = (np.interp(draws[chosen], edges, np.arange(25)) * 3600).astype(np.int64)
    return np.minimum(made, 86_399)
