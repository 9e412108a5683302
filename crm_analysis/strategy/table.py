"""What is done for each tier, and how much work that plans (REQUIREMENTS T1).

The texts of a row come from settings in both languages; results hold only the tier, and
:func:`~crm_analysis.strategy.names.strategy_names` gives the texts to :class:`~crm_analysis.base.words.Words` under
``strategy.<tier>.<dimension>``.
"""

from collections.abc import Sequence

import pandas as pd

from crm_analysis.base.errors import Problem, SettingsError
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import StrategyRow
from crm_analysis.base.words import ABSENT, Words
from crm_analysis.strategy.names import DIMENSIONS

STRATEGY_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "customer_count", "spend_share", "is_covered", "contacts_per_quarter", "planned_contact_count",
     "start_customer_count", "due_contact_count", "contact_count", "contacted_customer_count", "contacted_share",
     "plan_kept_rate"],
    OPEN,
)  # fmt: skip
CONTACTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "start_customer_count", "contact_count", "contacted_customer_count"], OPEN
)
LOAD_SCHEMA: ResultSchema = dict.fromkeys(["owner_key", "tier_count", "customer_count", "planned_contact_count"], OPEN)
NO_TIER = "no_tier"


def contacts_table(segments: pd.DataFrame, periods: pd.DataFrame, *, quarter: Quarter) -> pd.DataFrame:
    """Return the contacts that were made in a quarter, by tier.

    ``customer_id, tier`` and ``customer_id, quarter, interaction_out_count`` -> columns of ``CONTACTS_SCHEMA``

    Parameters
    ----------
    segments
        Tier of each customer; for a rate over the quarter pass the tier at its start.
    periods
        ``customer_periods``; other quarters are ignored.

    Notes
    -----
    ``start_customer_count`` are the customers of ``segments`` in the tier, contacted or not: what rates are taken of.
    Contacts with customers that have no tier are in the row ``no_tier`` (of 0 customers), so that parts sum to the
    whole.
    """
    made = periods.loc[
        (periods["quarter"] == str(quarter)) & (periods["interaction_out_count"] > 0),
        ["customer_id", "interaction_out_count"],
    ]
    joined = made.merge(segments[["customer_id", "tier"]], on="customer_id", how="left")
    joined["tier"] = joined["tier"].astype("str").fillna(NO_TIER)
    table = joined.groupby("tier").agg(
        contact_count=("interaction_out_count", "sum"), contacted_customer_count=("customer_id", "nunique")
    )
    sizes = segments.groupby("tier").size().rename("start_customer_count")
    table = table.join(sizes, how="outer").rename_axis("tier").fillna(0)
    return table.astype("int64").reset_index()[list(CONTACTS_SCHEMA)]


def strategy_table(
    sizes: pd.DataFrame, *, rows: Sequence[StrategyRow], contacts: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the plan per tier: how many customers, how many contacts it plans, how many were made.

    ``segment, customer_count, spend_share`` of the primary scheme -> columns of ``STRATEGY_SCHEMA``, in the order
    of ``rows``, tiers without a row last

    Parameters
    ----------
    rows
        Rows of settings; one per tier.
    contacts
        Of :func:`contacts_table`, by the tier at the quarter's start; without it the made contacts are null.

    Returns
    -------
    pandas.DataFrame
        ``planned_contact_count`` is customers of today x contacts per quarter, null for tiers without a row
        (``is_covered`` false): the work of the next quarter. What was done is held against the tier at the quarter's
        start (DESIGN, "tier of when"): ``due_contact_count`` is ``start_customer_count`` x contacts per quarter,
        ``plan_kept_rate`` made / due contacts, ``contacted_share`` the share of those customers with a contact.

    Raises
    ------
    SettingsError
        A tier has two rows.
    """
    planned = _planned(rows)
    table = sizes[["segment", "customer_count", "spend_share"]].rename(columns={"segment": "tier"})
    table = table.merge(planned, on="tier", how="left", validate="one_to_one")
    table["is_covered"] = table["contacts_per_quarter"].notna()
    table["planned_contact_count"] = (table["customer_count"] * table["contacts_per_quarter"]).round(1)
    made = contacts if contacts is not None else pd.DataFrame(columns=list(CONTACTS_SCHEMA))
    table = table.merge(made.astype({"tier": "str"}), on="tier", how="left", validate="one_to_one")
    for name in ("start_customer_count", "contact_count", "contacted_customer_count"):
        numbers = table[name].astype("float64")
        table[name] = numbers if contacts is None else numbers.fillna(0)
    base, due = table["start_customer_count"], table["start_customer_count"] * table["contacts_per_quarter"]
    table["due_contact_count"] = due.round(1)
    table["contacted_share"] = (table["contacted_customer_count"] / base.where(base > 0)).round(6)
    table["plan_kept_rate"] = (table["contact_count"] / due.where(due > 0)).round(6)
    ordered = table.sort_values(["is_covered", "position", "tier"], ascending=[False, True, True])
    return ordered[list(STRATEGY_SCHEMA)].reset_index(drop=True)


def owner_load_table(strategy: pd.DataFrame, *, rows: Sequence[StrategyRow]) -> pd.DataFrame:
    """Return the contacts each responsible role has to make in a quarter, most first.

    ``strategy_table`` -> columns of ``LOAD_SCHEMA``; ``owner_key`` is the word id of the owner's text in the first
    row that names him
    """
    keys: dict[tuple[str, str], str] = {}
    for row in rows:
        keys.setdefault((row.owner.zh, row.owner.en), f"strategy.{row.tier}.owner")
    owner_of = {row.tier: keys[row.owner.zh, row.owner.en] for row in rows}
    covered = strategy.loc[strategy["is_covered"]]
    table = (
        covered.assign(owner_key=covered["tier"].map(owner_of))
        .groupby("owner_key")
        .agg(
            tier_count=("tier", "size"),
            customer_count=("customer_count", "sum"),
            planned_contact_count=("planned_contact_count", "sum"),
        )
        .reset_index()
    )
    return table.sort_values(["planned_contact_count", "owner_key"], ascending=[False, True], ignore_index=True)


def format_strategy(strategy: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the strategy for reading: ``tier, customer_count, frequency, service, resources, owner, due``."""
    table = strategy[["tier", "customer_count"]].copy()
    for dimension in DIMENSIONS:
        ids = [f"strategy.{tier}.{dimension}" for tier in strategy["tier"]]
        table[dimension] = pd.Series([words.word(i) if words.has(i) else ABSENT for i in ids], dtype="str")
    return table


def format_plan(strategy: pd.DataFrame) -> pd.DataFrame:
    """Return the covered tiers' contacts for reading, without the columns that repeat the text."""
    shown = ["tier", "contacts_per_quarter", "start_customer_count", "due_contact_count", "contact_count",
             "plan_kept_rate", "contacted_share", "customer_count", "planned_contact_count"]  # fmt: skip
    return strategy.loc[strategy["is_covered"].astype(bool), shown].reset_index(drop=True)


def format_owner_load(load: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the load for reading: ``owner, tier_count, customer_count, planned_contact_count``."""
    names = pd.Series([words.word(key) for key in load["owner_key"]], dtype="str")
    return load.drop(columns="owner_key").assign(owner=names)[["owner", *list(LOAD_SCHEMA)[1:]]]


def _planned(rows: Sequence[StrategyRow]) -> pd.DataFrame:
    tiers = [row.tier for row in rows]
    twice = sorted({tier for tier in tiers if tiers.count(tier) > 1})
    if twice:
        raise SettingsError([Problem(f"tier {tier!r} has two rows", "strategy.rows", "keep one") for tier in twice])
    return pd.DataFrame(
        {
            "tier": pd.Series(tiers, dtype="str"),
            "contacts_per_quarter": pd.Series([row.contacts_per_quarter for row in rows], dtype="float64"),
            "position": pd.Series(range(len(rows)), dtype="float64"),
        }
    )
