"""Retention by quarter of first purchase, and by tier at the start of each quarter (REQUIREMENTS E4)."""

from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema

COHORT_SCHEMA: ResultSchema = dict.fromkeys(
    ["cohort", "quarters_since", "quarter", "customer_count", "retained_count", "retention_rate", "is_running"], OPEN
)
COHORT_MEAN_SCHEMA: ResultSchema = dict.fromkeys(
    ["quarters_since", "cohort_count", "customer_count", "retained_count", "retention_rate"], OPEN
)
TIER_RETENTION_SCHEMA: ResultSchema = dict.fromkeys(
    ["quarter", "tier", "customer_count", "retained_count", "retention_rate"], OPEN
)
_MINIMUM = METRICS["customer_retention_rate"].minimum_n


def cohort_table(
    periods: ibis.Table, *, quarter: Quarter, beginning: Quarter, cohorts: int, is_complete: bool = True
) -> pd.DataFrame:
    """Return how many customers of each quarter of first purchase bought again in each quarter since.

    ``customer_periods`` -> columns of ``COHORT_SCHEMA``, sorted by cohort and quarters since

    Parameters
    ----------
    beginning
        First quarter that the data cover as a whole. Who bought in it may have bought before the data begin: the first
        cohort is that of the next quarter.
    cohorts
        Quarters of first purchase to go back, the report's own included.
    is_complete
        Whether the data cover the quarter of the report; if not, its cells are running.

    Returns
    -------
    pandas.DataFrame
        ``customer_count`` is the size of the cohort; ``quarters_since`` 0 is the quarter of the first purchase, in
        which all buy. Future cells are absent. ``retention_rate`` is null for cohorts of fewer than 30. REQUIREMENTS
        E4.
    """
    wanted = [each for each in quarter.back(cohorts) if each > beginning]
    if not wanted:
        return pd.DataFrame(columns=list(COHORT_SCHEMA))
    rows = periods.filter(periods.order_count > 0, periods.quarter_start <= ibis.literal(quarter.start))
    rows = rows.mutate(first_start=rows.quarter_start.min().over(group_by="customer_id"))
    rows = rows.filter(rows.first_start >= ibis.literal(wanted[0].start))
    counts = rows.group_by("first_start", "quarter_start").aggregate(retained_count=rows.customer_id.nunique())
    starts = {pd.Timestamp(each.start): each for each in wanted}
    found = counts.to_pandas().astype(dict.fromkeys(("first_start", "quarter_start"), "datetime64[s]"))
    known = found.set_index(["first_start", "quarter_start"])["retained_count"]
    cells = []
    for start, cohort in starts.items():
        size = int(known.get((start, start), 0))
        for since in range(quarter.since(cohort) + 1):
            then = cohort.shift(since)
            kept = int(known.get((start, pd.Timestamp(then.start)), 0))
            cells.append((str(cohort), since, str(then), size, kept, not is_complete and then == quarter))
    names = ["cohort", "quarters_since", "quarter", "customer_count", "retained_count", "is_running"]
    table = pd.DataFrame(cells, columns=names)
    table["retention_rate"] = _rate(table["retained_count"], table["customer_count"])
    return table[list(COHORT_SCHEMA)].astype({"cohort": "str", "quarter": "str"})


def cohort_mean_table(cohorts: pd.DataFrame) -> pd.DataFrame:
    """Return retention by quarters since the first purchase over all cohorts, finished cells only.

    columns of ``COHORT_SCHEMA`` -> ``quarters_since, cohort_count, customer_count, retained_count, retention_rate``

    Cohorts count by their customers; cells that still run would pull the mean down and are left out.
    """
    finished = cohorts.loc[~cohorts["is_running"].astype(bool) & (cohorts["customer_count"] > 0)]
    sums = finished.groupby("quarters_since").agg(
        cohort_count=("cohort", "size"),
        customer_count=("customer_count", "sum"),
        retained_count=("retained_count", "sum"),
    )
    table = sums.astype("int64").reset_index()
    table["retention_rate"] = _rate(table["retained_count"], table["customer_count"])
    return table[list(COHORT_MEAN_SCHEMA)]


def tier_retention_table(
    periods: ibis.Table,
    tiers: Mapping[Quarter, ibis.Table],
    *,
    tier_order: Sequence[str] = (),
) -> pd.DataFrame:
    """Return how many customers of each tier bought in a quarter, of those who had bought in the one before.

    Parameters
    ----------
    tiers
        ``customer_id, tier`` at the **start** of each quarter: with the tier at its end, tiers of recent buyers would
        hold only those who came back.
    tier_order
        Tiers from best to worst; others follow by name.

    Returns
    -------
    pandas.DataFrame
        ``quarter, tier, customer_count, retained_count, retention_rate``; the rate is null below 30 customers. Buyers
        of the quarter before without a tier are left out. REQUIREMENTS E4.
    """
    frames: list[pd.DataFrame] = []
    for quarter, known in tiers.items():
        starts = [ibis.literal(quarter.shift(-1).start), ibis.literal(quarter.start)]
        buyers = periods.filter(periods.order_count > 0)
        before, now = (
            buyers.filter(buyers.quarter_start == start).select("customer_id").distinct() for start in starts
        )
        joined = before.inner_join(known.select("customer_id", "tier"), "customer_id")
        joined = joined.left_join(now.mutate(is_kept=True), "customer_id")
        counts = joined.group_by("tier").aggregate(
            customer_count=joined.count(), retained_count=joined.count(where=joined.is_kept.notnull())
        )
        frames.append(counts.to_pandas().assign(quarter=str(quarter), place=len(frames)))
    if not frames:
        return pd.DataFrame(columns=list(TIER_RETENTION_SCHEMA))
    table = pd.concat(frames, ignore_index=True)
    table["retention_rate"] = _rate(table["retained_count"], table["customer_count"])
    order = {tier: place for place, tier in enumerate(tier_order)}
    table["rank"] = table["tier"].map(order).fillna(len(order))
    return table.sort_values(["place", "rank", "tier"], ignore_index=True)[list(TIER_RETENTION_SCHEMA)]


def check_retention(scorecard: pd.DataFrame) -> dict[str, Any]:
    """Return both formulas of retention side by side, as the scorecard has them.

    ``kpi, value, n`` -> ``{quarterly_rate, quarterly_n, yearly_rate, yearly_n, renewal_rate, renewal_n}``, null where
    the scorecard has no value. They answer different questions: who bought again in the quarter, and who is still a
    buyer within a year.
    """
    rows = scorecard.set_index("kpi")
    found: dict[str, Any] = {}
    for name, kpi in (("quarterly", "customer_retention_rate"), ("yearly", "yearly_retention_rate"),
                      ("renewal", "contract_renewal_rate")):  # fmt: skip
        value = rows["value"].get(kpi, np.nan)
        found |= {f"{name}_rate": None if np.isnan(value) else float(value), f"{name}_n": int(rows["n"].get(kpi, 0))}
    return found


def _rate(part: pd.Series, whole: pd.Series) -> pd.Series:
    return (part / whole.where(whole >= _MINIMUM)).round(6)
