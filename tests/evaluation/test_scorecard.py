import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base.errors import SettingsError
from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import Target
from crm_analysis.evaluation.scorecard import (
    SCORECARD_SCHEMA,
    attainment_score,
    change_score,
    scorecard_table,
    status_of,
)

UP, DOWN = METRICS["satisfaction_rate"], METRICS["first_response_business_hours"]
NAN = float("nan")


def test_the_row_of_a_kpi_by_hand(scorecard: pd.DataFrame) -> None:
    check_columns(scorecard.columns, SCORECARD_SCHEMA, result="scorecard")
    rows = scorecard.set_index("kpi")
    revenue = rows.loc["revenue"]
    assert (revenue["value"], revenue["previous_value"], revenue["year_ago_value"]) == (1000, 1250, 800)
    assert (revenue["change"], revenue["year_ago_change"]) == (-0.2, 0.25)  # relative
    satisfied = rows.loc["satisfaction_rate"]
    assert satisfied["change"] == pytest.approx(-0.02)  # two percentage points
    assert satisfied["attainment_share"] == pytest.approx(0.88 / 0.90, abs=1e-6)
    assert np.isnan(satisfied["year_ago_change"])
    assert rows.loc["first_response_business_hours", "attainment_share"] == 0.75  # 2 - 5/4
    assert rows["status"].to_dict() == {
        "revenue": "no_target", "active_customers": "no_target", "satisfaction_rate": "watch", "nps": "too_small",
        "first_response_business_hours": "bad",
    }  # fmt: skip


def test_too_small_a_sample_says_so_instead_of_a_number(scorecard: pd.DataFrame) -> None:
    nps = scorecard.set_index("kpi").loc["nps"]
    assert nps["n"] == METRICS["nps"].minimum_n - 1
    assert nps[["value", "change", "previous_value"]].isna().tolist() == [True, True, False]


def test_a_small_sample_a_quarter_ago_is_no_base_for_a_change(make_history) -> None:
    history = make_history(("nps", "2025Q2", -10.0, 29), ("nps", "2025Q3", 20.0, 30))
    row = scorecard_table(history, targets=[], quarter=Quarter(2025, 3), tolerance=0.05).iloc[0]
    assert row["value"] == 20
    assert np.isnan(row["previous_value"])
    assert np.isnan(row["change"])


@pytest.mark.parametrize(
    ("metric", "value", "target", "n", "status"),
    [
        (UP, 0.90, 0.90, 30, "good"),
        (UP, 0.8999, 0.90, 30, "watch"),
        (UP, 0.855, 0.90, 30, "watch"),  # exactly the tolerance of 5 % of the target
        (UP, 0.8549, 0.90, 30, "bad"),
        (DOWN, 4.0, 4.0, 30, "good"),
        (DOWN, 4.01, 4.0, 30, "watch"),
        (DOWN, 4.2, 4.0, 30, "watch"),
        (DOWN, 4.21, 4.0, 30, "bad"),
        (DOWN, 0.0, 0.0, 30, "good"),  # a target of zero
        (DOWN, 0.01, 0.0, 30, "bad"),
        (METRICS["nps"], -9.5, -10.0, 30, "good"),  # a negative target
        (METRICS["nps"], -10.5, -10.0, 30, "watch"),
        (METRICS["nps"], -10.6, -10.0, 30, "bad"),
        (UP, 0.99, NAN, 30, "no_target"),
        (UP, 0.99, 0.90, 29, "too_small"),
        (UP, NAN, 0.90, 30, "too_small"),
    ],
)
def test_status_at_each_boundary(metric, value: float, target: float, n: int, status: str) -> None:
    assert status_of(value, target, metric=metric, n=n, tolerance=0.05) == status


def test_why_a_change_is_absent(make_history) -> None:
    history = make_history(
        ("revenue", "2025Q2", -5.0, 9), ("revenue", "2025Q3", 10.0, 9),
        ("nps", "2024Q3", 10.0, 30), ("nps", "2025Q2", 10.0, 29), ("nps", "2025Q3", 20.0, 30),
        ("churn_rate", "2025Q2", NAN, 0), ("churn_rate", "2025Q3", NAN, 0),
    )  # fmt: skip
    rows = scorecard_table(history, targets=[], quarter=Quarter(2025, 3), tolerance=0.05).set_index("kpi")
    assert rows["change_absent"].to_dict() == {"revenue": "no_base", "nps": "too_small", "churn_rate": "no_history"}
    assert rows["year_ago_absent"].to_dict() == {"revenue": "no_history", "nps": "", "churn_rate": "no_history"}
    assert rows["status"].to_dict() == {"revenue": "no_target", "nps": "no_target", "churn_rate": "no_history"}
    assert rows.loc["nps", "year_ago_change"] == 10


def test_tolerance_moves_the_line_between_watch_and_bad() -> None:
    assert status_of(0.80, 0.90, metric=UP, n=30, tolerance=0.05) == "bad"
    assert status_of(0.80, 0.90, metric=UP, n=30, tolerance=0.15) == "watch"


def test_attainment_respects_direction_and_has_no_meaning_without_a_positive_target() -> None:
    assert attainment_score(0.0, 4.0, metric=DOWN) == 2
    assert attainment_score(12.0, 4.0, metric=DOWN) == 0
    for value, target in ((NAN, 4.0), (1.0, NAN), (1.0, 0.0), (1.0, -1.0)):
        assert np.isnan(attainment_score(value, target, metric=UP))


def test_changes_are_differences_for_shares_and_relative_for_amounts() -> None:
    assert change_score(0.5, 0.4, metric=UP) == 0.1
    assert change_score(5, 4, metric=DOWN) == 0.25
    for base in (0, -20):  # percent of nothing, or of a loss, means nothing
        assert np.isnan(change_score(10, base, metric=METRICS["revenue"]))
    assert change_score(-10, 20, metric=METRICS["revenue"]) == -1.5
    assert change_score(0.1, 0.0, metric=UP) == 0.1
    assert np.isnan(change_score(0.1, NAN, metric=UP))


@given(value=st.floats(0, 10), target=st.floats(0.01, 10), metric=st.sampled_from([UP, DOWN]))
def test_good_means_full_attainment(value: float, target: float, metric) -> None:
    status = status_of(value, target, metric=metric, n=99, tolerance=0.05)
    attainment = attainment_score(value, target, metric=metric)
    if status == "good":
        assert attainment >= 1 - 1e-6
    else:
        assert attainment <= 1 + 1e-6


def test_wrong_targets_are_all_named(history: pd.DataFrame) -> None:
    wrong = [Target(kpi="satisfaction", value=1), Target(kpi="nps", value=1), Target(kpi="nps", value=2)]
    with pytest.raises(
        SettingsError, match=r"(?s)no KPI 'satisfaction'.*did you mean 'satisfaction_rate'.*'nps' has two"
    ):
        scorecard_table(history, targets=wrong, quarter=Quarter(2025, 3), tolerance=0.05)


def test_targets_of_a_tier_do_not_judge_all_customers(history: pd.DataFrame) -> None:
    of_tier = [Target(kpi="satisfaction_rate", value=0.95, tier="important_value")]
    table = scorecard_table(history, targets=of_tier, quarter=Quarter(2025, 3), tolerance=0.05)
    assert table["target"].isna().all()


def test_a_quarter_without_kpis_gives_an_empty_scorecard(history: pd.DataFrame) -> None:
    table = scorecard_table(history, targets=[], quarter=Quarter(2030, 1), tolerance=0.05)
    assert list(table.columns) == list(SCORECARD_SCHEMA)
    assert table.empty


def test_a_piece_of_a_quarter_is_not_compared_with_whole_ones(history: pd.DataFrame, targets) -> None:
    whole = scorecard_table(history, targets=targets, quarter=Quarter(2025, 3), tolerance=0.05)
    piece = scorecard_table(history, targets=targets, quarter=Quarter(2025, 3), tolerance=0.05, is_complete=False)
    assert piece["change"].isna().all()
    assert piece["year_ago_change"].isna().all()
    reasons = dict(zip(piece["kpi"], zip(piece["change_absent"], piece["year_ago_absent"], strict=True), strict=True))
    assert reasons["revenue"] == ("incomplete", "incomplete")
    assert reasons["active_customers"] == ("no_history", "incomplete")  # what could not be compared anyway says why
    assert whole["change"].notna().any()
    pd.testing.assert_frame_equal(piece[["value", "target", "status", "n"]], whole[["value", "target", "status", "n"]])
