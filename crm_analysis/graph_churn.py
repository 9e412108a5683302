"""The named results of churn: labels, backtest, champion, scores, the warning list (REQUIREMENTS C1, C2, C4, C7)."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.churn import backtest, calibration, contributions, inputs, labels, model_file, scores, warnings
from crm_analysis.churn.model import FittedChurn
from crm_analysis.graph_past import first_order_date
from crm_analysis.sources import periods
from crm_analysis.sources.history import check_past_fields
from crm_analysis.workspace import Result, Workspace

Frame = pd.DataFrame
Document = dict[str, Any]
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
    batches = scores.feature_batches(ws.rows("features"), settings=settings)
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


CHURN = (
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
)
