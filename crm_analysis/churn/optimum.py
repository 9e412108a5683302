"""Maximum likelihood for positive parameters: gradient ascent on their logarithms, finished by Newton steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from crm_analysis.churn.purchase_rows import Floats

#: Log-likelihood and its gradient with respect to the parameters themselves.
Likelihood = Callable[[Floats], tuple[float, Floats]]
#: Logarithms beyond these bounds mean that the data do not pin a parameter down.
BOUND = 12.0
#: Slope of the mean log-likelihood of a customer, on the scale of logarithms, below which a fit has converged.
FLAT = 1e-6
#: Standard error of the logarithm of a parameter from which the data do not pin it down: a factor of 50.
LOOSE = 4.0
_STEP = 1e-4
_NEWTON_STEPS = 8


@dataclass(frozen=True)
class Optimum:
    """Where the likelihood is highest.

    Attributes
    ----------
    params
        Parameters, on their own scale.
    covariance
        Inverse of the observed information, of the logarithms of the parameters; NaN where it does not exist.
    converged
        The slope is flat, the likelihood curves down in every direction, and every parameter is pinned down.
    """

    params: Floats
    log_likelihood: float
    covariance: Floats
    converged: bool


def maximise(likelihood: Likelihood, starts: Sequence[Sequence[float]], *, n: float) -> Optimum:
    """Return the parameters with the highest likelihood.

    Parameters
    ----------
    likelihood
        Of parameters, all above 0.
    starts
        Where to begin; later ones are tried only while none has converged, and the best is returned.
    n
        Customers: the likelihood is maximised per customer.

    Notes
    -----
    Runs on one thread: with matrices this small, several only wait for each other.
    """
    best: Optimum | None = None
    with threadpool_limits(limits=1, user_api="blas"):
        for start in starts:
            found = _climb(likelihood, np.log(np.asarray(start, dtype=float)), n=n)
            if best is None or (found.converged, found.log_likelihood) > (best.converged, best.log_likelihood):
                best = found
            if best.converged:
                break
    assert best is not None
    return best


def _climb(likelihood: Likelihood, start: Floats, *, n: float) -> Optimum:
    from scipy.optimize import minimize

    def loss(log_params: Floats) -> tuple[float, Floats]:
        params = np.exp(log_params)
        value, gradient = likelihood(params)
        return -value / n, -gradient * params / n

    with np.errstate(over="ignore", invalid="ignore"):
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(-BOUND, BOUND)] * len(start),
                         options={"ftol": 1e-13, "gtol": 1e-5, "maxiter": 500, "maxcor": 10})  # fmt: skip
        place, slope, curvature = _polish(loss, found.x)
    is_inside = bool((np.abs(place) < BOUND - 0.01).all())
    curves = is_inside and bool(np.isfinite(curvature).all()) and bool((np.linalg.eigvalsh(curvature) > 1e-9).all())
    covariance = np.full(curvature.shape, np.nan)
    if curves:
        covariance[:] = np.linalg.inv(curvature) / n
    is_pinned = curves and bool((np.diag(covariance) < LOOSE**2).all())
    flat = bool(np.abs(slope).max() < FLAT)
    return Optimum(np.exp(place), -loss(place)[0] * n, covariance, is_pinned and flat)


def _polish(loss: Callable[[Floats], tuple[float, Floats]], place: Floats) -> tuple[Floats, Floats, Floats]:
    """Take Newton steps while they lead down; return where they end, with slope and curvature there."""
    value, slope = loss(place)
    curvature = _curvature(loss, place)
    is_moved = False
    for _ in range(_NEWTON_STEPS):
        if np.abs(slope).max() < FLAT * 1e-3 or not np.isfinite(curvature).all():
            break
        if (np.linalg.eigvalsh(curvature) <= 0).any():
            break
        step = np.linalg.solve(curvature, slope)
        tried = place - step * min(1.0, 1.0 / np.abs(step).max())
        new_value, new_slope = loss(tried)
        if not new_value <= value + 1e-12 or np.abs(tried).max() > BOUND:
            break
        place, value, slope, is_moved = tried, new_value, new_slope, True
    return place, slope, _curvature(loss, place) if is_moved else curvature


def _curvature(loss: Callable[[Floats], tuple[float, Floats]], place: Floats) -> Floats:
    """Return the second derivatives, from central differences of the gradient."""
    rows = [(loss(place + step)[1] - loss(place - step)[1]) / (2 * _STEP) for step in _STEP * np.eye(len(place))]
    matrix = np.array(rows)
    return (matrix + matrix.T) / 2
