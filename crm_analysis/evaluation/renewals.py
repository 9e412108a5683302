"""Contracts that come up for renewal in the next quarters, and those that are over and still in grace (E18)."""

from datetime import date, timedelta

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.sources.contracts import renewed_contracts

RENEWALS_SCHEMA: ResultSchema = dict.fromkeys(
    ["month_date", "quarter", "renewal_state", "tier", "contract_count", "customer_count", "person_count",
     "renewal_amount", "unpriced_count"],
    OPEN,
)  # fmt: skip
MONTH_COLUMNS = ("month_date", "renewal_state", "contract_count", "customer_count", "renewal_amount")
QUARTER_COLUMNS = ("quarter", "renewal_state", "contract_count", "customer_count", "renewal_amount", "unpriced_count")
#: ``in_grace``: ended before the quarter's end, may still be renewed; ``due``: ends in one of the next quarters.
STATES = ("in_grace", "due")


def open_contracts(contracts: ibis.Table, *, as_of: date, grace_days: int) -> ibis.Table:
    """Return the contracts that nobody has renewed: ended no more than ``grace_days`` ago, or still running.

    ``contracts`` behind the door -> the same rows, fewer

    Notes
    -----
    Renewed as in the KPI ``contract_renewal_rate`` (:func:`crm_analysis.sources.contracts.renewed_contracts`).
    Contracts that begin after the quarter are not known yet: an early signature shows once the new contract runs, or
    where it began before the old one ended.
    """
    wanted = contracts.filter(contracts.end_date >= ibis.literal(as_of - timedelta(days=grace_days)))
    renewed = renewed_contracts(contracts, grace_days=grace_days)
    return wanted.anti_join(renewed, wanted.contract_id == renewed.renewed_id)


def renewals_table(
    contracts: ibis.Table | None,
    customers: ibis.Table,
    *,
    quarter: Quarter,
    grace_days: int,
    settings: PortfolioSettings,
) -> pd.DataFrame:
    """Return contracts to be renewed by the month in which they end, state and tier.

    ``contracts`` and ``customer_id, kind, tier`` -> columns of ``RENEWALS_SCHEMA``, by time, state and tier; no rows
    without contracts

    Parameters
    ----------
    contracts
        Behind the door of the quarter's end; ``end_date`` is the last day of a contract.
    customers
        One row per customer, with the tier at the quarter's end.
    quarter
        The quarter of the report; ``settings.renewal_quarters`` quarters after it are looked at.
    grace_days
        Days after its end in which a contract may still be renewed.

    Returns
    -------
    pandas.DataFrame
        ``month_date``: first day of the month of the end; ``quarter``: its quarter; ``person_count``: customers of the
        row that are not known to be organisations; ``renewal_amount``: sum of the contracts' amounts (currency);
        ``unpriced_count``: contracts without an amount.
    """
    if contracts is None:
        return empty_renewals()
    ahead = [quarter.shift(step) for step in range(1, settings.renewal_quarters + 1)]
    rows = open_contracts(contracts, as_of=quarter.end, grace_days=grace_days)
    rows = rows.filter(rows.end_date < ibis.literal(ahead[-1].end))
    rows = rows.left_join(customers.select("customer_id", "kind", "tier"), "customer_id").drop("customer_id_right")
    is_due = rows.end_date >= ibis.literal(quarter.end)
    is_person = (rows.kind != "organisation").fill_null(True)
    table = (
        rows.group_by(
            month_date=rows.end_date.truncate("M").cast("date"),
            renewal_state=ibis.ifelse(is_due, "due", "in_grace"),
            tier=rows.tier,
        )
        .aggregate(
            contract_count=rows.count(),
            customer_count=rows.customer_id.nunique(),
            person_count=rows.customer_id.nunique(where=is_person),
            renewal_amount=rows.amount.sum().fill_null(0).cast("float64"),
            unpriced_count=rows.count(where=rows.amount.isnull()),
        )
        .to_pandas()
    )
    if table.empty:
        return empty_renewals()
    months = pd.to_datetime(table["month_date"]).astype("datetime64[s]")
    names = [str(Quarter.containing(day.date(), first_month=quarter.first_month)) for day in months]
    table = table.assign(month_date=months, quarter=pd.Series(names, dtype="str"), tier=table["tier"].astype("str"))
    table["place"] = table["renewal_state"].map(STATES.index)
    table["renewal_amount"] = table["renewal_amount"].astype(float).round(2)
    return table.sort_values(["month_date", "place", "tier"], ignore_index=True)[list(RENEWALS_SCHEMA)]


def empty_renewals() -> pd.DataFrame:
    """Return renewals without rows."""
    kinds = {"month_date": "datetime64[s]", "renewal_amount": "float64"}
    kinds |= dict.fromkeys(["quarter", "renewal_state", "tier"], "str")
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "int64")) for name in RENEWALS_SCHEMA})


def renewal_months_table(renewals: pd.DataFrame, *, quarter: Quarter, settings: PortfolioSettings) -> pd.DataFrame:
    """Return the renewals of every coming month and of the grace, months without one included.

    columns of ``RENEWALS_SCHEMA`` -> ``month_date, renewal_state, contract_count, customer_count, renewal_amount``:
    first what is in grace (one row, dated with the quarter's last month), then each month ahead; no rows without any
    contract

    Notes
    -----
    Amounts made from fewer than ``minimum_cell`` customers are empty where persons are among them, and so are further
    ones that would give them away: amounts of organisations alone are business figures. Customers with contracts in
    several tiers or months count once in each.
    """
    if renewals.empty:
        return pd.DataFrame({name: renewals[name] for name in MONTH_COLUMNS})
    names = ["contract_count", "customer_count", "person_count", "renewal_amount"]
    grace = renewals.loc[renewals["renewal_state"] == "in_grace", names].sum()
    due = renewals.loc[renewals["renewal_state"] == "due"].groupby("month_date")[names].sum()
    months = pd.date_range(quarter.end, periods=3 * settings.renewal_quarters, freq="MS").astype("datetime64[s]")
    table = due.reindex(months, fill_value=0).rename_axis("month_date").reset_index().assign(renewal_state="due")
    last_month = pd.Timestamp(quarter.last_day.replace(day=1)).as_unit("s")
    first = pd.DataFrame([grace.to_dict() | {"month_date": last_month, "renewal_state": "in_grace"}])
    table = _hide_persons(pd.concat([first, table], ignore_index=True), minimum=settings.minimum_cell)
    return table[list(MONTH_COLUMNS)]


def renewal_quarters_table(renewals: pd.DataFrame, *, settings: PortfolioSettings, by: str = "quarter") -> pd.DataFrame:
    """Return the renewals by quarter, or by tier over all quarters ahead; what is in grace stands apart.

    columns of ``RENEWALS_SCHEMA`` -> ``quarter`` (or ``tier``), ``renewal_state, contract_count, customer_count,
    renewal_amount, unpriced_count``, quarters in time, tiers by contracts; small amounts of persons are empty, see
    :func:`renewal_months_table`

    Parameters
    ----------
    by
        ``quarter`` or ``tier``.
    """
    names = ["contract_count", "customer_count", "person_count", "renewal_amount", "unpriced_count"]
    table = renewals.groupby(["renewal_state", by], sort=False, dropna=False)[names].sum().reset_index()
    table["place"] = table["renewal_state"].map(STATES.index)
    if by == "quarter":
        table = table.sort_values(["place", "quarter"], ignore_index=True)
    else:
        order = ["place", "contract_count", by]
        table = table.sort_values(order, ascending=[True, False, True], ignore_index=True)
    return _hide_persons(table, minimum=settings.minimum_cell)[[by, *QUARTER_COLUMNS[1:]]]


def _hide_persons(table: pd.DataFrame, *, minimum: int) -> pd.DataFrame:
    """Empty the amounts of rows with few customers, persons among them, and those that would give them away."""
    counts = table["customer_count"]
    exposed = counts.where((table["person_count"] > 0) | (counts == 0), counts.clip(lower=minimum))
    hidden = hidden_cells(exposed, minimum=minimum)
    return table.assign(renewal_amount=table["renewal_amount"].astype(float).mask(hidden)).astype(
        {"contract_count": "int64", "customer_count": "int64"}
    )
