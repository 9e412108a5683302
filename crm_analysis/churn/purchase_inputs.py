"""Purchases as the models and their tests read them: summaries, a day's first and repeat purchases, what came later.

Rows stay in the engine; only summaries of customers and of days leave it.
"""

from datetime import date, timedelta

import ibis
import pandas as pd

from crm_analysis.base.privacy import OPEN, SENSITIVE, ResultSchema
from crm_analysis.churn.purchase_fit import SUMMARY_SCHEMA
from crm_analysis.sources.purchases import purchase_summary_table

HOLDOUT_SCHEMA: ResultSchema = {**SUMMARY_SCHEMA, "later_count": SENSITIVE}
DAYS_SCHEMA: ResultSchema = dict.fromkeys(["kind", "day_date", "first_count", "repeat_count"], OPEN)


def holdout_start(as_of: date, *, weeks: int) -> date:
    """Return the first day of the hold-out: the last ``weeks`` before ``as_of``."""
    return as_of - timedelta(weeks=weeks)


def summary_table(purchases: ibis.Table, customers: ibis.Table, *, as_of: date) -> ibis.Table:
    """Return the purchase summary of every customer with his population, in weeks.

    ``customer_id, ordered_on, amount`` and ``customer_id, kind`` -> columns of ``SUMMARY_SCHEMA``, sorted by id

    Parameters
    ----------
    purchases
        Counted orders before ``as_of``.
    """
    known = _with_kind(purchase_summary_table(purchases, as_of=as_of), customers)
    return known.select(*SUMMARY_SCHEMA).order_by("customer_id")


def holdout_table(purchases: ibis.Table, customers: ibis.Table, *, start: date) -> ibis.Table:
    """Return the purchase summary as of the start of the hold-out, and what its customers bought in it.

    ``customer_id, ordered_on, amount`` and ``customer_id, kind`` -> columns of ``HOLDOUT_SCHEMA``, sorted by id

    Parameters
    ----------
    purchases
        Counted orders up to the end of the hold-out.

    Returns
    -------
    ibis.Table
        Customers who bought before ``start``; ``later_count``: days with a purchase from then on.
    """
    before = purchases.filter(purchases.ordered_on < ibis.literal(start))
    after = purchases.filter(purchases.ordered_on >= ibis.literal(start))
    later = after.group_by("customer_id").aggregate(later_count=after.ordered_on.nunique())
    known = _with_kind(purchase_summary_table(before, as_of=start), customers)
    joined = known.left_join(later, "customer_id")
    counted = joined.mutate(later_count=joined.later_count.fill_null(0).cast("int64"))
    return counted.select(*HOLDOUT_SCHEMA).order_by("customer_id")


def purchase_days_table(purchases: ibis.Table, customers: ibis.Table, *, start: date) -> pd.DataFrame:
    """Return by day and population how many customers bought for the first time, and how many again.

    ``customer_id, ordered_on`` and ``customer_id, kind`` -> columns of ``DAYS_SCHEMA``; only customers whose first
    purchase lies before ``start``, purchases of a day as one; sorted by population and day
    """
    days = purchases.select("customer_id", "ordered_on").distinct()
    first_on = days.ordered_on.min().over(group_by="customer_id")
    dated = _with_kind(days.mutate(first_on=first_on), customers)
    known = dated.filter(dated.first_on < ibis.literal(start))
    counted = known.group_by("kind", day_date=known.ordered_on).aggregate(
        first_count=known.count(where=known.ordered_on == known.first_on),
        repeat_count=known.count(where=known.ordered_on > known.first_on),
    )
    table = counted.order_by("kind", "day_date").to_pandas()
    return table.assign(day_date=pd.to_datetime(table["day_date"]).astype("datetime64[s]"))[list(DAYS_SCHEMA)].astype(
        {"kind": "str", "first_count": "int64", "repeat_count": "int64"}
    )


def _with_kind(table: ibis.Table, customers: ibis.Table) -> ibis.Table:
    """Return a table by customer with the population; an unknown kind counts as a person."""
    kinds = customers.select("customer_id", is_organisation=(customers.kind == "organisation").fill_null(False))
    joined = table.left_join(kinds, "customer_id").drop("customer_id_right")
    kind = ibis.ifelse(joined.is_organisation.fill_null(False), "organisation", "person")
    return joined.mutate(kind=kind).drop("is_organisation")
