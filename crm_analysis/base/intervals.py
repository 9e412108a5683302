"""95 % intervals of shares, of their differences and of rates of events."""

import pandas as pd

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


def newcombe(first: int, first_n: int, second: int, second_n: int) -> tuple[float, float, float]:
    """Return the difference of two shares, first less second, with its 95 % interval (Newcombe 1998, method 10).

    >>> [round(number, 6) for number in newcombe(56, 70, 48, 80)]
    [0.2, 0.052431, 0.333873]
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(first, first_n, second, second_n, method="newcomb", compare="diff")
    return first / first_n - second / second_n, float(low), float(high)


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
