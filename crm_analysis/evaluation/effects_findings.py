"""Sentences about comparisons, highlights, measures, effect and movement, with the numbers they rest on."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.settings_effects import HighlightSettings, ProgrammeSettings
from crm_analysis.base.words import Message, message
from crm_analysis.evaluation.display import target_message, value_message
from crm_analysis.evaluation.effect import of_scope
from crm_analysis.evaluation.effects_display import (
    mean_message,
    measure_message,
    range_message,
    signed_message,
    size_message,
)
from crm_analysis.evaluation.highlights import HIGHLIGHT, SHORTFALL, of_side
from crm_analysis.evaluation.measures import VERDICTS
from crm_analysis.evaluation.mix_cells import ENDS

_TOLD = ("positive", "negative", "unclear")


def finding_festival(festival: pd.DataFrame, document: Mapping[str, Any]) -> Message:
    """Return revenue on last year, plain and with Spring Festival aligned, or that both are the same (E10)."""
    days = {name: document[name] for name in ("days_before", "days_after", "festival_date", "year_ago_date")}
    status = document["status"]
    if status in {"no_history", "incomplete"} or festival.empty:
        return message(f"effects.festival.{status if status in {'no_history', 'incomplete'} else 'no_history'}")
    row = _by(festival, "flow")["revenue"]
    numbers: dict[str, Any] = {
        "plain": _known(row["plain_change_share"]),
        "aligned": _known(row["aligned_change_share"]),
    }
    numbers |= {"value": value_message(row["value"], unit="amount"), "n": int(row["n"])}
    counts = {"day_count": document["day_count"], "year_ago_day_count": document["year_ago_day_count"]}
    return message(f"effects.festival.{status}", **numbers, **days, **counts)


def finding_highlights(highlights: pd.DataFrame) -> Message:
    """Return the clearest shortfall and the clearest highlight (E11)."""
    if highlights.empty:
        return message("effects.highlights.none")
    shortfalls, reached = (of_side(highlights, side) for side in (SHORTFALL, HIGHLIGHT))
    return message(
        "effects.highlights.finding",
        kpi_count=len(highlights),
        missed=len(shortfalls),
        clear=int(shortfalls["is_clear"].sum()),
        worst=_clearest(shortfalls, side=SHORTFALL),
        best=_clearest(reached, side=HIGHLIGHT),
    )


def note_highlights(highlights: pd.DataFrame, *, settings: HighlightSettings) -> Message:
    """Return what noise is, and how many KPIs have none."""
    absent = int((highlights["noise_absent"] != "").sum())
    return message(
        "effects.highlights.note", quarters=settings.noise_quarters, least=settings.minimum_quarters,
        clear=settings.clear_score, absent=absent,
    )  # fmt: skip


def finding_measures(measures: pd.DataFrame) -> Message:
    """Return how many measures are proposed, and which is due first."""
    if measures.empty:
        return message("effects.measures.none")
    first = measures.sort_values(["due_date", "kpi"]).iloc[0]
    missed = int((measures["cause"] == "missed").sum())
    return message(
        "effects.measures.finding", n=len(measures), missed=missed, due=first["due_date"].date().isoformat(),
        measure=measure_message(str(first["measure"])),
    )  # fmt: skip


def finding_checks(checks: pd.DataFrame) -> Message:
    """Return what became of the measures of the quarter before."""
    if checks.empty:
        return message("effects.checks.none")
    counts = {verdict: int((checks["verdict"] == verdict).sum()) for verdict in VERDICTS}
    done = int((checks["done_state"] == "done").sum())
    unknown = int(checks["done_state"].isin(["unknown", "unnamed"]).sum())
    return message(
        "effects.checks.finding", n=len(checks), quarter=str(checks["quarter"].iloc[0]), done=done, unknown=unknown,
        **counts,
    )  # fmt: skip


def note_checks(*, settings: HighlightSettings) -> Message:
    """Return the rule of keeping and dropping."""
    return message("effects.checks.note", clear=settings.clear_score, quarters=settings.drop_after_quarters)


def finding_effect(effect: pd.DataFrame, *, settings: ProgrammeSettings) -> Message:
    """Return the effect of all campaigns together on orders and spend per head, or why it cannot be told (E12)."""
    pooled = _by(of_scope(effect, "all"), "outcome")
    if not pooled:
        return message("effects.effect.no_campaign", quarters=settings.quarters)
    orders, spend = pooled["orders"], pooled["spend"]
    sizes = {"n_treated": int(orders["n_treated"]), "n_control": int(orders["n_control"])}
    if orders["verdict"] not in _TOLD:
        return message(f"effects.effect.{orders['verdict']}", minimum=settings.minimum_group, **sizes)
    return message(
        "effects.effect.finding", days=settings.outcome_days, campaigns=int(orders["campaign_count"]), **sizes,
        orders=_outcome(orders), spend=_outcome(spend), total=_total(spend),
    )  # fmt: skip


def finding_quarter_effect(effect: pd.DataFrame, *, settings: ProgrammeSettings) -> Message:
    """Return the effect on orders of the campaigns whose outcome became known in the quarter."""
    pooled = _by(of_scope(effect, "quarter"), "outcome")
    if not pooled:
        return message("effects.effect.none_in_quarter")
    orders = pooled["orders"]
    sizes = {"n_treated": int(orders["n_treated"]), "n_control": int(orders["n_control"])}
    if orders["verdict"] not in _TOLD:
        return message(f"effects.effect.{orders['verdict']}", minimum=settings.minimum_group, **sizes)
    campaigns = int(orders["campaign_count"])
    return message("effects.effect.quarter", campaigns=campaigns, orders=_outcome(orders), **sizes)


def note_balance(balance: pd.DataFrame, *, settings: ProgrammeSettings, conflicts: Mapping[str, int]) -> Message:
    """Return whether the groups of all campaigns were alike before, and how many customers are on both sides.

    Single campaigns are not judged: of many comparisons some go beyond what chance allows each of them.
    """
    pooled = of_scope(balance, "all")
    if pooled.empty:
        return message("effects.balance.none")
    unlike = pooled.loc[~pooled["is_balanced"]]
    compared = {"n": len(pooled), "days": settings.balance_days, "conflicts": conflicts["conflict_count"]}
    compared |= {"crossed": conflicts["crossed_count"]}
    if unlike.empty:
        return message("effects.balance.alike", **compared)
    largest = unlike.iloc[int(unlike["standard_difference"].abs().argmax())]
    difference = abs(float(largest["standard_difference"]))
    covariate = str(largest["covariate"])
    return message("effects.balance.unlike", unlike=len(unlike), covariate=covariate, difference=difference, **compared)


def finding_before_after(before_after: pd.DataFrame, *, settings: ProgrammeSettings) -> Message:
    """Return spend before and after of campaigns without a control group; never called an effect."""
    if before_after.empty:
        return message("effects.before_after.none")
    known = before_after.dropna(subset=["change_amount"])
    if known.empty:
        return message("effects.before_after.too_small", n=int(before_after["n"].max()), minimum=settings.minimum_group)
    first = known.sort_values(["n", "campaign"], ascending=[False, True]).iloc[0]
    return message(
        "effects.before_after.finding", campaigns=len(before_after), campaign=str(first["campaign"]), n=int(first["n"]),
        before=float(first["spend_before_amount"]), after=float(first["spend_after_amount"]),
        year_ago=signed_message(first["year_ago_change_amount"], unit="amount"), days=settings.outcome_days,
    )  # fmt: skip


def finding_mix(parts: pd.DataFrame, *, kpi: str) -> Message:
    """Return how much of a KPI's change on last year each part explains (E13)."""
    own = parts.loc[parts["kpi"] == kpi]
    name = message(METRICS[kpi].name)
    if own.empty:
        return message("effects.mix.none", kpi=name)
    unit = METRICS[kpi].unit
    before, now = (own.loc[own["change_part"] == end].iloc[0] for end in ENDS)
    clauses = [
        message("effects.mix.part", part=str(part), contribution=signed_message(contribution, unit=unit))
        for part, contribution in zip(own["change_part"], own["contribution"], strict=True)
        if part not in ENDS
    ]
    return message(
        "effects.mix.finding", kpi=name, before=value_message(before["contribution"], unit=unit),
        now=value_message(now["contribution"], unit=unit), parts=clauses, n_before=int(before["n_before"]),
        n_now=int(now["n_now"]), change=signed_message(now["contribution"] - before["contribution"], unit=unit),
    )  # fmt: skip


def note_mix(*, minimum_cell: int) -> Message:
    """Return how the change is taken apart."""
    return message("effects.mix.note", minimum=minimum_cell)


def alt_highlights(highlights: pd.DataFrame) -> Message:
    """Return what the figure of highlights shows, in words."""
    return message("effects.highlights.alt", finding=finding_highlights(highlights))


def alt_effect(effect: pd.DataFrame, *, outcome: str, settings: ProgrammeSettings) -> Message:
    """Return what the figure of the effect shows, in words."""
    shown = effect.loc[(effect["outcome"] == outcome) & effect["difference"].notna()]
    return message(
        "effects.effect.alt", outcome=outcome, n=len(shown), finding=finding_effect(effect, settings=settings)
    )  # fmt: skip


def alt_mix(parts: pd.DataFrame, *, kpi: str) -> Message:
    """Return what the waterfall shows, in words."""
    return message("effects.mix.alt", finding=finding_mix(parts, kpi=kpi))


def _clearest(rows: pd.DataFrame, *, side: str) -> Message:
    scored = rows.dropna(subset=["noise_score"])
    if scored.empty:
        return message(f"effects.highlights.no_{side}")
    row = scored.iloc[0]
    return message(
        f"effects.highlights.{side}" if row["is_clear"] else f"effects.highlights.{side}_within_noise",
        kpi=message(METRICS[str(row["kpi"])].name), value=value_message(row["value"], unit=row["unit"]),
        target=target_message(row["target"], kpi=str(row["kpi"])), n=int(row["n"]),
        score=round(abs(float(row["noise_score"])), 1), noise=size_message(row["noise"], unit=row["unit"]),
    )  # fmt: skip


def _outcome(row: Mapping[Any, Any]) -> Message:
    """Return "1.13 against 0.84 orders, difference +0.29 (95 % interval +0.12 to +0.46)" and what that means."""
    unit = str(row["unit"])
    return message(
        f"effects.effect.{row['verdict']}", treated=mean_message(row["treated_mean"], unit=unit),
        control=mean_message(row["control_mean"], unit=unit), difference=signed_message(row["difference"], unit=unit),
        interval=range_message(row["low"], row["high"], unit=unit),
        detectable=size_message(row["detectable"], unit=unit),
    )  # fmt: skip


def _total(spend: Mapping[Any, Any]) -> Message:
    """Return the difference in spend times the treated customers, where it is told apart from chance."""
    if spend["verdict"] not in {"positive", "negative"}:
        return message("effects.effect.no_total")
    n = int(spend["n_treated"])
    total, low, high = (float(spend[name]) * n for name in ("difference", "low", "high"))
    return message(
        "effects.effect.total",
        total=signed_message(total, unit="amount"),
        interval=range_message(low, high, unit="amount"),
    )


def _by(table: pd.DataFrame, column: str) -> dict[str, dict[Any, Any]]:
    """Return the rows of a table by a column of slugs."""
    return {str(row[column]): row for row in table.to_dict("records")}


def _known(share: float) -> float | None:
    return None if share != share else float(share)  # NaN is unequal to itself
