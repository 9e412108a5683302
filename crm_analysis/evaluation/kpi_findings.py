"""Sentences about breakdowns, satisfaction, growth and retention, with the numbers they rest on (E1-E6, E10)."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.settings import Target
from crm_analysis.base.settings_kpis import SatisfactionSettings
from crm_analysis.base.words import Message, message
from crm_analysis.evaluation.breakdown import NOT_RECORDED, WHOLE
from crm_analysis.evaluation.display import target_message, value_message
from crm_analysis.evaluation.scorecard import is_beyond_chance
from crm_analysis.evaluation.value_growth import FACTORS

_JUDGED = ("good", "watch", "bad")


def finding_breakdown(breakdown: pd.DataFrame, *, dimension: str) -> Message:
    """Return how many values by tier, owner, ... reach their target, and the one furthest from it beyond chance."""
    rows = breakdown.loc[breakdown["dimension"] == dimension]
    if rows.empty:
        return message("kpis.breakdown_none", dimension=message(f"kpis.by.{dimension}"))
    judged = rows.loc[rows["status"].isin(_JUDGED)]
    few = int((rows["status"] == "too_small").sum())
    counts = {"dimension": message(f"kpis.by.{dimension}"), "few": few, "value_count": len(rows)}
    if judged.empty:
        return message("kpis.breakdown_no_target", **counts)
    good = int((judged["status"] == "good").sum())
    missed = judged.loc[judged["status"] != "good"]
    if missed.empty:
        return message("kpis.breakdown_all_good", judged_count=len(judged), **counts)
    counts |= {"judged_count": len(judged), "good_count": good}
    clear = missed.loc[is_beyond_chance(missed)]
    if clear.empty:
        return message("kpis.breakdown_by_chance", **counts)
    worst = clear.sort_values(["attainment_share", "kpi", "part"], na_position="last").iloc[0]
    return message("kpis.breakdown", clear_count=len(clear), worst=_worst(worst, dimension=dimension), **counts)


def _worst(row: pd.Series, *, dimension: str) -> Message:
    known = row["part"] != NOT_RECORDED
    part = message(f"kpis.part_{dimension}", part=str(row["part"]))
    return message(
        "kpis.worst",
        part=part if known else message(f"kpis.rest.{dimension}"),
        kpi=message(METRICS[row["kpi"]].name),
        value=value_message(row["value"], unit=row["unit"]),
        target=target_message(row["target"], kpi=row["kpi"]),
        n=int(row["n"]),
    )


def note_parts(check: Mapping[str, Any]) -> Message:
    """Return whether parts sum to the whole; see :func:`crm_analysis.evaluation.breakdown.check_parts`."""
    if check["status"] == "good":
        return message("kpis.parts_good", kpi_count=check["kpi_count"], checked_count=check["checked_count"])
    first = check["wrong"][0]
    return message("kpis.parts_bad", wrong_count=len(check["wrong"]), kpi=message(METRICS[first["kpi"]].name))


def note_tier_periods(breakdown: pd.DataFrame) -> Message:
    """Return which tier the values by tier are told of, and which KPIs lack it because the data begin too late."""
    by_tier = set(breakdown.loc[breakdown["dimension"] == "tier", "kpi"])
    if not by_tier:
        return message("kpis.tier_unknown")
    absent = [kpi for kpi in METRICS if kpi in set(breakdown["kpi"]) - by_tier]
    if not absent:
        return message("kpis.tier_at_start")
    names = [message(METRICS[kpi].name) for kpi in absent]
    return message("kpis.tier_at_start_some", kpis=names)


def note_relative_targets(targets: Sequence[Target], breakdown: pd.DataFrame) -> Message:
    """Return how many relative targets hold, and how many cannot be told for want of a base a year ago."""
    relative = [target for target in targets if target.relative]
    if not relative:
        return message("kpis.relative_none")
    known = breakdown.loc[breakdown["target"].notna() & breakdown["dimension"].isin([WHOLE, "tier"])]
    told = {(kpi, None if part == WHOLE else part) for kpi, part in zip(known["kpi"], known["part"], strict=True)}
    missing = sum((target.kpi, target.tier) not in told for target in relative)
    return message("kpis.relative", count=len(relative), missing_count=missing)


def finding_orders(orders: pd.DataFrame, *, dimension: str) -> Message:
    """Return the store or product line with the largest revenue, or that none is recorded."""
    rows = orders.loc[orders["dimension"] == dimension]
    named = rows.loc[(rows["part"] != NOT_RECORDED) & rows["revenue_share"].notna()]
    if named.empty:
        return message(f"kpis.orders_none.{dimension}")
    top = named.iloc[0]
    rest = rows.loc[rows["part"] == NOT_RECORDED, "revenue_share"]
    return message(
        f"kpis.orders.{dimension}", part=str(top["part"]), share=float(top["revenue_share"]),
        amount=float(top["revenue_amount"]), part_count=int((rows["part"] != NOT_RECORDED).sum()),
        rest_share=0.0 if rest.empty or rest.isna().all() else float(rest.iloc[0]), n=int(rows["order_count"].sum()),
    )  # fmt: skip


def finding_coverage(satisfaction: pd.DataFrame, *, settings: SatisfactionSettings) -> Message:
    """Return how many tiers reach the coverage that the guides ask for, and what came back."""
    if satisfaction.empty:
        return message("kpis.no_surveys")
    whole = satisfaction.loc[satisfaction["tier"] == WHOLE].iloc[0]
    is_tier = ~satisfaction["tier"].isin([WHOLE, NOT_RECORDED])
    tiers = satisfaction.loc[is_tier & (satisfaction["coverage_status"] != "too_small")]
    counts = {"sent": int(whole["sent_count"]), "returned": int(whole["returned_count"])}
    if whole["customer_count"] == 0:
        return message("kpis.coverage_no_buyers", **counts)
    return message(
        "kpis.coverage", asked=int(whole["asked_count"]), n=int(whole["customer_count"]),
        share=float(whole["asked_count"] / whole["customer_count"]), target=settings.coverage_target,
        tier_count=len(tiers), good_count=int((tiers["coverage_status"] == "good").sum()), **counts,
    )  # fmt: skip


def finding_satisfaction(estimate: Mapping[str, Any]) -> Message:
    """Return the raw and the weighted satisfaction rate, or that nobody was asked, or that the answers are too few."""
    if estimate and estimate["status"] == "not_asked":
        return message("kpis.satisfaction_not_asked")
    if not estimate or estimate["status"] == "too_small":
        minimum = METRICS["satisfaction_rate"].minimum_n
        return message("kpis.satisfaction_few", n=estimate["n"] if estimate else 0, minimum=minimum)
    if estimate["status"] == "no_tiers":
        return message("kpis.satisfaction_raw", raw=estimate["raw_rate"], n=estimate["n"])
    return message(
        "kpis.satisfaction", raw=estimate["raw_rate"], weighted=estimate["weighted_rate"], low=estimate["low"],
        high=estimate["high"], n=estimate["n"], tier_count=estimate["tier_count"], covered=estimate["covered_share"],
    )  # fmt: skip


def note_surveys_sent(sent: pd.DataFrame, *, question: str) -> Message:
    """Return how many questions were sent, and that coverage and response are those of one of them."""
    return message("kpis.note_surveys_sent", question_count=len(sent), question=question)


def finding_questions(questions: pd.DataFrame, *, settings: SatisfactionSettings) -> Message:
    """Return the weakest of the five-point questions, how sure that is, and whether an improvement plan is due."""
    whole = questions.loc[questions["tier"] == WHOLE]
    told = whole.loc[whole["band"] != "too_small"]
    if told.empty:
        n = 0 if whole.empty else int(whole["n"].max())
        return message("kpis.questions_few", n=n, minimum=METRICS["csat_points"].minimum_n)
    line = settings.excellent_from
    weakest = told.sort_values(["score_mean", "question"]).iloc[0]
    return message(
        f"kpis.questions_{weakest['band']}", question=str(weakest["question"]), score=round(weakest["score_mean"], 2),
        n=int(weakest["n"]), question_count=len(told), plan_count=int((told["band"] == "plan").sum()), line=line,
        sure_count=int((told["score_mean_low"] >= line).sum()),
    )  # fmt: skip


def finding_csat(numbers: Mapping[str, Any]) -> Message:
    """Return the CSAT with the method that is declared, the other one beside it."""
    if not numbers:
        return message("kpis.no_surveys")
    csat = numbers["csat"]
    if csat["points"] is None:
        return message("kpis.csat_few", n=csat["n"], minimum=METRICS["csat_points"].minimum_n)
    return message(f"kpis.csat.{csat['method']}", points=round(csat["points"], 1), other=round(csat["other_points"], 1),
                   n=csat["n"])  # fmt: skip


def finding_nps(numbers: Mapping[str, Any]) -> Message:
    """Return the net promoter score with its interval and what it is made of."""
    if not numbers:
        return message("kpis.no_surveys")
    nps = numbers["nps"]
    if nps["points"] is None:
        return message("kpis.nps_few", n=nps["n"], minimum=METRICS["nps"].minimum_n)
    return message(
        "kpis.nps", points=round(nps["points"], 1), low=round(nps["low"], 1), high=round(nps["high"], 1),
        promoters=nps["promoter_count"], passives=nps["passive_count"], detractors=nps["detractor_count"], n=nps["n"],
    )  # fmt: skip


def note_nps_scale(numbers: Mapping[str, Any]) -> Message:
    """Return how many answers to the question of the NPS could not be used."""
    nps = numbers.get("nps", {}) if numbers else {}
    other, outside = nps.get("other_scale_count", 0), nps.get("outside_count", 0)
    if not other and not outside:
        return message("kpis.nps_scale_good")
    return message("kpis.nps_scale_bad", other_count=other, outside_count=outside)


def finding_referrals(scorecard: pd.DataFrame) -> Message:
    """Return the share of new customers who came by referral."""
    row = scorecard.loc[scorecard["kpi"] == "referral_share"]
    if row.empty or row["value"].isna().all():
        return message("kpis.referrals_few", n=0 if row.empty else int(row["n"].iloc[0]))
    return message("kpis.referrals", share=float(row["value"].iloc[0]), n=int(row["n"].iloc[0]))


def finding_reviews(scorecard: pd.DataFrame) -> Message:
    """Return the share of public reviews that are positive."""
    row = scorecard.loc[scorecard["kpi"] == "positive_review_share"]
    n = 0 if row.empty else int(row["n"].iloc[0])
    if row.empty or row["value"].isna().all():
        return message("kpis.reviews_few", n=n, minimum=METRICS["positive_review_share"].minimum_n)
    found = row.iloc[0]
    return message("kpis.reviews", share=float(found["value"]), low=float(found["low"]), high=float(found["high"]), n=n)


def finding_growth(growth: pd.DataFrame, document: Mapping[str, Any]) -> Message:
    """Return the change of net revenue over the year and the factor that moved it most."""
    whole = growth.loc[growth["tier"] == WHOLE] if not growth.empty else growth
    if whole.empty or not document or document["growth_rate"] is None:
        return message("kpis.growth_few", n=int(document["n"]) if document else 0)
    row = whole.iloc[0]
    factor = max(FACTORS, key=lambda name: abs(row[f"{name}_amount"]))
    direction = "up" if row["change_amount"] > 0 else "down" if row["change_amount"] < 0 else "same"
    return message(
        f"kpis.growth_{direction}", before=float(row["revenue_amount_before"]), now=float(row["revenue_amount_now"]),
        change=abs(float(row["change_amount"])), factor=message(f"kpis.factor.{factor}"),
        factor_amount=float(row[f"{factor}_amount"]), n=int(row["buyer_count_now"]),
    )  # fmt: skip


def finding_growth_per_customer(document: Mapping[str, Any]) -> Message:
    """Return how customers with a base grew, together and in the middle, and how many have none."""
    if not document or document["growth_rate"] is None:
        return message("kpis.growth_few", n=int(document["n"]) if document else 0)
    return message(
        "kpis.growth_per_customer", rate=document["growth_rate"], total=document["total_rate"],
        median=document["median_rate"], n=document["n"], growing=document["growing_count"],
        no_base=document["no_base_count"],
    )  # fmt: skip


def note_growth_tiers(growth: pd.DataFrame) -> Message:
    """Return which tier growth is told of, or that the tiers of two years ago are unknown."""
    has_tiers = not growth.empty and (growth["tier"] != WHOLE).any()
    return message("kpis.growth_tiers" if has_tiers else "kpis.growth_no_tiers")


def finding_cohorts(means: pd.DataFrame) -> Message:
    """Return how many of the customers of a cohort buy again one quarter and one year after the first purchase."""
    told = means.loc[means["retention_rate"].notna() & (means["quarters_since"] > 0)] if not means.empty else means
    if told.empty:
        return message("kpis.cohorts_few")
    first, last = told.iloc[0], told.loc[told["quarters_since"] <= 4].iloc[-1]
    return message(
        "kpis.cohorts", first_since=int(first["quarters_since"]), first_rate=float(first["retention_rate"]),
        last_since=int(last["quarters_since"]), last_rate=float(last["retention_rate"]),
        first_n=int(first["customer_count"]), last_n=int(last["customer_count"]),
    )  # fmt: skip


def finding_retention(check: Mapping[str, Any]) -> Message:
    """Return both formulas of retention side by side, and the renewal of contracts."""
    parts = [
        message(f"kpis.retention.{name}", rate=check[f"{name}_rate"], n=check[f"{name}_n"])
        for name in ("quarterly", "yearly", "renewal")
        if check[f"{name}_rate"] is not None
    ]
    return message("kpis.retention", parts=parts) if parts else message("kpis.retention_few")


def alt_breakdown(breakdown: pd.DataFrame, *, dimension: str = "tier") -> Message:
    """Return what the matrix of KPIs by tier shows, in words."""
    return message("kpis.alt_breakdown", finding=finding_breakdown(breakdown, dimension=dimension))


def alt_satisfaction(satisfaction: pd.DataFrame, *, settings: SatisfactionSettings) -> Message:
    """Return what the figure of coverage and satisfaction shows, in words."""
    return message("kpis.alt_satisfaction", finding=finding_coverage(satisfaction, settings=settings))


def alt_growth(growth: pd.DataFrame, document: Mapping[str, Any]) -> Message:
    """Return what the figure of growth by factor shows, in words."""
    return message("kpis.alt_growth", finding=finding_growth(growth, document))


def alt_cohorts(means: pd.DataFrame) -> Message:
    """Return what the matrix of cohorts shows, in words."""
    return message("kpis.alt_cohorts", finding=finding_cohorts(means))
