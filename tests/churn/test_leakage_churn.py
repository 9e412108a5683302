"""Nothing that happens from the report's day on moves an input, a label, a score or a reason of churn.

Happenings are planted in every table of the data contract for every customer, at midnight of the day; between an origin
and the end of its outcome they may move labels, and nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.settings import ChurnSettings
from crm_analysis.churn.contributions import contributions_table
from crm_analysis.churn.horizon import purchase_gaps_table
from crm_analysis.churn.inputs import BASELINE_COLUMN, FEATURE_COLUMNS, MODEL_FEATURES
from crm_analysis.churn.labels import check_churn_data, training_table
from crm_analysis.churn.purchase_fit import expected_purchases_table, fit_purchases
from crm_analysis.churn.scores import churn_scores, fit_champion
from crm_analysis.churn.warnings import warning_list
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.features import features_table
from crm_analysis.sources.periods import outcomes_table
from crm_analysis.sources.purchases import counted_orders, purchase_summary_table
from crm_analysis.sources.schema import TABLES

DAY, ZONE = date(2025, 10, 1), "Asia/Shanghai"
ORIGINS = [date(2025, 1, 1), date(2025, 4, 1), date(2025, 7, 1)]
SETTINGS = ChurnSettings(origins=3, minimum_customers=50, minimum_events=10, list_length=30)
IDS = [f"c{k:03d}" for k in range(120)]
COLUMNS = ["customer_id", *FEATURE_COLUMNS]
Rows = list[dict[str, Any]]


def company() -> dict[str, Rows]:
    """Return customers who buy at rates of their own, half of whom stop, with a row of everything for each."""
    rng = np.random.default_rng(11)
    begin = datetime(2024, 6, 1, 10)
    orders: Rows = []
    for k, id_ in enumerate(IDS):
        gap, end = rng.uniform(10, 70), 486 if k % 2 else rng.uniform(150, 480)
        at = rng.uniform(0, gap)
        while at < end:
            amount = round(float(rng.lognormal(4, 0.5)), 2)
            ordered_at = (begin + timedelta(days=int(at))).isoformat(" ")
            orders.append({"order_id": f"o{len(orders)}", "customer_id": id_, "ordered_at": ordered_at,
                           "amount": amount})  # fmt: skip
            at += rng.exponential(gap) + 1
    past = "2025-09-20 09:00"
    each: dict[str, Rows] = {name: [] for name in TABLES if name not in ("orders", "budgets", "interviews")}
    for id_ in IDS:
        who = {"customer_id": id_}
        each["customers"].append(who | {"registered_at": "2024-01-01 09:00", "region": "north", "owner": "w1"})
        each["interactions"].append(who | {"interaction_id": f"i{id_}", "opened_at": past, "kind": "complaint"})
        each["surveys"].append(who | {"survey_id": f"s{id_}", "sent_at": past})
        each["contracts"].append(who | {"contract_id": f"k{id_}", "start_date": "2024-11-01", "end_date": "2025-10-31"})
        each["actions"].append(who | {"action_id": f"a{id_}", "assigned_at": past})
        each["opportunities"].append(who | {"opportunity_id": f"p{id_}", "entered_at": past})
        each["events"].append(who | {"at": past})
        each["overrides"].append(who | {"decided_at": past})
        each["customers_history"].append(who | {"field": "region", "value": "north", "changed_at": "2024-01-01 09:00"})
        each["receivables"].append(who | {"invoice_id": f"r{id_}", "invoiced_on": "2025-09-20"})
    each["order_items"] = [{"order_id": "o1", "category": "tea"}]
    return each | {"orders": orders, "interviews": [{"interview_id": "v1", "held_on": "2025-09-20"}],
                   "budgets": [{"quarter": "2025Q3"}]}  # fmt: skip


def later(rows: Mapping[str, Rows], *, at: str, day: str, buyers: Sequence[str] = tuple(IDS)) -> dict[str, Rows]:
    """Return the company with something more in every table, and later values inside its rows."""
    learns: dict[str, dict[str, Any]] = {
        "customers": {"updated_at": at, "region": "south", "owner": "w9"},
        "interactions": {"first_human_reply_at": at, "resolved_at": at, "reopened_at": at, "outcome": "solved"},
        "surveys": {"answered_at": at, "score": 1},
        "actions": {"done_at": at, "status": "done", "outcome": "reached"},
        "opportunities": {"closed_at": at, "won": True},
        "receivables": {"paid_on": day},
    }
    made = {name: [row | learns.get(name, {}) for row in given] for name, given in rows.items()}
    for id_ in IDS:
        who = {"customer_id": id_}
        if id_ in buyers:
            made["orders"].append(who | {"order_id": f"n{id_}", "ordered_at": at, "amount": 999})
        made["interactions"].append(who | {"interaction_id": f"j{id_}", "opened_at": at, "kind": "complaint"})
        made["surveys"].append(who | {"survey_id": f"t{id_}", "sent_at": at, "answered_at": at, "score": 1})
        made["contracts"].append(
            who | {"contract_id": f"l{id_}", "start_date": day, "end_date": "2027-12-31", "renewal_of": f"k{id_}"}
        )
        made["actions"].append(who | {"action_id": f"b{id_}", "assigned_at": at})
        made["opportunities"].append(who | {"opportunity_id": f"q{id_}", "entered_at": at})
        made["events"].append(who | {"at": at})
        made["overrides"].append(who | {"decided_at": at, "scheme": "ten_segments"})
        made["customers_history"].append(who | {"field": "region", "value": "south", "changed_at": at})
        made["receivables"].append(who | {"invoice_id": f"q{id_}", "invoiced_on": day})
    refunded = [row for row in rows["orders"] if row["ordered_at"] < at][::5]
    for row in refunded:
        made["orders"].append({"order_id": f"r{row['order_id']}", "customer_id": row["customer_id"], "ordered_at": at,
                               "amount": -row["amount"], "refund_of": row["order_id"]})  # fmt: skip
    made["customers"].append({"customer_id": "new", "registered_at": at})
    made["order_items"].append({"order_id": "nc000", "category": "cups"})
    made["interviews"].append({"interview_id": "v2", "held_on": day})
    made["budgets"].append({"quarter": "2025Q4"})
    return made


def expected(raw: Mapping[str, ibis.Table], *, origin: date) -> pd.DataFrame:
    """Return the purchases that a purchase model fitted at the origin expects of each customer."""
    purchases = counted_orders(as_of(raw, origin, zone=ZONE)["orders"])
    summary = purchase_summary_table(purchases, as_of=origin).to_pandas().assign(kind="person")
    model = fit_purchases(summary)
    document = {"fits": {"person": {"purchases": model.to_document(), "amounts": None}}}
    return expected_purchases_table(summary, document, gap_days=0, horizon_days=90)


@pytest.fixture(scope="module")
def compute(make_tables):
    """Return ``compute(company)``: labelled customers, today's features, scores, the list and the gaps."""
    made: dict[str, str] = {}

    def run(rows: Mapping[str, Rows]) -> dict[str, pd.DataFrame]:
        raw = make_tables(**rows)
        con = raw["orders"].get_backend().con
        known = as_of(raw, DAY, zone=ZONE)
        by_origin = {}
        for origin in [*ORIGINS, DAY]:
            if str(origin) not in made:
                table = features_table(as_of(raw, origin, zone=ZONE), as_of=origin)
                made[str(origin)] = ibis.to_sql(table, dialect="duckdb")
            features = con.execute(made[str(origin)]).df()
            by_origin[origin] = features[COLUMNS].merge(expected(raw, origin=origin), on="customer_id")
        pairs = [
            (o, (by_origin[o], outcomes_table(known, origin=o, gap_days=0, horizon_days=90).to_pandas()))
            for o in ORIGINS
        ]
        training = training_table(pairs, settings=SETTINGS)
        status = check_churn_data(training, settings=SETTINGS)
        assert status["status"] == "ok"
        fitted = fit_champion(training, settings=SETTINGS, champion={"model": "logistic"}, status=status)
        scores = churn_scores(by_origin[DAY], fitted, settings=SETTINGS)
        reasons = contributions_table(by_origin[DAY], fitted, customer_ids=scores["customer_id"].head(30).tolist())
        listed = warning_list(scores, by_origin[DAY], settings=SETTINGS, as_of=DAY, contributions=reasons)
        gaps = purchase_gaps_table(known["orders"], as_of=DAY, settings=SETTINGS)
        return {"training": training, "scores": scores, "reasons": reasons, "listed": listed, "gaps": gaps}

    return run


@pytest.fixture(scope="module")
def plain(compute) -> dict[str, pd.DataFrame]:
    return compute(company())


def test_every_table_is_planted() -> None:
    rows = company()
    assert set(rows) == set(TABLES)
    planted = later(rows, at="2025-10-01 00:00:00", day="2025-10-01")
    assert all(planted[name] != rows[name] for name in TABLES)


def test_what_happens_from_the_day_on_moves_nothing(compute, plain) -> None:
    found = compute(later(company(), at="2025-10-01 00:00:00", day="2025-10-01"))
    assert len(plain["listed"]) == 30
    for name, frame in plain.items():
        pd.testing.assert_frame_equal(found[name], frame, obj=name)


def test_the_same_an_instant_earlier_is_seen(compute, plain) -> None:
    found = compute(later(company(), at="2025-09-30 23:59:59", day="2025-09-30"))
    assert not found["scores"]["churn_probability"].equals(plain["scores"]["churn_probability"])
    assert not found["gaps"].equals(plain["gaps"])


def test_within_the_outcome_it_moves_labels_and_no_input(compute, plain) -> None:
    half = IDS[:60]
    found = compute(later(company(), at="2025-07-01 00:00:00", day="2025-07-01", buyers=half))["training"]
    before = plain["training"]
    inputs = [*COLUMNS, BASELINE_COLUMN]
    assert before[BASELINE_COLUMN].notna().all()
    pd.testing.assert_frame_equal(found[inputs], before[inputs])
    last = (found["origin"] == "2025-07-01") & found["customer_id"].isin(half)
    assert found.loc[last, "is_churned"].sum() == 0  # all of them bought
    assert before.loc[last, "is_churned"].sum() > 5


def test_no_input_is_an_outcome() -> None:
    assert not {"is_churned", "gap_order_count", "outcome_order_count", "origin"} & set(MODEL_FEATURES)
