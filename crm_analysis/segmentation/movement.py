"""Movement of customers between tiers, and whether the mix of tiers has changed (REQUIREMENTS S10).

Both quarters are seen through the door in time, with today's data and settings: the tiers compared are those in force
(raw, hysteresis, override). Customers never vanish behind the door: who stops buying stays, in a lower tier.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.segmentation.aligning import check_each_once, places_of
from crm_analysis.segmentation.rules import NON_BUYER, UNSCORED

#: Places of customers outside the data of one of the two quarters.
JOINED, LEFT = "joined", "left"
#: What is compared with the quarter, in order of showing.
COMPARISONS = ("previous_quarter", "year_ago")
DIRECTIONS = ("up", "down", "unranked", "stayed", "joined", "left")

MOVEMENT_SCHEMA: ResultSchema = dict.fromkeys(
    ["comparison", "tier_before", "tier_now", "direction", "customer_count", "row_share", "spend_amount_before",
     "spend_amount_now", "silent_count", "silent_amount_before"],
    OPEN,
)  # fmt: skip
MOVES_COLUMNS = ("tier_before", "tier_now", "direction", "customer_count", "row_share", "spend_amount_before",
                 "spend_amount_now")  # fmt: skip
_SPEND = "spend_amount_365d"
_CENTS = 100


def movement_table(before: pd.DataFrame, now: pd.DataFrame, *, order: Sequence[str]) -> pd.DataFrame:
    """Return how many customers went from which tier to which, and their spend at both ends.

    ``customer_id, tier, spend_amount_365d`` of two quarters -> ``tier_before, tier_now, direction, customer_count,
    row_share, spend_amount_before, spend_amount_now, silent_count, silent_amount_before``; all pairs of the tiers that
    occur, in order

    Parameters
    ----------
    before, now
        One row per customer, the tier in force and net spend of the 365 days up to each quarter's end (currency).
    order
        Tiers that can be compared, best first, see :func:`crm_analysis.segmentation.ranks.ranked_tiers`.

    Raises
    ------
    AnalysisError
        A customer stands in a quarter twice.

    Notes
    -----
    ``direction``: ``up`` or ``down`` in the order, ``unranked`` where one of the two tiers has no rank (a first
    purchase is one), ``stayed``, ``joined`` (absent before: tier ``joined``), ``left`` (absent now: tier ``left``).
    An id leaves when it was merged or erased between two exports; seen through one door nobody does.
    ``row_share`` (0-1) is of the customers of ``tier_before``, empty where there were none. ``silent_count``: spend was
    positive and is not now; ``silent_amount_before`` is what it was.
    """
    check_each_once({"the earlier quarter": before, "this quarter": now}, where="movement")
    pairs = _pairs(before, now)
    counted = pairs.groupby(["tier_before", "tier_now"]).agg(
        customer_count=("is_silent", "size"),
        spend_amount_before=("spend_amount_before", "sum"),
        spend_amount_now=("spend_amount_now", "sum"),
        silent_count=("is_silent", "sum"),
        silent_amount_before=("silent_amount_before", "sum"),
    )
    table = counted.reindex(_all_pairs(pairs, order=order), fill_value=0).reset_index()
    sizes = table.groupby("tier_before")["customer_count"].transform("sum")
    table["row_share"] = (table["customer_count"] / sizes.where(sizes > 0)).astype(float).round(6)
    table["direction"] = _directions(table, order=order)
    for name in ("spend_amount_before", "spend_amount_now", "silent_amount_before"):
        table[name] = table[name] / _CENTS
    counts = {"customer_count": "int64", "silent_count": "int64"}
    return table.astype(counts)[[name for name in MOVEMENT_SCHEMA if name != "comparison"]]


def tiers_with_spend(tiers: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Return the frame that movement is made from.

    ``customer_id, tier`` and ``customer_id, spend_amount_365d`` -> ``customer_id, tier, spend_amount_365d``
    """
    places = places_of(tiers["customer_id"], among=features["customer_id"])
    spend = features[_SPEND].array.take(places, allow_fill=True)
    return tiers[["customer_id", "tier"]].assign(**{_SPEND: spend})


def movements_table(earlier: Mapping[str, pd.DataFrame], now: pd.DataFrame, *, order: Sequence[str]) -> pd.DataFrame:
    """Return the movement since each earlier quarter.

    ``{comparison: frame}`` as in :func:`movement_table` -> its columns with ``comparison`` before them

    Parameters
    ----------
    earlier
        Frames by ``previous_quarter`` and ``year_ago``; a quarter before the first order is left out.
    """
    parts = [
        movement_table(earlier[comparison], now, order=order).assign(comparison=comparison)
        for comparison in COMPARISONS
        if comparison in earlier
    ]
    columns = list(MOVEMENT_SCHEMA)
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def moves_table(movement: pd.DataFrame, *, minimum_cell: int, rows: int = 12) -> pd.DataFrame:
    """Return the largest moves of one comparison for showing.

    ``movement`` -> ``tier_before, tier_now, direction, customer_count, row_share, spend_amount_before,
    spend_amount_now``, most customers first, those who stayed left out

    Parameters
    ----------
    minimum_cell
        Moves of fewer customers keep their count and lose their money: the sum of a few tells of each of them.
    rows
        How many moves.
    """
    moves = movement.loc[(movement["direction"] != "stayed") & (movement["customer_count"] > 0)]
    order = ["customer_count", "tier_before", "tier_now"]
    largest = moves.sort_values(order, ascending=[False, True, True], ignore_index=True).head(rows)
    is_small = largest["customer_count"] < minimum_cell
    hidden = {name: largest[name].astype(float).mask(is_small) for name in ("spend_amount_before", "spend_amount_now")}
    return largest.assign(**hidden)[list(MOVES_COLUMNS)]


def since(movements: pd.DataFrame, comparison: str) -> pd.DataFrame:
    """Return the rows of one comparison, empty where that quarter has no data."""
    return movements.loc[movements["comparison"] == comparison].reset_index(drop=True)


def check_mix_change(movement: pd.DataFrame, *, order: Sequence[str], minimum_moved: int) -> dict[str, Any]:
    """Test whether the mix of tiers is the same in both quarters, customers being their own controls.

    Parameters
    ----------
    movement
        One comparison; customers in ranked tiers of both quarters take part. Others enter or leave the mix; nobody can
        come back to having never bought.
    order
        Tiers that have a rank.
    minimum_moved
        Customers who changed tier below which there is no test.

    Returns
    -------
    dict
        ``status`` (``ok``; ``no_customers``, ``no_movement``, ``too_small``, ``singular``: no test), ``n``,
        ``moved_count``, ``statistic``, ``df``, ``p_value``, and ``tier`` with the largest change of its share
        (``change_pp``, -1 to 1, of the ``n`` customers).

    Notes
    -----
    Marginal homogeneity by Stuart (1955) and Maxwell (1970). Tiers that nobody entered or left hold no information
    and are left out; ``singular``: customers moved only inside groups of tiers that exchange nobody, so that the
    degrees of freedom are not the number of tiers less one.
    """
    from statsmodels.stats.contingency_tables import SquareTable

    ranked = list(order)
    scored = movement.loc[movement["tier_before"].isin(ranked) & movement["tier_now"].isin(ranked)]
    moved = scored.loc[(scored["tier_before"] != scored["tier_now"]) & (scored["customer_count"] > 0)]
    n, moved_count = int(scored["customer_count"].sum()), int(moved["customer_count"].sum())
    document: dict[str, Any] = {"n": n, "moved_count": moved_count, "statistic": None, "df": None, "p_value": None}
    document |= {"tier": None, "change_pp": None, "minimum_moved": minimum_moved}
    if not n:
        return {"status": "no_customers", **document}
    if not moved_count:
        return {"status": "no_movement", **document}
    tiers = [tier for tier in dict.fromkeys(scored["tier_now"]) if tier in {*moved["tier_before"], *moved["tier_now"]}]
    counts = scored.pivot_table(index="tier_before", columns="tier_now", values="customer_count", aggfunc="sum")
    square = counts.reindex(index=tiers, columns=tiers).fillna(0).to_numpy(dtype=float)
    changes = (square.sum(axis=0) - square.sum(axis=1)) / n
    largest = int(np.argmax(np.abs(changes)))
    document |= {"tier": tiers[largest], "change_pp": round(float(changes[largest]), 6)}
    if moved_count < minimum_moved:
        return {"status": "too_small", **document}
    if _is_singular(square):
        return {"status": "singular", **document}
    found = SquareTable(square, shift_zeros=False).homogeneity(method="stuart_maxwell")
    document |= {"statistic": round(float(found.statistic), 4), "df": int(found.df)}
    return {"status": "ok", **document, "p_value": round(float(found.pvalue), 6)}


def _is_singular(square: np.ndarray) -> bool:
    """Tell whether the covariance of the differences of the margins, one tier left out, cannot be inverted."""
    flows = square + square.T
    covariance = np.diag(flows.sum(axis=1)) - flows
    return bool(np.linalg.matrix_rank(covariance[:-1, :-1]) < len(square) - 1)


def _cents(amounts: pd.Series) -> npt.NDArray[np.int64]:
    """Return amounts as whole cents, whose sums do not depend on the order of customers; nothing is 0."""
    return (amounts.fillna(0.0).to_numpy(dtype=float) * _CENTS).round().astype(np.int64)


def _directions(table: pd.DataFrame, *, order: Sequence[str]) -> np.ndarray:
    ranks = {tier: rank for rank, tier in enumerate(order)}
    before, now = table["tier_before"].map(ranks), table["tier_now"].map(ranks)
    conditions = {
        JOINED: table["tier_before"] == JOINED,
        LEFT: table["tier_now"] == LEFT,
        "stayed": table["tier_before"] == table["tier_now"],
        "up": now < before,
        "down": now > before,
    }
    return np.select([np.asarray(c, dtype=bool) for c in conditions.values()], list(conditions), default="unranked")


def _pairs(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return one row per customer of either quarter: tiers at both ends, spend in cents; customers in no order."""
    places = places_of(now["customer_id"], among=before["customer_id"])
    has_left = np.ones(len(before), dtype=bool)
    has_left[places[places >= 0]] = False
    spent = _cents(before[_SPEND])
    here = pd.DataFrame(
        {
            "tier_before": pd.Series(before["tier"].astype("str").array.take(places, allow_fill=True)).fillna(JOINED),
            "tier_now": now["tier"].astype("str").array,
            "spend_amount_before": np.append(spent, 0)[places],  # -1, which is absent, is the place added at the end
            "spend_amount_now": _cents(now[_SPEND]),
        }
    )
    gone = pd.DataFrame({"tier_before": before["tier"].astype("str"), "tier_now": LEFT, "spend_amount_before": spent})
    is_silent = (here["spend_amount_before"] > 0) & (here["spend_amount_now"] <= 0)
    here = here.assign(is_silent=is_silent, silent_amount_before=here["spend_amount_before"].where(is_silent, 0))
    gone = gone.loc[has_left].assign(spend_amount_now=0, is_silent=False, silent_amount_before=0)
    return pd.concat([here, gone[list(here.columns)]], ignore_index=True)


def _all_pairs(pairs: pd.DataFrame, *, order: Sequence[str]) -> pd.MultiIndex:
    """Return all pairs of tiers that occur: ranked ones, others by name, customers without scores, joined and left."""
    found = {*pairs["tier_before"], *pairs["tier_now"]}
    last = (UNSCORED, NON_BUYER)
    others = sorted(found - {*order, *last, JOINED, LEFT})
    tiers = [tier for tier in (*order, *others, *last) if tier in found]
    rows = [*tiers, JOINED] if JOINED in found else tiers
    columns = [*tiers, LEFT] if LEFT in found else tiers
    places = [(before, now) for before in rows for now in columns if (before, now) != (JOINED, LEFT)]
    return pd.MultiIndex.from_tuples(places, names=["tier_before", "tier_now"])
