"""Reports as a reader's browser draws them: nothing fetched, nothing missing, nothing cut off, all of it labelled."""

import base64
import os
import re
import shutil
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

pytestmark = pytest.mark.browser

LANGUAGES = ("zh", "en")
WIDTHS = {"desktop": 1280, "phone": 390}
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip

#: ``[weight, character, where]`` of every character drawn, with the weight that the browser gives it.
DRAWN = """() => {
  const seen = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (['STYLE', 'SCRIPT', 'TITLE'].includes(parent.tagName.toUpperCase())) continue;
    const style = getComputedStyle(parent);
    if (style.display === 'none') continue;
    for (const character of walker.currentNode.data)
      seen.set(style.fontWeight + character, [Number(style.fontWeight), character, parent.tagName, style.fontFamily]);
  }
  return [...seen.values()];
}"""
UNLABELLED = """() => [...document.querySelectorAll('img, svg')]
  .filter(e => !(e.getAttribute('alt') || e.getAttribute('aria-label') || '').trim())
  .map(e => e.outerHTML.slice(0, 120))"""
IDS = "() => [...document.querySelectorAll('[id]')].map(e => e.id)"
HEADINGS = "() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(e => Number(e.tagName[1]))"
DEAD_LINKS = """() => [...document.querySelectorAll('a[href^="#"]')].map(e => e.getAttribute('href').slice(1))
  .filter(id => !document.getElementById(id))"""
#: Boxes that reach beyond the page and are not inside a box that scrolls by itself.
BEYOND = """() => [...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll, .skip'))
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.outerHTML.slice(0, 120))"""
UNREACHABLE = """() => [...document.querySelectorAll('.scroll')]
  .filter(e => e.scrollWidth > e.clientWidth && (e.tabIndex !== 0 || !e.getAttribute('role')))
  .map(e => e.outerHTML.slice(0, 120))"""


@pytest.fixture(params=["sample", "demo"], scope="session")
def reports(request):
    """Paths by language: the sample made by hand, and the demo's report."""
    if request.param == "sample":
        return request.getfixturevalue("sample_reports")
    rendered = request.getfixturevalue("rendered_reports")
    return {"zh": rendered.zh, "en": rendered.en}


@pytest.fixture(scope="session")
def browser(reports):
    """A Chromium of the system; without one the tests are skipped, or fail where CI is set.

    It starts after the reports are made, because kernels do not start while Playwright's event loop runs.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        reason = f"no browser: none of {', '.join(names)} is installed"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(params=LANGUAGES, scope="session")
def report(request, reports) -> Path:
    return reports[request.param]


@contextmanager
def opened(browser, report: Path, *, width: int):
    """The report opened offline; ``page.asked`` and ``page.said`` hold its requests and console messages."""
    context = browser.new_context(viewport={"width": width, "height": 844}, offline=True)
    page = context.new_page()
    page.asked, page.said = [], []
    page.on("request", lambda asked: page.asked.append(asked.url))
    page.on("console", lambda said: page.said.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: page.said.append(f"error: {error}"))
    page.goto(report.as_uri())
    page.evaluate("() => document.fonts.ready.then(() => true)")
    yield page
    context.close()


@pytest.fixture(params=WIDTHS, scope="session")
def page(request, browser, report):
    """A page that is only looked at, on a desktop and on a phone."""
    with opened(browser, report, width=WIDTHS[request.param]) as page:
        yield page


@pytest.fixture
def changing_page(browser, report):
    """A page of its own, for tests that press keys or change the medium."""
    with opened(browser, report, width=WIDTHS["desktop"]) as page:
        yield page


def fonts_of(html: str) -> dict[int, set[str]]:
    """Return the characters of the embedded fonts, by weight."""
    faces = re.findall(r"@font-face \{[^}]*font-weight: (\d+);[^}]*base64,([^)]+)\)", html)
    return {
        int(weight): {chr(code) for code in TTFont(BytesIO(base64.b64decode(data))).getBestCmap()}
        for weight, data in faces
    }


def test_nothing_is_fetched_and_nothing_complained(page, report):
    others = [url for url in page.asked if url != report.as_uri() and not url.startswith("data:")]
    assert others == []
    assert page.said == []


def test_every_character_is_in_the_embedded_font_of_its_weight(page, report):
    fonts = fonts_of(report.read_text("utf-8"))
    assert set(fonts) == {400, 700}
    drawn = [entry for entry in page.evaluate(DRAWN) if not entry[1].isspace()]
    assert len(drawn) > 100
    assert {entry[0] for entry in drawn} <= set(fonts)
    assert [entry for entry in drawn if entry[1] not in fonts[entry[0]]] == []
    assert [entry for entry in drawn if "Noto Sans CJK SC" not in entry[3].split(",")[0]] == []
    assert page.evaluate("() => [...document.fonts].map(font => font.status)") == ["loaded", "loaded"]


def test_every_picture_has_words(page):
    assert page.evaluate(UNLABELLED) == []
    assert page.evaluate("() => document.querySelectorAll('figure svg').length") > 0


def test_the_page_never_scrolls_sideways(page):
    assert page.evaluate(BEYOND) == []
    wide, seen = page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= seen


def test_boxes_that_scroll_are_reached_by_keyboard(page):
    assert page.evaluate(UNREACHABLE) == []


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = page.evaluate(IDS)
    assert sorted(ids) == sorted(set(ids))
    assert page.evaluate(DEAD_LINKS) == []
    assert page.evaluate("() => document.querySelectorAll('.contents a').length") > 1


def test_headings_are_in_order(page):
    levels = page.evaluate(HEADINGS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert [step for step in pairwise(levels) if step[1] > step[0] + 1] == []


def test_the_skip_link_is_the_first_stop(changing_page):
    changing_page.keyboard.press("Tab")
    assert changing_page.evaluate("() => document.activeElement.className") == "skip"
    changing_page.keyboard.press("Enter")
    changing_page.wait_for_function("() => location.hash === '#main'")  # the key is handled after the call returns


def test_dark_scheme_keeps_figures_on_a_light_card(changing_page):
    changing_page.emulate_media(color_scheme="dark")
    colors = changing_page.evaluate(
        """() => [document.documentElement, document.querySelector('.figure')]
            .map(e => getComputedStyle(e).backgroundColor.match(/[0-9]+/g).map(Number))"""
    )
    assert max(colors[0]) < 64
    assert min(colors[1]) > 200


def test_paper_is_light_and_nothing_is_cut_off(changing_page):
    changing_page.emulate_media(media="print", color_scheme="dark")
    changing_page.set_viewport_size({"width": 665, "height": 960})  # A4 within its margins, at 96 dpi
    ink = changing_page.evaluate("() => getComputedStyle(document.body).color.match(/[0-9]+/g).map(Number)")
    assert max(ink) < 64
    wide = changing_page.evaluate(
        "() => [...document.querySelectorAll('.gt_table, svg.plot')].map(e => [e.getBoundingClientRect().width, e.id])"
    )
    assert [entry for entry in wide if entry[0] > 665] == []
    assert changing_page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
