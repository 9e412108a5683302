"""Orders declared from invoice lines: lines become ``order_items``, their sums become ``orders``."""

import ibis
import pandas as pd

from crm_analysis.base.errors import DataError, Problem
from crm_analysis.base.settings import OrderLines
from crm_analysis.sources.mapping import ENGINE_TYPES, MONEY_TYPE, match_columns, typed
from crm_analysis.sources.reading import ROW
from crm_analysis.sources.schema import ORDER_ITEMS, ORDERS, Family, Field, Table, Type

RULE = "_rule"
USED = "used"

#: What a line may hold: the fields of an order item, of its order, and a price.
LINES = Table(
    "order_lines", "订单行", "invoice lines", Family.TRANSACTIONS,
    fields=(
        ORDERS["order_id"], ORDERS["customer_id"], ORDERS["ordered_at"], ORDERS["channel"], ORDERS["store"],
        ORDERS["region"], ORDERS["status"],
        *(ORDER_ITEMS[name] for name in ("product_id", "category", "product_name", "quantity", "discount")),
        Field("amount", Type.MONEY, "金额", "amount", unit="currency"),
        Field("unit_price", Type.MONEY, "单价", "price of one", unit="currency"),
    ),
)  # fmt: skip
_PER_ORDER = ("customer_id", "channel", "store", "region", "status")


def read_lines(raw: ibis.Table, source: OrderLines, *, zone: str) -> ibis.Table:
    """Return typed lines with ``amount``, ``is_refund`` and ``_rule``, the first rule that a line breaks or ``used``.

    Raises
    ------
    DataError
        Required columns are absent, or the price is, when amounts are quantity times price.
    """
    matched = match_columns(raw, LINES, columns=source.columns)
    needed = ("unit_price",) if source.amount == "quantity_times_price" else ("amount",)
    absent = [name for name in needed if name not in matched]
    if absent:
        fix = "map it under columns, or change amount to " + (
            "amount" if source.amount == "quantity_times_price" else "quantity_times_price"
        )
        raise DataError(Problem(f"column {absent[0]!r} is missing", "data.order_lines", fix))
    columns: dict[str, ibis.Value] = {ROW: raw[ROW]}
    for field in LINES:
        columns[field.name] = (
            typed(raw[matched[field.name]], field, values={}, zone=zone, date_format=source.date_format)
            if field.name in matched
            else ibis.null(ENGINE_TYPES[field.type])
        )
    rows = raw.select(**columns)
    if source.amount == "quantity_times_price":
        rows = rows.mutate(amount=(rows.quantity.cast(MONEY_TYPE) * rows.unit_price).cast(MONEY_TYPE))
    prefix = source.refund_prefix
    rows = rows.mutate(is_refund=rows.order_id.startswith(prefix) if prefix else rows.amount < 0)
    rows = rows.mutate(amount=ibis.ifelse(rows.is_refund, -rows.amount.abs(), rows.amount))
    rules = [
        (rows.order_id.isnull(), "missing_order_id"),
        (rows.customer_id.isnull(), "missing_customer_id"),
        (rows.ordered_at.isnull(), "missing_ordered_at"),
        (rows.quantity.isnull() | rows.amount.isnull(), "missing_amount"),
    ]
    if source.require_positive:
        rules.append((~rows.is_refund & ((rows.quantity <= 0) | (rows.amount <= 0)), "not_positive"))
    return rows.mutate(**{RULE: ibis.cases(*rules, else_=USED)})


def report_lines(lines: ibis.Table) -> pd.DataFrame:
    """Return ``table, rule, row_count, amount`` of the lines."""
    grouped = lines.group_by(rule=lines[RULE]).aggregate(row_count=lines.count(), amount=lines.amount.sum())
    frame = grouped.order_by("rule").to_pandas()
    frame.insert(0, "table", "order_items")
    return frame.astype({"row_count": "int64", "amount": "float64"})


def items_of(lines: ibis.Table) -> ibis.Table:
    """Return the canonical order items of lines."""
    return lines.select(*ORDER_ITEMS.names)


def orders_of(lines: ibis.Table) -> ibis.Table:
    """Return orders: grouped by id, amounts summed, earliest time; ``refund_of`` is unknown.

    An id that stands under several customers goes to the first of them in binary order.
    """
    grouped = lines.group_by("order_id").aggregate(
        **{ROW: lines[ROW].min()},
        ordered_at=lines.ordered_at.min(),
        amount=lines.amount.sum().cast(MONEY_TYPE),
        discount=lines.discount.sum().cast(MONEY_TYPE),
        **{name: lines[name].min() for name in _PER_ORDER},
    )
    absent = {field.name: ibis.null(ENGINE_TYPES[field.type]) for field in ORDERS if field.name not in grouped.columns}
    return grouped.mutate(**absent)
