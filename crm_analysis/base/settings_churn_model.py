"""Settings of the churn model, of the warning list and of how both are checked (C1, C2, C4, C7)."""

from typing import Annotated

from pydantic import Field, model_validator

from crm_analysis.base.settings_model import Days, Frozen, Share


class HorizonSettings(Frozen):
    """How a horizon is proposed from the gaps between purchases (C1).

    Attributes
    ----------
    candidates
        Horizons in days among which the proposal is made, rising.
    too_early_share
        Share of returning customers that may be called churned too early.
    window_days
        Days back within which the first purchase of a customer begins the gap that is looked at.
    minimum_customers
        Customers still followed below which the curve of gaps is not read any further.
    """

    candidates: tuple[int, ...] = (30, 45, 60, 90, 120, 150, 180, 270, 365)
    too_early_share: Annotated[Share, Field(gt=0)] = 0.10
    window_days: Days = 730
    minimum_customers: Annotated[int, Field(ge=1)] = 30

    @model_validator(mode="after")
    def _rising(self) -> "HorizonSettings":
        if not self.candidates or list(self.candidates) != sorted({*self.candidates}) or self.candidates[0] < 1:
            raise ValueError("the candidates are whole days, at least one of them, and rise")
        return self


class WarningSettings(Frozen):
    """The warning list (C4) and how it did (C7).

    Attributes
    ----------
    people, contacts_per_person
        Who makes the contacts and how many each can make in a quarter; both together give the length of the list in
        place of ``list_length``.
    due_days
        Days after the report's day by which the contact is to be made.
    contact_cost
        Cost of one contact in the reporting currency.
    success_rate
        Share of contacted customers about to leave that a contact keeps: an assumption, until a control group measures
        it.
    minimum_log_odds
        What a cause must add to the log-odds of a customer to be named as a reason; 0.05 is odds of 5 % more.
    psi_watch, psi_alarm
        Population stability index from which a feature has moved somewhat, or much (a convention of credit scoring).
    minimum_drift_customers
        Customers on either side below which no index is told.
    """

    people: Annotated[int | None, Field(ge=1)] = None
    contacts_per_person: Annotated[int | None, Field(ge=1)] = None
    due_days: Days = 14
    contact_cost: Annotated[float, Field(ge=0)] = 30
    success_rate: Share = 0.10
    minimum_log_odds: Annotated[float, Field(gt=0)] = 0.05
    psi_watch: Annotated[float, Field(gt=0)] = 0.10
    psi_alarm: Annotated[float, Field(gt=0)] = 0.25
    minimum_drift_customers: Annotated[int, Field(ge=20)] = 100

    @model_validator(mode="after")
    def _both_or_none(self) -> "WarningSettings":
        if (self.people is None) != (self.contacts_per_person is None):
            raise ValueError("people and contacts_per_person are given together or not at all")
        return self


class ChurnModelSettings(Frozen):
    """How the churn model is fitted, tested and used (C2).

    Attributes
    ----------
    max_training_rows
        Rows that a single fit looks at; more are sampled at random by the seed. All customers are scored all the same.
    max_tuning_rows
        Rows that parameters are tried on, and as many that they are judged by; what they tell apart shows in fewer rows
        than a good fit needs.
    batch_rows
        Rows that are scored at a time.
    calibration_origins
        Last origins that calibrate; fewer where fewer than two would be left to learn from.
    resamples
        Resamples of customers for the intervals of an origin.
    """

    max_training_rows: Annotated[int, Field(ge=1_000)] = 100_000
    max_tuning_rows: Annotated[int, Field(ge=1_000)] = 30_000
    batch_rows: Annotated[int, Field(ge=1_000)] = 100_000
    calibration_origins: Annotated[int, Field(ge=1)] = 2
    resamples: Annotated[int, Field(ge=100)] = 300
    horizon: HorizonSettings = HorizonSettings()
    warning: WarningSettings = WarningSettings()
