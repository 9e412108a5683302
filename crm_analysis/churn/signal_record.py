"""What past signals told: how many with a signal left, against those without it (REQUIREMENTS C3)."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_signals import SignalSettings
from crm_analysis.churn.signals import SIGNALS

SIGNAL_RECORD_SCHEMA: ResultSchema = dict.fromkeys(
    ["signal", "assessed_count", "with_count", "without_count", "with_rate", "with_rate_low", "with_rate_high",
     "without_rate", "without_rate_low", "without_rate_high", "lift", "lift_low", "lift_high", "false_alarm_rate",
     "p_adjusted", "signal_verdict"], OPEN,
)  # fmt: skip
#: What the record says of a signal.
VERDICTS = ("warns", "no_difference", "opposite", "too_few", "absent")
_LEVEL = 0.05
_DIGITS = 6

Array = npt.NDArray[np.float64]


def signal_record_table(
    past_signals: pd.DataFrame, outcomes: pd.DataFrame, *, settings: SignalSettings
) -> pd.DataFrame:
    """Return how many customers who showed a signal at a past origin left, against those who did not.

    columns of ``SIGNALS_SCHEMA`` as of the origin and ``customer_id, is_churned`` after it -> columns of
    ``SIGNAL_RECORD_SCHEMA``, in the order of ``SIGNALS``

    Returns
    -------
    pandas.DataFrame
        Rates are of customers in both frames. ``lift`` = rate with / rate without, ``false_alarm_rate`` = share with
        the signal who stayed. ``signal_verdict``: ``warns`` or ``opposite`` where the rates differ (``p_adjusted``
        below 5 %), ``no_difference`` where none was found, which is no proof that there is none; ``too_few`` below
        ``minimum_group`` customers with or without it, ``absent`` when nobody could be assessed. Rates of ``too_few``
        are empty.

    Notes
    -----
    95 % intervals: Wilson's (1927) for rates, and from them that of the ratio (Donner & Zou 2012). Tests: Fisher's,
    two-sided, corrected for the number of signals (Benjamini & Hochberg 1995). The intervals are those of each signal
    alone: that of a ratio may leave out 1 where the corrected test finds no difference.
    """
    from scipy.stats import fisher_exact
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import proportion_confint

    joined = past_signals.merge(outcomes[["customer_id", "is_churned"]], on="customer_id", validate="one_to_one")
    left = joined["is_churned"].to_numpy(dtype=bool)
    rows = []
    for name in SIGNALS:
        flag = joined[f"is_{name}"].astype("boolean")
        known, shown = flag.notna().to_numpy(), flag.fillna(False).to_numpy(dtype=bool)
        counts = [(int((known & side).sum()), int((known & side & left).sum())) for side in (shown, ~shown)]
        (n, x), (m, y) = counts
        row = {"signal": name, "assessed_count": n + m, "with_count": n, "without_count": m}
        if min(n, m) < settings.minimum_group:
            rows.append(row | {"signal_verdict": "absent" if n + m == 0 else "too_few"})
            continue
        bounds = [tuple(float(b) for b in proportion_confint(a, of, method="wilson")) for of, a in counts]
        rates = x / n, y / m
        low, high = ratio_interval(rates, bounds=(bounds[0], bounds[1]))
        row |= {"with_rate": rates[0], "with_rate_low": bounds[0][0], "with_rate_high": bounds[0][1],
                "without_rate": rates[1], "without_rate_low": bounds[1][0], "without_rate_high": bounds[1][1],
                "lift": rates[0] / rates[1] if y else np.nan, "lift_low": low, "lift_high": high,
                "false_alarm_rate": 1 - rates[0],
                "p_adjusted": float(fisher_exact([[x, n - x], [y, m - y]]).pvalue),
                "signal_verdict": "no_difference"}  # fmt: skip
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(SIGNAL_RECORD_SCHEMA))
    tested = table["p_adjusted"].notna()
    if tested.any():
        adjusted = multipletests(table.loc[tested, "p_adjusted"].to_numpy(dtype=float), method="fdr_bh")[1]
        table.loc[tested, "p_adjusted"] = adjusted
        is_higher = table.loc[tested, "with_rate"] > table.loc[tested, "without_rate"]
        told = np.where(adjusted < _LEVEL, np.where(is_higher, "warns", "opposite"), "no_difference")
        table.loc[tested, "signal_verdict"] = told
    text = {"signal": "str", "signal_verdict": "str"}
    whole = dict.fromkeys(["assessed_count", "with_count", "without_count"], "int64")
    numbers = {name: "float64" for name in SIGNAL_RECORD_SCHEMA if name not in text and name not in whole}
    return table.astype(text | whole | numbers).round(_DIGITS)


def ratio_interval(
    rates: tuple[float, float], *, bounds: tuple[tuple[float, ...], tuple[float, ...]]
) -> tuple[float, float]:
    """Return the interval of ``rates[0] / rates[1]`` from the intervals of both; an upper end may be infinite.

    Notes
    -----
    The method of variance estimates recovery for a ratio (Donner & Zou 2012, Stat Methods Med Res 21).
    """
    (p, q), ((low_p, high_p), (low_q, high_q)) = rates, bounds

    def root(near_p: float, far_q: float) -> float:
        return max((p * q) ** 2 - near_p * far_q * (2 * p - near_p) * (2 * q - far_q), 0.0) ** 0.5

    low = low_p * (2 * p - low_p) / (p * q + root(low_p, high_q)) if low_p > 0 else 0.0
    high = (p * q + root(high_p, low_q)) / (low_q * (2 * q - low_q)) if low_q > 0 else float("inf")
    return low, high
