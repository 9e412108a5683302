"""KPIs of the last quarters, each recomputed from today's data behind the door of its own quarter (DESIGN, rule 6)."""

from collections.abc import Callable, Mapping
from datetime import date

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.intervals import poisson_interval, wilson_interval
from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.evaluation.registry import KpiInputs, available_kpis, kpi_totals

KPI_HISTORY_SCHEMA: ResultSchema = dict.fromkeys(
    ["kpi", "quarter", "unit", "value", "n", "numerator", "denominator", "low", "high", "is_history_short"], OPEN
)
#: A year back must always be there for the comparison with the same quarter of last year.
_AT_LEAST = 5
Door = Callable[[Quarter], Mapping[str, ibis.Table]]


def kpi_history(
    periods: ibis.Table, *, door: Door, quarter: Quarter, settings: EvaluationSettings, tolerance_days: int = 7
) -> pd.DataFrame:
    """Return every KPI that the tables allow for the last quarters.

    ``customer_periods`` and the tables at each quarter's end -> ``kpi, quarter, unit, value, n, numerator, denominator,
    low, high, is_history_short``, sorted by the registry's order and time

    Parameters
    ----------
    periods
        One row per customer and quarter (:mod:`crm_analysis.sources.periods`).
    door
        Gives the canonical tables as they were known at the end of a quarter, from the backend of ``periods``.
    quarter
        Quarter of the report; ``settings.trend_quarters`` quarters end with it, at least five.
    tolerance_days
        Days without an order with which a quarter may begin and still count as covered by the data.

    Returns
    -------
    pandas.DataFrame
        ``value`` in the metric's unit (shares 0-1, points 0-100, amounts in currency); null where the denominator is 0
        or too few quarters lie before, which ``is_history_short`` tells apart. ``low`` and ``high`` are the 95 %
        interval of proportions and of rates of events, else null; see :mod:`crm_analysis.base.intervals`.

    Notes
    -----
    Quarters before the first purchase are left out, and so is a first quarter that the data reach only in part: its
    sums are those of a piece, no base for a comparison. REQUIREMENTS E10.
    """
    if pd.isna(periods.filter(periods.order_count > 0).quarter_start.min().to_pandas()):
        return empty_history()
    first = pd.Timestamp(door(quarter)["orders"].ordered_on.min().to_pandas()).date()
    beginning = first_whole_quarter(first, tolerance_days=tolerance_days, first_month=quarter.first_month)
    wanted = [q for q in quarter.back(max(settings.trend_quarters, _AT_LEAST)) if q >= min(beginning, quarter)]
    frames = []
    for each in wanted:
        inputs = KpiInputs(tables=door(each), periods=periods, quarter=each, settings=settings)
        behind = max(_quarters_between(beginning, each), 0)
        frames.append(quarter_parts(inputs).assign(quarter=str(each), behind=behind))
    return finish_history(pd.concat(frames, ignore_index=True)) if frames else empty_history()


def first_whole_quarter(first: date, *, tolerance_days: int, first_month: int = 1) -> Quarter:
    """Return the first quarter that data from ``first`` on cover, some days of silence at its beginning allowed.

    >>> [str(first_whole_quarter(date(2022, 10, day), tolerance_days=7)) for day in (8, 9)]
    ['2022Q4', '2023Q1']
    """
    quarter = Quarter.containing(first, first_month=first_month)
    return quarter if (first - quarter.start).days <= tolerance_days else quarter.shift(1)


def quarter_parts(inputs: KpiInputs) -> pd.DataFrame:
    """Return ``kpi, numerator, denominator, n`` of all available KPIs of one quarter, in one query."""
    return kpi_totals(inputs, available_kpis(inputs.tables)).to_pandas()


def finish_history(parts: pd.DataFrame) -> pd.DataFrame:
    """Return values, intervals and order for the parts of all quarters.

    ``kpi, quarter, numerator, denominator, n, behind`` (quarters of data before) -> columns of ``KPI_HISTORY_SCHEMA``
    """
    least = parts["kpi"].map(lambda kpi: METRICS[kpi].history_quarters)
    table = with_values(parts, has_history=parts["behind"] >= least)
    table["position"] = table["kpi"].map(list(METRICS).index)
    return table.sort_values(["position", "behind"])[list(KPI_HISTORY_SCHEMA)].reset_index(drop=True)


def with_values(parts: pd.DataFrame, *, has_history: pd.Series) -> pd.DataFrame:
    """Return sums of contributions with what they say: ``unit, value, low, high, is_history_short`` added.

    ``kpi, numerator, denominator, n`` and any other columns -> the same rows; numerator and denominator are rounded

    Parameters
    ----------
    has_history
        Whether enough quarters of data lie before; without them there is no value and n is 0.
    """
    metrics = parts["kpi"].map(METRICS.get)
    scale = metrics.map(lambda m: m.scale)
    is_ratio = metrics.map(lambda m: m.denominator is not None)
    below = parts["denominator"].astype(float)
    ratio = parts["numerator"] / below.where(below != 0) * scale
    digits = np.where(metrics.map(lambda m: m.unit == "amount"), 2, 6)
    value = parts["numerator"].where(~is_ratio, ratio).where(has_history)
    table = parts.assign(
        unit=metrics.map(lambda m: m.unit).astype("str"),
        value=[round(v, int(d)) for v, d in zip(value, digits, strict=True)],
        n=parts["n"].where(has_history, 0).astype("int64"),
        is_history_short=~has_history,
        numerator=parts["numerator"].round(4),
        denominator=below.round(4),
    )
    above, below, is_known = table["numerator"], table["denominator"], table["n"] > 0
    shares = wilson_interval(above, below, where=metrics.map(lambda m: m.is_proportion).astype(bool) & is_known)
    rates = poisson_interval(above, below, where=metrics.map(lambda m: m.is_event_rate).astype(bool) & is_known)
    for name, of_share, of_rate in zip(("low", "high"), shares, rates, strict=True):
        table[name] = (of_share.fillna(of_rate) * scale).round(6)
    return table


def empty_history() -> pd.DataFrame:
    """Return a history without rows."""
    text, number = ["kpi", "quarter", "unit"], ["value", "numerator", "denominator", "low", "high"]
    kinds = dict.fromkeys(text, "str") | dict.fromkeys(number, "float64") | {"n": "int64", "is_history_short": "bool"}
    return pd.DataFrame({name: pd.Series(dtype=kinds[name]) for name in KPI_HISTORY_SCHEMA})


def _quarters_between(earlier: Quarter, later: Quarter) -> int:
    return (later.year * 4 + later.number) - (earlier.year * 4 + earlier.number)
