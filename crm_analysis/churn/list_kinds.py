"""Whom the warning list holds: persons and organisations, and those already silent for long (REQUIREMENTS C4)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import Message, message
from crm_analysis.churn.measures import auc_influence

LIST_KINDS_SCHEMA: ResultSchema = dict.fromkeys(
    ["kind", "scored_count", "list_count", "held_out_count", "held_out_churn_rate", "held_out_list_count",
     "held_out_list_churn_rate", "auc"], OPEN,
)  # fmt: skip
UNKNOWN = "unknown"
#: Churned and kept customers below which nothing is said of how well a kind is ranked, or of its list.
MINIMUM_CLASS = 10


def list_kinds_table(
    scores: pd.DataFrame, listed: pd.DataFrame, judged: pd.DataFrame | None, kinds: pd.DataFrame
) -> pd.DataFrame:
    """Return for each kind of customer how many are on the list, and how well the model ranks them.

    Parameters
    ----------
    scores, listed
        ``customer_id`` of today's scored customers, and of those on the warning list.
    judged
        Of :func:`~crm_analysis.churn.fairness_groups.select_judged`: the latest held-out origin; none without one.
    kinds
        ``customer_id, kind``.

    Returns
    -------
    pandas.DataFrame
        Columns of ``LIST_KINDS_SCHEMA``, sorted by kind, ``unknown`` last. ``held_out_churn_rate`` is of all of the
        kind at the held-out origin, ``held_out_list_churn_rate`` of those who would have been on its list, ``auc``
        that of the kind alone; the last two are null with fewer than ``MINIMUM_CLASS`` listed, or churned or kept.
    """
    known = kinds.set_index("customer_id")["kind"]

    def kind_of(frame: pd.DataFrame) -> pd.Series:
        return frame["customer_id"].map(known).fillna(UNKNOWN).astype("object")

    table = kind_of(scores).value_counts().rename("scored_count").to_frame()
    table["list_count"] = kind_of(listed).value_counts()
    if judged is not None:
        rows = {kind: _held_out(part) for kind, part in judged.groupby(kind_of(judged))}
        table = table.join(pd.DataFrame.from_dict(rows, orient="index"), how="outer")
    counts = ["scored_count", "list_count", "held_out_count", "held_out_list_count"]
    table = table.reindex(columns=list(LIST_KINDS_SCHEMA)[1:])
    table[counts] = table[counts].fillna(0).astype("int64")
    table = table.rename_axis("kind").reset_index().astype({"kind": "str"})
    order = table["kind"].map(lambda kind: (kind == UNKNOWN, kind))
    rates = {name: "float64" for name in LIST_KINDS_SCHEMA if name not in {"kind", *counts}}
    return table.loc[order.sort_values().index].reset_index(drop=True).astype(rates).round(6)


def _held_out(part: pd.DataFrame) -> dict[str, float]:
    churned = part["is_churned"].to_numpy(dtype=int)
    chosen = churned[part["is_selected"].to_numpy(dtype=bool)]
    is_ranked = min(int(churned.sum()), int((1 - churned).sum())) >= MINIMUM_CLASS
    return {
        "held_out_count": len(part),
        "held_out_churn_rate": float(churned.mean()),
        "held_out_list_count": len(chosen),
        "held_out_list_churn_rate": float(chosen.mean()) if len(chosen) >= MINIMUM_CLASS else np.nan,
        "auc": auc_influence(churned, part["score"].to_numpy(dtype=float))[0] if is_ranked else np.nan,
    }


def list_silence_document(listed: pd.DataFrame, recency: pd.DataFrame, *, settings: ChurnSettings) -> dict[str, int]:
    """Return how many on the list have been silent for so long that they count as churned or lost elsewhere.

    ``customer_id`` of the list, and ``customer_id, recency_days`` -> ``list_count, horizon_days, silence_days`` (the
    two limits), ``past_horizon_count, past_silence_count`` (silent for at least as long)
    """
    days = listed[["customer_id"]].merge(recency, on="customer_id", how="left")["recency_days"].astype(float)
    return {
        "list_count": len(listed),
        "horizon_days": settings.horizon_days,
        "silence_days": settings.rule_silence_days,
        "past_horizon_count": int((days >= settings.horizon_days).sum()),
        "past_silence_count": int((days >= settings.rule_silence_days).sum()),
    }


def finding_list_silence(document: Mapping[str, Any]) -> Message:
    """Return who on the list is to be won back more than kept."""
    return message("list_kinds.silence", **document) if document["list_count"] else message("list_kinds.none")


def finding_list_kinds(table: pd.DataFrame) -> Message:
    """Return of which kind most on the list are, beside its share of the scored customers."""
    listed, scored = int(table["list_count"].sum()), int(table["scored_count"].sum())
    if not listed:
        return message("list_kinds.none")
    most = max(table.to_dict("records"), key=lambda row: row["list_count"])
    return message(
        "list_kinds.most", kind=str(most["kind"]), count=int(most["list_count"]), listed=listed,
        share=int(most["scored_count"]) / scored, n=scored,
    )  # fmt: skip
