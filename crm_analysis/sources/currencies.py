"""Amounts in other currencies, brought to the reporting currency by the rate of the day.

A rate is what one unit of a currency is worth in the reporting currency, from a day on. Amounts without a rate have no
value in the reporting currency: they are null, are added to nothing, and their rows go to quarantine (``no_rate``).
"""

import ibis

from crm_analysis.sources.clocks import to_local
from crm_analysis.sources.mapping import MONEY_TYPE
from crm_analysis.sources.schema import Family, Field, Table, Type

RATE = "_rate"
RATE_TYPE = "decimal(18, 8)"
#: Exchange rates: a source like a table, but no table of the analysis.
RATES = Table(
    "rates", "汇率", "exchange rates", Family.TRANSACTIONS, key=("currency", "valid_from"),
    fields=(
        Field("currency", Type.CATEGORY, "币种", "currency", required=True),
        Field("valid_from", Type.DATE, "生效日", "valid from", required=True),
        Field("rate", Type.NUMBER, "汇率", "rate", required=True, unit="reporting currency per unit"),
    ),
)  # fmt: skip


def with_rate(rows: ibis.Table, *, rates: ibis.Table | None, reporting: str, zone: str) -> ibis.Table:
    """Add ``_rate``, the reporting currency that one unit of a row's currency is worth, and write currencies large.

    ``currency, ordered_at`` and more -> the same and ``_rate``; 1 where the currency is empty or the reporting one,
    null where it is another and no rate is valid on the local day of the order

    Parameters
    ----------
    rates
        ``currency, valid_from, rate``, one row per currency and day; the latest at or before the day holds.
    """
    rows = rows.mutate(currency=rows.currency.upper())
    is_own = rows.currency.isnull() | (rows.currency == reporting)
    one = ibis.literal(1).cast(RATE_TYPE)
    if rates is None:
        return rows.mutate(**{RATE: ibis.ifelse(is_own, one, ibis.null(RATE_TYPE))})
    code = rates.currency.upper()
    spans = rates.select(
        _currency=code,
        _from=rates.valid_from,
        _until=rates.valid_from.lead().over(group_by=code, order_by=rates.valid_from),
        _known=rates.rate.cast(RATE_TYPE),
    )
    rows = rows.mutate(_day=to_local(rows.ordered_at, zone).date())
    joined = rows.left_join(
        spans,
        [
            rows.currency == spans["_currency"],
            rows["_day"] >= spans["_from"],
            (rows["_day"] < spans["_until"]) | spans["_until"].isnull(),
        ],
    )
    is_own = joined.currency.isnull() | (joined.currency == reporting)
    return joined.mutate(**{RATE: ibis.ifelse(is_own, one, joined["_known"])}).drop(
        "_day", "_currency", "_from", "_until", "_known"
    )


def converted(amount: ibis.Value, rate: ibis.Value) -> ibis.Value:
    """Return an amount in the reporting currency, rounded to four decimals; null without a rate or beyond 18 digits."""
    return ibis.ifelse(rate == 1, amount, product(amount, rate))


def product(amount: ibis.Value, factor: ibis.Value) -> ibis.Value:
    """Return an amount of money times a number, rounded to four decimals; null beyond 18 digits.

    Decimals are multiplied in 38 digits: in 18, as they are, six digits before the point would be left.
    """
    wide = amount.try_cast("decimal(38, 4)") * factor.try_cast("decimal(38, 8)")
    return wide.try_cast(MONEY_TYPE)


def in_reporting_currency(rows: ibis.Table, table: Table) -> dict[str, ibis.Value]:
    """Return the money columns of rows with ``_rate``, converted."""
    if RATE not in rows.columns:
        return {}
    names = [field.name for field in table if field.type is Type.MONEY and field.name in rows.columns]
    return {name: converted(rows[name], rows[RATE]) for name in names}
