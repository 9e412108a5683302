"""Why a customer is at risk: how much each cause adds to his score, in business terms (REQUIREMENTS C2, C4).

A cause is a set of features that show one thing (`inputs.CAUSES`). Its contribution is measured in log-odds against the
typical customer who was kept (medians at the origins that taught). For logistic regression it is exact and additive:
coefficient x (value - reference), summed over the cause's features; all causes together give the difference of
log-odds. For boosting it is counterfactual: log-odds as they are less log-odds with this cause's features set to the
reference; such contributions need not add up, as causes work together. For a rule there is one cause: what it
looks at, set to that of the typical customer.

A cause is named only where the customer's own numbers show it (:mod:`crm_analysis.churn.cause_facts`).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.words import Words
from crm_analysis.churn.cause_facts import fact_message, facts_table
from crm_analysis.churn.inputs import BASELINE_COLUMN, CAUSES, MODEL_FEATURES, model_matrix
from crm_analysis.churn.learners import prepared
from crm_analysis.churn.measures import log_odds
from crm_analysis.churn.model import FittedChurn

Floats = npt.NDArray[np.float64]
CONTRIBUTIONS_SCHEMA: ResultSchema = {
    "customer_id": DIRECT, "churn_cause": SENSITIVE, "log_odds_added": SENSITIVE, "cause_rank": SENSITIVE,
    "churn_fact": SENSITIVE, "figure_now": SENSITIVE, "figure_usual": SENSITIVE,
}  # fmt: skip
CAUSE_SIZES_SCHEMA: ResultSchema = dict.fromkeys(
    ["churn_cause", "first_count", "named_count", "log_odds_added_mean"], OPEN
)
REASONS = 3
_DIGITS = 4


def cause_log_odds(customers: pd.DataFrame, fitted: FittedChurn) -> pd.DataFrame:
    """Return what each cause adds to the log-odds of each customer.

    columns of ``FEATURE_COLUMNS`` -> a column per cause of ``CAUSES``, rows as given; for a rule all are empty but
    one
    """
    matrix = model_matrix(customers).to_numpy()
    if fitted.name == "logistic":
        return _additive(matrix, fitted)
    return _counterfactual(customers, matrix, fitted)


def _additive(matrix: Floats, fitted: FittedChurn) -> pd.DataFrame:
    """Return coefficient x (value - reference) by cause; an indicator of a missing value belongs to its feature."""
    impute, scale, line = (step for _, step in fitted.estimator.steps)
    used = np.array(fitted.columns)
    names = np.array(MODEL_FEATURES)[used]
    owners = [*names, *names[impute.indicator_.features_]]
    steps = [scale.transform(impute.transform(prepared(rows[:, used], name="logistic")))
             for rows in (matrix, np.array([fitted.reference]))]  # fmt: skip
    parts = fitted.slope * line.coef_[0] * (steps[0] - steps[1])
    return pd.DataFrame({
        cause: parts[:, [place for place, name in enumerate(owners) if name in features]].sum(axis=1)
        for cause, features in CAUSES.items()
    })  # fmt: skip


def _counterfactual(customers: pd.DataFrame, matrix: Floats, fitted: FittedChurn) -> pd.DataFrame:
    """Return log-odds less those with the cause's features at the reference."""
    if fitted.is_rule:
        added = pd.DataFrame(np.nan, index=range(len(customers)), columns=list(CAUSES))
        is_expected = fitted.name == "expected_purchases"
        looked_at, cause = (BASELINE_COLUMN, "expectation") if is_expected else ("recency_days", "silence")
        usual = customers.assign(**{looked_at: fitted.reference[MODEL_FEATURES.index(looked_at)]})
        added[cause] = log_odds(fitted.probability(customers)) - log_odds(fitted.probability(usual))
        return added
    now = fitted.log_odds(matrix)
    by_cause = {}
    for cause, features in CAUSES.items():
        changed = matrix.copy()
        for name in features:
            changed[:, MODEL_FEATURES.index(name)] = fitted.reference[MODEL_FEATURES.index(name)]
        by_cause[cause] = now - fitted.log_odds(changed)
    return pd.DataFrame(by_cause)


def contributions_table(
    features: pd.DataFrame, fitted: FittedChurn | None, *, customer_ids: Sequence[str]
) -> pd.DataFrame:
    """Return the strongest causes of some customers, at most three each (result ``churn_reasons``).

    ``customer_id`` and ``FEATURE_COLUMNS`` -> columns of ``CONTRIBUTIONS_SCHEMA``, in the order of ``customer_ids``,
    strongest cause first

    Notes
    -----
    Only causes that raise the log-odds by ``minimum_log_odds``, and of which a fact holds, are reasons, so that a
    customer may have fewer than three, or none. Ties by the order of ``CAUSES``. ``churn_fact``, ``figure_now`` and
    ``figure_usual`` are those of :func:`~crm_analysis.churn.cause_facts.facts_table`. The method is told at the top of
    this module; a contribution shows what the model rests on, not what made the customer leave.
    """
    wanted = pd.DataFrame({"customer_id": pd.Series(list(customer_ids), dtype="str")})
    rows = wanted.merge(features, on="customer_id", how="inner", validate="one_to_one")
    if fitted is None or rows.empty:
        return pd.DataFrame(columns=list(CONTRIBUTIONS_SCHEMA))
    added = cause_log_odds(rows, fitted).round(_DIGITS).to_numpy()
    facts = facts_table(rows, fitted)
    cause = facts["churn_cause"].map({name: place for place, name in enumerate(CAUSES)}).to_numpy()
    table = facts.assign(log_odds_added=added[facts["place"].to_numpy(), cause], cause_place=cause)
    table = table.loc[table["log_odds_added"] >= fitted.settings.model.warning.minimum_log_odds]
    table = table.sort_values(["place", "log_odds_added", "cause_place"], ascending=[True, False, True])
    table["cause_rank"] = table.groupby("place").cumcount() + 1
    table = table.loc[table["cause_rank"] <= REASONS].reset_index(drop=True)
    table["customer_id"] = rows["customer_id"].to_numpy()[table["place"].to_numpy()]
    text = dict.fromkeys(["customer_id", "churn_cause", "churn_fact"], "str")
    return table[list(CONTRIBUTIONS_SCHEMA)].astype(text).round({"figure_now": _DIGITS, "figure_usual": _DIGITS})


def cause_sizes_table(contributions: pd.DataFrame) -> pd.DataFrame:
    """Return how often each cause is the strongest, and is named at all: what a management report may show.

    columns of ``CONTRIBUTIONS_SCHEMA`` -> columns of ``CAUSE_SIZES_SCHEMA``, most often the strongest first
    """
    if contributions.empty:
        return pd.DataFrame(columns=list(CAUSE_SIZES_SCHEMA))
    table = (
        contributions.assign(is_first=(contributions["cause_rank"] == 1).astype(int))
        .groupby("churn_cause")
        .agg(
            first_count=("is_first", "sum"),
            named_count=("customer_id", "size"),
            log_odds_added_mean=("log_odds_added", "mean"),
        )
        .round(_DIGITS)
        .reset_index()
    )
    table = table.sort_values(["first_count", "named_count", "churn_cause"], ascending=[False, False, True])
    return table[list(CAUSE_SIZES_SCHEMA)].reset_index(drop=True)


def format_reasons(contributions: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the reasons of each customer as one text: ``customer_id, reasons``; for the workbook alone."""
    said = [
        words.say(fact_message(row.churn_fact, now=row.figure_now, usual=row.figure_usual))  # type: ignore[arg-type]
        for row in contributions.itertuples()
    ]
    texts = pd.DataFrame({"customer_id": contributions["customer_id"], "reasons": pd.Series(said, dtype="str")})
    stop = "；" if words.lang == "zh" else "; "
    return texts.groupby("customer_id", sort=False)["reasons"].agg(stop.join).reset_index()
