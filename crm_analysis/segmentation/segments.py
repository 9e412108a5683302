"""The customer frame of the segmentation: scores, both schemes, stage and the tier that keys everything else."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, ResultSchema
from crm_analysis.base.settings import RFMSettings, SegmentationSettings
from crm_analysis.segmentation.cuts import population_bases
from crm_analysis.segmentation.eligibility import check_rfm_eligibility
from crm_analysis.segmentation.lifecycle import lifecycle_stages
from crm_analysis.segmentation.rfm import (
    POPULATIONS,
    RFMCuts,
    population_of,
    rfm_inputs,
    score_rfm,
    segment_rfm,
)
from crm_analysis.segmentation.rules import NON_BUYER, UNSCORED, segment_rules
from crm_analysis.segmentation.schemes import assign_tiers, derived_columns, scheme_features
from crm_analysis.segmentation.splits import eight_types

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
    "gap_mean_days", "gap_spread_days", "gap_count", "spend_amount_90d", "spend_amount_90d_before", "spend_amount_365d",
    "spend_amount_365d_before",
)  # fmt: skip


def feature_columns(settings: SegmentationSettings) -> list[str]:
    """Return the columns of ``features`` that :func:`segments_frame` reads."""
    window = settings.rfm.window_days
    extra = [] if window is None else [f"order_count_{window}d", f"spend_amount_{window}d"]
    own = {id_: scheme for id_, scheme in settings.schemes.items() if id_ == settings.primary_scheme}
    derived = derived_columns(own)
    named = [name for name in scheme_features(own) if name not in derived]
    return list(dict.fromkeys([*FEATURE_COLUMNS, *extra, *named]))


def population_cuts(
    features: pd.DataFrame, *, settings: RFMSettings, frozen: Mapping[str, Any] | None = None
) -> dict[str, RFMCuts]:
    """Return the cut points of every population that may be scored; see :func:`population_bases`."""
    bases = population_bases(features, settings=settings, frozen=frozen)
    return {kind: basis.cuts for kind, basis in bases.items()}


def segments_frame(
    features: pd.DataFrame, *, settings: SegmentationSettings, frozen: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Return scores, segments, stage and tier of every customer.

    ``features`` (see :func:`feature_columns`) -> ``customer_id, kind, r_score, f_score, m_score, ten_segment,
    eight_type, stage, tier, recency_days, order_count, spend_amount``, sorted by ``customer_id``

    Parameters
    ----------
    features
        One row per customer as of a date.
    settings
        ``primary_scheme`` names the scheme whose segments are the tiers.
    frozen
        Cut points of the fiscal year (:func:`crm_analysis.segmentation.frozen.read_frozen`); where it has none, they
        are those of ``features``.

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
    for kind, basis in population_bases(customers, settings=settings.rfm, frozen=frozen).items():
        members = inputs.loc[inputs["kind"] == kind]
        scores = score_rfm(members, cuts=basis.cuts)
        scored.append(
            scores.assign(
                ten_segment=segment_rfm(scores, rules=rules, otherwise=otherwise),
                eight_type=eight_types(members, points=basis.split),
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
    own = settings.schemes.get(settings.primary_scheme)
    by_score = frame["eight_type" if settings.primary_scheme == "eight_types" else "ten_segment"]
    known = customers.join(frame[derived_columns({} if own is None else {"": own})])
    frame["tier"] = by_score if own is None else assign_tiers(known, scheme=own)
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


__all__ = ["SEGMENTS_SCHEMA", "check_rfm_eligibility", "feature_columns", "population_cuts", "segments_frame"]
