"""Tiers by rule: who lies in which tier of every scheme, and how large the tiers are (REQUIREMENTS S3-S7, S9)."""

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.errors import AnalysisError, Problem
from crm_analysis.base.privacy import DIRECT, OPEN, ResultSchema
from crm_analysis.base.settings import SegmentationSettings
from crm_analysis.base.settings_schemes import Scheme
from crm_analysis.segmentation.conditions import DERIVED, Condition, feature_names
from crm_analysis.segmentation.matching import match_expression, match_rows
from crm_analysis.segmentation.reading import parse_condition

#: Tier of customers outside of the population of a scheme, where a customer has to have one.
OUTSIDE = "outside_scheme"
SCHEME_TIERS_SCHEMA: ResultSchema = {"customer_id": DIRECT, **dict.fromkeys(["scheme", "tier", "match_count"], OPEN)}
SCHEME_SIZES_SCHEMA: ResultSchema = dict.fromkeys(
    ["scheme", "tier", "customer_count", "customer_share", "by_rule_count", "spend_amount_365d", "spend_share",
     "lapsed_count", "reference_share", "matched_count", "multiple_match_count"],
    OPEN,
)  # fmt: skip
_MONEY = "spend_amount_365d"
_PARTS = 10_000  # money has four decimals


def shown_schemes(settings: SegmentationSettings) -> dict[str, Scheme]:
    """Return the schemes of rules that the report shows: the primary one, where it is one, then ``shown_schemes``."""
    ids = dict.fromkeys([settings.primary_scheme, *settings.shown_schemes])
    return {id_: settings.schemes[id_] for id_ in ids if id_ in settings.schemes}


def scheme_features(schemes: Mapping[str, Scheme]) -> list[str]:
    """Return the columns of ``features`` that the rules of schemes read, besides key and money."""
    rules = [rule for scheme in schemes.values() for rule in _rules(scheme).values()]
    kind = ["kind"] if any(scheme.population != "all" for scheme in schemes.values()) else []
    return list(dict.fromkeys([*kind, *feature_names(*rules)]))


def derived_columns(schemes: Mapping[str, Scheme]) -> list[str]:
    """Return the columns that rules of schemes read and segmentation works out itself: scores, types, stage."""
    named = set(scheme_features(schemes))
    return [column.name for column in DERIVED if column.name in named]


def assign_tiers(features: pd.DataFrame, *, scheme: Scheme) -> pd.Series:
    """Return the tier of every customer of a pandas frame, index as in ``features``.

    Parameters
    ----------
    features
        One row per customer with the columns that the rules name (:func:`scheme_features`).

    Raises
    ------
    AnalysisError
        Columns are absent; all are named.
    SettingsError
        A condition cannot be read.

    Notes
    -----
    The first condition that holds decides; whom none fits gets the tier ``otherwise``, and customers outside of the
    scheme's population get ``outside_scheme``. The same as :func:`scheme_tiers_table`, for work by hand.
    """
    absent = [name for name in scheme_features({"": scheme}) if name not in features.columns]
    if absent:
        raise AnalysisError([Problem(f"there is no column {name!r}", "features", "give it") for name in absent])
    masks = {tier: match_rows(rule, features) for tier, rule in _rules(scheme).items()}
    tiers = np.select(list(masks.values()), list(masks), default=scheme.otherwise.id)
    found = pd.Series(tiers, index=features.index, dtype="str", name="tier")
    if scheme.population == "all":
        return found
    is_company = (features["kind"].astype("str") == "organisation").fillna(False)
    return found.where(_belongs(is_company, scheme), OUTSIDE)


def scheme_tiers_table(features: ibis.Table, *, schemes: Mapping[str, Scheme]) -> ibis.Table:
    """Return the tier of every customer in every scheme, made by the engine in one pass.

    ``features`` -> ``customer_id, scheme, tier, match_count``, one row per customer of the scheme's population and
    scheme, sorted by both; ``match_count`` is the number of rules that hold (0: the rest)

    Parameters
    ----------
    features
        Customer frame as a table of the engine.
    schemes
        ``{id: scheme}``; without any, the table is empty.
    """
    if not schemes:
        nothing = {"scheme": ibis.null("string"), "tier": ibis.null("string"), "match_count": ibis.null("int64")}
        return features.limit(0).select("customer_id", **nothing)
    marked = _marked(features, schemes)
    entries = [
        ibis.struct({"scheme": ibis.literal(id_), "tier": marked[f"tier_{k}"], "match_count": marked[f"count_{k}"]})
        for k, id_ in enumerate(schemes)
    ]
    long = marked.select("customer_id", entry=ibis.array(entries)).mutate(entry=lambda table: table.entry.unnest())
    flat = long.select("customer_id", **{name: long.entry[name] for name in ("scheme", "tier", "match_count")})
    return flat.filter(flat.tier.notnull()).order_by("customer_id", "scheme")


def scheme_sizes_table(features: ibis.Table, *, schemes: Mapping[str, Scheme]) -> pd.DataFrame:
    """Return how many customers every tier of every scheme holds, what they are worth, and how its rule fits the data.

    ``features`` -> columns of ``SCHEME_SIZES_SCHEMA``, schemes and tiers in the order of settings, the rest last, empty
    tiers too

    Parameters
    ----------
    features
        Customer frame as a table of the engine.
    schemes
        ``{id: scheme}``.

    Notes
    -----
    Shares (0-1) are of the scheme's population and of its net spend of the last 365 days; empty where that is not
    positive, or where the population has nobody. ``customer_count`` are the customers assigned, here all by rule
    (``by_rule_count``; see :func:`with_tiers_in_force`); ``lapsed_count`` those of them who have bought, but not in the
    last 365 days; ``matched_count`` those for whom the tier's own condition holds; ``multiple_match_count`` those
    assigned for whom a later condition holds too: the order decided. ``reference_share`` is the mix given for
    comparison. REQUIREMENTS S3-S7, S9.
    """
    if not schemes:
        return pd.DataFrame(columns=list(SCHEME_SIZES_SCHEMA))
    patterns = _patterns(features, schemes)
    rows = []
    for k, (id_, scheme) in enumerate(schemes.items()):
        inside = patterns.loc[_belongs(patterns["is_company"], scheme)]
        fits = inside[[f"fits_{k}_{place}" for place in range(len(scheme.tiers))]].to_numpy(dtype=bool)
        assigned = np.where(fits.any(axis=1), fits.argmax(axis=1), len(scheme.tiers))
        counts, parts = inside["n"].to_numpy(), inside["parts"].to_numpy()
        customers, spent = int(counts.sum()), int(parts.sum())
        for place, tier in enumerate(scheme.tier_ids):
            here = assigned == place
            count, money = int(counts[here].sum()), int(parts[here].sum())
            matched = fits[:, place] if place < len(scheme.tiers) else here
            rows.append(
                {
                    "scheme": id_,
                    "tier": tier,
                    "customer_count": count,
                    "customer_share": round(count / customers, 6) if customers else np.nan,
                    "by_rule_count": count,
                    "spend_amount_365d": round(money / _PARTS, 2),
                    "spend_share": round(money / spent, 6) if spent > 0 else np.nan,
                    "lapsed_count": int(inside["lapsed"].to_numpy()[here].sum()),
                    "reference_share": scheme.reference_mix.get(tier, 0.0) if scheme.reference_mix else np.nan,
                    "matched_count": int(counts[matched].sum()),
                    "multiple_match_count": int(counts[here & (fits.sum(axis=1) > 1)].sum()),
                }
            )
    return pd.DataFrame(rows, columns=list(SCHEME_SIZES_SCHEMA))


def with_tiers_in_force(sizes: pd.DataFrame, tiers: pd.DataFrame, *, scheme: str) -> pd.DataFrame:
    """Return the sizes with the tiers of one scheme as they are in force: after hysteresis and overrides.

    columns of ``SCHEME_SIZES_SCHEMA``; ``customer_id, tier, spend_amount_365d, order_count, order_count_365d`` -> the
    same columns; ``by_rule_count``, ``matched_count`` and ``multiple_match_count`` stay those of the rules

    Parameters
    ----------
    tiers
        Every customer with the tier in force; those of tiers that the scheme does not have are outside of it.
    scheme
        Id of the primary scheme.
    """
    parts = (tiers[_MONEY].astype(float) * _PARTS).round().astype("int64")
    lapsed = (tiers["order_count"] >= 1) & (tiers["order_count_365d"] == 0)
    held = tiers.assign(parts=parts, lapsed=lapsed).groupby("tier").agg(
        customer_count=("tier", "size"), parts=("parts", "sum"), lapsed_count=("lapsed", "sum")
    )  # fmt: skip
    own = sizes["scheme"] == scheme
    found = held.reindex(sizes.loc[own, "tier"]).fillna(0).astype("int64").set_axis(sizes.index[own])
    customers, spent = int(found["customer_count"].sum()), int(found["parts"].sum())
    table = sizes.copy()
    table.loc[own, "customer_count"] = found["customer_count"]
    table.loc[own, "lapsed_count"] = found["lapsed_count"]
    table.loc[own, "spend_amount_365d"] = (found["parts"] / _PARTS).round(2)
    table.loc[own, "customer_share"] = (found["customer_count"] / customers).round(6) if customers else np.nan
    table.loc[own, "spend_share"] = (found["parts"] / spent).round(6) if spent > 0 else np.nan
    return table


def scheme_names(schemes: Mapping[str, Scheme]) -> dict[str, dict[str, str]]:
    """Return the names that settings give, as words: ``{"segment.vip": {"zh": ..., "en": ...}, "scheme.abc": ...}``.

    Besides tiers and schemes: ``basis.<scheme>`` where one is given.
    """
    names: dict[str, Any] = {}
    for id_, scheme in schemes.items():
        names[f"scheme.{id_}"] = scheme.name.model_dump()
        names |= {f"segment.{tier.id}": tier.name.model_dump() for tier in (*scheme.tiers, scheme.otherwise)}
        if scheme.basis is not None:
            names[f"basis.{id_}"] = scheme.basis.model_dump()
    return names


def _rules(scheme: Scheme) -> dict[str, Condition]:
    return {tier.id: parse_condition(tier.when) for tier in scheme.tiers}


def _answered(features: ibis.Table, schemes: Mapping[str, Scheme]) -> ibis.Table:
    """Return per customer what every rule says (``fits_<number of the scheme>_<place>``), ``is_company`` and money."""
    answers = {
        f"fits_{k}_{place}": match_expression(rule, features)
        for k, scheme in enumerate(schemes.values())
        for place, rule in enumerate(_rules(scheme).values())
    }
    has_kind, has_money = "kind" in features.columns, _MONEY in features.columns
    is_company = (features.kind == "organisation").fill_null(False) if has_kind else ibis.literal(False)
    parts = (features[_MONEY] * _PARTS).round().cast("int64") if has_money else ibis.literal(0)
    has_orders = {"order_count", "order_count_365d"} <= set(features.columns)
    lapsed = (features.order_count >= 1) & (features.order_count_365d == 0) if has_orders else ibis.literal(False)
    return features.select("customer_id", is_company=is_company, parts=parts, lapsed=lapsed, **answers)


def _patterns(features: ibis.Table, schemes: Mapping[str, Scheme]) -> pd.DataFrame:
    """Return how many customers answer all rules in the same way, and their money, one row per pattern of answers.

    Few patterns occur, so everything that is counted by tier follows from them; whole ten-thousandths of the currency
    unit add up to the same sum in any order of the rows.
    """
    answered = _answered(features, schemes)
    keys = [name for name in answered.columns if name not in {"customer_id", "parts", "lapsed"}]
    sums = {"n": answered.count(), "parts": answered.parts.sum(), "lapsed": answered.count(where=answered.lapsed)}
    return answered.group_by(keys).aggregate(**sums).to_pandas()


def _belongs(is_company: Any, scheme: Scheme) -> Any:
    """Return who belongs to the population of a scheme."""
    if scheme.population == "all":
        return is_company | ~is_company
    return is_company if scheme.population == "organisation" else ~is_company


def _marked(features: ibis.Table, schemes: Mapping[str, Scheme]) -> ibis.Table:
    """Return per customer and scheme, by its number, the tier (null outside of the population) and the rules that fit.

    Columns ``customer_id, tier_<k>, count_<k>``.
    """
    answered = _answered(features, schemes)
    columns: dict[str, ibis.Value] = {}
    for k, scheme in enumerate(schemes.values()):
        fits = [answered[f"fits_{k}_{place}"] for place in range(len(scheme.tiers))]
        pairs = list(zip(fits, [tier.id for tier in scheme.tiers], strict=True))
        tier = ibis.cases(*pairs, else_=scheme.otherwise.id)
        if scheme.population != "all":
            tier = ibis.ifelse(_belongs(answered.is_company, scheme), tier, ibis.null("string"))
        columns[f"tier_{k}"] = tier
        columns[f"count_{k}"] = reduce(add, [fit.cast("int64") for fit in fits])
    return answered.select("customer_id", **columns)
