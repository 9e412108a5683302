"""Figures of the purchase model: what came against what was expected, over time and by repeat purchases."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crm_analysis.base.style import NARROW_INCHES, SMALL_POINTS, drawing, new_figure, note_figure, tidy
from crm_analysis.base.tokens import LIGHT
from crm_analysis.base.words import Words


def plot_tracking(tracking: pd.DataFrame, *, words: Words) -> Figure:
    """Draw the repeat purchases since the beginning, counted and expected; a line marks the start of the hold-out.

    Parameters
    ----------
    tracking
        Columns of ``TRACKING_SCHEMA``; a panel per population.
    """
    if tracking.empty:
        return note_figure(words.word("purchase.alt_none"))
    kinds = list(dict.fromkeys(tracking["kind"]))
    figure, _ = new_figure(height=1.9 * len(kinds) + 0.5, width=NARROW_INCHES, rows=len(kinds))
    with drawing():
        for ax, kind in zip(figure.axes, kinds, strict=True):
            _track(ax, tracking.loc[tracking["kind"] == kind], words=words)
            if len(kinds) > 1:
                ax.set_title(words.word(f"kind.{kind}"))
        figure.axes[0].legend(loc="upper left")
    return figure


def _track(ax: Axes, own: pd.DataFrame, *, words: Words) -> None:
    ax.plot(own["week_date"], own["actual_sum_count"], color=LIGHT["accent"],
            label=words.word("purchase.label_actual"))  # fmt: skip
    ax.plot(own["week_date"], own["expected_sum_count"], color=LIGHT["watch"], linestyle=(0, (4, 2)),
            label=words.word("purchase.label_expected"))  # fmt: skip
    last = own.loc[~own["is_holdout"], "week_date"].max()
    ax.axvline(last, color=LIGHT["soft"], linewidth=1, linestyle=(0, (2, 3)))
    ax.annotate(words.word("purchase.label_holdout"), (last, 0.02), xycoords=("data", "axes fraction"), xytext=(5, 0),
                textcoords="offset points", fontsize=SMALL_POINTS, color=LIGHT["soft"])  # fmt: skip
    ends = own["week_date"].iloc[[0, len(own) // 2, -1]]
    ax.set_xticks(ends, [f"{day:%Y-%m}" for day in ends])
    ax.yaxis.set_major_formatter(lambda value, _: words.format_compact(value))
    ax.set_ylim(0, None)
    tidy(ax, grid="y")


def plot_frequency(frequency: pd.DataFrame, *, words: Words) -> Figure:
    """Draw mean purchases in the hold-out by repeat purchases before it, counted and expected.

    Parameters
    ----------
    frequency
        Columns of ``FREQUENCY_SCHEMA``; a panel per population; classes without means are left out.
    """
    known = frequency.loc[frequency["actual_mean"].notna()]
    if known.empty:
        return note_figure(words.word("purchase.alt_none"))
    kinds = list(dict.fromkeys(known["kind"]))
    figure, _ = new_figure(height=1.9 * len(kinds) + 0.5, width=NARROW_INCHES, rows=len(kinds))
    with drawing():
        for ax, kind in zip(figure.axes, kinds, strict=True):
            own = known.loc[known["kind"] == kind].reset_index(drop=True)
            ax.bar(own.index, own["actual_mean"], width=0.62, color=LIGHT["accent"],
                   label=words.word("purchase.label_actual"))  # fmt: skip
            ax.plot(own.index, own["expected_mean"], linestyle="none", marker="D", markersize=7, color=LIGHT["watch"],
                    markeredgecolor="white",
                    label=words.word("purchase.label_expected"))  # fmt: skip
            ax.set_xticks(own.index, list(own["repeat_class"]))
            ax.set(xlabel=words.word("column.repeat_class"))
            ax.yaxis.set_major_formatter(lambda value, _: words.format_number(value, digits=1))
            if len(kinds) > 1:
                ax.set_title(words.word(f"kind.{kind}"))
            tidy(ax, grid="y")
        figure.axes[0].legend(loc="upper left")
    return figure
