"""95 % intervals of shares and of rates of events."""

import pandas as pd

_DIGITS = 6


def wilson_interval(successes: pd.Series, trials: pd.Series, *, where: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the 95 % interval of a share, null outside ``where``; Wilson (1927)."""
    from statsmodels.stats.proportion import proportion_confint

    known = where & (trials > 0)
    low, high = proportion_confint(successes[known], trials[known], method="wilson")
    return _aligned(low, trials), _aligned(high, trials)


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
