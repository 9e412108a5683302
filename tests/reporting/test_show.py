"""What ``show`` puts out: one marked block each, escaped, with what readers need."""

import pandas as pd
import pytest

from crm_analysis.base.errors import AnalysisError
from crm_analysis.base.privacy import DIRECT, OPEN
from crm_analysis.base.style import new_figure
from crm_analysis.base.words import Words, message
from crm_analysis.reporting.show import KINDS, MARK, Card, Show

NAMES = {
    "t.finding": {"zh": "{name} 占 {share:percent}", "en": "{name} is {share:percent}"},
    "t.plain": {"zh": "一句 <话>", "en": "a <sentence>"},
    "segment.champions": {"zh": "冠军客户", "en": "Champions"},
}


@pytest.fixture
def shown():
    """What was put out: ``(html, kind, id)`` per block."""
    return []


@pytest.fixture
def show(shown):
    def emit(data, metadata):
        assert set(data) == {"text/html"}
        shown.append((data["text/html"], metadata[MARK]["kind"], metadata[MARK]["id"]))

    return Show(Words("en", names=NAMES), emit=emit)


def test_a_message_is_a_finding(show, shown):
    show(message("t.finding", name="<b>", share=0.5))
    assert shown == [('<p class="finding">&lt;b&gt; is 50.0%</p>', "finding", "t.finding")]


def test_notes_and_missing_sections(show, shown):
    show.note("t.plain")
    show.missing(message("t.plain"))
    assert shown[0] == ('<p class="note">a &lt;sentence&gt;</p>', "note", "t.plain")
    assert shown[1] == (
        '<p class="missing"><strong>No data</strong>a &lt;sentence&gt;</p>', "missing", "t.plain",
    )  # fmt: skip


def test_a_table_has_caption_region_and_note(show, shown):
    show(pd.DataFrame({"segment": ["champions"], "n": [3]}), id="sizes", caption="t.plain", note="t.plain")
    html, kind, id_ = shown[0]
    assert (kind, id_) == ("table", "sizes")
    assert '<p class="caption" id="sizes-caption">a &lt;sentence&gt;</p>' in html
    assert '<div class="scroll" role="region" tabindex="0" aria-labelledby="sizes-caption"><table' in html
    assert html.endswith('<p class="note">a &lt;sentence&gt;</p></div>')


def test_a_table_takes_the_caption_that_is_named_after_it(shown):
    names = NAMES | {"caption.held_tiers": {"zh": "留存的层级", "en": "Tiers held"}}
    show = Show(Words("en", names=names), emit=lambda data, _: shown.append(data["text/html"]))
    table = pd.DataFrame({"n": [3]})
    show(table, id="held-tiers")
    show(table, id="held-tiers", caption="t.plain")
    show(table, id="sizes")
    assert '<p class="caption" id="held-tiers-caption">Tiers held</p>' in shown[0]
    assert "a &lt;sentence&gt;</p>" in shown[1]
    assert "caption" not in shown[2]


def test_an_empty_table_says_so(show, shown):
    show(pd.DataFrame({"n": []}), id="sizes")
    assert shown[0][1] == "missing"
    assert "There are no rows to show." in shown[0][0]


def test_a_schema_refuses_columns(show):
    with pytest.raises(AnalysisError, match="column 'n' identifies customers"):
        show(pd.DataFrame({"n": [1]}), id="t", schema={"n": DIRECT})
    show(pd.DataFrame({"n": [1]}), id="t", schema={"n": OPEN})


def test_a_figure_has_label_region_and_reading_aid(show, shown):
    figure, ax = new_figure(height=1)
    ax.barh(["a"], [1])
    show(figure, id="bars", alt=message("t.finding", name="A", share=1), aid="t.plain")
    html, kind, id_ = shown[0]
    assert (kind, id_) == ("figure", "bars")
    assert html.startswith('<figure class="figure" id="bars"><div class="scroll" role="region" tabindex="0" ')
    assert 'role="img" aria-label="A is 100.0%"' in html
    assert html.endswith("<figcaption>a &lt;sentence&gt;</figcaption></figure>")


def test_a_figure_without_words_is_refused(show):
    figure, _ = new_figure()
    with pytest.raises(AnalysisError, match="no text for readers who do not see it"):
        show(figure, id="bars")


@pytest.mark.parametrize("id_", [None, "Big", "1st", "a b", "a--b", 'x"onload='])
def test_ids_are_obligatory_and_plain(show, id_):
    with pytest.raises(AnalysisError, match="id is"):
        show(pd.DataFrame({"n": [1]}), id=id_)


def test_cards_hold_symbol_word_target_sample_and_line(show, shown):
    card = Card("Retention <1>", "82%", "watch", "≥ 85%", "+1 pp", 1234, (0.7, 0.8), "a note")
    show([card, Card("NPS", "—", "unknown")])
    html, kind, _ = shown[0]
    assert kind == "cards"
    assert html.count('<li class="card">') == 2
    for part in ("Retention &lt;1&gt;", "82%", "Watch", "≥ 85%", "+1 pp", "1,234", 'class="spark"', "a note"):
        assert part in html
    assert html.count('class="spark"') == 1
    assert html.count('class="card-facts"') == 1


def test_no_cards_is_told(show, shown):
    show([])
    assert shown[0][1] == "missing"


@pytest.mark.parametrize("item", ["text", 3, {"a": 1}, ["a"], None])
def test_other_things_are_refused(show, item):
    with pytest.raises(TypeError, match="show\\(\\) takes Message, DataFrame, Figure, list of Card"):
        show(item)


def test_style_is_marked_to_be_left_out(show, shown):
    show.style()
    html, kind, _ = shown[0]
    assert kind == "style"
    assert kind in KINDS
    assert "--accent:" in html
    assert "@page" not in html


def test_without_emit_the_notebook_displays(monkeypatch):
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, **more: calls.append((data, more)))
    Show(Words("en", names=NAMES)).note("t.plain")
    metadata = {MARK: {"kind": "note", "id": "t.plain"}}
    assert calls == [({"text/html": '<p class="note">a &lt;sentence&gt;</p>'}, {"raw": True, "metadata": metadata})]
