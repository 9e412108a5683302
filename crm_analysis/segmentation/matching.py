"""Conditions compiled: to an expression of the engine, and to the same over a pandas frame."""

import operator
from collections.abc import Callable
from datetime import date
from functools import reduce
from typing import Any, Protocol

import ibis
import numpy as np
import pandas as pd

from crm_analysis.segmentation.conditions import (
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
    kind_of,
)

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "+": operator.add, "-": operator.sub, "*": operator.mul,
}  # fmt: skip


def match_rows(condition: Condition, features: pd.DataFrame) -> pd.Series:
    """Return for every row of a pandas frame whether a condition holds, index as in ``features``.

    Parameters
    ----------
    features
        At least the columns that the condition names, see :func:`.conditions.feature_names`.
    """
    return _holds(condition, _Frame(features)).rename("matches")


def match_expression(condition: Condition, features: ibis.Table) -> ibis.Value:
    """Return a condition as a boolean of the engine that is never null; the same as :func:`match_rows`."""
    return _holds(condition, _Engine(features))


class _Dialect(Protocol):
    """What differs between the engine and pandas."""

    def feature(self, feature: Feature) -> Any: ...
    def value(self, value: float | str | date) -> Any: ...
    def compared(self, sign: str, left: Any, right: Any) -> Any: ...
    def calculated(self, sign: str, left: Any, right: Any) -> Any: ...
    def among(self, term: Any, values: list[Any], *, is_negated: bool) -> Any: ...
    def known(self, term: Any) -> Any: ...
    def truth(self, value: bool) -> Any: ...


def _holds(node: Condition, dialect: _Dialect) -> Any:
    match node:
        case Truth():
            return dialect.truth(node.value)
        case Known():
            return dialect.known(dialect.feature(node.feature))
        case Negation():
            return ~_holds(node.part, dialect)
        case Combination():
            parts = [_holds(part, dialect) for part in node.parts]
            return reduce(operator.and_ if node.word == "and" else operator.or_, parts)
        case Membership():
            values = [dialect.value(value.value) for value in node.values]
            return dialect.among(_term(node.term, dialect), values, is_negated=node.is_negated)
        case Comparison():
            pairs = [
                dialect.compared(sign, _term(left, dialect), _term(right, dialect)) for left, sign, right in node.pairs
            ]
            return reduce(operator.and_, pairs)


def _term(term: Term, dialect: _Dialect) -> Any:
    match term:
        case Feature():
            return dialect.feature(term)
        case Value():
            return dialect.value(term.value)
        case Arithmetic():
            return dialect.calculated(term.sign, _term(term.left, dialect), _term(term.right, dialect))


class _Frame:
    """pandas: numbers as floats, missing ones as NaN."""

    def __init__(self, features: pd.DataFrame) -> None:
        self.features = features

    def feature(self, feature: Feature) -> pd.Series:
        column = self.features[feature.name]
        match kind_of(feature):
            case "number":
                return column.astype("float64")
            case "day":
                return pd.to_datetime(column)
            case _:
                return column.astype("str").where(column.notna())

    def value(self, value: float | str | date) -> Any:
        return pd.Timestamp(value) if isinstance(value, date) else value

    def compared(self, sign: str, left: Any, right: Any) -> pd.Series:
        found = _SIGNS[sign](left, right)
        for side in (left, right):
            if isinstance(side, pd.Series):
                found = found & side.notna()
        return found.astype(bool)

    def calculated(self, sign: str, left: Any, right: Any) -> pd.Series:
        if sign != "/":
            return _SIGNS[sign](left, right)
        return left / (right.where(right != 0) if isinstance(right, pd.Series) else right)

    def among(self, term: pd.Series, values: list[Any], *, is_negated: bool) -> pd.Series:
        found = term.isin(values)
        return ~found & term.notna() if is_negated else found

    def known(self, term: pd.Series) -> pd.Series:
        return term.notna()

    def truth(self, value: bool) -> pd.Series:
        return pd.Series(np.full(len(self.features), value), index=self.features.index)


class _Engine:
    """Ibis: numbers as doubles, missing ones as null."""

    def __init__(self, features: ibis.Table) -> None:
        self.features = features

    def feature(self, feature: Feature) -> Any:
        column = self.features[feature.name]
        return column.cast("float64") if kind_of(feature) == "number" else column

    def value(self, value: float | str | date) -> Any:
        return ibis.literal(value)

    def compared(self, sign: str, left: Any, right: Any) -> Any:
        return _SIGNS[sign](left, right).fill_null(False)

    def calculated(self, sign: str, left: Any, right: Any) -> Any:
        result = left / right.nullif(0.0) if sign == "/" else _SIGNS[sign](left, right)
        return ibis.ifelse(result.isnan(), ibis.null("float64"), result)

    def among(self, term: Any, values: list[Any], *, is_negated: bool) -> Any:
        return (term.notin(values) if is_negated else term.isin(values)).fill_null(False)

    def known(self, term: Any) -> Any:
        return term.notnull()

    def truth(self, value: bool) -> Any:
        return ibis.literal(value)
