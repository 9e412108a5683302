"""Rows with dirt in them: read by rule or put aside and counted, never guessed, never lost, never markup or formula."""

import csv
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import ibis
import nbformat
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.base.errors import CRMError
from crm_analysis.base.settings import Settings
from crm_analysis.sources.load import load_tables

REVENUE = 13_090
RAW = ("load_report", "scorecard")
SCRIPT = "<script>alert(1)</script>"
FORMULA = '=HYPERLINK("http://example.invalid","open")'
EXAMPLES = {"cells": 30, "bytes": 70}
#: Enough where the other tables say nothing about the matter.
SMALL = ("customers", "orders", "order_items")
pytestmark = pytest.mark.slow


def _aside(ws: Any, table: str = "orders") -> dict[str, tuple[int, float]]:
    """Return rows put aside and the money they carry, by rule."""
    report = ws.result("load_report").query("table == @table")
    report = report.loc[~report["rule"].isin(["used", "read"])]
    return {row.rule: (int(row.row_count), float(row.amount)) for row in report.itertuples()}


# -- values ------------------------------------------------------------------------------------------------------------


def test_mixed_date_formats(company) -> None:
    company.keep(*SMALL)
    forms = ("{}-{}-{} 10:00:00", "{}/{}/{}", "{}年{}月{}日", "{}{}{}", "{}-{}-{}T10:00:00", "{}.{}.{}")
    for k, row in enumerate(company.tables["orders"]):
        year, month, day = row["ordered_at"][:10].split("-")
        row["ordered_at"] = forms[k % len(forms)].format(year, month, day)
    company.write()
    ws = company.computed(*RAW)
    assert _aside(ws) == {}
    assert company.revenue(ws) == REVENUE


def test_dates_that_are_none(company) -> None:
    company.keep(*SMALL)
    orders = company.tables["orders"]
    wrong = ("2025-02-30", "soon", "31.12.2025 late", "0000-00-00", "45931")
    for n, text in enumerate(wrong):
        orders.append({**orders[0], "order_id": f"x{n}", "ordered_at": text, "amount": 10})
    orders.append({**orders[0], "order_id": "x8", "ordered_at": "", "amount": 1})
    orders.append({**orders[0], "order_id": "x9", "ordered_at": "1889-01-01", "amount": 2})
    company.write()
    ws = company.computed(*RAW)
    assert _aside(ws) == {
        "unparsable_ordered_at": (5, 50.0), "missing_ordered_at": (1, 1.0), "before_earliest": (1, 2.0),
    }  # fmt: skip
    assert company.revenue(ws) == REVENUE


def test_duplicate_ids(company) -> None:
    company.keep("customers", "orders", "interactions")
    for name in ("orders", "customers", "interactions"):
        company.tables[name] += company.tables[name][:3]
    carried = float(sum(row["amount"] for row in company.tables["orders"][:3]))
    company.write()
    ws = company.computed(*RAW)
    assert _aside(ws) == {"duplicate_key": (3, carried)}
    assert [_aside(ws, name)["duplicate_key"][0] for name in ("customers", "interactions")] == [3, 3]
    assert company.revenue(ws) == REVENUE


def test_amounts_as_text(company) -> None:
    company.keep(*SMALL)
    texts = {"¥1,234.50": 1234.5, "1 234": 1234, "(20.00)": -20, "￥5": 5, "6元": 6, "1，000": 1000}
    wrong = ("abc", "1,2,3", "12,34", "--5", "1e999", "NaN", "∞", "#REF!", "=1+1")
    first = company.tables["orders"][-1]
    dates = {"ordered_at": "2025-08-20 10:00:00"}
    company.tables["orders"] += [
        {**first, **dates, "order_id": f"x{n}", "amount": text} for n, text in enumerate((*texts, *wrong))
    ]
    company.tables["orders"].append({**first, **dates, "order_id": "x99", "amount": ""})
    company.write()
    ws = company.computed(*RAW)
    counts = {rule: count for rule, (count, _) in _aside(ws).items()}
    assert counts == {"unparsable_amount": len(wrong), "missing_amount": 1}
    assert company.revenue(ws) == REVENUE + sum(texts.values())


def test_negative_and_zero_amounts(company, says) -> None:
    """A negative amount is a refund at its own date; an order of nothing is no purchase."""
    company.keep(*SMALL)
    for k, row in enumerate(company.tables["orders"]):
        row["amount"] *= (1, -1, 0)[k % 3]
    kept = [row["amount"] for row in company.tables["orders"] if "2025-07" <= row["ordered_at"] < "2025-10"]
    company.write()
    ws = company.computed()
    assert company.revenue(ws) == sum(kept)
    assert ws.result("scorecard").set_index("kpi").loc["order_count", "value"] == sum(amount > 0 for amount in kept)
    assert says(ws)


def test_no_purchase_at_all(company) -> None:
    company.keep("customers", "orders")
    for k, row in enumerate(company.tables["orders"]):
        row["amount"] *= (-1, 0)[k % 2]
    company.write()
    page = company.made()
    assert "There is no purchase up to the end of the quarter" in page


def test_everything_refunded(company, says) -> None:
    company.keep(*SMALL)
    back = [{**row, "order_id": f"f{row['order_id']}", "amount": -row["amount"], "refund_of": row["order_id"]}
            for row in company.tables["orders"]]  # fmt: skip
    company.tables["orders"] += back
    company.write()
    ws = company.computed()
    assert ws.result("features")["order_count"].sum() == 0
    assert any("no purchase" in text for text in says(ws))


def test_values_that_look_like_our_words(company, says) -> None:
    """Slugs that the company's data bring (``a_b``) have no word; values outside the closed sets are no crash."""
    for row in company.tables["customers"]:
        row |= {"kind": "a_b", "region": "no_such_word", "acquisition_channel": "x_y", "owner": "unscored"}
    for row in company.tables["orders"]:
        row |= {"channel": "tele_shop", "region": "{n}"}
    for row in company.tables["order_items"]:
        row["category"] = "{category:word.category}"
    for row in company.tables["interactions"]:
        row |= {"kind": "a_b", "direction": "side_ways", "channel": "%s"}
    company.write()
    ws = company.computed(*RAW)
    assert company.revenue(ws) == REVENUE
    assert says(ws)


# -- markup and formulas -----------------------------------------------------------------------------------------------


def _poison(company: Any) -> None:
    company.settings["company"] = {"zh": SCRIPT, "en": SCRIPT}
    for row in company.tables["customers"]:
        row |= {"name": FORMULA, "contact_person": SCRIPT, "owner": SCRIPT, "region": SCRIPT, "city": SCRIPT,
                "acquisition_channel": SCRIPT, "industry": FORMULA}  # fmt: skip
    for row in company.tables["orders"]:
        row |= {"channel": SCRIPT, "region": SCRIPT, "store": FORMULA}
    for row in company.tables["order_items"]:
        row |= {"category": SCRIPT, "product_name": SCRIPT}
    for row in company.tables["interactions"]:
        row |= {"channel": SCRIPT, "reason": SCRIPT, "owner": FORMULA, "text": SCRIPT}


def test_many_kinds_of_dirt_at_once_with_markup_and_formulas(company) -> None:
    """The whole report over everything: nothing lost, no markup of the data, no formula in the workbook."""
    _poison(company)
    orders = company.tables["orders"]
    day = {"ordered_at": "2025/8/20", "customer_id": "ghost"}
    orders += [
        {**orders[0], **day, "order_id": f"x{n}", "amount": amount}
        for n, amount in enumerate(["¥1,234.50", "abc", "", "-34.50", "0"])
    ]
    orders += [{**orders[1], "ordered_at": "2025-13-45", "order_id": "x7"}, dict(orders[2]), dict(orders[3])]
    company.tables["customers"] += [{"customer_id": f"new{n}", "kind": "person", "name": FORMULA} for n in range(5)]
    company.tables["surveys"][0]["score"] = "eleven"
    company.write()
    page = company.made(languages=("zh",), identified=True)
    folder = company.reports / "2025Q3"
    for path in (*folder.rglob("*.html"), company.reports / "index.html"):
        assert "<script" not in path.read_text("utf-8").lower(), path.name
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    shown = [page[found.start() - 40 : found.end()] for found in re.finditer("HYPERLINK", page)]
    assert all(text.count("=HYPERLINK") and "<a" not in text for text in shown)  # a store of that name is text
    for path in (folder / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        shown = [output["data"]["text/html"] for cell in cells for output in cell.get("outputs", [])]
        assert shown
        assert not [html for html in shown if "<script" in html.lower()], path.name
    book = openpyxl.load_workbook(folder / "workbook.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert sum(cell.value == FORMULA for cell in cells) >= 60
    assert {cell.data_type for cell in cells if str(cell.value).startswith("=")} == {"s"}
    assert not [cell for cell in cells if cell.hyperlink]
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    used = {row["table"]: row["row_count"] for row in manifest["rows"] if row["rule"] == "used"}
    assert used["orders"] == len(orders) - 5


# -- anything ----------------------------------------------------------------------------------------------------------

HEADS = ["order_id", "customer_id", "ordered_at", "amount", "channel", "refund_of"]
ODD_CELLS = [
    "", " ", "1", "-0", "1e5", "１２３", "1,234.5", "0x1f", "NaN", "2025-07-01", "2025-02-30", "01/02/03",
    "2025-07-01T10:00:00+08:00", "2025-07-01 10:00:00Z", "null", "#N/A", "=1", '"', '""', "\n", "\r\n", "\r", "a,b",
    "o1", "c1", "99999999999999999999999", "9999-12-31", "0001-01-01", "\ufeff", "\u202e",
]  # fmt: skip
CELLS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(ODD_CELLS),
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(str),
    st.datetimes().map(str),
)  # fmt: skip


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return ``load(bytes)``: rows of orders used and rows in all, or the error that refused the file."""
    folder = tmp_path_factory.mktemp("dirt")
    given_settings = Settings.model_validate(
        {"company": {"zh": "公司", "en": "Company"}, "data": {"tables": {"orders": {"path": "orders.csv"}}}}
    )
    con = ibis.duckdb.connect()
    counter = iter(range(10**6))

    def load_orders(content: bytes) -> Any:
        (folder / "orders.csv").write_bytes(content)
        cache: Path = folder / f"cache{next(counter)}"
        try:
            loaded = load_tables(con, given_settings, folder=folder, cache=cache, code="1")
        except CRMError as error:
            return error
        used = loaded.tables["orders"].count().to_pandas()
        (quarantined,) = cache.glob("*/quarantine/orders.parquet")
        report = loaded.report.query("table == 'orders'")
        counted = report.loc[~report["rule"].str.startswith("note.") & (report["rule"] != "read")]
        assert used == counted.loc[counted["rule"] == "used", "row_count"].sum()
        aside = con.read_parquet(quarantined).count().to_pandas()
        assert used + aside == counted["row_count"].sum()
        return used, used + aside

    return load_orders


@settings(max_examples=EXAMPLES["cells"])
@given(rows=st.lists(st.lists(CELLS, min_size=6, max_size=6), max_size=6))
def test_random_cells_are_used_or_put_aside_one_by_one(load, rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [HEADS, ["o1", "c1", "2025-07-01", "1", "", ""], *rows]
    )
    content = out.getvalue().encode("utf-8", "surrogatepass" if _is_plain(out.getvalue()) else "replace")
    loaded = load(content)
    assert not isinstance(loaded, CRMError), loaded
    assert loaded[1] == len(rows) + 1


@settings(max_examples=EXAMPLES["bytes"])
@given(seed=st.integers(0, 10**9), cuts=st.integers(1, 12), encoding=st.sampled_from(["utf-8", "gbk", "utf-16"]))
def test_random_bytes_in_a_file_are_read_or_refused(load, seed: int, cuts: int, encoding: str) -> None:
    """Bytes of a good file are overwritten, cut out and doubled at random places."""
    drawn = random.Random(seed)
    rows = "".join(f'o{n},c{n % 5},2025-07-{1 + n % 28:02},"1,{n:03}.50",店,\n' for n in range(40))
    content = bytearray(f"{','.join(HEADS)}\n{rows}".encode(encoding))
    for _ in range(cuts):
        at = drawn.randrange(len(content) + 1)
        length = drawn.randrange(4)
        content[at : at + length] = drawn.choice([b'"', b",", b"\n", b"\r", b"\0", b"\xff", b'""', b"", b"a,b,c\n"])
    loaded = load(bytes(content))
    if isinstance(loaded, CRMError):
        assert all(problem.what and problem.where and problem.fix for problem in loaded.problems)
    else:
        assert loaded[0] >= 1


def _is_plain(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
