"""The named results of purchase models, customer value and priority customers (REQUIREMENTS C5)."""

from typing import Any

import ibis
import pandas as pd

from crm_analysis.churn import clv, priority, purchase_checks, purchase_fit, purchase_inputs
from crm_analysis.segmentation.ranks import ranked_tiers
from crm_analysis.sources.purchases import counted_orders
from crm_analysis.workspace import Result, Workspace

Frame = pd.DataFrame
Document = dict[str, Any]
_CHURN = ("churn",)
_PRIORITY_COLUMNS = ["customer_id", "kind", "owner", "spend_amount_365d", "recency_days"]


def _kinds(ws: Workspace) -> ibis.Table:
    return ws.rows("features").select("customer_id", "kind")


def _summary(ws: Workspace) -> ibis.Table:
    return purchase_inputs.summary_table(counted_orders(ws.tables["orders"]), _kinds(ws), as_of=ws.as_of)


def _expected(ws: Workspace, purchase_summary: Frame, purchase_fits: Document) -> Frame:
    settings = ws.settings.churn
    return purchase_fit.expected_purchases_table(
        purchase_summary, purchase_fits, gap_days=settings.gap_days, horizon_days=settings.horizon_days
    )


# -- does the model tell what came -------------------------------------------------------------------------------------


def _holdout(ws: Workspace) -> ibis.Table:
    start = purchase_inputs.holdout_start(ws.as_of, weeks=ws.settings.churn.value.holdout_weeks)
    return purchase_inputs.holdout_table(counted_orders(ws.tables["orders"]), _kinds(ws), start=start)


def _tracking(ws: Workspace, holdout_fits: Document) -> Frame:
    start = purchase_inputs.holdout_start(ws.as_of, weeks=ws.settings.churn.value.holdout_weeks)
    days = purchase_inputs.purchase_days_table(counted_orders(ws.tables["orders"]), _kinds(ws), start=start)
    return purchase_checks.tracking_table(days, holdout_fits, start=start, as_of=ws.as_of)


def _frequency(ws: Workspace, purchase_holdout: Frame, holdout_fits: Document) -> Frame:
    settings = ws.settings.churn.value
    return purchase_checks.frequency_table(
        purchase_holdout, holdout_fits, settings=settings, weeks=settings.holdout_weeks
    )


def _ranking(ws: Workspace, purchase_holdout: Frame, holdout_fits: Document) -> Frame:
    return purchase_checks.ranking_table(purchase_holdout, holdout_fits, weeks=ws.settings.churn.value.holdout_weeks)


def _fit_test(ws: Workspace, purchase_holdout: Frame, holdout_fits: Document) -> Document:
    weeks = ws.settings.churn.value.holdout_weeks
    return purchase_checks.fit_test_document(purchase_holdout, holdout_fits, weeks=weeks)


# -- what customers are worth ------------------------------------------------------------------------------------------


def _value_tiers(ws: Workspace, customer_values: Frame) -> Frame:
    return clv.clv_tiers_table(
        customer_values,
        ws.frame("segments", ["customer_id", "tier"]),
        tier_order=ranked_tiers(ws.settings.segmentation),
        minimum_cell=ws.settings.churn.value.minimum_cell,
    )


def _contacts(ws: Workspace) -> Frame | None:
    return priority.contacts_table(ws.tables, start=ws.quarter.start, end=ws.quarter.end, zone=ws.settings.timezone)


def _priority(ws: Workspace) -> Document:
    known = ws.frame("features", _PRIORITY_COLUMNS)
    read = priority.contact_tables(ws.tables)
    return priority.priority_document(known, _contacts(ws), settings=ws.settings.churn.value, read=read)


def _priority_customers(ws: Workspace, customer_values: Frame) -> Frame:
    known = ws.frame("features", _PRIORITY_COLUMNS)
    return priority.uncontacted_table(known, _contacts(ws), customer_values, settings=ws.settings.churn.value)


PURCHASES = (
    Result("purchase_summary", "rows", _summary, reads=("features",), schema=purchase_fit.SUMMARY_SCHEMA),
    Result("purchase_fits", "document",
           lambda ws, purchase_summary: purchase_fit.purchase_fits_document(purchase_summary,
                                                                            settings=ws.settings.churn.value),
           inputs=("purchase_summary",), sections=_CHURN),
    Result("expected_purchases", "frame", _expected, inputs=("purchase_summary", "purchase_fits"), sections=_CHURN,
           schema=purchase_fit.EXPECTED_SCHEMA),
    Result("purchase_parameters", "frame", lambda ws, purchase_fits: purchase_fit.parameters_table(purchase_fits),
           inputs=("purchase_fits",), schema=purchase_fit.PARAMETERS_SCHEMA),
    Result("purchase_independence", "document",
           lambda ws, purchase_summary: purchase_checks.check_independence(purchase_summary,
                                                                           settings=ws.settings.churn.value),
           inputs=("purchase_summary",), sections=_CHURN),
    Result("purchase_holdout", "rows", _holdout, reads=("features",), sections=_CHURN,
           schema=purchase_inputs.HOLDOUT_SCHEMA),
    Result("holdout_fits", "document",
           lambda ws, purchase_holdout: purchase_fit.purchase_fits_document(purchase_holdout,
                                                                            settings=ws.settings.churn.value),
           inputs=("purchase_holdout",), sections=_CHURN),
    Result("purchase_tracking", "frame", _tracking, inputs=("holdout_fits",), reads=("features",), sections=_CHURN,
           schema=purchase_checks.TRACKING_SCHEMA),
    Result("purchase_frequency", "frame", _frequency, inputs=("purchase_holdout", "holdout_fits"), sections=_CHURN,
           schema=purchase_checks.FREQUENCY_SCHEMA),
    Result("purchase_ranking", "frame", _ranking, inputs=("purchase_holdout", "holdout_fits"), sections=_CHURN,
           schema=purchase_checks.RANKING_SCHEMA),
    Result("purchase_test", "document", _fit_test, inputs=("purchase_holdout", "holdout_fits"), sections=_CHURN),
    Result("customer_values", "frame",
           lambda ws, purchase_summary, purchase_fits: clv.clv_table(purchase_summary, purchase_fits,
                                                                     horizon=ws.settings.churn.value.horizon),
           inputs=("purchase_summary", "purchase_fits"), sections=_CHURN, schema=clv.CLV_SCHEMA),
    Result("customer_value", "document",
           lambda ws, purchase_summary, purchase_fits: clv.clv_document(purchase_summary, purchase_fits,
                                                                        settings=ws.settings.churn.value),
           inputs=("purchase_summary", "purchase_fits"), sections=_CHURN),
    Result("value_tiers", "frame", _value_tiers, inputs=("customer_values",), reads=("segments",),
           sections=("churn", "segmentation"), schema=clv.CLV_TIERS_SCHEMA),
    Result("priority", "document", _priority, reads=("features",), sections=_CHURN),
    Result("priority_customers", "frame", _priority_customers, inputs=("customer_values",),
           reads=("features",), sections=_CHURN, schema=priority.PRIORITY_SCHEMA),
)  # fmt: skip
