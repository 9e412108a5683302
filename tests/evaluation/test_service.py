"""Service cases, times and complaints against numbers worked out by hand on a few rows."""

from typing import Any

import pandas as pd
import pytest

from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.base.settings_service import BusinessHours, ServiceSettings
from crm_analysis.evaluation.business_time import calendar_document
from crm_analysis.evaluation.complaints import (
    COMPLAINT_RESPONSE_SCHEMA,
    COMPLAINTS_SCHEMA,
    complaint_response_table,
    complaints_table,
    no_complaints,
)
from crm_analysis.evaluation.service import (
    CASES_SCHEMA,
    DIMENSIONS,
    RESOLUTION_STATES,
    STATES,
    TIMES_SCHEMA,
    service_cases,
    service_times_table,
)
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.business_calendar import BusinessCalendar
from crm_analysis.sources.periods import customer_periods_table

QUARTER, ZONE = Quarter(2025, 3), "Asia/Shanghai"
SMALL = EvaluationSettings(service=ServiceSettings(minimum_n=1))
HOUR = 3600


def case(id_: str, opened: str, replied: str | None = None, resolved: str | None = None, **more: Any) -> dict[str, Any]:
    return {"interaction_id": id_, "opened_at": opened, "first_human_reply_at": replied, "resolved_at": resolved} | more


# 2025-09-24 is a Wednesday; the 28th is a Sunday that is worked; the quarter ends on Tuesday the 30th at midnight.
ROWS = [
    case("a", "2025-09-24 10:00", "2025-09-24 11:00", "2025-09-24 15:30"),  # 1 h; 5.5 h, 4 of business
    case("b", "2025-09-24 17:00", "2025-09-25 10:30", "2025-09-25 10:30"),  # 17.5 h, 2.5 of business: late
    case("c", "2025-09-26 17:00", "2025-09-28 10:00", None),  # 41 h, 2 of business: in time; open 97 h: overdue
    case("d", "2025-09-30 17:30"),  # waits 6.5 h, half an hour of business: not yet due
    case("e", "2025-09-30 10:00"),  # waits 6.5 hours of business: overdue
    case("f", "2025-09-24 10:00", "2025-09-24 10:30", urgency="urgent"),  # exactly at its limit
    case("g", "2025-09-24 10:00", "2025-09-24 10:31", urgency="urgent", complexity="complex"),  # a minute late
    case("h", "2025-09-22 09:00", "2025-09-25 09:00", complexity="complex"),  # 22.5 hours of business of 24
    case("i", "2025-09-24 10:00", "2025-09-24 09:00", "2025-09-24 09:30"),  # both before it was opened
    case("j", "2025-09-24 10:00", "2025-09-24 10:06", "2025-09-24 12:00", reopened_at="2025-09-25 09:00"),  # open again
    case("k", "2025-09-24 10:00", "2025-09-24 10:06", "2025-09-25 10:00", reopened_at="2025-09-24 17:00"),  # done again
    case("l", "2025-09-24 10:00", "2025-10-02 10:00"),  # replied after the quarter: known as open
    case("m", "2025-09-24 10:00", is_public=False),
    case("out", "2025-09-24 10:00", direction="out"),
    case("before", "2025-06-30 23:59"),
    case("after", "2025-10-01 00:00"),
]


@pytest.fixture(scope="module")
def cases_of(make_tables):
    """Return ``cases_of(rows, settings=...)``: service cases of 2025Q3."""

    def run(rows=ROWS, *, settings: EvaluationSettings = SMALL, zone: str = ZONE):
        orders = [{"customer_id": "c1", "ordered_at": "2025-08-01 10:00"}]
        known = as_of(make_tables(zone=zone, orders=orders, interactions=rows), QUARTER.end, zone=zone)
        return service_cases(known["interactions"], quarter=QUARTER, settings=settings, zone=zone).cache()

    return run


@pytest.fixture(scope="module")
def cases(cases_of) -> pd.DataFrame:
    return cases_of().to_pandas().sort_values("interaction_id").set_index("interaction_id")


# -- cases -------------------------------------------------------------------------------------------------------------


def test_cases_came_in_within_the_quarter(cases) -> None:
    assert cases.index.tolist() == list("abcdefghijklm")
    assert set(cases.reset_index()) == set(CASES_SCHEMA)


@pytest.mark.parametrize(
    ("id_", "clock", "business"),
    [("a", 1, 1), ("b", 17.5, 2.5), ("c", 41, 2), ("f", 0.5, 0.5), ("h", 72, 22.5), ("j", 0.1, 0.1)],
)
def test_first_response_in_hours_of_clock_and_business(cases, id_: str, clock: float, business: float) -> None:
    row = cases.loc[id_]
    assert (row["response_seconds"] / HOUR, row["response_business_seconds"] / HOUR) == (clock, business)
    assert pd.isna(row["waiting_seconds"])


@pytest.mark.parametrize(
    ("id_", "clock", "business"), [("d", 6.5, 0.5), ("e", 14, 6.5), ("l", 158, 2 + 4.5 + 5 * 7.5)]
)  # l: the rest of the 24th, then the 25th, 26th, 28th, 29th and 30th
def test_cases_without_a_reply_wait_until_the_quarter_ends(cases, id_: str, clock: float, business: float) -> None:
    row = cases.loc[id_]
    assert (row["waiting_seconds"] / HOUR, row["waiting_business_seconds"] / HOUR) == (clock, business)
    assert pd.isna(row["response_seconds"])


def test_states_of_the_first_reply(cases) -> None:
    found = cases["response_state"].to_dict()
    assert found == {
        "a": "met", "b": "late", "c": "met", "d": "pending", "e": "overdue", "f": "met", "g": "late", "h": "met",
        "i": "unclear", "j": "met", "k": "met", "l": "overdue", "m": "overdue",
    }  # fmt: skip


def test_states_of_the_resolution(cases) -> None:
    # by the clock, 72 hours: c was opened 103 h before the end; d and e less than a day; f, g, h, j and l more
    found = cases["resolution_state"].to_dict()
    assert found == {
        "a": "resolved", "b": "resolved", "c": "overdue", "d": "pending", "e": "pending", "f": "overdue",
        "g": "overdue", "h": "overdue", "i": "unclear", "j": "overdue", "k": "resolved", "l": "overdue", "m": "overdue",
    }  # fmt: skip
    assert cases.loc[["a", "b", "k"], "resolution_seconds"].tolist() == [5.5 * HOUR, 17.5 * HOUR, 24 * HOUR]
    assert cases.loc[["a", "b", "k"], "resolution_business_seconds"].tolist() == [4 * HOUR, 2.5 * HOUR, 7.5 * HOUR]
    assert cases["resolution_seconds"].notna().sum() == 3
    assert cases.index[cases["was_resolved"]].tolist() == ["a", "b", "j", "k"]
    assert cases.index[cases["is_reopened"]].tolist() == ["j", "k"]


def test_the_standard_may_run_by_the_clock(cases_of) -> None:
    by_clock = EvaluationSettings(service=ServiceSettings(sla_clock="calendar"))
    found = cases_of(settings=by_clock).to_pandas().set_index("interaction_id")["response_state"]
    assert found[["a", "b", "c", "d", "h"]].tolist() == ["met", "late", "late", "overdue", "late"]


def test_limits_are_settings(cases_of) -> None:
    wide = EvaluationSettings(
        resolution_hours=200, service=ServiceSettings(sla_hours=3, urgent_hours=1, complex_hours=20)
    )
    found = cases_of(settings=wide).to_pandas().set_index("interaction_id")
    assert found.loc[["b", "g", "h"], "response_state"].tolist() == ["met", "met", "late"]
    assert found.loc[["c", "l"], "resolution_state"].tolist() == ["pending", "pending"]


def test_channels_served_round_the_clock(cases_of) -> None:
    service = ServiceSettings(hours=BusinessHours(always_open_channels=("app",)))
    rows = [case("x", "2025-09-24 20:00", "2025-09-24 23:00", channel="app"),
            case("y", "2025-09-24 20:00", "2025-09-24 23:00", channel="phone")]  # fmt: skip
    found = cases_of(rows, settings=EvaluationSettings(service=service)).to_pandas().set_index("interaction_id")
    assert found["response_business_seconds"].to_dict() == {"x": 3 * HOUR, "y": 0}


def test_a_company_in_another_zone_opens_by_its_own_clocks(cases_of) -> None:
    rows = [case("x", "2025-09-24 11:30", "2025-09-24 14:00")]
    here = EvaluationSettings(service=ServiceSettings(hours=BusinessHours(country="DE")))
    found = cases_of(rows, settings=here, zone="Europe/Berlin").to_pandas()
    assert found["response_business_seconds"].tolist() == [HOUR]


def test_without_interactions_there_are_no_cases() -> None:
    none = service_cases(None, quarter=QUARTER, settings=SMALL, zone=ZONE)
    assert list(none.columns) == list(CASES_SCHEMA)
    assert none.count().to_pandas() == 0
    assert service_times_table(none, settings=SMALL).empty


# -- times -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def times(cases_of, make_tables) -> pd.DataFrame:
    return service_times_table(cases_of(), settings=SMALL)


def test_all_cases_together(times) -> None:
    row = times.loc[times["dimension"] == "all"].squeeze()
    counts = {
        "n": 12,
        "hidden_n": 1,
        "answered_n": 8,
        "met_n": 6,
        "late_n": 2,
        "overdue_n": 2,
        "pending_n": 1,
        "unclear_n": 1,
    }
    assert row[list(counts)].to_dict() == counts
    assert row["sla_rate"] == 0.6  # 6 of 8 + 2
    assert (round(row["sla_rate_low"], 4), round(row["sla_rate_high"], 4)) == (0.3127, 0.8318)  # Wilson
    hours = [0.1, 0.1, 0.5, 31 / 60, 1, 17.5, 41, 72]
    business = [0.1, 0.1, 0.5, 31 / 60, 1, 2, 2.5, 22.5]
    assert row["response_hours_mean"] == pytest.approx(sum(hours) / 8, abs=1e-5)
    assert row["response_business_hours_mean"] == pytest.approx(sum(business) / 8, abs=1e-5)
    assert row["response_business_hours_median"] == pytest.approx((31 / 60 + 1) / 2, abs=1e-5)
    assert row["response_hours_p90"] == pytest.approx(41 + 0.3 * 31, abs=1e-5)  # 6.3 steps up of 7
    assert (row["target_hours"], row["status"]) == (4, "good")  # 3.65 hours of business


def test_resolution_of_all_cases(times) -> None:
    row = times.loc[times["dimension"] == "all"].squeeze()
    found = row[[f"resolution_{state}_n" for state in RESOLUTION_STATES]].tolist()
    assert found == [3, 6, 2, 1]  # resolved a, b, k; overdue c, f, g, h, j, l; pending d, e; unclear i
    assert row["closed_loop_rate"] == pytest.approx(3 / 9, abs=1e-6)
    assert (row["was_resolved_n"], row["reopened_n"], row["reopened_rate"]) == (4, 2, 0.5)
    assert row["resolution_hours_mean"] == pytest.approx((5.5 + 17.5 + 24) / 3, abs=1e-5)
    assert row["resolution_business_hours_median"] == 4


def test_urgent_and_complex_cases_have_their_own_target(times) -> None:
    rows = times.set_index(["dimension", "part"])
    assert rows.loc[("urgency", "urgent"), ["target_hours", "status", "n"]].tolist() == [0.5, "bad", 2]  # 30.5 minutes
    assert rows.loc[("complexity", "complex"), ["target_hours", "status"]].tolist() == [24, "good"]
    assert rows.loc[("urgency", "unknown"), "n"] == 10


def test_columns_and_order(times) -> None:
    assert list(times) == list(TIMES_SCHEMA)
    assert times["dimension"].drop_duplicates().tolist() == [name for name in DIMENSIONS if name != "tier"]


def test_parts_sum_to_the_whole_also_by_tier(cases_of, make_tables) -> None:
    mixed = [row | {"customer_id": f"c{n % 3}", "owner": "w1" if n % 2 else None} for n, row in enumerate(ROWS)]
    made = cases_of(mixed)
    tiers = (
        made.select("customer_id")
        .distinct()
        .filter(lambda t: t.customer_id != "c0")
        .mutate(tier=lambda t: "tier_of_" + t.customer_id)
    )
    table = service_times_table(made, tiers, settings=SMALL)
    counted = [name for name in table if name.endswith("_n") or name == "n"]
    sums = table.groupby("dimension")[counted].sum()
    assert set(sums.index) == set(DIMENSIONS)
    assert (sums == sums.loc["all"]).all(axis=None)
    assert set(table.loc[table["dimension"] == "tier", "part"]) == {"no_tier", "tier_of_c1", "tier_of_c2"}
    assert set(table.loc[table["dimension"] == "owner", "part"]) == {"unknown", "w1"}


def test_every_case_is_in_exactly_one_state(times) -> None:
    assert (times[[f"{state}_n" for state in STATES]].sum(axis=1) == times["n"]).all()
    assert (times[[f"resolution_{state}_n" for state in RESOLUTION_STATES]].sum(axis=1) == times["n"]).all()


def test_small_groups_say_so_instead_of_a_number(cases_of) -> None:
    table = service_times_table(cases_of(), settings=EvaluationSettings(service=ServiceSettings(minimum_n=9)))
    row = table.loc[table["dimension"] == "all"].squeeze()
    assert row["status"] == "too_small"
    assert (
        row[["response_hours_mean", "response_business_hours_p90", "resolution_hours_mean", "reopened_rate"]]
        .isna()
        .all()
    )
    assert row["sla_rate"] == 0.6  # of ten
    urgent = table.set_index(["dimension", "part"]).loc[("urgency", "urgent")]
    assert urgent[["sla_rate", "sla_rate_low", "closed_loop_rate"]].isna().all()
    assert urgent["n"] == 2


def test_the_order_of_rows_changes_nothing(cases_of, times) -> None:
    pd.testing.assert_frame_equal(service_times_table(cases_of(list(reversed(ROWS))), settings=SMALL), times)


# -- the calendar ------------------------------------------------------------------------------------------------------


def test_the_calendar_of_a_quarter_in_numbers() -> None:
    found = calendar_document(BusinessCalendar(BusinessHours(), ZONE), quarter=Quarter(2025, 4))
    # 66 weekdays; closed: 1-3 and 6-8 October; worked: Saturday 11 October
    assert (found["workday_count"], found["closed_count"], found["made_up_count"]) == (61, 6, 1)
    assert found["open_hours"] == 61 * 7.5
    assert found["unpublished_years"] == []
    later = calendar_document(BusinessCalendar(BusinessHours(), ZONE), quarter=Quarter(2090, 4))
    assert (later["unpublished_years"], later["closed_count"]) == ([2090], 0)


# -- complaints --------------------------------------------------------------------------------------------------------


def complaint(
    id_: str, opened: str, replied: str | None = None, resolved: str | None = None, **more: Any
) -> dict[str, Any]:
    return case(id_, opened, replied, resolved, **({"kind": "complaint", "outcome": "resolved"} | more))


COMPLAINTS = [
    complaint("a", "2025-09-01 10:00", "2025-09-02 10:00", "2025-09-02 11:00", reason="marketing"),  # exactly 24 h
    complaint("b", "2025-09-01 10:00", "2025-09-02 10:01", "2025-09-03 11:00", reason="price", outcome="mediated",
              customer_id="x"),
    complaint("c", "2025-09-01 10:00", "2025-09-01 10:20", "2025-09-01 11:00", urgency="urgent", reason="price"),
    complaint("d", "2025-09-01 10:00", "2025-09-01 11:00", "2025-09-01 11:00", urgency="urgent", reason=None,
              reopened_at="2025-09-02 10:00", outcome=None),
    complaint("e", "2025-09-30 10:00", reason="marketing", urgency="normal"),  # its reason is known once it is resolved
    complaint("f", "2025-09-25 10:00"),
    complaint("g", "2025-09-25 10:00", is_public=False),
    complaint("h", "2025-09-25 10:00", direction="out"),
    case("i", "2025-09-25 10:00", "2025-09-25 10:10"),
]  # fmt: skip
ORDERS = [
    {"order_id": "o1", "customer_id": "x", "ordered_at": "2025-07-01 10:00"},
    {"order_id": "o2", "customer_id": "x", "ordered_at": "2025-07-02 10:00"},
    {"order_id": "o3", "customer_id": "y", "ordered_at": "2025-09-02 10:00"},
    {"order_id": "o4", "customer_id": "z", "ordered_at": "2025-06-02 10:00"},
]


@pytest.fixture(scope="module")
def complaint_inputs(make_tables):
    known = as_of(make_tables(orders=ORDERS, interactions=COMPLAINTS), QUARTER.end, zone=ZONE)
    periods = customer_periods_table(known, quarters=QUARTER.back(3))
    return service_cases(known["interactions"], quarter=QUARTER, settings=SMALL, zone=ZONE).cache(), periods


def test_complaints_against_customers_orders_and_each_other(complaint_inputs) -> None:
    made, periods = complaint_inputs
    table = complaints_table(made, periods, quarter=QUARTER, settings=SMALL)
    assert list(table) == list(COMPLAINTS_SCHEMA)
    rows = table.set_index("complaint_measure")
    assert rows[["complaint_count", "base_count"]].T.to_dict("list") == {
        "per_customers": [8, 2],  # all complaints of the quarter; x and y bought in it
        "per_orders": [8, 3],
        "non_buyers": [7, 8],  # b is of x, who bought
        "urgent": [2, 3],
        "marketing": [1, 3],  # e is not resolved, so nobody can know its reason yet
        "mediated": [1, 3],  # resolved with an outcome: a, b, c
        "reopened": [1, 4],
    }
    assert rows["per_100"].round(4).tolist() == [400, 266.6667, 87.5, 66.6667, 33.3333, 33.3333, 25]
    # Garwood (1936) for 8 events: 3.4538 to 15.7632
    ends = rows.loc["per_customers", ["per_100_low", "per_100_high"]].tolist()
    assert ends == pytest.approx([3.4538 / 2 * 100, 15.7632 / 2 * 100], abs=0.01)
    assert (rows.loc["urgent", "per_100_low"] < 66.7) & (rows.loc["urgent", "per_100_high"] > 66.6)


def test_rates_of_few_are_not_told(complaint_inputs) -> None:
    made, periods = complaint_inputs
    table = complaints_table(made, periods, quarter=QUARTER, settings=EvaluationSettings())
    assert table["per_100"].isna().all()
    assert table["complaint_count"].tolist() == [8, 8, 7, 2, 1, 1, 1]


def test_first_response_to_complaints(complaint_inputs) -> None:
    table = complaint_response_table(complaint_inputs[0], settings=SMALL)
    assert list(table) == list(COMPLAINT_RESPONSE_SCHEMA)
    rows = table.set_index("complaint_group")
    counts = ["n", "met_n", "late_n", "overdue_n", "pending_n"]
    assert rows[counts].T.to_dict("list") == {
        "all": [6, 3, 1, 1, 1],  # met a, c, d; late b; overdue f; e waits 14 h
        "normal": [4, 1, 1, 1, 1],
        "urgent": [2, 2, 0, 0, 0],
        "urgent_standard": [2, 1, 1, 0, 0],  # within half an hour of business: c
    }
    assert rows["limit_hours"].tolist() == [24, 24, 24, 0.5]
    assert rows["in_time_rate"].round(4).tolist() == [0.6, 0.3333, 1, 0.5]
    assert rows.loc["all", "response_hours_mean"] == pytest.approx((24 + 24 + 1 / 60 + 1 / 3 + 1) / 4)
    assert rows.loc["urgent", "response_business_hours_median"] == pytest.approx((1 / 3 + 1) / 2)


def test_the_limit_of_complaints_is_a_setting(complaint_inputs) -> None:
    wide = EvaluationSettings(complaint_response_hours=200, service=ServiceSettings(minimum_n=1))
    rows = complaint_response_table(complaint_inputs[0], settings=wide).set_index("complaint_group")
    assert rows.loc["all", ["met_n", "late_n", "overdue_n", "pending_n"]].tolist() == [4, 0, 0, 2]


def test_a_company_without_records_has_no_complaint_tables() -> None:
    assert list(no_complaints()) == list(COMPLAINTS_SCHEMA)
    assert no_complaints().empty
    none = service_cases(None, quarter=QUARTER, settings=SMALL, zone=ZONE)
    assert complaint_response_table(none, settings=SMALL)["n"].tolist() == [0, 0, 0, 0]
