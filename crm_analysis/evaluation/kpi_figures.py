"""Figures of breakdowns, satisfaction, growth and retention; they draw tables and compute nothing but places."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.style import drawing, ink_on, new_figure, note_figure, sequential_map, tidy
from crm_analysis.base.tokens import CATEGORICAL, LIGHT, STATUS
from crm_analysis.base.words import Words
from crm_analysis.evaluation.breakdown import WHOLE
from crm_analysis.evaluation.kpi_display import part_value, shown_kpis
from crm_analysis.evaluation.value_growth import FACTORS

_SMALL = 8.0
_MOST_PARTS = 8
_FACTOR_COLORS = dict(zip(FACTORS, CATEGORICAL[:3], strict=True))


def plot_breakdown(breakdown: pd.DataFrame, *, words: Words, dimension: str = "tier") -> Figure:
    """Draw KPIs (rows) by the parts of a dimension (columns), coloured by status; the company is the first column.

    columns of ``KPI_BREAKDOWN_SCHEMA`` -> up to ten KPIs and eight parts
    """
    kpis = shown_kpis(breakdown, dimension=dimension)[:10]
    parts = list(breakdown.loc[breakdown["dimension"] == dimension, "part"].unique())[:_MOST_PARTS]
    if not kpis or not parts:
        return note_figure(words.word("note.not_enough_data"))
    cells = breakdown.loc[breakdown["dimension"].isin([WHOLE, dimension])].set_index(["kpi", "part"])
    columns = [WHOLE, *parts]
    figure, ax = new_figure(height=0.9 + 0.42 * len(kpis))
    with drawing():
        for row, kpi in enumerate(kpis):
            for column, part in enumerate(columns):
                if (kpi, part) in cells.index:
                    _draw_cell(ax, cells.loc[(kpi, part)], at=(column, row), words=words)
        ax.axvline(0.5, color=LIGHT["ink"], linewidth=1)
        ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(kpis) - 0.5, -0.5), xlabel="", ylabel="")
        ax.set_xticks(range(len(columns)), [_broken(_part_word(part, dimension, words=words)) for part in columns])
        ax.set_yticks(range(len(kpis)), [_broken(words.word(METRICS[kpi].name), width=20) for kpi in kpis])
        ax.xaxis.tick_top()
        tidy(ax)
        ax.tick_params(labelsize=_SMALL)
        ax.spines["bottom"].set_visible(False)
    return figure


def _draw_cell(ax: Axes, row: pd.Series, *, at: tuple[int, int], words: Words) -> None:
    mark = STATUS[row["status"]]
    color = LIGHT[f"{mark.color}-soft"]
    ax.add_patch(Rectangle((at[0] - 0.48, at[1] - 0.44), 0.96, 0.88, facecolor=color, linewidth=0))
    judged = row["status"] in {"good", "watch", "bad"}
    text = words.say(part_value(row.to_dict()))
    ink = LIGHT[mark.color] if judged else LIGHT["soft"]
    shown = f"{mark.symbol} {text}" if judged else _broken(text)
    ax.text(*at, shown, linespacing=0.95, ha="center", va="center", fontsize=_SMALL, color=ink)


def plot_satisfaction(satisfaction: pd.DataFrame, *, coverage_target: float, words: Words) -> Figure:
    """Draw the coverage of questionnaires by tier (left, line at the target) and the satisfaction rate (right).

    ``tier, coverage_share, answer_count, satisfaction_rate`` and its interval -> bars and dots with intervals
    """
    if satisfaction.empty:
        return note_figure(words.word("kpis.no_surveys"))
    rows = satisfaction.reset_index(drop=True)
    names = [_broken(words.word(f"segment.{tier}"), width=18) for tier in rows["tier"]]
    figure, (left, right) = new_figure(height=1.0 + 0.42 * len(rows), cols=2)
    with drawing():
        shares = rows["coverage_share"].fillna(0)
        sns.barplot(x=shares, y=rows.index, orient="h", color=LIGHT["accent"], saturation=1, width=0.6, ax=left)
        left.axvline(coverage_target, color=LIGHT["ink"], linewidth=1)
        for place, share in enumerate(rows["coverage_share"]):
            _say(left, share, place, words=words)
        left.set_yticks(range(len(rows)), names)
        left.set_title(words.word("column.coverage"))
        right.set_yticks(range(len(rows)), ["" for _ in names])
        for place, row in enumerate(rows.to_dict("records")):
            _draw_interval(right, row, place, words=words)
        right.set_ylim(left.get_ylim())
        right.set_title(words.word("metric.satisfaction_rate.name"))
        for ax in (left, right):
            ax.set(xlim=(0, 1.18), xlabel="", ylabel="")
            ax.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
            ax.xaxis.set_major_formatter(lambda x, _: words.format_percent(x, digits=0))
    for ax in (left, right):
        tidy(ax, grid="x")
    return figure


def _say(ax: Axes, share: float, place: int, *, words: Words) -> None:
    few = share != share  # NaN is unequal to itself
    text = words.word("absent.too_small") if few else words.format_percent(share, digits=0)
    ax.annotate(text, (0 if few else share, place), xytext=(4, 0), textcoords="offset points", va="center",
                fontsize=_SMALL, color=LIGHT["soft"] if few else LIGHT["ink"])  # fmt: skip


def _draw_interval(ax: Axes, row: Mapping[Any, Any], place: int, *, words: Words) -> None:
    rate = row["satisfaction_rate"]
    if rate != rate:
        text = f"{words.word('absent.too_small')} (n={row['answer_count']})"
        ax.annotate(text, (0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=_SMALL,
                    color=LIGHT["soft"])  # fmt: skip
        return
    ax.plot([row["satisfaction_rate_low"], row["satisfaction_rate_high"]], [place, place], color=LIGHT["accent"])
    ax.plot([rate], [place], marker="o", color=LIGHT["accent"], linestyle="none")
    ax.annotate(words.format_percent(rate, digits=0), (row["satisfaction_rate_high"], place), xytext=(4, 0),
                textcoords="offset points", va="center", fontsize=_SMALL)  # fmt: skip


def plot_growth(growth: pd.DataFrame, *, words: Words) -> Figure:
    """Draw the change of net revenue by tier as bars of the three factors, rises to the right, falls to the left.

    ``tier, change_amount, customers_amount, frequency_amount, price_amount`` -> stacked bars, a dot at the sum
    """
    rows = growth.loc[growth["change_amount"].notna()].reset_index(drop=True)
    if rows.empty:
        return note_figure(words.word("note.not_enough_data"))
    figure, ax = new_figure(height=1.3 + 0.42 * len(rows))
    with drawing():
        for name in FACTORS:
            _draw_factor(ax, rows, name, label=words.word(f"kpis.factor.{name}"))
        places = np.arange(len(rows))
        ax.plot(rows["change_amount"], places, marker="D", markersize=6, linestyle="none", color=LIGHT["ink"],
                markeredgecolor="white", label=words.word("column.revenue_change"))  # fmt: skip
        ends = rows[[f"{name}_amount" for name in FACTORS]].clip(lower=0).sum(axis=1).clip(lower=0)
        for place, end, change in zip(places, ends, rows["change_amount"], strict=True):
            sign = "+" if change > 0 else ""
            ax.annotate(f"{sign}{words.format_money(change)}", (end, place), xytext=(8, 0), textcoords="offset points",
                        va="center", fontsize=_SMALL)  # fmt: skip
        ax.axvline(0, color=LIGHT["ink"], linewidth=1)
        ax.set_yticks(places, [_broken(words.word(f"segment.{tier}"), width=22) for tier in rows["tier"]])
        ax.set(xlabel="", ylabel="", ylim=(len(rows) - 0.5, -0.5))
        ax.xaxis.set_major_formatter(lambda x, _: words.format_money(x))
        ax.margins(x=0.16)
        ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.09), ncols=4, handlelength=1.2, columnspacing=1.2)
    tidy(ax, grid="x")
    return figure


def _draw_factor(ax: Axes, rows: pd.DataFrame, name: str, *, label: str) -> None:
    """Draw one factor beyond those before it, falls and rises each from their own end."""
    before = FACTORS[: FACTORS.index(name)]
    values = rows[f"{name}_amount"]
    rises = sum((rows[f"{other}_amount"].clip(lower=0) for other in before), start=values * 0)
    falls = sum((rows[f"{other}_amount"].clip(upper=0) for other in before), start=values * 0)
    ax.barh(rows.index, values, left=np.where(values >= 0, rises, falls), height=0.6, color=_FACTOR_COLORS[name],
            label=label)  # fmt: skip


def plot_cohorts(cohorts: pd.DataFrame, *, words: Words) -> Figure:
    """Draw retention by quarter of first purchase (rows) and quarters since (columns); running cells carry a star.

    columns of ``COHORT_SCHEMA`` -> heat map, the size of each cohort beside its name; future cells stay empty
    """
    shown = cohorts.loc[cohorts["quarters_since"] > 0] if not cohorts.empty else cohorts
    if shown.empty or shown["retention_rate"].isna().all():
        return note_figure(words.word("kpis.cohorts_few"))
    sizes = shown.drop_duplicates("cohort").set_index("cohort")["customer_count"]
    rates = shown.pivot_table(index="cohort", columns="quarters_since", values="retention_rate", dropna=False)
    running = shown.pivot_table(index="cohort", columns="quarters_since", values="is_running", aggfunc="max")
    figure, ax = new_figure(height=1.1 + 0.36 * len(rates))
    colors = sequential_map()
    with drawing():
        sns.heatmap(rates, cmap=colors, vmin=0, vmax=1, cbar=False, linewidths=1.5, linecolor="white", ax=ax)
        for (row, column), rate in np.ndenumerate(rates.to_numpy()):
            if rate == rate:
                star = "*" if running.iloc[row, column] == 1 else ""
                r, g, b, _ = colors(rate)
                ink = ink_on(f"#{round(r * 255):02x}{round(g * 255):02x}{round(b * 255):02x}")
                ax.text(column + 0.5, row + 0.5, f"{words.format_percent(rate, digits=0)}{star}", ha="center",
                        va="center", fontsize=_SMALL + 0.5, color=ink)  # fmt: skip
        names = [f"{words.format_quarter(cohort)}  (n={words.format_int(sizes[cohort])})" for cohort in rates.index]
        ax.set_yticklabels(names, rotation=0)
        ax.set(xlabel=words.word("column.quarters_since"), ylabel="")
        ax.xaxis.tick_top()
        ax.xaxis.set_label_position("top")
        ax.tick_params(labelsize=_SMALL)
    return figure


def _part_word(part: str, dimension: str, *, words: Words) -> str:
    prefix = "segment" if dimension == "tier" or part == WHOLE else dimension
    id_ = f"{prefix}.{part}"
    return words.word(id_) if prefix == "segment" or words.has(id_) else part


def _broken(name: str, *, width: int = 11) -> str:
    """Return a name over several lines: at spaces, in Chinese after six signs.

    >>> _broken("Important, to win back"), _broken("零售高价值客户")
    ('Important,\\nto win back', '零售高价值客\\n户')
    """
    if name.isascii():
        return textwrap.fill(name, width=width, break_long_words=False)
    return textwrap.fill(name, width=max(6, width // 2), break_long_words=True)
