"""How last quarter's warning list did, from what was known then (REQUIREMENTS C7)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.intervals import newcombe, wilson
from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema

LOOK_BACK_SCHEMA: ResultSchema = dict.fromkeys(
    ["look_back_group", "customer_count", "churn_count", "churn_rate", "churn_rate_low", "churn_rate_high",
     "expected_rate", "at_stake_amount", "lost_amount"],
    OPEN,
)  # fmt: skip
SCORED_BEFORE_SCHEMA: ResultSchema = {"customer_id": DIRECT} | dict.fromkeys(
    ["churn_probability", "at_stake_amount", "is_listed", "is_churned", "is_reached", "is_treated", "is_control"],
    SENSITIVE,
)  # fmt: skip
GROUPS = ("everyone", "listed", "listed_reached", "listed_not_reached", "listed_control", "not_listed")
#: Customers on either side below which treated and controls are not compared.
MINIMUM_COMPARED = 30


def scored_before_table(
    scores: pd.DataFrame, warned: pd.DataFrame, outcomes: pd.DataFrame, actions: pd.DataFrame | None
) -> pd.DataFrame:
    """Return what became of everyone who was scored last quarter (result ``scored_before``).

    ``churn_scores`` and ``warning_list`` of the earlier quarter, ``customer_id, order_count`` bought in the outcome
    window since, and ``customer_id, is_control, status`` of actions assigned in that time -> columns of
    ``SCORED_BEFORE_SCHEMA``

    Notes
    -----
    Scores and list are recomputed at the earlier quarter: from what was known then. Reached: an action that is no
    control was done for the customer. A control has a control action and was not reached all the same; treated are
    those with an action that is no control, done or not, so that who could not be reached does not make the treated
    look better.
    """
    rows = scores[["customer_id", "churn_probability", "at_stake_amount"]].copy()
    rows["is_listed"] = rows["customer_id"].isin(warned["customer_id"])
    stayed = outcomes.loc[outcomes["order_count"] >= 1, "customer_id"]
    rows["is_churned"] = ~rows["customer_id"].isin(stayed)
    columns = ["customer_id", "is_control", "status"]
    made = pd.DataFrame(columns=columns) if actions is None else actions[columns]
    is_control = made["is_control"].fillna(False).astype(bool)
    treated, held_out = made.loc[~is_control], made.loc[is_control]
    rows["is_reached"] = rows["customer_id"].isin(treated.loc[treated["status"] == "done", "customer_id"])
    rows["is_treated"] = rows["customer_id"].isin(treated["customer_id"])
    rows["is_control"] = rows["customer_id"].isin(held_out["customer_id"]) & ~rows["is_treated"]
    return rows.sort_values("customer_id", ignore_index=True)


def look_back_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return churn and money of each group, beside what was expected (result ``look_back``).

    columns of ``SCORED_BEFORE_SCHEMA`` -> columns of ``LOOK_BACK_SCHEMA``, one row for each of ``GROUPS`` with anybody
    in it; hits are the churners of ``listed``, misses those of ``not_listed``
    """
    if rows.empty:
        return pd.DataFrame(columns=list(LOOK_BACK_SCHEMA))
    listed = rows["is_listed"]
    masks = {
        "everyone": pd.Series(True, index=rows.index),
        "listed": listed,
        "listed_reached": listed & rows["is_reached"],
        "listed_not_reached": listed & ~rows["is_reached"] & ~rows["is_control"],
        "listed_control": listed & rows["is_control"],
        "not_listed": ~listed,
    }
    found = []
    for group in GROUPS:
        part = rows.loc[masks[group]]
        if part.empty:
            continue
        churned = int(part["is_churned"].sum())
        low, high = wilson(churned, len(part))
        found.append({
            "look_back_group": group, "customer_count": len(part), "churn_count": churned,
            "churn_rate": round(churned / len(part), 6), "churn_rate_low": low, "churn_rate_high": high,
            "expected_rate": round(float(part["churn_probability"].mean()), 6),
            "at_stake_amount": round(float(part["at_stake_amount"].sum()), 2),
            "lost_amount": round(float(part.loc[part["is_churned"], "at_stake_amount"].sum()), 2),
        })  # fmt: skip
    return pd.DataFrame(found, columns=list(LOOK_BACK_SCHEMA))


def look_back_document(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the verdict on last quarter's list.

    Returns
    -------
    dict
        ``status`` (``ok`` or ``none``: nobody was listed), ``list_count, hit_count, miss_count, precision_rate,
        precision_low, precision_high, expected_rate, recall_rate, reached_count``; ``calibration``: ``n,
        expected_rate, observed_rate, low, high, is_drifted`` of everyone scored (drifted: what was expected lies
        outside the interval); ``saved``: ``status`` (``ok``, ``no_control`` or ``too_few``), ``treated_count,
        control_count``, and where ok ``difference`` (churn rate of controls less that of treated, so that above 0 is
        saved), ``low, high``, ``saved_count`` (difference x treated).

    Notes
    -----
    Rates: Wilson (1927); difference: Newcombe (1998), of independent groups. Treated and controls are compared among
    all who were scored, listed or not, as far as they had an action; without control there is no effect to tell.
    """
    listed = rows.loc[rows["is_listed"].astype(bool)]
    if listed.empty:
        return {"status": "none", "list_count": 0}
    hits, churned = int(listed["is_churned"].sum()), int(rows["is_churned"].sum())
    low, high = wilson(hits, len(listed))
    everyone_low, everyone_high = wilson(churned, len(rows))
    expected = round(float(rows["churn_probability"].mean()), 6)
    return {
        "status": "ok",
        "list_count": len(listed),
        "hit_count": hits,
        "miss_count": churned - hits,
        "precision_rate": round(hits / len(listed), 6),
        "precision_low": low,
        "precision_high": high,
        "expected_rate": round(float(listed["churn_probability"].mean()), 6),
        "recall_rate": round(hits / churned, 6) if churned else None,
        "reached_count": int(listed["is_reached"].sum()),
        "calibration": {
            "n": len(rows),
            "expected_rate": expected,
            "observed_rate": round(churned / len(rows), 6),
            "low": everyone_low,
            "high": everyone_high,
            "is_drifted": not everyone_low <= expected <= everyone_high,
        },
        "saved": _saved(rows),
    }


def _saved(rows: pd.DataFrame) -> Mapping[str, Any]:
    treated, control = rows.loc[rows["is_treated"]], rows.loc[rows["is_control"]]
    sizes = {"treated_count": len(treated), "control_count": len(control)}
    if control.empty:
        return {"status": "no_control"} | sizes
    if min(len(treated), len(control)) < MINIMUM_COMPARED:
        return {"status": "too_few"} | sizes
    lost = int(control["is_churned"].sum()), int(treated["is_churned"].sum())
    difference, low, high = (round(x, 6) for x in newcombe(lost[0], len(control), lost[1], len(treated)))
    return {"status": "ok"} | sizes | {
        "difference": difference, "low": low, "high": high, "saved_count": round(difference * len(treated), 1),
    }  # fmt: skip
