"""Scores of today's customers, ranked by expected loss (REQUIREMENTS C2, C4).

Never ranked by the probability of being alive of a purchase model: it is 1 for every one-time buyer.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.churn.backtest import amount_at_stake
from crm_analysis.churn.inputs import BASELINE_COLUMN, FEATURE_COLUMNS
from crm_analysis.churn.labels import select_eligible
from crm_analysis.churn.model import FittedChurn, fit_churn

SCORES_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    "churn_probability": SENSITIVE,
    "at_stake_amount": SENSITIVE,
    "expected_loss_amount": SENSITIVE,
    "loss_rank": SENSITIVE,
}
BANDS_SCHEMA: ResultSchema = dict.fromkeys(
    ["churn_band", "customer_count", "customer_share", "at_stake_amount", "expected_loss_amount", "list_count",
     "list_loss_amount", "list_churn_count"], OPEN,
)  # fmt: skip
#: Upper ends of the bands of churn probability.
_BANDS = {"very_low": 0.2, "low": 0.4, "middle": 0.6, "high": 0.8, "very_high": 1.0}


def fit_champion(
    training: pd.DataFrame, *, settings: ChurnSettings, champion: Mapping[str, Any], status: Mapping[str, Any]
) -> FittedChurn | None:
    """Fit the champion on all usable origins; ``None`` where there is none."""
    if champion["model"] is None:
        return None
    return fit_churn(training, name=champion["model"], settings=settings, origins=status["origins"])


def churn_scores(
    features: pd.DataFrame | Iterable[pd.DataFrame], fitted: FittedChurn | None, *, settings: ChurnSettings
) -> pd.DataFrame:
    """Score the eligible customers of today with the champion.

    ``customer_id`` and ``FEATURE_COLUMNS`` as of the report, in one frame or in batches of any size, -> columns of
    ``SCORES_SCHEMA``, most expected loss first; no rows without a champion

    Notes
    -----
    ``at_stake_amount`` is the spend of the last 365 days scaled to the horizon, 0 when negative;
    ``expected_loss_amount`` = probability x at stake. Ties are broken by id. REQUIREMENTS C2, C4.
    """
    if fitted is None:
        return pd.DataFrame(columns=list(SCORES_SCHEMA))
    batches = [features] if isinstance(features, pd.DataFrame) else features
    parts = [_scored(select_eligible(batch, settings=settings), fitted) for batch in batches]
    scores = pd.concat(parts, ignore_index=True)
    scores = scores.sort_values(["expected_loss_amount", "customer_id"], ascending=[False, True], ignore_index=True)
    return scores.assign(loss_rank=np.arange(1, len(scores) + 1))


def _scored(eligible: pd.DataFrame, fitted: FittedChurn) -> pd.DataFrame:
    probability = np.round(fitted.probability(eligible), 6) if len(eligible) else np.empty(0)
    at_stake = amount_at_stake(eligible, settings=fitted.settings)
    return pd.DataFrame(
        {
            "customer_id": eligible["customer_id"],
            "churn_probability": probability,
            "at_stake_amount": at_stake,
            "expected_loss_amount": (at_stake * probability).round(2),
        }
    )


def feature_batches(path: Path, *, settings: ChurnSettings) -> Iterator[pd.DataFrame]:
    """Return what scoring needs of stored features (Parquet), ``batch_rows`` customers at a time.

    At least one frame, which may be empty; the expected purchases come along where they are stored.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(path) as stored:
        wanted = ["customer_id", *FEATURE_COLUMNS]
        wanted += [BASELINE_COLUMN] if BASELINE_COLUMN in stored.schema_arrow.names else []
        yield stored.schema_arrow.empty_table().select(wanted).to_pandas()
        for batch in stored.iter_batches(batch_size=settings.model.batch_rows, columns=wanted):
            yield batch.to_pandas()


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
