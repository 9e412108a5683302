"""Figure of the survival curves by tier."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from crm_analysis.base.style import NARROW_INCHES, SMALL_POINTS, drawing, new_figure, note_figure, segment_color, tidy
from crm_analysis.base.tokens import LIGHT
from crm_analysis.base.words import Words

_LABEL_DISTANCE = 0.065


def plot_survival(curves: pd.DataFrame, *, words: Words) -> Figure:
    """Draw the share still buying by days since the entry, a step curve with its 95 % band per tier, named at its end.

    Parameters
    ----------
    curves
        What :func:`crm_analysis.churn.survival.survival_curve_table` returns.
    """
    if curves.empty:
        return note_figure(words.word("survival.alt_none"))
    figure, ax = new_figure(height=3.8, width=NARROW_INCHES)
    longest = max(float(curves["duration_days"].max()), 1.0)
    ends, names, colors = [], [], []
    with drawing():
        for tier, part in curves.groupby("tier", sort=False):
            color = segment_color(str(tier))
            days, rate = part["duration_days"].to_numpy(dtype=float), part["survival_rate"].to_numpy(dtype=float)
            low, high = (part[f"survival_rate_{side}"].to_numpy(dtype=float) for side in ("low", "high"))
            ax.fill_between(days, low, high, step="post", color=color, alpha=0.14, linewidth=0)
            ax.step(days, rate, where="post", color=color)
            ends.append((days[-1], rate[-1]))
            names.append(words.say("survival.label", tier=str(tier), n=int(part["customer_count"].iloc[0])))
            colors.append(color)
        places = _apart([rate for _, rate in ends])
        for (day, rate), place, name, color in zip(ends, places, names, colors, strict=True):
            ax.plot([day, 1.02 * longest], [rate, place], color=color, linewidth=0.8, linestyle=(0, (1, 2)))
            ax.annotate(name, (1.02 * longest, place), xytext=(4, 0), textcoords="offset points", va="center",
                        fontsize=SMALL_POINTS, color=LIGHT["ink"])  # fmt: skip
        ax.set(xlim=(0, 1.65 * longest), ylim=(min(0.0, *places) - 0.02, 1.02))
        ax.set_xticks(range(0, int(longest) + 1, 180))
        ax.set_xlabel(words.word("survival.axis_days"))
        ax.set_ylabel(words.word("survival.axis_rate"))
        ax.yaxis.set_major_formatter(lambda value, _: words.format_percent(value, digits=0))
    tidy(ax, grid="y")
    return figure


def _apart(heights: Sequence[float]) -> list[float]:
    """Move labels that would lie on each other apart, their order kept.

    >>> [round(float(place), 3) for place in _apart([0.5, 0.2, 0.5])]
    [0.468, 0.2, 0.532]
    """
    order = np.argsort(heights, kind="stable")
    wanted = np.asarray(heights, dtype=float)[order]
    groups: list[list[float]] = []  # mean height and number of labels
    for height in wanted:
        groups.append([float(height), 1])
        while len(groups) > 1 and _overlap(groups[-2], groups[-1]):
            (above, more), (below, count) = groups.pop(), groups.pop()
            groups.append([(above * more + below * count) / (more + count), more + count])
    placed = [middle + (number - (count - 1) / 2) * _LABEL_DISTANCE
              for middle, count in groups for number in range(int(count))]  # fmt: skip
    heights_out = np.empty(len(placed))
    heights_out[order] = placed
    return [float(height) for height in heights_out]


def _overlap(below: list[float], above: list[float]) -> bool:
    return above[0] - below[0] < (below[1] + above[1]) / 2 * _LABEL_DISTANCE
