"""Interactions: inquiries, after-sales, complaints, care and visits, win-back contacts with coded reasons."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from crm_analysis.sources.demo import columns as col
from crm_analysis.sources.demo import vocabulary as words
from crm_analysis.sources.demo.block import Block
from crm_analysis.sources.demo.columns import Ints
from crm_analysis.sources.demo.seasons import seconds_of_day

KINDS = ("visit", "call", "message", "inquiry", "complaint", "after_sales", "marketing", "care")
VISIT, CALL, MESSAGE, INQUIRY, COMPLAINT, AFTER_SALES, MARKETING, CARE = range(8)
OUTCOMES = ("resolved", "pending", "reached", "no_answer", "won_back", "declined", "mediated")
RESOLVED, PENDING, REACHED, NO_ANSWER, WON_BACK, DECLINED, MEDIATED = range(7)
REASONS = tuple(dict.fromkeys((*words.CAUSES, *words.COMPLAINT_REASONS)))

INQUIRY_SHARE, AFTER_SALES_SHARE, COMPLAINT_SHARE = 0.13, 0.06, 0.009  # per order, at quality 0
LAST_COMPLAINTS = 1.6  # mean number before a dropout caused by service
CONTACTS_PER_YEAR = (1.3, 4.5)  # care, calls and visits: persons, organisations
WINBACK_SHARE = 0.55
REPLY_MEDIAN_HOURS = 1.5


@dataclass(frozen=True)
class _Contacts:
    who: Ints
    seconds: Ints
    kind: Ints
    is_in: bool
    reason: Ints
    outcome: Ints


def interactions_table(block: Block) -> pa.Table:
    """Return the canonical ``interactions`` (REQUIREMENTS E5, E7, E8, C8)."""
    rng = block.rng("interactions")
    parts = [*_inbound(block, rng), *_outbound(block, rng), _winback(block, rng)]
    who = np.concatenate([part.who for part in parts])
    seconds = np.concatenate([part.seconds for part in parts])
    kind = np.concatenate([part.kind for part in parts])
    is_in = np.concatenate([np.full(len(part.who), part.is_in) for part in parts])
    reason = np.concatenate([part.reason for part in parts])
    outcome = np.concatenate([part.outcome for part in parts])
    known = (seconds >= block.known_seconds[who]) & block.at_least(seconds)
    order = np.flatnonzero(known)[np.lexsort((who[known], seconds[known]))]
    who, seconds, kind = who[order], seconds[order], kind[order]
    is_in, reason, outcome = is_in[order], reason[order], outcome[order]
    return _table(block, rng, who=who, seconds=seconds, kind=kind, is_in=is_in, reason=reason, outcome=outcome)


def _inbound(block: Block, rng: np.random.Generator) -> list[_Contacts]:
    """Return contacts from customers: around orders, and complaints before a dropout caused by service."""
    orders, latents = block.orders, block.latents
    sales = np.flatnonzero(orders.is_sale)
    who = orders.who[sales]
    unhappy = np.exp(-np.clip(latents.quality[who], -2.5, 2.5))
    parts = []
    for kind, chance, low, high in (
        (INQUIRY, INQUIRY_SHARE, -3.0, 0.0),
        (AFTER_SALES, AFTER_SALES_SHARE, 1.0, 15.0),
        (COMPLAINT, np.minimum(COMPLAINT_SHARE * unhappy, 0.3), 0.5, 12.0),
    ):
        chosen = rng.random(len(sales)) < chance
        shift = (low + (high - low) * rng.random(int(chosen.sum()))) * col.DAY
        at = orders.seconds[sales[chosen]] + shift.astype(np.int64)
        parts.append(_part(rng, block, who=who[chosen], at=at, kind=kind))
    gone = np.flatnonzero(latents.cause == 0)
    who = np.repeat(gone, rng.poisson(LAST_COMPLAINTS, len(gone)))
    last = block.dropout_seconds[who] - 60 * col.DAY * rng.random(len(who))
    parts.append(_part(rng, block, who=who, at=last.astype(np.int64), kind=COMPLAINT))
    return parts


def _part(rng: np.random.Generator, block: Block, *, who: Ints, at: Ints, kind: int) -> _Contacts:
    """Return inbound contacts of one kind at daytime; complaints carry a reason that fits the customer."""
    count = len(who)
    seconds = at // col.DAY * col.DAY + seconds_of_day(rng, office=np.ones(count, dtype=bool))
    weights = np.tile(np.array([0.8, 1.0, 0.6, 1.2, 0.4]), (count, 1))
    weights[:, 0] *= np.exp(-block.latents.quality[who])
    coded = np.array([REASONS.index(name) for name in words.COMPLAINT_REASONS])[col.choose_by_row(rng, weights)]
    reason = np.where((kind == COMPLAINT) & (rng.random(count) < 0.93), coded, -1)
    return _Contacts(who, seconds, np.full(count, kind), True, reason, np.full(count, RESOLVED))


def _outbound(block: Block, rng: np.random.Generator) -> list[_Contacts]:
    """Return care, calls, messages and visits to customers, whether still alive or not."""
    latents, world = block.latents, block.world
    span = np.maximum(world.end - block.known_seconds, 0)
    yearly = np.where(latents.is_organisation, CONTACTS_PER_YEAR[1], CONTACTS_PER_YEAR[0])
    keen = 1 + 0.35 * np.clip(latents.quality, -1.5, 1.5)
    who = np.repeat(np.arange(len(latents)), rng.poisson(yearly * keen * span / col.DAY / 365.25))
    count = len(who)
    at = block.known_seconds[who] + (span[who] * rng.random(count)).astype(np.int64)
    seconds = at // col.DAY * col.DAY + seconds_of_day(rng, office=np.ones(count, dtype=bool))
    organisation = latents.is_organisation[who]
    kind = np.where(
        organisation,
        np.array([CALL, VISIT, MESSAGE, CARE])[col.choose(rng, (40, 22, 28, 10), count)],
        np.array([CALL, MESSAGE, CARE, MARKETING])[col.choose(rng, (22, 34, 24, 20), count)],
    )
    kind = np.where((kind == MARKETING) & ~latents.consent[who], CARE, kind)
    outcome = np.where(rng.random(count) < 0.78, REACHED, NO_ANSWER)
    return [_Contacts(who, seconds, kind, False, np.full(count, -1), outcome)]


def _winback(block: Block, rng: np.random.Generator) -> _Contacts:
    """Return calls to customers who dropped out, 60-240 days later; the reason is mostly the true cause."""
    latents = block.latents
    gone = np.flatnonzero(np.isfinite(latents.dropout_day) & (rng.random(len(latents)) < WINBACK_SHARE))
    count = len(gone)
    at = (block.dropout_seconds[gone] + (60 + 180 * rng.random(count)) * col.DAY).astype(np.int64)
    seconds = at // col.DAY * col.DAY + seconds_of_day(rng, office=np.ones(count, dtype=bool))
    outcome = np.array([NO_ANSWER, DECLINED, WON_BACK, REACHED])[col.choose(rng, (18, 45, 8, 29), count)]
    told = rng.random(count)
    true = np.array([REASONS.index(name) for name in words.CAUSES])[latents.cause[gone]]
    reason = np.where(told < 0.85, true, rng.integers(0, len(words.CAUSES), count))
    reason = np.where((told > 0.95) | (outcome == NO_ANSWER), -1, reason)
    return _Contacts(gone, seconds, np.full(count, CALL), False, reason, outcome)


def _table(
    block: Block, rng: np.random.Generator, *, who: Ints, seconds: Ints, kind: Ints, is_in: np.ndarray,
    reason: Ints, outcome: Ints,
) -> pa.Table:  # fmt: skip
    """Add replies, solutions, channels and texts, and return the table; what lies after the export is empty."""
    world, latents, count = block.world, block.latents, len(who)
    complaint, service = kind == COMPLAINT, is_in & (kind != MESSAGE)
    urgent = rng.random(count) < np.where(complaint, 0.30, 0.08)
    difficult = rng.random(count) < np.where(complaint, 0.40, 0.15)
    slow = np.exp(-0.65 * np.clip(latents.quality[who], -2.5, 2.0))
    hours = REPLY_MEDIAN_HOURS * slow * np.where(urgent, 0.35, 1) * np.exp(0.95 * rng.standard_normal(count))
    replied = seconds + hours * col.HOUR
    has_reply = is_in & (rng.random(count) < 0.985) & block.at_least(replied)
    work = 9 * slow * np.where(difficult, 2.6, 1) * np.exp(0.9 * rng.standard_normal(count)) * col.HOUR
    resolved = np.where(is_in, replied + work, seconds + 600)
    is_resolved = np.where(is_in, has_reply & (rng.random(count) < 0.955), True) & block.at_least(resolved)
    reopened = resolved + (1 + 9 * rng.random(count)) * col.DAY
    is_reopened = service & is_resolved & (rng.random(count) < 0.05) & block.at_least(reopened)
    settled = np.where(complaint & (rng.random(count) < 0.02), MEDIATED, outcome)
    settled = np.where(is_resolved, settled, np.where(is_in, PENDING, outcome))

    habit = latents.number[who] % 4
    channel = np.where(rng.random(count) < 0.6, np.array([0, 1, 0, 5])[habit], rng.integers(0, 6, count))
    channel = np.where(kind == CALL, 1, np.where(kind == VISIT, 3, channel))
    written = rng.random(count)
    complaint_text = np.array(
        [words.COMPLAINT_REASONS.index(r) if r in words.COMPLAINT_REASONS else -1 for r in REASONS]
    )[np.maximum(reason, 0)]  # fmt: skip
    texts = (*words.COMPLAINT_TEXTS, *words.INQUIRY_TEXTS)
    inquiry_text = len(words.COMPLAINT_TEXTS) + rng.integers(0, len(words.INQUIRY_TEXTS), count)
    text = np.where(complaint & (reason >= 0) & (written < 0.6), complaint_text, -1)
    text = np.where((kind == INQUIRY) & (written < 0.25), inquiry_text, text)
    base = block.index * 10_000_000
    return pa.table({
        "interaction_id": col.ids("I", base + np.arange(1, count + 1), width=8),
        "customer_id": col.ids("C", latents.number[who]),
        "opened_at": col.times(seconds),
        "first_human_reply_at": col.times(replied, valid=has_reply),
        "resolved_at": col.times(resolved, valid=is_resolved),
        "reopened_at": col.times(reopened, valid=is_reopened),
        "channel": col.pick(words.CONTACT_CHANNELS, channel),
        "direction": col.pick(("out", "in"), is_in.astype(np.int64)),
        "kind": col.pick(KINDS, kind),
        "is_public": col.flags(rng.random(count) < 0.98),
        "urgency": col.pick(("normal", "urgent"), urgent.astype(np.int64), valid=service),
        "complexity": col.pick(("general", "complex"), difficult.astype(np.int64), valid=service),
        "owner": col.pick(world.staff.names, latents.owner[who]),
        "outcome": col.pick(OUTCOMES, settled),
        "reason": col.pick(REASONS, reason),
        "text": col.pick(texts, text),
    })  # fmt: skip
