"""Gross and net revenue retention between two periods, of all customers and by tier (REQUIREMENTS E15)."""

import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.small_cells import hidden_cells

RETENTION_SCHEMA: ResultSchema = dict.fromkeys(
    ["bridge_span", "tier", "base_customer_count", "base_amount", "capped_amount", "later_amount",
     "gross_retention_rate", "net_retention_rate", "unbased_count", "unbased_before_amount", "status"],
    OPEN,
)  # fmt: skip


def revenue_retention_table(bridge: pd.DataFrame, *, settings: PortfolioSettings) -> pd.DataFrame:
    """Return gross and net revenue retention per pair of periods (and tier).

    columns of ``BRIDGE_SCHEMA`` -> columns of ``RETENTION_SCHEMA``

    Parameters
    ----------
    settings
        ``minimum_base``: rates on fewer customers are empty, status ``too_small``. ``minimum_cell``: amounts of tiers
        of fewer customers are empty, and of further ones that would give them away.

    Notes
    -----
    Base: customers who bought in the earlier period with net spend above 0 in it. Net retention: their net spend in
    the later period / in the earlier one. Gross retention: the same, each customer capped at his earlier amount, so
    that growth of some does not hide the loss of others; it never exceeds net retention. ``unbased_count``: bought in
    the earlier period, but got as much back or more; left out of both rates and counted. REQUIREMENTS E15.
    """
    if bridge.empty:
        kinds = dict.fromkeys(["bridge_span", "tier", "status"], "str") | dict.fromkeys(
            ["base_customer_count", "unbased_count"], "int64"
        )
        return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "float64")) for name in RETENTION_SCHEMA})
    was = bridge["bridge_part"].isin(["lost", "down", "level", "up"])
    base = bridge.loc[was].assign(
        base_customer_count=lambda t: t["customer_count"] - t["unbased_count"],
        base_amount=lambda t: t["before_amount"] - t["unbased_before_amount"],
        later_amount=lambda t: t["now_amount"] - t["unbased_now_amount"],
    )
    names = [
        "base_customer_count",
        "base_amount",
        "capped_amount",
        "later_amount",
        "unbased_count",
        "unbased_before_amount",
    ]
    table = base.groupby(["bridge_span", "tier"], sort=False, dropna=False)[names].sum().reset_index()
    is_told = (table["base_customer_count"] >= settings.minimum_base) & (table["base_amount"] > 0)
    table["gross_retention_rate"] = (table["capped_amount"] / table["base_amount"]).where(is_told).round(6)
    table["net_retention_rate"] = (table["later_amount"] / table["base_amount"]).where(is_told).round(6)
    table["status"] = is_told.map({True: "neutral", False: "too_small"}).astype("str")
    hidden = table.groupby("bridge_span", sort=False)["base_customer_count"].transform(
        lambda counts: hidden_cells(counts, minimum=settings.minimum_cell)
    )
    amounts = ["base_amount", "capped_amount", "later_amount", "unbased_before_amount"]
    table[amounts] = table[amounts].round(2).mask(hidden.astype(bool))
    is_few = table["unbased_count"].between(1, settings.minimum_cell - 1)
    table["unbased_before_amount"] = table["unbased_before_amount"].mask(is_few)
    return table[list(RETENTION_SCHEMA)]


def retention_shown_table(retention: pd.DataFrame, *, span: str | None = None) -> pd.DataFrame:
    """Return what is shown of revenue retention: all spans of all customers, or one span by tier.

    columns of ``RETENTION_SCHEMA`` -> the same without what every row shares, and without the amounts left out

    Parameters
    ----------
    span
        One of :data:`crm_analysis.evaluation.bridges.SPANS`; all of them without it.
    """
    if span is None:
        return retention.drop(columns=["tier", "unbased_before_amount"])
    rows = retention.loc[retention["bridge_span"] == span].reset_index(drop=True)
    return rows.drop(columns=["bridge_span", "unbased_before_amount"])
