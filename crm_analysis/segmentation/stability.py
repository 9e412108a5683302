"""Hysteresis: a customer rises at once and falls only once a fall has lasted (REQUIREMENTS S11).

The order of the steps: the raw tier of a quarter by rule; hysteresis, replayed here from the raw tiers of the quarters
before; overrides by hand (:mod:`crm_analysis.segmentation.overrides`), which win.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.errors import AnalysisError, Problem
from crm_analysis.base.privacy import DIRECT, OPEN, ResultSchema
from crm_analysis.base.settings import HysteresisSettings
from crm_analysis.segmentation.aligning import check_each_once, places_of

STABILITY_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    **dict.fromkeys(["raw_tier", "tier", "is_held", "held_since"], OPEN),
}

Ranks = npt.NDArray[np.int8]
_UNRANKED = -1


def quarters_needed(settings: HysteresisSettings) -> int:
    """Return how many quarters of raw tiers, the last one included, give the same tiers as any longer history.

    Where all falls take the same number of quarters, the tier is the best raw one of so many, and nothing older
    matters; with ``boundaries`` of their own it does, and ``replay_quarters`` are replayed.

    Examples
    --------
    >>> quarters_needed(HysteresisSettings()), quarters_needed(HysteresisSettings(enabled=False))
    (2, 1)
    """
    if not settings.enabled:
        return 1
    return settings.replay_quarters if settings.boundaries else settings.quarters_to_fall


def replay_tiers(
    raw: Mapping[str, pd.DataFrame], *, order: Sequence[str], settings: HysteresisSettings
) -> pd.DataFrame:
    """Return the tier of every customer in the last quarter, falls held back until they have lasted.

    ``{quarter: customer_id, tier}`` -> ``customer_id, raw_tier, tier, is_held, held_since``, sorted by ``customer_id``

    Parameters
    ----------
    raw
        Tiers by rule of quarters in a row, oldest first; customers are those of the last one. The first quarter
        starts cold, see :func:`quarters_needed`.
    order
        Tiers that can be held, best first; all others follow their quarter at once, in and out.
    settings
        ``enabled``, ``quarters_to_fall`` and ``boundaries``.

    Raises
    ------
    AnalysisError
        There is no quarter, or a customer stands in a quarter twice.

    Notes
    -----
    A customer whose raw tier has been below the held one for ``quarters_to_fall`` quarters in a row falls to the best
    raw tier of these quarters: he is below each bound only for as long as he is. The number of quarters is that of the
    boundary from the held tier to the raw tier of the quarter, where settings give one. Being absent, not scored or in
    a tier without rank ends what was held. The tier is never older than ``quarters_to_fall - 1`` quarters.
    ``held_since`` is the first of the quarters in a row in which the tier was better than the raw one.
    """
    if not raw:
        raise AnalysisError(Problem("there is no quarter to replay", "hysteresis", "give at least the last quarter"))
    check_each_once(raw, where="hysteresis")
    names = list(raw)
    now = raw[names[-1]][["customer_id", "tier"]].sort_values("customer_id", ignore_index=True)
    raw_tier = now["tier"].astype("str")
    if not settings.enabled:
        names = names[-1:]
    ranks = [_ranks(raw[name], now["customer_id"], order=order) for name in names]
    state, since = _replay(ranks, needed=_quarters_between(order, settings=settings))
    is_held = state != ranks[-1]
    held = np.asarray([*order, ""], dtype=object)[state]
    labels = np.asarray([*names, None], dtype=object)[np.where(is_held, since, len(names))]
    return pd.DataFrame(
        {
            "customer_id": now["customer_id"],
            "raw_tier": raw_tier,
            "tier": pd.Series(np.where(is_held, held, raw_tier), dtype="str"),
            "is_held": is_held,
            "held_since": pd.Series(labels, dtype="str"),
        }
    )


def _replay(ranks: list[Ranks], *, needed: npt.NDArray[np.int64]) -> tuple[Ranks, npt.NDArray[np.int64]]:
    """Return the rank held at last and the place of the quarter since which it differs from the raw one."""
    state = ranks[0].copy()
    ranked_for = (ranks[0] >= 0).astype(np.int64)
    since = np.full(len(state), len(ranks), dtype=np.int64)
    was_held = np.zeros(len(state), dtype=bool)
    for place in range(1, len(ranks)):
        raw = ranks[place]
        ranked_for = np.where(raw >= 0, ranked_for + 1, 0)
        rows = np.flatnonzero((state >= 0) & (raw > state))
        kept = state[rows]
        past = [each[rows] for each in ranks[place::-1]]
        state = raw.copy()
        state[rows] = _after_fall(kept, past, ranked_for=ranked_for[rows], needed=needed[kept, raw[rows]])
        is_held = state != raw
        since = np.where(is_held & ~was_held, place, since)
        was_held = is_held
    return state, since


def _after_fall(
    kept: Ranks, past: list[Ranks], *, ranked_for: npt.NDArray[np.int64], needed: npt.NDArray[np.int64]
) -> Ranks:
    """Return the rank after a quarter below the kept one; ``past`` holds raw ranks, the newest first."""
    below = np.zeros(len(kept), dtype=np.int64)
    is_below = np.ones(len(kept), dtype=bool)
    best = past[0].copy()
    for lag, raw in enumerate(past):
        is_below &= (ranked_for > lag) & (raw > kept)
        below += is_below
        counts = is_below & (lag < needed)
        best = np.where(counts, np.minimum(best, raw), best)
    return np.where(below >= needed, best, kept).astype(np.int8)


def _quarters_between(order: Sequence[str], *, settings: HysteresisSettings) -> npt.NDArray[np.int64]:
    """Return the quarters that a fall takes, from tier (row) to tier (column)."""
    needed = np.full((len(order), len(order)), settings.quarters_to_fall, dtype=np.int64)
    places = {tier: place for place, tier in enumerate(order)}
    for boundary in settings.boundaries:
        if boundary.from_tier in places and boundary.to_tier in places:
            needed[places[boundary.from_tier], places[boundary.to_tier]] = boundary.quarters
    return needed


def _ranks(frame: pd.DataFrame, customers: pd.Series, *, order: Sequence[str]) -> Ranks:
    """Return the rank (0 best) of every customer, -1 where absent or without rank."""
    ranks = places_of(frame["tier"], among=pd.Series(list(order), dtype="str")).astype(np.int8)
    places = places_of(customers, among=frame["customer_id"])
    return np.append(ranks, np.int8(_UNRANKED))[places]  # -1, which is absent, is the place added at the end
