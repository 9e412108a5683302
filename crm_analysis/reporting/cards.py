"""Cards of the main KPIs, made from the scorecard."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.words import Words, message
from crm_analysis.evaluation.display import change_message, target_message, value_message
from crm_analysis.reporting.show import Card

#: In order of interest; the first six that have a value are shown.
CARD_KPIS = ("revenue", "active_customers", "customer_retention_rate", "satisfaction_rate",
             "first_response_business_hours", "complaint_rate", "churn_rate", "average_order_value", "repurchase_rate",
             "order_count")  # fmt: skip


def kpi_cards(
    scorecard: pd.DataFrame, history: pd.DataFrame, *, words: Words, kpis: Sequence[str] = CARD_KPIS, count: int = 6
) -> list[Card]:
    """Return at most ``count`` cards, in the order of ``kpis``; KPIs without a value are left out.

    Parameters
    ----------
    history
        ``kpi, quarter, value``: drawn as a small line, oldest first.
    """
    rows = {row["kpi"]: row for row in scorecard.loc[scorecard["value"].notna()].to_dict("records")}
    return [_card(rows[kpi], kpi=kpi, history=history, words=words) for kpi in kpis if kpi in rows][:count]


def _card(row: Mapping[Any, Any], *, kpi: str, history: pd.DataFrame, words: Words) -> Card:
    values = history.loc[history["kpi"] == kpi].sort_values("quarter")["value"]
    changes = {
        name: change_message(row[column], unit=row["unit"], kind=row["change_kind"], absent=row[absent])
        for name, column, absent in (
            ("last_quarter", "change", "change_absent"),
            ("last_year", "year_ago_change", "year_ago_absent"),
        )
    }
    has_target = row["target"] == row["target"]
    return Card(
        name=words.word(METRICS[kpi].name),
        value=words.say(value_message(row["value"], unit=row["unit"])),
        status=str(row["status"]),
        target=words.say(target_message(row["target"], kpi=kpi)) if has_target else "",
        change=words.say(message("card.changes", **changes)),
        n=int(row["n"]),
        history=tuple(None if value != value else float(value) for value in values),
    )
