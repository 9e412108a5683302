"""Churn of contracts: those that ended without a renewal within the grace period (REQUIREMENTS C1)."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.intervals import wilson
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.words import Message, Words, message
from crm_analysis.sources.contracts import renewed_contracts

CONTRACT_LABELS_SCHEMA: ResultSchema = {
    "contract_id": DIRECT, "customer_id": DIRECT, "end_date": OPEN, "quarter": OPEN, "is_churned": SENSITIVE,
}  # fmt: skip
CONTRACT_CHURN_SCHEMA: ResultSchema = dict.fromkeys(
    ["quarter", "n", "customer_count", "churned_contract_count", "churn_rate", "churn_rate_low", "churn_rate_high",
     "in_grace_count", "is_running"], OPEN,
)  # fmt: skip


def contract_labels_table(
    contracts: ibis.Table, *, as_of: date, grace_days: int, quarters: Sequence[Quarter]
) -> ibis.Table:
    """Return the contracts that end in some quarters, and whether they were renewed in time.

    ``contracts`` behind the door of ``as_of`` -> columns of ``CONTRACT_LABELS_SCHEMA``, by end and id

    Parameters
    ----------
    grace_days
        Days after the last day within which a renewal still counts: the one of the renewal rate (E4).
    quarters
        Quarters of the end that are looked at.

    Notes
    -----
    ``is_churned`` is empty until ``grace_days`` after the end ran out before ``as_of``. It is 0 for contracts renewed
    in time, as for the renewal rate (:func:`crm_analysis.sources.contracts.renewed_contracts`), else 1. It is final: a
    renewal that begins after ``as_of``, linked or not, comes too late (one that begins on ``as_of`` itself would count
    for contracts whose grace ran out the day before, and is not known yet).
    """
    ended = contracts.filter(
        contracts.end_date >= ibis.literal(quarters[0].start),
        contracts.end_date < ibis.literal(quarters[-1].end),
    ).select("contract_id", "customer_id", "end_date")
    renewed = renewed_contracts(contracts, grace_days=grace_days)
    rows = ended.left_join(renewed, ended.contract_id == renewed.renewed_id)
    name = ibis.cases(*((rows.end_date < ibis.literal(q.end), str(q)) for q in quarters), else_=str(quarters[-1]))
    is_over = rows.end_date < ibis.literal(as_of - timedelta(days=grace_days))
    is_churned = ibis.ifelse(is_over, rows.renewed_id.isnull().cast("int64"), ibis.null("int64"))
    labelled = rows.select("contract_id", "customer_id", "end_date", quarter=name, is_churned=is_churned)
    return labelled.order_by("end_date", "contract_id")


def contract_churn_table(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the base rate of contract churn by quarter of the end.

    columns of ``CONTRACT_LABELS_SCHEMA`` -> columns of ``CONTRACT_CHURN_SCHEMA``, oldest quarter first

    Returns
    -------
    pandas.DataFrame
        ``n`` contracts whose grace is over, of ``customer_count`` customers; ``in_grace_count``: those that are not
        judged yet, in no rate. A quarter that has some is running (``is_running``). The interval is Wilson's (1927), as
        if contracts were independent: several of one customer make it too narrow. Rates are empty without a contract.
    """
    rows = []
    for quarter, part in labels.groupby("quarter"):
        judged = part.loc[part["is_churned"].notna()]
        n, churned = len(judged), int(judged["is_churned"].sum())
        rate, (low, high) = (round(churned / n, 6), wilson(churned, n)) if n else (np.nan, (np.nan, np.nan))
        rows.append({
            "quarter": str(quarter), "n": n, "customer_count": int(judged["customer_id"].nunique()),
            "churned_contract_count": churned, "churn_rate": rate, "churn_rate_low": low, "churn_rate_high": high,
            "in_grace_count": len(part) - n, "is_running": len(part) > n,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(CONTRACT_CHURN_SCHEMA)).astype({"quarter": "str"})


def contract_definition(table: pd.DataFrame, *, grace_days: int, minimum_n: int = 30) -> dict[str, Any]:
    """Return the definition of contract churn as applied, with the base rate over all quarters.

    columns of ``CONTRACT_CHURN_SCHEMA`` -> ``grace_days, n, churn_count, in_grace_count, churn_rate, low, high`` (rates
    empty below ``minimum_n`` contracts) and ``message``
    """
    n, churned = int(table["n"].sum()), int(table["churned_contract_count"].sum())
    waiting = int(table["in_grace_count"].sum())
    found: dict[str, Any] = {"grace_days": grace_days, "n": n, "churn_count": churned, "in_grace_count": waiting}
    if n < minimum_n:
        told = message("contract_churn.few", grace_days=grace_days, n=n, minimum=minimum_n)
        return found | {"churn_rate": None, "low": None, "high": None, "message": told.to_json()}
    low, high = wilson(churned, n)
    rate = round(churned / n, 6)
    told = message("contract_churn.rate", grace_days=grace_days, n=n, rate=rate, low=low, high=high,
                   quarter_count=int((table["n"] > 0).sum()))  # fmt: skip
    running = table.loc[table["is_running"].astype(bool), "quarter"]
    if len(running):
        quarters = [message("contract_churn.quarter", quarter=quarter) for quarter in running]
        told = message("contract_churn.running", found=told, quarters=quarters, waiting=waiting)
    return found | {"churn_rate": rate, "low": low, "high": high, "message": told.to_json()}


def finding_contract_churn(definition: Mapping[str, Any]) -> Message:
    """Return how contract churn is defined and how large it is, or that there are too few contracts."""
    return Message.from_json(definition["message"])


def format_contract_churn(table: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the base rate by quarter for reading; quarters with contracts in grace are marked as running.

    columns of ``CONTRACT_CHURN_SCHEMA`` -> the same without ``in_grace_count, is_running``, and ``contract_state``
    """
    states = [
        words.say("contract_churn.state_running", n=row["in_grace_count"])
        if row["is_running"]
        else words.word("contract_churn.state_final")
        for row in table.to_dict("records")
    ]
    shown = table.drop(columns=["in_grace_count", "is_running"])
    return shown.assign(contract_state=pd.Series(states, index=table.index, dtype="str"))
