"""The customer frame, its sizes, and what is said about them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import RFMSettings, SegmentationSettings
from crm_analysis.base.settings_rfm import CutSettings, PopulationCuts
from crm_analysis.base.words import LANGUAGES, Message, Words
from crm_analysis.segmentation import figures, findings
from crm_analysis.segmentation.cuts import freezable
from crm_analysis.segmentation.segments import (
    SEGMENTS_SCHEMA,
    check_rfm_eligibility,
    feature_columns,
    population_cuts,
    segments_frame,
)
from crm_analysis.segmentation.sizes import (
    RFM_GRID_SCHEMA,
    SIZES_SCHEMA,
    STAGE_BY_TYPE_SCHEMA,
    rfm_grid_table,
    segment_sizes_table,
    stage_by_type_table,
)

AS_OF = pd.Timestamp("2025-10-01")
SETTINGS = SegmentationSettings(rfm=RFMSettings(minimum_buyers=10, minimum_history_days=100))


def _features(persons: int = 30, organisations: int = 4, prospects: int = 5) -> pd.DataFrame:
    """Persons of rising value: number k last bought 10 k days ago, k + 1 times, 100 (k + 1) in all."""
    buyers = persons + organisations
    order = np.arange(buyers, dtype=float)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{k:03}" for k in range(buyers)],
            "kind": ["person"] * persons + ["organisation"] * organisations,
            "recency_days": 10 * order,
            "order_count": order + 1,
            "spend_amount": 100 * (order + 1),
        }
    )
    frame = pd.concat([
        frame,
        pd.DataFrame({
            "customer_id": [f"p{k:03}" for k in range(prospects)], "kind": None, "recency_days": np.nan,
            "order_count": 0.0, "spend_amount": 0.0,
        }),
    ], ignore_index=True)  # fmt: skip
    frame["last_order_date"] = AS_OF - pd.to_timedelta(frame["recency_days"], unit="D")
    frame["first_order_date"] = frame["last_order_date"] - pd.Timedelta(days=200)
    frame["gap_mean_days"], frame["gap_spread_days"], frame["gap_count"] = 20.0, 15.0, 10
    for window in (90, 365):
        frame[f"spend_amount_{window}d"] = frame[f"spend_amount_{window}d_before"] = 100.0
    return frame


def test_every_customer_stands_once_with_declared_columns() -> None:
    features = _features()
    segments = segments_frame(features.sample(frac=1, random_state=1), settings=SETTINGS)
    check_columns(segments.columns, SEGMENTS_SCHEMA, result="segments")
    assert segments["customer_id"].tolist() == sorted(features["customer_id"])
    assert set(feature_columns(SETTINGS)) <= set(features.columns)


def test_populations_are_scored_apart_and_small_ones_not_at_all() -> None:
    segments = segments_frame(_features(), settings=SETTINGS).set_index("customer_id")
    organisations = segments.loc[segments["kind"] == "organisation"]
    assert set(organisations["tier"]) == {"unscored"}
    assert organisations["r_score"].isna().all()
    prospects = segments.loc[segments.index.str.startswith("p")]
    assert set(prospects["tier"]) == set(prospects["ten_segment"]) == {"non_buyer"}
    assert set(prospects["stage"]) == {"prospect"}
    assert set(prospects["kind"]) == {"person"}
    # 30 persons: 0 to 290 days, mean 145; 15.5 orders in the mean
    assert segments.loc["c000", ["r_score", "f_score", "m_score"]].tolist() == [5, 1, 1]
    assert segments.loc["c029", ["r_score", "f_score", "m_score"]].tolist() == [1, 5, 5]
    assert segments.loc["c000", "eight_type"] == "general_development"
    assert segments.loc["c029", "eight_type"] == "important_retention"


def test_organisations_change_nothing_for_persons() -> None:
    few = segments_frame(_features(organisations=0), settings=SETTINGS).set_index("customer_id")
    many = segments_frame(_features(organisations=20), settings=SETTINGS).set_index("customer_id")
    persons = [f"c{k:03}" for k in range(30)]
    pd.testing.assert_frame_equal(few.loc[persons], many.loc[persons])
    assert set(many.loc[many["kind"] == "organisation", "r_score"]) == {1, 2, 3, 4, 5}


def test_tier_is_the_primary_scheme() -> None:
    by_ten = SegmentationSettings(primary_scheme="ten_segments", rfm=SETTINGS.rfm)
    eight, ten = (segments_frame(_features(), settings=chosen) for chosen in (SETTINGS, by_ten))
    assert eight["tier"].tolist() == eight["eight_type"].tolist()
    assert ten["tier"].tolist() == ten["ten_segment"].tolist()


def test_eligibility_says_who_is_scored_and_why_not() -> None:
    document = check_rfm_eligibility(_features(), settings=SETTINGS.rfm)
    assert document["status"] == "partial"
    person, organisation = document["populations"]
    assert (person["status"], person["buyer_count"], person["non_buyer_count"]) == ("ok", 30, 5)
    assert person["history_days"] == 490
    assert organisation["message"]["message"] == "segmentation.eligibility.too_few_buyers"
    assert Message.from_json(document["message"]).args["scored"] == 30


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (RFMSettings(minimum_buyers=31), "too_few_buyers"),
        (RFMSettings(minimum_buyers=10, minimum_history_days=491), "too_short_history"),
    ],
)
def test_each_gate_closes(settings: RFMSettings, reason: str) -> None:
    document = check_rfm_eligibility(_features(organisations=0), settings=settings)
    assert document["status"] == "insufficient"
    assert document["message"]["message"] == "segmentation.eligibility.insufficient"
    assert document["populations"][0]["message"]["message"] == f"segmentation.eligibility.{reason}"
    assert population_cuts(_features(organisations=0), settings=settings) == {}


def test_buyers_who_fell_silent_long_ago_are_not_scored() -> None:
    features = _features(organisations=0)  # 0 to 290 days; 95 days later 27 of 30 are within a year: 364 days or less
    features["recency_days"] += 95
    open_ = RFMSettings(minimum_buyers=10, minimum_history_days=100, minimum_recent_share=0.9)
    assert check_rfm_eligibility(features, settings=open_)["populations"][0]["recent_share"] == 0.9
    assert set(population_cuts(features, settings=open_)) == {"person"}
    closed = open_.model_copy(update={"minimum_recent_share": 0.91})
    document = check_rfm_eligibility(features, settings=closed)
    assert document["populations"][0]["message"]["message"] == "rfm.eligibility.too_few_recent"
    assert document["message"]["message"] == "rfm.eligibility.insufficient"
    assert population_cuts(features, settings=closed) == {}
    said = [Words(lang).say(findings.finding_eligibility(document)) for lang in LANGUAGES]
    assert "仅90.0%在近365天有订单，至少需要91.0%" in said[0]
    assert "RFM should not be read" in said[1]


def test_fixed_cut_points_of_persons_leave_organisations_unscored() -> None:
    cuts = PopulationCuts(person=CutSettings(recency=(30, 90), frequency=(5,), monetary=(500, 1000)))
    settings = SegmentationSettings(rfm=SETTINGS.rfm.model_copy(update={"method": "fixed", "cuts": cuts}))
    segments = segments_frame(_features(organisations=12), settings=settings).set_index("customer_id")
    assert segments.loc["c003", ["r_score", "f_score", "m_score"]].tolist() == [3, 1, 1]  # 30 days, 4 orders, 400
    assert segments.loc["c009", ["r_score", "f_score", "m_score"]].tolist() == [1, 5, 5]  # 90 days, 10 orders, 1000
    assert set(segments.loc[segments["kind"] == "organisation", "tier"]) == {"unscored"}
    document = check_rfm_eligibility(_features(organisations=12), settings=settings.rfm)
    assert document["populations"][1]["message"]["message"] == "rfm.eligibility.no_cuts"


def test_frozen_cut_points_reach_scores_and_types() -> None:
    before = _features(organisations=0)
    frozen = {"populations": freezable(before, settings=SETTINGS.rfm)}
    later = before.assign(recency_days=before["recency_days"] + 60)
    own, kept = (segments_frame(later, settings=SETTINGS, frozen=known) for known in (None, frozen))
    assert own["r_score"].max() == 5
    assert kept["r_score"].max() == 4  # nobody bought in the 58 days that 5 took at the start of the year
    # mean of the year's first day: 145 days; of now: 205
    assert (own["eight_type"] == "general_development").sum() > (kept["eight_type"] == "general_development").sum()
    persons = kept["kind"] == "person"
    assert kept.loc[persons, "f_score"].tolist() == own.loc[persons, "f_score"].tolist()


def test_negative_spend_is_counted_and_scored_lowest() -> None:
    features = _features(organisations=0)
    features.loc[3, "spend_amount"] = -50.0
    assert check_rfm_eligibility(features, settings=SETTINGS.rfm)["populations"][0]["negative_spend_count"] == 1
    assert segments_frame(features, settings=SETTINGS).set_index("customer_id").loc["c003", "m_score"] == 1


def _segments() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d", "e"],
            "kind": "person",
            "r_score": pd.array([5, 5, 1, 1, None], dtype="Int64"),
            "f_score": pd.array([5, 5, 1, 2, None], dtype="Int64"),
            "ten_segment": ["champions", "champions", "lost", "lost", "non_buyer"],
            "eight_type": ["important_value", "important_value", "important_winback", "general_winback", "non_buyer"],
            "stage": ["mature", "growing", "dormant", "lost", "prospect"],
            "recency_days": [1.0, 4.0, 100.0, 300.0, np.nan],
            "order_count": [4, 5, 1, 1, 0],
            "spend_amount": [500.0, 300.0, 150.0, 50.0, 0.0],
        }
    )


def test_sizes_by_hand() -> None:
    table = segment_sizes_table(_segments(), by="ten_segment")
    check_columns(table.columns, SIZES_SCHEMA, result="sizes")
    assert table["segment"].tolist() == ["champions", "lost", "non_buyer"]
    assert table["customer_count"].tolist() == [2, 2, 1]
    assert table["customer_share"].tolist() == [0.4, 0.4, 0.2]
    assert table["order_count"].tolist() == [9, 2, 0]
    assert table["spend_amount"].tolist() == [800, 200, 0]
    assert table["spend_share"].tolist() == [0.8, 0.2, 0]
    assert table["recency_median_days"].tolist()[:2] == [2.5, 200]


def test_spend_share_is_empty_where_nothing_was_spent() -> None:
    assert segment_sizes_table(_segments().assign(spend_amount=0.0), by="stage")["spend_share"].isna().all()


def test_grid_by_hand() -> None:
    grid = rfm_grid_table(_segments())
    check_columns(grid.columns, RFM_GRID_SCHEMA, result="rfm_grid")
    cells = grid.set_index(["r_score", "f_score"])
    assert len(cells) == 25
    assert cells.loc[(5, 5), ["customer_count", "spend_mean_amount"]].tolist() == [2, 400]
    assert cells.loc[(1, 2), "customer_count"] == 1
    assert cells.loc[(3, 3), "customer_count"] == 0
    assert np.isnan(cells.loc[(3, 3), "spend_mean_amount"])
    assert rfm_grid_table(_segments(), kind="organisation").empty


def test_stage_by_type_by_hand() -> None:
    table = stage_by_type_table(_segments())
    check_columns(table.columns, STAGE_BY_TYPE_SCHEMA, result="stage_by_type")
    assert len(table) == 3 * 6
    cells = table.set_index(["segment", "stage"])
    assert cells.loc[("important_value", "mature")].tolist() == [1, 0.5]
    assert cells.loc[("important_winback", "dormant")].tolist() == [1, 1]
    assert "non_buyer" not in set(table["segment"])


def test_findings_carry_the_numbers_of_the_tables() -> None:
    segments = _segments()
    sizes = findings.finding_segments(segment_sizes_table(segments, by="ten_segment"))
    assert (sizes.args["segment"], sizes.args["customers"], sizes.args["spend"]) == ("champions", 0.4, 0.8)
    stages = findings.finding_lifecycle(segment_sizes_table(segments, by="stage"))
    assert (stages.args["n"], stages.args["total"], stages.args["share"], stages.args["spend"]) == (1, 4, 0.25, 0.15)
    assert stages.args["lost"] == 1
    cross = findings.finding_stage_by_type(stage_by_type_table(segments))
    assert (cross.args["segment"], cross.args["n"], cross.args["share"]) == ("important_winback", 1, 1)
    assert findings.finding_grid(rfm_grid_table(segments)).id == "segmentation.grid.small"  # one or two a cell
    grid = findings.finding_grid(rfm_grid_table(segments), minimum_customers=2)
    assert (grid.args["r"], grid.args["f"], grid.args["amount"], grid.args["mean"]) == (5, 5, 400, 250)


def test_nobody_on_the_way_out_is_told_as_none() -> None:
    segments = _segments().assign(stage="mature")
    stages = findings.finding_lifecycle(segment_sizes_table(segments.loc[segments["order_count"] > 0], by="stage"))
    assert (stages.args["n"], stages.args["spend"], stages.args["lost"]) == (0, 0.0, 0)
    assert findings.finding_stage_by_type(stage_by_type_table(segments)).id == "segmentation.stage_by_type.clean"


@pytest.mark.parametrize(("days", "id_"), [(729, "note_short"), (730, "note")])
def test_stages_told_from_less_than_two_years_say_so(days: int, id_: str) -> None:
    note = findings.note_lifecycle({"populations": [{"history_days": 9}, {"history_days": days}]})
    assert note.id == f"segmentation.lifecycle.{id_}"
    assert ("历史数据不足：数据只有729天" in Words("zh").say(note)) is (days == 729)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(lang: str) -> None:
    words = Words(lang)
    segments = segments_frame(_features(), settings=SETTINGS)
    eligibility = check_rfm_eligibility(_features(), settings=SETTINGS.rfm)
    sizes, stages = (segment_sizes_table(segments, by=by) for by in ("tier", "stage"))
    grid, cross = rfm_grid_table(segments), stage_by_type_table(segments)
    said = [
        findings.finding_eligibility(eligibility), findings.alt_segment_sizes(sizes), findings.alt_lifecycle(stages),
        findings.alt_rfm_grid(grid), findings.alt_stage_by_type(cross),
        *(Message.from_json(document["message"]) for document in eligibility["populations"]),
    ]  # fmt: skip
    assert all("{" not in words.say(item) for item in said)
    drawn = [
        figures.plot_segment_sizes(sizes, words=words), figures.plot_segment_sizes(stages, words=words, domain="stage"),
        figures.plot_rfm_grid(grid, words=words), figures.plot_stage_by_type(cross, words=words),
    ]  # fmt: skip
    assert all(isinstance(figure, Figure) for figure in drawn)
    bars = [patch.get_width() for patch in drawn[0].axes[0].patches]
    assert bars == pytest.approx(sizes["customer_share"].tolist())
    names = [words.word(f"segment.{slug}") for slug in sizes["segment"]]
    assert [label.get_text() for label in drawn[0].axes[0].get_yticklabels()] == names


def test_without_scored_buyers_the_chapter_says_so() -> None:
    strict = SegmentationSettings(rfm=RFMSettings(minimum_buyers=1000))
    segments = segments_frame(_features(), settings=strict)
    assert set(segments["tier"]) == {"unscored", "non_buyer"}
    assert findings.finding_segments(segment_sizes_table(segments, by="tier")).id == "segmentation.sizes.none"
    assert findings.finding_grid(rfm_grid_table(segments)).id == "segmentation.sizes.none"
    assert isinstance(figures.plot_rfm_grid(rfm_grid_table(segments), words=Words("en")), Figure)


@given(persons=st.integers(min_value=10, max_value=40), prospects=st.integers(min_value=0, max_value=9))
def test_sizes_add_up_to_all_customers(persons: int, prospects: int) -> None:
    features = _features(persons=persons, prospects=prospects)
    segments = segments_frame(features, settings=SETTINGS)
    for by in ("ten_segment", "eight_type", "stage", "tier"):
        table = segment_sizes_table(segments, by=by)
        assert table["customer_count"].sum() == len(features)
        assert table["spend_amount"].sum() == pytest.approx(features["spend_amount"].sum())
        assert table["customer_share"].sum() == pytest.approx(1, abs=1e-5)
