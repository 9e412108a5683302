"""KPIs of a quarter, computed by the engine: one row each of numerator, denominator and n.

Every function takes :class:`KpiInputs` and returns an Ibis table of one row with ``numerator``, ``denominator`` and
``n``; :func:`kpi_history` runs all of a quarter in one query. Definitions are in :mod:`crm_analysis.base.metrics`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import ibis

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import EvaluationSettings

#: A score counts as satisfied from 4 on a scale of 1 to 5, which is three quarters of the way up any scale.
SATISFIED_FROM = 0.75
PROMOTER_FROM = 9
DETRACTOR_TO = 6


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

    def buyers(self, first: int, last: int) -> ibis.Table:
        """Return ``customer_id`` of those who bought in the quarters ``first`` to ``last``, counted from this one."""
        start, end = self.quarter.shift(first).start, self.quarter.shift(last).start
        rows = self.periods.filter(self.periods.quarter_start.between(start, end), self.periods.order_count > 0)
        return rows.select("customer_id").distinct()

    def sums(self) -> ibis.Table:
        """Return the rows of the quarter in ``customer_periods``."""
        return self.periods.filter(self.periods.quarter_start == self.quarter.start)

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


def available_kpis(tables: Mapping[str, ibis.Table]) -> list[str]:
    """Return the ids of the metrics that these tables allow, in the registry's order."""
    return [id_ for id_ in METRICS if id_ in KPI_FUNCTIONS and set(METRICS[id_].needs) <= set(tables)]


def _parts(rows: ibis.Table, numerator: ibis.Value, denominator: ibis.Value | None, n: ibis.Value) -> ibis.Table:
    """Return one row; an empty sum is 0, a metric without denominator has null there."""
    return rows.aggregate(
        numerator=numerator.cast("float64").fill_null(0.0),
        denominator=ibis.null("float64") if denominator is None else denominator.cast("float64").fill_null(0.0),
        n=n.cast("int64").fill_null(0),
    )


def _customers_in(all_: ibis.Table, some: ibis.Table, *, inside: bool = True) -> ibis.Table:
    """Return how many customers of ``all_`` are (or are not) in ``some``, against all of them."""
    marked = all_.left_join(some.mutate(is_inside=True), "customer_id").select("customer_id", "is_inside")
    wanted = marked.is_inside.notnull() if inside else marked.is_inside.isnull()
    return _parts(marked, marked.count(where=wanted), marked.count(), marked.count())


# -- purchases (customer_periods) -----------------------------------------------------------------------------


@kpi("revenue")
def revenue(inputs: KpiInputs) -> ibis.Table:
    """Amount of counted orders less refunds at their own date (E15); n is orders."""
    rows = inputs.sums()
    return _parts(rows, rows.spend_amount.sum(), None, rows.order_count.sum())


@kpi("order_count")
def order_count(inputs: KpiInputs) -> ibis.Table:
    """Counted orders (E9)."""
    rows = inputs.sums()
    return _parts(rows, rows.order_count.sum(), None, rows.order_count.sum())


@kpi("active_customers")
def active_customers(inputs: KpiInputs) -> ibis.Table:
    """Customers with a counted order in the quarter (E9)."""
    rows = inputs.buyers(0, 0)
    return _parts(rows, rows.count(), None, rows.count())


@kpi("new_customers")
def new_customers(inputs: KpiInputs) -> ibis.Table:
    """Customers whose first counted order lies in the quarter (E15)."""
    rows = inputs.buyers(0, 0).anti_join(inputs.buyers(-400, -1), "customer_id")
    return _parts(rows, rows.count(), None, rows.count())


@kpi("average_order_value")
def average_order_value(inputs: KpiInputs) -> ibis.Table:
    """Net revenue / counted orders (E9)."""
    rows = inputs.sums()
    return _parts(rows, rows.spend_amount.sum(), rows.order_count.sum(), rows.order_count.sum())


@kpi("repurchase_rate")
def repurchase_rate(inputs: KpiInputs) -> ibis.Table:
    """Buyers of the quarter who had bought in an earlier quarter / buyers of the quarter (E9)."""
    return _customers_in(inputs.buyers(0, 0), inputs.buyers(-400, -1))


@kpi("customer_retention_rate")
def customer_retention_rate(inputs: KpiInputs) -> ibis.Table:
    """Buyers of the previous quarter who bought in this one / buyers of the previous quarter (E4)."""
    return _customers_in(inputs.buyers(-1, -1), inputs.buyers(0, 0))


@kpi("churn_rate")
def churn_rate(inputs: KpiInputs) -> ibis.Table:
    """Buyers of the four quarters before who bought nothing in this one / those buyers (E9, C1)."""
    return _customers_in(inputs.buyers(-4, -1), inputs.buyers(0, 0), inside=False)


@kpi("refund_rate")
def refund_rate(inputs: KpiInputs) -> ibis.Table:
    """Refunds of the quarter / gross revenue of the quarter (E9); n is orders."""
    rows = inputs.sums()
    return _parts(rows, rows.refund_amount.sum(), rows.gross_amount.sum(), rows.order_count.sum())


# -- surveys --------------------------------------------------------------------------------------------------


def _answers(inputs: KpiInputs, questions: tuple[str, ...]) -> ibis.Table:
    """Return answers to surveys sent in the quarter, answered by its end, with a score within the scale."""
    rows = inputs.within("surveys", "sent_on")
    return rows.filter(
        rows.question.isin(questions),
        rows.answered_at.notnull(),
        rows.score.between(rows.scale_min, rows.scale_max),
        rows.scale_max > rows.scale_min,
    )


@kpi("satisfaction_rate")
def satisfaction_rate(inputs: KpiInputs) -> ibis.Table:
    """Very satisfied and satisfied / answers (E1): 4 and 5 on a scale of 5, three quarters up any other."""
    rows = _answers(inputs, (inputs.settings.satisfaction_question,))
    bar = rows.scale_min + (rows.scale_max - rows.scale_min) * SATISFIED_FROM
    return _parts(rows, rows.count(where=rows.score >= bar), rows.count(), rows.count())


@kpi("csat_points")
def csat_points(inputs: KpiInputs) -> ibis.Table:
    """Mean score / end of the scale, in points of 100 (E2), over the service questions; n is questionnaires.

    The answers of one questionnaire come from one customer: they are no independent sample.
    """
    rows = _answers(inputs, inputs.settings.csat_questions)
    return _parts(rows, (rows.score / rows.scale_max).sum(), rows.count(), rows.survey_id.nunique())


@kpi("nps")
def nps(inputs: KpiInputs) -> ibis.Table:
    """Promoters (9, 10) less detractors (0 to 6, 0 included) / answers, in points (E3)."""
    rows = _answers(inputs, (inputs.settings.nps_question,))
    promoters, detractors = rows.count(where=rows.score >= PROMOTER_FROM), rows.count(where=rows.score <= DETRACTOR_TO)
    return _parts(rows, promoters - detractors, rows.count(), rows.count())


@kpi("survey_response_rate")
def survey_response_rate(inputs: KpiInputs) -> ibis.Table:
    """Questionnaires sent in the quarter and answered by its end / questionnaires sent (E1)."""
    rows = inputs.within("surveys", "sent_on")
    rows = rows.group_by("survey_id").aggregate(is_answered=rows.answered_at.notnull().any())
    return _parts(rows, rows.count(where=rows.is_answered), rows.count(), rows.count())


# -- service --------------------------------------------------------------------------------------------------


@kpi("first_response_hours")
def first_response_hours(inputs: KpiInputs) -> ibis.Table:
    """Mean clock hours to the first human reply, of inbound cases opened in the quarter and answered by its end.

    Row E7. Clock hours, not business hours; cases without a reply are left out of the mean.
    """
    rows = inputs.within("interactions", "opened_on")
    rows = rows.filter(rows.direction == "in", rows.first_human_reply_at >= rows.opened_at)
    seconds = rows.first_human_reply_at.epoch_seconds() - rows.opened_at.epoch_seconds()
    return _parts(rows, seconds.sum() / 3600, rows.count(), rows.count())


@kpi("complaint_rate")
def complaint_rate(inputs: KpiInputs) -> ibis.Table:
    """Complaints of the quarter / customers who bought in the quarter (E8)."""
    rows = inputs.sums()
    buyers = rows.count(where=rows.order_count > 0)
    return _parts(rows, rows.complaint_count.sum(), buyers, buyers)


@kpi("contacts_per_customer_month")
def contacts_per_customer_month(inputs: KpiInputs) -> ibis.Table:
    """Effective contacts / (buyers of the last four quarters x 3 months) (E5).

    Effective: our own contacts other than mass marketing, and inbound ones that a human answered by the quarter's end.
    """
    base = inputs.buyers(-3, 0)
    rows = inputs.within("interactions", "opened_on")
    ours = (rows.direction == "out") & (rows.kind != "marketing")
    answered = (rows.direction == "in") & rows.first_human_reply_at.notnull()
    counts = rows.group_by("customer_id").aggregate(contact_count=rows.count(where=ours | answered))
    joined = base.left_join(counts, "customer_id").select("customer_id", "contact_count")
    return _parts(joined, joined.contact_count.sum(), joined.count() * 3, joined.count())


# -- contracts and sales --------------------------------------------------------------------------------------


@kpi("contract_renewal_rate")
def contract_renewal_rate(inputs: KpiInputs) -> ibis.Table:
    """Renewed contracts / contracts whose grace after the end ran out in the last 12 months (E4).

    Renewed: another contract names it in ``renewal_of``, or the customer's next one starts between its last day and
    the day after the grace (a grace of 0 days still lets the next day's contract count).
    """
    grace = timedelta(days=inputs.settings.renewal_grace_days)
    contracts = inputs.tables["contracts"]
    due = contracts.filter(
        contracts.end_date >= inputs.quarter.shift(-3).start - grace, contracts.end_date < inputs.quarter.end - grace
    ).select("contract_id", "customer_id", "end_date")
    linked = contracts.filter(contracts.renewal_of.notnull()).select(contract_id=contracts.renewal_of)
    later = contracts.select(next_id="contract_id", customer_id="customer_id", next_start="start_date")
    pairs = due.join(later, "customer_id")
    followed = pairs.filter(
        pairs.next_id != pairs.contract_id,
        pairs.next_start >= pairs.end_date,
        pairs.next_start <= pairs.end_date + ibis.interval(days=grace.days + 1),
    ).select("contract_id")
    renewed = linked.union(followed).distinct().mutate(is_renewed=True)
    rows = due.left_join(renewed, "contract_id").select("contract_id", "is_renewed")
    return _parts(rows, rows.count(where=rows.is_renewed.notnull()), rows.count(), rows.count())


@kpi("sales_conversion_rate")
def sales_conversion_rate(inputs: KpiInputs) -> ibis.Table:
    """Won opportunities / opportunities closed in the quarter (E9)."""
    rows = inputs.within("opportunities", "entered_on").filter(ibis._.stage == "closed")
    rows = rows.group_by("opportunity_id").aggregate(is_won=rows.won.fill_null(False).any())
    return _parts(rows, rows.count(where=rows.is_won), rows.count(), rows.count())
