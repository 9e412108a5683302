"""The look of figures: theme, font and helpers, all made from the tokens; no pyplot and no global state.

A figure is made by :func:`new_figure`, drawn on by matplotlib or seaborn (``ax=``; pass ``saturation=1``, so
that colours stay the tokens'), and normalised by :func:`finish` when it is shown. Its family: direct labels
instead of legends where possible, sorted bars, no pie, no third dimension; the finding stands above it as text, so
it needs no title of its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal

import matplotlib as mpl
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text

from crm_analysis.base.errors import AnalysisError, Problem
from crm_analysis.base.tokens import (
    CATEGORICAL,
    DIVERGING,
    FONT_FAMILY,
    LIGHT,
    SEQUENTIAL,
    STATUS,
    contrast,
    css_variables,
    ink_on,
    segment_color,
)

WIDTH_INCHES = 7.2
#: A figure of this width fits a phone (390 px) with its text at no less than 9 px; wider ones scroll there.
NARROW_INCHES = 4.6
BASE_POINTS = 10.0
SMALL_POINTS = 9.0
FONT_WEIGHTS = ("Regular", "Medium", "Bold")


def font_path(weight: str = "Regular") -> Path:
    """Return the file of the packaged font in a weight (``Regular``, ``Medium`` or ``Bold``).

    The package is only located, never imported: its modules change matplotlib's settings when they are.

    Raises
    ------
    AnalysisError
        The font package is not installed, or has no such weight.
    """
    spec = find_spec("mpl_font")
    folder = Path(next(iter(spec.submodule_search_locations or []))) if spec is not None else Path("mpl_font")
    path = folder / "fonts" / "noto" / f"NotoSansCJKsc-{weight}.otf"
    if not path.is_file():
        problem = Problem(f"there is no font {path.name}", "figures", "install the package mpl-font")
        raise AnalysisError(problem)
    return path


@cache
def register_fonts() -> str:
    """Make the packaged font known to matplotlib, once, and return its family name."""
    for weight in FONT_WEIGHTS:
        font_manager.fontManager.addfont(font_path(weight))
    return FONT_FAMILY


def theme() -> dict[str, Any]:
    """Return matplotlib's settings for all figures (seaborn draws with them too)."""
    return {
        "font.family": [register_fonts()],
        "font.size": BASE_POINTS,
        "text.color": LIGHT["ink"],
        "text.parse_math": False,
        "axes.edgecolor": LIGHT["line"],
        "axes.facecolor": "none",
        "axes.labelcolor": LIGHT["soft"],
        "axes.labelsize": SMALL_POINTS,
        "axes.linewidth": 0.8,
        "axes.titlesize": BASE_POINTS,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlecolor": LIGHT["ink"],
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=list(CATEGORICAL)),
        "axes.unicode_minus": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": "none",
        "figure.constrained_layout.use": True,
        "grid.color": LIGHT["line"],
        "grid.linewidth": 0.8,
        "legend.frameon": False,
        "legend.fontsize": SMALL_POINTS,
        "lines.linewidth": 2.0,
        "lines.markersize": 5.0,
        "patch.linewidth": 0.0,
        "savefig.facecolor": "none",
        "svg.fonttype": "none",
        "xtick.color": LIGHT["soft"],
        "ytick.color": LIGHT["soft"],
        "xtick.labelsize": SMALL_POINTS,
        "ytick.labelsize": SMALL_POINTS,
        "xtick.major.size": 0.0,
        "ytick.major.size": 0.0,
    }


@contextmanager
def drawing() -> Iterator[None]:
    """Draw under the theme; matplotlib's own settings are as before afterwards."""
    settings: Any = theme()
    with mpl.rc_context(settings):
        yield


def new_figure(*, height: float = 3.2, width: float = WIDTH_INCHES, rows: int = 1, cols: int = 1) -> tuple[Figure, Any]:
    """Return an empty figure of the family and its axes (an array of them when there are several).

    Parameters
    ----------
    height, width
        Inches; 7.2 wide fills the column of the report, 4.6 (:data:`NARROW_INCHES`) a phone.
    """
    with drawing():
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, cols)
        for ax in figure.axes:
            tidy(ax)
    return figure, axes


def tidy(ax: Axes, *, grid: Literal["x", "y"] | None = None) -> None:
    """Take away what carries no data (frame, ticks); add a light grid along ``grid`` where it helps reading."""
    for side, spine in ax.spines.items():
        spine.set_visible(side == "bottom" and grid != "x")
        spine.set_color(LIGHT["line"])
    ax.tick_params(
        which="both",
        length=0,
        labelsize=SMALL_POINTS,
        labelfontfamily=register_fonts(),
        labelcolor=LIGHT["soft"],
    )
    ax.grid(visible=False)
    if grid is not None:
        ax.grid(visible=True, axis=grid, color=LIGHT["line"], linewidth=0.8)
    ax.set_axisbelow(True)


def label_bars(ax: Axes, texts: Sequence[str], *, points: float = 4.0, margin: float = 0.12) -> None:
    """Write one text at the end of each bar, in the order they were drawn, and leave room for it.

    Parameters
    ----------
    points
        Distance between bar and text.
    margin
        Free share of the axis beyond the longest bar.

    Raises
    ------
    ValueError
        There are not as many texts as bars.
    """
    bars = [bar for container in bar_containers(ax) for bar in container]
    if len(bars) != len(texts):
        raise ValueError(f"texts has {len(texts)} entries for {len(bars)} bars; give one per bar, as drawn")
    lying = any(container.orientation == "horizontal" for container in bar_containers(ax))
    for bar, text in zip(bars, texts, strict=True):
        value = bar.get_width() if lying else bar.get_height()
        middle = bar.get_y() + bar.get_height() / 2 if lying else bar.get_x() + bar.get_width() / 2
        sign = -1 if value < 0 else 1
        place: dict[str, Any] = {"xy": (middle, value), "xytext": (0, sign * points)}
        align: dict[str, Any] = {"ha": "center", "va": "bottom" if value >= 0 else "top"}
        if lying:
            place = {"xy": (value, middle), "xytext": (sign * points, 0)}
            align = {"ha": "left" if value >= 0 else "right", "va": "center"}
        look: dict[str, Any] = {
            "fontsize": SMALL_POINTS,
            "color": LIGHT["ink"],
            "family": register_fonts(),
            "parse_math": False,
        }
        ax.annotate(text, textcoords="offset points", **place, **align, **look)
    if lying:
        ax.margins(x=margin)
    else:
        ax.margins(y=margin)


def break_label(text: str, *, most: int = 20) -> str:
    """Return a long label broken into lines: at spaces, or between two halves where there are none (Chinese).

    Parameters
    ----------
    most
        Latin letters in a line; a Chinese character counts as two.

    Examples
    --------
    >>> break_label("contract ending, not renewed"), break_label("合同即将到期且尚未续约"), break_label("近期投诉")
    ('contract ending, not\\nrenewed', '合同即将到期\\n且尚未续约', '近期投诉')
    """
    if " " in text:
        return "\n".join(wrap(text, most, break_long_words=False))
    if 2 * len(text) <= most or text.isascii():
        return text
    middle = (len(text) + 1) // 2
    return f"{text[:middle]}\n{text[middle:]}"


def bar_containers(ax: Axes) -> list[BarContainer]:
    """Return the groups of bars of an axes, in drawing order."""
    return [container for container in ax.containers if isinstance(container, BarContainer)]


def sequential_map() -> LinearSegmentedColormap:
    """Return the colour map for amounts and shares: paper to deep blue."""
    return LinearSegmentedColormap.from_list("crm_sequential", list(SEQUENTIAL))


def diverging_map() -> LinearSegmentedColormap:
    """Return the colour map for values around a middle: wine, paper, blue."""
    return LinearSegmentedColormap.from_list("crm_diverging", list(DIVERGING))


def note_figure(text: str, *, height: float = 1.4) -> Figure:
    """Return a quiet figure that holds one sentence, for "not enough data"."""
    figure, ax = new_figure(height=height)
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", color=LIGHT["soft"], transform=ax.transAxes, wrap=True)
    return figure


def finish(figure: Figure) -> None:
    """Give what was drawn outside the theme its font and manner: the last step before a figure is shown."""
    family = register_fonts()
    for text in figure.findobj(Text):
        text.set_fontfamily(family)
        text.set_parse_math(False)
    for ax in figure.axes:
        for title in (ax.title, ax._left_title, ax._right_title):  # type: ignore[attr-defined]
            title.set_fontsize(BASE_POINTS)
            title.set_fontweight("bold")
        for label in (ax.xaxis.label, ax.yaxis.label):
            label.set_fontsize(SMALL_POINTS)
            label.set_color(LIGHT["soft"])
        legend = ax.get_legend()
        if legend is not None:
            legend.set_frame_on(False)


__all__ = [
    "CATEGORICAL",
    "LIGHT",
    "NARROW_INCHES",
    "SMALL_POINTS",
    "STATUS",
    "WIDTH_INCHES",
    "bar_containers",
    "break_label",
    "contrast",
    "css_variables",
    "diverging_map",
    "drawing",
    "finish",
    "font_path",
    "ink_on",
    "label_bars",
    "new_figure",
    "note_figure",
    "register_fonts",
    "segment_color",
    "sequential_map",
    "theme",
    "tidy",
]
