"""What is installed from where: one source of versions, a lock that fits it, commands that are listed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
#: Names on conda-forge where they differ from PyPI.
CONDA = {"ibis-duckdb": "ibis-framework[duckdb]", "python-duckdb": "duckdb"}


def _bounds(lines: list[str]) -> dict[str, SpecifierSet]:
    """Return ``{name[extras]: bounds}``."""
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name) + (f"[{','.join(sorted(r.extras))}]" if r.extras else ""): r.specifier
            for r in requirements}  # fmt: skip


# -- conda -------------------------------------------------------------------------------------------------------------


def test_the_conda_environment_is_the_project() -> None:
    given = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    (pip,) = [entry["pip"] for entry in given["dependencies"] if isinstance(entry, dict)]
    conda = _bounds([entry for entry in given["dependencies"] if isinstance(entry, str)])
    assert given["name"] == PROJECT["name"]
    assert given["channels"] == ["conda-forge"]
    assert conda.pop("python") == SpecifierSet(PROJECT["requires-python"])
    assert conda.pop("pip") == SpecifierSet()
    assert pip[-1] == "-e ."
    found = {CONDA.get(name, name): bounds for name, bounds in conda.items()}
    assert not set(found) & set(_bounds(pip[:-1])), "named twice"
    assert found | _bounds(pip[:-1]) == _bounds(PROJECT["dependencies"])


# -- the lock ----------------------------------------------------------------------------------------------------------


def _entries() -> list[tuple[Requirement, list[str]]]:
    """Return every pinned requirement with its hashes."""
    joined = LOCK.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = []
    for line in lines:
        requirement, *hashes = re.split(r"\s+--hash=", line)
        found.append((Requirement(requirement.strip()), [text.strip() for text in hashes]))
    return found


def test_every_entry_of_the_lock_is_one_version_with_hashes() -> None:
    for requirement, hashes in _entries():
        assert [spec.operator for spec in requirement.specifier] == ["=="], requirement.name
        assert hashes, requirement.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text) for text in hashes), requirement.name
        assert requirement.url is None, requirement.name


def test_the_lock_names_no_address() -> None:
    assert "://" not in LOCK
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host", LOCK)


def test_the_lock_satisfies_the_project_and_its_tests() -> None:
    pinned: dict[str, list[str]] = {}
    for requirement, _ in _entries():
        (spec,) = requirement.specifier
        pinned.setdefault(canonicalize_name(requirement.name), []).append(spec.version)
    for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]:
        wanted = Requirement(line)
        versions = pinned.get(canonicalize_name(wanted.name), [])
        assert versions, f"{wanted.name} is not in requirements.lock; run: make lock"
        assert all(wanted.specifier.contains(version) for version in versions), f"{line}: locked {versions}"


def test_every_python_of_the_project_finds_the_direct_dependencies() -> None:
    direct = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    for python in ("3.11", "3.12", "3.13"):
        assert python in SpecifierSet(PROJECT["requires-python"])
        environment = {"python_version": python, "python_full_version": f"{python}.2", "sys_platform": "linux",
                       "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix",
                       "platform_python_implementation": "CPython", "implementation_name": "cpython"}  # fmt: skip
        met = {canonicalize_name(r.name) for r, _ in _entries() if r.marker is None or r.marker.evaluate(environment)}
        assert direct - met == set(), python


# -- commands ----------------------------------------------------------------------------------------------------------

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
DOCUMENTED = dict(re.findall(r"^([a-z-]+):.*## (.+)$", MAKEFILE, flags=re.MULTILINE))


def test_make_help_lists_every_documented_command() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("there is no make")
    told = subprocess.run([make, "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"^  make ([a-z-]+) +(.+)$", told, flags=re.MULTILINE))
    assert listed == DOCUMENTED
    assert {"help", "report", "demo", "lab", "test", "check"} <= set(listed)


def test_every_command_is_documented_or_a_step_of_one() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, flags=re.MULTILINE)
    assert set(phony.split()) - set(DOCUMENTED) == {"install", "install-test"}
    assert set(DOCUMENTED) <= set(phony.split())


def test_every_command_of_the_makefile_is_a_command_of_the_package() -> None:
    from typer.main import get_command

    from crm_analysis.cli import app

    used = set(re.findall(r"crm-analysis ([a-z]+)", MAKEFILE))
    assert used, "the Makefile calls the package"
    assert used <= set(get_command(app).commands)


# -- options of the tests ----------------------------------------------------------------------------------------------

TESTS = """
import pytest

@pytest.mark.{mark}
def test_needs_data(reference_data):
    assert reference_data.is_dir()

@pytest.mark.xfail(reason="known")
def test_known():
    raise ValueError
"""


@pytest.mark.parametrize(
    ("options", "ci", "expected"),
    [
        ([], "", "1 skipped, 1 xfailed"),
        ([], "true", "no test may be skipped where CI is set: Skipped: needs the published data sets"),
        (["--reference-data", "."], "true", "1 passed, 1 xfailed"),
        (["--reference-data", "nowhere"], "", "Failed: --reference-data: there is no folder"),
    ],
)
def test_nothing_is_skipped_in_silence(tmp_path: Path, options: list[str], ci: str, expected: str) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "conftest.py")
    (tmp_path / "test_it.py").write_text(TESTS.format(mark="reference"))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = reference: needs data\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert expected in done.stdout, done.stdout
    assert (done.returncode == 0) is ("xfailed" in expected), done.stdout
