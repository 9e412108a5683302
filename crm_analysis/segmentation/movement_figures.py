"""Figures of movement between tiers: a flow picture and a matrix; they draw tables and compute nothing."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from crm_analysis.base.style import (
    LIGHT,
    SMALL_POINTS,
    drawing,
    new_figure,
    note_figure,
    segment_color,
    sequential_map,
)
from crm_analysis.base.tokens import CATEGORICAL
from crm_analysis.base.words import Words
from crm_analysis.segmentation.movement import JOINED, LEFT

_BAR, _STAYED, _JOINED, _MOVED = 0.035, 0.25, 0.4, 0.7
_GAP = 0.018  # between two tiers, as a share of all customers
_LABEL_INCHES = 0.19
_SHOWN_SHARE = 0.005  # shares that would read 0 % are left out


def plot_flow(movement: pd.DataFrame, *, comparison: str, words: Words) -> Figure:
    """Draw customers as bands from their tier then (left) to their tier now (right), as wide as they are many.

    Parameters
    ----------
    movement
        One comparison of :func:`crm_analysis.segmentation.movement.movements_table`, drawn in its order.
    comparison
        ``previous_quarter`` or ``year_ago``, for the heading of the left side.
    """
    total = int(movement["customer_count"].sum())
    if not total:
        return note_figure(words.say("movement.none", comparison=comparison))
    counts = movement.pivot_table(
        index="tier_before", columns="tier_now", values="customer_count", aggfunc="sum", sort=False, fill_value=0
    )
    counts = counts.loc[counts.sum(axis=1) > 0, counts.sum(axis=0) > 0] / total
    figure, ax = new_figure(height=1.2 + 0.42 * max(counts.shape))
    span = 1 + _GAP * (max(counts.shape) - 1)
    step = _LABEL_INCHES * span / (figure.get_figheight() - 0.6)
    sides = (counts.sum(axis=1), counts.sum(axis=0))
    tops = [_tops(sizes) for sizes in sides]
    with drawing():
        _draw_bands(ax, counts, tops=tops)
        for x, sizes, top in zip((0.0, 1.0), sides, tops, strict=True):
            _draw_nodes(ax, sizes, x=x, tops=top, step=step, total=total, words=words)
        for x, id_, side in ((0.0, f"movement.then.{comparison}", "right"), (1.0, "movement.now", "left")):
            ax.text(x, -1.6 * step, words.word(id_), ha=side, va="center", fontweight="bold", color=LIGHT["ink"])
        ax.set_axis_off()
        ax.set(xlim=(-0.75, 1.75), ylim=(max(span, *(len(sizes) * step for sizes in sides)) + step / 2, -2.2 * step))
    return figure


def plot_matrix(movement: pd.DataFrame, *, words: Words) -> Figure:
    """Draw customers by tier then (rows) and tier now (columns), coloured by their share of the row."""
    if not movement["customer_count"].sum():
        return note_figure(words.word("movement.matrix.none"))
    table = movement.loc[movement["row_share"].notna()]
    index = {"index": "tier_before", "columns": "tier_now", "sort": False, "dropna": False}
    shares = table.pivot_table(values="row_share", **index)  # type: ignore[arg-type]
    counts = table.pivot_table(values="customer_count", aggfunc="sum", **index).reindex_like(shares)  # type: ignore[arg-type]
    percents = shares.map(lambda share: f"\n{words.format_percent(share, digits=0)}" if share >= _SHOWN_SHARE else "")
    texts = (counts.map(words.format_int) + percents).where(counts > 0, "·")
    figure, ax = new_figure(height=1.0 + 0.44 * len(shares))
    with drawing():
        sns.heatmap(
            shares, annot=texts, fmt="", cmap=sequential_map(), vmin=0, vmax=1, cbar=False, linewidths=1.5,
            linecolor="white", annot_kws={"fontsize": 8.5}, ax=ax,
        )  # fmt: skip
        ax.set_yticklabels([_broken(words.word(f"segment.{slug}")) for slug in shares.index], rotation=0)
        ax.set_xticklabels([_broken(words.word(f"segment.{slug}")) for slug in shares.columns], rotation=0)
        ax.set(xlabel="", ylabel="")
        ax.xaxis.tick_top()
        ax.tick_params(labelsize=8)
    return figure


def _tops(sizes: pd.Series) -> np.ndarray:
    """Return where every tier begins, from above, shares of customers with gaps between."""
    return (sizes.cumsum() - sizes).to_numpy() + _GAP * np.arange(len(sizes))


def _draw_bands(ax: Axes, counts: pd.DataFrame, *, tops: Sequence[np.ndarray]) -> None:
    """Draw one band per pair of tiers, those who stayed first, so that who moved lies above."""
    widths = counts.to_numpy(dtype=float)
    lefts = tops[0][:, None] + widths.cumsum(axis=1) - widths
    rights = tops[1][None, :] + widths.cumsum(axis=0) - widths
    cells = [(row, column) for row in range(counts.shape[0]) for column in range(counts.shape[1])]
    for row, column in sorted(cells, key=lambda cell: counts.index[cell[0]] != counts.columns[cell[1]]):
        width, before = float(widths[row, column]), str(counts.index[row])
        if width > 0:
            alpha = _JOINED if before == JOINED else _STAYED if before == counts.columns[column] else _MOVED
            path = _band(lefts[row, column], rights[row, column], width)
            ax.add_patch(PathPatch(path, facecolor=_color(before), alpha=alpha, linewidth=0))


def _band(left: float, right: float, width: float) -> Path:
    start, end = _BAR, 1 - _BAR
    points = [
        (start, left), (0.5, left), (0.5, right), (end, right),
        (end, right + width), (0.5, right + width), (0.5, left + width), (start, left + width), (start, left),
    ]  # fmt: skip
    curve = [Path.CURVE4] * 3
    return Path(points, [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY])


def _draw_nodes(
    ax: Axes, sizes: pd.Series, *, x: float, tops: np.ndarray, step: float, total: int, words: Words
) -> None:
    """Draw the tiers of one side with name, customers and share beside them; labels keep their distance."""
    is_left = x < 0.5
    middles = tops + sizes.to_numpy() / 2
    known = float(sizes.loc[~sizes.index.isin([JOINED, LEFT])].sum())
    for slug, top, share, middle, place in zip(
        sizes.index, tops, sizes, middles, _spread(middles, step=step), strict=True
    ):
        bar = (x if is_left else x - _BAR, top)
        ax.add_patch(Rectangle(bar, _BAR, share, facecolor=_color(str(slug)), linewidth=0))
        end = x - 0.04 if is_left else x + 0.04
        ax.plot([x, end], [middle, place], color=LIGHT["line"], linewidth=0.8)
        text = _node_text(str(slug), share, known=known, total=total, words=words)
        side = "right" if is_left else "left"
        ax.text(end, place, text, ha=side, va="center", fontsize=SMALL_POINTS, color=LIGHT["ink"])


def _node_text(slug: str, share: float, *, known: float, total: int, words: Words) -> str:
    """Return a tier's name, its customers, and their share of those who were there at that end."""
    named = {"name": words.word(f"segment.{slug}"), "n": round(share * total)}
    if slug in (JOINED, LEFT):
        return words.say("movement.node_outside", **named)
    return words.say("movement.node", share=share / known, **named)


def _color(slug: str) -> str:
    return CATEGORICAL[-1] if slug in (JOINED, LEFT) else segment_color(slug)


def _spread(middles: np.ndarray, *, step: float) -> np.ndarray:
    """Return places for labels in order, at least ``step`` apart and none above the first bar.

    >>> _spread(np.array([0.0, 0.05, 0.5]), step=0.1).round(2).tolist()
    [0.0, 0.1, 0.5]
    """
    places = middles.astype(float).copy()
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + step)
    return places


def _broken(name: str) -> str:
    """Return a name over two or three lines, at spaces, in Chinese before the word for customers.

    >>> _broken("Important, to win back"), _broken("重要价值客户"), _broken("Lost")
    ('Important,\\nto win back', '重要价值\\n客户', 'Lost')
    """
    if name.isascii():
        return textwrap.fill(name, width=11, break_long_words=False)
    return f"{name[:-2]}\n{name[-2:]}" if len(name) > 4 else name
