"""Basic attributes of every tier against all customers, with small cells hidden (REQUIREMENTS P1)."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import PortraitSettings
from crm_analysis.portraits.suppression import suppressed_cells
from crm_analysis.sources.schema import CUSTOMERS

ATTRIBUTE_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "attribute", "value", "n", "share", "overall_share", "index", "known_count", "unknown_share",
     "is_suppressed"],
    OPEN,
)  # fmt: skip
#: Attributes, in the order in which they are shown.
ATTRIBUTES = ("kind", "age_band", "gender", "region", "industry", "company_size", "tenure_band")
OTHER = "other_values"

_OF_ONE_KIND = ("age_band", "gender", "industry", "company_size")
_UNKNOWN, _NOT_APPLICABLE = "__unknown__", "__not_applicable__"


def attribute_table(customers: ir.Table, tiers: ir.Table, *, settings: PortraitSettings, as_of: date) -> pd.DataFrame:
    """Return how the customers of every tier spread over their basic attributes, beside all customers.

    ``customers`` and ``tiers`` -> ``tier, attribute, value, n, share, overall_share, index, known_count,
    unknown_share, is_suppressed``, every value that occurs for every tier, largest tier first

    Parameters
    ----------
    customers
        Canonical customers behind the door in time.
    tiers
        ``customer_id, tier`` of all customers of the report, in the same backend.
    settings
        ``age_bands``, ``tenure_bands_years`` (lower ends), ``top_categories`` (further regions and industries become
        ``other_values``), ``minimum_cell``.
    as_of
        Day at which age and tenure are taken.

    Notes
    -----
    ``share`` is of the tier's customers whose value is known (``known_count``), ``overall_share`` the same over all
    tiers, ``index`` is ``share / overall_share * 100``; ``unknown_share`` is of all customers of the tier. Shares are
    0-1. Cells of fewer than ``minimum_cell`` customers have neither ``n`` nor ``share`` nor ``index``, and neither have
    those from which they would follow. Gender and age are those of persons, industry and size of organisations; an
    attribute that is nowhere known is left out; values outside a field's closed set count as unknown. Where the number
    of persons or organisations of a tier is itself hidden, ``known_count`` and ``unknown_share`` of the attributes of
    one kind are hidden too. REQUIREMENTS P1, X1.
    """
    counts = _counts(customers, tiers, settings=settings, as_of=as_of)
    names = _tiers_by_size(counts)
    parts = [
        _spread(counts.loc[counts["attribute"] == attribute], attribute=attribute, tiers=names, settings=settings)
        for attribute in ATTRIBUTES
    ]
    parts = [part for part in parts if not part.empty]
    if not parts:
        return pd.DataFrame(columns=list(ATTRIBUTE_SCHEMA))
    table = pd.concat(parts, ignore_index=True)
    kinds_hidden = table.loc[(table["attribute"] == "kind") & table["is_suppressed"], "tier"]
    one_kind = table["attribute"].isin(_OF_ONE_KIND) & table["tier"].isin(kinds_hidden)
    table["known_count"] = table["known_count"].mask(one_kind)
    table["unknown_share"] = table["unknown_share"].mask(one_kind)
    return table[list(ATTRIBUTE_SCHEMA)]


def band_labels(edges: Sequence[int]) -> list[str]:
    """Return the labels of the bands that begin at ``edges``, the open ones included.

    >>> band_labels((18, 25, 35))
    ['<18', '18–24', '25–34', '≥35']
    """
    inner = [str(a) if b == a + 1 else f"{a}–{b - 1}" for a, b in pairwise(edges)]
    return [f"<{edges[0]}", *inner, f"≥{edges[-1]}"]


def _counts(customers: ir.Table, tiers: ir.Table, *, settings: PortraitSettings, as_of: date) -> pd.DataFrame:
    """Return ``tier, attribute, value, n``, one query; unknown values are null."""
    known: Any = tiers.select("customer_id", "tier").left_join(customers, "customer_id")
    person = known["kind"].isnull() | (known["kind"] != "organisation")
    organisation = known["kind"].isnull() | (known["kind"] != "person")
    text = ibis.null("string")
    closed = {name: _in_contract(known, name) for name in ("kind", "gender", "company_size")}
    registered = ibis.ifelse(known["registered_at"].notnull(), known["registered_on"], ibis.null("date"))
    values = {
        "kind": closed["kind"],
        "age_band": ibis.ifelse(person, _band(_years(known["birth_date"], as_of), settings.age_bands), text),
        "gender": ibis.ifelse(person, closed["gender"], text),
        "region": known["region"],
        "industry": ibis.ifelse(organisation, known["industry"], text),
        "company_size": ibis.ifelse(organisation, closed["company_size"], text),
        "tenure_band": _band(
            _years(ibis.coalesce(known["cooperation_start"], registered), as_of), settings.tenure_bands_years
        ),
    }
    applies = {"age_band": person, "gender": person, "industry": organisation, "company_size": organisation}
    always = ibis.literal(True)
    marked = {
        name: ibis.ifelse(applies.get(name, always), value.fill_null(_UNKNOWN), _NOT_APPLICABLE)
        for name, value in values.items()
    }
    wide = known.select(tier=known["tier"], **marked)
    long = wide.pivot_longer(list(marked), names_to="attribute", values_to="value")
    applicable = long.filter(long["value"] != _NOT_APPLICABLE)
    counts = applicable.group_by("tier", "attribute", "value").aggregate(n=applicable.count())
    frame = counts.order_by("tier", "attribute", "value").to_pyarrow().to_pandas()
    frame["value"] = frame["value"].where(frame["value"] != _UNKNOWN, None)
    return frame


def _tiers_by_size(counts: pd.DataFrame) -> list[str]:
    everybody = counts.loc[counts["attribute"] == "kind"]
    sizes = everybody.groupby("tier").agg(n=("n", "sum")).reset_index()
    return sizes.sort_values(["n", "tier"], ascending=[False, True])["tier"].tolist()


def _in_contract(customers: Any, name: str) -> Any:
    """Return a field whose values outside its closed set count as unknown."""
    allowed = CUSTOMERS[name].allowed
    return ibis.ifelse(customers[name].isin(allowed), customers[name], ibis.null("string"))


def _years(born: Any, as_of: date) -> Any:
    """Return completed years as of a day; empty for days after it."""
    passed = (born.month() * 100 + born.day()) <= (as_of.month * 100 + as_of.day)
    years = as_of.year - born.year() - ibis.ifelse(passed, 0, 1)
    return ibis.ifelse(years >= 0, years, ibis.null("int64"))


def _band(years: Any, edges: Sequence[int]) -> Any:
    labels = band_labels(edges)
    branches = [(years < edge, label) for edge, label in zip(edges, labels, strict=False)]
    branches.append((years >= edges[-1], labels[-1]))
    return ibis.cases(*branches, else_=ibis.null("string"))


def _spread(counts: pd.DataFrame, *, attribute: str, tiers: list[str], settings: PortraitSettings) -> pd.DataFrame:
    """Return the rows of one attribute: every value for every tier."""
    known = counts.loc[counts["value"].notna()]
    if known.empty:
        return pd.DataFrame(columns=list(ATTRIBUTE_SCHEMA))
    order = _ordered_values(known, attribute=attribute, settings=settings)
    folded = known.assign(value=known["value"].where(known["value"].isin(order), OTHER))
    grid = folded.pivot_table(index="tier", columns="value", values="n", aggfunc="sum", fill_value=0)
    grid = grid.reindex(index=tiers, columns=order, fill_value=0).astype("int64")
    totals = counts.groupby("tier")["n"].sum().reindex(tiers, fill_value=0)
    cells = grid.to_numpy()
    hidden = suppressed_cells(cells, minimum=settings.minimum_cell)
    overall = cells.sum(axis=0)
    overall_hidden = suppressed_cells(overall[None, :], minimum=settings.minimum_cell)[0]
    known_counts = cells.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(hidden, np.nan, cells / known_counts[:, None])
        overall_share = np.where(overall_hidden, np.nan, overall / overall.sum())
        index = share / overall_share * 100
        unknown = 1 - known_counts / totals.to_numpy()
    size = len(order)
    return pd.DataFrame(
        {
            "tier": np.repeat(tiers, size),
            "attribute": attribute,
            "value": order * len(tiers),
            "n": pd.array(np.where(hidden, -1, cells).ravel(), dtype="Int64"),
            "share": share.ravel().round(6),
            "overall_share": np.tile(overall_share.round(6), len(tiers)),
            "index": index.ravel().round(1),
            "known_count": pd.array(np.repeat(known_counts, size), dtype="Int64"),
            "unknown_share": np.repeat(unknown.round(6), size),
            "is_suppressed": hidden.ravel(),
        }
    ).assign(n=lambda frame: frame["n"].mask(frame["is_suppressed"]))


def _ordered_values(known: pd.DataFrame, *, attribute: str, settings: PortraitSettings) -> list[str]:
    """Return the values to show: bands and sizes in their own order, categories by number of customers."""
    fixed = {
        "age_band": band_labels(settings.age_bands),
        "tenure_band": band_labels(settings.tenure_bands_years),
        "company_size": list(CUSTOMERS["company_size"].allowed),
    }
    present = set(known["value"])
    if attribute in fixed:
        listed = [value for value in fixed[attribute] if value in present]
        return listed + ([OTHER] if present - set(listed) else [])
    totals = known.groupby("value").agg(n=("n", "sum")).reset_index()
    top = totals.sort_values(["n", "value"], ascending=[False, True])["value"].head(settings.top_categories).tolist()
    return top + ([OTHER] if len(totals) > len(top) else [])
