"""Settings of the customer base: bridges, concentration, coverage and workload, the look forward (E15-E19)."""

from typing import Annotated

from pydantic import Field

from crm_analysis.base.settings_model import Days, Frozen, Positive, Share


class ForecastSettings(Frozen):
    """Net revenue of the next quarter (E18).

    Attributes
    ----------
    minimum_quarters
        Whole quarters of history below which nothing is forecast: the seasonal models need two years.
    minimum_backtests
        Past quarters that a model must have been tested on before it can be preferred to the plain rule.
    simulations
        Futures drawn from a model for its range.
    """

    minimum_quarters: Annotated[int, Field(ge=8)] = 8
    minimum_backtests: Annotated[int, Field(ge=1)] = 3
    simulations: Annotated[int, Field(ge=200)] = 2_000
    seed: int = 20250930


class PortfolioSettings(Frozen):
    """The customer base from period to period, who looks after it, and what is to come (E15-E19).

    Attributes
    ----------
    minimum_cell
        Amounts made from fewer customers are not shown, nor can they be found by subtracting two figures.
    minimum_base
        Rates on fewer customers are not told, only how few there are.
    dependent_share
        Share of a year's net revenue from which a single account counts as a dependence.
    contact_days
        Customers without a contact from us in so many days count as not contacted.
    large_amount
        Customers whose net spend of 365 days exceeds it are large ones.
    most_accounts
        Buyers of the year that one person can look after; above it he or she is overloaded.
    renewal_quarters
        Quarters ahead for which renewals are listed.
    """

    minimum_cell: Annotated[int, Field(ge=1)] = 10
    minimum_base: Annotated[int, Field(ge=1)] = 30
    dependent_share: Annotated[Share, Field(gt=0)] = 0.10
    contact_days: Days = 90
    large_amount: Positive = 50_000
    most_accounts: Annotated[int, Field(ge=1)] = 150
    renewal_quarters: Annotated[int, Field(ge=1, le=12)] = 4
    forecast: ForecastSettings = ForecastSettings()
