"""Differences of two independent groups with 95 % intervals: shares, means, areas under the curve, ratios of sums."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crm_analysis.base.intervals import NORMAL_975, newcombe, wilson

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Difference:
    """A measure of a group with its interval, and the difference from the rest with interval and p-value.

    Attributes
    ----------
    n
        Customers of the group that the measure rests on.
    """

    n: int
    value: float
    low: float
    high: float
    rest_value: float
    difference_low: float
    difference_high: float
    p_value: float

    def as_row(self) -> dict[str, float]:
        """Return the columns of the table of fairness; the p-value is not yet corrected."""
        return {"n": float(self.n), "value": self.value, "low": self.low, "high": self.high,
                "rest_value": self.rest_value, "difference": self.value - self.rest_value,
                "difference_low": self.difference_low, "difference_high": self.difference_high,
                "p_adjusted": self.p_value}  # fmt: skip


def share_difference(group: Mask, rest: Mask) -> Difference | None:
    """Compare two shares: Wilson's interval, Newcombe's (1998) of the difference, Fisher's exact test.

    ``True`` for yes per customer -> difference; nothing when a side is empty

    Examples
    --------
    >>> yes = np.array([True] * 56 + [False] * 14), np.array([True] * 48 + [False] * 32)
    >>> found = share_difference(*yes)
    >>> round(found.difference_low, 4), round(found.difference_high, 4)
    (0.0524, 0.3339)
    """
    from scipy.stats import fisher_exact

    n, m = len(group), len(rest)
    if min(n, m) == 0:
        return None
    x, y = int(group.sum()), int(rest.sum())
    _, difference_low, difference_high = newcombe(x, n, y, m)
    p_value = float(fisher_exact([[x, n - x], [y, m - y]]).pvalue)
    return Difference(n, x / n, *wilson(x, n), y / m, difference_low, difference_high, p_value)


def mean_difference(group: Array, rest: Array) -> Difference | None:
    """Compare two means: Student's interval, Welch's (1947) of the difference and its test.

    Values per customer -> difference; nothing with fewer than two on a side or without any spread
    """
    from scipy import stats

    n, m = len(group), len(rest)
    if min(n, m) < 2:
        return None
    error, error_rest = (float(np.std(each, ddof=1) ** 2 / len(each)) for each in (group, rest))
    if error + error_rest == 0:
        return None
    mean, mean_rest = float(group.mean()), float(rest.mean())
    reach = float(stats.t.ppf(0.975, n - 1)) * error**0.5
    free = (error + error_rest) ** 2 / (error**2 / (n - 1) + error_rest**2 / (m - 1))
    both = float(stats.t.ppf(0.975, free)) * (error + error_rest) ** 0.5
    gap = mean - mean_rest
    p_value = 2 * float(stats.t.sf(abs(gap) / (error + error_rest) ** 0.5, free))
    return Difference(n, mean, mean - reach, mean + reach, mean_rest, gap - both, gap + both, p_value)


def delong_variance(score: Array, left: Mask) -> tuple[float, float]:
    """Return the area under the ROC curve and its variance (DeLong, DeLong & Clarke-Pearson 1988), ties by half.

    Notes
    -----
    By mid-ranks (Sun & Xu 2014), so that a million customers take seconds.
    """
    from scipy.stats import rankdata

    positive, negative = score[left], score[~left]
    n, m = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:n] - rankdata(positive)) / m
    below = 1 - (ranks[n:] - rankdata(negative)) / n
    return float(above.mean()), float(np.var(above, ddof=1) / n + np.var(below, ddof=1) / m)


def auc_difference(group: tuple[Array, Mask], rest: tuple[Array, Mask], *, minimum: int) -> Difference | None:
    """Compare the ranking of two groups by their areas under the curve.

    ``(scores, whether churned)`` -> difference; nothing with fewer than ``minimum`` churned or stayed on a side, or
    where a side is ranked without any error

    Notes
    -----
    The interval of one area is DeLong's on the logit scale, which stays between 0 and 1; that of the difference of two
    independent ones is normal.
    """
    from scipy.stats import norm

    if min(int(side.sum()) for _, left in (group, rest) for side in (left, ~left)) < minimum:
        return None
    (auc, variance), (auc_rest, variance_rest) = delong_variance(*group), delong_variance(*rest)
    if min(variance, variance_rest) <= 0 or not 0 < auc < 1:
        return None
    logit, reach = np.log(auc / (1 - auc)), NORMAL_975 * variance**0.5 / (auc * (1 - auc))
    low, high = (float(1 / (1 + np.exp(-(logit + sign * reach)))) for sign in (-1, 1))
    error, gap = (variance + variance_rest) ** 0.5, auc - auc_rest
    p_value = 2 * float(norm.sf(abs(gap) / error))
    return Difference(
        len(group[0]), auc, low, high, auc_rest, gap - NORMAL_975 * error, gap + NORMAL_975 * error, p_value
    )


def ratio_difference(group: tuple[Array, Array], rest: tuple[Array, Array]) -> Difference | None:
    """Compare two ratios of sums, such as discounts over prices: linearised variance over customers.

    ``(parts, wholes)`` per customer -> difference; nothing where a side has fewer than two customers with a positive
    whole, or no spread
    """
    from scipy.stats import norm

    sides = []
    for above, below in (group, rest):
        kept = below > 0
        n, whole = int(kept.sum()), float(below[kept].sum())
        if n < 2:
            return None
        ratio = float(above[kept].sum() / whole)
        residual = above[kept] - ratio * below[kept]
        sides.append((n, ratio, float((residual**2).sum() * n / (n - 1) / whole**2)))
    (n, ratio, variance), (_, ratio_rest, variance_rest) = sides
    error = (variance + variance_rest) ** 0.5
    if error == 0:
        return None
    gap, own = ratio - ratio_rest, NORMAL_975 * variance**0.5
    p_value = 2 * float(norm.sf(abs(gap) / error))
    return Difference(n, ratio, max(ratio - own, 0.0), min(ratio + own, 1.0), ratio_rest, gap - NORMAL_975 * error,
                      gap + NORMAL_975 * error, p_value)  # fmt: skip
