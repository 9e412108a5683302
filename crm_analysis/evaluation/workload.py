"""Who looks after the customers: contact coverage, accounts and open tasks per owner, large customers left alone (E17).

``customers.owner`` and the tier are those known at the quarter's end. Customers counted are the buyers of the last 365
days; who has not bought for longer is the matter of win-back, not of coverage.
"""

from datetime import date, timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, ResultSchema
from crm_analysis.base.settings_bridges import PortfolioSettings

CONTACT_COVERAGE_SCHEMA: ResultSchema = dict.fromkeys(
    ["coverage_group", "tier", "owner", "customer_count", "uncontacted_count", "uncontacted_share", "never_count",
     "large_count", "large_uncontacted_count", "status"],
    OPEN,
)  # fmt: skip
WORKLOAD_SCHEMA: ResultSchema = dict.fromkeys(
    ["owner", "account_count", "load_share", "large_count", "dormant_count", "open_task_count", "overdue_task_count",
     "stale_task_count", "status"],
    OPEN,
)  # fmt: skip
UNATTENDED_SCHEMA: ResultSchema = {"customer_id": DIRECT} | dict.fromkeys(
    ["tier", "owner", "spend_amount_365d", "last_contact_date", "silent_days", "unattended_reason"], OPEN
)
#: Groups of the coverage table: all buyers, by tier, by owner.
GROUPS = ("all", "tier", "owner")
#: Status of an owner's load from these shares of ``most_accounts`` on.
_WATCH_FROM = 0.9


def attended_customers(
    features: ibis.Table,
    tiers: ibis.Table,
    interactions: ibis.Table | None,
    *,
    as_of: date,
    settings: PortfolioSettings,
) -> ibis.Table:
    """Return every customer with tier, owner and the last contact from us: what all tables here are made from.

    ``customer_id, owner, order_count_365d, spend_amount_365d`` and ``customer_id, tier`` -> ``customer_id, tier, owner,
    spend_amount_365d, last_contact_date, silent_days, is_active, is_large, is_contacted``

    Parameters
    ----------
    interactions
        Behind the door of the quarter's end; without them nothing is known of contacts, and ``is_contacted`` is null.
    as_of
        First day that is not yet known.

    Notes
    -----
    A contact is one from us to the customer that is no mass marketing (``direction`` out, ``kind`` not marketing).
    ``silent_days`` run to the last included day; null for customers never contacted. ``is_active``: bought in the last
    365 days. ``is_large``: net spend of those days above ``large_amount``. ``is_contacted``: in the last
    ``contact_days`` days. An owner of blanks is none.
    """
    last_day = as_of - timedelta(days=1)
    rows = features.select(
        "customer_id",
        "spend_amount_365d",
        owner=features.owner.strip().nullif(""),
        is_active=features.order_count_365d >= 1,
        is_large=features.spend_amount_365d > settings.large_amount,
    )
    rows = rows.left_join(tiers.select("customer_id", "tier"), "customer_id").drop("customer_id_right")
    if interactions is None:
        none = {"last_contact_date": ibis.null("date"), "silent_days": ibis.null("int64")}
        return rows.mutate(**none, is_contacted=ibis.null("boolean"))
    ours = interactions.filter(interactions.direction == "out", interactions.kind != "marketing")
    last = ours.group_by("customer_id").aggregate(last_contact_date=ours.opened_on.max())
    rows = rows.left_join(last, "customer_id").drop("customer_id_right")
    silent = ibis.literal(last_day).delta(rows.last_contact_date, unit="day")
    return rows.mutate(silent_days=silent, is_contacted=(silent < settings.contact_days).fill_null(False))


def contact_coverage_table(attended: ibis.Table, *, settings: PortfolioSettings) -> pd.DataFrame:
    """Return how many buyers of the year were not contacted in ``contact_days`` days: all, by tier, by owner.

    what :func:`attended_customers` returns -> columns of ``CONTACT_COVERAGE_SCHEMA``; no rows without interactions

    Returns
    -------
    pandas.DataFrame
        ``coverage_group`` says which of ``tier`` and ``owner`` the row is about (customers without stand in a row of
        their own, empty). ``customer_count`` is n; ``never_count``: of the uncontacted, those never contacted at all;
        ``uncontacted_share`` is empty below ``minimum_base`` customers, status ``too_small``.

    Notes
    -----
    Sorted within a group by uncontacted customers, most first. The parts of each group sum to the whole. E17.
    """
    buyers = attended.filter(attended.is_active, attended.is_contacted.notnull())
    alone = ~buyers.is_contacted

    def sums(group: str) -> ibis.Table:
        keys = {name: buyers[name] if name == group else ibis.null("string") for name in ("tier", "owner")}
        return buyers.group_by(coverage_group=ibis.literal(group), **keys).aggregate(
            customer_count=buyers.count(),
            uncontacted_count=buyers.count(where=alone),
            never_count=buyers.count(where=buyers.last_contact_date.isnull()),
            large_count=buyers.count(where=buyers.is_large),
            large_uncontacted_count=buyers.count(where=buyers.is_large & alone),
        )

    table = ibis.union(*(sums(group) for group in GROUPS)).to_pandas()
    is_told = table["customer_count"] >= settings.minimum_base
    table["uncontacted_share"] = (table["uncontacted_count"] / table["customer_count"]).where(is_told).round(6)
    table["status"] = is_told.map({True: "neutral", False: "too_small"}).astype("str")
    table["place"] = table["coverage_group"].map(GROUPS.index)
    order = ["place", "uncontacted_count", "tier", "owner"]
    table = table.sort_values(order, ascending=[True, False, True, True], ignore_index=True)
    return table.astype({"tier": "str", "owner": "str"})[list(CONTACT_COVERAGE_SCHEMA)]


def contact_group_table(coverage: pd.DataFrame, *, by: str) -> pd.DataFrame:
    """Return the rows of one group of the coverage, without the columns of the others: what is shown.

    columns of ``CONTACT_COVERAGE_SCHEMA`` -> ``tier`` or ``owner``, then the counts and the share

    Parameters
    ----------
    by
        ``tier`` or ``owner``.
    """
    names = [name for name in CONTACT_COVERAGE_SCHEMA if name not in {"coverage_group", "tier", "owner"}]
    return coverage.loc[coverage["coverage_group"] == by, [by, *names]].reset_index(drop=True)


def workload_table(
    attended: ibis.Table,
    actions: ibis.Table | None,
    *,
    as_of: date,
    quarter_start: date,
    settings: PortfolioSettings,
) -> pd.DataFrame:
    """Return accounts and open tasks per owner.

    what :func:`attended_customers` returns, and ``actions`` -> columns of ``WORKLOAD_SCHEMA``, most loaded first

    Parameters
    ----------
    actions
        Behind the door; those of control groups are no tasks. Without them the counts of tasks are 0.
    quarter_start
        Open tasks due earlier are ``stale``: forgotten, or cancelled (which no date in the data tells).

    Returns
    -------
    pandas.DataFrame
        A row per owner with accounts or open tasks; customers without an owner stand in the row whose ``owner`` is
        empty. ``account_count``: buyers of the year; ``load_share``: of ``most_accounts``; ``dormant_count``: customers
        who have not bought for a year; ``open_task_count``: not done, of which ``overdue_task_count`` were due by the
        quarter's end. ``status``: bad above ``most_accounts``, watch from 90 % of it.
    """
    accounts = attended.group_by("owner").aggregate(
        account_count=attended.count(where=attended.is_active),
        large_count=attended.count(where=attended.is_active & attended.is_large),
        dormant_count=attended.count(where=~attended.is_active),
    )
    table = accounts.to_pandas()
    if actions is not None:
        rows = actions.filter(~actions.is_control, actions.done_at.isnull())
        due = rows.due_date
        tasks = rows.group_by(owner=rows.owner.strip().nullif("")).aggregate(
            open_task_count=rows.count(),
            overdue_task_count=rows.count(where=due < ibis.literal(as_of)),
            stale_task_count=rows.count(where=due < ibis.literal(quarter_start)),
        )
        table = table.merge(tasks.to_pandas(), on="owner", how="outer")
    counts = [name for name in WORKLOAD_SCHEMA if name.endswith("_count")]
    table = table.reindex(columns=["owner", *counts])
    table[counts] = table[counts].fillna(0).astype("int64")
    table["load_share"] = (table["account_count"] / settings.most_accounts).where(table["owner"].notna()).round(6)
    table["status"] = np.select(
        [table["load_share"].isna(), table["load_share"] > 1, table["load_share"] >= _WATCH_FROM],
        ["unknown", "bad", "watch"],
        default="good",
    )
    table = table.astype({"owner": "str", "status": "str"})
    order = ["account_count", "open_task_count", "owner"]
    return table.sort_values(order, ascending=[False, False, True], ignore_index=True)[list(WORKLOAD_SCHEMA)]


def load_document(workload: pd.DataFrame, *, settings: PortfolioSettings) -> dict[str, Any]:
    """Return how evenly accounts are spread over owners.

    columns of ``WORKLOAD_SCHEMA`` -> ``owner_count``, ``account_count`` (theirs), ``unowned_count``, ``most_accounts``
    (setting), ``overloaded_count`` (owners above it), ``largest_count``, ``median_count``, ``largest_ratio`` (largest
    load / median), ``gini`` (0: all alike; empty for fewer than 2 owners or without accounts), ``open_task_count``,
    ``overdue_task_count``, ``stale_task_count``

    Notes
    -----
    Owners are those with at least one customer, buyer or not. REQUIREMENTS E17.
    """
    owned = workload.loc[workload["owner"].notna() & (workload[["account_count", "dormant_count"]].sum(axis=1) > 0)]
    loads = np.sort(owned["account_count"].to_numpy(dtype=float))
    n, total = len(loads), float(loads.sum())
    median = float(np.median(loads)) if n else 0.0
    gini = float(2 * (np.arange(1, n + 1) * loads).sum() / (n * total) - (n + 1) / n) if n > 1 and total > 0 else None
    tasks = {name: int(workload[name].sum()) for name in ("open_task_count", "overdue_task_count", "stale_task_count")}
    return {
        "owner_count": n,
        "account_count": int(total),
        "unowned_count": int(workload.loc[workload["owner"].isna(), "account_count"].sum()),
        "most_accounts": settings.most_accounts,
        "overloaded_count": int((loads > settings.most_accounts).sum()),
        "largest_count": int(loads.max()) if n else 0,
        "median_count": median,
        "largest_ratio": round(float(loads.max()) / median, 2) if median > 0 else None,
        "gini": None if gini is None else round(gini, 4),
        **tasks,
    }


def unattended_table(attended: ibis.Table) -> ibis.Table:
    """Return the large customers whom nobody owns or nobody contacted: a list for staff, never for the report.

    what :func:`attended_customers` returns -> columns of ``UNATTENDED_SCHEMA``, most spend first

    Notes
    -----
    ``unattended_reason``: ``no_owner``, ``not_contacted`` or ``both``; without interactions only the first can be told.
    """
    alone, unowned = (~attended.is_contacted).fill_null(False), attended.owner.isnull()
    rows = attended.filter(attended.is_active & attended.is_large & (unowned | alone))
    reason = ibis.cases((unowned & alone, "both"), (unowned, "no_owner"), else_="not_contacted")
    return (
        rows.mutate(unattended_reason=reason)
        .select(list(UNATTENDED_SCHEMA))
        .order_by(ibis.desc("spend_amount_365d"), "customer_id")
    )
