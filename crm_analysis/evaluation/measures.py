"""Improvement measures: one for every KPI that missed its target, and what became of those of the quarter before (E11).

The rules of settings are tried first, then the built-in ones; the first rule that holds decides. Shortfalls of the last
quarter are worked out anew from the history of KPIs, never read from an earlier report.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_effects import HighlightSettings, KpiCondition, MeasureRule
from crm_analysis.evaluation.highlights import JUDGED, MISSED, noise_table
from crm_analysis.evaluation.scorecard import status_of
from crm_analysis.sources.as_of import utc_midnight

MEASURES_SCHEMA: ResultSchema = dict.fromkeys(
    ["kpi", "unit", "value", "target", "status", "cause", "measure", "department", "due_date", "n"], OPEN
)
CHECKS_SCHEMA: ResultSchema = dict.fromkeys(
    ["kpi", "unit", "quarter", "cause", "measure", "department", "due_date", "target", "value_before", "value_now",
     "status", "done_state", "done_count", "change", "noise", "change_score", "missed_quarter_count", "verdict", "n"],
    OPEN,
)  # fmt: skip
DONE_SCHEMA: ResultSchema = dict.fromkeys(["action_kind", "campaign", "done_count"], OPEN)
#: ``unnamed``: the rule names no kind of action or campaign by which it could be seen.
DONE_STATES = ("done", "not_recorded", "unnamed", "unknown")
VERDICTS = ("keep", "drop", "undecided")
DUE_DAYS = 30
#: What is asked for where all rules of a KPI were dropped.
ANOTHER = "another_measure"
_CALLS = ("call", "visit", "care")


@dataclass(frozen=True)
class Proposal:
    """A measure as the table of rules has it; built-in ones have their texts in the catalogue."""

    id: str
    kpi: str
    department: str
    states: tuple[str, ...] = ("missed",)
    conditions: tuple[KpiCondition, ...] = ()
    due_days: int = DUE_DAYS
    action_kinds: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()


_SATISFIED = (KpiCondition(kpi="satisfaction_rate", state="met"),)
_UPSELL = ("upsell_interview", "visit", "call")
#: Rules about more than one KPI, or about growth; KPIs without a rule here fall to their own measure.
PATTERNS = (
    Proposal("upsell_needs", "value_growth_rate", "sales", ("missed",), _SATISFIED, 45, _UPSELL),
    Proposal("upsell_needs", "revenue", "sales", ("missed", "not_growing"), _SATISFIED, 45, _UPSELL),
    Proposal("monthly_live_session", "contacts_per_customer_month", "marketing", ("missed", "not_growing"), (),
             DUE_DAYS, ("live_session",)),
    Proposal("monthly_live_session", "frequent_contact_share", "marketing", ("missed",), (), DUE_DAYS,
             ("live_session",)),
)  # fmt: skip
#: Kinds of action by which the built-in measure of a KPI is seen to have been done.
ACTION_KINDS: Mapping[str, tuple[str, ...]] = {
    "revenue": _CALLS, "order_count": ("coupon",), "active_customers": ("coupon", *_CALLS),
    "average_order_value": ("upsell_interview", "visit", "call"), "repurchase_rate": ("coupon", "call"),
    "customer_retention_rate": _CALLS, "churn_rate": ("coupon", *_CALLS), "nps": ("call", "visit"),
    "contract_renewal_rate": ("call", "visit"), "satisfaction_rate": ("service_training", "improvement_plan"),
    "csat_points": ("service_training", "improvement_plan"), "complaint_rate": ("feedback_meeting",),
    "first_response_hours": ("shift_plan",), "first_response_business_hours": ("shift_plan",),
    "survey_response_rate": ("survey_redesign",),
    "value_growth_rate": _UPSELL, "upsell_share": _UPSELL, "yearly_retention_rate": _CALLS,
    "contacts_per_customer_month": _CALLS, "frequent_contact_share": _CALLS, "sales_conversion_rate": ("deal_review",),
    "new_customers": ("channel_review",), "refund_rate": ("refund_review",),
}  # fmt: skip


def proposals(rules: Sequence[MeasureRule]) -> list[Proposal]:
    """Return all rules in the order in which they are tried: of settings, patterns, then one for each KPI."""
    names = [name for name in Proposal.__dataclass_fields__ if name in MeasureRule.model_fields]
    given = [Proposal(**{name: getattr(rule, name) for name in names}) for rule in rules]
    own = [
        Proposal(kpi, kpi, metric.department, action_kinds=ACTION_KINDS.get(kpi, ()))
        for kpi, metric in METRICS.items()
        if metric.direction != "none"
    ]
    return [*given, *PATTERNS, *own]


def measure_names(rules: Sequence[MeasureRule]) -> dict[str, dict[str, str]]:
    """Return the texts of the rules of settings by word id and language: ``{"improvement.more_calls": {...}}``."""
    return {f"improvement.{rule.id}": rule.measure.model_dump() for rule in rules}


def measures_table(
    scorecard: pd.DataFrame,
    *,
    rules: Sequence[MeasureRule],
    quarter: Quarter,
    dropped: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Return exactly one measure for every KPI that missed its target, and those that other rules ask for.

    ``scorecard`` -> columns of ``MEASURES_SCHEMA``, in the registry's order

    Parameters
    ----------
    dropped
        ``(kpi, measure)`` that proved useless: the next rule is tried, and ``another_measure`` asked for where none is
        left.

    Returns
    -------
    pandas.DataFrame
        ``cause``: ``missed`` or ``not_growing`` (no target is missed, but the KPI does not grow on last year and a rule
        asks for a measure that no missed KPI has). ``measure``: id of the rule, that of the KPI for its own one.
        ``due_date``: days of the rule after the quarter's end. Missed are both ``watch`` and ``bad``.
    """
    states = {row["kpi"]: _states(row) for row in scorecard.to_dict("records")}
    rows = []
    for row in scorecard.to_dict("records"):
        kpi = str(row["kpi"])
        last = Proposal(ANOTHER, kpi, METRICS[kpi].department)
        for rule in [*(rule for rule in proposals(rules) if (kpi, rule.id) not in dropped), last]:
            cause = _cause(rule, kpi=kpi, states=states)
            if cause is not None:
                due = quarter.end + timedelta(days=rule.due_days)
                rows.append(
                    {name: row[name] for name in ("kpi", "unit", "value", "target", "status", "n")}
                    | {"cause": cause, "measure": rule.id, "department": rule.department, "due_date": due}
                )
                break
    asked = {row["measure"] for row in rows if row["cause"] == "missed"}
    rows = [row for row in rows if row["cause"] == "missed" or row["measure"] not in asked]
    table = pd.DataFrame(rows, columns=list(MEASURES_SCHEMA))
    text = dict.fromkeys(("kpi", "unit", "status", "cause", "measure", "department"), "str")
    return table.astype(text | {"value": "float64", "target": "float64", "due_date": "datetime64[s]", "n": "int64"})


def done_actions_table(actions: ibis.Table, *, quarter: Quarter, zone: str) -> pd.DataFrame:
    """Return what was done in the quarter, by kind of action and campaign.

    ``actions`` behind the door of the quarter's end -> ``action_kind, campaign, done_count``, sorted; the held-out
    controls are left out
    """
    start, end = utc_midnight(quarter.start, zone), utc_midnight(quarter.end, zone)
    done = actions.filter(
        ~actions.is_control, actions.done_at >= ibis.literal(start), actions.done_at < ibis.literal(end)
    )
    counted = done.group_by(action_kind=done.kind, campaign=done.campaign_id.fill_null("")).aggregate(
        done_count=done.count()
    )
    table = counted.order_by("action_kind", "campaign").to_pandas()
    return table.astype({"action_kind": "str", "campaign": "str", "done_count": "int64"})


def measure_checks_table(
    before: pd.DataFrame,
    scorecard: pd.DataFrame,
    history: pd.DataFrame,
    done: pd.DataFrame | None,
    *,
    rules: Sequence[MeasureRule],
    quarter: Quarter,
    settings: HighlightSettings,
    is_complete: bool = True,
) -> pd.DataFrame:
    """Return what became of the measures that the quarter before asked for.

    ``scorecard`` of both quarters, ``kpi_history``, ``done_actions`` -> columns of ``CHECKS_SCHEMA``

    Parameters
    ----------
    before
        Scorecard of the quarter before, worked out anew from today's history.
    done
        See :func:`done_actions_table`; ``None`` where there is no table of actions.
    is_complete
        Whether the data cover the quarter; a piece of a quarter decides nothing.

    Returns
    -------
    pandas.DataFrame
        ``done_state``: ``done`` when the quarter has a done action of a kind that the rule names, outside of campaigns,
        or of a campaign that it names, ``not_recorded`` when it has none, ``unnamed`` when the rule names none,
        ``unknown`` without the table.
        ``change``: value now less value before in the KPI's unit, positive where it got better. ``change_score``:
        change / noise (:func:`~crm_analysis.evaluation.highlights.noise_table`); a change is never an effect.
        ``missed_quarter_count``: quarters in a row, this one last, off today's target. ``status``: of this quarter.
        ``verdict``: ``keep`` when it was done and the KPI got better by ``clear_score`` or more; ``drop`` when it was
        done and the KPI got worse by as much, or has not got better and been off target for ``drop_after_quarters``;
        else ``undecided``. A KPI of more than a quarter cannot show within one what was done: nothing is dropped for
        it before as many quarters as it covers.
    """
    asked = measures_table(before, rules=rules, quarter=quarter.shift(-1))
    asked = asked.loc[asked["cause"] == "missed"].reset_index(drop=True)
    now = scorecard.set_index("kpi").reindex(asked["kpi"]).reset_index()
    signs = np.array([1.0 if METRICS[kpi].direction == "up" else -1.0 for kpi in asked["kpi"]])
    noise = noise_table(history, quarter=quarter, settings=settings).set_index("kpi")["noise"]
    known = {(rule.id, rule.kpi): rule for rule in reversed(proposals(rules))}  # the first of a name holds
    counts = [_done_count(known[key], done) for key in zip(asked["measure"], asked["kpi"], strict=True)]
    targets = {str(kpi): float(target) for kpi, target in zip(asked["kpi"], asked["target"], strict=True)}
    runs = _missed_runs(history, targets=targets, quarter=quarter)
    table = asked.rename(columns={"value": "value_before"}).assign(
        quarter=str(quarter.shift(-1)),
        value_now=now["value"].astype("float64"),
        status=now["status"].fillna("too_small").astype("str"),
        n=now["n"].fillna(0).astype("int64"),
        done_state=pd.Series([state for state, _ in counts], dtype="str"),
        done_count=pd.Series([count for _, count in counts], dtype="float64"),
        noise=asked["kpi"].map(noise).astype("float64"),
        missed_quarter_count=asked["kpi"].map(runs).astype("int64"),
    )
    table["change"] = ((table["value_now"] - table["value_before"]) * signs).round(9)
    table["change_score"] = (table["change"] / table["noise"]).round(6)
    verdicts = [_verdict(row, settings=settings, is_complete=is_complete) for row in table.to_dict("records")]
    return table.assign(verdict=pd.Series(verdicts, dtype="str"))[list(CHECKS_SCHEMA)]


def _states(row: Mapping[Any, Any]) -> set[str]:
    """Return the states that a KPI is in."""
    states = set()
    if row["status"] in JUDGED:
        states.add("missed" if row["status"] in MISSED else "met")
    if row["year_ago_change"] == row["year_ago_change"]:  # NaN is unequal to itself
        states.add("growing" if row["year_ago_change"] > 0 else "not_growing")
    return states


def _cause(rule: Proposal, *, kpi: str, states: Mapping[str, set[str]]) -> str | None:
    """Return the state of the KPI in which the rule holds, ``missed`` before others; nothing where it does not."""
    if rule.kpi != kpi or not all(c.state in states.get(c.kpi, set()) for c in rule.conditions):
        return None
    return next((state for state in ("missed", "not_growing") if state in rule.states and state in states[kpi]), None)


def _done_count(rule: Proposal, done: pd.DataFrame | None) -> tuple[str, float]:
    """Return whether the measure was done, and by how many actions."""
    if done is None:
        return "unknown", float("nan")
    if not (rule.action_kinds or rule.campaigns):
        return "unnamed", float("nan")
    upkeep = done["action_kind"].isin(rule.action_kinds) & (done["campaign"] == "")
    fits = upkeep | pd.Series(
        [any(fnmatchcase(name, pattern) for pattern in rule.campaigns) for name in done["campaign"]],
        index=done.index,
        dtype="bool",
    )
    count = int(done.loc[fits, "done_count"].sum())
    return "done" if count else "not_recorded", float(count)


def _missed_runs(history: pd.DataFrame, *, targets: Mapping[str, float], quarter: Quarter) -> dict[str, int]:
    """Return for each KPI how many quarters in a row, the given one last, were off target."""
    places = {str(quarter.shift(-k)): k for k in range(history["quarter"].nunique() + 1)}
    runs = dict.fromkeys(targets, 0)
    own = history.loc[history["kpi"].isin(list(targets))]
    ordered = own.assign(place=own["quarter"].map(places)).sort_values("place")
    for row in ordered.to_dict("records"):
        kpi = str(row["kpi"])
        status = status_of(row["value"], targets[kpi], metric=METRICS[kpi], n=row["n"], tolerance=0.0)
        if row["place"] == runs[kpi] and status in MISSED:
            runs[kpi] += 1
    return runs


def _verdict(row: Mapping[Any, Any], *, settings: HighlightSettings, is_complete: bool) -> str:
    score = row["change_score"]
    if row["done_state"] != "done" or not is_complete or score != score:  # NaN is unequal to itself
        return "undecided"
    if score >= settings.clear_score:
        return "keep"
    least = max(settings.drop_after_quarters, METRICS[str(row["kpi"])].period_quarters)
    is_stuck = row["missed_quarter_count"] >= least and score <= 0
    is_worse = score <= -settings.clear_score and METRICS[str(row["kpi"])].period_quarters == 1
    return "drop" if is_worse or is_stuck else "undecided"
