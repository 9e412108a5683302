"""Gamma-Gamma: what a purchase of a customer is worth, from the mean of those seen (REQUIREMENTS C5).

Amounts vary about each customer's own mean, and these means differ between customers: the fewer repeat purchases, the
more the expectation leans on that of all. Fader & Hardie (2013). It takes how often and for how much customers buy as
unrelated; :func:`crm_analysis.churn.purchase_checks.check_independence` looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.errors import InsufficientDataError, Problem
from crm_analysis.churn.optimum import maximise
from crm_analysis.churn.purchase_model import significant
from crm_analysis.churn.purchase_rows import Floats

PARAMETERS = ("p", "q", "v")
_STARTS = ((5.0, 4.0, 0.5), (1.0, 2.0, 1.0), (20.0, 3.0, 0.1), (2.0, 10.0, 5.0))


@dataclass(frozen=True)
class SpendModel:
    """A fitted Gamma-Gamma model; see :class:`~crm_analysis.churn.purchase_model.PurchaseModel` for the fields."""

    params: Mapping[str, float]
    log_likelihood: float
    n: int
    covariance: Floats
    converged: bool

    @property
    def values(self) -> Floats:
        """Parameters ``p, q, v``."""
        return np.array(list(self.params.values()))

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard errors of the parameters, by the delta method."""
        errors = self.values * np.sqrt(np.diag(self.covariance))
        return {name: float(error) for name, error in zip(self.params, errors, strict=True)}

    @property
    def population_amount(self) -> float:
        """Mean amount of a purchase over all customers."""
        p, q, v = self.values
        return float(p * v / (q - 1))

    def moved(self, log_step: Floats) -> "SpendModel":
        """Return the model with its parameters moved on the scale of logarithms."""
        params = dict(zip(self.params, map(float, self.values * np.exp(log_step)), strict=True))
        return SpendModel(params, self.log_likelihood, self.n, self.covariance, self.converged)

    def expected_amount(self, summary: pd.DataFrame) -> Floats:
        """Return E[M]: the mean amount of a future purchase of each customer.

        ``repeat_count, repeat_mean_amount`` -> one number per row; that of all customers where no repeat is known
        """
        x = summary["repeat_count"].to_numpy(dtype=float)
        mean = summary["repeat_mean_amount"].to_numpy(dtype=float, na_value=np.nan)
        x = np.where(mean > 0, x, 0.0)  # comparisons with NaN are false
        p, q, v = self.values
        return p * (v + x * np.where(x > 0, mean, 0.0)) / (p * x + q - 1)

    def to_document(self) -> dict[str, Any]:
        """Return the fit as plain values; :meth:`from_document` reads it back."""
        return {
            "params": {name: significant(value) for name, value in self.params.items()},
            "standard_errors": {name: significant(value) for name, value in self.standard_errors.items()},
            "log_likelihood": round(self.log_likelihood, 4),
            "n": self.n,
            "covariance": [[significant(float(value)) for value in row] for row in self.covariance],
            "is_converged": self.converged,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "SpendModel":
        """Read what :meth:`to_document` wrote, in whatever order its keys are."""
        covariance = np.array(document["covariance"], dtype=float)
        params = {name: document["params"][name] for name in ("p", "q", "v")}
        return cls(params, document["log_likelihood"], document["n"], covariance, document["is_converged"])


def repeaters_of(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the customers with a repeat purchase whose mean amount is above 0."""
    return summary.loc[(summary["repeat_count"] > 0) & (summary["repeat_mean_amount"] > 0)]


def fit_spend(summary: pd.DataFrame, *, minimum_repeaters: int = 2) -> SpendModel:
    """Fit Gamma-Gamma by maximum likelihood on the customers with a repeat purchase.

    ``repeat_count, repeat_mean_amount`` -> model

    Raises
    ------
    InsufficientDataError
        Fewer than ``minimum_repeaters`` repeaters, or all of them with the same mean amount.

    Notes
    -----
    Amounts are divided by their mean for the search, so that the currency plays no part in it. A fit whose ``q`` is at
    most 1 has no finite mean and counts as not converged.
    """
    kept = repeaters_of(summary)
    if len(kept) < minimum_repeaters:
        what = f"{len(kept)} customers have a repeat purchase, {minimum_repeaters} are needed"
        raise InsufficientDataError(Problem(what, "amounts of purchases", "take a longer history"))
    if kept["repeat_mean_amount"].nunique() < 2:
        what = "all customers have the same mean amount"
        raise InsufficientDataError(Problem(what, "amounts of purchases", "use that amount as it is"))
    values = kept[["repeat_count", "repeat_mean_amount"]].astype("float64")
    rows = values.groupby(["repeat_count", "repeat_mean_amount"], sort=True).size().rename("weight").reset_index()
    x, mean, weight = (rows[name].to_numpy(dtype=float) for name in rows)
    unit, n = float(np.average(mean, weights=weight)), float(weight.sum())
    scaled = mean / unit
    found = maximise(lambda params: log_likelihood(params, x, scaled, weight), _STARTS, n=n)
    p, q, v = (float(value) for value in found.params)
    params = {"p": p, "q": q, "v": v * unit}
    value = found.log_likelihood - n * float(np.log(unit))
    return SpendModel(params, value, int(n), found.covariance, found.converged and q > 1)


def log_likelihood(params: Floats, x: Floats, mean: Floats, weight: Floats) -> tuple[float, Floats]:
    """Return the log-likelihood of mean amounts of ``x`` purchases, and its gradient with respect to ``p, q, v``."""
    from scipy.special import digamma, gammaln

    p, q, v = params
    px = p * x
    log_sum, log_total = np.log(x * mean), np.log(x * mean + v)
    value = (
        gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(v) - np.log(mean) + px * log_sum - (px + q) * log_total
    )
    joint = digamma(px + q)
    slopes = (
        x * (joint - digamma(px) + log_sum - log_total),
        joint - digamma(q) + np.log(v) - log_total,
        q / v - (px + q) / (x * mean + v),
    )
    return float(weight @ value), np.array([weight @ slope for slope in slopes])
