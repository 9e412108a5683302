"""The membership levels: members, points they hold, and who of them is active (REQUIREMENTS S9).

The data hold the balance of points alone: what was earned and redeemed before is not told apart.
"""

import ibis
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_schemes import Scheme
from crm_analysis.base.words import Message, message
from crm_analysis.segmentation.schemes import scheme_tiers_table

#: Id of the scheme whose tiers are membership levels.
MEMBERSHIP = "membership"
MEMBERSHIP_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "customer_count", "active_count", "active_rate", "member_spend_share", "points_known_count",
     "points_outstanding", "points_median"],
    OPEN,
)  # fmt: skip


def membership_table(features: ibis.Table, *, scheme: Scheme | None) -> pd.DataFrame:
    """Return members, activity and points of every level, in the order of the scheme, customers of no level left out.

    ``features`` -> columns of ``MEMBERSHIP_SCHEMA``

    Parameters
    ----------
    features
        Customer frame as a table of the engine.
    scheme
        The scheme ``membership``; ``None`` or a scheme without members gives no rows.

    Notes
    -----
    ``active_rate`` is the share (0-1) of the level's members with a counted order in the last 90 days;
    ``member_spend_share`` the level's share of all members' net spend of the last 365 days, empty where that is not
    positive;
    ``points_outstanding`` the sum of the balances that are known (``points_known_count``), ``points_median`` their
    median, both empty where none is.
    """
    if scheme is None:
        return pd.DataFrame(columns=list(MEMBERSHIP_SCHEMA))
    levels = scheme_tiers_table(features, schemes={MEMBERSHIP: scheme}).select("customer_id", "tier")
    known = levels.filter(levels.tier != scheme.otherwise.id).join(features, "customer_id")
    table = (
        known.group_by("tier")
        .aggregate(
            customer_count=known.count(),
            active_count=known.count(where=known.order_count_90d >= 1),
            spend=known.spend_amount_365d.cast("decimal(38, 4)").sum().cast("float64"),
            points_known_count=known.points.count(),
            points_outstanding=known.points.cast("decimal(38, 2)").sum().cast("float64"),
            points_median=known.points.median().cast("float64"),
        )
        .to_pandas()
    )
    total = table["spend"].sum()
    table["member_spend_share"] = (table["spend"] / total).round(6) if total > 0 else float("nan")
    table["active_rate"] = (table["active_count"] / table["customer_count"]).round(6)
    places = {tier: place for place, tier in enumerate(scheme.tier_ids)}
    ordered = table.sort_values("tier", key=lambda tiers: tiers.map(places), ignore_index=True)
    return ordered[list(MEMBERSHIP_SCHEMA)]


def finding_membership(table: pd.DataFrame) -> Message:
    """Return how many members there are, how many are active, and what points they hold."""
    if table.empty:
        return message("membership.none")
    members, active = int(table["customer_count"].sum()), int(table["active_count"].sum())
    known = int(table["points_known_count"].sum())
    told = {"n": members, "active": active, "share": round(active / members, 6), "known": known}
    if known == 0:
        return message("membership.no_points", **told)
    return message("membership.finding", points=float(table["points_outstanding"].sum()), **told)
