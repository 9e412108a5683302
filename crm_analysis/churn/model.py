"""Models of churn and the simple rules they must beat (REQUIREMENTS C2).

``boosting`` and ``logistic`` learn on earlier origins and are calibrated on the last ones, which they have not seen.
``recency`` ranks by days of silence; ``silence`` says yes after ``rule_silence_days``; ``expected_purchases`` ranks by
how few purchases a purchase model expects. Rules get their probabilities from the rates observed at the same origins.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.errors import InsufficientDataError, Problem
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.churn import learners
from crm_analysis.churn.inputs import BASELINE_COLUMN, model_matrix

MODELS = ("logistic", "boosting")
RULES = ("recency", "silence", "expected_purchases")
Floats = npt.NDArray[np.float64]
_LEAST = 1e-6


@dataclass(frozen=True)
class FittedChurn:
    """A fitted model or rule.

    Attributes
    ----------
    estimator
        Of scikit-learn; for rules an isotonic regression from the score to the observed rate.
    intercept, slope
        Calibration: log-odds = ``intercept + slope x`` log-odds of the estimator.
    columns
        Which of ``MODEL_FEATURES`` the estimator is given: those that are known at all where it learnt.
    reference
        ``MODEL_FEATURES`` of the typical customer who was kept: medians; NaN where most have no value.
    parameters
        What tuning chose; empty for rules.
    origins
        ``{"taught": [...], "calibrated": [...], "tuned_on": [...]}``; not tuned where the last is empty.
    row_count
        Rows that taught and calibrated, after sampling.
    """

    name: str
    estimator: Any
    settings: ChurnSettings
    intercept: float = 0.0
    slope: float = 1.0
    columns: tuple[bool, ...] = ()
    reference: tuple[float, ...] = ()
    parameters: Mapping[str, float] | None = None
    origins: Mapping[str, Sequence[str]] | None = None
    row_count: int = 0

    @property
    def is_rule(self) -> bool:
        """Whether it is one of ``RULES``."""
        return self.name in RULES

    def log_odds(self, matrix: Floats) -> Floats:
        """Return the calibrated log-odds of rows of ``MODEL_FEATURES``; models only."""
        used = matrix[:, np.array(self.columns)]
        with learners.threads_for(len(matrix)):
            found = self.estimator.decision_function(learners.prepared(used, name=self.name))
        return self.intercept + self.slope * np.asarray(found, dtype=float)

    def probability(self, customers: pd.DataFrame) -> Floats:
        """Return the probability of churn (0-1) of each customer, in batches of ``batch_rows``."""
        if self.is_rule:
            return np.asarray(self.estimator.predict(rule_score(customers, name=self.name, settings=self.settings)))
        parts = [self.log_odds(model_matrix(batch).to_numpy()) for batch in _batches(customers, self.settings)]
        return 1 / (1 + np.exp(-np.concatenate(parts))) if parts else np.empty(0)

    def score(self, customers: pd.DataFrame) -> Floats:
        """Return what the customers are ranked by: the probability, for rules the plain rule."""
        if self.is_rule:
            return rule_score(customers, name=self.name, settings=self.settings)
        return self.probability(customers)


def _batches(customers: pd.DataFrame, settings: ChurnSettings) -> Iterator[pd.DataFrame]:
    size = settings.model.batch_rows
    return (customers.iloc[start : start + size] for start in range(0, len(customers), size))


def rule_score(customers: pd.DataFrame, *, name: str, settings: ChurnSettings) -> Floats:
    """Return what a rule ranks by.

    Days of silence (``recency``); 1 for ``rule_silence_days`` of it and 0 for less (``silence``); minus the purchases
    that are expected within the horizon (``expected_purchases``).
    """
    if name == "expected_purchases":
        return -customers[BASELINE_COLUMN].to_numpy(dtype=float)
    silence = customers["recency_days"].to_numpy(dtype=float)
    return silence if name == "recency" else (silence >= settings.rule_silence_days).astype(float)


def usable_rules(customers: pd.DataFrame) -> tuple[str, ...]:
    """Return the rules that can be applied to all customers: without expected purchases, those of silence alone."""
    has_expected = BASELINE_COLUMN in customers and len(customers) and customers[BASELINE_COLUMN].notna().all()
    return RULES if has_expected else tuple(name for name in RULES if name != "expected_purchases")


def fit_churn(
    training: pd.DataFrame, *, name: str, settings: ChurnSettings, origins: Sequence[str] | None = None
) -> FittedChurn:
    """Fit a model or a rule on labelled customers.

    Parameters
    ----------
    training
        Columns of ``TRAINING_SCHEMA``. For models of at least two origins: the last ones calibrate, the earlier ones
        teach, and the parameters are chosen inside those that teach.
    name
        One of ``MODELS`` or ``RULES``.
    origins
        Origins to learn from; all of ``training`` when left out.

    Raises
    ------
    InsufficientDataError
        There is one label only, or one origin only for a model.

    Notes
    -----
    A fit looks at no more than ``max_training_rows`` rows, drawn by the seed. Expected purchases are a feature only
    where all origins have them: known here and unknown there, they would tell origins apart.
    """
    known = sorted(training["origin"].unique()) if origins is None else sorted(origins)
    if name in RULES:
        return _fit_rule(training, name=name, settings=settings, origins=known)
    if "expected_purchases" not in usable_rules(training.loc[training["origin"].isin(known), [BASELINE_COLUMN]]):
        training = training.assign(**{BASELINE_COLUMN: np.nan})
    taught, calibrating = learners.split_origins(known, settings=settings)
    if not taught:
        fix = "give more quarters of data, or raise churn.origins"
        raise InsufficientDataError(Problem("there is one origin only, none is left to calibrate on", "churn", fix))
    learn = learners.sample_rows(training, origins=taught, settings=settings)
    hold = learners.sample_rows(training, origins=calibrating, settings=settings)
    _check_labels(learn, hold)
    parameters, tuned_on = learners.tune(training, name=name, origins=taught, settings=settings)
    matrix = model_matrix(learn).to_numpy()
    columns = ~np.isnan(matrix).all(axis=0)
    estimator = learners.fit_learner(
        matrix[:, columns], learn["is_churned"].to_numpy(), name=name, parameters=parameters, seed=settings.seed
    )
    raw = FittedChurn(name, estimator, settings, columns=tuple(map(bool, columns)))
    intercept, slope = learners.calibrate(raw.log_odds(model_matrix(hold).to_numpy()), hold["is_churned"].to_numpy())
    return FittedChurn(
        name, estimator, settings, intercept=intercept, slope=slope, columns=raw.columns,
        reference=learners.typical_kept(matrix, learn["is_churned"].to_numpy()), parameters=parameters,
        origins={"taught": taught, "calibrated": calibrating, "tuned_on": tuned_on}, row_count=len(learn) + len(hold),
    )  # fmt: skip


def _fit_rule(training: pd.DataFrame, *, name: str, settings: ChurnSettings, origins: Sequence[str]) -> FittedChurn:
    from sklearn.isotonic import IsotonicRegression

    rows = learners.sample_rows(training, origins=origins, settings=settings)
    _check_labels(rows)
    rule = IsotonicRegression(y_min=_LEAST, y_max=1 - _LEAST, out_of_bounds="clip")
    rule.fit(rule_score(rows, name=name, settings=settings), rows["is_churned"].to_numpy())
    used = {"taught": list(origins), "calibrated": [], "tuned_on": []}
    matrix = model_matrix(rows).to_numpy()
    return FittedChurn(
        name, rule, settings, reference=learners.typical_kept(matrix, rows["is_churned"].to_numpy()), origins=used,
        row_count=len(rows), columns=(True,) * matrix.shape[1], parameters={},
    )  # fmt: skip


def _check_labels(*parts: pd.DataFrame) -> None:
    if any(part["is_churned"].nunique() < 2 for part in parts):
        fix = "give more origins, or another horizon (churn.origins, churn.horizon_days)"
        raise InsufficientDataError(Problem("all customers have the same label", "churn", fix))
