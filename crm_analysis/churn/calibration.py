"""Whether predicted probabilities come true at the held-out origins (REQUIREMENTS C2)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.intervals import wilson
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.churn.measures import log_odds

CALIBRATION_SCHEMA: ResultSchema = dict.fromkeys(
    ["model", "decile", "n", "predicted_rate", "observed_rate", "observed_low", "observed_high"], OPEN
)  # fmt: skip
#: Origins below which nothing is said of how calibration moves between them.
_LEAST_ORIGINS = 3


def calibration_document(
    backtest: pd.DataFrame, predictions: pd.DataFrame, *, champion: Mapping[str, Any]
) -> dict[str, Any]:
    """Return intercept and slope of the champion's calibration at the held-out origins, with their 95 % intervals.

    ``churn_backtest`` and ``churn_predictions`` -> document

    Returns
    -------
    dict
        ``origin_count``, ``n`` predictions, ``intercept_least`` and ``intercept_most`` of single origins;
        ``interval_kind``: ``origins``, or ``customers`` with fewer than three
        origins; per ``intercept`` and ``slope`` a triple of value, low and high. The kind and both triples are ``None``
        without a champion, or where all its probabilities are equal.

    Notes
    -----
    Log-odds of churn regressed on predicted log-odds (Cox 1958): 0 (with the slope at 1) and 1 when probabilities come
    true. Over origins: mean and Student's t, so that what moves from season to season is inside the interval. Over
    customers: one regression of all predictions, its errors by the rows of a customer together; seasons are not inside.
    """
    own = backtest.loc[backtest["model"] == champion["model"]] if champion["model"] is not None else backtest.head(0)
    found: dict[str, Any] = {"origin_count": len(own), "n": int(own["n"].sum()), "interval_kind": None,
                             "intercept": None, "slope": None}  # fmt: skip
    if own.empty or own["calibration_slope"].isna().any():
        return found
    if len(own) < _LEAST_ORIGINS:
        return found | {"interval_kind": "customers"} | _over_customers(predictions, model=champion["model"])
    found |= {"intercept_least": float(own["calibration_intercept"].min()),
              "intercept_most": float(own["calibration_intercept"].max())}  # fmt: skip
    triples = {name: _over_origins(own[f"calibration_{name}"].astype(float)) for name in ("intercept", "slope")}
    return found | {"interval_kind": "origins"} | triples


def _over_origins(values: pd.Series) -> list[float]:
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    middle = float(values.mean())
    return [round(value, 6) for value in (middle, middle - half, middle + half)]


def _over_customers(predictions: pd.DataFrame, *, model: str) -> dict[str, list[float]]:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    odds = log_odds(predictions[f"{model}_probability"].to_numpy(dtype=float))
    churned = predictions["is_churned"].to_numpy(dtype=float)
    by_customer = {"cov_type": "cluster", "cov_kwds": {"groups": pd.factorize(predictions["customer_id"])[0]}}
    ones, binomial = np.ones((len(odds), 1)), Binomial()
    in_the_large = GLM(churned, ones, offset=odds, family=binomial).fit(**by_customer)
    line = GLM(churned, np.column_stack([ones, odds]), family=binomial).fit(**by_customer)
    return {name: [round(float(value), 6) for value in (fit.params[-1], *fit.conf_int()[-1])]
            for name, fit in (("intercept", in_the_large), ("slope", line))}  # fmt: skip


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
