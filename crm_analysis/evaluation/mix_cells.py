"""What customers contributed to a KPI in two quarters, by the tiers at their starts (REQUIREMENTS E13).

Counted and summed by the engine; :mod:`crm_analysis.evaluation.mix_effect` takes the change apart.
"""

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema

#: KPIs that are decomposed.
KPIS = ("revenue", "customer_retention_rate", "churn_rate")
ENDS = ("before", "now")
#: Place of customers who spend without a tier at the start; that of customers in a rate without one.
NO_TIER, UNSCORED = "", "unscored"
CELLS_SCHEMA: ResultSchema = dict.fromkeys(
    ["kpi", "tier_before", "tier_now", "customer_count", "total_before", "total_now"], OPEN
)
_MONEY = "decimal(18, 4)"


def tier_cells_table(
    tiers_before: ibis.Table, tiers_now: ibis.Table, periods: ibis.Table, *, quarter: Quarter
) -> pd.DataFrame:
    """Return what customers contributed to each KPI in both quarters, by the tiers at their starts.

    ``customer_id, tier`` at both starts and ``customer_periods`` -> columns of ``CELLS_SCHEMA``

    Returns
    -------
    pandas.DataFrame
        ``tier_before`` and ``tier_now``: ``null`` where the customer takes no part in that period (he did not exist at
        its start, or is not in the rate's denominator); for ``revenue`` the empty text where he spent without a tier at
        the start. ``total_before`` and ``total_now``: net spend of the quarter; customers who bought again; customers
        lost. Denominators are those of the KPIs: buyers of the previous quarter, buyers of the four quarters before.
    """
    customers = _customers(tiers_before, tiers_now, _bought(periods, quarter=quarter))
    parts = []
    for kpi in KPIS:
        keys = {"tier_before": _place(customers, kpi, "before"), "tier_now": _place(customers, kpi, "now")}
        values = {f"total_{side}": _contribution(customers, kpi, side) for side in ENDS}
        rows = customers.mutate(**keys, **values)
        sums = rows.group_by("tier_before", "tier_now").aggregate(
            customer_count=rows.count(),
            total_before=rows.total_before.sum(where=rows.tier_before.notnull()).cast("float64").fill_null(0.0),
            total_now=rows.total_now.sum(where=rows.tier_now.notnull()).cast("float64").fill_null(0.0),
        )
        taking_part = sums.filter(sums.tier_before.notnull() | sums.tier_now.notnull())
        parts.append(taking_part.mutate(kpi=ibis.literal(kpi)))
    table = ibis.union(*parts).to_pandas() if parts else pd.DataFrame()
    ordered = table.assign(place=table["kpi"].map(list(KPIS).index)).sort_values(["place", "tier_before", "tier_now"])
    return ordered[list(CELLS_SCHEMA)].reset_index(drop=True).astype({"customer_count": "int64"})


def _bought(periods: ibis.Table, *, quarter: Quarter) -> ibis.Table:
    """Return per customer: net spend and purchase in both quarters, and whether each rate counts him."""
    is_bought = periods.order_count > 0
    columns: dict[str, ibis.Value] = {}
    for side, end in (("now", quarter), ("before", quarter.shift(-4))):
        here = periods.quarter_start == ibis.literal(end.start)
        year = periods.quarter_start.between(end.shift(-4).start, end.shift(-1).start)
        columns |= {
            f"spend_{side}": periods.spend_amount.cast(_MONEY).sum(where=here).fill_null(0),
            f"bought_{side}": periods.count(where=here & is_bought) > 0,
            f"previous_{side}": periods.count(
                where=(periods.quarter_start == ibis.literal(end.shift(-1).start)) & is_bought
            )
            > 0,
            f"year_{side}": periods.count(where=year & is_bought) > 0,
        }
    return periods.group_by("customer_id").aggregate(**columns)


def _customers(tiers_before: ibis.Table, tiers_now: ibis.Table, bought: ibis.Table) -> ibis.Table:
    """Return one row per customer of any of the three tables; who never bought has zeros."""
    then = tiers_before.select("customer_id", start_tier_before="tier")
    now = tiers_now.select("customer_id", start_tier_now="tier")
    ids = ibis.union(*(each.select("customer_id") for each in (then, now, bought)), distinct=True)
    joined = ids.left_join(then, "customer_id").drop("customer_id_right")
    joined = joined.left_join(now, "customer_id").drop("customer_id_right")
    joined = joined.left_join(bought, "customer_id").drop("customer_id_right")
    flags = [f"{name}_{side}" for name in ("bought", "previous", "year") for side in ENDS]
    spends = {f"spend_{side}": joined[f"spend_{side}"].fill_null(0) for side in ENDS}
    return joined.mutate(**{name: joined[name].fill_null(False) for name in flags}, **spends)


def _place(customers: ibis.Table, kpi: str, side: str) -> ibis.Value:
    """Return the tier that a customer is counted in, null where he takes no part."""
    tier = customers[f"start_tier_{side}"]
    if kpi == "revenue":
        is_newcomer = tier.isnull() & (customers[f"spend_{side}"] != 0)
        return ibis.ifelse(is_newcomer, ibis.literal(NO_TIER), tier)
    is_asked = customers[f"{'previous' if kpi == 'customer_retention_rate' else 'year'}_{side}"]
    return ibis.ifelse(is_asked, tier.fill_null(UNSCORED), ibis.null("string"))


def _contribution(customers: ibis.Table, kpi: str, side: str) -> ibis.Value:
    if kpi == "revenue":
        return customers[f"spend_{side}"]
    is_kept = customers[f"bought_{side}"]
    return (is_kept if kpi == "customer_retention_rate" else ~is_kept).cast("int64")


def empty_cells() -> pd.DataFrame:
    """Return cells without rows, where the same quarter of last year is not known."""
    kinds = {"customer_count": "int64", "total_before": "float64", "total_now": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "str")) for name in CELLS_SCHEMA})
