"""The demo company's churn is planted: what drives it is found, strongest first; nothing where nothing is planted."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm_analysis.churn.comparison import compare_auc
from crm_analysis.churn.contributions import cause_log_odds
from crm_analysis.churn.inputs import FEATURE_COLUMNS
from crm_analysis.churn.labels import select_eligible
from crm_analysis.churn.model import MODELS
from crm_analysis.churn.scores import fit_champion
from crm_analysis.opening import open_workspace
from crm_analysis.sources.demo import make_demo
from crm_analysis.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("churn_demo")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drivers") / "demo"
    make_demo(folder, customers=2_500)
    return folder


@pytest.fixture(scope="module")
def company(demo: Path) -> Workspace:
    return open_workspace(demo / "crm.yml", quarter="2025Q3", lang="en")


@pytest.fixture(scope="module")
def strength(company: Workspace) -> pd.Series:
    """Return how far each cause moves the log-odds of today's customers: standard deviations."""
    settings, status = company.settings.churn, company.result("churn_status")
    training = company.result("churn_training").assign(expected_purchase_count=np.nan)  # causes alone
    fitted = fit_champion(training, settings=settings, champion={"model": "boosting"}, status=status)
    features = company.frame("features", ["customer_id", *FEATURE_COLUMNS])
    return cause_log_odds(select_eligible(features, settings=settings), fitted).std()


@pytest.mark.parametrize("rule", ["recency", "silence"])
def test_models_beat_the_rules_of_silence(company: Workspace, rule: str) -> None:
    predictions = company.result("churn_predictions")
    for model in MODELS:
        assert compare_auc(predictions, model=model, rule=rule)["low"] > 0.01


def test_the_champion_is_a_model_only_where_it_beats_expected_purchases(company: Workspace) -> None:
    """Purchases of the demo come nearly as the purchase model has them, so that it is hard to beat."""
    champion, comparison = company.result("champion"), company.result("champion")["comparison"]
    assert comparison["rule"] == "expected_purchases"
    assert champion["is_model"] == (comparison["low"] > 0)


def test_planted_drivers_are_recovered_in_their_order(demo: Path, strength: pd.Series) -> None:
    truth = json.loads((demo / "truth.json").read_text("utf-8"))["parameters"]
    # dropping out ends purchases (silence); poor service drives more of it than price; refunds are drawn without it
    assert truth["hazards"][0] > truth["hazards"][1]
    assert truth["service_slope"] > 1
    order = strength[["silence", "service", "discount", "refunds"]]
    assert order.is_monotonic_decreasing, order.to_dict()
    assert order["service"] > 2 * order["discount"]


def test_who_has_dropped_out_in_truth_scores_higher(demo: Path, company: Workspace) -> None:
    from sklearn.metrics import roc_auc_score

    hidden = pd.read_parquet(demo / "truth.parquet")[["customer_id", "dropout_date"]]
    rows = company.result("churn_scores").merge(hidden, on="customer_id", validate="one_to_one")
    gone = pd.to_datetime(rows["dropout_date"]) < pd.Timestamp(company.as_of)
    assert 0.05 < gone.mean() < 0.6
    assert roc_auc_score(gone, rows["churn_probability"]) > 0.8


def test_the_list_ranks_by_expected_loss_and_names_reasons(company: Workspace) -> None:
    listed, reasons = company.result("warning_list"), company.result("churn_reasons")
    assert len(listed) == company.settings.churn.list_length
    assert listed["expected_loss_amount"].is_monotonic_decreasing
    assert listed["churn_reason_1"].notna().mean() > 0.8
    assert set(reasons["customer_id"]) <= set(listed["customer_id"])
