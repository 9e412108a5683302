"""Models of churn and the simple rules they must beat (REQUIREMENTS C2).

``boosting`` learns on the earlier origins and is calibrated on the last one, which it has not seen; ``logistic`` is the
plain partner. ``recency`` ranks by days of silence; ``silence`` says yes after ``rule_silence_days``. Rules get their
probabilities from the rates observed at the same origins.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from crm_analysis.base.errors import InsufficientDataError, Problem
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.churn.inputs import model_matrix

MODELS = ("logistic", "boosting")
RULES = ("recency", "silence")
ROWS_WORTH_THREADS = 100_000


@dataclass(frozen=True)
class FittedChurn:
    """A fitted model or rule.

    Attributes
    ----------
    estimator
        Of scikit-learn; for rules an isotonic regression from the score to the observed rate.
    """

    name: str
    estimator: Any
    settings: ChurnSettings

    def probability(self, customers: pd.DataFrame) -> np.ndarray:
        """Return the probability of churn (0-1) of each customer."""
        if self.name in RULES:
            return self.estimator.predict(rule_score(customers, name=self.name, settings=self.settings))
        with _threads_for(customers):
            return self.estimator.predict_proba(model_matrix(customers).to_numpy())[:, 1]

    def score(self, customers: pd.DataFrame) -> np.ndarray:
        """Return what the customers are ranked by: the probability, for rules the plain rule."""
        if self.name in RULES:
            return rule_score(customers, name=self.name, settings=self.settings)
        return self.probability(customers)


def rule_score(customers: pd.DataFrame, *, name: str, settings: ChurnSettings) -> np.ndarray:
    """Return days of silence (``recency``), or 1 for ``rule_silence_days`` of it and 0 for less (``silence``)."""
    silence = customers["recency_days"].to_numpy(dtype=float)
    return silence if name == "recency" else (silence >= settings.rule_silence_days).astype(float)


def fit_churn(training: pd.DataFrame, *, name: str, settings: ChurnSettings) -> FittedChurn:
    """Fit a model or a rule on labelled customers.

    Parameters
    ----------
    training
        Of at least two origins for ``boosting``: the last one calibrates, the earlier ones teach.
    name
        One of ``MODELS`` or ``RULES``.

    Raises
    ------
    InsufficientDataError
        There is one label only, or one origin only for ``boosting``.
    """
    labels = training["is_churned"].to_numpy()
    if len(np.unique(labels)) < 2:
        fix = "give more origins, or another horizon (churn.origins, churn.horizon_days)"
        raise InsufficientDataError(Problem("all customers have the same label", "churn", fix))
    if name in RULES:
        from sklearn.isotonic import IsotonicRegression

        rule = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        rule.fit(rule_score(training, name=name, settings=settings), labels)
        return FittedChurn(name, rule, settings)
    estimator = _fit_logistic(training) if name == "logistic" else _fit_boosting(training, seed=settings.seed)
    return FittedChurn(name, estimator, settings)


def _threads_for(customers: pd.DataFrame) -> threadpool_limits:
    """Limit few rows to one thread: several only wait for each other, and long where other work shares the machine."""
    return threadpool_limits(limits=1 if len(customers) < ROWS_WORTH_THREADS else None)


def _fit_logistic(training: pd.DataFrame) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    pipeline = make_pipeline(
        FunctionTransformer(_signed_log),
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(max_iter=2000, C=0.5),
    )
    with _threads_for(training):
        return pipeline.fit(model_matrix(training).to_numpy(), training["is_churned"].to_numpy())


def _fit_boosting(training: pd.DataFrame, *, seed: int) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    last = training["origin"].max()
    is_last = training["origin"] == last
    if is_last.all() or training.loc[~is_last, "is_churned"].nunique() < 2:
        fix = "give more quarters of data, or raise churn.origins"
        raise InsufficientDataError(Problem("there is one origin only, none is left to calibrate on", "churn", fix))
    taught, held = training.loc[~is_last], training.loc[is_last]
    boosting = HistGradientBoostingClassifier(
        learning_rate=0.06, max_iter=120, max_leaf_nodes=15, min_samples_leaf=40, l2_regularization=1.0,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    known = model_matrix(taught).notna().any().to_numpy()
    with _threads_for(training):
        learner = make_pipeline(FunctionTransformer(_select, kw_args={"columns": known}), boosting)
        learner.fit(model_matrix(taught).to_numpy(), taught["is_churned"].to_numpy())
        calibrated = CalibratedClassifierCV(FrozenEstimator(learner), method="sigmoid")
        return calibrated.fit(model_matrix(held).to_numpy(), held["is_churned"].to_numpy())


def _select(values: np.ndarray, *, columns: np.ndarray) -> np.ndarray:
    """Keep some columns: boosting cannot be given one that is empty throughout (a table the company lacks)."""
    return values[:, columns]


def _signed_log(values: np.ndarray) -> np.ndarray:
    """Bring skewed amounts and counts to a scale on which a line can be drawn."""
    return np.sign(values) * np.log1p(np.abs(values))
