"""Thin and odd companies: few customers, few days, few tables, a quarter the data do not cover."""

from typing import Any

import pytest

from crm_analysis.sources.schema import TABLES

REVENUE = 13_090
CHAPTERS = 7
#: Sections that cannot say anything of a company without history: churn alone has this many.
FEWEST = 3
OPTIONAL = [name for name, table in TABLES.items() if not table.required]
READERS = {
    "customers": ("segmentation", "portraits", "churn"),
    "order_items": ("portraits",),
    "interactions": ("portraits", "strategy", "evaluation"),
    "surveys": ("evaluation",),
    "contracts": ("evaluation",),
    "opportunities": ("evaluation",),
}
#: Enough where the other tables say nothing about the matter.
SMALL = ("customers", "orders", "order_items")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", OPTIONAL)
def test_optional_table_absent(company, says, name: str) -> None:
    """Chapter 1 says so, and the chapters that read the table do without it."""
    if name not in READERS:
        company.keep("orders", *(table for table in OPTIONAL if table not in READERS))
    del company.tables[name]
    company.write()
    chapters = ("diagnosis", *READERS.get(name, ()))
    ws = company.computed("load_report", "scorecard")
    told = says(ws, *chapters)
    assert company.revenue(ws) == REVENUE
    (absent,) = [text for text in told if text.startswith("Tables not given")]
    assert ws.words.word(f"table.{name}") in absent


def test_all_optional_tables_absent(company, says) -> None:
    company.keep("orders")
    company.write()
    ws = company.computed(lang="zh")
    told = says(ws)
    assert company.revenue(ws) == REVENUE
    assert any("没有客户资料表" in text for text in told)
    (absent,) = [text for text in told if text.startswith("未提供的数据表")]
    assert not [name for name in OPTIONAL if ws.words.word(f"table.{name}") not in absent]


def test_one_customer_only(company) -> None:
    company.keep("orders")
    company.tables["orders"] = [row for row in company.tables["orders"] if row["customer_id"] == "c03"]
    company.write()
    page = company.made()
    assert "¥309" in page
    assert "No KPI has a target that can be judged" in page
    assert page.count("Not enough") > CHAPTERS
    assert "&quot;Not scored&quot;: 100.0% of customers" not in page


def test_one_order_only(company, says) -> None:
    company.keep("orders", "customers")
    company.tables["orders"] = company.tables["orders"][-1:]
    company.write()
    ws = company.computed()
    assert company.revenue(ws) == company.tables["orders"][0]["amount"]
    assert says(ws)


def test_all_orders_on_one_day(company, says) -> None:
    company.keep(*SMALL)
    for row in company.tables["orders"]:
        row["ordered_at"] = "2025-08-02 10:00:00"
    company.write()
    ws = company.computed(lang="zh")
    assert company.revenue(ws) == sum(row["amount"] for row in company.tables["orders"])
    told = says(ws)
    assert sum(text.startswith("历史数据不足") for text in told) >= FEWEST


def test_customers_without_orders(company, says) -> None:
    company.keep(*SMALL)
    company.tables["customers"] += [
        {"customer_id": f"new{n}", "kind": "person", "registered_at": "2025-05-02 10:00:00"} for n in range(30)
    ]
    company.write()
    ws = company.computed()
    assert company.revenue(ws) == REVENUE
    tiers = ws.result("segments")["tier"].value_counts()
    assert tiers["retail_prospect"] == 30
    assert says(ws)


@pytest.mark.parametrize("kept", [5, 0], ids=["a few in the table", "none in the table"])
def test_orders_without_customers(company, says, kept: int) -> None:
    """Who is known from orders alone is a customer all the same."""
    company.keep(*SMALL)
    heads = dict.fromkeys(company.tables["customers"][0], "")
    company.tables["customers"] = company.tables["customers"][:kept] or [heads | {"customer_id": "other"}]
    company.write()
    ws = company.computed()
    assert company.revenue(ws) == REVENUE
    assert (ws.result("features")["order_count"] > 0).sum() == 60
    assert says(ws)


def test_quarter_before_the_data(company) -> None:
    company.keep(*SMALL)
    company.write()
    company.refused("2025Q1 ends before the first order (2025-04-01)", "2025Q2", quarter="2025Q1")


def test_quarter_after_the_data(company) -> None:
    company.keep(*SMALL)
    company.write()
    company.refused("2025Q4 begins after the newest order", quarter="2025Q4")


def test_quarter_not_finished(company, says) -> None:
    """Orders reach the end of August alone: the report says so, and the newest covered quarter is the one before."""
    company.keep(*SMALL)
    orders = company.tables["orders"]
    company.tables["orders"] = [row for row in orders if row["ordered_at"] < "2025-09"]
    company.tables["order_items"] = company.tables["order_items"][: len(company.tables["orders"])]
    company.write()
    revenue = sum(row["amount"] for row in company.tables["orders"] if row["ordered_at"] >= "2025-07")
    ws = company.computed()
    assert company.revenue(ws) == revenue
    assert not ws.result("coverage")["is_complete"]
    assert any(text.startswith("Careful: the data of") for text in says(ws))
    assert str(company.workspace(quarter="latest").quarter) == "2025Q2"


def test_every_order_in_the_future(company) -> None:
    company.keep(*SMALL)
    for row in company.tables["orders"]:
        row["ordered_at"] = row["ordered_at"].replace("2025", "2031")
    company.write()
    company.refused("after", quarter="latest")


def test_items_of_orders_that_do_not_exist(company, says) -> None:
    company.keep(*SMALL)
    for row in company.tables["order_items"]:
        row["order_id"] = f"no{row['order_id']}"
    company.write()
    ws = company.computed("load_report", "scorecard")
    assert company.revenue(ws) == REVENUE
    assert says(ws, "portraits")


def _nobody(company: Any) -> None:
    for table in ("interactions", "surveys", "contracts", "actions", "opportunities", "events", "overrides",
                  "customers_history", "receivables"):  # fmt: skip
        for row in company.tables[table]:
            row["customer_id"] = f"nobody{row['customer_id']}"


def test_contacts_of_customers_nobody_knows(company, says) -> None:
    _nobody(company)
    company.write()
    ws = company.computed("load_report", "features", "scorecard")
    assert company.revenue(ws) == REVENUE
    assert says(ws, "portraits", "strategy")
