"""Arrow columns from numpy arrays: ids, picks from word lists, money in cents, local wall-clock times."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DAY = 86_400
HOUR = 3_600


def ids(prefix: str, numbers: Ints, *, width: int = 7, valid: Bools | None = None) -> pa.Array:
    """Return texts such as ``C0000042``; null where not ``valid``."""
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width=width, padding="0")
    made = pc.binary_join_element_wise(prefix, digits, "")
    return made if valid is None else pc.if_else(pa.array(valid), made, pa.scalar(None, pa.string()))


def pick(values: Sequence[str], codes: NDArray[np.integer], *, valid: Bools | None = None) -> pa.Array:
    """Return ``values[code]`` for every code; null where the code is negative or not ``valid``."""
    known = codes >= 0 if valid is None else (codes >= 0) & valid
    return pa.array(values, pa.string()).take(pa.array(np.where(known, codes, 0), mask=~known))


def joined(*parts: pa.Array | str) -> pa.Array:
    """Return texts joined element by element; null where a part is null."""
    return pc.binary_join_element_wise(*parts, "")


def money(cents: Ints, *, valid: Bools | None = None) -> pa.Array:
    """Return ``decimal(18, 2)`` from whole cents; null where not ``valid``."""
    pairs = np.empty((len(cents), 2), dtype=np.int64)
    pairs[:, 0] = cents
    pairs[:, 1] = cents >> 63
    made = pa.Array.from_buffers(pa.decimal128(18, 2), len(cents), [None, pa.py_buffer(pairs)])
    return made if valid is None else pc.if_else(pa.array(valid), made, pa.scalar(None, made.type))


def times(seconds: NDArray[np.number], *, valid: Bools | None = None) -> pa.Array:
    """Return local times (seconds since 1970, no zone) to the second; null where not ``valid``."""
    return pa.array(seconds.astype(np.int64), pa.timestamp("s"), mask=None if valid is None else ~valid)


def dates(days: NDArray[np.number], *, valid: Bools | None = None) -> pa.Array:
    """Return dates from days since 1970; null where not ``valid``."""
    return pa.array(days.astype(np.int32), pa.date32(), mask=None if valid is None else ~valid)


def integers(values: NDArray[np.number], *, valid: Bools | None = None) -> pa.Array:
    """Return whole numbers; null where not ``valid``."""
    return pa.array(values.astype(np.int64), mask=None if valid is None else ~valid)


def flags(values: Bools, *, valid: Bools | None = None) -> pa.Array:
    """Return booleans; null where not ``valid``."""
    return pa.array(values, mask=None if valid is None else ~valid)


def choose(rng: np.random.Generator, weights: Sequence[float], count: int) -> Ints:
    """Return ``count`` codes drawn by ``weights``."""
    edges = np.cumsum(np.asarray(weights, dtype=float))
    return np.searchsorted(edges / edges[-1], rng.random(count), side="right").astype(np.int64)


def choose_by_row(rng: np.random.Generator, weights: Floats) -> Ints:
    """Return one code per row of ``weights`` (rows x codes, not normalised)."""
    edges = np.cumsum(weights, axis=1)
    thresholds = rng.random(len(weights)) * edges[:, -1]
    return (edges <= thresholds[:, None]).sum(axis=1).astype(np.int64)
