"""Completeness on tables of a few rows: what is missing, what is not, and the score."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import DiagnosisSettings
from crm_analysis.diagnosis.completeness import (
    CASE_KINDS,
    COMPLETENESS_SCHEMA,
    NATURALLY_EMPTY,
    ORGANISATION_FIELDS,
    OWN_WORK,
    PERSON_FIELDS,
    completeness_score,
    completeness_table,
    gaps_table,
)
from crm_analysis.sources.schema import TABLES

SETTINGS = DiagnosisSettings(required_fields=("name",), deep_fields=("latent_needs",))
MakeTables = Callable[..., Any]


def _table(tables: Any, settings: DiagnosisSettings = SETTINGS) -> pd.DataFrame:
    return completeness_table(tables, settings=settings).set_index(["table", "field"])


@pytest.fixture
def customers(make_tables: MakeTables) -> Any:
    return make_tables(
        customers=[
            {"kind": "person", "name": "a", "gender": "female", "phone": "1", "latent_needs": "x"},
            {"kind": "person", "name": "  ", "gender": None, "phone": None},
            {"kind": "organisation", "name": "c", "industry": "trade", "phone": "3"},
            {"kind": None, "name": "d", "phone": "4"},
        ]
    )


def test_missing_rate_by_hand(customers: Any) -> None:
    table = completeness_table(customers, settings=SETTINGS)
    check_columns(table.columns, COMPLETENESS_SCHEMA, result="completeness")
    cells = table.set_index("field")
    assert cells.loc["phone", ["row_count", "missing_count", "missing_rate"]].tolist() == [4, 1, 0.25]
    assert cells.loc["name", "missing_count"] == 1, "blanks are missing"
    assert set(cells["family"]) == {"basic"}


def test_fields_apply_to_their_kind_and_to_customers_of_unknown_kind(customers: Any) -> None:
    cells = _table(customers).loc["customers"]
    assert cells.loc["gender", ["row_count", "missing_count"]].tolist() == [3, 2]
    assert cells.loc["industry", ["row_count", "missing_count"]].tolist() == [2, 1]


def test_field_that_the_file_lacks_stands_apart(customers: Any) -> None:
    cells = _table(customers).loc["customers"]
    assert not cells.loc["wechat", "is_present"]
    assert cells.loc["phone", "is_present"]
    without = completeness_score(_table(customers).drop(("customers", "wechat")).reset_index(), settings=SETTINGS)
    whole = completeness_score(_table(customers).reset_index(), settings=SETTINGS)
    assert whole["score"] == without["score"]
    assert whole["absent_field_count"] == without["absent_field_count"] + 1


def test_roles_and_weights(customers: Any) -> None:
    cells = _table(customers).loc["customers"]
    roles = {
        name: (cells.loc[name, "role"], cells.loc[name, "weight"])
        for name in ("customer_id", "name", "phone", "latent_needs")
    }
    assert roles == {
        "customer_id": ("key", 0),
        "name": ("required", 2),
        "phone": ("other", 1),
        "latent_needs": ("deep", 0),
    }
    own = DiagnosisSettings(required_weight=5, required_fields=("customers.name",), field_weights={"phone": 3})
    cells = _table(customers, own).loc["customers"]
    assert (cells.loc["name", "weight"], cells.loc["phone", "weight"]) == (5, 3)


def test_score_is_the_weighted_mean_of_filled_shares(customers: Any) -> None:
    score = completeness_score(completeness_table(customers, settings=SETTINGS), settings=SETTINGS)
    # name 3/4 (weight 2), kind 3/4, phone 3/4, gender 1/3, industry 1/2; the rest is absent, key or deep
    expected = (2 * 0.75 + 0.75 + 0.75 + 1 / 3 + 0.5) / 6
    assert score["score"] == pytest.approx(expected, abs=1e-6)
    assert score["families"]["basic"] == score["score"]
    assert score["families"]["feedback"] is None
    assert (score["required"], score["deep"]) == (0.75, 0.25)
    assert (score["field_count"], score["customer_count"]) == (5, 4)
    assert (score["worst"]["field"], score["worst"]["row_count"]) == ("gender", 3)


def test_weights_move_the_score(customers: Any) -> None:
    heavy = DiagnosisSettings(field_weights={"gender": 100})
    plain = DiagnosisSettings()
    scores = [
        completeness_score(completeness_table(customers, settings=s), settings=s)["score"] for s in (plain, heavy)
    ]
    assert scores[1] < scores[0]


def test_later_knowledge_is_measured_where_it_is_due(make_tables: MakeTables) -> None:
    tables = make_tables(
        interactions=[
            {"opened_at": "2025-07-01", "resolved_at": "2025-07-02", "kind": "complaint", "reason": "price"},
            {"opened_at": "2025-07-01", "resolved_at": "2025-07-02", "kind": "complaint", "urgency": "normal"},
            {"opened_at": "2025-07-01", "kind": "complaint"},
            {"opened_at": "2025-07-01", "resolved_at": "2025-07-01", "kind": "care"},
        ],
        surveys=[
            {"sent_at": "2025-07-01", "answered_at": "2025-07-02", "score": 4},
            {"sent_at": "2025-07-01"},
        ],
    )
    cells = _table(tables)
    assert cells.loc[("interactions", "reason"), ["row_count", "missing_count"]].tolist() == [2, 1]
    assert cells.loc[("interactions", "urgency"), ["row_count", "missing_count"]].tolist() == [3, 2]
    assert cells.loc[("surveys", "score"), ["row_count", "missing_count"]].tolist() == [1, 0]
    fields = set(cells.index)
    assert not fields & {("interactions", "resolved_at"), ("interactions", "reopened_at"), ("surveys", "answered_at")}
    assert ("orders", "refund_of") not in fields


def test_tables_of_own_work_weigh_nothing(make_tables: MakeTables) -> None:
    tables = make_tables(actions=[{"assigned_at": "2025-07-01", "department": "sales"}, {"assigned_at": "2025-07-02"}])
    table = completeness_table(tables, settings=SETTINGS)
    assert table.set_index("field").loc["department", "missing_rate"] == 0.5
    assert set(table["weight"]) == {0}
    assert completeness_score(table, settings=SETTINGS)["score"] is None


def test_orders_without_a_table_of_customers_are_no_customer_information(make_tables: MakeTables) -> None:
    table = completeness_table(
        make_tables(orders=[{"ordered_at": "2025-07-01", "channel": "web", "region": "east"}]), settings=SETTINGS
    )
    assert (table["weight"] > 0).any()
    score = completeness_score(table, settings=SETTINGS)
    assert (score["score"], score["customer_count"]) == (None, 0)


def test_empty_table_gives_no_rate(make_tables: MakeTables) -> None:
    table = completeness_table(make_tables(customers=[]), settings=SETTINGS)
    assert table["missing_rate"].isna().all()
    score = completeness_score(table, settings=SETTINGS)
    assert (score["score"], score["worst"]) == (None, {})


def test_gaps_are_sorted_and_limited(customers: Any) -> None:
    table = completeness_table(customers, settings=SETTINGS)
    gaps = gaps_table(table)
    assert gaps["field"].tolist()[:2] == ["gender", "industry"]
    assert gaps["missing_rate"].is_monotonic_decreasing
    assert set(gaps["field"]) == {"gender", "industry", "name", "phone", "kind"}
    assert len(gaps_table(table, limit=2)) == 2


def test_named_fields_exist_in_the_contract() -> None:
    for name in NATURALLY_EMPTY | PERSON_FIELDS | ORGANISATION_FIELDS | set(CASE_KINDS):
        table, field = name.split(".")
        assert field in TABLES[table], name
    assert set(TABLES) >= OWN_WORK
