"""Conditions as words: the rule language itself, and Chinese or English for reports."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

import pandas as pd

from crm_analysis.base.settings_schemes import Scheme
from crm_analysis.base.words import ABSENT, Words
from crm_analysis.segmentation.conditions import (
    COLUMNS,
    Arithmetic,
    Combination,
    Comparison,
    Condition,
    Feature,
    Known,
    Membership,
    Negation,
    Term,
    Truth,
    Value,
    feature_names,
)
from crm_analysis.segmentation.reading import parse_condition

_SHARE = "0-1"
_DOMAINS = {"eight_type": "segment", "ten_segment": "segment"}
_SHOWN_SIGNS = {"<=": "≤", ">=": "≥", "==": "=", "!=": "≠", "*": "×", "/": "÷", "-": "−"}


def tier_criteria_table(schemes: Mapping[str, Scheme], *, words: Words) -> pd.DataFrame:
    """Return what puts a customer into every tier, in words.

    ``{id: scheme}`` -> ``scheme, tier, criteria, service``, tiers in their order, the rest last; the service is absent
    where settings give none

    Parameters
    ----------
    words
        Language; names of tiers and services stay slugs and settings' texts.

    Notes
    -----
    The first condition that holds decides. REQUIREMENTS S3-S7, S9.
    """
    rows = []
    for id_, scheme in schemes.items():
        rest = words.say("schemes.criteria.otherwise")
        for tier in (*scheme.tiers, scheme.otherwise):
            when = getattr(tier, "when", None)
            criteria = rest if when is None else condition_words(when, words=words)
            service = ABSENT if tier.service is None else str(getattr(tier.service, words.lang))
            rows.append({"scheme": id_, "tier": tier.id, "criteria": criteria, "service": service})
    return pd.DataFrame(rows, columns=["scheme", "tier", "criteria", "service"])


def criteria_of(criteria: pd.DataFrame, *, scheme: str) -> pd.DataFrame:
    """Return the tiers of one scheme, without the column ``scheme`` and without services that none of them has."""
    table = criteria.loc[criteria["scheme"] == scheme].drop(columns="scheme").reset_index(drop=True)
    return table.drop(columns="service") if (table["service"] == ABSENT).all() else table


def condition_words(condition: Condition | str, *, words: Words) -> str:
    """Return a condition, as a tree or in the rule language, in the words of a report.

    >>> condition_words("order_count_90d >= 3 and 1000 <= spend_amount_90d < 5000", words=Words("zh"))
    '近90天订单数 ≥ 3 且 1,000 ≤ 近90天净消费金额 < 5,000'
    """
    tree = parse_condition(condition) if isinstance(condition, str) else condition
    return _written(tree, _Spoken(words))


def condition_text(condition: Condition) -> str:
    """Return a condition in the rule language, so that reading it again gives the same tree.

    >>> condition_text(parse_condition("not(points>=10 or known( points ))"))
    'not (points >= 10 or known(points))'
    """
    return _written(condition, _Code())


def feature_word(name: str, *, words: Words) -> str:
    """Return the short name of a feature: of the catalogue where it has one, else of the data dictionary."""
    if words.has(f"feature.{name}"):
        return words.word(f"feature.{name}")
    column = COLUMNS[name]
    text = column.zh if words.lang == "zh" else column.en
    return text.split("（")[0].split(":")[0].strip()


class _Style(Protocol):
    def feature(self, name: str) -> str: ...
    def value(self, value: float | str | date, *, of: str | None) -> str: ...
    def sign(self, sign: str) -> str: ...
    def joined(self, word: str, parts: Sequence[str]) -> str: ...
    def bracketed(self, text: str) -> str: ...
    def negated(self, text: str) -> str: ...
    def known(self, name: str, *, is_negated: bool) -> str: ...
    def among(self, term: str, values: Sequence[str], *, is_negated: bool) -> str: ...
    def truth(self, value: bool) -> str: ...


def _written(node: Condition, style: _Style) -> str:
    text = ""
    match node:
        case Truth():
            text = style.truth(node.value)
        case Known():
            text = style.known(node.feature.name, is_negated=False)
        case Negation(part=Known(feature=feature)):
            text = style.known(feature.name, is_negated=True)
        case Negation():
            text = style.negated(_written(node.part, style))
        case Membership():
            of = _only_feature(node)
            values = [style.value(value.value, of=of) for value in node.values]
            text = style.among(_term(node.term, style, of=of), values, is_negated=node.is_negated)
        case Combination():
            parts = [
                style.bracketed(_written(part, style)) if isinstance(part, Combination) else _written(part, style)
                for part in node.parts
            ]
            text = style.joined(node.word, parts)
        case Comparison():
            of = _only_feature(node)
            rest = [f"{style.sign(sign)} {_term(term, style, of=of)}" for sign, term in node.rest]
            text = " ".join([_term(node.first, style, of=of), *rest])
    return text


def _term(term: Term, style: _Style, *, of: str | None, inside: bool = False) -> str:
    match term:
        case Feature():
            return style.feature(term.name)
        case Value():
            return style.value(term.value, of=of)
        case Arithmetic():
            left, right = (_term(side, style, of=None, inside=True) for side in (term.left, term.right))
            text = f"{left} {style.sign(term.sign)} {right}"
            return style.bracketed(text) if inside else text


def _only_feature(node: Comparison | Membership) -> str | None:
    """Return the feature that plain values stand beside; nothing where there is arithmetic or a second feature."""
    terms = [node.term] if isinstance(node, Membership) else [node.first, *(term for _, term in node.rest)]
    names = feature_names(node)
    return names[0] if len(names) == 1 and not any(isinstance(term, Arithmetic) for term in terms) else None


class _Code:
    """The rule language."""

    def feature(self, name: str) -> str:
        return name

    def value(self, value: float | str | date, *, of: str | None) -> str:
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        return repr(value if isinstance(value, str) else value.isoformat())

    def sign(self, sign: str) -> str:
        return sign

    def joined(self, word: str, parts: Sequence[str]) -> str:
        return f" {word} ".join(parts)

    def bracketed(self, text: str) -> str:
        return f"({text})"

    def negated(self, text: str) -> str:
        return f"not ({text})"

    def known(self, name: str, *, is_negated: bool) -> str:
        return f"{'not ' if is_negated else ''}known({name})"

    def among(self, term: str, values: Sequence[str], *, is_negated: bool) -> str:
        return f"{term} {'not ' if is_negated else ''}in [{', '.join(values)}]"

    def truth(self, value: bool) -> str:
        return "true" if value else "false"


class _Spoken:
    """Chinese or English."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def feature(self, name: str) -> str:
        return feature_word(name, words=self.words)

    def value(self, value: float | str | date, *, of: str | None) -> str:
        if isinstance(value, str):
            slug = f"{_DOMAINS.get(str(of), of)}.{value}"
            return self.words.word(slug) if self.words.has(slug) else value
        if isinstance(value, date):
            return self.words.format_date(value)
        if of is not None and COLUMNS[of].unit == _SHARE:
            return self.words.format_percent(value)
        return self.words.format_number(value, digits=6)

    def sign(self, sign: str) -> str:
        return _SHOWN_SIGNS.get(sign, sign)

    def joined(self, word: str, parts: Sequence[str]) -> str:
        return f" {self.words.word(f'schemes.criteria.{word}')} ".join(parts)

    def bracketed(self, text: str) -> str:
        return self.words.say("schemes.criteria.bracket", text=text)

    def negated(self, text: str) -> str:
        return self.words.say("schemes.criteria.not", text=text)

    def known(self, name: str, *, is_negated: bool) -> str:
        found = "unknown" if is_negated else "known"
        return self.words.say(f"schemes.criteria.{found}", feature=self.feature(name))

    def among(self, term: str, values: Sequence[str], *, is_negated: bool) -> str:
        found = "none_of" if is_negated else "one_of"
        listed = ("、" if self.words.lang == "zh" else ", ").join(values)
        return self.words.say(f"schemes.criteria.{found}", term=term, values=listed)

    def truth(self, value: bool) -> str:
        return self.words.word(f"schemes.criteria.{'always' if value else 'never'}")
