"""KPIs of service against numbers worked out by hand, and against the tables that they must agree with."""

from typing import Any

import pytest

from crm_analysis.base.metrics import DERIVED_TABLES, METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.evaluation.kpis import KPI_FUNCTIONS, KpiInputs, available_kpis
from crm_analysis.evaluation.registry import KPI_MODULES, kpi_totals
from crm_analysis.evaluation.service import service_cases
from crm_analysis.evaluation.service_kpis import CASES
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.periods import customer_periods_table

QUARTER, ZONE = Quarter(2025, 3), "Asia/Shanghai"
OF_CASES = ("first_response_business_hours", "sla_attainment_rate", "resolution_hours", "resolution_business_hours",
            "closed_loop_rate", "reopened_rate", "complaint_response_rate")  # fmt: skip
ORDERS = [{"order_id": f"o{n}", "customer_id": f"c{n % 2}", "ordered_at": "2025-08-01 10:00"} for n in range(5)]


def case(
    customer: str, opened: str, replied: str | None = None, resolved: str | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "opened_at": opened,
        "first_human_reply_at": replied,
        "resolved_at": resolved,
    } | more


# 24 September is a Wednesday
ROWS = [
    case("c0", "2025-09-24 10:00", "2025-09-24 11:00", "2025-09-24 15:30"),  # 1 h; 5.5 h, of business 4
    case(
        "c0", "2025-09-24 17:00", "2025-09-25 10:30", "2025-09-25 10:30", reopened_at="2025-09-26 09:00"
    ),  # 2.5 h: late
    case("c1", "2025-09-24 10:00", None, None, kind="complaint"),  # overdue in every way
    case("c1", "2025-09-24 17:00", "2025-09-25 17:00", "2025-09-25 17:30", kind="complaint"),  # 24 h; of business 7.5
    case("c2", "2025-09-30 17:00"),  # an hour of business: not yet due
    case("c2", "2025-09-24 10:00", "2025-09-24 09:00"),  # before it was opened
    case("c2", "2025-09-24 10:00", "2025-09-24 10:06", is_public=False, kind="complaint"),
    case("c2", "2025-09-24 10:00", None, None, direction="out"),
]


@pytest.fixture(scope="module")
def inputs(make_tables):
    settings = EvaluationSettings()
    known = as_of(make_tables(orders=ORDERS, interactions=ROWS), QUARTER.end, zone=ZONE)
    cases = service_cases(known["interactions"], quarter=QUARTER, settings=settings, zone=ZONE).cache()
    periods = customer_periods_table(known, quarters=QUARTER.back(2)).cache()
    return KpiInputs({**known, CASES: cases}, periods, QUARTER, settings)


@pytest.mark.parametrize(
    ("kpi", "numerator", "denominator"),
    [
        ("first_response_business_hours", 1 + 2.5 + 7.5, 3),
        ("sla_attainment_rate", 1, 4),  # in time: the first; late: two; open past its limit: one
        ("resolution_hours", 5.5 + 24.5, 2),  # the second is open again
        ("resolution_business_hours", 4 + 8, 2),
        ("closed_loop_rate", 2, 5),  # due: two resolved; opened again, never answered, unclear: open for days
        ("reopened_rate", 1, 3),
        ("complaint_response_rate", 1, 2),
        ("complaints_per_100_orders", 3, 5),  # the hidden one is a complaint all the same
    ],
)
def test_kpis_by_hand(inputs, kpi: str, numerator: float, denominator: float) -> None:
    row = kpi_totals(inputs, [kpi]).to_pandas().squeeze()
    assert row["numerator"] == pytest.approx(numerator, abs=1e-6)
    assert (row["denominator"], row["n"]) == (denominator, denominator)


def test_the_existing_response_kpi_counts_the_same_cases(inputs) -> None:
    rows = kpi_totals(inputs, ["first_response_hours", "first_response_business_hours"]).to_pandas().set_index("kpi")
    assert rows.loc["first_response_hours", ["numerator", "n"]].tolist() == [1 + 17.5 + 24, 3]
    assert rows["n"].nunique() == 1


@pytest.mark.parametrize("kpi", [*OF_CASES, "complaints_per_100_orders"])
def test_a_customer_contributes_one_row(inputs, kpi: str) -> None:
    rows = KPI_FUNCTIONS[kpi](inputs).to_pandas()
    assert list(rows) == ["customer_id", "numerator", "denominator", "n"]
    assert rows["customer_id"].is_unique


def test_settings_move_the_limits(inputs) -> None:
    strict = EvaluationSettings(complaint_response_hours=23)
    tightened = KpiInputs(inputs.tables, inputs.periods, QUARTER, strict)
    assert kpi_totals(tightened, ["complaint_response_rate"]).to_pandas()["numerator"].tolist() == [0]


def test_kpis_of_cases_are_told_only_where_cases_are_made(inputs) -> None:
    assert set(OF_CASES) <= set(available_kpis(inputs.tables))
    assert not set(OF_CASES) & set(available_kpis({"orders", "interactions"}))
    assert "complaints_per_100_orders" in available_kpis({"orders", "interactions"})
    assert CASES in DERIVED_TABLES
    assert all(METRICS[id_].department == "service" for id_ in OF_CASES)
    assert any(module.__name__.endswith("service_kpis") for module in KPI_MODULES)
