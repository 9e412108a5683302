"""Published numbers of purchase models on CDNOW, from the raw log: BG/NBD, Pareto/NBD, Gamma-Gamma, value, checks."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.settings_value_models import ValueHorizon, ValueModelSettings
from crm_analysis.churn import purchase_checks as checks
from crm_analysis.churn.clv import clv_document, clv_table
from crm_analysis.churn.purchase_fit import fit_purchases, fitted_models, purchase_fits_document
from crm_analysis.churn.purchase_inputs import (
    SUMMARY_SCHEMA,
    holdout_start,
    holdout_table,
    purchase_days_table,
    summary_table,
)
from crm_analysis.churn.purchase_spend import fit_spend

pytestmark = pytest.mark.reference

START, AS_OF, WEEKS = date(1997, 10, 1), date(1998, 7, 1), 39
SETTINGS = ValueModelSettings()


@pytest.fixture(scope="module")
def log(reference_data: Path) -> pd.DataFrame:
    rows = pd.read_csv(reference_data / "cdnow" / "cdnow_sample.csv", dtype={"sample_id": "str"}, parse_dates=["date"])
    assert (len(rows), round(rows["amount"].sum(), 2)) == (6919, 244091.94)
    return pd.DataFrame({
        "customer_id": rows["sample_id"], "ordered_on": rows["date"].dt.date, "amount": rows["amount"],
    })  # fmt: skip


@pytest.fixture(scope="module")
def purchases(log: pd.DataFrame) -> ibis.Table:
    return ibis.memtable(log)


@pytest.fixture(scope="module")
def customers(log: pd.DataFrame) -> ibis.Table:
    return ibis.memtable(pd.DataFrame({"customer_id": log["customer_id"].unique(), "kind": "person"}))


@pytest.fixture(scope="module")
def holdout(purchases: ibis.Table, customers: ibis.Table) -> pd.DataFrame:
    assert holdout_start(AS_OF, weeks=WEEKS) == START
    return holdout_table(purchases, customers, start=START).to_pandas()


@pytest.fixture(scope="module")
def summary(holdout: pd.DataFrame, purchases: ibis.Table, customers: ibis.Table) -> pd.DataFrame:
    before = purchases.filter(purchases.ordered_on < ibis.literal(START))
    table = summary_table(before, customers, as_of=START).to_pandas()
    pd.testing.assert_frame_equal(table, holdout[list(SUMMARY_SCHEMA)])
    return table


@pytest.fixture(scope="module")
def fits(summary: pd.DataFrame) -> Mapping[str, Any]:
    return purchase_fits_document(summary, settings=SETTINGS)


@pytest.fixture(scope="module")
def published(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the summary as it was published: weeks and amounts with two decimals."""
    cents = np.floor(summary["repeat_mean_amount"] * 100 + 0.5 + 1e-6) / 100
    return summary.round({"age_at_last": 2, "age": 2}).assign(repeat_mean_amount=cents)


def one(x: float, t_x: float, T: float) -> pd.DataFrame:
    return pd.DataFrame({"repeat_count": [x], "age_at_last": [t_x], "age": [T]})


# -- purchases ---------------------------------------------------------------------------------------------------------


def test_bg_nbd(summary: pd.DataFrame) -> None:
    assert len(summary) == 2357
    model = fit_purchases(summary)
    assert model.converged
    assert (model.n, model.repeater_count) == (2357, 946)
    assert model.params == pytest.approx({"r": 0.24259, "alpha": 4.41360, "a": 0.79292, "b": 2.42591}, abs=5e-6)
    assert model.log_likelihood == pytest.approx(-9582.4292, abs=5e-5)


def test_age_must_run_to_the_last_included_day(purchases: ibis.Table, customers: ibis.Table) -> None:
    before = purchases.filter(purchases.ordered_on < ibis.literal(START))
    late = summary_table(before, customers, as_of=date(1997, 10, 2)).to_pandas()
    assert fit_purchases(late).log_likelihood == pytest.approx(-9589.89, abs=0.005)
    without_last_day = purchases.filter(purchases.ordered_on < ibis.literal(date(1997, 9, 30)))
    early = summary_table(without_last_day, customers, as_of=START).to_pandas()
    assert fit_purchases(early).log_likelihood == pytest.approx(-9528.5, abs=0.05)


@pytest.mark.parametrize(
    ("name", "params", "value"),
    [
        ("pareto_nbd", {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}, -9595.0),
        ("mbg_nbd", {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}, -9582.1),
    ],
)
def test_the_other_models(summary: pd.DataFrame, name, params: dict[str, float], value: float) -> None:
    model = fit_purchases(summary, name=name)
    assert model.converged
    assert model.params == pytest.approx(params, abs=6e-4)
    assert model.log_likelihood == pytest.approx(value, abs=0.05)


def test_expectations(summary: pd.DataFrame) -> None:
    model = fit_purchases(summary)
    assert model.expected_purchases(one(2, 30.43, 38.86), horizon=39)[0] == pytest.approx(1.226, abs=5e-4)
    assert float(model.population_expectation(52)) == pytest.approx(1.444, abs=5e-4)


@pytest.mark.parametrize(("x", "expected"), [(10, 0.3475), (15, 0.04283), (20, 0.004159), (25, 0.0003584)])
def test_the_increasing_frequency_paradox(summary: pd.DataFrame, x: int, expected: float) -> None:
    found = fit_purchases(summary).expected_purchases(one(x, 20, 39), horizon=52)[0]
    assert found == pytest.approx(expected, rel=2e-4)


# -- amounts and value -------------------------------------------------------------------------------------------------


def test_gamma_gamma(summary: pd.DataFrame, published: pd.DataFrame) -> None:
    model = fit_spend(summary)
    assert (model.n, model.converged) == (946, True)
    assert model.params == pytest.approx({"p": 6.25, "q": 3.74, "v": 15.44}, abs=0.005)
    assert model.log_likelihood == pytest.approx(-4055.92, abs=0.005)
    wanted = [24.66, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17]
    assert fit_spend(published).expected_amount(published.head(10)).round(2).tolist() == wanted
    assert model.expected_amount(summary.head(10)) == pytest.approx(wanted, abs=0.01)


def test_frequency_and_amount_are_nearly_unrelated(summary: pd.DataFrame) -> None:
    found = checks.check_independence(summary, settings=SETTINGS)["person"]
    assert (found["status"], found["n"]) == ("ok", 946)
    assert found["correlation"] == pytest.approx(0.1139, abs=5e-5)
    strict = ValueModelSettings(most_correlation=0.1)
    assert checks.check_independence(summary, settings=strict)["person"]["status"] == "warning"


def test_twelve_months_are_twelve_months(published: pd.DataFrame) -> None:
    fits = purchase_fits_document(published, settings=SETTINGS)
    table = clv_table(published, fits, horizon=ValueHorizon()).set_index("customer_id")
    wanted = {"0001": 36.1985, "0002": 4.6270, "0003": 8.3243, "0006": 282.9267}
    assert table["clv_amount"][list(wanted)].to_dict() == {id_: round(value, 2) for id_, value in wanted.items()}
    purchases, amounts = fitted_models(fits)["person"]
    assert amounts is not None
    members = published.loc[published["customer_id"].isin(list(wanted))]
    months = np.array([purchases.expected_purchases(members, horizon=m * 52 / 12) for m in range(13)])
    value = (np.diff(months, axis=0) / 1.01 ** np.arange(1, 13)[:, None]).sum(axis=0) * amounts.expected_amount(members)
    assert value == pytest.approx(list(wanted.values()), abs=1e-4)


def test_the_value_of_all_has_an_interval(summary: pd.DataFrame, fits: Mapping[str, Any]) -> None:
    document = clv_document(summary, fits, settings=SETTINGS)
    total = document["totals"]["person"]
    table = clv_table(summary, fits, horizon=SETTINGS.horizon)
    assert total["value"] == pytest.approx(table["clv_amount"].sum(), abs=0.005 * len(table))
    assert total["purchases"] == pytest.approx(table["expected_purchase_count"].sum(), abs=0.02)
    assert total["value_low"] < total["value"] < total["value_high"] < 1.3 * total["value"]


# -- what the hold-out says --------------------------------------------------------------------------------------------


def test_holdout_by_frequency(holdout: pd.DataFrame, fits: Mapping[str, Any]) -> None:
    table = checks.frequency_table(holdout, fits, settings=SETTINGS, weeks=WEEKS)
    assert table["repeat_class"].tolist() == ["0", "1", "2", "3", "4", "5", "6", "7+"]
    assert table["customer_count"].tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
    assert table["actual_mean"].round(3).tolist() == [0.237, 0.697, 1.393, 1.56, 2.532, 2.947, 3.862, 6.359]
    assert table["expected_mean"].round(3).tolist() == [0.225, 0.523, 1.044, 1.52, 2.164, 2.654, 3.504, 6.157]


def test_nothing_is_sorted_by_being_alive(holdout: pd.DataFrame, fits: Mapping[str, Any]) -> None:
    table = checks.ranking_table(holdout, fits, weeks=WEEKS)
    assert table["customer_ranking"].tolist() == list(checks.RANKINGS)
    assert table["auc"].round(3).tolist() == [0.316, 0.773, 0.758]


def test_tracking(purchases: ibis.Table, customers: ibis.Table, holdout: pd.DataFrame, fits: Mapping[str, Any]) -> None:
    days = purchase_days_table(purchases, customers, start=START)
    assert days["first_count"].sum() == 2357
    assert days[["first_count", "repeat_count"]].to_numpy().sum() == 6696
    table = checks.tracking_table(days, fits, start=START, as_of=AS_OF)
    assert (len(table), int(table["is_holdout"].sum())) == (39 + 39, WEEKS)
    assert table["week_date"].iloc[-1] == pd.Timestamp("1998-06-30")
    assert table["actual_sum_count"].iloc[-1] == 6696 - 2357
    held = table.loc[table["is_holdout"]]
    assert held["actual_purchase_count"].sum() == holdout["later_count"].sum()
    # the first week of repeat purchases, by the definition
    model, _ = fitted_models(fits)["person"]
    first = days.loc[days["day_date"] <= table["week_date"].iloc[0]]
    elapsed = (table["week_date"].iloc[0] - first["day_date"]).dt.days.to_numpy() / 7
    wanted = float(first["first_count"].to_numpy() @ model.population_expectation(elapsed))
    assert table["expected_sum_count"].iloc[0] == pytest.approx(wanted, abs=1e-4)
    calibrated = table.loc[~table["is_holdout"]].iloc[-1]
    assert calibrated["expected_sum_count"] == pytest.approx(calibrated["actual_sum_count"], rel=0.03)


def test_the_fit_test_says_both_numbers(holdout: pd.DataFrame, fits: Mapping[str, Any]) -> None:
    found = checks.fit_test_document(holdout, fits, weeks=WEEKS)["tests"]["person"]
    assert (found["status"], found["n"]) == ("ok", 2357)
    assert found["actual_count"] == holdout["later_count"].sum()
    assert -0.15 < found["error_share"] < 0
