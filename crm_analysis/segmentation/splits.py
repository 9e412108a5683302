"""The two-way split of the eight types: where "high" begins in recency, frequency and money (REQUIREMENTS S1)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_rfm import SplitSettings
from crm_analysis.segmentation.rfm import DIMENSIONS, POPULATIONS
from crm_analysis.segmentation.rules import EIGHT_TYPES

RFM_SPLIT_SCHEMA: ResultSchema = dict.fromkeys(
    ["kind", "dimension", "split_point", "high_count", "customer_count", "high_share"], OPEN
)
_TYPES = np.array([EIGHT_TYPES[f"{code:03b}"] for code in range(8)])


@dataclass(frozen=True)
class SplitPoints:
    """Where "high" begins in one population: days, orders, currency.

    Better is strictly better than the point (fewer days, more orders, more spent), except with ``is_inclusive``, when a
    value on the point is high too. Equal values therefore never split.
    """

    recency_days: float
    order_count: float
    spend_amount: float
    is_inclusive: bool = False

    def is_high(self, values: pd.Series, *, dimension: str) -> npt.NDArray[np.bool_]:
        """Return whether every value is on the high side."""
        point, figures = getattr(self, DIMENSIONS[dimension]), values.to_numpy(dtype=float)
        beyond = figures < point if dimension == "recency" else figures > point
        return beyond | (figures == point) if self.is_inclusive else beyond


def split_points(inputs: pd.DataFrame, *, split: SplitSettings) -> SplitPoints:
    """Return where "high" begins in one population.

    Parameters
    ----------
    inputs
        ``recency_days, order_count, spend_amount`` of the buyers, see :func:`crm_analysis.segmentation.rfm.rfm_inputs`.
    split
        ``mean`` or ``median`` of the population; thresholds, which are taken as they are; or a top share: the point is
        the value of the first buyer outside the best ``floor(share * n)``, so that never more than the share is high.
    """
    if split.kind == "thresholds":
        return SplitPoints(**split.model_dump(), is_inclusive=True)
    recency, orders, spend = (_point(inputs[column], column=column, split=split) for column in DIMENSIONS.values())
    return SplitPoints(recency, orders, spend)


def eight_types(inputs: pd.DataFrame, *, points: SplitPoints) -> pd.Series:
    """Return the type of every buyer of one population by high or low in R, F and M.

    Parameters
    ----------
    inputs
        ``recency_days, order_count, spend_amount`` of one population.

    Notes
    -----
    REQUIREMENTS S1: 111 important_value, 101 important_development, 011 important_retention, 001 important_winback,
    110 general_value, 100 general_development, 010 general_retention, 000 general_winback.
    """
    codes = np.zeros(len(inputs), dtype=np.int64)
    for dimension, column in DIMENSIONS.items():
        codes = 2 * codes + points.is_high(inputs[column], dimension=dimension)
    return pd.Series(_TYPES[codes], index=inputs.index, dtype="str", name="eight_type")


def rfm_split_table(inputs: pd.DataFrame, *, points: Mapping[str, SplitPoints]) -> pd.DataFrame:
    """Return where "high" begins and how many buyers are high.

    ``kind, recency_days, order_count, spend_amount`` -> ``kind, dimension, split_point, high_count, customer_count,
    high_share``; the share (0-1) that comes out, which equal values make smaller than the one that was asked for

    Parameters
    ----------
    inputs
        Buyers, see :func:`crm_analysis.segmentation.rfm.rfm_inputs`.
    points
        By population; populations without are left out.
    """
    rows = []
    for kind in (kind for kind in POPULATIONS if kind in points):
        members = inputs.loc[inputs["kind"] == kind]
        for dimension, column in DIMENSIONS.items():
            high = int(points[kind].is_high(members[column], dimension=dimension).sum())
            rows.append(
                {
                    "kind": kind,
                    "dimension": dimension,
                    "split_point": round(getattr(points[kind], column), 2),
                    "high_count": high,
                    "customer_count": len(members),
                    "high_share": round(high / len(members), 6) if len(members) else np.nan,
                }
            )
    return pd.DataFrame(rows, columns=list(RFM_SPLIT_SCHEMA))


def _point(values: pd.Series, *, column: str, split: SplitSettings) -> float:
    figures = values.to_numpy(dtype=float)
    if split.top_share is not None:
        rank = math.floor(split.top_share * len(figures) + 1e-9)  # so many stand before it, 0.29 * 100 being 29
        place = rank if column == "recency_days" else len(figures) - 1 - rank
        return float(np.partition(figures, place)[place])
    if split.kind == "median":
        return float(np.median(figures))
    return round(math.fsum(figures.tolist()) / len(figures), 6)  # an exact sum: no order of customers moves it
