"""What purchase models read: the purchase summary as arrays, equal rows once with a weight."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.errors import AnalysisError, Problem

Floats = npt.NDArray[np.float64]
SUMMARY_COLUMNS = ("repeat_count", "age_at_last", "age")


@dataclass(frozen=True)
class PurchaseRows:
    """Distinct rows of a purchase summary, each with how many customers share it.

    Attributes
    ----------
    x, t_x, T
        Repeat purchases, and units of time from the first purchase to the last and to the end of observation.
    weight
        Customers with that row.
    """

    x: Floats
    t_x: Floats
    T: Floats
    weight: Floats

    @property
    def n(self) -> float:
        """Customers."""
        return float(self.weight.sum())

    def in_unit(self, unit: float) -> "PurchaseRows":
        """Return the same rows with times counted in a unit that is ``unit`` times as long."""
        return PurchaseRows(self.x, self.t_x / unit, self.T / unit, self.weight)


def purchase_rows(summary: pd.DataFrame, *, distinct: bool = True) -> PurchaseRows:
    """Return the rows of a summary as arrays, sorted, so that the order of customers plays no part.

    ``repeat_count, age_at_last, age`` -> rows; with ``distinct`` equal rows become one with their number as weight

    Raises
    ------
    AnalysisError
        A column is absent, or rows cannot be: negative or missing numbers, a last purchase after the end, a last
        purchase after the first without a repeat purchase, or repeats without one. All problems are named.
    """
    check_summary(summary)
    values = summary[list(SUMMARY_COLUMNS)].astype("float64")
    if distinct:
        grouped = values.groupby(list(SUMMARY_COLUMNS), sort=True).size().rename("weight").reset_index()
    else:
        grouped = values.sort_values(list(SUMMARY_COLUMNS)).assign(weight=1.0)
    columns = (grouped[name].to_numpy(dtype=float) for name in (*SUMMARY_COLUMNS, "weight"))
    return PurchaseRows(*columns)


def check_summary(summary: pd.DataFrame) -> None:
    """Refuse what is no purchase summary; see :func:`purchase_rows`."""
    missing = [name for name in SUMMARY_COLUMNS if name not in summary]
    if missing:
        fix = "give what sources.purchases.purchase_summary_table returns"
        raise AnalysisError([Problem(f"there is no column {name!r}", "purchase summary", fix) for name in missing])
    x, last, age = (summary[name].to_numpy(dtype=float, na_value=np.nan) for name in SUMMARY_COLUMNS)
    wrong = {
        "negative or missing numbers": ~((x >= 0) & (last >= 0) & (age >= 0)),
        "a last purchase after the end of observation": last > age,
        "repeat purchases that are no whole number": x % 1 != 0,
        "a last purchase after the first, but no repeat purchase, or the reverse": (x > 0) != (last > 0),
    }
    problems = [
        Problem(f"{int(rows.sum())} rows have {what}", "purchase summary", "check first and last days of purchases")
        for what, rows in wrong.items()
        if rows.any()
    ]
    if problems:
        raise AnalysisError(problems)
