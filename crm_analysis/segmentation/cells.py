"""What conditions can tell apart: the features they name, cut at their thresholds into cells.

All customers of a cell fare alike under every rule, so a table of rules can be judged without data. A comparison of
one feature with a number or a text cuts that feature's axis. Any other comparison (two features, products) is an axis
of its own with the cells *holds* and *does not hold*, as if it were independent: areas may then look larger than they
are, never smaller.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, reduce
from itertools import pairwise

import numpy as np
import numpy.typing as npt

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
    kind_of,
)
from crm_analysis.segmentation.criteria import condition_text
from crm_analysis.sources.columns import WINDOWS, Kind

Mask = npt.NDArray[np.bool_]
#: Days and points are whole numbers, like all counts.
_WHOLE = frozenset({"recency_days", "tenure_days", "cooperation_days", "contract_days_left", "points"})
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_DIGITS = 9


@dataclass(frozen=True)
class Axis:
    """A feature (or a comparison, where ``kind`` is ``fact``) and its cells.

    Attributes
    ----------
    kind
        ``number``, ``day``, ``text`` or ``fact``.
    ranges
        Cells of numbers and days, ascending: ``(low, high)``; both ends belong to whole numbers and to points
        (``low == high``), none to others.
    values
        Named texts; one more cell holds all other texts.
    can_miss
        The last cell holds customers without a value.
    """

    name: str
    kind: str
    ranges: tuple[tuple[float, float], ...] = ()
    values: tuple[str, ...] = ()
    can_miss: bool = False
    is_whole: bool = False

    @property
    def filled(self) -> int:
        """Number of cells with a value."""
        return {"text": len(self.values) + 1, "fact": 2}.get(self.kind, len(self.ranges))

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.filled + self.can_miss


@dataclass(frozen=True)
class Grid:
    """The cells of several conditions together: the product of their axes."""

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells by axis."""
        return tuple(axis.size for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of cells, impossible ones included."""
        return math.prod(self.shape)

    @cached_property
    def possible(self) -> Mask:
        """Cells that a customer can lie in: counts of shorter windows are no larger, and recency agrees with counts."""
        found = np.ones(self.shape, dtype=bool)
        for one, left in enumerate(self.axes):
            for other, right in enumerate(self.axes):
                pair = _possible_pair(left, right)
                if pair is not None:
                    table = pair if one < other else pair.T
                    first, second = sorted((one, other))
                    shape = [1] * len(self.axes)
                    shape[first], shape[second] = table.shape
                    found &= table.reshape(shape)
        return found

    def area(self, condition: Condition) -> Mask:
        """Return the cells in which a condition holds."""
        return np.broadcast_to(self._holds(condition), self.shape)

    def _holds(self, node: Condition) -> Mask:
        match node:
            case Truth():
                return np.full([1] * len(self.axes), node.value)
            case Negation():
                return ~self._holds(node.part)
            case Combination():
                parts = [self._holds(part) for part in node.parts]
                return reduce(np.logical_and if node.word == "and" else np.logical_or, parts)
            case Known():
                axis = self._axis(node.feature.name)
                return self._along(axis, [k < self.axes[axis].filled for k in range(self.axes[axis].size)])
            case Comparison():
                return reduce(np.logical_and, [self._cut(cut) for cut in cuts_of(node)])
            case Membership():
                parts = [self._cut(cut) for cut in cuts_of(node)]
                return reduce(np.logical_and if node.is_negated else np.logical_or, parts)

    def _cut(self, cut: "Cut") -> Mask:
        place = self._axis(cut.name)
        axis = self.axes[place]
        found = [_fits(axis, k, cut) for k in range(axis.filled)] + [False] * axis.can_miss
        return self._along(place, found)

    def _axis(self, name: str) -> int:
        return next(place for place, axis in enumerate(self.axes) if axis.name == name)

    def _along(self, place: int, found: Sequence[bool]) -> Mask:
        shape = [1] * len(self.axes)
        shape[place] = len(found)
        return np.asarray(found, dtype=bool).reshape(shape)


@dataclass(frozen=True)
class Cut:
    """One comparison of a feature with a value; a comparison that is a fact of its own has no sign."""

    name: str
    sign: str = ""
    value: float | str = ""


def cuts_of(node: Comparison | Membership) -> list[Cut]:
    """Return the comparisons of a chain or of a list of values, each as a cut of one axis."""
    if isinstance(node, Membership):
        sign = "!=" if node.is_negated else "=="
        pairs = [(node.term, sign, value) for value in node.values]
    else:
        pairs = node.pairs  # type: ignore[assignment]
    return [_cut_of(left, sign, right) for left, sign, right in pairs]


def all_cuts(node: Condition) -> Iterator[Cut]:
    """Yield every cut of a condition."""
    match node:
        case Negation():
            yield from all_cuts(node.part)
        case Combination():
            for part in node.parts:
                yield from all_cuts(part)
        case Comparison() | Membership():
            yield from cuts_of(node)


def grid_of(conditions: Sequence[Condition]) -> Grid:
    """Return the cells that conditions tell apart, axes in the order in which they are named."""
    cuts = [cut for condition in conditions for cut in all_cuts(condition)]
    named = dict.fromkeys([*(cut.name for cut in cuts), *_asked(conditions)])
    return Grid(tuple(_axis(name, [cut for cut in cuts if cut.name == name]) for name in named))


def _asked(conditions: Sequence[Condition]) -> list[str]:
    """Return the features that are asked for by ``known``."""

    def walk(node: Condition) -> Iterator[str]:
        match node:
            case Known():
                yield node.feature.name
            case Negation():
                yield from walk(node.part)
            case Combination():
                for part in node.parts:
                    yield from walk(part)

    return [name for condition in conditions for name in walk(condition)]


def _axis(name: str, cuts: Sequence[Cut]) -> Axis:
    if name not in COLUMNS:
        return Axis(name, "fact")
    column, kind = COLUMNS[name], kind_of(Feature(COLUMNS[name]))
    can_miss = bool(column.null_zh)
    if kind == "text":
        return Axis(name, kind, values=tuple(dict.fromkeys(str(cut.value) for cut in cuts)), can_miss=can_miss)
    is_whole = kind == "day" or column.kind is Kind.COUNT or name in _WHOLE
    least = 0.0 if column.kind is Kind.COUNT or name == "recency_days" else -math.inf
    points = sorted({float(cut.value) for cut in cuts})
    ranges = _whole_ranges(points, least) if is_whole else _ranges(points)
    return Axis(name, kind, ranges=tuple(ranges), can_miss=can_miss, is_whole=is_whole)


def _ranges(points: Sequence[float]) -> Iterator[tuple[float, float]]:
    ends = [-math.inf, *points, math.inf]
    for low, high in pairwise(ends):
        yield low, high
        if high < math.inf:
            yield high, high


def _whole_ranges(points: Sequence[float], least: float) -> Iterator[tuple[float, float]]:
    """Yield ranges of whole numbers, both ends included; empty ones are left out."""
    for low, high in _ranges(points):
        if low == high:
            first, last = (low, high) if low == math.floor(low) else (1.0, 0.0)
        else:
            first = low if low == -math.inf else math.floor(low) + 1.0
            last = high if high == math.inf else math.ceil(high) - 1.0
        first = max(first, least)
        if first <= last:
            yield first, last


def _fits(axis: Axis, place: int, cut: Cut) -> bool:
    """Tell whether a cut holds in a cell that has a value."""
    if axis.kind == "fact":
        return place == 0
    if axis.kind == "text":
        is_it = place < len(axis.values) and axis.values[place] == cut.value
        return is_it == (cut.sign == "==")
    low, high = axis.ranges[place]
    value = float(cut.value)
    if low == high or axis.is_whole:
        at = low if low > -math.inf else high
        return {"<": high < value, "<=": high <= value, ">": low > value, ">=": low >= value,
                "==": at == value and low == high, "!=": not (at == value and low == high)}[cut.sign]  # fmt: skip
    return {"<": high <= value, "<=": high <= value, ">": low >= value, ">=": low >= value, "==": False,
            "!=": True}[cut.sign]  # fmt: skip


# -- one comparison as a cut -------------------------------------------------------------------------------------------


def _cut_of(left: Term, sign: str, right: Term) -> Cut:
    if isinstance(left, Value):
        left, sign, right = right, _FLIPPED[sign], left
    if isinstance(left, Feature) and isinstance(right, Value) and not isinstance(right.value, float):
        day = right.value
        return Cut(left.name, sign, float(day.toordinal()) if isinstance(day, date) else day)
    found = _linear(Arithmetic("-", left, right)) if kind_of(left) == "number" else None
    factors, constant = found if found is not None else ({}, 0.0)
    if len(factors) == 1 and len(feature_names(Comparison(left, ((sign, right),)))) == 1:
        ((name, factor),) = factors.items()
        if factor != 0:
            return Cut(name, sign if factor > 0 else _FLIPPED[sign], _clean(-constant / factor))
    return Cut(condition_text(Comparison(left, ((sign, right),))))


def _linear(term: Term) -> tuple[dict[str, float], float] | None:
    """Return factors of the features and the constant of a term; nothing where it is not linear."""
    if isinstance(term, Value):
        return {}, float(term.value)  # type: ignore[arg-type]
    if isinstance(term, Feature):
        return {term.name: 1.0}, 0.0
    left, right = _linear(term.left), _linear(term.right)
    found = None
    if left is None or right is None:
        return None
    if term.sign in "+-":
        found = _added(left, right, 1.0 if term.sign == "+" else -1.0)
    elif term.sign == "/" and not right[0] and right[1] != 0:
        found = _scaled(left, 1.0 / right[1])
    elif term.sign == "*" and not (left[0] and right[0]):
        found = _scaled(left, right[1]) if not right[0] else _scaled(right, left[1])
    return found


def _added(
    left: tuple[dict[str, float], float], right: tuple[dict[str, float], float], sign: float
) -> tuple[dict[str, float], float]:
    factors = dict(left[0])
    for name, factor in right[0].items():
        factors[name] = factors.get(name, 0.0) + sign * factor
    return factors, left[1] + sign * right[1]


def _scaled(term: tuple[dict[str, float], float], factor: float) -> tuple[dict[str, float], float]:
    return {name: factor * value for name, value in term[0].items()}, factor * term[1]


def _clean(value: float) -> float:
    """Return a solved threshold without the last bits: 5 / (1 / 365.25) is 1826.25."""
    return round(value, _DIGITS) + 0.0


# -- what cannot be ----------------------------------------------------------------------------------------------------

_LENGTHS = {f"order_count_{days}d": days for days in WINDOWS} | {"order_count": math.inf}


def _possible_pair(left: Axis, right: Axis) -> Mask | None:
    """Return which pairs of cells can occur together; nothing for axes that do not bind each other."""
    if left.name in _LENGTHS and right.name in _LENGTHS and _LENGTHS[left.name] < _LENGTHS[right.name]:
        return np.array([[low <= high for _, high in right.ranges] for low, _ in left.ranges])
    if left.name == "recency_days" and right.name in _LENGTHS:
        last = _LENGTHS[right.name] - 1  # the last day of the window
        known = [[(high > 0 and low <= last) or (few == 0 and top > last) for few, high in right.ranges]
                 for low, top in left.ranges]  # fmt: skip
        missing = [few == 0 for few, _ in right.ranges]
        return np.array([*known, missing])
    return None
