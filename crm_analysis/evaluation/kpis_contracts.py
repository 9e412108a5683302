"""KPIs from contracts and opportunities (REQUIREMENTS E4, E9): renewal and conversion."""

from datetime import timedelta

import ibis

from crm_analysis.evaluation.kpis import KpiInputs, contributed, kpi


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
    rows = due.left_join(renewed, "contract_id").select("customer_id", "is_renewed")
    is_renewed = rows.count(where=rows.is_renewed.notnull())
    return contributed(rows, numerator=is_renewed, denominator=rows.count(), n=rows.count())


@kpi("sales_conversion_rate")
def sales_conversion_rate(inputs: KpiInputs) -> ibis.Table:
    """Won opportunities / opportunities closed in the quarter (E9)."""
    rows = inputs.within("opportunities", "entered_on").filter(ibis._.stage == "closed")
    rows = rows.group_by("opportunity_id").aggregate(
        customer_id=rows.customer_id.min(), is_won=rows.won.fill_null(False).any()
    )
    return contributed(rows, numerator=rows.count(where=rows.is_won), denominator=rows.count(), n=rows.count())
