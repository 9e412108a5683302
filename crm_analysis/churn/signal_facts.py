"""What the risk signals are made from: one row per active customer, counted in the engine (REQUIREMENTS C3).

Windows are half-open and end at ``as_of``. A part that its table lacks is null.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import ibis

from crm_analysis.base.privacy import DIRECT, SENSITIVE, ResultSchema
from crm_analysis.base.settings_signals import SignalSettings
from crm_analysis.sources.contacts import SECONDS_PER_HOUR, replies_of_customers
from crm_analysis.sources.purchases import counted_orders

_COUNTS = (
    "recency_days", "purchase_count_recent", "purchase_count_past", "past_days", "gap_count", "gap_total_days",
    "order_count_recent", "log_sum_recent", "log_square_sum_recent", "order_count_past", "log_sum_past",
    "log_square_sum_past", "reply_count_recent", "reply_count_past", "complaint_count", "survey_count_before",
    "contract_days_left", "change_count",
)  # fmt: skip
_NUMBERS = ("reply_hours_recent", "reply_hours_past", "survey_score_last", "survey_score_before")
SIGNAL_FACTS_SCHEMA: ResultSchema = {"customer_id": DIRECT} | dict.fromkeys((*_COUNTS, *_NUMBERS), SENSITIVE)
#: Logarithms of amounts are kept as whole numbers of this size, so that sums are the same in any order.
LOG_SCALE = 10_000
_DIGITS = 6


def signal_facts(
    tables: Mapping[str, ibis.Table], *, as_of: date, active_within_days: int, settings: SignalSettings
) -> ibis.Table:
    """Return the facts of every customer who bought within ``active_within_days`` before ``as_of``, sorted by id.

    Canonical tables behind the door of ``as_of`` -> columns of ``SIGNAL_FACTS_SCHEMA``

    Returns
    -------
    ibis.Table
        Purchases are days with a counted order. ``purchase_count_recent``: those of the last ``recent_days``;
        ``purchase_count_past`` of ``past_days`` days before, from the day after the first purchase on. ``gap_count``,
        ``gap_total_days``: purchases after the first, and days from the first to the last. Orders and sums of their
        logarithms (times ``LOG_SCALE``) of the last ``basket_days`` and of ``settings.past_days`` before. Replies:
        hours from the last contact to the customer to his next one, medians of contacts whose ``reply_within_days``
        are over, so that slow ones are not left out. Surveys: the latest questionnaire against the same questions
        earlier, each scale brought to 0-1. Contracts: days to the latest agreed end. Changes: of ``change_fields``,
        the first entry of a field left out; null for customers of whom none of the fields is recorded.
    """
    facts = _purchases(tables["orders"], as_of=as_of, active_within_days=active_within_days, settings=settings)
    parts = (
        _baskets(tables["orders"], as_of=as_of, settings=settings),
        _replies(tables.get("interactions"), as_of=as_of, settings=settings),
        _complaints(tables.get("interactions"), as_of=as_of, settings=settings),
        _surveys(tables.get("surveys"), as_of=as_of, settings=settings),
        _contracts(tables.get("contracts"), as_of=as_of),
        _changes(tables.get("customers_history"), as_of=as_of, settings=settings),
    )
    for part in parts:
        if part is not None:
            facts = facts.left_join(part, "customer_id").drop("customer_id_right")
    columns = {}
    for name in SIGNAL_FACTS_SCHEMA:
        if name == "customer_id":
            continue
        kind = "float64" if name in _NUMBERS else "int64"
        value = facts[name].cast(kind) if name in facts.columns else ibis.null(kind)
        if name == "complaint_count" and "interactions" in tables:
            value = value.fill_null(0)
        columns[name] = value.round(_DIGITS) if name in _NUMBERS else value
    return facts.select("customer_id", **columns).order_by("customer_id")


def _purchases(orders: ibis.Table, *, as_of: date, active_within_days: int, settings: SignalSettings) -> ibis.Table:
    """Return how often active customers bought, now and before, and their rhythm."""
    bought = counted_orders(orders).select("customer_id", "ordered_on").distinct()
    recent_from = as_of - timedelta(days=settings.recent_days)
    past_from = ibis.literal(recent_from - timedelta(days=settings.past_days))
    bought = bought.mutate(first_on=bought.ordered_on.min().over(group_by="customer_id"))
    is_recent = bought.ordered_on >= ibis.literal(recent_from)
    is_past = (bought.ordered_on < ibis.literal(recent_from)) & (bought.ordered_on >= past_from)
    is_repeat = bought.ordered_on > bought.first_on
    own = bought.group_by("customer_id").aggregate(
        first_on=bought.ordered_on.min(),
        last_on=bought.ordered_on.max(),
        purchase_count_recent=bought.count(where=is_recent & is_repeat),
        purchase_count_past=bought.count(where=is_past & is_repeat),
        gap_count=bought.count() - 1,
    )
    active = own.filter(own.last_on >= ibis.literal(as_of - timedelta(days=active_within_days)))
    since_first = ibis.literal(recent_from).delta(active.first_on, unit="day").cast("int64") - 1
    return active.select(
        "customer_id", "purchase_count_recent", "purchase_count_past", "gap_count",
        recency_days=ibis.literal(as_of - timedelta(days=1)).delta(active.last_on, unit="day"),
        past_days=ibis.greatest(ibis.least(since_first, settings.past_days), 0),
        gap_total_days=active.last_on.delta(active.first_on, unit="day"),
    )  # fmt: skip


def _baskets(orders: ibis.Table, *, as_of: date, settings: SignalSettings) -> ibis.Table:
    bought = counted_orders(orders)
    middle = as_of - timedelta(days=settings.basket_days)
    start = ibis.literal(middle - timedelta(days=settings.past_days))
    bought = bought.filter(bought.ordered_on >= start)
    rows = bought.select(
        "customer_id", "ordered_on", size=(bought.amount.cast("float64").ln() * LOG_SCALE).round().cast("int64")
    )
    is_recent = rows.ordered_on >= ibis.literal(middle)
    sums = {}
    for name, where in (("recent", is_recent), ("past", ~is_recent)):
        sums[f"order_count_{name}"] = rows.count(where=where)
        sums[f"log_sum_{name}"] = rows.size.sum(where=where)
        sums[f"log_square_sum_{name}"] = (rows.size * rows.size).sum(where=where)
    return rows.group_by("customer_id").aggregate(**sums)


def _replies(interactions: ibis.Table | None, *, as_of: date, settings: SignalSettings) -> ibis.Table | None:
    """Return how long customers take to come back; of several contacts before they do, the last is answered."""
    if interactions is None:
        return None
    replies = replies_of_customers(interactions, within_days=settings.reply_within_days)
    over = as_of - timedelta(days=settings.reply_within_days)
    middle = ibis.literal(over - timedelta(days=settings.reply_days))
    windows = {
        "recent": (replies.opened_on >= middle) & (replies.opened_on < ibis.literal(over)),
        "past": replies.opened_on < middle,
    }
    sums = {f"reply_count_{name}": replies.count(where=where) for name, where in windows.items()}
    hours = {
        f"reply_hours_{name}": replies.seconds.cast("float64").median(where=where) / SECONDS_PER_HOUR
        for name, where in windows.items()
    }
    return replies.group_by("customer_id").aggregate(**sums, **hours)


def _complaints(interactions: ibis.Table | None, *, as_of: date, settings: SignalSettings) -> ibis.Table | None:
    if interactions is None:
        return None
    start = ibis.literal(as_of - timedelta(days=settings.recent_days))
    found = interactions.filter(interactions.kind == "complaint", interactions.opened_on >= start)
    return found.group_by("customer_id").aggregate(complaint_count=found.count())


def _surveys(surveys: ibis.Table | None, *, as_of: date, settings: SignalSettings) -> ibis.Table | None:
    """Return the latest questionnaire against earlier answers to the same questions.

    Questions differ in how kindly they are answered: a mean over other questions would be another scale.
    """
    if surveys is None:
        return None
    width = (surveys.scale_max - surveys.scale_min).nullif(0)
    answers = surveys.filter(surveys.answered_at.notnull() & surveys.score.notnull())
    answers = answers.mutate(
        scaled=((answers.score - answers.scale_min) / width * LOG_SCALE).round().cast("int64"),
        is_last=answers.answered_at == answers.answered_at.max().over(group_by="customer_id"),
    )
    by_question = answers.group_by("customer_id", "question").aggregate(
        last=answers.scaled.max(where=answers.is_last),
        sent_on=answers.sent_on.max(where=answers.is_last),
        before_sum=answers.scaled.sum(where=~answers.is_last),
        before_count=answers.scaled.count(where=~answers.is_last),
    )
    start = ibis.literal(as_of - timedelta(days=settings.survey_days))
    compared = by_question.filter(
        by_question.last.notnull(), by_question.before_count > 0, by_question.sent_on >= start
    )  # fmt: skip
    compared = compared.mutate(before=(compared.before_sum / compared.before_count).round().cast("int64"))
    return compared.group_by("customer_id").aggregate(
        survey_score_last=compared["last"].sum() / compared.count() / LOG_SCALE,
        survey_score_before=compared.before.sum() / compared.count() / LOG_SCALE,
        survey_count_before=compared.before_count.sum(),
    )


def _contracts(contracts: ibis.Table | None, *, as_of: date) -> ibis.Table | None:
    if contracts is None:
        return None
    ends = contracts.group_by("customer_id").aggregate(end_date=contracts.end_date.max())
    last_day = ibis.literal(as_of - timedelta(days=1))
    return ends.select("customer_id", contract_days_left=ends.end_date.delta(last_day, unit="day"))


def _changes(history: ibis.Table | None, *, as_of: date, settings: SignalSettings) -> ibis.Table | None:
    if history is None:
        return None
    rows = history.filter(history.field.isin(settings.change_fields))
    rows = rows.mutate(value=rows.value.fill_null(""))
    before = rows.value.lag().over(group_by=["customer_id", "field"], order_by=["changed_at", "value"])
    rows = rows.mutate(before=before)
    start = ibis.literal(as_of - timedelta(days=settings.change_days))
    is_change = rows.before.notnull() & (rows.before != rows.value) & (rows.changed_on >= start)
    return rows.group_by("customer_id").aggregate(change_count=rows.count(where=is_change))
