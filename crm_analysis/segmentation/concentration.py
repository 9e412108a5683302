"""How far net spend is concentrated on few buyers: the Pareto curve, top shares, Gini, and the tiers' shares."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_value import ConcentrationSettings
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.base.words import message

#: Columns of ``features`` that are read.
CONCENTRATION_FEATURES = ("customer_id", "order_count_365d", "spend_amount_365d")
TOP_SHARES = (0.01, 0.10, 0.20)
_STEPS = (100, 50, 20, 10, 5)

PARETO_SCHEMA: ResultSchema = dict.fromkeys(["customer_share", "customer_count", "spend_share"], OPEN)
TIER_SPEND_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "customer_count", "customer_share", "year_spend_amount", "spend_share"], OPEN
)


def year_buyers(features: pd.DataFrame) -> pd.DataFrame:
    """Return the customers with a counted order in the last 365 days and their net spend, most first.

    ``customer_id, order_count_365d, spend_amount_365d`` -> ``customer_id, spend_amount_365d, counted_amount``

    Notes
    -----
    ``counted_amount`` is the net spend, 0 where refunds of earlier orders make it negative: only so is every share
    between 0 and 1. How much that leaves out is told by :func:`concentration_document`.
    """
    buyers = features.loc[features["order_count_365d"] >= 1, ["customer_id", "spend_amount_365d"]]
    amounts = buyers["spend_amount_365d"].astype(float)
    buyers = buyers.assign(spend_amount_365d=amounts, counted_amount=amounts.clip(lower=0))
    return buyers.sort_values(["counted_amount", "customer_id"], ascending=[False, True], ignore_index=True)


def pareto_table(features: pd.DataFrame, *, settings: ConcentrationSettings) -> pd.DataFrame:
    """Return which share of net spend the best buyers bring: points of the Pareto curve.

    columns :data:`CONCENTRATION_FEATURES` -> ``customer_share, customer_count, spend_share``, from 0 to 1; no rows
    below ``minimum_buyers`` buyers or without positive spend

    Notes
    -----
    100, 50, 20, 10 or 5 steps, each of ``minimum_cell`` customers or more, so that no difference of two points tells
    of fewer; counts are rounded up.
    """
    amounts = year_buyers(features)["counted_amount"].to_numpy()
    if len(amounts) < settings.minimum_buyers or amounts.sum() <= 0:
        return pd.DataFrame(columns=list(PARETO_SCHEMA))
    steps = _steps(len(amounts), minimum=settings.minimum_cell)
    counts = -(-np.arange(steps + 1) * len(amounts) // steps)
    sums = np.concatenate([[0.0], np.cumsum(amounts)])
    return pd.DataFrame({
        "customer_share": np.round(counts / len(amounts), 6),
        "customer_count": counts.astype("int64"),
        "spend_share": np.round(sums[counts] / sums[-1], 6),
    })  # fmt: skip


def concentration_document(features: pd.DataFrame, *, settings: ConcentrationSettings) -> dict[str, Any]:
    """Return the shares of the best 1, 10 and 20 % of the year's buyers, and the Gini coefficient.

    Returns
    -------
    dict
        ``status`` (``ok``, ``insufficient``), ``message``, ``buyer_count``, ``spend_amount`` (sum of what is counted),
        ``negative_count`` and ``negative_amount`` (buyers whose net spend is negative, counted as 0),
        ``refund_only_count`` (customers without an order in the year but with net spend below 0: no buyers),
        ``gini`` (0: all alike, towards 1: all from one), ``tops``: each ``{top_share, customer_count, spend_share}``.

    Notes
    -----
    The best share counts whole customers, rounded up; its spend is empty where the share is no step of the curve
    (:func:`pareto_table`).
    """
    buyers = year_buyers(features)
    amounts = buyers["counted_amount"].to_numpy()
    total, n = float(amounts.sum()), len(amounts)
    negative = buyers.loc[buyers["spend_amount_365d"] < 0, "spend_amount_365d"]
    refunds = features.loc[(features["order_count_365d"] < 1) & (features["spend_amount_365d"] < 0)]
    counted = {
        "buyer_count": n,
        "spend_amount": round(total, 2),
        "negative_count": len(negative),
        "negative_amount": round(float(negative.sum()), 2),
        "refund_only_count": len(refunds),
    }
    if n < settings.minimum_buyers or total <= 0:
        told = message("concentration.insufficient", n=n, minimum=settings.minimum_buyers)
        return {"status": "insufficient", "message": told.to_json(), "gini": None, "tops": [], **counted}
    curve = pareto_table(features, settings=settings).set_index("customer_count")["spend_share"]
    counts = [-(-round(100 * share) * n // 100) for share in TOP_SHARES]
    tops = [
        {"top_share": share, "customer_count": count, "spend_share": _plain(curve.get(count))}
        for share, count in zip(TOP_SHARES, counts, strict=True)
    ]
    gini = round(gini_of(amounts), 4)
    told = message(
        "concentration.finding", total=n, gini=gini, n=tops[-1]["customer_count"], fifth=tops[-1]["spend_share"],
        tenth=tops[1]["spend_share"], hundredth=tops[0]["spend_share"],
    )  # fmt: skip
    return {"status": "ok", "message": told.to_json(), "gini": gini, "tops": tops, **counted}


def tier_spend_table(
    features: pd.DataFrame, segments: pd.DataFrame, *, settings: ConcentrationSettings
) -> pd.DataFrame:
    """Return each tier's share of the year's buyers and of their net spend, most spend first.

    columns :data:`CONCENTRATION_FEATURES` and ``customer_id, tier`` -> columns of ``TIER_SPEND_SCHEMA``

    Notes
    -----
    Negative net spend counts as 0, as in the curve. Amounts of tiers of fewer than ``minimum_cell`` buyers are empty,
    and of further ones that would give them away.
    """
    buyers = year_buyers(features).merge(segments[["customer_id", "tier"]], on="customer_id")
    table = buyers.groupby("tier")["counted_amount"].agg(customer_count="size", year_spend_amount="sum").reset_index()
    total = float(table["year_spend_amount"].sum())
    table = table.sort_values(["year_spend_amount", "tier"], ascending=[False, True], ignore_index=True)
    hidden = hidden_cells(table["customer_count"], minimum=settings.minimum_cell)
    amounts = table["year_spend_amount"].astype(float).where(~hidden)
    table["customer_count"] = table["customer_count"].astype("int64")
    table["customer_share"] = (table["customer_count"] / max(len(buyers), 1)).round(6)
    table["spend_share"] = (amounts / total).round(6) if total > 0 else float("nan")
    table["year_spend_amount"] = amounts.round(2)
    return table[list(TIER_SPEND_SCHEMA)]


def _steps(n: int, *, minimum: int) -> int:
    return next((steps for steps in _STEPS if n // steps >= minimum), 1)


def _plain(value: Any) -> float | None:
    return None if value is None else float(value)


def gini_of(amounts: npt.NDArray[np.float64]) -> float:
    """Return the Gini coefficient of amounts of at least 0 (the population's, without correction for its size).

    >>> gini_of(np.array([1.0, 1.0, 1.0])), gini_of(np.array([0.0, 0.0, 0.0, 4.0]))
    (0.0, 0.75)
    """
    rising = np.sort(amounts)
    n = len(rising)
    return float(2 * (np.arange(1, n + 1) * rising).sum() / (n * rising.sum()) - (n + 1) / n)
