"""The registry of KPIs: what each number is, once. Definitions only; functions are registered by id in the analyses.

Footnotes, the glossary of the report, the data dictionary and tests are made from here. Every text is a word id:
``metric.<id>.name`` and ``metric.<id>.formula`` per metric, ``measure.*`` for what is counted, ``window.*`` for when.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Unit = Literal["share", "points", "count", "amount", "hours", "score"]
Direction = Literal["up", "down", "none"]
ChangeKind = Literal["relative", "points"]
Department = Literal["sales", "marketing", "service"]


@dataclass(frozen=True)
class Metric:
    """Definition of a KPI: ``numerator / denominator * scale`` over a window.

    Attributes
    ----------
    id
        Slug; its words are ``metric.<id>.name`` and ``metric.<id>.formula``.
    unit
        ``share`` is 0-1; ``points`` are 0-100 (or -100 to 100); ``score`` is a plain ratio.
    direction
        ``up``: more is better; ``down``: less is better.
    minimum_n
        Below it no value is shown, only how few there are.
    row
        Row of REQUIREMENTS it serves.
    numerator, denominator
        Word ids of what is counted; a count or an amount has no denominator.
    window
        Word id of the time it covers.
    needs
        Optional tables without which it cannot be had, :data:`DERIVED_TABLES` among them.
    history_quarters
        Quarters of data that must lie before the quarter, or the value would be an artefact of where data begin.
    is_proportion
        The numerator counts some of the denominator, so that a binomial interval is meaningful.
    is_event_rate
        The numerator counts events, of which one customer may have several, so that a Poisson interval is meaningful.
    period_quarters
        Quarters that it covers, this one included: values by tier take the tier at their beginning.
    department
        Department that a measure falls to when its target is missed (REQUIREMENTS T4).
    owner
        Analysis that computes it.
    """

    id: str
    unit: Unit
    direction: Direction
    minimum_n: int
    row: str
    numerator: str
    denominator: str | None = None
    window: str = "window.quarter"
    needs: tuple[str, ...] = ()
    scale: float = 1.0
    history_quarters: int = 0
    is_proportion: bool = False
    is_event_rate: bool = False
    period_quarters: int = 1
    department: Department = "sales"
    owner: str = "evaluation"

    @property
    def name(self) -> str:
        """Word id of its name."""
        return f"metric.{self.id}.name"

    @property
    def formula(self) -> str:
        """Word id of its formula."""
        return f"metric.{self.id}.formula"

    @property
    def change_kind(self) -> ChangeKind:
        """How a change is told: shares and points by their difference, everything else relative to the base."""
        return "points" if self.unit in {"share", "points"} else "relative"


#: Tables beside the canonical ones that KPIs may need: results of earlier steps, put there by who knows the zone.
DERIVED_TABLES = ("service_cases",)
_CASES = ("interactions", *DERIVED_TABLES)
_ALL = (
    # purchases
    Metric("revenue", "amount", "up", 1, "E15", "measure.net_revenue"),
    Metric("order_count", "count", "up", 1, "E9", "measure.orders"),
    Metric("active_customers", "count", "up", 1, "E9", "measure.buyers", department="marketing"),
    Metric("new_customers", "count", "up", 1, "E15", "measure.first_buyers", history_quarters=4,
           department="marketing"),
    Metric("average_order_value", "amount", "up", 30, "E9", "measure.net_revenue", "measure.orders"),
    Metric("repurchase_rate", "share", "up", 30, "E9", "measure.repeat_buyers", "measure.buyers",
           history_quarters=4, is_proportion=True, department="marketing"),
    Metric("customer_retention_rate", "share", "up", 30, "E4", "measure.kept_buyers", "measure.previous_buyers",
           history_quarters=1, is_proportion=True),
    Metric("yearly_retention_rate", "share", "up", 30, "E4", "measure.year_buyers_kept",
           "measure.year_buyers_at_start", window="window.year_to_end", history_quarters=7, is_proportion=True,
           period_quarters=4),
    Metric("churn_rate", "share", "down", 30, "E9", "measure.lost_buyers", "measure.year_buyers_before",
           history_quarters=4, is_proportion=True),
    Metric("refund_rate", "share", "down", 30, "E9", "measure.refunds", "measure.gross_revenue",
           department="service"),
    Metric("value_growth_rate", "share", "up", 30, "E6", "measure.value_change", "measure.value_before",
           window="window.two_years", history_quarters=7, period_quarters=8),
    Metric("upsell_share", "share", "up", 30, "E6", "measure.upsold_customers", "measure.both_years_buyers",
           window="window.two_years", history_quarters=7, is_proportion=True, period_quarters=8),
    Metric("referral_share", "share", "up", 30, "E3", "measure.referred_customers", "measure.known_channel_customers",
           needs=("customers",), history_quarters=4, is_proportion=True, department="marketing"),
    # surveys
    Metric("satisfaction_rate", "share", "up", 30, "E1", "measure.satisfied_answers", "measure.satisfaction_answers",
           needs=("surveys",), is_proportion=True, department="service"),
    Metric("csat_points", "points", "up", 30, "E2", "measure.mean_score", "measure.scale_end",
           needs=("surveys",), scale=100, department="service"),
    Metric("nps", "points", "up", 30, "E3", "measure.promoters_less_detractors", "measure.nps_answers",
           needs=("surveys",), scale=100, department="service"),
    Metric("positive_review_share", "share", "up", 30, "E3", "measure.positive_reviews", "measure.reviews",
           needs=("surveys",), is_proportion=True, department="marketing"),
    Metric("survey_coverage_rate", "share", "up", 30, "E1", "measure.asked_customers", "measure.year_buyers",
           needs=("surveys",), history_quarters=3, is_proportion=True, department="service"),
    Metric("survey_response_rate", "share", "up", 30, "E1", "measure.answered_surveys", "measure.sent_surveys",
           needs=("surveys",), is_proportion=True, department="service"),
    # contacts
    Metric("first_response_hours", "hours", "down", 30, "E7", "measure.response_hours", "measure.answered_inquiries",
           needs=("interactions",), department="service"),
    Metric("complaint_rate", "share", "down", 30, "E8", "measure.complaints", "measure.buyers",
           needs=("interactions",), is_event_rate=True, department="service"),
    Metric("contacts_per_customer_month", "score", "up", 30, "E5", "measure.effective_contacts",
           "measure.year_buyer_months", needs=("interactions",), history_quarters=3),
    Metric("frequent_contact_share", "share", "up", 30, "E5", "measure.frequent_customers", "measure.year_buyers",
           needs=("interactions",), history_quarters=3, is_proportion=True),
    Metric("inbound_reply_rate", "share", "up", 30, "E5", "measure.answered_inquiries", "measure.inquiries",
           needs=("interactions",), is_proportion=True, department="service"),
    # contracts and sales
    Metric("contract_renewal_rate", "share", "up", 30, "E4", "measure.renewed_contracts", "measure.due_contracts",
           window="window.trailing_year", needs=("contracts",), is_proportion=True, period_quarters=4),
    Metric("sales_conversion_rate", "share", "up", 30, "E9", "measure.won_opportunities",
           "measure.closed_opportunities", needs=("opportunities",), is_proportion=True),
    # service; service_cases are made from interactions and the business calendar
    Metric("first_response_business_hours", "hours", "down", 30, "E7", "measure.response_business_hours",
           "measure.answered_inquiries", needs=_CASES, department="service"),
    Metric("sla_attainment_rate", "share", "up", 30, "E7", "measure.cases_in_time", "measure.cases_due",
           needs=_CASES, is_proportion=True, department="service"),
    Metric("resolution_hours", "hours", "down", 30, "E7", "measure.resolution_hours", "measure.resolved_cases",
           needs=_CASES, department="service"),
    Metric("resolution_business_hours", "hours", "down", 30, "E7", "measure.resolution_business_hours",
           "measure.resolved_cases", needs=_CASES, department="service"),
    Metric("closed_loop_rate", "share", "up", 30, "E7", "measure.resolved_cases", "measure.resolutions_due",
           needs=_CASES, is_proportion=True, department="service"),
    Metric("reopened_rate", "share", "down", 30, "E7", "measure.reopened_cases", "measure.ever_resolved_cases",
           needs=_CASES, is_proportion=True, department="service"),
    Metric("complaint_response_rate", "share", "up", 30, "E8", "measure.complaints_in_time", "measure.complaints_due",
           needs=_CASES, is_proportion=True, department="service"),
    Metric("complaints_per_100_orders", "score", "down", 30, "E8", "measure.complaints", "measure.orders",
           needs=("interactions",), scale=100, is_event_rate=True, department="service"),
)  # fmt: skip

METRICS: Mapping[str, Metric] = MappingProxyType({metric.id: metric for metric in _ALL})
