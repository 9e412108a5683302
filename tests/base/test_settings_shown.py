"""The settings in force: every value with its origin, and YAML that gives the same settings again."""

from pathlib import Path

import pytest

from crm_analysis.base.errors import SettingsError
from crm_analysis.base.settings import PRESETS, load_settings, read_file
from crm_analysis.base.settings_shown import settings_lines

TEXT = """company: {zh: "某某：商贸, [一]", en: "no"}
preset: b2b
data:
  exported_on: 2025-09-30
  tables:
    orders:
      path: orders_*.csv
      columns: {order_id: "订单号 #", amount: '金额, 元'}
evaluation:
  targets:
    - {kpi: nps, value: 30}
    - {kpi: csat_points, value: 85.5}
"""


@pytest.fixture
def shown(tmp_path: Path):
    def show(text: str = TEXT, *, only: str = "") -> list[str]:
        path = tmp_path / "crm.yml"
        path.write_text(text, "utf-8")
        return settings_lines(load_settings(path), read_file(path), only=only)

    return show


def _origins(lines: list[str]) -> dict[str, str]:
    """Return ``{line without indent: origin}``."""
    pairs = (line.rpartition("  # ") for line in lines)
    return {text.strip(): origin for text, _, origin in pairs if text}


def test_every_value_tells_where_it_comes_from(shown) -> None:
    origins = _origins(shown())
    assert origins['zh: "某某：商贸, [一]"'] == "crm.yml line 1"
    assert origins["path: orders_*.csv"] == "crm.yml line 7"
    assert origins['amount: "金额, 元"'] == "crm.yml line 8"
    assert origins["exported_on: '2025-09-30'"] == "crm.yml line 4"
    assert origins["timezone: Asia/Shanghai"] == "default"
    assert origins["- tier: important_value"] == "preset b2b"
    assert origins["- kpi: csat_points"] == "crm.yml line 12"
    assert origins["age_bands: [18, 25, 35, 45, 55, 65]"] == "default"


def test_items_of_a_list_that_the_file_replaces_are_the_files_or_defaults(shown) -> None:
    """The preset's targets are gone as a whole: no value of the new ones comes from it."""
    lines = shown(only="evaluation.targets")
    assert {line.partition("  # ")[2] for line in lines if "# " in line} == {
        "crm.yml line 11", "crm.yml line 12", "default",
    }  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_printed_gives_the_same_settings_again(shown, tmp_path: Path, preset: str) -> None:
    text = TEXT.replace("b2b", preset)
    copied = tmp_path / "copy.yml"
    copied.write_text("\n".join(shown(text)), "utf-8")
    assert load_settings(copied) == load_settings(tmp_path / "crm.yml")


def test_a_part_is_printed_with_the_names_around_it(shown) -> None:
    lines = shown(only="segmentation.rfm")
    assert lines[:2] == ["segmentation:", "  rfm:"]
    assert lines[2].split("#")[0].strip() == "method: quantiles"
    assert not any("lifecycle" in line for line in lines)


@pytest.mark.parametrize(
    ("only", "match"),
    [("segmentaton", r"no section 'segmentaton'\n.*did you mean 'segmentation'"),
     ("churn.horizon_days.x", r"no section 'churn.horizon_days.x'")],
)  # fmt: skip
def test_unknown_sections_are_refused(shown, only: str, match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        shown(only=only)


def test_passwords_are_masked(shown) -> None:
    lines = shown(TEXT.replace("orders_*.csv", "https://crm:s3cret@files.example/o.csv"))
    (line,) = [line for line in lines if "files.example" in line]
    assert "s3cret" not in "\n".join(lines)
    assert line.split() == [
        "path:", "https://crm:***@files.example/o.csv", "#", "crm.yml", "line", "7,", "password", "masked",
    ]  # fmt: skip
