"""When customers buy: arrivals of the Poisson process, campaigns with held-out controls, and their true effect."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from crm_analysis.base.period import Quarter
from crm_analysis.sources.demo.columns import Bools, Floats, Ints
from crm_analysis.sources.demo.model import Latents, Parameters
from crm_analysis.sources.demo.seasons import Seasons

WINBACK, GROWTH = 0, 1
TARGETS = ("at_risk", "potential")
LAUNCH_AFTER_DAYS = 10
FIRST_LAUNCH_DAY = 100
AT_RISK_SILENCE = (60, 240)
POTENTIAL_ORDERS = (1, 2)


@dataclass(frozen=True)
class Campaign:
    """One campaign: whom it addresses (``target``) and the day index of its launch."""

    campaign_id: str
    quarter: str
    target: int
    launch_day: int


@dataclass(frozen=True)
class Assignments:
    """Who was in which campaign; one entry per customer and campaign, campaigns in order of launch."""

    campaign: Ints
    who: Ints
    is_control: Bools


@dataclass(frozen=True)
class Arrivals:
    """Purchases before they have amounts: customer index, day index, and how they came about."""

    who: Ints
    day: Ints
    is_first: Bools
    is_extra: Bools
    campaign: Ints


def make_campaigns(start: date, until: date) -> list[Campaign]:
    """Return two campaigns for each quarter that has enough history before it."""
    campaigns = []
    quarter = Quarter.containing(start)
    while quarter.start <= until:
        day = (quarter.start + timedelta(days=LAUNCH_AFTER_DAYS) - start).days
        if FIRST_LAUNCH_DAY <= day < (until - start).days:
            for target, name in ((WINBACK, "WINBACK"), (GROWTH, "GROWTH")):
                campaigns.append(Campaign(f"CMP-{quarter}-{name}", str(quarter), target, day))
        quarter = quarter.shift(1)
    return campaigns


def draw_purchases(
    latents: Latents, *, parameters: Parameters, seasons: Seasons, campaigns: list[Campaign], rng: np.random.Generator
) -> tuple[Arrivals, Assignments]:
    """Draw all purchases of a block and who was treated.

    The purchases that treatment adds are a process of their own with ``treatment_uplift`` times the intensity, so a
    treated customer buys ``1 + treatment_uplift`` times as often in the window, whatever the season.
    """
    new = latents.is_buyer & ~latents.is_founding
    low = np.where(latents.is_founding, 0.0, latents.acquired_day + 1.0)
    who, day = _arrivals(
        latents, low=low, high=latents.dropout_day, factor=1.0, parameters=parameters, seasons=seasons, rng=rng
    )
    first_who = np.flatnonzero(new)
    first_day = latents.acquired_day[new]
    base = np.sort(np.concatenate([who, first_who]) * seasons.days + np.concatenate([day, first_day]))

    campaign, members, control, extra_who, extra_day = [], [], [], [], []
    everyone = np.arange(len(latents), dtype=np.int64)
    for launch in sorted({c.launch_day for c in campaigns}):
        codes = {c.target: k for k, c in enumerate(campaigns) if c.launch_day == launch}
        here = np.searchsorted(base, everyone * seasons.days + launch)
        count = here - np.searchsorted(base, everyone * seasons.days + max(launch - 90, 0))
        last = base[np.maximum(here - 1, 0)]
        silence = np.where(last // seasons.days == everyone, launch - last % seasons.days, seasons.days)
        addressed = latents.consent & (rng.random(len(latents)) < parameters.contacted_share)
        at_risk = addressed & (silence >= AT_RISK_SILENCE[0]) & (silence < AT_RISK_SILENCE[1])
        potential = addressed & ~at_risk & (count >= POTENTIAL_ORDERS[0]) & (count <= POTENTIAL_ORDERS[1])
        held_out = rng.random(len(latents)) < parameters.control_share
        for target, chosen in ((WINBACK, at_risk), (GROWTH, potential)):
            picked = np.flatnonzero(chosen)
            campaign.append(np.full(len(picked), codes[target]))
            members.append(picked)
            control.append(held_out[picked])
        treated = np.where((at_risk | potential) & ~held_out, parameters.treatment_uplift, 0.0)
        window = np.full(len(latents), float(launch + parameters.treatment_days))
        more_who, more_day = _arrivals(
            latents, low=np.maximum(low, launch), high=np.minimum(window, latents.dropout_day), factor=treated,
            parameters=parameters, seasons=seasons, rng=rng,
        )  # fmt: skip
        extra_who.append(more_who)
        extra_day.append(more_day)

    none = np.empty(0, dtype=np.int64)
    assigned = Assignments(
        np.concatenate([none, *campaign]), np.concatenate([none, *members]),
        np.concatenate([none.astype(bool), *control]),
    )  # fmt: skip
    more = np.concatenate([none, *extra_who]), np.concatenate([none, *extra_day])
    all_who = np.concatenate([first_who, who, more[0]])
    all_day = np.concatenate([first_day, day, more[1]])
    is_first = np.arange(len(all_who)) < len(first_who)
    is_extra = np.arange(len(all_who)) >= len(all_who) - len(more[0])
    in_window = _campaign_of(
        all_who, all_day, assigned=assigned, campaigns=campaigns, customers=len(latents),
        length=parameters.treatment_days,
    )  # fmt: skip
    redeemed = rng.random(len(all_who)) < np.where(is_extra, 0.75, 0.25)
    return Arrivals(all_who, all_day, is_first, is_extra, np.where(redeemed, in_window, -1)), assigned


def _arrivals(
    latents: Latents, *, low: Floats, high: Floats, factor: Floats | float, parameters: Parameters,
    seasons: Seasons, rng: np.random.Generator,
) -> tuple[Ints, Ints]:  # fmt: skip
    """Return customer and day index of Poisson arrivals in ``[low, high)`` of each customer, fading before dropout."""
    rate = latents.rate * factor
    by_person = np.where(latents.is_organisation, 0.0, rate)
    components = (
        (seasons.person, by_person),
        (seasons.organisation, rate - by_person),
        (seasons.promotion, by_person * parameters.promotion_lift * latents.sensitivity),
    )
    who_parts, day_parts = [], []
    for cumulative, scale in components:
        bottom = seasons.at(cumulative, low)
        mass = np.maximum(seasons.at(cumulative, high) - bottom, 0.0)
        count = rng.poisson(scale * mass)
        who = np.repeat(np.arange(len(latents), dtype=np.int64), count)
        place = bottom[who] + rng.random(len(who)) * mass[who]
        day = np.searchsorted(cumulative, place, side="right") - 1
        who_parts.append(who)
        day_parts.append(np.clip(day, 0, seasons.days - 1))
    who, day = np.concatenate(who_parts), np.concatenate(day_parts)
    fading = day > latents.dropout_day[who] - parameters.fade_days
    kept = ~fading | (rng.random(len(who)) < parameters.fade_keep)
    return who[kept], day[kept]


def _campaign_of(
    who: Ints, day: Ints, *, assigned: Assignments, campaigns: list[Campaign], customers: int, length: int
) -> Ints:
    """Return the campaign whose treatment window a purchase falls in, -1 for none; controls have no window."""
    launches = np.array(sorted({c.launch_day for c in campaigns}), dtype=np.int64)
    if not len(launches):
        return np.full(len(who), -1, dtype=np.int64)
    row_of = np.searchsorted(launches, [c.launch_day for c in campaigns])
    window = np.full((len(launches), customers), -1, dtype=np.int64)
    treated = ~assigned.is_control
    window[row_of[assigned.campaign[treated]], assigned.who[treated]] = assigned.campaign[treated]
    row = np.searchsorted(launches, day, side="right") - 1
    inside = (row >= 0) & (day < launches[np.maximum(row, 0)] + length)
    return np.where(inside, window[np.maximum(row, 0), who], -1)
