"""Tokens and figure theme: contrasts, colours told apart by colour-blind readers, no global state."""

import itertools
import xml.etree.ElementTree as ET
from io import StringIO

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from crm_analysis.base import style, tokens
from crm_analysis.base.errors import AnalysisError

TEN = ("champions", "loyal_customers", "potential_loyalists", "new_customers", "promising", "need_attention",
       "about_to_sleep", "at_risk", "cant_lose_them", "lost", "others")  # fmt: skip
KINDS = ("value", "development", "retention", "winback")
EIGHT = tuple(f"{rank}_{kind}" for rank in ("important", "general") for kind in KINDS)
STAGES = ("new", "growing", "mature", "declining", "dormant", "lost", "prospect")

# Machado, Oliveira, Fernandes (2009), full severity, on linear RGB
VISION = {
    "usual": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def linear(color: str) -> np.ndarray:
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    to_cone = np.array(
        [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]
    )  # fmt: skip
    to_lab = np.array(
        [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]]
    )  # fmt: skip
    return to_lab @ np.cbrt(to_cone @ np.clip(rgb, 0, 1))


@pytest.mark.parametrize("scheme", [tokens.LIGHT, tokens.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("text", ["ink", "soft", "accent", *tokens.SEMANTIC])
def test_text_reaches_contrast_on_every_ground_it_stands_on(scheme, text):
    grounds = ["paper", "surface", "accent-soft", "neutral-soft"]
    if text in tokens.SEMANTIC:
        grounds = ["paper", "surface", f"{text}-soft"]
    assert min(tokens.contrast(scheme[text], scheme[ground]) for ground in grounds) >= 4.5


@pytest.mark.parametrize("text", ["ink", "soft"])
def test_figure_text_reaches_contrast_on_the_light_card_of_both_schemes(text):
    cards = [tokens.LIGHT["card"], tokens.DARK["card"]]
    assert min(tokens.contrast(tokens.LIGHT[text], card) for card in cards) >= 4.5


def test_status_badges_keep_contrast_between_symbol_and_disc():
    for scheme in (tokens.LIGHT, tokens.DARK):
        for role in tokens.SEMANTIC:
            assert tokens.contrast(scheme[role], scheme["surface"]) >= 4.5


def test_contrast_of_known_pairs():
    assert tokens.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert tokens.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert tokens.contrast("#123456", "#123456") == 1


def test_each_status_differs_by_symbol_or_word_not_by_colour_alone():
    symbols = {tokens.STATUS[slug].symbol for slug in ("good", "watch", "bad", "neutral", "unknown")}
    assert len(symbols) == 5
    assert {mark.color for mark in tokens.STATUS.values()} == set(tokens.SEMANTIC)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("slugs", [TEN, EIGHT, STAGES], ids=["ten", "eight", "stages"])
def test_segments_are_told_apart(slugs, vision):
    seen = {slug: oklab(VISION[vision] @ linear(tokens.SEGMENTS[slug])) for slug in slugs}
    pairs = itertools.combinations(slugs, 2)
    nearest = min((float(np.linalg.norm(seen[a] - seen[b])), a, b) for a, b in pairs)
    assert nearest[0] > 0.09, nearest


@pytest.mark.parametrize("vision", VISION)
def test_categorical_colours_are_told_apart(vision):
    seen = [oklab(VISION[vision] @ linear(color)) for color in tokens.CATEGORICAL]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.09


@given(st.text(max_size=20))
def test_unknown_slugs_have_a_stable_colour(slug):
    color = style.segment_color(slug)
    assert color == style.segment_color(slug)
    assert color in {*tokens.CATEGORICAL, *tokens.SEGMENTS.values()}


def test_unknown_slug_has_the_colour_it_always_had():
    assert style.segment_color("vip") == tokens.CATEGORICAL[3]
    assert {style.segment_color(f"tier_{i}") for i in range(60)} == set(tokens.CATEGORICAL)


@given(st.integers(0, 0xFFFFFF))
def test_ink_is_readable_on_any_colour(number):
    color = f"#{number:06x}"
    assert tokens.contrast(tokens.ink_on(color), color) >= 3.9


def test_css_variables_hold_every_token_of_both_schemes():
    css = tokens.css_variables()
    light, dark = css.split("@media screen and (prefers-color-scheme: dark)")
    for name in tokens.LIGHT:
        assert f"--{name}: {tokens.LIGHT[name]};" in light
        assert f"--{name}: {tokens.DARK[name]};" in dark
    assert "--type-h1: 2.75rem;" in light
    assert tokens.LIGHT.keys() == tokens.DARK.keys()


def test_new_figure_changes_no_setting_and_uses_no_pyplot():
    before = dict(mpl.rcParams)
    figure, ax = style.new_figure(height=2, width=5)
    ax.barh(["一", "二"], [1, 2])
    style.label_bars(ax, ["1", "2"])
    style.finish(figure)
    assert dict(mpl.rcParams) == before
    assert isinstance(figure, Figure)
    assert tuple(figure.get_size_inches()) == (5, 2)
    assert figure.canvas.manager is None


def test_new_figure_gives_an_array_of_axes():
    _, axes = style.new_figure(rows=2, cols=3)
    assert axes.shape == (2, 3)


@pytest.mark.parametrize("weight", ["Regular", "Medium", "Bold"])
def test_each_weight_has_its_own_file(weight):
    assert style.font_path(weight).name == f"NotoSansCJKsc-{weight}.otf"
    style.register_fonts()
    asked = mpl.font_manager.FontProperties(family=tokens.FONT_FAMILY, weight=weight.lower())
    assert mpl.font_manager.findfont(asked) == str(style.font_path(weight))


def test_absent_weight_is_named():
    with pytest.raises(AnalysisError, match=r"no font NotoSansCJKsc-Wide\.otf"):
        style.font_path("Wide")


def test_text_drawn_outside_the_theme_gets_the_font_and_keeps_its_dollars():
    figure, ax = style.new_figure()
    ax.set_title("价格 $5 到 $9")
    ax.set_xlabel("次数")
    ax.bar([0, 1], [1, 2], label="客户")
    ax.legend()
    style.finish(figure)
    buffer = StringIO()
    with style.drawing():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    elements = [element for element in ET.fromstring(buffer.getvalue()).iter() if "}text" in element.tag]
    texts = {"".join(element.itertext()): element.get("style") for element in elements}
    assert "价格 $5 到 $9" in texts
    assert "次数" in texts
    assert all(tokens.FONT_FAMILY in css for css in texts.values())
    assert not ax.get_legend().get_frame_on()


def test_bar_labels_stand_at_the_ends_of_lying_bars():
    _, ax = style.new_figure()
    ax.barh(["a", "b"], [3, -2])
    style.label_bars(ax, ["three", "minus two"])
    labels = [(text.get_text(), text.xy[0], text.get_ha()) for text in ax.texts]
    assert labels == [("three", 3, "left"), ("minus two", -2, "right")]


def test_bar_labels_stand_on_top_of_standing_bars():
    _, ax = style.new_figure()
    ax.bar(["a", "b"], [3, 4])
    style.label_bars(ax, ["3", "4"])
    assert [(t.xy[1], t.get_va()) for t in ax.texts] == [(3, "bottom"), (4, "bottom")]


@pytest.mark.parametrize("lengths", [[3.0], [2.0, 2.0], [1.0, 2.0, 5.0]])
@pytest.mark.parametrize("lying", [True, False])
def test_labels_of_seaborn_bars_follow_their_direction(lying, lengths):
    _, ax = style.new_figure()
    names = [f"n{i}" for i in range(len(lengths))]
    table = pd.DataFrame({"length": lengths, "name": names})
    x, y = ("length", "name") if lying else ("name", "length")
    sns.barplot(table, x=x, y=y, hue="name", ax=ax, saturation=1, legend=False)
    style.label_bars(ax, names)
    assert [text.xy[0 if lying else 1] for text in ax.texts] == lengths


def test_bar_labels_must_fit_the_bars():
    _, ax = style.new_figure()
    ax.bar(["a", "b"], [3, 4])
    with pytest.raises(ValueError, match="1 entries for 2 bars"):
        style.label_bars(ax, ["3"])


def test_tidy_keeps_the_grid_only_where_asked():
    _, ax = style.new_figure()
    style.tidy(ax, grid="x")
    assert all(line.get_visible() for line in ax.get_xgridlines())
    assert not any(line.get_visible() for line in ax.get_ygridlines())
    assert not any(spine.get_visible() for spine in ax.spines.values())


def test_colour_maps_begin_and_end_at_their_tokens():
    for colors, cmap in (
        (tokens.SEQUENTIAL, style.sequential_map()),
        (tokens.DIVERGING, style.diverging_map()),
    ):
        assert mpl.colors.to_hex(cmap(0.0)) == colors[0]
        assert mpl.colors.to_hex(cmap(1.0)) == colors[-1]


def test_note_figure_holds_its_sentence():
    figure = style.note_figure("数据不足")
    assert [text.get_text() for text in figure.axes[0].texts] == ["数据不足"]
