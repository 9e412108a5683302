"""Behaviour of every tier: basket, discounts, favourite products, channels and times (REQUIREMENTS P2)."""

from datetime import date, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import PortraitSettings
from crm_analysis.sources.purchases import counted_orders

BEHAVIOUR_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "customer_count", "buyer_count", "order_count", "basket_mean_amount", "discount_share", "category",
     "category_share", "channel", "channel_share", "contact_channel", "contact_channel_share", "weekday",
     "weekday_share", "hour", "hour_share"],
    OPEN,
)  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def behaviour_table(
    orders: ir.Table,
    order_items: ir.Table | None,
    interactions: ir.Table | None,
    tiers: ir.Table,
    *,
    settings: PortraitSettings,
    as_of: date,
) -> pd.DataFrame:
    """Return how the customers of every tier bought and made contact in the last ``behaviour_days`` days.

    -> ``tier, customer_count, buyer_count, order_count, basket_mean_amount, discount_share`` and, each with its share,
    the most frequent ``category, channel, contact_channel, weekday`` (slug) and local ``hour``; largest tier first

    Parameters
    ----------
    orders
        Canonical orders behind the door in time; only counted purchases enter (no refunds, none refunded in full).
    order_items, interactions
        Canonical tables, or ``None``: the columns made from them are then empty.
    tiers
        ``customer_id, tier``, in the same backend.
    settings
        ``behaviour_days``, ``minimum_cell``.
    as_of
        First day that is not yet known.

    Notes
    -----
    Shares are 0-1: of orders (channel, weekday, hour), of item lines (category), of contacts the customer began
    (contact channel), rows without a value left out. ``discount_share`` is discount over amount plus discount. Ties
    go to the value that sorts first. A figure made from fewer than ``minimum_cell`` customers is empty. The hour is
    empty where all orders carry the same one: they hold days, not times. REQUIREMENTS P2.
    """
    members = tiers.select("customer_id", "tier")
    sizes = members.group_by("tier").aggregate(customer_count=members.count()).order_by("tier").to_pyarrow().to_pandas()
    start = ibis.literal(as_of - timedelta(days=settings.behaviour_days))
    purchases = counted_orders(orders)
    bought: Any = purchases.filter(purchases["ordered_on"] >= start).inner_join(members, "customer_id")
    totals = _totals(bought)
    minimum = settings.minimum_cell
    weekday = bought.mutate(weekday=bought["ordered_on"].day_of_week.index())
    parts = [
        sizes,
        totals.loc[totals["buyer_count"] >= minimum],
        _top(bought, "channel", name="channel", minimum=minimum),
        _top(weekday, "weekday", name="weekday", minimum=minimum),
    ]
    if bought["ordered_hour"].nunique().to_pyarrow().as_py() > 1:
        parts.append(_top(bought, "ordered_hour", name="hour", minimum=minimum))
    if order_items is not None:
        keys = bought.select("order_id", "customer_id", "tier")
        lines = order_items.select("order_id", "category").inner_join(keys, "order_id")
        parts.append(_top(lines, "category", name="category", minimum=minimum))
    if interactions is not None:
        contacts = interactions.filter(interactions["direction"] == "in", interactions["opened_on"] >= start)
        parts.append(
            _top(contacts.inner_join(members, "customer_id"), "channel", name="contact_channel", minimum=minimum)
        )
    table = parts[0]
    for part in parts[1:]:
        table = table.merge(part, on="tier", how="left")
    table = table.reindex(columns=list(BEHAVIOUR_SCHEMA))
    table["weekday"] = table["weekday"].map(dict(enumerate(WEEKDAYS))).astype("str")
    counts = ["customer_count", "buyer_count", "order_count", "hour"]
    return table.astype(dict.fromkeys(counts, "Int64")).sort_values(
        ["customer_count", "tier"], ascending=[False, True], ignore_index=True
    )


def _totals(bought: Any) -> pd.DataFrame:
    table = (
        bought.group_by("tier")
        .aggregate(
            buyer_count=bought["customer_id"].nunique(),
            order_count=bought.count(),
            amount=bought["amount"].sum(),
            discount=bought["discount"].sum(),
        )
        .to_pyarrow()
        .to_pandas()
    )
    amount, discount = table["amount"].astype(float), table["discount"].astype(float)
    return pd.DataFrame(
        {
            "tier": table["tier"],
            "buyer_count": table["buyer_count"],
            "order_count": table["order_count"],
            "basket_mean_amount": (amount / table["order_count"]).round(2),
            "discount_share": (discount / (amount + discount)).round(6),
        }
    )


def _top(rows: Any, column: str, *, name: str, minimum: int) -> pd.DataFrame:
    """Return the most frequent value of a column per tier and its share of the rows that have one."""
    known = rows.filter(rows[column].notnull())
    counts = (
        known.group_by(known["tier"], known[column].name("value"))
        .aggregate(n=known.count(), customers=known["customer_id"].nunique())
        .to_pyarrow()
        .to_pandas()
    )
    totals = counts.groupby("tier")["n"].sum()
    first = counts.sort_values(["tier", "n", "value"], ascending=[True, False, True]).drop_duplicates("tier")
    first = first.loc[first["customers"] >= minimum]
    share = first["n"].astype(float) / first["tier"].map(totals).astype(float)
    return pd.DataFrame({"tier": first["tier"], name: first["value"], f"{name}_share": share.round(6)})
