"""Sentences about churn, with the numbers they rest on; they also say when there is too little data."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import ABSENT, Message, Words, message
from crm_analysis.churn.model import RULES

_SHOWN = ("origin_date", "model", "n", "auc", "average_precision", "brier", "precision_rate", "lift",
          "list_precision_rate", "value_saved_amount")  # fmt: skip
_COMPARED = ("auc", "average_precision", "brier", "lift", "value_saved_amount")


def finding_churn(status: Mapping[str, Any], champion: Mapping[str, Any]) -> Message:
    """Return whether the model beats the simple rule, or why nothing can be said."""
    return Message.from_json(champion["message"] if status["status"] == "ok" else status["message"])


def finding_definition(definition: Mapping[str, Any]) -> Message:
    """Return the definition of churn as applied, with the newest base rate."""
    return Message.from_json(definition["message"])


def note_definition(definition: Mapping[str, Any]) -> Message:
    """Return the caveat: purchases in the gap, and whether the horizon suits the customers' rhythm."""
    quantile = definition["gap_q90_days"]
    if quantile is None:
        return message("note.churn_rhythm_unknown", horizon_days=definition["horizon_days"])
    id_ = "note.churn_horizon_short" if definition["horizon_days"] < quantile else "note.churn_horizon_fits"
    return message(id_, horizon_days=definition["horizon_days"], gap_q90_days=quantile, n=definition["rhythm_count"])


def note_terms(settings: ChurnSettings) -> Message:
    """Return what the chapter means by active, churned, lost and warned."""
    return message(
        "churn.terms", active_days=settings.active_within_days, horizon_days=settings.horizon_days,
        silence_days=settings.rule_silence_days,
    )  # fmt: skip


def note_backtest(champion: Mapping[str, Any]) -> Message:
    """Return how the backtest is made; a single held-out origin is too little to tell models apart."""
    return message("note.backtest_one" if champion["origin_count"] == 1 else "note.backtest")


def finding_calibration(document: Mapping[str, Any]) -> Message:
    """Return whether probabilities come true at the held-out origins, and what too few of them cannot tell.

    :func:`crm_analysis.churn.calibration.calibration_document` -> message
    """
    if document["interval_kind"] is None:
        return message("churn.calibration_none", origin_count=document["origin_count"])
    (intercept, slope), told = (document["intercept"], document["slope"]), "off"
    if intercept[1] <= 0 <= intercept[2] and slope[1] <= 1 <= slope[2]:
        told = "holds"
    numbers = {f"{name}{end}": round(document[name][place], 2)
               for name in ("intercept", "slope") for place, end in enumerate(("", "_low", "_high"))}  # fmt: skip
    found = message(f"churn.calibration_{told}", origin_count=document["origin_count"], **numbers)
    if document["interval_kind"] == "origins":
        ends = {name: round(document[f"intercept_{name}"], 2) for name in ("least", "most")}
        return message("churn.calibration_quarters", found=found, **ends)
    return message("churn.calibration_few", found=found, n=document["n"])


def format_backtest(backtest: pd.DataFrame) -> pd.DataFrame:
    """Return what tells models and rules apart at each held-out origin, for reading."""
    return backtest[list(_SHOWN)]


def finding_list(champion: Mapping[str, Any], *, list_count: int) -> Message:
    """Return how the list as it is issued did at the held-out origins, beside a list that needs no model."""
    if champion["model"] is None:
        return message("churn.list_none")
    means = champion["means"][champion["model"]]
    told = message(
        "churn.list", list_count=list_count, precision=means["list_precision_rate"], base=means["base_rate"],
        saved=means["value_saved_amount"], spend_saved=means["spend_saved_amount"],
        origin_count=champion["origin_count"], n=champion["n"],
    )  # fmt: skip
    return told if means["value_saved_amount"] >= 0 else message("churn.list_costs", told=told)


def format_intervals(intervals: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the quality of models and rules over all held-out origins with its 95 % interval, for reading.

    columns of ``INTERVALS_SCHEMA`` -> ``model, churn_measure, measured, interval, origin_count, n``
    """
    over = intervals.loc[(intervals["interval_kind"] == "origins") & intervals["churn_measure"].isin(_COMPARED)]

    def told(value: float, measure: str) -> str:
        return words.format_money(value) if measure.endswith("_amount") else words.format_number(value, digits=3)

    def interval(row: Mapping[Any, Any]) -> str:
        if pd.isna(row["measure_low"]):
            return ABSENT
        low, high = (told(row[f"measure_{end}"], row["churn_measure"]) for end in ("low", "high"))
        return words.say("churn.interval", low=low, high=high)

    rows = over.to_dict("records")
    return over[["model", "churn_measure"]].reset_index(drop=True).assign(
        measured=pd.Series([told(row["measure_value"], row["churn_measure"]) for row in rows], dtype="str"),
        interval=pd.Series([interval(row) for row in rows], dtype="str"),
        origin_count=over["origin_count"].to_numpy(), n=over["n"].to_numpy(),
    )  # fmt: skip


def finding_warning(bands: pd.DataFrame, *, horizon_days: int) -> Message:
    """Return how much is expected to be lost, and how much of it and of the churners the warning list covers."""
    if bands.empty:
        return message("finding.warning_none")
    high = bands.loc[bands["churn_band"].isin(["high", "very_high"])]
    return message(
        "finding.warning",
        n=int(bands["customer_count"].sum()),
        expected_loss=float(bands["expected_loss_amount"].sum()),
        high_count=int(high["customer_count"].sum()),
        list_count=int(bands["list_count"].sum()),
        list_loss=round(float(bands["list_loss_amount"].sum()), 2),
        list_churn_count=round(float(bands["list_churn_count"].sum()), 2),
        horizon_days=horizon_days,
    )


def alt_backtest(backtest: pd.DataFrame, *, champion: Mapping[str, Any]) -> Message:
    """Return what the backtest figure shows, in words."""
    if backtest.empty:
        return message("alt.churn_empty")
    means = champion["means"]
    rule = max((name for name in RULES if name in means), key=lambda name: means[name]["average_precision"])
    return message(
        "alt.backtest",
        model=champion["model"],
        precision=means[champion["model"]]["average_precision"],
        rule=rule,
        rule_precision=means[rule]["average_precision"],
        origin_count=champion["origin_count"],
    )


def alt_reliability(calibration: pd.DataFrame) -> Message:
    """Return what the reliability figure shows, in words."""
    if calibration.empty:
        return message("alt.churn_empty")
    gap = (calibration["predicted_rate"] - calibration["observed_rate"]).abs().max()
    points = round(float(gap) * 100, 1)
    return message("alt.reliability", gap_points=points, n=int(calibration["n"].sum()), bin_count=len(calibration))
