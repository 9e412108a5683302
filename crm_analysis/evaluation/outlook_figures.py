"""Figures of the look forward: contracts to be renewed by month, and net revenue with its forecast."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from crm_analysis.base.style import SMALL_POINTS, drawing, new_figure, note_figure, tidy
from crm_analysis.base.tokens import LIGHT
from crm_analysis.base.words import Words


def plot_renewals(months: pd.DataFrame, *, words: Words) -> Figure:
    """Draw how many contracts end in each month ahead, with their amount where it may be told; those in grace apart.

    Parameters
    ----------
    months
        What :func:`crm_analysis.evaluation.renewals.renewal_months_table` returns.
    """
    if months.empty:
        return note_figure(words.word("renewals.alt_none"))
    figure, ax = new_figure(height=0.9 + 0.3 * len(months))
    rows: list[dict[str, Any]] = months.to_dict("records")  # type: ignore[assignment]
    names = []
    with drawing():
        for place, row in enumerate(rows):
            n, amount, is_due = row["contract_count"], row["renewal_amount"], row["renewal_state"] == "due"
            names.append(f"{row['month_date']:%Y-%m}" if is_due else words.word("renewal_state.in_grace"))
            ax.barh(place, n, height=0.66, color=LIGHT["accent"] if is_due else LIGHT["watch"])
            id_ = "renewals.bar_amount" if n > 0 and amount == amount else "renewals.bar"
            ax.annotate(words.say(id_, n=n, amount=amount), (n, place), xytext=(6, 0), textcoords="offset points",
                        va="center", fontsize=SMALL_POINTS, color=LIGHT["ink"])  # fmt: skip
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.set_xticks([])
        ax.set_xlim(0, 1.3 * max(float(months["contract_count"].max()), 1.0))
    tidy(ax)
    ax.spines["bottom"].set_visible(False)
    return figure


def plot_forecast(path: pd.DataFrame, *, words: Words) -> Figure:
    """Draw net revenue by quarter, what was forecast of each at the end of the one before, and the next with its range.

    Parameters
    ----------
    path
        What :func:`crm_analysis.evaluation.forecast_choice.forecast_path_table` returns.
    """
    if path.empty:
        return note_figure(words.word("forecast.alt_none"))
    places = pd.Series(range(len(path)), index=path.index)
    told = path["forecast_amount"].notna()
    figure, ax = new_figure(height=3.4)
    with drawing():
        for level, width, alpha in ((95, 7, 0.22), (80, 7, 0.5)):
            ax.vlines(places[told], path.loc[told, f"low_{level}_amount"], path.loc[told, f"high_{level}_amount"],
                      color=LIGHT["watch"], linewidth=width, alpha=alpha)  # fmt: skip
        ax.plot(places[told], path.loc[told, "forecast_amount"], linestyle="none", marker="D", markersize=6,
                color=LIGHT["watch"], label=words.word("forecast.label_forecast"))  # fmt: skip
        ax.plot(places, path["actual_amount"], marker="o", color=LIGHT["accent"],
                label=words.word("forecast.label_actual"))  # fmt: skip
        last = path.iloc[-1]
        text = words.say("forecast.label_next", forecast=float(last["forecast_amount"]),
                         low=float(last["low_80_amount"]), high=float(last["high_80_amount"]))  # fmt: skip
        ax.annotate(text, (places.iloc[-1], float(last["forecast_amount"])), xytext=(12, 0),
                    textcoords="offset points", va="center", fontsize=SMALL_POINTS, color=LIGHT["ink"])  # fmt: skip
        ax.set_xticks(places, [str(quarter).removeprefix("20") for quarter in path["quarter"]])
        ax.set_xlim(-0.4, len(path) - 1 + max(0.36 * len(path), 2.0))
        ax.yaxis.set_major_formatter(lambda value, _: words.format_money(value))
        shades = ((words.format_percent(level, digits=0), alpha) for level, alpha in ((0.80, 0.6), (0.95, 0.22)))
        ranges = [
            Patch(color=LIGHT["watch"], alpha=alpha, label=words.say("forecast.label_range", level=level))
            for level, alpha in shades
        ]
        lines, _ = ax.get_legend_handles_labels()
        ax.legend(handles=[*reversed(lines), *ranges], loc="upper left", ncols=2)
        ax.set_ylim(None, ax.get_ylim()[1] + 0.22 * (ax.get_ylim()[1] - ax.get_ylim()[0]))
    tidy(ax, grid="y")
    return figure
