"""Settings of what lies behind churn: survival, risk signals, coded reasons, fairness (C3, C6, C8, X2)."""

from typing import Annotated

from pydantic import Field

from crm_analysis.base.settings_model import Days, Frozen, Positive, Share

Count = Annotated[int, Field(ge=1)]
Level = Annotated[float, Field(gt=0, lt=1)]


class SurvivalSettings(Frozen):
    """Survival curves by tier (C6).

    Attributes
    ----------
    follow_quarters
        Quarters of follow-up, that of the entry and that of the report included.
    shown_days
        Days after the entry at which the share still buying is tabled.
    minimum_customers
        Tiers with fewer customers at the start have no curve and take no part in the test.
    minimum_known
        Customers of whom it must be known whether they had left by a day: those who left before count, those whose
        observation ended before do not. Where fewer are still seen, they must be no fewer than those out of sight.
    shown_tiers
        Curves drawn in one figure, the largest tiers first.
    """

    follow_quarters: Annotated[int, Field(ge=2)] = 8
    shown_days: tuple[Days, ...] = (90, 180, 365)
    minimum_customers: Count = 30
    minimum_known: Count = 10
    shown_tiers: Annotated[int, Field(ge=1, le=5)] = 5


class SignalSettings(Frozen):
    """Risk signals of a customer (C3).

    Attributes
    ----------
    recent_days, past_days
        The last days, and those before them that are the customer's own past.
    minimum_past_days, minimum_past_purchases
        Own past below which nothing is said of frequency.
    falling_probability
        Probability from which on the frequency counts as falling.
    silence_probability
        A silence that the own rhythm makes less likely than this is a signal; it needs ``minimum_gaps`` purchase gaps.
    basket_days, minimum_orders
        Length of the recent window of the basket, and orders needed in it and before it.
    basket_drop, basket_p
        Fall of the typical order, and the level of its test.
    basket_prior_orders
        Weight of the usual spread of orders against the customer's own.
    reply_within_days, reply_days, minimum_replies, reply_ratio
        A contact from the customer within so many days after one to him counts as his reply; length of the recent
        window; replies needed in it and before it; times slower that is a signal.
    complaints
        Complaints of the recent days that are a signal.
    survey_days, survey_drop
        The last questionnaire must not be older; fall on the 0-1 scale against the customer's own earlier answers.
    contract_days, contract_grace_days
        Days before the end of the last contract, and after it, in which a missing renewal is a signal.
    change_days, change_fields
        Changes of these fields of ``customers_history`` in the last days are a signal.
    minimum_cell
        Smaller counts are not shown, nor those that would give them away.
    minimum_group
        The record of a signal is judged from so many customers with it and without it on; how many show it now is told
        from so many on of whom it can be told.
    """

    recent_days: Days = 90
    past_days: Days = 730
    minimum_past_days: Days = 90
    minimum_past_purchases: Count = 3
    falling_probability: Level = 0.95
    silence_probability: Level = 0.05
    minimum_gaps: Count = 2
    basket_days: Days = 180
    minimum_orders: Annotated[int, Field(ge=2)] = 3
    basket_drop: Share = 0.15
    basket_p: Level = 0.05
    basket_prior_orders: Positive = 4.0
    reply_within_days: Days = 30
    reply_days: Days = 180
    minimum_replies: Count = 2
    reply_ratio: Annotated[float, Field(gt=1)] = 1.5
    complaints: Count = 1
    survey_days: Days = 365
    survey_drop: Annotated[Share, Field(gt=0)] = 0.2
    contract_days: Days = 90
    contract_grace_days: Annotated[int, Field(ge=0)] = 30
    change_days: Days = 180
    change_fields: tuple[str, ...] = ("contact_person", "budget")
    minimum_cell: Count = 10
    minimum_group: Count = 20


class ReasonSettings(Frozen):
    """Reasons of lost and at-risk customers (C8).

    Attributes
    ----------
    quarters
        Quarters over which the trend goes back.
    contact_kinds
        Kinds of contacts to the customer that count as win-back contacts.
    contact_days
        Days before the report in which a contact tells the reason of a customer at risk.
    known_quarters
        Quarters that a loss needs before its reason is as well known as it will be; younger ones are marked.
    minimum_cell
        Shares and amounts of fewer losses, or customers at risk, are not shown, nor those that would give them away.
    """

    quarters: Annotated[int, Field(ge=2, le=20)] = 8
    contact_kinds: tuple[str, ...] = ("call", "visit", "message")
    contact_days: Days = 365
    known_quarters: Annotated[int, Field(ge=0)] = 2
    minimum_cell: Count = 10


class FairnessSettings(Frozen):
    """Whether the warning treats groups of people alike (X2).

    Attributes
    ----------
    age_bands
        Lower ends of the bands of age.
    minimum_cell
        Groups of fewer customers are hidden, and are no part of the rest that others are held against.
    minimum_class
        Churned and stayed customers that a group needs for its AUC.
    level
        Level of the tests after correction for their number.
    """

    age_bands: tuple[int, ...] = (30, 45, 60)
    minimum_cell: Count = 30
    minimum_class: Annotated[int, Field(ge=2)] = 10
    level: Level = 0.05


class InsightSettings(Frozen):
    """What lies behind churn."""

    survival: SurvivalSettings = SurvivalSettings()
    signals: SignalSettings = SignalSettings()
    reasons: ReasonSettings = ReasonSettings()
    fairness: FairnessSettings = FairnessSettings()
