"""Fonts in the page: which characters each weight draws, and subsets that hold exactly those."""

import base64
import re
from io import BytesIO

import pytest
from fontTools.ttLib import TTFont

from crm_analysis.reporting.fonts import ALWAYS, drawn_characters, font_faces, subset_font


def covered(data: bytes) -> set[str]:
    return {chr(code) for code in TTFont(BytesIO(data)).getBestCmap()}


def embedded(css: str) -> dict[int, set[str]]:
    found = re.findall(r"font-weight: (\d+);.*?base64,([^)]+)\)", css)
    return {int(weight): covered(base64.b64decode(data)) for weight, data in found}


@pytest.mark.parametrize(
    ("html", "regular", "bold"),
    [
        ("<p>甲&amp;</p>", "甲&", ""),
        ("<h2>甲<span>乙</span></h2>丙", "丙", "甲乙"),
        ('<p class="note finding x">甲</p><p class="note">乙</p>', "乙", "甲"),
        ("<p>甲<br>乙<strong>丙</strong>丁</p>", "甲乙丁", "丙"),
        ('<svg><text style="font-weight: 700; fill: red">甲</text><path d="M0"/><text>乙</text></svg>', "乙", "甲"),
        ("<head><title>甲</title></head><style>乙</style><body>丙</body>", "丙", ""),
        ('<p title="甲">乙</p>', "乙", ""),
        ("<table><tr><th>甲<td>乙</td></tr></table>丙", "丙", "甲乙"),
    ],
)
def test_characters_by_weight(html, regular, bold):
    found_regular, found_bold = drawn_characters(html)
    assert found_regular - ALWAYS == set(regular)
    assert found_bold == set(bold)


def test_page_embeds_exactly_the_characters_of_each_weight():
    fonts = embedded(font_faces("<h1>客户</h1><p>分层 R&amp;D + 5</p>"))
    assert fonts[700] == set("客户")
    assert fonts[400] == set("分层R&D+5 ") | ALWAYS


def test_page_without_bold_text_embeds_one_font():
    assert list(embedded(font_faces("<p>客户</p>"))) == [400]


def test_subset_keeps_shapes_and_widths():
    subset = TTFont(BytesIO(subset_font(frozenset("永3"), weight="Regular")))
    assert {subset["hmtx"][name][0] for name in subset.getBestCmap().values()} == {1000, 555}
    assert len(subset.getGlyphOrder()) == 3  # and the sign for what is missing


def test_subset_is_the_same_every_time():
    characters = frozenset("季度报告2025")
    first = subset_font(characters, weight="Bold")
    subset_font.cache_clear()
    assert subset_font(characters, weight="Bold") == first


def test_characters_the_font_lacks_are_left_out():
    assert covered(subset_font(frozenset("好🙂"), weight="Regular")) == {"好"}
