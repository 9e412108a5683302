"""What a notebook may put out: findings, tables, figures, cards and notes, each as one marked block of HTML.

The marks are what the exporter accepts; a bare frame, a printed line or a warning fails the report. Everything is
escaped, and nothing shown can hold a direct identifier (REQUIREMENTS X1).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

from crm_analysis.base.errors import AnalysisError, Problem
from crm_analysis.base.privacy import ResultSchema
from crm_analysis.base.words import Message, Words
from crm_analysis.reporting.svg import render_figure, render_spark
from crm_analysis.reporting.tables import format_status, render_table

if TYPE_CHECKING:
    from crm_analysis.workspace import Workspace

#: Key of the metadata that marks an output as made by :class:`Show`.
MARK = "crm_analysis"
#: Kinds of blocks; ``style`` is for a notebook opened by hand and is left out of the report.
KINDS = ("finding", "table", "figure", "cards", "note", "missing", "style")

_ID = re.compile(r"^[a-z][a-z0-9]*([-_][a-z0-9]+)*$")
Sayable = Message | str
Emit = Callable[[dict[str, Any], dict[str, Any]], None]


@dataclass(frozen=True)
class Card:
    """A KPI at a glance; texts are ready for reading, in the language of the report.

    Attributes
    ----------
    name, value
        ``客户留存率``, ``82.4%``.
    status
        Slug of ``status.*``: good, watch, bad, neutral, unknown, no_target, too_small.
    target, change
        Texts such as ``≥ 85.0%`` and ``环比 +1.2个百分点``; empty when there is none.
    n
        Sample size.
    history
        Values of past quarters, oldest first, this quarter last; drawn as a small line.
    note
        A short remark.
    """

    name: str
    value: str
    status: str
    target: str = ""
    change: str = ""
    n: int | None = None
    history: tuple[float | None, ...] = ()
    note: str = ""


class Show:
    """Put out one thing as a marked block of HTML.

    Parameters
    ----------
    words
        Language, names and currency of everything shown.
    emit
        Takes the data and the metadata of an output; by default the notebook's display.
    """

    def __init__(self, words: Words, *, emit: Emit | None = None) -> None:
        self.words = words
        self._emit = emit or _display

    def __call__(
        self,
        item: Message | pd.DataFrame | Figure | Sequence[Card],
        *,
        id: str | None = None,  # noqa: A002 - the name that HTML gives it
        caption: Sayable | None = None,
        note: Sayable | None = None,
        alt: Sayable | None = None,
        aid: Sayable | None = None,
        schema: ResultSchema | None = None,
    ) -> None:
        """Show a finding, a table, a figure or cards.

        Parameters
        ----------
        item
            A :class:`Message` is a finding, a frame a table, a figure an inline SVG, a list of :class:`Card` a row.
        id
            Of tables and figures: stable, unique in the report, in small letters.
        caption, note
            Of a table: what it holds (by default the word ``caption.<id>`` where there is one, ``caption.look_back``
            for ``look-back``), and a remark under it.
        alt, aid
            Of a figure: what it says (obligatory), and one line on how to read it.
        schema
            Of a table: declared sensitivity of its columns.

        Raises
        ------
        AnalysisError
            The id is missing or malformed, a figure has no ``alt``, or a frame may not be shown.
        TypeError
            Nothing is known about showing such an object.
        """
        if isinstance(item, Message):
            self._put("finding", f'<p class="finding">{self._text(item)}</p>', id_=item.id)
        elif isinstance(item, pd.DataFrame):
            self._table(item, id_=_checked_id(id, "table"), caption=caption, note=note, schema=schema)
        elif isinstance(item, Figure):
            self._figure(item, id_=_checked_id(id, "figure"), alt=alt, aid=aid)
        elif isinstance(item, (list, tuple)) and all(isinstance(card, Card) for card in item):
            if item:
                self._put("cards", self._cards(item), id_=id or "cards")
            else:
                self.missing("missing.empty_table")
        else:
            allowed = "Message, DataFrame, Figure, list of Card"
            raise TypeError(f"item is a {type(item).__name__}; show() takes {allowed}")

    def note(self, item: Sayable) -> None:
        """Show a caveat or a definition in small type."""
        self._put("note", f'<p class="note">{self._text(item)}</p>', id_=_id_of(item))

    def missing(self, reason: Sayable) -> None:
        """Show that a section is empty, and why."""
        head = escape(self.words.word("missing.head"))
        html = f'<p class="missing"><strong>{head}</strong>{self._text(reason)}</p>'
        self._put("missing", html, id_=_id_of(reason))

    def style(self) -> None:
        """Put the style sheet into a notebook that is read by hand; a report has its own and leaves this out."""
        from crm_analysis.reporting.sheets import block_sheet

        self._put("style", f"<style>{block_sheet()}</style>", id_="style")

    def _table(
        self,
        table: pd.DataFrame,
        *,
        id_: str,
        caption: Sayable | None,
        note: Sayable | None,
        schema: ResultSchema | None,
    ) -> None:
        own = f"caption.{id_.replace('-', '_')}"
        if caption is None and self.words.has(own):
            caption = own
        if table.empty:
            self.missing(caption if caption is not None else "missing.empty_table")
            return
        caption_id = f"{id_}-caption" if caption is not None else None
        body = render_table(table, words=self.words, id_=id_, labelled_by=caption_id, schema=schema)
        label = f'aria-labelledby="{caption_id}"' if caption_id else f'aria-label="{self._word("table.region")}"'
        parts = [f'<div class="table" id="{id_}">']
        if caption is not None:
            parts.append(f'<p class="caption" id="{caption_id}">{self._text(caption)}</p>')
        parts.append(f'<div class="scroll" role="region" tabindex="0" {label}>{body}</div>')
        if note is not None:
            parts.append(f'<p class="note">{self._text(note)}</p>')
        self._put("table", "".join([*parts, "</div>"]), id_=id_)

    def _figure(self, figure: Figure, *, id_: str, alt: Sayable | None, aid: Sayable | None) -> None:
        if alt is None:
            fix = "give alt=, a message that tells the finding with its numbers"
            raise AnalysisError(Problem("it has no text for readers who do not see it", f"figure {id_!r}", fix))
        label = self.words.say(alt)
        svg = render_figure(figure, id_=id_, label=label)
        region = self._word("figure.region")
        legend = f"<figcaption>{self._text(aid)}</figcaption>" if aid is not None else ""
        html = (
            f'<figure class="figure" id="{id_}">'
            f'<div class="scroll" role="region" tabindex="0" aria-label="{region}">{svg}</div>{legend}</figure>'
        )
        self._put("figure", html, id_=id_)

    def _cards(self, cards: Sequence[Card]) -> str:
        return f'<ul class="cards">{"".join(self._card(card) for card in cards)}</ul>'

    def _card(self, card: Card) -> str:
        trend = self.words.say("card.trend", n=len(card.history))
        facts = []
        if card.target:
            facts.append((self._word("card.target"), escape(card.target)))
        if card.n is not None:
            facts.append((self._word("card.n"), escape(self.words.format_int(card.n))))
        rows = "".join(f"<div><dt>{term}</dt><dd>{value}</dd></div>" for term, value in facts)
        return (
            '<li class="card">'
            f'<p class="card-name">{escape(card.name)}</p>'
            f'<p class="card-value">{escape(card.value)}</p>'
            f'<p class="card-state">{format_status(card.status, words=self.words)}'
            f"{render_spark(card.history, label=trend)}</p>"
            + (f'<p class="card-change">{escape(card.change)}</p>' if card.change else "")
            + (f'<dl class="card-facts">{rows}</dl>' if rows else "")
            + (f'<p class="card-note">{escape(card.note)}</p>' if card.note else "")
            + "</li>"
        )

    def _text(self, item: Sayable) -> str:
        return escape(self.words.say(item))

    def _word(self, id_: str) -> str:
        return escape(self.words.word(id_))

    def _put(self, kind: str, html: str, *, id_: str) -> None:
        self._emit({"text/html": html}, {MARK: {"kind": kind, "id": id_}})


def open_notebook(config: str | Path, *, quarter: str = "latest", lang: str = "zh") -> "tuple[Workspace, Show]":
    """Open the workspace of a notebook, and what shows its results.

    Parameters
    ----------
    config
        Settings file of the company.
    quarter
        ``2025Q3``, ``FY26Q1`` or ``latest``.
    lang
        ``zh`` or ``en``.
    """
    from crm_analysis.opening import open_workspace

    workspace = open_workspace(config, quarter=quarter, lang=lang)
    show = Show(workspace.words)
    show.style()
    return workspace, show


def _display(data: dict[str, Any], metadata: dict[str, Any]) -> None:
    from IPython.display import display

    display(data, raw=True, metadata=metadata)


def _checked_id(id_: str | None, kind: str) -> str:
    if id_ is None or not _ID.match(id_):
        fix = f"give id=, small letters, digits, hyphens, such as 'segment-{kind}'"
        raise AnalysisError(Problem(f"id is {id_!r}", f"show() of a {kind}", fix))
    return id_


def _id_of(item: Any) -> str:
    return item.id if isinstance(item, Message) else str(item)
