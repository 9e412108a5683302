"""Who answers for which customers of a tier: the table of responsibilities (REQUIREMENTS S12)."""

from collections.abc import Sequence

import ibis
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import StrategyRow

RESPONSIBILITIES_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "owner", "customer_count", "spend_amount_365d", "contacts_per_quarter", "planned_contact_count"], OPEN
)


def responsibilities_table(
    segments: ibis.Table,
    features: ibis.Table,
    customers: ibis.Table | None,
    *,
    rows: Sequence[StrategyRow],
    order: Sequence[str],
) -> pd.DataFrame:
    """Return the customers of every tier by the person in charge of them, and the contacts that this asks for.

    ``customer_id, tier``, ``customer_id, spend_amount_365d`` and ``customer_id, owner`` -> columns of
    ``RESPONSIBILITIES_SCHEMA``

    Parameters
    ----------
    segments, features, customers
        Tables of the engine; without ``customers`` nobody is in charge of anybody.
    rows
        Rows of the strategy; a tier without one plans nothing.
    order
        Tiers, best first; all others follow by name.

    Returns
    -------
    pandas.DataFrame
        By tier, then most customers first; ``owner`` is empty for customers whom nobody owns, last in their tier.
        ``spend_amount_365d`` is their net spend of the last 365 days; ``planned_contact_count`` is customers x contacts
        per quarter, the work of the next quarter.
    """
    spent = features.select("customer_id", "spend_amount_365d")
    known = segments.select("customer_id", "tier").join(spent, "customer_id")
    if customers is None:
        known = known.mutate(owner=ibis.null("string"))
    else:
        owners = customers.select(customer=customers.customer_id, owner=customers.owner)
        known = known.left_join(owners, known.customer_id == owners.customer)
    spend = known.spend_amount_365d.cast("decimal(38, 4)").sum().cast("float64")
    counted = known.group_by("tier", "owner").aggregate(customer_count=known.count(), spend_amount_365d=spend.round(2))
    table = counted.to_pandas()
    table["contacts_per_quarter"] = table["tier"].map({row.tier: row.contacts_per_quarter for row in rows})
    table["contacts_per_quarter"] = table["contacts_per_quarter"].astype("float64")
    table["planned_contact_count"] = (table["customer_count"] * table["contacts_per_quarter"]).round(1)
    places = {tier: place for place, tier in enumerate(order)}
    table = table.assign(
        place=table["tier"].map(places).fillna(len(places)), nobody=table["owner"].isna(), most=-table["customer_count"]
    )
    ordered = table.sort_values(["place", "tier", "nobody", "most", "owner"], ignore_index=True)
    return ordered[list(RESPONSIBILITIES_SCHEMA)].astype({"tier": "str", "owner": "str"})
