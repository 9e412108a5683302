"""Figures of service: how fast parts answer, how they keep the standard, complaints by day."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.dates import MonthLocator
from matplotlib.figure import Figure

from crm_analysis.base.style import SMALL_POINTS, drawing, new_figure, note_figure, tidy
from crm_analysis.base.tokens import LIGHT, STATUS
from crm_analysis.base.words import Words
from crm_analysis.evaluation.service_display import part_word

SHOWN = ("all", "urgency", "complexity", "kind", "channel")
_OUTCOMES = {"met_n": "good", "late_n": "watch", "overdue_n": "bad", "pending_n": "line"}


def plot_speed(times: pd.DataFrame, *, clock: str, words: Words) -> Figure:
    """Draw the mean first response of every part as a dot, a line on to its 90th percentile, the target as a mark.

    Parameters
    ----------
    times
        ``service_times``; parts that are too small are left out.
    clock
        ``business`` or ``calendar`` hours.
    """
    column = "response_business_hours" if clock == "business" else "response_hours"
    rows = _rows(times, told=f"{column}_mean")
    if rows.empty:
        return note_figure(words.word("note.not_enough_data"))
    figure, ax = new_figure(height=0.9 + 0.3 * len(rows))
    places = pd.Series(range(len(rows)), index=rows.index)
    end = 1.05 * max(rows[f"{column}_p90"].max(), rows["target_hours"].iloc[0])
    near = rows["target_hours"] <= end
    with drawing():
        ax.hlines(places, rows[f"{column}_mean"], rows[f"{column}_p90"], color=LIGHT["line"], linewidth=4)
        ax.scatter(rows.loc[near, "target_hours"], places[near], marker="|", s=130, color=LIGHT["soft"], linewidth=2)
        sns.scatterplot(
            x=rows[f"{column}_mean"], y=places, hue=rows["status"], legend=False, s=70, zorder=4, ax=ax,
            palette={slug: LIGHT[STATUS[slug].color] for slug in rows["status"].unique()},
        )  # fmt: skip
        for place, row in zip(places, rows.to_dict("records"), strict=True):
            text = words.say("service.hours_mark", hours=round(row[f"{column}_mean"], 1), n=row["answered_n"],
                             target=row["target_hours"])  # fmt: skip
            ax.annotate(f"{STATUS[row['status']].symbol} {text}", (end, place), xytext=(6, 0), va="center",
                        textcoords="offset points", fontsize=SMALL_POINTS, color=LIGHT["ink"])  # fmt: skip
        _name_rows(ax, rows, words=words)
        ax.set(xlabel=words.word(f"service.axis.{clock}"), ylabel="", xlim=(0, end))
    tidy(ax, grid="x")
    return figure


def plot_standards(times: pd.DataFrame, *, words: Words) -> Figure:
    """Draw what became of the cases of every part as shares: in time, late, open past the limit, not yet due."""
    rows = _rows(times, told="sla_rate")
    if rows.empty:
        return note_figure(words.word("note.not_enough_data"))
    shares = rows[list(_OUTCOMES)].div(rows["n"] - rows["unclear_n"], axis=0)
    figure, ax = new_figure(height=1.1 + 0.3 * len(rows))
    places = list(range(len(rows)))
    with drawing():
        left = pd.Series(0.0, index=rows.index)
        for name, color in _OUTCOMES.items():
            ax.barh(
                places, shares[name], left=left, height=0.62, color=LIGHT[color], label=words.word(f"column.{name}")
            )
            left = left + shares[name]
        for place, row in zip(places, rows.to_dict("records"), strict=True):
            text = words.say(
                "service.rate_mark", rate=row["sla_rate"], n=row["met_n"] + row["late_n"] + row["overdue_n"]
            )
            ax.annotate(text, (1, place), xytext=(6, 0), textcoords="offset points", va="center",
                        fontsize=SMALL_POINTS, color=LIGHT["ink"])  # fmt: skip
        _name_rows(ax, rows, words=words)
        ax.xaxis.set_major_formatter(lambda x, _: words.format_percent(x, digits=0))
        ax.set(xlabel=words.word("service.axis.cases"), ylabel="", xlim=(0, 1.22), xticks=[0, 0.25, 0.5, 0.75, 1])
        ax.legend(loc="lower center", bbox_to_anchor=(0.42, 1.0), ncols=len(_OUTCOMES))
    tidy(ax)
    return figure


def plot_bursts(bursts: pd.DataFrame, *, words: Words) -> Figure:
    """Draw complaints by day as bars, what was expected as a line, bursts in red with their count and day."""
    if bursts.empty:
        return note_figure(words.word("note.not_enough_data"))
    figure, ax = new_figure(height=2.8)
    colors = bursts["is_burst"].map({True: LIGHT["bad"], False: LIGHT["accent"]})
    with drawing():
        ax.bar(bursts["date"], bursts["complaint_count"], color=colors, width=0.85)
        ax.step(bursts["date"], bursts["expected_complaints"], where="mid", color=LIGHT["ink"], linewidth=1.2,
                label=words.word("service.expected"))  # fmt: skip
        for row in bursts.loc[bursts["is_burst"]].to_dict("records"):
            text = words.say("service.burst_mark", date=row["date"], n=row["complaint_count"])
            ax.annotate(text, (row["date"], row["complaint_count"]), xytext=(0, 3), textcoords="offset points",
                        ha="center", va="bottom", fontsize=SMALL_POINTS, color=LIGHT["bad"])  # fmt: skip
        if bursts["expected_complaints"].notna().any():
            ax.legend(loc="upper left")
        ax.xaxis.set_major_locator(MonthLocator())
        ax.xaxis.set_major_formatter(lambda x, _: words.format_date(pd.Timestamp(x, unit="D")))
        ax.yaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="", ylabel=words.word("service.axis.complaints"))
        ax.margins(y=0.25)
    tidy(ax, grid="y")
    return figure


def _rows(times: pd.DataFrame, *, told: str) -> pd.DataFrame:
    """Return the rows to draw, whose value can be told, in the order of the dimensions."""
    rows = times.loc[times["dimension"].isin(SHOWN) & times[told].notna()]
    return rows.sort_values("dimension", key=lambda names: names.map(SHOWN.index), kind="stable").reset_index(drop=True)


def _name_rows(ax: Axes, rows: pd.DataFrame, *, words: Words) -> None:
    """Write the name of every part beside its row, the first row at the top; a gap line opens each dimension."""
    names = [part_word(row["dimension"], row["part"], words=words) for row in rows.to_dict("records")]
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    begins = rows.index[rows["dimension"] != rows["dimension"].shift()][1:]
    for place in begins:
        ax.axhline(place - 0.5, color=LIGHT["line"], linewidth=0.6)
