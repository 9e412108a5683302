"""Files that are missing, empty, of another encoding or form: told with the fix, or read all the same."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

MEGABYTE = 1_000_000
REVENUE = 13_090
RAW = ("load_report", "freshness", "scorecard")
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def few_tables(company) -> None:
    """Three tables are enough here."""
    company.keep("customers", "orders", "surveys")


def test_missing_file(company) -> None:
    company.write()
    (company.folder / "orders.csv").rename(company.folder / "order.csv")
    company.refused("no file matches 'orders.csv'", "data.tables.orders", "did you mean 'order.csv'?")


def test_missing_file_and_empty_file_are_told_at_once(company) -> None:
    company.write()
    (company.folder / "customers.csv").unlink()
    company.overwrite("surveys.csv", b"")
    error = company.refused("customers.csv", "data.tables.customers", "surveys.csv", "data.tables.surveys")
    assert len(error.problems) == 2


@pytest.mark.parametrize("name", ["orders", "customers"])
def test_empty_file(company, name: str) -> None:
    company.write()
    company.overwrite(f"{name}.csv", b"")
    company.refused(f"empty file: {name}.csv", f"data.tables.{name}")


@pytest.mark.parametrize(
    "content", [b"\n\n", b"\xef\xbb\xbf", b"   "], ids=["blank lines", "byte order mark", "blanks"]
)
def test_file_that_is_as_good_as_empty(company, content: bytes) -> None:
    company.write()
    company.overwrite("orders.csv", content)
    company.refused("data.tables.orders")


def test_only_a_heading_in_orders(company) -> None:
    company.write()
    company.overwrite("orders.csv", "order_id,customer_id,ordered_at,amount\n")
    company.refused("no usable order", "data.tables.orders")


def test_only_a_heading_in_every_other_table(company, good, says) -> None:
    company.tables = good.tables
    company.write()
    for name in company.tables:
        if name != "orders":
            heading = (company.folder / f"{name}.csv").read_text("utf-8").partition("\n")[0]
            company.overwrite(f"{name}.csv", f"{heading}\n")
    ws = company.computed(*RAW)
    assert company.revenue(ws) == REVENUE
    assert says(ws, "diagnosis", "portraits", "evaluation")


def test_missing_required_column(company) -> None:
    for row in company.tables["orders"]:
        row["sum"] = row.pop("amount")
    company.write()
    company.refused("required column 'amount' (金额) is missing", "data.tables.orders.columns", "sum")


def test_missing_required_columns_of_all_tables_are_told_at_once(company) -> None:
    for row in company.tables["orders"]:
        del row["ordered_at"]
    for row in company.tables["surveys"]:
        del row["question"]
    company.write()
    company.refused("'ordered_at'", "data.tables.orders", "'question'", "data.tables.surveys")


def _chinese(company: Any) -> None:
    for row in company.tables["customers"]:
        row["name"] = "客户" + row["name"]
    company.write()
    text = (company.folder / "customers.csv").read_text("utf-8")
    company.overwrite("customers.csv", text.encode("gbk"))


def test_wrong_encoding(company) -> None:
    _chinese(company)
    company.refused("customers.csv is not utf-8", "data.tables.customers", "encoding to gb18030")


def test_right_encoding_in_settings(company) -> None:
    company.sources["customers"] = {"encoding": "gbk"}
    _chinese(company)
    ws = company.computed(*RAW, read={"customers": 60})
    assert ws.loaded.tables["customers"].name.startswith("客户").sum().to_pandas() == 60


def test_wrong_delimiter(company) -> None:
    company.write()
    company.overwrite("orders.csv", (company.folder / "orders.csv").read_text("utf-8").replace(",", ";"))
    company.refused("data.tables.orders", "set it to ';'")


def test_field_of_ten_megabytes(company) -> None:
    company.tables["customers"][0]["recent_developments"] = "x" * (10 * MEGABYTE)
    company.write()
    ws = company.computed(*RAW, read={"customers": 60})
    known = ws.loaded.tables["customers"]
    assert known.recent_developments.length().max().to_pandas() == 10 * MEGABYTE


def test_nul_bytes(company) -> None:
    company.write()
    text = (company.folder / "orders.csv").read_bytes()
    company.overwrite("orders.csv", text.replace(b"online", b"on\0line").replace(b",c01,", b",\0c01\0,"))
    ws = company.computed(*RAW, read={"orders": len(company.tables["orders"])})
    assert company.revenue(ws) == REVENUE
    assert set(ws.loaded.tables["orders"].channel.to_pandas()) == {"online", "store"}


def test_truncated_download(company) -> None:
    """The end of a file is cut off in the middle of a quoted field: told, or all whole rows used."""
    company.write()
    whole = (company.folder / "orders.csv").read_text("utf-8")
    company.overwrite("orders.csv", whole + 'o999,c01,"2025-09-0')
    ws = company.workspace()
    company.check_rows(ws.result("load_report"), read={"orders": len(company.tables["orders"]) + 1})
    assert ws.result("load_report").query("table == 'orders' and rule != 'used'")["row_count"].sum() >= 1


def test_spreadsheet_under_the_name_of_a_csv(company) -> None:
    company.write()
    company.overwrite("orders.csv", b"PK\x03\x04\x14\x00\x06\x00\x08\x00" + bytes(range(256)) * 40)
    company.refused("data.tables.orders")


def test_parquet_that_is_none(company) -> None:
    company.sources["orders"] = {"path": "orders.parquet"}
    company.write()
    company.overwrite("orders.parquet", b"order_id,customer_id\n1,2\n")
    company.refused("data.tables.orders", "cannot be read")


@pytest.fixture
def locked_database(company) -> Iterator[Any]:
    """Yield the company with its orders in a DuckDB file that another process holds for writing, and that process."""
    company.sources["orders"] = {"path": "crm.duckdb", "table": "orders"}
    company.write()
    path = company.folder / "crm.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(f"CREATE TABLE orders AS FROM read_csv('{company.folder / 'orders.csv'}', all_varchar = true)")
    code = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield company, holder
    finally:
        holder.communicate(timeout=30)


def test_locked_database_file(locked_database) -> None:
    company, holder = locked_database
    with pytest.raises(duckdb.IOException, match="lock"):
        duckdb.connect(str(company.folder / "crm.duckdb"), read_only=True)
    company.refused("crm.duckdb", "data.tables.orders", str(holder.pid))
    holder.communicate(timeout=30)
    assert company.revenue(company.computed(*RAW)) == REVENUE
