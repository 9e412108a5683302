"""KPIs from surveys (REQUIREMENTS E1-E3): satisfaction, CSAT, NPS, coverage and response."""

import ibis

from crm_analysis.evaluation.kpis import EXACT, KpiInputs, contributed, kpi, share_of

#: A score counts as satisfied from 4 on a scale of 1 to 5, which is three quarters of the way up any scale.
SATISFIED_FROM = 0.75
PROMOTER_FROM = 9
DETRACTOR_TO = 6
NPS_SCALE = (0, 10)


def answers(inputs: KpiInputs, questions: tuple[str, ...]) -> ibis.Table:
    """Return answers to surveys sent in the quarter, answered by its end, with a score within the scale."""
    rows = inputs.within("surveys", "sent_on")
    return rows.filter(
        rows.question.isin(questions),
        rows.answered_at.notnull(),
        rows.score.between(rows.scale_min, rows.scale_max),
        rows.scale_max > rows.scale_min,
    )


def nps_answers(inputs: KpiInputs) -> ibis.Table:
    """Return the answers to the question of the NPS that stand on its scale, 0 to 10; others are no NPS."""
    rows = answers(inputs, (inputs.settings.nps_question,))
    low, high = NPS_SCALE
    return rows.filter(rows.scale_min == low, rows.scale_max == high)


def in_top_two(rows: ibis.Table) -> ibis.Value:
    """Return which answers lie in the two best steps of their scale."""
    return rows.score >= rows.scale_max - 1


@kpi("satisfaction_rate")
def satisfaction_rate(inputs: KpiInputs) -> ibis.Table:
    """Very satisfied and satisfied / answers (E1): 4 and 5 on a scale of 5, three quarters up any other."""
    return _satisfied(answers(inputs, (inputs.settings.satisfaction_question,)))


def _satisfied(rows: ibis.Table) -> ibis.Table:
    bar = rows.scale_min + (rows.scale_max - rows.scale_min) * SATISFIED_FROM
    return contributed(rows, numerator=rows.count(where=rows.score >= bar), denominator=rows.count(), n=rows.count())


@kpi("csat_points")
def csat_points(inputs: KpiInputs) -> ibis.Table:
    """CSAT over the service questions in points of 100 (E2), by the declared method; n is questionnaires.

    ``mean_of_scale``: mean of score / end of the scale. ``top_two_box``: answers in the two best steps / answers. The
    answers of one questionnaire come from one customer: they are no independent sample.
    """
    rows = answers(inputs, inputs.settings.csat_questions)
    value = (rows.score / rows.scale_max).cast(EXACT).sum()
    if inputs.settings.satisfaction.csat_method == "top_two_box":
        value = rows.count(where=in_top_two(rows))
    return contributed(rows, numerator=value, denominator=rows.count(), n=rows.survey_id.nunique())


@kpi("nps")
def nps(inputs: KpiInputs) -> ibis.Table:
    """Promoters (9, 10) less detractors (0 to 6, 0 included) / answers on the scale of 0 to 10, in points (E3)."""
    rows = nps_answers(inputs)
    promoters, detractors = rows.count(where=rows.score >= PROMOTER_FROM), rows.count(where=rows.score <= DETRACTOR_TO)
    return contributed(rows, numerator=promoters - detractors, denominator=rows.count(), n=rows.count())


@kpi("positive_review_share")
def positive_review_share(inputs: KpiInputs) -> ibis.Table:
    """Positive public reviews / reviews (E3): 4 and 5 on a scale of 5, three quarters up any other.

    Reviews are rows of ``surveys`` with ``settings.review_question``, posted in the quarter.
    """
    return _satisfied(answers(inputs, (inputs.settings.review_question,)))


def sent_for_satisfaction(inputs: KpiInputs) -> ibis.Table:
    """Return the rows of questionnaires sent in the quarter that ask for satisfaction; others are other samples."""
    rows = inputs.within("surveys", "sent_on")
    return rows.filter(rows.question == inputs.settings.satisfaction_question)


@kpi("survey_coverage_rate")
def survey_coverage_rate(inputs: KpiInputs) -> ibis.Table:
    """Buyers of the last four quarters who were asked for their satisfaction in the quarter / those buyers (E1)."""
    return share_of(inputs.buyers(-3, 0), sent_for_satisfaction(inputs).select("customer_id").distinct())


@kpi("survey_response_rate")
def survey_response_rate(inputs: KpiInputs) -> ibis.Table:
    """Satisfaction questionnaires sent in the quarter and answered by its end / those sent (E1)."""
    rows = sent_for_satisfaction(inputs)
    rows = rows.group_by("customer_id", "survey_id").aggregate(is_answered=rows.answered_at.notnull().any())
    return contributed(rows, numerator=rows.count(where=rows.is_answered), denominator=rows.count(), n=rows.count())
