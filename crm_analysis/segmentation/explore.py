"""By hand: score, name, tier and compare customers under other thresholds, without a report (REQUIREMENTS S1).

::

    own = settings.model_copy(update={"split": TopShare(top_share=0.2)})
    now, other = label(features, settings), label(features, own)
    compare(now["eight_type"], other["eight_type"], money=features["spend_amount"])
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import RFMSettings, SegmentationSettings, SegmentRule
from crm_analysis.base.settings_schemes import Scheme
from crm_analysis.segmentation.cuts import population_bases
from crm_analysis.segmentation.rfm import rfm_inputs, score_rfm, segment_rfm
from crm_analysis.segmentation.rules import segment_rules
from crm_analysis.segmentation.schemes import assign_tiers
from crm_analysis.segmentation.segments import segments_frame

COMPARE_SCHEMA: ResultSchema = dict.fromkeys(
    ["segment", "other_segment", "customer_count", "customer_share", "spend_amount", "is_changed"], OPEN
)


def score(features: pd.DataFrame, settings: RFMSettings, *, frozen: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return the scores of the buyers of both populations: ``customer_id, kind, r_score, f_score, m_score``.

    Parameters
    ----------
    features
        One row per customer as of a date.
    frozen
        Cut points of the fiscal year (``ws.frozen``); without them those of ``features`` hold.
    """
    inputs = rfm_inputs(features, settings=settings)
    parts = [
        score_rfm(inputs.loc[inputs["kind"] == kind], cuts=basis.cuts).assign(kind=kind)
        for kind, basis in population_bases(features, settings=settings, frozen=frozen).items()
    ]
    columns = ["customer_id", "kind", "r_score", "f_score", "m_score"]
    return pd.concat(parts)[columns].sort_index() if parts else pd.DataFrame(columns=columns)


def name(scores: pd.DataFrame, rules: Sequence[SegmentRule] | RFMSettings, *, otherwise: str = "others") -> pd.Series:
    """Return the segment of every scored customer, index as in ``scores``.

    Parameters
    ----------
    rules
        Ordered rules, the first that matches wins, or settings that hold them and their ``otherwise``.
    """
    if isinstance(rules, RFMSettings):
        return segment_rfm(scores, rules=segment_rules(rules), otherwise=rules.otherwise)
    return segment_rfm(scores, rules=rules, otherwise=otherwise)


def label(
    features: pd.DataFrame, settings: SegmentationSettings | RFMSettings, *, frozen: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Return the whole customer frame, one row per customer with ``customer_id`` as index."""
    whole = SegmentationSettings(rfm=settings) if isinstance(settings, RFMSettings) else settings
    return segments_frame(features, settings=whole, frozen=frozen).set_index("customer_id")


def tier(features: pd.DataFrame, scheme: Scheme) -> pd.Series:
    """Return the tier of every customer by the rules of a scheme, with ``customer_id`` as index."""
    return assign_tiers(features, scheme=scheme).set_axis(pd.Index(features["customer_id"]))


def compare(current: pd.Series, other: pd.Series, *, money: pd.Series | None = None) -> pd.DataFrame:
    """Return how customers and money lie in two labelings: what changes when thresholds do.

    ``customer_id`` as index -> ``segment, other_segment, customer_count, customer_share, spend_amount, is_changed``;
    what changes first, most customers first

    Parameters
    ----------
    current, other
        Segment of every customer; the same customers, in any order.
    money
        Amount per customer, such as ``features.set_index("customer_id")["spend_amount"]``; without it the amount is
        empty.

    Raises
    ------
    ValueError
        The two labelings are of different customers, or one holds a customer twice.

    Notes
    -----
    Shares (0-1) are of all customers. The share that changes is ``customer_share`` summed over ``is_changed``.
    """
    if not current.index.is_unique or set(current.index) != set(other.index) or len(current) != len(other):
        raise ValueError("current and other must label the same customers, each once: use customer_id as index")
    frame = pd.DataFrame(
        {"segment": current.astype("str"), "other_segment": other.reindex(current.index).astype("str")}
    )
    frame["spend_amount"] = float("nan") if money is None else money.reindex(current.index).astype(float)
    table = (
        frame.groupby(["segment", "other_segment"])["spend_amount"]
        .agg(customer_count="size", spend_amount=lambda amounts: amounts.sum(min_count=1))
        .reset_index()
    )
    table["customer_share"] = (table["customer_count"] / max(len(frame), 1)).round(6)
    table["spend_amount"] = table["spend_amount"].astype(float).round(2)
    table["is_changed"] = table["segment"] != table["other_segment"]
    ordered = table.sort_values(
        ["is_changed", "customer_count", "segment", "other_segment"], ascending=[False, False, True, True]
    )
    return ordered[list(COMPARE_SCHEMA)].reset_index(drop=True)
