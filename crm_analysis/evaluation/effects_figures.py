"""Figures of highlights, of the effect, of the decomposition and of all KPIs over time; they compute nothing."""

import textwrap
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.style import LIGHT, SMALL_POINTS, STATUS, drawing, new_figure, note_figure, tidy
from crm_analysis.base.words import Words
from crm_analysis.evaluation.display import value_message
from crm_analysis.evaluation.effects_display import campaign_message, range_message, signed_message

_COLORS = {"positive": "good", "negative": "bad", "unclear": "neutral"}
_PHONE_INCHES = 4.6


def plot_highlights(highlights: pd.DataFrame, *, words: Words) -> Figure:
    """Draw one bar per KPI: how far it is from its target, in units of its usual noise; right of 0 is better.

    What :func:`crm_analysis.evaluation.highlights.highlights_table` returns -> bars, best on top; KPIs without noise
    are left out
    """
    shown = highlights.dropna(subset=["noise_score"]).sort_values(["noise_score", "kpi"], ignore_index=True)
    if shown.empty:
        return note_figure(words.word("effects.highlights.none"))
    figure, ax = new_figure(height=1.0 + 0.42 * len(shown))
    colors = [LIGHT[STATUS[status].color] for status in shown["status"]]
    with drawing():
        ax.axvspan(-1, 1, color=LIGHT["neutral-soft"], zorder=0)
        ax.barh(range(len(shown)), shown["noise_score"], color=colors, height=0.55, zorder=2)
        ax.axvline(0, color=LIGHT["ink"], linewidth=1, zorder=3)
        for place, row in enumerate(shown.to_dict("records")):
            is_right = row["noise_score"] >= 0
            text = f"{STATUS[row['status']].symbol} {words.say(value_message(row['value'], unit=row['unit']))}"
            ax.annotate(
                text, (row["noise_score"], place), xytext=(6 if is_right else -6, 0), textcoords="offset points",
                ha="left" if is_right else "right", va="center", fontsize=SMALL_POINTS, color=LIGHT["ink"],
            )  # fmt: skip
        ax.set_yticks(range(len(shown)), [words.word(METRICS[kpi].name) for kpi in shown["kpi"]])
        ax.set(xlabel=words.word("effects.highlights.axis"), ylabel="")
        ax.margins(x=0.22)
    tidy(ax, grid="x")
    return figure


def plot_effect(effect: pd.DataFrame, *, outcome: str, words: Words) -> Figure:
    """Draw the difference between treated and control with its 95 % interval, all campaigns on top.

    What :func:`crm_analysis.evaluation.effect.effect_table` returns -> one line per scope and campaign that is told

    Parameters
    ----------
    outcome
        ``spend``, ``orders`` or ``buyers``.
    """
    shown = effect.loc[(effect["outcome"] == outcome) & effect["low"].notna()].reset_index(drop=True)
    if shown.empty:
        return note_figure(words.word("effects.effect.figure_none"))
    unit = str(shown["unit"].iloc[0])
    figure, ax = new_figure(height=1.0 + 0.42 * len(shown))
    end = float(shown["high"].max())
    with drawing():
        ax.axvline(0, color=LIGHT["ink"], linewidth=1)
        for place, row in enumerate(shown.to_dict("records")):
            color = LIGHT[_COLORS[row["verdict"]]]
            is_pooled = row["scope"] != "campaign"
            ax.plot([row["low"], row["high"]], [place, place], color=color, linewidth=3 if is_pooled else 1.8)
            ax.plot([row["difference"]], [place], marker="D" if is_pooled else "o", color=color, markersize=7)
            interval = words.say(range_message(row["low"], row["high"], unit=unit))
            text = f"{words.say(signed_message(row['difference'], unit=unit))} ({interval})"
            ax.annotate(
                text, (end, place), xytext=(10, 0), textcoords="offset points", va="center", fontsize=SMALL_POINTS,
                color=LIGHT["ink"], annotation_clip=False,
            )  # fmt: skip
        ax.set_yticks(range(len(shown)), [_effect_label(row, words) for row in shown.to_dict("records")])
        ax.xaxis.set_major_formatter(lambda x, _: words.say(signed_message(round(x, 9), unit=unit)))
        ax.set(xlabel=words.say("effects.effect.axis", outcome=outcome), ylabel="")
        ax.set_ylim(len(shown) - 0.5, -0.5)
        low = min(float(shown["low"].min()), 0.0)
        places = MaxNLocator(4, min_n_ticks=3).tick_values(low, max(end, 0.0))
        ax.set_xticks([place for place in places if low <= place <= max(end, 0.0)])
        ax.set_xlim(low - 0.04 * (end - low), end + 0.62 * (end - low))
    tidy(ax, grid="x")
    return figure


def plot_waterfall(parts: pd.DataFrame, *, kpi: str, words: Words) -> Figure:
    """Draw the way from the KPI of a year ago to that of now, one step per part; the base line is a year ago.

    What :func:`crm_analysis.evaluation.mix_effect.mix_parts_table` returns -> bars, green for what is good for the KPI
    """
    own = parts.loc[parts["kpi"] == kpi].reset_index(drop=True)
    if own.empty:
        return note_figure(words.word("effects.mix.figure_none"))
    unit, better = METRICS[kpi].unit, 1 if METRICS[kpi].direction == "up" else -1
    steps = own["contribution"].iloc[1:-1]
    tops = [0.0, *steps.cumsum(), 0.0]
    bars = [0.0, *steps, steps.sum()]
    colors = [LIGHT["good" if bar * better > 0 else "bad" if bar else "neutral"] for bar in bars[:-1]]
    figure, ax = new_figure(height=3.4)
    with drawing():
        ax.bar(range(len(bars)), bars, bottom=[0.0, *tops[:-2], 0.0], color=[*colors, LIGHT["accent"]], width=0.62)
        ax.axhline(0, color=LIGHT["ink"], linewidth=1)
        for place, level in enumerate(tops[:-1]):
            ax.plot([place + 0.31, place + 0.69], [level, level], color=LIGHT["soft"], linewidth=1)
        for place, row in enumerate(own.to_dict("records")):
            is_end = place in (0, len(bars) - 1)
            told = value_message if is_end else signed_message
            top = max(tops[place], tops[place] - bars[place]) if not is_end else max(bars[place], 0.0)
            ax.annotate(
                words.say(told(row["contribution"], unit=unit)), (place, top), xytext=(0, 4), ha="center", va="bottom",
                textcoords="offset points", fontsize=SMALL_POINTS, color=LIGHT["ink"],
            )  # fmt: skip
        names = [words.word(f"change_part.{part}") for part in own["change_part"]]
        width = 8 if words.lang == "zh" else 15
        ax.set_xticks(range(len(bars)), ["\n".join(textwrap.wrap(name, width)) for name in names])
        ax.set(xlabel="", ylabel="", yticks=[])
        ax.use_sticky_edges = False
        ax.margins(y=0.1)
    tidy(ax)
    ax.spines["bottom"].set_visible(False)
    return figure


def _spark(ax: Axes, rows: pd.DataFrame, *, kpi: str, places: Mapping[str, int], words: Words) -> None:
    line = rows.assign(place=rows["quarter"].map(places)).set_index("place").reindex(range(len(places)))
    last, unit = line["value"].iloc[-1], str(rows["unit"].iloc[0])
    with drawing():
        ax.plot(line.index, line["value"], color=LIGHT["accent"], linewidth=1.4)
        ax.plot([len(places) - 1], [last], marker="o", markersize=3.5, color=LIGHT["accent"])
        ax.set_axis_off()
        ax.set_xlim(-0.3, len(places) - 0.7)
        ax.margins(y=0.3)
        look: dict[str, Any] = {"transform": ax.transAxes, "va": "center", "fontsize": SMALL_POINTS}
        told = words.word("absent.too_small") if last != last else words.say(value_message(last, unit=unit))
        ax.text(-0.04, 0.5, words.word(METRICS[kpi].name), ha="right", color=LIGHT["ink"], **look)
        ax.text(1.04, 0.5, told, ha="left", color=LIGHT["ink"], **look)


def _effect_label(row: Mapping[Any, Any], words: Words) -> str:
    name = words.say(campaign_message(row))
    return words.say("effects.effect.label", name=name, treated=row["n_treated"], control=row["n_control"])
