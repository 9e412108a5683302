"""The files of a source: found in a fixed order, told apart by kind, known by their contents."""

import difflib
import glob
import hashlib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from crm_analysis.base.errors import DataError, Problem
from crm_analysis.base.settings import OrderLines, Source

CHUNK = 1 << 20


class Kind(StrEnum):
    """What a file is, by the end of its name."""

    CSV = "CSV"
    PARQUET = "Parquet"
    DUCKDB = "DuckDB"


KINDS = {
    **dict.fromkeys((".parquet", ".pq"), Kind.PARQUET),
    **dict.fromkeys((".duckdb", ".ddb", ".db"), Kind.DUCKDB),
    **dict.fromkeys((".csv", ".tsv", ".txt"), Kind.CSV),
}
#: What looks like data but cannot be read, and what to do about it.
FOREIGN = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".et"), "save the sheet as CSV (UTF-8)"),
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".rar"), "unpack it first"),
    **dict.fromkeys((".json", ".jsonl", ".xml"), "export it as CSV or Parquet"),
}


def kind_of(path: Path) -> Kind:
    """Return what a file is; unknown endings pass for CSV."""
    return KINDS.get(path.suffix.lower(), Kind.CSV)


def place_of(source: Source, table: str) -> str:
    """Return where in the settings a source stands."""
    if isinstance(source, OrderLines):
        return "data.order_lines"
    return "data.rates" if table == "rates" else f"data.tables.{table}"


def find_files(source: Source, *, folder: Path, table: str) -> list[Path]:
    """Return the files of a source in a fixed order, all of one kind.

    Raises
    ------
    DataError
        Nothing matches the path, a file is empty or of no use, kinds are mixed, or ``table`` does not go with them.
    """
    where = f"{place_of(source, table)}.path"
    paths = _matching(source, folder=folder, where=where)
    problems = []
    for path in paths:
        if path.suffix.lower() in FOREIGN:
            problems.append(Problem(f"{path.name} cannot be read as it is", where, FOREIGN[path.suffix.lower()]))
        elif path.stat().st_size == 0:
            problems.append(Problem(f"empty file: {path.name}", where, "export it again, or drop the table"))
    kinds = {kind_of(path): path.name for path in reversed(paths)}
    if len(kinds) > 1:
        named = ", ".join(f"{kind} ({name})" for kind, name in sorted(kinds.items()))
        problems.append(Problem(f"files of several kinds: {named}", where, "keep one kind, or name it: *.parquet"))
    elif Kind.DUCKDB in kinds and len(paths) > 1:
        problems.append(Problem(f"{len(paths)} DuckDB files", where, "name one of them"))
    elif Kind.DUCKDB not in kinds and source.table is not None:
        what = f"table {source.table!r} is named, but {paths[0].name} is no DuckDB file"
        problems.append(Problem(what, where, "drop 'table', or give the path of a .duckdb file"))
    if problems:
        raise DataError(problems)
    return paths


def hash_files(paths: Sequence[Path]) -> str:
    """Return a fingerprint of the files' names and contents; a DuckDB file's log of changes counts with it."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        log = path.with_name(path.name + ".wal")
        for part in (path, log) if kind_of(path) is Kind.DUCKDB and log.is_file() else (path,):
            digest.update(part.name.encode())
            with part.open("rb") as stream:
                while block := stream.read(CHUNK):
                    digest.update(block)
    return digest.hexdigest()


def _matching(source: Source, *, folder: Path, where: str) -> list[Path]:
    base = folder / source.path
    if base.is_dir():
        inside = sorted(path for path in base.iterdir() if path.is_file() and not path.name.startswith((".", "_")))
        found = [path for path in inside if path.suffix.lower() in KINDS]
        if not found:
            raise DataError(Problem(f"the folder {source.path!r} holds no CSV or Parquet files", where, "export again"))
        return found
    paths = [Path(p) for p in sorted(glob.glob(str(base), recursive=True)) if Path(p).is_file()]  # noqa: PTH207
    if not paths:
        beside = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        near = difflib.get_close_matches(source.path, beside, n=1)
        fix = f"did you mean {near[0]!r}?" if near else "give the path relative to the settings file"
        raise DataError(Problem(f"no file matches {source.path!r}", where, fix))
    return paths
