"""Purchase models against what they must be: their gradients, simulations, integrals, and what must not matter."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta as beta_law
from scipy.stats import gamma as gamma_law

from crm_analysis.base.errors import AnalysisError, InsufficientDataError
from crm_analysis.base.settings_value_models import PURCHASE_MODELS, ValueModelSettings
from crm_analysis.churn import purchase_bayes, purchase_spend
from crm_analysis.churn.purchase_fit import (
    fit_purchases,
    fit_rows,
    fitted_models,
    parameters_table,
    purchase_fits_document,
)
from crm_analysis.churn.purchase_model import FAMILIES, PurchaseModel
from crm_analysis.churn.purchase_rows import PurchaseRows, purchase_rows
from crm_analysis.churn.purchase_spend import fit_spend

TRUTH = {
    "bg_nbd": (0.8, 6.0, 0.9, 3.0),
    "mbg_nbd": (0.8, 6.0, 0.9, 3.0),
    "pareto_nbd": (0.8, 6.0, 0.7, 12.0),
}
WEEKS = 52.0


def stored(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as it comes back from a file, whose keys stand in the order of the alphabet."""
    return json.loads(json.dumps(document, sort_keys=True))


def simulate(name: str, *, n: int, seed: int, params: Any = None, horizon: float = 26.0) -> pd.DataFrame:
    """Return customers of a model with known parameters: a purchase summary, and what they bought afterwards."""
    r, alpha, third, fourth = params or TRUTH[name]
    rng = np.random.default_rng(seed)
    age = rng.uniform(10, WEEKS, n)
    rate = rng.gamma(r, 1 / alpha, n)
    by_chance = name != "pareto_nbd"
    leave = rng.beta(third, fourth, n) if by_chance else rng.exponential(1 / rng.gamma(third, 1 / fourth, n))
    x, last, later = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        time = 0.0
        while True:
            if by_chance and (time > 0 or name == "mbg_nbd") and rng.uniform() < leave[i]:
                break
            time += rng.exponential(1 / rate[i])
            if time > age[i] + horizon or (not by_chance and time > leave[i]):
                break
            if time <= age[i]:
                x[i], last[i] = x[i] + 1, time
            else:
                later[i] += 1
    ids = [f"c{i:05d}" for i in range(n)]
    return pd.DataFrame({"customer_id": ids, "repeat_count": x.astype("int64"), "age_at_last": last, "age": age,
                         "later_count": later})  # fmt: skip


@pytest.fixture(scope="module")
def simulated() -> Callable[[str], pd.DataFrame]:
    made: dict[str, pd.DataFrame] = {}
    return lambda name: made.setdefault(name, simulate(name, n=6000, seed=7))


def model_of(name: Any, params: Any = None) -> PurchaseModel:
    values = dict(zip(FAMILIES[name].parameters, params or TRUTH[name], strict=True))
    return PurchaseModel(name, values, 0.0, 1, 1, np.zeros((4, 4)), True)


def with_money(summary: pd.DataFrame, *, seed: int = 3) -> pd.DataFrame:
    """Return the summary with mean amounts of repeat purchases, drawn from Gamma-Gamma (p 6, q 4, v 15)."""
    rng = np.random.default_rng(seed)
    x = summary["repeat_count"].to_numpy(dtype=float)
    nu = rng.gamma(4, 1 / 15, len(x))
    amounts = rng.gamma(6 * np.maximum(x, 1)) / (nu * np.maximum(x, 1))
    return summary.assign(repeat_mean_amount=np.where(x > 0, amounts.round(6), np.nan), kind="person")


models = pytest.mark.parametrize("name", PURCHASE_MODELS)
parameters = st.tuples(*[st.floats(-2.5, 2.5).map(np.exp)] * 4)
histories = st.lists(
    st.tuples(st.integers(0, 300), st.floats(0.01, 1), st.floats(0.5, 150)), min_size=1, max_size=6
)  # fmt: skip


def rows_of(drawn: list[tuple[int, float, float]]) -> PurchaseRows:
    x, share, age = (np.array(column, dtype=float) for column in zip(*drawn, strict=True))
    return PurchaseRows(x, np.where(x > 0, share * age, 0.0), age, np.arange(1.0, len(x) + 1))


# -- likelihoods -------------------------------------------------------------------------------------------------------


@models
@settings(max_examples=60)
@given(params=parameters, drawn=histories)
def test_gradients_are_those_of_the_likelihood(name: Any, params: tuple[float, ...], drawn: Any) -> None:
    rows, values = rows_of(drawn), np.array(params)
    family = FAMILIES[name]
    _, gradient = family.log_likelihood(values, rows)
    for place in range(4):
        step = np.zeros(4)
        step[place] = 1e-5 * values[place]
        ends = [family.log_likelihood(values + sign * step, rows)[0] for sign in (1, -1)]
        wanted = (ends[0] - ends[1]) / (2 * step[place])
        scale = np.abs(ends[0]) / values[place]
        assert gradient[place] == pytest.approx(wanted, rel=1e-4, abs=1e-5 * (1 + scale))


@settings(max_examples=60)
@given(params=st.tuples(*[st.floats(-1.5, 3).map(np.exp)] * 3), drawn=st.lists(
    st.tuples(st.integers(1, 200), st.floats(0.1, 500)), min_size=1, max_size=6))  # fmt: skip
def test_the_gradient_of_gamma_gamma(params: tuple[float, ...], drawn: Any) -> None:
    x, mean = (np.array(column, dtype=float) for column in zip(*drawn, strict=True))
    values, weight = np.array(params), np.ones(len(x))
    _, gradient = purchase_spend.log_likelihood(values, x, mean, weight)
    for place in range(3):
        step = np.zeros(3)
        step[place] = 1e-5 * values[place]
        ends = [purchase_spend.log_likelihood(values + sign * step, x, mean, weight)[0] for sign in (1, -1)]
        scale = np.abs(ends[0]) / values[place]
        wanted = (ends[0] - ends[1]) / (2 * step[place])
        assert gradient[place] == pytest.approx(wanted, rel=1e-4, abs=1e-5 * (1 + scale))


@pytest.mark.parametrize("x", [0, 1, 4, 60])
@pytest.mark.parametrize("params", [(0.8, 6.0, 0.7, 12.0), (2.0, 30.0, 1.0, 3.0), (0.3, 5.0, 0.2, 5.0)])
def test_the_integral_of_pareto_nbd(x: int, params: tuple[float, ...]) -> None:
    r, alpha, s, beta = params
    t_x, T = (9.0 if x else 0.0), 40.0
    scale = (alpha + t_x) ** (r + x)  # both terms times it, so that quad sees numbers near 1
    lost = quad(lambda u: scale * (alpha + u) ** -(r + x) * (beta + u) ** -(s + 1), t_x, T, epsabs=0, epsrel=1e-12)[0]
    there = scale * (alpha + T) ** -(r + x) * (beta + T) ** -s
    found = FAMILIES["pareto_nbd"].alive_probability(
        np.array(params), PurchaseRows(*(np.array([value], dtype=float) for value in (x, t_x, T, 1)))
    )
    assert found[0] == pytest.approx(there / (there + s * lost), rel=1e-8)


@models
def test_the_fit_is_no_worse_than_the_truth_and_finds_it(simulated, name: Any) -> None:
    summary = simulated(name)
    model = fit_purchases(summary, name=name)
    truth, _ = FAMILIES[name].log_likelihood(np.array(TRUTH[name]), purchase_rows(summary))
    assert model.converged
    assert model.log_likelihood >= truth
    errors = np.sqrt(np.diag(model.covariance))
    assert (np.abs(np.log(model.values / TRUTH[name])) < 3.5 * errors).all()


@models
def test_what_must_not_matter(simulated, name: Any) -> None:
    # few distinct rows, so that weights have something to do
    summary = simulated(name).head(1500)
    weeks = summary[["age_at_last", "age"]].apply(np.ceil)
    summary = summary.assign(**weeks, repeat_count=summary["repeat_count"].clip(upper=8))
    model = fit_purchases(summary, name=name)
    rows = purchase_rows(summary)
    assert len(rows.x) < rows.n
    every = fit_rows(purchase_rows(summary, distinct=False), name=name)
    shuffled = fit_purchases(summary.sample(frac=1, random_state=1), name=name)
    days = summary.assign(age_at_last=summary["age_at_last"] * 7, age=summary["age"] * 7)
    by_day = fit_purchases(days, name=name)
    assert shuffled.params == model.params
    assert every.params == pytest.approx(model.params, rel=1e-6)
    assert every.log_likelihood == pytest.approx(model.log_likelihood, abs=1e-6)
    times = [7.0 if parameter in {"alpha", "beta"} else 1.0 for parameter in model.params]
    assert by_day.values == pytest.approx(model.values * times, rel=1e-6)
    assert by_day.log_likelihood == pytest.approx(
        model.log_likelihood - np.log(7) * summary["repeat_count"].sum(), abs=1e-4
    )
    expected = model.expected_purchases(summary, horizon=10)
    assert by_day.expected_purchases(days, horizon=70) == pytest.approx(expected, rel=1e-5)


@models
def test_a_fit_survives_its_document(simulated, name: Any) -> None:
    model = fit_purchases(simulated(name).head(1500), name=name)
    again = PurchaseModel.from_document(stored(model.to_document()))
    assert again.params == pytest.approx(model.params, rel=1e-9)
    assert again.standard_errors == pytest.approx(model.standard_errors, rel=1e-8)
    assert again.covariance == pytest.approx(model.covariance, rel=1e-8)
    assert (again.n, again.log_likelihood) == (1500, round(model.log_likelihood, 4))
    assert model.standard_errors["r"] == pytest.approx(model.params["r"] * np.sqrt(model.covariance[0, 0]))


# -- expectations ------------------------------------------------------------------------------------------------------


@models
def test_expectations_come_true_in_a_simulation(simulated, name: Any) -> None:
    summary, model = simulated(name), model_of(name)
    expected = model.expected_purchases(summary, horizon=26.0)
    spread = summary["later_count"].std() / np.sqrt(len(summary))
    assert expected.mean() == pytest.approx(summary["later_count"].mean(), abs=3.5 * spread)
    for low, high in ((0, 0), (1, 2), (3, 99)):
        group = summary["repeat_count"].between(low, high).to_numpy()
        later = summary.loc[group, "later_count"]
        assert expected[group].mean() == pytest.approx(later.mean(), abs=4 * later.std() / np.sqrt(len(later)))
    bought = summary["repeat_count"]
    of_all = model.population_expectation(summary["age"].to_numpy())
    assert of_all.mean() == pytest.approx(bought.mean(), abs=3.5 * bought.std() / np.sqrt(len(bought)))


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("a", [0.4, 1.0, 1.00003, 2.3])
@pytest.mark.parametrize(("x", "b"), [(0, 0.6), (0, 0.3), (2, 2.4), (40, 1.0)])
def test_expectations_of_bg_nbd_are_their_integral(first: int, a: float, x: int, b: float) -> None:
    r, alpha, T, horizon = 0.6, 5.0, 38.0, 30.0
    # over p ~ beta(a, b'): the mean over purchase rates of (1 - exp(-rate p t)) / p is in closed form
    beta, shape, rate = b + x + first, r + x, alpha + T

    def weighted(p: float) -> float:
        many = -np.expm1(-shape * np.log1p(p * horizon / rate)) / p
        return many * beta_law.pdf(p, a, beta)

    wanted = quad(weighted, 0, 0.05)[0] + quad(weighted, 0.05, 1, limit=200)[0]
    name: Any = "mbg_nbd" if first else "bg_nbd"
    family = FAMILIES[name]
    found = family.future_if_alive(np.array([r, alpha, a, b]), np.array([float(x)]), np.array([T]), horizon)
    assert found[0] == pytest.approx(wanted, rel=2e-5)


@models
@settings(max_examples=40)
@given(params=parameters, drawn=histories, horizon=st.floats(0.1, 300))
def test_expectations_are_finite_and_grow_with_the_horizon(name: Any, params, drawn, horizon: float) -> None:
    rows = rows_of(drawn)
    summary = pd.DataFrame({"repeat_count": rows.x, "age_at_last": rows.t_x, "age": rows.T})
    model = model_of(name, params)
    alive = model.alive_probability(summary)
    assert ((alive >= 0) & (alive <= 1)).all()
    near, far = (model.expected_purchases(summary, horizon=h) for h in (horizon, 1.5 * horizon))
    assert np.isfinite(far).all()
    assert (near >= 0).all()
    assert (far >= near * (1 - 1e-7) - 1e-9).all()
    r, alpha = params[0], params[1]
    most = (r + rows.x) / (alpha + rows.T) * horizon  # nobody buys more than without being lost
    assert (near <= most * (1 + 1e-6) + 1e-9).all()


def test_very_many_purchases_overflow_nothing() -> None:
    summary = pd.DataFrame({"repeat_count": [3000.0], "age_at_last": [151.95], "age": [152.0]})
    for name in PURCHASE_MODELS:
        found = model_of(name).expected_purchases(summary, horizon=52.0)[0]
        assert 100 < found < 1100, name


def test_one_time_buyers_are_alive_in_bg_nbd_alone() -> None:
    once = pd.DataFrame({"repeat_count": [0], "age_at_last": [0.0], "age": [500.0]})
    assert model_of("bg_nbd").alive_probability(once)[0] == 1
    assert model_of("mbg_nbd").alive_probability(once)[0] < 1
    assert model_of("pareto_nbd").alive_probability(once)[0] < 0.5


# -- amounts -----------------------------------------------------------------------------------------------------------


def test_gamma_gamma_finds_the_truth_whatever_the_currency(simulated) -> None:
    summary = with_money(simulated("bg_nbd"))
    model = fit_spend(summary)
    assert model.converged
    assert (np.abs(np.log(model.values / (6, 4, 15))) < 3.5 * np.sqrt(np.diag(model.covariance))).all()
    assert model.population_amount == pytest.approx(6 * 15 / 3, rel=0.05)
    cents = fit_spend(summary.assign(repeat_mean_amount=summary["repeat_mean_amount"] * 100))
    assert cents.values == pytest.approx(model.values * (1, 1, 100), rel=1e-5)
    assert cents.expected_amount(summary.assign(repeat_mean_amount=summary["repeat_mean_amount"] * 100)) == (
        pytest.approx(100 * model.expected_amount(summary), rel=1e-5)
    )
    shuffled = fit_spend(summary.sample(frac=1, random_state=2))
    assert shuffled.params == model.params
    again = purchase_spend.SpendModel.from_document(stored(model.to_document()))
    assert again.params == pytest.approx(model.params, rel=1e-9)


def test_expected_amounts_by_hand() -> None:
    model = purchase_spend.SpendModel({"p": 2.0, "q": 3.0, "v": 10.0}, 0.0, 1, np.zeros((3, 3)), True)
    summary = pd.DataFrame({"repeat_count": [0, 1, 4], "repeat_mean_amount": [np.nan, 30.0, 30.0]})
    # 2 x 10 / 2; 2 (10 + 30) / 4; 2 (10 + 120) / 10: the more purchases, the nearer to the own mean
    assert model.expected_amount(summary).tolist() == [10.0, 20.0, 26.0]
    assert model.population_amount == 10
    # the mean over customers' own gamma means is the posterior mean: the law is a gamma one
    law = gamma_law(2 * 4 + 3, scale=1 / (10 + 4 * 30))
    assert quad(lambda nu: 2 / nu * law.pdf(nu), 0, 1)[0] == pytest.approx(26.0, rel=1e-6)


# -- what cannot be fitted ---------------------------------------------------------------------------------------------


def history(rows: list[tuple[float, float, float]], *, times: int = 1) -> pd.DataFrame:
    frame = pd.DataFrame(rows * times, columns=["repeat_count", "age_at_last", "age"])
    amounts = np.where(frame["repeat_count"] > 0, 10.0, np.nan)
    return frame.assign(customer_id=[f"c{i:05d}" for i in range(len(frame))], kind="person", repeat_mean_amount=amounts)


SETTINGS = ValueModelSettings(minimum_customers=100, minimum_repeaters=30)


@pytest.mark.parametrize(
    ("summary", "status", "reason"),
    [
        (history([(1, 2, 9), (0, 0, 9)], times=40), "insufficient", "purchase.too_few_customers"),
        (history([(0, 0, 9), (0, 0, 8)], times=100), "insufficient", "purchase.too_few_repeaters"),
        (history([(2, 5, 9)], times=150), "insufficient", "purchase.no_spread"),
        (history([(2, 9, 9), (2, 9, 9.5)], times=100), "not_converged", "purchase.not_converged"),
    ],
)
@models
def test_data_that_carry_no_model_say_why(name: Any, summary: pd.DataFrame, status: str, reason: str) -> None:
    own = SETTINGS.model_copy(update={"purchase_model": name})
    document = purchase_fits_document(summary, settings=own)
    fit = document["fits"]["person"]
    assert (fit["status"], fit["message"]["message"]) == (status, reason)
    assert fit["purchases"] is None
    assert fitted_models(document) == {}
    assert parameters_table(document).empty


def test_purchases_without_amounts(simulated) -> None:
    members = with_money(simulated("bg_nbd")).head(1500)
    equal = members.assign(repeat_mean_amount=members["repeat_mean_amount"].mask(members["repeat_count"] > 0, 12.0))
    fit = purchase_fits_document(equal, settings=SETTINGS)["fits"]["person"]
    assert (fit["status"], fit["message"]["message"]) == ("no_amounts", "purchase.equal_amounts")
    assert fit["purchases"] is not None
    none = purchase_fits_document(members.assign(repeat_mean_amount=np.nan), settings=SETTINGS)["fits"]["person"]
    assert none["message"]["message"] == "purchase.few_amounts"
    with pytest.raises(InsufficientDataError, match="all customers have the same mean amount"):
        fit_spend(equal)
    with pytest.raises(InsufficientDataError, match="0 customers have a repeat purchase"):
        fit_spend(members.assign(repeat_mean_amount=np.nan))


def test_too_few_customers_raise() -> None:
    with pytest.raises(InsufficientDataError, match="too few customers"):
        fit_purchases(history([(1, 2, 9)]))


def test_rows_that_cannot_be_are_refused_all_at_once() -> None:
    wrong = history([(1, 5, 4), (0, 3, 9), (1.5, 2, 3), (-1, 0, 1)])
    with pytest.raises(AnalysisError, match=r"(?s)negative.*after the end.*no whole number.*no repeat purchase"):
        purchase_rows(wrong)
    with pytest.raises(AnalysisError, match="there is no column 'age'"):
        purchase_rows(wrong.drop(columns="age"))


def test_populations_are_fitted_apart(simulated) -> None:
    people, firms = (with_money(simulated(name)).head(1500) for name in ("bg_nbd", "mbg_nbd"))
    firms = firms.assign(kind="organisation", customer_id="f" + firms["customer_id"])
    both = pd.concat([people, firms], ignore_index=True)
    document = purchase_fits_document(both, settings=SETTINGS)
    assert list(document["fits"]) == ["person", "organisation"]
    alone = purchase_fits_document(firms, settings=SETTINGS)
    assert document["fits"]["organisation"] == alone["fits"]["organisation"]
    few = purchase_fits_document(pd.concat([people, firms.head(50)]), settings=SETTINGS)
    statuses = {kind: fit["status"] for kind, fit in few["fits"].items()}
    assert statuses == {"person": "ok", "organisation": "insufficient"}
    table = parameters_table(document)
    assert table["parameter"].tolist() == ["r", "alpha", "a", "b", "p", "q", "v"] * 2
    assert (table["standard_error"] > 0).all()


# -- bayes -------------------------------------------------------------------------------------------------------------


def test_bayes_without_the_extra_names_the_line_that_installs_it(monkeypatch, simulated) -> None:
    monkeypatch.setattr(purchase_bayes, "find_spec", lambda name: None)
    own = SETTINGS.model_copy(update={"estimation": "bayes"})
    with pytest.raises(AnalysisError, match=r'run: pip install "crm-analysis\[bayes\]"'):
        purchase_fits_document(with_money(simulated("bg_nbd")).head(500), settings=own)
