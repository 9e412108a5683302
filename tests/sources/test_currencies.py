"""Other currencies: converted by the rate of the local day, or put aside; never added to the reporting currency."""

import pandas as pd
import pytest

from crm_analysis.base.errors import DataError

HEAD = "order_id,customer_id,ordered_at,amount,cost,discount,currency\n"
RATES = "currency,valid_from,rate\nUSD,2025-01-01,7.1\nUSD,2025-06-01,7.25\nEUR,2025-06-01,8.12345678\n"


@pytest.fixture
def load(load_files, tmp_path):
    def made(orders: str, *, rates: str | None = RATES, **more):
        if rates is not None:
            (tmp_path / "rates.csv").write_text(rates)
            more["rates"] = {"path": "rates.csv"} | more.get("rates", {})
        return load_files({"orders": HEAD + orders} | more.pop("files", {}), **more)

    return made


def _orders(loaded) -> pd.DataFrame:
    return loaded.tables["orders"].to_pandas().set_index("order_id").astype({"amount": float, "cost": float})


def _report(loaded, table: str = "orders") -> pd.DataFrame:
    return loaded.report[loaded.report.table == table].set_index("rule")


def test_amounts_are_converted_by_the_rate_of_the_day(load) -> None:
    loaded = load(
        "a,c1,2025-05-31 23:59,10,4,1,USD\nb,c1,2025-06-01 00:00,10,4,1,usd\nc,c1,2025-07-01,3.3333,,,EUR\n"
        "d,c1,2025-07-01,5,2,1,\ne,c1,2025-07-01,6,2,1,CNY\n"
    )
    found = _orders(loaded)
    assert found.amount.to_dict() == {"a": 71, "b": 72.5, "c": 27.0779, "d": 5, "e": 6}
    assert found.cost.dropna().to_dict() == {"a": 28.4, "b": 29, "d": 2, "e": 2}
    assert found.discount.astype(float).dropna().to_dict() == {"a": 7.1, "b": 7.25, "d": 1, "e": 1}
    assert found.currency.fillna("").to_dict() == {"a": "USD", "b": "USD", "c": "EUR", "d": "", "e": "CNY"}
    assert str(loaded.tables["orders"].schema()["amount"]) == "decimal(18, 4)"
    assert _report(loaded).loc["used", "amount"] == pytest.approx(181.5779, abs=1e-9)
    assert _report(loaded, "rates").row_count.to_dict() == {"read": 3, "used": 3}


def test_the_day_of_the_rate_is_local(load) -> None:
    found = _orders(load("a,c1,2025-05-31T16:30:00Z,10,,,USD\nb,c1,2025-05-31T15:30:00Z,10,,,USD\n"))
    assert found.amount.to_dict() == {"a": 72.5, "b": 71}


def test_without_a_rate_rows_go_to_quarantine_and_their_money_is_not_told(load, quarantine) -> None:
    loaded = load("a,c1,2025-07-01,10,4,,GBP\nb,c1,2024-12-31,20,,,USD\nc,,2025-07-01,30,,,GBP\nd,,2025-07-01,2,,,USD\n"
                  "e,c1,2025-07-01,5,,,\n")  # fmt: skip
    report = _report(loaded)
    assert report.row_count.to_dict() == {"read": 5, "used": 1, "no_rate": 2, "missing_customer_id": 2}
    assert pd.isna(report.loc["no_rate", "amount"])
    assert report.loc["missing_customer_id", "amount"] == 14.5, "the part that has a rate"
    aside = quarantine("orders").set_index("order_id")
    assert aside.amount.astype(float).to_dict() == {"a": 10, "b": 20, "c": 30, "d": 2}, "as in the file"
    assert aside.currency.to_dict() == {"a": "GBP", "b": "USD", "c": "GBP", "d": "USD"}


def test_without_a_table_of_rates_only_the_reporting_currency_is_used(load) -> None:
    loaded = load("a,c1,2025-07-01,10,,,USD\nb,c1,2025-07-01,5,,,cny\n", rates=None)
    assert _report(loaded).row_count.to_dict() == {"read": 2, "used": 1, "no_rate": 1}
    with pytest.raises(DataError, match=r"no usable order .no_rate 1"):
        load("a,c1,2025-07-01,10,,,USD\n", rates=None)


def test_rates_are_rows_with_rules_too(load) -> None:
    rates = (
        "currency,valid_from,rate\nUSD,2025-01-01,7\nusd,2025-01-01,9\nEUR,2025-01-01,0\nGBP,soon,9\nJPY,2025-01-01,\n"
    )
    loaded = load("a,c1,2025-07-01,10,,,USD\n", rates=rates)
    assert _report(loaded, "rates").row_count.to_dict() == {
        "read": 5, "used": 1, "duplicate_key": 1, "missing_rate": 1, "not_positive": 1, "unparsable_valid_from": 1,
    }  # fmt: skip
    assert _orders(loaded).amount.to_dict() == {"a": 70}


def test_a_rate_is_part_of_the_fingerprint(load) -> None:
    orders = "a,c1,2025-07-01,10,,,USD\n"
    first = load(orders)
    second = load(orders, rates=RATES.replace("7.25", "7.5"))
    assert first.fingerprint != second.fingerprint
    assert set(first.files) == {"orders", "rates"}
    assert _orders(second).amount.to_dict() == {"a": 75}


def test_problems_of_rates_are_told_with_all_others(load) -> None:
    with pytest.raises(DataError) as caught:
        load("", rates="currency,from,rate\nUSD,2025-01-01,7\n", files={"customers": "id\n1\n"})
    text = str(caught.value)
    assert "data.rates.columns: required column 'valid_from' (生效日) is missing" in text
    assert "required column 'customer_id'" in text


def test_items_are_in_the_currency_of_their_order(load) -> None:
    items = "order_id,product_id,quantity,amount,discount\na,p1,1,4,1\na,p2,1,6,\nb,p1,1,5,\nc,p1,1,8,\n"
    loaded = load("a,c1,2025-07-01,10,,,USD\nb,c1,2025-07-01,5,,,\nc,c1,2025-07-01,8,,,GBP\n",
                  files={"order_items": items})  # fmt: skip
    found = loaded.tables["order_items"].to_pandas()
    assert found.amount.astype(float).tolist() == [29, 43.5, 5]
    assert found.discount.astype(float).fillna(0).tolist() == [7.25, 0, 0]
    report = _report(loaded, "order_items")
    assert report.row_count.to_dict() == {"read": 4, "used": 3, "order_not_used": 1}
    assert pd.isna(report.loc["order_not_used", "amount"]), "pounds are not added to yuan"


def test_lines_in_other_currencies(load_files, tmp_path) -> None:
    (tmp_path / "rates.csv").write_text(RATES)
    lines = "order_id,customer_id,ordered_at,product_id,quantity,amount,currency\n" + "".join(
        f"{line}\n" for line in ("a,c1,2025-07-01,p1,1,4,USD", "a,c1,2025-07-01,p2,1,6,USD", "b,c1,2025-07-01,p1,1,5,",
                                 "c,c2,2025-07-01,p1,1,8,GBP")
    )  # fmt: skip
    loaded = load_files({"order_lines": lines}, rates={"path": "rates.csv"})
    orders = loaded.tables["orders"].to_pandas().set_index("order_id")
    assert orders.amount.astype(float).to_dict() == {"a": 72.5, "b": 5}
    assert orders.currency.fillna("").to_dict() == {"a": "USD", "b": ""}
    assert loaded.tables["order_items"].to_pandas().amount.astype(float).sum() == 77.5
    report = _report(loaded, "order_items")
    assert report.row_count.to_dict() == {"read": 4, "used": 3, "no_rate": 1}
    assert report.loc["used", "amount"] == 77.5
    assert pd.isna(report.loc["no_rate", "amount"])


def test_large_amounts_are_converted_exactly(load) -> None:
    loaded = load("a,c1,2025-07-01,123456789012.3456,,,USD\n")
    assert str(loaded.tables["orders"].to_pandas().amount[0]) == "895061720339.5056"


def test_what_is_too_large_after_conversion_is_put_aside(load) -> None:
    loaded = load("a,c1,2025-07-01,90000000000000,,,USD\nb,c1,2025-07-01,1,,,\n")
    assert _report(loaded).row_count.to_dict() == {"read": 2, "used": 1, "unparsable_amount": 1}
