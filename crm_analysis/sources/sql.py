"""Small pieces of SQL, safely quoted, and what the engine's errors mean to a user."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ibis.backends.duckdb import Backend

from crm_analysis.base.errors import DataError, Problem


def quote_text(value: str) -> str:
    """Return a text as SQL.

    >>> quote_text("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """Return the name of a table or column as SQL."""
    return '"' + name.replace('"', '""') + '"'


def quote_paths(paths: Sequence[Path]) -> str:
    """Return paths as an SQL list."""
    return "[" + ", ".join(quote_text(str(path)) for path in paths) + "]"


def is_engine_error(error: BaseException) -> bool:
    """Tell whether the engine raised an error about what it was given; bad SQL is a defect of ours."""
    of_engine = type(error).__module__.partition(".")[0] in {"duckdb", "_duckdb"}
    return of_engine and type(error).__name__ != "ParserException"


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turn errors of the engine into errors of the data.

    Raises
    ------
    DataError
        The engine cannot read what it was given.
    """
    try:
        yield
    except Exception as error:
        if not is_engine_error(error):
            raise
        if "Out of Memory" in str(error):
            what = "the engine may not use enough memory for it"
            raise DataError(Problem(what, where, "raise data.memory_limit, or free disk space")) from error
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        fix = "check path and delimiter in the settings, or export the file again"
        raise DataError(Problem(f"it cannot be read: {reason}", where, fix)) from error


def drop(con: Backend, *names: str) -> None:
    """Drop temporary tables and views, whichever of them there are."""
    for name in names:
        found = con.raw_sql(
            f"SELECT table_type FROM information_schema.tables WHERE table_name = {quote_text(name)}"
        ).fetchone()
        if found is not None:
            kind = "VIEW" if "VIEW" in found[0] else "TABLE"
            con.raw_sql(f"DROP {kind} IF EXISTS {quote_name(name)}")
