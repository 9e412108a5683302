"""Fitting a purchase model: which one, on whom, and what is said when the data do not carry it (REQUIREMENTS C5)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.errors import InsufficientDataError, Problem
from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings_value_models import PurchaseModelName, ValueModelSettings
from crm_analysis.base.words import Message, message
from crm_analysis.churn.optimum import maximise
from crm_analysis.churn.purchase_model import FAMILIES, TIME_PARAMETERS, PurchaseModel
from crm_analysis.churn.purchase_rows import PurchaseRows, purchase_rows
from crm_analysis.churn.purchase_spend import SpendModel, fit_spend, repeaters_of

SUMMARY_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    "kind": OPEN,
    "repeat_count": SENSITIVE,
    "age_at_last": SENSITIVE,
    "age": SENSITIVE,
    "repeat_mean_amount": SENSITIVE,
}
PARAMETERS_SCHEMA: ResultSchema = dict.fromkeys(
    ["kind", "purchase_model", "parameter", "parameter_value", "standard_error", "n"], OPEN
)
#: Persons and organisations are separate populations, each with models of its own.
KINDS = ("person", "organisation")
EXPECTED_SCHEMA: ResultSchema = {"customer_id": DIRECT, "expected_purchase_count": SENSITIVE}
#: Distinct ages below which purchases and ages cannot be told apart.
_SPREAD = 2


def fit_purchases(
    summary: pd.DataFrame, *, name: PurchaseModelName = "bg_nbd", minimum_customers: int = 30,
    minimum_repeaters: int = 10,
) -> PurchaseModel:  # fmt: skip
    """Fit a purchase model by maximum likelihood.

    ``repeat_count, age_at_last, age`` (of one population) -> model

    Parameters
    ----------
    summary
        What ``sources.purchases.purchase_summary_table`` returns; times of the model are in its unit.

    Raises
    ------
    AnalysisError
        Rows that cannot be; see :func:`~crm_analysis.churn.purchase_rows.purchase_rows`.
    InsufficientDataError
        Too few customers or repeaters.

    Notes
    -----
    ``converged`` is false where the data do not pin the parameters down (all customers alike, none ever lost, ...):
    such a fit must not be used. Equal rows are taken once with a weight; times are divided by the mean age for the
    search, so that their unit plays no part in it.
    """
    rows = purchase_rows(summary)
    reason = lacks_data(rows, minimum_customers=minimum_customers, minimum_repeaters=minimum_repeaters)
    if reason is not None:
        what = f"{reason.id.removeprefix('purchase.').replace('_', ' ')}: {dict(reason.args)}"
        raise InsufficientDataError(Problem(what, "purchase model", "take a longer history, or lower the minimum"))
    return fit_rows(rows, name=name)


def fit_rows(rows: PurchaseRows, *, name: PurchaseModelName) -> PurchaseModel:
    """Fit a purchase model to weighted rows; see :func:`fit_purchases`."""
    family = FAMILIES[name]
    unit = float(rows.weight @ rows.T) / rows.n
    scaled = rows.in_unit(unit)
    found = maximise(lambda params: family.log_likelihood(params, scaled), family.starts, n=rows.n)
    units = [unit if parameter in TIME_PARAMETERS else 1.0 for parameter in family.parameters]
    params = {
        parameter: float(value) * times
        for parameter, value, times in zip(family.parameters, found.params, units, strict=True)
    }
    value = found.log_likelihood - float(np.log(unit) * (rows.weight @ rows.x))
    repeaters = int(rows.weight[rows.x > 0].sum())
    return PurchaseModel(name, params, value, round(rows.n), repeaters, found.covariance, found.converged)


def lacks_data(rows: PurchaseRows, *, minimum_customers: int, minimum_repeaters: int) -> Message | None:
    """Return why no model can be fitted to a population, ``None`` when one can be tried."""
    n, repeaters = round(rows.n), int(rows.weight[rows.x > 0].sum())
    if n < minimum_customers:
        return message("purchase.too_few_customers", n=n, minimum=minimum_customers)
    if repeaters < minimum_repeaters:
        return message("purchase.too_few_repeaters", n=n, repeaters=repeaters, minimum=minimum_repeaters)
    if len(rows.x) < _SPREAD or rows.T.max() <= 0:
        return message("purchase.no_spread", n=n)
    return None


def purchase_fits_document(summary: pd.DataFrame, *, settings: ValueModelSettings) -> dict[str, Any]:
    """Return the purchase model and the model of amounts of each population, or why there is none.

    columns of ``SUMMARY_SCHEMA`` -> document

    Returns
    -------
    dict
        ``model``, ``estimation``; ``fits``: per population that has customers ``status, message, n, repeater_count,
        purchases, amounts`` (documents of the two models, ``None`` where there is none). ``status``: ``ok``;
        ``no_amounts`` (purchases can be told, money not); ``insufficient``; ``not_converged``.
    """
    kinds = [kind for kind in KINDS if (summary["kind"] == kind).any()]
    fits = {kind: _fit_kind(summary.loc[summary["kind"] == kind], settings=settings) for kind in kinds}
    return {"model": settings.purchase_model, "estimation": settings.estimation, "fits": fits}


def _fit_kind(members: pd.DataFrame, *, settings: ValueModelSettings) -> dict[str, Any]:
    n, repeaters = len(members), int((members["repeat_count"] > 0).sum())
    fit: dict[str, Any] = {"n": n, "repeater_count": repeaters, "purchases": None, "amounts": None}
    rows = purchase_rows(members)
    reason = lacks_data(
        rows, minimum_customers=settings.minimum_customers, minimum_repeaters=settings.minimum_repeaters
    )
    if reason is not None:
        return {"status": "insufficient", "message": reason.to_json(), **fit}
    purchases = _estimate(members, rows, settings=settings)
    if not purchases.converged:
        told = message("purchase.not_converged", n=n, model=settings.purchase_model)
        return {"status": "not_converged", "message": told.to_json(), **fit}
    fit["purchases"] = purchases.to_document()
    amounts, lack = _amounts(members, minimum=settings.minimum_repeaters)
    if lack is not None:
        return {"status": "no_amounts", "message": lack.to_json(), **fit}
    assert amounts is not None
    told = message("purchase.fitted", n=n, repeaters=repeaters, model=settings.purchase_model)
    return {"status": "ok", "message": told.to_json(), **fit, "amounts": amounts.to_document()}


def _estimate(members: pd.DataFrame, rows: PurchaseRows, *, settings: ValueModelSettings) -> PurchaseModel:
    if settings.estimation == "bayes":
        from crm_analysis.churn.purchase_bayes import fit_bayes

        return fit_bayes(members, name=settings.purchase_model, seed=settings.seed)
    return fit_rows(rows, name=settings.purchase_model)


def _amounts(members: pd.DataFrame, *, minimum: int) -> tuple[SpendModel | None, Message | None]:
    """Return the model of amounts, or why there is none."""
    kept = repeaters_of(members)
    if len(kept) < minimum:
        return None, message("purchase.few_amounts", n=len(kept), minimum=minimum)
    if kept["repeat_mean_amount"].nunique() < _SPREAD:
        return None, message("purchase.equal_amounts", n=len(kept))
    fitted = fit_spend(members)
    return (fitted, None) if fitted.converged else (None, message("purchase.amounts_not_converged", n=len(kept)))


def fitted_models(document: Mapping[str, Any]) -> dict[str, tuple[PurchaseModel, SpendModel | None]]:
    """Return the models of a document of :func:`purchase_fits_document`, by population; those without are left out."""
    return {
        kind: (
            PurchaseModel.from_document(fit["purchases"]),
            None if fit["amounts"] is None else SpendModel.from_document(fit["amounts"]),
        )
        for kind, fit in document["fits"].items()
        if fit["purchases"] is not None
    }


def expected_purchases_table(
    summary: pd.DataFrame, document: Mapping[str, Any], *, gap_days: int, horizon_days: int
) -> pd.DataFrame:
    """Return the purchases expected of every customer within the horizon that begins after the gap.

    columns of ``SUMMARY_SCHEMA`` in weeks and a document of :func:`purchase_fits_document` -> ``customer_id,
    expected_purchase_count``, sorted by id; no rows without a model. A population without one of its own takes that of
    the other.
    """
    models = {kind: model for kind, (model, _) in fitted_models(document).items()}
    if not models:
        return pd.DataFrame({"customer_id": pd.Series(dtype="str"), "expected_purchase_count": pd.Series(dtype=float)})
    other = next(iter(models.values()))
    frames = []
    for kind, own in summary.groupby("kind", sort=True):
        model = models.get(str(kind), other)
        until = model.expected_purchases(own, horizon=(gap_days + horizon_days) / 7)
        before = model.expected_purchases(own, horizon=gap_days / 7) if gap_days else 0.0
        frames.append(own[["customer_id"]].assign(expected_purchase_count=np.round(until - before, 6)))
    return pd.concat(frames).sort_values("customer_id", ignore_index=True)


def parameters_table(document: Mapping[str, Any]) -> pd.DataFrame:
    """Return the parameters of all models with their standard errors, for the workbook.

    document of :func:`purchase_fits_document` -> columns of ``PARAMETERS_SCHEMA``; times in weeks
    """
    rows = [
        {"kind": kind, "purchase_model": model, "parameter": name, "parameter_value": round(part["params"][name], 6),
         "standard_error": round(part["standard_errors"][name], 6), "n": part["n"]}
        for kind, fit in document["fits"].items()
        for model, part in ((document["model"], fit["purchases"]), ("gamma_gamma", fit["amounts"]))
        if part is not None
        for name in part["params"]
    ]  # fmt: skip
    kinds = {"kind": "str", "purchase_model": "str", "parameter": "str", "n": "int64"}
    return pd.DataFrame(rows, columns=list(PARAMETERS_SCHEMA)).astype(
        {name: kinds.get(name, "float64") for name in PARAMETERS_SCHEMA}
    )
