"""Net revenue of the next quarter: a range whose model was chosen, and whose width was checked, on past quarters (E18).

Monthly net revenue by local month -> three candidates, each asked at the end of every past quarter for the one after,
knowing only the months until then. :mod:`crm_analysis.evaluation.forecast_choice` takes the one with the least error.
Refunds lower the month in which they are made, so that a month that is over does not change any more: the months until
a quarter's end are what was known then.
"""

import warnings
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_bridges import ForecastSettings
from crm_analysis.sources.purchases import signed_amounts

MONTHLY_REVENUE_SCHEMA: ResultSchema = dict.fromkeys(["month_date", "quarter", "net_amount"], OPEN)
FORECASTS_SCHEMA: ResultSchema = dict.fromkeys(
    ["quarter", "forecast_model", "month_count", "forecast_amount", "low_80_amount", "high_80_amount", "low_95_amount",
     "high_95_amount", "actual_amount", "error_share", "is_in_80", "is_in_95", "is_widened", "is_converged"],
    OPEN,
)  # fmt: skip
#: Candidates, the plainest first; it wins ties and stands in while too little could be tested.
MODELS = ("seasonal_naive", "ets", "ets_log")
LEVELS = (0.80, 0.95)
_SEASON, _AHEAD = 12, 3
_Futures = tuple[float, npt.NDArray[np.float64], bool]


def monthly_revenue_table(orders: ibis.Table, *, quarter: Quarter, beginning: Quarter) -> pd.DataFrame:
    """Return net revenue by local month, from the first whole quarter of the data to the end of the quarter.

    ``orders`` behind the door -> ``month_date`` (its first day), ``quarter``, ``net_amount`` (currency; 0 in a month
    without orders)

    Parameters
    ----------
    beginning
        First quarter that the data cover as a whole; no rows where it lies after ``quarter``.
    """
    rows = signed_amounts(orders)
    rows = rows.filter(rows.ordered_on >= ibis.literal(beginning.start), rows.ordered_on < ibis.literal(quarter.end))
    sums = rows.group_by(month_date=rows.ordered_on.truncate("M").cast("date")).aggregate(
        net_amount=rows.spend_amount.sum().cast("float64")
    )
    found = sums.to_pandas()
    by_month = pd.Series(found["net_amount"].to_numpy(dtype=float), index=pd.to_datetime(found["month_date"]))
    months = pd.date_range(beginning.start, quarter.last_day, freq="MS")
    amounts = by_month.reindex(months, fill_value=0.0).round(2)
    names = [str(Quarter.containing(day.date(), first_month=quarter.first_month)) for day in months]
    return pd.DataFrame({
        "month_date": months.astype("datetime64[s]"),
        "quarter": pd.Series(names, dtype="str"),
        "net_amount": amounts.to_numpy(),
    })  # fmt: skip


def forecasts_table(monthly: pd.DataFrame, *, quarter: Quarter, settings: ForecastSettings) -> pd.DataFrame:
    """Return what every candidate says of each quarter from the months before it: a rolling backtest, and the next.

    columns of ``MONTHLY_REVENUE_SCHEMA`` -> columns of ``FORECASTS_SCHEMA``, a row per quarter and model

    Parameters
    ----------
    monthly
        Whole quarters without a gap, the last being ``quarter``.

    Returns
    -------
    pandas.DataFrame
        Quarters with ``minimum_quarters`` quarters before them, the last being the one after ``quarter``, whose
        ``actual_amount`` and what follows from it are empty. ``month_count``: months the model knew; ``error_share``:
        (forecast - actual) / actual, empty where actual is 0 or less; ``is_widened``: the range is that of past errors;
        ``is_converged``: the fit ended by itself (the plain rule has none to end). No rows with too short a history.
        ``ets_log`` stands only where all months known are above 0.

    Notes
    -----
    ``seasonal_naive``: the same months of the year before plus the mean change on the year of the last 12 months; its
    range by the spread of those changes, wider with Student's t for the few there are. ``ets``: exponential smoothing
    with additive errors, damped trend and season (Hyndman et al. 2008), ``ets_log`` the same on logarithms; point and
    range by simulation with a fixed seed (median and quantiles of the quarter's sum). Such a range takes the model for
    true. From ``minimum_backtests`` earlier forecasts of the model on, the range that their relative errors give
    (Student's t, as many degrees of freedom as errors) takes its place at each end where it is wider.
    """
    amounts = monthly["net_amount"].to_numpy(dtype=float)
    least, total = settings.minimum_quarters, len(amounts) // _AHEAD
    rows: list[dict[str, Any]] = []
    for known in range(least, total + 1):
        target = quarter.shift(known - total + 1)
        history = amounts[: known * _AHEAD]
        actual = float(amounts[known * _AHEAD : (known + 1) * _AHEAD].sum()) if known < total else float("nan")
        for model in MODELS:
            if model == "ets_log" and (history <= 0).any():
                continue
            found = _forecast(history, model, settings=settings)
            bounds = _widened(found, [row for row in rows if row["forecast_model"] == model], settings=settings)
            rows.append({"quarter": str(target), "forecast_model": model} | _row(history, found, bounds, actual))
    if not rows:
        return empty_forecasts()
    texts = dict.fromkeys(["quarter", "forecast_model"], "str") | {"is_in_80": "boolean", "is_in_95": "boolean"}
    return pd.DataFrame(rows).astype(texts)[list(FORECASTS_SCHEMA)]


def _forecast(history: npt.NDArray[np.float64], model: str, *, settings: ForecastSettings) -> _Futures:
    """Return point, both ranges as four bounds, and whether the fit converged."""
    if model == "seasonal_naive":
        return _seasonal_naive(history)
    return _ets(history, is_log=model == "ets_log", settings=settings)


def _widened(found: _Futures, earlier: list[dict[str, Any]], *, settings: ForecastSettings) -> npt.NDArray[np.float64]:
    """Return the bounds, moved out to what the relative errors of earlier forecasts call for."""
    from scipy.stats import t

    middle, bounds, _ = found
    errors = np.array([row["actual_amount"] / row["forecast_amount"] - 1 for row in earlier if row["forecast_amount"]])
    if len(errors) < settings.minimum_backtests or middle <= 0:
        return bounds
    spread = float(np.sqrt((errors**2).mean()))
    by_errors = middle * (1 + spread * t.ppf(_probabilities(), df=len(errors)))
    return np.where(_probabilities() < 0.5, np.minimum(bounds, by_errors), np.maximum(bounds, by_errors))


def _row(
    history: npt.NDArray[np.float64], found: _Futures, bounds: npt.NDArray[np.float64], actual: float
) -> dict[str, Any]:
    """Return one forecast with its ranges, beside what came."""
    middle, own, converged = found
    low_95, low_80, high_80, high_95 = (round(float(bound), 0) for bound in bounds)
    known = actual == actual
    return {
        "month_count": len(history),
        "forecast_amount": round(middle, 0),
        "low_80_amount": low_80,
        "high_80_amount": high_80,
        "low_95_amount": low_95,
        "high_95_amount": high_95,
        "actual_amount": round(actual, 2),
        "error_share": round((middle - actual) / actual, 6) if actual > 0 else float("nan"),
        "is_in_80": low_80 <= actual <= high_80 if known else None,
        "is_in_95": low_95 <= actual <= high_95 if known else None,
        "is_widened": bool((bounds != own).any()),
        "is_converged": converged,
    }


def _seasonal_naive(history: npt.NDArray[np.float64]) -> _Futures:
    """Return the sum of last year's months plus drift, and its range from the changes on the year."""
    from scipy.stats import t

    changes = history[_SEASON:] - history[:-_SEASON]
    recent = changes[-_SEASON:]
    middle = float(history[-_SEASON : -_SEASON + _AHEAD].sum() + _AHEAD * recent.mean())
    n = len(recent)
    spread = float(recent.std(ddof=1)) * np.sqrt(_AHEAD + _AHEAD**2 / n)  # of three months, and of the drift
    return middle, middle + spread * t.ppf(_probabilities(), df=n - 1), True


def _ets(history: npt.NDArray[np.float64], *, is_log: bool, settings: ForecastSettings) -> _Futures:
    """Return median and quantiles of the simulated sum of the next three months, and whether the fit converged."""
    smoothing, convergence_warning = _smoothing()
    values = np.log(history) if is_log else history
    scale = float(np.abs(values).mean()) or 1.0
    model = smoothing(
        values / scale, error="add", trend="add", damped_trend=True, seasonal="add", seasonal_periods=_SEASON,
        initialization_method="heuristic",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", convergence_warning)  # told by is_converged
        fitted = model.fit(disp=False)
    drawn = fitted.simulate(_AHEAD, anchor="end", repetitions=settings.simulations, random_state=settings.seed)
    months = np.asarray(drawn, dtype=float).reshape(_AHEAD, -1) * scale
    sums = (np.exp(months) if is_log else months).sum(axis=0)
    return float(np.median(sums)), np.quantile(sums, _probabilities()), bool(fitted.mle_retvals["converged"])


def _smoothing() -> tuple[Any, type[Warning]]:
    """Return the model of exponential smoothing and the warning of its fit, imported when first needed (3 s)."""
    with warnings.catch_warnings():
        # statsmodels 0.14 uses two decorators that pandas 3 has marked for removal
        warnings.filterwarnings("ignore", message="(Substitution|Appender) is deprecated", category=DeprecationWarning)
        from statsmodels.tools.sm_exceptions import ConvergenceWarning
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel
    return ETSModel, ConvergenceWarning


def _probabilities() -> npt.NDArray[np.float64]:
    """Return the ends of both ranges, lowest first."""
    inner, outer = ((1 - level) / 2 for level in LEVELS)
    return np.array([outer, inner, 1 - inner, 1 - outer])


def empty_forecasts() -> pd.DataFrame:
    """Return forecasts without rows."""
    kinds = dict.fromkeys(["quarter", "forecast_model"], "str") | {"month_count": "int64"}
    kinds |= dict.fromkeys(["is_widened", "is_converged"], "bool")
    kinds |= dict.fromkeys(["is_in_80", "is_in_95"], "boolean")
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "float64")) for name in FORECASTS_SCHEMA})
