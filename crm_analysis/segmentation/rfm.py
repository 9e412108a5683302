"""RFM for segments: cut points, scores 1-5, named segments (REQUIREMENTS S1).

Not the RFM of purchase models: here recency is days since the last order, frequency is orders, money is net spend.
Persons and organisations are separate populations: each has its own cut points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.errors import InsufficientDataError, Problem, SettingsError
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_rfm import CutSettings, RFMSettings, SegmentRule
from crm_analysis.segmentation.rules import cell_segments

POPULATIONS = ("person", "organisation")
WINDOWS = (30, 90, 180, 365)
SCORES = 5
_LEVELS = (0.2, 0.4, 0.6, 0.8)
DIMENSIONS = {"recency": "recency_days", "frequency": "order_count", "monetary": "spend_amount"}

RFM_CUTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["kind", "dimension", "score", "lower_bound", "upper_bound", "customer_count", "effective_bin_count"], OPEN
)


@dataclass(frozen=True)
class RFMCuts:
    """Inner cut points of one population, ascending, in the units of the figures (days, orders, currency).

    ``closed`` tells which end belongs to a bin: ``right`` is ``(lower, upper]``, ``left`` is ``[lower, upper)``.
    Equal values therefore always share a bin. Fewer than four cut points make fewer than five bins, which are spread
    over the scores 1-5 (:func:`bin_scores`).
    """

    recency: tuple[float, ...]
    frequency: tuple[float, ...]
    monetary: tuple[float, ...]
    closed: str = "right"

    def bins(self, values: pd.Series, *, dimension: str) -> npt.NDArray[np.int64]:
        """Return the bin (0 lowest) of every value."""
        side = "left" if self.closed == "right" else "right"
        cuts = np.asarray(getattr(self, dimension), dtype=float)
        return np.searchsorted(cuts, values.to_numpy(dtype=float), side=side).astype(np.int64)  # type: ignore[call-overload]

    def scores(self, values: pd.Series, *, dimension: str) -> npt.NDArray[np.int64]:
        """Return the score 1-5 of every value; 5 is best, which in recency are the lowest values."""
        return self.scores_by_bin(dimension)[self.bins(values, dimension=dimension)]

    def scores_by_bin(self, dimension: str) -> npt.NDArray[np.int64]:
        """Return the score of each bin, lowest values first."""
        scores = bin_scores(len(getattr(self, dimension)) + 1)
        return SCORES + 1 - scores if dimension == "recency" else scores


def bin_scores(count: int) -> npt.NDArray[np.int64]:
    """Return the scores of 2 to 5 bins, spread over 1-5: the first is always 1, the last always 5.

    >>> [bin_scores(count).tolist() for count in (2, 3, 4, 5)]
    [[1, 5], [1, 3, 5], [1, 2, 4, 5], [1, 2, 3, 4, 5]]
    """
    return np.rint(1 + (SCORES - 1) * np.arange(count) / (count - 1)).astype(np.int64)


def rfm_inputs(features: pd.DataFrame, *, settings: RFMSettings) -> pd.DataFrame:
    """Return the buyers with the three figures to score.

    ``features`` -> ``customer_id, kind, recency_days, order_count, spend_amount``, sorted by ``customer_id``

    Parameters
    ----------
    features
        One row per customer as of a date.
    settings
        ``window_days`` decides which orders and amounts count; recency always looks at all history.

    Raises
    ------
    SettingsError
        ``window_days`` is none of 30, 90, 180, 365 or empty.

    Notes
    -----
    A buyer has at least one counted order in all history; one without orders in the window has 0 there and scores low.
    An unknown kind counts as a person.
    """
    window = settings.window_days
    if window is not None and window not in WINDOWS:
        allowed = f"use one of {', '.join(map(str, WINDOWS))}, or leave it empty for all history"
        raise SettingsError(Problem(f"{window} days are not available", "segmentation.rfm.window_days", allowed))
    suffix = "" if window is None else f"_{window}d"
    buyers = features.loc[features["order_count"] >= 1]
    return (
        pd.DataFrame(
            {
                "customer_id": buyers["customer_id"],
                "kind": population_of(buyers),
                "recency_days": buyers["recency_days"].astype(float),
                "order_count": buyers[f"order_count{suffix}"].astype(float),
                "spend_amount": buyers[f"spend_amount{suffix}"].astype(float),
            }
        )
        .sort_values("customer_id")
        .reset_index(drop=True)
    )


def population_of(features: pd.DataFrame) -> pd.Series:
    """Return the population (``person`` or ``organisation``) of every row; unknown kinds count as persons."""
    kind = features["kind"].astype("str")
    return kind.where(kind == "organisation", "person").rename("kind")


def rfm_cuts(inputs: pd.DataFrame, *, settings: RFMSettings) -> RFMCuts:
    """Return the cut points at 20, 40, 60 and 80 % of the values of one population.

    ``recency_days, order_count, spend_amount`` -> :class:`RFMCuts`

    Parameters
    ----------
    inputs
        Buyers of one population, see :func:`rfm_inputs`.
    settings
        ``method`` ``quantiles``: type-7 quantiles, bins ``(lower, upper]``; ``rfm_r``: type-7 quantiles plus one, bins
        ``[lower, upper)``, as the R package rfm does (not scale-free). Fixed cut points: :func:`fixed_cuts`.

    Raises
    ------
    InsufficientDataError
        There is no buyer.

    Notes
    -----
    Hughes (1994); REQUIREMENTS S1. With many equal values some cut points coincide and fewer than five scores occur;
    :func:`rfm_cuts_table` reports how many.
    """
    if inputs.empty:
        raise InsufficientDataError(Problem("there is no buyer", "RFM", "load orders with a positive amount"))
    offset = 1.0 if settings.method == "rfm_r" else 0.0
    cuts = {
        name: tuple(float(q) + offset for q in np.quantile(inputs[column].to_numpy(dtype=float), _LEVELS))
        for name, column in DIMENSIONS.items()
    }
    return RFMCuts(**cuts, closed="left" if settings.method == "rfm_r" else "right")


def fixed_cuts(cuts: CutSettings) -> RFMCuts:
    """Return the cut points of settings; a value on a cut point belongs to the bin above it, ``[lower, upper)``."""
    return RFMCuts(cuts.recency, cuts.frequency, cuts.monetary, closed="left")


def score_rfm(inputs: pd.DataFrame, *, cuts: RFMCuts) -> pd.DataFrame:
    """Score every buyer of one population 1-5 on recency, frequency and money.

    ``customer_id, recency_days, order_count, spend_amount`` -> ``customer_id, r_score, f_score, m_score``

    Parameters
    ----------
    inputs
        Buyers of one population, see :func:`rfm_inputs`.
    cuts
        Inner cut points per dimension.

    Notes
    -----
    5 is best on each dimension (most recent, most orders, most spent). Negative net spend always scores 1.
    REQUIREMENTS S1.
    """
    money = cuts.scores(inputs["spend_amount"], dimension="monetary")
    return pd.DataFrame(
        {
            "customer_id": inputs["customer_id"],
            "r_score": cuts.scores(inputs["recency_days"], dimension="recency"),
            "f_score": cuts.scores(inputs["order_count"], dimension="frequency"),
            "m_score": np.where(inputs["spend_amount"].to_numpy(dtype=float) < 0, 1, money),
        }
    )


def segment_rfm(scores: pd.DataFrame, *, rules: Sequence[SegmentRule], otherwise: str) -> pd.Series:
    """Return the named segment of every scored customer, index as in ``scores``.

    Parameters
    ----------
    scores
        ``r_score, f_score, m_score``, each 1-5.
    rules
        Ordered table; the first rule that matches wins.
    otherwise
        Segment of customers that no rule matches.
    """
    cells = cell_segments(rules, otherwise=otherwise)
    lookup = {100 * r + 10 * f + m: segment for (r, f, m), segment in cells.items()}
    codes = 100 * scores["r_score"] + 10 * scores["f_score"] + scores["m_score"]
    return codes.map(lookup).astype("str").rename("ten_segment")


def cut_points_table(cuts: pd.DataFrame) -> pd.DataFrame:
    """Return the cut points in a short form: one row per population and dimension.

    what :func:`rfm_cuts_table` returns -> ``kind, dimension, cut_1, cut_2, cut_3, cut_4, effective_bin_count``; the cut
    points ascend, whichever end scores best, in the unit of the dimension
    """
    rows = []
    for (kind, dimension), bins in cuts.groupby(["kind", "dimension"], sort=False):
        edges = sorted(bins["lower_bound"].dropna())
        points = {f"cut_{place}": edge for place, edge in enumerate(edges, start=1)}
        count = int(bins["effective_bin_count"].iloc[0])
        rows.append({"kind": kind, "dimension": dimension, **points, "effective_bin_count": count})
    columns = ["kind", "dimension", *(f"cut_{place}" for place in range(1, SCORES)), "effective_bin_count"]
    return pd.DataFrame(rows, columns=columns)


def rfm_cuts_table(inputs: pd.DataFrame, *, cuts: Mapping[str, RFMCuts]) -> pd.DataFrame:
    """Return the bins of every population and how many customers lie in each.

    ``customer_id, kind, recency_days, order_count, spend_amount`` -> ``kind, dimension, score, lower_bound,
    upper_bound, customer_count, effective_bin_count``

    Parameters
    ----------
    inputs
        Buyers, see :func:`rfm_inputs`.
    cuts
        Cut points per population; populations without are left out.

    Notes
    -----
    Bounds are in the dimension's unit and empty at the open ends. ``effective_bin_count`` is the number of scores
    that occur: below 5 where equal values are frequent.
    """
    rows = []
    for kind in POPULATIONS:
        if kind not in cuts:
            continue
        members = inputs.loc[inputs["kind"] == kind]
        scores = score_rfm(members, cuts=cuts[kind])
        for dimension in DIMENSIONS:
            counts = scores[f"{dimension[0]}_score"].value_counts()
            edges = [np.nan, *getattr(cuts[kind], dimension), np.nan]
            places = enumerate(cuts[kind].scores_by_bin(dimension).tolist())
            for place, score in sorted(places, key=lambda item: item[1]):
                rows.append(
                    {
                        "kind": kind,
                        "dimension": dimension,
                        "score": score,
                        "lower_bound": round(edges[place], 2),
                        "upper_bound": round(edges[place + 1], 2),
                        "customer_count": int(counts.get(score, 0)),
                        "effective_bin_count": len(counts),
                    }
                )
    return pd.DataFrame(rows, columns=list(RFM_CUTS_SCHEMA))
