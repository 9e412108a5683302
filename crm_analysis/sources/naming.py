"""Names of tables and fields in settings, checked against the data contract without reading data."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from crm_analysis.base.errors import Problem, nearest
from crm_analysis.base.settings_file import SettingsFile, mapping_at
from crm_analysis.sources.currencies import RATES
from crm_analysis.sources.lines import LINES
from crm_analysis.sources.mapping import no_field
from crm_analysis.sources.schema import TABLES, Table

_FIELD_KEYS = ("columns", "constants", "values")


def check_data_names(file: SettingsFile) -> list[Problem]:
    """Return tables and fields that the data contract does not have, and orders given twice or not at all."""
    data = file.given("data")
    tables, lines = data.get("tables"), data.get("order_lines")
    given = tables if isinstance(tables, Mapping) else {}
    problems: list[Problem] = []
    for name, source in given.items():
        if name not in TABLES:
            fix = nearest(name, list(TABLES), kind="tables")
            problems.append(Problem(f"there is no table {str(name)!r}", file.where("data", "tables", name), fix))
        elif isinstance(source, Mapping):
            problems += _fields(file, TABLES[name], source, place=("data", "tables", name))
    for table, name in ((LINES, "order_lines"), (RATES, "rates")):
        problems += _fields(file, table, mapping_at(data, name), place=("data", name))
    # data that are absent or of another form are told by the form of the settings
    is_form = isinstance(data.get("tables", {}), Mapping) and isinstance(file.values.get("data"), Mapping)
    if is_form and "orders" not in given and lines is None:
        fix = "name the file with orders under data.tables.orders, or invoice lines under data.order_lines"
        problems.append(Problem("there are no orders", file.where("data", "tables"), fix))
    return problems


def check_completeness_fields(file: SettingsFile) -> list[Problem]:
    """Return fields of the ``diagnosis`` section (``name`` of customers, or ``orders.channel``) that do not exist."""
    problems = []
    for setting in ("required_fields", "deep_fields", "field_weights"):
        for key, name in _entries(file.given("diagnosis").get(setting)):
            table, _, field = name.rpartition(".")
            if table and table not in TABLES:
                fix = nearest(table, list(TABLES), kind="tables")
            elif field not in TABLES[table or "customers"]:
                fix = nearest(field, TABLES[table or "customers"].names, kind=f"fields of {table or 'customers'}")
            else:
                continue
            problems.append(Problem(f"there is no field {name!r}", file.where("diagnosis", setting, key), fix))
    return problems


def _fields(file: SettingsFile, table: Table, source: Mapping[Any, Any], *, place: tuple[str, ...]) -> list[Problem]:
    named = [(key, name) for key in _FIELD_KEYS for name in mapping_at(source, key)]
    problems = [no_field(name, table, where=file.where(*place, key, name)) for key, name in named if name not in table]
    row_id = source.get("row_id")
    if isinstance(row_id, str) and row_id not in table:
        problems.append(no_field(row_id, table, where=file.where(*place, "row_id")))
    return problems


def _entries(values: Any) -> Iterator[tuple[str | int, str]]:
    """Yield key and name of a list of names, or of a mapping by name."""
    found: Iterable[tuple[Any, Any]] = []
    if isinstance(values, list):
        found = enumerate(values)
    elif isinstance(values, Mapping):
        found = [(name, name) for name in values]
    yield from ((key, name) for key, name in found if isinstance(name, str))
