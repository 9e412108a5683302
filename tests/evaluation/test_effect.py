"""Effect of the programme: intervals by the book, sums by hand, and the effect that is planted in the demo."""

from dataclasses import astuple
from datetime import date
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_effects import ProgrammeSettings
from crm_analysis.evaluation.effect import (
    BALANCE_SCHEMA,
    BEFORE_AFTER_SCHEMA,
    EFFECT_SCHEMA,
    EFFECT_VERDICTS,
    balance_table,
    before_after_table,
    effect_table,
    leading_campaigns,
    of_scope,
)
from crm_analysis.evaluation.effect_intervals import (
    Groups,
    chance_limit,
    estimate_difference,
    groups_from_sums,
    standardised_difference,
)
from crm_analysis.evaluation.effect_sums import (
    COVARIATES,
    OUTCOMES,
    SUMS_SCHEMA,
    assigned_rows,
    assignments_table,
    conflicts_document,
    effect_sums_table,
    empty_sums,
)
from crm_analysis.sources.as_of import as_of

QUARTER = Quarter(2025, 3)
PROGRAMME = ProgrammeSettings()
SMALL = ProgrammeSettings(minimum_group=10)


def groups(*strata: tuple[list[float], list[float]]) -> Groups:
    """Return groups from the values of treated and control of each stratum."""
    columns = [
        [np.array([function(np.array(stratum[side], dtype=float)) for stratum in strata]) for side in (0, 1)]
        for function in (len, np.sum, lambda values: (values**2).sum())
    ]
    return groups_from_sums(*([side.astype(float) for side in column] for column in columns))


# -- intervals ---------------------------------------------------------------------------------------------------------


def test_one_stratum_gives_welch() -> None:
    treated, control = [5.0, 9, 1, 0, 3, 22, 4], [1.0, 2, 0, 4]
    found = estimate_difference(groups((treated, control)))
    known = stats.ttest_ind(treated, control, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))
    assert found.difference == pytest.approx(np.mean(treated) - np.mean(control))
    assert found.uplift == pytest.approx(np.mean(treated) / np.mean(control) - 1)
    error = np.sqrt(np.var(treated, ddof=1) / 7 + np.var(control, ddof=1) / 4)
    assert found.detectable == pytest.approx((1.959964 + 0.841621) * error, rel=1e-6)
    ratio = np.sqrt(np.var(treated, ddof=1) / 7 / np.mean(treated) ** 2 + np.var(control, ddof=1) / 4 / 1.75**2)
    assert found.uplift_high + 1 == pytest.approx(np.mean(treated) / 1.75 * np.exp(1.959964 * ratio), rel=1e-6)


def test_one_stratum_of_shares_gives_newcombe() -> None:
    # 56 of 70 against 48 of 80, method 10 of Newcombe (1998), table II (a)
    found = estimate_difference(groups(([1.0] * 56 + [0.0] * 14, [1.0] * 48 + [0.0] * 32)), is_share=True)
    assert (found.difference, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    share = 104 / 150
    assert found.detectable == pytest.approx(2.801585 * np.sqrt(share * (1 - share) * (1 / 70 + 1 / 80)), rel=1e-6)


def test_campaigns_of_different_level_do_not_make_an_effect() -> None:
    # within each campaign both groups are alike; the second buys more and is mostly treated
    low, high = [0.0, 1, 2, 3] * 10, [10.0, 11, 12, 13] * 10
    mixed = groups((low, low * 4), (high * 4, high))
    found = estimate_difference(mixed)
    assert found.difference == pytest.approx(0)
    assert np.mean(low + high * 4) - np.mean(low * 4 + high) > 5  # what putting all together would say
    assert found.low < 0 < found.high
    assert standardised_difference(mixed) == pytest.approx(0)


def test_equal_strata_are_as_good_as_one() -> None:
    values = ([0.0, 1, 1, 0, 1, 0, 1, 1], [0.0, 0, 1, 0, 1, 0, 0, 1])
    for is_share in (False, True):
        one = estimate_difference(groups(*[values]), is_share=is_share)
        four = estimate_difference(groups(*[values] * 4), is_share=is_share)
        assert four.difference == pytest.approx(one.difference)
        assert (four.high - four.low) < (one.high - one.low)
        assert four.detectable == pytest.approx(one.detectable / 2)


def test_nothing_varies_or_nobody_spends() -> None:
    found = estimate_difference(groups(([2.0] * 5, [2.0] * 5)))
    assert np.isnan([found.low, found.high, found.detectable]).all()
    assert np.isnan(standardised_difference(groups(([2.0] * 5, [2.0] * 5))))
    refunds = estimate_difference(groups(([1.0, 2, 3], [-1.0, -2, 0])))
    assert refunds.low < refunds.difference < refunds.high
    assert np.isnan([refunds.uplift, refunds.uplift_low, refunds.uplift_high]).all()
    with pytest.raises(ValueError, match="needs at least two customers"):
        groups(([1.0, 2.0], [3.0]))


values = st.lists(st.integers(0, 500), min_size=3, max_size=25)


@settings(max_examples=60)
@given(st.lists(st.tuples(values, values), min_size=1, max_size=4), st.floats(0.1, 50))
def test_units_order_and_sides(strata: list[tuple[list[int], list[int]]], scale: float) -> None:
    known = np.array(astuple(estimate_difference(groups(*strata))))
    same = np.array(astuple(estimate_difference(groups(*strata[::-1]))))
    np.testing.assert_allclose(same, known, rtol=1e-7, atol=1e-9)
    scaled = np.array(
        astuple(estimate_difference(groups(*[([v * scale for v in t], [v * scale for v in c]) for t, c in strata])))
    )
    units = np.array([scale] * 6 + [1] * 3)  # means, difference, interval and power have a unit, the uplift has none
    np.testing.assert_allclose(scaled, known * units, rtol=1e-5, atol=1e-6)
    swapped = estimate_difference(groups(*[(c, t) for t, c in strata]))
    np.testing.assert_allclose([swapped.difference, swapped.low, swapped.high], -known[[2, 4, 3]], rtol=1e-6, atol=1e-6)


def test_what_chance_allows_of_a_standardised_difference() -> None:
    rng = np.random.default_rng(3)
    drawn = [groups((rng.normal(size=80), rng.normal(size=20)), (rng.normal(size=60), rng.normal(size=30)))
             for _ in range(400)]  # fmt: skip
    beyond = np.mean([abs(standardised_difference(each)) > chance_limit(each) for each in drawn])
    assert 0.02 < beyond < 0.09


# -- sums in the engine ------------------------------------------------------------------------------------------------

ACTIONS = [
    {"campaign_id": "K1", "customer_id": "a", "assigned_at": "2025-07-11 09:00", "done_at": "2025-07-12 09:00"},
    {"campaign_id": "K1", "customer_id": "b", "assigned_at": "2025-07-11 09:00"},  # never reached: still treated
    {"campaign_id": "K1", "customer_id": "c", "assigned_at": "2025-07-11 09:00", "is_control": True},
    {"campaign_id": "K1", "customer_id": "d", "assigned_at": "2025-07-11 09:00", "is_control": True},
    {"campaign_id": "K1", "customer_id": "e", "assigned_at": "2025-07-11 09:00"},
    {"campaign_id": "K1", "customer_id": "e", "assigned_at": "2025-07-12 09:00", "is_control": True},  # on both sides
    {"campaign_id": "K2", "customer_id": "a", "assigned_at": "2025-04-30 09:00"},  # known on 29 June
    {"campaign_id": "K3", "customer_id": "a", "assigned_at": "2025-08-02 09:00"},  # known on 1 October: just so
    {"campaign_id": "K4", "customer_id": "a", "assigned_at": "2025-08-03 09:00"},  # not yet known
    {"campaign_id": "K5", "customer_id": "a", "assigned_at": "2024-07-01 09:00"},  # known a year ago
    {"customer_id": "a", "assigned_at": "2025-07-11 09:00"},
    {"campaign_id": "K1", "assigned_at": "2025-07-11 09:00"},
]
ORDERS = [
    ("a", "2025-07-11 08:59", 1), ("a", "2025-07-11 09:00", 10), ("a", "2025-09-08 23:59", 20.5),
    ("a", "2025-09-09", 400), ("a", "2024-07-11 00:00", 7), ("a", "2024-07-10 23:59", 5), ("a", "2025-05-12", 3),
    ("a", "2025-05-11 23:00", 8), ("a", "2024-09-08 12:00", 60), ("a", "2024-05-12", 90),
    ("a", "2024-05-11 12:00", 1000), ("c", "2025-08-01", 50),
]  # fmt: skip


@pytest.fixture
def known(make_tables) -> dict[str, ibis.Table]:
    orders = [
        {"order_id": f"o{n}", "customer_id": who, "ordered_at": at, "amount": amount}
        for n, (who, at, amount) in enumerate(ORDERS, 1)
    ]
    orders += [
        {"order_id": "d1", "customer_id": "d", "ordered_at": "2025-06-01", "amount": 40},
        {"order_id": "d2", "customer_id": "d", "ordered_at": "2025-08-01", "amount": -40, "refund_of": "d1"},
    ]
    return as_of(make_tables(orders=orders, actions=ACTIONS), QUARTER.end, zone="Asia/Shanghai")


def test_who_was_assigned_and_when_the_outcome_was_known(known) -> None:
    table = assignments_table(known["actions"], quarter=QUARTER, settings=PROGRAMME)
    rows = table.order_by("campaign", "customer_id").to_pandas()
    assert list(zip(rows["campaign"], rows["customer_id"], strict=True)) == [
        *(("K1", who) for who in "abcde"), ("K2", "a"), ("K3", "a"),
    ]  # fmt: skip
    assert rows["is_control"].tolist() == [False, False, True, True, True, False, False]
    assert rows["is_in_quarter"].tolist() == [True] * 5 + [False, True]
    assert conflicts_document(table)["conflict_count"] == 1
    short = assignments_table(known["actions"], quarter=QUARTER, settings=ProgrammeSettings(quarters=1))
    assert short.filter(short.campaign == "K2").count().to_pandas() == 0


def test_what_each_bought_before_and_after(known) -> None:
    assignments = assignments_table(known["actions"], quarter=QUARTER, settings=PROGRAMME)
    rows = assigned_rows(assignments, known["orders"], settings=PROGRAMME).to_pandas()
    assert "e" not in set(rows["customer_id"])
    rows = rows.loc[rows["campaign"] == "K1"].set_index("customer_id")
    a = rows.loc["a"]
    assert (a["spend"], a["orders"], a["buyers"]) == (3050, 2, 1)  # 10 and 20.50, from the minute on, 60 days
    # 365 days back to 11 July 2024; the orders of 10 July and of May 2024 lie before
    assert (a["spend_before"], a["orders_before"]) == (100 * (1 + 7 + 3 + 8 + 60), 5)
    assert (a["recency_days"], a["spend_just_before"]) == (0, 100 * (1 + 3))
    assert (a["spend_year_ago"], a["spend_just_before_year_ago"]) == (100 * (7 + 60), 100 * (5 + 90))
    assert rows.loc["b", ["spend", "orders", "spend_before"]].tolist() == [0, 0, 0]
    assert pd.isna(rows.loc["b", "recency_days"])
    assert rows.loc["c", ["spend", "orders"]].tolist() == [5000, 1]
    # d's refund lies after: it lowers the outcome, and leaves what lay before the assignment as it was
    assert rows.loc["d", ["spend", "orders", "buyers"]].tolist() == [-4000, 0, 0]
    assert rows.loc["d", ["orders_before", "spend_before", "recency_days"]].tolist() == [1, 4000, 40]


def test_sums_and_squares(known) -> None:
    assignments = assignments_table(known["actions"], quarter=QUARTER, settings=PROGRAMME)
    sums = effect_sums_table(assigned_rows(assignments, known["orders"], settings=PROGRAMME))
    check_columns(sums.columns, SUMS_SCHEMA, result="effect_sums")
    own = sums.loc[sums["campaign"] == "K1"].set_index(["is_control", "measured"])
    assert own.loc[(False, "spend"), ["n", "total", "squares"]].tolist() == [2, 3050, 3050**2]
    assert own.loc[(True, "spend"), ["n", "total", "squares"]].tolist() == [2, 1000, 5000**2 + 4000**2]
    assert own.loc[(False, "recency_days"), "n"] == 1  # b never bought
    check_columns(empty_sums().columns, SUMS_SCHEMA, result="effect_sums")


# -- tables ------------------------------------------------------------------------------------------------------------


def sums_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return sums of ``campaign, is_control, value``: the same value for everything measured."""
    long = pd.concat([rows.assign(measured=name) for name in (*OUTCOMES, *COVARIATES)])
    long.loc[long["measured"].isin(["spend", "spend_before"]), "value"] *= 100  # cents
    keys = ["campaign", "is_control", "measured"]
    table = (
        long.assign(squares=long["value"] ** 2)
        .groupby(keys)
        .agg(n=("value", "size"), total=("value", "sum"), squares=("squares", "sum"))
    )
    return table.reset_index().assign(is_in_quarter=False)[list(SUMS_SCHEMA)]


def trial(rng: np.random.Generator, *, campaign: str, treated: int, control: int, effect: float = 0) -> pd.DataFrame:
    """Return a campaign whose customers buy or not; treatment adds ``effect`` to the probability."""
    share = np.repeat([0.4 + effect, 0.4], [treated, control])
    bought = (rng.random(len(share)) < share).astype(float)
    return pd.DataFrame({"campaign": campaign, "is_control": np.arange(len(share)) >= treated, "value": bought})


def test_the_table_tells_all_campaigns_each_one_and_those_of_the_quarter() -> None:
    rng = np.random.default_rng(1)
    parts = [
        trial(rng, campaign="K1", treated=400, control=100, effect=0.3),
        trial(rng, campaign="K2", treated=90, control=20),
    ]
    sums = sums_of(pd.concat(parts))
    sums["is_in_quarter"] = sums["campaign"] == "K2"
    table = effect_table(sums, settings=PROGRAMME)
    check_columns(table.columns, EFFECT_SCHEMA, result="effect")
    assert table["scope"].tolist() == ["all"] * 3 + ["quarter"] * 3 + ["campaign"] * 6
    assert set(table["verdict"]) <= set(EFFECT_VERDICTS)
    pooled = of_scope(table, "all").set_index("outcome")
    assert pooled.loc["buyers", ["n_treated", "n_control", "campaign_count"]].tolist() == [490, 120, 2]
    assert pooled.loc["buyers", "verdict"] == "positive"
    assert pooled.loc["spend", "difference"] == pytest.approx(pooled.loc["orders", "difference"])  # both 0 or 1
    small = of_scope(table, "quarter").set_index("outcome").loc["buyers"]
    assert small["verdict"] == "too_small"
    assert np.isnan(small["difference"])
    assert (small["n_treated"], small["n_control"]) == (90, 20)
    told = effect_table(sums, settings=SMALL)
    assert of_scope(told, "quarter")["difference"].notna().all()
    harmful = effect_table(sums.assign(is_control=~sums["is_control"]), settings=PROGRAMME)
    assert of_scope(harmful, "all")["verdict"].tolist() == ["negative"] * 3


def test_the_largest_campaigns_are_shown() -> None:
    rng = np.random.default_rng(2)
    sizes = {"K1": (50, 12), "K2": (40, 30), "K3": (300, 11), "K4": (30, 30)}
    drawn = [trial(rng, campaign=name, treated=t, control=c) for name, (t, c) in sizes.items()]
    table = effect_table(sums_of(pd.concat(drawn)), settings=SMALL)
    shown = leading_campaigns(table, campaigns=2)
    assert list(dict.fromkeys(shown["campaign"])) == ["", "K2", "K4"]
    assert len(leading_campaigns(table)) == len(table)
    assert leading_campaigns(table.iloc[:0]).empty


def test_random_labels_give_no_effect_in_nineteen_of_twenty() -> None:
    rng = np.random.default_rng(5)
    base = trial(rng, campaign="", treated=160, control=40)
    drawn = [base.assign(campaign=f"K{n}", is_control=rng.permutation(base["is_control"])) for n in range(150)]
    each = of_scope(effect_table(sums_of(pd.concat(drawn)), settings=PROGRAMME), "campaign")
    assert len(each) == 150 * len(OUTCOMES)
    holds = ((each["low"] <= 0) & (each["high"] >= 0)).groupby(each["outcome"]).mean()
    assert holds.between(0.89, 0.995).all(), holds


def test_without_a_control_group_there_is_no_effect_but_before_and_after(known) -> None:
    treated = pd.DataFrame({"campaign": "K9", "is_control": False, "value": [1.0] * 12})
    sums = sums_of(treated)
    table = effect_table(sums, settings=SMALL)
    assert set(table["verdict"]) == {"no_control"}
    assert table["difference"].isna().all()
    season = {"spend_just_before": 40, "spend_year_ago": 60, "spend_just_before_year_ago": 50}
    extra = [sums.iloc[:1].assign(measured=name, n=12, total=float(total) * 1200) for name, total in season.items()]
    found = before_after_table(pd.concat([sums, *extra]), settings=SMALL)
    check_columns(found.columns, BEFORE_AFTER_SCHEMA, result="before_after")
    assert found.iloc[0].tolist() == ["K9", 12, 40, 1, -39, 10, -49]
    hidden = before_after_table(pd.concat([sums, *extra]), settings=ProgrammeSettings(minimum_group=13))
    assert hidden["n"].tolist() == [12]
    assert hidden[[name for name in BEFORE_AFTER_SCHEMA if name.endswith("_amount")]].isna().all(axis=None)
    with_control = pd.concat([treated, treated.assign(is_control=True)])
    assert before_after_table(sums_of(with_control), settings=SMALL).empty
    only = effect_table(sums_of(treated.assign(is_control=True)), settings=SMALL)
    assert set(only["verdict"]) == {"no_treated"}


def test_groups_that_differed_before_are_told() -> None:
    alike = pd.DataFrame({"campaign": "K1", "is_control": [False] * 200 + [True] * 100, "value": [0.0, 1.0] * 150})
    table = balance_table(sums_of(alike), settings=PROGRAMME)
    check_columns(table.columns, BALANCE_SCHEMA, result="balance")
    assert set(table["covariate"]) == set(COVARIATES)
    assert table["is_balanced"].all()
    assert table["chance_limit"].iloc[0] == pytest.approx(1.959964 * np.sqrt(1 / 200 + 1 / 100), abs=1e-6)
    unlike = alike.assign(value=alike["value"] + np.where(alike["is_control"], 0.2, 0.0))
    table = balance_table(sums_of(unlike), settings=PROGRAMME)
    assert not table["is_balanced"].any()
    assert table["standard_difference"].iloc[0] == pytest.approx(-0.2 / 0.5, rel=0.01)
    assert balance_table(sums_of(unlike), settings=ProgrammeSettings(balance_limit=0.5))["is_balanced"].all()


def test_no_campaigns_at_all() -> None:
    for table in (effect_table, balance_table, before_after_table):
        assert table(empty_sums(), settings=PROGRAMME).empty
    check_columns(effect_table(empty_sums(), settings=PROGRAMME).columns, EFFECT_SCHEMA, result="effect")


# -- the planted effect ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, ibis.Table], float]:
    """Return orders and actions of a demo company of 3,000 customers, and the uplift that is planted in it."""
    from crm_analysis import open_workspace
    from crm_analysis.sources.demo import make_demo

    folder: Path = tmp_path_factory.mktemp("effect")
    truth = make_demo(folder, customers=3000, tables=["orders", "actions"])
    ws = open_workspace(folder / "crm.yml", quarter="2025Q3")
    return ws.tables, truth["parameters"]["treatment_uplift"]


EVER = ProgrammeSettings(quarters=12)


def test_the_planted_effect_lies_in_the_interval(demo) -> None:
    tables, uplift = demo
    assignments = assignments_table(tables["actions"], quarter=QUARTER, settings=EVER)
    sums = effect_sums_table(assigned_rows(assignments, tables["orders"], settings=EVER))
    pooled = of_scope(effect_table(sums, settings=EVER), "all").set_index("outcome")
    orders = pooled.loc["orders"]
    assert orders["n_control"] > 800
    assert orders["uplift_rate_low"] < uplift < orders["uplift_rate_high"]
    assert orders["low"] < uplift * orders["control_mean"] < orders["high"]
    assert orders["verdict"] == "positive"
    assert of_scope(balance_table(sums, settings=EVER), "all")["is_balanced"].all()
    assert conflicts_document(assignments)["conflict_count"] == 0


def test_customers_on_both_sides_are_counted() -> None:
    rows = [
        ("K1", "a", False, False), ("K2", "a", True, False),  # treated in one, held out of the other
        ("K1", "b", True, False), ("K2", "b", True, False),
        ("K1", "c", True, True), ("K2", "c", False, False),  # of neither side in K1
    ]  # fmt: skip
    names = ["campaign", "customer_id", "is_control", "is_conflict"]
    table = ibis.memtable(pd.DataFrame(rows, columns=names))
    assert conflicts_document(table) == {"conflict_count": 1, "crossed_count": 1}


def test_random_labels_of_the_demo_show_nothing(demo) -> None:
    tables, _ = demo
    assignments = assignments_table(tables["actions"], quarter=QUARTER, settings=EVER)
    frame = assignments.order_by("campaign", "customer_id").to_pandas()
    rng = np.random.default_rng(20250930)
    shuffled = frame.groupby("campaign")["is_control"].transform(lambda labels: rng.permutation(labels.to_numpy()))
    con = ibis.get_backend(tables["orders"])
    drawn = con.create_table("drawn", frame.assign(is_control=shuffled.astype(bool)), temp=True)
    drawn = drawn.mutate(assigned_on=drawn.assigned_on.cast("date"))
    sums = effect_sums_table(assigned_rows(drawn, tables["orders"], settings=EVER))
    pooled = of_scope(effect_table(sums, settings=EVER), "all")
    assert pooled["verdict"].tolist() == ["unclear"] * 3
    assert ((pooled["low"] < 0) & (pooled["high"] > 0)).all()
    assert date(2025, 9, 30) > frame["assigned_at"].max().date()
