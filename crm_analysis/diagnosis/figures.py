"""Figures of the diagnosis; they draw tables and compute nothing."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from crm_analysis.base.style import drawing, label_bars, new_figure, note_figure
from crm_analysis.base.tokens import LIGHT
from crm_analysis.base.words import Words


def plot_missing_rates(gaps: pd.DataFrame, *, target: float, words: Words) -> Figure:
    """Draw the missing rate of the fields with the widest gaps, and the rate that the target allows.

    Parameters
    ----------
    gaps
        What :func:`crm_analysis.diagnosis.completeness.gaps_table` returns.
    target
        Target of completeness (0-1); the line stands at ``1 - target``.
    """
    if gaps.empty:
        return note_figure(words.word("diagnosis.completeness.no_gap"))
    labels = [
        f"{words.word(f'field.{table}.{field}')} · {words.word(f'table.{table}')}"
        for table, field in zip(gaps["table"], gaps["field"], strict=True)
    ]
    figure, ax = new_figure(height=0.9 + 0.3 * len(gaps))
    with drawing():
        sns.barplot(
            x=gaps["missing_rate"],
            y=labels,
            orient="h",
            color=LIGHT["accent"],
            saturation=1,
            width=0.62,
            errorbar=None,
            ax=ax,
        )
        label_bars(ax, [words.format_percent(rate) for rate in gaps["missing_rate"]])
        ax.axvline(1 - target, color=LIGHT["ink"], linewidth=1, linestyle=(0, (4, 3)), zorder=0.5)
        ax.annotate(
            words.say("diagnosis.missing.allowed", rate=1 - target),
            xy=(1 - target, 1), xycoords=("data", "axes fraction"), xytext=(4, 2), textcoords="offset points",
            ha="left", va="bottom", fontsize=9, color=LIGHT["ink"],
        )  # fmt: skip
    ax.set(xlabel="", ylabel="")
    ax.set_xticks([])
    return figure
