"""Work by hand: scores, names and the difference between two labelings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_rfm import CutSettings, PopulationCuts, RFMSettings, SegmentRule, SplitSettings
from crm_analysis.base.settings_schemes import Scheme
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.reporting.tables import render_table
from crm_analysis.segmentation.cuts import freezable
from crm_analysis.segmentation.explore import COMPARE_SCHEMA, compare, label, name, score, tier
from crm_analysis.segmentation.rfm_findings import finding_compare

SETTINGS = RFMSettings(minimum_buyers=5, minimum_history_days=100)


def _features(persons: int = 10, prospects: int = 2) -> pd.DataFrame:
    order = np.arange(persons, dtype=float)
    frame = pd.DataFrame({
        "customer_id": [f"c{k:02.0f}" for k in order], "kind": "person", "recency_days": 10 * order,
        "order_count": order + 1, "spend_amount": 100 * (order + 1),
    })  # fmt: skip
    more = pd.DataFrame({
        "customer_id": [f"p{k}" for k in range(prospects)], "kind": None, "recency_days": np.nan, "order_count": 0.0,
        "spend_amount": 0.0,
    })  # fmt: skip
    frame = pd.concat([frame, more], ignore_index=True)
    frame["last_order_date"] = pd.Timestamp("2025-10-01") - pd.to_timedelta(frame["recency_days"], unit="D")
    frame["first_order_date"] = frame["last_order_date"] - pd.Timedelta(days=200)
    frame["gap_mean_days"], frame["gap_spread_days"], frame["gap_count"] = 20.0, 20.0, 10
    for window in (90, 365):
        frame[f"spend_amount_{window}d"] = frame[f"spend_amount_{window}d_before"] = 100.0
    return frame


def test_scores_and_names_are_those_of_the_customer_frame() -> None:
    features = _features()
    scores = score(features, SETTINGS)
    whole = label(features, SETTINGS)
    assert scores["customer_id"].tolist() == [f"c{k:02}" for k in range(10)]
    same = whole.loc[scores["customer_id"], ["r_score", "f_score", "m_score"]].astype("int64")
    assert (same.to_numpy() == scores[["r_score", "f_score", "m_score"]].to_numpy()).all()
    assert name(scores, SETTINGS).tolist() == whole.loc[scores["customer_id"], "ten_segment"].tolist()
    best = (SegmentRule(id="best", r=(5, 5)),)
    assert name(scores, best, otherwise="rest").value_counts().to_dict() == {"best": 2, "rest": 8}


def test_frozen_cut_points_reach_the_scores() -> None:
    features, later = _features(), _features().assign(recency_days=lambda f: f["recency_days"] + 50)
    frozen = {"populations": freezable(features, settings=SETTINGS)}
    assert score(later, SETTINGS)["r_score"].tolist() == score(features, SETTINGS)["r_score"].tolist()
    assert score(later, SETTINGS, frozen=frozen)["r_score"].max() < 5


def test_nobody_to_score_gives_an_empty_frame() -> None:
    scores = score(_features(persons=3), SETTINGS)
    assert scores.empty
    assert scores.columns.tolist() == ["customer_id", "kind", "r_score", "f_score", "m_score"]


def test_other_thresholds_show_who_moves_at_once() -> None:
    features = _features()
    split = SplitSettings(recency_days=45, order_count=1, spend_amount=600)
    now, other = label(features, SETTINGS), label(features, SETTINGS.model_copy(update={"split": split}))
    # mean split: c00-c04 are recent and low in F and M, c05-c09 the reverse; thresholds: F is high for all
    table = compare(now["eight_type"], other["eight_type"], money=features.set_index("customer_id")["spend_amount"])
    check_columns(table.columns, COMPARE_SCHEMA, result="compare")
    assert table[["segment", "other_segment", "customer_count", "spend_amount", "is_changed"]].to_numpy().tolist() == [
        ["general_development", "general_value", 5, 1500, True],
        ["important_retention", "important_retention", 5, 4000, False],
        ["non_buyer", "non_buyer", 2, 0, False],
    ]
    assert table["customer_share"].tolist() == pytest.approx([5 / 12, 5 / 12, 2 / 12], abs=1e-6)
    found = finding_compare(table)
    assert (found.args["n"], found.args["total"], found.args["other"]) == (5, 12, "general_value")
    said = [Words(lang).say(found) for lang in LANGUAGES]
    assert "一般价值客户" in said[0]
    assert "General: value" in said[1]
    for lang, name_ in zip(LANGUAGES, ("一般价值客户", "General: value"), strict=True):
        assert name_ in render_table(table, words=Words(lang), id_="compare")


def test_tiers_of_a_scheme_compare_as_segments_do() -> None:
    features = _features()
    schemes = [
        Scheme.model_validate({
            "name": {"zh": "两级", "en": "two tiers"},
            "otherwise": {"id": "small", "name": {"zh": "小", "en": "small"}},
            "tiers": [{"id": "large", "name": {"zh": "大", "en": "large"}, "when": f"spend_amount >= {bound}"}],
        })
        for bound in (500, 800)
    ]  # fmt: skip
    now, other = (tier(features, scheme) for scheme in schemes)
    assert now.loc["c04"] == "large"
    table = compare(now, other)
    assert table.iloc[0][["segment", "other_segment", "customer_count"]].tolist() == ["large", "small", 3]
    assert table.loc[~table["is_changed"], "customer_count"].tolist() == [6, 3]


def test_the_same_thresholds_move_nobody() -> None:
    labels = pd.Series(["a", "b"], index=["x", "y"])
    table = compare(labels, labels[::-1])
    assert not table["is_changed"].any()
    assert table["spend_amount"].isna().all()
    assert finding_compare(table).id == "rfm.compare.same"


@pytest.mark.parametrize("other", [["x"], ["x", "z"], ["x", "y", "y"]])
def test_other_customers_cannot_be_compared(other: list[str]) -> None:
    labels = pd.Series("a", index=["x", "y"])
    with pytest.raises(ValueError, match="must label the same customers"):
        compare(labels, pd.Series("a", index=other))


@settings(max_examples=30)
@given(pairs=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(-9, 99)), min_size=1))
def test_margins_are_the_two_labelings(pairs: list[tuple[str, str, int]]) -> None:
    frame = pd.DataFrame(pairs, columns=["now", "other", "money"], index=[f"c{k}" for k in range(len(pairs))])
    table = compare(frame["now"], frame["other"].sample(frac=1, random_state=1), money=frame["money"])
    assert table.groupby("segment")["customer_count"].sum().to_dict() == frame["now"].value_counts().to_dict()
    assert table.groupby("other_segment")["customer_count"].sum().to_dict() == frame["other"].value_counts().to_dict()
    assert table["spend_amount"].sum() == frame["money"].sum()
    assert table.loc[table["is_changed"], "customer_count"].sum() == (frame["now"] != frame["other"]).sum()


def test_fixed_cut_points_leave_out_populations_without() -> None:
    fixed = CutSettings(recency=(30, 60), frequency=(5,), monetary=(500,))
    settings_ = SETTINGS.model_copy(update={"method": "fixed", "cuts": PopulationCuts(organisation=fixed)})
    assert score(_features(), settings_).empty
    settings_ = SETTINGS.model_copy(update={"method": "fixed", "cuts": PopulationCuts(person=fixed)})
    assert score(_features(), settings_)["r_score"].tolist() == [5, 5, 5, 3, 3, 3, 1, 1, 1, 1]
