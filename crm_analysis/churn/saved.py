"""Whether campaigns kept customers from churning: as assigned, within each campaign (REQUIREMENTS C7)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.intervals import NORMAL_975, Array, size_weights, stratified_newcombe

#: Customers on either side of a campaign below which its sides are not compared.
MINIMUM_COMPARED = 30


def with_sides(rows: pd.DataFrame, assigned: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the campaign of each customer and the side that it put him on.

    Rows with ``customer_id``, and ``customer_id, campaign, is_control`` of actions with a campaign -> the rows with
    ``campaign, is_treated, is_control, is_left_out``

    Notes
    -----
    Actions without a campaign are chosen by tier and are no experiment; whoever has nothing else is on neither side.
    Customers in several campaigns, or on both sides of one, are on neither side (``is_left_out``). Those of several
    campaigns are left out even where their sides agree: to leave out only those whose sides differ would keep most of
    the treated and few of the controls of a campaign that shares its customers with another, and so compare unlike
    customers.
    """
    per_customer = assigned.groupby("customer_id").agg(
        campaign=("campaign", "first"), campaigns=("campaign", "nunique"), sides=("is_control", "nunique"),
        is_control=("is_control", "first"),
    )  # fmt: skip
    clear = (per_customer["campaigns"] == 1) & (per_customer["sides"] == 1)
    used, control = per_customer.loc[clear], per_customer["is_control"].astype(bool)
    ids = rows["customer_id"]
    return rows.assign(
        campaign=pd.Series(ids.map(used["campaign"]), index=rows.index).astype("str"),
        is_treated=ids.isin(per_customer.index[clear & ~control]),
        is_control=ids.isin(per_customer.index[clear & control]),
        is_left_out=ids.isin(per_customer.index[~clear]),
    )


def saved_document(rows: pd.DataFrame) -> dict[str, Any]:
    """Return how much less those who were treated churned than the controls of their own campaign.

    columns of ``SCORED_BEFORE_SCHEMA``, listed or not -> document

    Returns
    -------
    dict
        ``status``: ``no_campaign`` (nobody scored was in one), ``no_control``, ``too_few`` (no campaign with
        ``MINIMUM_COMPARED`` on either side), ``saved`` or ``lost`` (the interval lies above or below 0), ``unclear``
        (it holds 0). ``treated_count, control_count``: customers of the campaigns that are compared, of all where none
        is; ``campaign_count``, ``small_campaign_count`` (not compared), ``left_out_count`` (customers of several
        campaigns or on both sides of one). Where compared: ``difference`` (churn rate of controls less that of
        treated), ``low, high``, ``expected_treated_rate, expected_control_rate`` (mean churn probability before, from
        the scores then), ``is_balanced`` (these differ by no more than a draw makes them in 95 of 100 cases); where
        ``saved``: ``saved_count, saved_low, saved_high`` (difference and bounds x treated).

    Notes
    -----
    As assigned (intention to treat): the side is that of the assignment, whatever was done for whom, so that those who
    could not be reached do not make the treated look better. Stratified by campaign, since campaigns hold customers of
    different risk: difference, interval and expected rates are weighted by the campaigns' sizes, see
    :func:`~crm_analysis.base.intervals.stratified_newcombe`. The churn is that of the outcome window from the origin
    on: purchases before the assignment, alike on both sides, make the difference smaller.
    """
    sides = rows.loc[rows["is_treated"].astype(bool) | rows["is_control"].astype(bool)]
    found: dict[str, Any] = {"left_out_count": int(rows["is_left_out"].sum())}
    strata = _strata(sides)
    usable = strata.loc[(strata["n_treated"] >= MINIMUM_COMPARED) & (strata["n_control"] >= MINIMUM_COMPARED)]
    counted = usable if len(usable) else strata
    found |= {"treated_count": int(counted["n_treated"].sum()), "control_count": int(counted["n_control"].sum()),
              "campaign_count": len(usable), "small_campaign_count": len(strata) - len(usable)}  # fmt: skip
    if usable.empty:
        status = "no_campaign" if strata.empty else "too_few" if found["control_count"] else "no_control"
        return {"status": status} | found
    numbers = {str(name): usable[name].to_numpy(dtype=np.float64) for name in usable}
    n_treated, n_control = numbers["n_treated"], numbers["n_control"]
    difference, low, high = (
        round(number, 6)
        for number in stratified_newcombe(numbers["churned_control"], n_control, numbers["churned_treated"], n_treated)
    )
    weights = size_weights(n_control, n_treated)
    found |= {"difference": difference, "low": low, "high": high} | {
        f"expected_{side}_rate": round(float(weights @ numbers[f"expected_{side}"]), 6)
        for side in ("treated", "control")
    }
    found["is_balanced"] = _is_balanced(numbers, weights=weights)
    if low <= 0 <= high:
        return {"status": "unclear"} | found
    if high < 0:
        return {"status": "lost"} | found
    saved = {"saved_count": difference, "saved_low": low, "saved_high": high}
    return {"status": "saved"} | found | {
        name: round(number * found["treated_count"], 1) for name, number in saved.items()
    }  # fmt: skip


def _is_balanced(numbers: Mapping[str, Array], *, weights: Array) -> bool:
    apart = float(weights @ (numbers["expected_treated"] - numbers["expected_control"]))
    treated, control = (numbers[f"variance_{side}"] / numbers[f"n_{side}"] for side in ("treated", "control"))
    error = float(np.sqrt((weights**2 * (treated + control)).sum()))
    return abs(apart) <= NORMAL_975 * error + 1e-12


def _strata(sides: pd.DataFrame) -> pd.DataFrame:
    """Return size, churners, mean and variance of the expected churn of both sides of each campaign, by name."""
    parts: dict[str, pd.Series] = {}
    for side in ("treated", "control"):
        by_campaign = sides.loc[sides[f"is_{side}"].astype(bool)].groupby("campaign")
        parts[f"n_{side}"] = by_campaign.size()
        parts[f"churned_{side}"] = by_campaign["is_churned"].sum()
        parts[f"expected_{side}"] = by_campaign["churn_probability"].mean()
        parts[f"variance_{side}"] = by_campaign["churn_probability"].var()
    return pd.DataFrame(parts).fillna(0).sort_index()
