"""Customers whose churn is planted: silence and falling orders raise it, so that a model can find them."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.settings import ChurnSettings
from crm_analysis.churn.inputs import FEATURE_COLUMNS
from crm_analysis.churn.labels import training_table

ORIGINS = [date(2024, 7, 1), date(2024, 10, 1), date(2025, 1, 1), date(2025, 4, 1), date(2025, 7, 1)]
Planted = tuple[pd.DataFrame, pd.DataFrame]


def make_features(n: int, *, seed: int) -> pd.DataFrame:
    """Return ``n`` active customers with every feature column."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame({name: np.zeros(n) for name in FEATURE_COLUMNS})
    features["customer_id"] = [f"c{seed:02d}{i:05d}" for i in range(n)]
    features["recency_days"] = rng.integers(0, 365, n).astype(float)
    features["order_count"] = rng.integers(1, 20, n)
    features["order_count_90d"] = rng.poisson(2, n)
    features["order_count_90d_before"] = rng.poisson(2, n)
    features["gap_count"] = features["order_count"] - 1
    features["gap_mean_days"] = np.where(features["gap_count"] > 0, rng.uniform(10, 90, n), np.nan)
    features["spend_amount_365d"] = rng.lognormal(6, 1, n).round(2)
    return features


def make_outcomes(features: pd.DataFrame, *, seed: int, signal: float = 1.0) -> pd.DataFrame:
    """Return who bought afterwards: not by silence alone, so that a model can beat the rule."""
    rng = np.random.default_rng(seed + 1000)
    pull = (features["recency_days"] - 180) / 120 + 1.2 * (
        features["order_count_90d_before"] - features["order_count_90d"]
    )
    stayed = rng.uniform(size=len(features)) > 1 / (1 + np.exp(-signal * pull))
    bought = features.loc[stayed, ["customer_id"]]
    return bought.assign(order_count=1, spend_amount=100.0, gap_order_count=0).reset_index(drop=True)


@pytest.fixture(scope="session")
def settings() -> ChurnSettings:
    return ChurnSettings(minimum_customers=200, minimum_events=50, list_length=100)


@pytest.fixture(scope="session")
def plant() -> Callable[..., dict[date, Planted]]:
    """Return ``plant(n=..., signal=...)``: features and outcomes at five origins."""

    def make(*, n: int = 500, signal: float = 1.0) -> dict[date, Planted]:
        made = {}
        for seed, origin in enumerate(ORIGINS):
            features = make_features(n, seed=seed)
            made[origin] = (features, make_outcomes(features, seed=seed, signal=signal))
        return made

    return make


@pytest.fixture(scope="session")
def training(plant, settings: ChurnSettings) -> pd.DataFrame:
    """Return the labelled customers of five origins."""
    return training_table(plant(), settings=settings)


@pytest.fixture(scope="session")
def features_now() -> pd.DataFrame:
    return make_features(300, seed=50)
