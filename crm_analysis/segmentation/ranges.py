"""Cells taken together to ranges that can be read: ``order_count_90d == 2 and spend_amount_90d < 1000``."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from crm_analysis.segmentation.cells import Axis, Grid, Mask


@dataclass(frozen=True)
class Box:
    """Cells that are a product of ranges.

    Attributes
    ----------
    mask
        The cells, impossible ones included.
    text
        The ranges in the rule language; ``true`` for all cells.
    """

    mask: Mask
    text: str


def boxes(wanted: Mask, grid: Grid) -> Iterator[Box]:
    """Yield boxes that together cover the wanted cells and no other possible ones; each as large as it can be.

    Notes
    -----
    Every box grows from the first cell that is not yet covered, axis by axis; boxes may overlap, and take in cells
    that no customer can lie in.
    """
    allowed = wanted | ~grid.possible
    open_ = wanted.copy()
    while open_.any():
        seed = tuple(int(k) for k in np.unravel_index(int(open_.argmax()), grid.shape))
        kept = [{k} for k in seed]
        for place, axis in enumerate(grid.axes):
            kept[place] = _grown(axis, seed[place], _fitting(allowed, kept, place))
        mask = np.zeros(grid.shape, dtype=bool)
        mask[np.ix_(*[sorted(cells) for cells in kept])] = True
        open_ &= ~mask
        parts = [text for axis, cells in zip(grid.axes, kept, strict=True) if (text := _range_text(axis, cells))]
        several = [f"({part})" if " or " in part else part for part in parts]
        yield Box(mask, " and ".join(several if len(parts) > 1 else parts) or "true")


def _fitting(allowed: Mask, kept: list[set[int]], place: int) -> set[int]:
    """Return the cells of one axis with which the box of the others is allowed as a whole."""
    chosen = [sorted(cells) for cells in kept]
    chosen[place] = list(range(allowed.shape[place]))
    block = np.moveaxis(allowed[np.ix_(*chosen)], place, 0)
    return set(np.flatnonzero(block.reshape(block.shape[0], -1).all(axis=1)).tolist())


def _grown(axis: Axis, seed: int, fitting: set[int]) -> set[int]:
    """Return the cells that a box takes on an axis: of numbers one run, with the cell without value where it fits."""
    if axis.kind in {"text", "fact"}:
        return fitting
    missing = {axis.filled} & fitting if axis.can_miss else set()
    if seed == axis.filled:
        whole = set(range(axis.filled))
        return whole | missing if whole <= fitting else missing
    first = last = seed
    while first - 1 in fitting:
        first -= 1
    while last + 1 in fitting and last + 1 < axis.filled:
        last += 1
    return set(range(first, last + 1)) | missing


def _range_text(axis: Axis, cells: set[int]) -> str:
    """Return the cells of an axis as a condition; empty for all of them."""
    filled, has_missing = sorted(cells - {axis.filled}), axis.can_miss and axis.filled in cells
    if axis.kind == "fact":
        return "" if len(filled) == 2 else f"({axis.name})" if filled == [0] else f"not ({axis.name})"
    if len(filled) == axis.filled:
        return "" if has_missing or not axis.can_miss else f"known({axis.name})"
    if not filled:
        return f"not known({axis.name})"
    text = _text_range(axis, filled) if axis.kind == "text" else _number_range(axis, filled[0], filled[-1])
    return f"{text} or not known({axis.name})" if has_missing else text


def _text_range(axis: Axis, cells: list[int]) -> str:
    named = len(axis.values)
    if named in cells:  # all other texts
        left_out = [repr(axis.values[k]) for k in range(named) if k not in cells]
        return f"{axis.name} != {left_out[0]}" if len(left_out) == 1 else f"{axis.name} not in [{', '.join(left_out)}]"
    values = [repr(axis.values[k]) for k in cells]
    return f"{axis.name} == {values[0]}" if len(values) == 1 else f"{axis.name} in [{', '.join(values)}]"


def _number_range(axis: Axis, first: int, last: int) -> str:
    low, high = axis.ranges[first][0], axis.ranges[last][1]
    if low == high:
        return f"{axis.name} == {_number(low, axis)}"
    with_low = axis.is_whole or axis.ranges[first][0] == axis.ranges[first][1]
    with_high = axis.is_whole or axis.ranges[last][0] == axis.ranges[last][1]
    is_open_below = low == -math.inf or first == 0
    if is_open_below:
        return f"{axis.name} {'<=' if with_high else '<'} {_number(high, axis)}"
    if high == math.inf:
        return f"{axis.name} {'>=' if with_low else '>'} {_number(low, axis)}"
    lower, upper = ("<=" if end else "<" for end in (with_low, with_high))
    return f"{_number(low, axis)} {lower} {axis.name} {upper} {_number(high, axis)}"


def _number(value: float, axis: Axis) -> str:
    return repr(date.fromordinal(int(value)).isoformat()) if axis.kind == "day" else f"{value:.15g}"
