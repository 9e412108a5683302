"""The generative model: its parameters, its random streams, and what is hidden in every customer.

Purchases
    While a customer lives, purchases are a Poisson process of intensity ``rate * (season(day) + promotion_lift *
    sensitivity * promotion(day))``; ``rate`` is gamma distributed. In the last ``fade_days`` before dropping out only
    the share ``fade_keep`` of purchases happens. Treated customers have ``1 + treatment_uplift`` times that intensity
    for ``treatment_days`` from the launch of a campaign; controls are held out at random.
Dropping out
    Competing exponential hazards, one per cause of `vocabulary.CAUSES`, all scaled by a gamma frailty. The hazard of
    ``service_experience`` grows as ``exp(-service_slope * quality)``, that of ``price`` with the sensitivity.
    ``quality`` is the sum of effects of region, person in charge and customer; it also makes replies slow, complaints
    frequent, and answers to surveys poor. So dropping out can be foreseen, not perfectly.
Amounts
    Lognormal around a level per customer; an order has a discount more often in promotions, with a campaign, and for
    sensitive customers, who get deeper ones too.
"""

import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crm_analysis.sources.demo import vocabulary as words
from crm_analysis.sources.demo.columns import Bools, Floats, Ints, choose, choose_by_row
from crm_analysis.sources.demo.seasons import Seasons

NEVER = np.inf


@dataclass(frozen=True)
class Parameters:
    """All global parameters of the demo; rates per year, hazards per year, amounts in yuan."""

    organisation_share: float = 0.15
    prospect_share: float = 0.10
    founding_share: float = 0.48
    founding_years: float = 4.0
    acquisition_trend: float = 0.30
    person_rate: float = 7.9
    organisation_rate: float = 5.5
    rate_shape: float = 1.8
    promotion_lift: float = 0.9
    fade_days: int = 75
    fade_keep: float = 0.55
    treatment_uplift: float = 0.35
    treatment_days: int = 60
    control_share: float = 0.20
    contacted_share: float = 0.50
    hazards: tuple[float, ...] = (0.070, 0.050, 0.060, 0.085, 0.050)
    service_slope: float = 1.4
    frailty_shape: float = 1.5
    region_weights: tuple[float, ...] = (0.26, 0.20, 0.18, 0.13, 0.11, 0.06, 0.06)
    region_quality: tuple[float, ...] = (0.25, 0.20, 0.10, 0.05, -1.35, 0.00, 0.05)
    owner_quality_spread: float = 0.35
    customer_quality_spread: float = 0.45
    person_level: float = 5.35
    person_level_spread: float = 0.60
    organisation_level: float = 7.20
    organisation_level_spread: float = 0.85
    order_spread: float = 0.55
    margin: float = 0.36
    refund_share: float = 0.030
    full_refund_share: float = 0.60
    void_share: float = 0.008
    consent_share: float = 0.88

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters by name, in the order of their definition."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Staff:
    """People in charge: ``region`` code and hidden ``quality`` of each, owners of a region side by side."""

    names: tuple[str, ...]
    region: Ints
    quality: Floats
    per_region: int


@dataclass(frozen=True)
class Latents:
    """What is hidden in the customers of one block, one entry per customer, ordered by acquisition.

    Attributes
    ----------
    number
        Running number of the customer in the company, from 1.
    acquired_day
        Day index of the acquisition, negative for customers older than the history.
    rate
        Purchases per day while alive; 0 for prospects.
    dropout_day
        Fractional day index; infinite for prospects. It may lie after the end of the history: who leaves soon after it
        fades and complains before it, or the last quarter would look better than the others.
    cause
        Code of `vocabulary.CAUSES`; -1 for prospects.
    level
        Mean of the logarithm of an order's gross amount in yuan.
    """

    number: Ints
    is_organisation: Bools
    is_prospect: Bools
    region: Ints
    city: Ints
    owner: Ints
    acquired_day: Ints
    quality: Floats
    rate: Floats
    sensitivity: Floats
    dropout_day: Floats
    cause: Ints
    level: Floats
    favourites: Ints
    channel: Ints
    consent: Bools

    def __len__(self) -> int:
        return len(self.number)

    @property
    def is_buyer(self) -> Bools:
        """Whether the customer ever buys."""
        return ~self.is_prospect

    @property
    def is_founding(self) -> Bools:
        """Whether the customer is older than the history."""
        return self.acquired_day < 0


def stream(seed: int, name: str, block: int = 0) -> np.random.Generator:
    """Return the random stream of one table and block: independent of all others and of what else is made."""
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(zlib.crc32(name.encode()), block))
    return np.random.Generator(np.random.PCG64(sequence))


def make_staff(parameters: Parameters, *, customers: int, seed: int) -> Staff:
    """Return people in charge, about one for 240 customers, at least two in each region."""
    rng = stream(seed, "staff")
    regions = len(words.REGIONS)
    per_region = int(np.clip(round(customers / 240 / regions), 2, 60))
    count = regions * per_region
    every = [a + b + c for a in words.SURNAMES for b in words.GIVEN[::3] for c in words.GIVEN[1::7]]
    names = tuple(every[k] for k in rng.choice(len(every), count, replace=False))
    region = np.repeat(np.arange(regions), per_region)
    quality = np.round(rng.normal(0, parameters.owner_quality_spread, count), 4)
    return Staff(names, region, quality, per_region)


def make_latents(  # the order of draws is the contract of the stream: add new ones at the end
    parameters: Parameters, *, seasons: Seasons, staff: Staff, first: int, count: int, block: int, seed: int
) -> Latents:
    """Draw the hidden traits of ``count`` customers, numbered from ``first``."""
    p, rng = parameters, stream(seed, "latents", block)
    is_organisation = rng.random(count) < p.organisation_share
    acquired_day = np.sort(_acquisition_days(p, rng, seasons=seasons, count=count))
    is_prospect = (rng.random(count) < p.prospect_share) & (acquired_day >= 0)
    region = choose(rng, p.region_weights, count)
    city = choose(rng, (5, 4, 3, 2, 1), count)
    owner = region * staff.per_region + rng.integers(0, staff.per_region, count)
    quality = (
        np.array(p.region_quality)[region] + staff.quality[owner] + rng.normal(0, p.customer_quality_spread, count)
    )
    sensitivity = rng.beta(1.6, 2.6, count)
    yearly = np.where(is_organisation, p.organisation_rate, p.person_rate)
    rate = yearly / 365.25 * rng.gamma(p.rate_shape, 1 / p.rate_shape, count)
    level = np.where(
        is_organisation,
        rng.normal(p.organisation_level, p.organisation_level_spread, count),
        rng.normal(p.person_level, p.person_level_spread, count),
    )
    hazards = np.tile(np.array(p.hazards), (count, 1))
    hazards[:, 0] *= np.exp(-p.service_slope * quality)
    hazards[:, 1] *= 2.6 * sensitivity
    cause = choose_by_row(rng, hazards)
    frailty = rng.gamma(p.frailty_shape, 1 / p.frailty_shape, count)
    lifetime = rng.exponential(1.0, count) / np.maximum(hazards.sum(axis=1) * frailty / 365.25, 1e-9)
    dropout = np.where(is_prospect, NEVER, np.maximum(acquired_day, 0) + 1 + lifetime)
    favourites = np.stack([rng.integers(0, len(words.CATEGORIES), count) for _ in range(2)], axis=1)
    channel = np.where(
        is_organisation,
        choose(rng, (0.02, 0.05, 0.18, 0.05, 0.2, 0.5), count),
        choose(rng, (0.30, 0.34, 0.10, 0.22, 0.04, 0.0), count),
    )
    return Latents(
        number=np.arange(first, first + count, dtype=np.int64),
        is_organisation=is_organisation, is_prospect=is_prospect, region=region, city=city, owner=owner,
        acquired_day=acquired_day, quality=quality, rate=np.where(is_prospect, 0.0, rate), sensitivity=sensitivity,
        dropout_day=dropout, cause=np.where(np.isfinite(dropout), cause, -1), level=level, favourites=favourites,
        channel=channel, consent=rng.random(count) < p.consent_share,
    )  # fmt: skip


def _acquisition_days(p: Parameters, rng: np.random.Generator, *, seasons: Seasons, count: int) -> Ints:
    """Return day indices: the founding share before the history, the rest inside it, slowly growing."""
    is_founding = rng.random(count) < p.founding_share
    before = -1 - np.floor(p.founding_years * 365 * rng.random(count) ** 1.3)
    weights = np.sqrt(np.diff(seasons.person)) * (1 + p.acquisition_trend * np.arange(seasons.days) / seasons.days)
    inside = choose(rng, weights.tolist(), count)
    return np.where(is_founding, before, inside).astype(np.int64)
