"""Differences of two groups with 95 % intervals from sums, for one campaign or several together (REQUIREMENTS E12)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm_analysis.base.intervals import NORMAL_975, Array, size_weights, stratified_newcombe

LEVEL = 0.95
POWER = 0.80


@dataclass(frozen=True)
class Groups:
    """Two groups of customers in one or several strata, one entry per stratum.

    Attributes
    ----------
    n_treated, n_control
        Customers, at least two in each.
    mean_treated, mean_control
        Means of what is measured.
    variance_treated, variance_control
        Sample variances.
    """

    n_treated: Array
    n_control: Array
    mean_treated: Array
    mean_control: Array
    variance_treated: Array
    variance_control: Array

    @property
    def weights(self) -> Array:
        """Weight of each stratum, ``n_treated x n_control / (n_treated + n_control)`` over their sum."""
        return size_weights(self.n_treated, self.n_control)


@dataclass(frozen=True)
class Estimate:
    """A difference of means, treated less control, with its interval and what it could have shown.

    Attributes
    ----------
    detectable
        Smallest difference that would be found, two-sided at 5 %, in 80 of 100 repetitions; null where nothing varies.
    uplift, uplift_low, uplift_high
        Difference / mean of the control; null where a mean is not positive.
    """

    treated_mean: float
    control_mean: float
    difference: float
    low: float
    high: float
    detectable: float
    uplift: float
    uplift_low: float
    uplift_high: float


def groups_from_sums(n: Sequence[Array], total: Sequence[Array], squares: Sequence[Array]) -> Groups:
    """Return groups from counts, sums and sums of squares, each of treated and control.

    Raises
    ------
    ValueError
        A group of a stratum has fewer than two customers: it has no variance.
    """
    if any((count < 2).any() for count in n):
        raise ValueError("each group of each stratum needs at least two customers")
    means = [t / c for t, c in zip(total, n, strict=True)]
    variances = [
        np.maximum(s - c * m**2, 0.0) / (c - 1) for s, c, m in zip(squares, n, means, strict=True)
    ]  # fmt: skip
    return Groups(n[0], n[1], means[0], means[1], variances[0], variances[1])


def estimate_difference(groups: Groups, *, is_share: bool = False) -> Estimate:
    """Return the difference of two groups, the strata weighted by their sizes.

    Parameters
    ----------
    is_share
        The means are shares of yes among yes and no: the interval is that of Newcombe.

    Notes
    -----
    Means: Welch (1947), degrees of freedom of Satterthwaite over all groups of all strata; one stratum gives Welch's
    own. Shares: :func:`~crm_analysis.base.intervals.stratified_newcombe`. The uplift's interval is that of the
    logarithm of the ratio of weighted means. Power: 2.80 standard errors (1.96 and 0.84), for shares under equal ones.
    """
    from scipy import stats

    w = groups.weights
    treated, control = float(w @ groups.mean_treated), float(w @ groups.mean_control)
    difference = treated - control
    parts_treated = w**2 * groups.variance_treated / groups.n_treated
    parts_control = w**2 * groups.variance_control / groups.n_control
    error = float(np.sqrt(parts_treated.sum() + parts_control.sum()))
    z, power = stats.norm.ppf((1 + LEVEL) / 2), stats.norm.ppf(POWER)
    if is_share:
        yes = [
            np.round(mean * n)
            for mean, n in ((groups.mean_treated, groups.n_treated), (groups.mean_control, groups.n_control))
        ]
        _, low, high = stratified_newcombe(yes[0], groups.n_treated, yes[1], groups.n_control)
        error_for_power = _null_error(groups)
    else:
        degrees = _degrees(groups, parts_treated, parts_control)
        half = float(stats.t.ppf((1 + LEVEL) / 2, degrees)) * error if error > 0 else float("nan")
        low, high = difference - half, difference + half
        error_for_power = error
    detectable = (z + power) * error_for_power if error_for_power > 0 else float("nan")
    uplift = uplift_low = uplift_high = float("nan")
    if treated > 0 and control > 0:
        uplift = treated / control - 1
        spread = z * float(np.sqrt(parts_treated.sum() / treated**2 + parts_control.sum() / control**2))
        uplift_low, uplift_high = (treated / control * np.exp(sign * spread) - 1 for sign in (-1, 1))
    numbers = (treated, control, difference, low, high, detectable, uplift, uplift_low, uplift_high)
    return Estimate(*(float(number) for number in numbers))


def standardised_difference(groups: Groups) -> float:
    """Return the difference of means in units of the groups' common spread; null where nothing varies.

    Notes
    -----
    Difference / root of the mean of both variances (Austin 2009), weighted over the strata.
    """
    w = groups.weights
    difference = float(w @ (groups.mean_treated - groups.mean_control))
    spread = float(np.sqrt(w @ (groups.variance_treated + groups.variance_control) / 2))
    return difference / spread if spread > 0 else float("nan")


def chance_limit(groups: Groups) -> float:
    """Return the standardised difference that chance alone exceeds in 5 of 100 random assignments."""
    return float(NORMAL_975 * np.sqrt(groups.weights**2 @ (1 / groups.n_treated + 1 / groups.n_control)))


def _degrees(groups: Groups, parts_treated: Array, parts_control: Array) -> float:
    parts = np.concatenate([parts_treated, parts_control])
    free = np.concatenate([groups.n_treated, groups.n_control]) - 1
    below = float((parts**2 / free).sum())
    return float(parts.sum() ** 2 / below) if below > 0 else float("nan")


def _null_error(groups: Groups) -> float:
    """Return the standard error of a difference of shares when both groups share one."""
    n = groups.n_treated + groups.n_control
    share = (groups.n_treated * groups.mean_treated + groups.n_control * groups.mean_control) / n
    each = share * (1 - share) * (1 / groups.n_treated + 1 / groups.n_control)
    return float(np.sqrt((groups.weights**2 * each).sum()))
