"""The data engine: one Ibis backend per workspace, DuckDB embedded by default."""

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
