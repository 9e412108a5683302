"""Each rule on rows that keep it and rows that break it."""

from collections.abc import Callable
from datetime import date
from typing import Any

import ibis
import pandas as pd
import pytest

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import DiagnosisSettings
from crm_analysis.diagnosis.rules import is_email, is_phone
from crm_analysis.diagnosis.validity import VALIDITY_SCHEMA, broken_rules, validity_table

AS_OF = date(2025, 10, 1)
MakeTables = Callable[..., Any]


def _table(tables: Any, settings: DiagnosisSettings | None = None) -> pd.DataFrame:
    table = validity_table(tables, settings=settings or DiagnosisSettings(), as_of=AS_OF)
    check_columns(table.columns, VALIDITY_SCHEMA, result="validity")
    return table


def _counts(
    tables: Any, table: str, field: str, rule: str, settings: DiagnosisSettings | None = None
) -> tuple[int, int]:
    row = _table(tables, settings).set_index(["table", "field", "rule"]).loc[(table, field, rule)]
    return int(row["checked_count"]), int(row["invalid_count"])


@pytest.mark.parametrize(
    ("phone", "is_valid"),
    [
        ("13812345678", True), ("+86 138-1234-5678", True), ("0086 13812345678", True), ("8613812345678", True),
        ("010-88886666", True), ("(0571) 8765 4321", True), ("88886666", True), ("400-800-8820", True),
        ("12812345678", False), ("1381234567", False), ("138123456789", False), ("unknown", False), ("", False),
        ("138****5678", False),
    ],
)  # fmt: skip
def test_phone_form(phone: str, is_valid: bool) -> None:
    assert ibis.duckdb.connect().to_pyarrow(is_phone(ibis.literal(phone))).as_py() is is_valid


@pytest.mark.parametrize(
    ("email", "is_valid"),
    [
        ("a@b.cn", True), ("first.last+tag@mail.example.com", True), (" a@b.cn ", True),
        ("a@b", False), ("a b@c.cn", False), ("@b.cn", False), ("a@b..cn", False), ("a.b.cn", False),
    ],
)  # fmt: skip
def test_email_form(email: str, is_valid: bool) -> None:
    assert ibis.duckdb.connect().to_pyarrow(is_email(ibis.literal(email))).as_py() is is_valid


def test_customers(make_tables: MakeTables) -> None:
    tables = make_tables(
        customers=[
            {"customer_id": "c1", "phone": "13812345678", "email": "a@b.cn", "birth_date": "1990-01-01",
             "registered_at": "2025-01-01", "gender": "female"},
            {"customer_id": "c2", "phone": "5", "email": "a@", "birth_date": "2025-10-01",
             "registered_at": "2025-03-01", "gender": "unknown"},
            {"customer_id": "c2", "birth_date": "1915-01-01"},
            {"customer_id": "c3", "birth_date": "1914-12-31"},
        ],
        orders=[
            {"customer_id": "c1", "ordered_at": "2025-01-01 08:00"},
            {"customer_id": "c2", "ordered_at": "2025-02-28 23:00"},
        ],
    )  # fmt: skip
    assert _counts(tables, "customers", "phone", "phone_form") == (2, 1)
    assert _counts(tables, "customers", "email", "email_form") == (2, 1)
    assert _counts(tables, "customers", "birth_date", "future_date") == (4, 1)
    assert _counts(tables, "customers", "birth_date", "impossible_age") == (4, 1)
    older = DiagnosisSettings(max_age_years=111)
    assert _counts(tables, "customers", "birth_date", "impossible_age", older) == (4, 0)
    assert _counts(tables, "customers", "gender", "unknown_value") == (2, 1)
    assert _counts(tables, "customers", "customer_id", "duplicate_key") == (4, 1)
    assert _counts(tables, "customers", "registered_at", "registered_after_order") == (2, 1)


def test_orders(make_tables: MakeTables) -> None:
    tables = make_tables(
        customers=[{"customer_id": "c1"}],
        orders=[
            {"order_id": "o1", "ordered_at": "2025-07-01"},
            {"order_id": "o2", "ordered_at": "2025-07-02", "amount": -5, "refund_of": "o1"},
            {"order_id": "o3", "ordered_at": "2025-07-03", "amount": -5, "customer_id": "stranger"},
        ],
    )
    assert _counts(tables, "orders", "amount", "negative_without_original") == (2, 1)
    assert _counts(tables, "orders", "customer_id", "orphan_customer") == (3, 1)
    assert _counts(tables, "orders", "order_id", "duplicate_key") == (3, 0)


def test_refunds_without_originals_are_no_fault_where_nobody_records_them(make_tables: MakeTables) -> None:
    tables = make_tables(orders=[{"ordered_at": "2025-07-01", "amount": -5}])
    assert _counts(tables, "orders", "amount", "negative_without_original") == (0, 0)
    assert "orphan_customer" not in set(_table(tables)["rule"]), "no customer table, no orphans"


def test_interactions_surveys_contracts(make_tables: MakeTables) -> None:
    tables = make_tables(
        interactions=[
            {"opened_at": "2025-07-01 10:00", "first_human_reply_at": "2025-07-01 09:59",
             "resolved_at": "2025-07-01 10:00"},
            {"opened_at": "2025-07-01 10:00", "direction": "sideways"},
        ],
        surveys=[
            {"sent_at": "2025-07-01", "score": 5}, {"sent_at": "2025-07-01", "score": 5.1},
            {"sent_at": "2025-07-01", "score": 0}, {"sent_at": "2025-07-01"},
        ],
        contracts=[
            {"start_date": "2025-01-01", "end_date": "2025-01-01"},
            {"start_date": "2025-01-01", "end_date": "2024-12-31", "amount": -1},
        ],
    )  # fmt: skip
    assert _counts(tables, "interactions", "first_human_reply_at", "before_opening") == (1, 1)
    assert _counts(tables, "interactions", "resolved_at", "before_opening") == (1, 0)
    assert _counts(tables, "interactions", "direction", "unknown_value") == (2, 1)
    assert _counts(tables, "surveys", "score", "score_off_scale") == (3, 2)
    assert _counts(tables, "contracts", "end_date", "end_before_start") == (2, 1)
    assert _counts(tables, "contracts", "amount", "negative_amount") == (1, 1)


def test_keys_of_several_columns(make_tables: MakeTables) -> None:
    same = {"survey_id": "s", "sent_at": "2025-07-01"}
    tables = make_tables(surveys=[{**same, "question": "a"}, {**same, "question": "b"}, {**same, "question": "b"}])
    assert _counts(tables, "surveys", "survey_id", "duplicate_key") == (3, 1)


def test_broken_rules_come_worst_first(make_tables: MakeTables) -> None:
    table = _table(make_tables(customers=[{"phone": "5", "email": "a@b.cn"}, {"phone": "6", "email": "a"}, {}]))
    broken = broken_rules(table)
    assert broken[["rule", "invalid_rate"]].to_numpy().tolist() == [["phone_form", 1.0], ["email_form", 0.5]]
    assert len(broken_rules(table, limit=1)) == 1
