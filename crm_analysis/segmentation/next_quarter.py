"""What the customers of each tier did in the quarter after, with intervals."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_value import SeparationSettings
from crm_analysis.segmentation.separation import usable_origins

_CHUNK = 20
NEXT_QUARTER_SCHEMA: ResultSchema = dict.fromkeys(
    ["origin_date", "tier", "customer_count", "repurchase_rate", "repurchase_rate_low", "repurchase_rate_high",
     "next_spend_amount_mean", "next_spend_amount_mean_low", "next_spend_amount_mean_high", "earlier_count",
     "earlier_rate"],
    OPEN,
)  # fmt: skip


def next_quarter_table(panel: pd.DataFrame, *, settings: SeparationSettings) -> pd.DataFrame:
    """Return the repurchase rate and the mean spend of each tier in the quarter after the latest origin.

    columns of ``PANEL_SCHEMA`` (:mod:`~crm_analysis.segmentation.separation`) -> columns of ``NEXT_QUARTER_SCHEMA``,
    highest rate first, tiers that are too small last; no rows without an origin that can be used

    Notes
    -----
    The tier is that at the quarter's start. 95 % intervals: Wilson's for the rate, percentiles of resampled customers
    (by the seed) for the mean of the net spend, customers who bought nothing included. ``earlier_rate`` is the rate
    of the tier over the earlier origins, ``earlier_count`` its customers there, each counted once per origin. Rates
    and amounts of fewer than ``minimum_cell`` customers are empty.
    """
    from statsmodels.stats.proportion import proportion_confint

    origins = usable_origins(panel, settings=settings)
    if not origins:
        return pd.DataFrame(columns=list(NEXT_QUARTER_SCHEMA))
    latest = panel.loc[panel["origin_date"] == origins[-1]]
    earlier = panel.loc[panel["origin_date"].isin(origins[:-1])].groupby("tier")["is_repurchased"].agg(["size", "mean"])
    table = latest.groupby("tier")["is_repurchased"].agg(customer_count="size", bought="sum").reset_index()
    low, high = proportion_confint(table["bought"], table["customer_count"], method="wilson")
    table["repurchase_rate"] = table["bought"] / table["customer_count"]
    table["repurchase_rate_low"], table["repurchase_rate_high"] = np.asarray(low), np.asarray(high)
    spend = {str(tier): rows.to_numpy(dtype=float) for tier, rows in latest.groupby("tier")["next_spend_amount"]}
    means = np.array([_mean_interval(spend[str(tier)], settings=settings) for tier in table["tier"]])
    for place, name in enumerate(("", "_low", "_high")):
        table[f"next_spend_amount_mean{name}"] = np.round(means[:, place], 2)
    told = [name for name in NEXT_QUARTER_SCHEMA if name.startswith(("repurchase", "next_spend"))]
    table[told] = table[told].round(6).where(table["customer_count"] >= settings.minimum_cell)
    table["earlier_count"] = table["tier"].map(earlier["size"]).fillna(0).astype("int64")
    rate = table["tier"].map(earlier["mean"]).astype(float).round(6)
    table["earlier_rate"] = rate.where(table["earlier_count"] >= settings.minimum_cell)
    table["customer_count"] = table["customer_count"].astype("int64")
    table["origin_date"] = origins[-1]
    table = table.sort_values(["repurchase_rate", "tier"], ascending=[False, True], na_position="last")
    return table[list(NEXT_QUARTER_SCHEMA)].reset_index(drop=True)


def _mean_interval(values: npt.NDArray[np.float64], *, settings: SeparationSettings) -> tuple[float, float, float]:
    """Return the mean and the 2.5 and 97.5 % percentiles of the means of resamples."""
    rng = np.random.default_rng(settings.seed)
    means: list[npt.NDArray[np.float64]] = []
    for start in range(0, settings.resamples, _CHUNK):
        size = min(_CHUNK, settings.resamples - start)
        means.append(values[rng.integers(0, len(values), size=(size, len(values)))].mean(axis=1))
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return float(values.mean()), float(low), float(high)
