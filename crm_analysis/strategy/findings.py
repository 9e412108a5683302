"""Sentences about the strategy, with the numbers they rest on."""

import pandas as pd

from crm_analysis.base.words import Message, message


def finding_strategy(strategy: pd.DataFrame) -> Message:
    """Return the contacts that the strategy asked for in the quarter, those made, and the tier furthest behind."""
    covered = strategy.loc[strategy["is_covered"] & (strategy["planned_contact_count"] > 0)]
    planned = float(covered["planned_contact_count"].sum())
    if covered.empty:
        return message("finding.strategy_none", tier_count=len(strategy))
    if covered["contact_count"].isna().all():
        return message("finding.strategy_planned", planned_count=planned, n=int(covered["customer_count"].sum()))
    due, made = float(covered["due_contact_count"].sum()), float(covered["contact_count"].sum())
    if due == 0:
        return message("finding.strategy_planned", planned_count=planned, n=int(covered["customer_count"].sum()))
    missing = (covered["due_contact_count"] - covered["contact_count"]).rename("missing")
    behind = covered.assign(missing=missing).sort_values(["missing", "tier"], ascending=[False, True]).iloc[0]
    told = {"due_count": due, "made_count": made, "rate": made / due, "n": int(covered["start_customer_count"].sum())}
    if behind["missing"] <= 0:
        return message("finding.strategy_kept", **told)
    return message(
        "finding.strategy",
        **told,
        tier=behind["tier"],
        tier_due=float(behind["due_contact_count"]),
        tier_made=float(behind["contact_count"]),
    )


def note_contacts(contacts: pd.DataFrame, *, strategy: pd.DataFrame) -> Message:
    """Return the definition of both counts, with the contacts of customers in none of the tiers at the start."""
    if contacts.empty:
        return message("note.strategy_contacts_unknown")
    outside = contacts.loc[~contacts["tier"].isin(strategy["tier"])]
    return message(
        "note.strategy_contacts",
        count=int(outside["contact_count"].sum()),
        n=int(outside["contacted_customer_count"].sum()),
    )


def finding_load(load: pd.DataFrame) -> Message:
    """Return who has most contacts to make (``owner`` is a text that settings bring, ready for reading)."""
    if load.empty:
        return message("finding.load_none")
    first = load.sort_values(["planned_contact_count", "owner"], ascending=[False, True]).iloc[0]
    total = float(load["planned_contact_count"].sum())
    return message(
        "finding.load",
        owner=str(first["owner"]),
        planned_count=float(first["planned_contact_count"]),
        share=float(first["planned_contact_count"]) / total if total else 0.0,
        customer_count=int(first["customer_count"]),
    )


def note_uncovered(strategy: pd.DataFrame) -> Message:
    """Return how many tiers have no row in the settings, with their customers."""
    uncovered = strategy.loc[~strategy["is_covered"].astype(bool)]
    if uncovered.empty:
        return message("note.strategy_all_covered", tier_count=len(strategy))
    return message(
        "note.strategy_uncovered",
        tier_count=len(uncovered),
        customer_count=int(uncovered["customer_count"].sum()),
        tier=str(uncovered["tier"].iloc[0]),
    )


def alt_contacts(strategy: pd.DataFrame) -> Message:
    """Return what the figure of contacts shows, in words."""
    covered = strategy.loc[strategy["is_covered"].astype(bool)]
    if covered.empty:
        return message("alt.contacts_empty")
    is_known = covered["contact_count"].notna().any()
    column = "due_contact_count" if is_known else "planned_contact_count"
    most = covered.sort_values([column, "tier"], ascending=[False, True]).iloc[0]
    told = {"tier_count": len(covered), "tier": most["tier"], "planned_count": float(most[column])}
    if not is_known:
        return message("alt.contacts_planned", **told)
    return message("alt.contacts", **told, made_count=float(most["contact_count"]))
