"""Helpers of the tests of loading and features."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pytest

from crm_analysis.base.settings import Settings
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.features import features_table
from crm_analysis.sources.load import Loaded, load_tables

LoadFiles = Callable[..., Loaded]


@pytest.fixture(scope="session")
def features_of() -> Callable[..., pd.DataFrame]:
    """Return ``features(tables, day, zone=...)``: features behind the door of a day, by customer.

    Making the SQL takes ten times as long as running it, and it is the same for all companies with the same tables.
    """
    made: dict[tuple[object, ...], str] = {}

    def features(tables: Mapping[str, ibis.Table], day: date, *, zone: str = "Asia/Shanghai") -> pd.DataFrame:
        key = (*tables, day, zone)
        if key not in made:
            expression = features_table(as_of(tables, day, zone=zone), as_of=day)
            made[key] = ibis.to_sql(expression, dialect="duckdb")
        connection = tables["orders"].get_backend().con
        return connection.execute(made[key]).df().set_index("customer_id")

    return features


@pytest.fixture
def load_files(tmp_path: Path) -> LoadFiles:
    """Return ``load({"orders": text, ...})``: files are written and loaded; settings of a table may be given beside.

    A value is the text of a CSV file, its bytes, or ``(text, {setting of the table: value})``.
    """

    def load(files: Mapping[str, Any], *, timezone: str = "Asia/Shanghai", write: bool = True, **data: Any) -> Loaded:
        tables: dict[str, dict[str, Any]] = {}
        for name, given in files.items():
            content, more = given if isinstance(given, tuple) else (given, {})
            path = tmp_path / f"{name}.csv"
            if write:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
            tables[name] = {"path": path.name} | more
        if "order_lines" in tables:
            data["order_lines"] = tables.pop("order_lines")
        settings = Settings.model_validate(
            {"company": {"zh": "公司", "en": "Company"}, "timezone": timezone, "data": {"tables": tables} | data}
        )
        return load_tables(ibis.duckdb.connect(), settings, folder=tmp_path, cache=tmp_path / "cache", code="1")

    return load


@pytest.fixture
def quarantine(tmp_path: Path) -> Callable[[str], pd.DataFrame]:
    """Return ``quarantine(table)``: what loading put aside."""

    def read(table: str) -> pd.DataFrame:
        (path,) = (tmp_path / "cache").glob(f"*/quarantine/{table}.parquet")
        return pd.read_parquet(path)

    return read
