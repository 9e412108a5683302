"""A DuckDB file as a source: attached read-only, never written to."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ibis.backends.duckdb import Backend

from crm_analysis.base.errors import DataError, Problem, nearest
from crm_analysis.sources.sql import is_engine_error, quote_name, quote_text

_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


@dataclass(frozen=True)
class DatabaseTable:
    """A table or view of an attached file: its name as SQL, and whether its rows have numbers of their own."""

    name: str
    is_view: bool


@contextmanager
def attached_table(con: Backend, path: Path, *, table: str | None, alias: str, where: str) -> Iterator[DatabaseTable]:
    """Attach a DuckDB file read-only as long as the table is read.

    Parameters
    ----------
    table
        ``orders`` or ``schema.orders``.
    alias
        Name of the file in the engine.

    Raises
    ------
    DataError
        The file is locked by a writer (who is named), is no DuckDB file, or has no such table.
    """
    try:
        con.raw_sql(f"ATTACH {quote_text(str(path))} AS {quote_name(alias)} (READ_ONLY)")
    except Exception as error:
        if not is_engine_error(error):
            raise
        raise DataError(_not_attached(path, str(error), where=where)) from error
    try:
        yield _found(con, path, table=table, alias=alias, where=where)
    finally:
        con.raw_sql(f"DETACH {quote_name(alias)}")


def _not_attached(path: Path, reason: str, *, where: str) -> Problem:
    holder = _HOLDER.search(reason)
    if holder:
        what = f"{path.name} is open for writing in {holder['program']} (process {holder['pid']})"
        return Problem(what, f"{where}.path", "close it there, or give a copy of the file")
    if "already attached" in reason or "different configuration" in reason:
        what = f"{path.name} is open for writing in this very process"
        return Problem(what, f"{where}.path", "close that connection first, or give a copy of the file")
    first = reason.splitlines()[0].replace(str(path), path.name)
    return Problem(f"{path.name} cannot be opened: {first}", f"{where}.path", "give a DuckDB file of this version")


def _found(con: Backend, path: Path, *, table: str | None, alias: str, where: str) -> DatabaseTable:
    rows = con.raw_sql(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables "
        f"WHERE table_catalog = {quote_text(alias)} ORDER BY table_schema, table_name"
    ).fetchall()
    kinds = {(name if schema == "main" else f"{schema}.{name}"): (schema, name, kind) for schema, name, kind in rows}
    wanted = (table or "").removeprefix("main.")
    if wanted not in kinds:
        fix = nearest(wanted, kinds, kind="tables of the file", cutoff=0.5) if kinds else "the file has no tables"
        what = f"{path.name} has no table {table!r}" if table else f"no table of {path.name} is named"
        raise DataError(Problem(what, f"{where}.table", fix))
    schema, name, kind = kinds[wanted]
    return DatabaseTable(".".join(map(quote_name, (alias, schema, name))), kind == "VIEW")
