"""One row per customer as of a day: what the analyses know of him, computed in the engine.

Windows are half-open and end at ``as_of``; ``_before`` is the window of the same length just before. Days run to the
last included day (``as_of`` - 1): a customer who bought on that day has ``recency_days`` 0. Refunds lower amounts at
their own date and never count as orders. Every column is described in `columns`.
"""

from datetime import date, timedelta
from functools import reduce
from itertools import pairwise
from operator import add

import ibis

from crm_analysis.sources.as_of import Tables
from crm_analysis.sources.columns import BEFORE, DESCRIPTIVE, FEATURES, FEATURES_SCHEMA, WINDOWS, Column, Kind
from crm_analysis.sources.contacts import (
    contacts_table,
    contract_state_table,
    events_table,
    opportunities_table,
    survey_scores_table,
)
from crm_analysis.sources.purchases import is_counted, signed_amounts, with_purchase_history

DIGITS = 6
_GAP_SUMS = ("gap_count", "gap_sum", "gap_square_sum")


def features_table(tables: Tables, *, as_of: date) -> ibis.Table:
    """Return one row per customer that existed before ``as_of``, sorted by id.

    Parameters
    ----------
    tables
        Canonical tables behind the door of the same ``as_of``.

    Returns
    -------
    ibis.Table
        Columns of ``FEATURES``. Counts and amounts are 0 for customers without orders; days, means and shares null.
    """
    orders = with_purchase_history(tables["orders"])
    purchases = orders.filter(is_counted(orders))
    spending = _spending(orders, as_of=as_of)
    joined = _customers(tables, spending)
    parts = (
        _favourites(purchases, "channel"),
        _favourite_categories(tables, purchases),
        _rhythm_after_refunds(orders),
        contacts_table(tables.get("interactions"), as_of=as_of),
        events_table(tables.get("events"), as_of=as_of),
        survey_scores_table(tables.get("surveys")),
        contract_state_table(tables.get("contracts"), as_of=as_of),
        opportunities_table(tables.get("opportunities")),
    )
    for part in parts:
        if part is not None:
            joined = joined.left_join(part, "customer_id").drop("customer_id_right")
    derived = _derived(joined, last_day=ibis.literal(as_of - timedelta(days=1)))
    return derived.select(**{column.name: _finished(derived, column) for column in FEATURES}).order_by("customer_id")


def _finished(joined: ibis.Table, column: Column) -> ibis.Value:
    """Return a declared column: counts and amounts filled with 0, numbers rounded, what no table gives null."""
    empty = ibis.literal(0) if column.kind in {Kind.COUNT, Kind.AMOUNT} else ibis.null(column.type)
    if column.name not in joined.columns:
        return empty.cast(column.type)
    value = joined[column.name]
    match column.kind:
        case Kind.COUNT:
            return value.fill_null(0).cast("int64")
        case Kind.AMOUNT:
            return value.fill_null(0).cast("float64")
        case Kind.NUMBER:
            return value.cast("float64").round(DIGITS)
        case _:
            return value.cast(column.type)


def _customers(tables: Tables, spending: ibis.Table) -> ibis.Table:
    """Return every known customer with his spending: those of the table, and those known from orders alone."""
    if "customers" not in tables:
        return spending.mutate(registered_on=ibis.null("date"), cooperation_start=ibis.null("date"))
    described = tables["customers"]
    wanted = described.select("customer_id", "points", "cooperation_start", *DESCRIPTIVE, registered_on=ibis.ifelse(
        described.registered_at.isnull(), ibis.null("date"), described.registered_on))  # fmt: skip
    joined = wanted.outer_join(spending, "customer_id")
    either = ibis.coalesce(joined.customer_id, joined.customer_id_right)
    return joined.mutate(customer_id=either).drop("customer_id_right")


def _spending(orders: ibis.Table, *, as_of: date) -> ibis.Table:
    """Return money, counts and rhythm of every customer over all history and by window.

    Two passes with few aggregates each: one with all of them outgrows the processor's cache and takes twice as long.
    """
    rows = signed_amounts(orders).mutate(is_counted=is_counted(orders))
    rows = rows.mutate(gap=ibis.ifelse(rows.is_counted, _gap(rows), ibis.null("int64")))
    bought = ~rows.is_refund
    history = rows.group_by("customer_id").aggregate(
        first_any_date=rows.ordered_on.min(),
        first_order_date=rows.ordered_on.min(where=rows.is_counted),
        last_order_date=rows.ordered_on.max(where=rows.is_counted),
        order_count=rows.count(where=rows.is_counted),
        counted_amount=rows.amount.sum(where=rows.is_counted),
        gross_amount=rows.amount.sum(where=bought),
        refund_amount=rows.refund_amount.sum(where=rows.is_refund),
        refund_count=rows.count(where=rows.is_refund),
        discount_amount=rows.discount.sum(where=bought),
        **_gap_sums(rows),
    )
    return _in_floats(history).left_join(_by_window(rows, as_of=as_of), "customer_id").drop("customer_id_right")


def _by_window(rows: ibis.Table, *, as_of: date) -> ibis.Table:
    """Return spend and orders of the windows, added up from the bands between their edges, and amounts of a year."""
    edges = sorted({0, *WINDOWS, *(2 * days for days in BEFORE)})
    recent = rows.filter(_within(rows, as_of, edges[-1]))
    bands = {
        (young, old): (recent.ordered_on >= ibis.literal(as_of - timedelta(days=old)))
        & (recent.ordered_on < ibis.literal(as_of - timedelta(days=young)))
        for young, old in pairwise(edges)
    }
    sums = recent.group_by("customer_id").aggregate(
        **{f"spend_amount_{old}": recent.spend_amount.sum(where=band) for (_, old), band in bands.items()},
        **{f"order_count_{old}": recent.count(where=band & recent.is_counted) for (_, old), band in bands.items()},
        counted_amount_365d=recent.amount.sum(where=recent.is_counted & _within(recent, as_of, 365)),
        counted_amount_730d=recent.amount.sum(where=recent.is_counted),
    )
    windows = {f"{days}d": (0, days) for days in WINDOWS} | {f"{days}d_before": (days, 2 * days) for days in BEFORE}
    added = {
        f"{name}_{label}": reduce(add, (sums[f"{name}_{old}"].fill_null(0) for young, old in bands
                                        if start <= young and old <= end))
        for name in ("spend_amount", "order_count") for label, (start, end) in windows.items()
    }  # fmt: skip
    return _in_floats(
        sums.select(
            "customer_id",
            "counted_amount_365d",
            counted_amount_365d_before=sums.counted_amount_730d.fill_null(0) - sums.counted_amount_365d.fill_null(0),
            **added,
        )
    )


def _within(rows: ibis.Table, as_of: date, days: int) -> ibis.Value:
    return rows.ordered_on >= ibis.literal(as_of - timedelta(days=days))


def _in_floats(sums: ibis.Table) -> ibis.Table:
    """Return exact sums as floats: half as wide in the joins to come."""
    exact = [name for name in sums.columns if sums[name].type().is_decimal()]
    return sums.mutate(**{name: sums[name].cast("float64") for name in exact})


def _gap(rows: ibis.Table) -> ibis.Value:
    """Return the days since the customer's purchase before, null within a day."""
    return rows.ordered_on.delta(rows.previous_on, unit="day").cast("int64").nullif(0)


def _gap_sums(rows: ibis.Table) -> dict[str, ibis.Value]:
    return dict(zip(_GAP_SUMS, (rows.gap.count(), rows.gap.sum(), (rows.gap * rows.gap).sum()), strict=True))


def _rhythm_after_refunds(orders: ibis.Table) -> ibis.Table:
    """Return the gaps of customers who had an order refunded in full: their purchases are linked anew without it."""
    touched = orders.filter(orders.refunded_on.notnull()).select("customer_id").distinct()
    kept = orders.filter(is_counted(orders)).semi_join(touched, "customer_id").select("customer_id", "ordered_on")
    before = kept.ordered_on.lag().over(group_by="customer_id", order_by="ordered_on")
    linked = kept.mutate(previous_on=before)
    linked = linked.mutate(gap=_gap(linked))
    sums = linked.group_by("customer_id").aggregate(**_gap_sums(linked))
    return sums.rename({f"anew_{name}": name for name in _GAP_SUMS})


def _favourites(purchases: ibis.Table, column: str) -> ibis.Table:
    """Return how many values were bought through, the one most often, and its share of rows.

    Ties go to the first in binary order: the smallest (-count, value) wins.
    """
    known = purchases.filter(purchases[column].notnull())
    counts = known.group_by("customer_id", column).aggregate(row_count=known.count())
    place = ibis.struct({"less": -counts.row_count, "value": counts[column]})
    top = counts.group_by("customer_id").aggregate(
        first=place.min(), value_count=counts.count(), known_count=counts.row_count.sum()
    )
    return top.select(
        "customer_id",
        **{
            f"{column}_count": top.value_count,
            f"{column}_top": top["first"]["value"],
            f"{column}_top_share": -top["first"]["less"] / top.known_count,
        },
    )


def _favourite_categories(tables: Tables, purchases: ibis.Table) -> ibis.Table | None:
    """Return the favourites among the categories of the lines of purchases."""
    if "order_items" not in tables:
        return None
    items = tables["order_items"].select("order_id", "category")
    return _favourites(items.inner_join(purchases.select("order_id", "customer_id"), "order_id"), "category")


def _derived(joined: ibis.Table, *, last_day: ibis.Value) -> ibis.Table:
    """Add what follows from other columns of the same row."""
    joined = joined.mutate(
        exists_since_date=ibis.least(joined.registered_on, joined.first_any_date),
        **{name: ibis.coalesce(joined[f"anew_{name}"], joined[name]).fill_null(0)
           for name in _GAP_SUMS},
        **{name: joined[name].fill_null(0) for name in joined.columns
           if name.startswith(("order_count", "spend_amount", "gross_", "refund_", "discount_"))},
    )  # fmt: skip
    joined = joined.mutate(spend_amount=joined.gross_amount - joined.refund_amount)
    n, gaps, squares = joined.gap_count, joined.gap_sum, joined.gap_square_sum
    spread = (n * squares - gaps * gaps).cast("float64").sqrt() / n.nullif(0)
    recency = last_day.delta(joined.last_order_date, unit="day")
    mean_gap = gaps.cast("float64") / n.nullif(0)
    return joined.mutate(
        tenure_days=last_day.delta(joined.exists_since_date, unit="day"),
        cooperation_days=last_day.delta(
            ibis.least(joined.cooperation_start, joined.exists_since_date), unit="day"
        ),
        recency_days=recency,
        order_day_count=ibis.ifelse(joined.order_count > 0, n + 1, 0),
        gap_mean_days=mean_gap,
        gap_spread_days=ibis.ifelse(n >= 2, spread, ibis.null("float64")),
        silence_ratio=recency / mean_gap,
        refund_share=joined.refund_amount / joined.gross_amount.nullif(0),
        discount_share=joined.discount_amount / (joined.discount_amount + joined.gross_amount).nullif(0),
        basket_mean_amount=joined.counted_amount / joined.order_count.nullif(0),
        basket_mean_amount_365d=joined.counted_amount_365d / joined.order_count_365d.nullif(0),
        basket_mean_amount_365d_before=joined.counted_amount_365d_before / joined.order_count_365d_before.nullif(0),
        **{f"{what}_trend_{days}d": _trend(joined[f"{column}_{days}d"], joined[f"{column}_{days}d_before"])
           for days in BEFORE for what, column in (("order", "order_count"), ("spend", "spend_amount"))},
    )  # fmt: skip


def _trend(now: ibis.Value, before: ibis.Value) -> ibis.Value:
    """Return the symmetric relative change: -1 when all is gone, 1 when all is new."""
    return (now - before).cast("float64") / (now.abs() + before.abs()).cast("float64").nullif(0)


__all__ = ["FEATURES_SCHEMA", "features_table"]
