"""Concentration of revenue a year on, and dependence on single accounts (REQUIREMENTS E16).

Top shares are those of chapter 2 (result ``concentration``), here of two quarters side by side. What is new is the
dependence on the largest accounts. Privacy: the share of a group of fewer than ``minimum_cell`` accounts, which with
the revenue gives their amounts away, is told only when all of the largest accounts are organisations; of persons, only
whether anybody reaches the share from which a company depends on him.
"""

from collections.abc import Mapping
from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.words import message

LARGEST = (1, 5, 10)
#: Groups in the order of showing: the best per cent of the buyers, and the largest accounts.
GROUPS = ("top_1", "top_10", "top_20", *(f"largest_{count}" for count in LARGEST))
CONCENTRATION_CHANGE_SCHEMA: ResultSchema = dict.fromkeys(
    ["account_group", "spend_share", "year_ago_share", "share_change_pp", "n", "year_ago_n"], OPEN
)
_COLUMNS = ["customer_id", "kind", "order_count_365d", "spend_amount_365d"]


def dependence_document(features: ibis.Table, *, settings: PortfolioSettings) -> dict[str, Any]:
    """Return how far a year's net revenue depends on its largest accounts.

    ``customer_id, kind, order_count_365d, spend_amount_365d`` -> document

    Parameters
    ----------
    features
        One row per customer; buyers of the last 365 days are counted, negative net spend as 0.

    Returns
    -------
    dict
        ``status`` (``good``, ``watch``: an account reaches ``dependent_share`` of the net spend, ``too_small``: fewer
        than ``minimum_base`` buyers or no spend); ``message``; ``buyer_count``; ``dependent_count``: accounts that
        reach it; ``largest``: each ``{account_count, spend_share}``, the share empty where it may not be told;
        ``herfindahl``: sum of squared shares (1: one account, 1/n: n equal ones); ``equal_count``: number of equal
        accounts that would be as concentrated (both empty where a person may be the account depended on);
        ``are_organisations``: whether all of the largest are.
    """
    rows = features.select(_COLUMNS)
    money = ibis.greatest(rows.spend_amount_365d, 0.0).cast("decimal(15, 2)")
    buyers = rows.filter(rows.order_count_365d >= 1).select("customer_id", "kind", amount=money)
    sums = buyers.aggregate(
        n=buyers.count(), total=buyers.amount.sum(), squares=(buyers.amount * buyers.amount).sum()
    ).to_pandas()
    n, total = int(sums["n"].iloc[0]), float(sums["total"].iloc[0] or 0)
    if n < settings.minimum_base or total <= 0:
        told = message("dependence.too_small", n=n, minimum=settings.minimum_base)
        empty: dict[str, Any] = {"largest": [], "herfindahl": None, "equal_count": None, "are_organisations": False}
        return {"status": "too_small", "message": told.to_json(), "buyer_count": n, "dependent_count": 0, **empty}
    top = buyers.order_by(ibis.desc("amount"), "customer_id").limit(max(LARGEST)).to_pandas()
    shares = top["amount"].astype(float) / total
    dependent = int((shares >= settings.dependent_share).sum())
    are_organisations = bool((top["kind"] == "organisation").all())
    herfindahl = float(sums["squares"].iloc[0]) / total**2
    may_tell = are_organisations or not dependent
    largest = [
        {
            "account_count": count,
            "spend_share": round(float(shares.iloc[:count].sum()), 6)
            if are_organisations or count >= settings.minimum_cell
            else None,
        }
        for count in LARGEST
    ]
    told = message(
        "dependence.finding" if dependent else "dependence.none",
        n=n, limit=settings.dependent_share, count=dependent, ten=largest[-1]["spend_share"],
    )  # fmt: skip
    return {
        "status": "watch" if dependent else "good",
        "message": told.to_json(),
        "buyer_count": n,
        "dependent_count": dependent,
        "largest": largest,
        "herfindahl": round(herfindahl, 6) if may_tell else None,
        "equal_count": round(1 / herfindahl, 1) if may_tell else None,
        "are_organisations": are_organisations,
    }


def concentration_change_table(
    now: Mapping[str, Any],
    dependence: Mapping[str, Any],
    *,
    year_ago: Mapping[str, Any] | None = None,
    dependence_year_ago: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the share of net spend that the best buyers and the largest accounts bring, beside that of a year ago.

    Parameters
    ----------
    now, year_ago
        Document ``concentration`` of both quarters (chapter 2), with the shares of the best 1, 10 and 20 %. The earlier
        one is absent where the data do not reach back a year before it.
    dependence, dependence_year_ago
        What :func:`dependence_document` returns for both quarters.

    Returns
    -------
    pandas.DataFrame
        ``account_group`` (one of :data:`GROUPS`), ``spend_share``, ``year_ago_share`` (0-1), ``share_change_pp`` (their
        difference), ``n``, ``year_ago_n`` (buyers of the year). Groups that may not be told in either year are left
        out.
    """
    shares, before = _shares(now, dependence), _shares(year_ago or {}, dependence_year_ago or {})
    table = pd.DataFrame({
        "account_group": pd.Series(GROUPS, dtype="str"),
        "spend_share": [shares.get(name, float("nan")) for name in GROUPS],
        "year_ago_share": [before.get(name, float("nan")) for name in GROUPS],
    })  # fmt: skip
    table["share_change_pp"] = (table["spend_share"] - table["year_ago_share"]).round(6)
    table["n"] = int(now.get("buyer_count", 0))
    table["year_ago_n"] = int((year_ago or {}).get("buyer_count", 0))
    return table.loc[table[["spend_share", "year_ago_share"]].notna().any(axis=1)].reset_index(drop=True)


def _shares(document: Mapping[str, Any], dependence: Mapping[str, Any]) -> dict[str, float]:
    """Return the shares that two documents hold."""
    tops = {f"top_{round(100 * top['top_share'])}": top["spend_share"] for top in document.get("tops", [])}
    largest = {f"largest_{top['account_count']}": top["spend_share"] for top in dependence.get("largest", [])}
    return {name: float(value) for name, value in (tops | largest).items() if value is not None}
