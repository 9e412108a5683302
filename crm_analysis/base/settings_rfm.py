"""Settings of RFM for segments and of the lifecycle stages (REQUIREMENTS S1, S2)."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_serializer, model_validator

from crm_analysis.base.settings_model import Days, Frozen, Positive, Share

Score = Annotated[int, Field(ge=1, le=5)]
Range = tuple[Score, Score]


class SegmentRule(Frozen):
    """One row of a segment table: score ranges on recency, frequency and monetary value, ends included."""

    id: str
    r: Range = (1, 5)
    f: Range = (1, 5)
    m: Range = (1, 5)

    @field_validator("r", "f", "m")
    @classmethod
    def _low_first(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            raise ValueError(f"{list(value)} matches no score; write the lower end first")
        return value


class CutSettings(Frozen):
    """Fixed cut points of one population: 1 to 4 ascending values per dimension, which make 2 to 5 groups.

    A group is ``[lower, upper)``: a value on a cut point belongs to the group above it. Fewer than five groups are
    spread over the scores 1-5, so that the best group always scores 5 (two groups: 1, 5; three: 1, 3, 5; four: 1, 2,
    4, 5) and segment tables keep their meaning.

    Attributes
    ----------
    recency, frequency, monetary
        In days, orders, and the reporting currency.
    """

    recency: Annotated[tuple[float, ...], Field(min_length=1, max_length=4)]
    frequency: Annotated[tuple[float, ...], Field(min_length=1, max_length=4)]
    monetary: Annotated[tuple[float, ...], Field(min_length=1, max_length=4)]

    @field_validator("recency", "frequency", "monetary")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(below >= above for below, above in pairwise(value)):
            raise ValueError("cut points must rise from left to right")
        return value


class PopulationCuts(Frozen):
    """Fixed cut points by population; one that has none is not scored."""

    person: CutSettings | None = None
    organisation: CutSettings | None = None


class SplitSettings(Frozen):
    """Where "high" begins for the eight types; written ``mean``, ``median``, or as a mapping.

    Attributes
    ----------
    by
        ``mean`` or ``median`` of the population; better than it is high.
    top_share
        The best share of the buyers of a population is high, in each dimension; equal values never split. Where many
        are equal the share that comes out is smaller, never larger; the report tells it.
    recency_days
        High are at most so many days since the last order.
    order_count, spend_amount
        High are at least so many orders, so much net spend.
    """

    by: Literal["mean", "median"] | None = None
    top_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    recency_days: Annotated[float, Field(ge=0)] | None = None
    order_count: Positive | None = None
    spend_amount: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> "SplitSettings":
        figures = [getattr(self, name) is not None for name in ("recency_days", "order_count", "spend_amount")]
        given = [self.by is not None, self.top_share is not None, any(figures)]
        if sum(given) > 1 or (any(figures) and not all(figures)):
            raise ValueError("give mean, median, top_share, or all of recency_days, order_count and spend_amount")
        return self

    @model_serializer(mode="plain")
    def _as_written(self) -> Any:
        given = {name: getattr(self, name) for name in type(self).model_fields if getattr(self, name) is not None}
        return given.get("by", given) or "mean"

    @property
    def kind(self) -> str:
        """``mean`` (without a word, too), ``median``, ``top_share`` or ``thresholds``."""
        if self.top_share is not None:
            return "top_share"
        return "thresholds" if self.recency_days is not None else self.by or "mean"


class RFMSettings(Frozen):
    """RFM for segments (S1).

    Attributes
    ----------
    method
        ``quantiles``: groups by value, equal values never split; ``fixed``: the cut points in ``cuts``; ``rfm_r``: the
        R package's cut points (type-7 quantiles plus one, groups ``[lower, upper)``).
    cuts
        Of the method ``fixed``, by population; buyers of a population without cut points are not scored.
    window_days
        Orders and amounts counted; ``None`` is all history.
    table
        Ordered rules, first match wins; ``ten`` covers all 125 cells, ``rfm_r`` is the published table.
    otherwise
        Segment of the cells that no rule matches.
    split
        Where "high" begins for the eight types: ``mean`` or ``median`` of the population, thresholds, or a top share.
    freeze
        Quantiles, means, medians and top shares are those of the first day of the fiscal year, kept in ``frozen/``
        beside the settings file, so that scores of a year's quarters can be compared. ``rfm_r`` is the published
        procedure and always takes those of the quarter.
    minimum_buyers, minimum_history_days, minimum_recent_share
        What a population needs to be scored: buyers, days since its first order, and the share of buyers with an
        order in the last 365 days.
    """

    method: Literal["quantiles", "fixed", "rfm_r"] = "quantiles"
    cuts: PopulationCuts | None = None
    window_days: Days | None = None
    table: Literal["ten", "rfm_r"] | tuple[SegmentRule, ...] = "ten"
    otherwise: str = "others"
    split: SplitSettings = SplitSettings(by="mean")
    freeze: bool = True
    minimum_buyers: Annotated[int, Field(ge=2)] = 50
    minimum_history_days: Days = 180
    minimum_recent_share: Share = 0.10

    @model_validator(mode="after")
    def _cuts_of_their_method(self) -> "RFMSettings":
        if self.method == "fixed" and (self.cuts is None or not self.cuts.model_fields_set):
            raise ValueError("the method fixed needs cuts, such as {person: {recency: [30, 90, 180, 365], ...}}")
        if self.method != "fixed" and self.cuts is not None:
            raise ValueError("cuts are those of the method fixed: set method: fixed, or leave them out")
        return self


class LifecycleSettings(Frozen):
    """Lifecycle stages (S2), thresholds in units of the customer's own expected gap where not in days.

    Attributes
    ----------
    own_gap_quantile
        The expected gap is this quantile of the customer's gaps between purchases.
    prior_gaps
        Weight of the population's rhythm beside the customer's own, in gaps.
    """

    new_within_days: Days = 90
    own_gap_quantile: Annotated[float, Field(gt=0, lt=1)] = 0.75
    prior_gaps: Positive = 3.0
    declining_after: Positive = 1.5
    dormant_after: Positive = 2.5
    lost_after: Positive = 4.0
    minimum_lost_days: Days = 180
    growth_threshold: Share = 0.20

    @model_validator(mode="after")
    def _in_order(self) -> "LifecycleSettings":
        if not self.declining_after < self.dormant_after < self.lost_after:
            raise ValueError("declining_after, dormant_after and lost_after must rise in this order")
        return self
