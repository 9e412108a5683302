"""Sentences about horizon, reasons, the warning list and how the last one did, with the numbers they rest on."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.settings_churn_model import WarningSettings
from crm_analysis.base.words import Message, Words, message
from crm_analysis.churn.inputs import BASELINE_COLUMN
from crm_analysis.churn.saved import MINIMUM_COMPARED
from crm_analysis.sources.columns import FEATURES

#: Difference of two AUCs below which they are told as almost alike.
_CLOSE = 0.01


def finding_horizon(horizon: Mapping[str, Any]) -> Message:
    """Return the proposed horizon beside the one in settings."""
    return Message.from_json(horizon["message"])


def finding_returns(returns: pd.DataFrame) -> Message:
    """Return how many of those labelled churned bought again: of the oldest origin, which was followed longest."""
    followed = returns.loc[(returns["followed_days"] > 0) & (returns["churned_count"] > 0)]
    if followed.empty:
        return message("horizon.returns_none")
    oldest = followed.sort_values("origin_date").iloc[0]
    return message(
        "horizon.returns", origin=str(oldest["origin_date"])[:10], n=int(oldest["churned_count"]),
        returned=int(oldest["returned_count"]), rate=float(oldest["returned_rate"]),
        low=float(oldest["returned_rate_low"]), high=float(oldest["returned_rate_high"]),
        days=int(oldest["followed_days"]),
    )  # fmt: skip


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


def finding_stability(table: pd.DataFrame, *, day: str) -> Message:
    """Return how many of last quarter's list have bought, how many are still on it, and why the others are not.

    Parameters
    ----------
    day
        Day of that list, as ISO text.
    """
    if table.empty:
        return message("finding.stability_none")
    counts = {str(row["list_change"]): int(row["customer_count"]) for row in table.to_dict("records")}
    n, kept = sum(counts.values()), counts["kept_bought"] + counts["kept_silent"]
    bought = counts["kept_bought"] + counts["bought"]
    return message("finding.stability", n=n, day=day, kept=kept, share=round(kept / n, 6), all_bought=bought,
                   bought_share=round(bought / n, 6), **counts)  # fmt: skip


def finding_look_back(document: Mapping[str, Any], champion: Mapping[str, Any]) -> Message:
    """Return hits and misses of last quarter's list, against what was expected, and which method that judges.

    Parameters
    ----------
    champion
        Today's document ``champion``: where its method is another one, that is said.
    """
    if document["status"] == "none":
        return message("finding.look_back_none")
    then, now = document["model"], champion["model"]
    kind = "no_method_now" if now is None else "same_method" if now == then else "other_method"
    method = message(f"look_back.{kind}", then=then, **({"now": now} if kind == "other_method" else {}))
    return message(
        "finding.look_back", origin=document["origin"], n=document["list_count"], hits=document["hit_count"],
        misses=document["miss_count"],
        precision=document["precision_rate"], low=document["precision_low"], high=document["precision_high"],
        expected=document["expected_rate"], reached=document["reached_count"], method=method,
    )  # fmt: skip


def note_saved(document: Mapping[str, Any]) -> Message:
    """Return what campaigns saved against their controls, or that no effect can be told."""
    if document["status"] == "none":
        return message("note.no_last_list")
    saved = document["saved"]
    given = {"treated": saved["treated_count"], "control": saved["control_count"], "left_out": saved["left_out_count"],
             "minimum": MINIMUM_COMPARED}  # fmt: skip
    if "difference" not in saved:
        return message(f"note.saved_{saved['status']}", **given)
    bounds = {name: saved[name] for name in ("difference", "low", "high")}
    balance = message(f"saved.{'balanced' if saved['is_balanced'] else 'unbalanced'}")
    expected = {f"expected_{side}": saved[f"expected_{side}_rate"] for side in ("treated", "control")}
    counts = {"saved": saved["saved_count"], "saved_low": saved["saved_low"],
              "saved_high": saved["saved_high"]} if saved["status"] == "saved" else {}  # fmt: skip
    return message(
        f"note.saved_{saved['status']}",
        compared=message("saved.compared", campaigns=saved["campaign_count"], **given, **bounds),
        balance=message("saved.balance", small=saved["small_campaign_count"], judged=balance, **given, **expected),
        **counts,
    )  # fmt: skip


def note_calibration_drift(document: Mapping[str, Any]) -> Message:
    """Return whether as many churned as were expected to, or that nobody was scored then."""
    if document["status"] == "none":
        return message("note.no_last_list")
    found = document["calibration"]
    return message(
        f"note.calibration_{found['verdict']}", n=found["n"], model=document["model"],
        expected=found["expected_rate"], observed=found["observed_rate"], low=found["low"], high=found["high"],
    )  # fmt: skip


def feature_name(name: str, *, words: Words) -> str:
    """Return what a feature is called in the data dictionary; those made from several by words of their own."""
    described = {column.name: column for column in FEATURES}
    if name in described:
        return described[name].zh if words.lang == "zh" else described[name].en
    if name == BASELINE_COLUMN:
        return words.word(f"column.{name}")
    return words.word(f"churn_feature.{name}")


def format_drift(table: pd.DataFrame, *, words: Words, most: int = 10) -> pd.DataFrame:
    """Return the features that have moved most for reading, by their names in the data dictionary."""
    shown = table.head(most)
    return shown.assign(feature=[feature_name(name, words=words) for name in shown["feature"]])


def finding_drift(table: pd.DataFrame, *, words: Words, settings: WarningSettings) -> Message:
    """Return how many features lie beyond the watch limit, how many above chance, and which has moved most."""
    if table.empty:
        return message("finding.drift_few", before=0, now=0)
    first = table.iloc[0]
    sizes = {"before": int(first["n_last_quarter"]), "now": int(first["n_this_quarter"])}
    if (table["drift_state"] == "too_few").all():
        return message("finding.drift_few", **sizes)
    above = table.loc[table["drift_state"].isin(["slightly_moved", "moved", "much_moved"])]
    if above.empty:
        return message("finding.drift_none", count=len(table), **sizes)
    moved = int(above["drift_state"].isin(["moved", "much_moved"]).sum())
    most = above.iloc[0]
    return message("finding.drift" if moved else "finding.drift_slight", moved=moved, above=len(above),
                   score=float(most["stability_score"]), feature=feature_name(str(most["feature"]), words=words),
                   count=len(table), watch=settings.psi_watch, **sizes)  # fmt: skip


def note_drift(settings: WarningSettings) -> Message:
    """Return how the index is made, and what its levels mean."""
    return message("note.drift", watch=settings.psi_watch, alarm=settings.psi_alarm)
