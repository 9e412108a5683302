"""How much of a change comes from customers moving between tiers, and how much from change within them (E13).

This quarter against the same one of last year; the tier is that at each quarter's start, as for all rates by tier.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.evaluation.mix_cells import ENDS, KPIS, NO_TIER

#: In order of showing. ``mix``: customers of both periods who moved between tiers; ``within``: change in tiers;
#: ``joined``, ``left``: customers of one period alone; ``newcomers``: those without a tier at the start (first purchase
#: in the quarter).
PARTS = ("mix", "within", "joined", "left", "newcomers")
MIX_SCHEMA: ResultSchema = dict.fromkeys(
    ["kpi", "unit", "change_part", "tier", "n_before", "n_now", "mean_before", "mean_now", "contribution"], OPEN
)
PARTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["kpi", "unit", "change_part", "contribution", "part_share", "n_before", "n_now"], OPEN
)
TIERS_COLUMNS = ("tier", "n_before", "n_now", "mean_before", "mean_now", "mix", "within")
#: Changes smaller than this, relative to the value before, are not shared out among parts.
_SMALLEST_CHANGE = 0.01


def mix_effect_table(cells: pd.DataFrame, *, order: Sequence[str] = (), kpis: Iterable[str] = KPIS) -> pd.DataFrame:
    """Return the change of each KPI in parts that sum to it, by tier where a part has tiers.

    ``tier_cells`` -> columns of ``MIX_SCHEMA``; the ends ``before`` and ``now`` stand first and last

    Parameters
    ----------
    order
        Tiers in the order of showing; others follow by name.
    kpis
        KPIs whose values are known in both quarters; a rate nobody takes part in is left out.

    Notes
    -----
    Both decompositions are symmetric in time and exact: the parts sum to the change. After Kitagawa (1955).

    Sums (revenue), over customers with a tier at both starts, tier *k* with N of them and mean m: ``mix`` is the sum of
    (N now - N before) x (mean of both m - mean of all), ``within`` the sum of mean of both N x (m now - m before).
    ``joined`` is what customers who did not exist at the earlier start spend now, ``left`` less what customers without
    a tier now spent, ``newcomers`` the difference of what those without a tier at their quarter's start spent.

    Rates, over all who are in the denominator, tier *k* with share p and rate r: ``within`` is the sum of mean of both
    p x (r now - r before). What change of the shares explains, (p now - p before) x (mean of both r - mean of both
    rates), is split by who makes up the shares: customers in both denominators (``mix``), now alone (``joined``), then
    alone (``left``). Rates are not taken over customers in both alone: who is in the later denominator is mostly who
    was kept, so that their earlier rate flatters.

    In a tier that is empty at one end m or r is that of the other end.
    """
    ranks = {tier: rank for rank, tier in enumerate(order)}
    rows: list[dict[str, Any]] = []
    for kpi in [each for each in KPIS if each in set(kpis)]:
        own = cells.loc[cells["kpi"] == kpi]
        if own.empty:
            continue
        found = _sum_parts(own) if kpi == "revenue" else _rate_parts(own)
        found.sort(key=lambda row: (_PLACES[row["change_part"]], ranks.get(row["tier"], len(ranks)), row["tier"]))
        rows += [{"kpi": kpi, "unit": METRICS[kpi].unit, **row} for row in found]
    table = pd.DataFrame(rows, columns=list(MIX_SCHEMA))
    text, counts = ("kpi", "unit", "change_part", "tier"), ("n_before", "n_now")
    numbers = dict.fromkeys(("mean_before", "mean_now", "contribution"), "float64")
    return table.astype(dict.fromkeys(text, "str") | dict.fromkeys(counts, "int64") | numbers)


def mix_parts_table(mix: pd.DataFrame, *, minimum_cell: int) -> pd.DataFrame:
    """Return each part as a whole, without tiers.

    ``mix_effect`` -> columns of ``PARTS_SCHEMA``, the ends of each KPI first and last; parts without customers are left
    out

    Parameters
    ----------
    minimum_cell
        Parts of fewer customers, and one more where it would follow, are told together as ``other``.

    Notes
    -----
    ``part_share``: contribution / change of the KPI; negative where a part works against the change, and above 1 where
    others do; null for the ends, and where the KPI changed by less than 1 % of itself. ``n``: customers in the part.
    """
    if mix.empty:
        return pd.DataFrame(columns=list(PARTS_SCHEMA))
    sums = (
        mix.groupby(["kpi", "unit", "change_part"], sort=False)[["contribution", "n_before", "n_now"]]
        .sum()
        .reset_index()
    )
    sums = pd.concat([_without_small(own, minimum=minimum_cell) for _, own in sums.groupby("kpi", sort=False)])
    before, now = (sums.loc[sums["change_part"] == end].set_index("kpi")["contribution"] for end in ENDS)
    change = now - before
    is_large = (change != 0) & (change.abs() >= before.abs() * _SMALLEST_CHANGE)
    share = (sums["contribution"] / sums["kpi"].map(change.where(is_large))).where(~sums["change_part"].isin(ENDS))
    return sums.assign(part_share=share.round(6), contribution=sums["contribution"].round(9))[
        list(PARTS_SCHEMA)
    ].reset_index(drop=True)


def mix_tiers_table(mix: pd.DataFrame, *, kpi: str, minimum_cell: int) -> pd.DataFrame:
    """Return mix and within of one KPI by tier.

    ``mix_effect`` -> ``tier, n_before, n_now, mean_before, mean_now, mix, within``

    Parameters
    ----------
    minimum_cell
        Tiers of fewer customers at either end keep their numbers of customers and lose the rest, and so do further ones
        from which the rest would follow.
    """
    own = mix.loc[(mix["kpi"] == kpi) & mix["change_part"].isin(["mix", "within"])]
    by_part = own.pivot_table(index="tier", columns="change_part", values="contribution", aggfunc="sum")
    table = own.loc[own["change_part"] == "within"].reset_index(drop=True)
    for part in ("mix", "within"):
        table[part] = table["tier"].map(by_part.get(part, {})).astype("float64")
    hidden = hidden_cells(table["n_before"], minimum=minimum_cell) | hidden_cells(table["n_now"], minimum=minimum_cell)
    shown = {name: table[name].mask(hidden) for name in ("mean_before", "mean_now", "mix", "within")}
    return table.assign(**shown)[list(TIERS_COLUMNS)]


_PLACES: Mapping[str, int] = {part: place for place, part in enumerate(("before", *PARTS, "now"))}


def _without_small(parts: pd.DataFrame, *, minimum: int) -> pd.DataFrame:
    """Return the parts that have customers, those that may not be told alone put together before the end."""
    is_end = parts["change_part"].isin(ENDS)
    parts = parts.loc[is_end | (parts["n_before"] + parts["n_now"] > 0)]
    inner = parts.loc[~parts["change_part"].isin(ENDS)]
    hidden = hidden_cells(inner["n_before"] + inner["n_now"], minimum=minimum)
    if not hidden.any():
        return parts
    small = inner.loc[hidden]
    other = small.iloc[:1].assign(change_part="other", **small[["contribution", "n_before", "n_now"]].sum())
    kept = parts.drop(index=small.index)
    return pd.concat([kept.iloc[:-1], other, kept.iloc[-1:]]).astype(parts.dtypes.to_dict())


def _sum_parts(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the parts of a change of a sum over customers."""
    before, now = cells["total_before"].sum(), cells["total_now"].sum()
    has_before, has_now = (_has_tier(cells[name]) for name in ("tier_before", "tier_now"))
    common = cells.loc[has_before & has_now]
    rows = _sums_within(common)
    joined, left = cells.loc[~has_before & has_now], cells.loc[has_before & ~has_now]
    new_before, new_now = cells.loc[cells["tier_before"] == NO_TIER], cells.loc[cells["tier_now"] == NO_TIER]
    rows.append(_row("joined", joined["total_now"].sum(), n_now=_size(joined)))
    rows.append(_row("left", -left["total_before"].sum(), n_before=_size(left)))
    newcomers = new_now["total_now"].sum() - new_before["total_before"].sum()
    rows.append(_row("newcomers", newcomers, n_before=_size(new_before), n_now=_size(new_now)))
    present = {"before": cells["tier_before"].notna(), "now": cells["tier_now"].notna()}
    rows.append(_row("before", before, n_before=_size(cells.loc[present["before"]])))
    rows.append(_row("now", now, n_now=_size(cells.loc[present["now"]])))
    return rows


def _rate_parts(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the parts of a change of a mean over customers; nothing where nobody takes part at one end."""
    in_before, in_now = cells["tier_before"].notna(), cells["tier_now"].notna()
    n_before, n_now = _size(cells.loc[in_before]), _size(cells.loc[in_now])
    if not n_before or not n_now:
        return []
    groups = {"mix": in_before & in_now, "joined": ~in_before & in_now, "left": in_before & ~in_now}
    ends = _by_tier(cells)
    counts = {name: _by_tier(cells.loc[where], tiers=ends["before"].index) for name, where in groups.items()}
    means = _means(ends)
    rates = {side: cells.loc[where, f"total_{side}"].sum() / n for side, where, n in
             (("before", in_before, n_before), ("now", in_now, n_now))}  # fmt: skip
    height = (means["before"] + means["now"]) / 2 - (rates["before"] + rates["now"]) / 2
    shift = {
        name: (count["now"]["n"] / n_now - count["before"]["n"] / n_before) * height for name, count in counts.items()
    }
    share = (ends["now"]["n"] / n_now + ends["before"]["n"] / n_before) / 2
    rows = _tier_rows("mix", shift["mix"], counts["mix"])
    rows += _tier_rows("within", share * (means["now"] - means["before"]), ends)
    rows.append(_row("joined", shift["joined"].sum(), n_now=_size(cells.loc[groups["joined"]])))
    rows.append(_row("left", shift["left"].sum(), n_before=_size(cells.loc[groups["left"]])))
    rows.append(_row("before", rates["before"], n_before=n_before))
    rows.append(_row("now", rates["now"], n_now=n_now))
    return rows


def _sums_within(common: pd.DataFrame) -> list[dict[str, Any]]:
    """Return mix and within per tier of a sum over customers with a tier at both starts."""
    size = _size(common)
    if not size:
        return [_row("mix", 0.0), _row("within", 0.0)]
    ends = _by_tier(common)
    means = _means(ends)
    before, now = ends["before"], ends["now"]
    overall = (before["total"].sum() + now["total"].sum()) / (2 * size)
    mix = (now["n"] - before["n"]) * ((means["before"] + means["now"]) / 2 - overall)
    within = (now["n"] + before["n"]) / 2 * (means["now"] - means["before"])
    return _tier_rows("mix", mix, ends) + _tier_rows("within", within, ends)


def _by_tier(cells: pd.DataFrame, *, tiers: pd.Index | None = None) -> dict[str, pd.DataFrame]:
    """Return customers and total per tier at both ends, the same tiers at both."""
    ends = {
        side: cells.groupby(f"tier_{side}")[["customer_count", f"total_{side}"]].sum().set_axis(["n", "total"], axis=1)
        for side in ENDS
    }
    if tiers is None:
        tiers = ends["before"].index.union(ends["now"].index)
    return {side: end.reindex(tiers, fill_value=0).astype("float64") for side, end in ends.items()}


def _means(ends: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    """Return the mean of each tier at both ends; that of the other end where a tier is empty."""
    own = {side: end["total"] / end["n"].where(end["n"] > 0) for side, end in ends.items()}
    return {"before": own["before"].fillna(own["now"]), "now": own["now"].fillna(own["before"])}


def _tier_rows(part: str, values: pd.Series, ends: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    own = {side: end["total"] / end["n"].where(end["n"] > 0) for side, end in ends.items()}
    return [
        _row(
            part, values[tier], tier=str(tier), n_before=int(ends["before"]["n"][tier]),
            n_now=int(ends["now"]["n"][tier]), mean_before=own["before"][tier], mean_now=own["now"][tier],
        )
        for tier in values.index
    ]  # fmt: skip


def _row(
    part: str, contribution: float, *, tier: str = "", n_before: int = 0, n_now: int = 0,
    mean_before: float = np.nan, mean_now: float = np.nan,
) -> dict[str, Any]:  # fmt: skip
    return {"change_part": part, "tier": tier, "n_before": n_before, "n_now": n_now, "mean_before": float(mean_before),
            "mean_now": float(mean_now), "contribution": float(contribution)}  # fmt: skip


def _has_tier(tiers: pd.Series) -> pd.Series:
    return tiers.notna() & (tiers != NO_TIER)


def _size(cells: pd.DataFrame) -> int:
    return int(cells["customer_count"].sum())
