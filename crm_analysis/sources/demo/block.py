"""One block of customers with everything hidden and bought; blocks keep memory flat when the company is large."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from crm_analysis.sources.demo.columns import Bools, Floats, Ints
from crm_analysis.sources.demo.model import Latents, Parameters, Staff, make_latents, make_staff, stream
from crm_analysis.sources.demo.orders import Orders, make_orders
from crm_analysis.sources.demo.purchases import Assignments, Campaign, draw_purchases, make_campaigns
from crm_analysis.sources.demo.seasons import EPOCH, Seasons, make_seasons

BLOCK_SIZE = 50_000
HISTORY_YEARS = 3


@dataclass(frozen=True)
class World:
    """What all blocks share."""

    parameters: Parameters
    seasons: Seasons
    staff: Staff
    campaigns: list[Campaign]
    until: date
    seed: int

    @property
    def end(self) -> int:
        """Seconds from 1970 to the end of the last day, local."""
        return ((self.until - EPOCH).days + 1) * 86_400

    @property
    def last_day(self) -> int:
        """Days from 1970 to the last day."""
        return (self.until - EPOCH).days


@dataclass(frozen=True)
class Block:
    """Customers of one block: what is hidden, what they bought, which campaigns they were in."""

    world: World
    index: int
    latents: Latents
    orders: Orders
    assigned: Assignments

    def rng(self, name: str) -> np.random.Generator:
        """Return the random stream of a table for this block."""
        return stream(self.world.seed, name, self.index)

    @property
    def dropout_seconds(self) -> Floats:
        """Seconds from 1970 of the dropout; infinite without."""
        return (self.world.seasons.origin + self.latents.dropout_day) * 86_400.0

    @property
    def known_seconds(self) -> Ints:
        """Seconds from 1970 at which the history of the customer begins: its acquisition, or the start."""
        return (self.world.seasons.origin + np.maximum(self.latents.acquired_day, 0)) * 86_400

    def at_least(self, seconds: Floats | Ints) -> Bools:
        """Return whether times lie before the end of the history."""
        return np.asarray(seconds) < self.world.end


def start_of(until: date) -> date:
    """Return the first day of the history: three years before the day after ``until``.

    >>> start_of(date(2025, 9, 30)).isoformat(), start_of(date(2024, 2, 29)).isoformat()
    ('2022-10-01', '2021-03-01')
    """
    after = date.fromordinal(until.toordinal() + 1)
    day = 28 if (after.month, after.day) == (2, 29) else after.day
    return date(after.year - HISTORY_YEARS, after.month, day)


def make_world(*, customers: int, seed: int, until: date, parameters: Parameters) -> World:
    """Return seasons, staff and campaigns of the company."""
    start = start_of(until)
    return World(
        parameters, make_seasons(start, until), make_staff(parameters, customers=customers, seed=seed),
        make_campaigns(start, until), until, seed,
    )  # fmt: skip


def make_block(world: World, *, index: int, customers: int, first_order: int) -> Block:
    """Draw block ``index`` of a company of ``customers``; its orders are numbered from ``first_order``."""
    first = index * BLOCK_SIZE
    count = min(BLOCK_SIZE, customers - first)
    latents = make_latents(
        world.parameters, seasons=world.seasons, staff=world.staff, first=first + 1, count=count, block=index,
        seed=world.seed,
    )  # fmt: skip
    arrivals, assigned = draw_purchases(
        latents, parameters=world.parameters, seasons=world.seasons, campaigns=world.campaigns,
        rng=stream(world.seed, "purchases", index),
    )  # fmt: skip
    orders = make_orders(
        arrivals, latents=latents, parameters=world.parameters, seasons=world.seasons, first_number=first_order,
        rng=stream(world.seed, "orders", index),
    )  # fmt: skip
    return Block(world, index, latents, orders, assigned)
