"""Growth of customer value over two years: what it comes from, by tier, and how customers share in it (E6).

Net revenue of four quarters is buyers x orders per buyer x net revenue per order; its change is split exactly into
these three, with no order of the factors preferred.
"""

from collections.abc import Sequence
from typing import Any

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.evaluation.breakdown import NOT_RECORDED, WHOLE
from crm_analysis.evaluation.kpis import KpiInputs, yearly_sums

FACTORS = ("customers", "frequency", "price")
VALUE_GROWTH_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "buyer_count_before", "buyer_count_now", "order_count_before", "order_count_now", "revenue_amount_before",
     "revenue_amount_now", "change_amount", "growth_rate", "customers_amount", "frequency_amount", "price_amount",
     "status"],
    OPEN,
)  # fmt: skip
GROWTH_CLASSES_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "growth_class", "customer_count", "customer_share", "revenue_amount_before", "revenue_amount_now"], OPEN
)
#: ``no_base``: nothing, or less, in the earlier year, so that no growth can be told; ``stopped``: nothing in the later.
GROWTH_CLASSES = ("no_base", "stopped", "falling", "steady", "growing")
_MONEY = ("revenue_amount_before", "revenue_amount_now", "change_amount", "growth_rate",
          *(f"{factor}_amount" for factor in FACTORS))  # fmt: skip


def split_change(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return the change of ``buyers x orders / buyer x revenue / order`` as a sum over the three factors.

    Two frames ``buyer_count, order_count, revenue_amount`` with the same rows -> ``customers, frequency, price``, which
    sum to the difference of the revenues

    Notes
    -----
    Shapley's split: the mean effect of each factor over the six orders in which they can change, so that none is
    preferred. In a row without orders on either side the rates do not exist and the whole change is that of customers.
    """
    first, last = _factors(before), _factors(now)
    change = {name: last[name] - first[name] for name in FACTORS}
    effects = {}
    for name in FACTORS:
        one, other = (rest for rest in FACTORS if rest != name)
        both = first[one] * first[other] + last[one] * last[other]
        mixed = first[one] * last[other] + last[one] * first[other]
        effects[name] = change[name] * (2 * both + mixed) / 6
    total = now["revenue_amount"] - before["revenue_amount"]
    has_rates = (before["order_count"] > 0) & (now["order_count"] > 0)
    for name in FACTORS:
        effects[name] = effects[name].where(has_rates, total if name == "customers" else 0.0)
    return pd.DataFrame(effects)


def _factors(side: pd.DataFrame) -> dict[str, pd.Series]:
    buyers, orders = side["buyer_count"].astype(float), side["order_count"].astype(float)
    return {
        "customers": buyers,
        "frequency": orders / buyers.where(buyers > 0),
        "price": side["revenue_amount"] / orders.where(orders > 0),
    }


def value_growth_table(
    inputs: KpiInputs, tiers: ibis.Table | None = None, *, tier_order: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the change of net revenue from the four quarters before to the last four, split by factor.

    Parameters
    ----------
    tiers
        ``customer_id, tier`` at the start of the earlier year, from the backend of the periods; without them only the
        whole (``all``) is told, for tiers of today would have been chosen by what is to be explained.
    tier_order
        Tiers from best to worst; others follow by name.

    Returns
    -------
    pandas.DataFrame
        Columns of ``VALUE_GROWTH_SCHEMA``, the whole first, customers who did not exist yet (``not_recorded``) last.
        ``buyer_count_*``: customers with a counted order; ``revenue_amount_*``: net of refunds.
        ``customers_amount + frequency_amount + price_amount = change_amount``. ``growth_rate``: change / the earlier
        year, null where that is not positive. ``status`` ``too_small``: money is hidden, because fewer customers than
        ``kpis.minimum_customers`` bought, or such a tier would be given away. REQUIREMENTS E6.
    """
    rows = _with_tiers(yearly_sums(inputs), tiers)
    sides = {
        f"{name}_{side}": value
        for side in ("before", "now")
        for name, value in {
            "buyer_count": rows.count(where=rows[f"order_count_{side}"] > 0),
            "order_count": rows[f"order_count_{side}"].sum(),
            "revenue_amount": rows[f"spend_{side}"].sum().cast("float64"),
        }.items()
    }
    buyers = rows.count(where=(rows.order_count_before > 0) | (rows.order_count_now > 0))
    table = rows.group_by("tier").aggregate(**sides, customer_count=buyers).to_pandas()
    table = _in_order(table, tier_order=tier_order)
    names = ["buyer_count", "order_count", "revenue_amount"]
    before, now = (table[[f"{name}_{side}" for name in names]].set_axis(names, axis=1) for side in ("before", "now"))
    effects = split_change(before, now).add_suffix("_amount")
    change = now["revenue_amount"] - before["revenue_amount"]
    base = before["revenue_amount"]
    is_part = table["tier"] != WHOLE
    least = inputs.settings.kpis.minimum_customers
    hidden = hidden_cells(table.loc[is_part, "customer_count"], minimum=least).reindex(table.index, fill_value=False)
    table = table.join(effects).assign(change_amount=change, growth_rate=(change / base.where(base > 0)).round(6))
    money = {name: table[name].round(6 if name == "growth_rate" else 2).mask(hidden) for name in _MONEY}
    status = pd.Series(np.where(hidden, "too_small", "no_target"), index=table.index, dtype="str")
    counts = dict.fromkeys([name for name in VALUE_GROWTH_SCHEMA if "count" in name], "int64")
    return table.assign(**money, status=status)[list(VALUE_GROWTH_SCHEMA)].astype({"tier": "str", **counts})


def growth_classes_table(
    inputs: KpiInputs, tiers: ibis.Table | None = None, *, tier_order: Sequence[str] = (), band: float = 0.1
) -> pd.DataFrame:
    """Return how many customers grow, hold, fall and stop, those without a base apart.

    Parameters
    ----------
    tiers, tier_order
        As for :func:`value_growth_table`.
    band
        A customer whose amount changed by no more than this share is ``steady``.

    Returns
    -------
    pandas.DataFrame
        ``tier, growth_class, customer_count, customer_share, revenue_amount_before, revenue_amount_now`` of customers
        with an order in either year, a row per tier and class in the order of ``GROWTH_CLASSES``; ``customer_share`` is
        of the customers of the tier. Amounts are null for fewer customers than ``kpis.minimum_customers``, and where
        they would give such ones away. REQUIREMENTS E6.
    """
    rows = _with_tiers(yearly_sums(inputs), tiers)
    rows = rows.filter((rows.order_count_before > 0) | (rows.order_count_now > 0))
    change = (rows.spend_now - rows.spend_before).cast("float64") / rows.spend_before.cast("float64").nullif(0)
    class_ = ibis.cases(
        (rows.spend_before <= 0, "no_base"),
        (rows.spend_now <= 0, "stopped"),
        (change < -band, "falling"),
        (change > band, "growing"),
        else_="steady",
    )
    counted = rows.mutate(growth_class=class_).group_by("tier", "growth_class")
    table = counted.aggregate(
        customer_count=ibis._.count(),
        revenue_amount_before=ibis._.spend_before.sum().cast("float64"),
        revenue_amount_now=ibis._.spend_now.sum().cast("float64"),
    ).to_pandas()
    table["place"] = table["growth_class"].map(GROWTH_CLASSES.index)
    table = _in_order(table, tier_order=tier_order, by=("place",))
    counts = table.groupby("tier")["customer_count"]
    least = inputs.settings.kpis.minimum_customers
    hidden = counts.transform(lambda cells: hidden_cells(cells, minimum=least)).astype(bool)
    table["customer_share"] = (table["customer_count"] / counts.transform("sum")).round(6)
    for name in ("revenue_amount_before", "revenue_amount_now"):
        table[name] = table[name].round(2).mask(hidden)
    return table[list(GROWTH_CLASSES_SCHEMA)].astype({"tier": "str", "growth_class": "str", "customer_count": "int64"})


def growth_document(inputs: KpiInputs, classes: pd.DataFrame) -> dict[str, Any]:
    """Return the growth of all customers with a base, its middle customer, and those without one.

    Returns
    -------
    dict
        ``n`` customers with a positive amount in the earlier year, ``growth_rate`` of their amounts together: the net
        revenue retention of the year less 1, which no new customer raises; ``total_rate``: growth of the amounts of
        all customers; ``median_rate`` over those with a base; ``growing_count`` (by more than the band),
        ``no_base_count``; rates null below 30 customers.
    """
    rows = yearly_sums(inputs)
    has_base = rows.spend_before > 0
    before, now = rows.spend_before.cast("float64"), rows.spend_now.cast("float64")
    found = rows.aggregate(
        n=rows.count(where=has_base),
        before=rows.spend_before.sum(where=has_base).cast("float64"),
        now=rows.spend_now.sum(where=has_base).cast("float64"),
        median=(now / before.nullif(0) - 1).median(where=has_base),
        total_before=rows.spend_before.sum().cast("float64"),
        total_now=rows.spend_now.sum().cast("float64"),
    ).to_pandas().iloc[0]  # fmt: skip
    n = int(found["n"])
    whole = classes.loc[classes["tier"] == WHOLE].set_index("growth_class")["customer_count"]
    is_known = n >= METRICS["value_growth_rate"].minimum_n
    return {
        "n": n,
        "growth_rate": round(float(found["now"] / found["before"] - 1), 6) if is_known else None,
        "total_rate": round(float(found["total_now"] / found["total_before"] - 1), 6) if is_known else None,
        "median_rate": round(float(found["median"]), 6) if is_known else None,
        "growing_count": int(whole.get("growing", 0)),
        "no_base_count": int(whole.get("no_base", 0)),
    }


def _with_tiers(rows: ibis.Table, tiers: ibis.Table | None) -> ibis.Table:
    """Return the rows once as the whole, and once more by tier where tiers are known."""
    whole = rows.mutate(tier=ibis.literal(WHOLE))
    if tiers is None:
        return whole
    joined = rows.left_join(tiers.select("customer_id", "tier"), "customer_id")
    parts = joined.select(*rows.columns, tier=joined.tier.cast("string").fill_null(NOT_RECORDED))
    return whole.union(parts)


def _in_order(table: pd.DataFrame, *, tier_order: Sequence[str], by: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the whole first, then tiers in their order, customers without one last."""
    order = {WHOLE: -1, **{tier: place for place, tier in enumerate(tier_order)}, NOT_RECORDED: len(tier_order) + 1}
    first = table["tier"].map(order).fillna(len(tier_order))
    return table.assign(first=first).sort_values(["first", "tier", *by], ignore_index=True)
