"""Features of a customer that do not come from orders: contacts, events, surveys, contracts, opportunities."""

from datetime import date, timedelta

import ibis

from crm_analysis.sources.as_of import utc_midnight
from crm_analysis.sources.columns import BEFORE, REPLY_DAYS, REPLY_WITHIN_DAYS

SECONDS_PER_HOUR = 3600


def contacts_table(interactions: ibis.Table | None, *, as_of: date) -> ibis.Table | None:
    """Return contacts in and out, complaints, how fast a human answered, and how fast the customer does."""
    if interactions is None:
        return None
    incoming, complaint = interactions.direction == "in", interactions.kind == "complaint"

    def since(days: int) -> ibis.Value:
        return interactions.opened_on >= ibis.literal(as_of - timedelta(days=days))

    def mean_hours(until: str) -> ibis.Value:
        seconds = interactions[until].epoch_seconds() - interactions.opened_at.epoch_seconds()
        return _mean_hours(seconds, where=incoming & (seconds >= 0) & since(365), rows=interactions)

    counts = {
        f"{name}_count_{days}d": interactions.count(where=what & since(days))
        for days in BEFORE
        for name, what in (
            ("interaction_in", incoming),
            ("interaction_out", interactions.direction == "out"),
            ("complaint", complaint),
        )
    }
    own = interactions.group_by("customer_id").aggregate(
        first_response_hours_mean_365d=mean_hours("first_human_reply_at"),
        resolution_hours_mean_365d=mean_hours("resolved_at"),
        **counts,
    )
    return own.left_join(_replies_of_customers(interactions, as_of=as_of), "customer_id").drop("customer_id_right")


def done_between(actions: ibis.Table, *, start: date, end: date, zone: str) -> ibis.Value:
    """Return which actions were done from ``start`` to the day before ``end``, local days; false where unknown."""
    begun, over = (ibis.literal(utc_midnight(day, zone)) for day in (start, end))
    is_done = (actions.status == "done") & (actions.done_at >= begun) & (actions.done_at < over)
    return is_done.fill_null(False)


def replies_of_customers(interactions: ibis.Table, *, within_days: int) -> ibis.Table:
    """Return the contacts to customers that they came back after, with the ``seconds`` until then.

    Of several contacts before the customer comes back, only the last is answered; after ``within_days`` none is.
    """
    following = {"group_by": "customer_id", "order_by": ["opened_at", "interaction_id"]}
    pairs = interactions.select(
        "customer_id",
        "opened_on",
        "direction",
        next_direction=interactions.direction.lead().over(**following),
        seconds=interactions.opened_at.lead().over(**following).epoch_seconds()
        - interactions.opened_at.epoch_seconds(),
    )
    limit = within_days * 24 * SECONDS_PER_HOUR
    return pairs.filter((pairs.direction == "out") & (pairs.next_direction == "in") & (pairs.seconds <= limit))


def _replies_of_customers(interactions: ibis.Table, *, as_of: date) -> ibis.Table:
    """Return how many hours customers take to come back after a contact to them, now and in the window before.

    Of several contacts to the customer before he comes back, only the last is answered.
    """
    replies = replies_of_customers(interactions, within_days=REPLY_WITHIN_DAYS)
    start, middle = (ibis.literal(as_of - timedelta(days=days)) for days in (2 * REPLY_DAYS, REPLY_DAYS))
    name = f"customer_reply_hours_mean_{REPLY_DAYS}d"
    before = (replies.opened_on >= start) & (replies.opened_on < middle)
    return replies.group_by("customer_id").aggregate(
        **{
            name: _mean_hours(replies.seconds, where=replies.opened_on >= middle, rows=replies),
            f"{name}_before": _mean_hours(replies.seconds, where=before, rows=replies),
        }
    )


def _mean_hours(seconds: ibis.Value, *, where: ibis.Value, rows: ibis.Table) -> ibis.Value:
    """Return a mean from whole seconds, which is the same whatever the order of the rows."""
    return seconds.cast("int64").sum(where=where) / rows.count(where=where).nullif(0) / SECONDS_PER_HOUR


def events_table(events: ibis.Table | None, *, as_of: date) -> ibis.Table | None:
    """Return how often a customer was seen on site, in the app and in campaigns."""
    if events is None:
        return None
    recent = events.filter(events.on_date >= ibis.literal(as_of - timedelta(days=90)))
    return recent.group_by("customer_id").aggregate(event_count_90d=recent.count())


def survey_scores_table(surveys: ibis.Table | None) -> ibis.Table | None:
    """Return answered questions and their mean, every scale brought to 0-1; ``last`` is the latest questionnaire."""
    if surveys is None:
        return None
    width = (surveys.scale_max - surveys.scale_min).nullif(0)
    answers = surveys.filter(surveys.answered_at.notnull() & surveys.score.notnull())
    answers = answers.mutate(scaled=((answers.score - answers.scale_min) / width * 10_000).round().cast("int64"))
    latest = answers.answered_at.max().over(group_by="customer_id")
    marked = answers.mutate(is_last=answers.answered_at == latest)
    return marked.group_by("customer_id").aggregate(
        survey_answered_count=marked.count(),
        survey_score_mean=marked.scaled.sum() / marked.scaled.count().nullif(0) / 10_000,
        survey_score_last=marked.scaled.sum(where=marked.is_last)
        / marked.scaled.count(where=marked.is_last).nullif(0)
        / 10_000,
    )


def contract_state_table(contracts: ibis.Table | None, *, as_of: date) -> ibis.Table | None:
    """Return how many contracts a customer has and had, the latest end agreed, and the days to it."""
    if contracts is None:
        return None
    last_day = ibis.literal(as_of - timedelta(days=1))
    state = contracts.group_by("customer_id").aggregate(
        contract_count=contracts.count(),
        contract_active_count=contracts.count(where=contracts.end_date >= last_day),
        contract_end_date=contracts.end_date.max(),
    )
    return state.mutate(contract_days_left=state.contract_end_date.delta(last_day, unit="day"))


def opportunities_table(opportunities: ibis.Table | None) -> ibis.Table | None:
    """Return the stage entered last, and how many opportunities are open and won; ties go to the greatest id."""
    if opportunities is None:
        return None
    rows = opportunities
    latest = ibis.struct({"at": rows.entered_at, "id": rows.opportunity_id, "stage": rows.stage}).max()
    closed = rows.closed_at.notnull()
    found = rows.group_by("customer_id").aggregate(
        latest=latest,
        all_count=rows.opportunity_id.nunique(),
        closed_count=rows.opportunity_id.nunique(where=closed),
        opportunity_won_count=rows.opportunity_id.nunique(where=closed & rows.won),
    )
    return found.select(
        "customer_id",
        "opportunity_won_count",
        opportunity_stage=found.latest["stage"],
        opportunity_open_count=found.all_count - found.closed_count,
    )
