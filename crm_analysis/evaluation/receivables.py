"""Receivables at the quarter's end: what is open and overdue by tier and age, beside the tier's yearly spend (E19)."""

from datetime import date, timedelta
from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.base.words import message

#: Days overdue on the last included day, the ends included; the last has no end. 0: due on that day.
AGES = ((0, 30), (31, 60), (61, 90), (91, None))
_AGE_COLUMNS = ("overdue_0_30_amount", "overdue_31_60_amount", "overdue_61_90_amount", "overdue_over_90_amount")
_AMOUNTS = ("open_amount", "overdue_amount", *_AGE_COLUMNS, "year_spend_amount")
RECEIVABLES_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "debtor_count", "invoice_count", "overdue_debtor_count", *_AMOUNTS, "overdue_share",
     "open_to_spend_share"],
    OPEN,
)  # fmt: skip


def receivables_table(
    receivables: ibis.Table | None,
    customers: ibis.Table,
    *,
    as_of: date,
    settings: PortfolioSettings,
) -> pd.DataFrame:
    """Return open and overdue receivables by the tier at the quarter's end.

    ``receivables`` and ``customer_id, kind, tier, spend_amount_365d`` -> columns of ``RECEIVABLES_SCHEMA``, most
    overdue first; no rows without receivables

    Parameters
    ----------
    receivables
        Behind the door: invoices of the quarter's end and before, later payments unknown.
    customers
        One row per customer, with the tier at the quarter's end and the net spend of the last 365 days.
    as_of
        First day that is not yet known.

    Returns
    -------
    pandas.DataFrame
        ``debtor_count``: customers with an open invoice (n); ``open_amount``: invoices not paid; ``overdue_amount``: of
        these, due on the last included day or before, by days since then in four columns that sum to it;
        ``overdue_share`` of the open amount; ``year_spend_amount``: of all customers of the tier;
        ``open_to_spend_share``: open amount / yearly spend, empty without spend. Amounts made from fewer than
        ``minimum_cell`` debtors are empty where persons are among them, with further ones that would give them away;
        so are overdue amounts where fewer than that are overdue.

    Notes
    -----
    Paid in part does not exist in the data: an invoice is open until it is paid. REQUIREMENTS E19.
    """
    if receivables is None:
        return empty_receivables()
    last_day = ibis.literal(as_of - timedelta(days=1))
    rows = receivables.filter(receivables.paid_on.isnull())
    rows = rows.select("customer_id", "amount", overdue_days=last_day.delta(rows.due_date, unit="day"))
    age = rows.overdue_days
    sums = rows.group_by("customer_id").aggregate(
        invoice_count=rows.count(),
        open_amount=rows.amount.sum(),
        overdue_amount=rows.amount.sum(where=age >= 0).fill_null(0),
        **{
            name: rows.amount.sum(where=(age >= first) if last is None else age.between(first, last)).fill_null(0)
            for name, (first, last) in zip(_AGE_COLUMNS, AGES, strict=True)
        },
    )
    spend = customers.spend_amount_365d.cast("decimal(18, 4)")
    known = customers.select("customer_id", "tier", "kind", year_spend_amount=spend)
    joined = sums.outer_join(known, "customer_id")
    is_debtor = joined.invoice_count.notnull()
    is_person = (joined.kind != "organisation").fill_null(True)
    by_tier = joined.group_by("tier").aggregate(
        debtor_count=joined.count(where=is_debtor),
        person_count=joined.count(where=is_debtor & is_person),
        invoice_count=joined.invoice_count.sum().fill_null(0),
        overdue_debtor_count=joined.count(where=joined.overdue_amount > 0),
        **{name: joined[name].sum().fill_null(0).cast("float64") for name in _AMOUNTS},
    )
    table = by_tier.filter(by_tier.debtor_count > 0).to_pandas()
    if table.empty:
        return empty_receivables()
    table = table.sort_values(["overdue_amount", "tier"], ascending=[False, True], ignore_index=True)
    table["overdue_share"] = (table["overdue_amount"] / table["open_amount"].where(table["open_amount"] > 0)).round(6)
    of_spend = table["open_amount"] / table["year_spend_amount"].where(table["year_spend_amount"] > 0)
    table["open_to_spend_share"] = of_spend.round(6)
    debtors = table["debtor_count"]
    exposed = debtors.where(table["person_count"] > 0, debtors.clip(lower=settings.minimum_cell))
    hidden = hidden_cells(exposed, minimum=settings.minimum_cell)
    told = [*_AMOUNTS[:-1], "overdue_share", "open_to_spend_share"]
    table[told] = table[told].mask(hidden)
    is_few = (table["person_count"] > 0) & table["overdue_debtor_count"].between(1, settings.minimum_cell - 1)
    aged = ["overdue_amount", *_AGE_COLUMNS, "overdue_share"]
    table[aged] = table[aged].mask(is_few)
    counts = dict.fromkeys(["debtor_count", "invoice_count", "overdue_debtor_count"], "int64")
    amounts = {name: table[name].astype(float).round(2) for name in _AMOUNTS}
    return table.assign(**amounts).astype({"tier": "str"} | counts)[list(RECEIVABLES_SCHEMA)]


def empty_receivables() -> pd.DataFrame:
    """Return receivables without rows."""
    kinds = {"tier": "str"} | dict.fromkeys(["debtor_count", "invoice_count", "overdue_debtor_count"], "int64")
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "float64")) for name in RECEIVABLES_SCHEMA})


def receivables_document(
    receivables: ibis.Table | None, *, quarter: Quarter, settings: PortfolioSettings
) -> dict[str, Any]:
    """Return what is open and overdue in all, and the days sales outstanding.

    Returns
    -------
    dict
        ``status``: ``ok``, ``absent`` (no such table), ``too_small`` (fewer than ``minimum_base`` invoices in the
        quarter: no days are told); ``message``; ``open_amount, overdue_amount, over_90_amount, overdue_share,
        invoice_count`` (open ones), ``invoiced_amount, invoiced_count`` (of the quarter), ``outstanding_days``.

    Notes
    -----
    Days sales outstanding = open amount at the quarter's end / amount invoiced in the quarter x days of the quarter.
    """
    if receivables is None:
        return {"status": "absent", "message": message("receivables.absent").to_json()}
    last_day = quarter.last_day
    is_open, due = receivables.paid_on.isnull(), receivables.due_date
    is_new = receivables.invoiced_on >= ibis.literal(quarter.start)
    oldest = ibis.literal(last_day - timedelta(days=AGES[-1][0]))
    amount = receivables.amount
    sums = receivables.aggregate(
        invoice_count=receivables.count(where=is_open),
        invoiced_count=receivables.count(where=is_new),
        open_amount=amount.sum(where=is_open).fill_null(0).cast("float64"),
        overdue_amount=amount.sum(where=is_open & (due <= ibis.literal(last_day))).fill_null(0).cast("float64"),
        over_90_amount=amount.sum(where=is_open & (due <= oldest)).fill_null(0).cast("float64"),
        invoiced_amount=amount.sum(where=is_new).fill_null(0).cast("float64"),
    )
    row = sums.to_pandas().iloc[0]
    found: dict[str, Any] = {str(name): round(float(value), 2) for name, value in row.items()}
    found |= {name: int(found[name]) for name in ("invoice_count", "invoiced_count")}
    enough = found["invoiced_count"] >= settings.minimum_base and found["invoiced_amount"] > 0
    length = (quarter.end - quarter.start).days
    found["outstanding_days"] = round(found["open_amount"] / found["invoiced_amount"] * length, 1) if enough else None
    found["overdue_share"] = (
        round(found["overdue_amount"] / found["open_amount"], 6) if found["open_amount"] > 0 else None
    )
    told = message(
        "receivables.finding" if enough else "receivables.no_days",
        n=found["invoice_count"], open=found["open_amount"], overdue=found["overdue_amount"],
        share=found["overdue_share"], old=found["over_90_amount"], days=found["outstanding_days"],
        invoiced_n=found["invoiced_count"], minimum=settings.minimum_base,
    )  # fmt: skip
    return {"status": "ok" if enough else "too_small", "message": told.to_json()} | found
