"""The same purchase models by Markov chains (extra ``crm-analysis[bayes]``), behind the same interface.

The posterior is told by the medians of the parameters and the covariance of their logarithms, so that everything
downstream is as after maximum likelihood.
"""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.errors import AnalysisError, Problem
from crm_analysis.base.settings_value_models import PurchaseModelName
from crm_analysis.churn.purchase_model import FAMILIES, PurchaseModel
from crm_analysis.churn.purchase_rows import purchase_rows

INSTALL = 'pip install "crm-analysis[bayes]"'
_CLASSES = {"bg_nbd": "BetaGeoModel", "mbg_nbd": "ModifiedBetaGeoModel", "pareto_nbd": "ParetoNBDModel"}
#: Above this value of the statistic R-hat chains have not met.
_CHAINS_MEET = 1.05


def missing_extra(where: str = "churn.value.estimation: bayes") -> Problem | None:
    """Return the problem that the extra is not installed, with the line that installs it, or None where it is."""
    if find_spec("pymc_marketing") is not None:
        return None
    fix = f"run: {INSTALL}; or set churn.value.estimation to maximum_likelihood"
    return Problem("the package pymc-marketing is not installed", where, fix)


def check_bayes() -> None:
    """Refuse to go on without the extra.

    Raises
    ------
    AnalysisError
        ``pymc-marketing`` is not installed; the message ends with the line that installs it.
    """
    problem = missing_extra()
    if problem is not None:
        raise AnalysisError(problem)


def fit_bayes(summary: pd.DataFrame, *, name: PurchaseModelName, seed: int, **sampling: Any) -> PurchaseModel:
    """Fit a purchase model by Markov chains with the priors of pymc-marketing.

    ``customer_id, repeat_count, age_at_last, age`` -> model; ``converged`` tells whether the chains met

    Parameters
    ----------
    sampling
        Passed to the sampler: ``draws``, ``tune``, ``chains``, ``cores``.

    Raises
    ------
    AnalysisError
        The extra is not installed.
    """
    check_bayes()
    from pymc_marketing import clv

    names = {"repeat_count": "frequency", "age_at_last": "recency", "age": "T"}
    data = summary[["customer_id", *names]].sort_values("customer_id").rename(columns=names)
    model = getattr(clv, _CLASSES[name])(data=data)
    model.fit(method="mcmc", random_seed=seed, progressbar=False, **sampling)
    family = FAMILIES[name]
    chains = np.log(np.stack([model.idata.posterior[parameter].to_numpy() for parameter in family.parameters]))
    logs = chains.reshape(len(family.parameters), -1)
    params = {
        parameter: float(np.exp(np.median(draws))) for parameter, draws in zip(family.parameters, logs, strict=True)
    }
    rows = purchase_rows(summary)
    value, _ = family.log_likelihood(np.array(list(params.values())), rows)
    repeaters = int(rows.weight[rows.x > 0].sum())
    meet = all(_r_hat(draws) < _CHAINS_MEET for draws in chains)
    return PurchaseModel(name, params, value, round(rows.n), repeaters, np.cov(logs), meet)


def _r_hat(draws: np.ndarray) -> float:
    """Return how far the halves of all chains differ in their means (Gelman et al. 2013); 1 when they do not.

    ``chains x draws`` -> number
    """
    half = draws.shape[1] // 2
    parts = np.concatenate([draws[:, :half], draws[:, half : 2 * half]])
    within, between = parts.var(axis=1, ddof=1).mean(), parts.mean(axis=1).var(ddof=1)
    return float(np.sqrt((half - 1) / half + between / within))
