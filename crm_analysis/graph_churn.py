"""The named results of churn: labels, backtest, champion, scores, the warning list (REQUIREMENTS C1, C2, C4, C7)."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.churn import (
    backtest,
    calibration,
    contract_labels,
    contributions,
    drift,
    horizon,
    inputs,
    labels,
    look_back,
    model_file,
    scores,
    warnings,
)
from crm_analysis.churn.model import FittedChurn
from crm_analysis.graph_past import first_order_date, replayed
from crm_analysis.sources import periods
from crm_analysis.sources.history import check_past_fields
from crm_analysis.workspace import Result, Workspace

Frame = pd.DataFrame
Document = dict[str, Any]
_SECTION = ("churn",)
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
        known = _known(ws.at(before))
        outcomes = periods.outcomes_table(
            ws.tables, origin=origin, gap_days=settings.gap_days, horizon_days=settings.horizon_days
        )
        yield origin, (known, outcomes.to_pyarrow().to_pandas())


def _known(ws: Workspace) -> Frame:
    """Return what the model may look at, the purchases that a purchase model expects among it."""
    expected = ws.result("expected_purchases")
    return ws.frame("features", _CHURN_COLUMNS).merge(expected, on="customer_id", how="left")


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
    stored = scores.feature_batches(ws.path("features"), settings=settings)
    expected = ws.result("expected_purchases")
    batches = (batch.merge(expected, on="customer_id", how="left") for batch in stored)
    return scores.churn_scores(batches, _unpacked(ws, champion_model), settings=settings)


def _churn_reasons(ws: Workspace, churn_scores: Frame, champion_model: Document) -> Frame:
    first = churn_scores.head(ws.settings.churn.list_capacity)
    if first.empty:
        return pd.DataFrame(columns=list(contributions.CONTRIBUTIONS_SCHEMA))
    listed = ws.stage(first[["customer_id"]], "reasons_for")
    known = ws.rows("features").semi_join(listed, "customer_id").select(_CHURN_COLUMNS).to_pandas()
    known = known.merge(ws.result("expected_purchases"), on="customer_id", how="left")
    return contributions.contributions_table(
        known, _unpacked(ws, champion_model), customer_ids=first["customer_id"].tolist()
    )


def _warning_list(ws: Workspace, churn_scores: Frame, churn_reasons: Frame) -> Frame:
    known = ws.frame("features", [*_CHURN_COLUMNS, "owner"])
    tiers = ws.frame("segments", ["customer_id", "tier"])
    covered = [row.tier for row in ws.settings.strategy.rows]
    return warnings.warning_list(
        churn_scores,
        known[_CHURN_COLUMNS],
        settings=ws.settings.churn,
        as_of=ws.as_of,
        contributions=churn_reasons,
        customers=tiers.merge(known[["customer_id", "owner"]], on="customer_id", how="left"),
        strategy=pd.DataFrame({"tier": covered, "suggested_action": covered}, dtype="str"),
    )


# -- the definition against the data -----------------------------------------------------------------------------------


def _purchase_gaps(ws: Workspace) -> Frame:
    return horizon.purchase_gaps_table(ws.tables["orders"], as_of=ws.as_of, settings=ws.settings.churn)


def _churn_returns(ws: Workspace) -> Frame:
    training = ws.rows("churn_training").select("customer_id", "origin", "is_churned")
    return horizon.churn_returns_table(training, ws.tables["orders"], as_of=ws.as_of, settings=ws.settings.churn)


def _contract_churn(ws: Workspace) -> Frame:
    if "contracts" not in ws.tables:
        return pd.DataFrame(columns=list(contract_labels.CONTRACT_CHURN_SCHEMA))
    settings = ws.settings.evaluation
    rows = contract_labels.contract_labels_table(
        ws.tables["contracts"],
        as_of=ws.as_of,
        grace_days=settings.renewal_grace_days,
        quarters=ws.quarter.back(settings.trend_quarters),
    )
    return contract_labels.contract_churn_table(rows.to_pandas())


# -- what became of the last list --------------------------------------------------------------------------------------


def _before(ws: Workspace) -> Workspace | None:
    """Return the company at the end of the quarter before, or nothing where data begin later."""
    then = ws.at(ws.quarter.shift(-1))
    return then if then.quarter.end > first_order_date(ws) else None


def _list_stability(ws: Workspace, churn_scores: Frame) -> Frame:
    then = _before(ws)
    if then is None:
        return pd.DataFrame(columns=list(warnings.STABILITY_SCHEMA))
    return warnings.list_stability_table(
        then.result("warning_list"),
        churn_scores,
        ws.frame("features", _CHURN_COLUMNS),
        settings=ws.settings.churn,
        days_between=(ws.as_of - then.as_of).days,
    )


def _scored_at(ws: Workspace) -> tuple[date, Workspace] | None:
    """Return the latest origin whose outcome is known, with the company then; nothing where data begin later."""
    origin = labels.churn_origins(ws.quarter, settings=ws.settings.churn)[-1]
    if origin <= first_order_date(ws):
        return None
    return origin, ws.at(Quarter.containing(origin, first_month=ws.quarter.first_month).shift(-1))


def _scored_before(ws: Workspace) -> Frame:
    """Return what became of those scored at the latest origin whose outcome is known; nobody without one."""
    settings, found = ws.settings.churn, _scored_at(ws)
    if found is None:
        return pd.DataFrame(columns=list(look_back.SCORED_BEFORE_SCHEMA))
    origin, then = found
    outcomes = periods.outcomes_table(
        ws.tables, origin=origin, gap_days=settings.gap_days, horizon_days=settings.horizon_days
    )
    actions = None
    if "actions" in ws.tables:
        end, zone = labels.outcome_end(origin, settings=settings), ws.settings.timezone
        actions = look_back.actions_since_table(ws.tables["actions"], origin=origin, end=end, zone=zone)
    scored, warned = then.result("churn_scores"), then.result("warning_list")
    return look_back.scored_before_table(scored, warned, outcomes.to_pyarrow().to_pandas(), actions)


def _look_back_verdict(ws: Workspace, scored_before: Frame) -> Document:
    found = _scored_at(ws)
    model = None if found is None else found[1].result("champion")["model"]
    return look_back.look_back_document(scored_before, model=model, origin=None if found is None else found[0])


def _churn_drift(ws: Workspace) -> Frame:
    then = _before(ws)
    if then is None:
        return pd.DataFrame(columns=list(drift.DRIFT_SCHEMA))
    settings = ws.settings.churn
    before, now = (inputs.model_matrix(labels.select_eligible(_known(each), settings=settings)) for each in (then, ws))
    return drift.drift_table(before, now, features=inputs.MODEL_FEATURES, settings=settings.model.warning)


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
        "calibration",
        "document",
        lambda ws, churn_backtest, churn_predictions, champion: calibration.calibration_document(
            churn_backtest, churn_predictions, champion=champion
        ),
        inputs=("churn_backtest", "churn_predictions", "champion"),
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
        reads=("features", "expected_purchases"),
        sections=("churn",),
        schema=scores.SCORES_SCHEMA,
    ),
    Result(
        "churn_reasons",
        "frame",
        _churn_reasons,
        inputs=("churn_scores", "champion_model"),
        reads=("features", "expected_purchases"),
        sections=("churn",),
        schema=contributions.CONTRIBUTIONS_SCHEMA,
    ),
    Result(
        "warning_list",
        "frame",
        _warning_list,
        inputs=("churn_scores", "churn_reasons"),
        reads=("features", "segments"),
        sections=("churn", "strategy"),
        schema=warnings.WARNING_SCHEMA,
    ),
    Result(
        "churn_bands",
        "frame",
        lambda ws, churn_scores: scores.churn_bands_table(
            churn_scores, list_length=ws.settings.churn.list_capacity
        ),
        inputs=("churn_scores",),
        sections=("churn",),
        schema=scores.BANDS_SCHEMA,
    ),
    Result("churn_intervals", "frame",
           lambda ws, churn_predictions, churn_backtest: backtest.backtest_intervals_table(
               churn_predictions, churn_backtest, settings=ws.settings.churn),
           inputs=("churn_predictions", "churn_backtest"), sections=_SECTION, schema=backtest.INTERVALS_SCHEMA),
    Result("purchase_gaps", "frame", _purchase_gaps, sections=_SECTION, schema=horizon.GAPS_SCHEMA),
    Result("horizons", "frame",
           lambda ws, purchase_gaps: horizon.horizon_table(purchase_gaps, settings=ws.settings.churn),
           inputs=("purchase_gaps",), sections=_SECTION, schema=horizon.HORIZON_SCHEMA),
    Result("horizon", "document",
           lambda ws, purchase_gaps, horizons: horizon.horizon_document(purchase_gaps, horizons,
                                                                        settings=ws.settings.churn),
           inputs=("purchase_gaps", "horizons"), sections=_SECTION),
    Result("churn_returns", "frame", _churn_returns, reads=("churn_training",), sections=_SECTION,
           schema=horizon.RETURNS_SCHEMA),
    Result("contract_churn", "frame", _contract_churn, sections=("evaluation",),
           schema=contract_labels.CONTRACT_CHURN_SCHEMA),
    Result("contract_definition", "document",
           lambda ws, contract_churn: contract_labels.contract_definition(
               contract_churn, grace_days=ws.settings.evaluation.renewal_grace_days),
           inputs=("contract_churn",), sections=("evaluation",)),
    Result("reason_sizes", "frame", lambda ws, churn_reasons: contributions.cause_sizes_table(churn_reasons),
           inputs=("churn_reasons",), schema=contributions.CAUSE_SIZES_SCHEMA),
    Result("list_stability", "frame", _list_stability, inputs=("churn_scores",), reads=("features",),
           sections=("churn", "segmentation", "strategy"), schema=warnings.STABILITY_SCHEMA,
           frozen_quarters=lambda settings: 1 + replayed(settings)),
    Result("scored_before", "frame", _scored_before, sections=("churn", "segmentation", "strategy"),
           schema=look_back.SCORED_BEFORE_SCHEMA, frozen_quarters=lambda settings: 1 + replayed(settings)),
    Result("look_back", "frame", lambda ws, scored_before: look_back.look_back_table(scored_before),
           inputs=("scored_before",), schema=look_back.LOOK_BACK_SCHEMA),
    Result("look_back_verdict", "document", _look_back_verdict, inputs=("scored_before",), sections=_SECTION),
    Result("churn_drift", "frame", _churn_drift, reads=("features", "expected_purchases"), sections=_SECTION,
           schema=drift.DRIFT_SCHEMA),
    Result("model_card", "document",
           lambda ws, champion_model, churn_backtest, champion: model_file.model_card(
               _unpacked(ws, champion_model), churn_backtest, champion, settings=ws.settings.churn),
           inputs=("champion_model", "churn_backtest", "champion"), sections=_SECTION),
)  # fmt: skip
