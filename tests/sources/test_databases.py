"""A DuckDB file as a source: read, never written, and told when somebody holds it."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from crm_analysis.base.errors import DataError

ROWS = "SELECT * FROM (VALUES ('o1', 'c1', TIMESTAMP '2025-06-01 10:00', 5.50), ('o2', NULL, NULL, 7), " \
       "('o3', 'c1', TIMESTAMP '2025-06-02 10:00', 9)) t(order_id, customer_id, ordered_at, amount)"  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "crm.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(f"CREATE TABLE orders AS {ROWS}")
        con.execute("CREATE SCHEMA sales")
        con.execute(f"CREATE TABLE sales.orders AS {ROWS} LIMIT 1")
        con.execute("CREATE VIEW paid_orders AS SELECT * FROM orders WHERE amount > 6")
    return path


def _load(load_files, table: str | None = "orders", path: str = "crm.duckdb", **more):
    return load_files({"orders": ("", {"path": path, "table": table})} | more, write=False)


def _rules(loaded) -> dict[str, int]:
    return dict(zip(loaded.report.rule, loaded.report.row_count, strict=True))


@pytest.mark.parametrize(
    ("table", "ids", "read"),
    [("orders", ["o1", "o3"], 3), ("main.orders", ["o1", "o3"], 3), ("sales.orders", ["o1"], 1),
     ("paid_orders", ["o3"], 2)],
)  # fmt: skip
def test_tables_and_views_are_read(load_files, database: Path, table: str, ids: list[str], read: int) -> None:
    loaded = _load(load_files, table)
    assert loaded.tables["orders"].order_id.to_pandas().tolist() == ids
    assert _rules(loaded)["read"] == read


def test_rows_in_quarantine_carry_their_number(load_files, database: Path, quarantine) -> None:
    _load(load_files)
    assert quarantine("orders")["_row"].tolist() == [2]


def test_the_file_is_not_touched_and_free_again(load_files, database: Path) -> None:
    before = database.read_bytes()
    _load(load_files)
    assert database.read_bytes() == before
    assert not database.with_name("crm.duckdb.wal").exists()
    with duckdb.connect(str(database)) as con:
        con.execute("INSERT INTO orders VALUES ('o4', 'c1', '2025-06-03', 1)")


def test_the_fingerprint_is_of_the_contents_and_of_changes_not_yet_merged(load_files, database: Path) -> None:
    first = _load(load_files)
    assert _load(load_files).fingerprint == first.fingerprint
    script = (
        "import duckdb, os, sys; con = duckdb.connect(sys.argv[1]);"
        'con.execute("PRAGMA disable_checkpoint_on_shutdown");'
        "con.execute(\"INSERT INTO orders VALUES ('o4', 'c1', '2025-06-03', 1)\"); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(database)], check=True, timeout=60)
    assert database.with_name("crm.duckdb.wal").exists()
    second = _load(load_files)
    assert second.fingerprint != first.fingerprint
    assert second.tables["orders"].count().to_pandas() == 3


def test_a_writer_in_another_process_is_named(load_files, database: Path) -> None:
    script = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    writer = subprocess.Popen([sys.executable, "-c", script, str(database)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        match = rf"data.tables.orders.path: crm.duckdb is open for writing in .*python.* \(process {writer.pid}\)"
        with pytest.raises(DataError, match=match) as caught:
            _load(load_files)
        assert "close it there, or give a copy" in str(caught.value)
    finally:
        writer.communicate(timeout=60)
    assert _rules(_load(load_files))["used"] == 2


def test_a_writer_in_this_process_is_told(load_files, database: Path) -> None:
    with duckdb.connect(str(database)), pytest.raises(DataError, match="open for writing in this very process"):
        _load(load_files)


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ("order", r"orders.table: crm.duckdb has no table 'order'\n    fix: did you mean 'orders'"),
        ("zzz", r"has no table 'zzz'\n    fix: tables of the file: orders, paid_orders, sales.orders"),
        (None, "no table of crm.duckdb is named"),
    ],
)
def test_an_absent_table_is_told_with_those_that_are_there(load_files, database, table: str | None, match: str) -> None:
    with pytest.raises(DataError, match=match):
        _load(load_files, table)


def test_what_is_no_database_is_told(load_files, tmp_path: Path) -> None:
    (tmp_path / "crm.duckdb").write_text("order_id\n1\n")
    with pytest.raises(DataError, match=r"crm.duckdb cannot be opened: .*not a valid DuckDB database file"):
        _load(load_files)


def test_its_problems_stand_beside_those_of_other_tables(load_files, database: Path, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("id\n1\n")
    with pytest.raises(DataError) as caught:
        _load(load_files, "order", customers="")
    text = str(caught.value)
    assert "has no table 'order'" in text
    assert "required column 'customer_id'" in text
