"""Every KPI by tier, owner, department and region: parts that sum to the whole (REQUIREMENTS E10).

``kpi_parts`` holds the sums of what customers contribute (:mod:`crm_analysis.evaluation.kpis`); ``kpi_breakdown`` what
they say, against targets, with parts too small to be shown left empty.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import numpy as np
import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.base.small_cells import hidden_cells
from crm_analysis.evaluation.history import with_values
from crm_analysis.evaluation.registry import KPI_FUNCTIONS, KpiInputs, available_kpis, summed
from crm_analysis.evaluation.scorecard import attainment_score, status_of
from crm_analysis.evaluation.targets import Key, all_targets, resolve_targets

#: ``tier`` at the start of the period that a KPI covers; the others as they were recorded at the quarter's end.
DIMENSIONS = ("tier", "owner", "department", "region")
WHOLE = "all"
#: Customers without the attribute; of the tier: those who did not exist yet at the start of the period.
NOT_RECORDED = "not_recorded"

KPI_PARTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["kpi", "dimension", "part", "numerator", "denominator", "n", "customer_count"], OPEN
)
KPI_BREAKDOWN_SCHEMA: ResultSchema = dict.fromkeys(
    ["kpi", "dimension", "part", "unit", "value", "n", "numerator", "denominator", "low", "high", "target",
     "attainment_share", "status", "customer_count"],
    OPEN,
)  # fmt: skip
_NUMBERS = ("value", "numerator", "denominator", "low", "high", "target", "attainment_share")
#: What sums may differ by: they are stored with four digits, and floats keep fifteen.
_ROUNDING, _FLOAT = 1e-3, 1e-9


def kpi_parts_table(
    inputs: KpiInputs, *, tiers: Mapping[int, ibis.Table], kpis: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the sums of every available KPI, over all customers and over the parts of every dimension.

    Parameters
    ----------
    tiers
        ``customer_id, tier`` at the start of a period of so many quarters that ends with this one, from the backend of
        the periods: 1 for the tiers at the quarter's start. A KPI whose period is not among them
        (``Metric.period_quarters``) has no parts by tier.
    kpis
        Those wanted; by default all that the tables allow.

    Returns
    -------
    pandas.DataFrame
        ``kpi, dimension, part, numerator, denominator, n, customer_count`` in the order of the registry and the
        dimensions, parts by name; ``all`` is the dimension and the part of all customers. ``customer_count`` is how
        many customers contribute. Customers without the attribute are the part ``not_recorded``.

    Notes
    -----
    REQUIREMENTS E10. Rates by tier take the tier at the start of the period: at its end they flatter the good tiers.
    """
    described = _described(inputs)
    ids = [id_ for id_ in available_kpis(inputs.tables) if kpis is None or id_ in kpis]
    periods = {METRICS[id_].period_quarters for id_ in ids}
    attributes = {period: _with_tier(described, tiers.get(period)) for period in periods}
    frames = []
    for id_ in ids:
        rows = _attributed(KPI_FUNCTIONS[id_](inputs), attributes[METRICS[id_].period_quarters])
        found = _parts_of(rows, id_=id_).to_pandas()
        frames.append(_nothing(id_) if found.empty else found)
    if not frames:
        return pd.DataFrame(columns=list(KPI_PARTS_SCHEMA))
    table = pd.concat(frames, ignore_index=True)
    table["kpi_place"] = table["kpi"].map(list(METRICS).index)
    table["place"] = table["dimension"].map([WHOLE, *DIMENSIONS].index)
    return table.sort_values(["kpi_place", "place", "part"], ignore_index=True)[list(KPI_PARTS_SCHEMA)]


def _nothing(id_: str) -> pd.DataFrame:
    """Return the whole of a KPI that nobody contributes to."""
    below = np.nan if METRICS[id_].denominator is None else 0.0
    return pd.DataFrame([(id_, WHOLE, WHOLE, 0.0, below, 0, 0)], columns=list(KPI_PARTS_SCHEMA))


def _described(inputs: KpiInputs) -> ibis.Table | None:
    """Return ``customer_id, owner, department, region``, without those that nobody has; nothing without customers."""
    if "customers" not in inputs.tables:
        return None
    customers = inputs.tables["customers"]
    names = [name for name in DIMENSIONS if name in customers.columns]
    known = customers.aggregate(**{name: customers[name].notnull().any() for name in names}).to_pyarrow().to_pylist()[0]
    return customers.select("customer_id", *[name for name in names if known[name]])


def _with_tier(described: ibis.Table | None, tiers: ibis.Table | None) -> ibis.Table | None:
    """Return the attributes of all customers with their tier, kept by the engine: every KPI reads them."""
    if described is None or tiers is None:
        joined = tiers if described is None else described
        return None if joined is None else joined.cache()
    joined = described.outer_join(tiers.select("customer_id", "tier"), "customer_id")
    id_ = ibis.coalesce(joined.customer_id, joined.customer_id_right)
    return joined.mutate(customer_id=id_).drop("customer_id_right").cache()


def _attributed(contributions: ibis.Table, attributes: ibis.Table | None) -> ibis.Table:
    """Return contributions with the attributes of their customers, kept by the engine: every dimension reads them."""
    if attributes is None:
        return contributions.cache()
    rows = contributions.left_join(attributes, "customer_id")
    names = [name for name in DIMENSIONS if name in attributes.columns]
    found = {name: rows[name].cast("string").fill_null(NOT_RECORDED) for name in names}
    return rows.select(*contributions.columns, **found).cache()


def _parts_of(rows: ibis.Table, *, id_: str) -> ibis.Table:
    """Return the sums of one KPI over all and over the parts of every dimension."""
    names = [name for name in DIMENSIONS if name in rows.columns]
    return ibis.union(*(_sums(rows, dimension, id_=id_) for dimension in (WHOLE, *names)))


def _sums(rows: ibis.Table, dimension: str, *, id_: str) -> ibis.Table:
    rows = rows.mutate(part=ibis.literal(WHOLE) if dimension == WHOLE else rows[dimension])
    sums = summed(rows, id_=id_, by=["part"])
    says_something = (rows.numerator != 0) | (rows.n != 0)
    customers = rows.group_by("part").aggregate(customer_count=rows.customer_id.nunique(where=says_something))
    joined = sums.inner_join(customers, "part").mutate(dimension=ibis.literal(dimension))
    return joined.select(*KPI_PARTS_SCHEMA)


def kpi_breakdown_table(
    parts: pd.DataFrame,
    *,
    short_kpis: Sequence[str],
    settings: EvaluationSettings,
    tier_order: Sequence[str] = (),
    year_ago: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return what the parts of every KPI say.

    ``kpi_parts`` -> columns of ``KPI_BREAKDOWN_SCHEMA``, the whole first, tiers from best to worst, other parts by size

    Parameters
    ----------
    short_kpis
        KPIs without enough quarters of data before; they have no value in any part.
    settings
        Targets with a tier hold for it; those without hold for the parts of ratios that have none of their own: a sum
        of all customers is no target for a part of them. ``kpis.minimum_customers``: parts with fewer customers show
        no value, nor do as many others as would give them away.
    tier_order
        Tiers from best to worst; others follow by name.
    year_ago
        ``kpi_parts`` of the same quarter of last year, for relative targets.

    Returns
    -------
    pandas.DataFrame
        ``status`` as in the scorecard. Where it is ``too_small`` or ``no_history`` there is no value, numerator or
        denominator.
    """
    table = with_values(parts, has_history=~parts["kpi"].isin(list(short_kpis)))
    table["is_hidden"] = _too_small(table, minimum=settings.kpis.minimum_customers)
    past = {} if year_ago is None else _values_by_key(year_ago, minimum=settings.kpis.minimum_customers)
    targets = resolve_targets(all_targets(settings), year_ago=past)
    rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    judged = [_judged(row, targets=targets, tolerance=settings.tolerance) for row in rows]
    found = pd.DataFrame(judged, columns=[*KPI_BREAKDOWN_SCHEMA])
    places = {tier: place for place, tier in enumerate(tier_order)}
    found["kpi_place"] = found["kpi"].map(list(METRICS).index)
    found["place"] = found["dimension"].map([WHOLE, *DIMENSIONS].index)
    found["is_rest"] = found["part"] == NOT_RECORDED
    found["tier_place"] = found["part"].map(places).where(found["dimension"] == "tier").fillna(len(places))
    found["size"] = -found["customer_count"]
    by = ["kpi_place", "place", "is_rest", "tier_place", "size", "part"]
    found = found.sort_values(by, ignore_index=True)[list(KPI_BREAKDOWN_SCHEMA)]
    text = dict.fromkeys(("kpi", "dimension", "part", "unit", "status"), "str")
    return found.astype(text | dict.fromkeys(_NUMBERS, "float64") | {"n": "int64", "customer_count": "int64"})


def _too_small(table: pd.DataFrame, *, minimum: int) -> pd.Series:
    """Return which rows may not show a value: of too few customers, amounts also where they would give such a one away.

    Counts may be shown. A rate or a mean of others tells of a few customers only how many did something, which their
    own sample is too small to be judged by; an amount would tell what they spent.
    """
    is_part = (table["dimension"] != WHOLE) & (table["unit"] != "count")
    few = is_part & table["customer_count"].between(1, minimum - 1)
    by_sum = table.loc[is_part & (table["unit"] == "amount")].groupby(["kpi", "dimension"])["customer_count"]
    hidden = by_sum.transform(lambda counts: hidden_cells(counts, minimum=minimum)).astype(bool)
    return few | hidden.reindex(table.index, fill_value=False)


def _values_by_key(parts: pd.DataFrame, *, minimum: int) -> dict[Key, float]:
    """Return values of a year ago by KPI and tier, without those of too few."""
    wanted = parts.loc[parts["dimension"].isin([WHOLE, "tier"])].reset_index(drop=True)
    table = with_values(wanted, has_history=pd.Series(True, index=wanted.index))
    least = [METRICS[kpi].minimum_n for kpi in table["kpi"]]
    table = table.loc[(table["n"] >= least) & ~_too_small(table, minimum=minimum)]
    tiers = [None if dimension == WHOLE else part for dimension, part in zip(table["dimension"], table["part"],
                                                                             strict=True)]  # fmt: skip
    return dict(zip(zip(table["kpi"], tiers, strict=True), table["value"], strict=True))


def _judged(row: dict[str, Any], *, targets: Mapping[Key, float], tolerance: float) -> dict[str, Any]:
    metric = METRICS[row["kpi"]]
    target = _target_of(row, targets=targets)
    if row["is_history_short"]:
        status = "no_history"
    elif row["is_hidden"]:
        status = "too_small"
    else:
        status = status_of(row["value"], target, metric=metric, n=row["n"], tolerance=tolerance)
    if status in {"no_history", "too_small"}:
        row = row | dict.fromkeys(("value", "numerator", "denominator", "low", "high"), np.nan)
    return row | {
        "target": target,
        "attainment_share": attainment_score(row["value"], target, metric=metric),
        "status": status,
    }


def _target_of(row: Mapping[str, Any], *, targets: Mapping[Key, float]) -> float:
    general = targets.get((row["kpi"], None), np.nan)
    if row["dimension"] == WHOLE:
        return general
    is_ratio = METRICS[row["kpi"]].denominator is not None
    shared = general if is_ratio else np.nan
    return targets.get((row["kpi"], row["part"]), shared) if row["dimension"] == "tier" else shared


def check_parts(parts: pd.DataFrame, history: pd.DataFrame, *, quarter: str) -> dict[str, Any]:
    """Return whether the parts of every dimension sum to the whole, and the whole to the scorecard's KPI.

    Parameters
    ----------
    parts
        Of :func:`kpi_parts_table`.
    history
        ``kpi_history``, of which the quarter's sums are held against the whole.

    Returns
    -------
    dict
        ``status`` (``good`` or ``bad``), ``kpi_count``, ``checked_count`` (sums compared), ``wrong``: KPI, dimension
        and which of ``numerator, denominator, n`` differ.
    """
    names = ["numerator", "denominator", "n"]
    whole = parts.loc[parts["dimension"] == WHOLE].set_index("kpi")[names]
    sums = parts.groupby(["kpi", "dimension"], sort=False)[names].sum(min_count=1).reset_index()
    now = history.loc[(history["quarter"] == quarter) & ~history["is_history_short"]]
    sums = pd.concat([sums.loc[sums["dimension"] != WHOLE], now[["kpi", *names]].assign(dimension="scorecard")])
    known = sums.loc[sums["kpi"].isin(whole.index)].reset_index(drop=True)
    expected = whole.loc[known["kpi"]].reset_index(drop=True)
    differs = (known[names] - expected).abs() > _ROUNDING + expected.abs() * _FLOAT
    wrong = [
        {"kpi": str(kpi), "dimension": str(dimension), "what": name}
        for name in names
        for kpi, dimension in known.loc[differs[name], ["kpi", "dimension"]].itertuples(index=False)
    ]
    return {
        "status": "bad" if wrong else "good",
        "kpi_count": len(whole),
        "checked_count": int(known[names].notna().sum().sum()),
        "wrong": sorted(wrong, key=lambda item: tuple(item.values())),
    }
