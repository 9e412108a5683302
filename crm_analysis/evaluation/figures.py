"""Figures of the evaluation: attainment of targets, and the trend of the main KPIs."""

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.style import drawing, new_figure, note_figure, tidy
from crm_analysis.base.tokens import LIGHT, STATUS
from crm_analysis.base.words import Words
from crm_analysis.evaluation.display import value_message

TREND_KPIS = ("revenue", "active_customers", "customer_retention_rate", "average_order_value", "satisfaction_rate",
              "first_response_business_hours")  # fmt: skip


def plot_attainment(scorecard: pd.DataFrame, *, words: Words) -> Figure:
    """Draw one dot per KPI with a target, furthest from it first; the line is the target.

    ``kpi, unit, value, attainment_share, status`` -> dot plot; colour and symbol tell the status
    """
    judged = scorecard.loc[scorecard["attainment_share"].notna()]
    if judged.empty:
        return note_figure(words.word("note.not_enough_data"))
    ordered = judged.sort_values(["attainment_share", "kpi"]).reset_index(drop=True)
    ordered["label"] = [words.word(METRICS[kpi].name) for kpi in ordered["kpi"]]
    colors = [LIGHT[STATUS[status].color] for status in ordered["status"]]
    figure, ax = new_figure(height=0.9 + 0.42 * len(ordered))
    with drawing():
        sns.scatterplot(
            data=ordered, x="attainment_share", y="label", hue="label", palette=colors, s=90, legend=False, ax=ax
        )
        ax.hlines(range(len(ordered)), 1, ordered["attainment_share"], colors=colors, linewidth=2, zorder=0)
        ax.axvline(1, color=LIGHT["ink"], linewidth=1)
        for place, row in enumerate(ordered.to_dict("records")):
            reached = row["attainment_share"] >= 1
            ax.annotate(
                f"{STATUS[row['status']].symbol} {words.say(value_message(row['value'], unit=row['unit']))}",
                (row["attainment_share"], place), xytext=(10 if reached else -10, 0), textcoords="offset points",
                ha="left" if reached else "right", va="center", fontsize=9,
            )  # fmt: skip
        ax.xaxis.set_major_formatter(lambda x, _: words.format_percent(x, digits=0))
        ax.set(xlabel=words.word("column.attainment_share"), ylabel="")
        ax.margins(x=0.2, y=0.12)
    tidy(ax, grid="x")
    return figure


def plot_trend(history: pd.DataFrame, *, words: Words, kpis: Sequence[str] = TREND_KPIS) -> Figure:
    """Draw small lines over the quarters, one panel per KPI, the last value written out.

    ``kpi, quarter, unit, value`` -> up to six panels; KPIs without a value are left out
    """
    shown = history.loc[history["value"].notna()]
    drawn = [kpi for kpi in kpis if kpi in set(shown["kpi"])][:6]
    if not drawn:
        return note_figure(words.word("note.not_enough_data"))
    cols = min(3, len(drawn))
    rows = -(-len(drawn) // cols)
    figure, _ = new_figure(height=1.9 * rows, rows=rows, cols=cols)
    panels = list(figure.axes)
    for ax, kpi in zip(panels, drawn, strict=False):
        _plot_line(shown.loc[shown["kpi"] == kpi], ax=ax, words=words)
    for ax in panels[len(drawn) :]:
        ax.set_axis_off()
    return figure


def _plot_line(rows: pd.DataFrame, *, ax: Axes, words: Words) -> None:
    """Draw one KPI over its quarters."""
    rows = rows.sort_values("quarter").reset_index(drop=True)
    last = rows.iloc[-1]
    with drawing():
        sns.lineplot(x=rows.index, y=rows["value"], marker="o", color=LIGHT["accent"], legend=False, ax=ax)
        value = words.say(value_message(last["value"], unit=last["unit"]))
        ax.set_title(f"{words.word(METRICS[last['kpi']].name)}  {value}")
        ax.set(xlabel="", ylabel="", ylim=_limits(rows["value"]))
        ticks = sorted({0, len(rows) - 1})
        ax.set_xticks(ticks, [rows["quarter"][i].removeprefix("20") for i in ticks])
        ax.set_yticks([])
        ax.margins(x=0.12)
    tidy(ax)


def _limits(values: pd.Series) -> tuple[float, float]:
    """Return limits with air above and below, so that small changes do not look large."""
    low, high = float(values.min()), float(values.max())
    air = max((high - low) * 0.25, abs(high) * 0.15) or 1.0
    return low - air, high + air
