"""Orders and their refunds: amounts, discounts, channels; items of the orders."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from crm_analysis.sources.demo import columns as col
from crm_analysis.sources.demo import vocabulary as words
from crm_analysis.sources.demo.columns import Bools, Floats, Ints
from crm_analysis.sources.demo.model import Latents, Parameters
from crm_analysis.sources.demo.purchases import Arrivals
from crm_analysis.sources.demo.seasons import Seasons, seconds_of_day

COMPLETED, CANCELLED, REFUNDED = 0, 1, 2
STATUSES = ("completed", "cancelled", "refunded")
DEPTHS = (0.05, 0.10, 0.15, 0.20, 0.30)
STORES = tuple(f"{region}{suffix}" for region in words.REGIONS for suffix in words.STORE_SUFFIXES)


@dataclass(frozen=True)
class Orders:
    """Orders of one block in order of time, refunds among them; amounts in cents, ``refund_of`` is a row or -1."""

    first_number: int
    who: Ints
    seconds: Ints
    amount: Ints
    discount: Ints
    cost: Ints
    channel: Ints
    store: Ints
    status: Ints
    refund_of: Ints
    campaign: Ints
    is_first: Bools

    def __len__(self) -> int:
        return len(self.who)

    @property
    def number(self) -> Ints:
        """Running number of the order in the company."""
        return np.arange(self.first_number, self.first_number + len(self), dtype=np.int64)

    @property
    def is_sale(self) -> Bools:
        """Whether the row is an order that took place, not a refund, not void."""
        return (self.refund_of < 0) & (self.status == COMPLETED)


def make_orders(
    arrivals: Arrivals, *, latents: Latents, parameters: Parameters, seasons: Seasons, first_number: int,
    rng: np.random.Generator,
) -> Orders:  # fmt: skip
    """Give every purchase its time, amount, discount and channel, and add refunds."""
    p, who, count = parameters, arrivals.who, len(arrivals.who)
    seconds = (seasons.origin + arrivals.day) * col.DAY + seconds_of_day(rng, office=latents.is_organisation[who])
    gross = np.exp(latents.level[who] + p.order_spread * rng.standard_normal(count))
    gross_cents = np.maximum(np.round(gross * 10) * 10, 500).astype(np.int64)

    sensitivity = latents.sensitivity[who]
    promoted = seasons.is_promotion[arrivals.day] & ~latents.is_organisation[who]
    chance = np.where(promoted, 0.30 + 0.5 * sensitivity, 0.04 + 0.4 * sensitivity**2)
    chance = np.where(arrivals.campaign >= 0, 0.9, chance)
    depth = (len(DEPTHS) * np.clip(0.6 * sensitivity + 0.5 * rng.random(count), 0, 0.999)).astype(np.int64)
    discount = np.where(rng.random(count) < chance, np.round(gross_cents * np.array(DEPTHS)[depth]), 0).astype(np.int64)
    cost = np.round(gross_cents * (1 - p.margin) * (0.92 + 0.16 * rng.random(count))).astype(np.int64)

    others = np.where(latents.is_organisation[who], rng.choice([2, 4, 5], count), rng.integers(0, 5, count))
    channel = np.where(rng.random(count) < 0.72, latents.channel[who], others)
    store = np.where(channel == 0, latents.region[who] * 3 + rng.integers(0, 3, count), -1)
    status = np.where((rng.random(count) < p.void_share) & ~arrivals.is_first, CANCELLED, COMPLETED)

    amount = gross_cents - discount
    chance = p.refund_share * np.where(latents.quality[who] < -0.6, 1.8, 0.95)
    refunded = np.flatnonzero((rng.random(count) < chance) & (status == COMPLETED))
    later = (1 + 19 * rng.random(len(refunded)) ** 1.5) * col.DAY
    part = np.where(rng.random(len(refunded)) < p.full_refund_share, 1.0, 0.3 + 0.5 * rng.random(len(refunded)))
    when = seconds[refunded] + later.astype(np.int64)
    in_time = when < (seasons.origin + seasons.days) * col.DAY
    refunded, part, when = refunded[in_time], part[in_time], when[in_time]

    all_seconds = np.concatenate([seconds, when])
    order = np.argsort(all_seconds, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    zero = np.zeros(len(refunded), dtype=np.int64)

    def merged(sales: Ints, refunds: Ints) -> Ints:
        return np.concatenate([sales, refunds])[order]

    return Orders(
        first_number=first_number,
        who=merged(who, who[refunded]),
        seconds=all_seconds[order],
        amount=merged(amount, -np.round(amount[refunded] * part).astype(np.int64)),
        discount=merged(discount, zero),
        cost=merged(cost, -np.round(cost[refunded] * part).astype(np.int64)),
        channel=merged(channel, channel[refunded]),
        store=merged(store, store[refunded]),
        status=merged(status, zero + REFUNDED),
        refund_of=merged(np.full(count, -1), place[refunded]),
        campaign=merged(arrivals.campaign, zero - 1),
        is_first=np.concatenate([arrivals.is_first, zero.astype(bool)])[order],
    )


def orders_table(orders: Orders, *, latents: Latents, campaign_ids: list[str]) -> pa.Table:
    """Return the canonical ``orders`` (REQUIREMENTS E9)."""
    return pa.table({
        "order_id": col.ids("D", orders.number, width=8),
        "customer_id": col.ids("C", latents.number[orders.who]),
        "ordered_at": col.times(orders.seconds),
        "amount": col.money(orders.amount),
        "cost": col.money(orders.cost),
        "discount": col.money(orders.discount),
        "channel": col.pick(words.ORDER_CHANNELS, orders.channel),
        "store": col.pick(STORES, orders.store),
        "region": col.pick(words.REGIONS, latents.region[orders.who]),
        "status": col.pick(STATUSES, orders.status),
        "refund_of": col.ids(
            "D", orders.first_number + np.maximum(orders.refund_of, 0), width=8, valid=orders.refund_of >= 0
        ),
        "currency": col.pick(("CNY",), np.zeros(len(orders), dtype=np.int64)),
        "campaign_id": col.pick(campaign_ids or [""], orders.campaign),
    })  # fmt: skip


def order_items_table(orders: Orders, *, latents: Latents, rng: np.random.Generator) -> pa.Table:
    """Return the canonical ``order_items``: 1-5 an order, adding up to its amount and discount; none for refunds."""
    rows = np.flatnonzero(orders.refund_of < 0)
    is_organisation = latents.is_organisation[orders.who[rows]]
    lines = 1 + rng.binomial(4, np.where(is_organisation, 0.30, 0.14))
    line_of = np.repeat(np.arange(len(rows)), lines)
    row, organisation = rows[line_of], is_organisation[line_of]
    ends = np.cumsum(lines)
    shares = _running_shares(0.4 + rng.random(len(row)), ends=ends, line_of=line_of)
    net = _split(orders.amount[rows], shares=shares, ends=ends, line_of=line_of)
    discount = _split(orders.discount[rows], shares=shares, ends=ends, line_of=line_of)

    who = orders.who[row]
    taste = rng.random(len(row))
    category = np.where(
        taste < 0.50, latents.favourites[who, 0],
        np.where(taste < 0.72, latents.favourites[who, 1], rng.integers(0, len(words.CATEGORIES), len(row))),
    )  # fmt: skip
    lowest = np.array([first for first, _, _ in words.CATEGORIES.values()])[category]
    ratio = np.array([step for _, step, _ in words.CATEGORIES.values()])[category]
    bulk = np.exp(1.8 + 0.7 * rng.standard_normal(len(row)))
    wanted = np.where(organisation, bulk, 1 + (rng.random(len(row)) < 0.25))
    gross = (net + discount) / 100
    step = np.round(np.log(np.maximum(gross / wanted, 0.01) / lowest) / np.log(ratio))
    product = np.clip(step, 0, 7).astype(np.int64)
    quantity = np.maximum(1, np.round(gross / (lowest * ratio**product)))

    names = [name for _, _, items in words.CATEGORIES.values() for name in items]
    codes = category * 8 + product
    return pa.table({
        "order_id": col.ids("D", orders.first_number + row, width=8),
        "product_id": col.pick([f"P{k:03d}" for k in range(1, len(names) + 1)], codes),
        "category": col.pick(list(words.CATEGORIES), category),
        "product_name": col.pick(names, codes),
        "quantity": col.integers(quantity),
        "amount": col.money(net),
        "discount": col.money(discount),
    })  # fmt: skip


def _running_shares(weights: Floats, *, ends: Ints, line_of: Ints) -> Floats:
    """Return the share of an order's weight up to and including each line."""
    running = np.cumsum(weights)
    before = np.concatenate([[0.0], running[ends[:-1] - 1]]) if len(ends) else np.empty(0)
    total = running[ends - 1] - before
    return (running - before[line_of]) / total[line_of]


def _split(totals: Ints, *, shares: Floats, ends: Ints, line_of: Ints) -> Ints:
    """Split whole cents over lines so that they add up exactly."""
    upto = np.round(totals[line_of] * shares).astype(np.int64)
    upto[ends - 1] = totals
    parts = np.diff(upto, prepend=0)
    starts = np.concatenate([[0], ends[:-1]])
    parts[starts] = upto[starts]
    return parts
