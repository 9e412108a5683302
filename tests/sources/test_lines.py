"""Orders declared from invoice lines."""

import pandas as pd
import pytest

from crm_analysis.base.errors import DataError
from crm_analysis.base.settings import Settings

HEAD = "InvoiceNo,CustomerID,InvoiceDate,StockCode,Quantity,UnitPrice,Country\n"
COLUMNS = {"order_id": "InvoiceNo", "customer_id": "CustomerID", "ordered_at": "InvoiceDate", "product_id": "StockCode",
           "unit_price": "UnitPrice", "region": "Country"}  # fmt: skip
LINES = {"columns": COLUMNS, "amount": "quantity_times_price", "refund_prefix": "C"}
ROWS = (
    "5001,c1,2025-06-01 10:05,tea,2,3.50,UK\n"
    "5001,c1,2025-06-01 10:00,cup,1,4.00,UK\n"
    "5002,c2,2025-06-02 09:00,tea,10,0.335,FR\n"
    "C601,c1,2025-06-03 09:00,tea,-1,3.50,UK\n"
)


def _load(load_files, rows: str = ROWS, *, head: str = HEAD, **more: object):
    return load_files({"order_lines": (head + rows, LINES | more)}, timezone="UTC")


def _orders(loaded) -> pd.DataFrame:
    return loaded.tables["orders"].to_pandas().set_index("order_id").astype({"amount": float})


def _counts(loaded, table: str) -> dict[str, int]:
    """Return rows by rule; rows read are proved to be all others, and left out."""
    rows = loaded.report[loaded.report.table == table]
    found = dict(zip(rows.rule, rows.row_count, strict=True))
    assert found.pop("read") == sum(found.values())
    return found


def test_lines_become_orders_and_items(load_files) -> None:
    loaded = _load(load_files)
    found = _orders(loaded)
    assert found.amount.to_dict() == {"5001": 11, "5002": 3.35, "C601": -3.5}
    assert found.is_refund.to_dict() == {"5001": False, "5002": False, "C601": True}
    assert found.ordered_at["5001"] == pd.Timestamp("2025-06-01 10:00")
    assert found.region.to_dict() == {"5001": "UK", "5002": "FR", "C601": "UK"}
    items = loaded.tables["order_items"].to_pandas()
    assert items[["order_id", "product_id"]].values.tolist() == [
        ["5001", "cup"], ["5001", "tea"], ["5002", "tea"], ["C601", "tea"],
    ]  # fmt: skip
    assert items.amount.astype(float).tolist() == [4, 7, 3.35, -3.5]
    assert _counts(loaded, "order_items") == {"used": 4}
    assert _counts(loaded, "orders") == {"used": 3}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (",c1,2025-06-01,tea,1,1,UK", "missing_order_id"),
        ("7,,2025-06-01,tea,1,1,UK", "missing_customer_id"),
        ("7,c1,soon,tea,1,1,UK", "missing_ordered_at"),
        ("7,c1,2025-06-01,tea,one,1,UK", "missing_amount"),
        ("7,c1,2025-06-01,tea,1,,UK", "missing_amount"),
        ("7,c1,2025-06-01,tea,0,1,UK", "not_positive"),
        ("7,c1,2025-06-01,tea,-1,1,UK", "not_positive"),
        ("7,c1,2025-06-01,tea,1,0,UK", "not_positive"),
    ],
)
def test_a_bad_line_is_put_aside_by_its_rule(load_files, quarantine, row: str, rule: str) -> None:
    loaded = _load(load_files, ROWS + row + "\n")
    assert _counts(loaded, "order_items") == {"used": 4, rule: 1}
    assert quarantine("order_items")["_rule"].tolist() == [rule]
    assert len(_orders(loaded)) == 3


def test_lines_that_are_not_positive_may_be_allowed(load_files) -> None:
    loaded = _load(load_files, ROWS + "5001,c1,2025-06-01 11:00,gift,1,0,UK\n", require_positive=False)
    assert _counts(loaded, "order_items") == {"used": 5}
    assert _orders(loaded).amount["5001"] == 11


def test_credit_notes_are_refunds_whatever_their_sign(load_files) -> None:
    loaded = _load(load_files, ROWS + "C602,c2,2025-06-04,tea,2,1.50,FR\n")
    found = _orders(loaded).loc["C602"]
    assert (found.amount, found.is_refund) == (-3, True)


def test_amounts_of_any_size_are_multiplied_exactly_or_put_aside(load_files) -> None:
    rows = "1,c1,2025-06-01,tea,123456,98765.4321,UK\n2,c1,2025-06-01,tea,1e30,1,UK\n"
    loaded = _load(load_files, rows + "3,c1,2025-06-01,tea,99999999,99999999,UK\n")
    assert _counts(loaded, "order_items") == {"used": 1, "missing_amount": 2}
    assert str(loaded.tables["orders"].to_pandas().amount[0]) == "12193185185.3376"


def test_an_invoice_of_two_customers_goes_to_the_first(load_files) -> None:
    loaded = _load(load_files, "1,c9,2025-06-01,tea,1,1,UK\n1,c10,2025-06-01,tea,1,1,UK\n")
    assert _orders(loaded).customer_id.to_dict() == {"1": "c10"}


def test_rules_of_orders_hold_for_orders_of_lines(load_files) -> None:
    loaded = load_files(
        {"order_lines": (HEAD + ROWS + "9,c1,2026-01-01,tea,1,1,UK\n", LINES)}, exported_on="2025-06-30", timezone="UTC"
    )
    assert _counts(loaded, "orders") == {"used": 3, "after_export": 1}
    assert _counts(loaded, "order_items") == {"used": 4, "order_not_used": 1}
    assert loaded.tables["order_items"].order_id.to_pandas().isin(["5001", "5002", "C601"]).all()


@pytest.mark.parametrize(
    ("amount", "price", "match"),
    [("quantity_times_price", "Kurs", "column 'unit_price' is missing"), ("amount", "UnitPrice", "column 'amount' is")],
)
def test_what_amounts_are_made_from_must_be_there(load_files, amount: str, price: str, match: str) -> None:
    columns = {name: heading for name, heading in COLUMNS.items() if name != "unit_price"}
    with pytest.raises(DataError, match=match):
        _load(load_files, head=HEAD.replace("UnitPrice", price), columns=columns, amount=amount)


def test_missing_columns_of_lines_are_told_with_those_of_tables(load_files) -> None:
    with pytest.raises(DataError) as caught:
        load_files({"order_lines": (HEAD + ROWS, LINES | {"columns": {}}), "customers": "id\n1\n"})
    text = str(caught.value)
    assert "required column 'product_id'" in text
    assert "required column 'customer_id' (客户编号) is missing" in text
    assert "one of id" in text


def test_orders_come_from_one_place_only() -> None:
    data = {"tables": {"orders": {"path": "o.csv"}}, "order_lines": {"path": "l.csv"}}
    with pytest.raises(ValueError, match=r"either tables.orders or order_lines"):
        Settings.model_validate({"company": {"zh": "公司", "en": "Company"}, "data": data})
    data["tables"] = {"order_items": {"path": "i.csv"}}
    with pytest.raises(ValueError, match=r"either tables.order_items or order_lines"):
        Settings.model_validate({"company": {"zh": "公司", "en": "Company"}, "data": data})
