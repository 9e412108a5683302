"""The folder of reports: built aside, swapped in whole, recovered after a break (DESIGN, rule 8).

::

    reports/<quarter>/            the last good report
    reports/<quarter>.partial/    what ``--only`` made
    reports/<quarter>.failed/     the notebooks of the last failed run
    reports/.building/<name>/     a run at work, or what a killed one left
    reports/.previous/<quarter>/  the report before the last good one
    reports/.swap                 name of a swap that has begun; its folder in .building is complete
    reports/.holder               number of the process that is writing
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from crm_analysis.base.errors import AnalysisError, Problem, SettingsError

BUILDING, PREVIOUS, SWAP, LOCK, HOLDER = ".building", ".previous", ".swap", ".lock", ".holder"
MANIFEST = "manifest.json"


@contextmanager
def locked(reports: Path) -> Iterator[None]:
    """Hold the folder of reports, so that two runs never write at once; a dead process holds nothing.

    Raises
    ------
    AnalysisError
        Another run holds it.
    SettingsError
        The folder cannot be written.
    """
    try:
        reports.mkdir(parents=True, exist_ok=True)
        lock = FileLock(reports / LOCK)
        lock.acquire(timeout=0)
    except Timeout as error:
        fix = "wait for it to end, or give this one another folder with --reports"
        raise AnalysisError(Problem(f"another run{_holder(reports)} is writing there", str(reports), fix)) from error
    except OSError as error:
        fix = "give a folder that you may write to with --reports"
        raise SettingsError(Problem(f"it cannot be written: {error.strerror}", str(reports), fix)) from error
    try:
        (reports / HOLDER).write_text(str(os.getpid()), "utf-8")
        recover(reports)
        yield
    finally:
        (reports / HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(reports: Path) -> str:
    """Return who holds the folder, as a clause; nothing where he has not said so yet."""
    try:
        number = (reports / HOLDER).read_text("utf-8").strip()
    except OSError:
        return ""
    return f" (process {number})" if number else ""


def start_building(reports: Path, name: str) -> Path:
    """Return an empty folder for a run."""
    shutil.rmtree(reports / BUILDING, ignore_errors=True)
    folder = reports / BUILDING / name
    folder.mkdir(parents=True)
    return folder


def swap_in(reports: Path, name: str) -> Path:
    """Put the complete folder in ``.building`` in the place of the report and return that place."""
    (reports / SWAP).write_text(name, "utf-8")
    _finish_swap(reports, name)
    return reports / name


def recover(reports: Path) -> None:
    """Finish a swap that a killed run had begun; drop what it had not completed."""
    mark = reports / SWAP
    if mark.is_file():
        name = mark.read_text("utf-8").strip()
        if name:
            _finish_swap(reports, name)
        mark.unlink(missing_ok=True)
    shutil.rmtree(reports / BUILDING, ignore_errors=True)


def keep_failed(reports: Path, name: str) -> Path | None:
    """Keep the notebooks of a failed run as ``<name>.failed``; return the folder, or ``None`` without notebooks."""
    built = reports / BUILDING / name / "notebooks"
    failed = reports / f"{name}.failed"
    shutil.rmtree(failed, ignore_errors=True)
    if not built.is_dir() or not any(built.iterdir()):
        return None
    built.rename(failed)
    return failed


def list_reports(reports: Path) -> list[dict[str, object]]:
    """Return the manifests of all reports, newest quarter first."""
    found = []
    for manifest in reports.glob(f"*/{MANIFEST}"):
        entry = json.loads(manifest.read_text("utf-8"))
        found.append(entry | {"folder": manifest.parent.name})
    return sorted(found, key=lambda entry: (str(entry["quarter_end"]), str(entry["folder"])), reverse=True)


def _finish_swap(reports: Path, name: str) -> None:
    """Move old and new; safe to run again after a break at any line."""
    new, place, old = reports / BUILDING / name, reports / name, reports / PREVIOUS / name
    if new.is_dir():
        if place.exists():
            shutil.rmtree(old, ignore_errors=True)
            old.parent.mkdir(exist_ok=True)
            place.rename(old)
        new.rename(place)
    elif not place.exists() and old.is_dir():
        old.rename(place)
    shutil.rmtree(reports / BUILDING, ignore_errors=True)
    (reports / SWAP).unlink(missing_ok=True)
