"""Service tables for reading: parts under the words of their dimension, probabilities as text."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crm_analysis.base.words import Message, Words, message
from crm_analysis.evaluation.display import interval_message
from crm_analysis.evaluation.service import DIMENSIONS

#: Which words the parts of a dimension take; a part without a word is shown as the data have it.
PART_WORDS: Mapping[str, str] = {
    "all": "case_all", "kind": "case_kind", "channel": "channel", "urgency": "case_urgency",
    "complexity": "case_complexity", "owner": "owner", "tier": "segment",
}  # fmt: skip
SPEED = ("n", "answered_n", "response_hours_mean", "response_business_hours_mean", "response_business_hours_median",
         "response_business_hours_p90", "target_hours", "status")  # fmt: skip
STANDARDS = ("n", "met_n", "late_n", "overdue_n", "pending_n", "sla_rate", "sla_rate_low", "sla_rate_high")
RESOLUTION = ("resolution_resolved_n", "resolution_overdue_n", "resolution_pending_n", "resolution_hours_mean",
              "resolution_hours_median", "resolution_business_hours_mean", "closed_loop_rate", "reopened_n",
              "reopened_rate")  # fmt: skip


def format_times(
    times: pd.DataFrame, *, words: Words, columns: Sequence[str] = SPEED, dimensions: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return ``case_dimension``, ``case_part`` and some columns of ``service_times`` for reading.

    Parameters
    ----------
    dimensions
        Those to show, in this order; all but the owners by default.
    """
    chosen = [name for name in DIMENSIONS if name != "owner"] if dimensions is None else list(dimensions)
    rows = times.loc[times["dimension"].isin(chosen)]
    rows = rows.sort_values("dimension", key=lambda names: names.map(chosen.index), kind="stable")
    pairs = zip(rows["dimension"], rows["part"], strict=True)
    parts = [part_word(dimension, part, words=words) for dimension, part in pairs]
    told = pd.DataFrame({"case_dimension": rows["dimension"].array, "case_part": pd.Series(parts, dtype="str").array})
    return pd.concat([told, rows[list(columns)].reset_index(drop=True)], axis=1)


def format_owners(times: pd.DataFrame, *, words: Words, most: int = 20) -> pd.DataFrame:
    """Return the owners with most cases for reading; what was never assigned is one of them."""
    rows = format_times(times, words=words, dimensions=("owner",), columns=(*SPEED, "sla_rate", "closed_loop_rate"))
    return rows.drop(columns="case_dimension").head(most)


def format_response(response: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return how soon complaints are answered for reading: counts, the rate in time with its interval, clock hours."""
    ends = response[["in_time_rate_low", "in_time_rate_high"]].set_axis(["low", "high"], axis=1)
    counts = ["complaint_group", "limit_hours", "n", "met_n", "late_n", "overdue_n", "pending_n", "in_time_rate"]
    table = response[counts].copy()
    rows: list[dict[str, Any]] = ends.to_dict("records")  # type: ignore[assignment]
    table["interval"] = pd.Series([words.say(interval_message(row)) for row in rows], dtype="str")
    return table.assign(**response[["response_hours_median", "response_hours_p90"]])


def part_word(dimension: str, part: str, *, words: Words) -> str:
    """Return the name of a part of a dimension."""
    id_ = f"{PART_WORDS[dimension]}.{part}"
    unknown = f"case_part.{part}"
    return words.word(id_) if words.has(id_) else words.word(unknown) if words.has(unknown) else part


def probability_message(value: float) -> Message:
    """Return a p-value as a clause: at most three decimals, never 0."""
    return message("service.p_small") if value < 0.001 else message("service.p", text=f"{value:.3f}")
