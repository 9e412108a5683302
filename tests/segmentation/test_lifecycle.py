"""Lifecycle stages on customers whose rhythm can be worked out by hand, and on the demo, whose truth is known."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma

from crm_analysis.base.settings_rfm import LifecycleSettings
from crm_analysis.opening import open_workspace
from crm_analysis.segmentation.lifecycle import STAGES, expected_gap_days, lifecycle_stages

SETTINGS = LifecycleSettings()
AS_OF = pd.Timestamp("2025-10-01")


def _customer(
    *, recency: float = 10, first: float = 1000, orders: int = 5, gap: float = 30, gaps: int = 1000,
    now_90: float = 100, before_90: float = 100, now_365: float = 400, before_365: float = 400,
) -> dict[str, object]:  # fmt: skip
    """A customer who bought ``first`` days ago for the first time; so many even gaps that the prior does not matter."""
    return {
        "order_count": orders, "recency_days": recency,
        "first_order_date": AS_OF - pd.to_timedelta(first, unit="D"),
        "last_order_date": AS_OF - pd.to_timedelta(recency, unit="D"),
        "gap_mean_days": gap, "gap_spread_days": 0.0 if gaps else np.nan, "gap_count": gaps,
        "spend_amount_90d": now_90, "spend_amount_90d_before": before_90,
        "spend_amount_365d": now_365, "spend_amount_365d_before": before_365,
    }  # fmt: skip


def _stage(settings: LifecycleSettings = SETTINGS, **customer: float) -> str:
    return str(lifecycle_stages(pd.DataFrame([_customer(**customer)]), settings=settings).iloc[0])  # type: ignore[arg-type]


def _gaps(means: list[float], counts: list[int], spreads: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"gap_mean_days": means, "gap_count": counts, "gap_spread_days": spreads})


def test_mean_gap_is_drawn_towards_the_population() -> None:
    """Customers of perfectly even gaps: without spread, the expected gap is the mean."""
    features = _gaps([10.0, 20.0, 60.0, np.nan], [1, 3, 9, 0], [np.nan, 0.0, 0.0, np.nan])
    # mean of 10, 20, 60 = 30; three further gaps of 30 days
    expected = [(10 + 3 * 30) / 4, (3 * 20 + 3 * 30) / 6, (9 * 60 + 3 * 30) / 12, 30]
    assert expected_gap_days(features, settings=SETTINGS).tolist() == pytest.approx(expected)
    lighter = expected_gap_days(features, settings=LifecycleSettings(prior_gaps=1))
    assert lighter.tolist() == pytest.approx([(10 + 30) / 2, (60 + 30) / 4, (540 + 30) / 10, 30])


@pytest.mark.parametrize("level", [0.5, 0.75, 0.9])
def test_gaps_as_spread_as_their_mean_give_the_quantile_of_an_exponential(level: float) -> None:
    # many gaps of mean 30; C2 = 1 for all, and what the mean leaves open is nothing
    n = 10**9
    features = _gaps([30.0, 30.0], [n, n], [30.0, 30.0])
    found = expected_gap_days(features, settings=LifecycleSettings(own_gap_quantile=level))
    assert found.tolist() == pytest.approx([-30 * math.log(1 - level)] * 2)


def test_spread_is_drawn_towards_the_population_too() -> None:
    # n s^2 / g^2: 4 * 25 / 100 = 1 and 2 * 100 / 400 = 0.5 over 3 + 1 degrees of freedom: C2 = 0.375
    features = _gaps([10.0, 20.0, 30.0], [4, 2, 1], [5.0, 10.0, np.nan])
    common, prior = 0.375, 3.0
    relative = [(1 + prior * common) / (3 + prior), (0.5 + prior * common) / (1 + prior), common]
    open_ = [spread * (1 + 1 / (n + prior)) for spread, n in zip(relative, [4, 2, 1], strict=True)]
    mean = [(4 * 10 + 60) / 7, (2 * 20 + 60) / 5, (30 + 60) / 4]  # all means: 20
    expected = [m * gamma.ppf(0.75, 1 / c, scale=c) for m, c in zip(mean, open_, strict=True)]
    assert expected_gap_days(features, settings=SETTINGS).tolist() == pytest.approx(expected)


def test_of_two_customers_of_the_same_mean_the_uneven_one_is_given_time() -> None:
    even, uneven = expected_gap_days(_gaps([30.0, 30.0], [20, 20], [3.0, 30.0]), settings=SETTINGS)
    assert 30 < even < uneven
    assert even < 36
    assert uneven > 38


def test_bursts_with_long_pauses_count_as_purchases_at_random() -> None:
    bursts, chance = (expected_gap_days(_gaps([30.0], [20], [spread]), settings=SETTINGS)[0] for spread in (90, 30))
    assert bursts == pytest.approx(chance)


def test_gap_without_any_repeated_purchase() -> None:
    features = _gaps([np.nan], [0], [np.nan])
    assert expected_gap_days(features, settings=SETTINGS).tolist() == [SETTINGS.new_within_days]


def test_purchases_at_random_are_taken_for_granted_without_a_second_gap() -> None:
    features = _gaps([30.0, np.nan], [1, 0], [np.nan, np.nan])
    open_ = [1 + 1 / 4, 1 + 1 / 3]
    expected = [30 * gamma.ppf(0.75, 1 / c, scale=c) for c in open_]
    assert expected_gap_days(features, settings=SETTINGS).tolist() == pytest.approx(expected)


_customers = st.lists(st.tuples(st.floats(1, 400), st.integers(1, 40), st.floats(0, 400)), min_size=1, max_size=30)


@given(customers=_customers, seed=st.integers(0, 9))
def test_expected_gaps_are_finite_and_no_order_of_customers_changes_them(
    customers: list[tuple[float, int, float]], seed: int
) -> None:
    means, counts, spreads = (list(column) for column in zip(*customers, strict=True))
    features = _gaps(means, counts, [s if n > 1 else np.nan for s, n in zip(spreads, counts, strict=True)])
    found = expected_gap_days(features, settings=SETTINGS)
    assert np.isfinite(found).all()
    assert (found > 0).all()
    mixed = expected_gap_days(features.sample(frac=1, random_state=seed), settings=SETTINGS)
    assert mixed.sort_index().tolist() == found.tolist()


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


# -- the demo: who dropped out is known --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stages", "recall", "precision"),
    [  # 3,000 customers at the end of 2025Q3: 0.97 and 0.65, 0.90 and 0.87, 0.80 and 0.94; 43 % had dropped out
        (("declining", "dormant", "lost"), 0.90, 0.55),
        (("dormant", "lost"), 0.82, 0.78),
        (("lost",), 0.70, 0.86),
    ],
)
def test_customers_who_dropped_out_are_found(
    demo_stages: pd.DataFrame, stages: tuple[str, ...], recall: float, precision: float
) -> None:
    called = demo_stages["stage"].isin(stages)
    gone = demo_stages["is_gone"]
    assert 0.3 < gone.mean() < 0.55
    assert (called & gone).sum() / gone.sum() >= recall
    assert (called & gone).sum() / called.sum() >= precision


def test_on_truth_that_belongs_to_others_nothing_is_found(demo_stages: pd.DataFrame) -> None:
    gone = demo_stages["is_gone"].sample(frac=1, random_state=0).to_numpy()
    called = demo_stages["stage"].isin(["dormant", "lost"]).to_numpy()
    assert (called & gone).sum() / called.sum() == pytest.approx(gone.mean(), abs=0.08)


@pytest.fixture(scope="module")
def demo_stages(demo_config: Path) -> pd.DataFrame:
    """Stage of every buyer of the demo who is not new, and whether he had truly dropped out."""
    ws = open_workspace(demo_config, quarter="2025Q3")
    truth = pd.read_parquet(demo_config.parent / "truth.parquet", columns=["customer_id", "dropout_date"])
    table = ws.frame("segments", ["customer_id", "stage"]).merge(truth, on="customer_id")
    table["is_gone"] = pd.to_datetime(table["dropout_date"]) < pd.Timestamp(ws.as_of)
    return table.loc[~table["stage"].isin(["prospect", "new"])].reset_index(drop=True)
