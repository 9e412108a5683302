"""Risk signals for reading: sentences, and the tables with values in their units."""

from typing import Any

import pandas as pd

from crm_analysis.base.settings_signals import SignalSettings
from crm_analysis.base.words import ABSENT, Message, Words, message
from crm_analysis.churn.signals import WHOLE


def finding_signals(counts: pd.DataFrame, signals: pd.DataFrame) -> Message:
    """Return how many active customers show a signal, several of them, and which is most common.

    columns of ``SIGNAL_COUNTS_SCHEMA`` and ``signal_count`` of ``SIGNALS_SCHEMA`` -> message
    """
    n = len(signals)
    if n == 0:
        return message("signals.none")
    some, several = (int((signals["signal_count"] >= least).sum()) for least in (1, 2))
    whole = counts.loc[(counts["tier"] == WHOLE) & counts["flagged_count"].notna()]
    whole = whole.sort_values("flagged_count", ascending=False, kind="stable")
    if whole.empty or whole["flagged_count"].iloc[0] == 0:
        return message("signals.finding_few", n=n, some=some)
    top = whole.iloc[0]
    return message(
        "signals.finding", n=n, some=some, share=round(some / n, 6), several=several, signal=str(top["signal"]),
        count=int(top["flagged_count"]), assessed=int(top["assessed_count"]), rate=float(top["flagged_rate"]),
    )  # fmt: skip


def finding_record(record: pd.DataFrame, *, origin: str) -> Message:
    """Return which signals told who would leave, whose customers left less often, and where no difference was found.

    columns of ``SIGNAL_RECORD_SCHEMA`` and the day from which customers were followed, empty where none is -> message
    """
    if not origin:
        return message("signals.no_origin")
    tested = record.loc[~record["signal_verdict"].isin(["too_few", "absent"])]
    if tested.empty:
        return message("signals.record_none", origin=origin)
    tested = tested.sort_values("lift", ascending=False, kind="stable")
    parts = []
    for verdict in ("warns", "opposite", "no_difference"):
        rows = tested.loc[tested["signal_verdict"] == verdict].to_dict("records")
        told = [_named(row["signal"]) if verdict == "no_difference" else _lift(row) for row in rows]
        if told:
            parts.append(message(f"signals.part_{verdict}", told=told))
    return message("signals.record", origin=origin, parts=_in_turn(parts))


def _in_turn(parts: list[Message]) -> Message:
    """Return clauses as one running text: the first, a separator, the rest."""
    first, *rest = parts
    return message("signals.in_turn", first=first, rest=_in_turn(rest)) if rest else first


def finding_unjudged(record: pd.DataFrame, *, settings: SignalSettings) -> Message:
    """Return which signals could not be judged, because too few customers showed them or nothing is recorded."""
    few = [_named(name) for name in record.loc[record["signal_verdict"] == "too_few", "signal"]]
    absent = [_named(name) for name in record.loc[record["signal_verdict"] == "absent", "signal"]]
    if not few and not absent:
        return message("signals.all_judged", n=len(record))
    id_ = "unjudged" if few and absent else "too_few" if few else "absent"
    return message(f"signals.{id_}", few=few, absent=absent, minimum=settings.minimum_group)


def _named(signal: str) -> Message:
    return message("signals.named", signal=signal)


def _lift(row: dict[Any, Any]) -> Message:
    """Return the record of a signal as a clause."""
    id_ = "signals.lift" if pd.notna(row["lift"]) else "signals.lift_open"
    return message(id_, signal=row["signal"], rate=row["with_rate"], n=row["with_count"], other=row["without_rate"],
                   other_n=row["without_count"], lift=row["lift"], low=row["lift_low"],
                   high=row["lift_high"])  # fmt: skip


def note_signals(*, settings: SignalSettings) -> Message:
    """Return how each signal is made, in words, with its thresholds."""
    return message(
        "signals.note", recent=settings.recent_days, falling=settings.falling_probability,
        silence=settings.silence_probability, basket_days=settings.basket_days, basket_drop=settings.basket_drop,
        orders=settings.minimum_orders, within=settings.reply_within_days, ratio=settings.reply_ratio,
        survey_drop=settings.survey_drop, contract=settings.contract_days, change=settings.change_days,
    )  # fmt: skip


def alt_record(record: pd.DataFrame) -> Message:
    """Return what the figure of the record shows, in words."""
    rows = record.loc[record["with_rate"].notna()]
    if rows.empty:
        return message("signals.alt_none")
    told = [message("signals.alt_item", signal=row["signal"], rate=row["with_rate"], other=row["without_rate"])
            for row in rows.to_dict("records")]  # fmt: skip
    return message("signals.alt", told=told)


def format_signal_counts(counts: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return signals by tier for reading: one row per signal, one column of texts for all and for every tier's share.

    columns of ``SIGNAL_COUNTS_SCHEMA`` -> ``risk_signal, tier, assessed_count, flagged, flagged_share``; tiers without
    anybody who can be assessed are left out, and so are all tiers of a signal that can be assessed of too few
    """
    enough = counts.loc[(counts["tier"] == WHOLE) & counts["is_assessable"], "signal"]
    is_shown = (counts["assessed_count"] > 0) & ((counts["tier"] == WHOLE) | counts["signal"].isin(enough))
    rows = counts.loc[is_shown].to_dict("records")

    def told(row: dict[Any, Any], text: str) -> str:
        if not row["is_assessable"]:
            return words.word("signals.few_assessed")
        return words.word("signals.few") if row["is_hidden"] else text

    cells = {
        "risk_signal": [words.word(f"signal.{row['signal']}") for row in rows],
        "tier": [row["tier"] for row in rows],
        "assessed_count": [row["assessed_count"] for row in rows],
        "flagged": [told(row, words.format_int(row["flagged_count"])) for row in rows],
        "flagged_share": [told(row, words.format_percent(row["flagged_rate"])) for row in rows],
    }
    return _texts(cells, numbers=("assessed_count",))


def format_record(record: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the record of the signals for reading.

    columns of ``SIGNAL_RECORD_SCHEMA`` -> ``risk_signal, with_count, left_with, without_count, left_without,
    lift_text, signal_verdict_text``
    """
    rows = record.to_dict("records")

    def rate(row: dict[Any, Any], side: str) -> str:
        if pd.isna(row[f"{side}_rate"]):
            return ABSENT
        return words.say("signals.rate", rate=row[f"{side}_rate"], low=row[f"{side}_rate_low"],
                         high=row[f"{side}_rate_high"])  # fmt: skip

    def lift(row: dict[Any, Any]) -> str:
        if pd.isna(row["lift"]):
            return ABSENT
        return words.say("signals.lift_text", lift=row["lift"], low=row["lift_low"], high=row["lift_high"])

    cells = {
        "risk_signal": [words.word(f"signal.{row['signal']}") for row in rows],
        "with_count": [row["with_count"] for row in rows],
        "left_with": [rate(row, "with") for row in rows],
        "without_count": [row["without_count"] for row in rows],
        "left_without": [rate(row, "without") for row in rows],
        "lift_text": [lift(row) for row in rows],
        "signal_verdict": [words.word(f"signal_verdict.{row['signal_verdict']}") for row in rows],
    }
    return _texts(cells, numbers=("with_count", "without_count"))


def _texts(cells: dict[str, list[Any]], *, numbers: tuple[str, ...]) -> pd.DataFrame:
    kinds = {name: "int64" if name in numbers else "str" for name in cells}
    return pd.DataFrame({name: pd.Series(values, dtype=kinds[name]) for name, values in cells.items()})
