"""BG/NBD and MBG/NBD: customers buy at random while they are there, and may be lost after each purchase.

Rates of purchase differ by a gamma distribution (``r``, ``alpha``: mean r / alpha per unit of time), chances of being
lost by a beta distribution (``a``, ``b``: mean a / (a + b)). In BG/NBD a customer can be lost from the first repeat
purchase on, so that one-time buyers count as there for ever; in MBG/NBD from the first purchase on (``first`` = 1).

Fader, Hardie & Lee (2005) "Counting your customers" the easy way; Batislam, Denizel & Filiztekin (2007). Expectations
are written so that nothing overflows for customers with very many purchases (Euler's transformation of the
hypergeometric function).
"""

import numpy as np
import numpy.typing as npt

from crm_analysis.churn.purchase_rows import Floats, PurchaseRows

PARAMETERS = ("r", "alpha", "a", "b")
#: Where the search begins, with the mean age of customers as the unit of time.
STARTS = ((0.5, 0.5, 0.7, 2.0), (1.0, 1.0, 1.0, 1.0), (0.2, 0.1, 2.0, 6.0), (3.0, 3.0, 0.3, 3.0))
#: Distance from a removable pole within which values are taken from both sides of it.
_NEAR = 1e-4
#: Excess of the third parameter over the first two from which terms of the series fall with this power at least.
_FAST = 12.0
_MOST_TERMS = 5000


def log_likelihood(params: Floats, rows: PurchaseRows, *, first: int) -> tuple[float, Floats]:
    """Return the log-likelihood of all customers and its gradient.

    Parameters
    ----------
    params
        ``r, alpha, a, b``.
    first
        0 for BG/NBD, 1 for MBG/NBD: whether a customer can be lost after the first purchase.
    """
    from scipy.special import betaln, digamma, gammaln

    r, alpha, a, b = params
    x, n = _by_count(rows.x)
    tried = x + first  # purchases after which the customer could have been lost
    gammas = gammaln(r + x) - gammaln(r)
    stayed = (betaln(a, b + tried) - betaln(a, b))[n]
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(tried > 0, betaln(a + 1, b + np.maximum(tried - 1, 0)) - betaln(a, b), -np.inf)[n]
    log_end, log_last = np.log(alpha + rows.T), np.log(alpha + rows.t_x)
    there, gone = stayed - (r + rows.x) * log_end, lost - (r + rows.x) * log_last
    both = np.logaddexp(there, gone)
    alive = np.exp(there - both)
    value = gammas[n] + r * np.log(alpha) + both

    dead = 1 - alive
    before = np.maximum(b + tried - 1, np.finfo(float).tiny)
    slopes = (
        (digamma(r + x) - digamma(r))[n] + np.log(alpha) - alive * log_end - dead * log_last,
        r / alpha - (r + rows.x) * (alive / (alpha + rows.T) + dead / (alpha + rows.t_x)),
        dead / a + (digamma(a + b) - digamma(a + b + tried))[n],
        (digamma(b + tried) - digamma(a + b + tried) - digamma(b) + digamma(a + b))[n]
        - dead * np.where(tried > 0, 1 / before, 0.0)[n],
    )
    return float(rows.weight @ value), np.array([rows.weight @ slope for slope in slopes])


def _by_count(x: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Return all counts up to the largest and each row's place among them: costly functions are taken once each."""
    places = x.astype(np.intp)
    if len(x) and places.max() > 4 * len(x):
        found, inverse = np.unique(x, return_inverse=True)
        return found, inverse
    return np.arange(places.max() + 1.0) if len(x) else np.zeros(0), places


def alive_probability(params: Floats, rows: PurchaseRows, *, first: int) -> Floats:
    """Return the probability that customers are still there at the end of observation; 1 for one-time buyers if 0."""
    r, alpha, a, b = params
    tried = rows.x + first
    with np.errstate(divide="ignore", over="ignore"):
        log_odds = np.log(a) - np.log(np.maximum(b + tried - 1, 0)) + (r + rows.x) * (
            np.log(alpha + rows.T) - np.log(alpha + rows.t_x)
        )  # fmt: skip
        return np.where(tried > 0, 1 / (1 + np.exp(log_odds)), 1.0)


def future_if_alive(params: Floats, x: Floats, T: Floats, horizon: float, *, first: int) -> Floats:
    """Return the purchases expected in ``horizon`` after ``T`` from customers who are there at ``T``."""
    r, alpha, a, b = params
    return _expected(r + x, alpha + T, a, b + x + first, horizon)


def population_expectation(params: Floats, time: Floats, *, first: int) -> Floats:
    """Return the repeat purchases E[X(t)] expected of a new customer in ``time``."""
    r, alpha, a, b = params
    stays = b / (a + b) if first else 1.0
    time = np.asarray(time, dtype=float)
    return stays * _expected(np.full_like(time, r), np.full_like(time, alpha), a, np.full_like(time, b + first), time)


def _expected(shape: Floats, rate: Floats, a: float, b: Floats, time: Floats | float) -> Floats:
    """Return E[X(t)] of gamma(shape, rate) purchase rates and beta(a, b) chances of being lost after each purchase.

    (a + b - 1) / (a - 1) * (1 - (rate / (rate + t))^shape 2F1(shape, b; a + b - 1; t / (rate + t))), with poles at
    a = 1 and a + b = 1 that cancel; near them the value is read off a line through both sides.
    """
    if abs(a - 1) < _NEAR:
        low, high = (_expected(shape, rate, 1 + side, b, time) for side in (-2 * _NEAR, 2 * _NEAR))
        return low + (high - low) * ((a - 1) / (4 * _NEAR) + 0.5)
    near = np.abs(a + b - 1) < _NEAR
    if near.any():
        low, high = (_plain(shape, rate, a, np.where(near, 1 - a + side, b), time) for side in (-2 * _NEAR, 2 * _NEAR))
        return np.where(near, low + (high - low) * ((a + b - 1) / (4 * _NEAR) + 0.5), low)
    return _plain(shape, rate, a, b, time)


def _plain(shape: Floats, rate: Floats, a: float, b: Floats, time: Floats | float) -> Floats:
    left = rate / (rate + time)
    total = a + b - 1
    # the form whose series stays finite as time grows
    as_written = a - 1 > shape
    first, second = np.where(as_written, shape, total - shape), np.where(as_written, b, a - 1)
    power = np.where(as_written, shape, a - 1)
    series = _hypergeometric(first, second, total, 1 - left)
    return np.maximum(total / (a - 1) * (1 - left**power * series), 0.0)


def _hypergeometric(first: Floats, second: Floats, third: Floats, z: Floats) -> Floats:
    """Return 2F1(first, second; third; z) for 0 <= z < 1.

    Near z = 1, SciPy goes over to series in 1 - z, whose coefficients overflow when ``third`` is large. There the plain
    series converges quickly, and is summed here.
    """
    from scipy.special import hyp2f1

    first, second, third, z = np.broadcast_arrays(first, second, third, z)
    fast = (z > 0.5) & (third - first - second > _FAST)
    found = np.empty(z.shape)
    found[~fast] = hyp2f1(first[~fast], second[~fast], third[~fast], z[~fast])
    a, b, c, at = first[fast], second[fast], third[fast], z[fast]
    term, total = np.ones(len(at)), np.ones(len(at))
    for k in range(_MOST_TERMS):
        term = term * ((a + k) * (b + k) / ((c + k) * (1 + k)) * at)
        total += term
        if (np.abs(term) <= 1e-17 * np.abs(total)).all():
            break
    found[fast] = total
    return found
