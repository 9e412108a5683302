"""Figure of the strategy: planned contacts per tier against those made last quarter."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from crm_analysis.base.style import drawing, new_figure, note_figure, tidy
from crm_analysis.base.tokens import LIGHT
from crm_analysis.base.words import ABSENT, Words


def plot_contacts(strategy: pd.DataFrame, *, words: Words) -> Figure:
    """Draw made contacts as bars and those due as marks, one row per tier with a strategy, most due first.

    ``tier, is_covered, due_contact_count, planned_contact_count, contact_count`` -> lying bars with a mark; where it is
    not known what was made, the marks are the plan
    """
    covered = strategy.loc[strategy["is_covered"].astype(bool)]
    if covered.empty:
        return note_figure(words.word("note.not_enough_data"))
    is_known = covered["contact_count"].notna().any()
    column = "due_contact_count" if is_known else "planned_contact_count"
    ordered = covered.sort_values([column, "tier"], ascending=[False, True]).reset_index(drop=True)
    names = [words.word(f"segment.{tier}") if words.has(f"segment.{tier}") else tier for tier in ordered["tier"]]
    made = ordered["contact_count"].fillna(0)
    figure, ax = new_figure(height=0.9 + 0.4 * len(ordered))
    with drawing():
        sns.barplot(x=made, y=names, color=LIGHT["accent"], saturation=1, width=0.55, ax=ax)
        rows = range(len(ordered))
        planned = ordered[column]
        ax.scatter(planned, rows, marker="|", s=260, linewidths=2.5, color=LIGHT["bad"], zorder=3)
        for row, (one, other) in enumerate(zip(made, planned, strict=True)):
            text = f"{words.format_int(one) if is_known else ABSENT} / {words.format_int(other)}"
            ax.annotate(
                text, (max(one, other), row), xytext=(8, 0), textcoords="offset points", va="center", fontsize=9
            )
        ax.margins(x=0.18)
        ax.set_xlim(left=0)
        ax.xaxis.set_major_formatter(lambda x, _: words.format_int(x))
        ax.set(xlabel=words.word("axis.contacts_made_planned"), ylabel="")
    tidy(ax, grid="x")
    return figure
