"""What counts as a purchase: orders with a positive amount that were not refunded in full before the door."""

import ibis

from crm_analysis.sources.mapping import MONEY_TYPE


def counted_orders(orders: ibis.Table) -> ibis.Table:
    """Return the orders that count as purchases.

    ``orders`` behind the door -> the same columns; refunds, orders without a positive amount, and orders refunded in
    full before the door are gone.
    """
    purchases = orders.filter(~orders.is_refund & (orders.amount > 0))
    refunds = orders.filter(orders.is_refund & orders.refund_of.notnull())
    back = refunds.group_by(refunded_id=refunds.refund_of).aggregate(refunded_amount=refunds.amount.abs().sum())
    joined = purchases.left_join(back, purchases.order_id == back.refunded_id)
    left = joined.amount - joined.refunded_amount.fill_null(ibis.literal(0).cast(MONEY_TYPE))
    return joined.filter(left > 0).drop("refunded_id", "refunded_amount")


def signed_amounts(orders: ibis.Table) -> ibis.Table:
    """Return all orders with ``gross_amount`` (0 for refunds) and ``refund_amount`` (positive, 0 for purchases)."""
    zero = ibis.literal(0).cast(MONEY_TYPE)
    return orders.mutate(
        gross_amount=ibis.ifelse(orders.is_refund, zero, orders.amount),
        refund_amount=ibis.ifelse(orders.is_refund, orders.amount.abs(), zero),
        spend_amount=ibis.ifelse(orders.is_refund, -orders.amount.abs(), orders.amount),
    )
