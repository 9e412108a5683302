"""All KPI functions in one place: a module with KPIs is named here, or its KPIs do not exist."""

from crm_analysis.evaluation import kpis, kpis_contacts, kpis_contracts, kpis_surveys, service_kpis
from crm_analysis.evaluation.kpis import KPI_FUNCTIONS, KpiFunction, KpiInputs, available_kpis, kpi_totals, summed

KPI_MODULES = (kpis, kpis_contacts, kpis_contracts, kpis_surveys, service_kpis)

__all__ = [
    "KPI_FUNCTIONS",
    "KPI_MODULES",
    "KpiFunction",
    "KpiInputs",
    "available_kpis",
    "kpi_totals",
    "summed",
]
