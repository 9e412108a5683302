"""Contact coverage, load of owners and large customers left alone: small companies worked out by hand."""

from datetime import date
from typing import Any

import ibis
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.evaluation import workload_findings as findings
from crm_analysis.evaluation.workload import (
    CONTACT_COVERAGE_SCHEMA,
    UNATTENDED_SCHEMA,
    WORKLOAD_SCHEMA,
    attended_customers,
    contact_coverage_table,
    contact_group_table,
    load_document,
    unattended_table,
    workload_table,
)

AS_OF, START = date(2025, 10, 1), date(2025, 7, 1)
SETTINGS = PortfolioSettings(minimum_base=2, most_accounts=2, large_amount=1000)

#: customer, owner, tier, orders and net spend of the year
PEOPLE = [
    ("a", "w1", "vip", 3, 5000.0),
    ("b", "w1", "vip", 1, 1000.0),
    ("c", "w1", "rest", 1, 10.0),
    ("d", " w2 ", "rest", 2, 1500.0),
    ("e", "  ", "rest", 1, 2000.0),
    ("f", "w3", "rest", 0, 0.0),
]
#: a was called on the last day counted as recent, b one day before it, c got marketing and wrote himself, d long ago
CONTACTS = [
    {"customer_id": "a", "opened_at": "2025-07-03 09:00", "direction": "out", "kind": "call"},
    {"customer_id": "b", "opened_at": "2025-07-02 23:59", "direction": "out", "kind": "visit"},
    {"customer_id": "c", "opened_at": "2025-09-01 09:00", "direction": "out", "kind": "marketing"},
    {"customer_id": "c", "opened_at": "2025-09-02 09:00", "direction": "in", "kind": "inquiry"},
    {"customer_id": "d", "opened_at": "2024-09-02 09:00", "direction": "out", "kind": "care"},
]
TASKS = [
    {"owner": "w1", "assigned_at": "2025-06-01 09:00", "due_date": "2025-06-30"},
    {"owner": "w1", "assigned_at": "2025-06-01 09:00", "due_date": "2025-09-30"},
    {"owner": "w1", "assigned_at": "2025-06-01 09:00", "due_date": "2025-10-01"},
    {"owner": "w1", "assigned_at": "2025-06-01 09:00", "due_date": "2025-09-01", "is_control": True},
    {"owner": "w1", "assigned_at": "2025-06-01 09:00", "due_date": "2025-09-01", "done_at": "2025-09-02 10:00"},
    {"owner": "w4", "assigned_at": "2025-06-01 09:00", "due_date": "2025-12-01"},
]


@pytest.fixture
def attended(make_tables):
    """Return ``make(contacts, people=..., settings=...)`` -> (attended customers, the other tables)."""

    def make(contacts: Any = CONTACTS, people: Any = PEOPLE, settings: PortfolioSettings = SETTINGS) -> Any:
        orders = [{"ordered_at": "2025-07-01 10:00"}]
        given_ = {"interactions": contacts} if contacts is not None else {}
        tables = make_tables(orders=orders, actions=TASKS, **given_)
        con = tables["orders"].get_backend()
        frame = pd.DataFrame(people, columns=["customer_id", "owner", "tier", "order_count_365d", "spend_amount_365d"])
        features = con.create_table("features", frame.drop(columns="tier"))
        tiers = con.create_table("tiers", frame[["customer_id", "tier"]])
        made = attended_customers(features, tiers, tables.get("interactions"), as_of=AS_OF, settings=settings)
        return made, tables

    return make


def test_last_contact_by_hand(attended) -> None:
    rows = attended()[0].to_pandas().set_index("customer_id").sort_index()
    assert rows["silent_days"].dropna().to_dict() == {"a": 89, "b": 90, "d": 393}
    assert rows["is_contacted"].to_dict() == {"a": True} | dict.fromkeys("bcdef", False)
    assert rows["owner"].fillna("-").tolist() == ["w1", "w1", "w1", "w2", "-", "w3"]
    assert rows["is_large"].tolist() == [True, False, False, True, True, False], "1,000 does not exceed 1,000"


def test_coverage_by_hand(attended) -> None:
    table = contact_coverage_table(attended()[0], settings=SETTINGS)
    check_columns(table.columns, CONTACT_COVERAGE_SCHEMA, result="contact_coverage")
    all_ = table.iloc[0]
    assert all_["coverage_group"] == "all"
    assert all_[["customer_count", "uncontacted_count", "never_count"]].tolist() == [5, 4, 2]
    assert (all_["uncontacted_share"], all_["large_count"], all_["large_uncontacted_count"]) == (0.8, 3, 2)
    tiers = contact_group_table(table, by="tier").set_index("tier")
    assert tiers["uncontacted_share"].to_dict() == {"rest": 1.0, "vip": 0.5}
    owners = contact_group_table(table, by="owner")
    assert owners["owner"].fillna("-").tolist() == ["w1", "w2", "-"], "w3 has no buyer"
    assert owners["status"].tolist() == ["neutral", "too_small", "too_small"]
    assert owners["uncontacted_share"].isna().tolist() == [False, True, True]


def test_without_interactions_nothing_is_known_of_contacts(attended) -> None:
    made = attended(None)[0]
    table = contact_coverage_table(made, settings=SETTINGS)
    check_columns(table.columns, CONTACT_COVERAGE_SCHEMA, result="contact_coverage")
    assert table.empty
    assert unattended_table(made).to_pandas()["unattended_reason"].tolist() == ["no_owner"]


def test_workload_by_hand(attended) -> None:
    made, tables = attended()
    table = workload_table(made, tables["actions"], as_of=AS_OF, quarter_start=START, settings=SETTINGS)
    check_columns(table.columns, WORKLOAD_SCHEMA, result="workload")
    rows = table.assign(owner=table["owner"].fillna("-")).set_index("owner")
    assert rows.index.tolist() == ["w1", "w2", "-", "w4", "w3"]
    assert rows["account_count"].tolist() == [3, 1, 1, 0, 0]
    assert rows["dormant_count"].tolist() == [0, 0, 0, 0, 1]
    assert rows.loc["w1", ["open_task_count", "overdue_task_count", "stale_task_count"]].tolist() == [3, 2, 1]
    assert rows.loc["w4", ["open_task_count", "overdue_task_count"]].tolist() == [1, 0]
    assert rows["status"].tolist() == ["bad", "good", "unknown", "good", "good"]
    assert rows["load_share"].iloc[:2].tolist() == [1.5, 0.5]
    document = load_document(table, settings=SETTINGS)
    # loads 0 (w3), 1 (w2), 3 (w1): 2 * (1*0 + 2*1 + 3*3) / (3 * 4) - 4/3 = 0.5
    assert (document["gini"], document["median_count"], document["largest_ratio"]) == (0.5, 1.0, 3.0)
    assert (document["owner_count"], document["overloaded_count"], document["unowned_count"]) == (3, 1, 1)
    assert (document["open_task_count"], document["overdue_task_count"], document["stale_task_count"]) == (4, 2, 1)
    alone = workload_table(made, None, as_of=AS_OF, quarter_start=START, settings=SETTINGS)
    assert alone["open_task_count"].sum() == 0
    assert set(alone["owner"].dropna()) == {"w1", "w2", "w3"}


def test_status_turns_at_nine_tenths_of_the_limit(attended) -> None:
    people = [(f"c{k}", owner, "rest", 1, 1.0) for owner, n in (("w1", 8), ("w2", 9), ("w3", 10), ("w4", 11))
              for k in range(n)]  # fmt: skip
    people = [(f"{owner}{id_}", owner, *rest) for id_, owner, *rest in people]
    settings = PortfolioSettings(most_accounts=10)
    made = attended(people=people, settings=settings)[0]
    table = workload_table(made, None, as_of=AS_OF, quarter_start=START, settings=settings)
    assert table.set_index("owner")["status"].to_dict() == {"w4": "bad", "w3": "watch", "w2": "watch", "w1": "good"}


def test_large_customers_left_alone(attended) -> None:
    table = unattended_table(attended()[0])
    check_columns(table.columns, UNATTENDED_SCHEMA, result="unattended")
    rows = table.to_pandas()
    assert rows[["customer_id", "unattended_reason"]].to_numpy().tolist() == [["e", "both"], ["d", "not_contacted"]]
    wide = attended(settings=PortfolioSettings(large_amount=1000, contact_days=400))[0]
    assert unattended_table(wide).to_pandas()["customer_id"].tolist() == ["e"]


@examples(max_examples=40)
@given(loads=st.lists(st.integers(0, 40), min_size=1, max_size=12))
def test_even_loads_have_no_gini_and_one_owner_of_all_has_most(loads: list[int]) -> None:
    def document(counts: list[int]) -> dict[str, Any]:
        table = pd.DataFrame({"owner": [f"w{k}" for k in range(len(counts))], "account_count": counts})
        zeros = dict.fromkeys(["large_count", "open_task_count", "overdue_task_count", "stale_task_count"], 0)
        return load_document(table.assign(dormant_count=1, **zeros), settings=SETTINGS)

    gini, n = document(loads)["gini"], len(loads)
    if n == 1 or sum(loads) == 0:
        assert gini is None
        return
    assert -1e-9 <= gini <= (n - 1) / n + 1e-4
    assert document(loads[::-1])["gini"] == gini
    assert document([7 * load for load in loads])["gini"] == gini
    assert document([5] * n)["gini"] == 0.0
    assert document([9] + [0] * (n - 1))["gini"] == pytest.approx((n - 1) / n, abs=1e-4)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said(attended, lang: str) -> None:
    words = Words(lang, names={f"segment.{tier}": {"zh": tier, "en": tier} for tier in ("vip", "rest")})
    made, tables = attended()
    coverage = contact_coverage_table(made, settings=SETTINGS)
    workload = workload_table(made, tables["actions"], as_of=AS_OF, quarter_start=START, settings=SETTINGS)
    document = load_document(workload, settings=SETTINGS)
    assert "80.0%" in words.say(findings.finding_coverage(coverage, settings=SETTINGS))
    assert "100.0%" in words.say(findings.finding_coverage(coverage, settings=SETTINGS))
    strict = PortfolioSettings(minimum_base=6)
    few = contact_coverage_table(made, settings=strict)
    assert "80.0%" not in words.say(findings.finding_coverage(few, settings=strict))
    assert words.say(findings.finding_coverage(coverage.iloc[:0], settings=SETTINGS)) == words.word(
        "workload.no_contacts"
    )
    assert "0.5" in words.say(findings.finding_load(document))
    assert findings.finding_load(document | {"overloaded_count": 0}).id == "workload.load"
    assert words.say(findings.finding_load(document | {"owner_count": 0})) == words.word("workload.no_owners")
    assert "4" in words.say(findings.finding_tasks(document))
    assert words.say(findings.finding_tasks(document | {"open_task_count": 0})) == words.word("workload.no_tasks")
    large = findings.finding_large(coverage, workload, settings=SETTINGS)
    assert (large.args["n"], large.args["unowned"], large.args["uncontacted"]) == (3, 1, 2)
    unknown = findings.finding_large(coverage.iloc[:0], workload, settings=SETTINGS)
    none = findings.finding_large(coverage, workload.iloc[:0], settings=SETTINGS)
    said = [words.say(item) for item in (large, unknown, none)]
    assert len(set(said)) == 3


def test_tables_of_the_engine_need_no_pandas(attended) -> None:
    assert isinstance(unattended_table(attended()[0]), ibis.Table)
