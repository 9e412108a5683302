"""The one page for management: what happened, what it is worth, what to decide (REQUIREMENTS X5, E11).

The results of the other analyses come in as arguments.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.words import Message, Words, message
from crm_analysis.evaluation.display import target_message, value_message
from crm_analysis.evaluation.findings import finding_movement, finding_scorecard
from crm_analysis.evaluation.scorecard import is_beyond_chance

MAX_DECISIONS = 4
_LATE_BANDS = ("high", "very_high")
#: Customers in none of the scheme's segments: nothing to tell management of.
_NO_SEGMENTS = ("unscored", "non_buyer")


def summary_document(
    scorecard: pd.DataFrame,
    *,
    sizes: pd.DataFrame,
    strategy: pd.DataFrame,
    bands: pd.DataFrame,
    completeness: float | None,
    completeness_target: float,
    horizon_days: int,
    coverage: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the summary: findings by chapter, decisions asked, money at stake (document ``summary``).

    Parameters
    ----------
    scorecard
        Of :func:`~crm_analysis.evaluation.scorecard.scorecard_table`.
    sizes
        ``segment, customer_count, customer_share, spend_share`` of the primary scheme.
    strategy
        ``tier, is_covered, due_contact_count, contact_count`` of the quarter.
    bands
        ``churn_band, customer_count, expected_loss_amount, list_count, list_loss_amount``; empty when churn could not
        be scored.
    completeness, completeness_target
        Score of the customer information and its target, both 0-1.
    horizon_days
        Days that the expected loss looks ahead.
    coverage
        Document ``coverage``; a quarter that is not complete is the first thing that is told.

    Returns
    -------
    dict
        ``headline``; ``findings``: at most five of ``chapter, message``; ``decisions``: at most four of ``decision,
        evidence, department``; ``money``: ``revenue_amount, expected_loss_amount``, null where unknown.
    """
    loss = None if bands.empty else round(float(bands["expected_loss_amount"].sum()), 2)
    revenue = scorecard.loc[scorecard["kpi"] == "revenue", "value"]
    findings = _coverage_finding(coverage)
    findings += [("evaluation", finding_movement(scorecard)), ("evaluation", finding_scorecard(scorecard))]
    findings += _segment_finding(sizes) + _churn_finding(bands)
    findings += _completeness_finding(completeness, completeness_target)
    missed = _kpi_decisions(scorecard)
    decisions = _warning_decision(bands) + missed[:2] + _strategy_decision(strategy) + missed[2:]
    decisions = decisions[:MAX_DECISIONS]
    return {
        "headline": _headline(scorecard, loss=loss, horizon_days=horizon_days, decision_count=len(decisions)).to_json(),
        "findings": [{"chapter": chapter, "message": told.to_json()} for chapter, told in findings[:5]],
        "decisions": [
            {"decision": asked.to_json(), "evidence": evidence.to_json(), "department": department}
            for asked, evidence, department in decisions
        ],
        "money": {
            "revenue_amount": None if revenue.empty or revenue.isna().all() else float(revenue.iloc[0]),
            "expected_loss_amount": loss,
        },
    }


def finding_summary(summary: Mapping[str, Any]) -> Message:
    """Return the headline of the quarter."""
    return Message.from_json(summary["headline"])


def format_findings(summary: Mapping[str, Any], *, words: Words) -> pd.DataFrame:
    """Return the findings for reading: ``chapter`` (slug), ``finding`` (sentence)."""
    rows = [(item["chapter"], words.say(Message.from_json(item["message"]))) for item in summary["findings"]]
    return pd.DataFrame(rows, columns=["chapter", "finding"], dtype="str")


def format_decisions(summary: Mapping[str, Any], *, words: Words) -> pd.DataFrame:
    """Return the decisions for reading: ``decision, evidence, department``."""
    rows = [
        (
            words.say(Message.from_json(item["decision"])),
            words.say(Message.from_json(item["evidence"])),
            words.word(f"department.{item['department']}"),
        )
        for item in summary["decisions"]
    ]
    return pd.DataFrame(rows, columns=["decision", "evidence", "department"], dtype="str")


Decision = tuple[Message, Message, str]


def _headline(scorecard: pd.DataFrame, *, loss: float | None, horizon_days: int, decision_count: int) -> Message:
    judged = scorecard.loc[scorecard["status"].isin(["good", "watch", "bad"])]
    unknown = ("" if len(judged) else "_no_target") + ("" if loss is not None else "_no_churn")
    return message(
        f"summary.headline{unknown}",
        good_count=int((judged["status"] == "good").sum()), kpi_count=len(judged), expected_loss=loss,
        decision_count=decision_count, horizon_days=horizon_days,
    )  # fmt: skip


def _coverage_finding(coverage: Mapping[str, Any] | None) -> list[tuple[str, Message]]:
    if coverage is None or coverage["is_complete"]:
        return []
    return [("diagnosis", message("coverage.finding", quarter=coverage["quarter"], days=coverage["missing_days"]))]


def _segment_finding(sizes: pd.DataFrame) -> list[tuple[str, Message]]:
    named = sizes.loc[~sizes["segment"].isin(_NO_SEGMENTS) & sizes["spend_share"].notna()]
    if named.empty:
        return []
    top = named.sort_values(["spend_share", "segment"], ascending=[False, True]).iloc[0]
    told = message(
        "summary.top_segment", segment=top["segment"], customer_share=float(top["customer_share"]),
        spend_share=float(top["spend_share"]), n=int(top["customer_count"]), total=int(sizes["customer_count"].sum()),
    )  # fmt: skip
    return [("segmentation", told)]


def _churn_finding(bands: pd.DataFrame) -> list[tuple[str, Message]]:
    if bands.empty:
        return [("churn", message("summary.churn_unknown"))]
    late = bands.loc[bands["churn_band"].isin(_LATE_BANDS)]
    told = message(
        "summary.churn", expected_loss=float(bands["expected_loss_amount"].sum()),
        high_count=int(late["customer_count"].sum()), n=int(bands["customer_count"].sum()),
    )  # fmt: skip
    return [("churn", told)]


def _completeness_finding(score: float | None, target: float) -> list[tuple[str, Message]]:
    if score is None or score != score:  # NaN is unequal to itself
        return []
    id_ = "summary.completeness_good" if score >= target else "summary.completeness_short"
    return [("diagnosis", message(id_, score=float(score), target=target))]


def _kpi_decisions(scorecard: pd.DataFrame) -> list[Decision]:
    """Return a measure for each KPI that misses its target: by more than chance first, then furthest from it."""
    missed = scorecard.loc[scorecard["status"].isin(["bad", "watch"])]
    missed = missed.assign(is_watched=missed["status"] == "watch", is_by_chance=~is_beyond_chance(missed))
    ordered = missed.sort_values(["is_by_chance", "is_watched", "attainment_share", "kpi"], na_position="last")
    return [
        (
            message(f"measure_for.{row['kpi']}"),
            message(
                "clause.kpi_against_target",
                kpi=message(METRICS[row["kpi"]].name), value=value_message(row["value"], unit=row["unit"]),
                target=target_message(row["target"], kpi=row["kpi"]), n=int(row["n"]),
            ),
            METRICS[row["kpi"]].department,
        )
        for row in ordered.to_dict("records")
    ]  # fmt: skip


def _warning_decision(bands: pd.DataFrame) -> list[Decision]:
    listed = 0 if bands.empty else int(bands["list_count"].sum())
    if listed == 0:
        return []
    evidence = message(
        "summary.warning_evidence", list_count=listed, list_loss=round(float(bands["list_loss_amount"].sum()), 2),
        expected_loss=float(bands["expected_loss_amount"].sum()), n=int(bands["customer_count"].sum()),
    )  # fmt: skip
    return [(message("summary.warning_decision", list_count=listed), evidence, "sales")]


def _strategy_decision(strategy: pd.DataFrame) -> list[Decision]:
    """Return the question of workload when the quarter's contacts fell short of what the strategy asks for."""
    covered = strategy.loc[strategy["is_covered"].astype(bool) & strategy["contact_count"].notna()]
    planned, made = float(covered["due_contact_count"].sum()), float(covered["contact_count"].sum())
    if planned <= made:
        return []
    evidence = message("summary.contacts_evidence", planned_count=planned, made_count=made, rate=made / planned)
    return [(message("summary.contacts_decision"), evidence, "sales")]
