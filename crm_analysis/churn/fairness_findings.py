"""Fairness of the warning for reading: sentences and the table of groups."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.words import ABSENT, Message, Words, message

Row = Mapping[Any, Any]
#: Measures that are no shares of customers: an area, a difference of shares, an amount.
_PLAIN, _POINTS, _MONEY = "auc", "calibration_gap", "win_back_cost"
#: Rows of a table of comparisons; companies with many regions have hundreds.
MOST_ROWS = 26
_KINDS = {_PLAIN: "_auc", _POINTS: "_points", _MONEY: "_money"}


def finding_fairness(document: Mapping[str, Any]) -> Message:
    """Return in how many comparisons groups differ, and the clearest differences, never that all is fair.

    What :func:`crm_analysis.churn.fairness.fairness_document` returns -> message
    """
    if document["status"] != "ok":
        return message("fairness.insufficient", n=document["n"])
    if document["origin"] is None:
        basis = message("fairness.basis_none", n=document["n"])
    else:
        basis = message("fairness.basis_model", n=document["n"], origin=document["origin"])
    common = {"compared": document["compared_count"], "basis": basis}
    if not document["differs_count"]:
        return message("fairness.similar", **common)
    told = [_difference(row) for row in document["largest"][:3]]
    return message("fairness.differs", count=document["differs_count"], told=told, **common)


def _difference(row: Row) -> Message:
    measure = row["fairness_measure"]
    return message(
        f"fairness.difference{_KINDS.get(measure, '')}", measure=measure, attribute=row["attribute"],
        group=_group_message(row), value=row["value"], rest=row["rest_value"], n=int(row["n"]),
        low=row["difference_low"], high=row["difference_high"],
    )  # fmt: skip


def _group_message(row: Row | pd.Series) -> Message:
    """Return the name of a group: of a gender or region a word, of an age band the band."""
    return message(f"fairness.of_{row['attribute']}", group=row["group"])


def note_fairness(document: Mapping[str, Any]) -> Message:
    """Return what the comparison cannot tell: unknown groups, hidden ones, and what similar means."""
    if not document["n"]:
        return message("fairness.note_none")
    unknown = document["unknown"]
    counts = {"n": document["n"], "hidden": document["hidden_count"], "few": document["too_few_count"]}
    return message("fairness.note", rows=MOST_ROWS, **counts, **{f"unknown_{name}": unknown[name] for name in unknown})


def note_capacity(document: Mapping[str, Any]) -> Message:
    """Return what a list of limited length misses at least, whomever it holds."""
    if document["missed_least_rate"] is None:
        return message("fairness.note_capacity_none")
    return message("fairness.note_capacity", list_count=document["list_count"], rate=document["missed_least_rate"])


def note_treatment(document: Mapping[str, Any]) -> Message:
    """Return what is meant by best tier, win-back offer, its cost and discount."""
    names = ("top_tier", "silence_days", "offers_from")
    return message("fairness.note_treatment", **{name: document[name] for name in names})


def alt_fairness(table: pd.DataFrame, *, measure: str) -> Message:
    """Return what the figure of one measure shows, in words."""
    rows = table.loc[(table["fairness_measure"] == measure) & table["value"].notna()]
    if rows.empty:
        return message("fairness.alt_none")
    ordered = rows.sort_values("value", kind="stable")
    low, high = ordered.iloc[0], ordered.iloc[-1]
    return message(
        f"fairness.alt{_KINDS.get(measure, '').replace('_points', '')}", measure=measure, n=len(rows),
        low_group=_group_message(low), low=float(low["value"]), high_group=_group_message(high),
        high=float(high["value"]),
    )  # fmt: skip


def group_name(row: Row, *, words: Words) -> str:
    """Return the name of a group for reading."""
    return words.say(_group_message(row))


def format_measure(value: float, *, measure: str, words: Words) -> str:
    """Return a value of a measure for reading: percent, percentage points, an amount, or a plain number."""
    if value != value:  # null is unequal to itself
        return ABSENT
    formats = {_PLAIN: words.format_number, _POINTS: words.format_points, _MONEY: words.format_money}
    return formats.get(measure, words.format_percent)(value)


def format_fairness(table: pd.DataFrame, *, words: Words, measures: tuple[str, ...]) -> pd.DataFrame:
    """Return some measures for reading: the ``MOST_ROWS`` clearest differences, groups that are hidden left out.

    columns of ``FAIRNESS_SCHEMA`` -> ``fairness_measure_text, attribute, group_name, n, measured, interval,
    rest_measured, difference_interval, fairness_verdict_text``
    """
    rows = table.loc[table["fairness_measure"].isin(measures) & (table["fairness_verdict"] != "hidden")]
    clearest = rows.sort_values("p_adjusted", na_position="last", kind="stable").index[:MOST_ROWS]
    records = rows.loc[rows.index.isin(clearest)].to_dict("records")

    def told(row: Row, name: str) -> str:
        return format_measure(row[name], measure=row["fairness_measure"], words=words)

    def interval(row: Row, low: str, high: str) -> str:
        if pd.isna(row[low]):
            return ABSENT
        measure = row["fairness_measure"]
        if low.startswith("difference") and measure not in _KINDS:
            measure = _POINTS
        ends = (format_measure(row[name], measure=measure, words=words) for name in (low, high))
        return words.say("fairness.interval", **dict(zip(("low", "high"), ends, strict=True)))

    cells = {
        "fairness_measure": [words.word(f"fairness_measure.{row['fairness_measure']}") for row in records],
        "attribute": [row["attribute"] for row in records],
        "group_name": [group_name(row, words=words) for row in records],
        "n": [int(row["n"]) for row in records],
        "measured": [told(row, "value") for row in records],
        "interval": [interval(row, "low", "high") for row in records],
        "rest_measured": [told(row, "rest_value") for row in records],
        "difference_interval": [interval(row, "difference_low", "difference_high") for row in records],
        "fairness_verdict": [words.word(f"fairness_verdict.{row['fairness_verdict']}") for row in records],
    }
    return pd.DataFrame({name: pd.Series(values, dtype="int64" if name == "n" else "str")
                         for name, values in cells.items()})  # fmt: skip
