"""The record of overwritten customer fields: values of the past, and which fields may speak for it."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from crm_analysis import graph_churn, graph_segmentation
from crm_analysis.base.errors import AnalysisError
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.history import TRACKABLE, check_past_fields, known_in_past
from crm_analysis.sources.schema import CUSTOMERS, Change

ZONE = "Asia/Shanghai"
REGISTERED = {"registered_at": "2024-01-01 09:00"}


def _change(field: str, value: str | None, at: str, customer_id: str = "c1") -> dict[str, Any]:
    return {"customer_id": customer_id, "field": field, "value": value, "changed_at": at}


def _customers(make_tables, customers, history, *, day: date = date(2025, 7, 1)) -> pd.DataFrame:
    customers = [REGISTERED | row for row in customers]
    tables = make_tables(orders=[], customers=customers, customers_history=history)
    return as_of(tables, day, zone=ZONE)["customers"].to_pandas().set_index("customer_id").sort_index()


@pytest.mark.parametrize(
    ("day", "region"),
    [
        (date(2024, 2, 1), "unknown"),  # before the first row nothing is known
        (date(2024, 2, 2), "north"),
        (date(2025, 6, 30), "north"),
        (date(2025, 7, 1), "east"),  # changed in the last second before
        (date(2025, 7, 2), "south"),  # changed at midnight of July 1
        (date(2030, 1, 1), "south"),
    ],
)
def test_the_last_change_before_the_door_holds(make_tables, day: date, region: str) -> None:
    history = [
        _change("region", "south", "2025-07-01 00:00:00"),
        _change("region", "north", "2024-02-01 12:00"),
        _change("region", "east", "2025-06-30 23:59:59.999999"),
        _change("region", "west", "2024-02-01 12:00", customer_id="c2"),
    ]
    found = _customers(make_tables, [{"customer_id": "c1", "region": "south"}], history, day=day)
    assert found.region.fillna("unknown").tolist() == [region]


def test_customers_without_rows_of_a_field_keep_todays_value(make_tables) -> None:
    history = [_change("region", "north", "2024-01-01 09:00"), _change("owner", "w9", "2025-08-01 09:00")]
    rows = [
        {"customer_id": "c1", "region": "east", "owner": "w9", "member_level": "gold"},
        {"customer_id": "c2", "region": "west", "owner": "w2", "member_level": "basic"},
    ]
    found = _customers(make_tables, rows, history)
    assert found.region.tolist() == ["north", "west"]
    assert found.owner.isna().tolist() == [True, False]  # what c1's owner was before August is unknown
    assert found.member_level.tolist() == ["gold", "basic"]


def test_of_changes_at_the_same_instant_the_greatest_value_holds(make_tables) -> None:
    values = ["b", "c", "a"]
    for order in (values, values[::-1]):
        history = [_change("owner", value, "2025-01-01 09:00") for value in order]
        assert _customers(make_tables, [{"customer_id": "c1", "owner": "x"}], history).owner.tolist() == ["c"]


def test_a_change_to_nothing_empties_the_field(make_tables) -> None:
    history = [_change("owner", "w1", "2024-01-01 09:00"), _change("owner", None, "2025-01-01 09:00")]
    found = _customers(make_tables, [{"customer_id": "c1", "owner": "w3"}], history)
    assert found.owner.isna().all()


def test_values_are_cast_to_the_type_of_their_field(make_tables) -> None:
    given = {"points": " 1,200 ", "marketing_consent": "否", "name": "王芳", "phone": "19900000001"}
    history = [_change(field, value, "2025-01-01 09:00") for field, value in given.items()]
    history.append(_change("points", "many", "2025-01-01 09:00", customer_id="c2"))
    today = {"points": 7, "marketing_consent": True, "name": "李芳", "phone": "19900000002"}
    found = _customers(make_tables, [{"customer_id": "c1", **today}, {"customer_id": "c2", **today}], history)
    first = found.loc["c1"]
    assert (first.points, first.marketing_consent, first["name"], first.phone) == (1200, False, "王芳", "19900000001")
    assert pd.isna(found.loc["c2", "points"])  # no number
    assert found.loc["c2", "marketing_consent"]


def test_every_overwritten_field_can_be_tracked_and_no_other(make_tables) -> None:
    overwritten = {field.name for field in CUSTOMERS if field.change is Change.OVERWRITTEN}
    assert {field.name for field in TRACKABLE} == overwritten - {"updated_at"}
    history = [_change(field.name, "1", "2025-01-01 09:00") for field in CUSTOMERS]
    found = _customers(make_tables, [{"customer_id": "c1"}], history)
    filled = {name for name in found.columns if found[name].notna().all()}
    assert filled == {field.name for field in TRACKABLE} | {"registered_at", "registered_on", "registered_hour"}


def test_columns_and_rows_stay_as_they_are(make_tables) -> None:
    rows = [{"customer_id": f"c{n}"} for n in range(3)]
    history = [_change("owner", f"w{n}", f"2025-0{n}-01 09:00", customer_id="c1") for n in range(1, 6)]
    history.append(_change("owner", "w1", "2025-01-01 09:00", customer_id="nobody"))
    found = _customers(make_tables, rows, history)
    pd.testing.assert_index_equal(found.columns, _customers(make_tables, rows, []).columns)
    assert found.index.tolist() == ["c0", "c1", "c2"]


def test_values_of_the_history_are_mapped_as_those_of_customers(load_files) -> None:
    loaded = load_files(
        {
            "orders": "order_id,customer_id,ordered_at,amount\no1,c1,2025-06-01 10:00,5\n",
            "customers": (
                "customer_id,会员等级\nc1,金卡\n",
                {"columns": {"member_level": "会员等级"},
                 "values": {"member_level": {"金卡": "gold", "银卡": "silver"}}},
            ),
            "customers_history": (
                "customer_id,field,value,changed_at\n"
                "c1,会员等级,银卡,2025-01-01 10:00\n"
                "c1,会员等级,金卡,2025-06-20 10:00\n"
                "c1,owner,银卡,2025-01-01 10:00\n",
                {"values": {"field": {"会员等级": "member_level"}}},
            ),
        }
    )  # fmt: skip
    found = as_of(loaded.tables, date(2025, 6, 20), zone=ZONE)["customers"].to_pandas()
    assert found.member_level.tolist() == ["silver"]
    assert found.owner.tolist() == ["银卡"]  # a name that happens to be the word of a level


# -- what may speak for the past ---------------------------------------------------------------------------------------

STEADY = {field.name for field in CUSTOMERS if field.change is not Change.OVERWRITTEN}
CUSTOMER_ROWS = [{"customer_id": "c1"} | REGISTERED, {"customer_id": "c2"}, {"customer_id": "c3"}]
BOUGHT = [{"customer_id": "c2", "ordered_at": "2024-03-01 10:00"}, {"customer_id": "c2", "ordered_at": "2024-01-05"}]


def _tables(make_tables, *history: dict[str, Any]) -> Any:
    return make_tables(orders=BOUGHT, customers=CUSTOMER_ROWS, customers_history=history)


def test_fields_that_never_change_are_known_and_overwritten_ones_are_not(make_tables) -> None:
    tables = make_tables(orders=[], customers=CUSTOMER_ROWS)
    assert known_in_past(tables) == STEADY
    check_past_fields(["kind", "acquisition_channel", "spend_amount_365d"], tables)
    with pytest.raises(AnalysisError, match=r"(?s)'region' is overwritten.*fix: give customers_history.*'owner' is"):
        check_past_fields(["kind", "owner", "region"], tables)
    with pytest.raises(AnalysisError, match="'owner' is overwritten in customers: its past values are unknown"):
        check_past_fields(["owner"], make_tables(orders=[]))


def test_a_whole_history_lifts_the_refusal_field_by_field(make_tables) -> None:
    tables = _tables(
        make_tables,
        _change("owner", "w1", "2024-01-01 23:59"),
        _change("owner", "w2", "2025-01-01 09:00"),
        _change("owner", "w1", "2024-01-05 12:00", customer_id="c2"),  # the day of his first order
        _change("owner", "w1", "2025-01-05 12:00", customer_id="c3"),  # neither registered nor a buyer
    )
    assert known_in_past(tables) == STEADY | {"owner"}
    check_past_fields(["owner"], tables)
    with pytest.raises(AnalysisError, match="'region' is overwritten") as caught:
        check_past_fields(["owner", "region"], tables)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("late", [_change("owner", "w1", "2024-01-02 00:00"),
                                  _change("owner", "w1", "2024-01-06 00:00", customer_id="c2")])  # fmt: skip
def test_a_record_that_begins_late_tells_of_changes_to_come(make_tables, late: dict[str, Any]) -> None:
    tables = _tables(make_tables, late)
    assert known_in_past(tables) == STEADY
    with pytest.raises(
        AnalysisError, match=r"(?s)record of 'owner' begins after registration for 1 customers.*first owner of every"
    ):
        check_past_fields(["owner"], tables)


def test_models_and_tiers_of_the_past_are_checked(make_tables, monkeypatch) -> None:
    ws = SimpleNamespace(
        loaded=SimpleNamespace(tables=make_tables(orders=BOUGHT, customers=CUSTOMER_ROWS)),
        settings=SimpleNamespace(segmentation=None),
    )
    monkeypatch.setattr(graph_churn, "_CHURN_COLUMNS", ["customer_id", "member_level"])
    with pytest.raises(AnalysisError, match="'member_level' is overwritten in customers"):
        graph_churn._churn_training(ws)
    monkeypatch.setattr(graph_segmentation.segments, "feature_columns", lambda settings: ["customer_id", "region"])
    assert graph_segmentation._past_tiers(ws) == {"unknown_fields": ["region"]}


def test_the_history_of_the_demo_ends_with_its_register(demo_config: Path) -> None:
    register = pd.read_csv(demo_config.parent / "customers.csv", dtype=str).set_index("customer_id")
    history = pd.read_csv(demo_config.parent / "customers_history.csv", dtype=str)
    assert set(history["field"]) == {"owner", "region"}
    last = history.sort_values("changed_at").groupby(["field", "customer_id"])["value"].last()
    for name in ("owner", "region"):
        assert register[name].isna().any()  # planted: never entered, so without a history
        entered = register[name].dropna().sort_index()
        pd.testing.assert_series_equal(last[name], entered, check_names=False, obj=name)
    first = history.groupby("customer_id")["changed_at"].min()
    assert (first == register.loc[first.index, "registered_at"]).all()
