"""Scores of today's customers and the warning list, ranked by expected loss (REQUIREMENTS C4).

Never ranked by the probability of being alive of a purchase model: it is 1 for every one-time buyer.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.churn.labels import select_eligible
from crm_analysis.churn.model import fit_churn

SCORES_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    "churn_probability": SENSITIVE,
    "at_stake_amount": SENSITIVE,
    "expected_loss_amount": SENSITIVE,
    "loss_rank": SENSITIVE,
}
WARNING_SCHEMA: ResultSchema = {
    **SCORES_SCHEMA,
    "recency_days": SENSITIVE,
    "gap_mean_days": SENSITIVE,
    "order_count_90d": SENSITIVE,
    "order_count_90d_before": SENSITIVE,
    "complaint_count_90d": SENSITIVE,
}
BANDS_SCHEMA: ResultSchema = dict.fromkeys(
    ["churn_band", "customer_count", "customer_share", "at_stake_amount", "expected_loss_amount", "list_count",
     "list_loss_amount", "list_churn_count"], OPEN,
)  # fmt: skip
#: Upper ends of the bands of churn probability.
_BANDS = {"very_low": 0.2, "low": 0.4, "middle": 0.6, "high": 0.8, "very_high": 1.0}
_DAYS_OF_YEAR = 365


def churn_scores(
    features: pd.DataFrame, training: pd.DataFrame, *, settings: ChurnSettings, champion: Mapping[str, Any],
    status: Mapping[str, Any],
) -> pd.DataFrame:  # fmt: skip
    """Score the eligible customers of today with the champion, fitted on all usable origins.

    ``features`` as of the report and ``churn_training`` -> columns of ``SCORES_SCHEMA``, most expected loss first;
    no rows without a champion

    Notes
    -----
    ``at_stake_amount`` is the spend of the last 365 days scaled to the horizon, 0 when negative;
    ``expected_loss_amount`` = probability x at stake. Ties are broken by id. REQUIREMENTS C2, C4.
    """
    if champion["model"] is None:
        return pd.DataFrame(columns=list(SCORES_SCHEMA))
    eligible = select_eligible(features, settings=settings)
    known = training.loc[training["origin"].isin(status["origins"])]
    fitted = fit_churn(known, name=champion["model"], settings=settings)
    probability = np.round(fitted.probability(eligible), 6) if len(eligible) else np.empty(0)
    at_stake = eligible["spend_amount_365d"].astype(float).clip(lower=0) * settings.horizon_days / _DAYS_OF_YEAR
    scores = pd.DataFrame(
        {
            "customer_id": eligible["customer_id"],
            "churn_probability": probability,
            "at_stake_amount": at_stake.round(2),
            "expected_loss_amount": (at_stake * probability).round(2),
        }
    )
    scores = scores.sort_values(["expected_loss_amount", "customer_id"], ascending=[False, True], ignore_index=True)
    return scores.assign(loss_rank=np.arange(1, len(scores) + 1))


def warning_list(scores: pd.DataFrame, features: pd.DataFrame, *, settings: ChurnSettings) -> pd.DataFrame:
    """Return whom to contact first: the ``list_length`` customers with most expected loss, with the plain facts beside.

    ``churn_scores`` and ``features`` of the same day -> columns of ``WARNING_SCHEMA``
    """
    first = scores.loc[scores["expected_loss_amount"].astype(float) > 0].head(settings.list_length)
    facts = features[["customer_id", *[c for c in WARNING_SCHEMA if c not in SCORES_SCHEMA]]]
    listed = first.merge(facts, on="customer_id", how="left", validate="one_to_one")
    return listed[list(WARNING_SCHEMA)]


def churn_bands_table(scores: pd.DataFrame, *, list_length: int) -> pd.DataFrame:
    """Return today's customers and money by band of churn probability: what a management report may show.

    ``churn_scores`` -> columns of ``BANDS_SCHEMA``, highest band first; ``list_count`` is how many are on the
    warning list, ``list_loss_amount`` their expected loss, ``list_churn_count`` how many of them are expected to churn
    (the sum of their probabilities)
    """
    if scores.empty:
        return pd.DataFrame(columns=list(BANDS_SCHEMA))
    edges = [-1.0, *_BANDS.values()]
    on_list = (scores["loss_rank"] <= list_length) & (scores["expected_loss_amount"] > 0)
    table = (
        scores.assign(
            churn_band=pd.cut(scores["churn_probability"], edges, labels=list(_BANDS)),
            list_count=on_list.astype(int),
            list_loss_amount=scores["expected_loss_amount"].where(on_list, 0.0),
            list_churn_count=scores["churn_probability"].where(on_list, 0.0),
        )
        .groupby("churn_band", observed=False)
        .agg(
            customer_count=("customer_id", "size"),
            at_stake_amount=("at_stake_amount", "sum"),
            expected_loss_amount=("expected_loss_amount", "sum"),
            list_count=("list_count", "sum"),
            list_loss_amount=("list_loss_amount", "sum"),
            list_churn_count=("list_churn_count", "sum"),
        )
        .round(2)
        .reset_index()
    )
    table["churn_band"] = table["churn_band"].astype("str")
    table["customer_share"] = (table["customer_count"] / len(scores)).round(6)
    return table.iloc[::-1][list(BANDS_SCHEMA)].reset_index(drop=True)
