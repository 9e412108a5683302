"""95 % intervals of shares, of their differences and of rates of events."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]

#: Standard deviations of a normal variable that 95 % of its values lie within.
NORMAL_975 = 1.959963984540054
_DIGITS = 6


def wilson_interval(successes: pd.Series, trials: pd.Series, *, where: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the 95 % interval of a share, null outside ``where``; Wilson (1927)."""
    from statsmodels.stats.proportion import proportion_confint

    known = where & (trials > 0)
    low, high = proportion_confint(successes[known], trials[known], method="wilson")
    return _aligned(low, trials), _aligned(high, trials)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of one share (Wilson 1927); the whole range without trials.

    >>> wilson(5, 10)
    (0.236593, 0.763407)
    """
    from statsmodels.stats.proportion import proportion_confint

    if not trials:
        return 0.0, 1.0
    low, high = proportion_confint(successes, trials, method="wilson")
    return round(max(0.0, float(low)), _DIGITS), round(min(1.0, float(high)), _DIGITS)


def newcombe(first: float, first_n: float, second: float, second_n: float) -> tuple[float, float, float]:
    """Return the difference of two shares, first less second, with its 95 % interval (Newcombe 1998, method 10).

    >>> [round(number, 6) for number in newcombe(56, 70, 48, 80)]
    [0.2, 0.052431, 0.333873]
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(first, first_n, second, second_n, method="newcomb", compare="diff")
    return first / first_n - second / second_n, float(low), float(high)


def size_weights(first_n: Array, second_n: Array) -> Array:
    """Return the weight of each stratum in a difference of two groups: ``n1 x n2 / (n1 + n2)`` over their sum.

    >>> size_weights(np.array([40.0, 120.0]), np.array([40.0, 40.0])).tolist()
    [0.4, 0.6]
    """
    size = first_n * second_n / (first_n + second_n)
    return np.asarray(size / size.sum(), dtype=np.float64)


def stratified_newcombe(first: Array, first_n: Array, second: Array, second_n: Array) -> tuple[float, float, float]:
    """Return the difference of shares within strata, first less second, with its 95 % interval.

    Counts and sizes, one entry per stratum; sizes of at least 1.

    Notes
    -----
    Strata are weighted by :func:`size_weights`. The score interval of Newcombe (1998) in each; the distances between
    estimate and bound are combined as roots of weighted sums of squares (Zou & Donner 2008), so that one stratum gives
    Newcombe's own.
    """
    weights = size_weights(first_n, second_n)
    found = [newcombe(*stratum) for stratum in zip(first, first_n, second, second_n, strict=True)]
    own, low, high = (np.array(numbers) for numbers in zip(*found, strict=True))
    difference = float(weights @ own)
    below = float(np.sqrt((weights**2 * (own - low) ** 2).sum()))
    above = float(np.sqrt((weights**2 * (high - own) ** 2).sum()))
    return difference, difference - below, difference + above


def poisson_interval(events: pd.Series, exposure: pd.Series, *, where: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the exact 95 % interval of events / exposure, null outside ``where``; Garwood (1936).

    As if events came independently of each other: several of one customer make it too narrow.
    """
    from statsmodels.stats.rates import confint_poisson

    known = where & (exposure > 0)
    low, high = confint_poisson(events[known], exposure[known], method="exact-c")
    counts = events[known]
    return _aligned(pd.Series(low, counts.index).where(counts > 0, 0.0), exposure), _aligned(
        pd.Series(high, counts.index), exposure
    )


def _aligned(values: pd.Series, like: pd.Series) -> pd.Series:
    return values.astype("float64").reindex(like.index).round(_DIGITS)
