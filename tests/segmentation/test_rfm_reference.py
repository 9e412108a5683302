"""The published segmentation of the R package rfm, hit exactly."""

from pathlib import Path

import pandas as pd
import pytest

from crm_analysis.base.settings import RFMSettings
from crm_analysis.segmentation.rfm import rfm_cuts, rfm_inputs, score_rfm, segment_rfm
from crm_analysis.segmentation.rules import segment_rules

pytestmark = pytest.mark.reference

SETTINGS = RFMSettings(method="rfm_r", table="rfm_r")
PUBLISHED = {  # segment: customers, orders, revenue
    "about_to_sleep": (102, 283, 23449),
    "at_risk": (28, 216, 22227),
    "cant_lose_them": (47, 274, 32446),
    "champions": (35, 316, 31646),
    "lost": (148, 393, 35324),
    "loyal_customers": (170, 799, 76562),
    "need_attention": (10, 57, 4562),
    "new_customers": (104, 329, 28837),
    "potential_loyalists": (342, 2211, 204856),
    "promising": (9, 28, 4249),
}


@pytest.fixture(scope="module")
def inputs(reference_data: Path) -> pd.DataFrame:
    orders = pd.read_csv(reference_data / "rfm_orders" / "orders.csv", parse_dates=["order_date"])
    assert len(orders) == 4906
    features = (
        orders.groupby("customer_id")
        .agg(last=("order_date", "max"), order_count=("revenue", "size"), spend_amount=("revenue", "sum"))
        .reset_index()
    )
    features["recency_days"] = (pd.Timestamp("2006-12-31") - features["last"]).dt.days
    features["kind"] = "person"
    return rfm_inputs(features, settings=SETTINGS)


def test_cut_points(inputs: pd.DataFrame) -> None:
    cuts = rfm_cuts(inputs, settings=SETTINGS)
    assert cuts.recency == pytest.approx((115, 181, 297.4, 482))
    assert cuts.frequency == pytest.approx((4, 5, 6, 8))
    assert cuts.monetary == pytest.approx((255.8, 382, 506.4, 666))


def test_score_sizes_and_single_customers(inputs: pd.DataFrame) -> None:
    scores = score_rfm(inputs, cuts=rfm_cuts(inputs, settings=SETTINGS))
    sizes = {name: scores[name].value_counts().sort_index().tolist() for name in ("r_score", "f_score", "m_score")}
    assert sizes == {
        "r_score": [197, 200, 199, 199, 200],
        "f_score": [268, 187, 176, 244, 120],
        "m_score": [200, 200, 198, 202, 195],
    }
    rows = scores.set_index("customer_id")
    found = {name: tuple(rows.loc[name]) for name in ("Abbey O'Reilly", "Add Senger", "Aden Murphy")}
    assert found == {"Abbey O'Reilly": (3, 4, 3), "Add Senger": (4, 1, 2), "Aden Murphy": (5, 4, 4)}


def test_segments(inputs: pd.DataFrame) -> None:
    scores = score_rfm(inputs, cuts=rfm_cuts(inputs, settings=SETTINGS))
    segments = segment_rfm(scores, rules=segment_rules(SETTINGS), otherwise="others")
    table = (
        inputs.assign(segment=segments)
        .groupby("segment")
        .agg(customers=("customer_id", "size"), orders=("order_count", "sum"), revenue=("spend_amount", "sum"))
    )
    found = {name: tuple(map(int, row)) for name, row in zip(table.index, table.to_numpy(), strict=True)}
    assert found == PUBLISHED
