"""Highlights and shortfalls in units of a KPI's own noise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import Target
from crm_analysis.base.settings_effects import HighlightSettings
from crm_analysis.evaluation.highlights import (
    HIGHLIGHTS_SCHEMA,
    NOISE_ABSENT,
    highlights_table,
    noise_table,
    of_side,
)
from crm_analysis.evaluation.history import KPI_HISTORY_SCHEMA
from crm_analysis.evaluation.scorecard import scorecard_table

QUARTER = Quarter(2025, 3)
SETTINGS = HighlightSettings()
HOURS = [5.0, 4.0, 6.0, 5.0, 5.0, 4.0, 6.0, 7.0]  # changes -1 2 -1 0 -1 2 1: median 0, deviations 1 2 1 0 1 2 1


def of_kpi(kpi: str, values: list[float], *, n: int = 100) -> pd.DataFrame:
    """Return a history of one KPI that ends with the quarter."""
    from crm_analysis.base.metrics import METRICS

    names = [str(quarter) for quarter in QUARTER.back(len(values))]
    table = pd.DataFrame({"kpi": kpi, "quarter": names, "unit": METRICS[kpi].unit, "value": values, "n": n})
    empty = dict.fromkeys(("numerator", "denominator", "low", "high"), np.nan)
    return table.assign(**empty, is_history_short=False)[list(KPI_HISTORY_SCHEMA)]


def noise_of(history: pd.DataFrame, **settings: int) -> pd.Series:
    return noise_table(history, quarter=QUARTER, settings=HighlightSettings(**settings)).iloc[0]


def test_noise_is_the_robust_spread_of_changes() -> None:
    found = noise_of(of_kpi("first_response_hours", HOURS))
    assert found["noise"] == pytest.approx(1.4826)
    assert (found["noise_absent"], found["quarter_count"]) == ("", 8)
    wild = [*HOURS[:-1], 900.0]  # one outlier: deviations 1 2 1 0 1 2 893
    assert noise_of(of_kpi("first_response_hours", wild))["noise"] == pytest.approx(1.4826)


def test_only_the_last_quarters_count() -> None:
    long = of_kpi("first_response_hours", [100.0, 1.0, 100.0, *HOURS])
    assert noise_of(long)["noise"] == pytest.approx(1.4826)
    assert noise_of(long, noise_quarters=11)["noise"] > 1.4826


def test_noise_is_no_less_than_the_sampling_error() -> None:
    steady = of_kpi("satisfaction_rate", [0.9, 0.9, 0.9, 0.9, 0.9, 0.9]).assign(low=0.80, high=0.9568)
    assert noise_of(steady)["noise"] == pytest.approx(0.1568 / 3.919928, rel=1e-6)
    assert noise_of(of_kpi("order_count", [400.0] * 6))["noise"] == 20
    moving = of_kpi("order_count", [400.0, 500, 300, 500, 300, 400])
    assert noise_of(moving)["noise"] > 20


def test_too_few_quarters_and_no_noise_say_so() -> None:
    four = noise_of(of_kpi("first_response_hours", HOURS[-4:]))
    assert (four["noise_absent"], four["quarter_count"]) == ("few_quarters", 4)
    assert np.isnan(four["noise"])
    assert noise_of(of_kpi("first_response_hours", HOURS[-4:]), minimum_quarters=4)["noise"] > 0
    still = noise_of(of_kpi("first_response_hours", [4.0] * 8))
    assert still["noise_absent"] == "no_noise"
    assert np.isnan(still["noise"])
    small = of_kpi("first_response_hours", HOURS, n=29)  # below the smallest sample: no values
    assert noise_of(small)["quarter_count"] == 0
    assert set(noise_table(small, quarter=QUARTER, settings=SETTINGS)["noise_absent"]) <= set(NOISE_ABSENT)


def highlights(history: pd.DataFrame, **targets: float) -> pd.DataFrame:
    wanted = [Target(kpi=kpi, value=value) for kpi, value in targets.items()]
    card = scorecard_table(history, targets=wanted, quarter=QUARTER, tolerance=0.05)
    return highlights_table(card, history, quarter=QUARTER, settings=SETTINGS)


def test_kpis_are_ranked_by_distance_over_noise() -> None:
    shares = [0.70, 0.72, 0.70, 0.72, 0.70, 0.72, 0.70, 0.72]
    history = pd.concat(
        [
            of_kpi("first_response_hours", HOURS),  # 7 hours
            of_kpi("customer_retention_rate", shares),  # 72 %
            of_kpi("complaint_rate", [0.04] * 4),
            of_kpi("order_count", [900.0] * 8),
        ]
    )
    table = highlights(history, first_response_hours=4, customer_retention_rate=0.70, complaint_rate=0.05)
    check_columns(table.columns, HIGHLIGHTS_SCHEMA, result="highlights")
    assert table["kpi"].tolist() == ["first_response_hours", "customer_retention_rate", "complaint_rate"]
    assert table["distance"].tolist() == [-3, 0.02, 0.01]  # less is better for hours and complaints
    # shares: changes 2 -2 2 -2 2 -2 2 points, median 2, deviations 0 4 0 4 0 4 0: their median is 0, no interval
    assert table["noise"].isna().tolist() == [False, True, True]
    assert table["noise_absent"].tolist() == ["", "no_noise", "few_quarters"]
    assert table["noise_score"].iloc[0] == pytest.approx(-3 / 1.4826, abs=1e-6)
    assert table["side"].tolist() == ["shortfall", "highlight", "highlight"]
    assert table["is_clear"].tolist() == [True, False, False]
    assert of_side(table, "highlight")["kpi"].tolist() == ["customer_retention_rate", "complaint_rate"]


def test_what_is_not_judged_is_left_out() -> None:
    history = of_kpi("first_response_hours", HOURS, n=10)
    assert highlights(history, first_response_hours=4).empty
    assert highlights(history).empty
    check_columns(highlights(history).columns, HIGHLIGHTS_SCHEMA, result="highlights")


@settings(max_examples=20)
@given(
    values=st.lists(st.floats(1, 100), min_size=5, max_size=8),
    target=st.floats(1, 100),
    scale=st.floats(0.5, 20),
)
def test_the_score_does_not_depend_on_the_unit(values: list[float], target: float, scale: float) -> None:
    hours = highlights(of_kpi("first_response_hours", values), first_response_hours=target)
    other = highlights(
        of_kpi("first_response_hours", [value * scale for value in values]), first_response_hours=target * scale
    )
    if hours["noise"].iloc[0] > 1e-3:  # noise and distance are rounded to nine digits
        assert other["noise_score"].iloc[0] == pytest.approx(hours["noise_score"].iloc[0], rel=1e-4, abs=1e-4)
