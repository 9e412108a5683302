"""Value, loyalty and potential: hand-computed components and scores, and what must not change them."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_value import LoyaltyWeights, ValueSettings, ValueWeights
from crm_analysis.segmentation.value_scores import (
    ANCHORS_SCHEMA,
    COMPONENTS,
    DIMENSIONS,
    SCORE_FEATURES,
    VALUE_SCORES_SCHEMA,
    class_of,
    scale_component,
    score_anchors,
    score_components,
    value_scores,
    with_frozen_anchors,
)

AS_OF = pd.Timestamp("2025-10-01")
SETTINGS = ValueSettings(minimum_buyers=2)
SCORES = [f"{name}_score" for name in DIMENSIONS]

#: A buyer of three years, ten orders on ten days, five of them in the last year.
BUYER = {
    "kind": "person", "recency_days": 20, "since_first": 1000, "order_count": 10, "order_count_365d": 5,
    "order_day_count": 10, "spend_amount": 5000.0, "spend_amount_365d": 2000.0, "gap_mean_days": 40.0, "gap_count": 9,
    "survey_score_mean": 0.8, "contract_active_count": 0, "spend_trend_365d": 0.5, "category_count": 3,
    "channel_count": 2, "interaction_in_count_365d": 4, "complaint_count_365d": 1, "event_count_90d": 6,
    "opportunity_open_count": 0,
}  # fmt: skip


def features(*customers: dict[str, object]) -> pd.DataFrame:
    frame = pd.DataFrame([BUYER | {"customer_id": f"c{k:03}"} | own for k, own in enumerate(customers)])
    frame["last_order_date"] = AS_OF - pd.to_timedelta(frame["recency_days"] + 1, unit="D")
    since = pd.to_timedelta(frame.pop("since_first") + 1, unit="D")
    frame["first_order_date"] = AS_OF - since
    return frame[list(SCORE_FEATURES)]


def many(count: int = 60, seed: int = 1) -> pd.DataFrame:
    """Return customers drawn by a seed, some of them equal to others."""
    rng = np.random.default_rng(seed)
    orders = rng.integers(1, 12, count)
    drawn = [
        {
            "kind": "organisation" if rng.random() < 0.3 else "person",
            "recency_days": int(rng.integers(0, 300)), "since_first": int(rng.integers(300, 1200)),
            "order_count": int(n), "order_day_count": int(n), "order_count_365d": int(rng.integers(0, n + 1)),
            "spend_amount": float(rng.integers(1, 40)) * 100, "spend_amount_365d": float(rng.integers(-1, 20)) * 100,
            "gap_mean_days": float(rng.integers(5, 200)) if n > 1 else np.nan, "gap_count": int(n - 1),
            "survey_score_mean": float(rng.random()) if rng.random() < 0.5 else np.nan,
            "category_count": int(rng.integers(0, 5)), "event_count_90d": int(rng.integers(0, 9)),
            "opportunity_open_count": int(rng.integers(0, 3)),
        }
        for n in orders
    ]  # fmt: skip
    return features(*drawn, *drawn[:10])


def scored(customers: pd.DataFrame, settings: ValueSettings = SETTINGS) -> pd.DataFrame:
    anchors = score_anchors(customers, settings=settings, anchors_date=AS_OF)
    return value_scores(customers, anchors=anchors, settings=settings)


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_components_by_hand() -> None:
    one_off = {"recency_days": 100, "since_first": 100, "order_count": 1, "order_day_count": 1, "gap_mean_days": None,
               "gap_count": 0, "survey_score_mean": None, "spend_trend_365d": 1.0, "category_count": 0}  # fmt: skip
    raw = score_components(features({}, one_off), prior_gaps=3.0)
    assert list(raw) == [component.name for component in COMPONENTS]
    buyer, new = raw.iloc[0], raw.iloc[1]
    assert buyer["tenure"] == 1000
    assert buyer["rhythm"] == pytest.approx(20 / 40)  # the only gap known is also the typical one
    assert buyer["repetition"] == pytest.approx(0.9)
    assert buyer["contacts"] == 3
    assert buyer["trend"] == 0.5
    assert new["rhythm"] == pytest.approx(100 / 40)
    assert new["repetition"] == 0
    # a first year is no growth, an unknown category is not "none"
    assert new[["trend", "categories", "satisfaction"]].isna().all()


def test_the_own_rhythm_is_drawn_towards_the_typical_one() -> None:
    raw = score_components(features({"gap_mean_days": 10.0, "gap_count": 1}, {"gap_mean_days": 50.0}, {}), prior_gaps=3)
    assert raw.loc[0, "rhythm"] == pytest.approx(20 / ((1 * 10 + 3 * 40) / 4))


@pytest.mark.parametrize(
    ("scale", "low", "high", "value", "score"),
    [
        ("money", 10.0, 1000.0, 100.0, 50.0),
        ("money", 10.0, 1000.0, 5.0, 0.0),
        ("money", 10.0, 1000.0, 1e9, 100.0),
        ("money", 10.0, 1000.0, 0.0, 0.0),
        ("money", 10.0, 1000.0, -50.0, 0.0),
        ("count", 0.0, 3.0, 1.0, 50.0),  # log 2 / log 4
        ("days", 0.0, 800.0, 200.0, 25.0),
        ("fixed", 4.0, 1.0, 2.5, 50.0),  # less is better
        ("fixed", -1.0, 1.0, 0.0, 50.0),
    ],
)
def test_scales_by_hand(scale: str, low: float, high: float, value: float, score: float) -> None:
    scaled = scale_component(pd.Series([value, np.nan]), scale=scale, low=low, high=high)
    assert scaled[0] == pytest.approx(score)
    assert math.isnan(scaled[1])


def anchors_of(**rows: tuple[str, str, float, float, float]) -> pd.DataFrame:
    """Return anchors: component -> (dimension, scale, low, high, weight)."""
    return pd.DataFrame(
        [
            {"kind": "person", "dimension": dimension, "component": name, "scale": scale, "lower_anchor": low,
             "upper_anchor": high, "weight": weight, "buyer_count": 50, "anchors_date": AS_OF}
            for name, (dimension, scale, low, high, weight) in rows.items()
        ]
    )  # fmt: skip


def test_scores_by_hand() -> None:
    anchors = anchors_of(
        spend_year=("value", "money", 20.0, 2000.0, 0.6),
        spend_lifetime=("value", "money", 50.0, 500_000.0, 0.4),
        repetition=("loyalty", "fixed", 0.0, 1.0, 0.3),
        satisfaction=("loyalty", "fixed", 0.0, 1.0, 0.1),
        trend=("potential", "fixed", -1.0, 1.0, 1.0),
    )
    customers = features({}, {"survey_score_mean": None}, {"since_first": 300})
    scores = value_scores(customers, anchors=anchors, settings=SETTINGS).set_index("customer_id")
    # value: 2000 scores 100; 5000 lies at half of the decades from 50 to 500,000: 0.6 * 100 + 0.4 * 50
    assert scores.loc["c000", "value_score"] == 80.0
    assert scores.loc["c000", "loyalty_score"] == 87.5  # (0.3 * 90 + 0.1 * 80) / 0.4
    assert scores.loc["c001", "loyalty_score"] == 90.0  # the weight of the survey falls to the rest
    assert scores.loc[["c000", "c001"], "loyalty_component_count"].tolist() == [2, 1]
    assert scores.loc["c000", "potential_score"] == 75.0
    assert pd.isna(scores.loc["c002", "potential_score"])
    assert pd.isna(scores.loc["c002", "potential_class"])
    assert scores.loc["c002", "potential_component_count"] == 0
    assert scores.loc["c000", ["value_class", "loyalty_class", "potential_class"]].tolist() == ["high"] * 3


def test_anchors_by_hand() -> None:
    customers = features(*({"spend_amount_365d": 100.0 * k, "event_count_90d": 0} for k in range(21)))
    anchors = score_anchors(customers, settings=SETTINGS, anchors_date=AS_OF).set_index("component")
    check_columns(anchors.reset_index().columns, ANCHORS_SCHEMA, result="value_anchors")
    # quantiles of the positive values 100, 200, ..., 2000: 100 + 0.05 * 1900, 100 + 0.95 * 1900
    assert anchors.loc["spend_year", ["lower_anchor", "upper_anchor"]].tolist() == pytest.approx([195.0, 1905.0])
    assert anchors.loc["rhythm", ["lower_anchor", "upper_anchor"]].tolist() == [4.0, 1.0]
    assert anchors.loc["frequency", "upper_anchor"] == 5
    assert anchors["buyer_count"].unique().tolist() == [21]
    # all spend the same in their life; nobody has events, contracts, opportunities: they say nothing
    assert {"spend_lifetime", "events", "contract", "opportunities"}.isdisjoint(anchors.index)


def test_who_is_scored() -> None:
    small = ValueSettings(minimum_buyers=20)
    customers = pd.concat([many(), features({"customer_id": "z1", "order_count": 0, "kind": None})], ignore_index=True)
    customers = customers.loc[(customers["kind"] != "organisation") | (customers.index < 12)]
    scores = scored(customers, small)
    check_columns(scores.columns, VALUE_SCORES_SCHEMA, result="value_scores")
    assert scores["customer_id"].tolist() == sorted(set(customers["customer_id"]) - {"z1"})
    unscored = scores.loc[scores["kind"] == "organisation"]
    assert len(unscored) > 0
    assert unscored[SCORES].isna().all(axis=None)
    assert (unscored["value_component_count"] == 0).all()
    assert scores.loc[scores["kind"] == "person", SCORES].notna().all(axis=None)
    nobody = value_scores(customers.iloc[:0], anchors=pd.DataFrame(columns=list(ANCHORS_SCHEMA)), settings=SETTINGS)
    assert nobody.empty


def test_populations_have_their_own_anchors() -> None:
    customers = many()
    persons = customers.loc[customers["kind"] == "person"]
    both, alone = scored(customers), scored(persons)
    pd.testing.assert_frame_equal(both.loc[both["kind"] == "person"].reset_index(drop=True), alone)


def test_frozen_anchors_hold_and_new_populations_get_todays() -> None:
    now = score_anchors(many(), settings=SETTINGS, anchors_date=AS_OF)
    frozen = now.loc[now["kind"] == "person"].assign(upper_anchor=1.0)
    together = with_frozen_anchors(frozen, now)
    assert (together.loc[together["kind"] == "person", "upper_anchor"] == 1.0).all()
    organisations = together.loc[together["kind"] == "organisation"].reset_index(drop=True)
    pd.testing.assert_frame_equal(organisations, now.loc[now["kind"] == "organisation"].reset_index(drop=True))
    pd.testing.assert_frame_equal(with_frozen_anchors(now.iloc[:0], now), now)


def test_with_frozen_anchors_a_score_moves_only_with_its_customer() -> None:
    before = many()
    anchors = score_anchors(before, settings=SETTINGS, anchors_date=AS_OF)
    after = before.copy()
    after.loc[20:, ["spend_amount", "spend_amount_365d"]] *= 3
    old, new = (value_scores(frame, anchors=anchors, settings=SETTINGS)["value_score"] for frame in (before, after))
    assert old[:20].tolist() == new[:20].tolist()
    assert (new[20:] >= old[20:]).all()
    assert (new[20:] > old[20:]).any()


# -- settings ----------------------------------------------------------------------------------------------------------


def test_every_setting_changes_the_scores() -> None:
    customers = many()
    plain = scored(customers)
    year = scored(customers, ValueSettings(minimum_buyers=2, value_weights=ValueWeights(spend_lifetime=0)))
    assert plain["value_component_count"].max() == 2
    assert year["value_component_count"].max() == 1
    assert (plain["value_score"] != year["value_score"]).any()
    for changed in (
        ValueSettings(minimum_buyers=2, prior_gaps=30),
        ValueSettings(minimum_buyers=2, lost_after=9),
        ValueSettings(minimum_buyers=2, loyalty_weights=LoyaltyWeights(rhythm=2)),
    ):
        assert (scored(customers, changed)["loyalty_score"] != plain["loyalty_score"]).any()
    narrow = scored(customers, ValueSettings(minimum_buyers=2, value_bounds=(98, 99)))
    assert set(narrow["value_class"]) != set(plain["value_class"])


@pytest.mark.parametrize(
    ("model", "values", "problem"),
    [
        (ValueWeights, {"spend_year": 0, "spend_lifetime": 0}, "at least one weight must be above 0"),
        (ValueWeights, {"spend_month": 1}, "spend_month"),
        (ValueSettings, {"value_bounds": (70, 70)}, "the bounds of the classes must rise"),
        (ValueSettings, {"lost_after": 1}, "lost_after"),
    ],
)
def test_wrong_settings_are_refused(model: type, values: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        model(**values)


def test_classes_are_half_open() -> None:
    assert class_of(pd.Series([0, 39.9, 40, 69.9, 70, 100]), bounds=(40, 70)).tolist() == [
        "low", "low", "middle", "middle", "high", "high",
    ]  # fmt: skip


# -- invariances -------------------------------------------------------------------------------------------------------


@examples(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows_and_names_of_customers_change_nothing(seed: int) -> None:
    customers = many(seed=seed)
    plain = scored(customers)
    shuffled = scored(customers.sample(frac=1, random_state=seed))
    pd.testing.assert_frame_equal(plain, shuffled)
    names = {name: f"k{k:03}" for k, name in enumerate(reversed(customers["customer_id"].tolist()))}
    renamed = scored(customers.assign(customer_id=customers["customer_id"].map(names)))
    back = renamed.set_index("customer_id").loc[[names[name] for name in plain["customer_id"]], SCORES]
    assert np.array_equal(back.to_numpy(), plain[SCORES].to_numpy(), equal_nan=True)


@examples(max_examples=8)
@given(seed=st.integers(0, 10_000), factor=st.sampled_from([0.01, 0.137, 7.3, 1e4]))
def test_the_unit_of_money_changes_nothing(seed: int, factor: float) -> None:
    customers = many(seed=seed)
    other = customers.assign(**{name: customers[name] * factor for name in ("spend_amount", "spend_amount_365d")})
    one, two = scored(customers), scored(other)
    assert np.allclose(one[SCORES], two[SCORES], atol=0.11, equal_nan=True)  # a digit may round the other way
    assert (one["value_score"] - two["value_score"]).abs().gt(0.001).mean() < 0.05


@examples(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_scores_lie_between_0_and_100_and_equals_score_equally(seed: int) -> None:
    customers = many(seed=seed)
    scores = scored(customers)
    known = scores[SCORES].to_numpy()
    assert ((known >= 0) & (known <= 100) | np.isnan(known)).all()
    # the last ten are copies of the first ten
    first, last = scores[SCORES].iloc[:10].to_numpy(), scores[SCORES].iloc[-10:].to_numpy()
    assert np.array_equal(first, last, equal_nan=True)


@examples(max_examples=8)
@given(seed=st.integers(0, 10_000), place=st.integers(0, 59), more=st.floats(1, 1e7))
def test_more_spend_never_scores_lower_nor_moves_others(seed: int, place: int, more: float) -> None:
    customers = many(seed=seed)
    anchors = score_anchors(customers, settings=SETTINGS, anchors_date=AS_OF)
    richer = customers.copy()
    richer.loc[place, ["spend_amount", "spend_amount_365d"]] += more
    before = value_scores(customers, anchors=anchors, settings=SETTINGS)["value_score"]
    after = value_scores(richer, anchors=anchors, settings=SETTINGS)["value_score"]
    assert after[place] >= before[place]
    assert after.drop(place).tolist() == before.drop(place).tolist()


def test_an_outlier_hardly_moves_the_scores_of_others() -> None:
    customers = many(count=400)
    place = customers.index[customers["kind"] == "person"][0]
    richest = customers.copy()
    richest.loc[place, ["spend_amount", "spend_amount_365d"]] = 1e9
    moved = (scored(richest)["value_score"] - scored(customers)["value_score"]).drop(place).abs()
    assert moved.max() < 1.5
