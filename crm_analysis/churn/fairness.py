"""Whether groups of people are treated alike: model, warning list, tiers, win-back offers, prices (REQUIREMENTS X2).

Gender, birth date and region are never features of the model (:func:`crm_analysis.churn.inputs.check_model_features`
refuses them): here they only describe whom it serves worse. Every group is held against the rest of those whose group
is known and large enough to be shown. Customers count once, the model at its latest held-out origin: several origins of
one customer would make intervals too narrow.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_signals import FairnessSettings
from crm_analysis.churn.fairness_groups import ATTRIBUTES
from crm_analysis.churn.fairness_measures import Difference, auc_difference, mean_difference, ratio_difference
from crm_analysis.churn.fairness_measures import share_difference as shares

MEASURES = ("selection_rate", "false_positive_rate", "false_negative_rate", "calibration_gap", "auc",
            "list_rate", "top_tier_rate", "win_back_rate", "win_back_cost", "discount_share")  # fmt: skip
FAIRNESS_SCHEMA: ResultSchema = dict.fromkeys(
    ["attribute", "group", "fairness_measure", "n", "value", "low", "high", "rest_value", "difference",
     "difference_low", "difference_high", "p_adjusted", "fairness_verdict"], OPEN,
)  # fmt: skip
VERDICTS = ("differs", "similar", "too_few", "hidden")
_DIGITS = 6

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Compare = Callable[[Mask, Mask], Difference | None]


@dataclass(frozen=True)
class _Groups:
    """Customers of a frame by the groups of one attribute: place of the group in ``names``, -1 where unknown."""

    attribute: str
    names: tuple[str, ...]
    codes: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


def fairness_table(
    judged: pd.DataFrame | None, groups: pd.DataFrame, *, settings: FairnessSettings,
    selected: pd.DataFrame | None = None, tiers: pd.DataFrame | None = None, offers: pd.DataFrame | None = None,
    prices: pd.DataFrame | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return every measure of every group beside the rest.

    Parameters
    ----------
    judged
        Of :func:`~crm_analysis.churn.fairness_groups.select_judged`; without it nothing is said of the model.
    groups
        Of :func:`~crm_analysis.churn.fairness_groups.groups_table`; at least the customers of the other frames.
    selected
        ``customer_id, is_selected`` of today's scored customers: who is on the warning list (``list_rate``).
    tiers
        ``customer_id, is_top_tier`` of the customers with a tier that can be ranked (``top_tier_rate``).
    offers
        Of :func:`~crm_analysis.churn.fairness_groups.offers_table` (``win_back_rate`` of the silent, ``win_back_cost``
        of those with an offer whose cost is recorded, in the reporting currency).
    prices
        ``customer_id, discount_amount, gross_amount``: discounts granted and what was paid (``discount_share``).

    Returns
    -------
    pandas.DataFrame
        Columns of ``FAIRNESS_SCHEMA``, by measure, attribute and group. ``selection_rate``: on the list of the largest
        expected loss; ``false_positive_rate``: selected among those who stayed; ``false_negative_rate``: not selected
        among those who left; ``calibration_gap``: mean predicted less observed rate, above 0 when the risk is
        overstated; ``auc``: ranking within the group; ``discount_share``: of what would have been paid without
        discounts. ``difference`` is group less rest. ``fairness_verdict``: ``differs`` where ``p_adjusted`` is below
        ``level``, else ``similar``, which is no proof of equality; ``too_few`` where the measure cannot be had or there
        is no other group; ``hidden`` for groups below ``minimum_cell``: they are no part of the rest either, so that
        nothing about them follows.

    Notes
    -----
    95 % intervals: Wilson for shares and Newcombe (1998) for their differences; Welch for calibration; DeLong, DeLong &
    Clarke-Pearson (1988) for the AUC, on the logit scale; linearised ratio of sums for the discount share. All tests of
    the table are corrected together (Benjamini & Hochberg 1995). Two groups mirror each other and are tested twice,
    which counts as two tests and changes adjusted p-values slightly.
    """
    from statsmodels.stats.multitest import multipletests

    rows: list[dict[str, Any]] = []
    for frame, measures in (
        (judged, _of_judged(settings)),
        (selected, {"list_rate": _share("is_selected")}),
        (tiers, {"top_tier_rate": _share("is_top_tier")}),
        (offers, {"win_back_rate": _share("is_offered"), "win_back_cost": _mean("offer_cost")}),
        (prices, {"discount_share": _ratio("discount_amount", "gross_amount")}),
    ):
        if frame is None or frame.empty:
            continue
        joined = frame.drop(columns=[*ATTRIBUTES], errors="ignore").merge(
            groups, on="customer_id", how="inner", validate="one_to_one"
        )
        compared = [_grouped(joined[name], name) for name in ATTRIBUTES]
        for name, prepare in measures.items():
            compare = prepare(joined)
            rows += [row for each in compared for row in _measure_rows(each, name, compare=compare, settings=settings)]
    table = pd.DataFrame(rows, columns=list(FAIRNESS_SCHEMA))
    tested = table["p_adjusted"].notna()
    if tested.any():
        p_values = table.loc[tested, "p_adjusted"].to_numpy(dtype=float)
        table.loc[tested, "p_adjusted"] = multipletests(p_values, method="fdr_bh")[1]
        is_clear = table.loc[tested, "p_adjusted"] < settings.level
        table.loc[tested, "fairness_verdict"] = np.where(is_clear, "differs", "similar")
    text = dict.fromkeys(["attribute", "group", "fairness_measure", "fairness_verdict"], "str")
    numbers = {name: "float64" for name in FAIRNESS_SCHEMA if name not in text}
    return table.astype(text | numbers).round(_DIGITS)


def _grouped(values: pd.Series, attribute: str) -> _Groups:
    codes, found = pd.factorize(values)
    order = sorted(range(len(found)), key=lambda place: _place(str(found[place])))
    places = np.full(len(found) + 1, -1, dtype="int64")  # the last place is that of the code -1
    places[order] = np.arange(len(found))
    codes = places[codes]
    counts = np.bincount(codes[codes >= 0], minlength=len(found))
    return _Groups(attribute, tuple(str(found[place]) for place in order), codes, counts)


def _measure_rows(
    groups: _Groups, name: str, *, compare: Compare, settings: FairnessSettings
) -> Iterator[dict[str, Any]]:
    """Yield one row per group of an attribute for a measure."""
    large = groups.counts >= settings.minimum_cell
    is_compared = np.append(large, False)[groups.codes]
    for place, group in enumerate(groups.names):
        base: dict[str, Any] = {"attribute": groups.attribute, "group": group, "fairness_measure": name}
        if not large[place]:
            yield base | {"n": np.nan, "fairness_verdict": "hidden"}
            continue
        inside = groups.codes == place
        found = compare(inside, is_compared & ~inside) if large.sum() > 1 else None
        if found is None:
            yield base | {"n": float(groups.counts[place]), "fairness_verdict": "too_few"}
            continue
        yield base | found.as_row() | {"fairness_verdict": "similar"}


def _place(group: str) -> tuple[bool, bool, str]:
    """Return what groups are sorted by: bands of age by age, others by name."""
    return not group.startswith("<"), group.startswith("≥"), group


def _of_judged(settings: FairnessSettings) -> Mapping[str, Callable[[pd.DataFrame], Compare]]:
    def calibration(frame: pd.DataFrame) -> Compare:
        gap = (frame["probability"] - frame["is_churned"]).to_numpy(dtype=float)
        return lambda inside, rest: mean_difference(gap[inside], gap[rest])

    def auc(frame: pd.DataFrame) -> Compare:
        score, left = frame["score"].to_numpy(dtype=float), frame["is_churned"].to_numpy(dtype=bool)
        return lambda inside, rest: auc_difference(
            (score[inside], left[inside]), (score[rest], left[rest]), minimum=settings.minimum_class
        )

    return {
        "selection_rate": _share("is_selected"),
        "false_positive_rate": _share("is_selected", among=("is_churned", False)),
        "false_negative_rate": _share("is_selected", of=False, among=("is_churned", True)),
        "calibration_gap": calibration,
        "auc": auc,
    }


def _share(column: str, *, of: bool = True, among: tuple[str, bool] | None = None) -> Callable[[pd.DataFrame], Compare]:
    def prepare(frame: pd.DataFrame) -> Compare:
        yes = frame[column].to_numpy(dtype=bool) == of
        base = np.ones(len(frame), dtype=bool) if among is None else frame[among[0]].to_numpy(dtype=bool) == among[1]
        return lambda inside, rest: shares(yes[inside & base], yes[rest & base])

    return prepare


def _mean(column: str) -> Callable[[pd.DataFrame], Compare]:
    def prepare(frame: pd.DataFrame) -> Compare:
        values = frame[column].to_numpy(dtype=float)
        known = ~np.isnan(values)
        return lambda inside, rest: mean_difference(values[inside & known], values[rest & known])

    return prepare


def _ratio(part: str, rest_of_whole: str) -> Callable[[pd.DataFrame], Compare]:
    def prepare(frame: pd.DataFrame) -> Compare:
        above = frame[part].to_numpy(dtype=float)
        below = above + frame[rest_of_whole].to_numpy(dtype=float)
        return lambda inside, rest: ratio_difference((above[inside], below[inside]), (above[rest], below[rest]))

    return prepare


def fairness_document(
    table: pd.DataFrame, judged: pd.DataFrame | None, groups: pd.DataFrame, *, context: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the comparison says as a whole, and how many customers belong to no known group.

    Parameters
    ----------
    context
        What was compared besides the model, for the reader: ``top_tier``, ``silence_days``, ``offers_from``.

    Returns
    -------
    dict
        ``status``: ``ok`` or ``insufficient``; ``origin`` (none without a model that was held out), ``n`` customers at
        the origin, else all; ``list_count`` selected there, ``missed_least_rate``: share of the churners that a list of
        that length misses at least; ``compared_count``, ``differs_count``, ``hidden_count``, ``too_few_count`` of
        comparisons; ``largest``: the clear difference that is largest in units of its interval, per measure (rows of
        ``fairness_table``); ``unknown``: per attribute the customers among ``n`` without a known group; and
        ``context``.
    """
    listed = 0 if judged is None else int(judged["is_selected"].sum())
    churned = 0 if judged is None else int(judged["is_churned"].sum())
    known = groups if judged is None else judged[["customer_id"]].merge(groups, on="customer_id", how="left")
    unknown = {name: int(known[name].isna().sum()) for name in ATTRIBUTES}
    verdicts = table["fairness_verdict"].value_counts()
    clear = table.loc[table["fairness_verdict"] == "differs"].copy()
    clear["weight"] = clear["difference"].abs() / (clear["difference_high"] - clear["difference_low"])
    clear = clear.sort_values(["weight", "attribute", "group"], ascending=[False, True, True])
    largest = clear.drop_duplicates("fairness_measure")[list(FAIRNESS_SCHEMA)].to_dict("records")
    compared = int(verdicts.get("differs", 0) + verdicts.get("similar", 0))
    return {
        "status": "ok" if compared else "insufficient",
        "origin": None if judged is None or judged.empty else str(judged["origin"].iloc[0]),
        "n": len(known),
        "list_count": listed,
        "missed_least_rate": None if not churned else round(max(0, churned - listed) / churned, 6),
        "compared_count": compared,
        **{f"{name}_count": int(verdicts.get(name, 0)) for name in ("differs", "hidden", "too_few")},
        "largest": [{str(key): value for key, value in row.items()} for row in largest],
        "unknown": unknown,
        **context,
    }
