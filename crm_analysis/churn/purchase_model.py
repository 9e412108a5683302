"""A fitted purchase model, whichever it is: one frozen object with the same few questions (REQUIREMENTS C5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.settings_value_models import PurchaseModelName
from crm_analysis.churn import purchase_bgnbd, purchase_pareto
from crm_analysis.churn.purchase_rows import Floats, PurchaseRows, purchase_rows

_DIGITS = 10


@dataclass(frozen=True)
class Family:
    """What a purchase model computes from its parameters."""

    parameters: tuple[str, ...]
    starts: tuple[tuple[float, ...], ...]
    log_likelihood: Callable[[Floats, PurchaseRows], tuple[float, Floats]]
    alive_probability: Callable[[Floats, PurchaseRows], Floats]
    future_if_alive: Callable[[Floats, Floats, Floats, float], Floats]
    population_expectation: Callable[[Floats, Floats], Floats]


def _bg(first: int) -> Family:
    module = purchase_bgnbd
    return Family(
        module.PARAMETERS,
        module.STARTS,
        partial(module.log_likelihood, first=first),
        partial(module.alive_probability, first=first),
        partial(module.future_if_alive, first=first),
        partial(module.population_expectation, first=first),
    )


FAMILIES: Mapping[PurchaseModelName, Family] = {
    "bg_nbd": _bg(0),
    "mbg_nbd": _bg(1),
    "pareto_nbd": Family(
        purchase_pareto.PARAMETERS,
        purchase_pareto.STARTS,
        purchase_pareto.log_likelihood,
        purchase_pareto.alive_probability,
        purchase_pareto.future_if_alive,
        purchase_pareto.population_expectation,
    ),
}
#: The parameter of each model that is a time.
TIME_PARAMETERS = frozenset({"alpha", "beta"})


@dataclass(frozen=True)
class PurchaseModel:
    """A purchase model with its parameters; times are in the unit of the summary it was fitted on (weeks).

    Attributes
    ----------
    name
        ``bg_nbd``, ``mbg_nbd`` or ``pareto_nbd``.
    params
        By name, in the order of the model.
    log_likelihood
        Of all customers.
    n, repeater_count
        Customers, and those with a repeat purchase.
    covariance
        Of the logarithms of the parameters: inverse of the observed information.
    converged
        Whether the search found a maximum; estimates of a fit that did not are no estimates.
    """

    name: PurchaseModelName
    params: Mapping[str, float]
    log_likelihood: float
    n: int
    repeater_count: int
    covariance: Floats
    converged: bool

    @property
    def values(self) -> Floats:
        """Parameters in the order of the model."""
        return np.array(list(self.params.values()))

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard errors of the parameters, by the delta method."""
        errors = self.values * np.sqrt(np.diag(self.covariance))
        return {name: float(error) for name, error in zip(self.params, errors, strict=True)}

    def moved(self, log_step: Floats) -> "PurchaseModel":
        """Return the model with its parameters moved on the scale of logarithms."""
        moved = self.values * np.exp(log_step)
        params = dict(zip(self.params, map(float, moved), strict=True))
        return PurchaseModel(self.name, params, self.log_likelihood, self.n, self.repeater_count, self.covariance,
                             self.converged)  # fmt: skip

    def expected_purchases(self, summary: pd.DataFrame, *, horizon: float) -> Floats:
        """Return the purchases expected of each customer in the time ``horizon`` after the summary.

        ``repeat_count, age_at_last, age`` -> one number per row
        """
        return self.alive_probability(summary) * self.future_if_alive(summary, horizon=horizon)

    def alive_probability(self, summary: pd.DataFrame) -> Floats:
        """Return the probability that each customer has not been lost.

        Notes
        -----
        Never to sort by: it is 1 for every one-time buyer of BG/NBD, however long ago that purchase was, and says
        nothing of how much a customer buys.
        """
        rows, places = _distinct(summary)
        return FAMILIES[self.name].alive_probability(self.values, rows)[places]

    def future_if_alive(self, summary: pd.DataFrame, *, horizon: float) -> Floats:
        """Return the purchases expected in ``horizon`` of each customer, given that he or she is still there."""
        pairs = summary[["repeat_count", "age"]].astype("float64")
        groups = pairs.groupby(["repeat_count", "age"], sort=True)
        places = groups.ngroup().to_numpy()
        distinct = groups.size().reset_index()
        x, age = (distinct[name].to_numpy(dtype=float) for name in ("repeat_count", "age"))
        return FAMILIES[self.name].future_if_alive(self.values, x, age, horizon)[places]

    def population_expectation(self, times: Floats | float) -> Floats:
        """Return E[X(t)]: the repeat purchases expected of a new customer in so much time."""
        return FAMILIES[self.name].population_expectation(self.values, np.asarray(times, dtype=float))

    def to_document(self) -> dict[str, Any]:
        """Return the fit as plain values; :meth:`from_document` reads it back."""
        return {
            "model": self.name,
            "params": {name: significant(value) for name, value in self.params.items()},
            "standard_errors": {name: significant(value) for name, value in self.standard_errors.items()},
            "log_likelihood": round(self.log_likelihood, 4),
            "n": self.n,
            "repeater_count": self.repeater_count,
            "covariance": [[significant(float(value)) for value in row] for row in self.covariance],
            "is_converged": self.converged,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "PurchaseModel":
        """Read what :meth:`to_document` wrote, in whatever order its keys are."""
        params = {name: document["params"][name] for name in FAMILIES[document["model"]].parameters}
        return cls(
            document["model"], params, document["log_likelihood"], document["n"],
            document["repeater_count"], np.array(document["covariance"], dtype=float), document["is_converged"],
        )  # fmt: skip


def significant(value: float) -> float | None:
    """Return a number to ten significant digits, ``None`` for none: what is stored must not depend on the machine."""
    return float(f"{value:.{_DIGITS - 1}e}") if np.isfinite(value) else None


def _distinct(summary: pd.DataFrame) -> tuple[PurchaseRows, Any]:
    """Return the distinct rows and each customer's place among them."""
    names = ["repeat_count", "age_at_last", "age"]
    places = summary[names].astype("float64").groupby(names, sort=True).ngroup().to_numpy()
    return purchase_rows(summary), places
