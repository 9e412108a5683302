"""The period view: new, retained, returned and churned customers of every quarter (REQUIREMENTS S2)."""

from collections.abc import Sequence

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema

#: Groups of customers with an order in the quarter; ``churned`` are those of the quarter before without one.
ACTIVE = ("new", "retained", "returned")
GROUPS = (*ACTIVE, "churned")

MOVEMENTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["quarter", "is_first_quarter", "active_count", *(f"{group}_count" for group in GROUPS), "lapsed_share",
     "active_spend_amount", *(f"{group}_spend_amount" for group in GROUPS)],
    OPEN,
)  # fmt: skip


def customer_movements_table(customer_periods: ibis.Table, *, quarters: Sequence[Quarter]) -> pd.DataFrame:
    """Return how many customers were new, retained, returned or churned in every quarter, and their money.

    ``customer_id, quarter, order_count, spend_amount`` -> one row per quarter, oldest first: ``quarter,
    is_first_quarter, active_count, new_count, retained_count, returned_count, churned_count, lapsed_share`` and the
    same of net spend

    Parameters
    ----------
    customer_periods
        All quarters of the data, see :func:`crm_analysis.sources.periods.customer_periods_table`.
    quarters
        Consecutive quarters to tell, oldest first; those before the data begin are left out.

    Notes
    -----
    Active is who has a counted order in the quarter. ``new``: never before, in all data; ``retained``: active in the
    quarter before, too; ``returned``: active before, but not in the quarter before; ``churned``: active in the quarter
    before, not in this one. So active = new + retained + returned, and active of the quarter before = retained +
    churned. Spend of the active is net of refunds in the quarter; that of the churned is what they spent in the quarter
    before. ``lapsed_share`` (0-1) is churned over active of the quarter before, not the churn rate of C1.

    In the first quarter of the data nobody can be told from a customer who bought earlier (``is_first_quarter``): all
    count as new, and churned is empty.
    """
    rows = customer_periods.filter(customer_periods.order_count >= 1)
    numbers = _numbered(rows, quarters=quarters)
    if numbers is None:
        return pd.DataFrame(columns=list(MOVEMENTS_SCHEMA))
    names, places = numbers
    rows = rows.select(
        "customer_id",
        place=ibis.cases(*((rows.quarter == name, place) for name, place in places.items())),
        spend=rows.spend_amount.cast("decimal(18, 4)"),
    )
    own = ibis.window(group_by="customer_id", order_by="place")
    rows = rows.mutate(before=rows.place.lag().over(own), after=rows.place.lead().over(own))
    is_new, is_kept = rows.before.isnull(), rows.before == rows.place - 1
    groups = {
        "active": ibis.literal(True),
        "new": is_new,
        "retained": ~is_new & is_kept,
        "returned": ~is_new & ~is_kept,
        "leaving": rows.after.isnull() | (rows.after > rows.place + 1),
    }
    sums = rows.group_by("place").aggregate(
        **{f"{name}_count": rows.count(where=where) for name, where in groups.items()},
        **{f"{name}_spend_amount": rows.spend.sum(where=where).fill_null(0) for name, where in groups.items()},
    )
    table = sums.to_pandas().set_index("place").reindex(range(len(names)), fill_value=0).astype(float)
    for unit in ("count", "spend_amount"):
        table[f"churned_{unit}"] = table[f"leaving_{unit}"].shift(1)
    table["lapsed_share"] = table["churned_count"] / table["active_count"].shift(1).where(lambda count: count > 0)
    table.insert(0, "quarter", names)
    table["is_first_quarter"] = table.index == 0
    return _tidy(table.loc[table["quarter"].isin([str(quarter) for quarter in quarters])])


def _numbered(rows: ibis.Table, *, quarters: Sequence[Quarter]) -> tuple[list[str], dict[str, int]] | None:
    """Return the quarters from the first of the data to the last asked for, and their running numbers."""
    first = rows.quarter_start.min().to_pandas()
    if pd.isna(first):
        return None
    last = quarters[-1]
    begun = Quarter.containing(pd.Timestamp(first).date(), first_month=last.first_month)
    if last < begun:
        return None
    names = [str(quarter) for quarter in last.back(last.since(begun) + 1)]
    return names, {name: place for place, name in enumerate(names)}


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    for name in MOVEMENTS_SCHEMA:
        if name.endswith("_count"):
            table[name] = table[name].astype("Int64")
        elif name.endswith("_amount"):
            table[name] = table[name].round(2)
    table["lapsed_share"] = table["lapsed_share"].round(6)
    return table[list(MOVEMENTS_SCHEMA)].reset_index(drop=True)
