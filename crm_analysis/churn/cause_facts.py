"""What can be said of a cause of churn in the customer's own numbers: facts that hold of him, or nothing.

The model weighs features in directions of its own, and many at once: that a cause adds to the score does not mean that
what it is named for is true of the customer. A cause is a reason only together with a fact.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.words import Message, message
from crm_analysis.churn.inputs import BASELINE_COLUMN, MODEL_FEATURES
from crm_analysis.churn.model import FittedChurn

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fact:
    """A number of the customer that is worse than what it is held against.

    Attributes
    ----------
    name
        Id of its words, ``churn_fact.NAME``.
    column
        The number.
    is_more_worse
        Whether more is worse than less.
    own
        Column of the customer's own past that it is held against; the typical customer who was kept when empty.
    unless
        Column whose value, where there is one, leaves the word to another fact.
    days
        In place of a comparison: bounds of days, the upper one open; ``None`` is the horizon of the model.
    """

    name: str
    column: str
    is_more_worse: bool
    own: str = ""
    unless: str = ""
    days: tuple[float, float | None] | None = None


#: The facts of each cause; the first that holds is told.
FACTS: Mapping[str, tuple[Fact, ...]] = {
    "silence": (
        Fact("silence_own", "recency_days", is_more_worse=True, own="gap_mean_days"),
        Fact("silence_typical", "recency_days", is_more_worse=True, unless="gap_mean_days"),
    ),
    "expectation": (Fact("expectation", BASELINE_COLUMN, is_more_worse=False),),
    "frequency": (
        Fact("frequency_fewer", "order_count_90d", is_more_worse=False, own="order_count_90d_before"),
        Fact("frequency_seldom", "gap_mean_days", is_more_worse=True),
        Fact("frequency_few", "order_count_365d", is_more_worse=False),
    ),
    "spend": (
        Fact("spend_less", "spend_amount_90d", is_more_worse=False, own="spend_amount_90d_before"),
        Fact("spend_low", "spend_amount_365d", is_more_worse=False),
    ),
    "newness": (
        Fact("newness_few", "order_count", is_more_worse=False),
        Fact("newness_young", "tenure_days", is_more_worse=False),
    ),
    "service": (
        Fact("service_complaints", "complaint_count_365d", is_more_worse=True),
        Fact("service_slow", "first_response_hours_mean_365d", is_more_worse=True),
    ),
    "satisfaction": (
        Fact("satisfaction_fallen", "survey_score_last", is_more_worse=False, own="survey_score_mean"),
        Fact("satisfaction_low", "survey_score_last", is_more_worse=False),
        Fact("satisfaction_unanswered", "survey_answered_count", is_more_worse=False),
    ),
    "discount": (Fact("discount", "discount_share", is_more_worse=True),),
    "refunds": (Fact("refunds", "refund_count", is_more_worse=True),),
    "contact": (Fact("contact", "interaction_out_count_90d", is_more_worse=False),),
    "contract": (
        Fact("contract_ended", "contract_days_left", is_more_worse=False, days=(-np.inf, 0)),
        Fact("contract_near", "contract_days_left", is_more_worse=False, days=(0, None)),
    ),
}


def facts_table(customers: pd.DataFrame, fitted: FittedChurn) -> pd.DataFrame:
    """Return the fact that is told of each cause, for every customer for whom one holds.

    columns of ``FEATURE_COLUMNS`` -> ``place`` (row of the customer, from 0), ``churn_cause, churn_fact, figure_now,
    figure_usual``; the last is null where a fact is a matter of days

    Notes
    -----
    Worse is strictly worse: who is like his past, or like the typical kept customer of the model, shows no fact. Days
    since the end of a contract are told as a positive number.
    """
    found = []
    for cause, facts in FACTS.items():
        is_told = np.zeros(len(customers), dtype=bool)
        for fact in facts:
            now, usual = _values(customers, fact.column), _held_against(customers, fact, fitted)
            holds = _holds(now, usual, fact, fitted) & ~is_told
            if fact.unless:
                holds &= np.isnan(_values(customers, fact.unless))
            is_told |= holds
            found.append(pd.DataFrame({
                "place": np.flatnonzero(holds), "churn_cause": cause, "churn_fact": fact.name,
                "figure_now": np.abs(now[holds]) if fact.days else now[holds], "figure_usual": usual[holds],
            }))  # fmt: skip
    return pd.concat(found, ignore_index=True)


def _values(customers: pd.DataFrame, column: str) -> Floats:
    if column not in customers:
        return np.full(len(customers), np.nan)
    return customers[column].to_numpy(dtype=float, na_value=np.nan)


def _held_against(customers: pd.DataFrame, fact: Fact, fitted: FittedChurn) -> Floats:
    if fact.days is not None:
        return np.full(len(customers), np.nan)
    if fact.own:
        return _values(customers, fact.own)
    return np.full(len(customers), fitted.reference[MODEL_FEATURES.index(fact.column)])


def _holds(now: Floats, usual: Floats, fact: Fact, fitted: FittedChurn) -> npt.NDArray[np.bool_]:
    """Tell where a fact holds; never where a number is unknown."""
    if fact.days is not None:
        low, high = fact.days
        return (now >= low) & (now < (fitted.settings.horizon_days if high is None else high))
    return now > usual if fact.is_more_worse else now < usual


def fact_message(fact: str, *, now: float, usual: float) -> Message:
    """Return a fact with its plain numbers, such as days of silence beside the customer's own rhythm."""
    return message(f"churn_fact.{fact}", now=now, usual=usual)
