"""Sentences about tiers by rule, and the linter's remarks in words."""

from collections.abc import Mapping

import pandas as pd

from crm_analysis.base.settings_schemes import Scheme
from crm_analysis.base.words import Message, Words, message
from crm_analysis.segmentation.criteria import condition_words

#: Customers below which shares are only a hint.
SMALL = 30


def first_scheme(sizes: pd.DataFrame) -> str:
    """Return the scheme that stands first in a table of sizes, the primary one where it is a scheme of rules.

    Empty where the table is; all functions here take it where they are given no scheme.
    """
    return "" if sizes.empty else str(sizes["scheme"].iloc[0])


def sizes_of(sizes: pd.DataFrame, *, scheme: str | None = None) -> pd.DataFrame:
    """Return the tiers of one scheme, without the column ``scheme`` and without an empty reference mix."""
    table = sizes.loc[sizes["scheme"] == (scheme or first_scheme(sizes))].drop(columns="scheme").reset_index(drop=True)
    return table.drop(columns="reference_share") if table["reference_share"].isna().all() else table


def finding_scheme(sizes: pd.DataFrame, *, scheme: str | None = None) -> Message:
    """Return which tier of a scheme brings most, the rest left out, and how many customers and how much the rest holds.

    Parameters
    ----------
    sizes
        What :func:`crm_analysis.segmentation.schemes.scheme_sizes_table` returns.
    """
    scheme = scheme or first_scheme(sizes)
    tiers = sizes.loc[sizes["scheme"] == scheme]
    if not scheme:
        return message("schemes.lint.none")
    total = int(tiers["customer_count"].sum())
    if total == 0:
        return message("schemes.sizes.none", scheme=scheme)
    rest = tiers.iloc[-1]
    told = {
        "scheme": scheme,
        "total": total,
        "rest": str(rest["tier"]),
        "rest_n": int(rest["customer_count"]),
        "rest_share": float(rest["customer_share"]),
    }
    found = message("schemes.sizes.no_spend", **told)
    if tiers["spend_share"].notna().any():
        top = tiers.iloc[:-1].sort_values("spend_share", ascending=False, kind="stable").iloc[0]
        found = message(
            "schemes.sizes.finding" if told["rest_n"] else "schemes.sizes.finding_whole",
            **told,
            tier=str(top["tier"]),
            n=int(top["customer_count"]),
            share=float(top["customer_share"]),
            spend=float(top["spend_share"]),
            rest_spend=float(rest["spend_share"]),
        )
    return message("schemes.sizes.small", finding=found, minimum=SMALL) if total < SMALL else found


def other_sizes(sizes: pd.DataFrame) -> pd.DataFrame:
    """Return the tiers of all schemes but the first, without an empty reference mix."""
    table = sizes.loc[sizes["scheme"] != first_scheme(sizes)].reset_index(drop=True)
    return table.drop(columns="reference_share") if table["reference_share"].isna().all() else table


def finding_others(sizes: pd.DataFrame) -> Message:
    """Return whom the schemes beside the first leave in their tier of the rest."""
    table = other_sizes(sizes)
    if table.empty:
        return message("schemes.others.none")
    rests = table.groupby("scheme", sort=False).last().reset_index()
    parts = [
        message(
            "schemes.others.rest",
            scheme=str(row["scheme"]),
            tier=str(row["tier"]),
            n=int(row["customer_count"]),
            share=None if pd.isna(row["customer_share"]) else float(row["customer_share"]),
            spend=None if pd.isna(row["spend_share"]) else float(row["spend_share"]),
        )
        for row in rests.to_dict("records")
    ]
    return message("schemes.others.finding", n=len(parts), parts=parts)


def note_several(sizes: pd.DataFrame, *, scheme: str | None = None) -> Message:
    """Return for how many customers the order of the rules decides."""
    tiers = sizes.loc[sizes["scheme"] == (scheme or first_scheme(sizes))]
    several, total = int(tiers["multiple_match_count"].sum()), int(tiers["customer_count"].sum())
    if several == 0:
        return message("schemes.sizes.one_each")
    return message("schemes.sizes.several", n=several, share=round(several / total, 6))


def note_lapsed(sizes: pd.DataFrame, *, scheme: str | None = None) -> Message:
    """Return which tier of a scheme holds most customers who have not bought for a year, and how many those are."""
    tiers = sizes.loc[sizes["scheme"] == (scheme or first_scheme(sizes))]
    if tiers.empty or tiers["lapsed_count"].sum() == 0:
        return message("schemes.lapsed.none")
    top = tiers.sort_values("lapsed_count", ascending=False, kind="stable").iloc[0]
    n, lapsed = int(top["customer_count"]), int(top["lapsed_count"])
    return message("schemes.lapsed.most", tier=str(top["tier"]), n=n, lapsed=lapsed, share=round(lapsed / n, 6))


def finding_lint(lint: pd.DataFrame) -> Message:
    """Return how many schemes have rules that never decide, or leave gaps; the worst status is told."""
    if lint.empty:
        return message("schemes.lint.none")
    by_scheme = lint.groupby("scheme", sort=False)["status"].first()
    for status in ("bad", "watch"):
        named = by_scheme.index[by_scheme == status].tolist()
        if named:
            counts = {"bad": len(named)} if status == "bad" else {"watched": len(named)}
            return message(f"schemes.lint.finding_{status}", n=len(by_scheme), schemes=named, **counts)
    return message("schemes.lint.finding_good", n=len(by_scheme))


def lint_remarks_table(lint: pd.DataFrame, *, schemes: Mapping[str, Scheme], words: Words) -> pd.DataFrame:
    """Return the linter's findings in words.

    what :func:`crm_analysis.segmentation.linter.lint_table` returns -> ``scheme, status, remark``; the overlaps of a
    scheme make one row with their number and the first of them
    """
    rows = []
    for (id_, lint_id), found in lint.groupby(["scheme", "lint"], sort=False):
        told = found.head(1) if lint_id == "overlap" else found
        for row in told.to_dict("records"):
            cells = condition_words(str(row["cells"]), words=words) if row["cells"] else ""
            count = len(found) if lint_id == "overlap" else int(row["cell_count"])
            rest = schemes[str(id_)].otherwise.id
            remark = message(f"schemes.lint.{lint_id}", tier=row["tier"], other=row["other_tier"], cells=cells, n=count,
                             rest=rest)  # fmt: skip
            rows.append({"scheme": id_, "status": row["status"], "remark": words.say(remark)})
    return pd.DataFrame(rows, columns=["scheme", "status", "remark"])


def alt_scheme_sizes(sizes: pd.DataFrame, *, scheme: str | None = None) -> Message:
    """Return the alternative text of :func:`crm_analysis.segmentation.schemes_figures.plot_scheme_sizes`."""
    scheme = scheme or first_scheme(sizes)
    if not scheme:
        return message("schemes.lint.none")
    count = int((sizes["scheme"] == scheme).sum())
    return message("schemes.sizes.alt", scheme=scheme, count=count, finding=finding_scheme(sizes, scheme=scheme))
