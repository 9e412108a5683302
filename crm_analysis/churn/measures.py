"""How well a score parts churners from the kept, and by how much chance could move that (REQUIREMENTS C2)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from crm_analysis.base.settings import ChurnSettings
from crm_analysis.churn.learners import calibrate

Floats = npt.NDArray[np.float64]
#: Measures with an interval.
MEASURES = ("auc", "average_precision", "brier", "precision_rate", "lift")
_LEAST, _FINE_TIMES, _GROUPS = 1e-6, 5, 1000
_CHUNK = 50


def precision_at(labels: npt.NDArray[Any], scores: Floats, *, length: int) -> float:
    """Return the expected share of churners among the ``length`` highest scores, ties broken evenly.

    >>> precision_at(np.array([1, 0, 1, 0]), np.array([0.9, 0.5, 0.5, 0.1]), length=2)
    0.75
    """
    length = min(length, len(labels))
    return top_sum(labels.astype(float), scores, length=length) / length


def top_sum(values: Floats, scores: Floats, *, length: int) -> float:
    """Return the expected sum of values over the ``length`` highest scores, ties broken evenly.

    >>> top_sum(np.array([5.0, 1.0, 3.0]), np.array([0.9, 0.5, 0.5]), length=2)
    7.0
    """
    length = min(length, len(values))
    cut = np.partition(scores, len(scores) - length)[len(scores) - length]
    above, tied = scores > cut, scores == cut
    return float(values[above].sum() + (length - above.sum()) * values[tied].mean())


def quality(
    labels: npt.NDArray[Any], scores: Floats, probability: Floats, at_stake: Floats, *, settings: ChurnSettings
) -> dict[str, float]:
    """Return the measures of one model or rule at one origin.

    Returns
    -------
    dict
        ``n``; ``base_rate``; ``auc`` (0.5 = chance); ``average_precision`` (chance: the base rate); ``brier`` (mean
        squared error of the probability, lower is better); ``calibration_intercept`` (with slope 1; 0 is right, above
        it too few are expected) and ``calibration_slope`` (1 is right, below it the probabilities are too extreme; NaN
        where all are equal) on the log-odds (Cox 1958); ``list_count``; ``precision_rate`` (churners among the first
        ``list_count`` by score), ``lift`` (over the base rate). Of the list that is issued, the first ``list_count`` by
        probability x stake: ``list_precision_rate`` (churners on it), ``value_saved_amount`` (``success_rate`` x margin
        x what was at stake with them, less ``contact_cost`` for each on the list). ``spend_saved_amount``: the same of
        a list of the largest stakes, which needs no model.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    base = float(labels.mean())
    length = min(settings.list_capacity, len(labels))
    precision = precision_at(labels, scores, length=length)
    odds = log_odds(probability)
    is_flat = bool(np.ptp(odds) == 0)
    expected_loss = probability * at_stake
    return {
        "n": len(labels),
        "base_rate": round(base, 6),
        "auc": round(float(roc_auc_score(labels, scores)), 6),
        "average_precision": round(float(average_precision_score(labels, scores)), 6),
        "brier": round(float(np.mean((probability - labels) ** 2)), 6),
        "calibration_intercept": round(calibrate(odds, labels, is_slope_free=False)[0], 4),
        "calibration_slope": float("nan") if is_flat else round(calibrate(odds, labels)[1], 4),
        "list_count": length,
        "precision_rate": round(precision, 6),
        "lift": round(precision / base, 6),
        "list_precision_rate": round(precision_at(labels, expected_loss, length=length), 6),
        "value_saved_amount": _saved(labels, at_stake, expected_loss, length=length, settings=settings),
        "spend_saved_amount": _saved(labels, at_stake, at_stake, length=length, settings=settings),
    }


def _saved(
    labels: npt.NDArray[Any], at_stake: Floats, ranking: Floats, *, length: int, settings: ChurnSettings
) -> float:
    warning = settings.model.warning
    lost = top_sum(labels * at_stake, ranking, length=length) * settings.value.horizon.margin_share
    return round(warning.success_rate * lost - warning.contact_cost * length, 2)


def log_odds(probability: Floats) -> Floats:
    """Return the log-odds of probabilities, which are kept a millionth away from 0 and 1."""
    inside = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.log(inside / (1 - inside))


def resampled_intervals(
    labels: npt.NDArray[Any], scores: Floats, probability: Floats, *, exact: Mapping[str, float],
    settings: ChurnSettings,
) -> Mapping[str, tuple[float, float]]:  # fmt: skip
    """Return the 95 % interval of each of ``MEASURES`` at one origin, by resampling customers.

    Parameters
    ----------
    exact
        Of :func:`quality`.

    Notes
    -----
    Percentiles of ``resamples`` draws: every customer counts a Poisson number of times (the bootstrap for large n).
    Customers are grouped by equal scores, far below the end of the list also by neighbouring ones (thousandths of the
    rest), so that the time does not grow with the resamples; the intervals are moved by what grouping changes.
    """
    groups, order = _grouped(scores, length=settings.list_capacity)
    churned = np.bincount(groups, weights=labels[order]).astype(float)
    kept = np.bincount(groups, weights=1.0 - labels[order]).astype(float)
    errors = (probability - labels)[order] ** 2
    error = [np.bincount(groups, weights=errors * (labels[order] == value)) for value in (1, 0)]
    each = [
        np.divide(total, count, out=np.zeros_like(total), where=count > 0)
        for total, count in zip(error, (churned, kept), strict=True)
    ]
    rng = np.random.default_rng(settings.seed)
    length = min(settings.list_capacity, len(labels))
    drawn: list[Floats] = []
    for start in range(0, settings.model.resamples, _CHUNK):
        size = min(_CHUNK, settings.model.resamples - start)
        ones = rng.poisson(churned, (size, len(churned))).astype(float)
        zeros = rng.poisson(kept, (size, len(kept))).astype(float)
        drawn.append(_measured(ones, zeros, each[0], each[1], length=length))
    all_drawn = np.concatenate(drawn)
    centre = _measured(churned[None, :], kept[None, :], each[0], each[1], length=length)[0]
    found = {}
    for place, name in enumerate(MEASURES):
        shift = exact[name] - float(centre[place])
        low, high = np.nanquantile(all_drawn[:, place], (0.025, 0.975)) + shift
        found[name] = (round(float(low), 6), round(float(high), 6))
    return found


def _grouped(scores: Floats, *, length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the group of each place and the order of places, highest scores first; equal scores share a group."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    fine = _FINE_TIMES * length
    place = np.arange(len(scores))
    coarse = fine + (place - fine) * _GROUPS // max(len(scores) - fine, _GROUPS)
    group = np.where(place < fine, place, coarse)
    starts = np.r_[True, ordered[1:] != ordered[:-1]]
    first = np.maximum.accumulate(np.where(starts, place, 0))
    return np.unique(group[first], return_inverse=True)[1], order


def _measured(ones: Floats, zeros: Floats, error_1: Floats, error_0: Floats, *, length: int) -> Floats:
    """Return ``MEASURES`` of each row of group counts, highest scores first."""
    both = ones + zeros
    n_1, n_0, n = ones.sum(1), zeros.sum(1), both.sum(1)
    below = n_0[:, None] - np.cumsum(zeros, 1)
    auc = (ones * (below + zeros / 2)).sum(1) / np.maximum(n_1 * n_0, 1)
    hits, seen = np.cumsum(ones, 1), np.cumsum(both, 1)
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    average = (ones * precision).sum(1) / np.maximum(n_1, 1)
    brier = ((ones * error_1).sum(1) + (zeros * error_0).sum(1)) / np.maximum(n, 1)
    room = np.clip(length - (seen - both), 0, both)
    part = np.divide(ones * room, both, out=np.zeros_like(ones), where=both > 0).sum(1) / length
    base = np.maximum(n_1, 1) / np.maximum(n, 1)
    return np.column_stack([auc, average, brier, part, part / base])


def auc_influence(labels: npt.NDArray[Any], scores: Floats) -> tuple[float, Floats]:
    """Return the AUC and how much each customer moves it from its mean; their sum is 0, their squares its variance.

    Notes
    -----
    Placement values (DeLong, DeLong & Clarke-Pearson 1988): the share of the other class that a customer is ranked
    rightly against, less the AUC, over the size of the own class.
    """
    from scipy.stats import rankdata

    labels = labels.astype(bool)
    n_1, n_0 = int(labels.sum()), int((~labels).sum())
    every = rankdata(scores)
    right = np.empty(len(scores))
    right[labels] = (every[labels] - rankdata(scores[labels])) / n_0
    right[~labels] = 1 - (every[~labels] - rankdata(scores[~labels])) / n_1
    auc = float(right[labels].mean())
    return auc, (right - auc) / np.where(labels, n_1, n_0)
