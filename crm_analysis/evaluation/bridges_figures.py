"""Figure of the revenue bridge: from last period's net revenue to this one's, step by step."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from crm_analysis.base.style import SMALL_POINTS, drawing, new_figure, note_figure, tidy
from crm_analysis.base.tokens import LIGHT
from crm_analysis.base.words import Words
from crm_analysis.evaluation.bridges import END, START


def plot_bridge(steps: pd.DataFrame, *, words: Words) -> Figure:
    """Draw the bridge as a waterfall: both ends dark, gains green, losses red, each with its amount and customers.

    Parameters
    ----------
    steps
        What :func:`crm_analysis.evaluation.bridges.bridge_steps_table` returns; parts without change are left out.
    """
    shown = steps.loc[(steps["change_amount"] != 0) | steps["bridge_part"].isin([START, END])].reset_index(drop=True)
    if shown.empty:
        return note_figure(words.word("note.not_enough_data"))
    figure, ax = new_figure(height=0.8 + 0.44 * len(shown))
    rows: list[dict[str, Any]] = shown.to_dict("records")  # type: ignore[assignment]
    with drawing():
        for place, row in enumerate(rows):
            is_end, amount = row["bridge_part"] in {START, END}, row["change_amount"]
            color = LIGHT["accent"] if is_end else LIGHT["good"] if amount > 0 else LIGHT["bad"]
            left, right = sorted((row["from_amount"], row["to_amount"]))
            ax.barh(place, right - left, left=left, height=0.62, color=color)
            sign = "+" if amount > 0 and not is_end else ""
            text = words.say("bridge.label", sign=sign, amount=amount, n=row["customer_count"])
            ax.annotate(text, (right, place), xytext=(6, 0), textcoords="offset points", va="center",
                        fontsize=SMALL_POINTS, color=LIGHT["ink"])  # fmt: skip
            if place + 1 < len(rows):
                ax.plot([row["to_amount"]] * 2, [place, place + 1], color=LIGHT["soft"], linewidth=0.8, zorder=0)
        ax.set_yticks(range(len(rows)), [words.word(f"bridge_part.{part}") for part in shown["bridge_part"]])
        ax.invert_yaxis()
        ax.set_xticks([])
        reached = shown[["from_amount", "to_amount"]]
        lowest, highest = min(0.0, float(reached.min().min())), float(reached.max().max())
        ax.set_xlim(lowest, highest + 0.32 * (highest - lowest))
        ax.axvline(0, color=LIGHT["line"], linewidth=0.8)
    tidy(ax)
    ax.spines["bottom"].set_visible(False)
    return figure
