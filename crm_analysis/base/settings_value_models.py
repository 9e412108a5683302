"""Settings of purchase models and customer value (C5): which model, on how many, over what horizon, at what margin."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from crm_analysis.base.settings_model import Frozen, Positive, Share

PurchaseModelName = Literal["bg_nbd", "mbg_nbd", "pareto_nbd"]
PURCHASE_MODELS: tuple[PurchaseModelName, ...] = get_args(PurchaseModelName)


class ValueHorizon(Frozen):
    """What a customer value covers: how long, discounted how, at what margin.

    Attributes
    ----------
    horizon_months
        Months from the day of the report on; a month is 52 / 12 weeks.
    monthly_discount_rate
        Share by which money a month later is worth less: 0.01 is 1 % a month, 12.7 % a year.
    margin_share
        Share of revenue that stays as margin. 1 deducts no cost: the value is revenue then, and the report says so.
    """

    horizon_months: Annotated[int, Field(ge=1, le=60)] = 12
    monthly_discount_rate: Annotated[Share, Field(lt=1)] = 0.01
    margin_share: Annotated[Share, Field(gt=0)] = 1.0


class ValueModelSettings(Frozen):
    """Purchase models, customer value, and priority customers without a contact (C5).

    Attributes
    ----------
    purchase_model
        ``bg_nbd``, ``mbg_nbd`` (customers may be lost right after their first purchase) or ``pareto_nbd``.
    estimation
        ``maximum_likelihood``, or ``bayes`` with the extra ``crm-analysis[bayes]``.
    minimum_customers, minimum_repeaters
        Customers, and customers with a repeat purchase, below which no model is fitted to a population.
    holdout_weeks
        Last weeks of the data that the test of the model's fit does not learn from.
    most_correlation
        Correlation of frequency and mean amount (of either sign) above which the report warns of the amounts.
    interval_level
        Level of the intervals of totals.
    priority_amount
        Customers whose net spend of 365 days exceeds it are priority customers.
    minimum_cell
        Amounts made from fewer customers are not shown.
    seed
        Of the draws of ``bayes``; maximum likelihood draws nothing.
    """

    purchase_model: PurchaseModelName = "bg_nbd"
    estimation: Literal["maximum_likelihood", "bayes"] = "maximum_likelihood"
    minimum_customers: Annotated[int, Field(ge=30)] = 200
    minimum_repeaters: Annotated[int, Field(ge=10)] = 50
    holdout_weeks: Annotated[int, Field(ge=4)] = 26
    most_correlation: Share = 0.3
    interval_level: Annotated[Share, Field(gt=0, lt=1)] = 0.95
    horizon: ValueHorizon = ValueHorizon()
    priority_amount: Positive = 50_000
    minimum_cell: Annotated[int, Field(ge=1)] = 10
    seed: int = 20250930
