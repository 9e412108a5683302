"""The two-way split of the eight types: mean, median, thresholds, top share, on buyers counted by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crm_analysis.base.settings_rfm import RFMSettings, SplitSettings
from crm_analysis.segmentation.rules import EIGHT_TYPES
from crm_analysis.segmentation.splits import SplitPoints, eight_types, rfm_split_table, split_points

MEAN, MEDIAN = SplitSettings(by="mean"), SplitSettings(by="median")


def _inputs(recency: list[float], orders: list[float], spend: list[float], kind: str = "person") -> pd.DataFrame:
    ids = [f"c{k}" for k in range(len(recency))]
    return pd.DataFrame({
        "customer_id": ids, "kind": kind, "recency_days": recency, "order_count": orders, "spend_amount": spend,
    })  # fmt: skip


def _types(inputs: pd.DataFrame, split: SplitSettings) -> list[str]:
    return eight_types(inputs, points=split_points(inputs, split=split)).tolist()


def test_eight_types_compare_strictly_with_the_mean() -> None:
    # means: 20 days, 2 orders, 200 spent; the last customer lies on all three and is better in none
    inputs = _inputs([10, 30, 10, 30, 20], [3, 3, 1, 1, 2], [300, 100, 300, 100, 200])
    assert _types(inputs, MEAN) == [
        "important_value", "general_retention", "important_development", "general_winback", "general_winback",
    ]  # fmt: skip


def test_split_by_median_differs_from_mean() -> None:
    inputs = _inputs([10, 10, 10], [1, 1, 1], [10, 20, 90])
    assert _types(inputs, MEAN) == ["general_winback", "general_winback", "important_winback"]
    inputs = _inputs([10, 10, 10], [1, 1, 1], [10, 80, 90])
    assert _types(inputs, MEAN).count("important_winback") == 2
    assert _types(inputs, MEDIAN).count("important_winback") == 1


@pytest.mark.parametrize(
    ("recency", "orders", "spend", "slug"),
    [(r, f, m, EIGHT_TYPES[f"{r < 20:d}{f > 2:d}{m > 200:d}"]) for r in (10, 30) for f in (1, 3) for m in (100, 300)],
)
def test_each_of_the_eight_types_has_its_code(recency: int, orders: int, spend: int, slug: str) -> None:
    points = SplitPoints(20, 2, 200)
    assert eight_types(_inputs([recency], [orders], [spend]), points=points).tolist() == [slug]
    assert len(set(EIGHT_TYPES.values())) == 8


def test_a_value_on_a_threshold_of_settings_is_high() -> None:
    split = SplitSettings(recency_days=90, order_count=3, spend_amount=1000)
    inputs = _inputs([90, 91, 90, 90], [3, 3, 2, 3], [1000, 1000, 1000, 999.99])
    assert _types(inputs, split) == [
        "important_value", "important_retention", "important_development", "general_value",
    ]  # fmt: skip


def test_the_best_share_is_high_and_no_more() -> None:
    recency = [float(k) for k in range(10)]  # the best two of ten: 0 and 1 days
    inputs = _inputs(recency, [9, 8, *[1] * 8], [100.0 - k for k in range(10)])
    points = split_points(inputs, split=SplitSettings(top_share=0.2))
    assert points == SplitPoints(2, 1, 98)
    assert _types(inputs, SplitSettings(top_share=0.2)) == ["important_value"] * 2 + ["general_winback"] * 8


def test_equal_values_make_the_share_that_comes_out_smaller() -> None:
    inputs = _inputs([5] * 10, [3, 2, 2, 2, *[1] * 6], [10.0 * k for k in range(10)])
    table = rfm_split_table(inputs, points={"person": split_points(inputs, split=SplitSettings(top_share=0.2))})
    assert table["dimension"].tolist() == ["recency", "frequency", "monetary"]
    assert table["split_point"].tolist() == [5, 2, 70]
    assert table["high_count"].tolist() == [0, 1, 2]
    assert table["high_share"].tolist() == [0, 0.1, 0.2]
    assert set(table["customer_count"]) == {10}


def test_shares_that_binary_numbers_miss_are_met() -> None:
    inputs = _inputs([1] * 100, [1] * 100, [float(k) for k in range(100)])
    assert split_points(inputs, split=SplitSettings(top_share=0.29)).spend_amount == 70  # 29 customers: 71 to 99


@pytest.mark.parametrize("split", [{"top_share": 1}, {"top_share": 0}, {"recency_days": 90}, "mode"])
def test_splits_that_mean_nothing_are_refused(split: object) -> None:
    with pytest.raises(ValidationError, match="split"):
        RFMSettings.model_validate({"split": split})


def test_an_empty_split_is_the_mean() -> None:
    found = RFMSettings.model_validate({"split": {}})
    assert (found.split.kind, found.model_dump(mode="json")["split"]) == ("mean", "mean")


@pytest.mark.parametrize(
    "written", ["median", {"top_share": 0.2}, {"recency_days": 9, "order_count": 1, "spend_amount": 0}]
)
def test_a_split_is_shown_as_it_is_written(written: object) -> None:
    settings_ = RFMSettings.model_validate({"split": written})
    assert settings_.model_dump(mode="json")["split"] == written
    assert RFMSettings.model_validate(settings_.model_dump(mode="json")) == settings_


@pytest.mark.parametrize("value", [0.1, 19.99, 33.3333])
@pytest.mark.parametrize("split", [MEAN, MEDIAN, SplitSettings(top_share=0.3)])
def test_customers_who_are_all_alike_are_never_high(value: float, split: SplitSettings) -> None:
    assert set(_types(_inputs([7.0] * 7, [3.0] * 7, [value] * 7), split)) == {"general_winback"}


_rows = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 5), st.integers(-3, 40)), min_size=2, max_size=60
)  # few values: many are equal
_splits = st.sampled_from([MEAN, MEDIAN, SplitSettings(top_share=0.2), SplitSettings(top_share=0.55)])


@given(rows=_rows, split=_splits, seed=st.integers(0, 99))
def test_order_of_customers_changes_no_type(rows: list[tuple[int, int, int]], split: SplitSettings, seed: int) -> None:
    inputs = _inputs(*(list(map(float, column)) for column in zip(*rows, strict=True)))
    mixed = inputs.sample(frac=1, random_state=seed)
    types = eight_types(inputs, points=split_points(inputs, split=split))
    again = eight_types(mixed, points=split_points(mixed, split=split))
    pd.testing.assert_series_equal(types, again.sort_index())


@given(rows=_rows, split=_splits)
def test_equal_values_lie_on_the_same_side_and_top_shares_are_kept(
    rows: list[tuple[int, int, int]], split: SplitSettings
) -> None:
    inputs = _inputs(*(list(map(float, column)) for column in zip(*rows, strict=True)))
    points = split_points(inputs, split=split)
    for dimension, column in (("recency", "recency_days"), ("frequency", "order_count"), ("monetary", "spend_amount")):
        high = pd.Series(points.is_high(inputs[column], dimension=dimension))
        assert (high.groupby(inputs[column]).transform("max") == high).all()
        if split.top_share is not None:
            assert high.mean() <= split.top_share + 1e-9
        worst_high = inputs.loc[high, column].min() if dimension != "recency" else -inputs.loc[high, column].max()
        best_low = inputs.loc[~high, column].max() if dimension != "recency" else -inputs.loc[~high, column].min()
        assert np.isnan(worst_high) or np.isnan(best_low) or worst_high > best_low


@given(rows=_rows, split=_splits, factor=st.sampled_from([0.5, 4.0]))
def test_scale_of_money_changes_no_type(rows: list[tuple[int, int, int]], split: SplitSettings, factor: float) -> None:
    inputs = _inputs(*(list(map(float, column)) for column in zip(*rows, strict=True)))
    scaled = inputs.assign(spend_amount=inputs["spend_amount"] * factor)
    assert _types(inputs, split) == _types(scaled, split)
