"""Whether the warning treats groups of people alike: errors, calibration, ranking, selection, price (REQUIREMENTS X2).

Gender, birth date and region are never features of the model (:func:`crm_analysis.churn.inputs.check_model_features`
refuses them): here they only describe whom it serves worse. Every group is held against the rest of those whose group
is known and large enough to be shown. Customers count once, at the latest held-out origin: several origins of one
customer would make intervals too narrow.
"""

from collections.abc import Callable, Mapping
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_signals import FairnessSettings
from crm_analysis.churn.fairness_measures import Difference, auc_difference, mean_difference, ratio_difference
from crm_analysis.churn.fairness_measures import share_difference as shares
from crm_analysis.sources.schema import CUSTOMERS

ATTRIBUTES = ("gender", "age_band", "region")
MEASURES = ("selection_rate", "false_positive_rate", "false_negative_rate", "calibration_gap", "auc",
            "list_rate", "discount_share")  # fmt: skip
FAIRNESS_SCHEMA: ResultSchema = dict.fromkeys(
    ["attribute", "group", "fairness_measure", "n", "value", "low", "high", "rest_value", "difference",
     "difference_low", "difference_high", "p_adjusted", "fairness_verdict"], OPEN,
)  # fmt: skip
GENDERS = CUSTOMERS["gender"].allowed
VERDICTS = ("differs", "similar", "too_few", "hidden")
_DIGITS = 6

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Compare = Callable[[Mask, Mask], Difference | None]


def groups_table(customers: pd.DataFrame, *, origin: date, settings: FairnessSettings) -> pd.DataFrame:
    """Return the groups of every customer.

    ``customer_id, kind, gender, birth_date, region`` -> ``customer_id, gender, age_band, region``

    Parameters
    ----------
    origin
        Day at which age is taken.

    Notes
    -----
    Gender and age are those of persons; of organisations they are empty, like what is not recorded, genders outside the
    data contract and ages outside 0 to 110 years. The region is today's where its history is not recorded.
    """
    is_person = customers["kind"].astype("object") != "organisation"
    born = pd.to_datetime(customers["birth_date"])
    days = (pd.Timestamp(origin) - born).dt.days
    years = np.floor(days / 365.25)
    edges = [0, *settings.age_bands, 111]
    labels = [f"<{edges[1]}", *(f"{a}–{b - 1}" for a, b in pairwise(edges[1:-1])), f"≥{edges[-2]}"]
    band = pd.Series(pd.cut(years, edges, right=False, labels=labels), index=customers.index).astype("object")
    return pd.DataFrame({
        "customer_id": customers["customer_id"].astype("str"),
        "gender": customers["gender"].astype("object").where(is_person & customers["gender"].isin(GENDERS), None),
        "age_band": band.where(is_person & band.notna(), None),
        "region": customers["region"].astype("object").where(customers["region"].notna(), None),
    })  # fmt: skip


def select_judged(predictions: pd.DataFrame, *, model: str, list_length: int) -> pd.DataFrame:
    """Return the latest held-out origin with who would have been on a list of the highest scores.

    ``churn_predictions`` -> ``customer_id, origin, is_churned, score, probability, is_selected``; equal scores are
    ordered by id, so that the list has exactly ``list_length`` customers
    """
    latest = predictions.loc[predictions["origin"] == predictions["origin"].max()]
    judged = pd.DataFrame({
        "customer_id": latest["customer_id"].astype("str"),
        "origin": latest["origin"],
        "is_churned": latest["is_churned"].astype(bool),
        "score": latest[f"{model}_score"].astype(float),
        "probability": latest[f"{model}_probability"].astype(float),
    })  # fmt: skip
    judged = judged.sort_values(["score", "customer_id"], ascending=[False, True], ignore_index=True)
    return judged.assign(is_selected=np.arange(len(judged)) < list_length)


def fairness_table(
    judged: pd.DataFrame, groups: pd.DataFrame, *, settings: FairnessSettings,
    selected: pd.DataFrame | None = None, prices: pd.DataFrame | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return every measure of every group beside the rest.

    Parameters
    ----------
    judged
        Of :func:`select_judged`.
    groups
        Of :func:`groups_table`; at least the customers of the other frames.
    selected
        ``customer_id, is_selected`` of today's scored customers: who is on the warning list (``list_rate``).
    prices
        ``customer_id, discount_amount, gross_amount``: discounts granted and what was paid (``discount_share``).

    Returns
    -------
    pandas.DataFrame
        Columns of ``FAIRNESS_SCHEMA``, by measure, attribute and group. ``selection_rate``: on the list of the highest
        scores; ``false_positive_rate``: selected among those who stayed; ``false_negative_rate``: not selected among
        those who left; ``calibration_gap``: mean predicted less observed rate, above 0 when the risk is overstated;
        ``auc``: ranking within the group; ``discount_share``: of what would have been paid without discounts.
        ``difference`` is group less rest. ``fairness_verdict``: ``differs`` where ``p_adjusted`` is below ``level``,
        else ``similar``, which is no proof of equality; ``too_few`` where the measure cannot be had or there is no
        other group; ``hidden`` for groups below ``minimum_cell``: they are no part of the rest either, so that nothing
        about them follows.

    Notes
    -----
    95 % intervals: Wilson for shares and Newcombe (1998) for their differences; Welch for calibration; DeLong, DeLong &
    Clarke-Pearson (1988) for the AUC, on the logit scale; linearised ratio of sums for the discount share. All tests of
    the table are corrected together (Benjamini & Hochberg 1995). Two groups mirror each other and are tested twice,
    which changes nothing in the correction.
    """
    from statsmodels.stats.multitest import multipletests

    rows: list[dict[str, Any]] = []
    for frame, measures in (
        (judged, _of_judged(settings)),
        (selected, {"list_rate": _share("is_selected")}),
        (prices, {"discount_share": _ratio("discount_amount", "gross_amount")}),
    ):
        if frame is None or frame.empty:
            continue
        joined = frame.drop(columns=[*ATTRIBUTES], errors="ignore").merge(
            groups, on="customer_id", how="inner", validate="one_to_one"
        )
        for name, prepare in measures.items():
            rows += _measure_rows(joined, name, compare=prepare(joined), settings=settings)
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


def _measure_rows(
    joined: pd.DataFrame, name: str, *, compare: Compare, settings: FairnessSettings
) -> list[dict[str, Any]]:
    """Return one row per group of every attribute for a measure."""
    rows: list[dict[str, Any]] = []
    for attribute in ATTRIBUTES:
        group = joined[attribute].astype("object")
        counts = group.value_counts().sort_index()
        large = counts.index[counts >= settings.minimum_cell]
        compared = group.isin(large).to_numpy()
        for value, n in sorted(counts.items(), key=lambda item: _place(str(item[0]))):
            base: dict[str, Any] = {"attribute": attribute, "group": str(value), "fairness_measure": name}
            if value not in large:
                rows.append(base | {"n": np.nan, "fairness_verdict": "hidden"})
                continue
            inside = (group == value).to_numpy()
            found = compare(inside, compared & ~inside) if len(large) > 1 else None
            if found is None:
                rows.append(base | {"n": float(n), "fairness_verdict": "too_few"})
                continue
            rows.append(base | found.as_row() | {"fairness_verdict": "similar"})
    return rows


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


def _ratio(part: str, rest_of_whole: str) -> Callable[[pd.DataFrame], Compare]:
    def prepare(frame: pd.DataFrame) -> Compare:
        above = frame[part].to_numpy(dtype=float)
        below = above + frame[rest_of_whole].to_numpy(dtype=float)
        return lambda inside, rest: ratio_difference((above[inside], below[inside]), (above[rest], below[rest]))

    return prepare


def no_comparison() -> dict[str, Any]:
    """Return :func:`fairness_document` of a company without a held-out origin."""
    counts = dict.fromkeys((f"{name}_count" for name in ("compared", "differs", "hidden", "too_few")), 0)
    unknown = dict.fromkeys(ATTRIBUTES, 0)
    return {"status": "insufficient", "origin": None, "n": 0, **counts, "largest": [], "unknown": unknown}


def fairness_document(table: pd.DataFrame, judged: pd.DataFrame, groups: pd.DataFrame) -> dict[str, Any]:
    """Return what the comparison says as a whole, and how many customers belong to no known group.

    Returns
    -------
    dict
        ``status``: ``ok`` or ``insufficient``; ``origin``, ``n``; ``compared_count``, ``differs_count``,
        ``hidden_count``, ``too_few_count`` of comparisons; ``largest``: the clear difference that is largest in units
        of its interval, per measure (rows of ``fairness_table``); ``unknown``: per attribute the customers at the
        origin without a known group.
    """
    known = judged[["customer_id"]].merge(groups, on="customer_id", how="left")
    unknown = {name: int(known[name].isna().sum()) for name in ATTRIBUTES}
    verdicts = table["fairness_verdict"].value_counts()
    clear = table.loc[table["fairness_verdict"] == "differs"].copy()
    clear["weight"] = clear["difference"].abs() / (clear["difference_high"] - clear["difference_low"])
    clear = clear.sort_values(["weight", "attribute", "group"], ascending=[False, True, True])
    largest = clear.drop_duplicates("fairness_measure")[list(FAIRNESS_SCHEMA)].to_dict("records")
    compared = int(verdicts.get("differs", 0) + verdicts.get("similar", 0))
    return {
        "status": "ok" if compared else "insufficient",
        "origin": None if judged.empty else str(judged["origin"].iloc[0]),
        "n": len(judged),
        "compared_count": compared,
        **{f"{name}_count": int(verdicts.get(name, 0)) for name in ("differs", "hidden", "too_few")},
        "largest": [{str(key): value for key, value in row.items()} for row in largest],
        "unknown": unknown,
    }
