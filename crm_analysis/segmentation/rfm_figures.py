"""The figure of the period view; it draws a table and computes nothing."""

import pandas as pd
from matplotlib.figure import Figure

from crm_analysis.base.style import (
    LIGHT,
    SMALL_POINTS,
    drawing,
    ink_on,
    new_figure,
    note_figure,
    segment_color,
)
from crm_analysis.base.words import Words

#: Groups from the axis upwards, and the stage or segment whose colour they share.
_COLORS = {"retained": "mature", "returned": "growing", "new": "new", "churned": "lost"}
_LEAST_LABELLED = 0.055


def plot_movements(table: pd.DataFrame, *, words: Words) -> Figure:
    """Draw new, retained and returned customers of every quarter above the axis, churned ones below it.

    In the first quarter of the data, where new customers cannot be told from earlier ones, the bar is grey.

    Parameters
    ----------
    table
        What :func:`crm_analysis.segmentation.periods_view.customer_movements_table` returns, drawn in its order.
    """
    if table.empty:
        return note_figure(words.word("rfm.movements.none"))
    counts = {group: table[f"{group}_count"].astype(float).fillna(0.0) for group in _COLORS}
    span = float(table["active_count"].max()) + float(counts["churned"].max())
    places = range(len(table))
    figure, ax = new_figure(height=3.6)
    with drawing():
        bottom = pd.Series(0.0, index=table.index)
        for group, stage in _COLORS.items():
            color, heights = segment_color(stage), counts[group] * (-1 if group == "churned" else 1)
            base = pd.Series(0.0, index=table.index) if group == "churned" else bottom
            ax.bar(places, heights, bottom=base, width=0.68, color=color, label=words.word(f"rfm.movements.{group}"))
            for place, height, start, is_first in zip(places, heights, base, table["is_first_quarter"], strict=True):
                is_untold = is_first and group == "new"
                shade = segment_color("others") if is_untold else color
                if is_untold:
                    ax.bar(place, height, bottom=start, width=0.68, color=shade)
                if abs(height) >= _LEAST_LABELLED * span:
                    text = words.format_int(abs(height))
                    ax.text(
                        place, start + height / 2,
                        f"{text}\n{words.word('rfm.movements.untold')}" if is_untold else text,
                        ha="center", va="center", fontsize=SMALL_POINTS, color=ink_on(shade),
                    )  # fmt: skip
            bottom = bottom if group == "churned" else bottom + counts[group]
        ax.axhline(0, color=LIGHT["soft"], linewidth=0.8)
        ax.set_xticks(list(places), [_short(str(quarter), words=words) for quarter in table["quarter"]])
        ax.set_yticks([])
        ax.spines["bottom"].set_visible(False)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(_COLORS))
    return figure


def _short(quarter: str, *, words: Words) -> str:
    """Return a quarter in two lines."""
    text = words.format_quarter(quarter)
    return text.replace("第", "\n第") if words.lang == "zh" else text.replace(" ", "\n")
