"""Raw rows from files: every column as text (CSV) or as stored (Parquet), with a number for each row."""

import codecs
import difflib
import glob
import hashlib
from collections.abc import Sequence
from pathlib import Path

import ibis
from ibis.backends.duckdb import Backend

from crm_analysis.base.errors import DataError, Problem
from crm_analysis.base.settings import OrderLines, TableSource

CHUNK = 1 << 20
ROW = "_row"
Source = TableSource | OrderLines


def find_files(source: Source, *, folder: Path, table: str) -> list[Path]:
    """Return the files of a source in a fixed order.

    Raises
    ------
    DataError
        Nothing matches the path, or a file is empty.
    """
    pattern = str(folder / source.path)
    paths = [Path(p) for p in sorted(glob.glob(pattern, recursive=True)) if Path(p).is_file()]  # noqa: PTH207
    where = f"data.tables.{table}.path"
    if not paths:
        beside = sorted(p.name for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []
        near = difflib.get_close_matches(source.path, beside, n=1)
        fix = f"did you mean {near[0]!r}?" if near else "give the path relative to the settings file"
        raise DataError(Problem(f"no file matches {source.path!r}", where, fix))
    empty = [p.name for p in paths if p.stat().st_size == 0]
    if empty:
        raise DataError(Problem(f"empty file: {', '.join(empty)}", where, "export it again, or drop the table"))
    return paths


def hash_files(paths: Sequence[Path]) -> str:
    """Return a fingerprint of the files' names and contents."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        digest.update(path.name.encode())
        with path.open("rb") as stream:
            while block := stream.read(CHUNK):
                digest.update(block)
    return digest.hexdigest()


def read_raw(con: Backend, source: Source, *, paths: Sequence[Path], scratch: Path, table: str) -> ibis.Table:
    """Return the rows of a source with their number in ``_row``; CSV columns are text.

    Raises
    ------
    DataError
        A file is not of the stated encoding, or cannot be read as CSV or Parquet.
    """
    name = f"raw_{table}"
    if all(path.suffix.lower() in {".parquet", ".pq"} for path in paths):
        _create(con, name, f"read_parquet({_list(paths)}, union_by_name = true)", table=table)
        return con.table(name)
    copies = [scratch / f"{table}.{number}.utf8.csv" for number in range(len(paths))]
    utf8 = [
        _as_utf8(path, copy, encoding=source.encoding, table=table) for path, copy in zip(paths, copies, strict=True)
    ]
    try:
        _create(con, name, _read_csv(utf8, source, parallel=True), table=table)
    except DataError:  # line ends inside quotes, or of two kinds: read slowly, from a copy with one kind
        plain = [
            _copy_utf8(path, copy, encoding=source.encoding, table=table, newline=None)
            for path, copy in zip(paths, copies, strict=True)
        ]
        _create(con, name, _read_csv(plain, source, parallel=False), table=table)
    return con.table(name)


def _read_csv(paths: Sequence[Path], source: Source, *, parallel: bool) -> str:
    """Return DuckDB's reader; nothing of the form is guessed, and no row passes for a comment."""
    return (
        f"read_csv({_list(paths)}, all_varchar = true, header = true, delim = {_text(source.delimiter)}, "
        "quote = '\"', escape = '\"', comment = '', skip = 0, nullstr = '', null_padding = true, union_by_name = true, "
        f"max_line_size = 33554432, parallel = {str(parallel).lower()})"
    )


def _create(con: Backend, name: str, reader: str, *, table: str) -> None:
    try:
        con.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT *, row_number() OVER () AS {ROW} FROM {reader}")
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in {"duckdb", "_duckdb"}:
            raise
        fix = "check delimiter and encoding in the settings, or export the file again"
        raise DataError(Problem(f"it cannot be read: {_reason(error)}", f"data.tables.{table}", fix)) from error


def _reason(error: Exception) -> str:
    """Return what DuckDB says of a file, without the line itself, which may hold personal data."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "sniffing" in lines[0] or "state machine" in lines[0]:
        return "its rows do not fit its heading (delimiter, quotes or number of columns)"
    told = [line[line.find("CSV Error") :] for line in lines if "CSV Error on Line" in line][:1]
    told += [line for line in lines if line.startswith("Expected Number of Columns")][:1]
    return ", ".join(told) or lines[0]


def _as_utf8(path: Path, copy: Path, *, encoding: str, table: str) -> Path:
    """Return the file itself when it is clean UTF-8, else a copy."""
    if encoding == "utf-8" and _is_clean_utf8(path):
        return path
    return _copy_utf8(path, copy, encoding=encoding, table=table, newline="")


def _copy_utf8(path: Path, copy: Path, *, encoding: str, table: str, newline: str | None) -> Path:
    """Return a copy transcoded in a stream; NUL bytes are dropped, and line ends made one where ``newline`` is None."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline=newline) as stream,
            copy.open("w", encoding="utf-8", newline="") as out,
        ):
            while block := stream.read(CHUNK):
                out.write(block.replace("\0", ""))
    except UnicodeDecodeError as error:
        what = f"{path.name} is not {encoding} (byte {error.start}: {error.reason})"
        fix = f"set data.tables.{table}.encoding to utf-8, gbk or gb18030, or save the file as UTF-8"
        raise DataError(Problem(what, f"data.tables.{table}", fix)) from error
    return copy


def _is_clean_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        try:
            while block := stream.read(CHUNK):
                if b"\0" in block:
                    return False
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _list(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(_text(str(path)) for path in paths) + "]"
