"""Pages people open: a report of one quarter and language in a single file, and the index of all quarters.

A page loads nothing: style, fonts and figures are inside, and its policy forbids everything else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from nbformat import NotebookNode

from crm_analysis.base.errors import Problem
from crm_analysis.base.words import Words
from crm_analysis.reporting.chapters import ExportError, read_chapters
from crm_analysis.reporting.fonts import font_faces
from crm_analysis.reporting.sheets import page_sheet
from crm_analysis.reporting.tables import render_table

HTML_LANGUAGES = {"zh": "zh-CN", "en": "en"}
_FONTS_HERE = "/*fonts*/"


@dataclass(frozen=True)
class ReportFacts:
    """What a report says beside its chapters.

    Attributes
    ----------
    words
        Language, names and currency.
    company
        Its name in that language.
    quarter
        ``2025Q3`` or ``FY26Q1``.
    last_day
        ISO date up to which data are used, included.
    definitions
        ``(term, definition)`` pairs, in the order of reading.
    freshness
        One row per table of the company: newest date, rows, status; columns as for any table.
    is_partial
        Only some chapters were asked for.
    warning
        What has to be known before anything is read, such as a quarter that the data cover in part.
    """

    words: Words
    company: str
    quarter: str
    last_day: str
    definitions: Sequence[tuple[str, str]] = ()
    freshness: pd.DataFrame | None = None
    is_partial: bool = False
    warning: str = ""


def render_report(notebooks: Sequence[NotebookNode], *, words: Words, facts: ReportFacts) -> str:
    """Return the report of one language as a page: executed notebooks -> HTML.

    Parameters
    ----------
    notebooks
        Executed in this language, summary first.

    Raises
    ------
    ExportError
        A notebook holds what a report may not show, or the page has double ids or outside addresses.
    """
    template = _environment().get_template("report.html.j2")
    page = template.render(
        html_lang=HTML_LANGUAGES[words.lang],
        fonts_here=Markup(_FONTS_HERE),
        sheet=Markup(page_sheet()),
        title=words.word("report.title"),
        quarter=words.format_quarter(facts.quarter),
        as_of=words.say("report.as_of", date=facts.last_day),
        facts=facts,
        chapters=read_chapters(notebooks, lang=words.lang),
        freshness=_freshness(facts.freshness, words=words),
        word=words.word,
    )
    check_page(page)
    return _with_fonts(page)


def render_index(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the page that lists all reports, in both languages.

    Parameters
    ----------
    entries
        Manifests, newest first, each with its ``folder``; links are relative to the folder above.
    """
    zh, en = Words("zh"), Words("en")
    page = (
        _environment()
        .get_template("index.html.j2")
        .render(
            html_lang="zh-CN",
            fonts_here=Markup(_FONTS_HERE),
            sheet=Markup(page_sheet()),
            company=entries[0]["company"] if entries else {},
            entries=[_entry(manifest, zh=zh, en=en) for manifest in entries],
            zh=zh.word,
            en=en.word,
        )
    )
    check_page(page)
    return _with_fonts(page)


def check_page(html: str) -> None:
    """Refuse a page with double ids, dead inner links, scripts or outside addresses.

    Raises
    ------
    ExportError
        All that was found.
    """
    parser = _Page()
    parser.feed(html)
    parser.close()
    seen: set[str] = set()
    double = {id_ for id_ in parser.ids if id_ in seen or seen.add(id_)}  # type: ignore[func-returns-value]
    problems = [
        Problem(f"id {id_!r} stands twice", "page", "give each show(..., id=) its own") for id_ in sorted(double)
    ]
    problems += [
        Problem(f"link to absent {target!r}", "page", "link to an id of the page")
        for target in sorted(set(parser.targets) - seen)
    ]
    problems += [
        Problem(f"outside address {address!r}", "page", "a report loads and links nothing outside")
        for address in sorted(set(parser.outside))
    ]
    problems += [Problem(f"<{tag}>", "page", "a report runs nothing") for tag in sorted(set(parser.active))]
    if problems:
        raise ExportError(problems)


class _Page(HTMLParser):
    """Collects ids, inner links, outside addresses and active elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.outside: list[str] = []
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "iframe", "object", "embed", "form", "base"}:
            self.active.append(tag)
        for name, value in attrs:
            text = value or ""
            if name == "id":
                self.ids.append(text)
            elif name in {"href", "src", "xlink:href", "action", "srcset"}:
                if text.startswith("#"):
                    self.targets.append(text[1:])
                elif re.match(r"(?:[a-zA-Z][a-zA-Z0-9+.-]*:|//)", text) and not text.startswith("data:"):
                    self.outside.append(text)
            elif name.startswith("on"):
                self.active.append(f"{tag} {name}")
            elif name.startswith("xmlns") or re.search(r"url\(\s*['\"]?(?:https?:)?//", text):
                self.outside.append(text)


def _freshness(table: pd.DataFrame | None, *, words: Words) -> Markup:
    """Return the table of data freshness, or nothing."""
    if table is None or table.empty:
        return Markup()
    return Markup(render_table(table, words=words, id_="freshness-table", labelled_by="freshness"))


def _with_fonts(page: str) -> str:
    return page.replace(_FONTS_HERE, font_faces(page), 1)


def _entry(manifest: Mapping[str, Any], *, zh: Words, en: Words) -> dict[str, Any]:
    folder = quote(str(manifest["folder"]))
    names = {"report.zh.html": ("index.report_zh", "zh-CN"), "report.en.html": ("index.report_en", "en")}
    links = []
    for name in manifest["files"]:
        id_, lang = names.get(name, ("index.workbook", ""))
        words = en if lang == "en" else zh
        links.append({"href": f"{folder}/{quote(name)}", "text": words.word(id_), "lang": lang})
    return {
        "zh": zh.format_quarter(manifest["quarter"]),
        "en": en.format_quarter(manifest["quarter"]),
        "links": links,
        "is_partial": bool(manifest.get("is_partial")),
        "is_complete": bool(manifest.get("is_complete", True)),
    }


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("crm_analysis.reporting"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined, keep_trailing_newline=True,
    )  # fmt: skip
