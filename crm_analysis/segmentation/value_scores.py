"""Value, loyalty and potential of every buyer as scores from 0 to 100 (REQUIREMENTS S8).

Every score is a weighted mean of components; every component is brought to 0-100 by a monotone scale between two
anchors. Anchors from the data are taken once, at the start of the fiscal year, so that within the year a score moves
only when the customer does. Persons and organisations have anchors of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings_value import ValueSettings
from crm_analysis.segmentation.rfm import POPULATIONS, population_of

DIMENSIONS = ("value", "loyalty", "potential")
CLASSES = ("low", "middle", "high")
_LOWER, _UPPER = 0.05, 0.95
_YEAR = 365
_DIGITS = 1

ANCHORS_SCHEMA: ResultSchema = dict.fromkeys(
    ["kind", "dimension", "component", "scale", "lower_anchor", "upper_anchor", "weight", "buyer_count",
     "anchors_date"],
    OPEN,
)  # fmt: skip
VALUE_SCORES_SCHEMA: ResultSchema = (
    {"customer_id": DIRECT, "kind": OPEN}
    | {f"{name}_score": SENSITIVE for name in DIMENSIONS}
    | {f"{name}_class": SENSITIVE for name in DIMENSIONS}
    | {f"{name}_component_count": OPEN for name in DIMENSIONS}
    | {"spend_amount_365d": OPEN}
)
#: Columns of ``features`` that the scores read.
SCORE_FEATURES = (
    "customer_id", "kind", "first_order_date", "last_order_date", "recency_days", "order_count", "order_count_365d",
    "order_day_count", "spend_amount", "spend_amount_365d", "gap_mean_days", "gap_count", "survey_score_mean",
    "contract_active_count", "spend_trend_365d", "category_count", "channel_count",
    "interaction_in_count_365d", "complaint_count_365d", "event_count_90d", "opportunity_open_count",
)  # fmt: skip

Scale = Literal["money", "count", "days", "fixed"]


@dataclass(frozen=True)
class Component:
    """One component of a score.

    Attributes
    ----------
    scale
        ``money``: logarithm between the 5 and 95 % quantiles of the positive values, 0 and less score 0; ``count``:
        ``log(1 + x)`` from 0 to the 95 % quantile of the positive values; ``days``: linear, the same ends;
        ``fixed``: linear between ends that do not come from data.
    is_rare
        Of scale ``fixed``: says nothing where nobody in the population has it (a table that the company lacks).
    """

    name: str
    dimension: str
    scale: Scale
    is_rare: bool = False


COMPONENTS = (
    Component("spend_year", "value", "money"),
    Component("spend_lifetime", "value", "money"),
    Component("tenure", "loyalty", "days"),
    Component("frequency", "loyalty", "count"),
    Component("rhythm", "loyalty", "fixed"),
    Component("repetition", "loyalty", "fixed"),
    Component("satisfaction", "loyalty", "fixed"),
    Component("contract", "loyalty", "fixed", is_rare=True),
    Component("trend", "potential", "fixed"),
    Component("categories", "potential", "count"),
    Component("channels", "potential", "count"),
    Component("contacts", "potential", "count"),
    Component("events", "potential", "count"),
    Component("opportunities", "potential", "count"),
)


def score_components(features: pd.DataFrame, *, prior_gaps: float) -> pd.DataFrame:
    """Return the raw components of the buyers of one population, index as in ``features``.

    columns :data:`SCORE_FEATURES` -> one column per :data:`COMPONENTS`, empty where nothing is known

    Parameters
    ----------
    features
        Buyers (``order_count >= 1``) of one population.
    prior_gaps
        Weight of the population's typical gap beside the customer's own.

    Notes
    -----
    * ``spend_year``, ``spend_lifetime``: net spend of 365 days and of all history
    * ``tenure``: days since the first order; ``frequency``: orders of 365 days
    * ``rhythm``: days of silence over the expected gap, less is better; the customer's mean gap is drawn towards the
      median of the customers' mean gaps as if ``prior_gaps`` further gaps had been of that length
    * ``repetition``: share of the days with a purchase that came after the first
    * ``satisfaction``: mean survey score (0-1); ``contract``: 1 with a running contract
    * ``trend``: change of the net spend of 365 days (-1 to 1), empty until two years after the first order: over
      shorter windows chance would decide
    * ``categories``, ``channels``: how many were bought from and through
    * ``contacts``: the customer's own contacts of 365 days, complaints left out; ``events``: on site, app and campaigns
      in 90 days; ``opportunities``: open ones
    """
    number = features.apply(lambda column: column.astype(float) if pd.api.types.is_numeric_dtype(column) else column)
    since_first = (
        number["recency_days"]
        + (pd.to_datetime(features["last_order_date"]) - pd.to_datetime(features["first_order_date"])).dt.days
    )
    days = number["order_day_count"]
    contacts = number["interaction_in_count_365d"].fillna(0) - number["complaint_count_365d"].fillna(0)
    return pd.DataFrame(
        {
            "spend_year": number["spend_amount_365d"],
            "spend_lifetime": number["spend_amount"],
            "tenure": since_first,
            "frequency": number["order_count_365d"],
            "rhythm": number["recency_days"] / _expected_gap_days(number, prior_gaps=prior_gaps),
            "repetition": (days - 1) / days.where(days > 0),
            "satisfaction": number["survey_score_mean"],
            "contract": number["contract_active_count"].clip(upper=1),
            "trend": number["spend_trend_365d"].where(since_first >= 2 * _YEAR),
            "categories": number["category_count"].where(number["category_count"] > 0),
            "channels": number["channel_count"].where(number["channel_count"] > 0),
            "contacts": contacts.clip(lower=0),
            "events": number["event_count_90d"],
            "opportunities": number["opportunity_open_count"],
        },
        index=features.index,
    )


def score_anchors(features: pd.DataFrame, *, settings: ValueSettings, anchors_date: object) -> pd.DataFrame:
    """Return between which values every component runs from 0 to 100, per population.

    columns :data:`SCORE_FEATURES` -> columns of ``ANCHORS_SCHEMA``; populations of fewer than ``minimum_buyers``
    buyers, components of weight 0 and those that say nothing (no value, or all the same) are left out

    Parameters
    ----------
    anchors_date
        Day before whose midnight ``features`` are known.
    """
    rows = []
    for kind in POPULATIONS:
        buyers = _buyers(features, kind=kind)
        if len(buyers) < settings.minimum_buyers:
            continue
        raw = score_components(buyers, prior_gaps=settings.prior_gaps)
        for component in COMPONENTS:
            weight = _weights(settings)[component.name]
            low, high = _anchors(raw[component.name], component, settings=settings)
            if weight > 0 and low != high:
                rows.append({
                    "kind": kind, "dimension": component.dimension, "component": component.name,
                    "scale": component.scale, "lower_anchor": low, "upper_anchor": high, "weight": weight,
                    "buyer_count": len(buyers), "anchors_date": anchors_date,
                })  # fmt: skip
    table = pd.DataFrame(rows, columns=list(ANCHORS_SCHEMA))
    return table.astype({"anchors_date": "datetime64[s]"})


def with_frozen_anchors(frozen: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return the anchors of the year's start, and today's for populations that had none then.

    A component that appeared during the year (a new table) joins with the next year's anchors.
    """
    added = now.loc[~now["kind"].isin(frozen["kind"])]
    parts = [part for part in (frozen, added) if not part.empty]
    together = pd.concat(parts) if parts else now
    places = {kind: place for place, kind in enumerate(POPULATIONS)}
    return together.sort_values("kind", key=lambda kinds: kinds.map(places), kind="stable", ignore_index=True)


def value_scores(features: pd.DataFrame, *, anchors: pd.DataFrame, settings: ValueSettings) -> pd.DataFrame:
    """Score every buyer 0-100 on value, loyalty and potential.

    columns :data:`SCORE_FEATURES` -> columns of ``VALUE_SCORES_SCHEMA``, a row per buyer, sorted by ``customer_id``

    Parameters
    ----------
    features
        One row per customer as of a date; customers without a counted order have no scores and are left out.
    anchors
        See :func:`score_anchors`; buyers of populations without are kept with empty scores.
    settings
        Weights and the bounds of the classes.

    Notes
    -----
    A score is the weighted mean of the components that are given, so that the weight of a missing one falls to the
    others; ``*_component_count`` tells how many were given. Values beyond the anchors score 0 or 100: no outlier
    weighs more. Classes are half-open: ``low`` below the first bound, ``high`` from the second on. The scores are
    the same for any order of rows, ids, and unit of money, and equal customers score equally. REQUIREMENTS S8.
    """
    parts = [
        _score_population(buyers, anchors.loc[anchors["kind"] == kind], settings=settings)
        for kind in POPULATIONS
        if not (buyers := _buyers(features, kind=kind)).empty
    ]
    if not parts:
        return pd.DataFrame(columns=list(VALUE_SCORES_SCHEMA))
    return pd.concat(parts).sort_values("customer_id", ignore_index=True)[list(VALUE_SCORES_SCHEMA)]


def class_of(scores: pd.Series, *, bounds: tuple[float, float]) -> pd.Series:
    """Return ``low``, ``middle`` or ``high``; empty where there is no score.

    >>> class_of(pd.Series([39.9, 40.0, 70.0]), bounds=(40, 70)).tolist()
    ['low', 'middle', 'high']
    """
    names = np.asarray(CLASSES, dtype=object)[np.searchsorted(bounds, scores.to_numpy(dtype=float), side="right") % 3]
    return pd.Series(names, index=scores.index).where(scores.notna(), None).astype("str")


def scale_component(values: pd.Series, *, scale: str, low: float, high: float) -> pd.Series:
    """Return values as 0-100 between two anchors; empty stays empty. With ``low > high`` less is better.

    >>> scale_component(pd.Series([10.0, 100.0, 5000.0, -1.0]), scale="money", low=10, high=1000).tolist()
    [0.0, 50.0, 100.0, 0.0]
    """
    if scale == "money":
        positive = values.where(values > 0)
        share = (np.log(positive) - np.log(low)) / (np.log(high) - np.log(low))
        share = share.where(values > 0, 0.0).where(values.notna())
    elif scale == "count":
        share = np.log1p(values) / np.log1p(high)
    else:
        share = (values - low) / (high - low)
    return (100 * share.clip(0, 1)).round(9)


def _score_population(buyers: pd.DataFrame, anchors: pd.DataFrame, *, settings: ValueSettings) -> pd.DataFrame:
    raw = score_components(buyers, prior_gaps=settings.prior_gaps)
    table = pd.DataFrame({
        "customer_id": buyers["customer_id"], "kind": population_of(buyers),
        "spend_amount_365d": buyers["spend_amount_365d"].astype(float),
    })  # fmt: skip
    for dimension in DIMENSIONS:
        own = anchors.loc[anchors["dimension"] == dimension]
        total = pd.Series(0.0, index=buyers.index)
        weights, count = total.copy(), pd.Series(0, index=buyers.index)
        for row in own.to_dict("records"):
            low, high, weight = (float(row[name]) for name in ("lower_anchor", "upper_anchor", "weight"))
            scaled = scale_component(raw[row["component"]], scale=str(row["scale"]), low=low, high=high)
            given = scaled.notna()
            total += scaled.fillna(0.0) * weight
            weights += given * weight
            count += given.astype("int64")
        score = (total / weights.where(weights > 0)).round(9).round(_DIGITS)
        table[f"{dimension}_score"] = score
        table[f"{dimension}_class"] = class_of(score, bounds=getattr(settings, f"{dimension}_bounds"))
        table[f"{dimension}_component_count"] = count
    return table


def _expected_gap_days(number: pd.DataFrame, *, prior_gaps: float) -> pd.Series:
    gaps, counts = number["gap_mean_days"], number["gap_count"].fillna(0)
    typical = float(gaps.median()) if gaps.notna().any() else float("nan")
    return ((counts * gaps.fillna(0.0) + prior_gaps * typical) / (counts + prior_gaps)).clip(lower=1)


def _buyers(features: pd.DataFrame, *, kind: str) -> pd.DataFrame:
    return features.loc[(features["order_count"] >= 1) & (population_of(features) == kind)]


def _weights(settings: ValueSettings) -> Mapping[str, float]:
    return {name: weight for part in DIMENSIONS for name, weight in getattr(settings, f"{part}_weights")}


def _anchors(values: pd.Series, component: Component, *, settings: ValueSettings) -> tuple[float, float]:
    """Return both anchors; equal ones for a component that says nothing."""
    known = values.dropna().to_numpy(dtype=float)
    positive = known[known > 0]
    if component.scale == "fixed":
        if not len(known) or (component.is_rare and not len(positive)):
            return 0.0, 0.0
        ends = {"rhythm": (settings.lost_after, 1.0), "trend": (-1.0, 1.0)}
        return ends.get(component.name, (0.0, 1.0))
    if not len(positive):
        return 0.0, 0.0
    low, high = (float(q) for q in np.quantile(positive, (_LOWER, _UPPER)))
    return (low, high) if component.scale == "money" else (0.0, high)
