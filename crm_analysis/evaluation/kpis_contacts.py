"""KPIs from contacts (REQUIREMENTS E5, E7, E8): activity, replies, first response, complaints."""

import ibis

from crm_analysis.evaluation.kpis import EXACT, KpiInputs, contributed, kpi

MONTHS = 3
SECONDS_PER_HOUR = 3600


@kpi("first_response_hours")
def first_response_hours(inputs: KpiInputs) -> ibis.Table:
    """Mean clock hours to the first human reply, of inbound cases opened in the quarter and answered by its end.

    Row E7. Clock hours, not business hours; cases without a reply are left out of the mean, and so are those that are
    not visible to the customer.
    """
    rows = inputs.within("interactions", "opened_on")
    rows = rows.filter(rows.direction == "in", is_visible(rows), rows.first_human_reply_at >= rows.opened_at)
    seconds = rows.first_human_reply_at.epoch_seconds() - rows.opened_at.epoch_seconds()
    hours = (seconds / SECONDS_PER_HOUR).cast(EXACT).sum()
    return contributed(rows, numerator=hours, denominator=rows.count(), n=rows.count())


def is_visible(interactions: ibis.Table) -> ibis.Value:
    """Return which contacts the customer can see; those of which it is not recorded count as visible."""
    return interactions.is_public.fill_null(True)


@kpi("complaint_rate")
def complaint_rate(inputs: KpiInputs) -> ibis.Table:
    """Complaints of the quarter / customers who bought in the quarter (E8)."""
    rows = inputs.sums()
    buyers = (rows.order_count > 0).cast("int64")
    return rows.select("customer_id", numerator=rows.complaint_count, denominator=buyers, n=buyers)


def contacted_buyers(inputs: KpiInputs) -> ibis.Table:
    """Return ``customer_id, contact_count`` of the buyers of the last four quarters: effective contacts of the quarter.

    Effective: our own contacts other than mass marketing that reached somebody (``settings.kpis.unreached_outcomes``;
    an outcome that is not recorded by the quarter's end counts as reached), and inbound ones that a human answered by
    then.
    """
    rows = inputs.within("interactions", "opened_on")
    is_reached = ~rows.outcome.isin(inputs.settings.kpis.unreached_outcomes).fill_null(False)
    ours = (rows.direction == "out") & (rows.kind != "marketing") & is_reached
    answered = (rows.direction == "in") & rows.first_human_reply_at.notnull()
    counts = rows.group_by("customer_id").aggregate(contact_count=rows.count(where=ours | answered))
    joined = inputs.buyers(-3, 0).left_join(counts, "customer_id")
    return joined.select("customer_id", contact_count=joined.contact_count.fill_null(0))


@kpi("contacts_per_customer_month")
def contacts_per_customer_month(inputs: KpiInputs) -> ibis.Table:
    """Effective contacts / (buyers of the last four quarters x 3 months) (E5): the activity of the guides.

    Our own contacts and the customer's that were answered, see :func:`contacted_buyers`.
    """
    rows = contacted_buyers(inputs)
    months, one = ibis.literal(MONTHS, "int64"), ibis.literal(1, "int64")
    return rows.select("customer_id", numerator=rows.contact_count, denominator=months, n=one)


@kpi("frequent_contact_share")
def frequent_contact_share(inputs: KpiInputs) -> ibis.Table:
    """Buyers of the last four quarters with enough effective contacts in the quarter / those buyers (E5).

    Enough: ``settings.kpis.contacts_a_month`` a month on the mean of the quarter, by default six in all.
    """
    rows = contacted_buyers(inputs)
    is_frequent = rows.contact_count >= inputs.settings.kpis.contacts_a_month * MONTHS
    one = ibis.literal(1, "int64")
    return rows.select("customer_id", numerator=is_frequent.cast("int64"), denominator=one, n=one)


@kpi("inbound_reply_rate")
def inbound_reply_rate(inputs: KpiInputs) -> ibis.Table:
    """Inbound contacts opened in the quarter and answered by a human by its end / inbound contacts opened (E5).

    Contacts that are not visible to the customer are left out.
    """
    rows = inputs.within("interactions", "opened_on")
    rows = rows.filter(rows.direction == "in", is_visible(rows))
    answered = rows.count(where=rows.first_human_reply_at.notnull())
    return contributed(rows, numerator=answered, denominator=rows.count(), n=rows.count())
