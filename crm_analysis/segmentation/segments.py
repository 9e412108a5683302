"""The customer frame of the segmentation: scores, both schemes, stage and the tier that keys everything else."""

from typing import Any

import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, ResultSchema
from crm_analysis.base.settings import RFMSettings, SegmentationSettings
from crm_analysis.base.words import Message, message
from crm_analysis.segmentation.lifecycle import days_since_first_order, lifecycle_stages
from crm_analysis.segmentation.rfm import (
    POPULATIONS,
    RFMCuts,
    eight_types,
    population_of,
    rfm_cuts,
    rfm_inputs,
    score_rfm,
    segment_rfm,
)
from crm_analysis.segmentation.rules import NON_BUYER, UNSCORED, segment_rules

SEGMENTS_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    **dict.fromkeys(
        ["kind", "r_score", "f_score", "m_score", "ten_segment", "eight_type", "stage", "tier", "recency_days",
         "order_count", "spend_amount"],
        OPEN,
    ),
}  # fmt: skip
#: Columns of ``features`` that segmentation reads, besides those of a window in settings.
FEATURE_COLUMNS = (
    "customer_id", "kind", "first_order_date", "last_order_date", "recency_days", "order_count", "spend_amount",
    "gap_mean_days", "gap_count", "spend_amount_90d", "spend_amount_90d_before", "spend_amount_365d",
    "spend_amount_365d_before",
)  # fmt: skip


def feature_columns(settings: SegmentationSettings) -> list[str]:
    """Return the columns of ``features`` that :func:`segments_frame` reads."""
    window = settings.rfm.window_days
    extra = [] if window is None else [f"order_count_{window}d", f"spend_amount_{window}d"]
    return [*FEATURE_COLUMNS, *(name for name in extra if name not in FEATURE_COLUMNS)]


def check_rfm_eligibility(features: pd.DataFrame, *, settings: RFMSettings) -> dict[str, Any]:
    """Tell which populations hold enough buyers and history to be scored.

    Parameters
    ----------
    features
        One row per customer as of a date.
    settings
        ``minimum_buyers`` and ``minimum_history_days`` (from a population's first order to ``as_of``).

    Returns
    -------
    dict
        A document: ``status`` (``ok``: all scored, ``partial``, ``insufficient``: none), ``message``, and
        ``populations``, each ``{kind, status, buyer_count, non_buyer_count, negative_spend_count, history_days,
        message}``; messages as :meth:`Message.to_json`. Populations without customers are left out.
    """
    populations = population_of(features)
    documents = []
    for kind in POPULATIONS:
        members = features.loc[populations == kind]
        if members.empty:
            continue
        buyers = members.loc[members["order_count"] >= 1]
        history = 0 if buyers.empty else int(days_since_first_order(buyers).max())
        status, note = _eligible(kind, len(buyers), history, settings=settings)
        documents.append(
            {
                "kind": kind,
                "status": status,
                "buyer_count": len(buyers),
                "non_buyer_count": len(members) - len(buyers),
                "negative_spend_count": int((buyers["spend_amount"] < 0).sum()),
                "history_days": history,
                "message": note.to_json(),
            }
        )
    scored = [d for d in documents if d["status"] == "ok"]
    status = "insufficient" if not scored else "ok" if len(scored) == len(documents) else "partial"
    return {
        "status": status,
        "message": message(
            f"segmentation.eligibility.{status}",
            buyers=sum(d["buyer_count"] for d in documents),
            scored=sum(d["buyer_count"] for d in scored),
            negative=sum(d["negative_spend_count"] for d in documents),
            minimum=settings.minimum_buyers,
            days=settings.minimum_history_days,
        ).to_json(),
        "populations": documents,
    }


def population_cuts(features: pd.DataFrame, *, settings: RFMSettings) -> dict[str, RFMCuts]:
    """Return the cut points of every population that may be scored."""
    inputs = rfm_inputs(features, settings=settings)
    eligible = check_rfm_eligibility(features, settings=settings)["populations"]
    return {
        document["kind"]: rfm_cuts(inputs.loc[inputs["kind"] == document["kind"]], settings=settings)
        for document in eligible
        if document["status"] == "ok"
    }


def segments_frame(features: pd.DataFrame, *, settings: SegmentationSettings) -> pd.DataFrame:
    """Return scores, segments, stage and tier of every customer.

    ``features`` (see :func:`feature_columns`) -> ``customer_id, kind, r_score, f_score, m_score, ten_segment,
    eight_type, stage, tier, recency_days, order_count, spend_amount``, sorted by ``customer_id``

    Parameters
    ----------
    features
        One row per customer as of a date.
    settings
        ``primary_scheme`` names the scheme whose segments are the tiers.

    Notes
    -----
    Persons and organisations are scored apart. Customers without a counted order are ``non_buyer`` in both schemes
    and ``prospect`` as stage; buyers of a population that may not be scored are ``unscored``; both have no scores.
    ``order_count`` and ``spend_amount`` are those of all history, whatever the window of the scores.
    REQUIREMENTS S1, S2.
    """
    rules, otherwise = segment_rules(settings.rfm), settings.rfm.otherwise
    customers = features.sort_values("customer_id").reset_index(drop=True)
    frame = pd.DataFrame({"customer_id": customers["customer_id"], "kind": population_of(customers)})
    inputs = rfm_inputs(customers, settings=settings.rfm)
    scored = []
    for kind, cuts in population_cuts(customers, settings=settings.rfm).items():
        members = inputs.loc[inputs["kind"] == kind]
        scores = score_rfm(members, cuts=cuts)
        scored.append(
            scores.assign(
                ten_segment=segment_rfm(scores, rules=rules, otherwise=otherwise),
                eight_type=eight_types(members, split=settings.rfm.split),
            )
        )
    columns = ["customer_id", "r_score", "f_score", "m_score", "ten_segment", "eight_type"]
    scores = pd.concat(scored) if scored else pd.DataFrame(columns=columns)
    frame = frame.merge(scores.astype({"customer_id": frame["customer_id"].dtype}), on="customer_id", how="left")
    frame = frame.astype({"r_score": "Int64", "f_score": "Int64", "m_score": "Int64"})
    unscored = pd.Series(UNSCORED, index=frame.index).where(customers["order_count"] >= 1, NON_BUYER)
    for scheme in ("ten_segment", "eight_type"):
        frame[scheme] = frame[scheme].where(frame[scheme].notna(), unscored).astype("str")
    frame["stage"] = _stages(customers, settings=settings)
    frame["tier"] = frame["eight_type" if settings.primary_scheme == "eight_types" else "ten_segment"]
    frame["recency_days"] = customers["recency_days"]
    frame["order_count"] = customers["order_count"]
    frame["spend_amount"] = customers["spend_amount"]
    return frame[list(SEGMENTS_SCHEMA)]


def _stages(customers: pd.DataFrame, *, settings: SegmentationSettings) -> pd.Series:
    populations = population_of(customers)
    parts = [
        lifecycle_stages(customers.loc[populations == kind], settings=settings.lifecycle)
        for kind in POPULATIONS
        if (populations == kind).any()
    ]
    return pd.concat(parts).reindex(customers.index) if parts else pd.Series(dtype="str")


def _eligible(kind: str, buyers: int, history: int, *, settings: RFMSettings) -> tuple[str, Message]:
    if buyers < settings.minimum_buyers:
        return "insufficient", message(
            "segmentation.eligibility.too_few_buyers", kind=kind, n=buyers, minimum=settings.minimum_buyers
        )
    if history < settings.minimum_history_days:
        return "insufficient", message(
            "segmentation.eligibility.too_short_history", kind=kind, days=history,
            minimum=settings.minimum_history_days,
        )  # fmt: skip
    return "ok", message("segmentation.eligibility.population_ok", kind=kind, n=buyers, days=history)
