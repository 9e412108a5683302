"""The named results of comparisons, highlights, measures, effect and movement (REQUIREMENTS E10-E13)."""

from typing import Any

import pandas as pd

from crm_analysis.evaluation import effect, effect_sums, festival, highlights, measures, mix_cells, mix_effect
from crm_analysis.evaluation.scorecard import scorecard_table
from crm_analysis.evaluation.targets import all_targets
from crm_analysis.graph_past import beginning, first_order_date, replayed
from crm_analysis.segmentation.ranks import ranked_tiers
from crm_analysis.workspace import Result, Workspace

Frame = pd.DataFrame
Document = dict[str, Any]
_SECTION = ("evaluation",)


# -- comparison with the festival aligned ------------------------------------------------------------------------------


def _festival_days(ws: Workspace, coverage: Document) -> Document:
    return festival.festival_document(
        ws.quarter,
        settings=ws.settings.evaluation.effects.festival,
        begun=beginning(ws),
        is_complete=coverage["is_complete"],
    )


def _festival(ws: Workspace, festival_days: Document) -> Frame:
    if festival_days["status"] in {"no_history", "incomplete"}:
        return pd.DataFrame(columns=list(festival.FESTIVAL_SCHEMA))
    start, end = festival.days_needed(ws.quarter)
    daily = festival.daily_flows_table(ws.tables["orders"], start=start, end=end)
    return festival.festival_table(daily, quarter=ws.quarter, settings=ws.settings.evaluation.effects.festival)


# -- highlights and measures -------------------------------------------------------------------------------------------


def _highlights(ws: Workspace, scorecard: Frame, kpi_history: Frame) -> Frame:
    settings = ws.settings.evaluation.effects.highlights
    return highlights.highlights_table(scorecard, kpi_history, quarter=ws.quarter, settings=settings)


def _measure_checks(ws: Workspace, scorecard: Frame, kpi_history: Frame, coverage: Document) -> Frame:
    """Check the measures of the quarter before, whose shortfalls are worked out anew from today's history."""
    settings, before = ws.settings.evaluation, ws.quarter.shift(-1)
    actions = ws.tables.get("actions")
    done = None
    if actions is not None:
        done = measures.done_actions_table(actions, quarter=ws.quarter, zone=ws.settings.timezone)
    return measures.measure_checks_table(
        scorecard_table(kpi_history, targets=all_targets(settings), quarter=before, tolerance=settings.tolerance),
        scorecard,
        kpi_history,
        done,
        rules=settings.measures,
        quarter=ws.quarter,
        settings=settings.effects.highlights,
        is_complete=coverage["is_complete"],
    )


def _measures(ws: Workspace, scorecard: Frame, measure_checks: Frame) -> Frame:
    """Propose measures, but none that was dropped."""
    useless = measure_checks.loc[measure_checks["verdict"] == "drop"]
    dropped = set(zip(useless["kpi"], useless["measure"], strict=True))
    rules = ws.settings.evaluation.measures
    return measures.measures_table(scorecard, rules=rules, quarter=ws.quarter, dropped=dropped)


# -- effect ------------------------------------------------------------------------------------------------------------


def _effect_sums(ws: Workspace) -> Frame:
    if "actions" not in ws.tables:
        return effect_sums.empty_sums()
    settings = ws.settings.evaluation.effects.programme
    assigned = effect_sums.assignments_table(ws.tables["actions"], quarter=ws.quarter, settings=settings)
    rows = effect_sums.assigned_rows(assigned, ws.tables["orders"], settings=settings)
    return effect_sums.effect_sums_table(rows)


def _effect_conflicts(ws: Workspace) -> Document:
    if "actions" not in ws.tables:
        return {"conflict_count": 0, "crossed_count": 0}
    settings = ws.settings.evaluation.effects.programme
    assigned = effect_sums.assignments_table(ws.tables["actions"], quarter=ws.quarter, settings=settings)
    return effect_sums.conflicts_document(assigned)


# -- movement ----------------------------------------------------------------------------------------------------------


def _mix_effect(ws: Workspace, kpi_history: Frame, past_tiers: Document, coverage: Document) -> Frame:
    """Take the change on last year apart; tiers at the start of a quarter are those at the end of the one before."""
    year_ago = ws.quarter.shift(-4)
    known = kpi_history.dropna(subset=["value"]).groupby("kpi")["quarter"].agg(set)
    kpis = [kpi for kpi in mix_cells.KPIS if {str(ws.quarter), str(year_ago)} <= known.get(kpi, set())]
    if past_tiers["unknown_fields"] or not coverage["is_complete"] or year_ago.start <= first_order_date(ws):
        kpis = []
    if not kpis:
        return mix_effect.mix_effect_table(mix_cells.empty_cells(), kpis=())
    cells = mix_cells.tier_cells_table(
        ws.at(year_ago.shift(-1)).rows("segments"),
        ws.at(ws.quarter.shift(-1)).rows("segments"),
        ws.rows("customer_periods"),
        quarter=ws.quarter,
    )
    return mix_effect.mix_effect_table(cells, order=ranked_tiers(ws.settings.segmentation), kpis=kpis)


EFFECTS = (
    Result("festival_days", "document", _festival_days, inputs=("coverage",), sections=_SECTION),
    Result("festival", "frame", _festival, inputs=("festival_days",), sections=_SECTION,
           schema=festival.FESTIVAL_SCHEMA),
    Result("highlights", "frame", _highlights, inputs=("scorecard", "kpi_history"), sections=_SECTION,
           schema=highlights.HIGHLIGHTS_SCHEMA),
    Result("measures", "frame",
           _measures,
           inputs=("scorecard", "measure_checks"), sections=_SECTION, schema=measures.MEASURES_SCHEMA),
    Result("measure_checks", "frame", _measure_checks, inputs=("scorecard", "kpi_history", "coverage"),
           sections=_SECTION, schema=measures.CHECKS_SCHEMA),
    Result("effect_sums", "frame", _effect_sums, sections=_SECTION, schema=effect_sums.SUMS_SCHEMA),
    Result("effect_conflicts", "document", _effect_conflicts, sections=_SECTION),
    Result("effect", "frame",
           lambda ws, effect_sums: effect.effect_table(effect_sums, settings=ws.settings.evaluation.effects.programme),
           inputs=("effect_sums",), sections=_SECTION, schema=effect.EFFECT_SCHEMA),
    Result("effect_balance", "frame",
           lambda ws, effect_sums: effect.balance_table(effect_sums, settings=ws.settings.evaluation.effects.programme),
           inputs=("effect_sums",), sections=_SECTION, schema=effect.BALANCE_SCHEMA),
    Result("before_after", "frame",
           lambda ws, effect_sums: effect.before_after_table(effect_sums,
                                                             settings=ws.settings.evaluation.effects.programme),
           inputs=("effect_sums",), sections=_SECTION, schema=effect.BEFORE_AFTER_SCHEMA),
    Result("mix_effect", "frame", _mix_effect, inputs=("kpi_history", "past_tiers", "coverage"),
           reads=("customer_periods",), sections=("evaluation", "segmentation"), schema=mix_effect.MIX_SCHEMA,
           frozen_quarters=lambda settings: 5 + replayed(settings)),
)  # fmt: skip
