"""Lifecycle stage of every customer from the customer's own purchase rhythm (REQUIREMENTS S2)."""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaincinv

from crm_analysis.base.settings_rfm import LifecycleSettings

Array = npt.NDArray[np.float64]

#: All stages, in the order in which they are shown.
STAGES = ("new", "growing", "mature", "declining", "dormant", "lost", "prospect")

_LONG_DAYS, _SHORT_DAYS = 365, 90
#: Squared relative spread below which gaps count as all alike.
_LEAST_SPREAD = 1e-6


def expected_gap_days(features: pd.DataFrame, *, settings: LifecycleSettings) -> pd.Series:
    """Return the days within which every customer's next order is expected, index as in ``features``.

    Parameters
    ----------
    features
        ``gap_count``, ``gap_mean_days`` (mean days between distinct order days, empty below one gap) and
        ``gap_spread_days`` (their population standard deviation, empty below two); one population.
    settings
        ``own_gap_quantile``, ``prior_gaps``, ``new_within_days``.

    Notes
    -----
    The ``own_gap_quantile`` quantile of a gamma distribution with the customer's own mean and spread, both drawn
    towards the population's as if ``k = prior_gaps`` further gaps had been seen there. With ``n`` gaps of mean ``g``
    and spread ``s``:

    - mean ``m = (n g + k G) / (n + k)``; ``G`` is the mean of all customers' mean gaps
    - squared relative spread ``c2 = (n s^2 / g^2 + k C2) / (n - 1 + k)``, with one gap or none ``C2``;
      ``C2 = sum(n s^2 / g^2) / sum(n - 1)`` over the customers with two gaps or more, 1 without; at most 1, the spread
      of purchases at random: of bursts with long pauses between them the quantile would be that of the bursts
    - the next gap varies by that and by what ``n + k`` gaps leave open of the mean: ``c2 (1 + 1 / (n + k))``

    So a regular customer is missed soon and an irregular one is given time; the fewer the gaps, the more. Without any
    repeated purchase in the population it is ``new_within_days`` for all.
    """
    gaps = features["gap_mean_days"].to_numpy(dtype=float)
    counts = features["gap_count"].fillna(0).to_numpy(dtype=float)
    spreads = features["gap_spread_days"].to_numpy(dtype=float)
    prior = settings.prior_gaps
    known = np.isfinite(gaps) & (gaps > 0)
    if not known.any():
        return pd.Series(float(settings.new_within_days), index=features.index, name="expected_gap_days")
    typical = math.fsum(gaps[known].tolist()) / int(known.sum())
    counts = np.where(known, counts, 0.0)
    mean = (counts * np.where(known, gaps, 0.0) + prior * typical) / (counts + prior)
    several = known & (counts >= 2) & np.isfinite(spreads)
    squares = np.where(several, counts * (spreads / np.where(known, gaps, 1.0)) ** 2, 0.0)
    freedom = np.where(several, counts - 1, 0.0)
    common = math.fsum(squares.tolist()) / float(freedom.sum()) if several.any() else 1.0
    relative = np.minimum((squares + prior * common) / (freedom + prior), 1.0)
    expected = mean * _gamma_quantile(settings.own_gap_quantile, relative * (1 + 1 / (counts + prior)))
    return pd.Series(expected, index=features.index, name="expected_gap_days")


def _gamma_quantile(level: float, squared_spread: Array) -> Array:
    """Return the quantile of gamma distributions of mean 1; without spread it is 1."""
    shape = 1 / np.maximum(squared_spread, _LEAST_SPREAD)
    return np.where(squared_spread < _LEAST_SPREAD, 1.0, gammaincinv(shape, level) / shape)


def lifecycle_stages(features: pd.DataFrame, *, settings: LifecycleSettings) -> pd.Series:
    """Return the lifecycle stage of every customer, index as in ``features``.

    Parameters
    ----------
    features
        ``order_count, recency_days, first_order_date, last_order_date``, ``gap_mean_days, gap_spread_days, gap_count``
        and ``spend_amount_90d, spend_amount_90d_before, spend_amount_365d, spend_amount_365d_before``; one population.
    settings
        Thresholds in units of the expected gap (:func:`expected_gap_days`), and in days.

    Notes
    -----
    The first that holds decides. ``silence`` is ``recency_days`` over the expected gap.

    1. ``prospect``: no counted order
    2. ``new``: first order at most ``new_within_days`` ago
    3. ``lost``: silence >= ``lost_after`` and at least ``minimum_lost_days`` without an order
    4. ``dormant``: silence >= ``dormant_after``
    5. ``declining``: silence >= ``declining_after``, or spend changed by ``-growth_threshold`` or less
    6. ``growing``: spend changed by ``+growth_threshold`` or more
    7. ``mature``: all others

    Spend is compared over 365 days with the 365 before when the first order is at least 730 days ago; else over 90
    days when it is at least 180 days ago and the expected gap leaves two orders in 90 days; else not at all.
    This is the analysis' word *lost*; the share of churned customers is defined in chapter 4 (REQUIREMENTS C1).
    """
    recency = features["recency_days"].astype(float)
    gap = expected_gap_days(features, settings=settings)
    silence = recency / gap
    since_first = days_since_first_order(features)
    change = _spend_change(features, since_first=since_first, gap=gap)
    conditions = [
        features["order_count"].fillna(0) < 1,
        since_first <= settings.new_within_days,
        (silence >= settings.lost_after) & (recency >= settings.minimum_lost_days),
        silence >= settings.dormant_after,
        (silence >= settings.declining_after) | (change <= -settings.growth_threshold),
        change >= settings.growth_threshold,
    ]
    names = ["prospect", "new", "lost", "dormant", "declining", "growing"]
    stages = np.select([np.asarray(c, dtype=bool) for c in conditions], names, default="mature")
    return pd.Series(stages, index=features.index, dtype="str", name="stage")


def days_since_first_order(features: pd.DataFrame) -> pd.Series:
    """Return the days from the first counted order to ``as_of``; empty for customers who never bought."""
    first = pd.to_datetime(features["first_order_date"])
    last = pd.to_datetime(features["last_order_date"])
    return (features["recency_days"].astype(float) + (last - first).dt.days).rename("days_since_first_order")


def _spend_change(features: pd.DataFrame, *, since_first: pd.Series, gap: pd.Series) -> pd.Series:
    """Return the relative change of spend (0.2 = +20 %); empty where history is too short to compare."""
    long = _change(features, days=_LONG_DAYS).where(since_first >= 2 * _LONG_DAYS)
    may_use_short = (since_first >= 2 * _SHORT_DAYS) & (since_first < 2 * _LONG_DAYS) & (2 * gap <= _SHORT_DAYS)
    return long.where(~may_use_short, _change(features, days=_SHORT_DAYS))


def _change(features: pd.DataFrame, *, days: int) -> pd.Series:
    now = features[f"spend_amount_{days}d"].astype(float)
    before = features[f"spend_amount_{days}d_before"].astype(float)
    grown = (now / before.where(before > 0) - 1).round(9)  # 480 / 400 - 1 must reach 0.2
    return grown.where(before > 0, np.where(now > 0, np.inf, np.nan))
