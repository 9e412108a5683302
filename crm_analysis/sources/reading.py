"""Raw rows from files: every column as text (CSV) or as stored (Parquet, DuckDB), with a number for each row.

Rows are counted apart from reading them (lines of a text, the footers of Parquet files, ``count(*)`` of a database), so
that loading can prove that none was lost.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ibis
from ibis.backends.duckdb import Backend

from crm_analysis.base.errors import DataError, Problem
from crm_analysis.base.settings import Source
from crm_analysis.sources import text
from crm_analysis.sources.databases import attached_table
from crm_analysis.sources.files import Kind, kind_of, place_of
from crm_analysis.sources.sql import drop, is_engine_error, quote_name, quote_paths, quote_text, told

ROW = "_row"
TEXT = "_text"
#: A record may be as long as this, in bytes; the engine's buffers are the same.
_BUFFER = 1 << 25


@dataclass(frozen=True)
class Raw:
    """Rows as they stand in their files.

    Attributes
    ----------
    rows
        ``_row`` (from 1 on, over all files in order of their names) and the columns of the files.
    read_count
        Rows, counted apart from ``rows``; malformed ones are included.
    malformed
        ``_row, _text`` of the lines of a CSV file that do not fit its heading; ``None`` when all do.
    """

    rows: ibis.Table
    read_count: int
    malformed: ibis.Table | None = None


@contextmanager
def read_raw(con: Backend, source: Source, *, paths: Sequence[Path], scratch: Path, table: str) -> Iterator[Raw]:
    """Give the rows of a source as long as they are needed.

    Parameters
    ----------
    paths
        Files of one kind, in order.
    scratch
        Folder for copies in another encoding.

    Raises
    ------
    DataError
        A file is not of the stated encoding or delimiter, fits its heading nowhere, or cannot be read at all.
    """
    where, name = place_of(source, table), f"raw_{table}"
    try:
        match kind_of(paths[0]):
            case Kind.PARQUET:
                yield _parquet(con, paths, name=name, where=where)
            case Kind.DUCKDB:
                alias = f"file_{table}"
                with attached_table(con, paths[0], table=source.table, alias=alias, where=where) as found:
                    number = "row_number() OVER ()" if found.is_view else "rowid + 1"
                    _view(con, name, number=number, source=found.name)
                    count = con.raw_sql(f"SELECT count(*) FROM {found.name}").fetchone()[0]
                    yield Raw(con.table(name), count)
                    drop(con, name)
            case _:
                yield _csv(con, source, paths, scratch=scratch, table=table)
    finally:
        drop(con, name, f"cells_{table}", f"malformed_{table}")


@contextmanager
def read_columns(con: Backend, source: Source, *, paths: Sequence[Path], table: str) -> Iterator[ibis.Table]:
    """Give a table with the columns of a source, to look at its headings alone.

    Raises
    ------
    DataError
        As for :func:`read_raw`, as far as headings and encodings tell.
    """
    if kind_of(paths[0]) is not Kind.CSV:
        with read_raw(con, source, paths=paths, scratch=paths[0].parent, table=table) as raw:
            yield raw.rows
        return
    where = place_of(source, table)
    _check_texts(source, paths, where=where)
    headings = [
        heading
        for path in paths
        for heading in text.read_heading(path, encoding=source.encoding, delimiter=source.delimiter)
    ]
    yield ibis.table(dict.fromkeys([*headings, ROW], "string"), name=f"raw_{table}")


def _view(con: Backend, name: str, *, number: str, source: str) -> None:
    """Make a view of a source with the numbers of its rows; a column of that name in the source gives way."""
    con.raw_sql(
        f"CREATE OR REPLACE TEMP VIEW {quote_name(name)} AS "
        f"SELECT COLUMNS(c -> c <> '{ROW}'), {number} AS {ROW} FROM {source}"
    )


# -- Parquet -----------------------------------------------------------------------------------------------------------


def _parquet(con: Backend, paths: Sequence[Path], *, name: str, where: str) -> Raw:
    """Return rows that are read when they are asked for; their numbers come from the files' own."""
    with told(where):
        found = con.raw_sql(f"SELECT file_name, num_rows FROM parquet_file_metadata({quote_paths(paths)})").fetchall()
        counts = dict(found)
        offsets, total = [], 0
        for path in paths:
            offsets.append(total)
            total += counts[str(path)]
        number = f"CAST({offsets} AS BIGINT[])[file_index::BIGINT + 1] + file_row_number + 1"
        _view(con, name, number=number, source=f"read_parquet({quote_paths(paths)}, union_by_name = true)")
        return Raw(con.table(name), total)


# -- CSV ---------------------------------------------------------------------------------------------------------------


def _csv(con: Backend, source: Source, paths: Sequence[Path], *, scratch: Path, table: str) -> Raw:
    _check_texts(source, paths, where=place_of(source, table))
    return _plain_csv(con, source, paths, scratch=scratch, table=table) or _sorted_csv(
        con, source, paths, scratch=scratch, table=table
    )


def _check_texts(source: Source, paths: Sequence[Path], *, where: str) -> None:
    problems: list[Problem] = []
    for path in paths:
        try:
            text.check_encoding(path, encoding=source.encoding, where=where)
            text.check_heading(path, encoding=source.encoding, delimiter=source.delimiter, where=where)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)


def _plain_csv(con: Backend, source: Source, paths: Sequence[Path], *, scratch: Path, table: str) -> Raw | None:
    """Return the rows as the engine reads them; ``None`` where it refuses or makes another number of them."""
    total, utf8 = 0, []
    for number, path in enumerate(paths):
        copy = path
        if source.encoding != "utf-8":
            copy = text.copy_utf8(path, scratch / f"{table}.{number}.utf8.csv", encoding=source.encoding)
        counts = text.count_records(copy)
        if counts is None:
            return None
        heading = text.read_heading(copy, encoding="utf-8", delimiter=source.delimiter)
        total += counts.rows(len(heading))
        utf8.append(copy)
    try:
        _cells(con, table, _read_csv(utf8, delimiter=source.delimiter, parallel=True))
    except Exception as error:
        if not is_engine_error(error):
            raise
        return None
    count = con.table(f"cells_{table}").count().to_pandas()
    if count != total:
        return None
    _view(con, f"raw_{table}", number="rowid + 1", source=quote_name(f"cells_{table}"))
    return Raw(con.table(f"raw_{table}"), total)


def _sorted_csv(con: Backend, source: Source, paths: Sequence[Path], *, scratch: Path, table: str) -> Raw:
    """Return the rows read record by record, those that do not fit the heading apart."""
    where = place_of(source, table)
    scratch.mkdir(parents=True, exist_ok=True)
    clean = [scratch / f"{table}.{number}.clean.csv" for number in range(len(paths))]
    aside = [scratch / f"{table}.{number}.malformed.csv" for number in range(len(paths))]
    read = malformed = 0
    is_long = False
    for path, kept, rest in zip(paths, clean, aside, strict=True):
        went = text.sort_rows(path, clean=kept, malformed=rest, encoding=source.encoding, delimiter=source.delimiter,
                              first=read + 1, row=ROW, text=TEXT)  # fmt: skip
        if went.malformed == went.read > 0:
            raise DataError(text.unfit(path, where=where))
        read, malformed = read + went.read, malformed + went.malformed
        is_long |= went.has_long_fields
    with told(where):
        _cells(con, table, _read_csv(clean, delimiter=",", parallel=not is_long))
        con.raw_sql(
            f"CREATE OR REPLACE TEMP TABLE malformed_{table} AS SELECT {ROW}::BIGINT AS {ROW}, {TEXT} "
            f"FROM {_read_csv(aside, delimiter=',', parallel=False)}"
        )
    _view(con, f"raw_{table}", number=f"{ROW}::BIGINT", source=quote_name(f"cells_{table}"))
    return Raw(con.table(f"raw_{table}"), read, con.table(f"malformed_{table}") if malformed else None)


def _read_csv(paths: Sequence[Path], *, delimiter: str, parallel: bool) -> str:
    """Return DuckDB's reader; nothing of the form is guessed, and no row passes for a comment."""
    return (
        f"read_csv({quote_paths(paths)}, all_varchar = true, header = true, delim = {quote_text(delimiter)}, "
        "quote = '\"', escape = '\"', comment = '', skip = 0, nullstr = '', union_by_name = true, "
        f"max_line_size = {_BUFFER}, buffer_size = {_BUFFER}, parallel = {str(parallel).lower()})"
    )


def _cells(con: Backend, table: str, reader: str) -> None:
    """Keep the cells of a text in the engine; rows keep the order of the files, so that their ids number them."""
    con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {quote_name(f'cells_{table}')} AS FROM {reader}")


__all__ = ["ROW", "TEXT", "Raw", "read_columns", "read_raw"]
