"""Revenue, orders and order value of the quarter by store and product line (REQUIREMENTS E9, E10).

An order has one store, so that its parts sum to the whole as they are. It may hold several product lines: its net
amount is spread over them in proportion to the amounts of its lines, and as an order it counts with its leading line.
"""

import ibis
import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.evaluation.kpis import EXACT, MONEY, KpiInputs
from crm_analysis.sources.purchases import is_counted, signed_amounts, with_purchase_history

ORDER_DIMENSIONS = ("store", "category")
ORDER_KPIS = ("revenue", "order_count", "average_order_value")
NOT_RECORDED = "not_recorded"
ORDER_BREAKDOWN_SCHEMA: ResultSchema = dict.fromkeys(
    ["dimension", "part", "revenue_amount", "revenue_share", "order_count", "order_value_amount", "customer_count",
     "status"],
    OPEN,
)  # fmt: skip


def order_breakdown_table(inputs: KpiInputs) -> pd.DataFrame:
    """Return one row per store and per product line.

    orders of the quarter and their lines -> columns of ``ORDER_BREAKDOWN_SCHEMA``, largest revenue first, the orders
    without store or lines (``not_recorded``) last

    Returns
    -------
    pandas.DataFrame
        ``revenue_amount``: net revenue, counted orders less refunds at their own date; a refund goes where its lines
        say, without lines where those of the refunded order do. ``order_count``: counted orders, of a product line
        those that it leads (largest amount of their lines, ties by name). ``order_value_amount``: net revenue of
        those orders, refunds included, / their number. Parts sum to the company's revenue and orders. ``status`` is
        ``too_small`` where amounts are hidden because too few customers (``kpis.minimum_customers``) stand behind
        them, or because they would give such ones away; the mean also needs the KPI's smallest sample.

    Notes
    -----
    A dimension that no order of the quarter has is left out. REQUIREMENTS E9, E10.
    """
    orders = _orders_of_quarter(inputs)
    frames = [_by_store(orders).to_pandas()]
    if "order_items" in inputs.tables:
        frames.append(_by_line(orders, inputs).to_pandas())
    parts = pd.concat(frames, ignore_index=True)
    parts["part"] = parts["part"].fillna(NOT_RECORDED)
    known = parts.loc[parts["part"] != NOT_RECORDED, "dimension"].unique()
    parts = parts.loc[parts["dimension"].isin(known)].reset_index(drop=True)
    return _told(parts, minimum=inputs.settings.kpis.minimum_customers)


def _orders_of_quarter(inputs: KpiInputs) -> ibis.Table:
    orders = signed_amounts(with_purchase_history(inputs.tables["orders"]))
    inside = (orders.ordered_on >= inputs.quarter.start) & (orders.ordered_on < inputs.quarter.end)
    kept = orders.mutate(is_order=is_counted(orders).cast("int64")).filter(inside)
    return kept.select("order_id", "customer_id", "refund_of", "is_refund", "store", "spend_amount", "is_order").cache()


def _by_store(orders: ibis.Table) -> ibis.Table:
    sums = orders.group_by(part=orders.store).aggregate(**_sums(orders), customer_count=orders.customer_id.nunique())
    return sums.select(dimension=ibis.literal("store"), **{name: sums[name] for name in sums.columns})


def _sums(rows: ibis.Table) -> dict[str, ibis.Value]:
    spend = rows.spend_amount.sum().cast("float64")
    return {"revenue_amount": spend, "led_amount": spend, "order_count": rows.is_order.sum()}


def _by_line(orders: ibis.Table, inputs: KpiInputs) -> ibis.Table:
    """Return revenue by share of the lines, and orders by their leading line; each sums to all orders."""
    shares = _shares(inputs).cache()
    own = orders.semi_join(shares, "order_id").mutate(lines_of=ibis._.order_id)
    other = orders.anti_join(shares, "order_id").mutate(lines_of=ibis._.refund_of)
    placed = own.union(other)
    spread = placed.left_join(shares, placed.lines_of == shares.order_id)
    amount = (spread.spend_amount.cast("float64") * spread.share.fill_null(1.0)).cast(EXACT).sum()
    revenue = spread.group_by(part=spread.category.fill_null(NOT_RECORDED)).aggregate(
        revenue_amount=amount.cast("float64"), customer_count=spread.customer_id.nunique()
    )
    leading = shares.filter(shares.place == 0)
    led = placed.left_join(leading, placed.lines_of == leading.order_id)
    sums = led.group_by(led_part=led.category.fill_null(NOT_RECORDED)).aggregate(
        led_amount=led.spend_amount.sum().cast("float64"), order_count=led.is_order.sum()
    )
    joined = revenue.left_join(sums, revenue.part == sums.led_part)
    return joined.select(
        "part", "revenue_amount", "customer_count", dimension=ibis.literal("category"),
        led_amount=joined.led_amount.fill_null(0), order_count=joined.order_count.fill_null(0),
    )  # fmt: skip


def _shares(inputs: KpiInputs) -> ibis.Table:
    """Return ``order_id, category, share, place``: what part of an order's lines a category is, the largest first."""
    items = inputs.tables["order_items"]
    lines = items.group_by("order_id", category=items.category.fill_null(NOT_RECORDED)).aggregate(
        amount=items.amount.abs().cast(MONEY).sum()
    )
    own = ibis.window(group_by="order_id", order_by=[ibis.desc("amount"), "category"])
    total = lines.amount.sum().over(group_by="order_id")
    ranked = lines.mutate(total=total, place=ibis.row_number().over(own))
    ranked = ranked.filter(ranked.total > 0)
    share = ranked.amount.cast("float64") / ranked.total.cast("float64")
    return ranked.select("order_id", "category", "place", share=share)


def _told(parts: pd.DataFrame, *, minimum: int) -> pd.DataFrame:
    """Return shares, order values and what is hidden."""
    by_dimension = parts.groupby("dimension", sort=False)
    hidden = by_dimension["customer_count"].transform(lambda counts: hidden_cells(counts, minimum=minimum)).astype(bool)
    orders = parts["order_count"].astype("int64")
    total = by_dimension["revenue_amount"].transform("sum")
    value = (parts["led_amount"] / orders.where(orders >= METRICS["average_order_value"].minimum_n)).round(2)
    table = parts.assign(
        revenue_amount=parts["revenue_amount"].round(2).mask(hidden),
        revenue_share=(parts["revenue_amount"] / total.where(total > 0)).round(6).mask(hidden),
        order_count=orders,
        order_value_amount=value.mask(hidden),
        customer_count=parts["customer_count"].astype("int64"),
        status=hidden.map({True: "too_small", False: "no_target"}).astype("str"),
        place=parts["dimension"].map(ORDER_DIMENSIONS.index),
        is_rest=parts["part"] == NOT_RECORDED,
        size=-parts["revenue_amount"],
    )
    table = table.sort_values(["place", "is_rest", "size", "part"], ignore_index=True)
    return table[list(ORDER_BREAKDOWN_SCHEMA)].astype({"dimension": "str", "part": "str"})
