"""Receivables by tier and age: invoices worked out by hand."""

from datetime import date
from typing import Any

import pandas as pd
import pytest

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.evaluation import outlook_findings as findings
from crm_analysis.evaluation.receivables import RECEIVABLES_SCHEMA, receivables_document, receivables_table
from crm_analysis.sources.as_of import as_of

QUARTER = Quarter(2025, 3)
SETTINGS = PortfolioSettings(minimum_cell=1, minimum_base=3)
PRIVATE = PortfolioSettings(minimum_cell=2)


def invoice(id_: str, due: str, amount: float = 100, **more: Any) -> dict[str, Any]:
    return {
        "invoice_id": id_,
        "customer_id": id_[0],
        "invoiced_on": "2025-06-01",
        "due_date": due,
        "amount": amount,
    } | more


INVOICES = [
    invoice("a1", "2025-10-01", 1000, invoiced_on="2025-09-30"),  # not due
    invoice("a2", "2025-09-30", 200),  # due on the last day: 0 days
    invoice("a3", "2025-08-31", 30),  # 30 days
    invoice("b1", "2025-08-30", 40),  # 31 days
    invoice("b2", "2025-07-31", 50),  # 61 days
    invoice("b3", "2025-07-02", 60),  # 90 days
    invoice("c1", "2025-07-01", 70),  # 91 days
    invoice("c2", "2025-08-01", 5, paid_on="2025-10-02"),  # paid after the quarter: open at its end, 60 days
    invoice("c3", "2025-08-01", 999, paid_on="2025-09-30", invoiced_on="2025-07-01"),
    invoice("d1", "2025-10-10", 1, invoiced_on="2025-10-01"),  # not known yet
    invoice("e1", "2025-11-30", 9, invoiced_on="2025-07-15"),  # of a customer without a tier
]


@pytest.fixture
def known(make_tables):
    """Return ``make(invoices, kind=...)`` -> (receivables behind the door, customers)."""

    def make(invoices: Any = INVOICES, kind: str | None = "organisation") -> Any:
        tables = make_tables(orders=[{"ordered_at": "2025-07-01 10:00"}], receivables=invoices)
        people = pd.DataFrame({"customer_id": list("abcdz"), "tier": ["vip", "vip", "rest", "rest", "rest"]})
        people["kind"] = pd.Series([kind] * len(people), dtype="str")
        people["spend_amount_365d"] = [1000.0, 500.0, 700.0, 0.0, 50.0]
        staged = tables["orders"].get_backend().create_table("people", people)
        return as_of(tables, QUARTER.end, zone="Asia/Shanghai")["receivables"], staged

    return make


def test_by_hand(known) -> None:
    table = receivables_table(*known(), as_of=QUARTER.end, settings=SETTINGS)
    check_columns(table.columns, RECEIVABLES_SCHEMA, result="receivables_by_tier")
    assert table["tier"].fillna("-").tolist() == ["vip", "rest", "-"]
    vip = table.iloc[0]
    assert vip[["debtor_count", "invoice_count", "overdue_debtor_count"]].tolist() == [2, 6, 2]
    ages = [name for name in table.columns if name.startswith("overdue_") and name.endswith("_amount")]
    assert vip[ages].tolist() == [380.0, 230.0, 40.0, 110.0, 0.0]
    assert (vip["open_amount"], vip["year_spend_amount"]) == (1380.0, 1500.0)
    assert (vip["overdue_share"], vip["open_to_spend_share"]) == (round(380 / 1380, 6), 0.92)
    rest = table.iloc[1]
    assert rest[ages].tolist() == [75.0, 0.0, 5.0, 0.0, 70.0]
    assert (rest["open_amount"], rest["year_spend_amount"]) == (75.0, 750.0)
    assert (table["open_amount"].iloc[2], table["overdue_amount"].iloc[2]) == (9.0, 0.0)
    assert pd.isna(table["open_to_spend_share"].iloc[2])


def test_ages_sum_to_what_is_overdue(known) -> None:
    days = pd.date_range("2025-05-01", "2025-10-05")
    rows = [invoice(f"a{k}", str(day.date()), 1 + k) for k, day in enumerate(days)]
    table = receivables_table(*known(rows), as_of=QUARTER.end, settings=SETTINGS)
    ages = [name for name in table.columns if name.startswith("overdue_") and name[8].isdigit()]
    ages.append("overdue_over_90_amount")
    assert table["overdue_amount"].iloc[0] == table[ages].sum(axis=1).iloc[0]
    assert table["overdue_amount"].iloc[0] == sum(1 + k for k, day in enumerate(days) if day.date() < date(2025, 10, 1))


def test_amounts_of_few_persons_are_hidden(known) -> None:
    table = receivables_table(*known(kind="person"), as_of=QUARTER.end, settings=PRIVATE)
    # one debtor in the rest and one without a tier: both hidden, together they hold two
    assert table["open_amount"].isna().tolist() == [False, True, True]
    assert table["year_spend_amount"].notna().all()
    wide = receivables_table(*known(kind="person"), as_of=QUARTER.end, settings=PortfolioSettings(minimum_cell=3))
    assert wide["open_amount"].isna().all()
    paid = [row for row in INVOICES if row["invoice_id"][0] == "a"] + [invoice("b9", "2025-12-01")]
    one = receivables_table(*known(paid, kind="person"), as_of=QUARTER.end, settings=PRIVATE)
    assert (one["debtor_count"].iloc[0], one["overdue_debtor_count"].iloc[0]) == (2, 1)
    assert one["open_amount"].notna().all()
    assert one["overdue_amount"].isna().all()


def test_days_sales_outstanding_by_hand(known) -> None:
    found = receivables_document(known()[0], quarter=QUARTER, settings=SETTINGS)
    # open: 1000 + 200 + 30 + 40 + 50 + 60 + 70 + 5 + 9; invoiced in the quarter: 1000 + 999 + 9
    assert (found["open_amount"], found["invoice_count"]) == (1464.0, 9)
    assert (found["overdue_amount"], found["over_90_amount"]) == (455.0, 70.0)
    assert (found["invoiced_amount"], found["invoiced_count"]) == (2008.0, 3)
    assert found["outstanding_days"] == round(1464 / 2008 * 92, 1)
    few = receivables_document(known()[0], quarter=QUARTER, settings=PortfolioSettings(minimum_base=4))
    assert (few["status"], few["outstanding_days"]) == ("too_small", None)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said(known, lang: str) -> None:
    words = Words(lang, names={f"segment.{tier}": {"zh": tier, "en": tier} for tier in ("vip", "rest")})
    table = receivables_table(*known(), as_of=QUARTER.end, settings=SETTINGS)
    document = receivables_document(known()[0], quarter=QUARTER, settings=SETTINGS)
    said = words.say(findings.finding_receivables(document))
    assert all(text in said for text in ("¥1,464", "¥455", "67.1"))
    assert "vip" in words.say(findings.finding_overdue_tier(table))
    none = receivables_table(None, known()[1], as_of=QUARTER.end, settings=SETTINGS)
    check_columns(none.columns, RECEIVABLES_SCHEMA, result="receivables_by_tier")
    assert words.say(findings.finding_overdue_tier(none)) == words.word("receivables.no_tier")
    absent = receivables_document(None, quarter=QUARTER, settings=SETTINGS)
    assert words.say(findings.finding_receivables(absent)) == words.word("receivables.absent")
    few = receivables_document(known()[0], quarter=QUARTER, settings=PortfolioSettings(minimum_base=4))
    assert "67.1" not in words.say(findings.finding_receivables(few))
