"""Clusters of buyers found in the figures that the rules use, as a yardstick for the rules: k-means, no names."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from crm_analysis.base.settings_value import SeparationSettings

_FIT_CUSTOMERS = 20_000
_STARTS = 4
_REPEATS = 8
_LONGEST = 10.0

Matrix = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FigureScale:
    """How the three figures of a population are brought to one scale, learned from the earliest origin.

    Logarithms (money in units of its typical amount, so that the currency does not matter), less the median, over the
    distance of the quartiles, cut at 10 of them.
    """

    typical_amount: float
    middle: tuple[float, ...]
    spread: tuple[float, ...]

    def apply(self, customers: pd.DataFrame) -> Matrix:
        """Return customers x figures."""
        values = (_logged(customers, typical=self.typical_amount) - np.array(self.middle)) / np.array(self.spread)
        return np.round(np.clip(values, -_LONGEST, _LONGEST), 9)


def fit_scale(customers: pd.DataFrame) -> FigureScale:
    """Return the scale of a population; a figure whose quartiles coincide is brought to unit standard deviation."""
    positive = customers.loc[customers["spend_amount"] > 0, "spend_amount"]
    typical = float(positive.median()) if len(positive) else 1.0
    logged = _logged(customers, typical=typical)
    low, middle, high = np.quantile(logged, (0.25, 0.5, 0.75), axis=0)
    spread = np.where(high - low > 1e-9, high - low, logged.std(axis=0))
    return FigureScale(typical, tuple(map(float, middle)), tuple(float(s) if s > 1e-9 else 1.0 for s in spread))


def fit_clusters(values: Matrix, *, count: int, seed: int) -> Any:
    """Return k-means fitted on customers x figures: at most 20,000 of them, drawn by the seed."""
    from sklearn.cluster import KMeans

    drawn = _drawn(len(values), size=_FIT_CUSTOMERS, seed=seed)
    count = min(count, len(np.unique(values[drawn], axis=0)))
    with threadpool_limits(limits=1):  # sums of several threads differ in the last bits
        return KMeans(n_clusters=count, n_init=_STARTS, random_state=seed).fit(values[drawn])


def assign_clusters(fitted: Any, values: Matrix) -> Codes:
    """Return the cluster of every customer."""
    with threadpool_limits(limits=1):
        return fitted.predict(values).astype(np.int64)


def cluster_counts_table(values: Matrix, *, settings: SeparationSettings) -> pd.DataFrame:
    """Return the silhouette of every number of clusters from 2 to ``most_clusters``.

    customers x figures -> ``cluster_count, silhouette``; no rows below three different customers

    Notes
    -----
    The mean silhouette (-1 to 1, Rousseeuw 1987) over ``silhouette_customers`` customers drawn by the seed.
    """
    drawn = drawn_customers(len(values), settings=settings)
    different = len(np.unique(values[drawn], axis=0))
    rows = []
    for count in range(2, min(settings.most_clusters, different - 1) + 1):
        codes = assign_clusters(fit_clusters(values, count=count, seed=settings.seed), values[drawn])
        rows.append({"cluster_count": count, "silhouette": silhouette_of(values[drawn], codes)})
    return pd.DataFrame(rows, columns=["cluster_count", "silhouette"])


def best_cluster_count(counts: pd.DataFrame) -> int:
    """Return the number of clusters with the largest silhouette, the smaller one on a tie; 1 where none was tried."""
    if counts.empty:
        return 1
    best = counts.sort_values(["silhouette", "cluster_count"], ascending=[False, True]).iloc[0]
    return int(best["cluster_count"])


def silhouette_of(values: Matrix, codes: Codes) -> float:
    """Return the mean silhouette of customers grouped by ``codes``; 0 where there are not two groups."""
    from sklearn.metrics import silhouette_score

    groups = len(np.unique(codes))
    if not 2 <= groups < len(values):
        return 0.0
    with threadpool_limits(limits=1):
        return round(float(silhouette_score(values, codes)), 4)


def cluster_stability(values: Matrix, *, count: int, settings: SeparationSettings) -> float:
    """Return how well clusters of resampled customers agree with each other: the mean adjusted Rand index.

    1 is the same clusters whoever is drawn, 0 is chance (Hubert & Arabie 1985); 8 resamples of the customers drawn for
    the silhouette, each with its own seed, compared on the same customers.
    """
    from sklearn.metrics import adjusted_rand_score

    drawn = values[drawn_customers(len(values), settings=settings)]
    first = assign_clusters(fit_clusters(values, count=count, seed=settings.seed), drawn)
    agreements = []
    for repeat in range(1, _REPEATS + 1):
        rng = np.random.default_rng([settings.seed, repeat])
        resample = drawn[rng.integers(0, len(drawn), len(drawn))]
        other = assign_clusters(fit_clusters(resample, count=count, seed=settings.seed + repeat), drawn)
        agreements.append(adjusted_rand_score(first, other))
    return round(float(np.mean(agreements)), 4)


def drawn_customers(n: int, *, settings: SeparationSettings) -> Codes:
    """Return the places of the customers from whose distances silhouettes are made."""
    return _drawn(n, size=settings.silhouette_customers, seed=settings.seed)


def _logged(customers: pd.DataFrame, *, typical: float) -> Matrix:
    amounts = customers["spend_amount"].to_numpy(dtype=float) / typical
    columns = [
        np.log1p(customers["recency_days"].to_numpy(dtype=float)),
        np.log1p(customers["order_count"].to_numpy(dtype=float)),
        np.sign(amounts) * np.log1p(np.abs(amounts)),
    ]
    return np.column_stack(columns)


def _drawn(n: int, *, size: int, seed: int) -> Codes:
    if n <= size:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, size=size, replace=False)).astype(np.int64)
