"""The folder of reports: whole or not at all, whatever breaks and when."""

import json
import os
from pathlib import Path

import pytest

from crm_analysis.base.errors import AnalysisError, SettingsError
from crm_analysis.reporting import archive

NAME = "2025Q3"


def _write(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.zh.html").write_text(text, "utf-8")


def _read(reports: Path, name: str = NAME) -> str:
    return (reports / name / "report.zh.html").read_text("utf-8")


def _built(reports: Path, text: str) -> None:
    _write(archive.start_building(reports, NAME), text)


def test_swap_replaces_the_report_and_keeps_the_one_before(tmp_path: Path) -> None:
    _built(tmp_path, "first")
    assert archive.swap_in(tmp_path, NAME) == tmp_path / NAME
    _built(tmp_path, "second")
    archive.swap_in(tmp_path, NAME)
    assert _read(tmp_path) == "second"
    assert _read(tmp_path / archive.PREVIOUS) == "first"
    _built(tmp_path, "third")
    archive.swap_in(tmp_path, NAME)
    assert _read(tmp_path / archive.PREVIOUS) == "second"
    assert not (tmp_path / archive.SWAP).exists()


@pytest.mark.parametrize("broken_at", [0, 1, 2])
def test_swap_broken_at_any_rename_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_at: int
) -> None:
    _built(tmp_path, "old")
    archive.swap_in(tmp_path, NAME)
    _built(tmp_path, "new")
    real, calls = Path.rename, [0]

    def rename(self: Path, target: Path) -> Path:
        if calls[0] == broken_at:
            raise KeyboardInterrupt
        calls[0] += 1
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        if broken_at < 2:
            with pytest.raises(KeyboardInterrupt):
                archive.swap_in(tmp_path, NAME)
        else:
            archive.swap_in(tmp_path, NAME)
    last_good = (tmp_path / NAME, tmp_path / archive.PREVIOUS / NAME)
    assert any((place / "report.zh.html").is_file() for place in last_good)
    with archive.locked(tmp_path):
        assert _read(tmp_path) == "new"
        assert not (tmp_path / archive.SWAP).exists()
        assert not (tmp_path / archive.BUILDING).exists()


def test_unfinished_building_is_dropped_and_the_report_stays(tmp_path: Path) -> None:
    _built(tmp_path, "good")
    archive.swap_in(tmp_path, NAME)
    _built(tmp_path, "half")
    with archive.locked(tmp_path):
        assert _read(tmp_path) == "good"
        assert not (tmp_path / archive.BUILDING).exists()


def test_empty_mark_of_a_swap_is_ignored(tmp_path: Path) -> None:
    _built(tmp_path, "good")
    archive.swap_in(tmp_path, NAME)
    (tmp_path / archive.SWAP).write_text("", "utf-8")
    archive.recover(tmp_path)
    assert _read(tmp_path) == "good"
    assert not (tmp_path / archive.SWAP).exists()


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    told = rf"another run \(process {os.getpid()}\) is writing there"
    with archive.locked(tmp_path), pytest.raises(AnalysisError, match=told):  # noqa: SIM117
        with archive.locked(tmp_path):
            pass
    assert [path.name for path in tmp_path.iterdir()] == [archive.LOCK]


def test_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("not a folder", "utf-8")
    with pytest.raises(SettingsError, match="give a folder that you may write to"):  # noqa: SIM117
        with archive.locked(tmp_path / "reports"):
            pass


def test_failed_notebooks_are_kept_and_empty_ones_are_not(tmp_path: Path) -> None:
    folder = archive.start_building(tmp_path, NAME)
    assert archive.keep_failed(tmp_path, NAME) is None
    _write(folder / "notebooks", "executed")
    kept = archive.keep_failed(tmp_path, NAME)
    assert kept == tmp_path / f"{NAME}.failed"
    assert (kept / "report.zh.html").read_text("utf-8") == "executed"


def test_reports_are_listed_newest_first(tmp_path: Path) -> None:
    for name, end in [("2025Q1", "2025-03-31"), ("2025Q3", "2025-09-30"), ("2025Q2", "2025-06-30")]:
        (tmp_path / name).mkdir()
        (tmp_path / name / archive.MANIFEST).write_text(json.dumps({"quarter": name, "quarter_end": end}), "utf-8")
    assert [entry["quarter"] for entry in archive.list_reports(tmp_path)] == ["2025Q3", "2025Q2", "2025Q1"]
