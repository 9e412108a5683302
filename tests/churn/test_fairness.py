"""Fairness: differences by hand and as published, areas by brute force, planted and absent differences."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from scipy.stats import ttest_ind
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import confint_proportions_2indep

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_signals import FairnessSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import fairness_findings as findings
from crm_analysis.churn import insight_figures as figures
from crm_analysis.churn.backtest import PREDICTIONS_SCHEMA
from crm_analysis.churn.fairness import (
    FAIRNESS_SCHEMA,
    MEASURES,
    fairness_document,
    fairness_table,
)
from crm_analysis.churn.fairness_groups import groups_table, offers_table, select_judged, top_tier_table
from crm_analysis.churn.fairness_measures import (
    auc_difference,
    delong_variance,
    mean_difference,
    ratio_difference,
    share_difference,
)

SETTINGS = FairnessSettings()
CONTEXT = {"top_tier": "retail_high_value", "silence_days": 180, "offers_from": "2025-07-01"}


def judged_frame(n: int, *, seed: int, harm: float = 0.0, bias: float = 0.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions and groups; ``harm`` misleads scores of women, ``bias`` overstates the risk in the south."""
    rng = np.random.default_rng(seed)
    groups = pd.DataFrame({
        "customer_id": [f"c{k:05d}" for k in range(n)],
        "gender": rng.choice(np.array(["female", "male"], dtype=object), n),
        "age_band": None,
        "region": rng.choice(np.array(["south", "north", "east"], dtype=object), n),
    })  # fmt: skip
    risk = rng.beta(2, 3, n)
    left = rng.random(n) < risk
    noise = np.where(groups["gender"] == "female", harm, 0.0)
    score = np.where(rng.random(n) < noise, rng.permutation(risk), risk)
    probability = np.clip(score + np.where(groups["region"] == "south", bias, 0.0), 0, 1)
    judged = pd.DataFrame({"customer_id": groups["customer_id"], "origin": "2025-07-01", "is_churned": left,
                           "score": score, "probability": probability})  # fmt: skip
    judged = judged.sort_values("score", ascending=False, ignore_index=True)
    return judged.assign(is_selected=np.arange(n) < n // 5), groups


# -- measures ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 40), st.integers(40, 90), st.integers(0, 30), st.integers(30, 70))
@run(max_examples=60)
def test_differences_of_shares_are_newcombes(x: int, n: int, y: int, m: int) -> None:
    found = share_difference(np.arange(n) < x, np.arange(m) < y)
    assert found is not None
    low, high = confint_proportions_2indep(x, n, y, m, method="newcomb", compare="diff")
    assert (found.difference_low, found.difference_high) == pytest.approx((low, high), abs=1e-9)
    turned = share_difference(np.arange(m) < y, np.arange(n) < x)
    assert turned is not None
    assert (turned.difference_low, turned.p_value) == pytest.approx((-found.difference_high, found.p_value))


def test_delong_by_hand_and_by_brute_force() -> None:
    score, left = np.array([0.9, 0.8, 0.4, 0.7, 0.4, 0.1]), np.array([True, True, True, False, False, False])
    auc, variance = delong_variance(score, left)
    above = np.array([1, 1, (0 + 0.5 + 1) / 3])
    below = np.array([2 / 3, 2.5 / 3, 1])
    assert auc == pytest.approx(above.mean())
    assert variance == pytest.approx(above.var(ddof=1) / 3 + below.var(ddof=1) / 3)
    rng = np.random.default_rng(2)
    left = rng.random(400) < 0.4
    score = np.round(rng.normal(left * 0.8), 1)
    auc, variance = delong_variance(score, left)
    assert auc == pytest.approx(roc_auc_score(left, score))
    resampled = []
    for _ in range(400):
        drawn = rng.integers(0, 400, 400)
        resampled.append(roc_auc_score(left[drawn], score[drawn]))
    assert variance == pytest.approx(np.var(resampled), rel=0.25)


def test_means_and_ratios_by_hand() -> None:
    group, rest = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0, 8.0])
    found = mean_difference(group, rest)
    assert found is not None
    assert (found.value, found.rest_value) == (2, 5)
    welch = ttest_ind(group, rest, equal_var=False)
    assert found.p_value == pytest.approx(welch.pvalue)
    interval = welch.confidence_interval(0.95)
    assert (found.difference_low, found.difference_high) == pytest.approx((interval.low, interval.high))
    assert mean_difference(np.ones(3), np.ones(4)) is None
    ratio = ratio_difference(
        (np.array([1.0, 3.0]), np.array([10.0, 10.0])), (np.array([2.0, 2.0, 5.0]), np.full(3, 30))
    )
    assert ratio is not None
    assert (ratio.value, ratio.rest_value) == (0.2, 0.1)
    # residuals -1 and 1: variance (1 + 1) * 2 / 1 / 20**2
    assert ratio.high - ratio.value == pytest.approx(1.959963985 * 0.1)
    assert auc_difference((group, group > 2), (rest, rest > 4), minimum=2) is None


# -- groups ------------------------------------------------------------------------------------------------------------


def test_groups_are_those_at_the_origin() -> None:
    customers = pd.DataFrame({
        "customer_id": list("abcdef"),
        "kind": ["person", "person", "organisation", None, "person", "person"],
        "gender": ["female", "unheard", "male", "male", None, "other"],
        "birth_date": pd.to_datetime(["1995-07-02", "1995-07-01", "1960-01-01", "1960-01-01", None, "1880-01-01"]),
        "region": ["n", None, "n", "s", "s", "s"],
    })  # fmt: skip
    groups = groups_table(customers, origin=date(2025, 7, 1), settings=SETTINGS)
    told = groups.astype("object").where(groups.notna(), None)
    assert told["gender"].tolist() == ["female", None, None, "male", None, "other"]
    assert told["age_band"].tolist() == ["<30", "30–44", None, "≥60", None, None]
    assert told["region"].tolist() == ["n", None, "n", "s", "s", "s"]


def test_the_latest_origin_is_judged_by_expected_loss_and_ties_go_by_id() -> None:
    predictions = pd.DataFrame({name: [0.5] * 5 for name in PREDICTIONS_SCHEMA})
    predictions["customer_id"] = ["b", "a", "c", "d", "a"]
    predictions["origin"] = ["2025-07-01"] * 4 + ["2025-04-01"]
    predictions["logistic_probability"] = [0.5, 0.5, 0.9, 1.0, 1.0]
    predictions["at_stake_amount"] = [100.0, 100.0, 200.0, 0.0, 900.0]  # losses 50, 50, 180 and 0
    judged = select_judged(predictions, model="logistic", list_length=2)
    assert judged["customer_id"].tolist() == ["c", "a", "b", "d"]
    assert judged["is_selected"].tolist() == [True, True, False, False]
    longer = select_judged(predictions, model="logistic", list_length=9)
    assert longer["is_selected"].tolist() == [True, True, True, False]  # nothing is lost with d


def test_who_is_in_the_best_tier_of_those_that_can_be_ranked() -> None:
    segments = pd.DataFrame({"customer_id": list("abcd"), "tier": ["gold", "silver", "gold", "never_bought"]})
    table = top_tier_table(segments, ranked=("gold", "silver"))
    assert dict(zip(table["customer_id"], table["is_top_tier"], strict=True)) == {"a": True, "b": False, "c": True}


def test_offers_to_those_who_were_silent_then() -> None:
    silence = pd.DataFrame({"customer_id": list("abcdef"), "recency_days": [180.0, 400.0, 179.0, 300.0, 300.0, np.nan]})
    actions = pd.DataFrame(
        [("a", False, "done", 12.5), ("a", False, None, 7.5), ("b", True, "done", 5.0), ("c", False, "done", 9.0),
         ("d", False, "cancelled", 3.0), ("e", None, "planned", None)],
        columns=["customer_id", "is_control", "status", "cost"],
    )  # fmt: skip
    table = offers_table(silence, actions, silence_days=180).set_index("customer_id")
    assert table["is_offered"].to_dict() == {"a": True, "b": False, "d": False, "e": True}
    assert table["offer_cost"].dropna().to_dict() == {"a": 20.0}


# -- the table ---------------------------------------------------------------------------------------------------------


def test_rates_by_hand() -> None:
    rows = [("female", True, True)] * 30 + [("female", True, False)] * 10 + [("female", False, True)] * 6
    rows += [("female", False, False)] * 54 + [("male", True, True)] * 20 + [("male", True, False)] * 30
    rows += [("male", False, True)] * 5 + [("male", False, False)] * 45 + [("other", True, True)] * 7
    frame = pd.DataFrame(rows, columns=["gender", "is_churned", "is_selected"])
    frame["customer_id"] = [f"c{k}" for k in range(len(frame))]
    judged = frame.drop(columns="gender").assign(origin="2025-07-01", score=0.5, probability=0.5)
    groups = frame[["customer_id", "gender"]].assign(age_band=None, region=None)
    table = fairness_table(judged, groups, settings=SETTINGS)
    check_columns(table.columns, FAIRNESS_SCHEMA, result="fairness")
    rates = table.set_index(["fairness_measure", "group"])
    assert rates.loc[("selection_rate", "female"), ["n", "value", "rest_value"]].tolist() == [100, 0.36, 0.25]
    assert rates.loc[("false_positive_rate", "female"), ["n", "value", "rest_value"]].tolist() == [60, 0.1, 0.1]
    assert rates.loc[("false_negative_rate", "female"), ["n", "value", "rest_value"]].tolist() == [40, 0.25, 0.6]
    assert rates.loc[("false_negative_rate", "male"), "fairness_verdict"] == "differs"
    assert rates.loc[("calibration_gap", "male"), "value"] == 0.0
    other = rates.loc[("selection_rate", "other")]
    assert other["fairness_verdict"] == "hidden"
    assert other[["n", "value", "rest_value"]].isna().all()


def test_planted_differences_are_told_and_chance_is_not() -> None:
    judged, groups = judged_frame(4000, seed=1, harm=0.8, bias=0.15)
    table = fairness_table(judged, groups, settings=SETTINGS).set_index(["fairness_measure", "group"])
    assert table.loc[("auc", "female"), "fairness_verdict"] == "differs"
    assert table.loc[("auc", "female"), "difference"] < 0
    assert table.loc[("calibration_gap", "south"), "fairness_verdict"] == "differs"
    assert table.loc[("calibration_gap", "south"), "difference"] == pytest.approx(0.15, abs=0.05)
    assert table.loc[("calibration_gap", "north"), "value"] == pytest.approx(0, abs=0.05)
    alarms = []
    for seed in range(25):
        fair, fair_groups = judged_frame(1200, seed=100 + seed)
        alarms.append((fairness_table(fair, fair_groups, settings=SETTINGS)["fairness_verdict"] == "differs").any())
    assert np.mean(alarms) <= 0.2


def test_tiers_and_offers_by_hand() -> None:
    groups = pd.DataFrame({"customer_id": [f"c{k:03d}" for k in range(140)], "gender": ["female"] * 60 + ["male"] * 80})
    groups = groups.assign(age_band=None, region=None)
    place = np.arange(140)
    tiers = groups[["customer_id"]].assign(is_top_tier=(place < 15) | (place >= 132))  # 15 of 60, 8 of 80
    offers = groups.loc[place >= 20, ["customer_id"]].assign(
        is_offered=[*[True] * 30, *[False] * 90], offer_cost=[*[40.0, 60.0] * 15, *[np.nan] * 90]
    )
    table = fairness_table(None, groups, settings=SETTINGS, tiers=tiers, offers=offers)
    rates = table.set_index(["fairness_measure", "group"])
    assert rates.loc[("top_tier_rate", "female"), ["n", "value", "rest_value"]].tolist() == [60, 0.25, 0.1]
    assert rates.loc[("win_back_rate", "female"), ["n", "value", "rest_value"]].tolist() == [40, 0.75, 0.0]
    assert rates.loc[("win_back_rate", "female"), "fairness_verdict"] == "differs"
    # nobody else got an offer, so that costs have nothing to be held against
    assert rates.loc[("win_back_cost", "female"), "fairness_verdict"] == "too_few"
    assert "discount_share" not in set(table["fairness_measure"])


def test_a_small_group_changes_nothing_of_the_others() -> None:
    judged, groups = judged_frame(900, seed=3)
    few = groups.assign(region=groups["region"].where(groups.index >= 12, "tiny"))
    none = groups.assign(region=groups["region"].where(groups.index >= 12, None))
    one, other = (fairness_table(judged, each, settings=SETTINGS) for each in (few, none))
    shown = one.loc[one["group"] != "tiny"].reset_index(drop=True)
    pd.testing.assert_frame_equal(shown, other)
    assert fairness_document(one, judged, few, context=CONTEXT)["hidden_count"] == 5
    assert fairness_document(other, judged, none, context=CONTEXT)["unknown"] == {
        "gender": 0,
        "age_band": 900,
        "region": 12,
    }


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(lang: str) -> None:
    words = Words(lang)
    for n, harm, bias in ((3000, 0.8, 0.2), (3000, 0.0, 0.3), (900, 0.0, 0.0), (20, 0.0, 0.0)):
        judged, groups = judged_frame(n, seed=4, harm=harm, bias=bias)
        prices = groups[["customer_id"]].assign(discount_amount=np.arange(n) % 7, gross_amount=100.0)
        selected = judged[["customer_id", "is_selected"]]
        rng = np.random.default_rng(n)
        tiers = groups[["customer_id"]].assign(is_top_tier=rng.random(n) < 0.1)
        cost = np.where(groups["region"] == "south", 90.0, 30.0) * rng.random(n)
        offers = groups[["customer_id"]].assign(is_offered=rng.random(n) < 0.3, offer_cost=cost)
        treated = {"selected": selected, "tiers": tiers, "offers": offers, "prices": prices}
        table = fairness_table(judged, groups, settings=SETTINGS, **treated)
        document = fairness_document(table, judged, groups, context=CONTEXT)
        unjudged = fairness_table(None, groups, settings=SETTINGS, **treated)
        assert set(unjudged["fairness_measure"]) == {*MEASURES} - {
            "selection_rate", "false_positive_rate", "false_negative_rate", "calibration_gap", "auc"}  # fmt: skip
        without_model = fairness_document(unjudged, None, groups, context=CONTEXT)
        for told in (document, without_model):
            assert words.say(findings.finding_fairness(told))
            assert words.say(findings.note_fairness(told))
            assert "180" in words.say(findings.note_treatment(told))
            assert words.say(findings.note_capacity(told))
        if document["n"] == 900:  # 180 on the list; who churned beyond them is missed whoever is listed
            churned = int(judged["is_churned"].sum())
            assert document["missed_least_rate"] == pytest.approx((churned - 180) / churned, abs=1e-6)
        shown = findings.format_fairness(table, words=words, measures=MEASURES)
        assert len(shown) == min(findings.MOST_ROWS, int((table["fairness_verdict"] != "hidden").sum()))
        clear = (table["fairness_verdict"] == "differs").sum()
        verdict = words.word("fairness_verdict.differs")
        assert (shown["fairness_verdict"] == verdict).sum() == min(clear, findings.MOST_ROWS)
        for measure in MEASURES:
            assert words.say(findings.alt_fairness(table, measure=measure))
            assert figures.plot_fairness(table, measure=measure, words=words).axes


def test_the_demo_treats_genders_and_ages_alike(demo_config: Path) -> None:
    """Nothing of churn or price is planted on gender or age, so that no difference may be told."""
    from crm_analysis.opening import open_workspace

    ws = open_workspace(demo_config, quarter="2025Q2")
    columns = ["customer_id", "kind", "gender", "birth_date", "region", "discount_amount", "gross_amount",
               "recency_days"]  # fmt: skip
    features = ws.frame("features", columns)
    later = ws.at(ws.quarter.shift(1)).frame("features", ["customer_id", "recency_days"])
    stayed = set(later.loc[later["recency_days"] < 92, "customer_id"])
    active = features.loc[features["recency_days"] < 365]
    judged = pd.DataFrame({
        "customer_id": active["customer_id"], "origin": "2025-07-01", "is_churned": ~active["customer_id"].isin(stayed),
        "score": active["recency_days"], "probability": (active["recency_days"] / 365).clip(0, 1),
    }).assign(is_selected=active["recency_days"] >= 180)  # fmt: skip
    groups = groups_table(features, origin=ws.as_of, settings=SETTINGS)
    table = fairness_table(judged, groups, settings=SETTINGS, prices=features)
    told = table.loc[table["attribute"].isin(["gender", "age_band"]) & (table["fairness_verdict"] == "differs")]
    assert told.empty
    assert (table["fairness_verdict"] == "similar").sum() > 30
    unknown = fairness_document(table, judged, groups, context=CONTEXT)["unknown"]
    assert unknown["gender"] > (active["kind"] == "organisation").sum() > 0
