"""Small-cell and complementary suppression of a table whose margins are shown (REQUIREMENTS X1)."""

import numpy as np
import numpy.typing as npt


def suppressed_cells(counts: npt.ArrayLike, *, minimum: int) -> npt.NDArray[np.bool_]:
    """Return which cells of a two-way table may not be shown when both its margins are.

    Parameters
    ----------
    counts
        Rows x columns of counts.
    minimum
        Cells of 1 to ``minimum - 1`` are hidden. So that no hidden cell follows from a margin, every row and column
        with a hidden cell hides at least two, whose sum is at least ``minimum``; the smallest others go first,
        zeros last.

    Examples
    --------
    Both margins of ``12, 15 / 2, 8`` give everything away but all four; a table of one row protects only itself:

    >>> suppressed_cells([[12, 15], [2, 8]], minimum=5).tolist()
    [[True, True], [True, True]]
    >>> suppressed_cells([[30, 2, 8, 12]], minimum=5).tolist()
    [[False, True, True, False]]
    """
    table = np.asarray(counts, dtype=np.int64)
    hidden = (table > 0) & (table < minimum)
    while True:
        before = int(hidden.sum())
        for row in range(table.shape[0]):
            _protect(table[row], hidden[row], minimum=minimum)
        if table.shape[0] > 1:
            for column in range(table.shape[1]):
                _protect(table[:, column], hidden[:, column], minimum=minimum)
        if int(hidden.sum()) == before:
            return hidden


def _protect(counts: npt.NDArray[np.int64], hidden: npt.NDArray[np.bool_], *, minimum: int) -> None:
    """Hide further cells of one line, in place, until its hidden cells protect each other."""
    if not hidden.any():
        return
    order = np.lexsort((np.arange(len(counts)), counts, counts == 0))
    for place in order:
        if hidden.sum() >= 2 and counts[hidden].sum() >= minimum:
            return
        if not hidden[place]:
            hidden[place] = True
