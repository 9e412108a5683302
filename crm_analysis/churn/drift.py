"""Whether today's customers are like those that were scored last: population stability (REQUIREMENTS C7)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_churn_model import WarningSettings

Floats = npt.NDArray[np.float64]
DRIFT_SCHEMA: ResultSchema = dict.fromkeys(
    ["feature", "n_last_quarter", "n_this_quarter", "bin_count", "stability_score", "chance_score", "drift_state"], OPEN
)
_BINS = 10
_ADDED = 0.5
_DIGITS = 4


def drift_table(
    before: pd.DataFrame, now: pd.DataFrame, *, features: Sequence[str], settings: WarningSettings
) -> pd.DataFrame:
    """Return the population stability index of each feature, most moved first (result ``churn_drift``).

    Eligible customers then and now with the columns ``features`` -> columns of ``DRIFT_SCHEMA``

    Notes
    -----
    Bins: tenths of the earlier customers by value (equal values never split), and one for unknown; a bin in which there
    is nobody on either side falls away. The index is the sum over bins of ``(now - before) x ln(now / before)`` of the
    shares, with half a customer added to each bin, so that an empty one does not make it infinite. ``chance_score`` is
    what 95 % of draws from one and the same population stay below: the chi-square quantile with ``bins - 1`` degrees of
    freedom times ``1 / n_last_quarter + 1 / n_this_quarter``. ``drift_state``: ``too_few`` below
    ``minimum_drift_customers`` (no index is told), ``not_known`` where nobody has a value on one side (none either),
    ``steady`` up to chance, ``slightly_moved`` above it and below ``psi_watch``, ``moved`` from that, ``much_moved``
    from ``psi_alarm``.
    """
    rows = [_drift(before[name].to_numpy(dtype=float), now[name].to_numpy(dtype=float), settings) for name in features]
    table = pd.DataFrame(rows).assign(feature=pd.Series(list(features), dtype="str"))[list(DRIFT_SCHEMA)]
    table = table.sort_values(["stability_score", "feature"], ascending=[False, True], na_position="last")
    return table.reset_index(drop=True)


def _drift(before: Floats, now: Floats, settings: WarningSettings) -> dict[str, float | str]:
    from scipy.stats import chi2

    sizes: dict[str, float | str] = {"n_last_quarter": len(before), "n_this_quarter": len(now)}
    few: dict[str, float | str] = {"bin_count": 0, "stability_score": float("nan"), "chance_score": float("nan")}
    if min(len(before), len(now)) < settings.minimum_drift_customers:
        return sizes | few | {"drift_state": "too_few"}
    if np.isnan(before).all() != np.isnan(now).all():
        return sizes | few | {"drift_state": "not_known"}
    counts = binned(before, now)
    index = stability_index(*counts)
    bins = len(counts[0])
    chance = float(chi2.ppf(0.95, bins - 1)) * (1 / len(before) + 1 / len(now)) if bins > 1 else 0.0
    state = "steady"
    if index > chance:
        limits = (("much_moved", settings.psi_alarm), ("moved", settings.psi_watch), ("slightly_moved", 0.0))
        state = next(name for name, limit in limits if index >= limit)
    found: dict[str, float | str] = {"bin_count": bins, "stability_score": round(index, _DIGITS)}
    return sizes | found | {"chance_score": round(chance, _DIGITS), "drift_state": state}


def binned(before: Floats, now: Floats) -> tuple[Floats, Floats]:
    """Return the counts of both sides in the tenths of the earlier side, unknown last."""
    known = before[~np.isnan(before)]
    edges = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS)) if len(known) else np.empty(0)
    counts = []
    for values in (before, now):
        place = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
        counts.append(np.bincount(place.astype(int), minlength=len(edges) + 2).astype(float))
    is_used = counts[0] + counts[1] > 0
    return counts[0][is_used], counts[1][is_used]


def stability_index(before: Floats, now: Floats) -> float:
    """Return the population stability index of two lists of counts.

    >>> round(stability_index(np.array([50.0, 50.0]), np.array([50.0, 50.0])), 6)
    0.0
    """
    shares = [(counts + _ADDED) / (counts.sum() + _ADDED * len(counts)) for counts in (before, now)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
