"""Nothing that happens after the door changes anything before it: tables, features, periods, KPIs (DESIGN, rule 5).

Everything that can happen to a company is planted twice: at midnight of the door, where nothing may move, and in the
last instant before, where everything that reads it must.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

import ibis
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.evaluation.history import kpi_history
from crm_analysis.evaluation.registry import KPI_FUNCTIONS, KpiInputs, available_kpis, kpi_totals
from crm_analysis.evaluation.service import service_cases
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.features import features_table
from crm_analysis.sources.history import known_in_past
from crm_analysis.sources.periods import customer_periods_table
from crm_analysis.sources.purchases import with_purchase_history
from crm_analysis.sources.schema import TABLES

Rows = list[dict[str, Any]]
Company = dict[str, Rows]
Known = dict[str, pd.DataFrame]
Look = Callable[..., Known]

DAY, ZONE = date(2025, 7, 1), "Asia/Shanghai"
QUARTER = Quarter(2025, 2)
PAST = "2025-06-20 09:00"
SETTINGS = EvaluationSettings(csat_questions=("satisfaction",), kpis={"contacts_a_month": 1 / 3})
#: KPIs of the canonical tables; those of service are made from cases, see the past as the report computes it.
CANONICAL_KPIS = {id_ for id_ in KPI_FUNCTIONS if set(METRICS[id_].needs) <= set(TABLES)}

LEVELS = {"region": "north", "owner": "w1", "member_level": "basic"}
#: One row of everything before the door, with all that was still to come inside the row.
COMPANY: Company = {
    "customers": [
        {"customer_id": "c1", "registered_at": "2024-01-01 09:00", **LEVELS},
        {"customer_id": "c4"},  # known by an order
        {"customer_id": "c5", "acquisition_channel": "referral"},  # not known yet
    ],
    "orders": [
        {"order_id": "o0", "ordered_at": "2024-06-20 10:00", "amount": 500, "channel": "web"},
        {"order_id": "o5", "ordered_at": "2024-06-20 10:00", "amount": 40, "customer_id": "c7"},
        {"order_id": "o1", "ordered_at": "2025-01-05 10:00", "amount": 80, "channel": "web"},
        {"order_id": "o2", "ordered_at": "2025-05-05 10:00", "amount": 120, "channel": "store", "discount": 10},
        {"order_id": "o6", "ordered_at": "2025-05-20 10:00", "amount": 50, "channel": "store"},
        {"order_id": "o7", "ordered_at": "2025-06-01 10:00", "amount": -20, "refund_of": "o6"},
        {"order_id": "o8", "ordered_at": "2025-04-10 10:00", "amount": 30, "customer_id": "c4"},
        {"order_id": "o9", "ordered_at": "2025-02-10 10:00", "amount": 30, "customer_id": "c6"},
    ],
    "order_items": [{"order_id": "o1", "category": "tea"}, {"order_id": "o2", "category": "cups"}],
    "interactions": [{"interaction_id": "i1", "opened_at": PAST}],
    "surveys": [
        {"survey_id": "s0", "question": "satisfaction", "sent_at": PAST},
        {"survey_id": "s1", "question": "satisfaction", "sent_at": PAST, "answered_at": PAST, "score": 4},
    ],
    "contracts": [{"contract_id": "k1", "start_date": "2024-05-01", "end_date": "2025-05-31"}],
    "actions": [
        {"action_id": "a1", "assigned_at": PAST},
        {"action_id": "a2", "assigned_at": PAST, "done_at": PAST, "status": "done"},
    ],
    "opportunities": [
        {"opportunity_id": "p1", "stage": "lead", "entered_at": PAST},
        {"opportunity_id": "p2", "stage": "closed", "entered_at": PAST},
    ],
    "events": [{"at": PAST}],
    "interviews": [{"interview_id": "v1", "topic": "slow_response", "held_on": "2025-06-20"}],
    "overrides": [{"customer_id": "c1", "scheme": "eight_types", "decided_at": PAST}],
    "customers_history": [
        {"customer_id": "c1", "field": name, "value": value, "changed_at": "2024-01-01 09:00"}
        for name, value in LEVELS.items()
    ],
    "receivables": [{"invoice_id": "r1", "invoiced_on": "2025-06-20"}],
    "budgets": [{"quarter": "2025Q1", "tier": "vip", "purpose": "care", "used_amount": 90}],
}


def happenings(at: str, day: str, quarter: str) -> dict[str, tuple[Company, set[str]]]:
    """Return what can happen at a time, and what shows it when it happened before the door.

    A row with the key of one that is there adds to it; other rows are new.
    """
    moved = {"region": "south", "owner": "w2", "member_level": "gold"}
    changes = [{"customer_id": "c1", "field": name, "value": v, "changed_at": at} for name, v in moved.items()]
    order = {"customer_id": "c1", "ordered_at": at, "amount": 999, "channel": "fair"}
    items = [{"order_id": "n3", "category": "bowls"}] * 3
    refund = {"customer_id": "c1", "ordered_at": at}
    contact = {"interaction_id": "i9", "opened_at": at, "kind": "complaint"}
    question = {"question": "satisfaction", "sent_at": at}
    results = {"cost": 20, "outcome": "reached", "feedback": "glad", "problem": "no", "cause": "no", "remedy": "no"}
    sums = {"periods", "kpis"}
    return {
        "customer registers": ({"customers": [{"customer_id": "c9", "registered_at": at}]}, {"customers"}),
        "buyer registers": ({"customers": [{"customer_id": "c4", "registered_at": at}]}, {"customers"}),
        "register is updated": ({"customers": [{"customer_id": "c1", "updated_at": at}]}, {"customers"}),
        "cooperation starts": ({"customers": [{"customer_id": "c1", "cooperation_start": day}]}, {"customers"}),
        "register changes": (
            {"customers": [{"customer_id": "c1", **moved}], "customers_history": changes},
            {"customers", "customers_history"},
        ),
        "order": ({"orders": [order | {"order_id": "n1"}]}, {"orders", *sums}),
        "first order": ({"orders": [order | {"order_id": "n2", "customer_id": "c5"}]}, {"orders", "customers", *sums}),
        "order with items": (
            {"orders": [order | {"order_id": "n3"}], "order_items": items},
            {"orders", "order_items", *sums},
        ),
        "order of a lost customer": ({"orders": [order | {"order_id": "n4", "customer_id": "c6"}]}, {"orders", *sums}),
        "order after a silent year": ({"orders": [order | {"order_id": "n5", "customer_id": "c7"}]}, {"orders", *sums}),
        "full refund": (
            {"orders": [refund | {"order_id": "r1", "amount": -120, "refund_of": "o2"}]},
            {"orders", *sums},
        ),
        "last part of a refund": (
            {"orders": [refund | {"order_id": "r2", "amount": -30, "refund_of": "o6"}]},
            {"orders", *sums},
        ),
        "part of a refund": (
            {"orders": [refund | {"order_id": "r3", "amount": -10, "refund_of": "o1"}]},
            {"orders", *sums},
        ),
        "refund of nothing": ({"orders": [refund | {"order_id": "r4", "amount": -10}]}, {"orders", *sums}),
        "complaint": ({"interactions": [contact]}, {"interactions", *sums}),
        "reply": (
            {"interactions": [{"interaction_id": "i1", "first_human_reply_at": at}]},
            {"interactions", "kpis"},
        ),
        "resolution": (
            {"interactions": [{"interaction_id": "i1", "resolved_at": at, "outcome": "solved", "reason": "price"}]},
            {"interactions"},
        ),
        "reopening": ({"interactions": [{"interaction_id": "i1", "reopened_at": at}]}, {"interactions"}),
        "questionnaire": (
            {"surveys": [question | {"survey_id": "s9", "answered_at": at, "score": 1}]},
            {"surveys", "kpis"},
        ),
        "questionnaire to another": (
            {"surveys": [question | {"survey_id": "s7", "customer_id": "c4"}]},
            {"surveys", "kpis"},
        ),
        "recommendation": (
            {"surveys": [
                {"survey_id": "s8", "sent_at": at, "question": "nps", "answered_at": at, "score": 10,
                 "scale_min": 0, "scale_max": 10}]},
            {"surveys", "kpis"},
        ),
        "review": (
            {"surveys": [{"survey_id": "v1", "sent_at": at, "question": "review", "answered_at": at, "score": 5}]},
            {"surveys", "kpis"},
        ),
        "answer": (
            {"surveys": [{"survey_id": "s0", "question": "satisfaction", "answered_at": at, "score": 1, "text": "no"}]},
            {"surveys", "kpis"},
        ),
        "contract": (
            {"contracts": [{"contract_id": "k9", "start_date": day, "end_date": "2027-12-31", "renewal_of": "k1"}]},
            {"contracts", "kpis"},
        ),
        "action": ({"actions": [{"action_id": "a9", "assigned_at": at}]}, {"actions"}),
        "action is done": (
            {"actions": [{"action_id": "a1", "done_at": at, "status": "done", **results}]},
            {"actions"},
        ),
        "opportunity": (
            {"opportunities": [
                {"opportunity_id": "p1", "stage": "closed", "entered_at": at, "closed_at": at, "won": True}]},
            {"opportunities", "kpis"},
        ),
        "opportunity is won": (
            {"opportunities": [{"opportunity_id": "p2", "stage": "closed", "closed_at": at, "won": True}]},
            {"opportunities", "kpis"},
        ),
        "event": ({"events": [{"at": at, "event": "cart"}]}, {"events"}),
        "interview": ({"interviews": [{"interview_id": "v9", "topic": "price", "held_on": day}]}, {"interviews"}),
        "override": (
            {"overrides": [{"customer_id": "c1", "scheme": "eight_types", "decided_at": at}]},
            {"overrides"},
        ),
        "invoice": ({"receivables": [{"invoice_id": "r9", "invoiced_on": day}]}, {"receivables"}),
        "payment": ({"receivables": [{"invoice_id": "r1", "paid_on": day}]}, {"receivables"}),
        "budget": (
            {"budgets": [{"quarter": quarter, "tier": "vip", "purpose": "care", "used_amount": 5}]},
            {"budgets"},
        ),
    }  # fmt: skip


LATER = happenings("2025-07-01 00:00:00", "2025-07-01", "2025Q3")
EARLIER = happenings("2025-06-30 23:59:59.999999", "2025-06-30", "2025Q2")
#: Columns of features that read one of these happenings or another.
SEEN_FEATURES = {
    "region", "owner", "member_level", "last_order_date", "recency_days", "order_count", "spend_amount", "refund_count",
    "refund_amount", "order_count_90d", "gap_mean_days", "channel_top", "category_top", "interaction_in_count_90d",
    "complaint_count_365d", "first_response_hours_mean_365d", "survey_answered_count", "survey_score_mean",
    "survey_score_last", "contract_end_date", "contract_days_left",
}  # fmt: skip
#: Values that are overwritten without a date of their own: they show nothing before the door, whenever they came.
UNDATED: dict[str, Company] = {
    "action is cancelled": {"actions": [{"action_id": "a1", "status": "cancelled"}]},
    "action is under way": {"actions": [{"action_id": "a1", "status": "in_progress"}]},
    "done action is taken back": {"actions": [{"action_id": "a2", "status": "cancelled"}]},
    "action is done, who knows when": {"actions": [{"action_id": "a1", "status": "done", "outcome": "reached"}]},
    "outcome of an open case": {"interactions": [{"interaction_id": "i1", "outcome": "solved", "reason": "price"}]},
    "score without an answer": {"surveys": [{"survey_id": "s0", "question": "satisfaction", "score": 1}]},
    "opportunity without an end": {"opportunities": [{"opportunity_id": "p2", "stage": "closed", "won": True}]},
    "register changes unrecorded": {"customers": [{"customer_id": "c1", "region": "south", "owner": "w2"}]},
}


def planted(company: Company, changes: Iterable[Company]) -> Company:
    """Return the company with rows added, or added to where their key is there already."""
    made = {name: [dict(row) for row in rows] for name, rows in company.items()}
    for change in changes:
        for name, rows in change.items():
            key = TABLES[name].key
            for row in rows:
                same = [old for old in made[name] if key and all(old.get(k) == row.get(k) for k in key)]
                if same:
                    same[0].update(row)
                else:
                    made[name].append(dict(row))
    return made


def _raw(make_tables: Callable[..., Any], company: Company) -> dict[str, ibis.Table]:
    tables = make_tables(**company)
    return tables | {"orders": with_purchase_history(tables["orders"])}


def _kpis(inputs: KpiInputs) -> ibis.Table:
    return kpi_totals(inputs, available_kpis(inputs.tables)).order_by("kpi")


def _looker(make_tables: Callable[..., Any], *, quarter: Quarter, day: date, zone: str) -> Look:
    """Return ``look(company)``: all tables behind the door, and what is made of them; the SQL is made once."""
    tables = _raw(make_tables, COMPANY)
    known = as_of(tables, day, zone=zone)
    periods = customer_periods_table(known, quarters=quarter.back(8))
    stored = tables["customers"].get_backend().create_table("periods", periods.limit(0))
    inputs = KpiInputs(tables=known, periods=stored, quarter=quarter, settings=SETTINGS)
    made = {"features": features_table(known, as_of=day), "periods": periods, "kpis": _kpis(inputs)}
    sql = {name: ibis.to_sql(expression, dialect="duckdb") for name, expression in (known | made).items()}

    def look(company: Company, *, only: Iterable[str] = tuple(sql)) -> Known:
        con = make_tables(zone=zone, **company)["customers"].get_backend().con
        con.execute(f"CREATE TABLE periods AS {sql['periods']}")
        found = {name: con.execute(sql[name]).df() for name in only}
        for name in found.keys() & set(TABLES):
            by = [column for column in TABLES[name].names if column in found[name]]
            found[name] = found[name].sort_values(by, ignore_index=True)
        return found

    return look


@pytest.fixture(scope="module")
def look(make_tables: Callable[..., Any]) -> Look:
    return _looker(make_tables, quarter=QUARTER, day=DAY, zone=ZONE)


@pytest.fixture(scope="module")
def before(look: Look) -> Known:
    return look(COMPANY)


def _moved(found: Known, before: Known) -> set[str]:
    return {name for name, frame in found.items() if not frame.equals(before[name])}


def test_everything_is_tried() -> None:
    assert set(COMPANY) == set(TABLES)
    assert {name for change, _ in LATER.values() for name in change} == set(TABLES)
    for table in TABLES.values():  # every time that a row may learn later, and every value that is known from then on
        learnt = {field.name for field in table if field.known_at is not None or field.change == "event"}
        tried = {n for change, _ in LATER.values() for row in change.get(table.name, []) for n in row}
        assert learnt <= tried, table.name


def test_what_happens_from_the_door_on_moves_nothing(look: Look, before: Known) -> None:
    changes = {what: change for what, (change, _) in LATER.items()} | UNDATED
    if _moved(look(planted(COMPANY, changes.values())), before):
        found = {what: _moved(look(planted(COMPANY, [change])), before) for what, change in changes.items()}
        pytest.fail(f"moved: { {what: moved for what, moved in found.items() if moved} }")


@pytest.mark.parametrize("what", EARLIER)
def test_the_same_an_instant_earlier_is_seen(look: Look, before: Known, what: str) -> None:
    changes, shown_by = EARLIER[what]
    assert _moved(look(planted(COMPANY, [changes]), only=shown_by), before) == shown_by


def test_features_and_kpis_see_an_instant_earlier(look: Look, before: Known) -> None:
    found = look(planted(COMPANY, [change for change, _ in EARLIER.values()]), only=["features", "kpis"])
    for name, key, seen in [("features", "customer_id", SEEN_FEATURES), ("kpis", "kpi", CANONICAL_KPIS)]:
        then, now = before[name].set_index(key), found[name].set_index(key)
        same = now.index.intersection(then.index)
        assert set(same) == set(then.index)
        then, now = then.loc[same], now.loc[same]
        moved = then.ne(now) & (then.notna() | now.notna())
        assert seen <= set(moved.index[moved.any(axis=1)] if name == "kpis" else moved.columns[moved.any()]), name


def test_the_status_of_an_order_describes_and_no_more(look: Look, before: Known) -> None:
    found = look(planted(COMPANY, [{"orders": [{"order_id": "o2", "status": "returned"}]}]))
    assert _moved(found, before) == {"orders"}
    pd.testing.assert_frame_equal(found["orders"].drop(columns="status"), before["orders"].drop(columns="status"))


# -- KPIs of the past, as the report computes them ---------------------------------------------------------------------


def test_no_kpi_of_the_past_moves(make_tables: Callable[..., Any]) -> None:
    def compute(company: Company) -> pd.DataFrame:
        tables = _raw(make_tables, company)
        periods = customer_periods_table(as_of(tables, QUARTER.end, zone=ZONE), quarters=QUARTER.back(8))
        return kpi_history(
            tables["customers"].get_backend().create_table("periods", periods),
            door=lambda quarter: with_cases(as_of(tables, quarter.end, zone=ZONE), quarter),
            quarter=QUARTER,
            settings=SETTINGS,
        )

    def with_cases(known: dict[str, ibis.Table], quarter: Quarter) -> dict[str, ibis.Table]:
        return known | {"service_cases": service_cases(known["interactions"], quarter=quarter, settings=SETTINGS,
                                                       zone=ZONE)}  # fmt: skip

    plain = compute(COMPANY)
    assert set(plain["quarter"]) == {"2024Q3", "2024Q4", "2025Q1", "2025Q2"}
    assert set(plain["kpi"]) == set(KPI_FUNCTIONS)
    pd.testing.assert_frame_equal(
        compute(planted(COMPANY, [*(change for change, _ in LATER.values()), *UNDATED.values()])), plain
    )


# -- without a history -------------------------------------------------------------------------------------------------


def test_without_a_history_todays_values_describe_and_are_refused_for_the_past(make_tables, features_of) -> None:
    plain = {name: rows for name, rows in COMPANY.items() if name in ("customers", "orders")}
    today = planted(plain, [{"customers": [{"customer_id": "c1", "region": "south", "owner": "w2"}]}])
    before, after = features_of(make_tables(**plain), DAY), features_of(make_tables(**today), DAY)
    assert (before.region["c1"], after.region["c1"]) == ("north", "south")
    told = ["region", "owner"]
    pd.testing.assert_frame_equal(after.drop(columns=told), before.drop(columns=told))
    assert not known_in_past(make_tables(**today)) & {"region", "owner", "member_level"}
    assert known_in_past(make_tables(**COMPANY)) >= {"region", "owner", "member_level"}


# -- the door against a cut by hand ------------------------------------------------------------------------------------

#: When a row begins, and what it learns when.
BEGINS = {"orders": "ordered_at", "interactions": "opened_at", "surveys": "sent_at", "contracts": "start_date",
          "actions": "assigned_at", "opportunities": "entered_at", "events": "at", "interviews": "held_on",
          "overrides": "decided_at", "receivables": "invoiced_on"}  # fmt: skip
LEARNS: dict[str, dict[str, tuple[str, ...]]] = {
    "interactions": {"first_human_reply_at": (), "resolved_at": ("outcome", "reason"), "reopened_at": ()},
    "surveys": {"answered_at": ("score", "text")},
    "actions": {"done_at": ("status", "cost", "outcome", "feedback", "problem", "cause", "remedy")},
    "opportunities": {"closed_at": ("won",)},
    "receivables": {"paid_on": ()},
}
SHORT = Quarter(2025, 1)


def cut(company: Company, *, day: date) -> Company:
    """Return the company as it stood before local midnight of a day: later rows removed, later values emptied."""
    midnight = datetime.combine(day, time())

    def is_past(at: datetime | date | None) -> bool:
        return at is not None and (at < midnight if isinstance(at, datetime) else at < day)

    made: Company = {name: [r for r in company[name] if is_past(r[at])] for name, at in BEGINS.items()}
    for name, learns in LEARNS.items():
        for n, row in enumerate(made[name]):
            unknown = {gone for at, told in learns.items() if not is_past(row[at]) for gone in (at, *told)}
            made[name][n] = {column: None if column in unknown else value for column, value in row.items()}
    made["actions"] = [r | {"status": "done" if r["done_at"] else None} for r in made["actions"]]
    ordered = {row["order_id"] for row in made["orders"]}
    made["order_items"] = [row for row in company["order_items"] if row["order_id"] in ordered]
    made["budgets"] = [
        row | {"used_amount": row["used_amount"] if Quarter.parse(row["quarter"]).end <= day else None}
        for row in company["budgets"]
        if Quarter.parse(row["quarter"]).start < day
    ]
    made["customers_history"] = [row for row in company["customers_history"] if is_past(row["changed_at"])]
    buyers = {row["customer_id"] for row in made["orders"]}
    made["customers"] = []
    for row in company["customers"]:
        if not is_past(row["registered_at"]) and row["customer_id"] not in buyers:
            continue
        dates = {n: row[n] if is_past(row[n]) else None for n in ("registered_at", "updated_at", "cooperation_start")}
        made["customers"].append(row | dates | _values_then(company["customers_history"], row, is_past=is_past))
    return made


def _values_then(history: Rows, row: dict[str, Any], *, is_past: Callable[[Any], bool]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in LEVELS:
        record = [h for h in history if (h["customer_id"], h["field"]) == (row["customer_id"], field)]
        past = [h for h in record if is_past(h["changed_at"])]
        if record:
            values[field] = max(past, key=lambda h: (h["changed_at"], h["value"]))["value"] if past else None
    return values


def _companies(day: date) -> st.SearchStrategy[Company]:
    """Draw companies whose times lie on both sides of midnight, many of them close to it."""
    midnight = datetime.combine(day, time())
    close = [timedelta(microseconds=n) for n in (-1, 0, 1)] + [timedelta(seconds=n) for n in (-1, 1, -3600, 3600)]
    far = st.integers(-400 * 24, 90 * 24).map(lambda hours: timedelta(hours=hours, minutes=7))
    at = st.one_of(st.sampled_from(close), far).map(lambda gap: midnight + gap)
    on = st.one_of(st.sampled_from([-1, 0, 1]), st.integers(-400, 90)).map(lambda days: day + timedelta(days=days))
    who = st.sampled_from(["c1", "c2", "c3"])

    def rows(id_: str = "", prefix: str = "", **columns: Any) -> st.SearchStrategy[Rows]:
        given = {name: v if isinstance(v, st.SearchStrategy) else st.just(v) for name, v in columns.items()}
        drawn = st.lists(st.fixed_dictionaries(given), min_size=1, max_size=4)
        return drawn.map(lambda rows: [r | {id_: f"{prefix}{n}"} for n, r in enumerate(rows, 1)]) if id_ else drawn

    def perhaps(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.none() | values

    value = st.sampled_from(["a", "b", "c"])
    ids = st.sampled_from(["o1", "o2", "o3", "o4"])
    return st.fixed_dictionaries({
        "customers": rows("customer_id", "c", registered_at=perhaps(at), updated_at=perhaps(at),
                          cooperation_start=perhaps(on), region=value, owner=value, member_level=value),
        "customers_history": rows(customer_id=who, field=st.sampled_from(list(LEVELS)), value=value, changed_at=at),
        "orders": rows("order_id", "o", customer_id=who, ordered_at=at, amount=st.sampled_from([-20, 20, 20, 40]),
                       channel=value, refund_of=perhaps(ids)),
        "order_items": rows(order_id=ids, category=value),
        "interactions": rows("interaction_id", "i", customer_id=who, opened_at=at,
                             first_human_reply_at=perhaps(at), resolved_at=perhaps(at), reopened_at=perhaps(at),
                             direction=st.sampled_from(["in", "out"]), outcome=value,
                             reason=value, kind=st.sampled_from(["complaint", "inquiry"])),
        "surveys": rows("survey_id", "s", customer_id=who, sent_at=at, answered_at=perhaps(at),
                        score=st.integers(1, 5), text=value),
        "contracts": rows("contract_id", "k", customer_id=who, start_date=on, end_date=on),
        "actions": rows("action_id", "a", customer_id=who, assigned_at=at, done_at=perhaps(at), cost=5,
                        outcome=value, feedback=value, problem=value, cause=value, remedy=value,
                        status=st.sampled_from(["planned", "in_progress", "done", "cancelled"])),
        "opportunities": rows("opportunity_id", "p", customer_id=who, entered_at=at, closed_at=perhaps(at),
                              won=st.booleans()),
        "events": rows(customer_id=who, at=at),
        "interviews": rows("interview_id", "v", held_on=on),
        "overrides": rows(customer_id=who, decided_at=at, expires_on=on),
        "receivables": rows("invoice_id", "r", customer_id=who, invoiced_on=on, paid_on=perhaps(on)),
        "budgets": rows(quarter=st.sampled_from([str(q) for q in Quarter.containing(day).shift(1).back(4)]),
                        used_amount=5),
    })  # fmt: skip


#: A plain quarter's end, and the day after the clocks went forward, when midnight is another hour of UTC.
DOORS = {"Shanghai": (QUARTER, DAY, ZONE), "Berlin": (SHORT, date(2025, 3, 31), "Europe/Berlin")}


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest, make_tables: Callable[..., Any]) -> tuple[Look, date]:
    quarter, day, zone = DOORS[request.param]
    if zone == ZONE:
        return request.getfixturevalue("look"), day
    return _looker(make_tables, quarter=quarter, day=day, zone=zone), day


@settings(
    max_examples=6, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
@given(data=st.data())
def test_the_door_shows_what_a_cut_by_hand_leaves(door: tuple[Look, date], data: st.DataObject) -> None:
    look, day = door
    company = data.draw(_companies(day))
    whole, left = look(company), look(cut(company, day=day))
    for name in whole:
        pd.testing.assert_frame_equal(whole[name], left[name], obj=name)
