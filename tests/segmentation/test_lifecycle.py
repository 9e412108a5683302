"""Lifecycle stages on customers whose rhythm can be worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.settings import LifecycleSettings
from crm_analysis.segmentation.lifecycle import STAGES, expected_gap_days, lifecycle_stages

SETTINGS = LifecycleSettings()
AS_OF = pd.Timestamp("2025-10-01")


def _customer(
    *, recency: float = 10, first: float = 1000, orders: int = 5, gap: float = 30, gaps: int = 1000,
    now_90: float = 100, before_90: float = 100, now_365: float = 400, before_365: float = 400,
) -> dict[str, object]:  # fmt: skip
    """A customer who bought ``first`` days ago for the first time; so many gaps that the prior does not matter."""
    return {
        "order_count": orders, "recency_days": recency,
        "first_order_date": AS_OF - pd.to_timedelta(first, unit="D"),
        "last_order_date": AS_OF - pd.to_timedelta(recency, unit="D"),
        "gap_mean_days": gap, "gap_count": gaps,
        "spend_amount_90d": now_90, "spend_amount_90d_before": before_90,
        "spend_amount_365d": now_365, "spend_amount_365d_before": before_365,
    }  # fmt: skip


def _stage(settings: LifecycleSettings = SETTINGS, **customer: float) -> str:
    return str(lifecycle_stages(pd.DataFrame([_customer(**customer)]), settings=settings).iloc[0])  # type: ignore[arg-type]


def test_gap_is_drawn_towards_the_population() -> None:
    features = pd.DataFrame({"gap_mean_days": [10.0, 20.0, 40.0, np.nan], "gap_count": [1, 3, 9, 0]})
    # typical gap: 0.75 quantile of 10, 20, 40 = 30; three pseudo-gaps
    expected = [(10 + 3 * 30) / 4, (3 * 20 + 3 * 30) / 6, (9 * 40 + 3 * 30) / 12, 30]
    assert expected_gap_days(features, settings=SETTINGS).tolist() == pytest.approx(expected)
    lighter = expected_gap_days(features, settings=LifecycleSettings(prior_gaps=1, own_gap_quantile=0.5))
    assert lighter.tolist() == pytest.approx([(10 + 20) / 2, 20, (360 + 20) / 10, 20])


def test_gap_without_any_repeated_purchase() -> None:
    features = pd.DataFrame({"gap_mean_days": [np.nan], "gap_count": [0]})
    assert expected_gap_days(features, settings=SETTINGS).tolist() == [SETTINGS.new_within_days]


@pytest.mark.parametrize(
    ("customer", "stage"),
    [
        ({"recency": 10}, "mature"),
        ({"recency": 44}, "mature"),  # 44 / 30 < 1.5
        ({"recency": 45}, "declining"),  # 1.5 expected gaps of silence
        ({"recency": 75}, "dormant"),  # 2.5
        ({"recency": 120}, "dormant"),  # 4.0, but fewer than 180 days
        ({"recency": 180}, "lost"),
        ({"recency": 10, "now_365": 480}, "growing"),  # +20 % over 365 days
        ({"recency": 10, "now_365": 479}, "mature"),
        ({"recency": 10, "now_365": 320}, "declining"),  # -20 %
        ({"recency": 60, "first": 90}, "new"),  # silent for two gaps, but new decides first
        ({"recency": 10, "first": 91}, "mature"),  # too short a history to compare
        ({"recency": 10, "first": 179, "now_90": 200}, "mature"),
        ({"recency": 10, "first": 180, "now_90": 200}, "growing"),  # 90 days against 90
        ({"recency": 10, "first": 180, "now_90": 200, "gap": 46}, "mature"),  # fewer than two orders in 90 days
        ({"recency": 10, "first": 730, "now_90": 900, "now_365": 400}, "mature"),  # a long history uses 365 days
        ({"recency": 10, "before_365": 0}, "growing"),  # came back
    ],
)
def test_stage_of_a_customer(customer: dict[str, float], stage: str) -> None:
    assert _stage(**customer) == stage


def test_without_an_order_a_customer_is_a_prospect() -> None:
    assert _stage(orders=0, recency=np.nan, gap=np.nan, gaps=0) == "prospect"


def test_thresholds_come_from_settings() -> None:
    assert _stage(LifecycleSettings(declining_after=1.4), recency=44) == "declining"
    assert _stage(LifecycleSettings(declining_after=1.2, dormant_after=1.4), recency=44) == "dormant"
    assert _stage(LifecycleSettings(minimum_lost_days=100), recency=120) == "lost"
    assert _stage(LifecycleSettings(lost_after=7), recency=180) == "dormant"
    assert _stage(LifecycleSettings(growth_threshold=0.25), now_365=480) == "mature"
    assert _stage(LifecycleSettings(new_within_days=30), first=60, recency=60) == "declining"


def test_every_stage_that_can_come_out_is_known() -> None:
    assert set(STAGES) == {"new", "growing", "mature", "declining", "dormant", "lost", "prospect"}
