from datetime import date

import pandas as pd
import pytest

from crm_analysis.base.errors import InsufficientDataError
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn.findings import finding_warning
from crm_analysis.churn.labels import check_churn_data
from crm_analysis.churn.model import fit_churn, rule_score
from crm_analysis.churn.scores import (
    BANDS_SCHEMA,
    SCORES_SCHEMA,
    churn_bands_table,
    churn_scores,
    fit_champion,
)
from crm_analysis.churn.warnings import WARNING_SCHEMA, warning_list

DAY = date(2025, 10, 1)


@pytest.fixture(scope="session")
def score(training: pd.DataFrame, settings):
    """Return ``score(features, name)`` with a model fitted on all origins."""
    status = check_churn_data(training, settings=settings)
    fitted: dict = {}

    def run(features: pd.DataFrame, name: str | None = "logistic", **change) -> pd.DataFrame:
        used = settings.model_copy(update=change)
        key = (name, tuple(sorted(change.items())))
        if key not in fitted:
            fitted[key] = fit_champion(training, settings=used, champion={"model": name}, status=status)
        return churn_scores(features, fitted[key], settings=used)

    return run


@pytest.mark.parametrize("name", ["logistic", "boosting", "recency", "silence"])
def test_scores_rank_by_expected_loss(score, features_now: pd.DataFrame, name: str) -> None:
    scores = score(features_now, name)
    check_columns(scores.columns, SCORES_SCHEMA, result="churn_scores")
    assert len(scores) == len(features_now)
    assert scores["churn_probability"].between(0, 1).all()
    assert scores["expected_loss_amount"].is_monotonic_decreasing
    assert scores["loss_rank"].tolist() == list(range(1, len(scores) + 1))
    exact = scores["churn_probability"] * scores["at_stake_amount"]
    assert (exact - scores["expected_loss_amount"]).abs().max() < 0.02


def test_the_amount_at_stake_is_the_years_spend_scaled_to_the_horizon(score, features_now: pd.DataFrame) -> None:
    features = features_now.copy()
    features.loc[0, "spend_amount_365d"] = 730.0
    features.loc[1, "spend_amount_365d"] = -50.0
    stakes = score(features).set_index("customer_id")["at_stake_amount"]
    assert stakes[features.loc[0, "customer_id"]] == 180  # 730 x 90 / 365
    assert stakes[features.loc[1, "customer_id"]] == 0
    longer = score(features, horizon_days=180).set_index("customer_id")["at_stake_amount"]
    assert longer[features.loc[0, "customer_id"]] == 360


def test_row_order_ids_and_currency_play_no_part(score, features_now: pd.DataFrame) -> None:
    plain = score(features_now)
    pd.testing.assert_frame_equal(score(features_now.iloc[::-1].reset_index(drop=True)), plain)
    renamed = score(features_now.assign(customer_id="x" + features_now["customer_id"]))
    assert renamed["churn_probability"].tolist() == plain["churn_probability"].tolist()


def test_those_who_cannot_churn_are_not_scored(score, features_now: pd.DataFrame) -> None:
    features = features_now.copy()
    features.loc[0, "recency_days"] = 365
    features.loc[1, ["order_count", "recency_days"]] = [0, float("nan")]
    left_out = set(features_now["customer_id"]) - set(score(features)["customer_id"])
    assert left_out == set(features.loc[[0, 1], "customer_id"])
    assert score(features.iloc[:2]).empty


def test_without_a_champion_there_are_no_scores(score, features_now: pd.DataFrame, settings) -> None:
    none = score(features_now, None)
    assert none.empty
    check_columns(none.columns, SCORES_SCHEMA, result="churn_scores")
    listed = warning_list(none, features_now, settings=settings, as_of=DAY)
    check_columns(listed.columns, WARNING_SCHEMA, result="warning_list")
    bands = churn_bands_table(none, list_length=5)
    check_columns(bands.columns, BANDS_SCHEMA, result="churn_bands")
    assert finding_warning(bands, horizon_days=90).id == "finding.warning_none"


def test_the_warning_list_has_the_facts_of_its_customers(score, features_now: pd.DataFrame, settings) -> None:
    scores = score(features_now)
    listed = warning_list(scores, features_now, settings=settings, as_of=DAY)
    check_columns(listed.columns, WARNING_SCHEMA, result="warning_list")
    assert listed["customer_id"].tolist() == scores["customer_id"].head(settings.list_length).tolist()
    facts = features_now.set_index("customer_id")["recency_days"]
    assert listed["recency_days"].tolist() == [facts[id_] for id_ in listed["customer_id"]]
    nothing = warning_list(scores.assign(expected_loss_amount=0.0), features_now, settings=settings, as_of=DAY)
    assert nothing.empty


def test_bands_by_hand() -> None:
    scores = pd.DataFrame(
        {
            "customer_id": list("abcd"),
            "churn_probability": [0.9, 0.2, 0.0, 0.81],
            "at_stake_amount": [100.0, 300.0, 50.0, 10.0],
            "expected_loss_amount": [90.0, 60.0, 0.0, 8.1],
            "loss_rank": [1, 2, 4, 3],
        }
    )
    bands = churn_bands_table(scores, list_length=2).set_index("churn_band")
    assert bands.index.tolist() == ["very_high", "high", "middle", "low", "very_low"]
    assert bands["customer_count"].tolist() == [2, 0, 0, 0, 2]
    assert bands["expected_loss_amount"].tolist() == [98.1, 0, 0, 0, 60]
    assert bands["list_count"].tolist() == [1, 0, 0, 0, 1]
    assert bands["customer_share"].sum() == 1
    # on the list: a (0.9, 90 of loss) and b (0.2, 60)
    assert bands["list_loss_amount"].tolist() == [90, 0, 0, 0, 60]
    assert bands["list_churn_count"].tolist() == [0.9, 0, 0, 0, 0.2]
    for lang in LANGUAGES:
        told = Words(lang).say(finding_warning(bands.reset_index(), horizon_days=45))
        assert all(number in told for number in ("45", "158", "150"))


def test_the_silence_rule_begins_on_its_day(settings) -> None:
    customers = pd.DataFrame({"recency_days": [179.0, 180.0]})
    assert rule_score(customers, name="silence", settings=settings).tolist() == [0, 1]
    assert rule_score(customers, name="recency", settings=settings).tolist() == [179, 180]


def test_one_label_or_one_origin_is_too_little(training: pd.DataFrame, settings) -> None:
    with pytest.raises(InsufficientDataError, match="all customers have the same label"):
        fit_churn(training.assign(is_churned=1), name="logistic", settings=settings)
    one = training.loc[training["origin"] == "2025-07-01"]
    with pytest.raises(InsufficientDataError, match="none is left to calibrate on"):
        fit_churn(one, name="boosting", settings=settings)
