"""Priority customers whom nobody has contacted this quarter (REQUIREMENTS C5)."""

from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings_value_models import ValueModelSettings
from crm_analysis.base.small_cells import hidden_cells

PRIORITY_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    "kind": OPEN,
    "owner": OPEN,
    "spend_amount_365d": SENSITIVE,
    "recency_days": SENSITIVE,
    "clv_amount": SENSITIVE,
}


def uncontacted_table(
    features: pd.DataFrame, contacts: pd.DataFrame | None, clv: pd.DataFrame, *, settings: ValueModelSettings
) -> pd.DataFrame:
    """Return the priority customers without a contact this quarter, largest spend of 365 days first.

    ``customer_id, kind, owner, spend_amount_365d, recency_days`` -> columns of ``PRIORITY_SCHEMA``; ties by id; no rows
    where contacts are not recorded

    Parameters
    ----------
    features
        Customer frame of the report's day.
    contacts
        ``customer_id, contact_count``: contacts of the quarter; customers who are absent had none. ``None`` where the
        company records no contacts: then nobody can be said to have had none.
    clv
        Columns of ``CLV_SCHEMA``; the value is empty for customers without one.
    """
    priority = _priority(features, settings=settings)
    silent = priority.loc[~_contacted(priority, contacts)] if contacts is not None else priority.iloc[:0]
    listed = silent.merge(clv[["customer_id", "clv_amount"]], on="customer_id", how="left", validate="one_to_one")
    listed = listed.assign(spend_amount_365d=listed["spend_amount_365d"].astype(float).round(2))
    order = ["spend_amount_365d", "customer_id"]
    return listed.sort_values(order, ascending=[False, True], ignore_index=True)[list(PRIORITY_SCHEMA)]


def priority_document(
    features: pd.DataFrame, contacts: pd.DataFrame | None, *, settings: ValueModelSettings
) -> dict[str, Any]:
    """Return how many priority customers there are, how many had no contact, and their spend of 365 days.

    Returns
    -------
    dict
        ``status``: ``ok``; ``no_contacts`` (the company records none); ``threshold`` (amount), ``n`` (priority
        customers), ``uncontacted_count``, ``uncontacted_amount`` (``None`` where so few customers make it up, or are
        left, that it may not be shown).
    """
    priority = _priority(features, settings=settings)
    document: dict[str, Any] = {"threshold": settings.priority_amount, "n": len(priority)}
    if contacts is None:
        return {"status": "no_contacts", **document, "uncontacted_count": None, "uncontacted_amount": None}
    silent = ~_contacted(priority, contacts)
    count = int(silent.sum())
    counts = pd.Series([count, len(priority) - count])
    is_hidden = count == 0 or bool(hidden_cells(counts, minimum=settings.minimum_cell).iloc[0])
    amount = None if is_hidden else round(float(priority.loc[silent, "spend_amount_365d"].sum()), 2)
    return {"status": "ok", **document, "uncontacted_count": count, "uncontacted_amount": amount}


def _priority(features: pd.DataFrame, *, settings: ValueModelSettings) -> pd.DataFrame:
    return features.loc[features["spend_amount_365d"].astype(float) > settings.priority_amount]


def _contacted(priority: pd.DataFrame, contacts: pd.DataFrame) -> np.ndarray:
    had = contacts.loc[contacts["contact_count"] > 0, "customer_id"]
    return priority["customer_id"].isin(had).to_numpy()
