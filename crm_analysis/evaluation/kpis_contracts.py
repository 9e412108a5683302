"""KPIs from contracts and opportunities (REQUIREMENTS E4, E9): renewal and conversion."""

from datetime import timedelta

import ibis

from crm_analysis.evaluation.kpis import KpiInputs, contributed, kpi
from crm_analysis.sources.contracts import renewed_contracts


@kpi("contract_renewal_rate")
def contract_renewal_rate(inputs: KpiInputs) -> ibis.Table:
    """Renewed contracts / contracts whose grace after the end ran out in the last 12 months (E4).

    Renewed: until the day after the grace begins another contract that names it in ``renewal_of``, or the customer's
    next one from its last day on (:func:`crm_analysis.sources.contracts.renewed_contracts`).
    """
    grace = timedelta(days=inputs.settings.renewal_grace_days)
    contracts = inputs.tables["contracts"]
    due = contracts.filter(
        contracts.end_date >= inputs.quarter.shift(-3).start - grace, contracts.end_date < inputs.quarter.end - grace
    ).select("contract_id", "customer_id", "end_date")
    renewed = renewed_contracts(contracts, grace_days=grace.days)
    rows = due.left_join(renewed, due.contract_id == renewed.renewed_id).select("customer_id", "renewed_id")
    is_renewed = rows.count(where=rows.renewed_id.notnull())
    return contributed(rows, numerator=is_renewed, denominator=rows.count(), n=rows.count())


@kpi("sales_conversion_rate")
def sales_conversion_rate(inputs: KpiInputs) -> ibis.Table:
    """Won opportunities / opportunities closed in the quarter (E9)."""
    rows = inputs.within("opportunities", "entered_on").filter(ibis._.stage == "closed")
    rows = rows.group_by("opportunity_id").aggregate(
        customer_id=rows.customer_id.min(), is_won=rows.won.fill_null(False).any()
    )
    return contributed(rows, numerator=rows.count(where=rows.is_won), denominator=rows.count(), n=rows.count())
