"""Sentences on contact coverage, on the load of owners, and on large customers left alone."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.words import Message, message


def finding_coverage(coverage: pd.DataFrame, *, settings: PortfolioSettings) -> Message:
    """Return how many buyers of the year nobody contacted, and the tier with most of them.

    columns of ``CONTACT_COVERAGE_SCHEMA`` -> message
    """
    if coverage.empty:
        return message("workload.no_contacts")
    all_ = coverage.loc[coverage["coverage_group"] == "all"].iloc[0]
    n, count = int(all_["customer_count"]), int(all_["uncontacted_count"])
    told: dict[str, Any] = {"n": n, "days": settings.contact_days}
    if all_["status"] == "too_small":
        return message("workload.coverage_few", **told, minimum=settings.minimum_base)
    told |= {"count": count, "share": float(all_["uncontacted_share"]), "never": int(all_["never_count"])}
    tiers = coverage.loc[(coverage["coverage_group"] == "tier") & coverage["uncontacted_share"].notna()]
    if tiers.empty:
        return message("workload.coverage", **told, worst=message("workload.no_tier"))
    worst = tiers.sort_values(["uncontacted_share", "tier"], ascending=[False, True]).iloc[0]
    clause = message("workload.tier", tier=_slug(worst["tier"]), share=float(worst["uncontacted_share"]),
                     n=int(worst["customer_count"]))  # fmt: skip
    return message("workload.coverage", **told, worst=clause)


def finding_load(document: Mapping[str, Any]) -> Message:
    """Return how accounts are spread over owners, and how many owners are above the setting.

    what :func:`crm_analysis.evaluation.workload.load_document` returns -> message
    """
    if not document["owner_count"]:
        return message("workload.no_owners")
    id_ = "workload.load_over" if document["overloaded_count"] else "workload.load"
    return message(
        id_,
        owners=document["owner_count"], accounts=document["account_count"], median=document["median_count"],
        largest=document["largest_count"], ratio=document["largest_ratio"], gini=_two_digits(document["gini"]),
        over=document["overloaded_count"], limit=document["most_accounts"], unowned=document["unowned_count"],
    )  # fmt: skip


def finding_tasks(document: Mapping[str, Any]) -> Message:
    """Return how many tasks are open, overdue and forgotten."""
    counts = {name: document[f"{name}_task_count"] for name in ("open", "overdue", "stale")}
    return message("workload.tasks" if counts["open"] else "workload.no_tasks", **counts)


def finding_large(coverage: pd.DataFrame, workload: pd.DataFrame, *, settings: PortfolioSettings) -> Message:
    """Return how many large customers there are, how many have no owner and how many nobody contacted.

    columns of ``CONTACT_COVERAGE_SCHEMA`` and ``WORKLOAD_SCHEMA`` -> message
    """
    n = int(workload["large_count"].sum())
    told: dict[str, Any] = {"n": n, "amount": settings.large_amount, "days": settings.contact_days}
    told["unowned"] = int(workload.loc[workload["owner"].isna(), "large_count"].sum())
    if n == 0:
        return message("workload.no_large", amount=settings.large_amount)
    if coverage.empty:
        return message("workload.large_unknown", **told)
    alone = int(coverage.loc[coverage["coverage_group"] == "all", "large_uncontacted_count"].iloc[0])
    return message("workload.large", **told, uncontacted=alone)


def _slug(value: Any) -> str:
    return "joined" if pd.isna(value) else str(value)


def _two_digits(value: float | None) -> float | None:
    return None if value is None else round(float(value), 2)
