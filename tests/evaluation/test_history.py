import pandas as pd
import pytest

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.evaluation.history import KPI_HISTORY_SCHEMA, finish_history, kpi_history
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.periods import customer_periods_table

QUARTER = Quarter(2025, 3)
ORDERS = [
    {"customer_id": f"c{n}", "ordered_at": f"{day} 10:00", "amount": 10}
    for day in ("2024-07-08", "2024-11-01", "2025-02-01", "2025-05-01", "2025-08-01")
    for n in range(40)
]
SURVEYS = [
    {"survey_id": f"s{n}", "sent_at": "2025-05-01 10:00", "answered_at": answered, "score": 5}
    for n, answered in enumerate(["2025-05-02 10:00"] * 30 + ["2025-07-02 10:00"] * 10)
]


@pytest.fixture
def compute(make_tables):
    def run(*, trend_quarters: int = 8, orders=ORDERS) -> pd.DataFrame:
        tables = make_tables(orders=orders, surveys=SURVEYS)
        periods = customer_periods_table(tables, quarters=QUARTER.back(12))
        return kpi_history(
            periods,
            door=lambda quarter: as_of(tables, quarter.end, zone="Asia/Shanghai"),
            quarter=QUARTER,
            settings=EvaluationSettings(trend_quarters=trend_quarters),
        )

    return run


def cell(history: pd.DataFrame, kpi: str, quarter: str) -> pd.Series:
    return history.set_index(["kpi", "quarter"]).loc[(kpi, quarter)]


def test_quarters_before_the_first_purchase_are_left_out(compute) -> None:
    history = compute()
    check_columns(history.columns, KPI_HISTORY_SCHEMA, result="kpi_history")
    assert list(history.loc[history["kpi"] == "revenue", "quarter"]) == [str(quarter) for quarter in QUARTER.back(5)]
    assert history["kpi"].iloc[0] == "revenue"


def test_a_first_quarter_in_part_is_no_base_for_a_comparison(compute) -> None:
    late = [{"customer_id": "x", "ordered_at": "2024-07-09 10:00", "amount": 10}]  # 8 days after 1 July: one too many
    history = compute(orders=[*late, *(row for row in ORDERS if row["ordered_at"] > "2024-08")])
    assert "2024Q3" not in set(history["quarter"])
    kept = cell(history, "customer_retention_rate", "2024Q4")  # the quarter before is not known as a whole
    assert pd.isna(kept["value"])
    assert kept["is_history_short"]
    assert cell(history, "customer_retention_rate", "2025Q1")["value"] == 1


def test_the_quarter_of_the_report_is_there_even_when_data_begin_in_it(compute) -> None:
    history = compute(orders=[row for row in ORDERS if row["ordered_at"] > "2025-08"])
    assert set(history["quarter"]) == {"2025Q3"}
    assert cell(history, "revenue", "2025Q3")["value"] == 400
    assert cell(history, "customer_retention_rate", "2025Q3")["is_history_short"]


def test_the_same_quarter_of_last_year_is_always_there(compute) -> None:
    assert "2024Q3" in set(compute(trend_quarters=2)["quarter"])


def test_each_quarter_knows_only_what_was_known_at_its_end(compute) -> None:
    history = compute()
    assert cell(history, "survey_response_rate", "2025Q2")["value"] == 0.75  # ten answers came in July
    assert cell(history, "satisfaction_rate", "2025Q2")["n"] == 30


def test_values_that_need_history_are_absent_at_the_beginning_of_the_data(compute) -> None:
    history = compute()
    assert cell(history, "repurchase_rate", "2025Q3")["value"] == 1
    early = cell(history, "repurchase_rate", "2025Q2")
    assert early["n"] == 0
    assert early["is_history_short"]
    assert not cell(history, "repurchase_rate", "2025Q3")["is_history_short"]
    assert pd.isna(early["value"])
    assert cell(history, "customer_retention_rate", "2024Q4")["value"] == 1
    assert pd.isna(cell(history, "customer_retention_rate", "2024Q3")["value"])


def test_the_order_of_rows_changes_nothing(compute) -> None:
    pd.testing.assert_frame_equal(compute(), compute(orders=ORDERS[::-1]))


def test_no_purchase_at_all_gives_an_empty_history(compute) -> None:
    refunds = [{"customer_id": "a", "ordered_at": "2025-08-01 10:00", "amount": -10}]
    history = compute(orders=refunds)
    assert history.empty
    assert list(history.columns) == list(KPI_HISTORY_SCHEMA)


def test_proportions_carry_their_wilson_interval_and_points_their_scale() -> None:
    parts = pd.DataFrame(
        {
            "kpi": ["nps", "satisfaction_rate", "revenue", "refund_rate", "sales_conversion_rate"],
            "quarter": "2025Q3",
            "numerator": [2.0, 8.0, 12.345, 1.0, 0.0],
            "denominator": [5.0, 10.0, float("nan"), 4.0, 0.0],
            "n": [5, 10, 3, 3, 0],
            "behind": 9,
        }
    )
    rows = finish_history(parts).set_index("kpi")
    assert rows.loc[["refund_rate", "satisfaction_rate", "nps"], "value"].tolist() == [0.25, 0.8, 40]
    # Wilson (1927) for 8 of 10 at 95 %: 0.4902 to 0.9433
    assert rows.loc["satisfaction_rate", ["low", "high"]].tolist() == pytest.approx([0.4902, 0.9433], abs=5e-5)
    assert rows.loc[["revenue", "refund_rate", "nps", "sales_conversion_rate"], "low"].isna().all()
    assert pd.isna(rows.loc["sales_conversion_rate", "value"])


def test_rates_of_events_carry_their_poisson_interval() -> None:
    kpis = ["complaint_rate", "complaint_rate", "complaints_per_100_orders"]
    parts = pd.DataFrame({"kpi": kpis, "quarter": ["2025Q2", "2025Q3", "2025Q3"], "numerator": [0.0, 10.0, 10.0],
                          "denominator": 100.0, "n": 100, "behind": [8, 9, 9]})  # fmt: skip
    rows = finish_history(parts)
    # Garwood (1936): no event is 0 to 3.6889, ten are 4.7954 to 18.3904
    assert rows["low"].tolist() == pytest.approx([0, 0.047954, 4.7954], abs=1e-4)
    assert rows["high"].tolist() == pytest.approx([0.036889, 0.183904, 18.3904], abs=1e-4)
