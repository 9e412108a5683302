"""What results need to know of the past: when data begin, and whose tiers were in force (DESIGN, "tier of when")."""

from datetime import date

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import Settings
from crm_analysis.evaluation.history import first_whole_quarter
from crm_analysis.segmentation.stability import quarters_needed
from crm_analysis.workspace import Workspace


def first_order_date(ws: Workspace) -> date:
    """Return the local day of the first order."""
    return pd.Timestamp(ws.tables["orders"].ordered_on.min().to_pandas()).date()


def beginning(ws: Workspace) -> Quarter:
    """Return the first quarter that the data cover as a whole."""
    tolerance = ws.settings.data.coverage_tolerance_days
    return first_whole_quarter(first_order_date(ws), tolerance_days=tolerance, first_month=ws.quarter.first_month)


def replayed(settings: Settings) -> int:
    """Return how many quarters of raw tiers decide the tier of one."""
    return quarters_needed(settings.segmentation.hysteresis)


def tiers_at_start(ws: Workspace, *, back: int = 0) -> ibis.Table | None:
    """Return ``customer_id, tier`` in force at the start of a quarter, so many back; ``None`` where it is unknown.

    It is the end of the quarter before, which must not lie before the first order. The result that asks for it reads
    ``past_tiers``.
    """
    quarter = ws.quarter.shift(-back)
    if ws.result("past_tiers")["unknown_fields"] or quarter.start <= first_order_date(ws):
        return None
    return ws.at(quarter.shift(-1)).rows("segments").select("customer_id", "tier")
