"""Frames of the evaluation, made by hand."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import Target
from crm_analysis.evaluation.history import KPI_HISTORY_SCHEMA
from crm_analysis.evaluation.scorecard import scorecard_table

MakeHistory = Callable[..., pd.DataFrame]


@pytest.fixture
def make_history() -> MakeHistory:
    """Return ``make((kpi, quarter, value, n), ...)``: a history with the other columns filled in."""

    def make(*rows: tuple[Any, ...]) -> pd.DataFrame:
        from crm_analysis.base.metrics import METRICS

        table = pd.DataFrame(rows, columns=["kpi", "quarter", "value", "n"])
        table["unit"] = [METRICS[kpi].unit for kpi in table["kpi"]]
        for name in ("numerator", "denominator", "low", "high"):
            table[name] = float("nan")
        table["is_history_short"] = table["value"].isna() & (table["n"] == 0)
        return table[list(KPI_HISTORY_SCHEMA)]

    return make


@pytest.fixture
def history(make_history: MakeHistory) -> pd.DataFrame:
    """Return two quarters and the year before of five KPIs."""
    return make_history(
        ("revenue", "2024Q3", 800.0, 80), ("revenue", "2025Q2", 1250.0, 90), ("revenue", "2025Q3", 1000.0, 100),
        ("active_customers", "2024Q3", 40.0, 40), ("active_customers", "2025Q3", 50.0, 50),
        ("satisfaction_rate", "2025Q2", 0.90, 60), ("satisfaction_rate", "2025Q3", 0.88, 50),
        ("nps", "2025Q2", -10.0, 50), ("nps", "2025Q3", 20.0, 29),
        ("first_response_business_hours", "2025Q2", 4.0, 50), ("first_response_business_hours", "2025Q3", 5.0, 50),
    )  # fmt: skip


@pytest.fixture
def targets() -> list[Target]:
    return [Target(kpi="satisfaction_rate", value=0.9), Target(kpi="first_response_business_hours", value=4)]


@pytest.fixture
def scorecard(history: pd.DataFrame, targets: list[Target]) -> pd.DataFrame:
    """Return the scorecard of 2025Q3."""
    return scorecard_table(history, targets=targets, quarter=Quarter(2025, 3), tolerance=0.05)
