"""Which of two tiers is the better one: the order that movement and hysteresis need (REQUIREMENTS S10, S11).

The order in which rules are tried is not always the order of worth (a rule for customers at risk may come first), so
that settings can give an order of their own per scheme: ``segmentation.tier_order``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crm_analysis.base.errors import Problem, nearest
from crm_analysis.base.settings import SegmentationSettings
from crm_analysis.base.settings_file import SettingsFile, mapping_at
from crm_analysis.segmentation.rules import EIGHT_TYPES, segment_rules

_RETAIL = ("retail_high_value", "retail_potential", "retail_ordinary", "retail_churn_risk")
#: From best to worst, where the order of the rules is not; in the eight types what a customer is worth weighs more than
#: how recently he bought. Customers who never bought are neither above nor below others.
TIER_ORDERS: dict[str, tuple[str, ...]] = {
    "eight_types": tuple(EIGHT_TYPES.values()),
    "ten_segments": (
        "champions", "loyal_customers", "potential_loyalists", "new_customers", "promising", "need_attention",
        "about_to_sleep", "cant_lose_them", "at_risk", "lost",
    ),
    "retail_value": _RETAIL,
    "retail_value_complete": _RETAIL,
    "abc": ("abc_a", "abc_b", "abc_c"),
    "five_grades": ("grade_vip", "grade_gold", "grade_silver", "grade_bronze", "grade_standard"),
    "resource_classes": ("resource_core", "resource_target", "resource_lost"),
}  # fmt: skip
#: Tiers that are named for risk or loss: nobody may hear of them a quarter late.
ALARMS: dict[str, tuple[str, ...]] = {
    "ten_segments": ("cant_lose_them", "at_risk", "lost"),
    "retail_value": ("retail_churn_risk",),
    "retail_value_complete": ("retail_churn_risk",),
    "resource_classes": ("resource_lost",),
}


def given_tiers(settings: SegmentationSettings) -> list[str]:
    """Return the tiers of the primary scheme that may be given by hand: all but "never bought" and "not scored"."""
    scheme = settings.primary_scheme
    if scheme in settings.schemes:
        return settings.schemes[scheme].tier_ids
    if scheme == "eight_types":
        return list(EIGHT_TYPES.values())
    return list(dict.fromkeys([*(rule.id for rule in segment_rules(settings.rfm)), settings.rfm.otherwise]))


def ranked_tiers(settings: SegmentationSettings) -> tuple[str, ...]:
    """Return the tiers of the primary scheme that can be compared, best first; the tier of the rest is not among them.

    See :func:`tier_order`.
    """
    scheme = settings.primary_scheme
    rest = settings.schemes[scheme].otherwise.id if scheme in settings.schemes else settings.rfm.otherwise
    tiers = [tier for tier in given_tiers(settings) if tier != rest]
    return tier_order(scheme, tiers=tiers, own=settings.tier_order.get(scheme, ()))


def tier_order(scheme: str, *, tiers: Sequence[str], own: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the tiers of a scheme that can be compared, best first.

    Parameters
    ----------
    tiers
        Tiers of the scheme in the order of its rules.
    own
        Order that settings give. It wins; else that of :data:`TIER_ORDERS` where the scheme still has these tiers.

    Examples
    --------
    >>> tier_order("abc", tiers=["a", "b", "c"]), tier_order("abc", tiers=["a", "b", "c"], own=["c", "a"])
    (('a', 'b', 'c'), ('c', 'a'))
    >>> tier_order("resource_classes", tiers=["resource_lost", "resource_core", "resource_target", "resource_new"])
    ('resource_core', 'resource_target', 'resource_lost')
    """
    known = TIER_ORDERS.get(scheme, ())
    return tuple(own) or (known if known and set(known) <= set(tiers) else tuple(dict.fromkeys(tiers)))


def held_tiers(settings: SegmentationSettings) -> tuple[str, ...]:
    """Return the tiers of the primary scheme that hysteresis may hold a customer in, or above, best first."""
    order = ranked_tiers(settings)
    return held_order(settings.primary_scheme, order=order, at_once=settings.hysteresis.at_once)


def held_order(scheme: str, *, order: Sequence[str], at_once: Sequence[str] | None) -> tuple[str, ...]:
    """Return the order without the tiers that follow their quarter both ways.

    Parameters
    ----------
    order
        What :func:`tier_order` returns.
    at_once
        These tiers; by default the alarms of the scheme (:data:`ALARMS`).

    Examples
    --------
    >>> held_order("retail_value", order=["retail_high_value", "retail_churn_risk"], at_once=None)
    ('retail_high_value',)
    >>> held_order("abc", order=["a", "b"], at_once=None)
    ('a', 'b')
    """
    free = ALARMS.get(scheme, ()) if at_once is None else at_once
    return tuple(tier for tier in order if tier not in free)


def check_ranks(file: SettingsFile, *, tiers: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the tiers that ``segmentation.hysteresis`` and ``tier_order`` name.

    Parameters
    ----------
    tiers
        Those of the primary scheme; orders of other schemes are not looked at.
    """
    problems = [
        Problem(f"the primary scheme has no tier {tier!r}", file.where(*place), nearest(tier, tiers, kind="its tiers"))
        for place, tier in _named(file)
        if isinstance(tier, str) and tier not in tiers
    ]
    scheme = _primary(file)
    order = file.given("segmentation", "tier_order").get(scheme)
    if isinstance(order, list) and len(set(map(str, order))) < len(order):
        where = file.where("segmentation", "tier_order", scheme)
        problems.append(Problem("a tier stands twice in the order", where, "keep one"))
    return problems


def _named(file: SettingsFile) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield ``(place, tier)`` of all tiers that the user's own file names."""
    hysteresis = file.given("segmentation", "hysteresis")
    boundaries = hysteresis.get("boundaries")
    for number, boundary in enumerate(boundaries if isinstance(boundaries, list) else []):
        for end in ("from_tier", "to_tier"):
            if isinstance(boundary, Mapping):
                yield ("segmentation", "hysteresis", "boundaries", number, end), boundary.get(end)
    scheme = _primary(file)
    lists = {
        ("segmentation", "hysteresis", "at_once"): hysteresis.get("at_once"),
        ("segmentation", "tier_order", scheme): file.given("segmentation", "tier_order").get(scheme),
    }
    for place, tiers in lists.items():
        for number, tier in enumerate(tiers if isinstance(tiers, list) else []):
            yield (*place, number), tier


def _primary(file: SettingsFile) -> str:
    return str(mapping_at(file.merged, "segmentation").get("primary_scheme", "eight_types"))
