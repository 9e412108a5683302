"""Whether the model beats the best simple rule by more than chance: paired, customer by customer (REQUIREMENTS C2)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crm_analysis.base.intervals import NORMAL_975
from crm_analysis.churn.measures import auc_influence


def compare_auc(predictions: pd.DataFrame, *, model: str, rule: str) -> dict[str, Any]:
    """Return the mean AUC of a model less that of a rule over the held-out origins, with its 95 % interval.

    columns of ``PREDICTIONS_SCHEMA`` -> ``difference, low, high, origin_count, customer_count``

    Notes
    -----
    Both are asked about the same customers, so that what makes an origin easy or hard for both falls out. A customer
    may stand at several origins: all his influence counts as one draw (DeLong et al. 1988; Obuchowski 1997, for
    clusters). The interval is that of other customers at the same origins; it says nothing of other times.
    """
    differences, influence = [], []
    for _, part in predictions.groupby("origin"):
        labels = part["is_churned"].to_numpy(dtype=int)
        if labels.min() == labels.max():
            continue
        moved = np.zeros(len(part))
        aucs = []
        for name, sign in ((model, 1.0), (rule, -1.0)):
            auc, influence_of = auc_influence(labels, part[f"{name}_score"].to_numpy(dtype=float))
            moved += sign * influence_of
            aucs.append(auc)
        differences.append(aucs[0] - aucs[1])
        influence.append(pd.Series(moved, index=pd.Index(part["customer_id"], dtype="str")))
    if not differences:
        return {"difference": None, "low": None, "high": None, "origin_count": 0, "customer_count": 0}
    by_customer = pd.concat(influence).groupby(level=0, sort=False).sum() / len(differences)
    error = float(np.sqrt((by_customer**2).sum()))
    middle = float(np.mean(differences))
    return {
        "difference": round(middle, 6),
        "low": round(middle - NORMAL_975 * error, 6),
        "high": round(middle + NORMAL_975 * error, 6),
        "origin_count": len(differences),
        "customer_count": len(by_customer),
    }


def is_better(comparison: Mapping[str, Any]) -> bool:
    """Tell whether the model's AUC is higher by more than chance: the whole interval lies above 0."""
    return comparison["low"] is not None and comparison["low"] > 0
