"""KPIs of a quarter, computed by the engine: what every customer contributes to each of them.

Every function takes :class:`KpiInputs` and returns an Ibis table ``customer_id, numerator, denominator, n`` of any
number of rows, all of it additive: the sums over all rows are the company's, those over a group of customers the
group's, and the parts of a breakdown sum to the whole. Definitions are in :mod:`crm_analysis.base.metrics`; a new KPI
is an entry there and a function under ``@kpi(id)`` in a module that :mod:`crm_analysis.evaluation.registry` names.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import ibis

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.sources.purchases import counted_orders

#: Sums of these do not depend on the order of the rows, as those of floats do.
MONEY, EXACT = "decimal(18, 4)", "decimal(18, 9)"
YEAR = timedelta(days=365)
_EVER = 400


@dataclass(frozen=True)
class KpiInputs:
    """What a KPI of one quarter is computed from.

    Attributes
    ----------
    tables
        Canonical tables behind the door of the quarter's end: later rows absent, later timestamps null.
    periods
        ``customer_periods``; rows of later quarters are ignored.
    """

    tables: Mapping[str, ibis.Table]
    periods: ibis.Table
    quarter: Quarter
    settings: EvaluationSettings

    def sums(self, first: int = 0, last: int = 0) -> ibis.Table:
        """Return the rows of the quarters ``first`` to ``last`` in ``customer_periods``, counted from this one."""
        start, end = self.quarter.shift(first).start, self.quarter.shift(last).start
        return self.periods.filter(self.periods.quarter_start.between(start, end))

    def buyers(self, first: int, last: int) -> ibis.Table:
        """Return ``customer_id`` of those who bought in the quarters ``first`` to ``last``, counted from this one."""
        rows = self.sums(first, last)
        return rows.filter(rows.order_count > 0).select("customer_id").distinct()

    def first_buyers(self) -> ibis.Table:
        """Return ``customer_id`` of those whose first counted order lies in the quarter."""
        return self.buyers(0, 0).anti_join(self.buyers(-_EVER, -1), "customer_id")

    def within(self, table: str, day: str) -> ibis.Table:
        """Return the rows of a table whose local date lies in the quarter."""
        rows = self.tables[table]
        return rows.filter(rows[day] >= self.quarter.start, rows[day] < self.quarter.end)


KpiFunction = Callable[[KpiInputs], ibis.Table]
KPI_FUNCTIONS: dict[str, KpiFunction] = {}


def kpi(id_: str) -> Callable[[KpiFunction], KpiFunction]:
    """Register the one function of a metric.

    Raises
    ------
    ValueError
        The metric is not defined, or has a function already.
    """

    def register(function: KpiFunction) -> KpiFunction:
        if id_ not in METRICS:
            raise ValueError(f"{id_!r} is not in base.metrics.METRICS")
        if id_ in KPI_FUNCTIONS:
            raise ValueError(f"{id_!r} has a function already: {KPI_FUNCTIONS[id_].__name__}")
        KPI_FUNCTIONS[id_] = function
        return function

    return register


def available_kpis(tables: Iterable[str]) -> list[str]:
    """Return the ids of the metrics that these tables allow, in the registry's order."""
    return [id_ for id_ in METRICS if id_ in KPI_FUNCTIONS and set(METRICS[id_].needs) <= set(tables)]


def kpi_totals(inputs: KpiInputs, ids: Iterable[str]) -> ibis.Table:
    """Return one row per KPI: ``kpi, numerator, denominator, n`` over all customers."""
    return ibis.union(*(summed(KPI_FUNCTIONS[id_](inputs), id_=id_) for id_ in ids))


def summed(contributions: ibis.Table, *, id_: str, by: Iterable[str] = ()) -> ibis.Table:
    """Return the sums of contributions, over all or over groups: ``kpi, *by, numerator, denominator, n``.

    An empty sum is 0; a metric without denominator has null there.
    """
    rows = contributions
    below = ibis.null("float64") if METRICS[id_].denominator is None else _sum(rows.denominator)
    sums = rows.group_by(*by) if (by := tuple(by)) else rows
    table = sums.aggregate(numerator=_sum(rows.numerator), denominator=below, n=rows.n.sum().cast("int64").fill_null(0))
    return table.select(*by, kpi=ibis.literal(id_), numerator="numerator", denominator="denominator", n="n")


def _sum(values: ibis.Value) -> ibis.Value:
    return values.sum().cast("float64").fill_null(0.0)


def contributed(
    rows: ibis.Table, *, numerator: ibis.Value, n: ibis.Value, denominator: ibis.Value | None = None
) -> ibis.Table:
    """Return what every customer contributes, from sums over his rows; without a denominator it is null."""
    return rows.group_by("customer_id").aggregate(
        numerator=numerator.fill_null(0), denominator=ibis.null("int64") if denominator is None else denominator, n=n
    )


def share_of(all_: ibis.Table, some: ibis.Table, *, inside: bool = True) -> ibis.Table:
    """Return a row per customer of ``all_``, whose numerator is 1 for those who are (or are not) in ``some``."""
    marked = all_.left_join(some.mutate(is_inside=True), "customer_id").select("customer_id", "is_inside")
    wanted = marked.is_inside.notnull() if inside else marked.is_inside.isnull()
    return marked.select("customer_id", numerator=wanted.cast("int64"), denominator=_one(), n=_one())


def _one() -> ibis.Value:
    return ibis.literal(1, "int64")


def _nothing() -> ibis.Value:
    return ibis.null("int64")


def _money(amount: ibis.Value) -> ibis.Value:
    return amount.cast(MONEY)


# -- sums of the quarter -----------------------------------------------------------------------------------------------


@kpi("revenue")
def revenue(inputs: KpiInputs) -> ibis.Table:
    """Amount of counted orders less refunds at their own date (E15); n is orders."""
    rows = inputs.sums()
    return rows.select(
        "customer_id", numerator=_money(rows.spend_amount), denominator=_nothing(), n=rows.order_count
    )  # fmt: skip


@kpi("order_count")
def order_count(inputs: KpiInputs) -> ibis.Table:
    """Counted orders (E9)."""
    rows = inputs.sums()
    return rows.select("customer_id", numerator=rows.order_count, denominator=_nothing(), n=rows.order_count)


@kpi("active_customers")
def active_customers(inputs: KpiInputs) -> ibis.Table:
    """Customers with a counted order in the quarter (E9)."""
    return inputs.buyers(0, 0).mutate(numerator=_one(), denominator=_nothing(), n=_one())


@kpi("new_customers")
def new_customers(inputs: KpiInputs) -> ibis.Table:
    """Customers whose first counted order lies in the quarter (E15)."""
    return inputs.first_buyers().mutate(numerator=_one(), denominator=_nothing(), n=_one())


@kpi("average_order_value")
def average_order_value(inputs: KpiInputs) -> ibis.Table:
    """Net revenue / counted orders (E9)."""
    rows = inputs.sums()
    return rows.select(
        "customer_id", numerator=_money(rows.spend_amount), denominator=rows.order_count, n=rows.order_count
    )  # fmt: skip


@kpi("refund_rate")
def refund_rate(inputs: KpiInputs) -> ibis.Table:
    """Refunds of the quarter / gross revenue of the quarter (E9); n is orders."""
    rows = inputs.sums()
    return rows.select(
        "customer_id", numerator=_money(rows.refund_amount), denominator=_money(rows.gross_amount), n=rows.order_count
    )  # fmt: skip


# -- who comes back ----------------------------------------------------------------------------------------------------


@kpi("repurchase_rate")
def repurchase_rate(inputs: KpiInputs) -> ibis.Table:
    """Buyers of the quarter who had bought in an earlier quarter / buyers of the quarter (E9)."""
    return share_of(inputs.buyers(0, 0), inputs.buyers(-_EVER, -1))


@kpi("customer_retention_rate")
def customer_retention_rate(inputs: KpiInputs) -> ibis.Table:
    """Buyers of the previous quarter who bought in this one / buyers of the previous quarter (E4)."""
    return share_of(inputs.buyers(-1, -1), inputs.buyers(0, 0))


@kpi("yearly_retention_rate")
def yearly_retention_rate(inputs: KpiInputs) -> ibis.Table:
    """(Customers at start - lost) / customers at start (E4).

    At start: those with a counted order in the 365 days that end 365 days before the quarter's end. Lost: those of them
    without one in the 365 days since, which no earlier order saves.
    """
    orders = counted_orders(inputs.tables["orders"])

    def bought_in_year_before(day: date) -> ibis.Table:
        inside = (orders.ordered_on >= ibis.literal(day - YEAR)) & (orders.ordered_on < ibis.literal(day))
        return orders.filter(inside).select("customer_id").distinct()

    return share_of(bought_in_year_before(inputs.quarter.end - YEAR), bought_in_year_before(inputs.quarter.end))


@kpi("churn_rate")
def churn_rate(inputs: KpiInputs) -> ibis.Table:
    """Buyers of the four quarters before who bought nothing in this one / those buyers (E9, C1)."""
    return share_of(inputs.buyers(-4, -1), inputs.buyers(0, 0), inside=False)


# -- growth of customers over two years --------------------------------------------------------------------------------


def yearly_sums(inputs: KpiInputs) -> ibis.Table:
    """Return ``customer_id`` and the sums of the last four quarters and of the four before them (E6).

    ``order_count_now, order_count_before, spend_now, spend_before``; a row per customer with anything in the two years.
    """
    rows = inputs.sums(-7, 0)
    is_now = rows.quarter_start >= ibis.literal(inputs.quarter.shift(-3).start)
    spend = _money(rows.spend_amount)
    sums = rows.group_by("customer_id").aggregate(
        order_count_now=rows.order_count.sum(where=is_now),
        order_count_before=rows.order_count.sum(where=~is_now),
        spend_now=spend.sum(where=is_now),
        spend_before=spend.sum(where=~is_now),
    )
    return sums.mutate(**{name: sums[name].fill_null(0) for name in sums.columns if name != "customer_id"})


@kpi("value_growth_rate")
def value_growth_rate(inputs: KpiInputs) -> ibis.Table:
    """(Net revenue of the last four quarters - of the four before) / the four before (E6).

    Of customers whose amount of the earlier year is above 0; those without such a base stand apart
    (:mod:`crm_analysis.evaluation.value_growth`).
    """
    rows = yearly_sums(inputs).filter(ibis._.spend_before > 0)
    return rows.select("customer_id", numerator=rows.spend_now - rows.spend_before, denominator=rows.spend_before,
                       n=_one())  # fmt: skip


@kpi("upsell_share")
def upsell_share(inputs: KpiInputs) -> ibis.Table:
    """Customers who bought in both years, and more or from a new category in the later / those who did in both (E6).

    More: a higher net amount in the last four quarters than in the four before. New category: one among the lines of
    his counted orders that none of the earlier year has, of customers with a known category in that year; without lines
    or categories only the amount decides.
    """
    rows = yearly_sums(inputs).filter(ibis._.order_count_now > 0, ibis._.order_count_before > 0)
    broader = _with_new_category(inputs).mutate(is_broader=True)
    marked = rows.left_join(broader, "customer_id")
    is_upsold = (marked.spend_now > marked.spend_before) | marked.is_broader.fill_null(False)
    return marked.select("customer_id", numerator=is_upsold.cast("int64"), denominator=_one(), n=_one())


def _with_new_category(inputs: KpiInputs) -> ibis.Table:
    """Return ``customer_id`` of those whose last four quarters hold a category that the four before lack."""
    orders = counted_orders(inputs.tables["orders"])
    if "order_items" not in inputs.tables:
        return orders.limit(0).select("customer_id")
    start, middle = (ibis.literal(inputs.quarter.shift(-back).start) for back in (7, 3))
    dated = orders.filter(orders.ordered_on >= start).select("order_id", "customer_id", "ordered_on")
    items = inputs.tables["order_items"]
    lines = items.filter(items.category.notnull()).select("order_id", "category").distinct()
    bought = dated.inner_join(lines, "order_id").group_by("customer_id", "category")
    first = bought.aggregate(first_on=ibis._.ordered_on.min())
    had = dated.filter(dated.ordered_on < middle).inner_join(lines, "order_id").select("customer_id").distinct()
    return first.filter(first.first_on >= middle).select("customer_id").distinct().semi_join(had, "customer_id")


# -- how they came -----------------------------------------------------------------------------------------------------


@kpi("referral_share")
def referral_share(inputs: KpiInputs) -> ibis.Table:
    """New customers acquired by referral / new customers whose channel is known (E3)."""
    known = inputs.tables["customers"].select("customer_id", "acquisition_channel")
    rows = inputs.first_buyers().inner_join(known.filter(known.acquisition_channel.notnull()), "customer_id")
    is_referred = rows.acquisition_channel.isin(inputs.settings.kpis.referral_channels)
    return rows.select("customer_id", numerator=is_referred.cast("int64"), denominator=_one(), n=_one())
