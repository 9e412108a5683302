"""Whether the orders cover a quarter: from its beginning, and up to its end."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.words import Message, message

#: Why a quarter is not covered; empty where it is.
REASONS = ("", "unfinished", "begun_inside", "unfinished_begun_inside")


def order_range(orders: ibis.Table, *, until: date | None = None) -> tuple[date, date] | None:
    """Return the local dates of the first and the newest order, later ones than ``until`` left out; None without any.

    The newest date says how far the export reaches; it is the one thing that is asked of orders before the door.
    """
    if until is not None:
        orders = orders.filter(orders.ordered_on <= ibis.literal(until))
    found = orders.aggregate(first=orders.ordered_on.min(), newest=orders.ordered_on.max()).to_pandas().iloc[0]
    if pd.isna(found["newest"]):
        return None
    return pd.Timestamp(found["first"]).date(), pd.Timestamp(found["newest"]).date()


def coverage_document(quarter: Quarter, *, first: date, newest: date, tolerance_days: int) -> dict[str, Any]:
    """Return whether orders from ``first`` to ``newest`` cover a quarter (document ``coverage``).

    Parameters
    ----------
    first, newest
        Local dates of the first and the newest order of the whole export.
    tolerance_days
        Days without orders at either end of the quarter that are no gap.

    Returns
    -------
    dict
        ``quarter``; ``start``, ``end`` (its last day), ``first_order_date``, ``newest_order_date`` as ISO dates;
        ``is_complete``; ``missing_days``: days of the quarter before the first and after the newest order, 0 where
        it is complete; ``reason``, one of ``REASONS``.

    Examples
    --------
    >>> found = coverage_document(
    ...     Quarter(2025, 3), first=date(2024, 1, 2), newest=date(2025, 8, 31), tolerance_days=7
    ... )
    >>> found["is_complete"], found["missing_days"], found["reason"]
    (False, 30, 'unfinished')
    """
    length = (quarter.end - quarter.start).days
    late = min(max((first - quarter.start).days, 0), length)
    short = min(max((quarter.last_day - newest).days, 0), length)
    is_late, is_short = late > tolerance_days, short > tolerance_days
    reason = "_".join(word for word, is_so in (("unfinished", is_short), ("begun_inside", is_late)) if is_so)
    return {
        "quarter": str(quarter),
        "start": quarter.start.isoformat(),
        "end": quarter.last_day.isoformat(),
        "first_order_date": first.isoformat(),
        "newest_order_date": newest.isoformat(),
        "is_complete": not reason,
        "missing_days": min(late * is_late + short * is_short, length),
        "reason": reason,
    }


def coverage_message(coverage: Mapping[str, Any]) -> Message:
    """Return the sentence on how far the orders cover the quarter: a statement, or a warning."""
    return message(
        f"coverage.{coverage['reason'] or 'complete'}",
        quarter=coverage["quarter"],
        start=coverage["start"],
        end=coverage["end"],
        first=coverage["first_order_date"],
        newest=coverage["newest_order_date"],
        days=coverage["missing_days"],
    )
