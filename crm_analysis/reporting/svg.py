"""Figures as inline SVG: text stays text, ids are the figure's own, no address, no date; same figure, same bytes."""

import re
import warnings
from collections.abc import Sequence
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from crm_analysis.base.style import WIDTH_INCHES, finish, theme

_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def render_figure(figure: Figure, *, id_: str, label: str) -> str:
    """Return a figure as ``<svg>`` for a page of HTML.

    Parameters
    ----------
    id_
        Begins every id inside, and salts the names that matplotlib makes up.
    label
        What the figure says, for readers who do not see it.
    """
    finish(figure)
    buffer = StringIO()
    settings: Any = theme() | {"svg.hashsalt": id_}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # the reader's browser draws the text; a character of the data that the font lacks must not end the run
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    span = min(1.0, figure.get_size_inches()[0] / WIDTH_INCHES)
    return _inline(buffer.getvalue(), id_=id_, label=label, span=span)


def render_spark(values: Sequence[float | None], *, label: str, width: int = 96, height: int = 24) -> str:
    """Return a small line of a value over time, its last point marked; gaps stay gaps.

    An empty string when fewer than two values are known.
    """
    known = [float(value) for value in values if value is not None and value == value]
    if len(known) < 2:
        return ""
    low, span = min(known), max(known) - min(known)
    step, inner = (width - 8) / (len(values) - 1), height - 8
    points = [
        None
        if value is None or value != value
        else (4 + step * i, 4 + inner * (0.5 if span == 0 else 1 - (float(value) - low) / span))
        for i, value in enumerate(values)
    ]
    path, pen_down = "", False
    for point in points:
        if point is not None:
            path += f"{'L' if pen_down else 'M'}{point[0]:.1f} {point[1]:.1f}"
        pen_down = point is not None
    last = [point for point in points if point is not None][-1]
    return (
        f'<svg class="spark" role="img" aria-label="{escape(label)}" viewBox="0 0 {width} {height}">'
        f'<path d="{path}"/><circle cx="{last[0]:.1f}" cy="{last[1]:.1f}" r="2.5"/></svg>'
    )


def _inline(svg: str, *, id_: str, label: str, span: float) -> str:
    """Return a stand-alone SVG as a part of a page: no prologue or style, own ids only where used."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*</defs>", "", svg)
    svg = svg.replace("xlink:href=", "href=")
    used = set(re.findall(r'url\(#([^)"\']+)\)', svg)) | set(re.findall(r'href="#([^"]+)"', svg))

    def own(match: re.Match[str]) -> str:
        return f' id="{id_}-{match[1]}"' if match[1] in used else ""

    svg = re.sub(r' id="([^"]*)"', own, svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{id_}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{id_}-\1"', svg)
    svg = re.sub(r' transform="rotate\(-?0(?: [^)]*)?\)"', "", svg)
    box = re.search(r'viewBox="([^"]+)"', svg)
    place = f'viewBox="{box[1] if box else ""}" style="--span: {span:.3g}"'
    head = f'<svg class="plot" role="img" aria-label="{escape(label)}" {place}>'
    svg = re.sub(r"^<svg[^>]*>", lambda _: head, svg)
    return re.sub(r">\s+<", "><", re.sub(r" *\n *", " ", svg)).strip()
