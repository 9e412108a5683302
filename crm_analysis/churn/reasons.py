"""Why customers left or are about to: coded reasons from win-back contacts (REQUIREMENTS C8).

Lost
    A customer is lost on the day that completes the horizon without a purchase. Losses are counted when they happen,
    also those of customers who came back later: or older quarters would have fewer. Who comes back and leaves again is
    lost again: several losses may be one customer's, and their years of spend may overlap. At risk are customers, each
    counted once.
Reason
    The last coded reason of a win-back contact between the last purchase and the next one. A reason is known from the
    day on which its contact was resolved; the door hides it before. Customers without one are counted apart: the
    shares are of known reasons, and hold for all only if the others left for the same ones.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings_signals import ReasonSettings
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.sources.purchases import counted_orders, signed_amounts

LOST, AT_RISK = "lost", "at_risk"
NOT_RECORDED = "not_recorded"
#: Codes that the catalogues have words for; a company may keep codes of its own.
CODES = ("product_quality", "service_experience", "price", "competitor", "no_longer_needed", "delivery", "marketing")
REASON_COUNTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["risk_state", "quarter", "tier", "reason", "case_count", "year_spend_amount"], SENSITIVE
)
REASONS_SCHEMA: ResultSchema = dict.fromkeys(
    ["risk_state", "reason", "case_count", "reason_share", "reason_share_low", "reason_share_high",
     "cumulative_share", "year_spend_amount", "is_hidden"], OPEN,
)  # fmt: skip
REASON_TREND_SCHEMA: ResultSchema = dict.fromkeys(
    ["quarter", "reason", "lost_count", "known_count", "unknown_share", "case_count", "reason_share",
     "reason_share_low", "reason_share_high", "is_running", "is_hidden"], OPEN,
)  # fmt: skip
REASON_MONEY_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "reason", "case_count", "year_spend_amount", "is_hidden"], OPEN
)
_YEAR = 365
_DIGITS = 6


def loss_counts_table(
    orders: ibis.Table, interactions: ibis.Table | None, tiers: ibis.Table, *, quarter: Quarter, horizon_days: int,
    settings: ReasonSettings, beginning: Quarter, at_risk: ibis.Table | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return losses and customers at risk with their spend by quarter, tier and reason: what all else is made from.

    Parameters
    ----------
    orders, interactions
        Behind the door of the end of ``quarter``; without interactions every reason is ``not_recorded``.
    tiers
        ``customer_id, tier`` a year before the end of the quarter, when none of those lost since was lost; customers
        without one are ``joined``. From the same backend.
    beginning
        First quarter that the data cover as a whole; losses are counted from then on.
    at_risk
        ``customer_id`` of customers at risk (such as the warning list), from the same backend; their reason is the last
        one told within ``contact_days``, and their quarter that of the report.

    Returns
    -------
    pandas.DataFrame
        Columns of ``REASON_COUNTS_SCHEMA``, sorted; ``case_count``: losses (``lost``) or customers (``at_risk``).
        ``year_spend_amount`` is the net spend of the 365 days up to the
        last purchase, at-risk customers that of the 365 days before the report. Two queries; only sums leave the
        engine.
    """
    as_of = quarter.end
    told = _reasons_told(interactions, settings=settings)
    lost = _losses(orders, as_of=as_of, horizon_days=horizon_days)
    first = max(quarter.shift(1 - settings.quarters), beginning, key=lambda each: each.start)
    lost = lost.filter(lost.lost_on >= ibis.literal(first.start))
    coded = _with_reason(lost, told)
    sums = _summed(_with_tier(_with_spend(coded, orders), tiers), by="lost_on")
    table = sums.to_pandas()
    table["risk_state"] = LOST
    days = pd.to_datetime(table["lost_on"])
    table["quarter"] = [str(Quarter.containing(day.date(), first_month=quarter.first_month)) for day in days]
    frames = [table]
    if at_risk is not None:
        ends = at_risk.select("customer_id").distinct().mutate(
            last_on=ibis.literal(as_of - timedelta(days=1)), lost_on=ibis.literal(as_of - timedelta(days=1)),
            since_on=ibis.literal(as_of - timedelta(days=settings.contact_days)), until_on=ibis.literal(as_of),
        )  # fmt: skip
        found = _summed(_with_tier(_with_spend(_with_reason(ends, told), orders), tiers), by="lost_on").to_pandas()
        frames.append(found.assign(risk_state=AT_RISK, quarter=str(quarter)))
    keys = ["risk_state", "quarter", "tier", "reason"]
    counts = pd.concat(frames, ignore_index=True)
    counts["year_spend_amount"] = counts["year_spend_amount"].astype(float)
    grouped = counts.groupby(keys, as_index=False)[["case_count", "year_spend_amount"]].sum()
    grouped["year_spend_amount"] = grouped["year_spend_amount"].round(2)
    kinds = dict.fromkeys(keys, "str") | {"case_count": "int64", "year_spend_amount": "float64"}
    return grouped.sort_values(keys, ignore_index=True)[list(REASON_COUNTS_SCHEMA)].astype(kinds)


def _losses(orders: ibis.Table, *, as_of: date, horizon_days: int) -> ibis.Table:
    """Return ``customer_id, last_on, lost_on`` and the span of contacts that may tell why, of every silence."""
    bought = counted_orders(orders).select("customer_id", "ordered_on").distinct()
    following = bought.ordered_on.lead().over(group_by="customer_id", order_by="ordered_on")
    marked = bought.mutate(until_on=following.coalesce(ibis.literal(as_of)))
    marked = marked.mutate(silence=marked.until_on.delta(marked.ordered_on, unit="day"))
    silent = marked.filter(marked.silence > horizon_days)
    lost_on = (silent.ordered_on + ibis.interval(days=horizon_days)).cast("date")
    return silent.select(
        "customer_id", "until_on", last_on=silent.ordered_on, lost_on=lost_on, since_on=silent.ordered_on
    )


def _reasons_told(interactions: ibis.Table | None, *, settings: ReasonSettings) -> ibis.Table | None:
    if interactions is None:
        return None
    rows = interactions.filter(
        interactions.reason.notnull(), interactions.direction == "out",
        interactions.kind.isin(settings.contact_kinds),
    )  # fmt: skip
    return rows.select("opened_at", "opened_on", "interaction_id", "reason", teller=rows.customer_id)


def _with_reason(ends: ibis.Table, told: ibis.Table | None) -> ibis.Table:
    """Return the silences with the reason told last in their span; ties go to the greatest id."""
    if told is None:
        return ends.mutate(reason=ibis.literal(NOT_RECORDED))
    joined = ends.inner_join(told, [ends.customer_id == told.teller])
    joined = joined.filter(joined.opened_on >= joined.since_on, joined.opened_on < joined.until_on)
    newest = ibis.struct({"at": joined.opened_at, "id": joined.interaction_id, "reason": joined.reason}).max()
    last = joined.group_by("customer_id", "last_on").aggregate(newest=newest)
    reasons = last.select(who=last.customer_id, when=last.last_on, told_reason=last.newest["reason"])
    coded = ends.left_join(reasons, [ends.customer_id == reasons.who, ends.last_on == reasons.when])
    return coded.mutate(reason=coded.told_reason.fill_null(NOT_RECORDED)).drop("who", "when", "told_reason")


def _with_spend(coded: ibis.Table, orders: ibis.Table) -> ibis.Table:
    """Add the net spend of the year that ends with the last purchase."""
    money = signed_amounts(orders)
    money = money.select(buyer=money.customer_id, bought_on=money.ordered_on, spent=money.spend_amount)
    joined = coded.inner_join(money, coded.customer_id == money.buyer)
    start = (joined.last_on - ibis.interval(days=_YEAR)).cast("date")
    within = joined.filter(joined.bought_on <= joined.last_on, joined.bought_on > start)
    sums = within.group_by(who=within.customer_id, when=within.last_on).aggregate(year_spend=within.spent.sum())
    found = coded.left_join(sums, [coded.customer_id == sums.who, coded.last_on == sums.when])
    return found.mutate(year_spend=found.year_spend.fill_null(0)).drop("who", "when")


def _with_tier(coded: ibis.Table, tiers: ibis.Table) -> ibis.Table:
    known = tiers.select(tiered=tiers.customer_id, tier=tiers.tier)
    joined = coded.left_join(known, coded.customer_id == known.tiered)
    return joined.mutate(tier=joined.tier.fill_null("joined")).drop("tiered")


def _summed(rows: ibis.Table, *, by: str) -> ibis.Table:
    return rows.group_by(by, "tier", "reason").aggregate(
        case_count=rows.count(), year_spend_amount=rows.year_spend.sum()
    )


def reasons_table(counts: pd.DataFrame, *, quarter: Quarter, settings: ReasonSettings) -> pd.DataFrame:
    """Return the reasons of the losses of the last four quarters and of customers at risk, most frequent first.

    columns of ``REASON_COUNTS_SCHEMA`` -> columns of ``REASONS_SCHEMA``, lost before at risk, unknown reasons last

    Returns
    -------
    pandas.DataFrame
        ``case_count`` as in ``REASON_COUNTS_SCHEMA``; ``reason_share`` is of those with a known reason, with Wilson's
        95 % interval, as if losses were independent; for ``not_recorded`` it is of all. ``cumulative_share`` adds the
        shares up. Reasons of fewer than ``minimum_cell`` cases are hidden, and those that would give them away.
    """
    from statsmodels.stats.proportion import proportion_confint

    quarters = {str(each) for each in quarter.back(4)}
    frames: list[pd.DataFrame] = []
    for state in (LOST, AT_RISK):
        rows = counts.loc[(counts["risk_state"] == state) & counts["quarter"].isin(quarters)]
        sums = rows.groupby("reason")[["case_count", "year_spend_amount"]].sum().reset_index()
        sums = sums.assign(is_unknown=sums["reason"] == NOT_RECORDED, size=-sums["case_count"])
        sums = sums.sort_values(["is_unknown", "size", "reason"], ignore_index=True)
        n = sums["case_count"]
        base = np.where(sums["is_unknown"], n.sum(), n[~sums["is_unknown"]].sum())
        if sums.empty:
            continue
        low, high = proportion_confint(n.to_numpy(), base, method="wilson")
        share: pd.Series = n / base
        sums["reason_share"], sums["reason_share_low"], sums["reason_share_high"] = share, low, high
        sums["cumulative_share"] = share.cumsum().mask(sums["is_unknown"])
        sums["is_hidden"] = hidden_cells(n, minimum=settings.minimum_cell)
        told = [name for name in REASONS_SCHEMA if name.endswith(("count", "amount")) or "share" in name]
        sums[told] = sums[told].astype(float).mask(sums["is_hidden"])
        frames.append(sums.assign(risk_state=state))
    if not frames:
        return pd.DataFrame(columns=list(REASONS_SCHEMA))
    return pd.concat(frames, ignore_index=True)[list(REASONS_SCHEMA)].round(_DIGITS)


def reason_trend_table(counts: pd.DataFrame, *, quarter: Quarter, settings: ReasonSettings) -> pd.DataFrame:
    """Return the share of each reason among the losses of each quarter, oldest first.

    columns of ``REASON_COUNTS_SCHEMA`` -> columns of ``REASON_TREND_SCHEMA``, every reason in every quarter with losses

    Returns
    -------
    pandas.DataFrame
        ``lost_count``: losses of the quarter, ``case_count`` those for the reason. ``unknown_share`` is of all of them,
        ``reason_share`` of those with a known reason. ``is_running`` marks quarters in which contacts that tell the
        reason are still to come. Quarters with fewer than ``minimum_cell`` known reasons have no shares
        (``is_hidden``).
    """
    from statsmodels.stats.proportion import proportion_confint

    lost = counts.loc[counts["risk_state"] == LOST]
    sums = lost.groupby(["quarter", "reason"], as_index=False)["case_count"].sum()
    keys = zip(sums["quarter"].astype(str), sums["reason"].astype(str), strict=True)
    counts_of = dict(zip(keys, (int(n) for n in sums["case_count"]), strict=True))
    totals: dict[str, int] = {}
    for (_, reason), n in counts_of.items():
        totals[reason] = totals.get(reason, 0) + n
    order = sorted((r for r in totals if r != NOT_RECORDED), key=lambda reason: (-totals[reason], reason))
    running = {str(each) for each in quarter.back(settings.known_quarters)} if settings.known_quarters else set()
    rows = []
    for name in sorted({each for each, _ in counts_of}):
        found = [counts_of.get((name, reason), 0) for reason in order]
        known = sum(found)
        total = known + counts_of.get((name, NOT_RECORDED), 0)
        is_hidden = known < settings.minimum_cell
        for reason, n in zip(order, found, strict=True):
            low, high = (np.nan, np.nan) if is_hidden else proportion_confint(n, known, method="wilson")
            rows.append((name, reason, total, known, (total - known) / total, np.nan if is_hidden else n,
                         np.nan if is_hidden else n / known, low, high, name in running, is_hidden))  # fmt: skip
    table = pd.DataFrame(rows, columns=list(REASON_TREND_SCHEMA)).round(_DIGITS)
    return table.astype({"quarter": "str", "reason": "str"})


def reason_money_table(
    counts: pd.DataFrame, *, quarter: Quarter, settings: ReasonSettings, order: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the spend of the year before the losses of the last four quarters, by tier and reason.

    columns of ``REASON_COUNTS_SCHEMA`` -> columns of ``REASON_MONEY_SCHEMA``; cells without a loss are left out. Spend
    that lies in the year before two losses of one customer counts with both

    Parameters
    ----------
    order
        Tiers from best to worst; others follow by name.
    """
    quarters = {str(each) for each in quarter.back(4)}
    lost = counts.loc[(counts["risk_state"] == LOST) & counts["quarter"].isin(quarters)]
    sums = lost.groupby(["tier", "reason"], as_index=False)[["case_count", "year_spend_amount"]].sum()
    cells = sums.pivot_table(index="tier", columns="reason", values="case_count", aggfunc="sum", fill_value=0)
    hidden = hidden_matrix(cells, minimum=settings.minimum_cell)
    place = {tier: number for number, tier in enumerate(order)}
    sums["is_hidden"] = [bool(hidden.loc[t, r]) for t, r in zip(sums["tier"], sums["reason"], strict=True)]
    told = ["case_count", "year_spend_amount"]
    sums[told] = sums[told].astype(float).mask(sums["is_hidden"]).round(2)
    sums = sums.assign(rank=sums["tier"].map(place).fillna(len(place)), last=sums["reason"] == NOT_RECORDED)
    return sums.sort_values(["rank", "tier", "last", "reason"], ignore_index=True)[list(REASON_MONEY_SCHEMA)]


def reason_codes(counts: pd.DataFrame) -> list[str]:
    """Return the codes that a contact may be given, the most frequent of those recorded first.

    columns of ``REASON_COUNTS_SCHEMA`` -> codes; those of ``CODES`` not recorded yet follow, unless the company keeps
    codes of its own
    """
    known = counts.loc[counts["reason"] != NOT_RECORDED]
    sums = {str(reason): int(n) for reason, n in known.groupby("reason")["case_count"].sum().items()}
    used = sorted(sums, key=lambda code: (-sums[code], code))
    return used if set(used) - set(CODES) else [*used, *(code for code in CODES if code not in sums)]


def hidden_matrix(counts: pd.DataFrame, *, minimum: int) -> pd.DataFrame:
    """Return which cells of a table whose rows and columns have known sums may not be shown.

    Cells of fewer than ``minimum``, and the smallest further ones until what is hidden in every row and column is
    nothing, or at least two cells that hold ``minimum`` together.

    >>> hidden_matrix(pd.DataFrame([[12, 15], [2, 8]]), minimum=5).to_numpy().tolist()
    [[True, True], [True, True]]
    """
    values = counts.to_numpy()
    hidden = (values > 0) & (values < minimum)
    changed = True
    while changed:
        changed = False
        for cells, marks in (*zip(values, hidden, strict=True), *zip(values.T, hidden.T, strict=True)):
            for place in np.argsort(cells, kind="stable"):
                if not marks.any() or (marks.sum() >= 2 and cells[marks].sum() >= minimum):
                    break
                if cells[place] > 0 and not marks[place]:
                    marks[place] = changed = True
    return pd.DataFrame(hidden, index=counts.index, columns=counts.columns)
