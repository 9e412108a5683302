"""What the churn model may look at: an explicit list of features, and the guard that keeps it honest."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from crm_analysis.base.errors import AnalysisError, Problem
from crm_analysis.base.privacy import DIRECT, FREE, QUASI
from crm_analysis.sources.schema import TABLES, Change

#: Columns of the customer frame that go into the model, as they are. All come from events before the origin.
FEATURE_COLUMNS = (
    "tenure_days", "recency_days", "order_count", "order_day_count", "spend_amount", "refund_count", "refund_amount",
    "order_count_30d", "order_count_90d", "order_count_180d", "order_count_365d",
    "spend_amount_30d", "spend_amount_90d", "spend_amount_180d", "spend_amount_365d",
    "order_count_90d_before", "spend_amount_90d_before", "order_count_365d_before",
    "gap_count", "gap_mean_days", "gap_spread_days", "basket_mean_amount", "discount_share", "channel_top_share",
    "interaction_in_count_90d", "interaction_out_count_90d", "complaint_count_90d", "complaint_count_365d",
    "first_response_hours_mean_365d", "survey_answered_count", "survey_score_mean", "survey_score_last",
    "contract_days_left",
)  # fmt: skip
#: Made from them: how late a customer is against his own rhythm, and whether he buys less than before.
DERIVED_FEATURES = ("lateness_ratio", "order_trend_ratio")
#: Purchases that a purchase model expects of a customer within the horizon; a rule to be beaten, and a feature.
BASELINE_COLUMN = "expected_purchase_count"
MODEL_FEATURES = (*FEATURE_COLUMNS, *DERIVED_FEATURES, BASELINE_COLUMN)
#: What a customer may leave for, in business terms, and the features that show it; each feature shows one cause.
CAUSES: Mapping[str, tuple[str, ...]] = {
    "silence": ("recency_days", "lateness_ratio"),
    "expectation": (BASELINE_COLUMN,),
    "frequency": ("gap_mean_days", "gap_spread_days", "order_count_30d", "order_count_90d", "order_count_180d",
                  "order_count_365d", "order_count_90d_before", "order_count_365d_before", "order_trend_ratio"),
    "spend": ("spend_amount_30d", "spend_amount_90d", "spend_amount_180d", "spend_amount_365d",
              "spend_amount_90d_before", "basket_mean_amount"),
    "newness": ("tenure_days", "order_count", "order_day_count", "spend_amount", "gap_count"),
    "service": ("complaint_count_90d", "complaint_count_365d", "first_response_hours_mean_365d",
                "interaction_in_count_90d"),
    "satisfaction": ("survey_answered_count", "survey_score_mean", "survey_score_last"),
    "discount": ("discount_share",),
    "refunds": ("refund_count", "refund_amount"),
    "contact": ("interaction_out_count_90d", "channel_top_share"),
    "contract": ("contract_days_left",),
}  # fmt: skip
SENSITIVE_FEATURES = frozenset(
    {"complaint_count_90d", "complaint_count_365d", "first_response_hours_mean_365d", "survey_answered_count",
     "survey_score_mean", "survey_score_last"}
)  # fmt: skip


def check_model_features(names: Iterable[str]) -> None:
    """Refuse features that hold only today's value, or that name or describe a person.

    Raises
    ------
    AnalysisError
        A name is a field of the data contract that is overwritten (it would leak the future into the past), or that
        is a direct or quasi identifier or free text; all are named.
    """
    wanted = set(names)
    problems = []
    for table, field in ((t.name, f) for t in TABLES.values() for f in t if f.name in wanted):
        if field.change is Change.OVERWRITTEN:
            what = f"{field.name!r} is overwritten in {table}: its past values are unknown"
        elif field.sensitivity in {DIRECT, QUASI, FREE}:
            what = f"{field.name!r} of {table} is {field.sensitivity.value}: it identifies or describes a person"
        else:
            continue
        problems.append(Problem(what, "churn.MODEL_FEATURES", "use sums of dated events before the origin instead"))
    if problems:
        raise AnalysisError(problems)


def model_matrix(customers: pd.DataFrame) -> pd.DataFrame:
    """Return the model's features as floats, in the order of ``MODEL_FEATURES``; unknown stays NaN.

    Notes
    -----
    Values pass through 32 bits, as labelled customers are kept in: what is scored is what was learnt from.
    ``lateness_ratio`` is recency / own mean gap (gaps under a day count as one); ``order_trend_ratio`` is orders of
    the last 90 days less those of the 90 before / their sum, between -1 and 1. ``expected_purchase_count`` is unknown
    where the customers come without it.
    """
    check_model_features(MODEL_FEATURES)
    matrix = customers[list(FEATURE_COLUMNS)].astype("float32").astype("float64")
    recent, before = matrix["order_count_90d"], matrix["order_count_90d_before"]
    both = (recent + before).replace(0, np.nan)
    matrix["lateness_ratio"] = matrix["recency_days"] / matrix["gap_mean_days"].clip(lower=1)
    matrix["order_trend_ratio"] = (recent - before) / both
    expected = customers.get(BASELINE_COLUMN, np.nan)
    matrix[BASELINE_COLUMN] = pd.Series(expected, index=matrix.index, dtype="float32").astype("float64")
    return matrix[list(MODEL_FEATURES)]
