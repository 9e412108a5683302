"""Settings of tiers by rule: ordered tables of conditions, each scheme with its explicit rest (S3-S7, S9)."""

import math
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from crm_analysis.base.settings_model import Frozen, Name, Share

#: Schemes that are scores, not rules; no scheme of settings may take their names.
BUILT_IN_SCHEMES = ("eight_types", "ten_segments")
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Tier(Frozen):
    """A tier by its id (lower case, digits, underscores) and name.

    Attributes
    ----------
    service
        What its customers are given, in words.
    """

    id: Slug
    name: Name
    service: Name | None = None


class TierRule(Tier):
    """A tier with the condition that puts a customer into it, see :mod:`crm_analysis.segmentation.conditions`."""

    when: str


class Scheme(Frozen):
    """An ordered table of tiers: the first condition that holds decides.

    Attributes
    ----------
    population
        Customers that the scheme sorts; others are outside of it. An unknown kind counts as a person.
    otherwise
        Tier of those whom no condition fits; always shown, also when it is empty.
    reference_mix
        ``{tier: share of customers}`` of somebody else, shown beside our own; a comparison, not a target.
    basis
        What is measured, in words.
    """

    name: Name
    population: Literal["all", "person", "organisation"] = "all"
    tiers: tuple[TierRule, ...]
    otherwise: Tier
    reference_mix: dict[str, Share] = Field(default_factory=dict)
    basis: Name | None = None

    @property
    def tier_ids(self) -> list[str]:
        """Ids of all tiers in their order, the rest last."""
        return [*(tier.id for tier in self.tiers), self.otherwise.id]

    @model_validator(mode="after")
    def _consistent(self) -> "Scheme":
        if not self.tiers:
            raise ValueError("it has no tiers beside otherwise")
        twice = [id_ for id_, count in Counter(self.tier_ids).items() if count > 1]
        if twice:
            raise ValueError(f"tier {twice[0]!r} stands twice")
        unknown = [id_ for id_ in self.reference_mix if id_ not in self.tier_ids]
        if unknown:
            raise ValueError(f"reference_mix names {unknown[0]!r}, but the tiers are {', '.join(self.tier_ids)}")
        total = math.fsum(self.reference_mix.values())
        if self.reference_mix and not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(f"the shares of reference_mix add up to {total:g}, not to 1")
        return self


def known_scheme(value: Any, info: ValidationInfo) -> Any:
    """Refuse the name of a scheme that is neither built in nor among ``schemes`` (declared before the field)."""
    if "schemes" not in info.data or not isinstance(value, str):
        return value
    names = [*BUILT_IN_SCHEMES, *info.data["schemes"]]
    if value not in names:
        allowed = ", ".join(f"'{name}'" for name in names)
        raise PydanticCustomError("literal_error", "there is no scheme of that name", {"expected": allowed})
    return value


def known_schemes(value: Any, info: ValidationInfo) -> Any:
    """Refuse names of schemes as :func:`known_scheme` does, those of the built-in ones included, and repeated ones."""
    schemes = info.data.get("schemes")
    if schemes is None:
        return value
    unknown = [name for name in value if name not in schemes]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of the schemes {', '.join(schemes)}")
    if len(set(value)) < len(value):
        raise ValueError("a scheme stands twice")
    return value
