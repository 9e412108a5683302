"""What the README promises exists: functions, commands, files, and the same in both languages."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh.md")


def _text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("name", READMES)
def test_functions_and_notebooks_of_the_table_exist(name: str) -> None:
    rows = re.findall(r"^\| .+ \| `(\w+)` \| (.+) \|$", _text(name), flags=re.MULTILINE)
    assert len(rows) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    for notebook, functions in rows:
        assert (ROOT / "notebooks" / f"{notebook}.ipynb").is_file()
        folder = ""
        for dotted in re.findall(r"`([\w.]+)`", functions):
            full = f"{folder}{dotted}" if dotted.startswith(".") else dotted
            module, _, function = full.rpartition(".")
            folder = module.rpartition(".")[0]
            assert callable(getattr(import_module(module), function)), full


@pytest.mark.parametrize("name", READMES)
def test_links_and_pictures_exist(name: str) -> None:
    targets = re.findall(r"\]\(([^)]+)\)", _text(name))
    assert len(targets) >= 4
    assert [target for target in targets if not (ROOT / target).is_file()] == []


@pytest.mark.parametrize("name", READMES)
def test_commands_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", _text("Makefile"), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", _text(name), flags=re.MULTILINE))
    assert {"report", "test", "lab", "help"} <= named
    assert named <= targets


def test_example_settings_are_valid(tmp_path: Path) -> None:
    from crm_analysis.base.settings import load_settings
    from crm_analysis.opening import open_settings

    for name in READMES:
        example = re.search(r"```yaml\n(.*?)```", _text(name), flags=re.DOTALL)
        assert example is not None
        path = tmp_path / "crm.yml"
        path.write_text(example[1], "utf-8")
        assert load_settings(path).data.tables.keys() == yaml.safe_load(example[1])["data"]["tables"].keys()
        tiers = re.findall(r"```yaml\n(segmentation:.*?)```", _text(name), flags=re.DOTALL)
        assert len(tiers) == 1
        path.write_text(example[1] + tiers[0], "utf-8")
        assert open_settings(path).segmentation.primary_scheme == "my_tiers"
