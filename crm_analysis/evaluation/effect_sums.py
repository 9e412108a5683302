"""What treated and held-out customers did before and after their assignment, summed by the engine (REQUIREMENTS E12).

Who was assigned stays in the group that the assignment put him into, whatever was done (intention to treat).
"""

from collections.abc import Mapping

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_effects import ProgrammeSettings
from crm_analysis.sources.purchases import signed_amounts, with_purchase_history

#: Measured after the assignment, with the unit of its mean per head; spend is in cents, buyers are 0 or 1.
OUTCOMES: Mapping[str, str] = {"spend": "amount", "orders": "score", "buyers": "share"}
#: Measured before it.
COVARIATES: Mapping[str, str] = {"spend_before": "amount", "orders_before": "score", "recency_days": "days"}
#: Spend in a window as long as the outcome's: just before the assignment, and both windows a year earlier.
SEASON = ("spend_just_before", "spend_year_ago", "spend_just_before_year_ago")
MEASURED = (*OUTCOMES, *COVARIATES, *SEASON)
CENTS = frozenset({"spend", "spend_before", *SEASON})
_YEAR = 365

SUMS_SCHEMA: ResultSchema = dict.fromkeys(
    ["campaign", "is_control", "is_in_quarter", "measured", "n", "total", "squares"], OPEN
)


def assignments_table(actions: ibis.Table, *, quarter: Quarter, settings: ProgrammeSettings) -> ibis.Table:
    """Return who was assigned in which campaign, with outcomes that became known in the last quarters.

    ``actions`` behind the door of the quarter's end -> ``campaign, customer_id, assigned_at, assigned_on, is_control,
    is_conflict, is_in_quarter``; one row per campaign and customer, the first assignment

    Notes
    -----
    Rows without a campaign or a customer are upkeep, no experiment. ``is_conflict``: the campaign has the customer both
    as treated and as control; such customers belong to neither. The outcome of an assignment is known once
    ``outcome_days`` have passed; ``is_in_quarter``: that was in the quarter of the report.
    """
    rows = actions.filter(actions.campaign_id.notnull(), actions.customer_id.notnull())
    whole = ibis.interval(days=settings.outcome_days)
    firsts = rows.group_by(campaign=rows.campaign_id, customer_id=rows.customer_id).aggregate(
        assigned_at=rows.assigned_at.min(),
        assigned_on=rows.assigned_on.min(),
        control_count=rows.count(where=rows.is_control),
        row_count=rows.count(),
    )
    known = (firsts.assigned_on + whole).cast("date")
    begun = quarter.shift(1 - settings.quarters).start
    firsts = firsts.filter(known <= ibis.literal(quarter.end), known > ibis.literal(begun))
    return firsts.select(
        "campaign",
        "customer_id",
        "assigned_at",
        "assigned_on",
        is_control=firsts.control_count > 0,
        is_conflict=(firsts.control_count > 0) & (firsts.control_count < firsts.row_count),
        is_in_quarter=(firsts.assigned_on + whole).cast("date") > ibis.literal(quarter.start),
    )


def assigned_rows(assignments: ibis.Table, orders: ibis.Table, *, settings: ProgrammeSettings) -> ibis.Table:
    """Return the assignments with what each customer bought around them.

    assignments and ``orders`` behind the same door -> ``campaign, customer_id, is_control, is_in_quarter`` and all of
    ``MEASURED``; customers in conflict are left out

    Notes
    -----
    After: from the minute of the assignment, for ``outcome_days`` local days, the day of the assignment the first.
    Before: ``balance_days`` up to that minute; ``recency_days`` counts from the last order of all, null without one.
    Spend is net of refunds at their own date. An order refunded in full counts as one before the assignment if the
    refund came later: nothing after the assignment may change what lay before it.
    """
    bought = signed_amounts(with_purchase_history(orders)).select(
        "customer_id", "ordered_on", "ordered_at", "is_refund", "amount", "spend_amount", "refunded_on"
    )
    assigned = assignments.filter(~assignments.is_conflict)
    keys = ["campaign", "customer_id", "is_control", "is_in_quarter", "assigned_at", "assigned_on"]
    joined = assigned.select(*keys).left_join(bought, "customer_id")
    is_after = (joined.ordered_at >= joined.assigned_at) & (joined.ordered_on < _moved(joined, settings.outcome_days))
    is_before = joined.ordered_at < joined.assigned_at
    is_purchase = ~joined.is_refund & (joined.amount > 0)
    counted_then = is_purchase & (joined.refunded_on.isnull() | (joined.refunded_on >= joined.assigned_on))
    counted_now = is_purchase & joined.refunded_on.isnull()
    is_recent = is_before & (joined.ordered_on >= _moved(joined, -settings.balance_days))
    season = {
        "spend_just_before": is_before & (joined.ordered_on >= _moved(joined, -settings.outcome_days)),
        "spend_year_ago": _between(joined, -_YEAR, settings.outcome_days - _YEAR),
        "spend_just_before_year_ago": _between(joined, -settings.outcome_days - _YEAR, -_YEAR),
    }
    cents = (joined.spend_amount * 100).round().cast("int64")
    sums = joined.group_by(*keys).aggregate(
        spend=cents.sum(where=is_after).fill_null(0),
        orders=joined.count(where=is_after & counted_now),
        spend_before=cents.sum(where=is_recent).fill_null(0),
        orders_before=joined.count(where=is_recent & counted_then),
        last_on=joined.ordered_on.max(where=is_before & counted_then),
        **{name: cents.sum(where=where).fill_null(0) for name, where in season.items()},
    )
    return sums.select(
        *keys[:4],
        buyers=(sums.orders > 0).cast("int64"),
        recency_days=sums.assigned_on.delta(sums.last_on, unit="day").cast("int64"),
        **{name: sums[name].cast("int64") for name in MEASURED if name not in {"buyers", "recency_days"}},
    )


def effect_sums_table(assigned: ibis.Table) -> pd.DataFrame:
    """Return sums and sums of squares of everything measured, by campaign and group.

    :func:`assigned_rows` -> ``campaign, is_control, is_in_quarter, measured, n, total, squares``, sorted

    Notes
    -----
    Sums of whole numbers: they do not depend on the order of rows. ``n``: customers with a value (all but
    ``recency_days``, which customers without an order have not). Spend is in cents.
    """
    keys = ["campaign", "is_control", "is_in_quarter"]
    wide = assigned.group_by(*keys).aggregate(
        **{f"n_{name}": assigned[name].count() for name in MEASURED},
        **{f"total_{name}": assigned[name].sum().cast("float64").fill_null(0.0) for name in MEASURED},
        **{f"squares_{name}": _squares(assigned[name]).cast("float64").fill_null(0.0) for name in MEASURED},
    )
    frame = wide.order_by(*keys).to_pandas()
    parts = [
        frame[keys].assign(measured=name, **{each: frame[f"{each}_{name}"] for each in ("n", "total", "squares")})
        for name in MEASURED
    ]
    table = pd.concat(parts, ignore_index=True)
    table["place"] = table["measured"].map(list(MEASURED).index)
    ordered = table.sort_values([*keys, "place"], ignore_index=True)[list(SUMS_SCHEMA)]
    return ordered.astype({"campaign": "str", "measured": "str", "n": "int64"})


def empty_sums() -> pd.DataFrame:
    """Return sums without rows, where there is no record of actions."""
    kinds = {"campaign": "str", "measured": "str", "n": "int64", "total": "float64", "squares": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "bool")) for name in SUMS_SCHEMA})


def conflicts_document(assignments: ibis.Table) -> dict[str, int]:
    """Return how many customers were treated and held out at once.

    ``conflict_count``: those on both sides of one campaign; ``crossed_count``: those of one side in a campaign and of
    the other in another, whose control is not left alone.
    """
    clear = assignments.filter(~assignments.is_conflict)
    sides = clear.group_by("customer_id").aggregate(is_crossed=clear.is_control.any() & (~clear.is_control).any())
    return {
        "conflict_count": int(assignments.count(where=assignments.is_conflict).to_pandas()),
        "crossed_count": int(sides.count(where=sides.is_crossed).to_pandas()),
    }


def _squares(values: ibis.Value) -> ibis.Value:
    exact = values.cast("decimal(18, 0)")
    return (exact * exact).sum()


def _moved(rows: ibis.Table, days: int) -> ibis.Value:
    return (rows.assigned_on + ibis.interval(days=days)).cast("date")


def _between(rows: ibis.Table, first: int, last: int) -> ibis.Value:
    """Return which orders lie in ``[first, last)`` days from the assignment."""
    return (rows.ordered_on >= _moved(rows, first)) & (rows.ordered_on < _moved(rows, last))
