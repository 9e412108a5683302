"""Fonts inside the page: the packaged Noto Sans CJK SC, cut down to the characters that a document draws.

So Chinese looks the same on a machine without Chinese fonts, and the text of figures keeps the width it was set with.
"""

import base64
from collections.abc import Set
from functools import lru_cache
from html.parser import HTMLParser
from io import BytesIO

from crm_analysis.base.style import font_path
from crm_analysis.base.tokens import FONT_FAMILY

#: What is set in bold: the style sheet takes its weights from here, and so does the choice of characters.
BOLD_TAGS = ("h1", "h2", "h3", "h4", "strong", "b", "th")
BOLD_CLASSES = ("finding", "card-value", "quarter", "mark", "name", "term")

#: Drawn by the style sheet or by the browser itself: list marks, page numbers, the ellipsis of cut text.
ALWAYS = frozenset("0123456789•◦–…- ")
_VOID = frozenset({"br", "hr", "img", "meta", "link", "input", "wbr", "col"})
_UNSEEN = frozenset({"head", "style", "script", "template"})


class _Characters(HTMLParser):
    """Collects the characters drawn in each weight."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.regular: set[str] = set()
        self.bold: set[str] = set()
        self._open: list[tuple[str, bool]] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        self._unseen += tag in _UNSEEN
        given = dict(attrs)
        classes = (given.get("class") or "").split()
        style = given.get("style") or ""
        heavy = tag in BOLD_TAGS or any(name in BOLD_CLASSES for name in classes) or "font-weight: 700" in style
        self._open.append((tag, heavy or bool(self._open and self._open[-1][1])))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            name, _ = self._open.pop()
            self._unseen -= name in _UNSEEN
            if name == tag:
                return

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Skip elements without content, as SVG writes them."""

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            (self.bold if self._open and self._open[-1][1] else self.regular).update(data)


def drawn_characters(html: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the characters that a page draws in regular and in bold."""
    parser = _Characters()
    parser.feed(html)
    parser.close()
    return frozenset(parser.regular | ALWAYS), frozenset(parser.bold)


def font_faces(html: str) -> str:
    """Return ``@font-face`` rules with the fonts of a page embedded; same page, same bytes."""
    regular, bold = drawn_characters(html)
    rules = [(400, "Regular", regular), (700, "Bold", bold)]
    return "".join(_face(weight, name, characters) for weight, name, characters in rules if characters)


def _face(weight: int, name: str, characters: Set[str]) -> str:
    data = base64.b64encode(subset_font(frozenset(characters), weight=name)).decode("ascii")
    source = f"url(data:font/woff2;base64,{data}) format('woff2')"
    return f"@font-face {{ font-family: '{FONT_FAMILY}'; font-weight: {weight}; font-style: normal; src: {source}; }}\n"


@lru_cache(maxsize=16)
def subset_font(characters: frozenset[str], *, weight: str) -> bytes:
    """Return a font with the given characters only, as WOFF2.

    Characters that the font lacks are left to the fonts of the reader's machine. Hints, subroutines and all layout
    features but kerning and the trimming of Chinese punctuation are dropped: screens and printers of today do without
    them, and cutting is twice as fast.
    """
    from fontTools import subset
    from fontTools.ttLib import TTFont

    options = subset.Options()
    options.hinting = False
    options.desubroutinize = True
    options.layout_features = ["kern", "halt", "chws"]
    options.name_IDs = [1, 2]
    options.notdef_outline = True
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "GDEF", "GSUB"]
    font = TTFont(font_path(weight), lazy=True, recalcBBoxes=False, recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=sorted(ord(character) for character in characters))
    subsetter.subset(font)
    font.flavor = "woff2"
    buffer = BytesIO()
    font.save(buffer)
    return buffer.getvalue()
