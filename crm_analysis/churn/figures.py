"""Figures of churn: horizons, models against rules at past origins, whether probabilities come true, reasons."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from crm_analysis.base.style import NARROW_INCHES, SMALL_POINTS, break_label, drawing, new_figure, note_figure, tidy
from crm_analysis.base.tokens import LIGHT
from crm_analysis.base.words import Words
from crm_analysis.churn.contributions import REASONS
from crm_analysis.churn.model import MODELS


def plot_backtest(backtest: pd.DataFrame, *, words: Words) -> Figure:
    """Draw the average precision of each model and rule, best first: a dot per held-out origin, a mark for the mean.

    ``model, average_precision, base_rate`` -> dots by row; the dashed line is the base rate, which is chance
    """
    if backtest.empty:
        return note_figure(words.word("note.not_enough_data"))
    means = backtest.groupby("model")["average_precision"].mean()
    order = means.sort_values(ascending=False, kind="stable").index.tolist()
    names = {model: break_label(words.word(f"model.{model}")) for model in order}
    colors = {names[model]: LIGHT["accent"] if model in MODELS else LIGHT["soft"] for model in order}
    labels = backtest["model"].map(names)
    figure, ax = new_figure(height=0.9 + 0.45 * len(order), width=NARROW_INCHES)
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

    ``predicted_rate, observed_rate, observed_low, observed_high`` -> dots with their 95 % intervals and the line of
    equality
    """
    if calibration.empty:
        return note_figure(words.word("note.not_enough_data"))
    figure, ax = new_figure(height=3.4, width=NARROW_INCHES)
    with drawing():
        ax.plot([0, 1], [0, 1], color=LIGHT["soft"], linewidth=1, linestyle=(0, (3, 3)))
        ax.vlines(calibration["predicted_rate"], calibration["observed_low"], calibration["observed_high"],
                  color=LIGHT["accent"], linewidth=4, alpha=0.25)  # fmt: skip
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


def plot_horizon(horizons: pd.DataFrame, *, words: Words) -> Figure:
    """Draw the share of customers who are back after so many days, with the present and the proposed horizon.

    columns of ``HORIZON_SCHEMA`` -> a line with its 95 % band
    """
    known = horizons.loc[horizons["returned_rate"].notna()]
    if known.empty:
        return note_figure(words.word("note.not_enough_data"))
    figure, ax = new_figure(height=3.2, width=NARROW_INCHES)
    with drawing():
        ax.fill_between(known["horizon_days"], known["returned_rate_low"], known["returned_rate_high"],
                        color=LIGHT["accent"], alpha=0.18, linewidth=0)  # fmt: skip
        ax.plot(known["horizon_days"], known["returned_rate"], marker="o", color=LIGHT["accent"])
        for column, color, height in (("is_current", LIGHT["ink"], 0.03), ("is_proposed", LIGHT["watch"], 0.12)):
            for days in known.loc[known[column].astype(bool), "horizon_days"]:
                ax.axvline(days, color=color, linewidth=1, linestyle=(0, (3, 3)))
                label = words.say(f"horizon.label_{column.removeprefix('is_')}", days=int(days))
                ax.annotate(label, (days, height), xycoords=("data", "axes fraction"), xytext=(4, 0),
                            textcoords="offset points", fontsize=SMALL_POINTS, color=color)  # fmt: skip
        ax.yaxis.set_major_formatter(lambda y, _: words.format_percent(y, digits=0))
        ax.set(xlabel=words.word("column.horizon_days"), ylabel=words.word("column.returned_rate"), ylim=(0, 1))
    tidy(ax, grid="y")
    return figure


def plot_causes(sizes: pd.DataFrame, *, words: Words) -> Figure:
    """Draw how many customers of the list each cause is the main reason of (dark), and is named for at all (pale).

    columns of ``CAUSE_SIZES_SCHEMA`` -> bars, the most frequent main reason on top
    """
    if sizes.empty:
        return note_figure(words.word("note.not_enough_data"))
    figure, ax = new_figure(height=1.2 + 0.36 * len(sizes), width=NARROW_INCHES)
    places = range(len(sizes))
    with drawing():
        named = words.say("causes.label_named", count=REASONS)
        ax.barh(places, sizes["named_count"], height=0.66, color=LIGHT["accent"], alpha=0.3, label=named)
        ax.barh(
            places, sizes["first_count"], height=0.66, color=LIGHT["accent"], label=words.word("causes.label_first")
        )
        ax.set_yticks(list(places), [break_label(words.word(f"churn_cause.{cause}")) for cause in sizes["churn_cause"]])
        figure.legend(loc="outside upper left", ncols=2, reverse=True, frameon=False)
        ax.invert_yaxis()
        ax.set(xlabel=words.word("column.customer_count"))
    tidy(ax, grid="x")
    return figure
