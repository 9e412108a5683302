"""Satisfaction (REQUIREMENTS E1-E3): coverage and rate by tier, the weighted estimate, five-point questions, NPS."""

from collections.abc import Sequence
from typing import Any

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.intervals import NORMAL_975, wilson_interval
from crm_analysis.base.metrics import METRICS
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_kpis import SatisfactionSettings
from crm_analysis.evaluation.breakdown import NOT_RECORDED, WHOLE
from crm_analysis.evaluation.kpis import EXACT, KpiInputs
from crm_analysis.evaluation.kpis_surveys import (
    DETRACTOR_TO,
    NPS_SCALE,
    PROMOTER_FROM,
    answers,
    in_top_two,
    nps_answers,
)

SATISFACTION_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "customer_count", "asked_count", "coverage_share", "coverage_status", "sent_count", "returned_count",
     "response_rate", "answer_count", "satisfied_count", "satisfaction_rate", "satisfaction_rate_low",
     "satisfaction_rate_high"],
    OPEN,
)  # fmt: skip
QUESTIONS_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "question", "n", "score_mean", "score_mean_low", "score_mean_high", "band"], OPEN
)
SURVEYS_SENT_SCHEMA: ResultSchema = dict.fromkeys(
    ["question", "asked_count", "sent_count", "returned_count", "response_rate", "answer_count"], OPEN
)
BANDS = ("excellent", "fair", "plan", "too_small")
_FIVE_POINTS = (1, 5)
_KPIS = {
    "survey_coverage_rate": ("asked_count", "customer_count"),
    "survey_response_rate": ("returned_count", "sent_count"),
    "satisfaction_rate": ("satisfied_count", "answer_count"),
}
_MINIMUM = METRICS["satisfaction_rate"].minimum_n


def satisfaction_table(
    parts: pd.DataFrame, *, settings: SatisfactionSettings, tier_order: Sequence[str] = ()
) -> pd.DataFrame:
    """Return who was asked, who answered and who is satisfied, by tier at the start of the quarter.

    ``kpi_parts`` (:mod:`crm_analysis.evaluation.breakdown`) -> columns of ``SATISFACTION_SCHEMA``, all customers
    (``all``) first, then the tiers in their order

    Parameters
    ----------
    tier_order
        Tiers from best to worst; others follow by name, customers who came during the quarter (``not_recorded``) last.

    Returns
    -------
    pandas.DataFrame
        ``customer_count``: buyers of the last four quarters; ``asked_count``: those of them who were asked for their
        satisfaction; ``coverage_share`` their ratio, ``coverage_status`` against the target (``good``, ``bad``,
        ``too_small`` below 30 customers). ``sent_count`` and ``returned_count``: questionnaires with that question,
        also to others. Rates are null below 30
        of what they are made from. ``satisfaction_rate_low`` and ``_high``: 95 % Wilson interval. REQUIREMENTS E1.
    """
    rows = parts.loc[parts["kpi"].isin(list(_KPIS)) & parts["dimension"].isin([WHOLE, "tier"])]
    if rows.empty:
        return pd.DataFrame(columns=list(SATISFACTION_SCHEMA))
    counts = [
        rows.loc[rows["kpi"] == kpi].set_index("part")[["numerator", "denominator"]].set_axis(list(names), axis=1)
        for kpi, names in _KPIS.items()
    ]
    table = pd.concat(counts, axis=1).fillna(0).astype("int64").rename_axis("tier").reset_index()
    order = {WHOLE: -1, **{tier: place for place, tier in enumerate(tier_order)}, NOT_RECORDED: len(tier_order) + 1}
    table["place"] = table["tier"].map(order).fillna(len(tier_order))
    table = table.sort_values(["place", "tier"], ignore_index=True)
    coverage = _rate(table["asked_count"], table["customer_count"])
    is_met = coverage >= settings.coverage_target
    is_known = table["answer_count"] >= _MINIMUM
    low, high = wilson_interval(table["satisfied_count"], table["answer_count"], where=is_known)
    table = table.assign(
        coverage_share=coverage,
        coverage_status=np.where(coverage.isna(), "too_small", np.where(is_met, "good", "bad")),
        response_rate=_rate(table["returned_count"], table["sent_count"]),
        satisfaction_rate=_rate(table["satisfied_count"], table["answer_count"]),
        satisfaction_rate_low=low,
        satisfaction_rate_high=high,
    )
    return table[list(SATISFACTION_SCHEMA)].astype({"tier": "str", "coverage_status": "str"})


def satisfaction_estimate(satisfaction: pd.DataFrame) -> dict[str, Any]:
    """Return the satisfaction rate of all customers, raw and weighted to the sizes of the tiers.

    Who answers is not who buys: tiers that answer more weigh more in the raw rate. The weighted one gives every tier
    the weight of its customers (post-stratification).

    Returns
    -------
    dict
        ``status`` (``ok``, ``not_asked``, ``too_small`` below 30 answers, ``no_tiers``), ``raw_rate``,
        ``weighted_rate`` with ``low`` and ``high`` (95 %), ``n`` answers, ``tier_count`` tiers with an answer,
        ``covered_share``: share of the customers whose tier has one; what the others think is unknown. REQUIREMENTS E1.

    Notes
    -----
    ``sum(W p)`` over tiers with an answer, ``W`` the tier's share of their customers. Variance:
    ``sum(W^2 q (1 - q) / n)`` with ``q = (x + 1) / (n + 2)``, which is not 0 in a tier of one opinion. Cochran (1977),
    chapter 5A.
    """
    absent = dict.fromkeys(("raw_rate", "weighted_rate", "low", "high", "covered_share"))
    whole = satisfaction.loc[satisfaction["tier"] == WHOLE]
    n = int(whole["answer_count"].sum())
    tiers = satisfaction.loc[(satisfaction["tier"] != WHOLE) & (satisfaction["customer_count"] > 0)]
    answered = tiers.loc[tiers["answer_count"] > 0]
    counts = {"n": n, "tier_count": len(answered)}
    if n < _MINIMUM:
        return {"status": "too_small" if whole["sent_count"].sum() else "not_asked", **absent, **counts}
    raw = round(float(whole["satisfied_count"].iloc[0]) / n, 6)
    if answered.empty:
        return {"status": "no_tiers", **absent, **counts, "raw_rate": raw}
    size, answers_ = answered["customer_count"], answered["answer_count"]
    weight = size / size.sum()
    rate = float((weight * answered["satisfied_count"] / answers_).sum())
    smooth = (answered["satisfied_count"] + 1) / (answers_ + 2)
    error = float((weight**2 * smooth * (1 - smooth) / answers_).sum()) ** 0.5
    return {
        "status": "ok",
        **counts,
        "raw_rate": raw,
        "weighted_rate": round(rate, 6),
        "low": round(max(0.0, rate - NORMAL_975 * error), 6),
        "high": round(min(1.0, rate + NORMAL_975 * error), 6),
        "covered_share": round(float(size.sum() / tiers["customer_count"].sum()), 6),
    }


def surveys_sent_table(inputs: KpiInputs) -> pd.DataFrame:
    """Return what became of every question that was sent to customers in the quarter, by its name.

    Returns
    -------
    pandas.DataFrame
        ``asked_count``: customers; ``sent_count`` and ``returned_count``: questionnaires with the question, those
        answered by the quarter's end; ``response_rate`` their ratio, null below 30; ``answer_count``: those with a
        score on its scale. Questionnaires with several questions count in each: the rows do not add up. REQUIREMENTS
        E1.
    """
    rows = inputs.within("surveys", "sent_on")
    is_back = rows.answered_at.notnull()
    is_valid = is_back & rows.score.between(rows.scale_min, rows.scale_max) & (rows.scale_max > rows.scale_min)
    counts = rows.group_by("question").aggregate(
        asked_count=rows.customer_id.nunique(),
        sent_count=rows.survey_id.nunique(),
        returned_count=rows.survey_id.nunique(where=is_back),
        answer_count=rows.survey_id.nunique(where=is_valid.fill_null(False)),
    )
    table = counts.order_by("question").to_pandas()
    table["response_rate"] = _rate(table["returned_count"], table["sent_count"])
    return table[list(SURVEYS_SENT_SCHEMA)].astype({"question": "str", "response_rate": "float64"})


def survey_questions_table(inputs: KpiInputs, tiers: ibis.Table | None = None) -> pd.DataFrame:
    """Return the mean of every question of the five-point survey, over all customers and by tier.

    Parameters
    ----------
    tiers
        ``customer_id, tier`` at the start of the quarter, from the backend of the tables.

    Returns
    -------
    pandas.DataFrame
        ``tier`` (``all`` first), ``question`` in the order of settings, ``n`` answers, ``score_mean`` on five points
        (other scales are stretched to 1-5) with its 95 % interval (mean -+ 1.96 s / sqrt(n)), ``band``: ``excellent``
        from 4.0, ``plan`` below 3.5 (a special improvement plan is due), ``fair`` between, ``too_small`` below 30
        answers: then no mean is shown. REQUIREMENTS E2.
    """
    questions = inputs.settings.csat_questions
    rows = answers(inputs, questions)
    low, high = _FIVE_POINTS
    scaled = low + (rows.score - rows.scale_min) / (rows.scale_max - rows.scale_min) * (high - low)
    rows = rows.select("customer_id", "question", points=scaled.cast(EXACT))
    everyone = rows.mutate(tier=ibis.literal(WHOLE))
    if tiers is not None:
        joined = rows.left_join(tiers.select("customer_id", "tier"), "customer_id")
        by_tier = joined.select(*rows.columns, tier=joined.tier.cast("string").fill_null(NOT_RECORDED))
        everyone = everyone.union(by_tier)
    square = (everyone.points.cast("float64") ** 2).cast(EXACT)
    sums = everyone.group_by("tier", "question").aggregate(
        n=everyone.count(), total=everyone.points.sum().cast("float64"), squares=square.sum().cast("float64")
    )
    return _with_bands(sums.to_pandas(), questions=questions, settings=inputs.settings.satisfaction)


def _with_bands(sums: pd.DataFrame, *, questions: tuple[str, ...], settings: SatisfactionSettings) -> pd.DataFrame:
    n = sums["n"].astype("int64")
    is_known = n >= METRICS["csat_points"].minimum_n
    mean = (sums["total"] / n).where(is_known)
    variance = ((sums["squares"] - sums["total"] ** 2 / n) / (n - 1).where(n > 1)).clip(lower=0)
    half = NORMAL_975 * (variance / n) ** 0.5
    shown = mean.round(4)
    bands = np.select(
        [~is_known, shown >= settings.excellent_from, shown < settings.plan_below],
        ["too_small", "excellent", "plan"],
        "fair",
    )
    table = sums.assign(
        n=n,
        score_mean=shown,
        score_mean_low=(mean - half).clip(*_FIVE_POINTS).round(4),
        score_mean_high=(mean + half).clip(*_FIVE_POINTS).round(4),
        band=pd.Series(bands, index=sums.index, dtype="str"),
        is_part=sums["tier"] != WHOLE,
        place=sums["question"].map(list(questions).index),
    )
    table = table.sort_values(["is_part", "tier", "place"], ignore_index=True)
    return table[list(QUESTIONS_SCHEMA)].astype({"tier": "str", "question": "str"})


def csat_document(inputs: KpiInputs) -> dict[str, Any]:
    """Return the CSAT by both methods, and which one is declared.

    Returns
    -------
    dict
        ``method`` (``mean_of_scale``: mean score / end of the scale x 100, or ``top_two_box``: answers in the two best
        steps / answers x 100), ``points`` by it, ``other_points`` by the other, null below 30 questionnaires;
        ``n`` questionnaires, ``answer_count``. REQUIREMENTS E2: never the satisfaction rate of E1.
    """
    rows = answers(inputs, inputs.settings.csat_questions)
    found = rows.aggregate(
        mean_of_scale=(rows.score / rows.scale_max).cast(EXACT).sum().cast("float64"),
        top_two_box=rows.count(where=in_top_two(rows)).cast("float64"),
        answer_count=rows.count(),
        n=rows.survey_id.nunique(),
    )
    sums = found.to_pandas().iloc[0]
    n, count = int(sums["n"]), int(sums["answer_count"])
    is_known = n >= METRICS["csat_points"].minimum_n
    points = {
        name: round(float(sums[name]) / count * 100, 4) if is_known else None
        for name in ("mean_of_scale", "top_two_box")
    }
    method = inputs.settings.satisfaction.csat_method
    other = next(name for name in points if name != method)
    return {"method": method, "points": points[method], "other_points": points[other], "n": n, "answer_count": count}


def nps_document(inputs: KpiInputs) -> dict[str, Any]:
    """Return the net promoter score with its interval, and answers that are no NPS.

    Returns
    -------
    dict
        ``status`` (``ok``, ``too_small`` below 30 answers), ``promoter_count`` (9, 10), ``passive_count`` (7, 8),
        ``detractor_count`` (0-6), ``n``, ``points`` with ``low`` and ``high`` (95 %); ``other_scale_count``: answers to
        the question on another scale than 0-10, ``outside_count``: scores beyond their scale; neither is used.
        REQUIREMENTS E3.

    Notes
    -----
    Standard error of a difference of two shares of one multinomial sample: ``sqrt((p + d - (p - d)^2) / n)``.
    """
    rows = nps_answers(inputs)
    everything = inputs.within("surveys", "sent_on")
    everything = everything.filter(everything.question == inputs.settings.nps_question, everything.score.notnull())
    low, high = NPS_SCALE
    on_scale = (everything.scale_min == low) & (everything.scale_max == high)
    used = rows.aggregate(
        promoter_count=rows.count(where=rows.score >= PROMOTER_FROM),
        detractor_count=rows.count(where=rows.score <= DETRACTOR_TO),
        n=rows.count(),
    )
    unused = everything.aggregate(
        other_scale_count=everything.count(where=~on_scale),
        outside_count=everything.count(where=on_scale & ~everything.score.between(low, high)),
    )
    found = used.cross_join(unused).to_pandas().iloc[0].astype(int).to_dict()
    n, promoters, detractors = found["n"], found["promoter_count"], found["detractor_count"]
    found["passive_count"] = n - promoters - detractors
    if n < METRICS["nps"].minimum_n:
        return {"status": "too_small", **found, "points": None, "low": None, "high": None}
    share = (promoters - detractors) / n
    half = NORMAL_975 * max(0.0, ((promoters + detractors) / n - share**2) / n) ** 0.5
    ends = {"low": max(-1.0, share - half), "high": min(1.0, share + half)}
    return {"status": "ok", **found, "points": round(share * 100, 4), **{k: round(v * 100, 4) for k, v in ends.items()}}


def survey_numbers(inputs: KpiInputs) -> dict[str, Any]:
    """Return CSAT and NPS of the quarter: ``{"csat": ..., "nps": ...}``; empty without surveys."""
    if "surveys" not in inputs.tables:
        return {}
    return {"csat": csat_document(inputs), "nps": nps_document(inputs)}


def _rate(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Return a share, null below the smallest sample."""
    return (part / whole.where(whole >= _MINIMUM)).round(6)
