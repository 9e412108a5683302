"""Sentences on renewals that are due, on next quarter's revenue and the last forecast, and on receivables."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.words import Message, message


def finding_renewals(quarters: pd.DataFrame, *, has_contracts: bool) -> Message:
    """Return what comes up for renewal in the next quarter and in all quarters ahead, and what is in grace.

    what :func:`crm_analysis.evaluation.renewals.renewal_quarters_table` returns by quarter -> message
    """
    if not has_contracts:
        return message("renewals.absent")
    due = quarters.loc[quarters["renewal_state"] == "due"]
    grace = quarters.loc[quarters["renewal_state"] == "in_grace"]
    if due.empty:
        return message("renewals.none", grace=_renewals_clause(grace))
    return message(
        "renewals.finding",
        quarter=str(due["quarter"].iloc[0]),
        first=_renewals_clause(due.iloc[:1]),
        all=_renewals_clause(due),
        grace=_renewals_clause(grace),
    )


def _renewals_clause(rows: pd.DataFrame) -> Message:
    """Return "31 contracts worth 430 thousand", or the count alone where an amount may not be told."""
    count, unpriced = int(rows["contract_count"].sum()), int(rows["unpriced_count"].sum())
    if count == 0:
        return message("renewals.no_contract")
    if rows["renewal_amount"].isna().any() or unpriced == count:
        return message("renewals.count", n=count)
    id_ = "renewals.amount_some" if unpriced else "renewals.amount"
    return message(id_, n=count, amount=float(rows["renewal_amount"].sum()), unpriced=unpriced)


def alt_renewals(months: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.evaluation.outlook_figures.plot_renewals`."""
    due = months.loc[months["renewal_state"] == "due"]
    if due.empty or due["contract_count"].sum() == 0:
        return message("renewals.alt_none")
    top = due.iloc[int(due["contract_count"].argmax())]
    return message(
        "renewals.alt",
        n=int(due["contract_count"].sum()), months=len(due),
        month=pd.Timestamp(top["month_date"]).date().isoformat(), most=int(top["contract_count"]),
    )  # fmt: skip


def finding_forecast(document: Mapping[str, Any]) -> Message:
    """Return next quarter's net revenue with its ranges, or why there is no forecast."""
    return Message.from_json(document["message"])


def finding_last_forecast(document: Mapping[str, Any]) -> Message:
    """Return what the last forecast said of this quarter, against what came."""
    last = document["last"]
    if last is None:
        return message("forecast.no_last")
    told = {name: float(last[f"{name}_amount"]) for name in ("forecast", "actual", "low_80", "high_80")}
    if last["error_share"] is None:
        return message("forecast.last_unmeasured", quarter=last["quarter"], **told)
    inside = "in_80" if last["is_in_80"] else "in_95" if last["is_in_95"] else "outside"
    return message(
        "forecast.last", quarter=last["quarter"], model=last["forecast_model"], error=abs(float(last["error_share"])),
        side="over" if float(last["error_share"]) > 0 else "under", inside=message(f"forecast.{inside}"), **told,
    )  # fmt: skip


def note_backtest(document: Mapping[str, Any]) -> Message:
    """Return how often the model's ranges held on past quarters, and with what error."""
    backtest = document["backtest"]
    if backtest is None:
        return message("forecast.no_forecast")
    if backtest["backtest_count"] == 0:
        return message("forecast.no_backtest")
    sided = "one_sided" if backtest["is_one_sided"] else "two_sided"
    is_fitted = document["next"]["is_converged"] and not backtest["unconverged_count"]
    return message(
        "forecast.backtest", model=document["next"]["forecast_model"], n=backtest["backtest_count"],
        error=backtest["mean_error_share"],
        bias=message(f"forecast.{sided}", under=backtest["under_count"], n=backtest["backtest_count"],
                     over=backtest["backtest_count"] - backtest["under_count"], bias=backtest["bias_share"]),
        in_80=backtest["in_80_count"], in_95=backtest["in_95_count"],
        judged=message("forecast.range_narrow" if backtest["is_range_narrow"] else "forecast.range_held"),
        fit=message("forecast.converged" if is_fitted else "forecast.unconverged"),
    )  # fmt: skip


def alt_forecast(path: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.evaluation.outlook_figures.plot_forecast`."""
    if path.empty:
        return message("forecast.alt_none")
    coming, first = path.iloc[-1], path.iloc[0]
    return message(
        "forecast.alt",
        first=str(first["quarter"]), last=str(path["quarter"].iloc[-2]), n=len(path) - 1,
        quarter=str(coming["quarter"]),
        **{name: float(coming[f"{name}_amount"]) for name in ("forecast", "low_80", "high_80")},
    )  # fmt: skip


def finding_receivables(document: Mapping[str, Any]) -> Message:
    """Return what is open and overdue, and the days sales outstanding."""
    return Message.from_json(document["message"])


def finding_overdue_tier(receivables: pd.DataFrame) -> Message:
    """Return the tier with the most overdue, beside what it buys in a year.

    columns of ``RECEIVABLES_SCHEMA`` -> message
    """
    known = receivables.loc[receivables["overdue_amount"] > 0]
    if known.empty:
        return message("receivables.no_tier")
    top = known.iloc[0]
    return message(
        "receivables.tier",
        tier="joined" if pd.isna(top["tier"]) else str(top["tier"]), overdue=float(top["overdue_amount"]),
        share=float(top["overdue_share"]), spend=float(top["year_spend_amount"]), n=int(top["overdue_debtor_count"]),
    )  # fmt: skip
