"""Typing of single values: what parses, what is null, never a guess."""

from datetime import date, datetime
from decimal import Decimal

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.sources.clocks import to_local, to_utc
from crm_analysis.sources.mapping import local_columns, match_columns, typed
from crm_analysis.sources.schema import ORDERS, Field, Type

CON = ibis.duckdb.connect()


def parse(values: list, type_: Type, *, kind: str = "string", zone: str = "UTC", date_format=None,
          words: dict[str, str] | None = None, decimal: str = ".") -> list:  # fmt: skip
    """Return values of a raw column, typed."""
    raw = ibis.memtable({"n": range(len(values)), "x": values}, schema={"n": "int64", "x": kind})
    field = Field("x", type_, "x", "x")
    rows = raw.mutate(y=typed(raw.x, field, values=words or {}, zone=zone, date_format=date_format, decimal=decimal))
    found = CON.to_pyarrow(rows.order_by("n"))
    return found["y"].to_pylist()


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1234.5", 1234.5),
        ("¥1,234.50", 1234.5),
        ("￥ 1，234.50", 1234.5),
        ("1,234,567元", 1234567),
        ("RMB 12", 12),
        ("CNY-12.00", -12),
        ("(12.00)", -12),
        ("(1,200.00)", -1200),
        ("-1,200", -1200),
        ("£3.99", 3.99),
        (" 7 ", 7),
        ("1e3", 1000),
        ("abc", None),
        ("12,5", None),
        ("1.234,50", None),
        ("1,23,456", None),
        ("--5", None),
        ("12.00-", None),
        ("", None),
        ("   ", None),
        ("NaN", None),
    ],
)
def test_money_as_text(text: str, amount: float | None) -> None:
    (found,) = parse([text], Type.MONEY)
    assert found == pytest.approx(amount) if amount is None else float(found) == amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1.234,56", 1234.56),
        ("€ 1.234.567,5", 1234567.5),
        ("1\u00a0234,50", 1234.5),
        ("-12,5", -12.5),
        ("(12,50)", -12.5),
        ("1.234", 1234),
        ("7", 7),
        ("1e3", 1000),
        ("1,234.56", None),
        ("12.5", None),
        ("1.23", None),
        ("1,2,3", None),
        ("abc", None),
    ],
)
def test_money_with_decimal_commas(text: str, amount: float | None) -> None:
    (found,) = parse([text], Type.MONEY, decimal=",")
    assert found is None if amount is None else float(found) == amount


@pytest.mark.parametrize("kind", ["string", "float64", "decimal(18, 4)"])
def test_whole_numbers_are_never_rounded(kind: str) -> None:
    values: list = [12, 1.5, -3, -0.5, None]
    if kind == "string":
        values = ["12.0", "1.5", "-3", "-0.5", None]
    elif kind.startswith("decimal"):
        values = [Decimal(str(value)) for value in values[:-1]]
    assert parse(values, Type.INTEGER, kind=kind) == [12, None, -3, None, None][: len(values)]


def test_whole_numbers_of_any_size_and_form() -> None:
    assert parse(["9007199254740993", "1e3", "1,234", "99999999999999999999", "x"], Type.INTEGER) == [
        9007199254740993, 1000, 1234, None, None,
    ]  # fmt: skip
    assert parse([2**62, None], Type.INTEGER, kind="int64") == [2**62, None]


def test_money_keeps_four_decimals_and_adds_without_error() -> None:
    found = parse(["0.1", "0.2", "0.00005"], Type.MONEY)
    assert [str(value) for value in found] == ["0.1000", "0.2000", "0.0001"]


@settings(max_examples=30, deadline=None)
@given(cents=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20))
def test_money_survives_every_way_to_write_it(cents: list[int]) -> None:
    ways = [lambda c: f"{c / 100:.2f}", lambda c: f"¥{c / 100:,.2f}",
            lambda c: f"({-c / 100:,.2f})" if c < 0 else f"{c / 100:,.2f}元"]  # fmt: skip
    for way in ways:
        assert [round(float(v) * 100) for v in parse([way(c) for c in cents], Type.MONEY)] == cents


@pytest.mark.parametrize(("type_", "kind"), [(Type.NUMBER, "float64"), (Type.NUMBER, "string")])
def test_what_is_no_number_is_null(type_: Type, kind: str) -> None:
    values = [1.5, float("nan"), float("inf"), float("-inf"), None]
    given_ = values if kind == "float64" else ["1.5", "nan", "inf", "-Infinity", ""]
    assert parse(given_, type_, kind=kind) == [1.5, None, None, None, None]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-05 09:05:07", datetime(2025, 1, 5, 9, 5, 7)),
        ("2025-01-05T09:05:07", datetime(2025, 1, 5, 9, 5, 7)),
        ("2025-01-05 09:05", datetime(2025, 1, 5, 9, 5)),
        ("2025-01-05", datetime(2025, 1, 5)),
        ("2025/1/5 9:05", datetime(2025, 1, 5, 9, 5)),
        ("2025/01/05 09:05:07", datetime(2025, 1, 5, 9, 5, 7)),
        ("2025/1/5", datetime(2025, 1, 5)),
        ("2025.01.05", datetime(2025, 1, 5)),
        ("20250105", datetime(2025, 1, 5)),
        ("2025年1月5日", datetime(2025, 1, 5)),
        ("2025年1月5日 9:05", datetime(2025, 1, 5, 9, 5)),
        ("2025-01-05 09:05:07.250", datetime(2025, 1, 5, 9, 5, 7, 250_000)),
        ("2025-01-05T09:05:07.250", datetime(2025, 1, 5, 9, 5, 7, 250_000)),
        ("2025-01-05T09:05:07Z", datetime(2025, 1, 5, 9, 5, 7)),
        ("2025-01-05T09:05:07.250Z", datetime(2025, 1, 5, 9, 5, 7, 250_000)),
        ("2025-01-05T09:05:07+08:00", datetime(2025, 1, 5, 1, 5, 7)),
        ("2025-01-05 09:05:07-0500", datetime(2025, 1, 5, 14, 5, 7)),
        ("2025-02-30", None),
        ("05/01/2025", None),
        ("45662", None),
        ("", None),
    ],
)
def test_forms_of_times(text: str, moment: datetime | None) -> None:
    assert parse([text], Type.TIME) == [moment]
    assert parse([text], Type.DATE) == [moment and moment.date()]


def test_a_form_given_in_settings_is_the_only_one() -> None:
    values = ["05/01/2025 09:30", "2025-01-05 09:30"]
    assert parse(values, Type.TIME, date_format="%d/%m/%Y %H:%M") == [datetime(2025, 1, 5, 9, 30), None]


def test_several_forms_are_tried_in_order() -> None:
    values = ["05/01/2025", "2025-01-05 09:30", "01/13/2025", "5.1.2025"]
    forms = ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d %H:%M"]
    assert parse(values, Type.TIME, date_format=forms) == [
        datetime(2025, 1, 5), datetime(2025, 1, 5, 9, 30), datetime(2025, 1, 13), None,
    ]  # fmt: skip


def test_forms_with_an_offset_are_instants_others_are_local() -> None:
    values = ["2025-06-30 17:30 +0000", "2025-06-30 17:30", "soon"]
    forms = ["%Y-%m-%d %H:%M %z", "%Y-%m-%d %H:%M"]
    expected = [datetime(2025, 6, 30, 17, 30), datetime(2025, 6, 30, 9, 30), None]
    assert parse(values, Type.TIME, zone="Asia/Shanghai", date_format=forms) == expected
    assert parse(values[:1], Type.TIME, zone="Asia/Shanghai", date_format=forms[0]) == expected[:1]
    assert parse(values[:1], Type.DATE, zone="Asia/Shanghai", date_format=forms[0]) == [date(2025, 7, 1)]


@pytest.mark.parametrize("type_", [Type.TIME, Type.DATE])
def test_a_zoned_time_falls_on_the_local_day(type_: Type) -> None:
    (found,) = parse(["2025-06-30T17:30:00Z"], type_, zone="Asia/Shanghai")
    assert found == (date(2025, 7, 1) if type_ is Type.DATE else datetime(2025, 6, 30, 17, 30))


def test_times_of_parquet_with_and_without_zone() -> None:
    moment = datetime(2025, 6, 30, 23, 30)
    assert parse([moment], Type.TIME, kind="timestamp", zone="Asia/Shanghai") == [datetime(2025, 6, 30, 15, 30)]
    assert parse([moment], Type.TIME, kind="timestamp('UTC')", zone="Asia/Shanghai") == [moment]
    assert parse([moment], Type.DATE, kind="timestamp('UTC')", zone="Asia/Shanghai") == [date(2025, 7, 1)]
    assert parse([date(2025, 6, 30)], Type.TIME, kind="date", zone="Asia/Shanghai") == [datetime(2025, 6, 29, 16)]


@settings(max_examples=25, deadline=None)
@given(st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1)), st.sampled_from(["Asia/Shanghai", "Europe/Berlin"]))
def test_utc_to_local_and_back(moment: datetime, zone: str) -> None:
    local = CON.execute(to_local(ibis.literal(moment), zone))
    assert local == pd.Timestamp(moment, tz="UTC").tz_convert(zone).tz_localize(None)
    again = CON.execute(to_utc(ibis.literal(local.to_pydatetime()), zone))
    assert abs(again - pd.Timestamp(moment)) in {pd.Timedelta(0), pd.Timedelta(hours=1)}  # an hour in autumn is twofold


def test_flags_in_words() -> None:
    words = ["true", "T", "1", "Yes", "是", "有", "false", "F", "0", "no", "否", "无", "maybe", ""]
    assert parse(words, Type.FLAG) == [True] * 6 + [False] * 6 + [None] * 2
    assert parse([True, False, None], Type.FLAG, kind="boolean") == [True, False, None]
    assert parse(["同意", "拒绝"], Type.FLAG, words={"同意": "true", "拒绝": "false"}) == [True, False]


def test_ids_are_text_whatever_a_tool_made_of_them() -> None:
    assert parse([" 007 ", ""], Type.ID) == ["007", None]
    assert parse([7.0, 12345678.0, float("nan"), None], Type.ID, kind="float64") == ["7", "12345678", None, None]
    assert parse([7, None], Type.ID, kind="int64") == ["7", None]


def test_values_are_mapped_after_trimming_and_others_kept() -> None:
    assert parse([" 男 ", "女", "x", None], Type.CATEGORY, words={"男": "male", "女": "female"}) == [
        "male", "female", "x", None,
    ]  # fmt: skip


def test_headings_are_found_without_case_blanks_and_mark() -> None:
    raw = ibis.table({"\ufeffOrder ID": "string", "CUSTOMER_ID": "string", "ordered_at ": "string", "Amount": "string",
                      "_row": "int64"}, name="raw")  # fmt: skip
    assert match_columns(raw, ORDERS, columns={}) == {
        "order_id": "\ufeffOrder ID", "customer_id": "CUSTOMER_ID", "ordered_at": "ordered_at ", "amount": "Amount",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ordered_at", ("ordered_on", "ordered_hour")), ("registered_at", ("registered_on", "registered_hour")),
     ("at", ("on_date", "on_hour"))],
)  # fmt: skip
def test_names_of_local_columns(name: str, expected: tuple[str, str]) -> None:
    assert local_columns(name) == expected
