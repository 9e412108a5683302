"""Typed rows of a table: one column for every field of the contract, and marks of what did not parse."""

from collections.abc import Iterable

import ibis

from crm_analysis.base.errors import DataError
from crm_analysis.base.settings import TableSource
from crm_analysis.sources.mapping import ENGINE_TYPES, doubtful_time, match_columns, no_field, typed
from crm_analysis.sources.reading import ROW
from crm_analysis.sources.schema import Table, Type

#: Columns that tell of a field: a value was there but did not parse; a local time is ambiguous or does not exist.
BAD, CLOCK = "_bad_", "_clock_"


def typed_rows(raw: ibis.Table, table: Table, *, source: TableSource, zone: str, where: str) -> ibis.Table:
    """Return ``_row``, the typed fields, and their marks ``_bad_<field>`` and ``_clock_<field>``.

    Raises
    ------
    DataError
        Settings name fields that do not exist, or required columns are absent; all of them.
    """
    given = frozenset(source.constants) | ({source.row_id} if source.row_id else frozenset())
    row_id = [source.row_id or table.names[0]]
    check_names(table, where=where, constants=source.constants, values=source.values, row_id=row_id)
    matched = match_columns(raw, table, columns=source.columns, given=given, where=where)
    columns: dict[str, ibis.Value] = {ROW: raw[ROW]}
    for field in table:
        kind = ENGINE_TYPES[field.type]
        if field.name in source.constants:
            columns[field.name] = ibis.literal(source.constants[field.name]).cast(kind)
        elif field.name == source.row_id:
            columns[field.name] = raw[ROW].cast("string")
        elif field.name in matched:
            cell = raw[matched[field.name]]
            value = typed(cell, field, values=source.values.get(field.name, {}), zone=zone,
                          date_format=source.date_format, decimal=source.decimal)  # fmt: skip
            columns[field.name] = value
            if field.type not in {Type.ID, Type.TEXT, Type.CATEGORY}:
                given_value = cell.strip().nullif("") if cell.type().is_string() else cell
                columns[f"{BAD}{field.name}"] = value.isnull() & given_value.notnull()
            doubt = doubtful_time(cell, zone=zone, date_format=source.date_format) if field.type is Type.TIME else None
            if doubt is not None:
                columns[f"{CLOCK}{field.name}"] = doubt
        else:
            columns[field.name] = ibis.null(kind)
    return raw.select(**columns)


def check_names(table: Table, *, where: str, **named: Iterable[str]) -> None:
    """Refuse settings of a source that name a field it does not have.

    Raises
    ------
    DataError
        All of them, with the nearest fields.
    """
    problems = [
        no_field(name, table, where=f"{where}.{setting}")
        for setting, names in named.items()
        for name in sorted(set(names) - set(table.names))
    ]
    if problems:
        raise DataError(problems)
