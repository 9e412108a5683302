"""The calls of the data engine that break when sqlglot or DuckDB move on, and what the engine may not do by itself."""

from pathlib import Path

import ibis
import pandas as pd
import pytest

from crm_analysis.sources.connect import connect, stage


@pytest.fixture
def con(tmp_path: Path):
    return connect(memory_limit="500MB", temp_folder=tmp_path / "spill")


def test_tables_are_created_listed_read_and_dropped(con) -> None:
    frame = pd.DataFrame({"x": [1, 2, 3]})
    con.create_table("made", frame)
    con.create_table("of_expression", con.table("made").filter(lambda t: t.x > 1), temp=True, overwrite=True)
    assert {"made", "of_expression"} <= set(con.list_tables())
    assert con.table("of_expression").count().execute() == 2
    con.drop_table("made")
    assert "made" not in con.list_tables()


def test_sql_and_cache(con) -> None:
    con.create_table("made", pd.DataFrame({"x": [1, 2, 3]}))
    assert con.sql("SELECT sum(x) AS total FROM made").total.execute().tolist() == [6]
    cached = con.table("made").mutate(y=ibis._.x * 2).cache()
    assert cached.y.sum().execute() == 12


def test_a_staged_frame_can_be_joined(con) -> None:
    con.create_table("orders", pd.DataFrame({"customer_id": ["a", "b", "b"]}))
    staged = stage(con, pd.DataFrame({"customer_id": ["b"], "tier": ["vip"]}), "tiers")
    joined = con.table("orders").inner_join(staged, "customer_id")
    assert joined.count().execute() == 2
    again = stage(con, pd.DataFrame({"customer_id": ["a"], "tier": ["new"]}), "tiers")
    assert con.table("orders").inner_join(again, "customer_id").count().execute() == 1


def test_the_engine_keeps_to_its_limits(con, tmp_path: Path) -> None:
    names = ("memory_limit", "temp_directory", "autoinstall_known_extensions", "autoload_known_extensions")
    found = [con.raw_sql(f"SELECT current_setting('{name}')").fetchone()[0] for name in names]
    assert found == ["476.8 MiB", str(tmp_path / "spill"), False, False]
    assert not (tmp_path / "spill").exists(), "it is made when something spills"


def test_money_is_added_without_error(con) -> None:
    con.create_table("money", con.sql("SELECT CAST(0.1 AS DECIMAL(18, 4)) AS amount FROM range(1000)"))
    assert str(con.table("money").amount.sum().execute()) == "100.0000"
