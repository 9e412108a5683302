"""How well groups of customers foretell what the customers do: AUC and explained spend, with resamples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.settings_value import SeparationSettings

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
_CHUNK = 20


def resampled_measures(
    rows: pd.DataFrame, codes: Mapping[str, Codes], *, judged: npt.NDArray[np.bool_], settings: SeparationSettings
) -> dict[str, dict[str, Array]]:
    """Return AUC and explained share of every way of grouping: of the customers as they are, then of every resample.

    Parameters
    ----------
    rows
        ``customer_id, origin_date, is_repurchased, next_spend_amount``.
    codes
        Group of every row, by the name of the grouping.
    judged
        Rows that judge; the others teach what a group does.

    Returns
    -------
    dict
        Per grouping ``auc`` and ``explained_share``, each of ``1 + resamples`` values.

    Notes
    -----
    A resample draws customers with all their rows; the same ones for all groupings, so that differences are paired.
    """
    spend = rows["next_spend_amount"].clip(lower=0).to_numpy(dtype=float)
    typical = float(np.median(spend[~judged & (spend > 0)])) if (~judged & (spend > 0)).any() else 1.0
    outcome, amount = rows["is_repurchased"].to_numpy(dtype=float), np.log1p(spend / typical)
    owner, _ = pd.factorize(rows.loc[judged, "customer_id"])
    origin, _ = pd.factorize(rows.loc[judged, "origin_date"])
    cells = {
        method: _cells(own, outcome, amount, judged=judged, owner=owner, origin=origin) for method, own in codes.items()
    }
    everybody = int(owner.max()) + 1
    parts = [{method: cell.measures(np.ones((1, everybody))) for method, cell in cells.items()}]
    rng = np.random.default_rng(settings.seed)
    for start in range(0, settings.resamples, _CHUNK):
        size = min(_CHUNK, settings.resamples - start)
        drawn = rng.integers(0, everybody, size=(size, everybody))
        weights = np.stack([np.bincount(row, minlength=everybody) for row in drawn]).astype(float)
        parts.append({method: cell.measures(weights) for method, cell in cells.items()})
    return {
        method: {name: np.concatenate([part[method][name] for part in parts]) for name in ("auc", "explained_share")}
        for method in cells
    }


@dataclass(frozen=True)
class _Cells:
    """Sums per customer and cell (origin x group), from which both measures follow for any weights of the customers.

    Attributes
    ----------
    bought, stayed_away, spend
        Sparse, customers x cells: rows that bought again, that did not, and centred spend.
    squares
        Sparse, customers x origins: squares of the centred spend.
    place
        Per cell: the rank of its rate among the rates; expected: the spend that its group foretells, centred.
    """

    bought: Any
    stayed_away: Any
    spend: Any
    squares: Any
    place: Codes
    expected: Array
    origin: Codes

    def measures(self, weights: Array) -> dict[str, Array]:
        """Return AUC and explained share of every row of weights (resamples x customers)."""
        bought, away, spend = (weights @ part for part in (self.bought, self.stayed_away, self.spend))
        squares = weights @ self.squares
        aucs, shares = [], []
        for origin in range(squares.shape[1]):
            here = self.origin == origin
            aucs.append(_auc(bought[:, here], away[:, here], place=self.place[here]))
            expected = self.expected[here]
            counts = bought[:, here] + away[:, here]
            missed = squares[:, origin] - 2 * spend[:, here] @ expected + counts @ expected**2
            total = squares[:, origin]
            shares.append(np.where(total > 0, 1 - missed / np.where(total > 0, total, 1.0), 0.0))
        return {"auc": np.mean(aucs, axis=0), "explained_share": np.mean(shares, axis=0)}


def _cells(
    codes: Codes, outcome: Array, amount: Array, *, judged: npt.NDArray[np.bool_], owner: Codes, origin: Codes
) -> _Cells:
    from scipy.sparse import csr_matrix

    group, groups = pd.factorize(codes, sort=True)
    taught = ~judged
    count = np.bincount(group[taught], minlength=len(groups))
    rate = _means(group[taught], outcome[taught], count)
    level = _means(group[taught], amount[taught], count)
    here, bought = group[judged], outcome[judged]
    sizes = np.bincount(origin)
    centred = amount[judged] - (np.bincount(origin, weights=amount[judged]) / sizes)[origin]
    foretold = np.bincount(origin, weights=level[here]) / sizes
    cell = origin * len(groups) + here
    shape = (int(owner.max()) + 1, len(sizes) * len(groups))
    of_cell = np.arange(shape[1]) // len(groups)
    return _Cells(
        bought=csr_matrix((bought, (owner, cell)), shape=shape),
        stayed_away=csr_matrix((1 - bought, (owner, cell)), shape=shape),
        spend=csr_matrix((centred, (owner, cell)), shape=shape),
        squares=csr_matrix((centred**2, (owner, origin)), shape=(shape[0], len(sizes))),
        place=np.tile(np.unique(np.round(rate, 9), return_inverse=True)[1], len(sizes)).astype(np.int64),
        expected=np.tile(level, len(sizes)) - foretold[of_cell],
        origin=of_cell.astype(np.int64),
    )


def _means(group: Codes, values: Array, count: npt.NDArray[np.int64]) -> Array:
    """Return the mean per group; the mean of all for groups that were not seen."""
    sums = np.bincount(group, weights=values, minlength=len(count))
    return np.where(count > 0, sums / np.maximum(count, 1), values.mean())


def _auc(bought: Array, away: Array, *, place: Codes) -> Array:
    """Return the area under the ROC curve per row, from how many of both lie in each place of the ranking."""
    ranked = np.zeros((len(place), int(place.max()) + 1))
    ranked[np.arange(len(place)), place] = 1.0
    yes, no = bought @ ranked, away @ ranked
    below = np.cumsum(no, axis=1) - no
    pairs = yes.sum(axis=1) * no.sum(axis=1)
    won = (yes * (below + no / 2)).sum(axis=1)
    return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1.0), 0.5)
