"""Loading: raw rows become canonical tables; bad rows go to quarantine, counted by rule, with the money they carry.

For every table, rows read = used + quarantined, and loading fails where they are not. The typed tables are kept as
Parquet in the cache, so that a quarter of unchanged files is read once.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ibis
import pandas as pd
from ibis.backends.duckdb import Backend

from crm_analysis.base.errors import DataError, Problem
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import DataSettings, OrderLines, Settings, TableSource
from crm_analysis.sources import lines as order_lines
from crm_analysis.sources import quarantine
from crm_analysis.sources.clocks import to_local
from crm_analysis.sources.currencies import RATE, RATE_TYPE, RATES, in_reporting_currency, with_rate
from crm_analysis.sources.files import find_files, hash_files, place_of
from crm_analysis.sources.history import with_customer_values
from crm_analysis.sources.mapping import local_columns
from crm_analysis.sources.purchases import BY_CUSTOMER, DERIVED, with_purchase_history
from crm_analysis.sources.quarantine import LOAD_REPORT_SCHEMA, NOTE, RULE, USED
from crm_analysis.sources.reading import ROW, Raw, read_columns, read_raw
from crm_analysis.sources.rows import typed_rows
from crm_analysis.sources.schema import TABLES, Table, Type
from crm_analysis.sources.sql import drop, told

FRESHNESS_SCHEMA: ResultSchema = {"table": OPEN, "row_count": OPEN, "first_date": OPEN, "last_date": OPEN}


@dataclass(frozen=True)
class Loaded:
    """The canonical tables of a company and how they came about.

    Attributes
    ----------
    report
        ``table, rule, row_count, amount``: rows read (rule ``read``), used (``used``) and quarantined by rule, and, as
        ``note.*``, remarks on rows that are used all the same: values that did not parse, doubtful times.
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
        Unknown tables, absent or empty files, no orders; all problems at once, with those of the headings of the
        files that are there.
    """
    problems: list[Problem] = []
    files: dict[str, str] = {}
    for name, source in _sources(settings.data).items():
        if name not in TABLES and name != RATES.name:
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
        raise DataError([*problems, *_heading_problems(settings, folder=folder, found=files)])
    return files


def _heading_problems(settings: Settings, *, folder: Path, found: Mapping[str, str]) -> list[Problem]:
    """Return what is wrong with the headings of the files that were found."""
    problems: list[Problem] = []
    con = ibis.duckdb.connect()
    for name, source in _sources(settings.data).items():
        if name in found:
            try:
                paths = find_files(source, folder=folder, table=name)
                with read_columns(con, source, paths=paths, table=name) as raw:
                    if isinstance(source, OrderLines):
                        order_lines.typed_lines(raw, source, zone=settings.timezone)
                    else:
                        typed_rows(raw, _table(name), source=source, zone=settings.timezone,
                                   where=place_of(source, name))  # fmt: skip
            except DataError as error:
                problems += error.problems
    con.disconnect()
    return problems


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
    if data.rates is not None:
        sources[RATES.name] = data.rates
    return sources


def _table(name: str) -> Table:
    return RATES if name == RATES.name else TABLES[name]


@dataclass(frozen=True)
class _Site:
    """Where tables are built: the engine, the settings, the folder of the sources and the folder to write into."""

    con: Backend
    settings: Settings
    folder: Path
    home: Path

    @property
    def scratch(self) -> Path:
        return self.home / "scratch"

    def stored(self, name: str) -> ibis.Table | None:
        """Return a table that is built already."""
        path = self.home / f"{name}.parquet"
        return self.con.read_parquet(path, table_name=f"stored_{name}") if path.is_file() else None

    def rates(self) -> ibis.Table | None:
        path = self.scratch / "rates.used.parquet"
        return self.con.read_parquet(path, table_name="stored_rates") if path.is_file() else None


def _build(con: Backend, settings: Settings, *, folder: Path, home: Path) -> None:
    """Write ``<table>.parquet``, ``quarantine/<table>.parquet`` and ``report.parquet`` into ``home``."""
    (home / "quarantine").mkdir()
    (home / "scratch").mkdir()
    site = _Site(con, settings, folder, home)
    problems: list[Problem] = []
    reports: dict[str, Sequence[pd.DataFrame]] = {}
    sources = _sources(settings.data)
    for name in sorted(sources, key=lambda name: {RATES.name: 0, "orders": 1}.get(name, 2)):  # items need their orders
        source = sources[name]
        try:
            reports[name] = (
                _build_lines(site, source)
                if isinstance(source, OrderLines)
                else [_build_table(site, name, source=source)]
            )
        except DataError as error:
            problems += error.problems
    made = [f"{kind}_{name}" for name in (*sources, "orders") for kind in ("staged", "aside")]
    made += ["stored_orders", "stored_rates", "foreign_orders", "staged_history"]
    drop(con, *made)
    shutil.rmtree(site.scratch, ignore_errors=True)
    parts = [part for name in sources for part in reports.get(name, [])]
    report = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(LOAD_REPORT_SCHEMA))
    if not problems:
        problems += _no_orders(report, settings.data)
    if problems:
        raise DataError(problems)
    quarantine.check_balance(report)
    report.to_parquet(home / "report.parquet", index=False)


def _no_orders(report: pd.DataFrame, data: DataSettings) -> list[Problem]:
    """Return why there is no usable order, where there is none."""
    if report.query("table == 'orders' and rule == @USED")["row_count"].sum():
        return []
    by_lines = data.order_lines is not None
    why = quarantine.reasons(report, "order_items" if by_lines else "orders")
    named = ", ".join(f"{rule} {count}" for rule, count in why.items()) or "the file has no rows"
    where = "data.order_lines" if by_lines else "data.tables.orders"
    return [Problem(f"no usable order ({named})", where, "mend the export or the mapping")]


@contextmanager
def _raw(site: _Site, name: str, source: TableSource | OrderLines) -> Iterator[Raw]:
    paths = find_files(source, folder=site.folder, table=name)
    with read_raw(site.con, source, paths=paths, scratch=site.scratch, table=name) as raw:
        yield raw


def _build_table(site: _Site, name: str, *, source: TableSource) -> pd.DataFrame:
    """Write a table and its quarantine and return its part of the load report."""
    table, data, zone = _table(name), site.settings.data, site.settings.timezone
    where = place_of(source, name)
    with _raw(site, name, source) as raw:
        rows = typed_rows(raw.rows, table, source=source, zone=zone, where=where)
        if name == "customers_history" and "customers" in data.tables:
            rows = with_customer_values(rows, data.tables["customers"].values)
        if name == "orders":
            rows = with_rate(rows, rates=site.rates(), reporting=site.settings.currency, zone=zone)
        if name == "order_items":
            rows = _with_rate_of_order(site, rows)
        if name == RATES.name:
            rows = rows.mutate(currency=rows.currency.upper())
        ruled = quarantine.with_first_rule(rows, table, data=data, zone=zone)
        staged = _staged(site, ruled, name=name, where=where)
        return _write(site, staged, table, read_count=raw.read_count, malformed=raw.malformed)


def _build_lines(site: _Site, source: OrderLines) -> list[pd.DataFrame]:
    """Write order items and orders from invoice lines and return their parts of the load report."""
    items, zone, currency = TABLES["order_items"], site.settings.timezone, site.settings.currency
    with _raw(site, items.name, source) as raw:
        typed = order_lines.typed_lines(raw.rows, source, zone=zone)
        rated = with_rate(typed, rates=site.rates(), reporting=currency, zone=zone)
        ruled = order_lines.with_line_rule(rated, source)
        lines = _staged(site, ruled, name=items.name, where=order_lines.WHERE)
        used = lines.filter(lines[RULE] == USED)
        used = used.mutate(**in_reporting_currency(used, order_lines.LINES))
        count = used.order_id.nunique().to_pandas()
        orders = quarantine.with_first_rule(
            order_lines.orders_of(used), TABLES["orders"], data=site.settings.data, zone=zone
        )
        orders = _staged(site, orders, name="orders", where=order_lines.WHERE)
        of_orders = _write(site, orders, TABLES["orders"], read_count=count, malformed=None)
        of_items = _write(site, lines, items, read_count=raw.read_count, malformed=raw.malformed,
                          order=("order_id", "product_id", "quantity", "amount"))  # fmt: skip
        return [of_items, of_orders]


def _staged(site: _Site, rows: ibis.Table, *, name: str, where: str) -> ibis.Table:
    """Return typed rows from a file of their own: they are made once, in one pass, and take no memory."""
    path = site.scratch / f"{name}.staged.parquet"
    site.con.raw_sql("SET preserve_insertion_order = false")  # rows carry their number
    try:
        with told(where):
            rows.to_parquet(path)
    finally:
        site.con.raw_sql("SET preserve_insertion_order = true")
    return site.con.read_parquet(path, table_name=f"staged_{name}")


def _with_rate_of_order(site: _Site, items: ibis.Table) -> ibis.Table:
    """Add to items the rate of their order, where any order is in another currency: they are in its currency."""
    foreign = site.scratch / "foreign.parquet"
    if not foreign.is_file():
        return items
    rates = site.con.read_parquet(foreign, table_name="foreign_orders").select(_order="order_id", _of_order=RATE)
    joined = items.left_join(rates, items.order_id == rates["_order"])
    own = ibis.ifelse(joined["_order"].isnull(), ibis.literal(1).cast(RATE_TYPE), joined["_of_order"])
    return joined.mutate(**{RATE: own}).drop("_order", "_of_order")


def _save_foreign_orders(site: _Site, orders: ibis.Table) -> None:
    """Keep ``order_id, _rate`` of orders that are not in the reporting currency, for their items."""
    foreign = orders.filter((orders[RATE] != 1) | orders[RATE].isnull())
    if foreign.count().to_pandas():
        rows = orders.semi_join(foreign.filter(foreign.order_id.notnull()), "order_id")
        rate = ibis.coalesce(rows[RATE].max(where=rows[RULE] == USED), rows[RATE].max())
        rows.group_by("order_id").aggregate(**{RATE: rate}).to_parquet(site.scratch / "foreign.parquet")


def _write(
    site: _Site,
    rows: ibis.Table,
    table: Table,
    *,
    read_count: int,
    malformed: ibis.Table | None,
    order: Sequence[str] = (),
) -> pd.DataFrame:
    """Split staged rows into used and quarantined, write both, return this table's part of the load report.

    Used rows are sorted by ``order``, else by the key of the table; equal ones by their number. Orders are sorted by
    customer and time, which makes everything that is grouped by customer two to three times as fast.
    """
    con, settings, home = site.con, site.settings, site.home
    later = [quarantine.repeated_rows(rows, table)]
    known = site.stored("orders") if table.name == "order_items" else None
    if known is not None:
        later.append(quarantine.rows_without_order(rows, known))
    rows = quarantine.with_later_rules(con, rows, [found for found in later if found is not None],
                                       name=f"aside_{table.name}")  # fmt: skip
    report = quarantine.report_rows(rows, table.name, read_count=read_count, malformed=malformed)
    quarantine.put_aside(rows, malformed).to_parquet(home / "quarantine" / f"{table.name}.parquet")
    used = rows.filter(rows[RULE] == USED)
    final = {name: used[name] for name in table.names} | in_reporting_currency(used, table)
    for field in table:
        if field.type is Type.TIME and (field.name == table.time):
            day, hour = local_columns(field.name)
            local = to_local(used[field.name], settings.timezone)
            final |= {day: local.date(), hour: local.hour().cast("int64")}
    if table.name == RATES.name:
        used.select(**final).to_parquet(site.scratch / "rates.used.parquet")
        return report
    path = home / f"{table.name}.parquet"
    if table.name == "orders":
        final["is_refund"] = (used.amount < 0) | used.refund_of.notnull()
        _with_history(site, used.select(ROW, **final)).order_by(*BY_CUSTOMER).to_parquet(path)
        if RATE in rows.columns:
            _save_foreign_orders(site, rows)
        return pd.concat([report, _unknown_refunds(site)], ignore_index=True)
    used.order_by([*(order or table.key), ROW]).select(**final).to_parquet(path)
    return report


def _with_history(site: _Site, orders: ibis.Table) -> ibis.Table:
    """Return orders with their purchase history and without their number.

    The history is made from the few columns that it needs, in a step of its own: a window over whole rows would not fit
    into the memory that the engine may use.
    """
    path = site.scratch / "orders.history.parquet"
    narrow = orders.select(ROW, *BY_CUSTOMER, "ordered_on", "amount", "is_refund", "refund_of")
    with_purchase_history(narrow).select(_order=ROW, **{name: name for name in DERIVED}).to_parquet(path)
    history = site.con.read_parquet(path, table_name="staged_history")
    return orders.left_join(history, orders[ROW] == history["_order"]).drop(ROW, "_order")


def _unknown_refunds(site: _Site) -> pd.DataFrame:
    """Return the remark on refunds whose original order is not among the used ones."""
    orders = site.stored("orders")
    assert orders is not None
    refunds = orders.filter(orders.refund_of.notnull()).select(original="refund_of")
    unknown = refunds.anti_join(orders, refunds.original == orders.order_id).count().to_pandas()
    entries = [(f"{NOTE}unknown_refund_of", int(unknown), None)] if unknown else []
    return quarantine.as_report("orders", entries)


__all__ = ["FRESHNESS_SCHEMA", "LOAD_REPORT_SCHEMA", "Loaded", "fingerprint_sources", "freshness_table", "load_tables"]
