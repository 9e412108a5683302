"""Time-ordered backtest: every held-out origin is predicted from what was known before it (REQUIREMENTS C2)."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import message
from crm_analysis.churn.labels import outcome_end
from crm_analysis.churn.model import MODELS, RULES, fit_churn

PREDICTIONS_SCHEMA: ResultSchema = (
    {"customer_id": DIRECT, "origin": OPEN, "is_churned": SENSITIVE}
    | {f"{name}_score": SENSITIVE for name in (*MODELS, *RULES)}
    | {f"{name}_probability": SENSITIVE for name in (*MODELS, *RULES)}
)
BACKTEST_SCHEMA: ResultSchema = dict.fromkeys(
    ["origin_date", "model", "n", "base_rate", "auc", "average_precision", "brier", "list_count", "precision_rate",
     "lift"], OPEN,
)  # fmt: skip


def churn_predictions(training: pd.DataFrame, *, settings: ChurnSettings, status: Mapping[str, Any]) -> pd.DataFrame:
    """Predict each held-out origin from strictly earlier ones.

    ``churn_training`` -> columns of ``PREDICTIONS_SCHEMA``; no rows when ``status`` is not ``ok``

    Parameters
    ----------
    status
        Document of :func:`~crm_analysis.churn.labels.check_churn_data`; names the origins that are large enough.

    Notes
    -----
    An origin may teach only when its outcome ended at or before the held-out origin; two of them are needed (one to
    calibrate on), so that the earliest origins are never held out.
    """
    origins = sorted(status["origins"]) if status["status"] == "ok" else []
    frames = []
    for held in origins:
        start = date.fromisoformat(held)
        known = [o for o in origins if outcome_end(date.fromisoformat(o), settings=settings) <= start]
        taught = training.loc[training["origin"].isin(known)]
        if len(known) < 2 or taught["is_churned"].nunique() < 2:
            continue
        rows = training.loc[training["origin"] == held].reset_index(drop=True)
        predicted = {}
        for name in (*MODELS, *RULES):
            fitted = fit_churn(taught, name=name, settings=settings)
            predicted[f"{name}_score"] = np.round(fitted.score(rows), 6)
            predicted[f"{name}_probability"] = np.round(fitted.probability(rows), 6)
        frames.append(rows[["customer_id", "origin", "is_churned"]].assign(**predicted))
    columns = list(PREDICTIONS_SCHEMA)
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def backtest_table(predictions: pd.DataFrame, *, settings: ChurnSettings) -> pd.DataFrame:
    """Return how each model and rule did at each held-out origin (result ``churn_backtest``).

    ``churn_predictions`` -> columns of ``BACKTEST_SCHEMA``, sorted by origin, models before rules

    Notes
    -----
    ``auc`` is the area under the ROC curve (0.5 = chance); ``average_precision`` has the base rate as its floor;
    ``brier`` is the mean squared error of the probability (lower is better). ``precision_rate`` is the share of
    churners among the first ``list_count``, ``lift`` is it over the base rate; equal scores at the end of the list
    count by their mean, so that the order of rows plays no part.
    """
    rows = []
    for origin, part in predictions.groupby("origin"):
        labels = part["is_churned"].to_numpy(dtype=int)
        if labels.min() == labels.max():
            continue
        for name in (*MODELS, *RULES):
            rows.append(
                {"origin_date": origin, "model": name}
                | _quality(
                    labels, part[f"{name}_score"].to_numpy(dtype=float),
                    part[f"{name}_probability"].to_numpy(dtype=float), list_length=settings.list_length,
                )
            )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(BACKTEST_SCHEMA))
    return table.astype({"origin_date": "str", "model": "str", "n": "int64", "list_count": "int64"})


def precision_at(labels: np.ndarray, scores: np.ndarray, *, length: int) -> float:
    """Return the expected share of churners among the ``length`` highest scores, ties broken evenly.

    >>> precision_at(np.array([1, 0, 1, 0]), np.array([0.9, 0.5, 0.5, 0.1]), length=2)
    0.75
    """
    length = min(length, len(labels))
    cut = np.sort(scores)[::-1][length - 1]
    above, tied = scores > cut, scores == cut
    return float((labels[above].sum() + (length - above.sum()) * labels[tied].mean()) / length)


def choose_champion(backtest: pd.DataFrame, *, status: Mapping[str, Any]) -> dict[str, Any]:
    """Return which model or rule is used from now on, and why (document ``champion``).

    The model with the best mean average precision is used only if it beats the best simple rule on both mean average
    precision and mean AUC over the held-out origins; otherwise the rule is used, and the message says so. It also says
    when neither ranks better than chance.

    Returns
    -------
    dict
        ``status, model`` (``None`` without a backtest), ``is_model, beats_chance``, ``message``, ``origin_count``,
        ``n``, and ``means``: per model its mean ``average_precision``, ``auc``, ``brier``, ``precision_rate`` and
        ``lift``.
    """
    if backtest.empty:
        return {"status": "insufficient", "model": None, "is_model": False, "beats_chance": False,
                "message": status["message"], "origin_count": 0, "n": 0, "means": {}}  # fmt: skip
    measures = ["average_precision", "auc", "brier", "precision_rate", "lift"]
    rounded = backtest.groupby("model")[measures].mean().round(6)
    means = {str(name): {m: float(row[m]) for m in measures} for name, row in rounded.iterrows()}
    model, rule = _best(means, MODELS), _best(means, RULES)
    is_model = means[model]["average_precision"] > means[rule]["average_precision"] and means[model]["auc"] > max(
        means[name]["auc"] for name in RULES
    )
    used = model if is_model else rule
    n = int(backtest.loc[backtest["model"] == used, "n"].sum())
    origin_count = int(backtest["origin_date"].nunique())
    is_better = any(beats_chance(backtest.loc[backtest["model"] == name]) for name in (model, rule))
    told = message(
        "finding.champion_chance" if not is_better else f"finding.champion_{'model' if is_model else 'rule'}",
        model=model, rule=rule, model_lift=means[model]["lift"], rule_lift=means[rule]["lift"],
        model_precision=means[model]["average_precision"], rule_precision=means[rule]["average_precision"],
        model_auc=means[model]["auc"], rule_auc=means[rule]["auc"],
        list_count=int(backtest["list_count"].max()), origin_count=origin_count, n=n,
    )  # fmt: skip
    return {"status": "ok", "model": used, "is_model": is_model, "beats_chance": is_better, "message": told.to_json(),
            "origin_count": origin_count, "n": n, "means": means}  # fmt: skip


def beats_chance(rows: pd.DataFrame) -> bool:
    """Tell whether the mean AUC of one model over its origins lies above 0.5 by more than chance (95 %, two-sided).

    Notes
    -----
    Under chance the AUC of an origin has the variance ``(n + 1) / (12 * n1 * n0)`` of the Mann-Whitney statistic.
    """
    n = rows["n"].astype(float)
    churned = n * rows["base_rate"]
    variance = ((n + 1) / (12 * churned * (n - churned))).sum() / len(rows) ** 2
    return bool(rows["auc"].mean() - 0.5 > 1.959964 * variance**0.5)


def _best(means: Mapping[str, Mapping[str, float]], names: tuple[str, ...]) -> str:
    """Return the name with the highest mean average precision; the one named first, the simpler, on a tie."""
    return max(names, key=lambda name: means[name]["average_precision"])


def _quality(labels: np.ndarray, scores: np.ndarray, probability: np.ndarray, *, list_length: int) -> dict[str, Any]:
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    base = float(labels.mean())
    precision = precision_at(labels, scores, length=list_length)
    return {
        "n": len(labels),
        "base_rate": round(base, 6),
        "auc": round(float(roc_auc_score(labels, scores)), 6),
        "average_precision": round(float(average_precision_score(labels, scores)), 6),
        "brier": round(float(brier_score_loss(labels, probability)), 6),
        "list_count": min(list_length, len(labels)),
        "precision_rate": round(precision, 6),
        "lift": round(precision / base, 6),
    }
