"""Loading: raw rows become canonical tables; bad rows go to quarantine, counted by rule, with the money they carry.

For every table, rows in = used + quarantined. The typed tables are kept as Parquet in the cache, so that a quarter of
unchanged files is read once.
"""

import difflib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import ibis
import pandas as pd
from ibis.backends.duckdb import Backend

from crm_analysis.base.errors import DataError, Problem
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import DataSettings, OrderLines, Settings, TableSource
from crm_analysis.sources import lines as order_lines
from crm_analysis.sources.as_of import utc_midnight
from crm_analysis.sources.mapping import ENGINE_TYPES, local_columns, match_columns, to_local, typed
from crm_analysis.sources.reading import ROW, find_files, hash_files, read_raw
from crm_analysis.sources.schema import TABLES, Table, Type

RULE = "_rule"
USED = "used"
LOAD_REPORT_SCHEMA: ResultSchema = {"table": OPEN, "rule": OPEN, "row_count": OPEN, "amount": OPEN}
FRESHNESS_SCHEMA: ResultSchema = {"table": OPEN, "row_count": OPEN, "first_date": OPEN, "last_date": OPEN}


@dataclass(frozen=True)
class Loaded:
    """The canonical tables of a company and how they came about.

    Attributes
    ----------
    report
        ``table, rule, row_count, amount``: rows used (rule ``used``) and quarantined by rule, and, as ``note.*``,
        values that did not parse in rows that are used all the same.
    files
        ``{table: fingerprint}`` of the input files.
    """

    tables: Mapping[str, ibis.Table]
    report: pd.DataFrame
    files: Mapping[str, str]
    fingerprint: str


def fingerprint_sources(settings: Settings, *, folder: Path) -> dict[str, str]:
    """Return ``{table: fingerprint}`` of everything that will be read.

    Raises
    ------
    DataError
        Unknown tables, absent or empty files, no orders; all problems at once.
    """
    problems: list[Problem] = []
    files: dict[str, str] = {}
    for name, source in _sources(settings.data).items():
        if name not in TABLES:
            fix = f"tables are {', '.join(TABLES)}"
            problems.append(Problem(f"there is no table {name!r}", f"data.tables.{name}", fix))
            continue
        try:
            files[name] = hash_files(find_files(source, folder=folder, table=name))
        except DataError as error:
            problems += error.problems
    if "orders" not in settings.data.tables and settings.data.order_lines is None:
        fix = "name the file with orders under data.tables.orders, or invoice lines under data.order_lines"
        problems.append(Problem("there are no orders", "data.tables", fix))
    if problems:
        raise DataError(problems)
    return files


def load_tables(con: Backend, settings: Settings, *, folder: Path, cache: Path, code: str) -> Loaded:
    """Return the canonical tables, from the cache when files, settings and code are the same.

    Parameters
    ----------
    folder
        Paths of the settings are relative to it.
    cache
        Folder of typed tables; one subfolder per fingerprint.
    code
        Fingerprint of the package's sources.
    """
    files = fingerprint_sources(settings, folder=folder)
    key = json.dumps(
        [files, settings.data.model_dump(mode="json", exclude={"memory_limit"}), settings.timezone, code],
        sort_keys=True,
    )
    fingerprint = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    home = cache / fingerprint
    if not (home / "report.parquet").is_file():
        building = cache / f".{fingerprint}.{os.getpid()}"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        try:
            _build(con, settings, folder=folder, home=building)
            if not (home / "report.parquet").is_file():  # another process may have been faster
                shutil.rmtree(home, ignore_errors=True)
                building.rename(home)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    tables = {name: con.read_parquet(home / f"{name}.parquet", table_name=name)
              for name in TABLES if (home / f"{name}.parquet").is_file()}  # fmt: skip
    return Loaded(tables, pd.read_parquet(home / "report.parquet"), files, fingerprint)


def freshness_table(tables: Mapping[str, ibis.Table]) -> pd.DataFrame:
    """Return ``table, row_count, first_date, last_date`` of every table that is there (REQUIREMENTS D8, first part)."""
    rows = []
    for name, rows_of in tables.items():
        time = TABLES[name].time
        day = None if time is None else rows_of[_local_day(TABLES[name], time)]
        found = rows_of.aggregate(
            row_count=rows_of.count(),
            first_date=ibis.null("date") if day is None else day.min(),
            last_date=ibis.null("date") if day is None else day.max(),
        ).to_pandas()
        rows.append({"table": name, **found.iloc[0].to_dict()})
    frame = pd.DataFrame(rows, columns=list(FRESHNESS_SCHEMA))
    return frame.astype({"first_date": "datetime64[s]", "last_date": "datetime64[s]"})


def _local_day(table: Table, time: str) -> str:
    return local_columns(time)[0] if table[time].type is Type.TIME else time


def _sources(data: DataSettings) -> dict[str, TableSource | OrderLines]:
    sources: dict[str, TableSource | OrderLines] = dict(data.tables)
    if data.order_lines is not None:
        sources["order_items"] = data.order_lines
    return sources


def _build(con: Backend, settings: Settings, *, folder: Path, home: Path) -> None:
    """Write ``<table>.parquet``, ``quarantine/<table>.parquet`` and ``report.parquet`` into ``home``."""
    (home / "quarantine").mkdir()
    problems: list[Problem] = []
    reports: list[pd.DataFrame] = []
    data = settings.data
    for name, source in data.tables.items():
        try:
            raw = read_raw(con, source, paths=find_files(source, folder=folder, table=name),
                           scratch=home / "scratch", table=name)  # fmt: skip
            rows = _typed_rows(raw, TABLES[name], source=source, zone=settings.timezone)
            reports.append(_write(con, rows, TABLES[name], settings=settings, home=home))
            con.drop_table(raw.get_name())
        except DataError as error:
            problems += error.problems
    if data.order_lines is not None:
        try:
            reports += _build_lines(con, data.order_lines, settings=settings, folder=folder, home=home)
        except DataError as error:
            problems += error.problems
    shutil.rmtree(home / "scratch", ignore_errors=True)
    report = pd.concat(reports, ignore_index=True) if reports else pd.DataFrame(columns=list(LOAD_REPORT_SCHEMA))
    if not problems:
        usable = report.query("table == 'orders' and rule == @USED")["row_count"].sum()
        if usable == 0:
            reasons = report.query("table == 'orders' and rule != @USED and row_count > 0")
            why = ", ".join(f"{r.rule} {r.row_count}" for r in reasons.itertuples()) or "the file has no rows"
            problems.append(Problem(f"no usable order ({why})", "data.tables.orders", "mend the export or the mapping"))
    if problems:
        raise DataError(problems)
    report.to_parquet(home / "report.parquet", index=False)


def _build_lines(
    con: Backend, source: OrderLines, *, settings: Settings, folder: Path, home: Path
) -> list[pd.DataFrame]:
    """Write order items and orders from invoice lines and return their parts of the load report."""
    raw = read_raw(con, source, paths=find_files(source, folder=folder, table="order_items"),
                   scratch=home / "scratch", table="order_items")  # fmt: skip
    con.create_table(
        "order_lines", order_lines.read_lines(raw, source, zone=settings.timezone), temp=True, overwrite=True
    )
    lines = con.table("order_lines")
    lines.filter(lines[RULE] != USED).order_by(ROW).to_parquet(home / "quarantine" / "order_items.parquet")
    used = lines.filter(lines[RULE] == USED)
    items = order_lines.items_of(used.order_by("order_id", "product_id", "quantity", "amount", ROW))
    items.to_parquet(home / "order_items.parquet")
    orders = _write(con, order_lines.orders_of(used), TABLES["orders"], settings=settings, home=home)
    report = order_lines.report_lines(lines)
    con.drop_table(raw.get_name())
    con.drop_table("order_lines")
    return [report, orders]


def _typed_rows(raw: ibis.Table, table: Table, *, source: TableSource, zone: str) -> ibis.Table:
    """Return ``_row``, the typed fields, and ``_bad_<field>``: the raw value was there but did not parse."""
    given = frozenset(source.constants) | ({source.row_id} if source.row_id else frozenset())
    _check_names(table, constants=source.constants, values=source.values, row_id=[source.row_id or table.names[0]])
    matched = match_columns(raw, table, columns=source.columns, given=given)
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
                          date_format=source.date_format)  # fmt: skip
            columns[field.name] = value
            if field.type not in {Type.ID, Type.TEXT, Type.CATEGORY}:
                columns[f"_bad_{field.name}"] = value.isnull() & cell.cast("string").strip().nullif("").notnull()
        else:
            columns[field.name] = ibis.null(kind)
    return raw.select(**columns)


def _check_names(table: Table, **named: Iterable[str]) -> None:
    """Refuse settings of a table that name a field it does not have."""
    problems = []
    for setting, names in named.items():
        for name in sorted(set(names) - set(table.names)):
            near = difflib.get_close_matches(name, table.names, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"fields of {table.name}: {', '.join(table.names)}"
            where = f"data.tables.{table.name}.{setting}"
            problems.append(Problem(f"{name!r} is no field of {table.name}", where, fix))
    if problems:
        raise DataError(problems)


def _write(con: Backend, rows: ibis.Table, table: Table, *, settings: Settings, home: Path) -> pd.DataFrame:
    """Split rows into used and quarantined, write both, return this table's part of the load report."""
    staged = f"typed_{table.name}"
    ruled = _with_rule(rows, table, data=settings.data, zone=settings.timezone)
    con.create_table(staged, ruled, temp=True, overwrite=True)
    rows = con.table(staged)
    report = _report(rows, table)
    used = rows.filter(rows[RULE] == USED)
    rows.filter(rows[RULE] != USED).order_by(ROW).to_parquet(home / "quarantine" / f"{table.name}.parquet")
    final = {name: used[name] for name in table.names}
    for field in table:
        if field.type is Type.TIME and (field.name == table.time):
            day, hour = local_columns(field.name)
            local = to_local(used[field.name], settings.timezone)
            final |= {day: local.date(), hour: local.hour().cast("int64")}
    if table.name == "orders":
        final["is_refund"] = (used.amount < 0) | used.refund_of.notnull()
    used.order_by([*table.key, ROW]).select(**final).to_parquet(home / f"{table.name}.parquet")
    con.drop_table(staged)
    return report


def _with_rule(rows: ibis.Table, table: Table, *, data: DataSettings, zone: str) -> ibis.Table:
    """Add ``_rule``: ``used``, or the first rule that the row breaks."""
    rules: list[tuple[ibis.Value, str]] = []
    for field in table:
        if field.required:
            if f"_bad_{field.name}" in rows.columns:
                rules.append((rows[f"_bad_{field.name}"], f"unparsable_{field.name}"))
            rules.append((rows[field.name].isnull(), f"missing_{field.name}"))
    if table.time is not None:
        time, is_day = rows[table.time], table[table.time].type is Type.DATE
        first = data.earliest_date if is_day else utc_midnight(data.earliest_date, zone)
        rules.append((time < ibis.literal(first), "before_earliest"))
        if data.exported_on is not None:
            after = data.exported_on + timedelta(days=1)
            rules.append((time >= ibis.literal(after if is_day else utc_midnight(after, zone)), "after_export"))
    if table.name == "orders":
        void = rows.status.lower().isin([status.lower() for status in data.void_statuses])
        rules.append((void.fill_null(False), "void_status"))
    first_pass = rows.mutate(**{RULE: ibis.cases(*rules, else_=USED) if rules else ibis.literal(USED)})
    if not table.key:
        return first_pass
    nth = ibis.row_number().over(group_by=[RULE, *table.key], order_by=ROW)
    again = first_pass.mutate(_nth=nth)
    duplicate = (again[RULE] == USED) & (again["_nth"] > 0)
    return again.mutate(**{RULE: ibis.ifelse(duplicate, "duplicate_key", again[RULE])}).drop("_nth")


def _report(rows: ibis.Table, table: Table) -> pd.DataFrame:
    """Return ``table, rule, row_count, amount`` of one table, ``note.unparsable_*`` for values lost in used rows."""
    amount = rows.amount.sum() if "amount" in table else ibis.null("decimal(18, 4)")
    by_rule = rows.group_by(rule=rows[RULE]).aggregate(row_count=rows.count(), amount=amount).order_by("rule")
    frame = by_rule.to_pandas()
    bad = [name for name in rows.columns if name.startswith("_bad_")]
    if bad:
        used = rows.filter(rows[RULE] == USED)
        counts = used.aggregate(**{name: used.count(where=used[name]) for name in bad}).to_pandas().iloc[0]
        notes = [
            {"rule": f"note.unparsable_{name.removeprefix('_bad_')}", "row_count": int(count), "amount": None}
            for name, count in counts.items() if count
        ]  # fmt: skip
        frame = pd.concat([frame, pd.DataFrame(notes, columns=frame.columns)], ignore_index=True)
    frame.insert(0, "table", table.name)
    return frame.astype({"row_count": "int64", "amount": "float64"})
