"""Tiers set by hand, with author, reason and expiry; nothing is applied or left out in silence (REQUIREMENTS S11).

The last of three steps: raw tier by rule, hysteresis (:mod:`crm_analysis.segmentation.stability`), override. An
override is therefore never held back, and ends with its day.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import DIRECT, FREE, OPEN, ResultSchema
from crm_analysis.segmentation.aligning import places_of

#: All that can become of an override, in the order in which they are listed; from ``circular`` on it needs mending.
STATUSES = ("active", "no_effect", "expired", "superseded", "later", "other_scheme", "circular",
            "ends_before_decision", "unknown_tier", "unknown_customer")  # fmt: skip
FAULTS = STATUSES[STATUSES.index("circular") :]

OVERRIDES_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    "override_status": OPEN,
    "computed_tier": OPEN,
    "override_tier": OPEN,
    "scheme": OPEN,
    "decided_on": OPEN,
    "decided_by": OPEN,
    "reason": FREE,
    "expires_on": OPEN,
}
#: What :func:`apply_overrides` makes of replayed tiers: all three steps side by side.
TIERS_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    **dict.fromkeys(
        ["raw_tier", "tier", "is_held", "held_since", "computed_tier", "is_overridden"],
        OPEN,
    ),
}
OVERRIDE_COUNTS_SCHEMA: ResultSchema = {"override_status": OPEN, "override_count": OPEN, "customer_count": OPEN}
TIER_STEPS_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "raw_count", "left_count", "held_count", "overridden_count", "customer_count"], OPEN
)


def overrides_table(
    overrides: pd.DataFrame | None, tiers: pd.DataFrame, *, as_of: date, scheme: str, known_tiers: Sequence[str]
) -> pd.DataFrame:
    """Return every override with what became of it.

    ``customer_id, scheme, tier, decided_at, decided_on, decided_by, reason, expires_on`` -> ``customer_id,
    override_status, computed_tier, override_tier, scheme, decided_on, decided_by, reason, expires_on``, by status,
    customer and time

    Parameters
    ----------
    overrides
        Canonical ``overrides``, ``decided_on`` being the local day of ``decided_at``; ``None`` where there are none.
    tiers
        ``customer_id, tier`` as computed, hysteresis included.
    as_of
        Decisions before this day count.
    scheme
        The primary scheme: overrides of others decide nothing here.
    known_tiers
        Tiers that may be given by hand.

    Notes
    -----
    The first that holds is the ``override_status``:

    1. ``other_scheme``, ``unknown_customer``, ``unknown_tier``, ``ends_before_decision`` (``expires_on`` before the
       day of the decision), ``later`` (decided on or after ``as_of``): decides nothing and supersedes nothing
    2. ``superseded``: there is a later decision on the customer, even when that one has expired; a new decision with
       an early expiry is therefore how an override is taken back
    3. ``circular``: decisions of the same instant give the customer different tiers, so that each supersedes the
       other; none is applied until one of them is taken out
    4. ``expired``: its last day lies before the last included day
    5. ``no_effect``: the computed tier is the same
    6. ``active``: applied
    """
    if overrides is None or overrides.empty:
        return pd.DataFrame(columns=list(OVERRIDES_SCHEMA))
    rows = overrides.rename(columns={"tier": "override_tier"})
    rows = rows.assign(
        decided_at=pd.to_datetime(rows["decided_at"]).astype("datetime64[us]"),
        decided_on=pd.to_datetime(rows["decided_on"]).astype("datetime64[s]"),
        expires_on=pd.to_datetime(rows["expires_on"]).astype("datetime64[s]"),
    )
    rows = rows.sort_values(["customer_id", "decided_at", "expires_on", "override_tier"], ignore_index=True)
    places = places_of(rows["customer_id"], among=tiers["customer_id"])
    rows["computed_tier"] = tiers["tier"].astype("str").array.take(places, allow_fill=True)
    unusable = {
        "other_scheme": rows["scheme"] != scheme,
        "unknown_customer": pd.Series(places < 0),
        "unknown_tier": ~rows["override_tier"].isin(list(known_tiers)),
        "ends_before_decision": rows["expires_on"] < rows["decided_on"],
        "later": rows["decided_on"] >= pd.Timestamp(as_of),
    }
    is_usable = ~np.logical_or.reduce(list(unusable.values()))
    judged = {
        **unusable,
        **_among_usable(rows.loc[is_usable], last_day=as_of - timedelta(days=1)),
        "no_effect": rows["override_tier"] == rows["computed_tier"],
    }
    conditions = [np.asarray(flags.reindex(rows.index, fill_value=False), dtype=bool) for flags in judged.values()]
    rows["override_status"] = pd.Series(np.select(conditions, list(judged), default="active"), dtype="str")
    listed = {status: place for place, status in enumerate(STATUSES)}
    order = rows["override_status"].map(listed).sort_values(kind="stable").index
    return rows.loc[order, list(OVERRIDES_SCHEMA)].reset_index(drop=True)


def _among_usable(rows: pd.DataFrame, *, last_day: date) -> dict[str, pd.Series]:
    """Return which usable decisions, in order of time, are superseded, expired or circular."""
    last = rows.groupby("customer_id")["decided_at"].transform("max")
    is_last = rows["decided_at"] == last
    is_over = rows["expires_on"] < pd.Timestamp(last_day)
    instant = rows.assign(is_open=~is_over).groupby(["customer_id", "decided_at"])
    contradicts = (instant["override_tier"].transform("nunique") > 1) & instant["is_open"].transform("any")
    again = rows.duplicated("customer_id", keep="last") & ~contradicts  # the same tier twice at the same instant
    return {"superseded": ~is_last | (is_last & again), "circular": contradicts, "expired": is_over}


def apply_overrides(tiers: pd.DataFrame, overrides: pd.DataFrame) -> pd.DataFrame:
    """Return the tiers with the active overrides in force.

    ``customer_id, tier, ...`` -> the same with ``tier`` as decided, and ``computed_tier, is_overridden``

    Parameters
    ----------
    tiers
        One row per customer, as computed; other columns are kept.
    overrides
        What :func:`overrides_table` returns of the same customers.
    """
    active = overrides.loc[overrides["override_status"] == "active"]
    places = places_of(tiers["customer_id"], among=active["customer_id"])
    computed = tiers["tier"].astype("str")
    given = pd.Series(active["override_tier"].astype("str").array.take(places, allow_fill=True), index=tiers.index)
    return tiers.assign(tier=given.where(places >= 0, computed), computed_tier=computed, is_overridden=places >= 0)


def override_counts_table(overrides: pd.DataFrame) -> pd.DataFrame:
    """Return how many overrides and customers have each status.

    what :func:`overrides_table` returns -> ``override_status, override_count, customer_count``, statuses that occur;
    no customer and no reason, so that it may be shown
    """
    counts = overrides.groupby("override_status")["customer_id"].agg(override_count="size", customer_count="nunique")
    counts = counts.reindex([status for status in STATUSES if status in counts.index]).rename_axis("override_status")
    return counts.reset_index().astype({"override_count": "int64", "customer_count": "int64"})


def tier_steps_table(tiers: pd.DataFrame, *, order: Sequence[str]) -> pd.DataFrame:
    """Return what each step makes of the tiers' sizes.

    ``raw_tier, tier, is_overridden`` -> ``tier, raw_count, left_count, held_count, overridden_count, customer_count``,
    in the order given, other tiers after

    Notes
    -----
    ``raw_count``: by rule alone; ``left_count``: whom hysteresis or a decision put elsewhere; ``held_count`` and
    ``overridden_count``: whom hysteresis or a decision brought here; ``customer_count``: in force, which is ``raw_count
    - left_count + held_count + overridden_count``.
    """
    moved = tiers.loc[tiers["raw_tier"] != tiers["tier"]]
    counts = pd.DataFrame(
        {
            "raw_count": tiers["raw_tier"].value_counts(),
            "left_count": moved["raw_tier"].value_counts(),
            "held_count": moved.loc[~moved["is_overridden"], "tier"].value_counts(),
            "overridden_count": moved.loc[moved["is_overridden"], "tier"].value_counts(),
            "customer_count": tiers["tier"].value_counts(),
        }
    )
    others = sorted(set(counts.index) - set(order))
    table = counts.reindex([*(tier for tier in order if tier in counts.index), *others]).fillna(0).astype("int64")
    return table.rename_axis("tier").reset_index()[list(TIER_STEPS_SCHEMA)]
