"""Figures of the record of risk signals, of the reasons of losses, and of fairness; they compute nothing."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from crm_analysis.base.style import NARROW_INCHES, SMALL_POINTS, break_label, drawing, new_figure, note_figure, tidy
from crm_analysis.base.tokens import LIGHT
from crm_analysis.base.words import Words
from crm_analysis.churn.fairness_findings import format_measure, group_name
from crm_analysis.churn.reason_findings import shown_reasons


def plot_signal_record(record: pd.DataFrame, *, words: Words) -> Figure:
    """Draw the share that left with each signal (dot) and without it (ring), with 95 % intervals.

    columns of ``SIGNAL_RECORD_SCHEMA`` -> signals that can be judged, the strongest first
    """
    rows = record.loc[record["with_rate"].notna()].sort_values("lift", ascending=False, kind="stable")
    if rows.empty:
        return note_figure(words.word("signals.alt_none"))
    figure, ax = new_figure(height=1.2 + 0.55 * len(rows), width=NARROW_INCHES)
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
    sides = (("with", -0.13, LIGHT["accent"], "full"), ("without", 0.13, LIGHT["soft"], "none"))
    with drawing():
        for place, row in enumerate(records):
            for side, shift, color, fill in sides:
                low, high = row[f"{side}_rate_low"], row[f"{side}_rate_high"]
                ax.plot([low, high], [place + shift] * 2, color=color, linewidth=1.4)
                ax.plot([row[f"{side}_rate"]], [place + shift], marker="o", color=color, fillstyle=fill, markersize=7,
                        linestyle="none", markerfacecoloralt="white")  # fmt: skip
                text = words.say(f"signals.label_{side}", rate=row[f"{side}_rate"], n=row[f"{side}_count"])
                ax.annotate(text, (high, place + shift), xytext=(6, 0), textcoords="offset points", va="center",
                            fontsize=SMALL_POINTS, color=color)  # fmt: skip
        ax.set_yticks(range(len(records)), [break_label(words.word(f"signal.{row['signal']}")) for row in records])
        ax.invert_yaxis()
        ax.set_xlim(0, 2.1 * max(rows["with_rate_high"].max(), rows["without_rate_high"].max()))
        _percent_axis(ax, words=words)
        ax.set_xlabel(words.word("signals.axis"))
    tidy(ax, grid="x")
    return figure


def plot_reasons(reasons: pd.DataFrame, *, words: Words, state: str = "lost") -> Figure:
    """Draw known reasons as bars, most frequent first, with the shares added up as a line (Pareto).

    columns of ``REASONS_SCHEMA`` -> bars of shares with their 95 % interval
    """
    rows = shown_reasons(reasons, state=state)
    if rows.empty:
        return note_figure(words.word("reasons.alt_none"))
    figure, ax = new_figure(height=1.0 + 0.5 * len(rows), width=NARROW_INCHES)
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
    names = []
    with drawing():
        for place, row in enumerate(records):
            id_ = f"churn_reason.{row['reason']}"
            names.append(break_label(words.word(id_) if words.has(id_) else str(row["reason"])))
            ax.barh(place, row["reason_share"], height=0.6, color=LIGHT["accent"])
            ax.plot([row["reason_share_low"], row["reason_share_high"]], [place] * 2, color=LIGHT["ink"], linewidth=1)
            text = words.say(f"reasons.label_{state}", share=row["reason_share"], n=row["case_count"])
            ax.annotate(text, (row["reason_share_high"], place), xytext=(6, -7), textcoords="offset points",
                        va="center", fontsize=SMALL_POINTS, color=LIGHT["ink"], zorder=5,
                        bbox={"facecolor": LIGHT["card"], "edgecolor": "none", "pad": 0.5})  # fmt: skip
        ax.plot(rows["cumulative_share"], range(len(rows)), color=LIGHT["watch"], marker="o", markersize=4, linewidth=1)
        last = rows.iloc[-1]
        ax.annotate(words.word("reasons.label_sum"), (float(last["cumulative_share"]), len(rows) - 1), xytext=(0, -12),
                    textcoords="offset points", ha="right", fontsize=SMALL_POINTS, color=LIGHT["watch"])  # fmt: skip
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.set_xlim(0, 1.05)
        _percent_axis(ax, words=words)
    tidy(ax, grid="x")
    return figure


def plot_fairness(table: pd.DataFrame, *, measure: str, words: Words) -> Figure:
    """Draw one measure by group: a dot with its 95 % interval, groups of an attribute together.

    columns of ``FAIRNESS_SCHEMA`` -> groups that may be shown; clear differences from the rest are filled
    """
    rows = table.loc[(table["fairness_measure"] == measure) & table["value"].notna()]
    if rows.empty:
        return note_figure(words.word("fairness.alt_none"))
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
    figure, ax = new_figure(height=1.0 + 0.27 * (len(records) + rows["attribute"].nunique()), width=NARROW_INCHES)
    places, names, place, before = [], [], 0.0, None
    with drawing():
        for row in records:
            if row["attribute"] != before:
                place += 0.6 if before is not None else 0.0
                ax.annotate(words.word(f"attribute.{row['attribute']}"), (0, place), xycoords=("axes fraction", "data"),
                            xytext=(-4, 0), textcoords="offset points", ha="right", va="center",
                            fontsize=SMALL_POINTS, fontweight="bold", color=LIGHT["ink"])  # fmt: skip
                place, before = place + 1, row["attribute"]
            is_clear = row["fairness_verdict"] == "differs"
            color = LIGHT["bad"] if is_clear else LIGHT["accent"]
            ax.plot([row["low"], row["high"]], [place, place], color=color, linewidth=1.6)
            ax.plot([row["value"]], [place], marker="D" if is_clear else "o", color=color, markersize=6)
            text = format_measure(row["value"], measure=measure, words=words)
            ax.annotate(words.say("fairness.label", value=text, n=int(row["n"])), (row["high"], place), xytext=(6, 0),
                        textcoords="offset points", va="center", fontsize=SMALL_POINTS, color=color)  # fmt: skip
            places.append(place)
            names.append(group_name(row, words=words))
            place += 1
        ax.set_yticks(places, names)
        ax.set_ylim(place - 0.4, -0.6)
        low, high = float(rows["low"].min()), float(rows["high"].max())
        ax.set_xlim(low - 0.05 * (high - low), high + 0.5 * (high - low))
        ax.set_xticks([tick for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high])
        ax.xaxis.set_major_formatter(lambda value, _: format_measure(value, measure=measure, words=words))
        ax.set_xlabel(words.word(f"fairness_measure.{measure}"))
    tidy(ax, grid="x")
    return figure


def _percent_axis(ax: Axes, *, words: Words) -> None:
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    ax.xaxis.set_major_formatter(lambda value, _: words.format_percent(value, digits=0))
