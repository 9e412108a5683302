"""Small cells: amounts made from few customers are not shown, nor those that would give them away (REQUIREMENTS X1)."""

import pandas as pd


def hidden_cells(counts: pd.Series, *, minimum: int) -> pd.Series:
    """Return which cells of a list with a known sum may not show an amount.

    Cells of fewer than ``minimum``, and the smallest further ones until what is hidden is at least two cells that hold
    ``minimum`` together.

    >>> hidden_cells(pd.Series([30, 2, 8, 12, 0]), minimum=5).tolist()
    [False, True, True, False, False]
    """
    hidden = (counts > 0) & (counts < minimum)
    if not hidden.any():
        return hidden
    for place in counts.loc[counts > 0].sort_values(kind="stable").index:
        if hidden.sum() >= 2 and counts[hidden].sum() >= minimum:
            break
        hidden[place] = True
    return hidden
