"""Renewals that are due and in grace: contracts worked out by hand."""

from typing import Any

import pandas as pd
import pytest

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.evaluation import outlook_figures as figures
from crm_analysis.evaluation import outlook_findings as findings
from crm_analysis.evaluation.renewals import (
    RENEWALS_SCHEMA,
    open_contracts,
    renewal_months_table,
    renewal_quarters_table,
    renewals_table,
)
from crm_analysis.sources.as_of import as_of

QUARTER = Quarter(2025, 3)
SETTINGS = PortfolioSettings(minimum_cell=2, renewal_quarters=2)


def contract(id_: str, end: str, **more: Any) -> dict[str, Any]:
    return {
        "contract_id": id_,
        "customer_id": id_[0],
        "start_date": "2024-01-01",
        "end_date": end,
        "amount": 100,
    } | more


CONTRACTS = [
    contract("a1", "2025-09-30"),  # ended on the last day, in grace
    contract("b1", "2025-09-01"),  # the first day still in grace
    contract("c1", "2025-08-31"),  # its grace is over
    contract("d1", "2025-10-01", amount=None),
    contract("e1", "2025-12-31", amount=300),
    contract("f1", "2026-03-31", amount=50.5),
    contract("g1", "2026-04-01"),  # beyond two quarters
    contract("h1", "2025-09-10"),  # followed within the grace
    contract("h2", "2026-01-15", start_date="2025-09-25"),
    contract("i1", "2025-11-30"),  # renewed ahead of its end, by name
    contract("i2", "2026-02-28", start_date="2025-09-01", renewal_of="i1"),
    contract("j1", "2025-10-31"),  # the next one is signed, but begins after the quarter
    contract("j2", "2026-10-31", start_date="2025-11-01", renewal_of="j1"),
]


@pytest.fixture
def renewals(make_tables):
    """Return ``make(kinds=..., ...)`` -> renewals of 2025Q3 behind its door."""

    def make(contracts: Any = CONTRACTS, *, kind: str | None = "organisation", **more: Any) -> pd.DataFrame:
        orders = [{"ordered_at": "2025-07-01 10:00"}]
        known = as_of(make_tables(orders=orders, contracts=contracts), QUARTER.end, zone="Asia/Shanghai")
        people = pd.DataFrame({"customer_id": sorted({row["customer_id"] for row in contracts})})
        people["kind"] = pd.Series([kind] * len(people), dtype="str")
        people["tier"] = ["vip" if id_ < "f" else "rest" for id_ in people["customer_id"]]
        staged = known["orders"].get_backend().create_table("people", people)
        settings = more.pop("settings", SETTINGS)
        return renewals_table(known["contracts"], staged, quarter=QUARTER, grace_days=30, settings=settings)

    return make


def test_what_nobody_renewed(make_tables) -> None:
    tables = make_tables(orders=[{"ordered_at": "2025-07-01 10:00"}], contracts=CONTRACTS)
    known = as_of(tables, QUARTER.end, zone="Asia/Shanghai")["contracts"]

    def ids(days: int) -> list[str]:
        return sorted(open_contracts(known, as_of=QUARTER.end, grace_days=days).contract_id.to_pandas())

    assert ids(30) == ["a1", "b1", "d1", "e1", "f1", "g1", "h2", "i2", "j1"]
    # without grace: neither what has ended, nor h1, whose follower would then come too late
    assert ids(0) == ["d1", "e1", "f1", "g1", "h2", "i2", "j1"]
    assert "c1" in ids(31)


def test_by_hand(renewals) -> None:
    table = renewals()
    check_columns(table.columns, RENEWALS_SCHEMA, result="renewals")
    shown = table.assign(month=table["month_date"].dt.strftime("%Y-%m"))
    names = ["month", "quarter", "renewal_state", "tier", "contract_count", "renewal_amount", "unpriced_count"]
    assert shown[names].to_numpy().tolist() == [
        ["2025-09", "2025Q3", "in_grace", "vip", 2, 200.0, 0],
        ["2025-10", "2025Q4", "due", "rest", 1, 100.0, 0],
        ["2025-10", "2025Q4", "due", "vip", 1, 0.0, 1],
        ["2025-12", "2025Q4", "due", "vip", 1, 300.0, 0],
        ["2026-01", "2026Q1", "due", "rest", 1, 100.0, 0],
        ["2026-02", "2026Q1", "due", "rest", 1, 100.0, 0],
        ["2026-03", "2026Q1", "due", "rest", 1, 50.5, 0],
    ]
    longer = renewals(settings=PortfolioSettings(renewal_quarters=3))
    assert longer["contract_count"].sum() == table["contract_count"].sum() + 1


def test_months_without_a_contract_are_there(renewals) -> None:
    months = renewal_months_table(renewals(), quarter=QUARTER, settings=SETTINGS)
    assert months["renewal_state"].tolist() == ["in_grace"] + ["due"] * 6
    assert months["contract_count"].tolist() == [2, 2, 0, 1, 1, 1, 1]
    assert months["renewal_amount"].tolist() == [200.0, 100.0, 0.0, 300.0, 100.0, 100.0, 50.5]
    assert months["month_date"].dt.strftime("%Y-%m").tolist() == [
        "2025-09", "2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["person", None])
def test_amounts_of_few_persons_are_hidden(renewals, kind: str | None) -> None:
    table = renewals(kind=kind)
    months = renewal_months_table(table, quarter=QUARTER, settings=SETTINGS)
    assert months["renewal_amount"].isna().tolist() == [False, False, False, True, True, True, True]
    quarters = renewal_quarters_table(table, settings=PortfolioSettings(minimum_cell=4))
    # 2 in grace, 3 and 3 due: all below 4
    assert quarters["renewal_amount"].isna().all()
    assert quarters["contract_count"].tolist() == [2, 3, 3]


def test_by_quarter_and_by_tier(renewals) -> None:
    table = renewals()
    quarters = renewal_quarters_table(table, settings=SETTINGS)
    assert quarters[["quarter", "renewal_state", "contract_count", "renewal_amount"]].to_numpy().tolist() == [
        ["2025Q3", "in_grace", 2, 200.0], ["2025Q4", "due", 3, 400.0], ["2026Q1", "due", 3, 250.5],
    ]  # fmt: skip
    tiers = renewal_quarters_table(table, settings=SETTINGS, by="tier")
    assert tiers[["tier", "renewal_state", "contract_count"]].to_numpy().tolist() == [
        ["vip", "in_grace", 2], ["rest", "due", 4], ["vip", "due", 2],
    ]  # fmt: skip


def test_without_contracts(renewals) -> None:
    none = renewals_table(None, None, quarter=QUARTER, grace_days=30, settings=SETTINGS)  # type: ignore[arg-type]
    over = renewals([contract("a1", "2025-01-31")])
    for table in (none, over):
        check_columns(table.columns, RENEWALS_SCHEMA, result="renewals")
        assert table.empty
        assert renewal_months_table(table, quarter=QUARTER, settings=SETTINGS).empty
        assert renewal_quarters_table(table, settings=SETTINGS).empty


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(renewals, lang: str) -> None:
    words = Words(lang)
    table = renewals()
    months = renewal_months_table(table, quarter=QUARTER, settings=SETTINGS)
    quarters = renewal_quarters_table(table, settings=SETTINGS)
    said = words.say(findings.finding_renewals(quarters, has_contracts=True))
    assert all(text in said for text in ("¥400", "¥650", "¥200"))
    assert words.say(findings.finding_renewals(quarters, has_contracts=False)) == words.word("renewals.absent")
    grace = quarters.loc[quarters["renewal_state"] == "in_grace"]
    assert "¥200" in words.say(findings.finding_renewals(grace, has_contracts=True))
    hidden = quarters.assign(renewal_amount=float("nan"))
    assert "¥" not in words.say(findings.finding_renewals(hidden, has_contracts=True))
    assert "6" in words.say(findings.alt_renewals(months))
    assert words.say(findings.alt_renewals(months.iloc[:0])) == words.word("renewals.alt_none")
    assert len(figures.plot_renewals(months, words=words).axes[0].patches) == 7
    empty = figures.plot_renewals(months.iloc[:0], words=words)
    assert [text.get_text() for text in empty.axes[0].texts] == [words.word("renewals.alt_none")]
