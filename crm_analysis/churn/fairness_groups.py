"""Who is compared in fairness: groups of people, and what was done with each of them (REQUIREMENTS X2)."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd

from crm_analysis.base.settings_signals import FairnessSettings
from crm_analysis.sources.schema import CUSTOMERS

ATTRIBUTES = ("gender", "age_band", "region")
GENDERS = CUSTOMERS["gender"].allowed


def groups_table(customers: pd.DataFrame, *, origin: date, settings: FairnessSettings) -> pd.DataFrame:
    """Return the groups of every customer.

    ``customer_id, kind, gender, birth_date, region`` -> ``customer_id, gender, age_band, region``

    Parameters
    ----------
    origin
        Day at which age is taken.

    Notes
    -----
    Gender and age are those of persons; of organisations they are empty, like what is not recorded, genders outside the
    data contract and ages outside 0 to 110 years. The region is today's where its history is not recorded.
    """
    is_person = customers["kind"].astype("object") != "organisation"
    born = pd.to_datetime(customers["birth_date"])
    days = (pd.Timestamp(origin) - born).dt.days
    years = np.floor(days / 365.25)
    edges = [0, *settings.age_bands, 111]
    labels = [f"<{edges[1]}", *(f"{a}–{b - 1}" for a, b in pairwise(edges[1:-1])), f"≥{edges[-2]}"]
    band = pd.Series(pd.cut(years, edges, right=False, labels=labels), index=customers.index).astype("object")
    return pd.DataFrame({
        "customer_id": customers["customer_id"].astype("str"),
        "gender": customers["gender"].astype("object").where(is_person & customers["gender"].isin(GENDERS), None),
        "age_band": band.where(is_person & band.notna(), None),
        "region": customers["region"].astype("object").where(customers["region"].notna(), None),
    })  # fmt: skip


def select_judged(predictions: pd.DataFrame, *, model: str, list_length: int) -> pd.DataFrame:
    """Return the latest held-out origin with who would have been on the warning list.

    ``churn_predictions`` -> ``customer_id, origin, is_churned, score, probability, is_selected``, the largest expected
    loss (probability x amount at stake) first as on the list, equal ones by id; at most ``list_length`` are selected,
    and nobody without an expected loss
    """
    latest = predictions.loc[predictions["origin"] == predictions["origin"].max()]
    judged = pd.DataFrame({
        "customer_id": latest["customer_id"].astype("str"),
        "origin": latest["origin"],
        "is_churned": latest["is_churned"].astype(bool),
        "score": latest[f"{model}_score"].astype(float),
        "probability": latest[f"{model}_probability"].astype(float),
    })  # fmt: skip
    judged["loss"] = (judged["probability"] * latest["at_stake_amount"].astype(float)).round(2)
    judged = judged.sort_values(["loss", "customer_id"], ascending=[False, True], ignore_index=True)
    return judged.assign(is_selected=(judged.index < list_length) & (judged["loss"] > 0)).drop(columns="loss")


def top_tier_table(segments: pd.DataFrame, *, ranked: Sequence[str]) -> pd.DataFrame:
    """Return who is in the best tier, among the customers whose tier has a place in the order.

    ``customer_id, tier`` -> ``customer_id, is_top_tier``

    Parameters
    ----------
    ranked
        Tiers, best first.
    """
    placed = segments.loc[segments["tier"].isin(list(ranked)), ["customer_id", "tier"]]
    return placed[["customer_id"]].assign(is_top_tier=placed["tier"] == (ranked[0] if ranked else ""))


def offers_table(silence: pd.DataFrame, actions: pd.DataFrame, *, silence_days: int) -> pd.DataFrame:
    """Return which silent customers were to be won back, and what that cost.

    ``customer_id, recency_days`` at a day, and ``customer_id, is_control, status, cost`` of the actions assigned since
    -> ``customer_id, is_offered, offer_cost``

    Notes
    -----
    Silent: the last purchase lies ``silence_days`` or more before the day, so that whoever was won back since counts.
    Offered: an action that is neither control nor cancelled. ``offer_cost`` is the sum of the recorded costs of these
    actions, null where none is recorded.
    """
    silent = silence.loc[silence["recency_days"] >= silence_days, ["customer_id"]]
    is_control = actions["is_control"].fillna(False).astype(bool)
    offers = actions.loc[~is_control & (actions["status"].fillna("") != "cancelled")]
    costs = offers["cost"].astype("float64").groupby(offers["customer_id"]).sum(min_count=1)
    return silent.assign(
        is_offered=silent["customer_id"].isin(offers["customer_id"]), offer_cost=silent["customer_id"].map(costs)
    ).reset_index(drop=True)
