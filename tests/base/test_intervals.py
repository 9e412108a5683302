"""Intervals against published examples and at their edges."""

import pandas as pd
import pytest

from crm_analysis.base.intervals import newcombe, poisson_interval, wilson, wilson_interval


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
