"""Customer x quarter sums in one pass over the rows: the past of every comparison (DESIGN, rule 6)."""

from collections.abc import Sequence
from datetime import date, timedelta

import ibis

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import DIRECT, OPEN, ResultSchema
from crm_analysis.sources.as_of import Tables
from crm_analysis.sources.columns import PERIODS, PERIODS_SCHEMA
from crm_analysis.sources.purchases import counted_orders, is_counted, signed_amounts, with_purchase_history

OUTCOMES_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    "order_count": OPEN,
    "spend_amount": OPEN,
    "gap_order_count": OPEN,
}


def customer_periods_table(tables: Tables, *, quarters: Sequence[Quarter]) -> ibis.Table:
    """Return one row per customer and quarter with something in it, sorted by customer and quarter.

    Parameters
    ----------
    tables
        Canonical tables behind the door of the last quarter's end.
    quarters
        Consecutive quarters; rows outside of them are left out.
    """
    orders = signed_amounts(with_purchase_history(tables["orders"]))
    orders = _by_quarter(orders.mutate(is_counted=is_counted(orders)), "ordered_on", quarters=quarters)
    joined = orders.group_by("customer_id", "period").aggregate(
        order_count=orders.count(where=orders.is_counted),
        counted_amount=orders.amount.sum(where=orders.is_counted),
        gross_amount=orders.gross_amount.sum(),
        refund_count=orders.count(where=orders.is_refund),
        refund_amount=orders.refund_amount.sum(),
        spend_amount=orders.spend_amount.sum(),
        discount_amount=orders.discount.sum(where=~orders.is_refund),
    )
    if "interactions" in tables:
        contacts = _by_quarter(tables["interactions"], "opened_on", quarters=quarters)
        counts = contacts.group_by("customer_id", "period").aggregate(
            interaction_in_count=contacts.count(where=contacts.direction == "in"),
            interaction_out_count=contacts.count(where=contacts.direction == "out"),
            complaint_count=contacts.count(where=contacts.kind == "complaint"),
        )
        keys = ["customer_id", "period"]
        joined = joined.outer_join(counts, keys)
        joined = joined.mutate(**{key: ibis.coalesce(joined[key], joined[f"{key}_right"]) for key in keys})
    named = {number: (str(quarter), quarter.start) for number, quarter in enumerate(quarters)}
    columns: dict[str, ibis.Value] = {
        "customer_id": joined.customer_id,
        "quarter": ibis.cases(*((joined.period == number, name) for number, (name, _) in named.items())),
        "quarter_start": ibis.cases(
            *((joined.period == number, ibis.literal(day)) for number, (_, day) in named.items())
        ),
    }
    for column in PERIODS[len(columns) :]:
        value = joined[column.name] if column.name in joined.columns else ibis.null(column.type)
        columns[column.name] = value.fill_null(0).cast(column.type)
    return joined.select(**columns).order_by("customer_id", "quarter_start")


def outcomes_table(tables: Tables, *, origin: date, gap_days: int, horizon_days: int) -> ibis.Table:
    """Return what customers bought after an origin: the only reader past the door, for labels alone.

    Purchases in ``[origin + gap, origin + gap + horizon)`` give ``order_count`` and ``spend_amount``; purchases in the
    gap are neither label nor feature and are counted in ``gap_order_count``. Customers without any are absent.

    Parameters
    ----------
    tables
        Canonical tables behind the door of the report, not of the origin.
    """
    start = origin + timedelta(days=gap_days)
    end = start + timedelta(days=horizon_days)
    rows = counted_orders(tables["orders"], before=end)
    rows = rows.filter((rows.ordered_on >= ibis.literal(origin)) & (rows.ordered_on < ibis.literal(end)))
    inside = rows.ordered_on >= ibis.literal(start)
    return (
        rows.group_by("customer_id")
        .aggregate(
            order_count=rows.count(where=inside),
            spend_amount=rows.amount.sum(where=inside).fill_null(0).cast("float64"),
            gap_order_count=rows.count(where=~inside),
        )
        .order_by("customer_id")
    )


def _by_quarter(rows: ibis.Table, day: str, *, quarters: Sequence[Quarter]) -> ibis.Table:
    """Return the rows within consecutive quarters, with ``period``: 0 for the first of them."""
    first, end = quarters[0].start, quarters[-1].end
    inside = rows.filter((rows[day] >= ibis.literal(first)) & (rows[day] < ibis.literal(end)))
    months = inside[day].year() * 12 + inside[day].month() - (first.year * 12 + first.month)
    return inside.mutate(period=(months // 3).cast("int64"))


__all__ = ["OUTCOMES_SCHEMA", "PERIODS_SCHEMA", "customer_periods_table", "outcomes_table"]
