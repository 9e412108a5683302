"""Customer lifetime value: purchases expected over a stated horizon, times their amount and margin, discounted (C5).

The horizon is counted in months of 52 / 12 weeks. With E(m) the purchases expected within m months, the value is the
sum over months of (E(m) - E(m - 1)) x expected amount x margin / (1 + monthly discount)^m.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings_value_models import ValueHorizon, ValueModelSettings
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.churn.purchase_fit import fitted_models
from crm_analysis.churn.purchase_model import FAMILIES, PurchaseModel
from crm_analysis.churn.purchase_rows import Floats, PurchaseRows
from crm_analysis.churn.purchase_spend import SpendModel

WEEKS_PER_MONTH = 52 / 12
CLV_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    "kind": OPEN,
    "alive_probability": SENSITIVE,
    "expected_purchase_count": SENSITIVE,
    "expected_order_amount": SENSITIVE,
    "clv_amount": SENSITIVE,
}
CLV_TIERS_SCHEMA: ResultSchema = dict.fromkeys(
    ["tier", "customer_count", "customer_share", "expected_purchase_count", "clv_amount", "clv_share",
     "clv_mean_amount"], OPEN,
)  # fmt: skip
#: Tier of customers who have none.
NO_TIER = "not_recorded"
_STEP = 1e-4


def clv_table(summary: pd.DataFrame, fits: Mapping[str, Any], *, horizon: ValueHorizon) -> pd.DataFrame:
    """Return what is expected of every customer over the horizon, most value first.

    columns of ``SUMMARY_SCHEMA`` -> columns of ``CLV_SCHEMA``; ties by id, customers of unfitted populations left out

    Parameters
    ----------
    fits
        Document of :func:`~crm_analysis.churn.purchase_fit.purchase_fits_document` on the same summary.

    Returns
    -------
    pandas.DataFrame
        ``expected_purchase_count``: over the horizon, not discounted. ``expected_order_amount``: revenue of a purchase.
        ``clv_amount``: discounted, times the margin; amounts are empty where the model of amounts is missing.
        ``alive_probability`` is told, never sorted by.
    """
    frames = [_kind_table(summary.loc[summary["kind"] == kind], kind, *models, horizon=horizon)
              for kind, models in fitted_models(fits).items()]  # fmt: skip
    if not frames:
        kinds = dict.fromkeys(["customer_id", "kind"], "str")
        return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "float64")) for name in CLV_SCHEMA})
    table = pd.concat(frames, ignore_index=True).astype({"customer_id": "str", "kind": "str"})
    return table.sort_values(["clv_amount", "customer_id"], ascending=[False, True], ignore_index=True)


def _kind_table(
    members: pd.DataFrame, kind: str, purchases: PurchaseModel, amounts: SpendModel | None, *, horizon: ValueHorizon
) -> pd.DataFrame:
    alive = purchases.alive_probability(members)
    expected = alive * purchases.future_if_alive(members, horizon=horizon.horizon_months * WEEKS_PER_MONTH)
    amount = np.full(len(members), np.nan) if amounts is None else amounts.expected_amount(members)
    value = alive * discounted_purchases(purchases, members, horizon=horizon) * amount * horizon.margin_share
    return pd.DataFrame({
        "customer_id": members["customer_id"].to_numpy(),
        "kind": kind,
        "alive_probability": alive.round(6),
        "expected_purchase_count": expected.round(6),
        "expected_order_amount": amount.round(2),
        "clv_amount": value.round(2),
    })  # fmt: skip


def discounted_purchases(model: PurchaseModel, summary: pd.DataFrame, *, horizon: ValueHorizon) -> Floats:
    """Return the purchases expected of each customer who is still there, those of later months discounted."""
    distinct, places = _distinct(summary)
    return _future(model, distinct, horizon=horizon)[1][places]


def _distinct(summary: pd.DataFrame) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
    """Return the distinct pairs that the future depends on, and the pair of each row."""
    groups = summary[["repeat_count", "age"]].astype("float64").groupby(["repeat_count", "age"], sort=True)
    return groups.size().reset_index(), groups.ngroup().to_numpy()


def _future(model: PurchaseModel, distinct: pd.DataFrame, *, horizon: ValueHorizon) -> tuple[Floats, Floats]:
    """Return the purchases of those who are still there over the horizon, as they come and discounted by month."""
    x, age = (distinct[name].to_numpy(dtype=float) for name in ("repeat_count", "age"))
    total, before = np.zeros(len(distinct)), np.zeros(len(distinct))
    for month in range(1, horizon.horizon_months + 1):
        so_far = FAMILIES[model.name].future_if_alive(model.values, x, age, month * WEEKS_PER_MONTH)
        total += (so_far - before) / (1 + horizon.monthly_discount_rate) ** month
        before = so_far
    return before, total


def clv_document(summary: pd.DataFrame, fits: Mapping[str, Any], *, settings: ValueModelSettings) -> dict[str, Any]:
    """Return the purchases and the value expected of all customers together, with their intervals.

    columns of ``SUMMARY_SCHEMA`` -> document

    Returns
    -------
    dict
        ``horizon`` (months, discount, margin), ``level`` of the intervals; ``totals``: per fitted population and, where
        there are two, for ``all``: ``n, purchases, purchases_low, purchases_high, value, value_low, value_high``; value
        is ``None`` without a model of amounts.

    Notes
    -----
    Delta method on the logarithm of the total: the covariance of the logarithms of the parameters, purchases and
    amounts apart, carried through numerical derivatives. The interval holds what is uncertain of the parameters, not
    the chance of single purchases, nor whether the model is right.
    """
    parts = {
        kind: _total(summary.loc[summary["kind"] == kind], *models, horizon=settings.horizon)
        for kind, models in fitted_models(fits).items()
    }
    totals = {kind: _with_intervals([part], level=settings.interval_level) for kind, part in parts.items()}
    if len(parts) > 1:
        totals["all"] = _with_intervals(list(parts.values()), level=settings.interval_level)
    return {"horizon": settings.horizon.model_dump(), "level": settings.interval_level, "totals": totals}


def _total(
    members: pd.DataFrame, purchases: PurchaseModel, amounts: SpendModel | None, *, horizon: ValueHorizon
) -> dict[str, Any]:
    """Return totals of a population with their variances."""
    unit = np.ones(len(members)) if amounts is None else amounts.expected_amount(members) * horizon.margin_share
    names = ["repeat_count", "age_at_last", "age"]
    groups = members[names].astype("float64").assign(unit=unit).groupby(names, sort=True)["unit"]
    alike = groups.agg(["size", "sum"]).reset_index()  # customers with the same history, and their amounts added up
    family = FAMILIES[purchases.name]
    x, t_x, age, size, worth = (alike[name].to_numpy(dtype=float) for name in (*names, "size", "sum"))
    rows = PurchaseRows(x, t_x, age, size)
    distinct, places = _distinct(alike)

    def totals(model: PurchaseModel) -> Floats:
        alive = family.alive_probability(model.values, rows)
        future, discounted = _future(model, distinct, horizon=horizon)
        return np.array([(alive * future[places]) @ size, (alive * discounted[places]) @ worth])

    found = totals(purchases)
    slopes = _slopes(lambda step: totals(purchases.moved(step)), len(purchases.params))
    variances = np.einsum("ki,ij,kj->k", slopes, purchases.covariance, slopes)
    if amounts is not None:
        weights = purchases.alive_probability(members) * discounted_purchases(purchases, members, horizon=horizon)
        spend = amounts

        def value(step: Floats) -> Floats:
            return np.array([float(weights @ spend.moved(step).expected_amount(members)) * horizon.margin_share])

        by_amounts = _slopes(value, len(amounts.params))[0]
        variances[1] += float(by_amounts @ amounts.covariance @ by_amounts)
    return {"n": len(members), "found": found, "variances": variances, "has_value": amounts is not None}


def _slopes(total: Any, count: int) -> Floats:
    """Return the derivatives of totals with respect to the logarithms of parameters, ``totals x parameters``."""
    columns = [(total(step) - total(-step)) / (2 * _STEP) for step in _STEP * np.eye(count)]
    return np.array(columns).T


def _with_intervals(parts: Sequence[Mapping[str, Any]], *, level: float) -> dict[str, Any]:
    """Return the sum of independent parts with intervals, symmetric on the scale of logarithms."""
    from scipy.stats import norm

    z = float(norm.ppf(0.5 + level / 2))
    found, variances = sum(part["found"] for part in parts), sum(part["variances"] for part in parts)
    names = ("purchases", "value") if all(part["has_value"] for part in parts) else ("purchases",)
    told: dict[str, Any] = {"n": sum(part["n"] for part in parts)}
    for name, total, variance in zip(names, found, variances, strict=False):
        reach = np.exp(z * np.sqrt(variance) / total) if total > 0 else 1.0
        ends = (total, total / reach, total * reach)
        told |= {f"{name}{end}": round(float(value), 2) for end, value in zip(("", "_low", "_high"), ends, strict=True)}
    return dict.fromkeys(["value", "value_low", "value_high"]) | told


def clv_tiers_table(
    clv: pd.DataFrame, tiers: pd.DataFrame, *, tier_order: Iterable[str] = (), minimum_cell: int
) -> pd.DataFrame:
    """Return expected purchases and value by tier.

    columns of ``CLV_SCHEMA`` and ``customer_id, tier`` -> columns of ``CLV_TIERS_SCHEMA``

    Parameters
    ----------
    tier_order
        Tiers from best to worst; others follow by name, customers without a tier come last.
    minimum_cell
        Tiers of fewer customers show no amount and no purchases, nor do those that would give them away.

    Returns
    -------
    pandas.DataFrame
        ``clv_share``: of the value of all; ``clv_mean_amount``: of a customer. Customers without a value are left out.
    """
    valued = clv.loc[clv["clv_amount"].notna()]
    joined = valued.merge(tiers[["customer_id", "tier"]], on="customer_id", how="left", validate="one_to_one")
    tier = joined["tier"].astype("object").where(joined["tier"].notna(), NO_TIER).astype("str")
    table = joined.assign(tier=tier).groupby("tier").agg(
        customer_count=("customer_id", "size"), expected_purchase_count=("expected_purchase_count", "sum"),
        clv_amount=("clv_amount", "sum"), clv_mean_amount=("clv_amount", "mean"),
    ).reset_index()  # fmt: skip
    known = {name: place for place, name in enumerate(tier_order)}
    place = table["tier"].map(lambda name: len(known) + 1 if name == NO_TIER else known.get(name, len(known)))
    table = table.assign(place=place).sort_values(["place", "tier"], ignore_index=True)
    hidden = hidden_cells(table["customer_count"], minimum=minimum_cell)
    total = float(table["clv_amount"].sum())
    shares = table["clv_amount"] / total if total > 0 else table["clv_amount"] * np.nan
    table = table.assign(
        customer_share=(table["customer_count"] / max(len(joined), 1)).round(6),
        clv_share=shares.round(6).mask(hidden),
        **{name: table[name].round(2).mask(hidden)
           for name in ("expected_purchase_count", "clv_amount", "clv_mean_amount")},
    )  # fmt: skip
    return table[list(CLV_TIERS_SCHEMA)].astype({"tier": "str", "customer_count": "int64"})
