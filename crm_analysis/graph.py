"""The named results and how they hang together: the only place that wires the analyses to each other.

``compute(ws, **inputs)`` gets its inputs by name; what a result reads beside them is the workspace: tables behind the
door, settings, and the same company at earlier quarters.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.churn import backtest, calibration, contributions, inputs, labels, model_file, scores, warnings
from crm_analysis.churn.model import FittedChurn
from crm_analysis.diagnosis import completeness, validity
from crm_analysis.evaluation import summary
from crm_analysis.graph_bridges import PORTFOLIO
from crm_analysis.graph_effects import EFFECTS
from crm_analysis.graph_kpis import KPI_RESULTS
from crm_analysis.graph_past import first_order_date, replayed, tiers_at_start
from crm_analysis.graph_segmentation import SEGMENTATION
from crm_analysis.graph_service import SERVICE
from crm_analysis.portraits import attributes, behaviour
from crm_analysis.segmentation.ranks import ranked_tiers
from crm_analysis.sources import coverage, features, load, periods
from crm_analysis.sources.history import check_past_fields
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


# -- churn -----------------------------------------------------------------------------------------------------------

_CHURN_COLUMNS = ["customer_id", *inputs.FEATURE_COLUMNS]


def _churn_training(ws: Workspace) -> Frame:
    """Join features and outcomes of past origins; an origin is the start of a quarter, so the end of the one before."""
    check_past_fields(_CHURN_COLUMNS, ws.loaded.tables)
    first = first_order_date(ws)
    settings = ws.settings.churn
    return labels.training_table(_known_at_origins(ws, after=first), settings=settings)


def _known_at_origins(ws: Workspace, *, after: date) -> Iterator[tuple[date, labels.Known]]:
    """Yield features and outcomes origin by origin: those of a large company are not held all at once."""
    settings = ws.settings.churn
    for origin in labels.churn_origins(ws.quarter, settings=settings):
        if origin <= after:
            continue
        before = Quarter.containing(origin, first_month=ws.quarter.first_month).shift(-1)
        known = ws.at(before).frame("features", _CHURN_COLUMNS)
        outcomes = periods.outcomes_table(
            ws.tables, origin=origin, gap_days=settings.gap_days, horizon_days=settings.horizon_days
        )
        yield origin, (known, outcomes.to_pandas())


def _churn_definition(ws: Workspace, churn_training: Frame) -> Document:
    known = ws.frame("features", _CHURN_COLUMNS)
    first = first_order_date(ws)
    return labels.churn_definition(churn_training, known, settings=ws.settings.churn, as_of=ws.as_of, begun=first)


def _champion_model(ws: Workspace, churn_training: Frame, champion: Document, churn_status: Document) -> Document:
    fitted = scores.fit_champion(churn_training, settings=ws.settings.churn, champion=champion, status=churn_status)
    return {} if fitted is None else model_file.pack_model(fitted)


def _unpacked(ws: Workspace, champion_model: Document) -> FittedChurn | None:
    return model_file.unpack_model(champion_model, settings=ws.settings.churn) if champion_model else None


def _churn_scores(ws: Workspace, champion_model: Document) -> Frame:
    settings = ws.settings.churn
    ws.ensure("features")
    batches = scores.feature_batches(ws.path("features"), settings=settings)
    return scores.churn_scores(batches, _unpacked(ws, champion_model), settings=settings)


def _churn_reasons(ws: Workspace, churn_scores: Frame, champion_model: Document) -> Frame:
    first = churn_scores.head(warnings.list_length(ws.settings.churn))
    if first.empty:
        return pd.DataFrame(columns=list(contributions.CONTRIBUTIONS_SCHEMA))
    listed = ws.stage(first[["customer_id"]], "reasons_for")
    known = ws.rows("features").semi_join(listed, "customer_id").select(_CHURN_COLUMNS).to_pandas()
    return contributions.contributions_table(
        known, _unpacked(ws, champion_model), customer_ids=first["customer_id"].tolist()
    )


def _warning_list(ws: Workspace, churn_scores: Frame, churn_reasons: Frame) -> Frame:
    known = ws.frame("features", _CHURN_COLUMNS)
    return warnings.warning_list(
        churn_scores, known, settings=ws.settings.churn, as_of=ws.as_of, contributions=churn_reasons
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
    # churn
    Result("churn_training", "frame", _churn_training, sections=("churn",), schema=labels.TRAINING_SCHEMA),
    Result(
        "churn_status",
        "document",
        lambda ws, churn_training: labels.check_churn_data(churn_training, settings=ws.settings.churn),
        inputs=("churn_training",),
        sections=("churn",),
    ),
    Result(
        "churn_definition",
        "document",
        _churn_definition,
        inputs=("churn_training",),
        reads=("features",),
        sections=("churn",),
    ),
    Result(
        "churn_predictions",
        "frame",
        lambda ws, churn_training, churn_status: backtest.churn_predictions(
            churn_training, settings=ws.settings.churn, status=churn_status
        ),
        inputs=("churn_training", "churn_status"),
        sections=("churn",),
        schema=backtest.PREDICTIONS_SCHEMA,
    ),
    Result(
        "churn_backtest",
        "frame",
        lambda ws, churn_predictions: backtest.backtest_table(churn_predictions, settings=ws.settings.churn),
        inputs=("churn_predictions",),
        sections=("churn",),
        schema=backtest.BACKTEST_SCHEMA,
    ),
    Result(
        "champion",
        "document",
        lambda ws, churn_backtest, churn_predictions, churn_status: backtest.choose_champion(
            churn_backtest, churn_predictions, status=churn_status
        ),
        inputs=("churn_backtest", "churn_predictions", "churn_status"),
    ),
    Result(
        "churn_calibration",
        "frame",
        lambda ws, churn_predictions, champion: calibration.calibration_table(churn_predictions, champion=champion),
        inputs=("churn_predictions", "champion"),
        schema=calibration.CALIBRATION_SCHEMA,
    ),
    Result(
        "champion_model",
        "document",
        _champion_model,
        inputs=("churn_training", "champion", "churn_status"),
        sections=("churn",),
    ),
    Result(
        "churn_scores",
        "frame",
        _churn_scores,
        inputs=("champion_model",),
        reads=("features",),
        sections=("churn",),
        schema=scores.SCORES_SCHEMA,
    ),
    Result(
        "churn_reasons",
        "frame",
        _churn_reasons,
        inputs=("churn_scores", "champion_model"),
        reads=("features",),
        sections=("churn",),
        schema=contributions.CONTRIBUTIONS_SCHEMA,
    ),
    Result(
        "warning_list",
        "frame",
        _warning_list,
        inputs=("churn_scores", "churn_reasons"),
        reads=("features",),
        sections=("churn",),
        schema=warnings.WARNING_SCHEMA,
    ),
    Result(
        "churn_bands",
        "frame",
        lambda ws, churn_scores: scores.churn_bands_table(
            churn_scores, list_length=warnings.list_length(ws.settings.churn)
        ),
        inputs=("churn_scores",),
        sections=("churn",),
        schema=scores.BANDS_SCHEMA,
    ),
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
