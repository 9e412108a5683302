"""The programme of maintenance: campaign actions with held-out controls, upkeep of organisations, its exceptions."""

import numpy as np
import pyarrow as pa

from crm_analysis.sources.demo import columns as col
from crm_analysis.sources.demo import vocabulary as words
from crm_analysis.sources.demo.block import Block
from crm_analysis.sources.demo.columns import Bools, Ints
from crm_analysis.sources.demo.purchases import TARGETS, WINBACK

PLANNED, IN_PROGRESS, DONE, CANCELLED = range(4)
STATUSES = ("planned", "in_progress", "done", "cancelled")
OUTCOMES = ("reached", "no_answer", "accepted", "declined")
TIERS = (*TARGETS, "high_value", "ordinary")
COUPON, CALL, VISIT, CARE = range(4)
UPKEEP_SHARE = 0.30


def actions_table(block: Block) -> pa.Table:
    """Return the canonical ``actions``: the execution record (REQUIREMENTS T4-T8, E12)."""
    rng = block.rng("actions")
    campaign, who, control, assigned, due, kind, tier = _rows(block, rng)
    order = np.lexsort((who, campaign, assigned))
    campaign, who, control, kind, tier = campaign[order], who[order], control[order], kind[order], tier[order]
    assigned, due = assigned[order], due[order]
    world, count = block.world, len(who)

    lag = np.where(campaign >= 0, 6 * col.HOUR + 2 * col.DAY * rng.random(count), 80 * col.DAY * rng.random(count))
    late = rng.random(count) < 0.08
    done_at = assigned + lag.astype(np.int64) + np.where(late & (campaign < 0), 40 * col.DAY, 0)
    started = rng.random(count)
    cancelled = ~control & (campaign < 0) & (started < 0.04)
    forgotten = ~control & (campaign < 0) & (started > 0.94)
    is_done = ~control & ~cancelled & ~forgotten & block.at_least(done_at)
    status = np.where(is_done, DONE, np.where(cancelled | control, CANCELLED, PLANNED))
    status = np.where((status == PLANNED) & (rng.random(count) < 0.4), IN_PROGRESS, status)
    outcome = col.choose(rng, (48, 17, 25, 10), count)
    cost = np.round(np.array([800, 1500, 12000, 3000])[kind] * (0.7 + 0.6 * rng.random(count))).astype(np.int64)
    problem = np.where(is_done & (rng.random(count) < 0.04), rng.integers(0, len(words.ACTION_PROBLEMS), count), -1)
    said = is_done & (outcome != 1) & (rng.random(count) < 0.5)
    department = np.where(campaign >= 0, 1, np.where(block.latents.is_organisation[who], 0, 2))
    names, causes, remedies = zip(*words.ACTION_PROBLEMS, strict=True)
    base = block.index * 10_000_000
    return pa.table({
        "action_id": col.ids("A", base + np.arange(1, count + 1), width=8),
        "campaign_id": col.pick([c.campaign_id for c in world.campaigns] or [""], campaign),
        "customer_id": col.ids("C", block.latents.number[who]),
        "tier": col.pick(TIERS, tier),
        "kind": col.pick(words.ACTION_KINDS, kind),
        "assigned_at": col.times(assigned),
        "is_control": col.flags(control),
        "owner": col.pick(world.staff.names, block.latents.owner[who]),
        "department": col.pick(words.DEPARTMENTS, department),
        "start_date": col.dates(assigned // col.DAY),
        "due_date": col.dates(due // col.DAY),
        "done_at": col.times(done_at, valid=is_done),
        "status": col.pick(STATUSES, status),
        "deliverable": col.pick(words.DELIVERABLES, rng.integers(0, 4, count), valid=~control),
        "cost": col.money(cost, valid=is_done),
        "outcome": col.pick(OUTCOMES, outcome, valid=is_done),
        "feedback": col.pick(words.FEEDBACKS, rng.integers(0, len(words.FEEDBACKS), count), valid=said),
        "problem": col.pick(names, problem),
        "cause": col.pick(causes, problem),
        "remedy": col.pick(remedies, problem),
    })  # fmt: skip


def _rows(block: Block, rng: np.random.Generator) -> tuple[Ints, Ints, Bools, Ints, Ints, Ints, Ints]:
    """Return campaign, customer, control, assigned, due, kind and tier of campaign actions and of upkeep."""
    world, latents, assigned = block.world, block.latents, block.assigned
    launch = np.array([c.launch_day for c in world.campaigns] or [0])
    target = np.array([c.target for c in world.campaigns] or [0])
    at = (world.seasons.origin + launch[assigned.campaign]) * col.DAY + 9 * col.HOUR
    kind = np.where((target[assigned.campaign] == WINBACK) & (rng.random(len(at)) < 0.4), CALL, COUPON)

    tier = target[assigned.campaign]
    parts = [(assigned.campaign, assigned.who, assigned.is_control, at, at + 14 * col.DAY, kind, tier)]
    for day in range(28, world.seasons.days, 91):
        kept = (latents.acquired_day < day) & (latents.dropout_day + 90 > day)
        share = np.where(latents.is_organisation, UPKEEP_SHARE, 0.012)
        who = np.flatnonzero(kept & (rng.random(len(latents)) < share))
        count = len(who)
        start = np.full(count, (world.seasons.origin + day) * col.DAY + 9 * col.HOUR)
        made = np.where(latents.is_organisation[who], np.where(rng.random(count) < 0.4, VISIT, CALL), CARE)
        tier = np.where(latents.level[who] > np.where(latents.is_organisation[who], 7.2, 5.6), 2, 3)
        none = np.full(count, -1)
        parts.append((none, who, np.zeros(count, dtype=bool), start, start + 75 * col.DAY, made, tier))
    columns = [np.concatenate([part[k] for part in parts]) for k in range(7)]
    return columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6]
