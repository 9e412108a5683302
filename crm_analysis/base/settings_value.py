"""Settings of value, loyalty and potential, of concentration, and of the test of the rules (REQUIREMENTS S8)."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from crm_analysis.base.settings_model import Days, Frozen, Positive

Weight = Annotated[float, Field(ge=0)]
Bound = Annotated[float, Field(gt=0, lt=100)]


class _Weights(Frozen):
    """Weights of the components of one score; only their proportions count, 0 leaves a component out."""

    @model_validator(mode="after")
    def _some(self) -> "_Weights":
        if not any(weight > 0 for _, weight in self):
            raise ValueError("at least one weight must be above 0")
        return self


class ValueWeights(_Weights):
    """Net spend of 365 days and of all history."""

    spend_year: Weight = 0.6
    spend_lifetime: Weight = 0.4


class LoyaltyWeights(_Weights):
    """Tenure, orders of 365 days, silence against the own rhythm, repeat purchases, surveys, a running contract."""

    tenure: Weight = 0.15
    frequency: Weight = 0.25
    rhythm: Weight = 0.25
    repetition: Weight = 0.15
    satisfaction: Weight = 0.10
    contract: Weight = 0.10


class PotentialWeights(_Weights):
    """Trend of spend, breadth of categories and channels, contacts, events, open opportunities."""

    trend: Weight = 0.25
    categories: Weight = 0.20
    channels: Weight = 0.10
    contacts: Weight = 0.15
    events: Weight = 0.15
    opportunities: Weight = 0.15


class ValueSettings(Frozen):
    """Value x loyalty x potential (S8).

    Attributes
    ----------
    value_weights, loyalty_weights, potential_weights
        Of the components of each score; a missing component leaves its weight to the others.
    value_bounds, loyalty_bounds, potential_bounds
        Scores at which the classes ``middle`` and ``high`` begin, the bound included.
    prior_gaps
        Weight of the population's typical gap between purchases beside the customer's own, in gaps.
    lost_after
        Silence, in expected gaps, from which the rhythm scores 0; within one gap it scores 100.
    minimum_buyers, minimum_history_days
        What the anchors of a population need: buyers, and days from the first order to the day of the anchors.
    moved_points
        A score that changed by more has moved.
    minimum_cell
        Amounts of cells of fewer customers are not shown.
    """

    value_weights: ValueWeights = ValueWeights()
    loyalty_weights: LoyaltyWeights = LoyaltyWeights()
    potential_weights: PotentialWeights = PotentialWeights()
    value_bounds: tuple[Bound, Bound] = (40, 70)
    loyalty_bounds: tuple[Bound, Bound] = (40, 70)
    potential_bounds: tuple[Bound, Bound] = (30, 50)
    prior_gaps: Positive = 3.0
    lost_after: Annotated[float, Field(gt=1)] = 4.0
    minimum_buyers: Annotated[int, Field(ge=2)] = 50
    minimum_history_days: Days = 365
    moved_points: Positive = 20.0
    minimum_cell: Annotated[int, Field(ge=1)] = 10

    @field_validator("value_bounds", "loyalty_bounds", "potential_bounds")
    @classmethod
    def _rising(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] >= value[1]:
            raise ValueError("the bounds of the classes must rise")
        return value


class ConcentrationSettings(Frozen):
    """Concentration of net spend on few buyers.

    Attributes
    ----------
    minimum_buyers
        Buyers of 365 days below which nothing is told.
    minimum_cell
        No figure is made from fewer customers, nor can one be found by subtracting two figures.
    """

    minimum_buyers: Annotated[int, Field(ge=2)] = 50
    minimum_cell: Annotated[int, Field(ge=1)] = 10


class SeparationSettings(Frozen):
    """How well the tiers tell customers apart, beside clusters found in the data.

    Attributes
    ----------
    origins
        Quarter starts that are looked at; the earliest teaches, the later ones judge.
    sample_customers
        Customers drawn per origin where there are more.
    silhouette_customers
        Customers from whose distances the number of clusters is chosen.
    most_clusters
        Largest number of clusters that is tried.
    resamples
        Resamples of customers behind each interval.
    margin
        A difference counts only when it is larger, in AUC or in share of the spend explained.
    minimum_customers
        Customers needed at each origin.
    minimum_cell
        Tiers of fewer customers show no rate and no amount.
    """

    origins: Annotated[int, Field(ge=2)] = 4
    sample_customers: Annotated[int, Field(ge=100)] = 50_000
    silhouette_customers: Annotated[int, Field(ge=100)] = 4_000
    most_clusters: Annotated[int, Field(ge=2, le=20)] = 10
    resamples: Annotated[int, Field(ge=100)] = 400
    margin: Annotated[float, Field(ge=0)] = 0.01
    minimum_customers: Annotated[int, Field(ge=50)] = 200
    minimum_cell: Annotated[int, Field(ge=1)] = 10
    seed: int = 20250930
