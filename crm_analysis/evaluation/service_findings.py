"""Sentences about service and complaints, with the numbers they rest on (REQUIREMENTS E7, E8)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.base.words import Message, message
from crm_analysis.evaluation.bursts import false_alarms_expected


def finding_speed(times: pd.DataFrame, *, settings: EvaluationSettings) -> Message:
    """Return the mean first response against its target, with median and 90th percentile, urgent cases apart."""
    whole = _row(times, "all", "all")
    if whole is None or whole["n"] == 0:
        return message("service.none")
    clock = settings.service.sla_clock
    if whole["status"] == "too_small":
        return message("service.speed_few", n=whole["answered_n"], minimum=settings.service.minimum_n)
    of_clock = "business_" if clock == "business" else ""
    urgent = _row(times, "urgency", "urgent")
    return message(
        f"service.speed_{whole['status']}",
        clock=message(f"service.clock.{clock}"),
        mean=_hours(whole[f"response_{of_clock}hours_mean"]),
        median=_hours(whole[f"response_{of_clock}hours_median"]),
        p90=_hours(whole[f"response_{of_clock}hours_p90"]),
        target=_hours(whole["target_hours"]),
        elapsed=_hours(whole["response_hours_mean"]),
        n=int(whole["answered_n"]),
        open=int(whole["overdue_n"] + whole["pending_n"]),
        urgent=_urgent(urgent, of_clock=of_clock, minimum=settings.service.minimum_n),
    )


def finding_standards(times: pd.DataFrame, *, settings: EvaluationSettings) -> Message:
    """Return the share of cases answered within their limit, what broke it, and what is left out."""
    whole = _row(times, "all", "all")
    if whole is None or whole["n"] == 0:
        return message("service.none")
    due = int(whole["answered_n"] + whole["overdue_n"])
    if pd.isna(whole["sla_rate"]):
        return message("service.standards_few", n=due, minimum=settings.service.minimum_n)
    target = settings.service.sla_target
    return message(
        "service.standards_good" if whole["sla_rate"] >= target else "service.standards_bad",
        rate=float(whole["sla_rate"]), low=float(whole["sla_rate_low"]), high=float(whole["sla_rate_high"]),
        target=target, n=due, late=int(whole["late_n"]), overdue=int(whole["overdue_n"]),
        pending=int(whole["pending_n"]),
    )  # fmt: skip


def finding_resolution(times: pd.DataFrame, *, settings: EvaluationSettings) -> Message:
    """Return how long resolution takes, the closed-loop rate, and how many cases were opened again."""
    whole = _row(times, "all", "all")
    if whole is None or whole["n"] == 0:
        return message("service.none")
    resolved, due = (
        int(whole["resolution_resolved_n"]),
        int(whole[["resolution_resolved_n", "resolution_overdue_n"]].sum()),
    )
    if pd.isna(whole["resolution_hours_mean"]):
        return message("service.resolution_few", n=resolved, minimum=settings.service.minimum_n)
    target = settings.service.closed_loop_target
    return message(
        "service.resolution_good" if whole["closed_loop_rate"] >= target else "service.resolution_bad",
        mean=_hours(whole["resolution_hours_mean"]), median=_hours(whole["resolution_hours_median"]),
        business=_hours(whole["resolution_business_hours_mean"]), resolved=resolved,
        rate=float(whole["closed_loop_rate"]), target=target, n=due, limit=_hours(settings.resolution_hours),
        overdue=int(whole["resolution_overdue_n"]), reopened=int(whole["reopened_n"]),
        reopened_rate=float(whole["reopened_rate"]),
    )  # fmt: skip


def note_calendar(calendar: Mapping[str, Any]) -> Message:
    """Return the opening hours that business time rests on, and the years of which they are not known in full.

    document ``service_calendar`` -> message
    """
    years = calendar["unpublished_years"]
    days = {
        "workdays": calendar["workday_count"],
        "closed": calendar["closed_count"],
        "made_up": calendar["made_up_count"],
    }
    flag = (
        message("service.calendar_unpublished", years=[str(year) for year in years])
        if years
        else message("service.calendar_known")
    )
    return message("service.calendar", shifts=list(calendar["shifts"]), hours=calendar["open_hours"], flag=flag, **days)


def note_cases(times: pd.DataFrame, *, settings: EvaluationSettings) -> Message:
    """Return what is counted as a case, and what is left out of the times."""
    whole = _row(times, "all", "all")
    if whole is None:
        return message("service.none")
    return message(
        "service.cases_note", hidden=int(whole["hidden_n"]), unclear=int(whole["unclear_n"]),
        open_again=int(whole["reopened_n"]), minimum=settings.service.minimum_n,
        sla=_hours(settings.service.sla_hours), urgent=_hours(settings.service.urgent_hours),
        complex=_hours(settings.service.complex_hours), clock=message(f"service.clock.{settings.service.sla_clock}"),
    )  # fmt: skip


def finding_complaints(complaints: pd.DataFrame, *, settings: EvaluationSettings) -> Message:
    """Return complaints per 100 active customers and per 100 orders, those about marketing, and mediation."""
    if complaints.empty:
        return message("service.complaints_unknown")
    rows: dict[str, Any] = {row["complaint_measure"]: row for row in complaints.to_dict("records")}
    per_customers, per_orders = rows["per_customers"], rows["per_orders"]
    count = int(per_customers["complaint_count"])
    if count == 0:
        return message("service.complaints_zero", customers=int(per_customers["base_count"]))
    if pd.isna(per_customers["per_100"]) or pd.isna(per_orders["per_100"]):
        return message("service.complaints_few", count=count, minimum=settings.service.minimum_n)
    return message(
        "service.complaints", count=count,
        per_customers=float(per_customers["per_100"]), customers=int(per_customers["base_count"]),
        low=round(float(per_customers["per_100_low"]), 2), high=round(float(per_customers["per_100_high"]), 2),
        non_buyers=int(rows["non_buyers"]["complaint_count"]), per_orders=float(per_orders["per_100"]),
        orders=int(per_orders["base_count"]),
        marketing=int(rows["marketing"]["complaint_count"]), coded=int(rows["marketing"]["base_count"]),
        mediated=int(rows["mediated"]["complaint_count"]), settled=int(rows["mediated"]["base_count"]),
    )  # fmt: skip


def finding_complaint_response(response: pd.DataFrame, *, settings: EvaluationSettings) -> Message:
    """Return the share of complaints answered in time, urgent ones apart."""
    rows: dict[str, Any] = {row["complaint_group"]: row for row in response.to_dict("records")}
    if not rows or rows["all"]["n"] == 0:
        return message("service.complaint_response_none")
    whole, fast = rows["all"], rows["urgent_standard"]
    due, fast_due = (int(row["answered_n"] + row["overdue_n"]) for row in (whole, fast))
    minimum = settings.service.minimum_n
    if pd.isna(whole["in_time_rate"]):
        return message("service.complaint_response_few", n=due, minimum=minimum)
    urgent = message("service.complaint_urgent_few", n=fast_due, minimum=minimum)
    if not pd.isna(fast["in_time_rate"]):
        limit, rate = _hours(fast["limit_hours"]), float(fast["in_time_rate"])
        urgent = message("service.complaint_urgent", rate=rate, n=fast_due, limit=limit)
    return message(
        "service.complaint_response", rate=float(whole["in_time_rate"]), low=float(whole["in_time_rate_low"]),
        high=float(whole["in_time_rate_high"]), n=due, limit=_hours(whole["limit_hours"]), urgent=urgent,
        overdue=int(whole["overdue_n"]),
    )  # fmt: skip


def finding_bursts(bursts: pd.DataFrame) -> Message:
    """Return the bursts of complaints of the quarter, the largest first, or that there were none."""
    judged = bursts.loc[bursts["p_value"].notna()]
    if bursts.empty:
        return message("service.complaints_unknown")
    if judged.empty:
        return message("service.bursts_no_history")
    chance = {"days": len(judged), "false_alarms": false_alarms_expected(bursts)}
    found = judged.loc[judged["is_burst"]]
    if found.empty:
        return message("service.bursts_none", **chance)
    largest = found.sort_values(["p_value", "date"]).iloc[0]
    return message(
        "service.bursts", count=len(found), date=largest["date"].date().isoformat(),
        observed=int(largest["complaint_count"]), expected=round(float(largest["expected_complaints"]), 1), **chance,
    )  # fmt: skip


def note_bursts(*, settings: EvaluationSettings) -> Message:
    """Return how a burst is told from chance."""
    bursts = settings.service.bursts
    return message(
        "service.bursts_note", weeks=bursts.baseline_weeks, minimum=bursts.minimum_count,
        false_alarms=bursts.false_alarms_per_quarter,
    )  # fmt: skip


def alt_speed(times: pd.DataFrame, *, settings: EvaluationSettings) -> Message:
    """Return the alternative text of :func:`crm_analysis.evaluation.service_figures.plot_speed`."""
    return message("service.speed_alt", finding=finding_speed(times, settings=settings))


def alt_standards(times: pd.DataFrame, *, settings: EvaluationSettings) -> Message:
    """Return the alternative text of :func:`crm_analysis.evaluation.service_figures.plot_standards`."""
    return message("service.standards_alt", finding=finding_standards(times, settings=settings))


def alt_bursts(bursts: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.evaluation.service_figures.plot_bursts`."""
    return message("service.bursts_alt", finding=finding_bursts(bursts))


def _urgent(row: pd.Series | None, *, of_clock: str, minimum: int) -> Message:
    """Return the mean of urgent cases against their target, or that there are too few."""
    if row is None or row["status"] == "too_small":
        return message("service.urgent_few", n=0 if row is None else int(row["answered_n"]), minimum=minimum)
    return message(
        f"service.urgent_{row['status']}", mean=_hours(row[f"response_{of_clock}hours_mean"]),
        target=_hours(row["target_hours"]), n=int(row["answered_n"]),
    )  # fmt: skip


def _row(times: pd.DataFrame, dimension: str, part: str) -> pd.Series | None:
    rows = times.loc[(times["dimension"] == dimension) & (times["part"] == part)]
    return None if rows.empty else rows.iloc[0]


def _hours(value: float) -> float:
    return round(float(value), 2)
