"""What the demo company shows: how stable the scores are, how concentrated the spend, whether the tiers hold."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy.stats import spearmanr

from crm_analysis.base.settings_value import ConcentrationSettings, SeparationSettings, ValueSettings
from crm_analysis.opening import open_workspace
from crm_analysis.segmentation.concentration import concentration_document
from crm_analysis.segmentation.next_quarter import next_quarter_table
from crm_analysis.segmentation.separation import check_separation, separation_panel, separation_table
from crm_analysis.segmentation.value_cube import score_stability_table
from crm_analysis.segmentation.value_scores import DIMENSIONS, SCORE_FEATURES, score_anchors, value_scores

SETTINGS = ValueSettings()


@pytest.fixture(scope="module")
def company(demo_config: Path) -> Mapping[str, Any]:
    """Return features and segments at the ends of the last quarters, and what was bought in the quarters after."""
    ws = open_workspace(demo_config, quarter="2025Q3")
    quarters = ws.quarter.back(5)
    return {
        "rfm": ws.settings.segmentation.rfm,
        "quarters": quarters,
        "features": [ws.at(quarter).frame("features", list(SCORE_FEATURES)) for quarter in quarters],
        "segments": [ws.at(quarter).frame("segments", ["customer_id", "tier"]) for quarter in quarters],
        "periods": ws.frame("customer_periods", ["customer_id", "quarter", "order_count", "spend_amount"]),
    }


@pytest.fixture(scope="module")
def scores(company: Mapping[str, Any]) -> list[pd.DataFrame]:
    """Return the scores at the ends of 2024Q4 to 2025Q3 with the anchors of the beginning of 2025."""
    frames = company["features"][1:]
    anchors = score_anchors(frames[0], settings=SETTINGS, anchors_date=pd.Timestamp("2025-01-01"))
    return [value_scores(frame, anchors=anchors, settings=SETTINGS) for frame in frames]


def test_scores_are_stable_from_quarter_to_quarter(scores: list[pd.DataFrame]) -> None:
    """Value and potential: rank correlation 0.9 and more, one in ten moves; loyalty follows silence and moves more."""
    for before, now in pairwise(scores):
        table = score_stability_table(now, before, settings=SETTINGS)
        persons = table.loc[table["kind"] == "person"].set_index("dimension")
        assert persons["customer_count"].min() > 500
        assert persons.loc["value", "rank_correlation"] > 0.9
        assert persons.loc[["loyalty", "potential"], "rank_correlation"].min() > 0.8
        assert persons["moved_share"].max() < 0.15
        assert table.loc[table["kind"] == "organisation", "rank_correlation"].min() > 0.65


def test_scores_foretell_what_is_bought_next(company: Mapping[str, Any], scores: list[pd.DataFrame]) -> None:
    periods = company["periods"]
    bought = periods.loc[periods["quarter"] == "2025Q3"].set_index("customer_id")["spend_amount"]
    persons = scores[2].loc[scores[2]["kind"] == "person"]
    spend = persons["customer_id"].map(bought).fillna(0.0)
    for dimension in DIMENSIONS:
        assert spearmanr(persons[f"{dimension}_score"], spend).statistic > 0.4


def test_spend_is_concentrated(company: Mapping[str, Any]) -> None:
    document = concentration_document(company["features"][-1], settings=ConcentrationSettings())
    assert 0.5 < document["gini"] < 0.8
    assert 0.55 < document["tops"][-1]["spend_share"] < 0.8


def test_the_tiers_hold(company: Mapping[str, Any]) -> None:
    """Learned at the start of 2024Q4, judged on the three quarters of 2025: as good as clusters of the same number."""
    settings = SeparationSettings(resamples=100, silhouette_customers=400, most_clusters=4)
    periods, quarters = company["periods"], company["quarters"]
    by_origin = {
        quarter.start: (*known, periods.loc[periods["quarter"] == str(quarter)])
        for quarter, *known in zip(quarters[1:], company["features"], company["segments"], strict=False)
    }
    panel = separation_panel(by_origin, rfm=company["rfm"], settings=settings)
    table = separation_table(panel, settings=settings).set_index("method")
    rules = table.loc["rules"]
    assert rules["origin_count"] == 3
    assert 0.75 < rules["auc_low"] < rules["auc_high"] < 0.92
    assert 0.15 < rules["explained_share"] < 0.5
    assert abs(table.loc["clusters_same", "auc_gap"]) < 0.05
    document = check_separation(table.reset_index(), settings=settings)
    assert document["verdict"] in {"rules_hold", "rules_worse"}
    rates = next_quarter_table(panel, settings=settings).set_index("tier")["repurchase_rate"]
    assert rates["retail_ordinary"] > 0.6
    assert rates["retail_churn_risk"] < 0.2
