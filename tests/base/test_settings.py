"""Settings: layers, and every problem told at once with the nearest valid name."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from crm_analysis.base import settings as settings_module
from crm_analysis.base.errors import Problem, SettingsError
from crm_analysis.base.settings import PRESETS, Settings, layer, load_preset, load_settings
from crm_analysis.base.settings_file import mask_secrets

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
    assert found.segmentation.rfm.split.kind == "mean"  # then the default
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
    line = len(text.splitlines())
    assert [(problem.where, problem.fix) for problem in unknown] == [
        (f"crm.yml, line {line}: {where}", f"did you mean {near!r}?")
    ]


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
    wheres = {problem.where.partition(": ")[2] for problem in caught.value.problems}
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
        (
            BASE + "churn: {seed: 2025-13-01}\n",
            r"line 3: churn.seed: it is text \('2025-13-01'\), but a number is wanted",
        ),
        (COMPANY + "data: {exported_on: 2025-13-01}\n", "line 2: data.exported_on: .*month value is outside"),
        (BASE + "names: &a {x: *a}\n", "it cannot be read: line 3 refers to itself"),
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


# -- what YAML would guess ---------------------------------------------------------------------------------------------


def _told(load, text: str) -> dict[str, tuple[str, str]]:
    """Return ``{place: (what, fix)}`` of everything that is wrong."""
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        load(text)
    return {problem.where.partition(": ")[2]: (problem.what, problem.fix) for problem in caught.value.problems}


def test_words_that_old_yaml_takes_for_booleans_and_days_are_text(load) -> None:
    text = "company: {zh: 是, en: no}\nnames: {segment.vip: {zh: on, en: 2025-01-01}}\n"
    data = "data: {tables: {orders: {path: 0123, constants: {channel: off, store: 2025-01-01}}}}\n"
    found = load(text + data)
    assert found.company.en == "no"
    assert found.names["segment.vip"].model_dump() == {"zh": "on", "en": "2025-01-01"}
    assert found.data.tables["orders"].path == "0123"
    assert found.data.tables["orders"].constants == {"channel": "off", "store": "2025-01-01"}


@pytest.mark.parametrize(
    ("text", "place", "what", "fix"),
    [
        ("churn: {horizon_days: '90'}", "churn.horizon_days", "it is text ('90'), but a number is wanted",
         "write it without quotes and separators: 90"),
        ("churn: {horizon_days: 90 days}", "churn.horizon_days", "it is text ('90 days'), but a number is wanted",
         "write a number such as 30"),
        ("churn: {gap_days: no}", "churn.gap_days", "it is text ('no'), but a number is wanted",
         "write a number such as 30"),
        ("churn: {gap_days: true}", "churn.gap_days", "it is true or false (True), but a number is wanted",
         "write a number such as 30"),
        ("evaluation: {tolerance: 5%}", "evaluation.tolerance", "it is text ('5%'), but a number is wanted",
         "write it as a share: 0.05"),
        ("evaluation: {tolerance: 5}", "evaluation.tolerance", "Input should be less than or equal to 1 (got 5)",
         "shares lie between 0 and 1: write 0.05"),
        ("evaluation: {tolerance: .nan}", "evaluation.tolerance", "Input should be a finite number (got nan)",
         "give a value of that form"),
        ("portraits: {age_bands: [18, '25']}", "portraits.age_bands",
         "it is a list ([18, '25']), but a number is wanted", "write numbers without quotes, such as [18, 25]"),
        ("portraits: {age_bands: [25, 18]}", "portraits.age_bands", "the ends of bands must rise (got [25, 18])",
         "give a value of that form"),
        ("names: {a: {zh: 5, en: x}}", "names.a.zh", "it is a number (5), but text is wanted", "put it in quotes: '5'"),
        ("names: {a: {zh: true, en: x}}", "names.a.zh", "it is true or false (True), but text is wanted",
         "put it in quotes: 'true'"),
        ("names: {a: {zh: , en: x}}", "names.a.zh", "it is empty, but text is wanted", "write text"),
        ("currency: yuan", "currency", "String should match pattern '^[A-Z]{3}$' (got 'yuan')",
         "write three capital letters, such as CNY"),
        ("segmentation: {rfm: {table: [{id: a, r: [5, 4]}]}}", "segmentation.rfm.table.0.r",
         "[5, 4] matches no score; write the lower end first (got [5, 4])", "give a value of that form"),
        ("segmentation: {lifecycle: {lost_after: 2}}", "segmentation.lifecycle",
         "declining_after, dormant_after and lost_after must rise in this order", "change one of them"),
    ],
)  # fmt: skip
def test_values_of_another_kind_are_told_with_the_way_to_write_them(
    load, text: str, place: str, what: str, fix: str
) -> None:
    assert _told(load, f"{BASE}{text}\n") == {place: (what, fix)}


@pytest.mark.parametrize("day", ["20250930", "'30.9.2025'", "2025-09", "true"])
def test_a_day_is_written_in_one_way(load, day: str) -> None:
    found = _told(load, f"{COMPANY}data: {{tables: {{orders: {{path: o}}}}, exported_on: {day}}}\n")
    assert list(found) == ["data.exported_on"]
    assert found["data.exported_on"][1] == "write a day as 2025-09-30"


def test_keys_that_are_numbers_are_told(load) -> None:
    text = "data: {tables: {customers: {path: c, values: {gender: {1: male}}}, orders: {path: o}}}\n"
    place = "data.tables.customers.values.gender.1"
    assert _told(load, COMPANY + text) == {place: ("it is a number (1), but text is wanted", "put it in quotes: '1'")}


def test_names_that_stand_twice_are_refused_beside_all_else(load) -> None:
    text = "churn:\n  horizon_days: 60\n  gap_days: -1\n  horizon_days: 90\nevaluation: {targets: [{kpi: a, kpi: b}]}\n"
    found = _told(load, BASE + text)
    assert found["churn.horizon_days"][0] == "'horizon_days' stands twice, in line 4 and in line 6"
    assert found["churn.gap_days"][1] == "give 0 or more"
    assert found["evaluation.targets.0.kpi"][0] == "'kpi' stands twice, in line 7 and in line 7"
    assert found["evaluation.targets.0.value"] == ("it is missing", "add 'value'")
    assert len(found) == 4


def test_merged_mappings_are_no_double_names(load) -> None:
    text = "names:\n  a: &both {zh: 甲, en: A}\n  b:\n    <<: *both\n    en: B\n"
    assert load(BASE + text).names["b"].model_dump() == {"zh": "甲", "en": "B"}


def test_what_one_mistake_hides_is_told_too(load) -> None:
    lifecycle = "segmentation: {lifecycle: {lost_after: 2, growth_threshold: 20}}\n"
    assert set(_told(load, BASE + lifecycle)) == {"segmentation.lifecycle.growth_threshold", "segmentation.lifecycle"}
    twice = "data: {tables: {orders: {path: o}}, order_lines: {path: l}, memory_limit: lots}\n"
    assert set(_told(load, COMPANY + twice)) == {"data.memory_limit", "data"}


def test_a_key_of_another_section_is_shown_its_place(load) -> None:
    assert _told(load, BASE + "horizon_days: 90\n") == {
        "horizon_days": ("unknown key 'horizon_days'", "it belongs elsewhere: churn.horizon_days")
    }


def test_problems_come_in_the_order_of_the_file(load) -> None:
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        load("report: {list_rows: 0}\nchurn: {seed: x}\n" + BASE + "currency: x\n")
    assert [problem.where for problem in caught.value.problems] == [
        "crm.yml, line 1: report.list_rows", "crm.yml, line 2: churn.seed", "crm.yml, line 5: currency",
    ]  # fmt: skip


def test_a_file_of_windows_and_values_with_passwords(load) -> None:
    assert load(b"\xef\xbb\xbf" + BASE.encode()).company.en == "Company"
    text = COMPANY + "data: {tables: {orders: {path: o}}, exported_on: 'postgresql://crm:s3cret@db/x'}\n"
    assert "s3cret" not in str(_told(load, text))
    assert mask_secrets("host=db password=s3cret user=crm") == "host=db password=*** user=crm"


def test_checks_of_other_parts_are_told_beside_the_form(tmp_path: Path) -> None:
    path = tmp_path / "crm.yml"
    path.write_text(BASE + "churn: {gap_days: -1}\n", "utf-8")
    own = Problem("the moon is full", "crm.yml, line 1: company", "wait")
    with pytest.raises(SettingsError, match="the moon is full") as caught:
        load_settings(path, checks=(lambda file: [own],))
    first, second = caught.value.problems
    assert (first.what, second.fix) == ("the moon is full", "give 0 or more")
