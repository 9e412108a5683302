import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_churn_model import ChurnModelSettings, WarningSettings
from crm_analysis.base.settings_value_models import ValueHorizon, ValueModelSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import figures, findings
from crm_analysis.churn.backtest import (
    BACKTEST_SCHEMA,
    PREDICTIONS_SCHEMA,
    backtest_table,
    beats_chance,
    choose_champion,
    churn_predictions,
)
from crm_analysis.churn.calibration import CALIBRATION_SCHEMA, calibration_document, calibration_table
from crm_analysis.churn.labels import check_churn_data
from crm_analysis.churn.measures import precision_at
from crm_analysis.churn.model import MODELS, RULES

#: Without a purchase model there are no expected purchases to rank by.
SILENT_RULES = ("recency", "silence")


@pytest.fixture(scope="session")
def status(training: pd.DataFrame, settings) -> dict:
    return check_churn_data(training, settings=settings)


@pytest.fixture(scope="session")
def predictions(training: pd.DataFrame, settings, status: dict) -> pd.DataFrame:
    return churn_predictions(training, settings=settings, status=status)


@pytest.fixture(scope="session")
def backtest(predictions: pd.DataFrame, settings) -> pd.DataFrame:
    return backtest_table(predictions, settings=settings)


@pytest.fixture(scope="session")
def champion(backtest: pd.DataFrame, predictions: pd.DataFrame, status: dict) -> dict:
    return choose_champion(backtest, predictions, status=status)


NOBODY = pd.DataFrame(columns=["customer_id", "is_churned", "boosting_probability"])


def test_calibration_over_origins_by_hand() -> None:
    rows = pd.DataFrame({"model": ["boosting"] * 3 + ["recency"], "calibration_intercept": [-0.1, 0.0, 0.1, 9.0],
                         "calibration_slope": [1.2, 1.3, 1.4, 9.0], "n": 50})  # fmt: skip
    found = calibration_document(rows, NOBODY, champion={"model": "boosting"})
    half = 4.302653 * 0.1 / 3**0.5  # t with two degrees of freedom
    assert (found["interval_kind"], found["origin_count"], found["n"]) == ("origins", 3, 150)
    assert found["intercept"] == pytest.approx((0, -half, half), abs=1e-5)
    assert found["slope"] == pytest.approx((1.3, 1.3 - half, 1.3 + half), abs=1e-5)
    assert (found["intercept_least"], found["intercept_most"]) == (-0.1, 0.1)
    told = findings.finding_calibration(found)
    assert (told.id, told.args["found"].id) == ("churn.calibration_quarters", "churn.calibration_off")
    right = rows.assign(calibration_slope=[0.9, 1.0, 1.1, 9.0])
    right_found = calibration_document(right, NOBODY, champion={"model": "boosting"})
    assert findings.finding_calibration(right_found).args["found"].id == "churn.calibration_holds"
    nothing = calibration_document(rows, NOBODY, champion={"model": None})
    flat = calibration_document(rows.assign(calibration_slope=np.nan), NOBODY, champion={"model": "boosting"})
    assert nothing["interval_kind"] is flat["interval_kind"] is None
    assert findings.finding_calibration(nothing).args == {"origin_count": 0}


def test_calibration_of_one_origin_is_told_with_the_chance_of_customers() -> None:
    rng = np.random.default_rng(8)
    odds = rng.normal(0, 1.2, 4_000)
    left = rng.random(4_000) < 1 / (1 + np.exp(-(0.5 + odds)))
    predictions = pd.DataFrame({"customer_id": [f"c{k}" for k in range(4_000)], "is_churned": left,
                                "boosting_probability": 1 / (1 + np.exp(-odds))})  # fmt: skip
    backtest = pd.DataFrame({"model": ["boosting"], "n": 4_000, "calibration_slope": [1.0]})
    found = calibration_document(backtest, predictions, champion={"model": "boosting"})
    assert found["interval_kind"] == "customers"
    middle, low, high = found["intercept"]
    assert low < 0.5 < high
    chance = 1 / (1 + np.exp(-(middle + odds)))  # information of the intercept: sum of p (1 - p)
    assert (high - low) / 2 == pytest.approx(1.96 / np.sqrt((chance * (1 - chance)).sum()), rel=0.03)
    assert found["slope"][1] < 1 < found["slope"][2]
    told = findings.finding_calibration(found)
    assert told.id == "churn.calibration_few"
    assert told.args["found"].id == "churn.calibration_off"
    # the same customers once more tell nothing new
    twice = pd.concat([predictions, predictions], ignore_index=True)
    again = calibration_document(backtest, twice, champion={"model": "boosting"})
    assert again["intercept"] == pytest.approx(found["intercept"], abs=1e-3)


def test_only_later_origins_are_held_out(predictions: pd.DataFrame) -> None:
    check_columns(predictions.columns, PREDICTIONS_SCHEMA, result="churn_predictions")
    assert sorted(predictions["origin"].unique()) == ["2025-01-01", "2025-04-01", "2025-07-01"]


def test_what_happens_at_and_after_a_held_out_origin_changes_nothing_before(training, settings, status) -> None:
    changed = training.copy()
    late = changed["origin"] >= "2025-04-01"
    changed.loc[late, "is_churned"] = 1 - changed.loc[late, "is_churned"]
    first = churn_predictions(training, settings=settings, status=status)
    second = churn_predictions(changed, settings=settings, status=status)
    early = first["origin"] == "2025-01-01"
    columns = [name for name in PREDICTIONS_SCHEMA if name.endswith("_probability")]
    pd.testing.assert_frame_equal(first.loc[early, columns], second.loc[early, columns])
    held = first["origin"] == "2025-04-01"  # its own labels are not used for it either
    pd.testing.assert_frame_equal(first.loc[held, columns], second.loc[held, columns])


def test_an_origin_teaches_only_when_its_outcome_is_over(training, settings, status) -> None:
    longer = settings.model_copy(update={"horizon_days": 180})
    held = churn_predictions(training, settings=longer, status=status)["origin"].unique()
    # with 180 days the outcome of 2024-10-01 ends by 2025-04-01 (182 days), that of 2025-01-01 by 2025-07-01
    assert sorted(held) == ["2025-04-01", "2025-07-01"]


def test_models_beat_the_rules_on_a_planted_signal(backtest: pd.DataFrame, champion: dict) -> None:
    check_columns(backtest.columns, BACKTEST_SCHEMA, result="churn_backtest")
    assert len(backtest) == 3 * len((*MODELS, *SILENT_RULES))
    means = backtest.groupby("model")["average_precision"].mean()
    assert means["logistic"] > means["recency"] + 0.05
    assert means["boosting"] > means["recency"] + 0.05
    assert means["recency"] > backtest["base_rate"].mean()
    assert champion["is_model"]
    assert champion["model"] in MODELS
    assert champion["origin_count"] == 3
    assert json.loads(json.dumps(champion)) == champion


def test_no_model_is_near_anything_on_shuffled_labels(training, settings) -> None:
    rng = np.random.default_rng(7)
    shuffled = training.copy()
    shuffled["is_churned"] = rng.permutation(shuffled["is_churned"].to_numpy())
    state = check_churn_data(shuffled, settings=settings)
    table = backtest_table(churn_predictions(shuffled, settings=settings, status=state), settings=settings)
    assert table.groupby("model")["auc"].mean().between(0.44, 0.56).all()  # 1,500 held-out rows; see below for 0.03


def test_a_model_that_does_not_beat_the_rule_is_not_used(backtest, predictions, status: dict) -> None:
    level = backtest.copy()
    best = level["model"] == "recency"
    level.loc[best, ["average_precision", "auc"]] = [0.99, 0.99]
    told = choose_champion(level, predictions, status=status)
    assert (told["model"], told["is_model"], told["message"]["message"]) == ("recency", False, "finding.champion_rule")
    tied = backtest.assign(average_precision=0.7, auc=0.7)  # a tie is no win
    assert choose_champion(tied, predictions, status=status)["is_model"] is False
    only_ranked = backtest.copy()  # better precision alone does not do either
    only_ranked["auc"] = np.where(only_ranked["model"].isin(RULES), 0.9, 0.6)
    assert choose_champion(only_ranked, predictions, status=status)["is_model"] is False


def test_better_than_chance_by_hand() -> None:
    # 100 customers, half of whom churned: the AUC has the variance 101 / (12 x 50 x 50), 1.96 errors are 0.1137
    rows = pd.DataFrame({"n": [100], "base_rate": [0.5], "auc": [0.5]})
    assert not beats_chance(rows.assign(auc=0.6137))
    assert beats_chance(rows.assign(auc=0.6138))
    four = pd.concat([rows] * 4)  # four origins: half the error
    assert not beats_chance(four.assign(auc=0.5568))
    assert beats_chance(four.assign(auc=0.5569))
    assert not beats_chance(rows.assign(auc=0.1))


def test_ranking_by_chance_is_called_by_its_name(backtest, predictions, status: dict) -> None:
    told = choose_champion(backtest.assign(average_precision=0.7, auc=0.5), predictions, status=status)
    assert (told["is_model"], told["beats_chance"]) == (False, False)
    assert told["message"]["message"] == "finding.champion_chance"
    for lang in LANGUAGES:
        assert "0.5" in Words(lang).say(findings.finding_churn(status, told))


def test_one_held_out_origin_is_called_too_little() -> None:
    assert findings.note_backtest({"origin_count": 1}).id == "note.backtest_one"
    assert findings.note_backtest({"origin_count": 2}).id == "note.backtest"


def test_the_difference_of_rates_is_told_in_percentage_points() -> None:
    table = pd.DataFrame({"predicted_rate": [0.1, 0.5], "observed_rate": [0.138, 0.49], "n": [10, 10]})
    assert "最大相差3.8个百分点（样本量20）" in Words("zh").say(findings.alt_reliability(table))
    assert "3.8 pp" in Words("en").say(findings.alt_reliability(table))


def test_same_seed_same_predictions_in_any_row_order(training, settings, status, predictions) -> None:
    again = churn_predictions(training, settings=settings, status=status)
    pd.testing.assert_frame_equal(again, predictions)


def test_measures_by_hand(settings) -> None:
    four = pd.DataFrame({"customer_id": list("abcd"), "origin": "2025-07-01", "is_churned": [1, 1, 0, 0]})
    four["at_stake_amount"] = [1000.0, 100.0, 500.0, 0.0]
    for name in (*MODELS, *RULES):
        four[f"{name}_score"] = [0.9, 0.4, 0.6, 0.1]
        four[f"{name}_probability"] = [1.0, 0.5, 0.5, 0.0]
    two = settings.model_copy(update={"list_length": 2})
    row = backtest_table(four, settings=two).iloc[0]
    assert row["auc"] == 0.75  # three of four pairs in order
    assert row["average_precision"] == round((1 / 1 + 2 / 3) / 2, 6)
    assert row["brier"] == 0.125
    assert (row["precision_rate"], row["lift"], row["n"], row["base_rate"]) == (0.5, 1.0, 4, 0.5)
    # by loss: a (1000) and c (250); a churned: 10 % of 1000 less two contacts of 30
    assert row["value_saved_amount"] == 40
    assert row["list_precision_rate"] == 0.5
    # by stake alone of b, c and d only: c (500) and b (100), of whom b churned: 10 less 60
    rest = backtest_table(four.assign(at_stake_amount=[0.0, 100.0, 500.0, 0.0]), settings=two).iloc[0]
    assert rest["spend_saved_amount"] == -50
    third = two.model_copy(update={"value": ValueModelSettings(horizon=ValueHorizon(margin_share=0.25))})
    assert backtest_table(four, settings=third).iloc[0]["value_saved_amount"] == -35  # 10 % of 250 less 60
    people = WarningSettings(people=1, contacts_per_person=1)
    alone = settings.model_copy(update={"model": ChurnModelSettings(warning=people)})
    found = backtest_table(four, settings=alone).iloc[0]
    assert (found["list_count"], found["precision_rate"], found["value_saved_amount"]) == (1, 1.0, 70)


def test_equal_scores_at_the_end_of_the_list_count_by_their_mean() -> None:
    labels, scores = np.array([1, 1, 0, 0]), np.zeros(4)
    assert precision_at(labels, scores, length=1) == 0.5
    assert precision_at(labels, scores, length=99) == 0.5


@given(st.permutations(range(8)), st.integers(1, 10))
def test_precision_does_not_depend_on_the_order_of_rows(order: list[int], length: int) -> None:
    labels, scores = np.array([1, 0, 1, 1, 0, 0, 1, 0]), np.array([3, 3, 2, 2, 2, 1, 1, 1.0])
    shuffled = precision_at(labels[order], scores[order], length=length)
    assert shuffled == pytest.approx(precision_at(labels, scores, length=length))


def test_calibration_groups_hold_everybody_once(predictions: pd.DataFrame, champion: dict) -> None:
    table = calibration_table(predictions, champion=champion)
    check_columns(table.columns, CALIBRATION_SCHEMA, result="churn_calibration")
    assert table["n"].sum() == len(predictions)
    assert table["decile"].tolist() == list(range(1, 11))
    assert table["predicted_rate"].is_monotonic_increasing
    assert (table["predicted_rate"] - table["observed_rate"]).abs().max() < 0.15
    rule = calibration_table(predictions, champion={"model": "silence"})
    assert len(rule) <= 2 * 3  # two rates per origin: equal probabilities never split


def test_insufficient_data_gives_empty_tables_a_reason_and_quiet_figures(training, settings) -> None:
    small = training.loc[training["origin"] < "2025-01-01"]
    state = check_churn_data(small, settings=settings)
    predictions = churn_predictions(small, settings=settings, status=state)
    backtest = backtest_table(predictions, settings=settings)
    champion = choose_champion(backtest, predictions, status=state)
    calibration = calibration_table(predictions, champion=champion)
    for frame, schema in (
        (predictions, PREDICTIONS_SCHEMA),
        (backtest, BACKTEST_SCHEMA),
        (calibration, CALIBRATION_SCHEMA),
    ):
        assert frame.empty
        check_columns(frame.columns, schema, result="empty")
    assert champion["status"] == "insufficient"
    for lang in LANGUAGES:
        words = Words(lang)
        quiet = [figures.plot_backtest(backtest, words=words), figures.plot_reliability(calibration, words=words)]
        assert all(words.word("note.not_enough_data") in [t.get_text() for t in f.axes[0].texts] for f in quiet)
        assert words.say(findings.finding_churn(state, champion))
        assert words.say(findings.alt_backtest(backtest, champion=champion))
        assert words.say(findings.alt_reliability(calibration))


def test_findings_and_figures_in_both_languages(backtest, champion, predictions, status) -> None:
    calibration = calibration_table(predictions, champion=champion)
    for lang in LANGUAGES:
        words = Words(lang)
        figure = figures.plot_backtest(backtest, words=words)
        names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert set(names) == {words.word(f"model.{name}") for name in (*MODELS, *SILENT_RULES)}
        assert figures.plot_reliability(calibration, words=words).axes[0].get_xlabel()
        told = words.say(findings.finding_churn(status, champion))
        assert words.format_int(champion["n"]) in told
        assert words.say(findings.alt_backtest(backtest, champion=champion))
        assert words.say(findings.alt_reliability(calibration))
