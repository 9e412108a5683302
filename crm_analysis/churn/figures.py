"""Figures of the churn model: models against rules at past origins, and whether its probabilities come true."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from crm_analysis.base.style import drawing, new_figure, note_figure, tidy
from crm_analysis.base.tokens import LIGHT
from crm_analysis.base.words import Words
from crm_analysis.churn.model import MODELS


def plot_backtest(backtest: pd.DataFrame, *, words: Words) -> Figure:
    """Draw the average precision of each model and rule, best first: a dot per held-out origin, a mark for the mean.

    ``model, average_precision, base_rate`` -> dots by row; the dashed line is the base rate, which is chance
    """
    if backtest.empty:
        return note_figure(words.word("note.not_enough_data"))
    means = backtest.groupby("model")["average_precision"].mean()
    order = means.sort_values(ascending=False, kind="stable").index.tolist()
    names = {model: words.word(f"model.{model}") for model in order}
    colors = {names[model]: LIGHT["accent"] if model in MODELS else LIGHT["soft"] for model in order}
    labels = backtest["model"].map(names)
    figure, ax = new_figure(height=0.9 + 0.45 * len(order))
    with drawing():
        sns.stripplot(
            x=backtest["average_precision"], y=labels, order=list(colors), hue=labels, palette=colors, jitter=False,
            alpha=0.5, size=7, legend=False, ax=ax,
        )  # fmt: skip
        ax.axvline(backtest["base_rate"].mean(), color=LIGHT["soft"], linewidth=1, linestyle=(0, (3, 3)))
        for row, model in enumerate(order):
            ax.plot([means[model]], [row], marker="|", markersize=18, markeredgewidth=2.5, color=LIGHT["ink"])
            ax.annotate(
                words.format_number(means[model]), (means[model], row), xytext=(0, 12), textcoords="offset points",
                ha="center", fontsize=9, color=LIGHT["ink"],
            )  # fmt: skip
        ax.xaxis.set_major_formatter(lambda x, _: words.format_number(x))
        ax.set(xlabel=words.word("column.average_precision"), ylabel="")
        ax.margins(x=0.08, y=0.2)
    tidy(ax, grid="x")
    return figure


def plot_reliability(calibration: pd.DataFrame, *, words: Words) -> Figure:
    """Draw observed against predicted rates by tenths; on the line, probabilities come true.

    ``predicted_rate, observed_rate, n`` -> dots with the line of equality
    """
    if calibration.empty:
        return note_figure(words.word("note.not_enough_data"))
    figure, ax = new_figure(height=3.4, width=4.6)
    with drawing():
        ax.plot([0, 1], [0, 1], color=LIGHT["soft"], linewidth=1, linestyle=(0, (3, 3)))
        sns.lineplot(
            data=calibration, x="predicted_rate", y="observed_rate", marker="o", color=LIGHT["accent"], legend=False,
            ax=ax,
        )  # fmt: skip
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda x, _: words.format_percent(x, digits=0))
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.set(xlabel=words.word("column.predicted_rate"), ylabel=words.word("column.observed_rate"))
    tidy(ax, grid="y")
    return figure
