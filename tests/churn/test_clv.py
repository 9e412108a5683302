"""Customer value by hand, its interval against draws, tiers, priority customers, checks, and what is said."""

from datetime import date
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_value_models import PURCHASE_MODELS, ValueHorizon, ValueModelSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import clv as value
from crm_analysis.churn import priority
from crm_analysis.churn import purchase_checks as checks
from crm_analysis.churn import purchase_figures as figures
from crm_analysis.churn import purchase_findings as findings
from crm_analysis.churn.purchase_fit import SUMMARY_SCHEMA, fitted_models, purchase_fits_document
from crm_analysis.churn.purchase_inputs import (
    DAYS_SCHEMA,
    HOLDOUT_SCHEMA,
    holdout_table,
    purchase_days_table,
    summary_table,
)
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.purchases import counted_orders

SETTINGS = ValueModelSettings(minimum_customers=100, minimum_repeaters=30, holdout_weeks=10)


def company(*, n: int = 700, seed: int = 5) -> pd.DataFrame:
    """Return customers who buy at random and may be lost after each purchase, with mean amounts and later purchases."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        rate, leave, age = rng.gamma(0.8, 1 / 6), rng.beta(0.9, 3), rng.uniform(10, 60)
        times: list[float] = []
        time = 0.0
        while (time := time + rng.exponential(1 / rate)) <= age + 10:
            times.append(time)
            if rng.uniform() < leave:
                break
        known = [t for t in times if t <= age]
        mean = round(float(rng.lognormal(4, 0.6)), 2) if known else np.nan
        kind = "organisation" if i % 7 == 0 else "person"
        rows.append((f"c{i:05d}", kind, len(known), max(known, default=0.0), age, mean, len(times) - len(known)))
    return pd.DataFrame(rows, columns=list(HOLDOUT_SCHEMA))


@pytest.fixture(scope="module")
def holdout() -> pd.DataFrame:
    return company()


@pytest.fixture(scope="module")
def summary(holdout: pd.DataFrame) -> pd.DataFrame:
    return holdout[list(SUMMARY_SCHEMA)]


@pytest.fixture(scope="module")
def fits(summary: pd.DataFrame) -> dict[str, Any]:
    document = purchase_fits_document(summary, settings=SETTINGS)
    assert document["fits"]["person"]["status"] == "ok"
    return document


@pytest.fixture(scope="module")
def clv(summary: pd.DataFrame, fits: dict[str, Any]) -> pd.DataFrame:
    return value.clv_table(summary, fits, horizon=SETTINGS.horizon)


# -- value -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PURCHASE_MODELS)
def test_value_by_its_definition(summary: pd.DataFrame, name: Any) -> None:
    own = SETTINGS.model_copy(update={"purchase_model": name})
    fits = purchase_fits_document(summary, settings=own)
    if "person" not in fitted_models(fits):
        assert fits["fits"]["person"]["status"] == "not_converged"
        return
    horizon = ValueHorizon(horizon_months=3, monthly_discount_rate=0.02, margin_share=0.4)
    table = value.clv_table(summary, fits, horizon=horizon)
    check_columns(table.columns, value.CLV_SCHEMA, result="clv")
    model, amounts = fitted_models(fits)["person"]
    members = summary.loc[summary["kind"] == "person"]
    one, two, three = (model.expected_purchases(members, horizon=m * 52 / 12) for m in (1, 2, 3))
    discounted = one / 1.02 + (two - one) / 1.02**2 + (three - two) / 1.02**3
    wanted = pd.Series(discounted * amounts.expected_amount(members) * 0.4, index=members["customer_id"])
    found = table.set_index("customer_id")
    assert found.loc[wanted.index, "clv_amount"].to_numpy() == pytest.approx(wanted.to_numpy(), abs=0.0051)
    assert found.loc[wanted.index, "expected_purchase_count"].to_numpy() == pytest.approx(three, abs=1e-6)
    order = list(zip(-table["clv_amount"], table["customer_id"], strict=True))
    assert order == sorted(order)


def test_horizon_discount_and_margin_do_what_they_say(summary: pd.DataFrame, fits: dict[str, Any]) -> None:
    def total(**changes: float) -> float:
        horizon = ValueHorizon(**({"horizon_months": 12, "monthly_discount_rate": 0.0} | changes))
        own = SETTINGS.model_copy(update={"horizon": horizon})
        return value.clv_document(summary, fits, settings=own)["totals"]["person"]["value"]

    plain = total()
    assert total(margin_share=0.25) == pytest.approx(plain / 4, rel=1e-6)
    assert total(horizon_months=24) > plain > total(horizon_months=6)
    assert plain / 1.01**12 < total(monthly_discount_rate=0.01) < plain / 1.01


def test_the_interval_is_that_of_draws(summary: pd.DataFrame, fits: dict[str, Any]) -> None:
    document = value.clv_document(summary, fits, settings=SETTINGS)
    total = document["totals"]["person"]
    members = summary.loc[summary["kind"] == "person"]
    purchases, amounts = fitted_models(fits)["person"]
    rng = np.random.default_rng(1)
    sums = []
    for _ in range(150):
        moved = purchases.moved(rng.multivariate_normal(np.zeros(4), purchases.covariance))
        spend = amounts.moved(rng.multivariate_normal(np.zeros(3), amounts.covariance))
        own = moved.alive_probability(members) * value.discounted_purchases(moved, members, horizon=SETTINGS.horizon)
        sums.append(float(own @ spend.expected_amount(members)))
    assert np.log(sums).std() == pytest.approx(np.log(total["value_high"] / total["value_low"]) / 2 / 1.96, rel=0.25)
    narrow = SETTINGS.model_copy(update={"interval_level": 0.5})
    half = value.clv_document(summary, fits, settings=narrow)["totals"]["person"]
    assert total["value_low"] < half["value_low"] < half["value_high"] < total["value_high"]


def test_two_populations_add_up(summary: pd.DataFrame) -> None:
    own = SETTINGS.model_copy(update={"minimum_customers": 50, "minimum_repeaters": 10})
    firms = company(seed=6).assign(kind="organisation")[list(SUMMARY_SCHEMA)]
    people = summary.loc[summary["kind"] == "person"]
    both = pd.concat([people, firms.assign(customer_id="f" + firms["customer_id"])], ignore_index=True)
    fits = purchase_fits_document(both, settings=own)
    totals = value.clv_document(both, fits, settings=own)["totals"]
    assert list(totals) == ["person", "organisation", "all"]
    parts = totals["person"]["value"] + totals["organisation"]["value"]
    assert totals["all"]["value"] == pytest.approx(parts, abs=0.02)
    widths = {kind: total["value_high"] / total["value_low"] for kind, total in totals.items()}
    assert widths["all"] < max(widths["person"], widths["organisation"])


def test_a_population_without_a_model_has_no_value(summary: pd.DataFrame, clv: pd.DataFrame) -> None:
    own = SETTINGS.model_copy(update={"minimum_customers": 400})
    fits = purchase_fits_document(summary, settings=own)
    assert fits["fits"]["organisation"]["status"] == "insufficient"
    table = value.clv_table(summary, fits, horizon=own.horizon)
    assert set(table["kind"]) == {"person"}
    none = purchase_fits_document(summary, settings=own.model_copy(update={"minimum_customers": 9000}))
    empty = value.clv_table(summary, none, horizon=own.horizon)
    check_columns(empty.columns, value.CLV_SCHEMA, result="clv")
    assert empty.empty
    assert value.clv_document(summary, none, settings=own)["totals"] == {}


def test_the_order_of_customers_plays_no_part(summary: pd.DataFrame, clv: pd.DataFrame) -> None:
    shuffled = summary.sample(frac=1, random_state=3)
    fits = purchase_fits_document(shuffled, settings=SETTINGS)
    pd.testing.assert_frame_equal(value.clv_table(shuffled, fits, horizon=SETTINGS.horizon), clv)


# -- tiers and priority customers --------------------------------------------------------------------------------------


def test_value_by_tier_hides_small_cells() -> None:
    clv = pd.DataFrame({
        "customer_id": [f"c{i}" for i in range(12)], "kind": "person", "alive_probability": 1.0,
        "expected_purchase_count": 1.0, "expected_order_amount": 10.0,
        "clv_amount": [100.0] * 6 + [10.0] * 4 + [5.0, np.nan],
    })  # fmt: skip
    tiers = pd.DataFrame({"customer_id": [f"c{i}" for i in range(10)], "tier": ["b"] * 6 + ["a"] * 4})
    table = value.clv_tiers_table(clv, tiers, tier_order=["b", "a"], minimum_cell=1)
    check_columns(table.columns, value.CLV_TIERS_SCHEMA, result="clv_tiers")
    assert table["tier"].tolist() == ["b", "a", "not_recorded"]
    assert table["customer_count"].tolist() == [6, 4, 1]
    assert table["clv_amount"].tolist() == [600, 40, 5]
    assert table["clv_share"].round(4).tolist() == [0.9302, 0.062, 0.0078]
    assert table["clv_mean_amount"].tolist() == [100, 10, 5]
    hidden = value.clv_tiers_table(clv, tiers, minimum_cell=3)
    assert hidden["tier"].tolist() == ["a", "b", "not_recorded"]
    assert hidden["clv_amount"].isna().tolist() == [True, False, True], "one alone could be found by subtraction"


FEATURES = pd.DataFrame({
    "customer_id": ["a", "b", "c", "d"], "kind": "person", "owner": ["w1", "w1", None, "w2"],
    "spend_amount_365d": [50_000, 50_000.01, 90_000, 70_000], "recency_days": [1.0, 2.0, 3.0, 4.0],
})  # fmt: skip
CONTACTS = pd.DataFrame({"customer_id": ["b", "d", "z"], "contact_count": [0, 2, 1]})


def test_priority_customers_without_contact(clv: pd.DataFrame) -> None:
    valued = clv.head(1).assign(customer_id="c", clv_amount=321.0)
    own = ValueModelSettings(minimum_cell=1)
    table = priority.uncontacted_table(FEATURES, CONTACTS, valued, settings=own)
    check_columns(table.columns, priority.PRIORITY_SCHEMA, result="priority_uncontacted")
    assert table["customer_id"].tolist() == ["c", "b"], "50,000 itself is not over 50,000; d was contacted"
    assert table["clv_amount"].fillna(-1).tolist() == [321.0, -1]
    found = priority.priority_document(FEATURES, CONTACTS, settings=own)
    assert found == {"status": "ok", "threshold": 50_000, "n": 3, "read": ["interactions", "actions"],
                     "uncontacted_count": 2,
                     "uncontacted_amount": 140_000.01}  # fmt: skip
    few = priority.priority_document(FEATURES, CONTACTS, settings=ValueModelSettings())
    assert (few["uncontacted_count"], few["uncontacted_amount"]) == (2, None)


WITHIN = [
    {"customer_id": "called", "opened_at": "2025-07-01 00:00", "direction": "in"},
    {"customer_id": "called", "opened_at": "2025-09-30 23:59", "direction": "out"},
    {"customer_id": "long_ago", "opened_at": "2025-06-30 23:59", "direction": "in"},
]
DONE_BY_HAND = [
    {"customer_id": "visited", "assigned_at": "2025-06-01 09:00", "done_at": "2025-07-01 00:00", "status": "done"},
    {"customer_id": "called", "assigned_at": "2025-08-01 09:00", "done_at": "2025-09-30 23:59", "status": "done"},
    {"customer_id": "early", "assigned_at": "2025-06-01 09:00", "done_at": "2025-06-30 23:59", "status": "done"},
    {"customer_id": "late", "assigned_at": "2025-09-01 09:00", "done_at": "2025-10-01 00:00", "status": "done"},
    {"customer_id": "planned", "assigned_at": "2025-09-01 09:00", "status": "planned"},
    {"customer_id": "control", "assigned_at": "2025-09-01 09:00", "done_at": "2025-09-02 09:00", "status": "done",
     "is_control": True},
    {"customer_id": None, "assigned_at": "2025-09-01 09:00", "done_at": "2025-09-02 09:00", "status": "done"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("kept", "counted", "read"),
    [
        (("interactions", "actions"), {"called": 3, "visited": 1}, "Priority"),
        (("interactions",), {"called": 2}, "interactions alone"),
        (("actions",), {"called": 1, "visited": 1}, "actions done alone"),
    ],
)
def test_contacts_are_interactions_and_actions_that_were_done(make_tables, kept, counted, read) -> None:
    rows = {name: each for name, each in (("interactions", WITHIN), ("actions", DONE_BY_HAND)) if name in kept}
    tables = as_of(make_tables(orders=[], **rows), date(2025, 10, 1), zone="Asia/Shanghai")
    contacts = priority.contacts_table(tables, start=date(2025, 7, 1), end=date(2025, 10, 1), zone="Asia/Shanghai")
    assert dict(zip(contacts["customer_id"], contacts["contact_count"], strict=True)) == counted
    known = FEATURES.assign(customer_id=["called", "visited", "early", "long_ago"])
    own = ValueModelSettings(minimum_cell=1)
    document = priority.priority_document(known, contacts, settings=own, read=priority.contact_tables(tables))
    assert document["read"] == list(kept)
    assert document["uncontacted_count"] == (2 if "actions" in kept else 3)  # called has 50,000 and no more
    assert read in Words("en").say(findings.finding_priority(document))
    assert Words("zh").say(findings.finding_priority(document))


def test_without_interactions_and_actions_no_contact_is_recorded(make_tables) -> None:
    tables = make_tables(orders=[])
    assert priority.contact_tables(tables) == []
    assert priority.contacts_table(tables, start=date(2025, 7, 1), end=date(2025, 10, 1), zone="Asia/Shanghai") is None


def test_without_recorded_contacts_nobody_is_said_to_have_had_none(clv: pd.DataFrame) -> None:
    assert priority.uncontacted_table(FEATURES, None, clv, settings=SETTINGS).empty
    found = priority.priority_document(FEATURES, None, settings=SETTINGS)
    assert (found["status"], found["uncontacted_count"]) == ("no_contacts", None)


# -- inputs ------------------------------------------------------------------------------------------------------------


def test_summaries_and_days_by_hand(make_tables) -> None:
    orders = [
        {"customer_id": "a", "ordered_at": "2025-06-02 09:00", "amount": 10},
        {"customer_id": "a", "ordered_at": "2025-06-16 09:00", "amount": 20},
        {"customer_id": "a", "ordered_at": "2025-06-16 19:00", "amount": 30},
        {"customer_id": "a", "ordered_at": "2025-07-05 09:00", "amount": 40},
        {"customer_id": "a", "ordered_at": "2025-07-05 10:00", "amount": 40},
        {"customer_id": "b", "ordered_at": "2025-06-30 23:59", "amount": 5},
        {"customer_id": "late", "ordered_at": "2025-07-01 00:00", "amount": 5},
    ]
    tables = make_tables(orders=orders)
    customers = ibis.memtable(pd.DataFrame({"customer_id": ["a", "b"], "kind": ["organisation", None]}))
    purchases = counted_orders(tables["orders"]).select("customer_id", "ordered_on", "amount")
    con = tables["orders"].get_backend()
    customers = con.create_table("kinds", customers.to_pandas())
    table = holdout_table(purchases, customers, start=date(2025, 7, 1)).to_pandas()
    check_columns(table.columns, HOLDOUT_SCHEMA, result="purchase_holdout")
    assert table.fillna(-1).to_numpy().tolist() == [
        ["a", "organisation", 1, 2.0, 4.0, 50.0, 1], ["b", "person", 0, 0.0, 0.0, -1, 0],
    ]  # fmt: skip
    whole = summary_table(purchases, customers, as_of=date(2025, 7, 8)).to_pandas()
    check_columns(whole.columns, SUMMARY_SCHEMA, result="purchase_summary")
    assert whole["customer_id"].tolist() == ["a", "b", "late"]
    assert whole["repeat_count"].tolist() == [2, 0, 0]
    days = purchase_days_table(purchases, customers, start=date(2025, 7, 1))
    check_columns(days.columns, DAYS_SCHEMA, result="purchase_days")
    assert days["day_date"].dt.strftime("%m-%d").tolist() == ["06-02", "06-16", "07-05", "06-30"]
    assert days["first_count"].tolist() == [1, 0, 0, 1]
    assert days["repeat_count"].tolist() == [0, 1, 1, 0]


# -- checks ------------------------------------------------------------------------------------------------------------


def test_the_classes_of_the_holdout(holdout: pd.DataFrame, fits: dict[str, Any]) -> None:
    own = SETTINGS.model_copy(update={"minimum_cell": 25})
    table = checks.frequency_table(holdout, fits, settings=own, weeks=10)
    check_columns(table.columns, checks.FREQUENCY_SCHEMA, result="purchase_frequency")
    people = table.loc[table["kind"] == "person"].set_index("repeat_class")
    members = holdout.loc[holdout["kind"] == "person"]
    assert people["customer_count"].sum() == len(members)
    wanted = members.loc[members["repeat_count"] == 0, "later_count"].mean()
    assert people["actual_mean"]["0"] == pytest.approx(wanted, abs=1e-6)
    assert people.loc[people["customer_count"] < 25, "actual_mean"].isna().all()
    assert (people["actual_mean"].isna() == people["expected_mean"].isna()).all()


def test_no_model_no_checks(holdout: pd.DataFrame, summary: pd.DataFrame) -> None:
    none = purchase_fits_document(summary, settings=SETTINGS.model_copy(update={"minimum_customers": 9000}))
    days = pd.DataFrame({"kind": ["person"], "day_date": pd.to_datetime(["2025-06-02"]), "first_count": [1],
                         "repeat_count": [0]})  # fmt: skip
    empty = [
        (checks.tracking_table(days, none, start=date(2025, 7, 1), as_of=date(2025, 8, 1)), checks.TRACKING_SCHEMA),
        (checks.frequency_table(holdout, none, settings=SETTINGS, weeks=10), checks.FREQUENCY_SCHEMA),
        (checks.ranking_table(holdout, none, weeks=10), checks.RANKING_SCHEMA),
    ]
    for table, schema in empty:
        assert table.empty
        check_columns(table.columns, schema, result="purchase check")
    tests = checks.fit_test_document(holdout, none, weeks=10)["tests"]
    assert {test["status"] for test in tests.values()} == {"insufficient"}


def test_correlation_of_frequency_and_amount(summary: pd.DataFrame) -> None:
    members = summary.loc[summary["kind"] == "person"].copy()
    planted = members.assign(repeat_mean_amount=members["repeat_count"].where(members["repeat_count"] > 0) * 2.0)
    found = checks.check_independence(planted, settings=SETTINGS)["person"]
    assert (found["status"], found["correlation"]) == ("warning", 1.0)
    assert found["n"] == int((members["repeat_count"] > 0).sum())
    amounts = members["repeat_mean_amount"]
    flat = members.assign(repeat_mean_amount=amounts.where(amounts.isna(), 5))
    assert checks.check_independence(flat, settings=SETTINGS)["person"]["status"] == "unknown"


# -- what is said and drawn --------------------------------------------------------------------------------------------


def tracked(fits: dict[str, Any]) -> pd.DataFrame:
    days = pd.date_range("2025-01-06", periods=200)
    rows = pd.DataFrame({"kind": "person", "day_date": days, "first_count": 5, "repeat_count": 2})
    return checks.tracking_table(rows, fits, start=date(2025, 5, 19), as_of=date(2025, 7, 25))


def test_tracking_is_in_weeks_from_the_start_of_the_holdout(fits: dict[str, Any]) -> None:
    table = tracked(fits)
    ends = table["week_date"].dt.strftime("%Y-%m-%d").tolist()
    assert (ends[0], ends[-1]) == ("2025-01-12", "2025-07-20")
    assert table.loc[~table["is_holdout"], "week_date"].max() == pd.Timestamp("2025-05-18")
    assert table["actual_sum_count"].tolist() == [14 * (week + 1) for week in range(len(table))]
    assert table["expected_sum_count"].diff().iloc[1:].to_numpy() == pytest.approx(
        table["expected_purchase_count"].iloc[1:].to_numpy(), abs=2e-4
    )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(
    lang: str, holdout: pd.DataFrame, summary: pd.DataFrame, fits: dict[str, Any], clv: pd.DataFrame
) -> None:
    words = Words(lang)
    document = value.clv_document(summary, fits, settings=SETTINGS)
    said = words.say(findings.finding_value(document, fits))
    total = document["totals"].get("all", document["totals"]["person"])
    money = [words.format_money(total[name]) for name in ("value", "value_low", "value_high")]
    for part in (*money, words.format_int(total["n"]), words.format_percent(0.01), words.word("clv.no_margin")):
        assert part in said
    margin = document | {"horizon": document["horizon"] | {"margin_share": 0.3}}
    assert words.format_percent(0.3) in words.say(findings.finding_value(margin, fits))
    assert words.format_int(document["totals"]["person"]["purchases"]) in words.say(
        findings.finding_purchases(document, fits)
    )
    own = SETTINGS.model_copy(update={"minimum_customers": 9000})
    none = purchase_fits_document(summary, settings=own)
    nothing = value.clv_document(summary, none, settings=own)
    assert "9,000" in words.say(findings.finding_value(nothing, none))
    assert "9,000" in words.say(findings.finding_purchases(nothing, none))
    assert words.say(findings.finding_purchases(nothing, none | {"fits": {}})) == words.word("purchase.no_customer")
    assert words.word("clv.no_customer") in words.say(findings.finding_value(nothing, none | {"fits": {}}))

    tests = checks.fit_test_document(holdout, fits, weeks=10)
    assert words.format_int(tests["tests"]["person"]["actual_count"]) in words.say(findings.finding_fit_test(tests))
    quiet = checks.fit_test_document(holdout.assign(later_count=0), fits, weeks=10)
    assert words.say(findings.finding_fit_test(quiet))
    assert words.say(findings.finding_fit_test(checks.fit_test_document(holdout, none, weeks=10)))
    assert words.say(findings.note_independence(checks.check_independence(summary, settings=SETTINGS)))
    loud = checks.check_independence(summary, settings=SETTINGS.model_copy(update={"most_correlation": 0.0}))
    assert words.say(findings.note_independence(loud))
    assert words.say(findings.note_independence({})) == words.word("purchase.no_customer")
    ranking = checks.ranking_table(holdout, fits, weeks=10)
    assert words.format_number(ranking["auc"].iloc[0]) in words.say(findings.note_ranking(ranking))
    assert words.say(findings.note_ranking(ranking.iloc[:0])) == words.word("purchase.alive_note")

    tiers = value.clv_tiers_table(clv, clv.assign(tier="champions"), minimum_cell=10)
    assert words.word("segment.champions") in words.say(findings.finding_clv_tiers(tiers))
    assert words.say(findings.finding_clv_tiers(tiers.iloc[:0])) == words.word("clv.no_tier")
    shares = pd.DataFrame({"tier": ["champions", "lost", "at_risk"], "customer_count": [40, 30, 5],
                           "customer_share": [0.53, 0.4, 0.07], "clv_share": [0.35, 0.12, np.nan],
                           "clv_mean_amount": [9.0, 4.0, np.nan]})  # fmt: skip
    assert findings.finding_clv_tiers(shares).id == "clv.tier_hidden"
    assert words.format_percent(0.53) in words.say(findings.finding_clv_tiers(shares))  # what the hidden tier holds
    persons = {"person": document["totals"]["person"]}
    poor = fits["fits"]["person"] | {"status": "insufficient", "n": 69}
    both = fits | {"fits": {"person": fits["fits"]["person"], "organisation": poor}}
    left_out = findings.finding_value(document | {"totals": persons}, both)
    assert left_out.id == "clv.without"
    assert words.word("kind.organisation") in words.say(left_out)
    assert "69" in words.say(left_out)
    for contacts in (CONTACTS, None, CONTACTS.assign(customer_id=["b", "c", "d"], contact_count=1)):
        for minimum in (1, 10):
            found = priority.priority_document(FEATURES, contacts, settings=ValueModelSettings(minimum_cell=minimum))
            assert words.format_money(50_000) in words.say(findings.finding_priority(found))
    nobody = priority.priority_document(FEATURES, CONTACTS, settings=ValueModelSettings(priority_amount=1e6))
    assert words.format_money(1e6) in words.say(findings.finding_priority(nobody))

    table = tracked(fits)
    figure = figures.plot_tracking(table, words=words)
    assert len(figure.axes[0].lines) == 3, "counted, expected, start of the hold-out"
    assert words.say(findings.alt_tracking(table))
    pair = pd.concat([table, table.assign(kind="organisation")])
    assert len(figures.plot_tracking(pair, words=words).axes) == 2
    assert len(figures.plot_tracking(table.iloc[:0], words=words).axes[0].lines) == 0
    assert words.say(findings.alt_tracking(table.iloc[:0])) == words.word("purchase.alt_none")
    frequency = checks.frequency_table(holdout, fits, settings=SETTINGS, weeks=10)
    shown = frequency.loc[(frequency["kind"] == "person") & frequency["actual_mean"].notna()]
    assert len(figures.plot_frequency(frequency, words=words).axes[0].patches) == len(shown)
    assert words.say(findings.alt_frequency(frequency))
    assert words.say(findings.alt_frequency(frequency.iloc[:0])) == words.word("purchase.alt_none")
    assert not figures.plot_frequency(frequency.iloc[:0], words=words).axes[0].patches
