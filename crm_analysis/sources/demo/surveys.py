"""Questionnaires: satisfaction after purchases, recommendation (NPS) twice a year, most never answered; reviews."""

import numpy as np
import pyarrow as pa

from crm_analysis.sources.demo import columns as col
from crm_analysis.sources.demo import vocabulary as words
from crm_analysis.sources.demo.block import Block
from crm_analysis.sources.demo.columns import Bools, Floats, Ints

QUESTIONS = ("satisfaction", "professional_attitude", "resolution_efficiency", "information_completeness", "nps",
             "review")  # fmt: skip
NPS, REVIEW = 4, 5
QUESTION_SHIFT = np.array([0.10, 0.20, -0.15, 0.0])
AFTER_PURCHASE_SHARE = 0.05
AFTER_PURCHASE_DAYS = 7
NPS_SHARE = 0.22
ANSWER_SHARE = 0.37
REVIEW_SHARE = 0.015
REVIEW_SHIFT = 0.1


def surveys_table(block: Block) -> pa.Table:
    """Return the canonical ``surveys``, unanswered ones included, then public reviews (REQUIREMENTS E1-E3)."""
    asked = _asked(block)
    return pa.concat_tables([asked, _reviews(block, first=len(asked))])


def _reviews(block: Block, *, first: int) -> pa.Table:
    """Return reviews that customers posted by themselves after a purchase: sent and answered at once."""
    rng, orders = block.rng("reviews"), block.orders
    sales = np.flatnonzero(orders.is_sale)
    chosen = sales[rng.random(len(sales)) < REVIEW_SHARE]
    posted = orders.seconds[chosen] + rng.integers(1, 10 * col.DAY, len(chosen))
    chosen, posted = chosen[block.at_least(posted)], posted[block.at_least(posted)]
    who, count = orders.who[chosen], len(chosen)
    mood = block.latents.quality[who] + 0.35 * rng.standard_normal(count)
    score = np.clip(np.round(4.1 + REVIEW_SHIFT + 0.55 * mood + 0.7 * rng.standard_normal(count)), 1, 5)
    return pa.table({
        "survey_id": col.ids("S", block.index * 10_000_000 + 1 + first + np.arange(count), width=8),
        "customer_id": col.ids("C", block.latents.number[who]),
        "sent_at": col.times(posted),
        "answered_at": col.times(posted, valid=np.ones(count, dtype=bool)),
        "question": col.pick(QUESTIONS, np.full(count, REVIEW)),
        "score": col.integers(score, valid=np.ones(count, dtype=bool)),
        "scale_min": col.integers(np.ones(count)),
        "scale_max": col.integers(np.full(count, 5)),
        "text": pa.nulls(count, pa.string()),
    })  # fmt: skip


def _asked(block: Block) -> pa.Table:
    """Return the questionnaires that were sent."""
    rng, latents = block.rng("surveys"), block.latents
    bought_who, bought_at = _after_purchases(block, rng)
    nps_who, nps_at = _half_yearly(block, rng)
    who = np.concatenate([bought_who, nps_who])
    sent = np.concatenate([bought_at, nps_at])
    is_nps = np.arange(len(who)) >= len(bought_who)
    order = np.lexsort((who, sent))
    who, sent, is_nps = who[order], sent[order], is_nps[order]

    alive = sent < block.dropout_seconds[who]
    chance = ANSWER_SHARE * np.where(alive, 1.08, 0.3) * (1 + 0.12 * np.abs(latents.quality[who] - 0.1))
    answered_at = sent + (0.05 + rng.exponential(1.8, len(who))) * col.DAY
    is_answered = (rng.random(len(who)) < chance) & block.at_least(answered_at)
    mood = latents.quality[who] + 0.35 * rng.standard_normal(len(who))
    texted = rng.random(len(who)) < 0.15

    lines = np.where(is_nps, 1, 4)
    survey = np.repeat(np.arange(len(who)), lines)
    starts = np.repeat(np.cumsum(lines) - lines, lines)
    question = np.where(is_nps[survey], NPS, np.arange(len(survey)) - starts)
    score = _scores(rng, mood=mood[survey], question=question)
    first = np.isin(question, (0, NPS))
    texts = (*words.SURVEY_TEXTS_LOW, *words.SURVEY_TEXTS_HIGH)
    happy = mood[survey] > -0.2
    text = np.where(happy, 4, 0) + rng.integers(0, 4, len(survey))
    base = block.index * 10_000_000
    valid: Bools = is_answered[survey]
    return pa.table({
        "survey_id": col.ids("S", base + 1 + survey, width=8),
        "customer_id": col.ids("C", latents.number[who[survey]]),
        "sent_at": col.times(sent[survey]),
        "answered_at": col.times(answered_at[survey], valid=valid),
        "question": col.pick(QUESTIONS, question),
        "score": col.integers(score, valid=valid),
        "scale_min": col.integers(np.where(question == NPS, 0, 1)),
        "scale_max": col.integers(np.where(question == NPS, 10, 5)),
        "text": col.pick(texts, text, valid=valid & first & texted[survey]),
    })  # fmt: skip


def _after_purchases(block: Block, rng: np.random.Generator) -> tuple[Ints, Ints]:
    orders = block.orders
    sales = np.flatnonzero(orders.is_sale)
    chosen = sales[rng.random(len(sales)) < AFTER_PURCHASE_SHARE]
    sent = orders.seconds[chosen] + AFTER_PURCHASE_DAYS * col.DAY + rng.integers(0, 3600, len(chosen))
    kept = block.at_least(sent)
    return orders.who[chosen][kept], sent[kept]


def _half_yearly(block: Block, rng: np.random.Generator) -> tuple[Ints, Ints]:
    latents, seasons = block.latents, block.world.seasons
    who, sent = [], []
    for day in range(150, seasons.days, 182):
        known = latents.is_buyer & (latents.acquired_day + 30 < day) & (latents.dropout_day + 120 > day)
        chosen = np.flatnonzero(known & (rng.random(len(latents)) < NPS_SHARE))
        who.append(chosen)
        sent.append((seasons.origin + day) * col.DAY + 36_000 + rng.integers(0, 7200, len(chosen)))
    return np.concatenate(who), np.concatenate(sent)


def _scores(rng: np.random.Generator, *, mood: Floats, question: Ints) -> Floats:
    """Return 1-5 for the satisfaction questions and 0-10 for NPS."""
    noise = rng.standard_normal(len(mood))
    five = 4.1 + QUESTION_SHIFT[np.minimum(question, 3)] + 0.55 * mood + 0.55 * noise
    ten = 7.9 + 1.3 * mood + 1.5 * noise
    return np.where(question == NPS, np.clip(np.round(ten), 0, 10), np.clip(np.round(five), 1, 5))
