"""Settings of movement between tiers and of hysteresis (REQUIREMENTS S10, S11)."""

from typing import Annotated

from pydantic import Field, model_validator

from crm_analysis.base.settings_model import Frozen


class TierBoundary(Frozen):
    """A fall that takes its own number of quarters: from one tier to a lower one."""

    from_tier: str
    to_tier: str
    quarters: Annotated[int, Field(ge=1)]


class HysteresisSettings(Frozen):
    """Hysteresis of tiers (S11): a rise counts at once, a fall once it has lasted.

    Attributes
    ----------
    quarters_to_fall
        Quarters in a row below the tier after which a customer falls; 1 follows every quarter.
    boundaries
        Falls that take another number of quarters.
    at_once
        Tiers that follow their quarter both ways, because they are alarms; by default those that are named for
        risk or loss in the schemes that the package knows (``ALARMS`` in :mod:`crm_analysis.segmentation.ranks`).
    replay_quarters
        Quarters that are replayed from raw tiers, this one included.
    """

    enabled: bool = True
    quarters_to_fall: Annotated[int, Field(ge=1)] = 2
    boundaries: tuple[TierBoundary, ...] = ()
    at_once: tuple[str, ...] | None = None
    replay_quarters: Annotated[int, Field(ge=1, le=8)] = 8

    @model_validator(mode="after")
    def _replayed(self) -> "HysteresisSettings":
        longest = max([self.quarters_to_fall, *(boundary.quarters for boundary in self.boundaries)])
        if longest > self.replay_quarters:
            raise ValueError(f"a fall after {longest} quarters needs replay_quarters of at least {longest}")
        return self


class MovementSettings(Frozen):
    """Movement between tiers (S10).

    Attributes
    ----------
    minimum_moved
        Customers who changed their tier below which the change of the mix is not tested.
    """

    minimum_moved: Annotated[int, Field(ge=1)] = 30
