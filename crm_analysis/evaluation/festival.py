"""The same quarter of last year with Spring Festival on the same days (REQUIREMENTS E10).

The festival moves by up to a month from year to year. Where days of its window lie in this quarter but lay outside the
same quarter of last year (or the other way round), the plain change on last year takes the move for growth or loss.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.calendars import festivals, spring_festival
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_effects import FestivalSettings
from crm_analysis.sources.purchases import is_counted, signed_amounts, with_purchase_history

#: Flows that are sums over days, and their units.
FLOWS: Mapping[str, str] = {"revenue": "amount", "order_count": "count", "buyer_days": "count"}
#: ``untouched``: no day of a window in either quarter; ``whole``: the same days of it in both; ``moved``: others.
FESTIVAL_STATUSES = ("untouched", "whole", "moved", "no_history", "incomplete")

FESTIVAL_SCHEMA: ResultSchema = dict.fromkeys(
    ["flow", "unit", "value", "year_ago_value", "plain_change_share", "aligned_value", "aligned_change_share",
     "window_change_share", "ordinary_change_share", "n", "n_year_ago"],
    OPEN,
)  # fmt: skip
_ONE = timedelta(days=1)


def daily_flows_table(orders: ibis.Table, *, start: date, end: date) -> pd.DataFrame:
    """Return the flows of every day with an order or a refund.

    ``orders`` behind the door -> ``date, revenue, order_count, buyer_days``, sorted; days in ``[start, end)``

    Notes
    -----
    ``revenue``: counted orders less refunds at their own date; ``order_count``: counted orders; ``buyer_days``:
    customers with a counted order on the day, so that over a quarter a customer counts once for each day of buying.
    """
    rows = signed_amounts(with_purchase_history(orders))
    rows = rows.filter((rows.ordered_on >= ibis.literal(start)) & (rows.ordered_on < ibis.literal(end)))
    rows = rows.mutate(is_counted=is_counted(rows))
    sums = rows.group_by(date=rows.ordered_on).aggregate(
        revenue=rows.spend_amount.sum().cast("float64"),
        order_count=rows.count(where=rows.is_counted),
        buyer_days=rows.customer_id.nunique(where=rows.is_counted),
    )
    table = sums.order_by("date").to_pandas()
    return table.astype({"date": "datetime64[s]"} | dict.fromkeys(FLOWS, "float64"))


def days_needed(quarter: Quarter) -> tuple[date, date]:
    """Return the days ``[start, end)`` of flows that the comparison reads: windows may begin before the quarters."""
    return quarter.shift(-5).start, quarter.end


def festival_window(year: int, *, settings: FestivalSettings) -> tuple[date, date]:
    """Return the first and the last day of the window around Spring Festival of a year.

    >>> [day.isoformat() for day in festival_window(2025, settings=FestivalSettings())]
    ['2025-01-14', '2025-02-13']
    """
    day = spring_festival(year)
    return day - timedelta(days=settings.days_before), day + timedelta(days=settings.days_after)


def festival_days(quarter: Quarter, *, settings: FestivalSettings) -> dict[date, int]:
    """Return the days of a quarter that lie in a window, with their distance from the festival in days."""
    found: dict[date, int] = {}
    for year in range(quarter.start.year - 1, quarter.end.year + 2):
        festival = spring_festival(year)
        first, last = festival_window(year, settings=settings)
        span = (min(last, quarter.last_day) - max(first, quarter.start)).days
        days = (max(first, quarter.start) + _ONE * place for place in range(span + 1))
        found |= {day: (day - festival).days for day in days}
    return found


def festival_table(daily: pd.DataFrame, *, quarter: Quarter, settings: FestivalSettings) -> pd.DataFrame:
    """Return the flows of the quarter, of the same one last year, and of last year with the festival aligned.

    ``date, revenue, order_count, buyer_days`` -> one row per flow, columns of ``FESTIVAL_SCHEMA``

    Parameters
    ----------
    daily
        Days with a flow, at least those of :func:`days_needed`; days that are absent had none.

    Returns
    -------
    pandas.DataFrame
        ``aligned_value``: last year's flow on the days of the window at the same distances from the festival that this
        quarter has, plus last year's mean ordinary day of the same quarter times this quarter's ordinary days. Equal to
        ``year_ago_value`` where no window touches either quarter. Changes are relative to a positive base, else null;
        ``window_change_share`` and ``ordinary_change_share`` hold days of the window and ordinary days against their
        own, per day. ``n`` and ``n_year_ago``: counted orders of both quarters.
    """
    year_ago = quarter.shift(-4)
    now, then = festival_days(quarter, settings=settings), festival_days(year_ago, settings=settings)
    shift = _festival_shift(now, settings=settings)
    flows = daily.set_index("date")[list(FLOWS)]
    here, before = _within(flows, quarter), _within(flows, year_ago)
    matched = flows.reindex(pd.DatetimeIndex([day - shift for day in now])).fillna(0.0)
    window_now = here.reindex(pd.DatetimeIndex(list(now))).fillna(0.0).sum()
    ordinary_now = here.sum() - window_now
    ordinary_then = before.sum() - before.reindex(pd.DatetimeIndex(list(then))).fillna(0.0).sum()
    count_now, count_then = _day_count(quarter) - len(now), _day_count(year_ago) - len(then)
    ordinary = ordinary_then / count_then * count_now
    aligned = matched.sum() + ordinary if now or then else before.sum()
    table = pd.DataFrame(
        {
            "flow": list(FLOWS),
            "unit": list(FLOWS.values()),
            "value": here.sum().round(2).to_numpy(),
            "year_ago_value": before.sum().round(2).to_numpy(),
            "plain_change_share": _changes(here.sum(), before.sum()),
            "aligned_value": aligned.round(2).to_numpy(),
            "aligned_change_share": _changes(here.sum(), aligned),
            "window_change_share": _changes(window_now, matched.sum()),
            "ordinary_change_share": _changes(ordinary_now, ordinary),
            "n": int(here["order_count"].sum()),
            "n_year_ago": int(before["order_count"].sum()),
        }
    )
    return table[list(FESTIVAL_SCHEMA)].astype({"flow": "str", "unit": "str"})


def festival_document(
    quarter: Quarter, *, settings: FestivalSettings, begun: Quarter | None, is_complete: bool = True
) -> dict[str, Any]:
    """Return what kind of comparison the quarter has, and the festivals in both quarters.

    Parameters
    ----------
    begun
        First quarter that the data cover as a whole; ``None`` without any data.
    is_complete
        Whether the data cover the quarter; a piece of a quarter is not compared.

    Returns
    -------
    dict
        ``status``: one of ``FESTIVAL_STATUSES``; ``festival_date`` and ``year_ago_date``: Spring Festival whose window
        touches this quarter, or did last year's (else the one of the quarter's year), and a year before; ``day_count``
        and ``year_ago_day_count``: days of the window in both quarters; ``days_before``, ``days_after``; ``quarter``;
        ``marked``: ``quarter, date, festival`` of both quarters (Spring Festival, 6.18, 11.11).
    """
    year_ago = quarter.shift(-4)
    now, then = festival_days(quarter, settings=settings), festival_days(year_ago, settings=settings)
    status = "untouched" if not (now or then) else "whole" if set(now.values()) == set(then.values()) else "moved"
    if begun is None or year_ago < begun or (now and _window_start(now, settings=settings) < begun.start):
        status = "no_history"
    elif not is_complete:
        status = "incomplete"
    year = _festival_year(now, then, quarter=quarter)
    return {
        "status": status,
        "quarter": str(quarter),
        "festival_date": spring_festival(year).isoformat(),
        "year_ago_date": spring_festival(year - 1).isoformat(),
        "day_count": len(now),
        "year_ago_day_count": len(then),
        "days_before": settings.days_before,
        "days_after": settings.days_after,
        "marked": [
            {"quarter": str(each), "date": day.isoformat(), "festival": slug}
            for each in (year_ago, quarter)
            for day, slug in festivals(each.start, each.end)
        ],
    }


def _festival_year(now: Mapping[date, int], then: Mapping[date, int], *, quarter: Quarter) -> int:
    if now:
        day, distance = next(iter(now.items()))
        return (day - _ONE * distance).year
    if then:
        day, distance = next(iter(then.items()))
        return (day - _ONE * distance).year + 1
    return quarter.start.year


def _festival_shift(now: Mapping[date, int], *, settings: FestivalSettings) -> timedelta:
    """Return how far the festival of the quarter lies after that of the year before."""
    if not now:
        return timedelta()
    day, distance = next(iter(now.items()))
    festival = day - _ONE * distance
    return festival - spring_festival(festival.year - 1)


def _window_start(now: Mapping[date, int], *, settings: FestivalSettings) -> date:
    """Return the first day of last year that the days of the window are compared with."""
    return min(now) - _festival_shift(now, settings=settings)


def _within(flows: pd.DataFrame, quarter: Quarter) -> pd.DataFrame:
    inside = (flows.index >= pd.Timestamp(quarter.start)) & (flows.index < pd.Timestamp(quarter.end))
    return flows.loc[inside]


def _day_count(quarter: Quarter) -> int:
    return (quarter.end - quarter.start).days


def _changes(value: pd.Series, base: pd.Series) -> Any:
    return ((value - base) / base.where(base > 0)).round(6).to_numpy()
