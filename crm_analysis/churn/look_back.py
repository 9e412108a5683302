"""How last quarter's warning list did, from what was known then (REQUIREMENTS C7)."""

from datetime import date
from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.intervals import wilson
from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.churn.saved import saved_document, with_sides
from crm_analysis.sources.contacts import done_between

LOOK_BACK_SCHEMA: ResultSchema = dict.fromkeys(
    ["look_back_group", "customer_count", "churn_count", "churn_rate", "churn_rate_low", "churn_rate_high",
     "expected_rate", "at_stake_amount", "lost_amount"],
    OPEN,
)  # fmt: skip
SCORED_BEFORE_SCHEMA: ResultSchema = {"customer_id": DIRECT, "campaign": OPEN} | dict.fromkeys(
    ["churn_probability", "at_stake_amount", "is_listed", "is_churned", "is_reached", "is_treated", "is_control",
     "is_left_out"],
    SENSITIVE,
)  # fmt: skip
GROUPS = ("everyone", "listed", "listed_reached", "listed_not_reached", "listed_control", "not_listed")
_ACTIONS = ("customer_id", "campaign", "is_control", "is_assigned", "is_done")


def actions_since_table(actions: ibis.Table, *, origin: date, end: date, zone: str) -> pd.DataFrame:
    """Return the actions that were assigned or done in ``[origin, end)``, local days.

    ``actions`` behind the door of ``end`` or a later day -> ``customer_id, campaign`` (null for upkeep), ``is_control,
    is_assigned, is_done``; the last two tell what of it fell into those days
    """
    rows = actions.filter(actions.customer_id.notnull())
    told = rows.select(
        "customer_id",
        campaign="campaign_id",
        is_control=rows.is_control.fill_null(False),
        is_assigned=((rows.assigned_on >= ibis.literal(origin)) & (rows.assigned_on < ibis.literal(end))),
        is_done=done_between(rows, start=origin, end=end, zone=zone),
    )
    return told.filter(told.is_assigned | told.is_done).to_pandas()[list(_ACTIONS)]


def scored_before_table(
    scores: pd.DataFrame, warned: pd.DataFrame, outcomes: pd.DataFrame, actions: pd.DataFrame | None
) -> pd.DataFrame:
    """Return what became of everyone who was scored last quarter (result ``scored_before``).

    ``churn_scores`` and ``warning_list`` of the earlier quarter, ``customer_id, order_count`` bought in the outcome
    window since, and :func:`actions_since_table` of that time -> columns of ``SCORED_BEFORE_SCHEMA``

    Notes
    -----
    Scores and list are recomputed at the earlier quarter: from what was known then. ``is_reached``: an action that is
    no control was done for the customer from the origin to the end of the outcome window, upkeep among it.
    ``is_treated``, ``is_control``: the side of the customer's ``campaign``, as assigned in that time, whatever was
    done; see :func:`~crm_analysis.churn.saved.with_sides`.
    """
    rows = scores[["customer_id", "churn_probability", "at_stake_amount"]].copy()
    rows["is_listed"] = rows["customer_id"].isin(warned["customer_id"])
    stayed = outcomes.loc[outcomes["order_count"] >= 1, "customer_id"]
    rows["is_churned"] = ~rows["customer_id"].isin(stayed)
    made = pd.DataFrame(columns=list(_ACTIONS)) if actions is None else actions[list(_ACTIONS)]
    made = made.astype(dict.fromkeys(["is_control", "is_assigned", "is_done"], "bool"))
    done = made.loc[made["is_done"] & ~made["is_control"], "customer_id"]
    rows["is_reached"] = rows["customer_id"].isin(done)
    rows = with_sides(rows, made.loc[made["is_assigned"] & made["campaign"].notna()])
    return rows.sort_values("customer_id", ignore_index=True)[list(SCORED_BEFORE_SCHEMA)]


def look_back_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return churn and money of each group, beside what was expected (result ``look_back``).

    columns of ``SCORED_BEFORE_SCHEMA`` -> columns of ``LOOK_BACK_SCHEMA``, one row for each of ``GROUPS`` with anybody
    in it; hits are the churners of ``listed``, misses those of ``not_listed``

    Notes
    -----
    ``listed_reached``, ``listed_not_reached`` and ``listed_control`` make up ``listed``: the last are controls of a
    campaign whom no other action reached either. Who was reached was not drawn: these rows tell no effect.
    """
    if rows.empty:
        return pd.DataFrame(columns=list(LOOK_BACK_SCHEMA))
    listed, reached = rows["is_listed"], rows["is_reached"]
    masks = {
        "everyone": pd.Series(True, index=rows.index),
        "listed": listed,
        "listed_reached": listed & reached,
        "listed_not_reached": listed & ~reached & ~rows["is_control"],
        "listed_control": listed & ~reached & rows["is_control"],
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


def look_back_document(rows: pd.DataFrame, *, model: str | None, origin: date | None) -> dict[str, Any]:
    """Return the verdict on last quarter's list.

    Parameters
    ----------
    model
        The model or rule that the scores and the list then were made with (``model`` of that quarter's ``champion``):
        it is what is judged, and may differ from today's.
    origin
        The day of the list.

    Returns
    -------
    dict
        ``status`` (``ok`` or ``none``: nobody was listed), ``model, origin, list_count, hit_count, miss_count,
        precision_rate, precision_low, precision_high, expected_rate, recall_rate, reached_count``; ``calibration``:
        ``n, expected_rate, observed_rate, low, high, verdict`` of everyone scored (``kept``: what was expected lies
        within the interval; ``more``, ``fewer``: more or fewer churned than chance between customers explains);
        ``saved``: see :func:`~crm_analysis.churn.saved.saved_document`.

    Notes
    -----
    Rates: Wilson (1927). One quarter's difference from what was expected may be its season; whether probabilities are
    systematically wrong is for the calibration over held-out quarters.
    """
    listed = rows.loc[rows["is_listed"].astype(bool)]
    if listed.empty:
        return {"status": "none", "list_count": 0, "model": model, "origin": None}
    hits, churned = int(listed["is_churned"].sum()), int(rows["is_churned"].sum())
    low, high = wilson(hits, len(listed))
    everyone_low, everyone_high = wilson(churned, len(rows))
    expected = round(float(rows["churn_probability"].mean()), 6)
    return {
        "status": "ok",
        "model": model,
        "origin": None if origin is None else origin.isoformat(),
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
            "verdict": "more" if expected < everyone_low else "fewer" if expected > everyone_high else "kept",
        },
        "saved": saved_document(rows),
    }
