"""Executed notebooks as chapters: markdown of one language and what ``show`` put out (REQUIREMENTS X5)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from markupsafe import Markup
from nbformat import NotebookNode

from crm_analysis.base.errors import AnalysisError, Problem
from crm_analysis.base.words import LANGUAGES
from crm_analysis.reporting.show import KINDS, MARK

_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
_SHOWN = 80


class ExportError(AnalysisError):
    """An executed notebook that holds something a report may not show."""

    title = "The report cannot be made"


@dataclass
class Section:
    """A question of a chapter: title and blocks of HTML."""

    id: str
    title: Markup
    blocks: list[Markup] = field(default_factory=list)


@dataclass
class Chapter:
    """A notebook as a part of the report; ``number`` is empty for the summary."""

    slug: str
    number: str
    title: Markup = field(default_factory=Markup)
    preface: list[Markup] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    @property
    def here(self) -> list[Markup]:
        """Blocks of the last section, or of the preface."""
        return self.sections[-1].blocks if self.sections else self.preface


def read_chapters(notebooks: Sequence[NotebookNode], *, lang: str) -> list[Chapter]:
    """Return executed notebooks as chapters of one language.

    Raises
    ------
    ExportError
        Markdown without a language, output that ``show`` did not make, or a notebook without a title; every finding
        names notebook and cell.
    """
    problems: list[Problem] = []
    chapters = [_read(notebook, place=i, lang=lang, problems=problems) for i, notebook in enumerate(notebooks)]
    if problems:
        raise ExportError(problems)
    return chapters


def notebook_name(notebook: NotebookNode, *, place: int) -> str:
    """Return the name of a notebook (``2_segmentation``) from its metadata, else from its place."""
    metadata = notebook.metadata
    own = metadata.get(MARK, {}).get("name")
    path = metadata.get("papermill", {}).get("input_path")
    return str(own or (PurePath(path).stem if path else f"{place}_chapter-{place}"))


def _read(notebook: NotebookNode, *, place: int, lang: str, problems: list[Problem]) -> Chapter:
    name = notebook_name(notebook, place=place)
    number, _, slug = name.partition("_")
    slug = re.sub(r"[^a-z0-9]+", "-", (slug or number).lower()).strip("-")
    chapter = Chapter(slug or f"chapter-{place}", number if number.isdigit() and int(number) else "")
    for index, cell in enumerate(notebook.cells):
        where = f"notebook {name}, cell {index}"
        if cell.cell_type == "markdown":
            tags = cell.metadata.get("tags", [])
            if not {f"lang-{known}" for known in LANGUAGES} & set(tags):
                fix = "tag the cell lang-zh or lang-en"
                problems.append(Problem(f"markdown without a language: {_start(cell.source)}", where, fix))
            elif f"lang-{lang}" in tags:
                _add_markdown(chapter, cell.source)
        elif cell.cell_type == "code":
            for output in cell.outputs:
                problem = _problem(output, where=where)
                if problem:
                    problems.append(problem)
                elif output.metadata[MARK]["kind"] != "style":
                    chapter.here.append(Markup(output.data["text/html"]))
        else:
            problems.append(Problem(f"a {cell.cell_type} cell", where, "use markdown or code"))
    if not chapter.title:
        fix = f"begin a markdown cell tagged lang-{lang} with '# title'"
        problems.append(Problem(f"no title in {lang}", f"notebook {name}", fix))
    return chapter


def _problem(output: NotebookNode, *, where: str) -> Problem | None:
    """Return why an output may not stand in a report, or None."""
    fix = "put it out through show(...)"
    kind = output.output_type
    if kind == "stream":
        fix = "take the print away, or mend what the warning is about"
        return Problem(f"text on {output.name}: {_start(output.text)}", where, fix)
    if kind == "error":
        return Problem(f"{output.ename}: {output.evalue}", where, "mend the error and run it again")
    mark = output.metadata.get(MARK)
    if kind != "display_data" or not isinstance(mark, dict):
        return Problem(f"output that show() did not make: {_start(_plain(output))}", where, fix)
    if mark.get("kind") not in KINDS or set(output.data) != {"text/html"}:
        return Problem(f"an output of unknown kind {mark.get('kind')!r}", where, fix)
    return None


def _plain(output: NotebookNode) -> str:
    data = output.get("data", {})
    return str(data.get("text/plain") or ", ".join(sorted(data)))


def _start(text: Any) -> str:
    line = " ".join(str(text).split())
    return repr(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}...")


def _add_markdown(chapter: Chapter, source: str) -> None:
    """Add a markdown cell: ``#`` is the chapter's title, ``##`` begins a section, ``###`` a heading inside it."""
    text: list[str] = []

    def flush() -> None:
        if "".join(text).strip():
            chapter.here.append(_html("\n".join(text)))
        text.clear()

    for line in source.splitlines():
        heading = _HEADING.match(line)
        if heading is None:
            text.append(line)
            continue
        flush()
        title = Markup(re.sub(r"^<p>|</p>$", "", _html(heading[2]).strip()))
        level = len(heading[1])
        if level == 1:
            chapter.title = title
        elif level == 2:
            chapter.sections.append(Section(f"{chapter.slug}-{len(chapter.sections) + 1}", title))
        else:
            chapter.here.append(Markup("<h4>{}</h4>").format(title))
    flush()


def _html(source: str) -> Markup:
    """Return markdown as HTML by nbconvert's renderer; HTML inside the markdown is shown as text."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    renderer = IPythonRenderer(escape=True, allow_harmful_protocols=False, exclude_anchor_links=True)
    return Markup(MarkdownWithMath(renderer=renderer).render(source))
