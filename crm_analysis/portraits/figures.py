"""Figures of the portraits; they draw tables and compute nothing."""

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from crm_analysis.base.style import diverging_map, drawing, new_figure, note_figure
from crm_analysis.base.words import Words
from crm_analysis.portraits.findings import value_text

_LOW, _MIDDLE, _HIGH = 50, 100, 150


def plot_index(attributes: pd.DataFrame, *, words: Words, show: Sequence[str] | None = None) -> Figure:
    """Draw the index (100 = as common as among all customers) of every value in every tier.

    Parameters
    ----------
    attributes
        What :func:`crm_analysis.portraits.attributes.attribute_table` returns; hidden cells stay blank.
    show
        Attributes to draw, by default all but ``kind``.
    """
    chosen = attributes["attribute"] != "kind" if show is None else attributes["attribute"].isin(show)
    table = attributes.loc[chosen]
    if table.empty or table["index"].isna().all():
        return note_figure(words.word("portraits.attributes.none"))
    rows = list(dict.fromkeys(zip(table["attribute"], table["value"], strict=True)))
    tiers = list(dict.fromkeys(table["tier"]))
    numbers = table.astype({"index": float})
    index = numbers.pivot_table(index=["attribute", "value"], columns="tier", values="index", dropna=False)
    index = index.reindex(index=pd.MultiIndex.from_tuples(rows), columns=tiers)
    texts = index.map(words.format_int)
    figure, ax = new_figure(height=1.1 + 0.27 * len(rows))
    with drawing():
        sns.heatmap(
            index, annot=texts, fmt="", cmap=diverging_map(), vmin=_LOW, vmax=_HIGH, center=_MIDDLE, cbar=False,
            linewidths=1.5, linecolor="white", annot_kws={"fontsize": 9}, ax=ax,
        )  # fmt: skip
        ax.set_yticklabels([_row_label(attribute, value, words=words) for attribute, value in rows], rotation=0)
        ax.set_xticklabels([_two_lines(words.word(f"segment.{slug}")) for slug in tiers], rotation=0)
        ax.set(xlabel="", ylabel="")
        ax.xaxis.tick_top()
    return figure


def _row_label(attribute: str, value: str, *, words: Words) -> str:
    text = value_text(attribute, value)
    return f"{words.word(f'attribute.{attribute}')} · {text if isinstance(text, str) else words.say(text)}"


def _two_lines(name: str) -> str:
    """Return a long name broken near its middle, at a space where it has one, in Chinese before the last word.

    >>> _two_lines("important customers"), _two_lines("重要价值客户"), _two_lines("流失")
    ('important\\ncustomers', '重要价值\\n客户', '流失')
    """
    if " " in name:
        middle = len(name) / 2
        place = min((k for k, sign in enumerate(name) if sign == " "), key=lambda k: abs(k - middle))
        return f"{name[:place]}\n{name[place + 1 :]}"
    return f"{name[:-2]}\n{name[-2:]}" if len(name) > 4 else name
