"""Sentences of the portraits, made from their results."""

import numpy as np
import pandas as pd

from crm_analysis.base.words import Message, message
from crm_analysis.portraits.attributes import OTHER

#: Tiers that are no segments of buyers; nobody draws a portrait of them first.
_NOT_PORTRAYED = ("non_buyer", "unscored")
#: Columns of the behaviour that a company may not record.
_OPTIONAL = ("discount_share", "category", "channel", "contact_channel", "hour")
#: Attributes whose values are slugs with words (``gender.female``).
SLUG_ATTRIBUTES = ("kind", "gender", "company_size")
#: Attributes whose values come from the data; settings may name them in both languages.
DATA_ATTRIBUTES = ("region", "industry")


def distinctive_table(attributes: pd.DataFrame, *, limit: int = 10) -> pd.DataFrame:
    """Return what is most typical of tiers: values well above the average of all customers.

    what :func:`crm_analysis.portraits.attributes.attribute_table` returns -> ``tier, attribute, value, n, share,
    overall_share, index``, strongest first

    Notes
    -----
    Only cells that may be shown, with an index above 100. Strength is the difference of the shares in standard errors,
    so that an index of 300 made from few customers does not win; it orders, it is no test.
    """
    shown = attributes.loc[
        ~attributes["is_suppressed"]
        & ~attributes["tier"].isin(_NOT_PORTRAYED)
        & (attributes["value"] != OTHER)
        & (attributes["index"] > 100)
    ]
    expected = shown["overall_share"].astype(float)
    known = shown["n"].astype(float) / shown["share"].astype(float)
    error = np.sqrt(expected * (1 - expected) / known)
    ordered = shown.assign(strength=((shown["share"].astype(float) - expected) / error).round(9))
    ordered = ordered.sort_values(["strength", "tier", "attribute", "value"], ascending=[False, True, True, True])
    columns = ["tier", "attribute", "value", "n", "share", "overall_share", "index"]
    return ordered[columns].head(limit).reset_index(drop=True)


def value_text(attribute: str, value: str) -> Message | str:
    """Return a value of an attribute as a word; of data, the name settings give it, else as it stands there."""
    if value == OTHER:
        return message("value.other_values")
    if attribute in DATA_ATTRIBUTES:
        return message(f"value.of_{attribute}", value=value)
    return message(f"{attribute}.{value}") if attribute in SLUG_ATTRIBUTES else value


def finding_attributes(attributes: pd.DataFrame) -> Message:
    """Return the most distinctive attribute of a tier, with its index and number of customers."""
    first = distinctive_table(attributes, limit=1)
    if first.empty:
        return message("portraits.attributes.none")
    row = first.iloc[0]
    return message(
        "portraits.attributes.finding",
        tier=str(row["tier"]),
        attribute=str(row["attribute"]),
        value=value_text(str(row["attribute"]), str(row["value"])),
        index=float(row["index"]),
        share=float(row["share"]),
        overall=float(row["overall_share"]),
        n=int(row["n"]),
    )


def note_attributes(attributes: pd.DataFrame, *, minimum: int) -> Message:
    """Return what was hidden, and how much is unknown."""
    unknown = attributes["unknown_share"].dropna()
    return message(
        "portraits.attributes.note",
        hidden=int(attributes["is_suppressed"].sum()),
        cells=len(attributes),
        minimum=minimum,
        unknown=float(unknown.max()) if len(unknown) else 0.0,
    )


def alt_index(attributes: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.portraits.figures.plot_index`."""
    return message("portraits.attributes.alt", finding=finding_attributes(attributes))


def note_missing(behaviour: pd.DataFrame) -> Message:
    """Return which parts of the behaviour are known for no tier, because the data do not hold them."""
    absent = [name for name in _OPTIONAL if behaviour[name].isna().all()]
    if not absent:
        return message("portraits.behaviour.complete")
    names = [message(f"column.{name}") for name in absent]
    listed = names[0]
    for name in names[1:]:
        listed = message("portraits.behaviour.list", first=listed, next=name)
    return message("portraits.behaviour.missing", names=listed, count=len(absent))


def finding_behaviour(behaviour: pd.DataFrame, *, minimum_orders: int = 30) -> Message:
    """Return the tier with the largest basket beside the one with the smallest, tiers of few orders left out."""
    is_clear = behaviour["basket_mean_amount"].notna() & (behaviour["order_count"].fillna(0) >= minimum_orders)
    shown = behaviour.loc[is_clear]
    if shown.empty:
        return message("portraits.behaviour.none")
    ordered = shown.sort_values(["basket_mean_amount", "tier"], ascending=[False, True])
    first, last = ordered.iloc[0], ordered.iloc[-1]
    if len(shown) == 1:
        amount, count = float(first["basket_mean_amount"]), int(first["order_count"])
        return message("portraits.behaviour.only", tier=str(first["tier"]), amount=amount, n=count)
    return message(
        "portraits.behaviour.finding",
        tier=str(first["tier"]),
        amount=float(first["basket_mean_amount"]),
        n=int(first["order_count"]),
        low_tier=str(last["tier"]),
        low_amount=float(last["basket_mean_amount"]),
        low_n=int(last["order_count"]),
    )
