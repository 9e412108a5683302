"""Sentences about movement, hysteresis and overrides (REQUIREMENTS S10, S11)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.settings import HysteresisSettings
from crm_analysis.base.words import Message, message
from crm_analysis.segmentation.movement import JOINED, LEFT
from crm_analysis.segmentation.overrides import FAULTS

SIGNIFICANCE = 0.05


def finding_movement(movement: pd.DataFrame, *, comparison: str, minimum_cell: int) -> Message:
    """Return how many customers changed tier, which way, and the largest move up and down.

    Parameters
    ----------
    movement
        One comparison, see :func:`crm_analysis.segmentation.movement.since`.
    minimum_cell
        Moves of fewer customers are told without money.
    """
    inside = movement.loc[(movement["tier_before"] != JOINED) & (movement["tier_now"] != LEFT)]
    n = int(inside["customer_count"].sum())
    if not n:
        return message("movement.none", comparison=comparison)
    by_direction = inside.groupby("direction")["customer_count"].sum()
    up, down, unranked = (int(by_direction.get(name, 0)) for name in ("up", "down", "unranked"))
    return message(
        "movement.finding",
        comparison=comparison,
        n=n,
        moved=up + down + unranked,
        share=round((up + down + unranked) / n, 6),
        up=up,
        down=down,
        unranked=unranked,
        largest_up=_largest(inside, direction="up", minimum_cell=minimum_cell),
        largest_down=_largest(inside, direction="down", minimum_cell=minimum_cell),
    )


def finding_joiners(movement: pd.DataFrame, *, comparison: str, minimum_cell: int) -> Message:
    """Return how many customers joined, left the data, or whose spend of a year ended, with their money."""
    if movement["customer_count"].sum() == 0:
        return message("movement.none", comparison=comparison)
    joined = movement.loc[movement["tier_before"] == JOINED]
    left = movement.loc[movement["tier_now"] == LEFT]
    counts = {
        "joined": int(joined["customer_count"].sum()),
        "silent": int(movement["silent_count"].sum()),
        "left": int(left["customer_count"].sum()),
    }
    if any(0 < counts[name] < minimum_cell for name in ("joined", "silent")):
        return message("movement.joiners_few", comparison=comparison, minimum=minimum_cell, **counts)
    return message(
        "movement.joiners",
        comparison=comparison,
        joined_spend=round(float(joined["spend_amount_now"].sum()), 2),
        silent_spend=round(float(movement["silent_amount_before"].sum()), 2),
        **counts,
    )


def finding_mix_change(test: Mapping[str, Any]) -> Message:
    """Return whether the mix of tiers changed by more than chance, or why that cannot be told."""
    numbers = {"n": test["n"], "moved": test["moved_count"]}
    if test["status"] == "ok":
        is_changed = test["p_value"] < SIGNIFICANCE
        return message(
            "movement.mix.changed" if is_changed else "movement.mix.same",
            tier=test["tier"],
            change=test["change_pp"],
            statistic=test["statistic"],
            df=test["df"],
            p="< 0.001" if test["p_value"] < 0.001 else f"= {test['p_value']:.3f}",
            **numbers,
        )
    if test["status"] == "too_small":
        return message("movement.mix.too_small", minimum=test["minimum_moved"], **numbers)
    return message(f"movement.mix.{test['status']}", **numbers)


def note_movement(*, minimum_cell: int) -> Message:
    """Return what is compared, and what is hidden."""
    return message("movement.note", minimum=minimum_cell)


def note_past_tiers(document: Mapping[str, Any]) -> Message:
    """Return how the tiers of earlier quarters are known, or why they are not.

    ``{"unknown_fields": [...]}``, the result ``past_tiers`` -> message
    """
    fields = document["unknown_fields"]
    return message("movement.past_unknown", fields=fields) if fields else message("movement.past_known")


def finding_stability(steps: pd.DataFrame, *, settings: HysteresisSettings) -> Message:
    """Return how many customers are held in a higher tier and how many were put somewhere by hand.

    ``tier, held_count, overridden_count, customer_count`` -> message
    """
    n, overridden = int(steps["customer_count"].sum()), int(steps["overridden_count"].sum())
    if not settings.enabled:
        return message("movement.stability.off", n=n, overridden=overridden)
    held = int(steps["held_count"].sum())
    return message(
        "movement.stability.finding",
        n=n,
        held=held,
        held_share=round(held / max(n, 1), 6),
        quarters=settings.quarters_to_fall,
        overridden=overridden,
    )


def finding_overrides(counts: pd.DataFrame) -> Message:
    """Return what became of the overrides, and which cannot be used.

    what :func:`crm_analysis.segmentation.overrides.override_counts_table` returns -> message
    """
    if counts.empty:
        return message("movement.overrides.none")
    found = {str(status): int(n) for status, n in counts.set_index("override_status")["override_count"].items()}
    parts = [message("movement.overrides.fault", status=name, n=found[name]) for name in FAULTS if name in found]
    faults = message("movement.overrides.no_faults")
    if parts:
        faults = message("movement.overrides.faults", n=sum(part.args["n"] for part in parts), parts=parts)
    return message(
        "movement.overrides.finding",
        total=sum(found.values()),
        active=found.get("active", 0),
        no_effect=found.get("no_effect", 0),
        expired=found.get("expired", 0),
        superseded=found.get("superseded", 0),
        other=found.get("other_scheme", 0) + found.get("later", 0),
        faults=faults,
    )


def alt_flow(movement: pd.DataFrame, *, comparison: str, minimum_cell: int) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.movement_figures.plot_flow`."""
    finding = finding_movement(movement, comparison=comparison, minimum_cell=minimum_cell)
    return message("movement.flow.alt", comparison=comparison, finding=finding)


def alt_matrix(movement: pd.DataFrame, *, comparison: str, minimum_cell: int) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.movement_figures.plot_matrix`."""
    finding = finding_movement(movement, comparison=comparison, minimum_cell=minimum_cell)
    return message("movement.matrix.alt", comparison=comparison, finding=finding)


def _largest(movement: pd.DataFrame, *, direction: str, minimum_cell: int) -> Message:
    moves = movement.loc[(movement["direction"] == direction) & (movement["customer_count"] > 0)]
    if moves.empty:
        return message(f"movement.no_{direction}")
    order = ["customer_count", "tier_before", "tier_now"]
    first = moves.sort_values(order, ascending=[False, True, True]).iloc[0]
    n, before, now = int(first["customer_count"]), str(first["tier_before"]), str(first["tier_now"])
    if n < minimum_cell:
        return message(f"movement.largest_{direction}_few", before=before, now=now, n=n)
    return message(
        f"movement.largest_{direction}",
        before=before,
        now=now,
        n=n,
        share=float(first["row_share"]),
        spent=float(first["spend_amount_before"]),
        spends=float(first["spend_amount_now"]),
    )
