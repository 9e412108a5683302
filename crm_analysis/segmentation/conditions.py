"""The language of tier rules: a condition over the features of a customer, read from text and never executed.

It is written in the syntax of Python expressions::

    recency_days > 180 or (spend_amount >= 3000 and order_count_90d == 0)
    1000 <= spend_amount_90d < 5000 and order_count_90d in [1, 2]
    cooperation_days / 365.25 > 5 and company_size not in ['micro', 'small']

======================  ==============================================================================================
part                    meaning
======================  ==============================================================================================
names                   features of ``sources.columns`` (amounts in the reporting currency, times in days), and what is
                        worked out from them: ``stage``, ``eight_type``, ``ten_segment``, ``r_score``, ...
numbers, 'texts'        values; dates are texts such as '2025-09-30'; ``true`` and ``false`` stand for themselves
``< <= > >= == !=``     comparisons, also chained; texts know only ``==`` and ``!=``
``in`` ``not in``       one of a list in brackets
``known(name)``         the feature has a value
``+ - * /``             arithmetic of numbers; dividing by 0 gives a missing value
``and or not ( )``      as usual
======================  ==============================================================================================

**A comparison with a missing value is false**, ``!=`` and ``not in`` included; so ``not (points >= 10)`` holds for
customers without points, ``points < 10`` does not. ``known(points)`` asks for it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from crm_analysis.sources.columns import FEATURES, Column, Kind

_NO_SCORE = ("无购买或未评分", "no purchase, or not scored")
#: What segmentation works out of the features before any rule: a crossing of them can be a tier (REQUIREMENTS S1, S2).
DERIVED = (
    Column("stage", Kind.TEXT, "生命周期阶段", "lifecycle stage"),
    Column("eight_type", Kind.TEXT, "八类客户", "eight types"),
    Column("ten_segment", Kind.TEXT, "RFM 十类客户", "ten segments"),
    Column("r_score", Kind.NUMBER, "R 得分", "recency score", "", *_NO_SCORE),
    Column("f_score", Kind.NUMBER, "F 得分", "frequency score", "", *_NO_SCORE),
    Column("m_score", Kind.NUMBER, "M 得分", "monetary score", "", *_NO_SCORE),
)
#: Everything that a condition may name.
COLUMNS = {column.name: column for column in (*FEATURES, *DERIVED)}


@dataclass(frozen=True)
class Feature:
    """A feature by name."""

    column: Column

    @property
    def name(self) -> str:
        """Name of the feature."""
        return self.column.name


@dataclass(frozen=True)
class Value:
    """A number, a text or a day."""

    value: float | str | date


@dataclass(frozen=True)
class Arithmetic:
    """Two numbers taken together by ``+ - * /``."""

    sign: str
    left: "Term"
    right: "Term"


@dataclass(frozen=True)
class Comparison:
    """Terms beside each other, each pair with its sign: ``1 <= x < 5`` is ``first`` 1, ``rest`` (<=, x), (<, 5)."""

    first: "Term"
    rest: tuple[tuple[str, "Term"], ...]

    @property
    def pairs(self) -> list[tuple["Term", str, "Term"]]:
        """Every comparison of the chain by itself."""
        terms = [self.first, *(term for _, term in self.rest)]
        return [(left, sign, term) for left, (sign, term) in zip(terms, self.rest, strict=False)]


@dataclass(frozen=True)
class Membership:
    """A term that is one of some values, or none of them."""

    term: "Term"
    values: tuple[Value, ...]
    is_negated: bool


@dataclass(frozen=True)
class Known:
    """A feature that has a value."""

    feature: Feature


@dataclass(frozen=True)
class Truth:
    """What holds always or never."""

    value: bool


@dataclass(frozen=True)
class Combination:
    """Conditions joined by ``and`` or ``or``."""

    word: str
    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class Negation:
    """The opposite of a condition."""

    part: "Condition"


Term = Feature | Value | Arithmetic
Condition = Comparison | Membership | Known | Truth | Combination | Negation


def feature_names(*conditions: Condition) -> list[str]:
    """Return the features that conditions name, each once, in the order in which they appear."""
    return list(dict.fromkeys(feature.name for condition in conditions for feature in features_of(condition)))


def kind_of(term: Term) -> str:
    """Return what a term is: ``number``, ``text`` or ``day``."""
    if isinstance(term, Feature):
        return {Kind.TEXT: "text", Kind.DATE: "day"}.get(term.column.kind, "number")
    if isinstance(term, Value) and not isinstance(term.value, float):
        return "text" if isinstance(term.value, str) else "day"
    return "number"


def features_of(node: Condition | Term) -> Iterator[Feature]:
    """Yield every feature of a condition or a term, as often as it is named."""
    match node:
        case Feature():
            yield node
        case Arithmetic():
            yield from features_of(node.left)
            yield from features_of(node.right)
        case Comparison():
            for term in (node.first, *(term for _, term in node.rest)):
                yield from features_of(term)
        case Membership():
            yield from features_of(node.term)
        case Known():
            yield node.feature
        case Combination():
            for part in node.parts:
                yield from features_of(part)
        case Negation():
            yield from features_of(node.part)


def calculate(sign: str, left: float, right: float) -> float:
    """Return two numbers taken together; infinite where the result is too large."""
    try:
        return {"+": left + right, "-": left - right, "*": left * right}[sign] if sign != "/" else left / right
    except OverflowError:
        return math.inf
