"""The record of overwritten customer fields: what ``customers_history`` tells of the past (DESIGN, rule 5).

An overwritten field (owner, region, member level, ...) holds only today's value. It is *tracked* when the history has
rows for it; behind the door a tracked field holds the value of the last change before it:

* a customer without rows of the field keeps today's value: it never changed;
* a customer whose first row of the field lies after the door has none there: what it was before is unknown.

Values of the history are text in the wording of ``customers``; they are cast by the rules of loading.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import ibis

from crm_analysis.base.errors import AnalysisError, Problem
from crm_analysis.sources.mapping import ENGINE_TYPES, typed
from crm_analysis.sources.schema import CUSTOMERS, Change, Field, Type

#: Fields of ``customers`` that a history can track; ``updated_at`` is its own date.
TRACKABLE = tuple(f for f in CUSTOMERS if f.change is Change.OVERWRITTEN and f.type is not Type.TIME)
_NAMES = tuple(field.name for field in TRACKABLE)


def with_past_values(customers: ibis.Table, history: ibis.Table, *, until: datetime, zone: str) -> ibis.Table:
    """Return the customers with every tracked field as it was before ``until``.

    ``customers`` and ``customers_history`` -> the columns of ``customers``

    Parameters
    ----------
    history
        Whole, also rows from ``until`` on: they tell that today's value is a later one.
    until
        UTC without zone, exclusive.
    zone
        Time zone of the company; for values that are times.

    Notes
    -----
    Of several rows at the same instant the greatest value in binary order holds. A row without a value empties the
    field. What does not parse as the field's type is null.
    """
    change = ibis.struct({"at": history.changed_at, "value": history.value.fill_null("")})
    tracked = history.filter(history.field.isin(_NAMES))
    last = tracked.group_by("customer_id", "field").aggregate(
        change=change.max(where=history.changed_at < ibis.literal(until))
    )
    pivoted = last.group_by(_customer=last.customer_id).aggregate(
        **{f"_{name}_rows": last.count(where=last.field == name) for name in _NAMES},
        **{f"_{name}_then": last.change["value"].max(where=last.field == name) for name in _NAMES},
    )
    joined = customers.left_join(pivoted, customers.customer_id == pivoted["_customer"])
    past = {
        field.name: ibis.ifelse(
            joined[f"_{field.name}_rows"] > 0,
            _value_of(joined[f"_{field.name}_then"], field, zone=zone),
            joined[field.name],
        )
        for field in TRACKABLE
    }
    return joined.mutate(**past).select(*customers.columns)


def _value_of(text: ibis.Value, field: Field, *, zone: str) -> ibis.Value:
    """Return a text of the history as the field's type; loading has trimmed it."""
    if ENGINE_TYPES[field.type] == "string":
        return text.nullif("")
    return typed(text, field, values={}, zone=zone, date_format=None)


def with_customer_values(history: ibis.Table, values: Mapping[str, Mapping[str, str]]) -> ibis.Table:
    """Return the history with values in the wording of the canonical ``customers``.

    Parameters
    ----------
    values
        ``{field: {value in the file: canonical value}}``, as settings give them for ``customers``: both tables come
        from the same system and name a level the same way.
    """
    named = [
        ((history.field == name) & (history.value == raw), ibis.literal(canonical))
        for name, of_field in values.items()
        if name in _NAMES
        for raw, canonical in of_field.items()
    ]
    return history.mutate(value=ibis.cases(*named, else_=history.value)) if named else history


def known_in_past(tables: Mapping[str, ibis.Table]) -> frozenset[str]:
    """Return the fields of ``customers`` that may be features of a model and decide tiers of the past.

    Those that are fixed or happen once, and overwritten ones whose history is whole: no customer's record of the field
    begins after he came to exist (the day of registration, else of the first order). Otherwise an empty value would
    tell that a change is still to come.

    Parameters
    ----------
    tables
        Canonical tables before the door: behind it, later beginnings of a record cannot be seen.
    """
    steady = {field.name for field in CUSTOMERS if field.change is not Change.OVERWRITTEN}
    return frozenset(steady | {name for name, late in _late_beginnings(tables).items() if late == 0})


def check_past_fields(names: Iterable[str], tables: Mapping[str, ibis.Table]) -> None:
    """Refuse fields of ``customers`` whose past is unknown; other names (sums of dated events) pass.

    Parameters
    ----------
    names
        Columns that a model or a tier of the past is to be made from.
    tables
        Canonical tables before the door.

    Raises
    ------
    AnalysisError
        Fields are overwritten and not tracked, or the record of some customers begins too late; all are named.
    """
    problems = []
    for name, late in _without_past(names, tables).items():
        if late is None:
            what = f"{name!r} is overwritten in customers: its past values are unknown"
            fix = f"give customers_history with the changes of {name}, or use dated events in its place"
            problems.append(Problem(what, f"customers.{name}", fix))
        else:
            what = f"the record of {name!r} begins after registration for {late} customers"
            fix = f"begin customers_history with the first {name} of every customer, or use dated events in its place"
            problems.append(Problem(what, f"customers_history.{name}", fix))
    if problems:
        raise AnalysisError(problems)


def unknown_past_fields(names: Iterable[str], tables: Mapping[str, ibis.Table]) -> list[str]:
    """Return the names that :func:`check_past_fields` refuses, for callers that can do without the past."""
    return list(_without_past(names, tables))


def _without_past(names: Iterable[str], tables: Mapping[str, ibis.Table]) -> dict[str, int | None]:
    """Return overwritten fields without a whole record: for how many customers it begins too late, or none at all."""
    wanted = [field.name for field in CUSTOMERS if field.change is Change.OVERWRITTEN and field.name in set(names)]
    late = _late_beginnings(tables) if wanted else {}
    return {name: late.get(name) for name in wanted if late.get(name) != 0}


def _late_beginnings(tables: Mapping[str, ibis.Table]) -> dict[str, int]:
    """Return, for every tracked field, how many customers existed before their record of it begins."""
    if "customers_history" not in tables or "customers" not in tables:
        return {}
    history, customers, orders = tables["customers_history"], tables["customers"], tables["orders"]
    begun = history.filter(history.field.isin(_NAMES))
    begun = begun.group_by("customer_id", "field").aggregate(begun_on=begun.changed_on.min())
    bought = orders.group_by(buyer=orders.customer_id).aggregate(bought_on=orders.ordered_on.min())
    existing = customers.left_join(bought, customers.customer_id == bought.buyer)
    since = existing.select(customer=existing.customer_id, since=existing.registered_on.coalesce(existing.bought_on))
    records = begun.left_join(since, begun.customer_id == since.customer)
    counts = records.group_by("field").aggregate(late=records.count(where=records.begun_on > records.since))
    return {row["field"]: int(row["late"]) for row in counts.to_pyarrow().to_pylist()}
