"""The data engine: one Ibis backend per workspace, DuckDB embedded by default."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import ibis
import pandas as pd
from ibis.backends.duckdb import Backend


def connect(*, memory_limit: str, temp_folder: Path) -> Backend:
    """Return an in-memory DuckDB backend that spills to ``temp_folder`` and never loads extensions from outside.

    Parameters
    ----------
    memory_limit
        Such as ``4GB``; DuckDB's own default is 80 % of the machine for every process.
    """
    temp_folder.parent.mkdir(parents=True, exist_ok=True)
    return ibis.duckdb.connect(
        memory_limit=memory_limit,
        temp_directory=str(temp_folder),
        autoinstall_known_extensions=False,
        autoload_known_extensions=False,
    )


def stage(con: Backend, frame: pd.DataFrame, name: str) -> ibis.Table:
    """Put a local frame into the engine, so that it can be joined with tables there."""
    return con.create_table(name, frame, temp=True, overwrite=True)


class Views(Mapping[str, ibis.Table]):
    """Tables kept as views of the engine, each made when it is first asked for.

    A query on a view is one on a bare name: what the view is made of is not compiled into SQL again for every query
    that reads it, which for a small company is most of the time that a query takes.

    Parameters
    ----------
    tables
        Expressions of the engine by name.
    mark
        Makes the names of the views: ``<name>_<mark>``.
    """

    def __init__(self, con: Backend, tables: Mapping[str, ibis.Table], *, mark: str) -> None:
        self._con, self._tables, self._mark = con, tables, mark
        self._made: dict[str, ibis.Table] = {}

    def __getitem__(self, name: str) -> ibis.Table:
        if name not in self._made:
            self._made[name] = self._con.create_view(f"{name}_{self._mark}", self._tables[name], overwrite=True)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)
