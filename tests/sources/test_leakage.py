"""Nothing that happens after the door changes a feature or a period before it (DESIGN, rule 5)."""

from collections.abc import Callable
from datetime import date
from typing import Any

import ibis
import pandas as pd
import pytest

from crm_analysis.base.period import Quarter
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.features import features_table
from crm_analysis.sources.periods import customer_periods_table
from crm_analysis.sources.schema import TABLES

DAY, ZONE = date(2025, 7, 1), "Asia/Shanghai"
BEFORE, AFTER = "2025-06-20", "2025-07-01"

#: One row of everything before the door, with all that was still to come inside the row.
COMPANY: dict[str, list[dict[str, Any]]] = {
    "customers": [{"customer_id": "c1", "registered_at": "2024-01-01 09:00", "updated_at": f"{AFTER} 09:00"}],
    "orders": [
        {"order_id": "o1", "ordered_at": "2025-01-05 10:00", "amount": 80, "channel": "web"},
        {"order_id": "o2", "ordered_at": "2025-05-05 10:00", "amount": 120, "channel": "store", "discount": 10},
    ],
    "order_items": [{"order_id": "o1", "category": "tea"}, {"order_id": "o2", "category": "cups"}],
    "interactions": [{"interaction_id": "i1", "opened_at": f"{BEFORE} 09:00"}],
    "surveys": [
        {"survey_id": "s0", "sent_at": f"{BEFORE} 09:00"},
        {"survey_id": "s1", "sent_at": f"{BEFORE} 09:00", "answered_at": f"{BEFORE} 12:00", "score": 4},
    ],
    "contracts": [{"contract_id": "k1", "start_date": "2025-01-01", "end_date": "2025-12-31"}],
    "actions": [{"action_id": "a1", "assigned_at": f"{BEFORE} 09:00"}],
    "opportunities": [{"opportunity_id": "p1", "entered_at": f"{BEFORE} 09:00"}],
    "events": [{"at": f"{BEFORE} 09:00"}],
    "interviews": [{"held_on": BEFORE}],
    "overrides": [{"decided_at": f"{BEFORE} 09:00"}],
    "customers_history": [{"changed_at": f"{BEFORE} 09:00"}],
    "receivables": [{"invoiced_on": BEFORE}],
}

#: What happens next, by table: new rows, or the same row with what came later.
LATER: dict[str, list[dict[str, Any]]] = {
    "customers": [{"customer_id": "c2", "registered_at": f"{AFTER} 00:00"}],
    "orders": [
        {"order_id": "o3", "ordered_at": f"{AFTER} 00:00", "amount": 999, "channel": "fair"},
        {"order_id": "o4", "ordered_at": f"{AFTER} 00:00", "amount": -120, "refund_of": "o2"},
        {"order_id": "o5", "ordered_at": f"{AFTER} 00:00", "customer_id": "c3"},
    ],
    "order_items": [{"order_id": "o3", "category": "bowls"}] * 3,
    "interactions": [{"interaction_id": "i2", "opened_at": f"{AFTER} 00:00", "kind": "complaint"}],
    "surveys": [{"survey_id": "s2", "sent_at": f"{AFTER} 00:00", "answered_at": f"{AFTER} 00:00", "score": 1}],
    "contracts": [{"contract_id": "k2", "start_date": AFTER, "end_date": "2027-12-31"}],
    "actions": [{"action_id": "a2", "assigned_at": f"{AFTER} 00:00"}],
    "opportunities": [{"opportunity_id": "p1", "stage": "closed", "entered_at": f"{AFTER} 00:00"}],
    "events": [{"at": f"{AFTER} 00:00"}],
    "interviews": [{"held_on": AFTER}],
    "overrides": [{"decided_at": f"{AFTER} 00:00"}],
    "customers_history": [{"changed_at": f"{AFTER} 00:00"}],
    "receivables": [{"invoiced_on": AFTER}],
}
INSIDE: dict[str, dict[str, Any]] = {
    "interactions": {"first_human_reply_at": f"{AFTER} 00:00", "resolved_at": f"{AFTER} 00:00", "reason": "price"},
    "surveys": {"answered_at": f"{AFTER} 00:00", "score": 1},
    "actions": {"done_at": f"{AFTER} 00:00", "status": "done"},
    "opportunities": {"closed_at": f"{AFTER} 00:00", "won": True},
    "receivables": {"paid_on": AFTER},
}

Known = dict[str, pd.DataFrame]
Look = Callable[[dict[str, list[dict[str, Any]]]], Known]


@pytest.fixture(scope="module")
def look(make_tables: Callable[..., Any]) -> Look:
    """Return ``look(company)``: features, periods and every table behind the door; the SQL is made once."""
    known = as_of(make_tables(**COMPANY), DAY, zone=ZONE)
    expressions = known | {
        "features": features_table(known, as_of=DAY),
        "periods": customer_periods_table(known, quarters=Quarter.containing(DAY).shift(-1).back(6)),
    }
    sql = {name: ibis.to_sql(expression, dialect="duckdb") for name, expression in expressions.items()}

    def run(company: dict[str, list[dict[str, Any]]]) -> Known:
        connection = make_tables(**company)["orders"].get_backend().con
        return {name: connection.execute(query).df() for name, query in sql.items()}

    return run


@pytest.fixture(scope="module")
def before(look: Look) -> Known:
    return look(COMPANY)


def _same(found: Known, before: Known) -> None:
    for name, frame in before.items():
        pd.testing.assert_frame_equal(found[name], frame)


def test_every_table_with_a_date_is_tried() -> None:
    dated = {name for name, table in TABLES.items() if table.time is not None}
    assert set(LATER) == set(COMPANY) == dated | {"order_items"}


@pytest.mark.parametrize("table", LATER)
def test_what_happens_after_the_door_changes_nothing(look: Look, before: Known, table: str) -> None:
    _same(look(COMPANY | {table: COMPANY[table] + LATER[table]}), before)


@pytest.mark.parametrize("table", INSIDE)
def test_what_a_row_learns_after_the_door_changes_nothing(look: Look, before: Known, table: str) -> None:
    _same(look(COMPANY | {table: [COMPANY[table][0] | INSIDE[table], *COMPANY[table][1:]]}), before)


def test_the_guard_itself_sees_a_change(look: Look, before: Known) -> None:
    earlier = [{"order_id": "o9", "ordered_at": f"{BEFORE} 23:59", "amount": 1}]
    with pytest.raises(AssertionError, match="DataFrame"):
        _same(look(COMPANY | {"orders": COMPANY["orders"] + earlier}), before)
