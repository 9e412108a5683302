"""The one door in time: what was known at a day, and nothing later (DESIGN, rule 5).

``as_of`` is exclusive: everything before local midnight of that day is known. Behind the door

* rows that begin later are absent: orders, contacts, questionnaires, contracts, actions, ..., customers who were
  neither registered nor had ordered, items of absent orders, budgets of quarters that had not begun;
* later timestamps inside a row are null, each for itself, with the local days and hours derived from them, and so are
  the values that were only known from then on;
* overwritten fields of customers hold the value of the last change before it, where ``customers_history`` tracks them
  (:mod:`crm_analysis.sources.history`). Without a history they hold today's value: they may describe, no more. The
  same goes for ``orders.status``;
* the status of an action is ``done`` once it was done, else null: whether it was planned, under way or cancelled by
  then has no date in the data;
* what a budget had used is null until its quarter is over: a sum that still grows has no date either.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import ibis

from crm_analysis.base.period import Quarter
from crm_analysis.sources.history import with_past_values
from crm_analysis.sources.mapping import local_columns
from crm_analysis.sources.schema import TABLES, Change, Field, Table, Type

Tables = Mapping[str, ibis.Table]
Bounds = Mapping[Type, ibis.Value]

#: Dates that no event gave, and that still cannot lie after the day on which they are known.
_NEVER_LATER = frozenset({("customers", "cooperation_start"), ("customers", "updated_at")})
#: Days that loading derives from other rows, hidden when they lie after the door.
_DERIVED_DAYS = {"orders": ("refunded_on",)}
#: Overwritten values that follow from an event: before it they are unknown, after it they are this.
_FOLLOWS = {("actions", "status"): "done"}


def utc_midnight(day: date, zone: str) -> datetime:
    """Return local midnight of a day as UTC without zone.

    >>> utc_midnight(date(2025, 10, 1), "Asia/Shanghai").isoformat()
    '2025-09-30T16:00:00'
    """
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def as_of(tables: Tables, day: date, *, zone: str, first_month: int = 1) -> dict[str, ibis.Table]:
    """Return the tables as they were known before local midnight of ``day``.

    Parameters
    ----------
    tables
        Canonical tables by name.
    zone
        Time zone of the company.
    first_month
        First month of the fiscal year, for budgets of fiscal quarters (``FY26Q1``).
    """
    midnight = utc_midnight(day, zone)
    bounds = {Type.TIME: ibis.literal(midnight), Type.DATE: ibis.literal(day)}
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
    if "budgets" in known:
        known["budgets"] = _begun_budgets(known["budgets"], day=day, first_month=first_month)
    if "customers" in known:
        existing = _existing_customers(known["customers"], known["orders"], bounds=bounds)
        existing = _hide_later(existing, TABLES["customers"], bounds=bounds)
        if "customers_history" in tables:
            existing = with_past_values(existing, tables["customers_history"], until=midnight, zone=zone)
        known["customers"] = existing
    return known


def _hide_later(rows: ibis.Table, table: Table, *, bounds: Bounds) -> ibis.Table:
    """Null the timestamps after the door, what was derived from them, and the values that depend on them."""
    hidden: dict[str, ibis.Value] = {}
    for field in table:
        if _may_lie_later(field, table):
            is_known = _before(rows[field.name], bounds[field.type])
            derived = local_columns(field.name) if field.type is Type.TIME else ()
            for name in (field.name, *derived):
                if name in rows.columns:
                    hidden[name] = _where(is_known, rows[name])
    for name in _DERIVED_DAYS.get(table.name, ()):
        if name in rows.columns:
            hidden[name] = _where(_before(rows[name], bounds[Type.DATE]), rows[name])
    for field in table:
        if field.known_at is not None:
            is_known = _before(rows[field.known_at], bounds[table[field.known_at].type])
            then = _FOLLOWS.get((table.name, field.name))
            hidden[field.name] = _where(is_known, rows[field.name] if then is None else ibis.literal(then))
    return rows.mutate(**hidden) if hidden else rows


def _may_lie_later(field: Field, table: Table) -> bool:
    """Tell whether a time of a row that is known may lie after the door; customers are also known by their orders."""
    if (table.name, field.name) in _NEVER_LATER:
        return True
    return field.change is Change.EVENT and (field.name != table.time or table.name == "customers")


def _before(at: ibis.Value, bound: ibis.Value) -> ibis.Value:
    return (at < bound).fill_null(False)


def _where(is_known: ibis.Value, value: ibis.Value) -> ibis.Value:
    return ibis.ifelse(is_known, value, ibis.null(value.type()))


def _existing_customers(customers: ibis.Table, orders: ibis.Table, *, bounds: Bounds) -> ibis.Table:
    """Keep customers registered before the door, and those whose first order proves that they existed."""
    buyers = orders.select("customer_id").distinct().mutate(_bought=True)
    joined = customers.left_join(buyers, "customer_id").drop("customer_id_right")
    kept = joined.filter(_before(joined.registered_at, bounds[Type.TIME]) | joined["_bought"].fill_null(False))
    return kept.drop("_bought")


def _begun_budgets(budgets: ibis.Table, *, day: date, first_month: int) -> ibis.Table:
    """Keep budgets of quarters that began before the door; what they used is known when the quarter is over.

    Each form of a quarter means what it says: ``2025Q3`` the calendar quarter, ``FY26Q1`` the fiscal one. Within a form
    the order of the texts is that of time. A text of neither form names no quarter: the row has no date and is absent.
    """
    text = budgets.quarter.strip().upper()
    is_calendar, is_fiscal = text.re_search(r"^(19|20|21)[0-9]{2}Q[1-4]$"), text.re_search(r"^FY[0-9]{2}Q[1-4]$")
    last, now = (
        (str(Quarter.containing(each)), _fiscal(Quarter.containing(each, first_month=first_month)))
        for each in (day - timedelta(days=1), day)
    )
    begun = (is_calendar & (text <= last[0])) | (is_fiscal & (text <= last[1]))
    over = (is_calendar & (text < now[0])) | (is_fiscal & (text < now[1]))
    return budgets.mutate(used_amount=_where(over, budgets.used_amount)).filter(begun)


def _fiscal(quarter: Quarter) -> str:
    return f"FY{quarter.year % 100:02d}Q{quarter.number}"
