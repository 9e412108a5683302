"""Cut points, scores, segments and types, on frames a reader can check by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crm_analysis.base.errors import InsufficientDataError, SettingsError
from crm_analysis.base.settings_rfm import CutSettings, PopulationCuts, RFMSettings, SegmentRule
from crm_analysis.segmentation.rfm import (
    RFMCuts,
    cut_points_table,
    fixed_cuts,
    rfm_cuts,
    rfm_cuts_table,
    rfm_inputs,
    score_rfm,
    segment_rfm,
)
from crm_analysis.segmentation.rules import TEN_SEGMENTS

CUTS = RFMCuts(recency=(10, 20, 30, 40), frequency=(1, 1, 2, 4), monetary=(100, 200, 300, 400))


def _inputs(recency: list[float], orders: list[float], spend: list[float], kind: str = "person") -> pd.DataFrame:
    ids = [f"c{k}" for k in range(len(recency))]
    return pd.DataFrame({
        "customer_id": ids, "kind": kind, "recency_days": recency, "order_count": orders, "spend_amount": spend,
    })  # fmt: skip


def test_bins_hold_their_upper_end_and_recency_runs_backwards() -> None:
    inputs = _inputs([10, 11, 40, 41], [1, 2, 4, 5], [100, 100.01, 400, 401])
    scores = score_rfm(inputs, cuts=CUTS)
    assert scores["r_score"].tolist() == [5, 4, 2, 1]
    assert scores["f_score"].tolist() == [1, 3, 4, 5]
    assert scores["m_score"].tolist() == [1, 2, 4, 5]


def test_left_closed_bins_hold_their_lower_end() -> None:
    cuts = RFMCuts(recency=(10, 20, 30, 40), frequency=(2, 3, 4, 5), monetary=(100, 200, 300, 400), closed="left")
    scores = score_rfm(_inputs([9, 10, 40], [1, 2, 5], [99, 100, 400]), cuts=cuts)
    assert scores["r_score"].tolist() == [5, 4, 1]
    assert scores["f_score"].tolist() == [1, 2, 5]
    assert scores["m_score"].tolist() == [1, 2, 5]


def test_negative_spend_scores_lowest_whatever_the_cuts() -> None:
    cuts = RFMCuts(recency=(1, 2, 3, 4), frequency=(1, 2, 3, 4), monetary=(-300, -200, -100, -50))
    scores = score_rfm(_inputs([1, 1], [1, 1], [-10, 10]), cuts=cuts)
    assert scores["m_score"].tolist() == [1, 5]


def test_quantiles_are_type_7_and_rfm_r_adds_one() -> None:
    inputs = _inputs([0, 10, 20, 30, 40, 50], [1, 2, 3, 4, 5, 6], [0, 100, 200, 300, 400, 500])
    cuts = rfm_cuts(inputs, settings=RFMSettings())
    assert cuts.recency == pytest.approx((10, 20, 30, 40))
    assert cuts.closed == "right"
    shifted = rfm_cuts(inputs, settings=RFMSettings(method="rfm_r"))
    assert shifted.recency == pytest.approx((11, 21, 31, 41))
    assert shifted.closed == "left"


def test_no_buyer_is_an_error_that_says_so() -> None:
    with pytest.raises(InsufficientDataError, match="there is no buyer"):
        rfm_cuts(_inputs([], [], []), settings=RFMSettings())


def test_window_chooses_the_columns_and_keeps_lifetime_buyers() -> None:
    features = pd.DataFrame({
        "customer_id": ["b", "a", "c"], "kind": [None, "organisation", "person"], "recency_days": [400.0, 5.0, np.nan],
        "order_count": [3, 4, 0], "spend_amount": [300.0, 400.0, 0.0],
        "order_count_365d": [0, 2, 0], "spend_amount_365d": [0.0, 200.0, 0.0],
    })  # fmt: skip
    whole = rfm_inputs(features, settings=RFMSettings())
    rows = whole[["customer_id", "kind", "order_count"]].to_numpy().tolist()
    assert rows == [["a", "organisation", 4], ["b", "person", 3]]
    year = rfm_inputs(features, settings=RFMSettings(window_days=365))
    assert year["order_count"].tolist() == [2, 0]
    assert year["spend_amount"].tolist() == [200, 0]
    assert year["recency_days"].tolist() == [5, 400]


def test_window_that_features_lack_is_refused() -> None:
    features = pd.DataFrame({"customer_id": [], "kind": [], "order_count": []})
    with pytest.raises(SettingsError, match="100 days are not available"):
        rfm_inputs(features, settings=RFMSettings(window_days=100))


def test_first_rule_that_matches_wins_else_otherwise() -> None:
    scores = pd.DataFrame({"r_score": [5, 5, 1], "f_score": [5, 1, 1], "m_score": [5, 1, 1]})
    rules = (SegmentRule(id="top", r=(5, 5), f=(5, 5)), SegmentRule(id="recent", r=(4, 5)))
    assert segment_rfm(scores, rules=rules, otherwise="rest").tolist() == ["top", "recent", "rest"]


FIXED = CutSettings(recency=(30, 90), frequency=(2,), monetary=(100, 500, 1000))


def test_fixed_cut_points_open_the_bin_above_them() -> None:
    scores = score_rfm(
        _inputs([0, 29, 30, 89, 90, 400], [1, 2] * 3, [99, 100, 499, 500, 1000, -1]), cuts=fixed_cuts(FIXED)
    )
    assert scores["r_score"].tolist() == [5, 5, 3, 3, 1, 1]
    assert scores["f_score"].tolist() == [1, 5] * 3
    assert scores["m_score"].tolist() == [1, 2, 2, 4, 5, 1]


def test_few_bins_are_spread_over_the_scores_and_counted_as_they_are() -> None:
    table = rfm_cuts_table(_inputs([0, 30, 90], [1, 2, 2], [1, 1, 1]), cuts={"person": fixed_cuts(FIXED)})
    recency = table.loc[table["dimension"] == "recency"]
    assert recency["score"].tolist() == [1, 3, 5]
    assert recency["lower_bound"].tolist()[:2] == [90, 30]
    assert recency["customer_count"].tolist() == [1, 1, 1]
    frequency = table.loc[table["dimension"] == "frequency"]
    assert frequency[["score", "customer_count"]].to_numpy().tolist() == [[1, 1], [5, 2]]
    short = cut_points_table(table).set_index("dimension")
    assert short.loc["recency", ["cut_1", "cut_2"]].tolist() == [30, 90]
    assert short.loc["recency", ["cut_3", "cut_4"]].isna().all()


@pytest.mark.parametrize(
    ("cuts", "reason"),
    [
        ({"recency": [30, 30]}, "cut points must rise"),
        ({"recency": []}, "at least 1 item"),
        ({"frequency": [1, 2, 3, 4, 5]}, "at most 4 items"),
    ],
)
def test_cut_points_of_settings_rise_and_are_one_to_four(cuts: dict[str, list[float]], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        CutSettings.model_validate({"recency": [1], "frequency": [1], "monetary": [1]} | cuts)


def test_cut_points_and_their_method_belong_together() -> None:
    with pytest.raises(ValidationError, match="the method fixed needs cuts"):
        RFMSettings(method="fixed")
    with pytest.raises(ValidationError, match="cuts are those of the method fixed"):
        RFMSettings(cuts=PopulationCuts(person=FIXED))


def test_cuts_table_reports_bounds_counts_and_scores_in_use() -> None:
    inputs = _inputs([5, 15, 25, 35, 45], [1, 1, 1, 1, 9], [50, 150, 250, 350, 450])
    table = rfm_cuts_table(inputs, cuts={"person": CUTS})
    recency = table.loc[table["dimension"] == "recency"].set_index("score")
    assert recency.loc[4, ["lower_bound", "upper_bound", "customer_count"]].tolist() == [10, 20, 1]
    assert np.isnan(recency.loc[5, "lower_bound"])
    frequency = table.loc[table["dimension"] == "frequency"]
    assert frequency["customer_count"].tolist() == [4, 0, 0, 0, 1]
    assert set(frequency["effective_bin_count"]) == {2}


def test_the_short_form_holds_the_four_cut_points_of_every_dimension() -> None:
    inputs = _inputs([5, 15, 25, 35, 45], [1, 1, 1, 1, 9], [50, 150, 250, 350, 450])
    table = rfm_cuts_table(inputs, cuts={"person": CUTS, "organisation": CUTS})
    short = cut_points_table(table)
    assert short["dimension"].tolist() == ["recency", "frequency", "monetary"] * 2
    assert short["kind"].tolist() == ["person"] * 3 + ["organisation"] * 3
    assert short.iloc[0].tolist() == ["person", "recency", *CUTS.recency, 5]
    assert short.iloc[1, 2:].tolist() == [*CUTS.frequency, 2]
    assert cut_points_table(table.iloc[:0]).columns.tolist() == short.columns.tolist()


_values = st.lists(st.integers(min_value=0, max_value=60), min_size=2, max_size=60)


@given(values=_values)
def test_equal_values_never_split_and_scores_follow_the_values(values: list[int]) -> None:
    numbers = [float(v) for v in values]
    inputs = _inputs(numbers, numbers, numbers)
    scores = score_rfm(inputs, cuts=rfm_cuts(inputs, settings=RFMSettings()))
    for column, sign in (("r_score", -1), ("f_score", 1), ("m_score", 1)):
        by_value = pd.Series(scores[column].to_numpy() * sign).groupby(pd.Series(numbers))
        assert (by_value.min() == by_value.max()).all()
        assert by_value.first().is_monotonic_increasing
        assert scores[column].between(1, 5).all()


@given(values=_values, factor=st.sampled_from([0.5, 2.0, 8.0]))
def test_scale_of_money_changes_no_segment(values: list[int], factor: float) -> None:
    inputs = _inputs([float(v) for v in values], [float(v % 7) for v in values], [float(v) for v in values])
    scaled = inputs.assign(spend_amount=inputs["spend_amount"] * factor)
    segments = [
        segment_rfm(score_rfm(frame, cuts=rfm_cuts(frame, settings=RFMSettings())), rules=TEN_SEGMENTS, otherwise="x")
        for frame in (inputs, scaled)
    ]
    assert segments[0].tolist() == segments[1].tolist()
