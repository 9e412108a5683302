"""Figures of the segmentation; they draw tables and compute nothing."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from crm_analysis.base.style import (
    drawing,
    label_bars,
    new_figure,
    note_figure,
    segment_color,
    sequential_map,
)
from crm_analysis.base.words import Words


def plot_segment_sizes(sizes: pd.DataFrame, *, words: Words, domain: str = "segment") -> Figure:
    """Draw every segment's share of customers beside its share of net spend, one colour per segment.

    Parameters
    ----------
    sizes
        What :func:`crm_analysis.segmentation.sizes.segment_sizes_table` returns, drawn in its order.
    domain
        ``segment`` or ``stage``: where the names are.
    """
    if sizes.empty:
        return note_figure(words.word("segmentation.sizes.none"))
    names = [words.word(f"{domain}.{slug}") for slug in sizes["segment"]]
    colors = [segment_color(str(slug)) for slug in sizes["segment"]]
    figure, axes = new_figure(height=0.8 + 0.34 * len(sizes), cols=2)
    with drawing():
        for ax, column in zip(axes, ("customer_share", "spend_share"), strict=True):
            sns.barplot(
                x=sizes[column].fillna(0.0), y=names, hue=names, palette=colors, orient="h", saturation=1,
                width=0.62, errorbar=None, legend=False, ax=ax,
            )  # fmt: skip
            label_bars(ax, [words.format_percent(share) for share in sizes[column]], margin=0.24)
            ax.set_title(words.word(f"column.{column}"))
            ax.set(xlabel="", ylabel="")
            ax.set_xticks([])
        axes[1].set_yticks([])
    return figure


def plot_rfm_grid(grid: pd.DataFrame, *, words: Words) -> Figure:
    """Draw the mean net spend per customer by recency score (rows) and frequency score (columns)."""
    if grid.empty:
        return note_figure(words.word("segmentation.sizes.none"))
    amounts = grid.pivot_table(index="r_score", columns="f_score", values="spend_mean_amount", dropna=False)
    counts = grid.pivot_table(index="r_score", columns="f_score", values="customer_count")
    amounts, counts = amounts.sort_index(ascending=False), counts.sort_index(ascending=False)
    texts = amounts.map(words.format_money) + "\n" + counts.map(lambda n: words.say("segmentation.n", n=n))
    figure, ax = new_figure(height=3.6)
    with drawing():
        sns.heatmap(
            amounts, annot=texts, fmt="", cmap=sequential_map(), cbar=False, linewidths=1.5, linecolor="white",
            annot_kws={"fontsize": 9}, ax=ax,
        )  # fmt: skip
        ax.tick_params(axis="y", rotation=0)
        ax.set(xlabel=words.word("column.f_score"), ylabel=words.word("column.r_score"))
    return figure


def plot_stage_by_type(table: pd.DataFrame, *, words: Words) -> Figure:
    """Draw how the customers of every type spread over the lifecycle stages (shares of the type)."""
    if table.empty:
        return note_figure(words.word("segmentation.sizes.none"))
    types, stages = list(dict.fromkeys(table["segment"])), list(dict.fromkeys(table["stage"]))
    shares = table.pivot_table(index="segment", columns="stage", values="customer_share").loc[types, stages]
    texts = shares.map(lambda share: words.format_percent(share, digits=0) if share > 0 else "·")
    figure, ax = new_figure(height=0.9 + 0.34 * len(types))
    with drawing():
        sns.heatmap(
            shares, annot=texts, fmt="", cmap=sequential_map(), vmin=0, vmax=1, cbar=False, linewidths=1.5,
            linecolor="white", annot_kws={"fontsize": 9}, ax=ax,
        )  # fmt: skip
        ax.set_yticklabels([words.word(f"segment.{slug}") for slug in types], rotation=0)
        ax.set_xticklabels([words.word(f"stage.{slug}") for slug in stages], rotation=0)
        ax.set(xlabel="", ylabel="")
        ax.xaxis.tick_top()
    return figure
