"""Priority customers whom nobody has contacted this quarter (REQUIREMENTS C5)."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings_value_models import ValueModelSettings
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.sources.as_of import Tables
from crm_analysis.sources.contacts import done_between

PRIORITY_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    "kind": OPEN,
    "owner": OPEN,
    "spend_amount_365d": SENSITIVE,
    "recency_days": SENSITIVE,
    "clv_amount": SENSITIVE,
}
#: Tables that a contact with a customer is found in.
CONTACT_TABLES = ("interactions", "actions")


def contact_tables(tables: Tables) -> list[str]:
    """Return which of ``CONTACT_TABLES`` the company keeps."""
    return [name for name in CONTACT_TABLES if name in tables]


def contacts_table(tables: Tables, *, start: date, end: date, zone: str) -> pd.DataFrame | None:
    """Return the contacts of each customer in ``[start, end)``, local days; ``None`` where none are recorded.

    canonical tables behind the door of ``end`` -> ``customer_id, contact_count``, sorted; customers without are absent

    Notes
    -----
    A contact is an interaction in either direction, by the day on which it was opened, or an action that was done for
    the customer, by the time at which it was done: a visit or a coupon sent may be written down there alone. A control
    is left alone and is none. What is written down in both tables counts twice.
    """
    found = []
    if "interactions" in tables:
        rows = tables["interactions"]
        inside = (rows.opened_on >= ibis.literal(start)) & (rows.opened_on < ibis.literal(end))
        found.append(rows.filter(inside & rows.direction.isin(["in", "out"])).select("customer_id"))
    if "actions" in tables:
        rows = tables["actions"]
        is_done = done_between(rows, start=start, end=end, zone=zone)
        found.append(rows.filter(is_done & ~rows.is_control.fill_null(False)).select("customer_id"))
    if not found:
        return None
    every = found[0] if len(found) == 1 else ibis.union(*found)
    known = every.filter(every.customer_id.notnull())
    counts = known.group_by("customer_id").aggregate(contact_count=known.count())
    return counts.order_by("customer_id").to_pyarrow().to_pandas()


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
        :func:`contacts_table` of the quarter. ``None`` where the company records no contacts: then nobody can be said
        to have had none.
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
    features: pd.DataFrame, contacts: pd.DataFrame | None, *, settings: ValueModelSettings,
    read: Sequence[str] = CONTACT_TABLES,
) -> dict[str, Any]:  # fmt: skip
    """Return how many priority customers there are, how many had no contact, and their spend of 365 days.

    Parameters
    ----------
    read
        The tables that contacts were looked for in, see :func:`contact_tables`.

    Returns
    -------
    dict
        ``status``: ``ok``; ``no_contacts`` (the company records none); ``threshold`` (amount), ``n`` (priority
        customers), ``read``, ``uncontacted_count``, ``uncontacted_amount`` (``None`` where so few customers make it
        up, or are left, that it may not be shown).
    """
    priority = _priority(features, settings=settings)
    document: dict[str, Any] = {"threshold": settings.priority_amount, "n": len(priority), "read": list(read)}
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
