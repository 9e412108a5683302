"""Churn of contracts: those that ended without a renewal within the grace period (REQUIREMENTS C1)."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.intervals import wilson
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.words import Message, message

CONTRACT_LABELS_SCHEMA: ResultSchema = {
    "contract_id": DIRECT, "customer_id": DIRECT, "end_date": OPEN, "quarter": OPEN, "is_churned": SENSITIVE,
}  # fmt: skip
CONTRACT_CHURN_SCHEMA: ResultSchema = dict.fromkeys(
    ["quarter", "n", "customer_count", "churn_count", "churn_rate", "churn_rate_low", "churn_rate_high"], OPEN
)


def contract_labels_table(
    contracts: ibis.Table, *, as_of: date, grace_days: int, quarters: Sequence[Quarter]
) -> ibis.Table:
    """Return the contracts whose grace is over, and whether they were renewed in time.

    ``contracts`` behind the door of ``as_of`` -> columns of ``CONTRACT_LABELS_SCHEMA``, by end and id

    Parameters
    ----------
    grace_days
        Days after the last day within which a renewal still counts: the one of the renewal rate (E4).
    quarters
        Quarters of the end that are looked at.

    Notes
    -----
    Eligible: the end lies in one of ``quarters`` and ``grace_days`` ran out before ``as_of``, so that the label is
    final. Renewed, as for the renewal rate: another contract names it in ``renewal_of``, or the customer's next one
    starts between its last day and the day after the grace. Else it has churned: ``is_churned`` 1.
    """
    ended = contracts.filter(
        contracts.end_date >= ibis.literal(quarters[0].start),
        contracts.end_date < ibis.literal(quarters[-1].end),
        contracts.end_date < ibis.literal(as_of - timedelta(days=grace_days)),
    ).select("contract_id", "customer_id", "end_date")
    linked = contracts.filter(contracts.renewal_of.notnull()).select(renewed_id=contracts.renewal_of)
    later = contracts.select(next_id="contract_id", owner_id="customer_id", next_start="start_date")
    pairs = ended.join(later, ended.customer_id == later.owner_id)
    followed = pairs.filter(
        pairs.next_id != pairs.contract_id,
        pairs.next_start >= pairs.end_date,
        pairs.next_start <= pairs.end_date + ibis.interval(days=grace_days + 1),
    ).select(renewed_id="contract_id")
    renewed = linked.union(followed).distinct()
    rows = ended.left_join(renewed, ended.contract_id == renewed.renewed_id)
    name = ibis.cases(*((rows.end_date < ibis.literal(q.end), str(q)) for q in quarters), else_=str(quarters[-1]))
    labelled = rows.select(
        "contract_id", "customer_id", "end_date", quarter=name, is_churned=rows.renewed_id.isnull().cast("int64")
    )
    return labelled.order_by("end_date", "contract_id")


def contract_churn_table(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the base rate of contract churn by quarter of the end.

    columns of ``CONTRACT_LABELS_SCHEMA`` -> columns of ``CONTRACT_CHURN_SCHEMA``, oldest quarter first; the interval is
    Wilson's (1927), as if contracts were independent: several of one customer make it too narrow
    """
    rows = []
    for quarter, part in labels.groupby("quarter"):
        churned = int(part["is_churned"].sum())
        low, high = wilson(churned, len(part))
        rows.append({
            "quarter": str(quarter), "n": len(part), "customer_count": int(part["customer_id"].nunique()),
            "churn_count": churned, "churn_rate": round(churned / len(part), 6), "churn_rate_low": low,
            "churn_rate_high": high,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(CONTRACT_CHURN_SCHEMA)).astype({"quarter": "str"})


def contract_definition(table: pd.DataFrame, *, grace_days: int, minimum_n: int = 30) -> dict[str, Any]:
    """Return the definition of contract churn as applied, with the base rate over all quarters.

    columns of ``CONTRACT_CHURN_SCHEMA`` -> ``grace_days, n, churn_count, churn_rate, low, high`` (rates empty below
    ``minimum_n`` contracts) and ``message``
    """
    n, churned = int(table["n"].sum()), int(table["churn_count"].sum())
    found: dict[str, Any] = {"grace_days": grace_days, "n": n, "churn_count": churned}
    if n < minimum_n:
        told = message("contract_churn.few", grace_days=grace_days, n=n, minimum=minimum_n)
        return found | {"churn_rate": None, "low": None, "high": None, "message": told.to_json()}
    low, high = wilson(churned, n)
    rate = round(churned / n, 6)
    told = message("contract_churn.rate", grace_days=grace_days, n=n, rate=rate, low=low, high=high,
                   quarter_count=len(table))  # fmt: skip
    return found | {"churn_rate": rate, "low": low, "high": high, "message": told.to_json()}


def finding_contract_churn(definition: Mapping[str, Any]) -> Message:
    """Return how contract churn is defined and how large it is, or that there are too few contracts."""
    return Message.from_json(definition["message"])
