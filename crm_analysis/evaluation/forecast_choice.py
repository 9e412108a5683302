"""Which model forecasts the next quarter's net revenue, what its backtest says, and how the last forecast did (E18)."""

from typing import Any

import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings_bridges import ForecastSettings
from crm_analysis.base.words import message
from crm_analysis.evaluation.forecast import LEVELS, MODELS

PATH_SCHEMA: ResultSchema = dict.fromkeys(
    ["quarter", "actual_amount", "forecast_amount", "low_80_amount", "high_80_amount", "low_95_amount",
     "high_95_amount", "forecast_model"],
    OPEN,
)  # fmt: skip


def backtest_summary_table(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Return the error and the coverage of every candidate over the quarters it was tested on.

    columns of ``FORECASTS_SCHEMA`` -> ``forecast_model, backtest_count, mean_error_share`` (mean absolute error, MAPE,
    0-1), ``bias_share`` (mean error with its sign: below 0 where forecasts lie too low), ``under_count`` (forecasts
    below what came), ``in_80_count, in_95_count, unconverged_count``; only quarters whose revenue is known and above 0
    """
    known = forecasts.loc[forecasts["error_share"].notna()]
    rows = [
        {
            "forecast_model": model,
            "backtest_count": len(own),
            "mean_error_share": round(float(own["error_share"].abs().mean()), 6) if len(own) else float("nan"),
            "bias_share": round(float(own["error_share"].mean()), 6) if len(own) else float("nan"),
            "under_count": int((own["error_share"] < 0).sum()),
            "in_80_count": int(own["is_in_80"].sum()),
            "in_95_count": int(own["is_in_95"].sum()),
            "unconverged_count": int((~own["is_converged"].astype(bool)).sum()),
        }
        for model, own in ((model, known.loc[known["forecast_model"] == model]) for model in MODELS)
        if (forecasts["forecast_model"] == model).any()
    ]
    kinds = {"forecast_model": "str", "mean_error_share": "float64", "bias_share": "float64"}
    names = ["forecast_model", "backtest_count", "mean_error_share", "bias_share", "under_count", "in_80_count",
             "in_95_count", "unconverged_count"]  # fmt: skip
    return pd.DataFrame(rows, columns=names).astype({name: kinds.get(name, "int64") for name in names})


def choose_forecast_model(forecasts: pd.DataFrame, *, target: str, settings: ForecastSettings) -> str:
    """Return the model for a quarter from what was known before it: the least mean error on the quarters until then.

    Notes
    -----
    Only models that were asked about every quarter of the backtest are compared, and only from ``minimum_backtests``
    quarters on: before, and at a tie, it is the plain rule.
    """
    quarters = list(dict.fromkeys(forecasts["quarter"]))
    earlier = quarters[: quarters.index(target)] if target in quarters else quarters
    summary = backtest_summary_table(forecasts.loc[forecasts["quarter"].isin(earlier)]).set_index("forecast_model")
    at_hand = set(forecasts.loc[forecasts["quarter"] == target, "forecast_model"])
    if summary.empty or summary["backtest_count"].max() < settings.minimum_backtests:
        return MODELS[0]
    tested = summary.loc[(summary["backtest_count"] == summary["backtest_count"].max()) & summary.index.isin(at_hand)]
    return str(tested["mean_error_share"].idxmin())


def forecast_document(
    forecasts: pd.DataFrame, *, quarter: Quarter, quarter_count: int, is_complete: bool, settings: ForecastSettings
) -> dict[str, Any]:
    """Return the forecast of the next quarter with what it rests on, and how the last one did.

    Parameters
    ----------
    forecasts
        What :func:`forecasts_table` returns.
    quarter_count
        Whole quarters of history.
    is_complete
        Whether the data reach the quarter's end; a forecast from a piece of a quarter would be one of the piece.

    Returns
    -------
    dict
        ``status``: ``ok``, ``too_short``, ``incomplete``; ``message``; ``next`` and ``last``: rows of ``forecasts`` of
        the model chosen before each of the two quarters (empty where there is none; ``last`` is what was said of
        ``quarter`` at the end of the one before); ``backtest``: row of :func:`backtest_summary_table` of the next
        quarter's model, and ``is_range_narrow``: that few quarters inside a range come by chance less than once in 20;
        ``is_one_sided``: all forecasts lay on the same side of what came.
    """
    document: dict[str, Any] = {"next": None, "last": None, "backtest": None}
    if not is_complete:
        told = message("forecast.incomplete", quarter=str(quarter))
        return {"status": "incomplete", "message": told.to_json(), **document}
    if forecasts.empty:
        told = message("forecast.too_short", n=quarter_count, minimum=settings.minimum_quarters)
        return {"status": "too_short", "message": told.to_json(), **document}
    coming = _chosen(forecasts, target=str(quarter.shift(1)), settings=settings)
    last = _chosen(forecasts, target=str(quarter), settings=settings)
    summary = backtest_summary_table(forecasts).set_index("forecast_model")
    assert coming is not None
    backtest = _backtest(summary.loc[coming["forecast_model"]])
    told = message(
        "forecast.finding", quarter=coming["quarter"], model=coming["forecast_model"],
        **{name: coming[f"{name}_amount"] for name in ("forecast", "low_80", "high_80", "low_95", "high_95")},
    )  # fmt: skip
    return {"status": "ok", "message": told.to_json(), "next": coming, "last": last, "backtest": backtest}


def _backtest(row: pd.Series) -> dict[str, Any]:
    """Return a row of the summary as plain values, with the judgement of its ranges."""
    from scipy.stats import binom

    counts = {name: int(row[name]) for name in row.index if name.endswith("_count")}
    errors = {name: None if pd.isna(row[name]) else float(row[name]) for name in ("mean_error_share", "bias_share")}
    n, under = counts["backtest_count"], counts["under_count"]
    inside = [(counts["in_80_count"], LEVELS[0]), (counts["in_95_count"], LEVELS[1])]
    is_narrow = n > 0 and any(float(binom.cdf(count, n, level)) < 0.05 for count, level in inside)
    return counts | errors | {"is_range_narrow": is_narrow, "is_one_sided": n > 0 and under in {0, n}}


def _chosen(forecasts: pd.DataFrame, *, target: str, settings: ForecastSettings) -> dict[str, Any] | None:
    """Return the row of a quarter by the model chosen before it, as plain values; None where there is none."""
    model = choose_forecast_model(forecasts, target=target, settings=settings)
    rows = forecasts.loc[(forecasts["quarter"] == target) & (forecasts["forecast_model"] == model)]
    if rows.empty:
        return None
    row = rows.astype(object).iloc[0]
    return {str(name): None if pd.isna(value) else value for name, value in row.items()}


def forecast_path_table(monthly: pd.DataFrame, forecasts: pd.DataFrame, *, settings: ForecastSettings) -> pd.DataFrame:
    """Return net revenue by quarter beside what was forecast at the end of the quarter before: what is drawn.

    columns of ``MONTHLY_REVENUE_SCHEMA`` and of ``FORECASTS_SCHEMA`` -> columns of ``PATH_SCHEMA``, in time

    Returns
    -------
    pandas.DataFrame
        Amounts in currency. Forecasts are those of the model chosen before the quarter, empty in quarters without; the
        last row is the next quarter, its ``actual_amount`` empty. No rows without forecasts.
    """
    if forecasts.empty:
        kinds = dict.fromkeys(["quarter", "forecast_model"], "str")
        return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "float64")) for name in PATH_SCHEMA})
    targets = list(dict.fromkeys(forecasts["quarter"]))
    chosen = pd.DataFrame({
        "quarter": pd.Series(targets, dtype="str"),
        "forecast_model": [choose_forecast_model(forecasts, target=each, settings=settings) for each in targets],
    }).merge(forecasts.drop(columns="actual_amount"), on=["quarter", "forecast_model"])  # fmt: skip
    actual = monthly.groupby("quarter", sort=False)["net_amount"].sum().round(2).rename("actual_amount").reset_index()
    order = [*actual["quarter"], *(each for each in targets if each not in set(actual["quarter"]))]
    table = pd.DataFrame({"quarter": pd.Series(order, dtype="str")}).merge(actual, on="quarter", how="left")
    return table.merge(chosen, on="quarter", how="left").astype({"forecast_model": "str"})[list(PATH_SCHEMA)]
