"""The business side: contracts, opportunities and receivables of organisations; budgets, interviews, overrides."""

from datetime import timedelta

import numpy as np
import pyarrow as pa

from crm_analysis.base.period import Quarter
from crm_analysis.sources.demo import columns as col
from crm_analysis.sources.demo import vocabulary as words
from crm_analysis.sources.demo.block import Block, World
from crm_analysis.sources.demo.columns import Floats, Ints
from crm_analysis.sources.demo.model import stream
from crm_analysis.sources.demo.seasons import EPOCH

CONTRACT_SHARE = 0.7
RENEWAL_SHARE = 0.965  # of the customers still alive at the end of the contract
CONTRACT_DAYS = 365
STAGES = ("lead", "qualified", "proposal", "negotiation", "closed")
STAGE_PASSED = (0.74, 0.70, 0.76, 0.80)
STAGE_DAYS = (9.0, 12.0, 16.0, 14.0)
PAYMENT_DAYS = 30
BUDGET_ROWS = (
    ("retail_high_value", "upkeep", 60),
    ("retail_high_value", "gifts", 25),
    ("retail_potential", "campaign", 30),
    ("retail_ordinary", "upkeep", 15),
    ("retail_churn_risk", "win_back", 28),
)


def contracts_table(block: Block) -> pa.Table:
    """Return the canonical ``contracts``: one year each, renewed while the customer stays (REQUIREMENTS E4, C1)."""
    rng, latents, seasons = block.rng("contracts"), block.latents, block.world.seasons
    count = len(latents)
    held = latents.is_organisation & latents.is_buyer & (rng.random(count) < CONTRACT_SHARE)
    first = np.where(latents.acquired_day < 0, -(-latents.acquired_day % CONTRACT_DAYS), latents.acquired_day + 7)
    value = np.exp(latents.level) * latents.rate * CONTRACT_DAYS
    who_parts, start_parts, term_parts, cents_parts = [], [], [], []
    start = first
    for k in range(1, 2 + seasons.days // CONTRACT_DAYS):
        running = np.flatnonzero(held & (start < seasons.days))
        noise = np.exp(0.15 * rng.standard_normal(count))
        who_parts.append(running)
        start_parts.append(start[running])
        term_parts.append(np.full(len(running), k))
        cents_parts.append((np.round(value * noise / 100) * 10_000)[running].astype(np.int64) + 100_000)
        held = held & (latents.dropout_day > start + CONTRACT_DAYS) & (rng.random(count) < RENEWAL_SHARE)
        start = start + CONTRACT_DAYS + rng.integers(0, 12, count)
    who, start, term, cents = (np.concatenate(p) for p in (who_parts, start_parts, term_parts, cents_parts))
    order = np.lexsort((who, start))
    who, start, term, cents = who[order], start[order], term[order], cents[order]
    number = latents.number[who]
    return pa.table({
        "contract_id": col.joined(col.ids("H", number), col.ids("-", term, width=1)),
        "customer_id": col.ids("C", number),
        "start_date": col.dates(seasons.origin + start),
        "end_date": col.dates(seasons.origin + start + CONTRACT_DAYS - 1),
        "amount": col.money(cents),
        "renewal_of": col.joined(
            col.ids("H", number, valid=term > 1), col.ids("-", np.maximum(term - 1, 1), width=1)
        ),
    })  # fmt: skip


def opportunities_table(block: Block) -> pa.Table:
    """Return the canonical ``opportunities``: one row per stage entered (REQUIREMENTS P7, E9)."""
    rng, latents, world = block.rng("opportunities"), block.latents, block.world
    mean = np.where(latents.is_organisation, 1.6, 0.0) + np.where(latents.is_prospect, 0.6, 0.0)
    who = np.repeat(np.arange(len(latents)), rng.poisson(mean))
    count = len(who)
    seen = block.known_seconds[who]
    entered = seen + ((world.end - seen) * rng.random(count)).astype(np.int64)
    entered = entered // col.DAY * col.DAY + rng.integers(9 * col.HOUR, 18 * col.HOUR, count)
    expected = np.exp(latents.level[who] + 0.8 + 0.4 * rng.standard_normal(count))
    cents = np.round(expected / 100).astype(np.int64) * 10_000
    skill = 0.08 * np.clip(latents.quality[who], -1, 1)
    parts: list[tuple[Ints, Ints, Ints, Ints]] = []
    open_, everyone = np.ones(count, dtype=bool), np.arange(count)
    for stage, (passed, days) in enumerate(zip(STAGE_PASSED, STAGE_DAYS, strict=True)):
        rows = everyone[open_]
        parts.append((rows, np.full(len(rows), stage), entered[rows], np.full(len(rows), -1)))
        entered = entered + ((0.5 + rng.exponential(days, count)) * col.DAY).astype(np.int64)
        goes_on = rng.random(count) < np.where(latents.is_prospect[who], 0.62, passed) + skill
        ends = open_ & (~goes_on | (stage == len(STAGE_PASSED) - 1))
        won = goes_on & ~latents.is_prospect[who]
        rows = everyone[ends]
        parts.append((rows, np.full(len(rows), 4), entered[rows], won[rows].astype(np.int64)))
        open_ = open_ & goes_on & ~ends
    deal, stages, at, result = (np.concatenate([part[k] for part in parts]) for k in range(4))
    known = block.at_least(at)
    deal, stages, at, result = deal[known], stages[known], at[known], result[known]
    order = np.lexsort((stages, deal, at))
    deal, stages, at, result = deal[order], stages[order], at[order], result[order]
    return pa.table({
        "opportunity_id": col.ids("Q", block.index * 10_000_000 + 1 + deal, width=8),
        "customer_id": col.ids("C", latents.number[who[deal]]),
        "stage": col.pick(STAGES, stages),
        "entered_at": col.times(at),
        "amount": col.money(cents[deal] + 50_000),
        "closed_at": col.times(at, valid=result >= 0),
        "won": col.flags(result == 1, valid=result >= 0),
    })  # fmt: skip


def receivables_table(block: Block) -> pa.Table:
    """Return the canonical ``receivables``: an invoice for most orders of organisations (REQUIREMENTS E19)."""
    rng, latents, orders, world = block.rng("receivables"), block.latents, block.orders, block.world
    sales = orders.is_sale & latents.is_organisation[orders.who]
    rows = np.flatnonzero(sales & (rng.random(len(orders)) < 0.85))
    invoiced = orders.seconds[rows] // col.DAY + 1
    rows, invoiced = rows[invoiced <= world.last_day], invoiced[invoiced <= world.last_day]
    due = invoiced + PAYMENT_DAYS
    slow: Floats = np.where(latents.number[orders.who[rows]] % 9 == 0, 24.0, 3.0)
    paid = due + np.round(slow * (rng.exponential(1.0, len(rows)) - 1.2)).astype(np.int64)
    paid = np.maximum(paid, invoiced + 1)
    is_paid = (rng.random(len(rows)) < 0.975) & (paid <= world.last_day)
    return pa.table({
        "invoice_id": col.ids("F", orders.number[rows], width=8),
        "customer_id": col.ids("C", latents.number[orders.who[rows]]),
        "invoiced_on": col.dates(invoiced),
        "due_date": col.dates(due),
        "amount": col.money(orders.amount[rows]),
        "paid_on": col.dates(paid, valid=is_paid),
    })  # fmt: skip


def overrides_table(block: Block) -> pa.Table:
    """Return the canonical ``overrides``: organisations moved by hand, with a reason (REQUIREMENTS S11)."""
    rng, latents, world = block.rng("overrides"), block.latents, block.world
    stays = latents.dropout_day >= world.seasons.days
    candidates = np.flatnonzero(latents.is_organisation & latents.is_buyer & stays)
    count = min(len(candidates), max(2, round(len(latents) * 0.002)))
    who = np.sort(rng.choice(candidates, count, replace=False)) if len(candidates) else candidates
    decided = world.end - (20 + 300 * rng.random(count)) * col.DAY
    decided = np.maximum(decided.astype(np.int64), block.known_seconds[who])
    return pa.table({
        "customer_id": col.ids("C", latents.number[who]),
        "scheme": col.pick(("retail_value_complete",), np.zeros(count, dtype=np.int64)),
        "tier": col.pick(("retail_high_value",), np.zeros(count, dtype=np.int64)),
        "decided_at": col.times(decided),
        "decided_by": col.pick(world.staff.names, latents.owner[who]),
        "reason": col.pick(words.OVERRIDE_REASONS, rng.integers(0, len(words.OVERRIDE_REASONS), count)),
        "expires_on": col.dates(decided // col.DAY + np.array([90, 180, 365])[rng.integers(0, 3, count)]),
    })  # fmt: skip


def budgets_table(world: World, *, customers: int) -> pa.Table:
    """Return the canonical ``budgets``: per quarter, tier and purpose (REQUIREMENTS T3)."""
    rng = stream(world.seed, "budgets")
    quarters = []
    quarter = Quarter.containing(world.seasons.start)
    while quarter.start <= world.until:
        quarters.append(quarter)
        quarter = quarter.shift(1)
    rows = [(str(quarter), *row) for quarter in quarters for row in BUDGET_ROWS]
    granted = np.array([row[3] * customers / 5 * (0.95 + 0.1 * rng.random()) for row in rows])
    granted = np.round(granted / 10) * 1000
    used = granted * (0.82 + 0.28 * rng.random(len(rows)))
    return pa.table({
        "quarter": pa.array([row[0] for row in rows]),
        "tier": pa.array([row[1] for row in rows]),
        "purpose": pa.array([row[2] for row in rows]),
        "granted_amount": col.money(granted.astype(np.int64)),
        "used_amount": col.money(np.round(used).astype(np.int64)),
    })  # fmt: skip


def interviews_table(world: World) -> pa.Table:
    """Return the canonical ``interviews``: six a quarter in the last year (REQUIREMENTS D3)."""
    rng = stream(world.seed, "interviews")
    topics, texts = zip(*words.INTERVIEW_TOPICS, strict=True)
    rows = []
    for number in range(24):
        held_on = world.until - timedelta(days=int(number * 15 + 5))
        role = words.INTERVIEW_ROLES[number % 3]
        wanted = rng.choice(len(topics), size=1 + int(rng.integers(0, 3)), replace=False, p=_topic_weights(role))
        rows += [(f"V{24 - number:03d}", held_on, role, topics[k], texts[k]) for k in np.sort(wanted)]
    rows.sort(key=lambda row: (row[1], row[0], row[3]))
    return pa.table({
        "interview_id": pa.array([row[0] for row in rows]),
        "held_on": pa.array([(row[1] - EPOCH).days for row in rows], pa.int32()).cast(pa.date32()),
        "role": pa.array([row[2] for row in rows]),
        "topic": pa.array([row[3] for row in rows]),
        "text": pa.array([row[4] for row in rows]),
    })  # fmt: skip


def _topic_weights(role: str) -> Floats:
    weights = {"sales": (7, 3, 4, 3, 2, 2), "service": (4, 8, 2, 1, 3, 1), "management": (6, 4, 4, 2, 2, 2)}[role]
    return np.array(weights, dtype=float) / sum(weights)
