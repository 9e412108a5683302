"""The command line: what it prints, what it returns, and that it never ends in a traceback."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from crm_analysis import cli
from crm_analysis.churn import purchase_bayes
from crm_analysis.reporting import failures
from crm_analysis.sources import load

COMPANY = "company: {zh: 公司, en: Company}\n"
BASE = COMPANY + "data: {tables: {orders: {path: orders.csv}}}\n"
HEAD = "order_id,customer_id,ordered_at,amount"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """Return settings of a company with twelve orders up to the end of 2025Q3."""
    rows = [f"o{n},c{n % 4},2025-{n + 1:02d}-28,{100 + n}" for n in range(9)]
    rows += ["o10,c1,2025-09-30,100", "o10,c1,2025-09-30,100", "o11,c2,yesterday,50"]
    (tmp_path / "orders.csv").write_text("\n".join([HEAD, *rows]), "utf-8")
    (tmp_path / "crm.yml").write_text(BASE, "utf-8")
    return tmp_path / "crm.yml"


# -- check -------------------------------------------------------------------------------------------------------------


def _rows(output: str) -> dict[str, str]:
    """Return ``{checked: status}`` of a printed check."""
    return {name: status for status, name in re.findall(r"^ \S (OK|LOOK|FAIL) +(\w[\w ]*?)  ", output, re.MULTILINE)}


def test_check_of_good_data_says_what_was_read_and_what_is_missing(company: Path) -> None:
    found = run("check", "--config", company)
    assert found.exit_code == 0
    assert _rows(found.output) == {
        "settings": "OK", "orders": "LOOK", "quarter": "OK", "coverage": "OK", "not given": "OK",
    }  # fmt: skip
    text = " ".join(found.output.split())
    assert "12 rows read, 10 used, 2 put aside (duplicate_key 1, unparsable_ordered_at 1)" in text
    assert "- 2 rows cannot be used, carrying ¥150: duplicate_key 1, unparsable_ordered_at 1 where: data.tables" in text
    assert "2025Q3, 2025-07-01 to 2025-09-30" in text
    assert "orders reach from 2025-01-28 to 2025-09-30" in text
    assert "surveys would add: satisfaction, CSAT, NPS, response rate" in text
    assert text.endswith(f"A report can be made (1 to look at): crm-analysis report --config {company}")


def test_check_is_plain_text_of_a_fixed_width_where_nobody_watches(company: Path) -> None:
    lines = run("check", "--config", company).output.splitlines()
    table = lines[:-1]
    assert "\x1b" not in "".join(lines)
    assert max(map(len, table)) <= cli.PIPED_WIDTH
    assert table == [line.rstrip() for line in table]


def test_quarantined_rows_are_where_check_says(company: Path) -> None:
    text = "".join(run("check", "--config", company).output.split())
    (named,) = re.findall(r"seethemin(\S+?\.parquet);", text)
    assert (company.parent / named).is_file()


def test_a_report_after_a_check_reads_no_file_again(company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crm_analysis.opening import open_workspace

    assert run("check", "--config", company).exit_code == 0
    monkeypatch.setattr(load, "_build", None)  # whoever reads files now fails
    assert set(open_workspace(company, quarter="2025Q3").loaded.tables) == {"orders"}


@pytest.mark.parametrize(
    ("quarter", "status", "rows", "told"),
    [
        ("2025Q2", 0, {"quarter": "OK", "coverage": "OK"}, "(asked for; the latest finished one is 2025Q3)"),
        ("2025Q1", 0, {"quarter": "OK", "coverage": "LOOK"}, "2025Q1 is not complete: 27 days are missing"),
        ("2031Q1", 1, {"quarter": "FAIL"}, "2031Q1 begins after the newest order (2025-09-30)"),
        ("2025Q9", 2, {"quarter": "FAIL"}, "'2025Q9' is not a quarter"),
    ],
)
def test_check_of_a_quarter(company: Path, quarter: str, status: int, rows: dict[str, str], told: str) -> None:
    found = run("check", "--config", company, "--quarter", quarter)
    assert found.exit_code == status
    assert {name: state for name, state in _rows(found.output).items() if name in ("quarter", "coverage")} == rows
    assert told in " ".join(found.output.split())
    assert ("No report can be made" in found.output) == (status != 0)


def test_check_tells_orders_of_the_future(company: Path) -> None:
    with (company.parent / "orders.csv").open("a", encoding="utf-8") as stream:
        stream.write("\no12,c1,2999-01-01,100")
    found = run("check", "--config", company)
    assert found.exit_code == 0
    assert _rows(found.output)["coverage"] == "LOOK"
    assert "orders are dated after today" in found.output
    assert "2025Q3, 2025-07-01 to 2025-09-30" in found.output


def test_check_tells_every_fault_of_the_data_at_its_table(company: Path) -> None:
    (company.parent / "orders.csv").write_text("order_id,customer,amount\n1,2,3\n", "utf-8")
    (company.parent / "surveys.csv").write_text("survey_id\n1\n", "utf-8")
    tables = "{orders: {path: orders.csv}, surveys: {path: surveys.csv}, contracts: {path: orders.csv}}"
    company.write_text(f"{COMPANY}data: {{tables: {tables}}}\n", "utf-8")
    found = run("check", "--config", company)
    assert found.exit_code == 1
    states = _rows(found.output)
    assert (states["settings"], states["orders"], states["surveys"]) == ("OK", "FAIL", "FAIL")
    text = " ".join(found.output.split())
    for field in ("customer_id", "ordered_at", "question", "sent_at"):
        assert f"required column '{field}'" in text
    assert "No report can be made: the data cannot be used" in text


def test_check_tells_every_problem_of_the_settings(tmp_path: Path) -> None:
    wrong = "".join(f"wrong_{number}: 1\n" for number in range(14))
    (tmp_path / "crm.yml").write_text(f"{BASE}{wrong}churn: {{gap_days: -1}}\n", "utf-8")
    found = run("check", "--config", tmp_path / "crm.yml")
    assert found.exit_code == 2
    assert _rows(found.output) == {"settings": "FAIL"}
    assert found.output.count("- unknown key") == 14
    assert "give 0 or more" in found.output
    assert "the settings cannot be used" in found.output
    assert list(tmp_path.iterdir()) == [tmp_path / "crm.yml"]  # nothing else ran


def test_check_says_first_that_a_package_is_missing(company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    company.write_text(f"{BASE}churn: {{value: {{estimation: bayes}}}}\n", "utf-8")
    monkeypatch.setattr(purchase_bayes, "find_spec", lambda name: None)
    found = run("check", "--config", company)
    assert found.exit_code == 2
    assert _rows(found.output) == {"settings": "FAIL"}
    text = " ".join(found.output.split())
    assert "crm.yml, line 3: churn.value.estimation" in text
    assert 'fix: run: pip install "crm-analysis[bayes]"; or set churn.value.estimation' in text
    monkeypatch.setattr(purchase_bayes, "find_spec", lambda name: True)
    assert run("check", "--config", company).exit_code == 0


# -- settings ----------------------------------------------------------------------------------------------------------


def test_settings_are_printed_with_their_origin(company: Path) -> None:
    found = run("settings", "--config", company, "--only", "data")
    assert found.exit_code == 0
    assert yaml.safe_load(found.stdout)["data"]["tables"]["orders"]["path"] == "orders.csv"
    assert re.search(r"path: orders.csv +# crm.yml line 2\n", found.stdout)
    assert re.search(r"coverage_tolerance_days: 7 +# default\n", found.stdout)
    assert run("settings", "--config", company, "--only", "dta").exit_code == 2


# -- exit status -------------------------------------------------------------------------------------------------------

COMMANDS = ("report", "check", "settings")
WORK = {
    "report": "crm_analysis.reporting.runner.make_report",
    "check": "crm_analysis.reporting.checks.check_company",
    "settings": "crm_analysis.opening.open_settings",
    "demo": "crm_analysis.sources.demo.make_demo",
}


def _raising(monkeypatch: pytest.MonkeyPatch, command: str, error: BaseException, config: Path) -> Result:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(WORK[command], fail)
    where = [config.parent / "demo"] if command == "demo" else ["--config", config]
    return run(command, *where)


@pytest.mark.parametrize("command", COMMANDS)
def test_settings_that_cannot_be_used_end_with_2(command: str, tmp_path: Path) -> None:
    found = run(command, "--config", tmp_path / "absent.yml")
    assert found.exit_code == 2
    assert "there is no such file" in found.output


@pytest.mark.parametrize("arguments", [["check", "--quater", "2025Q3"], ["chek"], ["demo", "x", "--customers", "0"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("command", WORK)
def test_interrupted_commands_end_with_130(command: str, company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _raising(monkeypatch, command, KeyboardInterrupt(), company)
    assert found.exit_code == 130
    assert "Interrupted" in found.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_what_nobody_foresaw_is_one_line_and_its_details_are_kept(
    command: str, company: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _raising(monkeypatch, command, ZeroDivisionError("a\nb at postgresql://u:s3cret@db"), company)
    log = company.parent / ".cache" / failures.LOG
    assert found.exit_code == 1
    assert found.stderr == f"Unexpected error: ZeroDivisionError: a b at postgresql://u:***@db (details: {log})\n"
    kept = log.read_text("utf-8")
    assert "Traceback (most recent call last)" in kept
    assert "raise error" in kept
    assert "s3cret" not in kept


def test_details_are_kept_where_the_settings_put_the_cache_or_in_the_systems_folder(
    company: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(failures.tempfile, "gettempdir", lambda: str(tmp_path / "system"))
    company.write_text(f"{BASE}cache: elsewhere\n", "utf-8")
    assert str(company.parent / "elsewhere" / failures.LOG) in _raising(
        monkeypatch, "check", RuntimeError(), company
    ).stderr.replace("\n", "")
    assert str(tmp_path / "system" / failures.LOG) in _raising(monkeypatch, "demo", RuntimeError(), company).stderr
    (tmp_path / "file").write_text("", "utf-8")
    company.write_text(f"{BASE}cache: file\n", "utf-8")  # no folder can be made there
    assert str(tmp_path / "system" / failures.LOG) in _raising(monkeypatch, "check", RuntimeError(), company).stderr


@pytest.mark.parametrize(
    ("error", "what", "fix"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "/data/x: it may not be read or written",
         "give yourself the right to it, or choose another folder"),
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), "/data/x: the disk can only be read",
         "choose another folder (cache: in the settings, --reports"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "/data/x: no space is left",
         "free space on that disk, or choose another folder"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/data/x"), "/data/x: Not a directory", "mend this"),
        (MemoryError(), "data.memory_limit: there is not enough memory", "data.memory_limit"),
    ],
)  # fmt: skip
def test_what_the_system_refuses_is_told_with_path_and_fix(
    error: Exception, what: str, fix: str, company: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _raising(monkeypatch, "report", error, company)
    assert found.exit_code == 1
    assert found.stderr.startswith(f"The system refused:\n  {what}")
    assert fix in found.stderr
    assert not (company.parent / ".cache" / failures.LOG).exists()


def test_a_cache_that_cannot_be_written_is_told(company: Path) -> None:
    company.write_text(f"{BASE}cache: blocked\n", "utf-8")
    (company.parent / "blocked").write_text("a file stands where the folder belongs", "utf-8")
    found = run("check", "--config", company)
    assert found.exit_code == 1
    assert "The system refused" in found.stderr
    assert str(company.parent / "blocked") in found.stderr


def test_a_disk_that_is_full_for_the_engine_is_told() -> None:
    import duckdb

    for text, what in [
        ('Could not write file "/d/x": No space left on device', "no space is left"),
        ('Cannot open file "/d/x": Permission denied', "it may not be read or written"),
    ]:
        known = failures.known_failure(duckdb.IOException(text))
        assert known is not None
        assert what in str(known)
        assert "/d/x" in str(known)
    assert failures.known_failure(duckdb.IOException("something else")) is None
    memory = failures.known_failure(duckdb.OutOfMemoryException("could not allocate"))
    assert "not enough memory" in str(memory)


@pytest.mark.skipif(not hasattr(os, "setsid"), reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_running_command_with_130(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "crm_analysis.cli", "demo", str(tmp_path / "demo"), "--customers", "60000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (tmp_path / "demo").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Interrupted; what was there before is untouched." in said
    assert "Traceback" not in said


def test_printed_settings_are_the_manifests(company: Path) -> None:
    """What is printed is what a run is made with: the same values, whatever their origin."""
    from crm_analysis.opening import open_settings

    printed = yaml.safe_load(run("settings", "--config", company).stdout)
    assert json.loads(json.dumps(printed)) == open_settings(company).model_dump(mode="json")
