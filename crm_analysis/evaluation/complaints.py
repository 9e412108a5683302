"""Complaints: how many against customers and orders, how fast they are answered, what about (REQUIREMENTS E8)."""

import ibis
import pandas as pd

from crm_analysis.base.intervals import poisson_interval, wilson_interval
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.evaluation.service import SECONDS_PER_HOUR, STATES, answer_state, with_rate

COMPLAINTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["complaint_measure", "complaint_count", "base_count", "per_100", "per_100_low", "per_100_high"], OPEN
)
_MEASURES = ("response_hours", "response_business_hours")
COMPLAINT_RESPONSE_SCHEMA: ResultSchema = dict.fromkeys(
    ["complaint_group", "limit_hours", "n", "answered_n", *(f"{state}_n" for state in STATES),
     "in_time_rate", "in_time_rate_low", "in_time_rate_high",
     *(f"{time}_{measure}" for time in _MEASURES for measure in ("mean", "median", "p90"))],
    OPEN,
)  # fmt: skip
#: Of these the complaints are some of the base; the others are rates that may pass 100.
PROPORTIONS = ("non_buyers", "urgent", "marketing", "mediated", "reopened")


def complaints_of(cases: ibis.Table) -> ibis.Table:
    """Return the complaints among cases that the customer can see."""
    return cases.filter(cases.kind == "complaint", cases.is_visible)


def complaints_table(
    cases: ibis.Table, periods: ibis.Table, *, quarter: Quarter, settings: EvaluationSettings
) -> pd.DataFrame:
    """Return complaints of the quarter against what they are held against.

    Parameters
    ----------
    cases
        Of :func:`~crm_analysis.evaluation.service.service_cases`.
    periods
        ``customer_periods``; other quarters are ignored.

    Returns
    -------
    pandas.DataFrame
        Columns of ``COMPLAINTS_SCHEMA``, ``per_100 = complaint_count / base_count x 100``; null where the base has
        fewer than ``settings.service.minimum_n``. By ``complaint_measure``:

        * ``per_customers``, ``per_orders``: all complaints of the quarter / customers with a counted order in it, or
          their orders, with exact 95 % intervals of a Poisson rate.
        * ``non_buyers``: those of customers without a counted order in the quarter / all complaints of the quarter.
        * ``urgent``: urgent ones / complaints of known urgency; ``marketing``: about marketing / complaints with a
          coded reason (known when resolved); ``mediated``: settled by a third party / resolved complaints with an
          outcome; ``reopened``: opened again / ever resolved. These count
          complaints that came in and are visible to the customer; all shares have 95 % Wilson intervals.
    """
    sums = periods.filter(periods.quarter_start == ibis.literal(quarter.start))
    whole = sums.aggregate(
        complaints=sums.complaint_count.sum().fill_null(0),
        customers=sums.count(where=sums.order_count > 0),
        orders=sums.order_count.sum().fill_null(0),
        non_buyers=sums.complaint_count.sum(where=sums.order_count == 0).fill_null(0),
    ).to_pandas()
    rows = complaints_of(cases)
    service = settings.service
    counts = rows.aggregate(
        urgent=rows.count(where=rows.urgency == "urgent"),
        urgent_base=rows.urgency.count(),
        marketing=rows.count(where=rows.reason.isin(service.marketing_reasons)) if service.marketing_reasons else 0,
        marketing_base=rows.reason.count(),
        mediated=rows.count(where=rows.was_resolved & rows.outcome.isin(service.mediation_outcomes))
        if service.mediation_outcomes
        else 0,
        mediated_base=rows.count(where=rows.was_resolved & rows.outcome.notnull()),
        reopened=rows.count(where=rows.is_reopened),
        reopened_base=rows.count(where=rows.was_resolved),
    ).to_pandas()
    found = whole.iloc[0]
    shares = counts.iloc[0].to_dict() | {"non_buyers": found["non_buyers"], "non_buyers_base": found["complaints"]}
    table = pd.DataFrame(
        [
            ("per_customers", found["complaints"], found["customers"]),
            ("per_orders", found["complaints"], found["orders"]),
        ]
        + [(name, shares[name], shares[f"{name}_base"]) for name in PROPORTIONS],
        columns=["complaint_measure", "complaint_count", "base_count"],
    ).astype({"complaint_count": "int64", "base_count": "int64"})
    told = table["base_count"].where(table["base_count"] >= service.minimum_n)
    table["per_100"] = (table["complaint_count"] / told * 100).astype("float64").round(6)
    is_share = table["complaint_measure"].isin(PROPORTIONS)
    of_shares = wilson_interval(table["complaint_count"], told, where=is_share & told.notna())
    of_rates = poisson_interval(table["complaint_count"], told, where=~is_share & told.notna())
    low, high = (share.fillna(rate) * 100 for share, rate in zip(of_shares, of_rates, strict=True))
    return table.assign(per_100_low=low.round(6), per_100_high=high.round(6))


def complaint_response_table(cases: ibis.Table, *, settings: EvaluationSettings) -> pd.DataFrame:
    """Return how fast complaints get their first reply, urgent ones apart.

    Parameters
    ----------
    cases
        Of :func:`~crm_analysis.evaluation.service.service_cases`.

    Returns
    -------
    pandas.DataFrame
        Columns of ``COMPLAINT_RESPONSE_SCHEMA``. ``complaint_group``: ``all``, ``normal`` (urgency unknown included)
        and ``urgent`` against ``settings.complaint_response_hours`` of the clock, and ``urgent_standard``: urgent ones
        against ``settings.service.urgent_hours`` by ``sla_clock``. ``in_time_rate``: answered in time / (answered +
        overdue) with its 95 % Wilson interval; those not yet due (``pending_n``) or with a reply before the opening
        (``unclear_n``) are left out. Values of fewer than ``minimum_n`` complaints are null.
    """
    service = settings.service
    rows = complaints_of(cases)
    is_urgent = (rows.urgency == "urgent").fill_null(False)
    groups = [
        ("all", ibis.literal(True), settings.complaint_response_hours, "calendar"),
        ("normal", ~is_urgent, settings.complaint_response_hours, "calendar"),
        ("urgent", is_urgent, settings.complaint_response_hours, "calendar"),
        ("urgent_standard", is_urgent, service.urgent_hours, service.sla_clock),
    ]
    found = [_group(rows.filter(chosen), name, limit=limit, clock=clock) for name, chosen, limit, clock in groups]
    table = pd.concat(found, ignore_index=True)
    answered, due = table["met_n"] + table["late_n"], table["met_n"] + table["late_n"] + table["overdue_n"]
    table = with_rate(
        table.assign(answered_n=answered), "in_time_rate", table["met_n"], due, minimum_n=service.minimum_n
    )
    times = [name for name in COMPLAINT_RESPONSE_SCHEMA if name.startswith("response_")]
    table[times] = table[times].where(answered >= service.minimum_n)
    return table[list(COMPLAINT_RESPONSE_SCHEMA)]


def _group(rows: ibis.Table, name: str, *, limit: float, clock: str) -> pd.DataFrame:
    """Return the counts and times of one group against a limit in hours."""
    marked = rows.mutate(state=answer_state(rows, limit_seconds=round(limit * SECONDS_PER_HOUR), clock=clock))
    measures: dict[str, ibis.Value] = {"n": marked.count()}
    measures |= {f"{state}_n": marked.count(where=marked.state == state) for state in STATES}
    for time in _MEASURES:
        seconds = marked[time.replace("hours", "seconds")]
        measures[f"{time}_mean"] = seconds.sum() / seconds.count().nullif(0) / SECONDS_PER_HOUR
        measures |= {
            f"{time}_{label}": seconds.quantile(at) / SECONDS_PER_HOUR for label, at in (("median", 0.5), ("p90", 0.9))
        }
    return marked.aggregate(**measures).to_pandas().assign(complaint_group=name, limit_hours=float(limit))


def no_complaints() -> pd.DataFrame:
    """Return :func:`complaints_table` of a company that records no contacts: without rows."""
    kinds = dict.fromkeys(COMPLAINTS_SCHEMA, "float64") | {"complaint_measure": "str"}
    kinds |= dict.fromkeys(["complaint_count", "base_count"], "int64")
    return pd.DataFrame({name: pd.Series(dtype=kinds[name]) for name in COMPLAINTS_SCHEMA})
