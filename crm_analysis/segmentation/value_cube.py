"""The cube of value, loyalty and potential classes, and how stable the three scores are (REQUIREMENTS S8)."""

from itertools import product

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_value import ValueSettings
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.segmentation.rfm import POPULATIONS
from crm_analysis.segmentation.value_scores import CLASSES, DIMENSIONS

CUBE_SCHEMA: ResultSchema = dict.fromkeys(
    ["kind", "value_class", "loyalty_class", "potential_class", "customer_count", "customer_share",
     "year_spend_amount", "spend_share"],
    OPEN,
)  # fmt: skip
SCORE_STABILITY_SCHEMA: ResultSchema = dict.fromkeys(
    ["kind", "dimension", "customer_count", "score_median", "score_median_before", "rank_correlation", "moved_share",
     "class_changed_share"],
    OPEN,
)  # fmt: skip


def value_cube_table(scores: pd.DataFrame, *, settings: ValueSettings) -> pd.DataFrame:
    """Return how many customers lie in each of the 27 cells of every population, and what they spend.

    what :func:`~crm_analysis.segmentation.value_scores.value_scores` returns -> columns of ``CUBE_SCHEMA``, 27 rows
    per scored population

    Notes
    -----
    Shares (0-1) are of the population's customers with all three scores and of their net spend of 365 days. Amounts of
    cells of 1 to ``minimum_cell - 1`` customers are empty, and of as many further cells, smallest first, as it takes
    that at least two cells and ``minimum_cell`` customers are hidden together. REQUIREMENTS S8, X1.
    """
    names = [f"{dimension}_class" for dimension in DIMENSIONS]
    cells = pd.MultiIndex.from_tuples(product(CLASSES[::-1], repeat=3), names=names)
    parts = []
    for kind in POPULATIONS:
        members = scores.loc[(scores["kind"] == kind) & scores[names].notna().all(axis=1)]
        if members.empty:
            continue
        sums = members.groupby(names)["spend_amount_365d"].agg(customer_count="size", year_spend_amount="sum")
        cube = sums.reindex(cells, fill_value=0).reset_index()
        total = float(cube["year_spend_amount"].sum())
        hidden = hidden_cells(cube["customer_count"], minimum=settings.minimum_cell)
        amounts = cube["year_spend_amount"].astype(float).where(~hidden)
        cube["customer_count"] = cube["customer_count"].astype("int64")
        cube["customer_share"] = (cube["customer_count"] / len(members)).round(6)
        cube["year_spend_amount"] = amounts.round(2)
        cube["spend_share"] = (amounts / total).round(6) if total > 0 else float("nan")
        parts.append(cube.assign(kind=kind)[list(CUBE_SCHEMA)])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(CUBE_SCHEMA))


def score_stability_table(now: pd.DataFrame, before: pd.DataFrame, *, settings: ValueSettings) -> pd.DataFrame:
    """Return how far the scores of the customers moved between two quarters.

    ``value_scores`` of both -> columns of ``SCORE_STABILITY_SCHEMA``, a row per population and score; customers
    scored at both

    Parameters
    ----------
    now, before
        Scores of the later and the earlier quarter, best made with the same anchors.
    settings
        ``moved_points``: a score that changed by more has moved.

    Notes
    -----
    ``rank_correlation`` is Spearman's, empty where all scores are equal. REQUIREMENTS S8.
    """
    both = now.merge(before, on=["customer_id", "kind"], suffixes=("", "_before"))
    rows = []
    for kind, dimension in product(POPULATIONS, DIMENSIONS):
        new, old = f"{dimension}_score", f"{dimension}_score_before"
        pairs = both.loc[(both["kind"] == kind) & both[new].notna() & both[old].notna()]
        if pairs.empty:
            continue
        changed = pairs[f"{dimension}_class"] != pairs[f"{dimension}_class_before"]
        varies = all(pairs[name].min() < pairs[name].max() for name in (new, old))
        rows.append({
            "kind": kind, "dimension": dimension, "customer_count": len(pairs),
            "score_median": round(float(pairs[new].median()), 1),
            "score_median_before": round(float(pairs[old].median()), 1),
            "rank_correlation": round(float(pairs[new].rank().corr(pairs[old].rank())), 4) if varies else np.nan,
            "moved_share": round(float(((pairs[new] - pairs[old]).abs() > settings.moved_points).mean()), 6),
            "class_changed_share": round(float(changed.mean()), 6),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(SCORE_STABILITY_SCHEMA))
