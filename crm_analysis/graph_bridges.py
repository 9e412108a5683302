"""The named results of the customer base: bridges, concentration, workload, the look forward (REQUIREMENTS E15-E19)."""

from typing import Any

import ibis
import pandas as pd

from crm_analysis.evaluation import (
    bridges,
    dependence,
    forecast,
    forecast_choice,
    receivables,
    renewals,
    revenue_retention,
    workload,
)
from crm_analysis.graph_past import beginning, first_order_date, replayed
from crm_analysis.segmentation.ranks import ranked_tiers
from crm_analysis.workspace import Result, Workspace

Frame = pd.DataFrame
Document = dict[str, Any]
_SECTIONS = ("evaluation", "segmentation")


def _spans(ws: Workspace) -> list[bridges.Span]:
    return bridges.bridge_spans(ws.quarter, beginning=beginning(ws))


def _revenue_bridge(ws: Workspace) -> Frame:
    return bridges.bridge_table(ws.rows("customer_periods"), spans=_spans(ws))


def _tier_bridge(ws: Workspace, past_tiers: Document) -> Frame:
    """Bridge by the tier at the start of the earlier period: the end of the quarter before it."""
    first = first_order_date(ws)
    known = [] if past_tiers["unknown_fields"] else [span for span in _spans(ws) if span.before[0].start > first]
    tiers = {span.name: ws.at(span.before[0].shift(-1)).rows("segments") for span in known}
    order = ranked_tiers(ws.settings.segmentation)
    return bridges.bridge_table(ws.rows("customer_periods"), spans=known, tiers=tiers, order=order)


def _retention(ws: Workspace, **inputs: Frame) -> Frame:
    (bridge,) = inputs.values()
    return revenue_retention.revenue_retention_table(bridge, settings=ws.settings.evaluation.portfolio)


def _dependence(ws: Workspace) -> Document:
    return dependence.dependence_document(ws.rows("features"), settings=ws.settings.evaluation.portfolio)


def _concentration_change(ws: Workspace, concentration: Document, dependence: Document) -> Frame:
    """A year ago its whole year of sales must be known, or the shares would be those of a piece."""
    from crm_analysis.evaluation.dependence import concentration_change_table

    before = ws.at(ws.quarter.shift(-4))
    if before.quarter.shift(-3) < beginning(ws):
        return concentration_change_table(concentration, dependence)
    then, then_dependence = before.result("concentration"), before.result("dependence")
    return concentration_change_table(concentration, dependence, year_ago=then, dependence_year_ago=then_dependence)


def _attended(ws: Workspace) -> ibis.Table:
    return workload.attended_customers(
        ws.rows("features"), ws.rows("segments"), ws.tables.get("interactions"), as_of=ws.as_of,
        settings=ws.settings.evaluation.portfolio,
    )  # fmt: skip


def _contact_coverage(ws: Workspace) -> Frame:
    return workload.contact_coverage_table(_attended(ws), settings=ws.settings.evaluation.portfolio)


def _workload(ws: Workspace) -> Frame:
    return workload.workload_table(
        _attended(ws), ws.tables.get("actions"), as_of=ws.as_of, quarter_start=ws.quarter.start,
        settings=ws.settings.evaluation.portfolio,
    )  # fmt: skip


def _load_balance(ws: Workspace, workload: Frame) -> Document:
    from crm_analysis.evaluation.workload import load_document

    return load_document(workload, settings=ws.settings.evaluation.portfolio)


def _tiered(ws: Workspace) -> ibis.Table:
    """Return ``customer_id, kind, spend_amount_365d, tier`` at the quarter's end."""
    known = ws.rows("features").select("customer_id", "kind", "spend_amount_365d")
    tiers = ws.rows("segments").select("customer_id", "tier")
    return known.left_join(tiers, "customer_id").drop("customer_id_right")


def _renewals(ws: Workspace) -> Frame:
    settings = ws.settings.evaluation
    return renewals.renewals_table(
        ws.tables.get("contracts"), _tiered(ws), quarter=ws.quarter, grace_days=settings.renewal_grace_days,
        settings=settings.portfolio,
    )  # fmt: skip


def _monthly_revenue(ws: Workspace) -> Frame:
    return forecast.monthly_revenue_table(ws.tables["orders"], quarter=ws.quarter, beginning=beginning(ws))


def _forecasts(ws: Workspace, monthly_revenue: Frame) -> Frame:
    settings = ws.settings.evaluation.portfolio.forecast
    return forecast.forecasts_table(monthly_revenue, quarter=ws.quarter, settings=settings)


def _revenue_forecast(ws: Workspace, monthly_revenue: Frame, forecasts: Frame, coverage: Document) -> Document:
    return forecast_choice.forecast_document(
        forecasts, quarter=ws.quarter, quarter_count=len(monthly_revenue) // 3,
        is_complete="unfinished" not in coverage["reason"],
        settings=ws.settings.evaluation.portfolio.forecast,
    )  # fmt: skip


def _forecast_path(ws: Workspace, monthly_revenue: Frame, forecasts: Frame) -> Frame:
    settings = ws.settings.evaluation.portfolio.forecast
    return forecast_choice.forecast_path_table(monthly_revenue, forecasts, settings=settings)


def _receivables_by_tier(ws: Workspace) -> Frame:
    return receivables.receivables_table(
        ws.tables.get("receivables"), _tiered(ws), as_of=ws.as_of, settings=ws.settings.evaluation.portfolio
    )


def _receivables_state(ws: Workspace) -> Document:
    return receivables.receivables_document(
        ws.tables.get("receivables"), quarter=ws.quarter, settings=ws.settings.evaluation.portfolio
    )


PORTFOLIO = (
    Result("revenue_bridge", "frame", _revenue_bridge, reads=("customer_periods",), schema=bridges.BRIDGE_SCHEMA),
    Result("revenue_retention", "frame", _retention, inputs=("revenue_bridge",), sections=("evaluation",),
           schema=revenue_retention.RETENTION_SCHEMA),
    Result("tier_bridge", "frame", _tier_bridge, inputs=("past_tiers",), reads=("customer_periods", "segments"),
           sections=("segmentation",), schema=bridges.BRIDGE_SCHEMA,
           frozen_quarters=lambda settings: 8 + replayed(settings)),
    Result("tier_revenue_retention", "frame", _retention, inputs=("tier_bridge",), sections=("evaluation",),
           schema=revenue_retention.RETENTION_SCHEMA),
    Result("dependence", "document", _dependence, reads=("features",), sections=("evaluation",)),
    Result("concentration_change", "frame", _concentration_change, inputs=("concentration", "dependence"),
           sections=_SECTIONS, schema=dependence.CONCENTRATION_CHANGE_SCHEMA),
    Result("contact_coverage", "frame", _contact_coverage, reads=("features", "segments"), sections=("evaluation",),
           schema=workload.CONTACT_COVERAGE_SCHEMA),
    Result("workload", "frame", _workload, reads=("features", "segments"), sections=("evaluation",),
           schema=workload.WORKLOAD_SCHEMA),
    Result("load_balance", "document", _load_balance, inputs=("workload",), sections=("evaluation",)),
    Result("unattended_customers", "rows", lambda ws: workload.unattended_table(_attended(ws)),
           reads=("features", "segments"), sections=("evaluation",), schema=workload.UNATTENDED_SCHEMA),
    Result("renewals", "frame", _renewals, reads=("features", "segments"), sections=("evaluation",),
           schema=renewals.RENEWALS_SCHEMA),
    Result("monthly_revenue", "frame", _monthly_revenue, schema=forecast.MONTHLY_REVENUE_SCHEMA),
    Result("forecasts", "frame", _forecasts, inputs=("monthly_revenue",), sections=("evaluation",),
           schema=forecast.FORECASTS_SCHEMA),
    Result("revenue_forecast", "document", _revenue_forecast, inputs=("monthly_revenue", "forecasts", "coverage"),
           sections=("evaluation",)),
    Result("forecast_path", "frame", _forecast_path, inputs=("monthly_revenue", "forecasts"), sections=("evaluation",),
           schema=forecast_choice.PATH_SCHEMA),
    Result("receivables_by_tier", "frame", _receivables_by_tier, reads=("features", "segments"),
           sections=("evaluation",), schema=receivables.RECEIVABLES_SCHEMA),
    Result("receivables_state", "document", _receivables_state, sections=("evaluation",)),
)  # fmt: skip
