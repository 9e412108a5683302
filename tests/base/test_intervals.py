"""Intervals against published examples and at their edges."""

import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.intervals import newcombe, poisson_interval, stratified_newcombe, wilson, wilson_interval


def test_newcombes_published_example() -> None:
    # Newcombe (1998), Table II, case (a), method 10: 56/70 - 48/80 = 0.2, 0.0524 to 0.3339
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert newcombe(10, 10, 0, 20) == pytest.approx((1.0, 0.6791, 1.0), abs=5e-5)  # case (h)


def test_wilson_of_one_share_is_that_of_many_and_stays_between_0_and_1() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe (1998), case 1
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson_interval(pd.Series([81, 5, 0]), pd.Series([263, 10, 0]), where=pd.Series([True, False, True]))
    assert (low[0], high[0]) == wilson(81, 263)
    assert low[1:].isna().all()


def test_rates_of_events_are_exact() -> None:
    low, high = poisson_interval(pd.Series([10, 0]), pd.Series([100.0, 50.0]), where=pd.Series([True, True]))
    assert (low[0], high[0]) == pytest.approx((0.04795, 0.18390), abs=5e-6)  # chi-square quantiles of 20 and 22
    assert (low[1], high[1]) == pytest.approx((0.0, 3.688879 / 50), abs=1e-6)  # -log(0.025) events


def test_one_stratum_is_newcombes_own() -> None:
    one = [np.array([float(number)]) for number in (56, 70, 48, 80)]
    assert stratified_newcombe(*one) == pytest.approx(newcombe(56, 70, 48, 80))


def test_strata_are_weighted_by_size_and_their_distances_add_up_as_squares() -> None:
    # 40 x 40 / 80 = 20 and 120 x 40 / 160 = 30: weights 0.4 and 0.6
    first, first_n = np.array([20.0, 30.0]), np.array([40.0, 120.0])
    second, second_n = np.array([10.0, 20.0]), np.array([40.0, 40.0])
    difference, low, high = stratified_newcombe(first, first_n, second, second_n)
    assert difference == pytest.approx(0.4 * (0.5 - 0.25) + 0.6 * (0.25 - 0.5))  # -0.05
    (own_a, low_a, high_a), (own_b, low_b, high_b) = newcombe(20, 40, 10, 40), newcombe(30, 120, 20, 40)
    assert (own_a, own_b) == (0.25, -0.25)
    assert difference - low == pytest.approx(((0.4 * (own_a - low_a)) ** 2 + (0.6 * (own_b - low_b)) ** 2) ** 0.5)
    assert high - difference == pytest.approx(((0.4 * (high_a - own_a)) ** 2 + (0.6 * (high_b - own_b)) ** 2) ** 0.5)
