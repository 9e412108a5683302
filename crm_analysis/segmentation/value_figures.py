"""Figures of value, loyalty and potential, of concentration, and of the test of the rules; they compute nothing."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from crm_analysis.base.style import (
    CATEGORICAL,
    LIGHT,
    SMALL_POINTS,
    drawing,
    new_figure,
    note_figure,
    segment_color,
    sequential_map,
    tidy,
)
from crm_analysis.base.words import Words
from crm_analysis.segmentation.value_scores import CLASSES


def plot_value_cube(cube: pd.DataFrame, *, words: Words, kind: str) -> Figure:
    """Draw the customers of one population by value (rows) and loyalty (columns), a panel per class of potential.

    Parameters
    ----------
    cube
        What :func:`crm_analysis.segmentation.value_cube.value_cube_table` returns.
    """
    members = cube.loc[cube["kind"] == kind]
    if members.empty:
        return note_figure(words.word("value.none"))
    figure, axes = new_figure(height=2.9, cols=3)
    rows, columns = list(CLASSES[::-1]), list(CLASSES)
    with drawing():
        for ax, potential in zip(axes, columns, strict=True):
            panel = members.loc[members["potential_class"] == potential]
            shares, texts = (
                table.pivot_table(index="value_class", columns="loyalty_class", values="cell", aggfunc="first").loc[
                    rows, columns
                ]
                for table in (panel.assign(cell=panel["customer_share"]), panel.assign(cell=_cell_texts(panel, words)))
            )
            sns.heatmap(
                shares, annot=texts, fmt="", cmap=sequential_map(), vmin=0, vmax=members["customer_share"].max(),
                cbar=False, linewidths=1.5, linecolor="white", annot_kws={"fontsize": 8}, ax=ax,
            )  # fmt: skip
            ax.set_title(words.say("value.cube.panel", name=potential))
            ax.set_yticklabels([words.word(f"value_class.{name}") for name in rows], rotation=0)
            ax.set_xticklabels([words.word(f"loyalty_class.{name}") for name in columns], rotation=0)
            ax.set(xlabel=words.word("dimension.loyalty"), ylabel="")
        axes[0].set_ylabel(words.word("dimension.value"))
        for ax in axes[1:]:
            ax.set_yticks([])
    return figure


def _cell_texts(panel: pd.DataFrame, words: Words) -> list[str]:
    return [
        f"{words.format_int(n)}\n{words.format_percent(share)}" if n else "·"
        for n, share in zip(panel["customer_count"], panel["spend_share"], strict=True)
    ]


def plot_concentration(pareto: pd.DataFrame, tiers: pd.DataFrame, *, words: Words) -> Figure:
    """Draw the Pareto curve of net spend beside the tiers' shares of it.

    Parameters
    ----------
    pareto, tiers
        What ``pareto_table`` and ``tier_spend_table`` of :mod:`crm_analysis.segmentation.concentration` return.
    """
    if pareto.empty:
        return note_figure(words.word("concentration.none"))
    figure, (curve, bars) = new_figure(height=max(2.9, 0.9 + 0.3 * len(tiers)), cols=2)
    with drawing():
        curve.plot([0, 1], [0, 1], color=LIGHT["line"], linewidth=1.2)
        curve.plot(pareto["customer_share"], pareto["spend_share"], color=CATEGORICAL[0])
        for place in (0.1, 0.2, 0.5):
            point = pareto.loc[(pareto["customer_share"] - place).abs() < 0.005]
            if len(point):
                x, y = float(point["customer_share"].iloc[0]), float(point["spend_share"].iloc[0])
                curve.plot([x], [y], marker="o", color=CATEGORICAL[0])
                text = words.say("concentration.point", top=100 * place, spend=y)
                curve.annotate(text, (x, y), xytext=(7, -9), textcoords="offset points", fontsize=SMALL_POINTS,
                               color=LIGHT["ink"])  # fmt: skip
        for axis in (curve.xaxis, curve.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        curve.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=words.word("concentration.buyers"),
                  ylabel=words.word("column.spend_share"))  # fmt: skip
        tidy(curve, grid="y")
        names = [words.word(f"segment.{slug}") for slug in tiers["tier"]]
        sns.barplot(
            x=tiers["spend_share"].fillna(0.0), y=names, hue=names, orient="h", saturation=1, width=0.62, errorbar=None,
            palette=[segment_color(str(slug)) for slug in tiers["tier"]], legend=False, ax=bars,
        )  # fmt: skip
        bars.plot(tiers["customer_share"], range(len(tiers)), linestyle="none", marker="|", markersize=13,
                  markeredgewidth=2.2, color=LIGHT["ink"])  # fmt: skip
        ends = tiers[["spend_share", "customer_share"]].max(axis=1)
        for place, (end, share) in enumerate(zip(ends, tiers["spend_share"], strict=True)):
            bars.annotate(words.format_percent(share), (end, place), xytext=(7, 0), textcoords="offset points",
                          va="center", fontsize=SMALL_POINTS, color=LIGHT["ink"])  # fmt: skip
        bars.set_xlim(0, 1.3 * float(ends.max()))
        bars.set_title(words.word("column.spend_share"))
        bars.set(xlabel="", ylabel="", xticks=[])
    return figure


def plot_next_quarter(table: pd.DataFrame, *, words: Words) -> Figure:
    """Draw each tier's repurchase rate and mean spend in the quarter after, with 95 % intervals.

    Parameters
    ----------
    table
        What :func:`crm_analysis.segmentation.next_quarter.next_quarter_table` returns, drawn in its order; tiers that
        are too small have no dots.
    """
    shown = table.loc[table["repurchase_rate"].notna()]
    if shown.empty:
        return note_figure(words.word("separation.none"))
    names = [words.say("separation.tier", tier=row.tier, n=row.customer_count) for row in shown.itertuples()]
    colors = [segment_color(str(slug)) for slug in shown["tier"]]
    figure, (left, right) = new_figure(height=1.0 + 0.36 * len(shown), cols=2)
    with drawing():
        for ax, name, texts in (
            (left, "repurchase_rate", [words.format_percent(value) for value in shown["repurchase_rate"]]),
            (right, "next_spend_amount_mean", [words.format_money(value) for value in shown["next_spend_amount_mean"]]),
        ):
            _dots(ax, shown, name=name, texts=texts, colors=colors)
            ax.set_title(words.word(f"column.{name}"))
        left.set_yticks(range(len(shown)), names)
        right.set_yticks([])
    return figure


def plot_separation(table: pd.DataFrame, *, words: Words) -> Figure:
    """Draw both measures of the tiers and of the clusters with 95 % intervals.

    Parameters
    ----------
    table
        What :func:`crm_analysis.segmentation.separation.separation_table` returns.
    """
    if table.empty:
        return note_figure(words.word("separation.none"))
    colors = [CATEGORICAL[0], CATEGORICAL[1], CATEGORICAL[7], CATEGORICAL[3]]
    figure, (left, right) = new_figure(height=2.3, cols=2)
    with drawing():
        for ax, name, base, texts in (
            (left, "auc", 0.5, [words.format_percent(value) for value in table["auc"]]),
            (right, "explained_share", 0.0, [words.format_percent(value) for value in table["explained_share"]]),
        ):
            _dots(ax, table, name=name, texts=texts, colors=colors, base=base)
            ax.set_title(words.word(f"column.{name}"))
        names = [
            words.say("separation.method", method=row.method, groups=row.group_count) for row in table.itertuples()
        ]
        left.set_yticks(range(len(table)), names)
        right.set_yticks([])
    return figure


def _dots(ax: Axes, table: pd.DataFrame, *, name: str, texts: list[str], colors: list[str], base: float = 0.0) -> None:
    """Draw a dot with its interval and its text per row, first row on top; a line marks ``base``."""
    highest = float(table[f"{name}_high"].max())
    rows = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], texts, colors, strict=True)
    for place, (value, low, high, text, color) in enumerate(rows):
        ax.plot([low, high], [place, place], color=color, linewidth=2.2, solid_capstyle="butt")
        ax.plot([value], [place], marker="o", color=color, markersize=7)
        ax.annotate(text, (high, place), xytext=(7, 0), textcoords="offset points", va="center", color=LIGHT["ink"],
                    fontsize=SMALL_POINTS)  # fmt: skip
    lowest = min(base, float(table[f"{name}_low"].min()))
    width = highest - lowest if highest > lowest else 1.0
    ax.set_xlim(lowest - 0.03 * width, lowest + 1.28 * width)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xticks([])
    ax.spines["left"].set_visible(False)
    ax.axvline(base, color=LIGHT["line"], linewidth=0.8)
