"""Figures as inline SVG, and the small lines of cards."""

import re
import xml.etree.ElementTree as ET

import pytest

from crm_analysis.base.style import new_figure
from crm_analysis.reporting.svg import render_figure, render_spark


def draw(label: str = "客户数"):
    figure, ax = new_figure(height=2)
    ax.plot([1, 2, 3], [2, 1, 3], marker="o", label=label)
    ax.set_title(label)
    return figure


def test_figure_is_one_element_without_prologue_address_or_style():
    svg = render_figure(draw(), id_="trend", label='up & "away" <b>')
    assert svg.startswith('<svg class="plot" role="img" aria-label="up &amp; &quot;away&quot; &lt;b&gt;" viewBox="0 0 ')
    assert svg.endswith("</svg>")
    for trace in ("http", "xmlns", "<!", "<?", "<style", "<metadata", "xlink"):
        assert trace not in svg
    ET.fromstring(svg)


@pytest.mark.parametrize(("width", "span"), [(7.2, "1"), (3.6, "0.5"), (9.0, "1")])
def test_a_narrow_figure_takes_its_share_of_the_column(width, span):
    figure, ax = new_figure(width=width, height=2)
    ax.plot([1, 2])
    assert f'style="--span: {span}">' in render_figure(figure, id_="narrow", label="x")


def test_text_stays_text_and_is_escaped():
    svg = render_figure(draw("<script>alert(1)</script> & 客户"), id_="trend", label="x")
    assert "<script" not in svg
    texts = ["".join(element.itertext()) for element in ET.fromstring(svg).iter("text")]
    assert "<script>alert(1)</script> & 客户" in texts


def test_ids_are_the_figures_own_and_all_references_lead_somewhere():
    svg = render_figure(draw(), id_="trend", label="x")
    ids = re.findall(r'id="([^"]+)"', svg)
    used = re.findall(r"url\(#([^)]+)\)", svg) + re.findall(r'href="#([^"]+)"', svg)
    assert used
    assert set(used) == set(ids)
    assert all(id_.startswith("trend-") for id_ in ids)
    assert len(ids) == len(set(ids))


def test_same_figure_same_bytes_other_id_other_ids():
    assert render_figure(draw(), id_="a", label="x") == render_figure(draw(), id_="a", label="x")
    one, other = (set(re.findall(r'id="([^"]+)"', render_figure(draw(), id_=id_, label="x"))) for id_ in ("a", "b"))
    assert not one & other


def test_a_character_the_font_lacks_does_not_warn(recwarn):
    render_figure(draw("🙂"), id_="smile", label="x")
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_spark_spans_its_box_and_marks_the_last_point():
    svg = render_spark([1.0, 3.0, 2.0], label="three quarters", width=96, height=24)
    assert 'd="M4.0 20.0L48.0 4.0L92.0 12.0"' in svg
    assert '<circle cx="92.0" cy="12.0"' in svg
    assert 'role="img" aria-label="three quarters"' in svg


def test_spark_keeps_gaps_and_flat_lines():
    assert 'd="M4.0 20.0M92.0 4.0"' in render_spark([1.0, None, 2.0], label="x")
    assert 'd="M4.0 12.0L92.0 12.0"' in render_spark([5.0, 5.0], label="x")


@pytest.mark.parametrize("values", [[], [1.0], [None, 2.0], [float("nan"), 1.0]])
def test_spark_needs_two_points(values):
    assert render_spark(values, label="x") == ""
