"""Risk signals of single customers, each with its own number, and how many show them (REQUIREMENTS C3).

Every signal is yes, no, or empty where a customer's own past is too short to say. No signal is a verdict: how often
customers who showed it left, against those who did not, is in :mod:`crm_analysis.churn.signal_record`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings_signals import SignalSettings
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.churn.signal_facts import LOG_SCALE

SIGNALS = ("frequency_down", "silence", "basket_down", "reply_slower", "complaints", "survey_drop", "contract_end",
           "contact_changed")  # fmt: skip
_NUMBERS = ("falling_probability", "yearly_rate_before", "yearly_rate_now", "silence_probability", "silence_ratio",
            "basket_change_rate", "basket_p_value", "reply_hours_before", "reply_hours_now", "complaint_count",
            "survey_drop_score", "contract_days_left", "change_count")  # fmt: skip
SIGNALS_SCHEMA: ResultSchema = {"customer_id": DIRECT} | dict.fromkeys(
    [*_NUMBERS, *(f"is_{name}" for name in SIGNALS), "signal_count"], SENSITIVE
)
SIGNAL_COUNTS_SCHEMA: ResultSchema = dict.fromkeys(
    [
        "signal",
        "tier",
        "customer_count",
        "assessed_count",
        "flagged_count",
        "flagged_rate",
        "is_assessable",
        "is_hidden",
    ],
    OPEN,
)
WHOLE = "all"
_YEAR = 365
_DIGITS = 6
_MOST_SHAPE = 1000.0

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GammaPrior:
    """Purchase rates of the customers: gamma distributed with mean ``shape / days`` purchases per day."""

    shape: float
    days: float


def fit_rate_prior(counts: Array, days: Array) -> GammaPrior:
    """Fit the spread of purchase rates by moments.

    Parameters
    ----------
    counts, days
        Purchases and days of observation of each customer.

    Returns
    -------
    GammaPrior
        Mean and variance of the rates. Where counts vary no more than chance makes them, all customers count as equally
        busy (a shape of 1000). Without a purchase the shape is null.

    Notes
    -----
    Under Poisson counts ``E[(x - m t)^2] = m t + v t^2``; ``m`` is the sum of counts over that of days, ``v`` the sum
    of both sides solved for it.
    """
    known = days > 0
    x, t = counts[known], days[known]
    mean = float(x.sum() / t.sum()) if known.any() else 0.0
    if mean <= 0:
        return GammaPrior(float("nan"), float("nan"))
    variance = float((((x - mean * t) ** 2) - mean * t).sum() / (t**2).sum())
    shape = _MOST_SHAPE if variance <= 0 else min(mean**2 / variance, _MOST_SHAPE)
    return GammaPrior(shape, shape / mean)


def falling_probability(
    recent: Array, *, recent_days: float, past: Array, past_days: Array, prior: GammaPrior
) -> Array:
    """Return the probability that the recent rate of purchases lies below the rate of the customer's own past.

    Parameters
    ----------
    recent, past
        Purchases in the recent window and before it.
    recent_days, past_days
        Days of the windows.

    Notes
    -----
    The past rate has the population's gamma prior: a few purchases in a short time do not make a busy customer, who
    would then seem to slow down. The recent rate has Jeffreys' prior, which pulls to no mean: with the population's,
    every busy customer would seem to fall, because few recent days weigh little against it. For two gamma variables the
    probability is exact: ``P(G1 / r < G2 / p)`` = the beta distribution at ``r / (r + p)``.

    Examples
    --------
    >>> prior = GammaPrior(shape=1.0, days=50.0)
    >>> float(falling_probability(np.array([0.0]), recent_days=90, past=np.array([12.0]), past_days=np.array([360.0]),
    ...                           prior=prior)[0].round(3))
    0.976
    """
    from scipy.special import betainc

    place = recent_days / (recent_days + prior.days + past_days)
    return betainc(0.5 + recent, prior.shape + past, place)


def silence_probability(recency: Array, *, gaps: Array, gap_days: Array, prior: GammaPrior) -> Array:
    """Return the probability of a silence at least as long, from the customer's own rhythm up to the last purchase.

    Notes
    -----
    Posterior predictive of the gamma-Poisson model: ``((b + t) / (b + t + recency)) ** (a + x)`` for ``x`` purchases
    after the first in ``t`` days. As if the customer were still buying as before.

    Examples
    --------
    >>> float(silence_probability(np.array([100.0]), gaps=np.array([9.0]), gap_days=np.array([250.0]),
    ...                           prior=GammaPrior(shape=1.0, days=50.0))[0].round(4))
    0.0563
    """
    known = prior.days + gap_days
    return (known / (known + recency)) ** (prior.shape + gaps)


def signals_table(facts: pd.DataFrame, *, settings: SignalSettings) -> pd.DataFrame:
    """Return the signals of every active customer and their numbers.

    columns of ``SIGNAL_FACTS_SCHEMA`` -> columns of ``SIGNALS_SCHEMA``, in the order of the facts

    Returns
    -------
    pandas.DataFrame
        ``is_frequency_down``: :func:`falling_probability` from ``falling_probability`` on. ``is_silence``:
        :func:`silence_probability` below the limit; ``silence_ratio`` is recency / mean gap. ``is_basket_down``: the
        typical order (mean of logarithms) fell by ``basket_drop`` and more, and a one-sided t-test says so.
        ``is_reply_slower``: median hours at least ``reply_ratio`` times those before. ``is_contract_end``: the latest
        contract ends within ``contract_days`` or ended up to ``contract_grace_days`` ago, without a later one.
        Flags are empty where the customer cannot be assessed; ``signal_count`` counts those that are true.

    Notes
    -----
    The variance of the t-test is that of the customer's orders, drawn to the one usual within customers with the weight
    of ``basket_prior_orders`` degrees of freedom (Smyth 2004): three equal orders do not prove that all are equal.
    """
    table = pd.DataFrame({"customer_id": facts["customer_id"].astype("str")})
    number = {str(name): facts[name].to_numpy(dtype=float, na_value=np.nan) for name in facts if name != "customer_id"}
    flags = {
        **_rhythm(table, number, settings=settings),
        "basket_down": _basket(table, number, settings=settings),
        "reply_slower": _reply(table, number, settings=settings),
        **_plain(table, number, settings=settings),
    }
    for name in SIGNALS:
        flag, is_known = flags[name]
        table[f"is_{name}"] = pd.array(flag, dtype="boolean")
        table.loc[~is_known, f"is_{name}"] = pd.NA
    counts = [table[f"is_{name}"].fillna(False).to_numpy(dtype="int64") for name in SIGNALS]
    table["signal_count"] = np.sum(counts, axis=0)
    return table.round(dict.fromkeys(_NUMBERS, _DIGITS))[list(SIGNALS_SCHEMA)]


Flag = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def _rhythm(table: pd.DataFrame, number: dict[str, Array], *, settings: SignalSettings) -> dict[str, Flag]:
    """Add frequency and silence; return their flags and where they are known."""
    past, past_days = number["purchase_count_past"], number["past_days"]
    is_long = past_days >= settings.minimum_past_days
    prior = fit_rate_prior(past[is_long], past_days[is_long])
    has_prior = prior.shape == prior.shape  # null is unequal to itself
    is_known = is_long & (past >= settings.minimum_past_purchases) & has_prior
    recent = number["purchase_count_recent"]
    falling = falling_probability(
        recent, recent_days=settings.recent_days, past=past, past_days=past_days, prior=prior
    )  # fmt: skip
    table["falling_probability"] = np.where(is_known, falling, np.nan)
    before = past / np.where(past_days > 0, past_days, np.nan) * _YEAR
    table["yearly_rate_before"] = np.where(is_known, before, np.nan)
    table["yearly_rate_now"] = np.where(is_known, recent / settings.recent_days * _YEAR, np.nan)
    gaps, gap_days = number["gap_count"], number["gap_total_days"]
    has_rhythm = (gaps >= settings.minimum_gaps) & has_prior
    silence = silence_probability(number["recency_days"], gaps=gaps, gap_days=gap_days, prior=prior)
    ratio = number["recency_days"] * gaps / np.where(gap_days > 0, gap_days, np.nan)
    table["silence_probability"] = np.where(has_rhythm, silence, np.nan)
    table["silence_ratio"] = np.where(has_rhythm, ratio, np.nan)
    return {
        "frequency_down": (falling >= settings.falling_probability, is_known),
        "silence": (silence < settings.silence_probability, has_rhythm),
    }


def _basket(table: pd.DataFrame, number: dict[str, Array], *, settings: SignalSettings) -> Flag:
    from scipy.special import stdtr

    means, squares, counts = {}, {}, {}
    for name in ("recent", "past"):
        n = np.nan_to_num(number[f"order_count_{name}"])
        sums, of_squares = (number[f"log_{what}_{name}"] / LOG_SCALE**power
                            for what, power in (("sum", 1), ("square_sum", 2)))  # fmt: skip
        some = np.where(n > 0, n, np.nan)
        means[name], counts[name] = sums / some, n
        squares[name] = np.nan_to_num(np.maximum(of_squares - sums**2 / some, 0.0))
    free = np.maximum(counts["recent"] - 1, 0) + np.maximum(counts["past"] - 1, 0)
    within = squares["recent"] + squares["past"]
    usual = float(within.sum() / free.sum()) if free.sum() > 0 else 0.0
    weight = settings.basket_prior_orders
    variance = (weight * usual + within) / (weight + free)
    change = means["recent"] - means["past"]
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(variance * (1 / counts["recent"] + 1 / counts["past"]))
        p_value = stdtr(weight + free, np.where(change == 0, 0.0, change / error))
    is_known = np.minimum(counts["recent"], counts["past"]) >= settings.minimum_orders
    rate = np.expm1(change)
    table["basket_change_rate"] = np.where(is_known, rate, np.nan)
    table["basket_p_value"] = np.where(is_known, p_value, np.nan)
    return (rate <= -settings.basket_drop) & (p_value < settings.basket_p), is_known


def _reply(table: pd.DataFrame, number: dict[str, Array], *, settings: SignalSettings) -> Flag:
    is_known = np.minimum(number["reply_count_recent"], number["reply_count_past"]) >= settings.minimum_replies
    now, before = number["reply_hours_recent"], number["reply_hours_past"]
    table["reply_hours_before"], table["reply_hours_now"] = (np.where(is_known, each, np.nan) for each in (before, now))
    return (now >= settings.reply_ratio * before) & (now > before), is_known


def _plain(table: pd.DataFrame, number: dict[str, Array], *, settings: SignalSettings) -> dict[str, Flag]:
    complaints, left, changes = number["complaint_count"], number["contract_days_left"], number["change_count"]
    drop = number["survey_score_before"] - number["survey_score_last"]
    table["complaint_count"], table["survey_drop_score"] = complaints, drop
    table["contract_days_left"], table["change_count"] = left, changes
    is_ending = (left >= -settings.contract_grace_days) & (left <= settings.contract_days)
    return {
        "complaints": (complaints >= settings.complaints, ~np.isnan(complaints)),
        "survey_drop": (np.round(drop, _DIGITS) >= settings.survey_drop, ~np.isnan(drop)),
        "contract_end": (is_ending, ~np.isnan(left)),
        "contact_changed": (changes > 0, ~np.isnan(changes)),
    }


def signal_counts_table(
    signals: pd.DataFrame, tiers: pd.DataFrame, *, settings: SignalSettings, order: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Return how many customers show each signal, over all and by tier.

    columns of ``SIGNALS_SCHEMA`` and ``customer_id, tier`` as of the same day -> columns of ``SIGNAL_COUNTS_SCHEMA``

    Parameters
    ----------
    order
        Tiers from best to worst; others follow by name.

    Returns
    -------
    pandas.DataFrame
        ``assessed_count``: customers of whom the signal can be told at all, ``flagged_rate`` is of them. Counts below
        ``minimum_cell`` and those that would give them away are hidden; 0 is shown. Where fewer than ``minimum_group``
        customers can be assessed, nothing is told (``is_assessable``): none of a few says nothing of the others.
    """
    joined = signals.merge(tiers[["customer_id", "tier"]], on="customer_id", how="left", validate="one_to_one")
    joined["tier"] = joined["tier"].astype("object").where(joined["tier"].notna(), "joined")
    place = {tier: number for number, tier in enumerate(order)}
    names = sorted(joined["tier"].unique(), key=lambda tier: (place.get(tier, len(place)), tier))
    sizes = joined["tier"].value_counts().reindex(names, fill_value=0)
    frames = []
    for name in SIGNALS:
        flag = joined[f"is_{name}"].astype("boolean")
        by_tier = pd.DataFrame({
            "customer_count": sizes,
            "assessed_count": flag.notna().groupby(joined["tier"]).sum().reindex(names),
            "flagged_count": flag.fillna(False).astype("int64").groupby(joined["tier"]).sum().reindex(names),
        })  # fmt: skip
        whole = by_tier.sum().to_frame().T.set_axis([WHOLE])
        hidden = hidden_cells(by_tier["flagged_count"], minimum=settings.minimum_cell)
        few = (whole["flagged_count"] > 0) & (whole["flagged_count"] < settings.minimum_cell)
        rows = pd.concat([whole.assign(is_hidden=few), by_tier.assign(is_hidden=hidden)])
        frames.append(rows.rename_axis("tier").reset_index().assign(signal=name))
    table = pd.concat(frames, ignore_index=True)
    table["is_assessable"] = table["assessed_count"] >= settings.minimum_group
    shown = table["flagged_count"].astype(float).mask(table["is_hidden"].astype(bool) | ~table["is_assessable"])
    table["flagged_rate"] = (shown / table["assessed_count"].where(table["assessed_count"] > 0)).round(_DIGITS)
    table["flagged_count"] = shown
    kinds = {"customer_count": "int64", "assessed_count": "int64", "is_assessable": "bool", "is_hidden": "bool",
             "tier": "str", "signal": "str"}  # fmt: skip
    return table[list(SIGNAL_COUNTS_SCHEMA)].astype(kinds)
