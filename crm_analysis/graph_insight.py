"""The named results of what lies behind churn: survival, signals, reasons, fairness (REQUIREMENTS C3, C6, C8, X2)."""

from datetime import date
from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.churn import (
    fairness,
    fairness_groups,
    list_kinds,
    reasons,
    signal_facts,
    signal_record,
    signals,
    survival,
)
from crm_analysis.graph_past import beginning, first_order_date, replayed
from crm_analysis.segmentation.ranks import ranked_tiers
from crm_analysis.sources.purchases import counted_orders
from crm_analysis.workspace import Result, Workspace

Frame = pd.DataFrame
Document = dict[str, Any]
_SECTION = ("churn",)
_SECTIONS = ("churn", "segmentation")
_YEAR = 4
_GROUP_COLUMNS = ["customer_id", "kind", "gender", "birth_date", "region"]
_PRICE_COLUMNS = ["customer_id", "discount_amount", "gross_amount"]


# -- survival ----------------------------------------------------------------------------------------------------------


def _entry(ws: Workspace) -> Quarter:
    return survival.follow_up_start(ws.quarter, beginning=beginning(ws), settings=ws.settings.churn.insight.survival)


def _survival_counts(ws: Workspace) -> Frame:
    """Follow customers by their tier when the follow-up began, which must be known and lie behind the first order."""
    entry = _entry(ws)
    if ws.result("past_tiers")["unknown_fields"] or entry > ws.quarter or entry.start <= first_order_date(ws):
        return pd.DataFrame(columns=list(survival.SURVIVAL_COUNTS_SCHEMA))
    return survival.survival_counts_table(
        counted_orders(ws.tables["orders"]),
        ws.at(entry.shift(-1)).rows("segments").select("customer_id", "tier"),
        entry=entry,
        as_of=ws.as_of,
        horizon_days=ws.settings.churn.rule_silence_days,
    )


def _survival_summary(ws: Workspace, survival_counts: Frame) -> Document:
    return survival.survival_document(
        survival_counts,
        entry=_entry(ws),
        horizon_days=ws.settings.churn.rule_silence_days,
        settings=ws.settings.churn.insight.survival,
    )


# -- signals -----------------------------------------------------------------------------------------------------------


def _churn_signals(ws: Workspace) -> Frame:
    settings = ws.settings.churn
    facts = signal_facts.signal_facts(
        ws.tables,
        as_of=ws.as_of,
        active_within_days=settings.active_within_days,
        settings=settings.insight.signals,
    )
    return signals.signals_table(facts.to_pyarrow().to_pandas(), settings=settings.insight.signals)


def _signal_counts(ws: Workspace, churn_signals: Frame) -> Frame:
    return signals.signal_counts_table(
        churn_signals,
        ws.frame("segments", ["customer_id", "tier"]),
        settings=ws.settings.churn.insight.signals,
        order=tuple(ranked_tiers(ws.settings.segmentation)),
    )


def _signal_record(ws: Workspace, churn_training: Frame) -> Frame:
    """Hold the signals of the latest origin whose outcome is known against what became of their customers."""
    if churn_training.empty:
        return pd.DataFrame(columns=list(signal_record.SIGNAL_RECORD_SCHEMA))
    origin = str(churn_training["origin"].max())
    quarter = Quarter.containing(date.fromisoformat(origin), first_month=ws.quarter.first_month).shift(-1)
    outcomes = churn_training.loc[churn_training["origin"] == origin, ["customer_id", "is_churned"]]
    return signal_record.signal_record_table(
        ws.at(quarter).result("churn_signals"), outcomes, settings=ws.settings.churn.insight.signals
    )


# -- reasons -----------------------------------------------------------------------------------------------------------


def _reason_counts(ws: Workspace) -> Frame:
    year_ago = ws.quarter.shift(-_YEAR)
    if ws.result("past_tiers")["unknown_fields"] or year_ago.end <= first_order_date(ws):
        return pd.DataFrame(columns=list(reasons.REASON_COUNTS_SCHEMA))
    return reasons.loss_counts_table(
        ws.tables["orders"],
        ws.tables.get("interactions"),
        ws.at(year_ago).rows("segments").select("customer_id", "tier"),
        quarter=ws.quarter,
        horizon_days=ws.settings.churn.rule_silence_days,
        settings=ws.settings.churn.insight.reasons,
        beginning=beginning(ws),
        at_risk=ws.rows("warning_list").select("customer_id"),
    )


def _reason_money(ws: Workspace, reason_counts: Frame) -> Frame:
    return reasons.reason_money_table(
        reason_counts,
        quarter=ws.quarter,
        settings=ws.settings.churn.insight.reasons,
        order=ranked_tiers(ws.settings.segmentation),
    )


# -- fairness ----------------------------------------------------------------------------------------------------------


def _judged(ws: Workspace, predictions: Frame, champion: Document) -> Frame | None:
    """Return the latest held-out origin as the champion saw it; nothing without one."""
    if predictions.empty or champion["model"] is None:
        return None
    capacity = ws.settings.churn.list_capacity
    return fairness_groups.select_judged(predictions, model=champion["model"], list_length=capacity)


def _origin(ws: Workspace, judged: Frame | None) -> date:
    """Return the day from which on the treatment of customers is compared: the held-out origin, else a year ago."""
    return ws.quarter.shift(-_YEAR).end if judged is None else date.fromisoformat(str(judged["origin"].iloc[0]))


def _groups(ws: Workspace, origin: date) -> Frame:
    known = ws.frame("features", _GROUP_COLUMNS)
    return fairness_groups.groups_table(known, origin=origin, settings=ws.settings.churn.insight.fairness)


def _offers(ws: Workspace, origin: date) -> Frame | None:
    if "actions" not in ws.tables or origin <= first_order_date(ws):
        return None
    then = ws.at(Quarter.containing(origin, first_month=ws.quarter.first_month).shift(-1))
    rows = ws.tables["actions"]
    since = rows.filter(rows.assigned_on >= ibis.literal(origin), rows.customer_id.notnull())
    return fairness_groups.offers_table(
        then.frame("features", ["customer_id", "recency_days"]),
        since.select("customer_id", "is_control", "status", "cost").to_pandas(),
        silence_days=ws.settings.churn.rule_silence_days,
    )


def _fairness(
    ws: Workspace, churn_predictions: Frame, champion: Document, churn_scores: Frame, warning_list: Frame
) -> Frame:
    judged = _judged(ws, churn_predictions, champion)
    origin = _origin(ws, judged)
    listed = churn_scores["customer_id"].isin(warning_list["customer_id"])
    return fairness.fairness_table(
        judged,
        _groups(ws, origin),
        settings=ws.settings.churn.insight.fairness,
        selected=churn_scores[["customer_id"]].assign(is_selected=listed),
        tiers=fairness_groups.top_tier_table(
            ws.frame("segments", ["customer_id", "tier"]), ranked=ranked_tiers(ws.settings.segmentation)
        ),
        offers=_offers(ws, origin),
        prices=ws.frame("features", _PRICE_COLUMNS),
    )


def _list_kinds(
    ws: Workspace, churn_predictions: Frame, champion: Document, churn_scores: Frame, warning_list: Frame
) -> Frame:
    kinds = ws.frame("features", ["customer_id", "kind"])
    judged = _judged(ws, churn_predictions, champion)
    return list_kinds.list_kinds_table(churn_scores, warning_list, judged, kinds)


def _fairness_summary(ws: Workspace, churn_predictions: Frame, champion: Document, **inputs: Frame) -> Document:
    judged = _judged(ws, churn_predictions, champion)
    origin = _origin(ws, judged)
    context = {
        "top_tier": ranked_tiers(ws.settings.segmentation)[0],
        "silence_days": ws.settings.churn.rule_silence_days,
        "offers_from": origin.isoformat(),
    }
    return fairness.fairness_document(inputs["fairness"], judged, _groups(ws, origin), context=context)


INSIGHT = (
    Result("survival_counts", "frame", _survival_counts, reads=("past_tiers",), sections=_SECTIONS,
           schema=survival.SURVIVAL_COUNTS_SCHEMA,
           frozen_quarters=lambda settings: settings.churn.insight.survival.follow_quarters + replayed(settings)),
    Result("survival", "frame",
           lambda ws, survival_counts: survival.survival_table(survival_counts,
                                                               settings=ws.settings.churn.insight.survival),
           inputs=("survival_counts",), sections=_SECTION, schema=survival.SURVIVAL_SCHEMA),
    Result("survival_curves", "frame",
           lambda ws, survival_counts: survival.survival_curve_table(survival_counts,
                                                                     settings=ws.settings.churn.insight.survival),
           inputs=("survival_counts",), sections=_SECTION, schema=survival.SURVIVAL_CURVE_SCHEMA),
    Result("survival_summary", "document", _survival_summary, inputs=("survival_counts",), sections=_SECTION),
    Result("churn_signals", "frame", _churn_signals, sections=_SECTION, schema=signals.SIGNALS_SCHEMA),
    Result("signal_counts", "frame", _signal_counts, inputs=("churn_signals",), reads=("segments",),
           sections=_SECTIONS, schema=signals.SIGNAL_COUNTS_SCHEMA),
    Result("signal_record", "frame", _signal_record, inputs=("churn_training",), sections=_SECTION,
           schema=signal_record.SIGNAL_RECORD_SCHEMA),
    Result("reason_counts", "frame", _reason_counts, reads=("past_tiers", "warning_list"), sections=_SECTIONS,
           schema=reasons.REASON_COUNTS_SCHEMA, frozen_quarters=lambda settings: _YEAR + replayed(settings)),
    Result("loss_reasons", "frame",
           lambda ws, reason_counts: reasons.reasons_table(reason_counts, quarter=ws.quarter,
                                                           settings=ws.settings.churn.insight.reasons),
           inputs=("reason_counts",), sections=_SECTION, schema=reasons.REASONS_SCHEMA),
    Result("reason_trend", "frame",
           lambda ws, reason_counts: reasons.reason_trend_table(reason_counts, quarter=ws.quarter,
                                                                settings=ws.settings.churn.insight.reasons),
           inputs=("reason_counts",), sections=_SECTION, schema=reasons.REASON_TREND_SCHEMA),
    Result("reason_money", "frame", _reason_money, inputs=("reason_counts",), sections=_SECTIONS,
           schema=reasons.REASON_MONEY_SCHEMA),
    Result("fairness", "frame", _fairness,
           inputs=("churn_predictions", "champion", "churn_scores", "warning_list"), reads=("features", "segments"),
           sections=_SECTIONS, schema=fairness.FAIRNESS_SCHEMA),
    Result("list_kinds", "frame", _list_kinds,
           inputs=("churn_predictions", "champion", "churn_scores", "warning_list"), reads=("features",),
           sections=_SECTION, schema=list_kinds.LIST_KINDS_SCHEMA),
    Result("list_silence", "document",
           lambda ws, warning_list: list_kinds.list_silence_document(
               warning_list, ws.frame("features", ["customer_id", "recency_days"]), settings=ws.settings.churn),
           inputs=("warning_list",), reads=("features",), sections=_SECTION),
    Result("fairness_summary", "document",
           _fairness_summary,
           inputs=("fairness", "churn_predictions", "champion"), reads=("features",), sections=_SECTIONS),
)  # fmt: skip
