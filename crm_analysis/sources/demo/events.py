"""Behaviour on the web and in the app, and touches of campaigns; kept for the last year only."""

import numpy as np
import pyarrow as pa

from crm_analysis.sources.demo import columns as col
from crm_analysis.sources.demo import vocabulary as words
from crm_analysis.sources.demo.block import Block
from crm_analysis.sources.demo.columns import Ints
from crm_analysis.sources.demo.seasons import seconds_of_day

EVENTS = ("visit", "view", "cart", "checkout", "sent", "delivered", "opened", "click", "opt_out")
VISIT, VIEW, CART, CHECKOUT, SENT, DELIVERED, OPENED, CLICK, OPT_OUT = range(9)
KEPT_DAYS = 365
TRACKED_SHARE = 0.7
BROWSING_PER_ORDER = 1.5  # visits without an order, for one visit with
REACHES = (0.62, 0.24, 0.07)  # of visits without an order: as far as view, cart, checkout
TOUCHES = (1.0, 0.97, 0.42, 0.12, 0.006)  # sent, delivered, opened, click, opt-out


def events_table(block: Block) -> pa.Table:
    """Return the canonical ``events`` (REQUIREMENTS P7, T5)."""
    rng = block.rng("events")
    parts = [*_sessions(block, rng), *_touches(block, rng)]
    who, seconds, event, campaign = (np.concatenate([part[k] for part in parts]) for k in range(4))
    known = np.flatnonzero((seconds >= block.known_seconds[who]) & block.at_least(seconds))
    who, seconds, event, campaign = who[known], seconds[known], event[known], campaign[known]
    order = np.lexsort((event, who, seconds))
    who, seconds, event, campaign = who[order], seconds[order], event[order], campaign[order]
    dwell = np.round(np.exp(rng.normal(3.6, 0.8, len(who))))
    return pa.table({
        "customer_id": col.ids("C", block.latents.number[who]),
        "at": col.times(seconds),
        "event": col.pick(EVENTS, event),
        "dwell_seconds": col.integers(dwell, valid=event <= CHECKOUT),
        "campaign_id": col.pick([c.campaign_id for c in block.world.campaigns] or [""], campaign),
    })  # fmt: skip


def _sessions(block: Block, rng: np.random.Generator) -> list[tuple[Ints, Ints, Ints, Ints]]:
    """Return visits that end in an order, and visits that stop on the way."""
    orders, since = block.orders, block.world.end - KEPT_DAYS * col.DAY
    online = orders.is_sale & np.isin(orders.channel, words.ONLINE) & (orders.seconds >= since)
    rows = np.flatnonzero(online & (rng.random(len(orders)) < TRACKED_SHARE))
    buyer, at = orders.who[rows], orders.seconds[rows]
    idle = np.repeat(np.arange(len(rows)), rng.poisson(BROWSING_PER_ORDER, len(rows)))
    shift = (-30 + 60 * rng.random(len(idle))) * col.DAY
    day = (at[idle] + shift.astype(np.int64)) // col.DAY
    wandering = day * col.DAY + seconds_of_day(rng, office=np.zeros(len(idle), dtype=bool))
    reach = rng.random(len(idle))
    alive = (wandering < block.dropout_seconds[buyer[idle]]) & (wandering >= since)
    parts = []
    for event, before in ((VISIT, 900), (VIEW, 600), (VIEW, 420), (CART, 200), (CHECKOUT, 60)):
        jitter = rng.integers(0, 60, len(rows))
        parts.append(_part(buyer, at - before + jitter, event))
        far = alive if event == VISIT else alive & (reach < REACHES[event - 1])
        if before != 420:  # one view only
            parts.append(_part(buyer[idle[far]], wandering[far] + 900 - before, event))
    return parts


def _touches(block: Block, rng: np.random.Generator) -> list[tuple[Ints, Ints, Ints, Ints]]:
    """Return what happened to the messages of the campaigns; controls get none."""
    world, assigned = block.world, block.assigned
    launch = np.array([c.launch_day for c in world.campaigns] or [0])
    recent = launch[assigned.campaign] >= world.seasons.days - KEPT_DAYS
    rows = np.flatnonzero(~assigned.is_control & recent)
    who, campaign = assigned.who[rows], assigned.campaign[rows]
    at = (world.seasons.origin + launch[campaign]) * col.DAY + 10 * col.HOUR + rng.integers(0, 5400, len(rows))
    luck, delay = rng.random(len(rows)), rng.exponential(5 * col.HOUR, len(rows))
    parts = []
    for event, share, wait in zip(
        (SENT, DELIVERED, OPENED, CLICK, OPT_OUT), TOUCHES, (0.0, 0.0, 1.0, 1.1, 1.3), strict=True
    ):
        chosen = luck < share
        when = at[chosen] + (wait * delay[chosen]).astype(np.int64) + (event - SENT) * 20
        parts.append((who[chosen], when, np.full(len(when), event), campaign[chosen]))
    return parts


def _part(who: Ints, at: Ints, event: int) -> tuple[Ints, Ints, Ints, Ints]:
    return who, at, np.full(len(who), event), np.full(len(who), -1)
