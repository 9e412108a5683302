"""Churn of a large company from labelled customers made here: training, backtest, champion, scores, reasons."""

import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from measure import Job, run

from crm_analysis.base.settings import ChurnSettings
from crm_analysis.churn import backtest, calibration, contributions, labels, scores, warnings
from crm_analysis.churn.inputs import FEATURE_COLUMNS
from crm_analysis.churn.model_file import pack_model

#: Two features stand beside them, made from them, and missing values give the linear model more: about forty columns.
ORIGINS = [date(2024 + k // 4, 1 + 3 * (k % 4), 1) for k in range(6)]


def make_features(customers: int, *, seed: int, start: int = 0) -> pd.DataFrame:
    """Return customers all of whom are eligible."""
    rng = np.random.default_rng(seed)
    made: dict[str, Any] = {}
    for name in FEATURE_COLUMNS:
        counts = name.endswith("_count") or "_count_" in name
        made[name] = rng.poisson(2, customers) if counts else rng.gamma(2, 20, customers)
    made["recency_days"] = rng.integers(0, 365, customers).astype(float)
    made["order_count"] = 1 + rng.poisson(5, customers)
    for name in ("survey_score_mean", "survey_score_last", "contract_days_left", "first_response_hours_mean_365d"):
        made[name] = np.where(rng.random(customers) < 0.8, np.nan, made[name])
    ids = pd.Series(np.arange(start, start + customers)).map("c{:08d}".format).astype("str")
    return pd.DataFrame({"customer_id": ids} | made)


def make_outcomes(features: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return who bought afterwards: the silent and those who buy less than before did so less often."""
    rng = np.random.default_rng(seed + 1000)
    pull = (features["recency_days"] - 180) / 120 + 0.5 * (
        features["order_count_90d_before"] - features["order_count_90d"]
    )
    stayed = rng.random(len(features)) > 1 / (1 + np.exp(-pull))
    bought = features.loc[stayed, ["customer_id"]].reset_index(drop=True)
    return bought.assign(order_count=1, spend_amount=100.0, gap_order_count=0)


def _known(customers: int) -> Iterator[tuple[date, labels.Known]]:
    for seed, origin in enumerate(ORIGINS):
        features = make_features(customers, seed=seed)
        yield origin, (features, make_outcomes(features, seed=seed))


def whole(*, customers: int, batch: int = 100_000) -> Job:
    """Return a job that does what the chapter does after the features; making the company comes before it."""
    settings = ChurnSettings(origins=len(ORIGINS))
    begun = time.perf_counter()
    training = labels.training_table(_known(customers), settings=settings)
    made_seconds = time.perf_counter() - begun

    def job() -> dict[str, Any]:
        steps: dict[str, float] = {}

        def timed(name: str, value: Any, since: float) -> Any:
            steps[name] = time.perf_counter() - since
            return value

        now = time.perf_counter
        status = timed("status", labels.check_churn_data(training, settings=settings), now())
        at = now()
        predictions = timed("predictions", backtest.churn_predictions(training, settings=settings, status=status), at)
        at = now()
        table = timed("backtest", backtest.backtest_table(predictions, settings=settings), at)
        at = now()
        timed("intervals", backtest.backtest_intervals_table(predictions, table, settings=settings), at)
        at = now()
        champion = timed("champion", backtest.choose_champion(table, predictions, status=status), at)
        at = now()
        timed("calibration", calibration.calibration_table(predictions, champion=champion), at)
        at = now()
        fitted = scores.fit_champion(training, settings=settings, champion=champion, status=status)
        assert fitted is not None
        timed("fit and pack", pack_model(fitted), at)
        at = now()
        batches = (make_features(batch, seed=90 + k, start=k * batch) for k in range(max(1, customers // batch)))
        found = timed("scores, with making batches", scores.churn_scores(batches, fitted, settings=settings), at)
        at = now()
        known = make_features(batch, seed=90, start=0)
        listed = found.loc[found["customer_id"].isin(known["customer_id"]), "customer_id"].head(500).tolist()
        timed("reasons", contributions.contributions_table(known, fitted, customer_ids=listed), at)
        at = now()
        timed("list", warnings.warning_list(found, known, settings=settings, as_of=date(2025, 10, 1)), at)
        return {"customers": customers, "rows": len(training), "model": champion["model"], "steps": steps,
                "made_seconds": made_seconds}  # fmt: skip

    return job


if __name__ == "__main__":
    run({"whole": whole})
