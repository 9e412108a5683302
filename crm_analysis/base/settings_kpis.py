"""Settings of the KPIs: satisfaction, activity, breakdowns and cohorts (REQUIREMENTS E1-E6, E10)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from crm_analysis.base.settings_model import Frozen, Positive, Share

CsatMethod = Literal["mean_of_scale", "top_two_box"]


class SatisfactionSettings(Frozen):
    """Surveys (E1-E3).

    Attributes
    ----------
    coverage_target
        Share of the customers of every tier that the guides ask to question.
    csat_method
        ``mean_of_scale``: mean score / end of the scale; ``top_two_box``: share of answers in the two best steps.
    excellent_from, plan_below
        Mean scores on five points: from the first on a question is excellent, below the second it calls for a special
        improvement plan.
    """

    coverage_target: Share = 0.80
    csat_method: CsatMethod = "mean_of_scale"
    excellent_from: Annotated[float, Field(gt=1, le=5)] = 4.0
    plan_below: Annotated[float, Field(gt=1, le=5)] = 3.5

    @model_validator(mode="after")
    def _ordered(self) -> "SatisfactionSettings":
        if self.plan_below >= self.excellent_from:
            raise ValueError("plan_below must lie below excellent_from")
        return self


class KpiSettings(Frozen):
    """What KPIs count, and where they are broken down (E3-E6, E10).

    Attributes
    ----------
    contacts_a_month
        Effective contacts a month, on the mean of the quarter, from which a customer is contacted often enough (E5).
    unreached_outcomes
        Values of ``interactions.outcome`` of our own contacts that reached nobody: no effective contacts (E5).
    referral_channels
        Values of ``customers.acquisition_channel`` that are referrals (E3).
    minimum_customers
        Parts of a breakdown with fewer customers show no value.
    cohort_quarters
        Quarters of first purchase that the retention by cohort goes back.
    """

    contacts_a_month: Positive = 2
    unreached_outcomes: tuple[str, ...] = ("no_answer",)
    referral_channels: Annotated[tuple[str, ...], Field(min_length=1)] = ("referral",)
    minimum_customers: Annotated[int, Field(ge=1)] = 10
    cohort_quarters: Annotated[int, Field(ge=2, le=20)] = 8
