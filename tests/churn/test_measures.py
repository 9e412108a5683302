"""Measures, their intervals and the paired comparison against other implementations and by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn.backtest import (
    INTERVALS_SCHEMA,
    backtest_intervals_table,
    backtest_table,
    choose_champion,
    churn_predictions,
)
from crm_analysis.churn.comparison import compare_auc, is_better
from crm_analysis.churn.labels import check_churn_data
from crm_analysis.churn.learners import calibrate, sample_rows, split_origins, tune
from crm_analysis.churn.measures import auc_influence, quality, resampled_intervals, top_sum
from crm_analysis.churn.model import fit_churn
from crm_analysis.churn.practice_findings import note_comparison, note_value_saved

SETTINGS = ChurnSettings(list_length=40)


def drawn(n: int, *, seed: int, strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1, n)
    probability = 1 / (1 + np.exp(-strength * odds))
    labels = (rng.random(n) < probability).astype(int)
    return labels, probability, rng.gamma(2, 100, n)


def test_calibration_is_that_of_a_plain_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    labels, probability, _ = drawn(4_000, seed=3, strength=1.0)
    odds = 1.7 * np.log(probability / (1 - probability)) + 0.4  # too extreme and too high
    intercept, slope = calibrate(odds, labels)
    oracle = LogisticRegression(C=np.inf, tol=1e-8).fit(odds[:, None], labels)
    expected = [float(oracle.intercept_[0]), float(oracle.coef_[0, 0])]
    assert [intercept, slope] == pytest.approx(expected, abs=2e-3)  # Platt's targets are a little inside
    found = quality(labels, odds, 1 / (1 + np.exp(-odds)), np.zeros(len(labels)), settings=SETTINGS)
    assert found["calibration_slope"] == pytest.approx(1 / 1.7, abs=0.06)
    assert found["calibration_intercept"] < -0.2


def test_the_influence_gives_delongs_variance() -> None:
    labels, scores, _ = drawn(300, seed=5, strength=1.0)
    scores = scores.round(1)  # with ties
    ones, zeros = scores[labels == 1], scores[labels == 0]
    wins = (ones[:, None] > zeros[None, :]) + 0.5 * (ones[:, None] == zeros[None, :])
    v_1, v_0 = wins.mean(1), wins.mean(0)
    auc = wins.mean()
    by_hand = ((v_1 - auc) ** 2).sum() / len(ones) ** 2 + ((v_0 - auc) ** 2).sum() / len(zeros) ** 2
    found, influence = auc_influence(labels, scores)
    assert found == pytest.approx(auc)
    assert (influence**2).sum() == pytest.approx(by_hand)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


def test_intervals_of_resampled_customers_agree_with_delong() -> None:
    labels, probability, _ = drawn(6_000, seed=6, strength=1.0)
    exact = quality(labels, probability, probability, np.zeros(6_000), settings=SETTINGS)
    found = resampled_intervals(labels, probability, probability, exact=exact, settings=SETTINGS)
    error = float(np.sqrt((auc_influence(labels, probability)[1] ** 2).sum()))
    low, high = found["auc"]
    assert low < exact["auc"] < high
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.2)
    low, high = found["precision_rate"]
    assert 0 < high - low < 0.4  # 40 customers: half a width of about 1.96 x sqrt(p (1 - p) / 40)


@given(st.permutations(range(6)), st.integers(1, 8))
def test_sums_at_the_top_do_not_depend_on_the_order_of_rows(order: list[int], length: int) -> None:
    values, scores = np.array([5.0, 1, 3, 0, 2, 8]), np.array([2.0, 2, 2, 1, 1, 0])
    assert top_sum(values[order], scores[order], length=length) == pytest.approx(top_sum(values, scores, length=length))


def paired(*, strength: float, seed: int, repeats: int = 2) -> pd.DataFrame:
    labels, probability, stake = drawn(800, seed=seed, strength=1.0)
    rng = np.random.default_rng(seed + 1)
    better = strength * np.log(probability / (1 - probability)) + rng.normal(0, 1, 800)
    other = np.log(probability / (1 - probability)) * 0.5 + rng.normal(0, 1, 800)
    one = pd.DataFrame({"customer_id": [f"c{k}" for k in range(800)], "is_churned": labels, "at_stake_amount": stake,
                        "logistic_score": better, "recency_score": other})  # fmt: skip
    return pd.concat([one.assign(origin=f"2025-0{k + 1}-01") for k in range(repeats)], ignore_index=True)


def test_the_same_customers_again_do_not_make_it_surer() -> None:
    once = compare_auc(paired(strength=1.5, seed=8, repeats=1), model="logistic", rule="recency")
    twice = compare_auc(paired(strength=1.5, seed=8, repeats=2), model="logistic", rule="recency")
    assert is_better(once)
    assert (once["difference"], once["low"], once["high"]) == (twice["difference"], twice["low"], twice["high"])
    assert (twice["origin_count"], twice["customer_count"]) == (2, 800)
    others = paired(strength=1.5, seed=8, repeats=2)
    others["customer_id"] += others["origin"]  # other customers at each origin: twice as many draws
    apart = compare_auc(others, model="logistic", rule="recency")
    assert (apart["high"] - apart["low"]) == pytest.approx((once["high"] - once["low"]) / 2**0.5, rel=1e-4)


def test_a_model_that_is_no_better_is_not_called_better() -> None:
    alike = compare_auc(paired(strength=0.5, seed=8), model="logistic", rule="recency")
    assert not is_better(alike)
    assert alike["low"] < 0 < alike["high"]
    nobody = compare_auc(paired(strength=1, seed=8).assign(is_churned=1), model="logistic", rule="recency")
    assert nobody["difference"] is None
    assert not is_better(nobody)


def test_a_difference_within_chance_leaves_the_rule_in_use(training, settings) -> None:
    few = training.loc[training["customer_id"].str[-5:].astype(int) < 210]
    status = check_churn_data(few, settings=settings)
    predictions = churn_predictions(few, settings=settings, status=status)
    rng = np.random.default_rng(1)
    for name in ("logistic", "boosting"):  # as good as silence, and a little chance
        predictions[f"{name}_score"] = predictions["recency_score"] + rng.normal(0, 3, len(predictions))
    table = backtest_table(predictions, settings=settings)
    table.loc[table["model"] == "logistic", ["auc", "average_precision"]] += 0.05
    champion = choose_champion(table, predictions, status=status)
    assert champion["message"]["message"] == "finding.champion_unsure"
    assert (champion["model"], champion["is_model"]) == ("recency", False)
    for lang in LANGUAGES:
        note = note_comparison(champion)
        assert note is not None
        assert Words(lang).say(note)
        assert Words(lang).say(note_value_saved(settings.model.warning, margin_share=0.36))


def test_expected_purchases_are_a_rule_where_they_are_known(training, settings) -> None:
    status = check_churn_data(training, settings=settings)
    known = training.assign(expected_purchase_count=training["order_count_90d"].astype("float32"))
    predictions = churn_predictions(known, settings=settings, status=status)
    without = churn_predictions(training, settings=settings, status=status)
    assert without["expected_purchases_score"].isna().all()
    assert (predictions["expected_purchases_score"] <= 0).all()
    assert not predictions["logistic_score"].equals(without["logistic_score"])  # also a feature
    table = backtest_table(predictions, settings=settings)
    assert "expected_purchases" in set(table["model"])
    means = choose_champion(table, predictions, status=status)["means"]
    assert means["expected_purchases"]["auc"] > 0.6


def test_intervals_state_what_they_are(training, settings) -> None:
    status = check_churn_data(training, settings=settings)
    predictions = churn_predictions(training, settings=settings, status=status)
    backtest = backtest_table(predictions, settings=settings)
    table = backtest_intervals_table(predictions, backtest, settings=settings)
    assert list(table.columns) == list(INTERVALS_SCHEMA)
    over = table.loc[table["interval_kind"] == "origins"].set_index(["model", "churn_measure"])
    aucs = backtest.loc[backtest["model"] == "logistic", "auc"]
    half = 4.302653 * aucs.std(ddof=1) / 3**0.5  # t with two degrees of freedom
    assert over.loc[("logistic", "auc"), "measure_low"] == pytest.approx(aucs.mean() - half, abs=1e-5)
    two = backtest_intervals_table(
        predictions.loc[predictions["origin"] > "2025-01-01"],
        backtest.loc[backtest["origin_date"] > "2025-01-01"], settings=settings,
    )  # fmt: skip
    assert two.loc[two["interval_kind"] == "origins", "measure_low"].isna().all()
    within = table.loc[table["interval_kind"] == "customers"]
    assert (within["measure_low"] <= within["measure_value"]).all()
    assert (within["measure_high"] >= within["measure_value"]).all()


# -- learning ----------------------------------------------------------------------------------------------------------

QUARTERS = ["2024-04-01", "2024-07-01", "2024-10-01", "2025-01-01", "2025-04-01"]


@pytest.mark.parametrize(("count", "taught", "calibrating"), [(1, 0, 1), (2, 1, 1), (3, 2, 1), (4, 2, 2), (5, 3, 2)])
def test_two_origins_are_left_to_teach(count: int, taught: int, calibrating: int) -> None:
    found = split_origins(QUARTERS[:count], settings=ChurnSettings())
    assert found == (QUARTERS[:taught], QUARTERS[count - calibrating : count])


def test_what_overlaps_the_calibration_does_not_teach() -> None:
    taught, calibrating = split_origins(QUARTERS, settings=ChurnSettings(horizon_days=180))
    assert (taught, calibrating) == (["2024-04-01", "2024-07-01"], ["2025-01-01", "2025-04-01"])


def test_tuning_looks_at_the_last_teaching_origin_alone(training, settings) -> None:
    origins = ["2024-07-01", "2024-10-01", "2025-01-01"]
    found = tune(training, name="boosting", origins=origins, settings=settings)
    late = training["origin"] > "2025-01-01"
    changed = training.assign(is_churned=training["is_churned"].where(~late, 1 - training["is_churned"]))
    assert tune(changed, name="boosting", origins=origins, settings=settings) == found
    assert found[1] == ["2025-01-01"]
    assert tune(training, name="boosting", origins=origins[:1], settings=settings)[1] == []


def test_rows_beyond_the_limit_are_sampled_by_the_seed(training, settings) -> None:
    small = settings.model_copy(update={"model": settings.model.model_copy(update={"max_training_rows": 1_000})})
    rows = sample_rows(training, origins=QUARTERS, settings=small)
    assert len(rows) == 1_000
    pd.testing.assert_frame_equal(rows, sample_rows(training, origins=QUARTERS, settings=small))
    other = sample_rows(training, origins=QUARTERS, settings=small.model_copy(update={"seed": 1}))
    assert not rows.index.equals(other.index)
    fitted = fit_churn(training, name="logistic", settings=small)
    assert fitted.row_count == 2_000
    assert len(fitted.probability(training)) == len(training)  # all are scored all the same


def test_batches_change_no_score(training, settings) -> None:
    fitted = fit_churn(training, name="boosting", settings=settings)
    small = settings.model_copy(update={"model": settings.model.model_copy(update={"batch_rows": 1_000})})
    again = fit_churn(training, name="boosting", settings=small)
    assert (fitted.probability(training) == again.probability(training)).all()


def test_shuffled_labels_give_chance(plant) -> None:
    from crm_analysis.churn.labels import training_table

    settings = ChurnSettings(minimum_customers=200, minimum_events=50)
    rows = training_table(plant(n=4_000), settings=settings)
    shuffled = rows.assign(is_churned=np.random.default_rng(4).permutation(rows["is_churned"].to_numpy()))
    status = check_churn_data(shuffled, settings=settings)
    predictions = churn_predictions(shuffled, settings=settings, status=status)
    table = backtest_table(predictions, settings=settings)
    means = table.groupby("model")["auc"].mean()  # 12,000 held-out rows: a standard error of 0.005
    assert means.between(0.47, 0.53).all()
    champion = choose_champion(table, predictions, status=status)
    assert not champion["is_model"]
