"""The named results of service: cases, times, complaints, bursts (REQUIREMENTS E7, E8)."""

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.evaluation import bursts, business_time, complaints, service
from crm_analysis.evaluation.service_kpis import CASES
from crm_analysis.graph_past import replayed, tiers_at_start
from crm_analysis.sources.business_calendar import BusinessCalendar
from crm_analysis.workspace import Result, Workspace

Frame = pd.DataFrame
Document = dict[str, Any]
_SECTIONS = ("evaluation",)


def kpi_tables(ws: Workspace, quarter: Quarter) -> Mapping[str, ibis.Table]:
    """Return what KPIs of a quarter are made from: the tables behind its door, and its cases in business time."""
    then = ws.at(quarter)
    if "interactions" not in then.tables:
        return then.tables
    return ChainMap({CASES: then.rows("service_cases")}, cast(MutableMapping[str, ibis.Table], then.tables))


def _service_cases(ws: Workspace) -> ibis.Table:
    return service.service_cases(
        ws.tables.get("interactions"), quarter=ws.quarter, settings=ws.settings.evaluation, zone=ws.settings.timezone
    )


def _service_calendar(ws: Workspace) -> Document:
    calendar = BusinessCalendar(ws.settings.evaluation.service.hours, ws.settings.timezone)
    return business_time.calendar_document(calendar, quarter=ws.quarter)


def _service_times(ws: Workspace) -> Frame:
    return service.service_times_table(ws.rows("service_cases"), tiers_at_start(ws), settings=ws.settings.evaluation)


def _complaints(ws: Workspace) -> Frame:
    if "interactions" not in ws.tables:
        return complaints.no_complaints()
    return complaints.complaints_table(
        ws.rows("service_cases"), ws.rows("customer_periods"), quarter=ws.quarter, settings=ws.settings.evaluation
    )


def _complaint_bursts(ws: Workspace) -> Frame:
    settings = ws.settings.evaluation.service.bursts
    daily = bursts.daily_complaints(ws.tables.get("interactions"), quarter=ws.quarter, settings=settings)
    return bursts.bursts_table(daily, quarter=ws.quarter, settings=settings)


SERVICE = (
    Result("service_cases", "rows", _service_cases, sections=_SECTIONS, schema=service.CASES_SCHEMA),
    Result("service_calendar", "document", _service_calendar, sections=_SECTIONS),
    Result("service_times", "frame", _service_times, reads=("service_cases", "past_tiers"),
           sections=(*_SECTIONS, "segmentation"), schema=service.TIMES_SCHEMA,
           frozen_quarters=lambda settings: 1 + replayed(settings)),
    Result("complaints", "frame", _complaints, reads=("service_cases", "customer_periods"), sections=_SECTIONS,
           schema=complaints.COMPLAINTS_SCHEMA),
    Result("complaint_response", "frame",
           lambda ws: complaints.complaint_response_table(ws.rows("service_cases"), settings=ws.settings.evaluation),
           reads=("service_cases",), sections=_SECTIONS, schema=complaints.COMPLAINT_RESPONSE_SCHEMA),
    Result("complaint_bursts", "frame", _complaint_bursts, sections=_SECTIONS, schema=bursts.BURSTS_SCHEMA),
)  # fmt: skip
