"""Opening: names in settings, and which quarter is meant."""

from datetime import date
from pathlib import Path

import pytest

from crm_analysis.base.errors import DataError, SettingsError
from crm_analysis.opening import choose_quarter, open_company, open_settings, open_workspace

COMPANY = "company: {zh: 公司, en: Company}\n"
BASE = COMPANY + "data: {tables: {orders: {path: orders.csv}}}\n"


def _problems(tmp_path: Path, text: str) -> dict[str, str]:
    """Return ``{place: fix}`` of everything that is wrong with settings."""
    path = tmp_path / "crm.yml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        open_settings(path)
    return {problem.where.partition(": ")[2]: problem.fix for problem in caught.value.problems}


# -- names -------------------------------------------------------------------------------------------------------------


def test_names_of_all_parts_are_told_beside_wrong_values(tmp_path: Path) -> None:
    text = (
        COMPANY + "data:\n  tables:\n    orders: {path: o, columns: {amont: 金额}, values: {chanel: {a: b}}}\n"
        "    custmers: {path: c}\n    surveys: {path: s, constants: {scale: 1}, row_id: survey}\n"
        "diagnosis: {required_fields: [nmae, orders.chanel], deep_fields: [ordrs.x], field_weights: {phne: 2}}\n"
        "evaluation: {targets: [{kpi: npss, value: 1}, {kpi: nps, value: 1, tier: vip}, {kpi: nps, value: x}]}\n"
        "churn: {gap_days: -1}\nstrategy: {rows: [{tier: genral_value}]}\n"
        "segmentation: {primary_scheme: eight_types}\n"
    )
    found = _problems(tmp_path, text)
    near = {place: fix.removeprefix("did you mean ").strip("'?") for place, fix in found.items() if "did you" in fix}
    assert near == {
        "data.tables.orders.columns.amont": "amount", "data.tables.orders.values.chanel": "channel",
        "data.tables.custmers": "customers", "data.tables.surveys.row_id": "survey_id",
        "data.tables.surveys.constants.scale": "scale_min",
        "diagnosis.required_fields.0": "name", "diagnosis.required_fields.1": "channel",
        "diagnosis.deep_fields.0": "orders", "diagnosis.field_weights.phne": "phone",
        "evaluation.targets.0.kpi": "nps", "strategy.rows.0.tier": "general_value",
    }  # fmt: skip
    assert found["evaluation.targets.1.tier"].startswith("its tiers: important_value, important_development")
    assert {"churn.gap_days", "evaluation.targets.2.value", "strategy.rows.0.frequency"} <= set(found)


@pytest.mark.parametrize(
    ("text", "place", "fix"),
    [
        (COMPANY + "data: {tables: {customers: {path: c}}}\n", "data.tables", "name the file with orders"),
        (COMPANY + "data: {}\n", "data.tables", "name the file with orders"),
        (COMPANY + "data: {order_lines: {path: o, columns: {unit_prize: p}}}\n", "data.order_lines.columns.unit_prize",
         "did you mean 'unit_price'"),
        (BASE + "evaluation: {targets: [{kpi: nps, value: 1}, {kpi: nps, value: 2}]}\n", "evaluation.targets.1.kpi",
         "keep one"),
    ],
)  # fmt: skip
def test_what_the_names_leave_out_or_say_twice(tmp_path: Path, text: str, place: str, fix: str) -> None:
    found = _problems(tmp_path, text)
    assert list(found) == [place]
    assert found[place].startswith(fix)


def test_tiers_are_those_of_the_primary_scheme(tmp_path: Path) -> None:
    path = tmp_path / "crm.yml"
    scheme = "names: {segment.vip: {zh: 贵宾, en: VIP}}\n"
    scheme += "segmentation: {primary_scheme: ten_segments, rfm: {table: [{id: vip, r: [4, 5]}]}}\n"
    target = "evaluation: {targets: [{kpi: nps, value: 1, tier: %s}]}\n"
    for tier in ("vip", "others", "non_buyer", "unscored"):
        path.write_text(BASE + scheme + target % tier, "utf-8")
        assert open_settings(path).evaluation.targets[0].tier == tier
    found = _problems(tmp_path, BASE + scheme + target % "champions")
    assert found == {"evaluation.targets.0.tier": "its tiers: vip, others, non_buyer, unscored"}


def test_rows_that_a_preset_brings_are_not_held_against_the_user(tmp_path: Path) -> None:
    path = tmp_path / "crm.yml"
    path.write_text(BASE + "preset: b2b\nsegmentation: {primary_scheme: ten_segments}\n", "utf-8")
    assert open_settings(path).strategy.rows[0].tier == "abc_a"


# -- quarters ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def company(tmp_path: Path):
    """Return ``company(*days, first_month=1)``: a workspace with an order on each day."""

    def make(*days: str, first_month: int = 1):
        rows = [f"o{n},c{n % 3},{day},100" for n, day in enumerate(days)]
        (tmp_path / "orders.csv").write_text("\n".join(["order_id,customer_id,ordered_at,amount", *rows]), "utf-8")
        (tmp_path / "crm.yml").write_text(f"{BASE}fiscal_year_first_month: {first_month}\n", "utf-8")
        return open_company(tmp_path / "crm.yml")

    return make


@pytest.mark.parametrize(
    ("today", "latest"),
    [
        (None, "2099Q1"),  # nobody says what day it is: the data are believed
        (date(2025, 10, 1), "2025Q3"),
        (date(2025, 9, 30), "2025Q2"),  # the quarter is not over
        (date(2025, 7, 1), "2025Q2"),
    ],
)
def test_orders_dated_after_today_never_make_a_quarter_the_latest(company, today: date | None, latest: str) -> None:
    ws = company("2024-01-05", "2025-06-30", "2025-09-25", "2025-09-30", "2099-03-30")
    assert str(choose_quarter(ws, today=today)) == latest


def test_the_latest_fiscal_quarter_and_names(company) -> None:
    ws = company("2024-01-05", "2025-06-30", first_month=4)
    assert str(choose_quarter(ws)) == "FY26Q1"
    assert choose_quarter(ws, "FY25Q4").start == date(2025, 1, 1)
    with pytest.raises(SettingsError, match="quarters look like FY26Q1"):
        choose_quarter(ws, "2025Q3")
    with pytest.raises(DataError, match=r"FY24Q3 ends before the first order.*\n.*from FY24Q4 on"):
        choose_quarter(ws, "FY24Q3")


def test_data_inside_one_quarter_have_no_latest_quarter(company) -> None:
    ws = company("2025-07-10", "2025-08-15")
    with pytest.raises(DataError, match=r"no quarter is finished: orders run from 2025-07-10 to 2025-08-15\n.*2025Q3"):
        choose_quarter(ws)
    assert str(choose_quarter(ws, "2025Q3")) == "2025Q3"


def test_a_quarter_that_the_orders_do_not_cover_is_flagged(company, tmp_path: Path) -> None:
    company("2025-02-10", "2025-06-30", "2025-08-31")
    told = {}
    for quarter in ("2025Q1", "2025Q2", "2025Q3"):
        coverage = open_workspace(tmp_path / "crm.yml", quarter=quarter).result("coverage")
        told[quarter] = (coverage["is_complete"], coverage["missing_days"], coverage["reason"])
    assert told == {
        "2025Q1": (False, 40, "begun_inside"), "2025Q2": (True, 0, ""), "2025Q3": (False, 30, "unfinished"),
    }  # fmt: skip


def test_an_unfinished_fiscal_quarter_is_not_compared(company, tmp_path: Path) -> None:
    company("2025-02-10", "2025-04-03", "2025-05-20", "2025-06-30", "2025-08-31", first_month=4)
    finished, running = (open_workspace(tmp_path / "crm.yml", quarter=name) for name in ("FY26Q1", "FY26Q2"))
    assert running.result("coverage")["quarter"] == "FY26Q2"
    found = {ws.quarter.number: ws.result("scorecard").set_index("kpi").loc["revenue"] for ws in (finished, running)}
    assert (found[1]["value"], found[1]["change_absent"]) == (300, "no_history")
    assert (found[2]["value"], found[2]["change_absent"]) == (100, "incomplete")
    assert found[2]["previous_value"] == 300  # known, but a piece is not held against it
