"""Whether predicted probabilities come true at the held-out origins (REQUIREMENTS C2)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.intervals import wilson
from crm_analysis.base.privacy import OPEN, ResultSchema

CALIBRATION_SCHEMA: ResultSchema = dict.fromkeys(
    ["model", "decile", "n", "predicted_rate", "observed_rate", "observed_low", "observed_high"], OPEN
)  # fmt: skip
#: Origins below which nothing is said of how calibration moves between them.
_LEAST_ORIGINS = 3


def calibration_interval(backtest: pd.DataFrame, *, champion: Mapping[str, Any]) -> dict[str, Any]:
    """Return intercept and slope of the champion's calibration over the held-out origins, with their 95 % intervals.

    ``churn_backtest`` -> ``origin_count``, and per ``intercept`` and ``slope`` a triple of mean, low and high, which
    is ``None`` with fewer than three origins

    Notes
    -----
    Log-odds of churn regressed on predicted log-odds: 0 and 1 when probabilities come true. Student's t over origins,
    so that what moves from season to season is inside the interval.
    """
    from scipy.stats import t

    own = backtest.loc[backtest["model"] == champion["model"]] if champion["model"] is not None else backtest.head(0)
    found: dict[str, Any] = {"origin_count": len(own), "intercept": None, "slope": None}
    if len(own) < _LEAST_ORIGINS:
        return found
    for name in ("intercept", "slope"):
        values = own[f"calibration_{name}"].astype(float)
        half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
        middle = float(values.mean())
        found[name] = tuple(round(value, 6) for value in (middle, middle - half, middle + half))
    return found


def calibration_table(predictions: pd.DataFrame, *, champion: Mapping[str, Any]) -> pd.DataFrame:
    """Return predicted against observed rates by tenths of the champion's probability (result ``churn_calibration``).

    ``churn_predictions`` -> ``model, decile`` (1 lowest), ``n, predicted_rate, observed_rate`` and its 95 %
    interval ``observed_low, observed_high`` (Wilson; as if the rows of a customer were independent); equal
    probabilities never split, so that there may be fewer than ten rows
    """
    name = champion["model"]
    if predictions.empty or name is None:
        return pd.DataFrame(columns=list(CALIBRATION_SCHEMA))
    probability = predictions[f"{name}_probability"].astype(float)
    bins = pd.qcut(probability, 10, labels=False, duplicates="drop")
    table = (
        pd.DataFrame({"bin": bins.fillna(0), "p": probability, "y": predictions["is_churned"].astype(float)})
        .groupby("bin")
        .agg(n=("y", "size"), predicted_rate=("p", "mean"), observed_rate=("y", "mean"))
        .round(6)
        .reset_index(drop=True)
    )
    bounds = [wilson(round(rate * n), int(n)) for rate, n in zip(table["observed_rate"], table["n"], strict=True)]
    table["observed_low"], table["observed_high"] = [low for low, _ in bounds], [high for _, high in bounds]
    table["decile"] = np.arange(1, len(table) + 1)
    return table.assign(model=name)[list(CALIBRATION_SCHEMA)]
