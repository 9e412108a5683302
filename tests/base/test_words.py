"""Words: two languages with the same ids and arguments, every style, nothing shown that is no word."""

import re
import string
from collections import Counter
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base import words as words_module
from crm_analysis.base.words import ABSENT, LANGUAGES, LOCALES, Message, Words, load_catalogue, message

STYLES = {"int", "number", "fine", "compact", "money", "percent", "signed_percent", "pp", "date", "quarter"}
FOLDER = Path(str(files("crm_analysis.base"))) / "locale"
ZH, EN = Words("zh"), Words("en")


def fields(text: str) -> set[tuple[str, str]]:
    """Return ``(argument, style)`` of a sentence."""
    return {(name, style or "") for _, name, style, _ in string.Formatter().parse(text) if name is not None}


# -- catalogues --------------------------------------------------------------------------------------------------------


def test_both_languages_have_the_same_catalogues_and_ids() -> None:
    assert sorted(path.name for path in FOLDER.glob("zh/*.po")) == sorted(path.name for path in FOLDER.glob("en/*.po"))
    zh, en = load_catalogue("zh"), load_catalogue("en")
    assert sorted(set(zh) ^ set(en)) == []
    assert len(zh) > 0


def test_both_languages_take_the_same_arguments() -> None:
    zh, en = load_catalogue("zh"), load_catalogue("en")
    names = {id_: [{name for name, _ in fields(text[id_])} for text in (zh, en)] for id_ in zh.keys() & en.keys()}
    assert {id_: pair for id_, pair in names.items() if pair[0] != pair[1]} == {}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_argument_has_a_name_and_a_known_style(lang: str) -> None:
    wrong = {
        id_: sorted(found)
        for id_, text in load_catalogue(lang).items()
        if (found := {f for f in fields(text) if not (f[0].isidentifier() and _is_style(f[1]))})
    }
    assert wrong == {}


def _is_style(style: str) -> bool:
    return style in STYLES | {""} or (style.startswith("word.") and len(style) > len("word."))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_word_of_a_style_has_words_behind_it(lang: str) -> None:
    catalogue = load_catalogue(lang)
    given_ = {
        "segment",
        "table",
        "field",
        "strategy",
        "tier",
        "owner",
        "cause",
        "industry",
    }  # settings and the schema bring names
    wanted = {style.removeprefix("word.") for text in catalogue.values() for _, style in fields(text) if "." in style}
    prefixes = {id_.rsplit(".", 1)[0] for id_ in catalogue} | {id_.split(".")[0] for id_ in catalogue}
    assert sorted(prefix for prefix in wanted if prefix not in prefixes and prefix.split(".")[0] not in given_) == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_is_empty_fuzzy_twice_or_padded(lang: str) -> None:
    wrong = []
    for path in sorted((FOLDER / lang).glob("*.po")):
        with path.open("rb") as stream:
            entries = [entry for entry in read_po(stream, locale=LOCALES[lang]) if entry.id]
        wrong += [f"{path.name}: {e.id}" for e in entries if not str(e.string).strip() or e.fuzzy]
        wrong += [f"{path.name}: {e.id} padded" for e in entries if str(e.string) != str(e.string).strip()]
        ids = Counter(re.findall(r'^msgid "(.+)"$', path.read_text("utf-8"), flags=re.MULTILINE))
        wrong += [f"{path.name}: {id_} twice" for id_, count in ids.items() if count > 1]
    assert wrong == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_ids_are_slugs(lang: str) -> None:
    slug = re.compile(r"^[a-z][a-z0-9_]*(\.[a-zA-Z0-9_]+)*$")
    assert [id_ for id_ in load_catalogue(lang) if not slug.match(id_)] == []


def test_chinese_stands_in_the_chinese_catalogue_alone() -> None:
    han = re.compile(r"[\u4e00-\u9fff]")
    assert [id_ for id_, text in load_catalogue("en").items() if han.search(text)] == []


def test_an_id_in_two_catalogues_is_an_error(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "locale" / "en"
    folder.mkdir(parents=True)
    head = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    for name in ("a.po", "b.po"):
        (folder / name).write_text(head + 'msgid "status.good"\nmsgstr "fine"\n', "utf-8")
    monkeypatch.setattr(words_module, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=r"'status.good' stands in both a.po and b.po \(en\)"):
        load_catalogue.__wrapped__("en")


# -- words and messages ------------------------------------------------------------------------------------------------


FINE = {"status.fine": "fine"}


def with_words(lang: str, **texts: str) -> Words:
    return Words(lang, names={id_: {"zh": text, "en": text} for id_, text in texts.items()})


def test_a_missing_word_is_an_error_never_its_id() -> None:
    for words in (ZH, EN):
        with pytest.raises(KeyError, match=r"no word 'no.such.word' in locale/"):
            words.word("no.such.word")
        with pytest.raises(KeyError, match="no such sentence"):
            words.say(message("no such sentence"))


def test_words_of_both_languages_and_names_of_settings() -> None:
    for words in (ZH, EN):
        assert words.word("status.good") == load_catalogue(words.lang)["status.good"]
    assert ZH.word("status.good") != EN.word("status.good")
    own = Words("zh", names={"status.good": {"zh": "好", "en": "fine"}})
    assert own.word("status.good") == "好"
    assert own.has("status.good")
    assert not own.has("no.such.word")


def test_languages_are_two() -> None:
    with pytest.raises(ValueError, match="lang is 'de'; allowed: zh, en"):
        Words("de")


def test_a_sentence_is_made_from_its_arguments() -> None:
    words = with_words(
        "en", text="{n:int} of {who:word.status}: {share:percent} {clause} {free}", inner="({x:number})", **FINE
    )
    said = words.say(message("text", n=1234, who="fine", share=0.5, clause=message("inner", x=2), free="as is"))
    assert said == "1,234 of fine: 50.0% (2) as is"
    assert words.say("inner", x=1.5) == "(1.5)"


def test_a_slug_without_a_word_stays_itself() -> None:
    assert with_words("en", text="{who:word.owner}").say("text", who="w1") == "w1"


@pytest.mark.parametrize("style", ["pct", "words.x", "0.2f"])
def test_unknown_styles_are_refused(style: str) -> None:
    with pytest.raises(ValueError, match=f"style '{style}' is none of"):
        with_words("en", text=f"{{n:{style}}}").say("text", n=1)


scalars = st.one_of(st.integers(), st.text(), st.booleans(), st.none(), st.floats(allow_nan=False))
ids = st.text(min_size=1)


@given(st.recursive(st.builds(Message, ids, st.dictionaries(ids, scalars)), lambda inner: st.builds(
    Message, ids, st.dictionaries(ids, scalars | inner)), max_leaves=5))  # fmt: skip
def test_messages_survive_json(item: Message) -> None:
    assert Message.from_json(item.to_json()) == item


# -- styles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "value", "zh", "en"),
    [
        ("int", 12345, "12,345", "12,345"),
        ("int", 2.5, "2", "2"),
        ("int", -0.3, "0", "0"),
        ("number", 1.25, "1.25", "1.25"),
        ("number", 1234.5, "1,234.5", "1,234.5"),
        ("number", -0.001, "0", "0"),
        ("compact", 1234567, "123.5万", "1.2M"),
        ("compact", 9999, "9,999", "9,999"),
        ("compact", 10000, "1万", "10K"),
        ("compact", 123456789, "1.2亿", "123.5M"),
        ("compact", 2.5e9, "25亿", "2.5B"),
        ("compact", 99.5, "99.5", "99.5"),
        ("compact", -1234567, "-123.5万", "-1.2M"),
        ("money", 1234567, "¥123.5万", "¥1.2M"),
        ("money", 980, "¥980", "¥980"),
        ("money", 12.5, "¥12.5", "¥12.5"),
        ("money", -1234567, "-¥123.5万", "-¥1.2M"),
        ("money", -0.001, "¥0", "¥0"),
        ("percent", 0.1234, "12.3%", "12.3%"),
        ("percent", 1.5, "150.0%", "150.0%"),
        ("percent", -0.00001, "0.0%", "0.0%"),
        ("fine", 0.81374, "0.8137", "0.8137"),
        ("signed_percent", 0.1234, "+12.3%", "+12.3%"),
        ("signed_percent", -0.05, "-5.0%", "-5.0%"),
        ("signed_percent", 0.0001, "±0.0%", "±0.0%"),
        ("pp", 0.012, "+1.2个百分点", "+1.2 pp"),
        ("pp", -0.2, "-20.0个百分点", "-20.0 pp"),
        ("pp", 0, "±0.0个百分点", "±0.0 pp"),
        ("date", "2025-09-30", "2025年9月30日", "Sep 30, 2025"),
        ("date", "2025-09-30T00:00:00", "2025年9月30日", "Sep 30, 2025"),
        ("date", date(2025, 9, 3), "2025年9月3日", "Sep 3, 2025"),
        ("date", datetime(2025, 9, 3, 23, 59), "2025年9月3日", "Sep 3, 2025"),
        ("quarter", "2025Q3", "2025年第三季度", "2025 Q3"),
        ("quarter", "FY26Q1", "26财年第一季度", "FY26 Q1"),
        ("word.quarter_nobody_has", "good", "good", "good"),
        ("", "as it is", "as it is", "as it is"),
    ],
)
def test_every_style(style: str, value: object, zh: str, en: str) -> None:
    assert (ZH.format_field(value, style), EN.format_field(value, style)) == (zh, en)


@pytest.mark.parametrize("style", sorted(STYLES - {"quarter"}))
@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_is_unknown_is_a_dash(style: str, value: object) -> None:
    assert EN.format_field(value, style) == ABSENT


@pytest.mark.parametrize(("currency", "zh", "en"), [("USD", "US$5", "$5"), ("EUR", "€5", "€5"), ("CNY", "¥5", "¥5")])
def test_currencies(currency: str, zh: str, en: str) -> None:
    assert Words("zh", currency=currency).format_money(5) == zh
    assert Words("en", currency=currency).format_money(5) == en


@pytest.mark.parametrize(
    ("items", "zh", "en"),
    [([], "", ""), (["a"], "a", "a"), (["a", "b"], "a和b", "a and b"), (["a", "b", "c"], "a、b和c", "a, b and c")],
)
def test_lists(items: list[str], zh: str, en: str) -> None:
    assert (ZH.join(items), EN.join(items)) == (zh, en)


@given(st.floats(-1e12, 1e12))
def test_no_style_shows_a_negative_nought(value: float) -> None:
    for style in ("int", "number", "fine", "compact", "money", "percent", "signed_percent", "pp"):
        for words in (ZH, EN):
            text = words.format_field(value, style)
            assert not (text.startswith("-") and not re.search(r"[1-9]", text)), (style, value, text)
