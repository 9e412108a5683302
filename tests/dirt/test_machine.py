"""What the machine does to a run: full disks, folders that cannot be written, Ctrl-C, two runs at once, bad settings.

The command runs in a process of its own; the last good report lies in the folder of reports and stays byte for byte.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from crm_analysis.base.errors import SettingsError

INTERRUPTED = 130
TIME_LIMIT = 240
#: Root writes everywhere; without these rights it is an owner like any other.
PLAIN_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"] if os.geteuid() == 0 else []
pytestmark = pytest.mark.slow


def _run(command: Sequence[str], *, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=TIME_LIMIT, preexec_fn=before
    )  # fmt: skip


def _write(path: Path, size: int) -> list[str]:
    """Return a command that writes a file of so many bytes."""
    return [sys.executable, "-c", f"import pathlib; pathlib.Path({str(path)!r}).write_bytes(bytes({size}))"]


def _failed(done: subprocess.CompletedProcess[str], *told: str) -> None:
    """Check that a command failed with a message for people."""
    assert done.returncode in {1, 2}, done.stderr
    assert "Traceback" not in done.stderr
    missing = [text for text in told if text not in done.stderr]
    assert not missing, f"{missing} not in: {done.stderr}"


def _warm(company: Any, good: Any, *kinds: str) -> None:
    """Give the company what an earlier run has left in the cache."""
    company.write()
    for kind in kinds:
        shutil.copytree(good.folder / ".cache" / kind, company.folder / ".cache" / kind)


# -- disks and rights --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["first table", "page"])
def test_full_disk(company, good, stage: str) -> None:
    """No file can grow beyond a size, as where the disk is full: tables cannot be stored, or the page at the end."""
    if stage == "page":
        _warm(company, good, "tables", "results", "ranges", "notebooks")
    else:
        company.write()
    page = (good.good / "report.en.html").stat().st_size
    size = 1000 if stage == "first table" else page - 1

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    bites = _run(_write(company.folder / "probe", size + 1), before=full)
    assert "File too large" in bites.stderr
    (company.folder / "probe").unlink()
    _failed(_run(company.command(), before=full), "File too large", "fix: ")
    company.check_nothing_changed()


@pytest.mark.parametrize("place", ["reports", "cache"])
def test_folder_that_cannot_be_written(company, place: str) -> None:
    company.keep("orders")
    company.write()
    folder = company.reports if place == "reports" else company.folder / ".cache"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o555)
    try:
        bites = _run([*PLAIN_USER, *_write(folder / "probe", 1)])
        assert "Permission denied" in bites.stderr
        _failed(_run([*PLAIN_USER, *company.command()]), str(folder), "written", "fix: ")
    finally:
        folder.chmod(0o755)
    company.check_nothing_changed()


def test_file_that_cannot_be_read(company) -> None:
    company.keep("orders")
    company.write()
    path = company.folder / "orders.csv"
    path.chmod(0o000)
    bites = _run([*PLAIN_USER, sys.executable, "-c", f"open({str(path)!r}).read()"])
    assert "Permission denied" in bites.stderr
    _failed(_run([*PLAIN_USER, *company.command()]), "orders.csv", "may not be read", "fix: ")
    company.check_nothing_changed()


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------


def _default_interrupt() -> None:
    """Undo what a shell does to processes in the background, which ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _start(company: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        company.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=_default_interrupt,  # noqa: PLW1509
    )  # fmt: skip


def _wait(pattern: str, *, under: Path, process: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + TIME_LIMIT
    while not list(under.glob(pattern)):
        assert process.poll() is None, f"it ended before {pattern} was there: {process.communicate()}"
        assert time.monotonic() < ends, f"{pattern} never came"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("moment", "cached"),
    [
        (".lock", ()),
        (".building/*", ("tables", "ranges")),
        (".building/*/notebooks/2_*", ("tables", "ranges", "results")),
    ],
    ids=["while loading", "while computing", "while showing"],
)
def test_interrupt(company, good, moment: str, cached: tuple[str, ...]) -> None:
    _warm(company, good, *cached)
    process = _start(company)
    _wait(moment, under=company.reports, process=process)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=TIME_LIMIT)[1]
    assert process.returncode == INTERRUPTED, said
    assert "Interrupted; the last good report is untouched." in said
    assert "Traceback" not in said
    company.check_nothing_changed()


def test_two_runs_at_once(company, good) -> None:
    """The second says who holds the folder and ends; the first makes its report as if it were alone."""
    _warm(company, good, "tables", "ranges", "results")
    first = _start(company)
    _wait(".building/*", under=company.reports, process=first)
    second = _run(company.command())
    assert first.poll() is None, "the first run ended too early for the test to see anything"
    _failed(second, f"another run (process {first.pid}) is writing there", str(company.reports), "--reports")
    _, said = first.communicate(timeout=TIME_LIMIT)
    assert first.returncode == 0, said
    for name in ("report.en.html", "workbook.xlsx"):
        assert (company.reports / "2025Q3" / name).read_bytes() == (good.good / name).read_bytes()
    assert not (company.reports / ".building").exists()


# -- settings ----------------------------------------------------------------------------------------------------------


def test_unknown_keys_in_settings(company) -> None:
    company.settings |= {"currancy": "CNY", "churn": {"gap_day": 1}}
    company.write()
    company.refused("currancy", "'currency'", "churn.gap_day", "'gap_days'", kind=SettingsError)


def test_values_of_a_wrong_type_in_settings(company) -> None:
    company.settings |= {"churn": {"gap_days": "soon"}, "fiscal_year_first_month": 13, "timezone": "Mars/Base"}
    company.write()
    error = company.refused("churn.gap_days", "fiscal_year_first_month", "Mars/Base", kind=SettingsError)
    assert len(error.problems) == 3


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "company: {zh: x", "company: \udce5", "just words"],
    ids=["empty", "a list", "broken YAML", "no UTF-8", "a text"],
)  # fmt: skip
def test_settings_file_that_is_none(company, text: str) -> None:
    company.write()
    company.overwrite("crm.yml", text.encode("utf-8", "surrogateescape"))
    company.refused("crm.yml", kind=SettingsError)


def test_settings_file_absent(company) -> None:
    company.refused("crm.yml", "there is no such file", kind=SettingsError)
