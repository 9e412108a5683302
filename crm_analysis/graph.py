"""The named results and how they hang together: the only place that wires the analyses to each other.

``compute(ws, **inputs)`` gets its inputs by name; what a result reads beside them is the workspace: tables behind the
door, settings, and the same company at earlier quarters.
"""

from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.diagnosis import completeness, validity
from crm_analysis.evaluation import summary
from crm_analysis.graph_bridges import PORTFOLIO
from crm_analysis.graph_churn import CHURN
from crm_analysis.graph_effects import EFFECTS
from crm_analysis.graph_insight import INSIGHT
from crm_analysis.graph_kpis import KPI_RESULTS
from crm_analysis.graph_past import first_order_date, replayed, tiers_at_start
from crm_analysis.graph_purchases import PURCHASES
from crm_analysis.graph_segmentation import SEGMENTATION
from crm_analysis.graph_service import SERVICE
from crm_analysis.portraits import attributes, behaviour
from crm_analysis.segmentation.ranks import ranked_tiers
from crm_analysis.sources import coverage, features, load, periods
from crm_analysis.strategy import responsibilities
from crm_analysis.strategy import table as strategy
from crm_analysis.workspace import Result, Workspace

Frame = pd.DataFrame
Document = dict[str, Any]

# -- the customer frame and the quarters -----------------------------------------------------------------------------


def _features(ws: Workspace) -> ibis.Table:
    return features.features_table(ws.tables, as_of=ws.as_of)


def _customer_periods(ws: Workspace) -> ibis.Table:
    beginning = Quarter.containing(first_order_date(ws), first_month=ws.quarter.first_month)
    return periods.customer_periods_table(ws.tables, quarters=ws.quarter.back(ws.quarter.since(beginning) + 1))


def _coverage(ws: Workspace) -> Document:
    """Hold the quarter against the whole export: a newer order proves that the quarter is over."""
    found = coverage.order_range(ws.loaded.tables["orders"])
    first, newest = found or (ws.quarter.end, ws.quarter.start)
    tolerance = ws.settings.data.coverage_tolerance_days
    return coverage.coverage_document(ws.quarter, first=first, newest=newest, tolerance_days=tolerance)


def _completeness_score(ws: Workspace, **inputs: Frame) -> Document:
    return completeness.completeness_score(inputs["completeness"], settings=ws.settings.diagnosis)


# -- portraits -------------------------------------------------------------------------------------------------------


def _portrait_attributes(ws: Workspace) -> Frame:
    if "customers" not in ws.tables:
        return pd.DataFrame(columns=list(attributes.ATTRIBUTE_SCHEMA))
    tiers = ws.rows("segments").select("customer_id", "tier")
    return attributes.attribute_table(ws.tables["customers"], tiers, settings=ws.settings.portraits, as_of=ws.as_of)


def _portrait_behaviour(ws: Workspace) -> Frame:
    return behaviour.behaviour_table(
        ws.tables["orders"],
        ws.tables.get("order_items"),
        ws.tables.get("interactions"),
        ws.rows("segments").select("customer_id", "tier"),
        settings=ws.settings.portraits,
        as_of=ws.as_of,
    )


# -- strategy --------------------------------------------------------------------------------------------------------


def _planned_contacts(ws: Workspace) -> Frame:
    """Contacts of the quarter by the tier at its start (the end of the quarter before)."""
    tiers = tiers_at_start(ws) if "interactions" in ws.tables else None
    if tiers is None:
        return pd.DataFrame(columns=list(strategy.CONTACTS_SCHEMA))
    made = ws.frame("customer_periods", ["customer_id", "quarter", "interaction_out_count"])
    return strategy.contacts_table(tiers.to_pandas(), made, quarter=ws.quarter)


def _strategy_table(ws: Workspace, primary_sizes: Frame, tier_contacts: Frame) -> Frame:
    contacts = None if tier_contacts.empty else tier_contacts
    return strategy.strategy_table(primary_sizes, rows=ws.settings.strategy.rows, contacts=contacts)


def _responsibilities(ws: Workspace) -> Frame:
    return responsibilities.responsibilities_table(
        ws.rows("segments"),
        ws.rows("features"),
        ws.tables.get("customers"),
        rows=ws.settings.strategy.rows,
        order=ranked_tiers(ws.settings.segmentation),
    )


# -- evaluation and summary ------------------------------------------------------------------------------------------


def _summary(
    ws: Workspace,
    scorecard: Frame,
    primary_sizes: Frame,
    strategy_table: Frame,
    churn_bands: Frame,
    completeness_score: Document,
    coverage: Document,
) -> Document:
    return summary.summary_document(
        scorecard,
        sizes=primary_sizes,
        strategy=strategy_table,
        bands=churn_bands,
        completeness=completeness_score["score"],
        completeness_target=completeness_score["target"],
        horizon_days=ws.settings.churn.horizon_days,
        coverage=coverage,
    )


_DECLARED = (
    Result("features", "rows", _features, schema=features.FEATURES_SCHEMA),
    Result("customer_periods", "rows", _customer_periods, schema=periods.PERIODS_SCHEMA),
    Result("load_report", "frame", lambda ws: ws.loaded.report, schema=load.LOAD_REPORT_SCHEMA),
    Result("freshness", "frame", lambda ws: load.freshness_table(ws.tables), schema=load.FRESHNESS_SCHEMA),
    Result("coverage", "document", _coverage),
    # diagnosis
    Result(
        "completeness",
        "frame",
        lambda ws: completeness.completeness_table(ws.tables, settings=ws.settings.diagnosis),
        sections=("diagnosis",),
        schema=completeness.COMPLETENESS_SCHEMA,
    ),
    Result(
        "completeness_score",
        "document",
        _completeness_score,
        inputs=("completeness",),
        sections=("diagnosis",),
    ),
    Result(
        "validity",
        "frame",
        lambda ws: validity.validity_table(ws.tables, settings=ws.settings.diagnosis, as_of=ws.as_of),
        sections=("diagnosis",),
        schema=validity.VALIDITY_SCHEMA,
    ),
    *SEGMENTATION,
    # portraits
    Result(
        "portrait_attributes",
        "frame",
        _portrait_attributes,
        reads=("segments",),
        sections=("portraits",),
        schema=attributes.ATTRIBUTE_SCHEMA,
    ),
    Result(
        "portrait_behaviour",
        "frame",
        _portrait_behaviour,
        reads=("segments",),
        sections=("portraits",),
        schema=behaviour.BEHAVIOUR_SCHEMA,
    ),
    *CHURN,
    *PURCHASES,
    *INSIGHT,
    # strategy
    Result(
        "tier_contacts",
        "frame",
        _planned_contacts,
        sections=("segmentation",),
        reads=("customer_periods", "past_tiers"),
        schema=strategy.CONTACTS_SCHEMA,
        frozen_quarters=lambda settings: 1 + replayed(settings),
    ),
    Result(
        "strategy_table",
        "frame",
        _strategy_table,
        inputs=("primary_sizes", "tier_contacts"),
        sections=("strategy",),
        schema=strategy.STRATEGY_SCHEMA,
    ),
    Result(
        "owner_load",
        "frame",
        lambda ws, strategy_table: strategy.owner_load_table(strategy_table, rows=ws.settings.strategy.rows),
        inputs=("strategy_table",),
        sections=("strategy",),
        schema=strategy.LOAD_SCHEMA,
    ),
    Result(
        "responsibilities",
        "frame",
        _responsibilities,
        reads=("segments", "features"),
        sections=("segmentation", "strategy"),
        schema=responsibilities.RESPONSIBILITIES_SCHEMA,
    ),
    *KPI_RESULTS,
    *SERVICE,
    *PORTFOLIO,
    *EFFECTS,
    Result(
        "summary",
        "document",
        _summary,
        inputs=("scorecard", "primary_sizes", "strategy_table", "churn_bands", "completeness_score", "coverage"),
        sections=("churn",),
    ),
)


#: Every result by its name.
RESULTS: dict[str, Result] = {result.name: result for result in _DECLARED}
