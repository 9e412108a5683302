"""What counts as a purchase: orders with a positive amount that were not refunded in full.

Two columns of ``orders`` are derived once, on loading, so that no analysis has to look for them row by row:

``refunded_on``
    Local day on which an order had been refunded in full; the door hides it when it lies later.
``previous_on``
    Local day of the customer's purchase before this one, whatever became of that: the same day for the second of a
    day, null for the first of all.
"""

from datetime import date

import ibis

from crm_analysis.sources.mapping import MONEY_TYPE

DERIVED = ("refunded_on", "previous_on")
BY_CUSTOMER = ("customer_id", "ordered_at", "order_id")


def with_purchase_history(orders: ibis.Table) -> ibis.Table:
    """Return orders with ``refunded_on`` and ``previous_on``; unchanged when they are there.

    Refunds are added up by day: an order is refunded in full on the first day on which they reach its amount. Refunds
    without a reference to their order refund none.
    """
    if set(DERIVED) <= set(orders.columns):
        return orders
    orders = orders.drop(*[name for name in DERIVED if name in orders.columns])
    purchase = _is_purchase(orders)
    earlier = orders.ordered_on.lag().over(group_by=["customer_id", purchase], order_by=["ordered_at", "order_id"])
    dated = orders.mutate(previous_on=ibis.ifelse(purchase, earlier, ibis.null("date")))
    back = _refunded_in_full(orders)
    return dated.left_join(back, dated.order_id == back.refunded_id).drop("refunded_id")


def _refunded_in_full(orders: ibis.Table) -> ibis.Table:
    """Return ``refunded_id, refunded_on`` of the purchases that were refunded in full."""
    refunds = orders.filter(orders.is_refund & orders.refund_of.notnull())
    by_day = refunds.group_by(refunded_id=refunds.refund_of, refunded_on=refunds.ordered_on).aggregate(
        refunded_amount=refunds.amount.abs().sum()
    )
    so_far = by_day.refunded_amount.sum().over(group_by="refunded_id", order_by="refunded_on", rows=(None, 0))
    summed = by_day.mutate(refunded_so_far=so_far)
    bought = orders.filter(_is_purchase(orders)).select("order_id", "amount")
    joined = summed.inner_join(bought, summed.refunded_id == bought.order_id)
    full = joined.filter(joined.refunded_so_far >= joined.amount)
    return full.group_by("refunded_id").aggregate(refunded_on=full.refunded_on.min())


def counted_orders(orders: ibis.Table, *, before: date | None = None) -> ibis.Table:
    """Return the orders that count as purchases.

    ``orders`` behind the door -> the same rows without refunds, orders without a positive amount, and orders refunded
    in full before the door, or before the day ``before`` when that is earlier.
    """
    orders = with_purchase_history(orders)
    return orders.filter(is_counted(orders, before=before))


def is_counted(orders: ibis.Table, *, before: date | None = None) -> ibis.Value:
    """Return which rows of orders with their purchase history count as purchases."""
    kept = orders.refunded_on.isnull()
    if before is not None:
        kept = kept | (orders.refunded_on >= ibis.literal(before))
    return _is_purchase(orders) & kept


def signed_amounts(orders: ibis.Table) -> ibis.Table:
    """Return all orders with ``gross_amount`` (0 for refunds) and ``refund_amount`` (positive, 0 for purchases)."""
    zero = ibis.literal(0).cast(MONEY_TYPE)
    return orders.mutate(
        gross_amount=ibis.ifelse(orders.is_refund, zero, orders.amount),
        refund_amount=ibis.ifelse(orders.is_refund, orders.amount.abs(), zero),
        spend_amount=ibis.ifelse(orders.is_refund, -orders.amount.abs(), orders.amount),
    )


def purchase_summary_table(purchases: ibis.Table, *, as_of: date, days_per_unit: int = 7) -> ibis.Table:
    """Return the summary that purchase models read: one row per customer with a purchase, sorted by id.

    ``customer_id, ordered_on, amount`` -> ``customer_id, repeat_count, age_at_last, age, repeat_mean_amount``

    Parameters
    ----------
    purchases
        Counted orders before ``as_of``; those of a day are one purchase.
    as_of
        First day that is not yet known; age runs to the day before.
    days_per_unit
        Days in the unit of time: 7 for weeks, 1 for days.

    Returns
    -------
    ibis.Table
        ``repeat_count``: days with a purchase after the first (x). ``age_at_last``, ``age``: units from the first
        purchase to the last and to the last included day (t_x, T). ``repeat_mean_amount``: mean amount of a day with a
        repeat purchase; null without one.

    Notes
    -----
    Not the RFM of segments: recency is counted from the first purchase here. Fader, Hardie & Lee (2005).
    """
    own = ibis.window(group_by="customer_id", order_by="ordered_on")
    marked = purchases.select(
        "customer_id",
        "ordered_on",
        "amount",
        first_on=purchases.ordered_on.first().over(own),
        previous_on=purchases.ordered_on.lag().over(own),
    )
    sums = marked.group_by("customer_id").aggregate(
        first_on=marked.ordered_on.min(),
        last_on=marked.ordered_on.max(),
        repeat_count=marked.count(where=marked.ordered_on > marked.previous_on),
        repeat_amount=marked.amount.sum(where=marked.ordered_on > marked.first_on),
    )
    last_day = ibis.literal(as_of) - ibis.interval(days=1)
    return sums.select(
        "customer_id",
        repeat_count=sums.repeat_count.cast("int64"),
        age_at_last=sums.last_on.delta(sums.first_on, unit="day") / days_per_unit,
        age=last_day.cast("date").delta(sums.first_on, unit="day") / days_per_unit,
        repeat_mean_amount=(sums.repeat_amount / sums.repeat_count.nullif(0)).cast("float64").round(6),
    ).order_by("customer_id")


def _is_purchase(orders: ibis.Table) -> ibis.Value:
    return ~orders.is_refund & (orders.amount > 0)
