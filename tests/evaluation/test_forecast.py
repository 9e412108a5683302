"""Next quarter's revenue: monthly sums and the plain rule by hand, what no model may see, how one is chosen."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_bridges import ForecastSettings
from crm_analysis.base.words import LANGUAGES, Message, Words
from crm_analysis.evaluation import forecast, forecast_choice
from crm_analysis.evaluation import outlook_figures as figures
from crm_analysis.evaluation import outlook_findings as findings
from crm_analysis.evaluation.forecast import (
    FORECASTS_SCHEMA,
    MODELS,
    MONTHLY_REVENUE_SCHEMA,
    forecasts_table,
    monthly_revenue_table,
)
from crm_analysis.evaluation.forecast_choice import (
    PATH_SCHEMA,
    backtest_summary_table,
    choose_forecast_model,
    forecast_document,
    forecast_path_table,
)
from crm_analysis.sources.as_of import as_of

NOW = Quarter(2025, 3)
SETTINGS = ForecastSettings(simulations=400)


def months(amounts: list[float], *, quarter: Quarter = NOW) -> pd.DataFrame:
    count = len(amounts) // 3
    days = pd.date_range(quarter.shift(1 - count).start, periods=len(amounts), freq="MS").astype("datetime64[s]")
    names = [str(Quarter.containing(day.date())) for day in days]
    return pd.DataFrame({"month_date": days, "quarter": pd.Series(names, dtype="str"), "net_amount": amounts})


def seasonal(count: int, *, growth: float = 2.0, noise: float = 5.0, seed: int = 1) -> list[float]:
    """Return months with a trend, a season and noise."""
    season = 100 + 30 * np.sin(2 * np.pi * np.arange(count) / 12)
    return list(np.round(season + growth * np.arange(count) + np.random.default_rng(seed).normal(0, noise, count), 2))


# -- monthly revenue ---------------------------------------------------------------------------------------------------


def test_months_by_hand(make_tables) -> None:
    orders = [
        {"ordered_at": "2024-12-31 23:59", "amount": 999},
        {"ordered_at": "2025-01-01 00:00", "amount": 100},
        {"order_id": "o9", "ordered_at": "2025-01-31 23:59", "amount": 50},
        {"ordered_at": "2025-03-01 08:00", "amount": -20, "refund_of": "o9"},
        {"ordered_at": "2025-06-30 23:59", "amount": 7},
        {"ordered_at": "2025-07-01 00:00", "amount": 888},
    ]
    quarter = Quarter(2025, 2)
    known = as_of(make_tables(orders=orders), quarter.end, zone="Asia/Shanghai")["orders"]
    table = monthly_revenue_table(known, quarter=quarter, beginning=quarter.shift(-1))
    check_columns(table.columns, MONTHLY_REVENUE_SCHEMA, result="monthly_revenue")
    assert table["net_amount"].tolist() == [150.0, 0.0, -20.0, 0.0, 0.0, 7.0]
    assert table["quarter"].tolist() == ["2025Q1"] * 3 + ["2025Q2"] * 3
    assert monthly_revenue_table(known, quarter=quarter, beginning=quarter.shift(1)).empty


# -- the candidates ----------------------------------------------------------------------------------------------------


def test_the_plain_rule_by_hand() -> None:
    # the second year is 10 above the first, save for one month that is 34 above: a mean change of 12
    first = [float(100 + k) for k in range(12)]
    second = [value + (34 if k == 11 else 10) for k, value in enumerate(first)]
    table = forecasts_table(months(first + second), quarter=NOW, settings=SETTINGS)
    row = table.set_index("forecast_model").loc["seasonal_naive"]
    assert row["quarter"] == "2025Q4"
    assert row["forecast_amount"] == 110 + 111 + 112 + 3 * 12
    # spread of the 12 changes with 11 degrees of freedom: eleven of -2, one of 22 about their mean
    spread = np.sqrt((11 * 4 + 22**2) / 11) * np.sqrt(3 + 9 / 12)
    assert row["high_80_amount"] == round(369 + spread * t.ppf(0.9, 11))
    assert row["low_95_amount"] == round(369 - spread * t.ppf(0.975, 11))
    assert pd.isna(row["actual_amount"])
    assert pd.isna(row["is_in_80"])


@pytest.mark.parametrize("count", [3, 21])
def test_too_short_a_history_gives_none(count: int) -> None:
    table = forecasts_table(months(seasonal(count)), quarter=NOW, settings=SETTINGS)
    check_columns(table.columns, FORECASTS_SCHEMA, result="forecasts")
    assert table.empty
    found = forecast_document(table, quarter=NOW, quarter_count=count // 3, is_complete=True, settings=SETTINGS)
    assert (found["status"], found["next"], found["last"]) == ("too_short", None, None)
    assert Message.from_json(found["message"]).args == {"n": count // 3, "minimum": 8}


@pytest.fixture(scope="module")
def rolled() -> pd.DataFrame:
    """Forecasts of twelve quarters of a company with trend, season and little noise."""
    return forecasts_table(months(seasonal(36)), quarter=NOW, settings=SETTINGS)


def test_the_backtest_rolls_over_the_quarters(rolled: pd.DataFrame) -> None:
    check_columns(rolled.columns, FORECASTS_SCHEMA, result="forecasts")
    assert rolled["quarter"].unique().tolist() == ["2024Q4", "2025Q1", "2025Q2", "2025Q3", "2025Q4"]
    assert rolled.groupby("quarter")["forecast_model"].agg(tuple).unique().tolist() == [MODELS]
    assert rolled["month_count"].unique().tolist() == [24, 27, 30, 33, 36]
    known = rolled.loc[rolled["quarter"] != "2025Q4"]
    error = (known["forecast_amount"] - known["actual_amount"]) / known["actual_amount"]
    assert (error - known["error_share"]).abs().max() < 0.002
    assert known["error_share"].abs().max() < 0.2
    bounds = ["low_95_amount", "low_80_amount", "forecast_amount", "high_80_amount", "high_95_amount"]
    assert (rolled[bounds].diff(axis=1).iloc[:, 1:] > 0).all().all()
    inside = known["actual_amount"].between(known["low_80_amount"], known["high_80_amount"])
    assert (inside == known["is_in_80"]).all()


def test_no_forecast_sees_its_own_quarter_or_later(rolled: pd.DataFrame) -> None:
    amounts = seasonal(36)
    other = forecasts_table(months(amounts[:30] + [9999.0] * 6), quarter=NOW, settings=SETTINGS)
    told = [name for name in FORECASTS_SCHEMA if name.startswith(("forecast", "low", "high"))]
    early = ["2024Q4", "2025Q1", "2025Q2"]
    for one in (rolled, other):
        assert set(early) < set(one["quarter"])
    same = [each.loc[each["quarter"].isin(early), told] for each in (rolled, other)]
    pd.testing.assert_frame_equal(*same)
    shorter = forecasts_table(months(amounts[:33], quarter=NOW.shift(-1)), quarter=NOW.shift(-1), settings=SETTINGS)
    both = [each.loc[each["quarter"] == "2025Q3", told].reset_index(drop=True) for each in (rolled, shorter)]
    pd.testing.assert_frame_equal(*both)


def test_the_same_data_give_the_same_forecast_whatever_the_unit_of_money(rolled: pd.DataFrame) -> None:
    again = forecasts_table(months(seasonal(36)), quarter=NOW, settings=SETTINGS)
    pd.testing.assert_frame_equal(rolled, again)
    scaled = forecasts_table(months([1000 * x for x in seasonal(36)]), quarter=NOW, settings=SETTINGS)
    assert (scaled["forecast_amount"] / rolled["forecast_amount"] / 1000 - 1).abs().max() < 0.005


def test_months_without_revenue_leave_out_logarithms() -> None:
    amounts = seasonal(24)
    amounts[3] = -5.0
    table = forecasts_table(months(amounts), quarter=NOW, settings=SETTINGS)
    assert table["forecast_model"].tolist() == ["seasonal_naive", "ets"]


def test_ranges_of_a_steady_company_hold(monkeypatch) -> None:
    """Of 100 companies of one kind, about 80 come to lie in the plain rule's 80 % range, about 95 in the other."""
    monkeypatch.setattr(forecast, "MODELS", ("seasonal_naive",))
    own_range = ForecastSettings(minimum_backtests=9)
    rows = [
        forecasts_table(months(seasonal(27, seed=seed)), quarter=NOW, settings=own_range).iloc[0] for seed in range(100)
    ]
    inside_80, inside_95 = (sum(bool(row[f"is_in_{level}"]) for row in rows) for level in (80, 95))
    assert 68 <= inside_80 <= 92
    assert 88 <= inside_95 <= 100


def test_past_errors_widen_the_range(rolled: pd.DataFrame) -> None:
    known = rolled.loc[rolled["forecast_model"] == "ets"].set_index("quarter")
    assert not known["is_widened"].iloc[:3].any(), "fewer than three errors are known"
    late = known.loc["2025Q4"]
    errors = (known["actual_amount"] / known["forecast_amount"] - 1).iloc[:4]
    wide = late["forecast_amount"] * (1 + np.sqrt((errors**2).mean()) * t.ppf(0.975, 4))
    assert late["high_95_amount"] >= wide - 2
    untested = ForecastSettings(simulations=400, minimum_backtests=9)
    never = forecasts_table(months(seasonal(36)), quarter=NOW, settings=untested)
    assert not never["is_widened"].any()


def test_a_fit_that_does_not_converge_is_told(monkeypatch) -> None:
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    class Stuck:
        def __init__(self, values: Any, **_: Any) -> None:
            self.mle_retvals = {"converged": False}

        def fit(self, **_: Any) -> "Stuck":
            warnings.warn("stuck", ConvergenceWarning, stacklevel=1)
            return self

        def simulate(self, count: int, *, repetitions: int, **_: Any) -> Any:
            return np.linspace(0.9, 1.1, repetitions) * np.ones((count, 1))

    monkeypatch.setattr(forecast, "_smoothing", lambda: (Stuck, ConvergenceWarning))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = forecasts_table(months(seasonal(27)), quarter=NOW, settings=SETTINGS)
    assert table.set_index("forecast_model")["is_converged"].to_dict() == {
        "seasonal_naive": True, "ets": False, "ets_log": False,
    }  # fmt: skip
    assert backtest_summary_table(table).set_index("forecast_model")["unconverged_count"].to_dict() == {
        "seasonal_naive": 0, "ets": 1, "ets_log": 1,
    }  # fmt: skip


# -- the choice --------------------------------------------------------------------------------------------------------


def backtests(**errors: list[float]) -> pd.DataFrame:
    """Return forecasts of models with given errors in the quarters before 2025Q4."""
    count = max(len(each) for each in errors.values())
    rows = [
        {
            "quarter": str(NOW.shift(k - count + 1)),
            "forecast_model": model,
            "error_share": error,
            "actual_amount": 100.0,
        }
        for k in range(count + 1)
        for model, each in errors.items()
        for error in [([float("nan")] * (count - len(each)) + each + [float("nan")])[k]]
    ]
    table = pd.DataFrame(rows)
    table["forecast_amount"] = (100 * (1 + table["error_share"])).fillna(120.0)
    for level, width in (("80", 10.0), ("95", 20.0)):
        table[f"low_{level}_amount"] = table["forecast_amount"] - width
        table[f"high_{level}_amount"] = table["forecast_amount"] + width
        inside = table["error_share"].abs() * 100 <= width
        table[f"is_in_{level}"] = inside.where(table["error_share"].notna()).astype("boolean")
    table["actual_amount"] = table["actual_amount"].where(table["quarter"] != "2025Q4")
    return table.assign(month_count=30, is_widened=False, is_converged=True)[list(FORECASTS_SCHEMA)]


def test_summary_by_hand() -> None:
    table = backtest_summary_table(backtests(seasonal_naive=[0.1, -0.3], ets=[0.15, -0.05])).set_index("forecast_model")
    assert table["mean_error_share"].to_dict() == {"seasonal_naive": 0.2, "ets": 0.1}
    assert table["bias_share"].to_dict() == {"seasonal_naive": -0.1, "ets": 0.05}
    assert table["under_count"].to_dict() == {"seasonal_naive": 1, "ets": 1}
    assert table["in_80_count"].to_dict() == {"seasonal_naive": 1, "ets": 1}
    assert table["in_95_count"].to_dict() == {"seasonal_naive": 1, "ets": 2}


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ({"seasonal_naive": [0.2, 0.2, 0.2], "ets": [0.1, -0.1, 0.1]}, "ets"),
        ({"seasonal_naive": [0.2, 0.2], "ets": [0.1, -0.1]}, "seasonal_naive"),  # two are not enough
        ({"seasonal_naive": [0.1, 0.1, 0.1], "ets": [0.1, -0.1, 0.1]}, "seasonal_naive"),  # a tie
        ({"seasonal_naive": [0.2, 0.2, 0.2], "ets_log": [0.01, 0.01]}, "seasonal_naive"),  # not asked of every quarter
    ],
)
def test_the_least_error_is_chosen(errors: dict[str, list[float]], chosen: str) -> None:
    assert choose_forecast_model(backtests(**errors), target="2025Q4", settings=SETTINGS) == chosen


def test_the_last_forecast_is_by_the_model_chosen_then() -> None:
    # until 2025Q2 the plain rule was best; with 2025Q3 the other one is
    table = backtests(seasonal_naive=[0.1, 0.1, 0.1, 0.9], ets=[0.2, 0.2, 0.2, 0.0])
    found = forecast_document(table, quarter=NOW, quarter_count=12, is_complete=True, settings=SETTINGS)
    assert (found["next"]["quarter"], found["next"]["forecast_model"]) == ("2025Q4", "ets")
    assert (found["last"]["quarter"], found["last"]["forecast_model"]) == ("2025Q3", "seasonal_naive")
    assert found["last"]["error_share"] == 0.9
    assert (found["backtest"]["backtest_count"], found["backtest"]["in_95_count"]) == (4, 4)


def test_ranges_that_held_too_seldom_are_told() -> None:
    table = backtests(seasonal_naive=[0.3, 0.3, 0.0, 0.0])  # two of four inside 95 %: 1.4 % of the time
    found = forecast_document(table, quarter=NOW, quarter_count=12, is_complete=True, settings=SETTINGS)
    assert found["backtest"]["is_range_narrow"]
    assert findings.note_backtest(found).args["judged"].id == "forecast.range_narrow"
    one = backtests(seasonal_naive=[0.3, 0.0, 0.0, 0.0, 0.0, 0.0])
    held = forecast_document(one, quarter=NOW, quarter_count=14, is_complete=True, settings=SETTINGS)
    assert not held["backtest"]["is_range_narrow"]


def test_a_quarter_that_is_not_over_has_no_forecast(rolled: pd.DataFrame) -> None:
    found = forecast_document(rolled, quarter=NOW, quarter_count=12, is_complete=False, settings=SETTINGS)
    assert (found["status"], found["next"]) == ("incomplete", None)


def test_the_first_forecast_has_nothing_to_be_tested_on() -> None:
    table = forecasts_table(months(seasonal(24)), quarter=NOW, settings=SETTINGS)
    found = forecast_document(table, quarter=NOW, quarter_count=8, is_complete=True, settings=SETTINGS)
    assert (found["next"]["forecast_model"], found["last"]) == ("seasonal_naive", None)
    assert findings.note_backtest(found).id == "forecast.no_backtest"
    assert findings.finding_last_forecast(found).id == "forecast.no_last"


def test_the_path_joins_actual_and_forecast(rolled: pd.DataFrame) -> None:
    amounts = seasonal(36)
    path = forecast_path_table(months(amounts), rolled, settings=SETTINGS)
    check_columns(path.columns, PATH_SCHEMA, result="forecast_path")
    assert len(path) == 13
    assert path["actual_amount"].iloc[0] == round(sum(amounts[:3]), 2)
    assert path["forecast_amount"].notna().tolist() == [False] * 8 + [True] * 5
    assert (path["quarter"].iloc[-1], pd.isna(path["actual_amount"].iloc[-1])) == ("2025Q4", True)
    assert forecast_path_table(months(amounts), rolled.iloc[:0], settings=SETTINGS).empty


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(rolled: pd.DataFrame, lang: str) -> None:
    words = Words(lang)
    found = forecast_document(rolled, quarter=NOW, quarter_count=12, is_complete=True, settings=SETTINGS)
    path = forecast_path_table(months(seasonal(36)), rolled, settings=SETTINGS)
    assert words.format_money(found["next"]["low_80_amount"]) in words.say(findings.finding_forecast(found))
    assert words.format_money(found["last"]["actual_amount"]) in words.say(findings.finding_last_forecast(found))
    assert words.format_percent(found["backtest"]["mean_error_share"]) in words.say(findings.note_backtest(found))
    places = {"in_80": (True, True), "in_95": (False, True), "outside": (False, False)}
    for id_, (inner, outer) in places.items():
        last = found["last"] | {"is_in_80": inner, "is_in_95": outer, "error_share": -0.1}
        assert words.word(f"forecast.{id_}") in words.say(findings.finding_last_forecast(found | {"last": last}))
    negative = found | {"last": found["last"] | {"error_share": None}}
    assert words.say(findings.finding_last_forecast(negative))
    stuck = found | {"backtest": found["backtest"] | {"unconverged_count": 1}}
    assert words.word("forecast.unconverged") in words.say(findings.note_backtest(stuck))
    assert "2025" in words.say(findings.alt_forecast(path))
    assert words.say(findings.alt_forecast(path.iloc[:0])) == words.word("forecast.alt_none")
    for status in ({"is_complete": False}, {"is_complete": True}):
        none = forecast_document(rolled.iloc[:0], quarter=NOW, quarter_count=5, settings=SETTINGS, **status)
        assert words.say(findings.finding_forecast(none))
        assert words.say(findings.note_backtest(none)) == words.word("forecast.no_forecast")
    figure = figures.plot_forecast(path, words=words)
    assert len(figure.axes[0].collections) == 2, "two ranges"
    assert len(figures.plot_forecast(path.iloc[:0], words=words).axes[0].lines) == 0
    assert forecast_choice.LEVELS == (0.80, 0.95)
