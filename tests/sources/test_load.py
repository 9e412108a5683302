"""Loading: every rule of quarantine, what is counted, what is cached, what stops."""

import csv
import os
from datetime import date
from pathlib import Path

import ibis
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_analysis.base.errors import DataError
from crm_analysis.base.settings import load_settings
from crm_analysis.sources import load as loading
from crm_analysis.sources import reading
from crm_analysis.sources.load import freshness_table, load_tables
from crm_analysis.sources.quarantine import check_balance, rows_by_fate
from crm_analysis.sources.reading import Raw
from crm_analysis.sources.schema import TABLES

ORDERS = "order_id,customer_id,ordered_at,amount\n"
GOOD = "o1,c1,2025-06-01 10:00:00,100.50\n"


def _rules(report: pd.DataFrame, table: str = "orders") -> dict[str, int]:
    """Return rows by rule; rows read are proved to be all others but remarks, and left out."""
    rows = report[report.table == table]
    found = dict(zip(rows.rule, rows.row_count, strict=True))
    assert found.pop("read") == sum(count for rule, count in found.items() if not rule.startswith("note."))
    return found


def _rows(loaded, table: str = "orders") -> pd.DataFrame:
    return loaded.tables[table].to_pandas()


# -- quarantine --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (",c1,2025-06-02 10:00:00,20", "missing_order_id"),
        ("  ,c1,2025-06-02 10:00:00,20", "missing_order_id"),
        ("o2,,2025-06-02 10:00:00,20", "missing_customer_id"),
        ("o2,c1,,20", "missing_ordered_at"),
        ("o2,c1,2025-02-30 10:00:00,20", "unparsable_ordered_at"),
        ("o2,c1,yesterday,20", "unparsable_ordered_at"),
        ("o2,c1,2025-06-02 10:00:00,", "missing_amount"),
        ("o2,c1,2025-06-02 10:00:00,abc", "unparsable_amount"),
        ("o2,c1,1989-12-31 23:59:59,20", "before_earliest"),
        ("o2,c1,2025-07-01 00:00:00,20", "after_export"),
        ("o1,c9,2025-06-02 10:00:00,20", "duplicate_key"),
    ],
)
def test_a_bad_row_is_put_aside_by_its_rule(load_files, quarantine, row: str, rule: str) -> None:
    loaded = load_files({"orders": f"{ORDERS}{GOOD}{row}\n"}, exported_on="2025-06-30")
    assert _rules(loaded.report) == {"used": 1, rule: 1}
    assert _rows(loaded).customer_id.tolist() == ["c1"]
    aside = quarantine("orders")
    assert aside["_rule"].tolist() == [rule]
    assert aside["_row"].tolist() == [2]


@pytest.mark.parametrize("row", ["o2,c1,1990-01-01 00:00:00,20", "o2,c1,2025-06-30 23:59:59,20"])
@pytest.mark.parametrize("timezone", ["Asia/Shanghai", "America/New_York", "UTC"])
def test_the_first_and_last_possible_moment_are_local(load_files, row: str, timezone: str) -> None:
    loaded = load_files({"orders": f"{ORDERS}{row}\n"}, exported_on="2025-06-30", timezone=timezone)
    assert _rules(loaded.report) == {"used": 1}


def test_days_are_compared_with_the_export_too(load_files) -> None:
    contracts = (
        "contract_id,customer_id,start_date,end_date\nk1,c1,2025-06-30,2026-06-29\nk2,c1,2025-07-01,2026-06-30\n"
    )
    loaded = load_files({"orders": ORDERS + GOOD, "contracts": contracts}, exported_on="2025-06-30")
    assert _rules(loaded.report, "contracts") == {"used": 1, "after_export": 1}


def test_without_a_day_of_export_later_rows_are_kept_for_the_door(load_files) -> None:
    loaded = load_files({"orders": f"{ORDERS}o2,c1,2031-01-01 00:00:00,20\n"})
    assert _rules(loaded.report) == {"used": 1}


@pytest.mark.parametrize(("status", "used"), [("cancelled", False), ("VOID", False), ("paid", True), ("", True)])
def test_void_orders_never_took_place(load_files, status: str, used: bool) -> None:
    text = f"order_id,customer_id,ordered_at,amount,status\no1,c1,2025-06-01,1,\no2,c1,2025-06-02,5,{status}\n"
    rules = _rules(load_files({"orders": text}).report)
    assert rules == ({"used": 2} if used else {"used": 1, "void_status": 1})


def test_of_equal_keys_the_first_usable_row_is_kept(load_files, quarantine) -> None:
    rows = "o1,c1,2025-06-01,abc\no1,c2,2025-06-01,10\no1,c3,2025-06-01,20\no1,c4,2025-06-01,30\n"
    loaded = load_files({"orders": ORDERS + rows})
    assert _rows(loaded).customer_id.tolist() == ["c2"]
    assert _rules(loaded.report) == {"used": 1, "duplicate_key": 2, "unparsable_amount": 1}
    assert quarantine("orders").customer_id.tolist() == ["c1", "c3", "c4"]


def test_a_key_of_two_columns_needs_both_to_be_equal(load_files) -> None:
    head = "survey_id,customer_id,sent_at,question,scale_min,scale_max\n"
    rows = "".join(f"s1,c1,2025-06-01,{question},1,5\n" for question in ("nps", "satisfaction", "nps"))
    loaded = load_files({"orders": ORDERS + GOOD, "surveys": head + rows})
    assert _rules(loaded.report, "surveys") == {"used": 2, "duplicate_key": 1}


def test_rows_without_identity_may_repeat(load_files) -> None:
    items = "order_id,product_id,quantity,amount\n" + "o1,p1,1,5\n" * 3
    loaded = load_files({"orders": ORDERS + GOOD, "order_items": items})
    assert _rules(loaded.report, "order_items") == {"used": 3}


def test_the_report_tells_the_money_that_was_put_aside(load_files) -> None:
    rows = "o2,,2025-06-01,40.25\no3,,2025-06-01,-10\no4,c1,2025-06-01,x\n"
    report = load_files({"orders": ORDERS + GOOD + rows}).report
    money = dict(zip(report.rule, report.amount, strict=True))
    assert (money["used"], money["missing_customer_id"]) == (100.5, 30.25)
    assert pd.isna(money["unparsable_amount"])


def test_an_optional_value_that_does_not_parse_is_null_and_noted(load_files) -> None:
    text = (
        "customer_id,kind,birth_date,points,marketing_consent,registered_at\n"
        "c1,person,1990-13-01,many,maybe,2025-01-01\nc2,person,1991-02-03,12,是,2025-01-01\nc3,person,,,,\n"
    )
    loaded = load_files({"orders": ORDERS + GOOD, "customers": text})
    noted = {f"note.unparsable_{name}": 1 for name in ("birth_date", "points", "marketing_consent")}
    assert _rules(loaded.report, "customers") == {"used": 3} | noted
    found = _rows(loaded, "customers")
    assert found.birth_date.isna().tolist() == [True, False, True]
    assert found.points.isna().tolist() == [True, False, True]
    assert found.marketing_consent.tolist() == [None, True, None]


cell = st.sampled_from(["", "x", "o1", "c1", "2025-06-01", "2025-13-01", "12.5", "-3", "(4)", "1,5", "￥8", " "])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(cell, cell, cell, cell), max_size=30))
def test_rows_in_are_rows_used_and_rows_put_aside(load_files, rows: list[tuple[str, ...]]) -> None:
    body = "".join(",".join(f'"{value}"' for value in row) + "\n" for row in rows)
    report = load_files({"orders": "order_id,customer_id,ordered_at,amount\n" + GOOD + body}).report
    counted = report[~report.rule.str.startswith("note.")]
    assert counted.rule.is_unique
    assert sum(_rules(report).values()) == counted.row_count.max() == len(rows) + 1


# -- what hangs together -----------------------------------------------------------------------------------------------

ITEMS = "order_id,product_id,quantity,amount\n"


def test_items_go_with_their_orders(load_files, quarantine) -> None:
    orders = "order_id,customer_id,ordered_at,amount,status\n"
    orders += "o1,c1,2025-06-01,5,\no2,c1,2025-06-01,5,void\no3,,2025-06-01,5,\n"
    items = ITEMS + "o1,p1,1,5\no2,p1,1,4\no3,p1,1,3\no9,p1,1,2\n,p1,1,1\n"
    report = load_files({"order_items": items, "orders": orders}).report
    assert _rules(report, "order_items") == {"used": 1, "order_not_used": 3, "missing_order_id": 1}
    rows = report[report.table == "order_items"].set_index("rule")
    assert rows.loc["order_not_used", "amount"] == 9
    aside = quarantine("order_items")
    assert dict(zip(aside["_row"], aside["_rule"], strict=True)) == {
        2: "order_not_used", 3: "order_not_used", 4: "order_not_used", 5: "missing_order_id",
    }  # fmt: skip


def test_items_of_an_order_kept_once_are_used(load_files) -> None:
    report = load_files({"orders": ORDERS + GOOD + GOOD, "order_items": ITEMS + "o1,p1,1,5\no1,p1,1,5\n"}).report
    assert _rules(report) == {"used": 1, "duplicate_key": 1}
    assert _rules(report, "order_items") == {"used": 2}


def test_contacts_of_unknown_customers_are_used(load_files) -> None:
    events = "customer_id,at,event\nnobody,2025-06-01 08:15,visit\n"
    report = load_files({"orders": ORDERS + GOOD, "customers": "customer_id\nc1\n", "events": events}).report
    assert _rules(report, "events") == {"used": 1}


def test_refunds_of_orders_that_are_not_there_are_used_and_noted(load_files) -> None:
    head = "order_id,customer_id,ordered_at,amount,refund_of\n"
    rows = "a,c1,2025-06-01,5,\nb,c1,2025-06-02,-5,a\nc,c1,2025-06-02,-5,x\nd,c1,2025-06-02,-1,e\ne,,2025-06-01,1,\n"
    rules = _rules(load_files({"orders": head + rows}).report)
    assert rules == {"used": 4, "missing_customer_id": 1, "note.unknown_refund_of": 2}


# -- rows in = rows used + rows put aside ------------------------------------------------------------------------------


def test_a_row_that_vanishes_is_a_defect_and_told(load_files, monkeypatch) -> None:
    class Forgetful(Raw):
        def __init__(self, rows, read_count, malformed=None) -> None:
            super().__init__(rows, read_count + 1, malformed)

    monkeypatch.setattr(reading, "Raw", Forgetful)
    with pytest.raises(RuntimeError, match=r"loading does not add up.*orders: 2 read, 1 used, 0 in quarantine"):
        load_files({"orders": ORDERS + GOOD})


def test_the_balance_is_kept_by_table() -> None:
    report = pd.DataFrame({"table": ["a", "a", "b", "b", "b"], "rule": ["read", "used", "read", "used", "note.x"],
                           "row_count": [1, 2, 2, 1, 1], "amount": None})  # fmt: skip
    with pytest.raises(RuntimeError, match=r"a: 1 read, 2 used, 0 in quarantine; b: 2 read, 1 used, 0 in quarantine"):
        check_balance(report)
    check_balance(report.assign(row_count=1))
    with pytest.raises(RuntimeError, match="a: 0 read, 1 used"):
        check_balance(pd.DataFrame({"table": ["a"], "rule": ["used"], "row_count": [1], "amount": None}))


def _lines_of(path: Path) -> int:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return sum(1 for row in csv.reader(stream) if row) - 1


def test_every_row_of_the_demo_is_accounted_for(demo_config: Path, tmp_path: Path) -> None:
    company = load_settings(demo_config)
    folder = demo_config.parent
    found = load_tables(ibis.duckdb.connect(), company, folder=folder, cache=tmp_path, code="1").report
    for name, source in company.data.tables.items():
        assert found.query("table == @name and rule == 'read'").row_count.item() == _lines_of(folder / source.path)
        _rules(found, name)
    assert (rows_by_fate(found).quarantined_count > 0).any()


# -- settings of a table -----------------------------------------------------------------------------------------------


def test_headings_values_and_constants(load_files) -> None:
    text = "订单 编号,客户,下单时间,实付金额,渠道\no1,c1,2025-06-01,5,网店\no2,c1,2025-06-02,5,集市\n"
    columns = {"order_id": "订单 编号", "customer_id": "客户", "ordered_at": "下单时间", "amount": "实付金额",
               "channel": "渠道"}  # fmt: skip
    more = {"columns": columns, "values": {"channel": {"网店": "web"}}, "constants": {"currency": "CNY", "cost": 1.5}}
    found = _rows(load_files({"orders": (text, more)}))
    assert found.channel.tolist() == ["web", "集市"]
    assert found.currency.tolist() == ["CNY", "CNY"]
    assert found.cost.astype(float).tolist() == [1.5, 1.5]


def test_every_row_is_an_order_where_the_file_has_no_id(load_files) -> None:
    text = "customer_id,ordered_at,amount\nc1,2025-06-01,5\nc1,2025-06-01,5\n"
    assert _rows(load_files({"orders": (text, {"row_id": "order_id"})})).order_id.tolist() == ["1", "2"]


def test_all_columns_of_the_contract_are_there_with_their_types(load_files) -> None:
    loaded = load_files({"orders": ORDERS + GOOD, "customers": "customer_id\nc1\n"})
    for name in ("orders", "customers"):
        table = loaded.tables[name]
        assert set(TABLES[name].names) <= set(table.columns)
    orders = loaded.tables["orders"].schema()
    assert str(orders["amount"]) == "decimal(18, 4)"
    assert str(orders["is_refund"]) == "boolean"
    assert str(loaded.tables["customers"].schema()["registered_on"]) == "date"


def test_refunds_are_marked_by_amount_or_by_their_order(load_files) -> None:
    head = "order_id,customer_id,ordered_at,amount,refund_of\n"
    text = head + "a,c1,2025-06-01,5,\nb,c1,2025-06-01,-5,\nc,c1,2025-06-01,5,a\n"
    assert _rows(load_files({"orders": text})).is_refund.tolist() == [False, True, True]


def test_local_columns_and_utc_times(load_files) -> None:
    text = ORDERS + "o1,c1,2025-03-30 01:30:00,5\no2,c1,2025-03-30 23:30:00,5\n"
    found = _rows(load_files({"orders": text}, timezone="Europe/Berlin"))
    assert found.ordered_at.tolist() == [pd.Timestamp("2025-03-30 00:30"), pd.Timestamp("2025-03-30 21:30")]
    assert found.ordered_on.tolist() == [pd.Timestamp("2025-03-30")] * 2
    assert found.ordered_hour.tolist() == [1, 23]


def test_events_have_local_columns_of_their_own_names(load_files) -> None:
    loaded = load_files({"orders": ORDERS + GOOD, "events": "customer_id,at,event\nc1,2025-06-01 08:15,visit\n"})
    found = _rows(loaded, "events").iloc[0]
    assert (found.on_date, found.on_hour) == (pd.Timestamp("2025-06-01"), 8)


# -- what stops --------------------------------------------------------------------------------------------------------


def test_all_problems_of_all_tables_at_once(load_files) -> None:
    files = {
        "orders": ("order_id,customer_id,ordered_at,betrag\n", {"columns": {"amont": "betrag", "channel": "kanal"}}),
        "customers": "id,name\nc1,n\n",
    }
    with pytest.raises(DataError) as caught:
        load_files(files)
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "'amont' is no field of orders\n    fix: did you mean 'amount'?" in text
    assert "no column 'kanal'" in text
    assert "headings in the file: order_id, customer_id, ordered_at, betrag" in text
    assert "required column 'amount' (金额) is missing" in text
    assert "map it: customer_id: <one of id, name>" in text


def test_headings_are_told_beside_missing_files_and_wrong_encodings(load_files, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("order_id,customer_id,ordered_at,betrag\n")
    (tmp_path / "surveys.csv").write_bytes("survey_id,题目\n".encode("gbk"))
    (tmp_path / "contracts.csv").write_text("contract_id;customer_id;start_date;end_date\n")
    files = {"orders": "", "customers": "", "surveys": "", "contracts": ""}
    with pytest.raises(DataError) as caught:
        load_files(files, write=False)
    assert len(caught.value.problems) == 4
    text = str(caught.value)
    for part in ("customers.path: no file matches", "orders.columns: required column 'amount'",
                 "surveys.csv is not utf-8", "set data.tables.surveys.encoding to gb18030",
                 "contracts.delimiter: the heading of contracts.csv has no comma"):  # fmt: skip
        assert part in text


def test_a_near_heading_is_proposed(load_files) -> None:
    with pytest.raises(DataError, match="did you mean 'Betrag'"):
        load_files({"orders": ("order_id,customer_id,ordered_at,Betrag\n", {"columns": {"amount": "Betrga"}})})


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ({"constants": {"chanel": "web"}}, "'chanel' is no field of orders"),
        ({"values": {"channl": {"a": "b"}}}, "did you mean 'channel'"),
        ({"row_id": "number"}, "orders.row_id: 'number' is no field of orders"),
    ],
)
def test_settings_that_name_no_field_are_refused(load_files, setting: dict, match: str) -> None:
    with pytest.raises(DataError, match=match):
        load_files({"orders": (ORDERS + GOOD, setting)})


def test_unknown_tables_missing_files_and_missing_orders_at_once(load_files, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("customer_id\nc1\n")
    (tmp_path / "events.csv").write_bytes(b"")
    files = {"order": "", "customers": ("", {"path": "custmers.csv"}), "events": ""}
    with pytest.raises(DataError) as caught:
        load_files(files, write=False)
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    for part in ("there is no table 'order'", "did you mean 'customers.csv'?", "empty file: events.csv",
                 "there are no orders"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    ("rows", "match"),
    [("", "no usable order .the file has no rows"), ("o1,,2025-06-01,1\n", r"no usable order \(missing_customer_id 1")],
)
def test_no_usable_order_stops(load_files, rows: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        load_files({"orders": ORDERS + rows})


def test_a_failed_load_leaves_nothing_behind(load_files, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no usable order"):
        load_files({"orders": ORDERS})
    assert list((tmp_path / "cache").iterdir()) == []


# -- cache -------------------------------------------------------------------------------------------------------------


def test_a_second_load_reads_no_file_and_gives_the_same(load_files, tmp_path, monkeypatch) -> None:
    first = load_files({"orders": ORDERS + GOOD})
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.parquet")}
    with monkeypatch.context() as patch:
        patch.setattr(loading, "read_raw", lambda *_, **__: pytest.fail("the file was read again"))
        second = load_files({"orders": ORDERS + GOOD})
    assert second.fingerprint == first.fingerprint
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.parquet")} == stored
    pd.testing.assert_frame_equal(second.report, first.report)
    pd.testing.assert_frame_equal(_rows(second), _rows(first))


def test_touching_a_file_changes_nothing_its_content_does(load_files, tmp_path: Path) -> None:
    first = load_files({"orders": ORDERS + GOOD})
    os.utime(tmp_path / "orders.csv", (1, 1))
    assert load_files({"orders": ORDERS + GOOD}, write=False).fingerprint == first.fingerprint
    changed = load_files({"orders": ORDERS + GOOD.replace("100.50", "100.51")})
    assert changed.fingerprint != first.fingerprint
    assert float(_rows(changed).amount.iloc[0]) == 100.51


@pytest.mark.parametrize(
    ("more", "same"),
    [
        ({"timezone": "UTC"}, False),
        ({"exported_on": "2025-06-30"}, False),
        ({"void_statuses": ["x"]}, False),
        ({"memory_limit": "1GB"}, True),
    ],
)
def test_what_the_cache_depends_on(load_files, more: dict, same: bool) -> None:
    first = load_files({"orders": ORDERS + GOOD})
    assert (load_files({"orders": ORDERS + GOOD}, **more).fingerprint == first.fingerprint) is same


def test_a_broken_cache_entry_is_made_anew(load_files, tmp_path: Path) -> None:
    first = load_files({"orders": ORDERS + GOOD})
    (tmp_path / "cache" / first.fingerprint / "report.parquet").unlink()
    assert _rules(load_files({"orders": ORDERS + GOOD}).report) == {"used": 1}


def test_two_processes_may_load_at_once(load_files, tmp_path: Path, monkeypatch) -> None:
    build, files = loading._build, {"orders": ORDERS + GOOD}

    def overtaken(*args, **named) -> None:
        with monkeypatch.context() as other:
            other.setattr(loading, "_build", build)
            other.setattr(loading.os, "getpid", lambda: 1)
            load_files(files)
        build(*args, **named)

    monkeypatch.setattr(loading, "_build", overtaken)
    loaded = load_files(files)
    assert _rules(loaded.report) == {"used": 1}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [loaded.fingerprint]


def test_the_tables_are_sorted_by_key(load_files) -> None:
    rows = "".join(f"{name},c1,2025-06-01,1\n" for name in ("o3", "o1", "O2"))
    assert _rows(load_files({"orders": ORDERS + rows})).order_id.tolist() == ["O2", "o1", "o3"]


# -- freshness ---------------------------------------------------------------------------------------------------------


def test_freshness_by_table(load_files) -> None:
    loaded = load_files(
        {
            "orders": ORDERS + "o1,c1,2025-06-01 23:30:00,5\no2,c1,2025-01-05 00:10:00,5\n",
            "order_items": "order_id,product_id,quantity,amount\no1,p1,1,5\n",
            "contracts": "contract_id,customer_id,start_date,end_date\nk1,c1,2025-02-01,2026-01-31\n",
            "customers": "customer_id,registered_at\nc1,\n",
        }
    )
    found = freshness_table(loaded.tables).set_index("table")
    assert found.row_count.to_dict() == {"customers": 1, "orders": 2, "order_items": 1, "contracts": 1}
    days = {"orders": (date(2025, 1, 5), date(2025, 6, 1)), "contracts": (date(2025, 2, 1),) * 2}
    for name, (first, last) in days.items():
        assert (found.first_date[name], found.last_date[name]) == (pd.Timestamp(first), pd.Timestamp(last))
    assert found.first_date[["order_items", "customers"]].isna().all()
