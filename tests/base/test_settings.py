"""Settings: layers, and every problem told at once with the nearest valid name."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from crm_analysis.base import settings as settings_module
from crm_analysis.base.errors import SettingsError
from crm_analysis.base.settings import PRESETS, Settings, layer, load_preset, load_settings

COMPANY = "company: {zh: 公司, en: Company}\n"
BASE = COMPANY + "data: {tables: {orders: {path: o.csv}}}\n"


@pytest.fixture
def load(tmp_path: Path):
    def from_text(text: str | bytes) -> Settings:
        path = tmp_path / "crm.yml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_settings(path)

    return from_text


def test_defaults_preset_and_file_lie_on_each_other(load, monkeypatch) -> None:
    preset = {"segmentation": {"rfm": {"minimum_buyers": 77, "window_days": 400}}, "diagnosis": {"deep_fields": ["a"]}}
    monkeypatch.setattr(settings_module, "load_preset", lambda name: preset if name == "b2b" else {})
    text = "preset: b2b\nsegmentation: {rfm: {window_days: 365}}\ndiagnosis: {deep_fields: [b, c]}\n"
    found = load(BASE + text)
    assert found.segmentation.rfm.window_days == 365  # the file wins
    assert found.segmentation.rfm.minimum_buyers == 77  # then the preset
    assert found.segmentation.rfm.split == "mean"  # then the default
    assert found.diagnosis.deep_fields == ("b", "c")  # lists are replaced, not joined
    assert load(BASE).segmentation.rfm.minimum_buyers == 50


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid_as_it_is(load, preset: str) -> None:
    assert load(f"{BASE}preset: {preset}\n").preset == preset
    assert isinstance(load_preset(preset), dict)


def test_layers_do_not_touch_what_they_are_given() -> None:
    below, above = {"a": {"x": 1}}, {"a": {"y": 2}, "b": 3}
    assert layer(below, above) == {"a": {"x": 1, "y": 2}, "b": 3}
    assert layer({"a": {"x": 1}}, {"a": 5}) == {"a": 5}
    assert (below, above) == ({"a": {"x": 1}}, {"a": {"y": 2}, "b": 3})


def test_settings_are_frozen(load) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load(BASE).currency = "USD"


@pytest.mark.parametrize(
    ("text", "where", "near"),
    [
        (BASE + "segmentaton: {}\n", "segmentaton", "segmentation"),
        (BASE + "segmentation: {rfm: {tabel: ten}}\n", "segmentation.rfm.tabel", "table"),
        (BASE + "evaluation: {targets: [{kpi: a, value: 1, teir: b}]}\n", "evaluation.targets.0.teir", "tier"),
        (BASE + "segmentation: {rfm: {table: [{id: a, rr: [1, 2]}]}}\n", "segmentation.rfm.table.0.rr", "r"),
        (BASE + "names: {segment.vip: {zh: a, en: b, enn: c}}\n", "names.segment.vip.enn", "en"),
        (COMPANY + "data: {tables: {orders: {path: o.csv, colums: {}}}}\n", "data.tables.orders.colums", "columns"),
        (COMPANY + "data: {order_lines: {path: o.csv, ammount: x}}\n", "data.order_lines.ammount", "amount"),
    ],
)
def test_unknown_keys_at_every_depth_get_the_nearest_name(load, text: str, where: str, near: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(text)
    unknown = [problem for problem in caught.value.problems if problem.what.startswith("unknown key")]
    assert [(problem.where, problem.fix) for problem in unknown] == [(f"crm.yml: {where}", f"did you mean {near!r}?")]


def test_a_key_like_no_other_gets_all_names(load) -> None:
    with pytest.raises(SettingsError, match=r"unknown key 'xyzzy'\n.*valid names here: list_rows, notebook_minutes"):
        load(BASE + "report: {xyzzy: 1}\n")


def test_all_problems_at_once(load) -> None:
    text = (
        "data: {tables: {orders: {path: o.csv, encoding: latin9}}, memory_limit: lots}\n"
        "preset: retial\ncurrency: yuan\ntimezone: Asia/Shangai\nfiscal_year_first_month: 13\n"
        "churn: {horizon_days: 0}\ndiagnosis: {completeness_target: 90}\nextra: 1\n"
    )
    with pytest.raises(SettingsError) as caught:
        load(text)
    wheres = {problem.where.removeprefix("crm.yml: ") for problem in caught.value.problems}
    assert wheres == {
        "company", "data.tables.orders.encoding", "data.memory_limit", "preset", "currency", "timezone",
        "fiscal_year_first_month", "churn.horizon_days", "diagnosis.completeness_target", "extra",
    }  # fmt: skip
    assert "'retial' is not allowed\n    fix: did you mean 'retail'?" in str(caught.value)
    assert "'Asia/Shangai' is no time zone" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "company: it is missing"),
        ("# nothing\n", "data: it is missing"),
        ("- a\n- b\n", "it holds a list, not settings"),
        ("just words\n", "it holds a str, not settings"),
        ("company: {zh: [\n", "it cannot be read: .*line"),
        ("company: {zh: 公司}\n".encode("gbk"), "it cannot be read: .*utf-8"),
        (BASE + "churn: {seed: 2025-13-01}\n", "it cannot be read: month must be in 1..12"),
        (COMPANY + "data: {tables: {orders: o.csv}}\n", "data.tables.orders: .*valid dictionary"),
        (COMPANY + "data: {}\nnames: 5\n", "names: .*valid dictionary"),
    ],
)
def test_files_that_are_no_settings(load, content: str | bytes, match: str) -> None:
    with pytest.raises(SettingsError, match=f"(?s){match}"):
        load(content)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no such file\n.*crm-analysis demo"):
        load_settings(tmp_path / "crm.yml")
    with pytest.raises(SettingsError, match="there is no such file"):
        load_settings(tmp_path)


@pytest.mark.parametrize("limit", ["4GB", "512 MB", "1.5GiB", "80%"])
def test_limits_of_memory(load, limit: str) -> None:
    found = load(COMPANY + f"data: {{memory_limit: '{limit}', exported_on: 2025-09-30}}\n")
    assert found.data.memory_limit == limit
    assert found.data.exported_on == date(2025, 9, 30)
