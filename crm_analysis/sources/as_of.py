"""The one door in time: what was known at a day, and nothing later (DESIGN, rule 5).

``as_of`` is exclusive: everything before local midnight of that day is known. Rows that begin later are absent; later
timestamps inside a row are null, and so are the values that were only known from then on.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import ibis

from crm_analysis.sources.mapping import local_columns
from crm_analysis.sources.schema import TABLES, Change, Table, Type

Tables = Mapping[str, ibis.Table]


def utc_midnight(day: date, zone: str) -> datetime:
    """Return local midnight of a day as UTC without zone.

    >>> utc_midnight(date(2025, 10, 1), "Asia/Shanghai").isoformat()
    '2025-09-30T16:00:00'
    """
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def as_of(tables: Tables, day: date, *, zone: str) -> dict[str, ibis.Table]:
    """Return the tables as they were known before local midnight of ``day``.

    Parameters
    ----------
    tables
        Canonical tables by name.
    zone
        Time zone of the company.
    """
    bounds = {Type.TIME: ibis.literal(utc_midnight(day, zone)), Type.DATE: ibis.literal(day)}
    known: dict[str, ibis.Table] = {}
    for name, rows in tables.items():
        table = TABLES[name]
        if table.time is None or name == "customers":
            known[name] = rows
            continue
        past = rows.filter(rows[table.time] < bounds[table[table.time].type])
        known[name] = _hide_later(past, table, bounds=bounds)
    if "orders" in known and "order_items" in known:
        known["order_items"] = known["order_items"].semi_join(known["orders"], "order_id")
    if "customers" in known:
        known["customers"] = _existing_customers(known["customers"], known["orders"], bounds=bounds)
    return known


def _hide_later(rows: ibis.Table, table: Table, *, bounds: Mapping[Type, ibis.Value]) -> ibis.Table:
    """Null the timestamps after the door and the values that depend on them."""
    later = [f for f in table if f.change is Change.EVENT and f.name != table.time and f.type in bounds]
    unknown = {f.name: (rows[f.name] >= bounds[f.type]) | rows[f.name].isnull() for f in later}
    hidden = {f.name: ibis.ifelse(unknown[f.name], ibis.null(rows[f.name].type()), rows[f.name]) for f in later}
    for field in table:
        if field.known_at is not None:
            null = ibis.null(rows[field.name].type())
            hidden[field.name] = ibis.ifelse(unknown[field.known_at], null, rows[field.name])
    return rows.mutate(**hidden) if hidden else rows


def _existing_customers(customers: ibis.Table, orders: ibis.Table, *, bounds: Mapping[Type, ibis.Value]) -> ibis.Table:
    """Keep customers registered before the door, and those whose first order proves that they existed."""
    bound = bounds[Type.TIME]
    buyers = orders.select("customer_id").distinct().mutate(_bought=True)
    joined = customers.left_join(buyers, "customer_id").drop("customer_id_right")
    kept = joined.filter((joined.registered_at < bound).fill_null(False) | joined["_bought"].fill_null(False))
    known = kept.registered_at < bound
    dated = [name for name in ("registered_at", *local_columns("registered_at")) if name in kept.columns]
    hidden = {name: ibis.ifelse(known, kept[name], ibis.null(kept[name].type())) for name in dated}
    hidden["updated_at"] = ibis.ifelse(kept.updated_at < bound, kept.updated_at, ibis.null("timestamp"))
    return kept.mutate(**hidden).drop("_bought")
