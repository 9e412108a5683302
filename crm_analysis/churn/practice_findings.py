"""Sentences about horizon, reasons, the warning list and how the last one did, with the numbers they rest on."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.settings_churn_model import WarningSettings
from crm_analysis.base.words import Message, Words, message
from crm_analysis.churn.inputs import BASELINE_COLUMN
from crm_analysis.sources.columns import FEATURES

#: Difference of two AUCs below which they are told as almost alike.
_CLOSE = 0.01


def finding_horizon(horizon: Mapping[str, Any]) -> Message:
    """Return the proposed horizon beside the one in settings."""
    return Message.from_json(horizon["message"])


def alt_horizon(horizons: pd.DataFrame, *, n: int) -> Message:
    """Return what the figure of horizons shows, in words."""
    known = horizons.loc[horizons["returned_rate"].notna()]
    if known.empty:
        return message("alt.churn_empty")
    first, last = known.iloc[0], known.iloc[-1]
    return message("alt.horizon", n=n, first_days=int(first["horizon_days"]), first=float(first["returned_rate"]),
                   last_days=int(last["horizon_days"]), last=float(last["returned_rate"]))  # fmt: skip


def note_comparison(champion: Mapping[str, Any]) -> Message:
    """Return the paired comparison of model and rule, or that there is none."""
    found = champion["comparison"]
    if not found or found["difference"] is None:
        return message("note.no_comparison")
    id_ = "note.comparison_close" if abs(found["difference"]) < _CLOSE else "note.comparison"
    return message(id_, **{name: found[name] for name in
                   ("rule", "difference", "low", "high", "origin_count", "customer_count")})  # fmt: skip


def note_value_saved(settings: WarningSettings, *, margin_share: float) -> Message:
    """Return how the value saved is reckoned, with what is assumed."""
    return message(
        "note.value_saved", success_rate=settings.success_rate, contact_cost=settings.contact_cost, margin=margin_share
    )


def finding_reasons(sizes: pd.DataFrame, *, listed_count: int) -> Message:
    """Return the most frequent main reason on the warning list."""
    if sizes.empty or not listed_count or not int(sizes["first_count"].iloc[0]):
        return message("finding.reasons_none")
    first = sizes.iloc[0]
    count = int(first["first_count"])
    return message("finding.reasons", n=listed_count, cause=first["churn_cause"], first=count,
                   share=round(count / listed_count, 6))  # fmt: skip


def finding_stability(table: pd.DataFrame) -> Message:
    """Return how much of last quarter's list is still on it, and why the others are not."""
    if table.empty:
        return message("finding.stability_none")
    counts = {str(row["list_change"]): int(row["customer_count"]) for row in table.to_dict("records")}
    n = sum(counts.values())
    return message("finding.stability", n=n, share=round(counts["kept"] / n, 6), **counts)


def finding_look_back(document: Mapping[str, Any]) -> Message:
    """Return hits and misses of last quarter's list, against what was expected."""
    if document["status"] == "none":
        return message("finding.look_back_none")
    return message(
        "finding.look_back", n=document["list_count"], hits=document["hit_count"], misses=document["miss_count"],
        precision=document["precision_rate"], low=document["precision_low"], high=document["precision_high"],
        expected=document["expected_rate"], reached=document["reached_count"],
    )  # fmt: skip


def note_saved(document: Mapping[str, Any]) -> Message:
    """Return what was saved against controls, or that nothing can be said of it."""
    if document["status"] == "none":
        return message("note.no_last_list")
    saved = document["saved"]
    given = {"treated": saved["treated_count"], "control": saved["control_count"]}
    if saved["status"] == "ok":
        given |= {"difference": saved["difference"], "low": saved["low"], "high": saved["high"],
                  "saved": saved["saved_count"]}  # fmt: skip
    return message(f"note.saved_{saved['status']}", **given)


def note_calibration_drift(document: Mapping[str, Any]) -> Message:
    """Return whether as many churned as were expected to, or that nobody was scored then."""
    if document["status"] == "none":
        return message("note.no_last_list")
    found = document["calibration"]
    return message(
        "note.calibration_drifted" if found["is_drifted"] else "note.calibration_kept", n=found["n"],
        expected=found["expected_rate"], observed=found["observed_rate"], low=found["low"], high=found["high"],
    )  # fmt: skip


def feature_name(name: str, *, words: Words) -> str:
    """Return what a feature is called in the data dictionary; derived ones by the cause that they show."""
    described = {column.name: column for column in FEATURES}
    if name in described:
        return described[name].zh if words.lang == "zh" else described[name].en
    if name == BASELINE_COLUMN:
        return words.word(f"column.{name}")
    derived = {"lateness_ratio": "silence", "order_trend_ratio": "frequency"}
    return words.word(f"churn_cause.{derived[name]}")


def format_drift(table: pd.DataFrame, *, words: Words, most: int = 10) -> pd.DataFrame:
    """Return the features that have moved most for reading, by their names in the data dictionary."""
    shown = table.head(most)
    return shown.assign(feature=[feature_name(name, words=words) for name in shown["feature"]])


def finding_drift(table: pd.DataFrame, *, words: Words) -> Message:
    """Return how many features have moved among customers, and which has moved most."""
    if table.empty:
        return message("finding.drift_few", before=0, now=0)
    first = table.iloc[0]
    sizes = {"before": int(first["n_before"]), "now": int(first["n_now"])}
    if (table["drift_state"] == "too_few").all():
        return message("finding.drift_few", **sizes)
    moved = table.loc[table["drift_state"].isin(["moved", "much_moved"])]
    if moved.empty:
        return message("finding.drift_none", count=len(table), **sizes)
    most = moved.iloc[0]
    return message("finding.drift", count=len(table), moved=len(moved), score=float(most["stability_score"]),
                   feature=feature_name(str(most["feature"]), words=words), **sizes)  # fmt: skip
