"""Do the tiers tell customers apart? What they did in the quarter after, by the tier at its start.

The figures of the earliest origin teach (what share of a tier buys again, what it spends), the later origins judge.
Beside the rules stand clusters found in the same three figures, learned at the earliest origin alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, ResultSchema
from crm_analysis.base.settings import RFMSettings
from crm_analysis.base.settings_value import SeparationSettings
from crm_analysis.base.words import Message, message
from crm_analysis.segmentation import clusters
from crm_analysis.segmentation.rfm import POPULATIONS, rfm_inputs
from crm_analysis.segmentation.rules import NON_BUYER, UNSCORED
from crm_analysis.segmentation.separation_measures import Codes, resampled_measures

METHODS = ("rules", "clusters_same", "clusters_best", "recency_groups")
#: What rules of as many tiers are held against: groups that nobody had to think of.
RIVALS = ("clusters_same", "recency_groups")
_LEVELS = (0.025, 0.975)

PANEL_SCHEMA: ResultSchema = {
    "customer_id": DIRECT,
    **dict.fromkeys(
        ["origin_date", "kind", "tier", "recency_days", "order_count", "spend_amount", "is_repurchased",
         "next_spend_amount"],
        OPEN,
    ),
}  # fmt: skip
SEPARATION_SCHEMA: ResultSchema = dict.fromkeys(
    ["method", "group_count", "n", "customer_count", "origin_count", "auc", "auc_low", "auc_high", "explained_share",
     "explained_share_low", "explained_share_high", "auc_gap", "auc_gap_low", "auc_gap_high", "explained_gap",
     "explained_gap_low", "explained_gap_high", "silhouette", "stability"],
    OPEN,
)  # fmt: skip

Origin = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def separation_panel(
    by_origin: Mapping[date, Origin], *, rfm: RFMSettings, settings: SeparationSettings
) -> pd.DataFrame:
    """Return the scored buyers of every origin with their tier then and what they did in the quarter after.

    ``{origin: (features, segments, outcomes)}`` -> columns of ``PANEL_SCHEMA``, sorted by origin and customer

    Parameters
    ----------
    by_origin
        Start of a quarter -> ``features`` and ``segments`` (``customer_id, tier``) as of that day, and ``outcomes``
        (``customer_id, order_count, spend_amount``) of the quarter that begins with it; who is absent bought nothing.
    rfm
        Which orders and amounts the rules look at.
    settings
        ``sample_customers`` per origin: drawn by the seed from the sorted ids where there are more.

    Notes
    -----
    Customers without scores (non-buyers, populations too small) are left out.
    """
    frames = []
    for origin in sorted(by_origin):
        features, segments, outcomes = by_origin[origin]
        tiers = segments.loc[~segments["tier"].isin([NON_BUYER, UNSCORED]), ["customer_id", "tier"]]
        known = rfm_inputs(features, settings=rfm).merge(tiers, on="customer_id").sort_values("customer_id")
        if len(known) > settings.sample_customers:
            rng = np.random.default_rng(settings.seed)
            drawn = np.sort(rng.choice(len(known), size=settings.sample_customers, replace=False))
            known = known.iloc[drawn]
        done = outcomes[["customer_id", "order_count", "spend_amount"]]
        done = done.rename(columns={"order_count": "next_order_count", "spend_amount": "next_spend_amount"})
        joined = known.merge(done, on="customer_id", how="left")
        joined["is_repurchased"] = joined["next_order_count"].fillna(0) >= 1
        joined["next_spend_amount"] = joined["next_spend_amount"].astype(float).fillna(0.0)
        frames.append(joined.assign(origin_date=pd.Timestamp(origin)))
    if not frames:
        return pd.DataFrame(columns=list(PANEL_SCHEMA))
    panel = pd.concat(frames, ignore_index=True)[list(PANEL_SCHEMA)]
    return panel.astype({"origin_date": "datetime64[s]"})


def usable_origins(panel: pd.DataFrame, *, settings: SeparationSettings) -> list[pd.Timestamp]:
    """Return the origins with ``minimum_customers`` customers, some of whom bought again and some of whom did not."""
    if panel.empty:
        return []
    found = panel.groupby("origin_date")["is_repurchased"].agg(["size", "mean"])
    enough = (found["size"] >= settings.minimum_customers) & (found["mean"] > 0) & (found["mean"] < 1)
    return sorted(found.index[enough])


def separation_table(panel: pd.DataFrame, *, settings: SeparationSettings) -> pd.DataFrame:
    """Return how well tiers and clusters tell apart who buys again and how much, at origins they have not seen.

    columns of ``PANEL_SCHEMA`` -> columns of ``SEPARATION_SCHEMA``, a row per method; no rows below two origins that
    can be used

    Parameters
    ----------
    settings
        Samples, resamples, seed.

    Notes
    -----
    A customer's score is the rate and the mean spend (on the scale ``log(1 + x / typical)``, the typical amount being
    the median of the positive ones) of his group at the earliest origin, groups being told by population too.

    * ``auc``: probability that who bought again scores higher than who did not (0.5 is chance), mean over origins
    * ``explained_share``: share of the variance of that spend within a quarter that the groups foretell, 0 and less
      for groups that say nothing; mean over origins
    * ``*_gap``: the method less the rules, empty for the rules themselves
    * ``*_low``, ``*_high``: 95 % percentile intervals over resampled customers, each with all his quarters; the same
      resamples for all methods, what was learned at the earliest origin being held fixed
    * ``silhouette``, ``stability``: of the groups in the figures of the earliest origin, populations weighted by their
      customers (:func:`~crm_analysis.segmentation.clusters.silhouette_of`,
      :func:`~crm_analysis.segmentation.clusters.cluster_stability`; rules are fixed and have no stability)

    ``clusters_same`` has as many clusters as there are tiers, ``clusters_best`` the number with the best silhouette;
    both are found in days since the last order, orders and net spend as ``rfm`` counts them, whatever the rules read.
    ``recency_groups`` are as many groups of equal size by days since the last order alone.
    """
    origins = usable_origins(panel, settings=settings)
    if len(origins) < 2:
        return pd.DataFrame(columns=list(SEPARATION_SCHEMA))
    rows = panel.loc[panel["origin_date"].isin(origins)].reset_index(drop=True)
    found = group_codes(rows, taught=rows["origin_date"] == origins[0], settings=settings)
    codes = {method: groups.codes for method, groups in found.items()}
    judged = (rows["origin_date"] > origins[0]).to_numpy()
    measures = resampled_measures(rows, codes, judged=judged, settings=settings)
    table = []
    for method in METHODS:
        row: dict[str, Any] = {
            "method": method,
            "group_count": int(found[method].group_count),
            "n": int(judged.sum()),
            "customer_count": int(rows.loc[judged, "customer_id"].nunique()),
            "origin_count": len(origins) - 1,
            "silhouette": found[method].silhouette,
            "stability": found[method].stability,
        }
        for name, label in (("auc", "auc"), ("explained_share", "explained")):
            row |= _interval(measures[method][name], name)
            if method != "rules":
                row |= _interval(measures[method][name] - measures["rules"][name], f"{label}_gap")
        table.append(row)
    return pd.DataFrame(table, columns=list(SEPARATION_SCHEMA))


@dataclass(frozen=True)
class Groups:
    """One way of grouping the customers: a code per row, and what is known of the groups."""

    codes: Codes
    group_count: int
    silhouette: float
    stability: float


def group_codes(rows: pd.DataFrame, *, taught: pd.Series, settings: SeparationSettings) -> dict[str, Groups]:
    """Return the group of every row by each method, populations apart; clusters are learned from ``taught`` rows."""
    codes = {method: np.zeros(len(rows), dtype=np.int64) for method in METHODS}
    quality: dict[str, list[tuple[int, int, float, float]]] = {method: [] for method in METHODS}
    for place, kind in enumerate(POPULATIONS):
        members = (rows["kind"] == kind).to_numpy()
        learning = members & taught.to_numpy()
        if not members.any():
            continue
        own = rows.loc[members]
        tiers = own["tier"].astype("category").cat.codes.to_numpy().astype(np.int64)
        found = {method: np.zeros_like(tiers) for method in METHODS} | {"rules": tiers}
        stability = dict.fromkeys(METHODS, float("nan"))
        if learning.sum() > 2:
            scale = clusters.fit_scale(rows.loc[learning])
            values, learned = scale.apply(own), scale.apply(rows.loc[learning])
            best = clusters.best_cluster_count(clusters.cluster_counts_table(learned, settings=settings))
            for method, count in (("clusters_same", len(np.unique(tiers))), ("clusters_best", best)):
                fitted = clusters.fit_clusters(learned, count=count, seed=settings.seed)
                found[method] = clusters.assign_clusters(fitted, values)
                stability[method] = clusters.cluster_stability(learned, count=count, settings=settings)
            found["recency_groups"] = _recency_groups(own, learning=learning[members], count=len(np.unique(tiers)))
            drawn = clusters.drawn_customers(len(learned), settings=settings)
            within = taught.to_numpy()[members]
            for method in METHODS:
                shape = clusters.silhouette_of(learned[drawn], found[method][within][drawn])
                quality[method].append((len(learned), len(np.unique(found[method])), shape, stability[method]))
        for method in METHODS:
            codes[method][members] = found[method] + 1000 * place
    return {method: _groups(codes[method], quality[method]) for method in METHODS}


def _recency_groups(rows: pd.DataFrame, *, learning: npt.NDArray[np.bool_], count: int) -> Codes:
    """Return groups by days since the last order; the learning rows fall into groups of equal size but for ties."""
    days = rows["recency_days"].to_numpy(dtype=float)
    edges = np.quantile(days[learning], np.arange(1, count) / count)
    return np.searchsorted(np.unique(edges), days, side="right").astype(np.int64)


def check_separation(table: pd.DataFrame, *, settings: SeparationSettings) -> dict[str, Any]:
    """Tell whether the rules tell customers apart as well as groups that nobody had to think of.

    Returns
    -------
    dict
        ``status`` (``good``, ``watch``, ``insufficient``), ``verdict`` (``rules_worse``: one of :data:`RIVALS` is
        better in at least one measure by more than ``margin``, the whole interval above 0; ``rules_blind``: the tiers
        are no better than chance; ``rules_hold``; ``None``), ``message``, ``recommendation`` (id of a sentence, or
        ``None``).
    """
    if table.empty:
        told = message("separation.insufficient", minimum=settings.minimum_customers)
        return {"status": "insufficient", "verdict": None, "message": told.to_json(), "recommendation": None}
    rows: dict[str, Any] = {row["method"]: row for row in table.to_dict("records")}
    rules = rows["rules"]
    lost = [
        message(f"separation.worse_{measure}", rival=rival)
        for measure in ("auc", "explained")
        for rival in RIVALS
        if rows[rival][f"{measure}_gap"] > settings.margin and rows[rival][f"{measure}_gap_low"] > 0
    ]
    verdict = "rules_worse" if lost else "rules_blind" if rules["auc_low"] <= 0.5 else "rules_hold"
    facts = {
        "auc": rules["auc"], "share": rules["explained_share"], "groups": rows["clusters_same"]["group_count"],
        "n": rules["n"], "customers": rules["customer_count"], "origins": rules["origin_count"],
        "auc_rivals": [_rival(rows[rival], "auc", "auc") for rival in RIVALS],
        "share_rivals": [_rival(rows[rival], "explained_share", "explained") for rival in RIVALS],
    }  # fmt: skip
    told = message("separation.verdict", lead=message(f"separation.{verdict}", lost=lost), **facts)
    return {
        "status": "good" if verdict == "rules_hold" else "watch",
        "verdict": verdict,
        "message": told.to_json(),
        "recommendation": None if verdict == "rules_hold" else f"separation.{verdict}_advice",
    }


def _rival(row: Mapping[str, Any], value: str, measure: str) -> Message:
    gaps = {name: row[f"{measure}_gap{end}"] for name, end in (("gap", ""), ("low", "_low"), ("high", "_high"))}
    return message("separation.rival", rival=row["method"], value=row[value], **gaps)


def _groups(codes: Codes, quality: list[tuple[int, int, float, float]]) -> Groups:
    """Put the populations together; their qualities are weighted by their customers."""
    weights = [n for n, *_ in quality]
    means = [
        round(float(np.average([row[k] for row in quality], weights=weights)), 4) if quality else float("nan")
        for k in (2, 3)
    ]
    return Groups(codes, len(np.unique(codes)), means[0], means[1])


def _interval(values: npt.NDArray[np.float64], name: str) -> dict[str, float]:
    low, high = np.quantile(values[1:], _LEVELS)
    return {
        name: round(float(values[0]), 4),
        f"{name}_low": round(float(low), 4),
        f"{name}_high": round(float(high), 4),
    }
