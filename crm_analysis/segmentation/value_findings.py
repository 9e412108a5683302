"""Sentences on value, loyalty and potential, on concentration, and on the test of the rules."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.words import Message, message
from crm_analysis.segmentation.value_scores import DIMENSIONS


def main_population(cube: pd.DataFrame) -> str:
    """Return the population with most customers in the cube, ``person`` for an empty one."""
    if cube.empty:
        return "person"
    counts = cube.groupby("kind")["customer_count"].sum()
    return str(counts.sort_index(ascending=False).idxmax())


def finding_cube(cube: pd.DataFrame, *, kind: str) -> Message:
    """Return how many customers of a population are high on all three, and which to keep and to develop."""
    members = cube.loc[cube["kind"] == kind]
    if members.empty:
        return message("value.none")
    total = int(members["customer_count"].sum())
    high = {dimension: members[f"{dimension}_class"] == "high" for dimension in DIMENSIONS}
    best = members.loc[high["value"] & high["loyalty"] & high["potential"]].iloc[0]
    return message(
        "value.cube.finding",
        kind=kind,
        n=int(best["customer_count"]),
        total=total,
        customers=float(best["customer_share"]),
        spend=_known(best["spend_share"]),
        all_spend=_share_of_all(cube, best),
        keep=int(members.loc[high["value"] & ~high["loyalty"], "customer_count"].sum()),
        grow=int(members.loc[~high["value"] & high["potential"], "customer_count"].sum()),
    )


def note_other_population(cube: pd.DataFrame, *, kind: str) -> Message:
    """Return what :func:`finding_cube` says of the other population."""
    others = sorted(set(cube["kind"]) - {kind})
    return finding_cube(cube, kind=others[0]) if others else message("value.cube.one_kind")


def _share_of_all(cube: pd.DataFrame, cell: pd.Series) -> float | None:
    """Return the share of a cell in the spend of all populations; nothing where it is hidden.

    The spend of a population follows from any cell that shows amount and share: hidden cells do not add up to it.
    """
    shown = cube.loc[cube["spend_share"].abs() > 0]
    totals = (shown["year_spend_amount"] / shown["spend_share"]).groupby(shown["kind"]).median()
    total, amount = float(totals.sum()), _known(cell["year_spend_amount"])
    return None if amount is None or total <= 0 else round(amount / total, 6)


def finding_stability(stability: pd.DataFrame, *, kind: str, points: float) -> Message:
    """Return how many customers of a population moved since the quarter before, score by score.

    Parameters
    ----------
    points
        Setting ``moved_points`` that the table was made with.
    """
    rows = stability.loc[stability["kind"] == kind].set_index("dimension")
    if rows.empty:
        return message("value.stability.none")
    return message(
        "value.stability.finding",
        kind=kind,
        n=int(rows["customer_count"].max()),
        points=points,
        **{name: _of(rows, name, "moved_share") for name in DIMENSIONS},
        **{f"{name}_rank": _of(rows, name, "rank_correlation") for name in DIMENSIONS},
    )


def finding_concentration(document: Mapping[str, Any]) -> Message:
    """Return which share of net spend the best buyers bring."""
    return Message.from_json(document["message"])


def note_concentration(document: Mapping[str, Any]) -> Message:
    """Return what is counted, and what negative net spend was left out."""
    names = ("buyer_count", "negative_count", "negative_amount", "refund_only_count")
    return message("concentration.note", **{name: document[name] for name in names})


def finding_tier_spend(tiers: pd.DataFrame) -> Message:
    """Return which tier's share of net spend exceeds its share of the buyers most."""
    known = tiers.loc[tiers["spend_share"].notna() & (tiers["customer_share"] > 0)]
    if known.empty:
        return message("concentration.none")
    excess = known["spend_share"] - known["customer_share"]
    top = known.loc[excess.sort_values(ascending=False, kind="stable").index[0]]
    return message(
        "concentration.tier_finding",
        tier=str(top["tier"]),
        n=int(top["customer_count"]),
        customers=float(top["customer_share"]),
        spend=float(top["spend_share"]),
    )


def finding_next_quarter(table: pd.DataFrame) -> Message:
    """Return the tiers with the highest and the lowest repurchase rate, with their intervals."""
    known = table.loc[table["repurchase_rate"].notna()]
    if len(known) < 2:
        return message("separation.none")
    best, worst = known.iloc[0], known.iloc[-1]
    return message(
        "separation.next_quarter",
        date=pd.Timestamp(best["origin_date"]).date().isoformat(),
        **_rate(best, "best"),
        **_rate(worst, "worst"),
    )


def finding_separation(document: Mapping[str, Any]) -> Message:
    """Return whether the rules tell customers apart as well as clusters do."""
    return Message.from_json(document["message"])


def note_separation(document: Mapping[str, Any]) -> Message:
    """Return how the test is made, after what it advises where the rules did not hold."""
    advice = document["recommendation"]
    return message("separation.note" if advice is None else "separation.note_advised",
                   **({} if advice is None else {"advice": message(advice)}))  # fmt: skip


def alt_cube(cube: pd.DataFrame, *, kind: str) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.value_figures.plot_value_cube`."""
    return message("value.cube.alt", finding=finding_cube(cube, kind=kind))


def alt_concentration(document: Mapping[str, Any], tiers: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.value_figures.plot_concentration`."""
    return message("concentration.alt", finding=finding_concentration(document), tiers=finding_tier_spend(tiers))


def alt_next_quarter(table: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.value_figures.plot_next_quarter`."""
    return message("separation.next_quarter_alt", count=len(table), finding=finding_next_quarter(table))


def alt_separation(document: Mapping[str, Any]) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.value_figures.plot_separation`."""
    return message("separation.alt", finding=finding_separation(document))


def _of(rows: pd.DataFrame, dimension: str, column: str) -> float | None:
    return _known(rows.loc[dimension, column]) if dimension in rows.index else None


def _rate(row: pd.Series, name: str) -> dict[str, Any]:
    return {
        name: str(row["tier"]),
        f"{name}_n": int(row["customer_count"]),
        f"{name}_rate": float(row["repurchase_rate"]),
        f"{name}_low": float(row["repurchase_rate_low"]),
        f"{name}_high": float(row["repurchase_rate_high"]),
    }


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
