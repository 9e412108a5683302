"""The backtest on real orders: a table for every origin, probabilities that come true, and an honest champion."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.words import LANGUAGES, Message, Words
from crm_analysis.churn.findings import finding_calibration
from crm_analysis.churn.horizon import horizon_document, horizon_table, purchase_gaps_table
from crm_analysis.churn.measures import auc_influence
from crm_analysis.opening import open_workspace
from crm_analysis.workspace import Workspace

pytestmark = [pytest.mark.reference, pytest.mark.xdist_group("churn_reference")]

COMPANY = """
company: {zh: 公司, en: Company}
currency: USD
timezone: UTC
cache: CACHE
churn: {minimum_customers: 200, minimum_events: 50}
data:
  tables:
    orders: {path: orders.csv}
"""


@pytest.fixture(scope="module")
def cdnow(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return all 23,570 customers of CDNOW, who first bought in 1997Q1, to the end of June 1998."""
    folder = tmp_path_factory.mktemp("cdnow")
    rows = pd.read_csv(reference_data / "cdnow" / "cdnow_master.csv", dtype={"customer_id": "str"})
    days = rows.groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    days["order_id"] = [f"o{k}" for k in range(len(days))]
    orders = days.rename(columns={"date": "ordered_at"})[["order_id", "customer_id", "ordered_at", "amount"]]
    orders.to_csv(folder / "orders.csv", index=False)
    (folder / "crm.yml").write_text(COMPANY.replace("CACHE", ".cache"), "utf-8")
    return open_workspace(folder / "crm.yml", quarter="1998Q2", lang="en")


@pytest.fixture(scope="module")
def retail(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("retail")
    text = (Path(__file__).parents[1] / "reference" / "online_retail.yml").read_text("utf-8")
    (folder / "crm.yml").write_text(text.replace("REFERENCE_DATA", str(reference_data.resolve())), "utf-8")
    return open_workspace(folder / "crm.yml", quarter="2011Q3", lang="en")


@pytest.fixture(scope="module", params=["cdnow", "retail"])
def company(request: pytest.FixtureRequest) -> Workspace:
    return request.getfixturevalue(request.param)


def test_every_model_and_rule_is_measured_at_every_origin(company: Workspace) -> None:
    backtest = company.result("churn_backtest")
    origins = backtest["origin_date"].nunique()
    assert origins == (3 if company.quarter.year == 1998 else 1)
    is_long = company.quarter.year == 1998  # a purchase model cannot be fitted to the first weeks of the other
    assert len(backtest) == origins * (5 if is_long else 4)
    assert backtest["auc"].between(0.5, 0.95).all()
    assert (backtest.loc[backtest["model"] != "expected_purchases", "lift"] >= 1).all()  # its list is of equals


def test_probabilities_come_true_within_chance_and_season(company: Workspace) -> None:
    champion = company.result("champion")
    calibration = company.result("churn_calibration")
    # between origins the base rate itself moves by more than chance, which no model of the past can know
    rates = [part["is_churned"].mean() for _, part in company.result("churn_training").groupby("origin")]
    drift = max(rates) - min(rates)
    off = (calibration["predicted_rate"] - calibration["observed_rate"]).abs()
    chance = (calibration["observed_high"] - calibration["observed_low"]) / 2
    assert (off <= chance + drift).all()
    found = company.result("calibration")
    told = Words("en").say(finding_calibration(found))
    if company.quarter.year == 1998:
        assert found["interval_kind"] == "origins"
        assert "No systematic deviation" in told
        assert found["intercept"][1] <= 0 <= found["intercept"][2]
        assert found["slope"][1] <= 1 <= found["slope"][2]
        assert off.max() < 0.015
    else:
        # one held-out quarter, in which more left than ever before: the report says that it is off, and by how much
        assert (found["origin_count"], found["interval_kind"]) == (1, "customers")
        assert found["intercept"][1] > 0
        assert "do not come true" in told
        assert "season" in told
    weighted = float((off * calibration["n"]).sum() / calibration["n"].sum())
    assert weighted < 0.08
    assert champion["means"][champion["model"]]["brier"] < 0.25


def test_the_champion_beats_every_rule_or_says_that_it_does_not(company: Workspace) -> None:
    champion = company.result("champion")
    means, comparison = champion["means"], champion["comparison"]
    rules = {name: means[name] for name in ("recency", "silence")}
    if champion["is_model"]:
        used = means[champion["model"]]
        assert all(used["auc"] > rule["auc"] for rule in rules.values())
        assert all(used["average_precision"] > rule["average_precision"] for rule in rules.values())
        assert comparison["low"] > 0
    else:
        assert champion["message"]["message"] in {"finding.champion_rule", "finding.champion_unsure"}
    for lang in LANGUAGES:
        assert Words(lang, currency="USD").say(Message.from_json(champion["message"]))


def test_the_comparison_is_that_of_its_predictions(company: Workspace) -> None:
    predictions, comparison = company.result("churn_predictions"), company.result("champion")["comparison"]
    by_customer: dict[str, float] = {}
    parts = list(predictions.groupby("origin"))
    for _, part in parts:
        labels = part["is_churned"].to_numpy()
        scores = (part[f"{comparison[name]}_score"].to_numpy() for name in ("model", "rule"))
        of_model, of_rule = (auc_influence(labels, score)[1] for score in scores)
        moved = of_model - of_rule
        for id_, value in zip(part["customer_id"], moved / len(parts), strict=True):
            by_customer[id_] = by_customer.get(id_, 0.0) + value
    error = float(np.sqrt(sum(value**2 for value in by_customer.values())))
    assert (comparison["high"] - comparison["low"]) / 2 == pytest.approx(1.959964 * error, abs=2e-6)


def test_a_horizon_is_proposed_from_real_gaps(company: Workspace) -> None:
    settings = company.settings.churn
    gaps = purchase_gaps_table(company.tables["orders"], as_of=company.as_of, settings=settings)
    horizons = horizon_table(gaps, settings=settings)
    document = horizon_document(gaps, horizons, settings=settings)
    known = horizons["returned_rate"].dropna()
    assert known.is_monotonic_increasing
    assert document["status"] in {"ok", "none_fits"}
    if company.quarter.year == 1998:
        assert document["n"] == 23_502  # of 23,570 customers those with an order above zero
    assert document["open_count"] > 0
