"""Bridges of customers and of net revenue between two periods (REQUIREMENTS E15).

Every customer with something in either period stands in exactly one part, by what he bought; his part of the change
is the difference of his net spend. So the parts sum to the change of revenue, whatever refunds there were.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema

#: Parts in the order of the bridge. ``refund_only``: no counted order in either period, money moved all the same.
PARTS = ("lost", "down", "level", "up", "returned", "new", "refund_only")
SPANS = ("previous_quarter", "year_ago", "trailing_year")
#: What stands in a shown bridge beside the parts: both ends, and parts of too few customers taken together.
START, END, FEW = "start", "end", "few"
#: Tier of customers who were not known when the tiers were taken.
JOINED = "joined"

_SUMS = ("before_amount", "now_amount", "unbased_before_amount", "unbased_now_amount", "capped_amount")
_COUNTS = ("customer_count", "unbased_count")
BRIDGE_SCHEMA: ResultSchema = dict.fromkeys(
    ["bridge_span", "tier", "bridge_part", *_COUNTS, *_SUMS, "change_amount"], OPEN
)
STEP_COLUMNS = ("bridge_part", "customer_count", "change_amount", "from_amount", "to_amount")


@dataclass(frozen=True)
class Span:
    """Two periods of whole quarters that are compared, first and last quarter of each included.

    Attributes
    ----------
    name
        One of :data:`SPANS`.
    """

    name: str
    before: tuple[Quarter, Quarter]
    now: tuple[Quarter, Quarter]


def bridge_spans(quarter: Quarter, *, beginning: Quarter) -> list[Span]:
    """Return what the quarter can be compared with: only periods that the data cover from their first day.

    Parameters
    ----------
    beginning
        First quarter that the data cover as a whole.

    Examples
    --------
    >>> [span.name for span in bridge_spans(Quarter(2025, 3), beginning=Quarter(2024, 3))]
    ['previous_quarter', 'year_ago']
    """

    def back(quarters: int) -> Quarter:
        return quarter.shift(-quarters)

    spans = [
        Span("previous_quarter", (back(1), back(1)), (quarter, quarter)),
        Span("year_ago", (back(4), back(4)), (quarter, quarter)),
        Span("trailing_year", (back(7), back(4)), (back(3), quarter)),
    ]
    return [span for span in spans if span.before[0] >= beginning]


def bridge_table(
    periods: ibis.Table,
    *,
    spans: Sequence[Span],
    tiers: Mapping[str, ibis.Table] | None = None,
    order: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the parts of the bridge per pair of periods, of all customers or by tier.

    ``customer_id, quarter_start, order_count, spend_amount`` -> columns of ``BRIDGE_SCHEMA``

    Parameters
    ----------
    periods
        ``customer_periods``: one row per customer and quarter, from the first purchase of all to the last quarter of
        the spans.
    tiers
        By name of the span, ``customer_id, tier`` at the start of the **earlier** period: both amounts are judged by
        what was known before either. Spans without it are left out. Without the argument, ``tier`` is empty.
    order
        Tiers, best first; others follow by name.

    Returns
    -------
    pandas.DataFrame
        A row per span (and tier: customers who had none yet are :data:`JOINED`) and each of :data:`PARTS`, also where
        nobody is in it. ``before_amount``, ``now_amount``: net spend of these customers in both periods (currency);
        ``change_amount``: their difference. ``unbased_*``: those of them who bought in the earlier period, but whose
        net spend in it is 0 or less. ``capped_amount``: of the others who bought in the earlier period, the lesser of
        both amounts.

    Notes
    -----
    ``lost``: bought (a counted order) in the earlier period, not in the later; ``up``, ``level``, ``down``: bought in
    both, by net spend; ``returned``: bought in the later, not in the earlier, but before it; ``new``: first bought
    after the earlier period; ``refund_only``: bought in neither, but refunds (or orders refunded in full) moved money.
    Buyers later = buyers earlier - lost + returned + new. The parts sum to the change. REQUIREMENTS E15.
    """
    found = []
    for span in spans:
        if tiers is not None and span.name not in tiers:
            continue
        rows = _customer_parts(periods, span)
        if tiers is None:
            placed = rows.mutate(tier=ibis.null("string"))
        else:
            known = tiers[span.name].select("customer_id", "tier")
            placed = rows.left_join(known, "customer_id").mutate(tier=ibis._.tier.fill_null(JOINED))
        found.append(_part_sums(placed).mutate(bridge_span=ibis.literal(span.name)).to_pandas())
    return _complete(pd.concat(found, ignore_index=True), order=order) if found else empty_bridge()


def _customer_parts(periods: ibis.Table, span: Span) -> ibis.Table:
    """Return one row per customer who bought or was paid back in either period: both amounts, and his part.

    Money is DECIMAL, so that differences and sums are exact.
    """
    day = periods.quarter_start
    before = day.between(span.before[0].start, span.before[1].start)
    now = day.between(span.now[0].start, span.now[1].start)
    bought, money = periods.order_count > 0, periods.spend_amount.cast("decimal(18, 4)")
    sums = periods.group_by("customer_id").aggregate(
        before_amount=money.sum(where=before).fill_null(0),
        now_amount=money.sum(where=now).fill_null(0),
        before_count=periods.count(where=before & bought),
        now_count=periods.count(where=now & bought),
        earlier_count=periods.count(where=bought & (day < ibis.literal(span.before[0].start))),
    )
    was, remains, change = sums.before_count > 0, sums.now_count > 0, sums.now_amount - sums.before_amount
    part = ibis.cases(
        (was & ~remains, "lost"),
        (was & (change < 0), "down"),
        (was & (change == 0), "level"),
        (was, "up"),
        (remains & (sums.earlier_count > 0), "returned"),
        (remains, "new"),
        else_="refund_only",
    )
    moved = was | remains | (sums.before_amount != 0) | (sums.now_amount != 0)
    return sums.filter(moved).select(
        "customer_id",
        "before_amount",
        "now_amount",
        bridge_part=part,
        is_base=was & (sums.before_amount > 0),
        is_unbased=was & (sums.before_amount <= 0),
    )


def _part_sums(rows: ibis.Table) -> ibis.Table:
    """Return the sums per tier and part."""
    capped = ibis.least(rows.before_amount, rows.now_amount)
    sums = rows.group_by("tier", "bridge_part").aggregate(
        customer_count=rows.count(),
        unbased_count=rows.count(where=rows.is_unbased),
        before_amount=rows.before_amount.sum(),
        now_amount=rows.now_amount.sum(),
        unbased_before_amount=rows.before_amount.sum(where=rows.is_unbased),
        unbased_now_amount=rows.now_amount.sum(where=rows.is_unbased),
        capped_amount=capped.sum(where=rows.is_base),
    )
    return sums.mutate(**{name: sums[name].fill_null(0).cast("float64") for name in _SUMS})


def _complete(sums: pd.DataFrame, *, order: Sequence[str]) -> pd.DataFrame:
    """Add the parts in which nobody is; tiers in their order, then by name, those without one last."""
    groups = sums[["bridge_span", "tier"]].drop_duplicates()
    every = groups.merge(pd.DataFrame({"bridge_part": PARTS, "place": range(len(PARTS))}), how="cross")
    table = every.merge(sums, on=["bridge_span", "tier", "bridge_part"], how="left")
    table[[*_COUNTS, *_SUMS]] = table[[*_COUNTS, *_SUMS]].fillna(0)
    table["span"] = table["bridge_span"].map(SPANS.index)
    ranks = {tier: rank for rank, tier in enumerate(order)} | {JOINED: len(order) + 1}
    table["rank"] = table["tier"].map(ranks).fillna(len(order))
    table = table.sort_values(["span", "rank", "tier", "place"], ignore_index=True)
    amounts = {name: table[name].astype(float).round(2) for name in _SUMS}
    counts = {name: table[name].astype("int64") for name in _COUNTS}
    table = table.assign(tier=table["tier"].astype("str"), **amounts, **counts)
    table["change_amount"] = (table["now_amount"] - table["before_amount"]).round(2)
    return table[list(BRIDGE_SCHEMA)]


def empty_bridge() -> pd.DataFrame:
    """Return a bridge without rows."""
    kinds = dict.fromkeys(_COUNTS, "int64") | dict.fromkeys([*_SUMS, "change_amount"], "float64")
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "str")) for name in BRIDGE_SCHEMA})


def bridge_steps_table(bridge: pd.DataFrame, *, span: str, minimum_cell: int) -> pd.DataFrame:
    """Return one bridge as steps from the earlier revenue to the later: what is shown and drawn.

    columns of ``BRIDGE_SCHEMA`` (of all customers) -> ``bridge_part, customer_count, change_amount, from_amount,
    to_amount``; first ``start`` and last ``end`` with the buyers and the revenue of both periods; no rows where the
    bridge has no such span

    Parameters
    ----------
    minimum_cell
        Parts of fewer customers are taken together as ``few``, with the next smallest where they are still too few.

    Notes
    -----
    Parts without customers are left out. ``level`` changes nothing and ``refund_only`` is a correction of the books
    that says nothing of what its customers buy: both stand for themselves, however few they are.
    """
    rows = bridge.loc[bridge["bridge_span"] == span].set_index("bridge_part")
    if rows.empty:
        return pd.DataFrame({name: pd.Series(dtype="float64") for name in STEP_COLUMNS})
    counts = rows["customer_count"]
    before, now = (round(float(rows[name].sum()), 2) for name in ("before_amount", "now_amount"))
    small = _small_parts(counts.drop(["level", "refund_only"]), minimum=minimum_cell)
    steps = rows.loc[[part for part in rows.index if part not in small], ["customer_count", "change_amount"]]
    if small:
        steps.loc[FEW] = rows.loc[small, ["customer_count", "change_amount"]].sum()
    steps = steps.loc[steps["customer_count"] > 0].rename_axis("bridge_part").reset_index()
    ends = steps["change_amount"].cumsum() + before
    steps["from_amount"], steps["to_amount"] = (ends - steps["change_amount"]).round(2), ends.round(2)
    kept = int(counts[["down", "level", "up"]].sum())
    edges = pd.DataFrame({
        "bridge_part": [START, END],
        "customer_count": [kept + counts["lost"], kept + counts["returned"] + counts["new"]],
        "change_amount": [before, now],
        "from_amount": 0.0,
        "to_amount": [before, now],
    })  # fmt: skip
    table = pd.concat([edges.iloc[:1], steps, edges.iloc[1:]], ignore_index=True)
    return table.astype({"customer_count": "int64"}).round(2)[list(STEP_COLUMNS)]


def _small_parts(counts: pd.Series, *, minimum: int) -> list[str]:
    """Return the parts to take together: those of too few customers, with the next smallest until they are enough."""
    filled = counts.loc[counts > 0].sort_values(kind="stable")
    small = filled.loc[filled < minimum]
    if small.empty:
        return []
    taken = len(small)
    while taken < len(filled) and (filled.iloc[:taken].sum() < minimum or taken < 2):
        taken += 1
    return [part for part in counts.index if part in set(filled.index[:taken])]
