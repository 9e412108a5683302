"""The named results of the KPIs: scorecard, parts, surveys, growth, retention (REQUIREMENTS E1-E6, E9, E10)."""

from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.evaluation import breakdown, history, order_breakdown, retention, scorecard, value_growth
from crm_analysis.evaluation import satisfaction as surveys
from crm_analysis.evaluation.registry import KpiInputs
from crm_analysis.evaluation.targets import all_targets
from crm_analysis.graph_past import beginning, first_order_date, replayed, tiers_at_start
from crm_analysis.graph_service import kpi_tables
from crm_analysis.segmentation.ranks import ranked_tiers
from crm_analysis.workspace import Result, Workspace

Frame = pd.DataFrame
Document = dict[str, Any]
_SECTIONS = ("evaluation", "segmentation")
_YEAR, _TWO_YEARS = 4, 8
_TIER_QUARTERS = 4


def _kpi_history(ws: Workspace) -> Frame:
    return history.kpi_history(
        ws.rows("customer_periods"),
        door=lambda quarter: kpi_tables(ws, quarter),
        quarter=ws.quarter,
        settings=ws.settings.evaluation,
        tolerance_days=ws.settings.data.coverage_tolerance_days,
    )


def _scorecard(ws: Workspace, kpi_history: Frame, coverage: Document) -> Frame:
    settings = ws.settings.evaluation
    return scorecard.scorecard_table(
        kpi_history,
        targets=all_targets(settings),
        quarter=ws.quarter,
        tolerance=settings.tolerance,
        is_complete=coverage["is_complete"],
    )


def _inputs(ws: Workspace) -> KpiInputs:
    return KpiInputs(kpi_tables(ws, ws.quarter), ws.rows("customer_periods"), ws.quarter, ws.settings.evaluation)


def _kpi_parts(ws: Workspace) -> Frame:
    known = {quarters: tiers_at_start(ws, back=quarters - 1) for quarters in (1, _YEAR, _TWO_YEARS)}
    return breakdown.kpi_parts_table(_inputs(ws), tiers={k: v for k, v in known.items() if v is not None})


def _kpi_breakdown(ws: Workspace, kpi_parts: Frame, kpi_history: Frame) -> Frame:
    settings = ws.settings.evaluation
    now = kpi_history.loc[kpi_history["quarter"] == str(ws.quarter)]
    before = ws.quarter.shift(-_YEAR)
    is_wanted = any(target.relative for target in settings.targets) and before.start >= first_order_date(ws)
    return breakdown.kpi_breakdown_table(
        kpi_parts,
        short_kpis=list(now.loc[now["is_history_short"], "kpi"]),
        settings=settings,
        tier_order=ranked_tiers(ws.settings.segmentation),
        year_ago=ws.at(before).result("kpi_parts") if is_wanted else None,
    )


def _satisfaction(ws: Workspace, kpi_parts: Frame) -> Frame:
    settings, order = ws.settings.evaluation.satisfaction, ranked_tiers(ws.settings.segmentation)
    return surveys.satisfaction_table(kpi_parts, settings=settings, tier_order=order)


def _survey_questions(ws: Workspace) -> Frame:
    if "surveys" not in ws.tables:
        return pd.DataFrame(columns=list(surveys.QUESTIONS_SCHEMA))
    return surveys.survey_questions_table(_inputs(ws), tiers_at_start(ws))


def _surveys_sent(ws: Workspace) -> Frame:
    if "surveys" not in ws.tables:
        return pd.DataFrame(columns=list(surveys.SURVEYS_SENT_SCHEMA))
    return surveys.surveys_sent_table(_inputs(ws))


def _value_growth(ws: Workspace) -> Frame:
    order = ranked_tiers(ws.settings.segmentation)
    return value_growth.value_growth_table(_inputs(ws), tiers_at_start(ws, back=_TWO_YEARS - 1), tier_order=order)


def _growth_classes(ws: Workspace) -> Frame:
    order = ranked_tiers(ws.settings.segmentation)
    return value_growth.growth_classes_table(_inputs(ws), tiers_at_start(ws, back=_TWO_YEARS - 1), tier_order=order)


def _cohorts(ws: Workspace, coverage: Document) -> Frame:
    return retention.cohort_table(
        ws.rows("customer_periods"),
        quarter=ws.quarter,
        beginning=beginning(ws),
        cohorts=ws.settings.evaluation.kpis.cohort_quarters,
        is_complete=coverage["is_complete"],
    )


def _tier_retention(ws: Workspace) -> Frame:
    first = first_order_date(ws)
    quarters = [quarter for quarter in ws.quarter.back(_TIER_QUARTERS) if quarter.start > first]
    known: dict[Quarter, ibis.Table | None] = {quarter: tiers_at_start(ws.at(quarter)) for quarter in quarters}
    return retention.tier_retention_table(
        ws.rows("customer_periods"),
        {quarter: tiers for quarter, tiers in known.items() if tiers is not None},
        tier_order=ranked_tiers(ws.settings.segmentation),
    )


KPI_RESULTS = (
    Result(
        "kpi_history",
        "frame",
        _kpi_history,
        reads=("customer_periods", "service_cases"),
        sections=("evaluation",),
        schema=history.KPI_HISTORY_SCHEMA,
    ),
    Result(
        "scorecard",
        "frame",
        _scorecard,
        inputs=("kpi_history", "coverage"),
        sections=("evaluation",),
        schema=scorecard.SCORECARD_SCHEMA,
    ),
    Result("kpi_parts", "frame", _kpi_parts, reads=("customer_periods", "service_cases", "past_tiers"),
           sections=_SECTIONS, schema=breakdown.KPI_PARTS_SCHEMA,
           frozen_quarters=lambda settings: _TWO_YEARS + replayed(settings)),
    Result("kpi_breakdown", "frame", _kpi_breakdown, inputs=("kpi_parts", "kpi_history"), sections=_SECTIONS,
           schema=breakdown.KPI_BREAKDOWN_SCHEMA,
           frozen_quarters=lambda settings: _YEAR + _TWO_YEARS + replayed(settings)),
    Result("kpi_parts_check", "document",
           lambda ws, kpi_parts, kpi_history: breakdown.check_parts(kpi_parts, kpi_history, quarter=str(ws.quarter)),
           inputs=("kpi_parts", "kpi_history")),
    Result("order_breakdown", "frame", lambda ws: order_breakdown.order_breakdown_table(_inputs(ws)),
           reads=("customer_periods", "service_cases"), sections=("evaluation",),
           schema=order_breakdown.ORDER_BREAKDOWN_SCHEMA),
    Result("satisfaction", "frame", _satisfaction, inputs=("kpi_parts",), sections=_SECTIONS,
           schema=surveys.SATISFACTION_SCHEMA),
    Result("satisfaction_estimate", "document",
           lambda ws, satisfaction: surveys.satisfaction_estimate(satisfaction), inputs=("satisfaction",)),
    Result("survey_questions", "frame", _survey_questions, reads=("customer_periods", "service_cases", "past_tiers"),
           sections=_SECTIONS, schema=surveys.QUESTIONS_SCHEMA,
           frozen_quarters=lambda settings: 1 + replayed(settings)),
    Result("surveys_sent", "frame", _surveys_sent, reads=("customer_periods", "service_cases"),
           sections=("evaluation",), schema=surveys.SURVEYS_SENT_SCHEMA),
    Result("survey_numbers", "document", lambda ws: surveys.survey_numbers(_inputs(ws)),
           reads=("customer_periods", "service_cases"), sections=("evaluation",)),
    Result("value_growth", "frame", _value_growth, reads=("customer_periods", "service_cases", "past_tiers"),
           sections=_SECTIONS, schema=value_growth.VALUE_GROWTH_SCHEMA,
           frozen_quarters=lambda settings: _TWO_YEARS + replayed(settings)),
    Result("growth_classes", "frame", _growth_classes, reads=("customer_periods", "service_cases", "past_tiers"),
           sections=_SECTIONS, schema=value_growth.GROWTH_CLASSES_SCHEMA,
           frozen_quarters=lambda settings: _TWO_YEARS + replayed(settings)),
    Result("growth", "document",
           lambda ws, growth_classes: value_growth.growth_document(_inputs(ws), growth_classes),
           inputs=("growth_classes",), reads=("customer_periods", "service_cases"), sections=("evaluation",)),
    Result("cohorts", "frame", _cohorts, inputs=("coverage",), reads=("customer_periods",), sections=("evaluation",),
           schema=retention.COHORT_SCHEMA),
    Result("cohort_means", "frame", lambda ws, cohorts: retention.cohort_mean_table(cohorts), inputs=("cohorts",),
           schema=retention.COHORT_MEAN_SCHEMA),
    Result("tier_retention", "frame", _tier_retention, reads=("customer_periods", "past_tiers"), sections=_SECTIONS,
           schema=retention.TIER_RETENTION_SCHEMA,
           frozen_quarters=lambda settings: _TIER_QUARTERS + replayed(settings)),
)  # fmt: skip
