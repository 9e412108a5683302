"""Orders declared from invoice lines: lines become ``order_items``, their sums become ``orders``."""

import ibis

from crm_analysis.base.errors import DataError, Problem
from crm_analysis.base.settings import OrderLines, Source, TableSource
from crm_analysis.sources.currencies import RATE, converted, product
from crm_analysis.sources.mapping import ENGINE_TYPES, MONEY_TYPE, match_columns
from crm_analysis.sources.quarantine import NO_RATE, RULE, USED
from crm_analysis.sources.reading import ROW
from crm_analysis.sources.rows import typed_rows
from crm_analysis.sources.schema import ORDER_ITEMS, ORDERS, Family, Field, Table, Type

WHERE = "data.order_lines"

#: What a line may hold: the fields of an order item, of its order, and a price.
LINES = Table(
    "order_lines", "订单行", "invoice lines", Family.TRANSACTIONS,
    fields=(
        ORDERS["order_id"], ORDERS["customer_id"], ORDERS["ordered_at"], ORDERS["channel"], ORDERS["store"],
        ORDERS["region"], ORDERS["status"], ORDERS["currency"],
        *(ORDER_ITEMS[name] for name in ("product_id", "category", "product_name", "quantity", "discount")),
        Field("amount", Type.MONEY, "金额", "amount", unit="currency"),
        Field("unit_price", Type.MONEY, "单价", "price of one", unit="currency"),
    ),
)  # fmt: skip
_PER_ORDER = ("customer_id", "channel", "store", "region", "status", "currency")


def typed_lines(raw: ibis.Table, source: OrderLines, *, zone: str) -> ibis.Table:
    """Return typed lines with ``amount`` (below zero for refunds) and ``is_refund``.

    Raises
    ------
    DataError
        Required columns are absent, or the price is, when amounts are quantity times price.
    """
    form = TableSource.model_validate(source.model_dump(include=set(Source.model_fields)))
    rows = typed_rows(raw, LINES, source=form, zone=zone, where=WHERE)
    matched = match_columns(raw, LINES, columns=source.columns, where=WHERE)
    of_price = source.amount == "quantity_times_price"
    needed = "unit_price" if of_price else "amount"
    if needed not in matched:
        fix = f"map it under columns, or change amount to {'amount' if of_price else 'quantity_times_price'}"
        raise DataError(Problem(f"column {needed!r} is missing", WHERE, fix))
    if of_price:
        rows = rows.mutate(amount=product(rows.unit_price, rows.quantity))
    prefix = source.refund_prefix
    rows = rows.mutate(is_refund=rows.order_id.startswith(prefix) if prefix else rows.amount < 0)
    return rows.mutate(amount=ibis.ifelse(rows.is_refund, -rows.amount.abs(), rows.amount))


def with_line_rule(rows: ibis.Table, source: OrderLines) -> ibis.Table:
    """Add ``_rule``: ``used``, or the first rule that a line with ``_rate`` breaks by itself."""
    rules = [
        (rows.order_id.isnull(), "missing_order_id"),
        (rows.customer_id.isnull(), "missing_customer_id"),
        (rows.ordered_at.isnull(), "missing_ordered_at"),
        (rows.quantity.isnull() | rows.amount.isnull(), "missing_amount"),
    ]
    if source.require_positive:
        rules.append((~rows.is_refund & ((rows.quantity <= 0) | (rows.amount <= 0)), "not_positive"))
    rules.append((rows[RATE].isnull(), NO_RATE))
    rules.append((converted(rows.amount, rows[RATE]).isnull(), "unparsable_amount"))
    return rows.mutate(**{RULE: ibis.cases(*rules, else_=USED)})


def orders_of(lines: ibis.Table) -> ibis.Table:
    """Return orders of lines in the reporting currency: grouped by id, amounts summed, earliest time.

    ``refund_of`` is unknown; ``currency`` is that of the first line in binary order.

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
