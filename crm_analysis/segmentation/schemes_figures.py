"""Figures of tiers by rule; they draw tables and compute nothing."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from crm_analysis.base.style import LIGHT, drawing, label_bars, new_figure, note_figure, segment_color
from crm_analysis.base.words import Words
from crm_analysis.segmentation.schemes_findings import finding_scheme, first_scheme

#: Shares below are labelled but not drawn: a tier whose refunds outweigh its orders by little has no bar to the left.
LEAST_DRAWN = 0.005


def plot_scheme_sizes(sizes: pd.DataFrame, *, words: Words, scheme: str | None = None) -> Figure:
    """Draw every tier's share of customers beside its share of net spend, and the reference mix as lines.

    Parameters
    ----------
    sizes
        What :func:`crm_analysis.segmentation.schemes.scheme_sizes_table` returns; drawn in its order.
    scheme
        By default the first one.
    """
    scheme = scheme or first_scheme(sizes)
    tiers = sizes.loc[sizes["scheme"] == scheme]
    if tiers["customer_count"].sum() == 0:
        return note_figure(words.say(finding_scheme(sizes, scheme=scheme)))
    names = [words.word(f"segment.{slug}") for slug in tiers["tier"]]
    colors = [segment_color(str(slug)) for slug in tiers["tier"]]
    figure, axes = new_figure(height=0.8 + 0.34 * len(tiers), cols=2)
    with drawing():
        for ax, column in zip(axes, ("customer_share", "spend_share"), strict=True):
            shares = tiers[column].fillna(0.0)
            drawn = shares.where(shares.abs() >= LEAST_DRAWN, 0.0).to_numpy()
            sns.barplot(
                x=drawn, y=names, hue=names, palette=colors, orient="h", saturation=1, width=0.62, errorbar=None,
                legend=False, ax=ax,
            )  # fmt: skip
            label_bars(ax, [words.format_percent(share) for share in tiers[column]], margin=0.24)
            ax.set_title(words.word(f"column.{column}"))
            ax.set(xlabel="", ylabel="")
            ax.set_xticks([])
            ax.set_ylim(len(tiers) - 0.5, -0.5)
        for place, share in enumerate(tiers["reference_share"]):
            if pd.notna(share) and share > 0:
                for color, width in (("white", 4.0), (LIGHT["ink"], 1.6)):
                    axes[0].plot([share, share], [place - 0.42, place + 0.42], color=color, linewidth=width)
        axes[1].set_yticks([])
    return figure
