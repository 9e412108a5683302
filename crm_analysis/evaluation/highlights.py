"""Highlights and shortfalls: how far each KPI is from its target, in units of its own noise (REQUIREMENTS E11)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crm_analysis.base.intervals import NORMAL_975
from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_effects import HighlightSettings

HIGHLIGHT, SHORTFALL = "highlight", "shortfall"
JUDGED = ("good", "watch", "bad")
MISSED = ("watch", "bad")
HIGHLIGHTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["kpi", "unit", "side", "value", "target", "distance", "noise", "noise_score", "is_clear", "noise_absent",
     "quarter_count", "status", "n"],
    OPEN,
)  # fmt: skip
#: Why there is no noise; empty where there is.
NOISE_ABSENT = ("", "few_quarters", "no_noise")
#: The median absolute deviation of normal noise times this is its standard deviation.
_TO_DEVIATION = 1.4826
_DEVIATIONS_IN_INTERVAL = 2 * NORMAL_975
_DIGITS = 6


def highlights_table(
    scorecard: pd.DataFrame, history: pd.DataFrame, *, quarter: Quarter, settings: HighlightSettings
) -> pd.DataFrame:
    """Return every KPI with a target by how clearly it is better or worse than that.

    ``scorecard`` and ``kpi_history`` -> columns of ``HIGHLIGHTS_SCHEMA``; shortfalls and highlights with the largest
    score first, then those without one

    Returns
    -------
    pandas.DataFrame
        ``distance``: value less target in the KPI's own unit, positive where it is better than the target, whatever
        the direction. ``noise``: see :func:`noise_table`. ``noise_score``: distance / noise; null without noise.
        ``side``: ``highlight`` from the target on, else ``shortfall``. ``is_clear``: the score is at least
        ``clear_score`` either way, and the target lies outside of the 95 % interval where there is one. KPIs too small
        to be judged, without target or history are left out.
    """
    judged = scorecard.loc[scorecard["status"].isin(JUDGED)]
    table = judged[["kpi", "unit", "value", "target", "status", "n"]].merge(
        noise_table(history, quarter=quarter, settings=settings), on="kpi", how="left", validate="one_to_one"
    )
    table["distance"] = ((table["value"] - table["target"]) * _signs(table["kpi"].tolist())).round(9)
    table["noise_score"] = (table["distance"] / table["noise"]).round(_DIGITS)
    table["side"] = pd.Series(np.where(table["distance"] >= 0, HIGHLIGHT, SHORTFALL), dtype="str")
    ends = scorecard.set_index("kpi")[["low", "high"]].reindex(table["kpi"]).reset_index(drop=True)
    is_inside = table["target"].between(ends["low"], ends["high"])
    table["is_clear"] = ((table["noise_score"].abs() >= settings.clear_score) & ~is_inside).astype(bool)
    table["strength"] = table["noise_score"].abs()
    table["place"] = table["kpi"].map(list(METRICS).index)
    ordered = table.sort_values(["strength", "place"], ascending=[False, True], na_position="last")
    return ordered[list(HIGHLIGHTS_SCHEMA)].reset_index(drop=True).astype({"n": "int64", "quarter_count": "int64"})


def noise_table(history: pd.DataFrame, *, quarter: Quarter, settings: HighlightSettings) -> pd.DataFrame:
    """Return how much every KPI moves from quarter to quarter by itself.

    ``kpi_history`` -> ``kpi, noise, noise_absent, quarter_count``

    Parameters
    ----------
    quarter
        The last of the ``noise_quarters`` quarters that are read.

    Returns
    -------
    pandas.DataFrame
        ``noise``: 1.4826 x the median absolute deviation of the changes on the quarter before, in the KPI's unit, but
        no less than the standard error of the last value where that is known: the width of the 95 % interval / 3.92 for
        proportions, the square root for counts. Null with fewer than
        ``minimum_quarters`` values (``few_quarters``), or where nothing ever changed and no sampling error is known
        (``no_noise``). Values below the metric's ``minimum_n`` are no values.
    """
    names = [str(each) for each in quarter.back(settings.noise_quarters)]
    least = history["kpi"].map({id_: metric.minimum_n for id_, metric in METRICS.items()}).astype("float64")
    known = history.assign(value=history["value"].where(history["n"] >= least))
    known = known.loc[known["quarter"].isin(names)]
    values = known.dropna(subset=["value"]).pivot_table(index="kpi", columns="quarter", values="value", aggfunc="first")
    values = values.reindex(index=pd.Index(known["kpi"].unique(), name="kpi"), columns=names).astype("float64")
    changes = values.diff(axis=1)
    spread = changes.sub(changes.median(axis=1), axis=0).abs().median(axis=1) * _TO_DEVIATION
    counts = values.notna().sum(axis=1)
    last = known.loc[known["quarter"] == str(quarter)].set_index("kpi").reindex(values.index)
    floor = ((last["high"] - last["low"]) / _DEVIATIONS_IN_INTERVAL).where(
        last["unit"] != "count", last["value"].clip(lower=0) ** 0.5
    )
    noise = pd.concat([spread, floor], axis=1).max(axis=1)
    is_short = counts < settings.minimum_quarters
    noise = noise.where(~is_short & (noise > 0)).round(9)
    absent = np.select([is_short, noise.isna()], ["few_quarters", "no_noise"], default="")
    table = pd.DataFrame({"noise": noise, "noise_absent": absent, "quarter_count": counts.astype("int64")})
    return table.rename_axis("kpi").reset_index().astype({"kpi": "str", "noise_absent": "str", "noise": "float64"})


def of_side(highlights: pd.DataFrame, side: str) -> pd.DataFrame:
    """Return the highlights alone, or the shortfalls, in their order."""
    return highlights.loc[highlights["side"] == side].reset_index(drop=True)


def _signs(kpis: Sequence[str]) -> np.ndarray:
    """Return 1 where more is better and -1 where less is."""
    return np.array([1.0 if METRICS[kpi].direction == "up" else -1.0 for kpi in kpis])
