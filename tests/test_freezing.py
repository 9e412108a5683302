"""Cut points of a fiscal year, from the data to the file and back into the results of its quarters."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from crm_analysis.base.errors import SettingsError
from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import SegmentationSettings, Settings
from crm_analysis.base.settings_movement import HysteresisSettings
from crm_analysis.graph import RESULTS
from crm_analysis.opening import open_workspace
from crm_analysis.workspace import Workspace

BUYERS = 12
RFM = {"minimum_buyers": 10, "minimum_history_days": 180}


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    """Buyer k buys every ``20 + 5 k`` days from March 2023 to September 2025, ``100 + k`` each time."""
    rows = []
    for k in range(BUYERS):
        day = date(2023, 3, 1) + timedelta(days=k)
        while day < date(2025, 10, 1):
            rows.append({"customer_id": f"c{k:02}", "ordered_at": day.isoformat(), "amount": 100 + k})
            day += timedelta(days=20 + 5 * k)
    return pd.DataFrame(rows).assign(order_id=lambda frame: [f"o{n}" for n in frame.index])


class Company:
    """A company of a few buyers, written to a folder."""

    def __init__(self, folder: Path, orders: pd.DataFrame) -> None:
        self.folder = folder
        self.orders = orders
        self.write()

    def write(self, *, rfm: dict[str, Any] | None = None, **values: Any) -> None:
        """Write settings, and the orders."""
        settings = {
            "company": {"zh": "甲", "en": "A"}, "data": {"tables": {"orders": {"path": "orders.csv"}}},
            "segmentation": {"rfm": RFM | (rfm or {})},
        }  # fmt: skip
        (self.folder / "crm.yml").write_text(yaml.safe_dump(settings | values, allow_unicode=True), "utf-8")
        self.orders.to_csv(self.folder / "orders.csv", index=False)

    def open(self, quarter: str = "2025Q3", *, refreeze: bool = False) -> Workspace:
        return open_workspace(self.folder / "crm.yml", quarter=quarter, refreeze=refreeze)

    def frozen(self, year: str = "2025") -> Path:
        return self.folder / "frozen" / f"{year}.json"

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "frozen").glob("*"))


@pytest.fixture
def company(tmp_path: Path, orders: pd.DataFrame) -> Company:
    return Company(tmp_path, orders)


def _first_recency(ws: Workspace) -> float:
    """Return the lowest cut point of recency that the results hold."""
    cuts = ws.result("rfm_cuts")
    return float(cuts.loc[(cuts["dimension"] == "recency") & (cuts["score"] == 5), "upper_bound"].iloc[0])


def test_cut_points_are_those_of_the_first_day_of_the_year(company: Company) -> None:
    ws = company.open()
    segments = ws.result("raw_segments")
    assert company.files == ["2025.json"]
    document = json.loads(company.frozen().read_text("utf-8"))
    assert (document["fiscal_year"], document["as_of"]) == ("2025", "2025-01-01")
    before = ws.at(Quarter(2024, 4)).frame("features", ["recency_days", "order_count", "spend_amount"])
    cuts = document["populations"]["person"]["cuts"]
    levels = [0.2, 0.4, 0.6, 0.8]
    assert cuts["recency"] == pytest.approx(before["recency_days"].quantile(levels).tolist())
    assert cuts["frequency"] == pytest.approx(before["order_count"].quantile(levels).tolist())
    assert document["populations"]["person"]["split"]["spend_amount"] == pytest.approx(before["spend_amount"].mean())
    expected = 5 - pd.Series([sum(days > cut for cut in cuts["recency"]) for days in segments["recency_days"]])
    assert segments["r_score"].tolist() == expected.tolist()


def test_quarters_of_a_year_share_their_cut_points_and_earlier_years_have_their_own(company: Company) -> None:
    ws = company.open()
    third, first = _first_recency(ws), _first_recency(ws.at(Quarter(2025, 1)))
    assert third == first
    assert company.files == ["2025.json"]
    year_before = _first_recency(ws.at(Quarter(2024, 4)))
    assert company.files == ["2024.json", "2025.json"]
    assert year_before != third
    assert json.loads(company.frozen("2024").read_text("utf-8"))["as_of"] == "2024-01-01"


def test_a_year_that_began_with_too_little_data_has_cut_points_of_its_quarters(company: Company) -> None:
    """Orders begin in March 2023: on January 1, 2023, there are none."""
    ws = company.open("2023Q4")
    own = ws.frame("features", ["recency_days"])["recency_days"].quantile(0.2)
    assert ws.frozen == {}
    assert not company.frozen("2023").parent.exists()
    assert _first_recency(ws) == pytest.approx(own, abs=0.005)


def test_an_existing_file_is_an_input_that_new_data_do_not_change(company: Company) -> None:
    company.open().result("raw_segments")
    bytes_ = company.frozen().read_bytes()
    company.orders = company.orders.iloc[: len(company.orders) - 5]
    company.orders = company.orders.loc[company.orders["customer_id"] != "c00"]
    company.write()
    company.open().result("raw_segments")
    assert company.frozen().read_bytes() == bytes_
    company.open(refreeze=True).result("raw_segments")
    assert company.frozen().read_bytes() != bytes_


def test_the_same_data_give_the_same_bytes(company: Company, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Company(tmp_path_factory.mktemp("other"), company.orders.sample(frac=1, random_state=1))
    for each in (company, other):
        each.open().result("raw_segments")
    assert company.frozen().read_bytes() == other.frozen().read_bytes()
    again = company.frozen().read_bytes()
    company.open(refreeze=True).result("raw_segments")
    assert company.frozen().read_bytes() == again


def test_a_changed_file_changes_keys_and_results_never_the_cache(company: Company) -> None:
    ws = company.open()
    scores, key, features = ws.result("raw_segments")["r_score"], ws.key("raw_segments"), ws.key("features")
    notebook = ws.notebook_key(b"x")
    document = json.loads(company.frozen().read_text("utf-8"))
    document["populations"]["person"]["cuts"]["recency"] = [1000, 1001, 1002, 1003]
    company.frozen().write_text(json.dumps(document), "utf-8")
    again = company.open()
    assert set(again.result("raw_segments")["r_score"]) == {5}
    assert set(scores) != {5}
    assert again.key("raw_segments") != key
    assert again.key("features") == features
    assert again.key("ten_segment_sizes") != ws.key("ten_segment_sizes")
    assert again.notebook_key(b"x") != notebook


def test_a_result_that_reads_the_quarter_before_depends_on_its_year_too(company: Company) -> None:
    ws = company.open("2025Q1")
    depending, own = ws.key("tier_contacts"), ws.key("raw_segments")
    assert {"2024.json", "2025.json"} <= set(company.files)
    document = json.loads(company.frozen("2024").read_text("utf-8"))
    document["populations"]["person"]["split"]["spend_amount"] = 1
    company.frozen("2024").write_text(json.dumps(document), "utf-8")
    again = company.open("2025Q1")
    assert again.key("tier_contacts") != depending
    assert again.key("raw_segments") == own


def test_results_that_read_segments_of_earlier_quarters_say_so() -> None:
    """Tiers are replayed over up to eight quarters, and contacts are told by the tier of the quarter before."""
    plain = Settings.model_validate({"company": {"zh": "甲", "en": "a"}, "data": {}})
    fall = {"from_tier": "abc_a", "to_tier": "abc_b", "quarters": 3}
    longest = plain.model_copy(
        update={
            "segmentation": SegmentationSettings(hysteresis=HysteresisSettings.model_validate({"boundaries": [fall]}))
        }
    )
    spans = {name: result.frozen_span(plain) for name, result in RESULTS.items() if result.frozen_span(plain) > 1}
    assert spans == {
        "held_tiers": 2, "movement": 6, "separation_panel": 7, "tier_contacts": 3, "kpi_parts": 10,
        "kpi_breakdown": 14, "survey_questions": 3, "value_growth": 10, "growth_classes": 10, "tier_retention": 6,
        "service_times": 3, "tier_bridge": 10, "mix_effect": 7, "list_stability": 3, "scored_before": 3,
        "reason_counts": 6, "survival_counts": 10}  # fmt: skip
    back = {name: result.frozen_span(longest) for name, result in RESULTS.items()}
    assert back["features"] == back["freezable_cuts"] == 0
    assert back["raw_segments"] == back["rfm_cuts"] == back["rfm_basis"] == back["rfm_split"] == 1
    assert back["held_tiers"] == HysteresisSettings().replay_quarters == 8
    assert back["tier_contacts"] == back["held_tiers"] + 1
    assert back["movement"] == back["held_tiers"] + 4
    assert back["separation_panel"] == back["held_tiers"] + 4 + 1  # of an unfinished quarter the origins begin earlier


@pytest.mark.parametrize(
    ("rfm", "told"),
    [({"split": "median"}, "split 'mean'"), ({"window_days": 365}, "window_days None")],
)
def test_other_settings_are_refused_until_the_file_is_written_anew(
    company: Company, rfm: dict[str, Any], told: str
) -> None:
    company.open().result("raw_segments")
    company.write(rfm=rfm)
    with pytest.raises(SettingsError, match=told) as refused:
        company.open().result("raw_segments")
    assert "--refreeze" in str(refused.value)
    company.open(refreeze=True).result("raw_segments")
    assert company.open().result("raw_segments")["r_score"].notna().all()


def test_another_fiscal_year_has_a_file_of_its_own(company: Company) -> None:
    company.write(fiscal_year_first_month=4)
    company.open("FY26Q1").result("raw_segments")
    assert company.files == ["FY26.json"]
    assert json.loads(company.frozen("FY26").read_text("utf-8"))["as_of"] == "2025-04-01"


def test_without_freezing_nothing_is_written(company: Company) -> None:
    company.write(rfm={"freeze": False})
    ws = company.open(refreeze=True)
    ws.result("raw_segments")
    assert ws.frozen == {}
    assert not company.frozen().parent.exists()


def test_writing_anew_what_has_too_little_data_takes_the_file_away(company: Company) -> None:
    company.open().result("raw_segments")
    company.write(rfm={"minimum_buyers": BUYERS + 1})
    company.open(refreeze=True).result("raw_segments")
    assert company.files == []


def test_a_folder_that_cannot_be_written_is_told(company: Company) -> None:
    (company.folder / "frozen").write_text("in the way", "utf-8")
    with pytest.raises(SettingsError, match="it cannot be written") as refused:
        company.open().result("raw_segments")
    assert "freeze: false" in str(refused.value)


def test_a_demo_made_anew_forgets_the_cut_points_of_the_old_one(tmp_path: Path) -> None:
    from crm_analysis.sources.demo import make_demo

    make_demo(tmp_path / "demo", customers=100, tables=("orders",))
    frozen = tmp_path / "demo" / "frozen"
    frozen.mkdir()
    (frozen / "2025.json").write_text("{}", "utf-8")
    make_demo(tmp_path / "demo", customers=120, tables=("orders",))
    assert not frozen.exists()


@pytest.mark.parametrize("asked", [True, False])
def test_the_command_line_passes_the_wish_on(company: Company, monkeypatch: pytest.MonkeyPatch, asked: bool) -> None:
    from typer.testing import CliRunner

    from crm_analysis.cli import app
    from crm_analysis.reporting import runner

    seen = []

    def make_report(request: runner.Request, *, report: object) -> runner.Outcome:
        seen.append(request.refreeze)
        return runner.Outcome(company.folder, [], "2025Q3")

    monkeypatch.setattr(runner, "make_report", make_report)
    arguments = ["report", "--config", str(company.folder / "crm.yml"), *(["--refreeze"] if asked else [])]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert seen == [asked]
