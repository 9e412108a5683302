"""KPIs of service in business time and against its standards (REQUIREMENTS E7, E8).

They are made from ``service_cases``, a table beside the canonical ones: one row per case of the quarter
(:func:`crm_analysis.evaluation.service.service_cases`).
"""

import ibis

from crm_analysis.evaluation.complaints import complaints_of
from crm_analysis.evaluation.kpis import EXACT, KpiInputs, contributed, kpi
from crm_analysis.evaluation.service import SECONDS_PER_HOUR, answer_state

CASES = "service_cases"


@kpi("first_response_business_hours")
def first_response_business_hours(inputs: KpiInputs) -> ibis.Table:
    """Mean business hours to the first public human reply, of cases of the quarter answered by its end (E7)."""
    return _mean_hours(inputs, "response_business_seconds")


@kpi("resolution_hours")
def resolution_hours(inputs: KpiInputs) -> ibis.Table:
    """Mean clock hours to the resolution, of cases opened in the quarter and resolved at its end (E7)."""
    return _mean_hours(inputs, "resolution_seconds")


@kpi("resolution_business_hours")
def resolution_business_hours(inputs: KpiInputs) -> ibis.Table:
    """Mean business hours to the resolution, of cases opened in the quarter and resolved at its end (E7)."""
    return _mean_hours(inputs, "resolution_business_seconds")


@kpi("sla_attainment_rate")
def sla_attainment_rate(inputs: KpiInputs) -> ibis.Table:
    """Cases answered within their limit / (answered + open ones past it) (E7); those not yet due are left out."""
    rows = _cases(inputs)
    return _share(rows, rows.response_state == "met", of=rows.response_state.isin(["met", "late", "overdue"]))


@kpi("closed_loop_rate")
def closed_loop_rate(inputs: KpiInputs) -> ibis.Table:
    """Resolved cases / (resolved + unresolved ones past the limit of resolution) (E7)."""
    rows = _cases(inputs)
    return _share(rows, rows.resolution_state == "resolved", of=rows.resolution_state.isin(["resolved", "overdue"]))


@kpi("reopened_rate")
def reopened_rate(inputs: KpiInputs) -> ibis.Table:
    """Cases opened again / cases ever resolved (E7)."""
    rows = _cases(inputs)
    return _share(rows, rows.is_reopened, of=rows.was_resolved)


@kpi("complaint_response_rate")
def complaint_response_rate(inputs: KpiInputs) -> ibis.Table:
    """Complaints answered within 24 hours of the clock (a setting) / (answered + open ones past them) (E8)."""
    rows = complaints_of(inputs.tables[CASES])
    limit = round(inputs.settings.complaint_response_hours * SECONDS_PER_HOUR)
    state = answer_state(rows, limit_seconds=limit, clock="calendar")
    return _share(rows, state == "met", of=state.isin(["met", "late", "overdue"]))


@kpi("complaints_per_100_orders")
def complaints_per_100_orders(inputs: KpiInputs) -> ibis.Table:
    """Complaints of the quarter / counted orders of the quarter x 100 (E8); n is orders."""
    rows = inputs.sums()
    return rows.select("customer_id", numerator=rows.complaint_count, denominator=rows.order_count, n=rows.order_count)


def _cases(inputs: KpiInputs) -> ibis.Table:
    """Return the cases of the quarter that the customer can see."""
    cases = inputs.tables[CASES]
    return cases.filter(cases.is_visible)


def _mean_hours(inputs: KpiInputs, seconds: str) -> ibis.Table:
    rows = _cases(inputs)
    rows = rows.filter(rows[seconds].notnull())
    hours = (rows[seconds] / SECONDS_PER_HOUR).cast(EXACT).sum()
    return contributed(rows, numerator=hours, denominator=rows.count(), n=rows.count())


def _share(rows: ibis.Table, counted: ibis.Value, *, of: ibis.Value) -> ibis.Table:
    """Return what every customer adds to a share: cases that are counted among those it is taken of."""
    below = rows.count(where=of)
    return contributed(rows, numerator=rows.count(where=of & counted), denominator=below, n=below)
