"""How long customers go on buying: Kaplan-Meier curves by the tier at the start of the follow-up (REQUIREMENTS C6).

Who is followed
    Customers who bought in one quarter, the first of the follow-up, by their tier when that quarter began. Today's tier
    would make the good tiers survive by definition.
What ends
    A spell of activity: it begins on the day of the first purchase in that quarter (the entry) and ends on the day of
    the first purchase that nothing follows within the horizon. Who comes back after a longer silence has ended a spell
    all the same, as the definition of churn has it: otherwise early ends would have had more time to be undone.
What is not known yet
    Whether a purchase is the last of its spell is decided only when the horizon after it is over. So everybody is
    censored on the same day, the last one whose purchases are decided (``as_of`` - 1 day - horizon); what happened
    later is not looked at. Censoring on ``as_of`` instead would count the last days as spells that go on, although none
    could have been seen to end, and lift the curve.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.intervals import NORMAL_975
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings_signals import SurvivalSettings
from crm_analysis.base.words import Message, message

#: Customers without a tier at the start, as nobody knew them yet. Who was registered before the first purchase has one.
JOINED = "joined"
EVERYBODY = "all_customers"
SURVIVAL_COUNTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "duration_days", "is_event", "is_returned", "customer_count"], SENSITIVE
)
SURVIVAL_CURVE_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "customer_count", "duration_days", "survival_rate", "survival_rate_low", "survival_rate_high"], OPEN
)
SURVIVAL_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "customer_count", "shown_day", "followed_count", "end_count", "unfollowed_count", "survival_rate",
     "survival_rate_low", "survival_rate_high"], OPEN,
)  # fmt: skip
_DIGITS = 6
_MEDIAN = 0.5

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SurvivalCurve:
    """A Kaplan-Meier curve: one entry per day on which spells end.

    Attributes
    ----------
    days
        Days after the entry, rising.
    rate, low, high
        Share whose spell lasts longer than that, and its pointwise 95 % interval; null where the share is 0 or 1.
    at_risk, ends
        Spells under observation just before the day, and those that end on it.
    """

    days: Array
    rate: Array
    low: Array
    high: Array
    at_risk: Array
    ends: Array

    def at(self, day: int) -> tuple[float, float, float]:
        """Return share and interval of spells longer than ``day``; 1 without an interval before the first end."""
        place = int(np.searchsorted(self.days, day, side="right")) - 1
        return (1.0, np.nan, np.nan) if place < 0 else (self.rate[place], self.low[place], self.high[place])

    @property
    def median(self) -> tuple[float, float, float]:
        """Median of the spells in days and its 95 % interval (Brookmeyer & Crowley 1982); null where not reached."""
        bounds = [self.rate, np.where(np.isnan(self.low), self.rate, self.low),
                  np.where(np.isnan(self.high), self.rate, self.high)]  # fmt: skip
        reached = [np.flatnonzero(np.round(bound, 10) <= _MEDIAN) for bound in bounds]
        days = [float(self.days[found[0]]) if len(found) else np.nan for found in reached]
        return days[0], days[1], days[2]


def follow_up_start(quarter: Quarter, *, beginning: Quarter, settings: SurvivalSettings) -> Quarter:
    """Return the quarter of the entry: so many quarters back, but not before a whole quarter lies behind it.

    >>> str(follow_up_start(Quarter(2025, 3), beginning=Quarter(2022, 1), settings=SurvivalSettings()))
    '2023Q4'
    """
    wanted, earliest = quarter.shift(1 - settings.follow_quarters), beginning.shift(1)
    return max(wanted, earliest, key=lambda each: each.start)


def survival_counts_table(
    purchases: ibis.Table, tiers: ibis.Table, *, entry: Quarter, as_of: date, horizon_days: int
) -> pd.DataFrame:
    """Return how many spells of activity of each tier and length ended or were still going on.

    ``customer_id, ordered_on`` and ``customer_id, tier`` -> columns of ``SURVIVAL_COUNTS_SCHEMA``, sorted by tier and
    length; no rows when no purchase of the quarter of the entry is decided yet

    Parameters
    ----------
    purchases
        Counted orders behind the door (:func:`crm_analysis.sources.purchases.counted_orders`).
    tiers
        Of customers at the start of ``entry``, in the same backend; who was not known yet, neither registered nor a
        buyer, has none and is ``joined``.
    entry
        Quarter in which the follow-up begins.
    as_of
        First day that is not known.
    horizon_days
        Silence of more days ends a spell.

    Returns
    -------
    pandas.DataFrame
        ``duration_days``: days from the entry to the last purchase of the spell (``is_event``), else to the last day
        whose purchases are decided. ``is_returned``: the spell ended, and a purchase followed all the same, up to the
        door. One query; only counts leave the engine.
    """
    decided = as_of - timedelta(days=1 + horizon_days)
    first, after = ibis.literal(entry.start), ibis.literal(min(entry.end, decided + timedelta(days=1)))
    last = ibis.literal(decided)
    known = purchases.filter(purchases.ordered_on >= first).select("customer_id", "ordered_on")
    following = known.ordered_on.lead().over(group_by="customer_id", order_by="ordered_on")
    marked = known.mutate(following_on=following)
    # two purchases of one day: the first is followed at once, which is no gap
    is_end = (marked.ordered_on <= last) & (
        marked.following_on.isnull() | (marked.following_on.delta(marked.ordered_on, unit="day") > horizon_days)
    )
    spells = marked.group_by("customer_id").aggregate(
        entry_on=marked.ordered_on.min(),
        end_on=marked.ordered_on.min(where=is_end),
        newest_on=marked.ordered_on.max(),
    )
    spells = spells.filter(spells.entry_on < after)
    joined = spells.left_join(tiers.select("customer_id", "tier"), "customer_id")
    rows = joined.select(
        tier=joined.tier.fill_null(JOINED),
        duration_days=joined.end_on.coalesce(last).delta(joined.entry_on, unit="day").cast("int64"),
        is_event=joined.end_on.notnull(),
        is_returned=(joined.newest_on > joined.end_on).fill_null(False),
    )
    counts = rows.group_by("tier", "duration_days", "is_event", "is_returned").aggregate(customer_count=rows.count())
    table = counts.to_pandas().sort_values(["tier", "duration_days", "is_event", "is_returned"], ignore_index=True)
    kinds = {"tier": "str", "duration_days": "int64", "is_event": "bool", "is_returned": "bool",
             "customer_count": "int64"}  # fmt: skip
    return table[list(SURVIVAL_COUNTS_SCHEMA)].astype(kinds)


def fit_survival(counts: pd.DataFrame) -> SurvivalCurve:
    """Fit the Kaplan-Meier curve of all rows together.

    ``duration_days, is_event, customer_count`` -> curve

    Notes
    -----
    Kaplan & Meier (1958) by statsmodels; Greenwood's variance with the interval on the scale of log(-log), which stays
    between 0 and 1 (Kalbfleisch & Prentice 1980). The variance is made here: with frequency weights statsmodels gives
    the error of the cumulative hazard in its place.
    """
    from statsmodels.duration.survfunc import SurvfuncRight

    fitted = SurvfuncRight(
        counts["duration_days"].to_numpy(dtype=float), counts["is_event"].to_numpy(dtype=float),
        freq_weights=counts["customer_count"].to_numpy(dtype=float),
    )  # fmt: skip
    rate, n, d = (np.asarray(each, dtype=float) for each in (fitted.surv_prob, fitted.n_risk, fitted.n_events))
    is_inner = (n > d) & (rate > 0) & (rate < 1)
    low, high = np.full(len(rate), np.nan), np.full(len(rate), np.nan)
    if is_inner.any():
        variance = np.cumsum(d[is_inner] / (n[is_inner] * (n[is_inner] - d[is_inner])))
        log_rate = np.log(rate[is_inner])
        reach = NORMAL_975 * np.sqrt(variance) / np.abs(log_rate)
        low[is_inner], high[is_inner] = (np.exp(log_rate * np.exp(sign * reach)) for sign in (1, -1))
    return SurvivalCurve(np.asarray(fitted.surv_times, dtype=float), rate, low, high, n, d)


def survival_table(counts: pd.DataFrame, *, settings: SurvivalSettings) -> pd.DataFrame:
    """Return the share still buying at fixed days after the entry.

    columns of ``SURVIVAL_COUNTS_SCHEMA`` -> columns of ``SURVIVAL_SCHEMA``, all customers first, then the largest tiers

    Returns
    -------
    pandas.DataFrame
        Every customer stands in one of three counts: ``end_count``, the spell ended on ``shown_day`` or before;
        ``unfollowed_count``, it was not over when the observation ended, before ``shown_day``; ``followed_count``, it
        is known to go on. All is null for tiers of fewer than ``minimum_customers``; the share is null where it cannot
        be told (:func:`is_known`).
    """
    rows = []
    for tier, part in _parts(counts):
        n, curve = int(part["customer_count"].sum()), fit_survival(part)
        for day in settings.shown_days:
            followed, ended, unfollowed = _fates(part, day=day)
            is_large = n >= settings.minimum_customers
            fates = (followed, ended, unfollowed) if is_large else (np.nan,) * 3
            is_told = is_large and is_known(part, day=day, settings=settings)
            rows.append((tier, n, day, *fates, *(curve.at(day) if is_told else (np.nan,) * 3)))
    table = pd.DataFrame(rows, columns=list(SURVIVAL_SCHEMA))
    whole = {"tier": "str", "customer_count": "int64", "shown_day": "int64"}
    return table.astype(whole | {name: "float64" for name in SURVIVAL_SCHEMA if name not in whole}).round(_DIGITS)


def is_known(counts: pd.DataFrame, *, day: int, settings: SurvivalSettings) -> bool:
    """Return whether the share still buying can be told of a day: nobody's leaving hides it, only a short observation.

    ``duration_days, is_event, customer_count`` -> whether ``minimum_known`` customers were followed to ``day`` or had
    left before; where fewer than these were followed to it, no more may have been lost from sight than were followed
    """
    _, _, unfollowed = _fates(counts, day=day)
    seen = int(counts.loc[counts["duration_days"] >= day, "customer_count"].sum())
    is_known_of_enough = int(counts["customer_count"].sum()) - unfollowed >= settings.minimum_known
    return is_known_of_enough and (seen >= settings.minimum_known or unfollowed <= seen)


def _fates(counts: pd.DataFrame, *, day: int) -> tuple[int, int, int]:
    """Return how many spells go on at a day as far as is seen, ended by then, and were not seen that long."""
    length, is_event, n = counts["duration_days"], counts["is_event"], counts["customer_count"]
    ended, unfollowed = int(n[is_event & (length <= day)].sum()), int(n[~is_event & (length < day)].sum())
    return int(n.sum()) - ended - unfollowed, ended, unfollowed


def survival_curve_table(counts: pd.DataFrame, *, settings: SurvivalSettings) -> pd.DataFrame:
    """Return the curves to draw: the largest tiers, each as far as enough customers have been followed.

    columns of ``SURVIVAL_COUNTS_SCHEMA`` -> columns of ``SURVIVAL_CURVE_SCHEMA``, the largest tier first, rising days
    """
    frames: list[pd.DataFrame] = []
    for tier, part in _parts(counts)[1:]:
        n, curve = int(part["customer_count"].sum()), fit_survival(part)
        if n < settings.minimum_customers or len(frames) == settings.shown_tiers:
            continue
        kept = np.array([is_known(part, day=int(day), settings=settings) for day in curve.days], dtype=bool)
        values = zip((0.0, 1.0, np.nan, np.nan), (curve.days, curve.rate, curve.low, curve.high), strict=True)
        drawn = [np.concatenate([[start], each[kept]]) for start, each in values]
        frame = pd.DataFrame(dict(zip(list(SURVIVAL_CURVE_SCHEMA)[2:], drawn, strict=True)))
        frames.append(frame.assign(tier=tier, customer_count=n)[list(SURVIVAL_CURVE_SCHEMA)])
    if not frames:
        return pd.DataFrame(columns=list(SURVIVAL_CURVE_SCHEMA))
    table = pd.concat(frames, ignore_index=True).round(_DIGITS)
    return table.astype({"tier": "str", "customer_count": "int64", "duration_days": "int64"})


def survival_document(
    counts: pd.DataFrame, *, entry: Quarter, horizon_days: int, settings: SurvivalSettings
) -> dict[str, Any]:
    """Return medians by tier, the test between tiers, and the finding.

    columns of ``SURVIVAL_COUNTS_SCHEMA`` -> document

    Returns
    -------
    dict
        ``status``: ``ok``, ``one_tier`` (nothing to compare) or ``insufficient``; ``message``; ``entry``,
        ``horizon_days``, ``n``, ``end_count``, ``returned_count`` (of those whose spell ended); ``tiers``: per tier of
        at least ``minimum_customers`` its ``n``, ``end_count`` and ``median_days, median_days_low, median_days_high``
        (``None`` where not reached), all customers first; ``test``: ``statistic, degrees, p_value, n, end_count``.

    Notes
    -----
    The test is the log-rank test (Mantel 1966; Peto & Peto 1972) of the hypothesis that all tiers have one curve.
    """
    n = int(counts["customer_count"].sum())
    base = {"entry": str(entry), "horizon_days": horizon_days, "n": n,
            "end_count": int(counts.loc[counts["is_event"], "customer_count"].sum()),
            "returned_count": int(counts.loc[counts["is_returned"], "customer_count"].sum())}  # fmt: skip
    if n < settings.minimum_customers:
        told = message("survival.insufficient", quarter=str(entry), n=n, minimum=settings.minimum_customers)
        return {"status": "insufficient", "message": told.to_json(), "tiers": [], "test": None, **base}
    large = [part for part in _parts(counts) if part[1]["customer_count"].sum() >= settings.minimum_customers]
    tiers = [_tier(tier, part) for tier, part in large]
    test = _log_rank(large[1:])
    table = survival_table(counts, settings=settings)
    status = "one_tier" if test is None else "ok"
    told = _finding(table, base=base, test=test)
    return {"status": status, "message": told.to_json(), "tiers": tiers, "test": test, **base}


def _parts(counts: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return all customers, then every tier, the largest first; nothing without customers."""
    if counts.empty:
        return []
    parts = [(str(tier), part) for tier, part in counts.groupby("tier")]
    parts.sort(key=lambda part: (-int(part[1]["customer_count"].sum()), part[0]))
    return [(EVERYBODY, counts), *parts]


def _tier(tier: str, part: pd.DataFrame) -> dict[str, Any]:
    median = [None if np.isnan(day) else day for day in fit_survival(part).median]
    names = ("median_days", "median_days_low", "median_days_high")
    ended = int(part.loc[part["is_event"], "customer_count"].sum())
    return {"tier": tier, "n": int(part["customer_count"].sum()), "end_count": ended,
            **dict(zip(names, median, strict=True))}  # fmt: skip


def _log_rank(parts: list[tuple[str, pd.DataFrame]]) -> dict[str, Any] | None:
    """Return the log-rank test between tiers; nothing with fewer than two of them or without an end."""
    from statsmodels.duration.survfunc import survdiff

    if len(parts) < 2:
        return None
    rows = pd.concat([part for _, part in parts], ignore_index=True)
    each = np.repeat(np.arange(len(rows)), rows["customer_count"])
    is_event = rows["is_event"].to_numpy(dtype=float)[each]
    if not is_event.any():
        return None
    group = pd.factorize(rows["tier"])[0][each]
    statistic, p_value = survdiff(rows["duration_days"].to_numpy(dtype=float)[each], is_event, group)
    return {"statistic": round(float(statistic), 4), "degrees": len(parts) - 1, "p_value": round(float(p_value), 6),
            "n": len(each), "end_count": int(is_event.sum())}  # fmt: skip


def _finding(table: pd.DataFrame, *, base: Mapping[str, Any], test: Mapping[str, Any] | None) -> Message:
    """Return the share still buying, of all and of the best and the worst tier, at the last day that can be told."""
    told = table.loc[table["survival_rate"].notna()]
    whole = told.loc[told["tier"] == EVERYBODY]
    common = {"quarter": base["entry"], "n": base["n"], "horizon_days": base["horizon_days"]}
    if whole.empty:
        return message("survival.finding_early", end_count=base["end_count"], **common)
    day = int(whole["shown_day"].max())
    row = whole.loc[whole["shown_day"] == day].iloc[0]
    rate = _rate(row)
    rows = told.loc[(told["shown_day"] == day) & (told["tier"] != EVERYBODY)]
    if test is None or len(rows) < 2:
        return message("survival.finding_all", day=day, rate=rate, **common)
    rows = rows.sort_values(["survival_rate", "tier"], ascending=[False, True])
    best, worst = rows.iloc[0], rows.iloc[-1]
    differs = message("survival.differ" if test["p_value"] < 0.05 else "survival.same", p=p_message(test["p_value"]))
    return message(
        "survival.finding", day=day, rate=rate, best=str(best["tier"]), best_rate=_rate(best),
        best_n=int(best["customer_count"]), worst=str(worst["tier"]), worst_rate=_rate(worst),
        worst_n=int(worst["customer_count"]), test=differs, **common,
    )  # fmt: skip


def _rate(row: pd.Series) -> Message:
    """Return a share with its interval as a clause."""
    if pd.isna(row["survival_rate_low"]):
        return message("survival.rate_alone", rate=float(row["survival_rate"]))
    return message(
        "survival.rate", rate=float(row["survival_rate"]), low=float(row["survival_rate_low"]),
        high=float(row["survival_rate_high"]),
    )  # fmt: skip


def p_message(p_value: float) -> Message:
    """Return a p-value as a clause."""
    return message("survival.p_tiny") if p_value < 0.01 else message("survival.p", p=round(p_value, 2))
