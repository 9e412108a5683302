"""Customer x quarter sums in one pass over the rows: the past of every comparison (DESIGN, rule 6)."""

from collections.abc import Sequence
from datetime import date, timedelta

import ibis

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.sources.as_of import Tables
from crm_analysis.sources.purchases import counted_orders, signed_amounts

PERIODS_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    "quarter": OPEN,
    "quarter_start": OPEN,
    "order_count": OPEN,
    "gross_amount": OPEN,
    "refund_amount": OPEN,
    "spend_amount": OPEN,
    "interaction_in_count": OPEN,
    "interaction_out_count": OPEN,
    "complaint_count": SENSITIVE,
}
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
    orders = signed_amounts(tables["orders"])
    money = orders.mutate(quarter=_quarter_of(orders.ordered_on, quarters))
    parts = [
        money.group_by("customer_id", "quarter").aggregate(
            gross_amount=money.gross_amount.sum().cast("float64"),
            refund_amount=money.refund_amount.sum().cast("float64"),
            spend_amount=money.spend_amount.sum().cast("float64"),
        )
    ]
    counted = counted_orders(tables["orders"])
    counted = counted.mutate(quarter=_quarter_of(counted.ordered_on, quarters))
    parts.append(counted.group_by("customer_id", "quarter").aggregate(order_count=counted.count()))
    if "interactions" in tables:
        contacts = tables["interactions"]
        contacts = contacts.mutate(quarter=_quarter_of(contacts.opened_on, quarters))
        parts.append(
            contacts.group_by("customer_id", "quarter").aggregate(
                interaction_in_count=contacts.count(where=contacts.direction == "in"),
                interaction_out_count=contacts.count(where=contacts.direction == "out"),
                complaint_count=contacts.count(where=contacts.kind == "complaint"),
            )
        )
    keys = ibis.union(*(part.select("customer_id", "quarter") for part in parts), distinct=True)
    joined = keys.filter(keys.quarter.notnull())
    for part in parts:
        joined = joined.left_join(part, ["customer_id", "quarter"]).drop("customer_id_right", "quarter_right")
    starts = {str(quarter): quarter.start for quarter in quarters}
    columns: dict[str, ibis.Value] = {
        "customer_id": joined.customer_id,
        "quarter": joined.quarter,
        "quarter_start": ibis.cases(*((joined.quarter == name, ibis.literal(day)) for name, day in starts.items())),
    }
    for name in list(PERIODS_SCHEMA)[3:]:
        kind = "int64" if name.endswith("_count") else "float64"
        value = joined[name] if name in joined.columns else ibis.null(kind)
        columns[name] = value.fill_null(0).cast(kind)
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
    rows = counted_orders(tables["orders"].filter(lambda t: t.ordered_on < ibis.literal(end)))
    rows = rows.filter(rows.ordered_on >= ibis.literal(origin))
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


def _quarter_of(day: ibis.Value, quarters: Sequence[Quarter]) -> ibis.Value:
    return ibis.cases(
        *(
            ((day >= ibis.literal(quarter.start)) & (day < ibis.literal(quarter.end)), str(quarter))
            for quarter in quarters
        )
    )
