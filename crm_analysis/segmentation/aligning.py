"""Customers of one frame found in another, quickly for a million of them."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_analysis.base.errors import AnalysisError, Problem


def places_of(values: pd.Series, *, among: pd.Series) -> npt.NDArray[np.int64]:
    """Return where each value stands in a series of texts that holds each once; -1 where it does not.

    >>> places_of(pd.Series(["b", "c", "a"]), among=pd.Series(["a", "b"])).tolist()
    [1, -1, 0]
    """
    found = pc.index_in(_texts(values), value_set=_texts(among), skip_nulls=True)
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def check_each_once(frames: Mapping[str, pd.DataFrame], *, where: str) -> None:
    """Refuse frames in which a customer stands twice.

    Raises
    ------
    AnalysisError
        All such frames, by their names.
    """
    problems = [
        Problem(f"a customer stands in {name} twice", where, "give one row per customer_id")
        for name, frame in frames.items()
        if pc.count_distinct(_texts(frame["customer_id"])).as_py() < len(frame)
    ]
    if problems:
        raise AnalysisError(problems)


def _texts(values: pd.Series) -> pa.Array:
    made = pa.array(values.astype("str"), type=pa.large_string(), from_pandas=True)
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made
