"""Pareto/NBD: customers buy at random while they are there, and are lost at random whether they buy or not.

Rates of purchase differ by a gamma distribution (``r``, ``alpha``: mean r / alpha per unit of time), rates of being
lost by another (``s``, ``beta``: mean s / beta). Schmittlein, Morrison & Colombo (1987).

The likelihood of being lost somewhere between the last purchase and the end of observation is an integral. With
``y = ((alpha + t_x) / (alpha + u))^(r + x + s)`` its integrand is bounded and nearly flat however many purchases there
are, so that a few Gauss points give it, and with the same points the gradient.
"""

from typing import NamedTuple

import numpy as np

from crm_analysis.churn.purchase_rows import Floats, PurchaseRows

PARAMETERS = ("r", "alpha", "s", "beta")
STARTS = ((0.5, 0.4, 0.5, 0.4), (1.0, 1.0, 1.0, 1.0), (0.3, 0.2, 1.0, 2.0), (3.0, 2.0, 0.3, 2.0))
_POINTS = 32
_CHUNK = 20_000


class _Lost(NamedTuple):
    """The integral over the moment of being lost, on a logarithmic scale, and means under it."""

    log_value: Floats
    log_alpha_u: Floats
    inverse_alpha_u: Floats
    log_beta_u: Floats
    inverse_beta_u: Floats


def log_likelihood(params: Floats, rows: PurchaseRows) -> tuple[float, Floats]:
    """Return the log-likelihood of all customers and its gradient with respect to ``r, alpha, s, beta``."""
    value, gradient = 0.0, np.zeros(4)
    for start in range(0, len(rows.x), _CHUNK):
        part = slice(start, start + _CHUNK)
        chunk = PurchaseRows(rows.x[part], rows.t_x[part], rows.T[part], rows.weight[part])
        found, slopes = _chunk_likelihood(params, chunk)
        value, gradient = value + found, gradient + slopes
    return value, gradient


def _chunk_likelihood(params: Floats, rows: PurchaseRows) -> tuple[float, Floats]:
    from scipy.special import digamma, gammaln

    r, alpha, s, beta = params
    k = r + rows.x
    log_a, log_b = np.log(alpha + rows.T), np.log(beta + rows.T)
    there = -k * log_a - s * log_b
    lost = _lost(params, rows)
    gone = np.log(s) + lost.log_value
    both = np.logaddexp(there, gone)
    alive = np.exp(there - both)
    dead = 1 - alive
    value = gammaln(k) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + both
    slopes = (
        digamma(k) - digamma(r) + np.log(alpha) - alive * log_a - dead * lost.log_alpha_u,
        r / alpha - k * (alive / (alpha + rows.T) + dead * lost.inverse_alpha_u),
        np.log(beta) - alive * log_b + dead * (1 / s - lost.log_beta_u),
        s / beta - alive * s / (beta + rows.T) - dead * (s + 1) * lost.inverse_beta_u,
    )
    return float(rows.weight @ value), np.array([rows.weight @ slope for slope in slopes])


def _lost(params: Floats, rows: PurchaseRows) -> _Lost:
    """Return the integral of (alpha + u)^-(r + x) (beta + u)^-(s + 1) from t_x to T, and means under its integrand."""
    r, alpha, s, beta = params
    k = (r + rows.x)[:, None]
    power = k + s
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    at_last, at_end = (alpha + rows.t_x)[:, None], (alpha + rows.T)[:, None]
    # y = w^3 softens what y does near 0; both ends in logarithms, for y may be too small for a float
    low = np.exp(power / 3 * np.log(at_last / at_end))
    half = -np.expm1(power / 3 * np.log(at_last / at_end)) / 2
    w = low + half * (nodes + 1)
    shrink = np.exp(3 / power * np.log(w))  # (alpha + t_x) / (alpha + u)
    beta_u = at_last / shrink + (beta - alpha)
    density = np.exp(-(s + 1) * np.log(beta_u * shrink / at_last)) * 3 * w**2 * weights
    total = density.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_value = np.log(total * half[:, 0] / power[:, 0]) - (power[:, 0]) * np.log(at_last[:, 0])
        share = np.where(total[:, None] > 0, density / total[:, None], 1 / _POINTS)

    def mean(values: Floats) -> Floats:
        return np.einsum("ij,ij->i", share, values)

    return _Lost(
        log_value,
        log_alpha_u=mean(np.log(at_last / shrink)),
        inverse_alpha_u=mean(shrink / at_last),
        log_beta_u=mean(np.log(beta_u)),
        inverse_beta_u=mean(1 / beta_u),
    )


def alive_probability(params: Floats, rows: PurchaseRows) -> Floats:
    """Return the probability that customers are still there at the end of observation."""
    r, alpha, s, beta = params
    found = np.empty(len(rows.x))
    for start in range(0, len(rows.x), _CHUNK):
        part = slice(start, start + _CHUNK)
        chunk = PurchaseRows(rows.x[part], rows.t_x[part], rows.T[part], rows.weight[part])
        gone = np.log(s) + _lost(params, chunk).log_value
        with np.errstate(over="ignore"):
            odds = np.exp(gone + (r + chunk.x) * np.log(alpha + chunk.T) + s * np.log(beta + chunk.T))
        found[part] = 1 / (1 + odds)
    return found


def future_if_alive(params: Floats, x: Floats, T: Floats, horizon: float) -> Floats:
    """Return the purchases expected in ``horizon`` after ``T`` from customers who are there at ``T``."""
    r, alpha, s, beta = params
    return (r + x) / (alpha + T) * _lifetime(s, beta + T, horizon)


def population_expectation(params: Floats, time: Floats) -> Floats:
    """Return the repeat purchases E[X(t)] expected of a new customer in ``time``."""
    r, alpha, s, beta = params
    time = np.asarray(time, dtype=float)
    return r / alpha * _lifetime(s, np.full_like(time, beta), time)


def _lifetime(s: float, beta: Floats, time: Floats | float) -> Floats:
    """Return how long a customer is expected to be there of the coming ``time``.

    beta / (s - 1) (1 - (beta / (beta + t))^(s - 1)), with ``(1 - e^-z) / z``, so that s = 1 is no exception.
    """
    grown = np.log1p(time / beta)
    z = (s - 1) * grown
    with np.errstate(invalid="ignore", divide="ignore"):
        return beta * grown * np.where(np.abs(z) < 1e-12, 1.0, -np.expm1(-z) / z)
