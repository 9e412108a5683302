"""Effect of the programme: treated against held-out control; else before and after, no effect (REQUIREMENTS E12)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_effects import ProgrammeSettings
from crm_analysis.evaluation.effect_intervals import (
    Groups,
    chance_limit,
    estimate_difference,
    groups_from_sums,
    standardised_difference,
)
from crm_analysis.evaluation.effect_sums import CENTS, COVARIATES, OUTCOMES

#: All campaigns of the last quarters, those whose outcome became known in this one, and each by itself.
SCOPES = ("all", "quarter", "campaign")
#: ``unclear``: the interval holds 0.
EFFECT_VERDICTS = ("positive", "negative", "unclear", "too_small", "no_control", "no_treated")
_NUMBERS = ("treated_mean", "control_mean", "difference", "low", "high", "detectable", "uplift_rate",
            "uplift_rate_low", "uplift_rate_high")  # fmt: skip
EFFECT_SCHEMA: ResultSchema = dict.fromkeys(
    ["scope", "campaign", "outcome", "unit", "n_treated", "n_control", "campaign_count", *_NUMBERS, "verdict"], OPEN
)
BALANCE_SCHEMA: ResultSchema = dict.fromkeys(
    ["scope", "campaign", "covariate", "unit", "n_treated", "n_control", "treated_mean", "control_mean",
     "standard_difference", "chance_limit", "is_balanced"],
    OPEN,
)  # fmt: skip
BEFORE_AFTER_SCHEMA: ResultSchema = dict.fromkeys(
    ["campaign", "n", "spend_before_amount", "spend_after_amount", "change_amount", "year_ago_change_amount",
     "season_adjusted_amount"],
    OPEN,
)  # fmt: skip
_LEAST = 2


def effect_table(sums: pd.DataFrame, *, settings: ProgrammeSettings) -> pd.DataFrame:
    """Return the difference of every outcome between treated and control.

    ``effect_sums`` -> columns of ``EFFECT_SCHEMA``: all campaigns together, those of the quarter, each by itself

    Returns
    -------
    pandas.DataFrame
        Outcomes are per head over ``outcome_days`` days: ``spend`` (currency, net of refunds), ``orders``, ``buyers``
        (share with an order). ``difference`` has its 95 % interval ``low`` to ``high``; ``uplift_rate`` is difference
        / mean of the control; ``detectable`` the smallest difference that would be found with a power of 80 %. Rows of
        several campaigns are stratified: customers are compared within their campaign alone. ``campaign_count``:
        campaigns with two customers in both groups. Numbers are null with fewer than ``minimum_group`` customers in
        the smaller group, where ``verdict`` says why.

    Notes
    -----
    See :func:`~crm_analysis.evaluation.effect_intervals.estimate_difference`. A customer may be in several campaigns
    one after the other; his assignments are drawn anew each time.
    """
    rows = []
    for scope, campaign, part in _scopes(sums):
        for outcome, unit in OUTCOMES.items():
            strata = _strata(part, outcome)
            sizes = {name: int(strata[name].sum()) for name in ("n_treated", "n_control")}
            usable = _usable(strata)
            row: dict[str, Any] = {"scope": scope, "campaign": campaign, "outcome": outcome, "unit": unit, **sizes}
            row |= {"campaign_count": len(usable), **dict.fromkeys(_NUMBERS, np.nan)}
            row["verdict"] = _reason(strata, usable, minimum=settings.minimum_group)
            if not row["verdict"]:
                found = estimate_difference(_groups(usable), is_share=unit == "share")
                row |= {"treated_mean": found.treated_mean, "control_mean": found.control_mean}
                row |= {"difference": found.difference, "low": found.low, "high": found.high}
                row |= {"detectable": found.detectable, "uplift_rate": found.uplift}
                row |= {"uplift_rate_low": found.uplift_low, "uplift_rate_high": found.uplift_high}
                row["verdict"] = "positive" if found.low > 0 else "negative" if found.high < 0 else "unclear"
            rows.append(row)
    return _typed(rows, EFFECT_SCHEMA, text=("scope", "campaign", "outcome", "unit", "verdict"))


def balance_table(sums: pd.DataFrame, *, settings: ProgrammeSettings) -> pd.DataFrame:
    """Return how alike treated and control were before the assignment.

    ``effect_sums`` -> columns of ``BALANCE_SCHEMA``, scopes as in :func:`effect_table`; those without two customers in
    both groups are left out

    Returns
    -------
    pandas.DataFrame
        Over ``balance_days`` before the assignment: ``spend_before``, ``orders_before``; ``recency_days`` since the
        last order of all. ``standard_difference``: difference / common standard deviation; ``is_balanced``: it is no
        larger than ``balance_limit``, or than ``chance_limit``, which chance alone exceeds in 5 of 100 assignments.
    """
    rows = []
    for scope, campaign, part in _scopes(sums):
        for covariate, unit in COVARIATES.items():
            usable = _usable(_strata(part, covariate))
            if usable.empty:
                continue
            groups = _groups(usable)
            difference, limit = standardised_difference(groups), chance_limit(groups)
            is_unlike = abs(difference) > max(settings.balance_limit, limit)  # NaN, nothing varies, is not
            rows.append(
                {
                    "scope": scope, "campaign": campaign, "covariate": covariate, "unit": unit,
                    "n_treated": int(usable["n_treated"].sum()), "n_control": int(usable["n_control"].sum()),
                    "treated_mean": float(groups.weights @ groups.mean_treated),
                    "control_mean": float(groups.weights @ groups.mean_control),
                    "standard_difference": difference, "chance_limit": limit, "is_balanced": not is_unlike,
                }
            )  # fmt: skip
    return _typed(rows, BALANCE_SCHEMA, text=("scope", "campaign", "covariate", "unit")).astype({"is_balanced": "bool"})


def before_after_table(sums: pd.DataFrame, *, settings: ProgrammeSettings) -> pd.DataFrame:
    """Return spend before and after, with season, of campaigns that held nobody out; it is no effect.

    ``effect_sums`` -> columns of ``BEFORE_AFTER_SCHEMA``, campaigns with treated and no control at all

    Returns
    -------
    pandas.DataFrame
        Net spend per head in the ``outcome_days`` before and from the assignment on; ``year_ago_change_amount`` is the
        same change a year earlier, of the same customers; ``season_adjusted_amount`` the change less that one. Null
        with fewer than ``minimum_group`` customers.

    Notes
    -----
    Customers are often chosen because they bought little just before, and would have come back by themselves; nothing
    here tells that apart from what the campaign did.
    """
    rows = []
    for campaign, part in sums.groupby("campaign", sort=True):
        if part["is_control"].any():
            continue
        totals = part.groupby("measured")["total"].sum() / 100
        n = int(part.loc[part["measured"] == "spend", "n"].sum())
        scale = 1 / n if n >= settings.minimum_group else np.nan
        before, after = totals["spend_just_before"] * scale, totals["spend"] * scale
        year_ago = (totals["spend_year_ago"] - totals["spend_just_before_year_ago"]) * scale
        numbers = (before, after, after - before, year_ago, after - before - year_ago)
        names = [name for name in BEFORE_AFTER_SCHEMA if name.endswith("_amount")]
        rows.append({"campaign": campaign, "n": n} | dict(zip(names, numbers, strict=True)))
    return _typed(rows, BEFORE_AFTER_SCHEMA, text=("campaign",)).astype({"n": "int64"})


def of_scope(table: pd.DataFrame, scope: str) -> pd.DataFrame:
    """Return the rows of one scope."""
    return table.loc[table["scope"] == scope].reset_index(drop=True)


def leading_campaigns(effect: pd.DataFrame, *, campaigns: int = 10) -> pd.DataFrame:
    """Return the rows of all campaigns together and those of the largest ones, for showing.

    Parameters
    ----------
    campaigns
        How many; the largest smaller group first decides, then the name. The order of the rows stays.
    """
    single = of_scope(effect, "campaign").drop_duplicates("campaign")
    size = single[["n_treated", "n_control"]].min(axis=1)
    ordered = single.assign(size=-size).sort_values(["size", "campaign"])
    shown = {"", *ordered["campaign"].head(campaigns)}
    return effect.loc[effect["campaign"].isin(shown)].reset_index(drop=True)


def _scopes(sums: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Return scope, campaign and sums of everything that is told, most general first."""
    pooled = [("all", "", sums), ("quarter", "", sums.loc[sums["is_in_quarter"]])]
    single = [("campaign", str(name), part) for name, part in sums.groupby("campaign", sort=True)]
    return [scope for scope in (*pooled, *single) if len(scope[2])]


def _strata(sums: pd.DataFrame, measured: str) -> pd.DataFrame:
    """Return one row per campaign: ``n, total, squares`` of treated and control, money in currency."""
    own = sums.loc[sums["measured"] == measured]
    unit = 0.01 if measured in CENTS else 1.0
    own = own.assign(total=own["total"] * unit, squares=own["squares"] * unit**2)
    group = pd.Series(np.where(own["is_control"], "control", "treated"), index=own.index, dtype="str")
    wide = own.assign(group=group).pivot_table(
        index="campaign", columns="group", values=["n", "total", "squares"], aggfunc="sum", fill_value=0
    )
    names = [(name, side) for name in ("n", "total", "squares") for side in ("treated", "control")]
    wide = wide.reindex(columns=pd.MultiIndex.from_tuples(names), fill_value=0).astype("float64")
    return wide.set_axis([f"{name}_{side}" for name, side in names], axis=1)


def _usable(strata: pd.DataFrame) -> pd.DataFrame:
    return strata.loc[(strata["n_treated"] >= _LEAST) & (strata["n_control"] >= _LEAST)]


def _groups(strata: pd.DataFrame) -> Groups:
    sides = ("treated", "control")
    n, total, squares = ([strata[f"{name}_{side}"].to_numpy() for side in sides] for name in ("n", "total", "squares"))
    return groups_from_sums(n, total, squares)


def _reason(strata: pd.DataFrame, usable: pd.DataFrame, *, minimum: int) -> str:
    """Return why no effect can be told, or nothing."""
    if not strata["n_control"].sum():
        return "no_control"
    if not strata["n_treated"].sum():
        return "no_treated"
    return "too_small" if min(usable["n_treated"].sum(), usable["n_control"].sum()) < minimum else ""


def _typed(rows: Sequence[dict[str, Any]], schema: ResultSchema, *, text: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(schema))
    counts = [name for name in schema if name in {"n_treated", "n_control", "campaign_count"}]
    left = [name for name in schema if name not in {*text, *counts, "is_balanced", "n"}]
    numbers = {name: table[name].astype("float64").round(6) for name in left}
    return table.assign(**numbers).astype(dict.fromkeys(text, "str") | dict.fromkeys(counts, "int64"))
