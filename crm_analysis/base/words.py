"""Words of the reports: gettext catalogues in zh and en, numbers and dates by Babel.

Results hold no language: they hold slugs, numbers and :class:`Message` objects. Only here do they become text.
The catalogues are ``locale/<lang>/*.po``; every ``msgid`` is a slug (``segment.champions``), never a sentence.
A message takes its arguments as ``{name:style}``:

========================  ======================================  =================  ==============
style                     argument                                zh                 en
========================  ======================================  =================  ==============
``int``                   12345                                   12,345             12,345
``number``                1.25                                    1.25               1.25
``compact``               1234567                                 123.5万            1.2M
``money``                 1234567 (settings' currency)            ¥123.5万           ¥1.2M
``percent``               0.1234                                  12.3%              12.3%
``signed_percent``        0.1234                                  +12.3%             +12.3%
``pp``                    0.012 (a difference of two shares)      +1.2个百分点       +1.2 pp
``date``                  2025-09-30                              2025年9月30日      Sep 30, 2025
``quarter``               "2025Q3"                                2025年第三季度     2025 Q3
``word.PREFIX``           "champions"                             word of PREFIX.champions
========================  ======================================  =================  ==============
"""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache, partial
from gettext import GNUTranslations
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Any

from babel import dates, numbers
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

if TYPE_CHECKING:
    from typing_extensions import TypeIs

LANGUAGES = ("zh", "en")
LOCALES = {"zh": "zh_Hans_CN", "en": "en_US"}
ABSENT = "—"
_QUARTERS_ZH = "一二三四"


@dataclass(frozen=True)
class Message:
    """A sentence without a language: the id of a catalogue entry and the numbers it is made from.

    ``args`` holds plain numbers, ISO dates, slugs, other messages (for clauses), or lists of them (running text).
    """

    id: str
    args: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return a plain mapping; :meth:`from_json` reads it back."""
        return {"message": self.id, "args": {name: _to_plain(value) for name, value in self.args.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Message":
        """Read what :meth:`to_json` wrote."""
        args = {name: _from_plain(value) for name, value in data["args"].items()}
        return cls(data["message"], args)


def _to_plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_to_plain(item) for item in value]
    return value.to_json() if isinstance(value, Message) else value


def _from_plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_plain(item) for item in value]
    return Message.from_json(value) if isinstance(value, Mapping) and "message" in value else value


def message(id_: str, **args: Any) -> Message:
    """Return a :class:`Message`; a short form for keyword arguments."""
    return Message(id_, args)


@cache
def load_catalogue(lang: str) -> dict[str, str]:
    """Return ``{msgid: text}`` of all catalogues of a language.

    Raises
    ------
    ValueError
        The same id stands in two catalogues.
    """
    return {id_: text for catalogue in _catalogues(lang) for id_, text in catalogue}


def _catalogues(lang: str) -> list[list[tuple[str, str]]]:
    seen: dict[str, str] = {}
    pages = []
    folder = files("crm_analysis.base").joinpath("locale", lang)
    for source in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not source.name.endswith(".po"):
            continue
        with source.open("rb") as stream:
            entries = [(str(m.id), str(m.string)) for m in read_po(stream, locale=LOCALES[lang]) if m.id]
        for id_, _ in entries:
            if id_ in seen:
                raise ValueError(f"message {id_!r} stands in both {seen[id_]} and {source.name} ({lang})")
            seen[id_] = source.name
        pages.append(entries)
    return pages


@cache
def load_translations(lang: str) -> GNUTranslations:
    """Return the catalogues of a language as gettext translations."""
    catalogue = Catalog(locale=LOCALES[lang], fuzzy=False)
    for id_, text in load_catalogue(lang).items():
        catalogue.add(id_, text)
    buffer = BytesIO()
    write_mo(buffer, catalogue)
    buffer.seek(0)
    return GNUTranslations(buffer)


class Words(string.Formatter):
    """Everything that turns slugs, numbers and messages into text of one language.

    Parameters
    ----------
    lang
        ``zh`` or ``en``.
    names
        Names that settings or data bring, by slug and language: ``{"segment.vip": {"zh": "贵宾", "en": "VIP"}}``.
        They win over the catalogue.
    currency
        ISO code of the reporting currency.
    """

    def __init__(
        self, lang: str, *, names: Mapping[str, Mapping[str, str]] | None = None, currency: str = "CNY"
    ) -> None:
        if lang not in LANGUAGES:
            raise ValueError(f"lang is {lang!r}; allowed: {', '.join(LANGUAGES)}")
        self.lang = lang
        self.locale = LOCALES[lang]
        self.currency = currency
        self.names = dict(names or {})
        self._translations = load_translations(lang)

    # -- words -----------------------------------------------------------------------------------------------

    def has(self, id_: str) -> bool:
        """Tell whether a word or sentence exists."""
        return id_ in self.names or id_ in load_catalogue(self.lang)

    def word(self, id_: str) -> str:
        """Return the text of an id that takes no arguments.

        Raises
        ------
        KeyError
            The id is in no catalogue: a missing word is a defect, never shown as its id.
        """
        if id_ in self.names:
            return self.names[id_][self.lang]
        if id_ not in load_catalogue(self.lang):
            raise KeyError(f"no word {id_!r} in locale/{self.lang}/*.po")
        return self._translations.gettext(id_)

    def say(self, item: Message | str, **args: Any) -> str:
        """Return a message as a sentence."""
        if isinstance(item, Message):
            return self.format(self.word(item.id), **item.args)
        return self.format(self.word(item), **args)

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format one ``{name:style}`` of a message."""
        if isinstance(value, Message):
            return self.say(value)
        if isinstance(value, (list, tuple)):
            return self.join([self.format_field(item, format_spec) for item in value])
        if format_spec.startswith("word."):
            id_ = f"{format_spec.removeprefix('word.')}.{value}"
            return self.word(id_) if self.has(id_) else str(value)
        if not format_spec:
            return str(value)
        styles: dict[str, Callable[[Any], str]] = {
            "int": self.format_int,
            "number": self.format_number,
            "fine": partial(self.format_number, digits=4),
            "compact": self.format_compact,
            "money": self.format_money,
            "percent": self.format_percent,
            "signed_percent": self.format_signed_percent,
            "pp": self.format_points,
            "date": self.format_date,
            "quarter": self.format_quarter,
        }
        if format_spec not in styles:
            raise ValueError(f"style {format_spec!r} is none of {', '.join(styles)}, word.PREFIX")
        return styles[format_spec](value)

    # -- numbers ---------------------------------------------------------------------------------------------

    def format_int(self, value: float | None) -> str:
        """Return a count with thousands separators."""
        return ABSENT if _absent(value) else numbers.format_decimal(round(float(value)), "#,##0", self.locale)

    def format_number(self, value: float | None, *, digits: int = 2) -> str:
        """Return a number with at most ``digits`` decimals."""
        if _absent(value):
            return ABSENT
        pattern = "#,##0." + "#" * digits if digits else "#,##0"
        return numbers.format_decimal(_rounded(value, digits), pattern, self.locale)

    def format_compact(self, value: float | None) -> str:
        """Return a large number in the language's own units: 万/亿, or K/M/B."""
        if _absent(value):
            return ABSENT
        amount, unit = self._compact(float(value))
        return f"{amount}{unit}"

    def format_money(self, value: float | None) -> str:
        """Return an amount in the reporting currency, compact from ten thousand on."""
        if _absent(value):
            return ABSENT
        amount, unit = self._compact(abs(float(value)))
        sign = "-" if float(value) < 0 and amount.strip("0.") else ""
        return f"{sign}{self.currency_symbol}{amount}{unit}"

    @property
    def currency_symbol(self) -> str:
        """Symbol of the reporting currency (yuan is ¥ in both languages)."""
        return "¥" if self.currency == "CNY" else numbers.get_currency_symbol(self.currency, self.locale)

    def _compact(self, value: float) -> tuple[str, str]:
        units = [(1e8, "亿"), (1e4, "万")] if self.lang == "zh" else [(1e9, "B"), (1e6, "M"), (1e4, "K")]
        for size, unit in units:
            if round(abs(value)) >= size:
                scale = 1e3 if unit == "K" else size
                scaled = value / scale
                digits = 1 if abs(scaled) < 1000 else 0
                return numbers.format_decimal(_rounded(scaled, digits), "#,##0.#", self.locale), unit
        digits = 0 if abs(value) >= 100 else 2
        return numbers.format_decimal(_rounded(value, digits), "#,##0.##", self.locale), ""

    def format_percent(self, value: float | None, *, digits: int = 1) -> str:
        """Return a share (0-1) as percent."""
        if _absent(value):
            return ABSENT
        return numbers.format_percent(_rounded(value, digits + 2), "#,##0." + "0" * digits + "%", self.locale)

    def format_signed_percent(self, value: float | None) -> str:
        """Return a relative change (0.1 = +10 %) with its sign."""
        return ABSENT if _absent(value) else _sign(_rounded(value, 3)) + self.format_percent(abs(float(value)))

    def format_points(self, value: float | None) -> str:
        """Return a difference of two shares (0-1) in percentage points, with its sign."""
        if _absent(value):
            return ABSENT
        points = _rounded(float(value) * 100, 1)
        unit = "个百分点" if self.lang == "zh" else " pp"
        return f"{_sign(points)}{numbers.format_decimal(abs(points), '#,##0.0', self.locale)}{unit}"

    # -- dates -----------------------------------------------------------------------------------------------

    def format_date(self, value: date | datetime | str | None) -> str:
        """Return a day; takes dates and ISO strings."""
        if value is None or value != value:  # NaT is unequal to itself
            return ABSENT
        day = date.fromisoformat(value[:10]) if isinstance(value, str) else value
        return dates.format_date(day, "long" if self.lang == "zh" else "medium", self.locale)

    def format_quarter(self, value: str) -> str:
        """Return a quarter's name: ``2025Q3`` or ``FY26Q1``."""
        year, _, number = str(value).partition("Q")
        if self.lang == "en":
            return f"{year} Q{number}"
        year_zh = f"{year.removeprefix('FY')}财年" if year.startswith("FY") else f"{year}年"
        return f"{year_zh}第{_QUARTERS_ZH[int(number) - 1]}季度"

    def join(self, items: list[str]) -> str:
        """Return a list as running text: ``a、b和c`` / ``a, b and c``."""
        if len(items) < 2:
            return "".join(items)
        comma, last = ("、", "和") if self.lang == "zh" else (", ", " and ")
        return comma.join(items[:-1]) + last + items[-1]


def _absent(value: Any) -> "TypeIs[None]":
    return value is None or value != value


def _rounded(value: Any, digits: int) -> float:
    """Round half to even on the shortest decimal form, so that -0.0 never shows."""
    return round(float(value), digits) + 0.0


def _sign(value: float) -> str:
    return "+" if value > 0 else "-" if value < 0 else "±"
