"""Notebooks to pages: what is kept, what fails the export, ids, addresses, same input same bytes."""

import re
from html.parser import HTMLParser

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from crm_analysis.base.words import Words
from crm_analysis.reporting.chapters import ExportError, read_chapters
from crm_analysis.reporting.html import ReportFacts, check_page, render_index, render_report
from crm_analysis.reporting.show import MARK


def markdown(text: str, *tags: str) -> nbformat.NotebookNode:
    return new_markdown_cell(text, metadata={"tags": list(tags)} if tags else {})


def shown(html: str, kind: str = "finding") -> nbformat.NotebookNode:
    output = new_output("display_data", data={"text/html": html}, metadata={MARK: {"kind": kind, "id": "x"}})
    return new_code_cell("show(x)", outputs=[output])


def book(*cells: nbformat.NotebookNode, name: str = "2_segmentation") -> nbformat.NotebookNode:
    return new_notebook(cells=list(cells), metadata={MARK: {"name": name}})


TITLES = (markdown("# 客户分层\n\n给销售。", "lang-zh"), markdown("# Segments\n\nFor sales.", "lang-en"))


def facts(lang: str = "en", **more) -> ReportFacts:
    return ReportFacts(words=Words(lang), company="A & <B>", quarter="2025Q3", last_day="2025-09-30", **more)


def render(*notebooks: nbformat.NotebookNode, lang: str = "en", **more) -> str:
    return render_report(notebooks, words=Words(lang), facts=facts(lang, **more))


class Outline(HTMLParser):
    """Headings ``(level, id, text)`` of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[tuple[int, str, str]] = []
        self._text: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if re.fullmatch(r"h[1-6]", tag):
            self._text = []
            self.headings.append((int(tag[1]), dict(attrs).get("id", ""), ""))

    def handle_data(self, data):
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag):
        if re.fullmatch(r"h[1-6]", tag) and self._text is not None:
            level, id_, _ = self.headings[-1]
            self.headings[-1] = (level, id_, "".join(self._text))
            self._text = None


def test_a_quarter_that_is_not_complete_is_told_before_anything_else():
    page = render(book(*TITLES), warning="Careful: <41> days are missing.")
    told = '<p class="partial" role="note">Careful: &lt;41&gt; days are missing.</p>'
    assert page.index(told) < page.index('<main id="main">')
    assert 'role="note"' not in render(book(*TITLES))


# -- chapters ----------------------------------------------------------------------------------------------------------


def test_a_chapter_keeps_one_language_and_marked_outputs():
    notebook = book(
        *TITLES,
        new_code_cell("secret = 1"),
        markdown("## 规模", "lang-zh"),
        markdown("## Sizes\n\nWhy *it* matters.", "lang-en"),
        shown("<p>one</p>"),
        shown("<style>x</style>", kind="style"),
        markdown("### Detail", "lang-en"),
    )
    chapter = read_chapters([notebook], lang="en")[0]
    assert (chapter.slug, chapter.number, chapter.title) == ("segmentation", "2", "Segments")
    assert [str(block).strip() for block in chapter.preface] == ["<p>For sales.</p>"]
    assert [(section.id, section.title) for section in chapter.sections] == [("segmentation-1", "Sizes")]
    blocks = [str(block).strip() for block in chapter.sections[0].blocks]
    assert blocks == ["<p>Why <em>it</em> matters.</p>", "<p>one</p>", "<h4>Detail</h4>"]
    assert read_chapters([notebook], lang="zh")[0].title == "客户分层"


def test_the_summary_has_no_number():
    assert read_chapters([book(*TITLES, name="0_summary")], lang="en")[0].number == ""


def test_the_name_comes_from_papermill_else_from_the_place():
    cells = list(TITLES)
    paper = new_notebook(cells=cells, metadata={"papermill": {"input_path": "/a/b/4_churn.ipynb"}})
    bare = new_notebook(cells=cells)
    assert [chapter.slug for chapter in read_chapters([paper, bare], lang="en")] == ["churn", "chapter-1"]


def test_html_in_markdown_is_text():
    chapter = read_chapters([book(markdown("# A <b>x</b>\n\n<script>1</script>", "lang-en"))], lang="en")[0]
    assert chapter.title == "A &lt;b&gt;x&lt;/b&gt;"
    assert "<script>" not in str(chapter.preface)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (markdown("loose words"), "markdown without a language: 'loose words'"),
        (new_raw_cell("raw"), "a raw cell"),
        (new_code_cell("print(1)", outputs=[new_output("stream", name="stdout", text="1\n")]), "text on stdout: '1'"),
        (
            new_code_cell("warn()", outputs=[new_output("stream", name="stderr", text="UserWarning: x" * 20)]),
            "text on stderr: 'UserWarning",
        ),
        (
            new_code_cell("df", outputs=[new_output("execute_result", data={"text/plain": "   n\n0  1"})]),
            "output that show() did not make: 'n 0 1'",
        ),
        (
            new_code_cell("df", outputs=[new_output("display_data", data={"image/png": "AAAA"})]),
            "output that show() did not make: 'image/png'",
        ),
        (
            new_code_cell("x", outputs=[new_output("error", ename="KeyError", evalue="'n'", traceback=[])]),
            "KeyError: 'n'",
        ),
        (shown("<p>x</p>", kind="magic"), "an output of unknown kind 'magic'"),
        (
            new_code_cell("x", outputs=[new_output("display_data", data={"text/html": "x", "text/plain": "y"},
                                                   metadata={MARK: {"kind": "note", "id": "x"}})]),
            "an output of unknown kind 'note'",
        ),
    ],
)  # fmt: skip
def test_anything_else_fails_and_names_notebook_and_cell(cell, found):
    with pytest.raises(ExportError, match=r"notebook 2_segmentation, cell 2: ") as caught:
        read_chapters([book(*TITLES, cell)], lang="en")
    assert found in str(caught.value)


def test_all_faults_of_all_notebooks_are_told():
    bad = new_output("stream", name="stdout", text="x")
    notebooks = [book(*TITLES, new_code_cell("", outputs=[bad, bad])), book(markdown("text", "lang-en"), name="3_b")]
    with pytest.raises(ExportError, match="notebook 3_b: no title in en") as caught:
        read_chapters(notebooks, lang="en")
    assert len(caught.value.problems) == 3


# -- the page ----------------------------------------------------------------------------------------------------------


def test_page_has_head_contents_and_ordered_headings():
    notebook = book(*TITLES, markdown("## Sizes & <more>", "lang-en"), shown("<p>one</p>"))
    html = render(notebook, definitions=[("Rate <x>", "a & b")])
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "<title>Quarterly customer relationship report · 2025 Q3 · A &amp; &lt;B&gt;</title>" in html
    assert "default-src 'none'; style-src 'unsafe-inline'; font-src data:; img-src data:" in html
    assert "Data up to Sep 30, 2025" in html
    assert '<a href="#segmentation-1">Sizes &amp; &lt;more&gt;</a>' in html
    assert Outline(html).headings == [
        (1, "", "Quarterly customer relationship report"),
        (2, "contents", "Contents"),
        (2, "segmentation", "2Segments"),
        (3, "segmentation-1", "Sizes & <more>"),
        (2, "definitions", "Definitions"),
    ]
    assert '<dt class="term">Rate &lt;x&gt;</dt><dd>a &amp; b</dd>' in html


def test_page_in_chinese():
    html = render(book(*TITLES), lang="zh")
    assert '<html lang="zh-CN">' in html
    assert "2025年第三季度" in html
    assert "Segments" not in html


def test_page_shows_freshness_and_partial_reports():
    table = pd.DataFrame({"segment": ["A"], "n": [3]})
    words = Words("en", names={"segment.A": {"zh": "甲", "en": "The table"}})
    page = ReportFacts(
        words=words, company="A", quarter="2025Q3", last_day="2025-09-30", freshness=table, is_partial=True
    )
    html = render_report([book(*TITLES)], words=words, facts=page)
    assert "The table</td>" in html
    assert '<a href="#freshness">' in html
    assert "This report holds only some of the chapters." in html
    plain = render(book(*TITLES))
    assert "freshness" not in plain.split("</style>")[1]
    assert "only some of the chapters" not in plain


def test_page_loads_nothing_and_repeats_byte_for_byte():
    notebook = book(*TITLES, shown("<p>one</p>"))
    html = render(notebook)
    assert not re.search(r"https?:|<script|<link|@import", html)
    assert all(url.startswith("data:font/woff2;base64,") for url in re.findall(r"url\(([^)]*)\)", html))
    assert html == render(notebook)


def test_double_ids_and_dead_links_fail():
    notebook = book(*TITLES, shown('<p id="a">1</p>'), shown('<p id="a">2</p>'), shown('<a href="#gone">3</a>'))
    with pytest.raises(ExportError, match="id 'a' stands twice") as caught:
        render(notebook)
    assert "link to absent 'gone'" in str(caught.value)


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://x.org">x</a>',
        '<a href="mailto:x@y">x</a>',
        '<img src="//x.org/a.png">',
        '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
        '<p style="background: url(https://x.org)">x</p>',
    ],
)
def test_outside_addresses_fail(html):
    with pytest.raises(ExportError, match="outside address"):
        check_page(html)


@pytest.mark.parametrize("html", ["<script>1</script>", "<iframe></iframe>", '<p onclick="x()">x</p>', "<form></form>"])
def test_active_elements_fail(html):
    with pytest.raises(ExportError, match="a report runs nothing"):
        check_page(html)


def test_inner_links_data_images_and_relative_files_pass():
    check_page(
        '<p id="a">https://x.org</p><a href="#a">x</a><img src="data:image/png;base64,AA"><a href="2025Q3/x.html">'
    )


# -- the index ---------------------------------------------------------------------------------------------------------


def manifest(quarter: str, **more) -> dict:
    files = ["report.zh.html", "report.en.html", "workbook.xlsx"]
    company = {"zh": "示例<公司>", "en": "Sample"}
    return {"quarter": quarter, "folder": quarter, "files": files, "company": company, "is_partial": False} | more


def test_index_lists_reports_in_both_languages_in_the_given_order():
    html = render_index([manifest("2025Q3"), manifest("2025Q2", is_partial=True, folder="2025Q2.partial")])
    links = re.findall(r'<a href="([^"]+)"', html)
    assert links[:3] == ["2025Q3/report.zh.html", "2025Q3/report.en.html", "2025Q3/workbook.xlsx"]
    assert links[3] == "2025Q2.partial/report.zh.html"
    assert html.index("2025年第三季度") < html.index("2025年第二季度")
    assert "2025 Q3" in html
    assert "示例&lt;公司&gt;" in html
    assert html.count('class="partial"') == 1


def test_index_links_only_what_there_is():
    html = render_index([manifest("2025Q3", files=["report.zh.html"], folder="a b#c")])
    assert re.findall(r'<a href="([^"]+)"', html) == ["a%20b%23c/report.zh.html"]


def test_empty_index_says_so():
    assert "目前还没有报告。" in render_index([])


def test_the_index_marks_quarters_that_are_not_complete():
    words = Words("en").word("coverage.index")
    assert words not in render_index([manifest("2025Q3"), manifest("2025Q2", is_complete=True)])
    assert render_index([manifest("2025Q3"), manifest("2025Q4", is_complete=False)]).count(words) == 1
