"""A whole report: complete, private, repeatable, and never half (DESIGN, rules 7 to 9, 11 and 14)."""

import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import nbformat
import openpyxl
import pandas as pd
import pytest

from crm_analysis import cli
from crm_analysis.base.errors import CRMError
from crm_analysis.reporting import notebooks, runner
from crm_analysis.reporting.runner import Request, make_report

TODAY = date(2025, 10, 8)
NOW = datetime(2025, 10, 8, 6, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
QUARTER = "2025Q3"
CHAPTERS = 7
MEGABYTE = 1_000_000
KILLS = 4
pytestmark = pytest.mark.slow


def _request(config: Path, reports: Path, **more: object) -> Request:
    return Request(config, reports, today=TODAY, now=NOW, **more)  # type: ignore[arg-type]


def _manifest(folder: Path) -> dict[str, object]:
    return json.loads((folder / "manifest.json").read_text("utf-8"))


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "crm_analysis.cli", *map(str, arguments)]


def _contents(folder: Path) -> dict[str, bytes]:
    """Return the files that must be the same bytes for the same input."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".ipynb" and path.name != "manifest.json"
    }


@pytest.fixture
def own_config(rendered_reports, demo_config: Path, tmp_path: Path) -> Path:
    """Return a copy of the demo with a cache of its own, to be broken at will; the cache starts filled."""
    folder = tmp_path / "company"
    shutil.copytree(demo_config.parent, folder)
    return folder / "crm.yml"


# -- what a report holds -----------------------------------------------------------------------------------------------


def test_report_is_complete(rendered_reports) -> None:
    folder = rendered_reports.folder
    assert {path.name for path in folder.iterdir()} == {
        "report.zh.html", "report.en.html", "workbook.xlsx", "manifest.json", "results", "notebooks",
    }  # fmt: skip
    assert len(list((folder / "notebooks").glob("*.ipynb"))) == 2 * CHAPTERS
    assert (folder.parent / "index.html").is_file()
    for page in (rendered_reports.zh, rendered_reports.en):
        assert page.stat().st_size < 3 * MEGABYTE


def test_manifest_tells_what_the_report_was_made_from(rendered_reports) -> None:
    manifest = _manifest(rendered_reports.folder)
    assert manifest["quarter"] == QUARTER
    assert manifest["quarter_end"] == "2025-09-30"
    assert manifest["is_complete"]
    assert manifest["coverage"]["newest_order_date"] == "2025-09-30"
    assert manifest["made_at"] == "2025-10-08T06:30:00+08:00"
    assert {"crm-analysis", "python", "pandas", "duckdb"} <= set(manifest["versions"])
    assert set(manifest["inputs"]) == set(manifest["settings"]["data"]["tables"])
    used = {row["table"]: row["row_count"] for row in manifest["rows"] if row["rule"] == "used"}
    assert used["orders"] > 0
    kept = {path.stem for path in (rendered_reports.folder / "results").iterdir()}
    assert {entry["result"] for entry in manifest["results"] if entry["quarter"] == QUARTER} == kept
    assert str(Path.home()) not in json.dumps(manifest)


def test_no_identifier_of_a_customer_stands_in_a_report(rendered_reports, demo_config: Path) -> None:
    customers = pd.read_csv(demo_config.parent / "customers.csv", dtype=str)
    pages = {page.name: page.read_text("utf-8") for page in (rendered_reports.zh, rendered_reports.en)}
    for path in (rendered_reports.folder / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        pages[path.name] = "".join(
            str(output.get("data", {}).get("text/html", "")) for cell in cells for output in cell.get("outputs", [])
        )
    checked = 0
    for field in ("customer_id", "name", "phone", "email", "wechat", "contact_person"):
        for value in customers[field].dropna().str.strip().unique():
            if len(value) < 3:  # two characters may be part of any word
                continue
            checked += 1
            found = [name for name, text in pages.items() if value in text]
            assert not found, f"{field} {value!r} stands in {found}"
    assert checked > 1000


def test_workbook_masks_names_unless_asked_for(rendered_reports, demo_config: Path) -> None:
    book = openpyxl.load_workbook(rendered_reports.folder / "workbook.xlsx", read_only=True)
    assert len(book.sheetnames) == 12
    rows = list(book["客户分层清单 Customers"].iter_rows(values_only=True))
    heads = [str(cell).split("\n")[0] for cell in rows[0]]
    names = [row[heads.index("姓名/名称")] for row in rows[1:] if row[heads.index("姓名/名称")]]
    truth = set(pd.read_csv(demo_config.parent / "customers.csv", dtype=str)["name"].dropna())
    assert len(names) > 500
    assert all("*" in name for name in names)
    assert not truth & set(names)
    assert len(rows) - 1 == len(pd.read_parquet(rendered_reports.folder / "results" / "segments.parquet"))


def test_workbook_lists_customers_by_tier_and_who_answers_for_them(rendered_reports) -> None:
    book = openpyxl.load_workbook(rendered_reports.folder / "workbook.xlsx", read_only=True)
    names = ("客户分层清单 Customers", "维护目标责任表 Responsibilities")
    listed, responsible = (list(book[name].iter_rows(values_only=True)) for name in names)
    heads = [str(cell).split("\n")[1] for cell in listed[0]]
    tiers = [row[heads.index("Tier")] for row in listed[1:]]
    spent = [row[heads.index("Spend")] for row in listed[1:]]
    found = list(dict.fromkeys(tiers))
    assert found[:4] == ["高价值客户 High value", "潜力客户 Potential", "普通客户 Ordinary", "流失风险客户 Churn risk"]
    assert len(found) == len([key for key, _ in itertools.groupby(tiers)])
    top = spent[: tiers.count(found[0])]
    assert top == sorted(top, reverse=True)
    columns = [str(cell).split("\n")[1] for cell in responsible[0]]
    assert sum(row[columns.index("Customers")] for row in responsible[1:]) == len(tiers)
    assert {row[0] for row in responsible[1:] if "≥ 90.0%" in str(row[columns.index("Targets")])} == {found[0]}
    assert "待分配 to be assigned" in {row[columns.index("Responsible")] for row in responsible[1:]}
    assert {row[columns.index("Role in charge")] for row in responsible[1:] if row[0] == found[0]} == {
        "专属客户经理\ndedicated account manager"
    }


def test_workbook_begins_with_the_lists_to_act_from_and_prints_on_one_page_width(rendered_reports) -> None:
    book = openpyxl.load_workbook(rendered_reports.folder / "workbook.xlsx")
    assert book.sheetnames[:4] == [
        "说明 Read me", "预警名单 Warnings", "未联系的重点客户 Priority, uncontacted", "无人照看的大客户 Unattended",
    ]  # fmt: skip
    told = {row[0].value: row[2].value for row in book["说明 Read me"].iter_rows() if row[2].value}
    assert set(book.sheetnames[1:]) <= set(told)
    assert "空白表示无法判断" in told["风险信号 Signals"]
    assert "Blank: cannot be told" in told["风险信号 Signals"]
    for sheet in book:
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert (sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight) == (1, 0)
        assert sheet.print_title_rows
        for cell in (cell for row in sheet.iter_rows() for cell in row):
            assert not isinstance(cell.value, bool)
            assert not cell.number_format.rstrip("#").endswith(".")


def test_warnings_can_be_worked_with(rendered_reports, demo_config: Path) -> None:
    book = openpyxl.load_workbook(rendered_reports.folder / "workbook.xlsx")
    page = book["预警名单 Warnings"]
    heads = [str(cell.value).split("\n")[1] for cell in page[1]]
    inputs = ["Status (choose)", "Result (choose)", "Reason learnt (choose)", "Remark (fill in)"]
    assert heads[-4:] == inputs
    assert {page.cell(2, len(heads) - back).fill.start_color.rgb for back in range(4)} == {"FFFFF8DC"}
    chosen = []
    for rule in page.data_validations.dataValidation:
        name, _, cells = rule.formula1.replace("$", "").replace("'", "").partition("!")
        chosen.append([cell.value for (cell,) in book[name][cells]])
        assert str(rule.sqref).endswith(str(page.max_row))
    assert chosen[0] == ["未开始 planned", "进行中 in progress", "已完成 done", "已取消 cancelled"]
    assert chosen[1] == ["已接受 accepted", "已联系上 reached", "已拒绝 declined", "未联系上 no answer"]
    assert len(chosen[2]) == 7
    assert "价格 price" in chosen[2]
    customers = pd.read_csv(demo_config.parent / "customers.csv", dtype=str).set_index("customer_id")
    results = rendered_reports.folder / "results"
    signals = pd.read_parquet(results / "churn_signals.parquet").set_index("customer_id")["signal_count"]
    silent = pd.read_parquet(results / "warning_list.parquet").set_index("customer_id")["recency_days"]
    rows = [dict(zip(heads, (cell.value for cell in row), strict=True)) for row in page.iter_rows(min_row=2)]
    assert len(rows) > 20
    said = {"true": "已授权 given", "false": "未授权，不得营销 refused: no marketing",
            "absent": "未记录，须先征得同意 not recorded: ask first"}  # fmt: skip
    consent = customers["marketing_consent"].to_dict()
    for row in rows:
        id_ = row["customer id"]
        assert row["consent to marketing"] == said[consent.get(id_, "absent")]
        assert row["Signals"] == signals[id_]
        named = (row["Risk signals shown"] or "").split("\n")[0]
        assert len([part for part in re.split("、|和", named) if part]) >= row["Signals"]
        assert row["Days since last order"] == silent[id_]
        assert row["Responsible"]
        assert id_ in consent or row["Responsible"] == "待分配 to be assigned"


def test_identified_workbook_holds_names(own_config: Path, tmp_path: Path) -> None:
    from crm_analysis.opening import open_workspace
    from crm_analysis.reporting.workbook import save_workbook

    path = save_workbook(open_workspace(own_config, quarter=QUARTER), tmp_path / "w.xlsx", identified=True)
    book = openpyxl.load_workbook(path, read_only=True)
    cells = {cell for row in book["客户分层清单 Customers"].iter_rows(values_only=True) for cell in row}
    truth = set(pd.read_csv(own_config.parent / "customers.csv", dtype=str)["name"].dropna().str.strip())
    assert len(truth & cells) > 0.9 * len(truth)


def test_same_input_same_bytes_whatever_the_folder_and_the_cache(
    rendered_reports, own_config: Path, tmp_path: Path
) -> None:
    shutil.rmtree(own_config.parent / ".cache")
    outcome = make_report(_request(own_config, tmp_path / "reports"))
    again, first = _contents(outcome.folder), _contents(rendered_reports.folder)
    assert again.keys() == first.keys()
    assert [name for name in first if first[name] != again[name]] == []


def test_unchanged_input_is_not_computed_again(rendered_reports, demo_config: Path, tmp_path: Path) -> None:
    outcome = make_report(_request(demo_config, tmp_path / "reports", quarter=QUARTER))
    assert all(entry["cached"] for entry in _manifest(outcome.folder)["results"])
    assert _contents(outcome.folder) == _contents(rendered_reports.folder)


def test_part_of_a_report_goes_to_a_folder_of_its_own(rendered_reports, demo_config: Path, tmp_path: Path) -> None:
    outcome = make_report(_request(demo_config, tmp_path / "reports", only=("segmentation",), languages=("en",)))
    assert outcome.folder.name == f"{QUARTER}.partial"
    assert [path.name for path in outcome.files] == ["report.en.html"]
    assert _manifest(outcome.folder)["is_partial"]
    assert not (tmp_path / "reports" / QUARTER).exists()


# -- failures ----------------------------------------------------------------------------------------------------------


def _broken_notebooks(folder: Path, monkeypatch: pytest.MonkeyPatch, *, source: str) -> None:
    """Put a failing cell into a copy of the evaluation notebook, the only chapter left."""
    chapter = next(notebooks.notebook_folder().glob("6_*.ipynb"))
    notebook = nbformat.read(chapter, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(source, id="broken"))
    folder.mkdir()
    nbformat.write(notebook, folder / chapter.name)
    monkeypatch.setattr(notebooks, "notebook_folder", lambda: folder)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("# sum up\n1 / 0", r"notebook 6_evaluation, code cell \d+ \(# sum up\): ZeroDivisionError"),
        ("scorecard", "6_evaluation"),
        ('print("hello")', "6_evaluation"),
        ('import warnings\nwarnings.warn("careful")', "6_evaluation"),
    ],
    ids=["error", "bare frame", "printed line", "warning"],
)
def test_failure_leaves_the_last_good_report_and_keeps_the_notebook(
    own_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: str
) -> None:
    reports = tmp_path / "reports"
    (reports / QUARTER).mkdir(parents=True)
    (reports / QUARTER / "report.zh.html").write_text("the last good one", "utf-8")
    _broken_notebooks(tmp_path / "notebooks", monkeypatch, source=source)
    with pytest.raises(CRMError, match=told) as caught:
        make_report(_request(own_config, reports, languages=("en",)))
    assert caught.value.exit_code == 1
    assert (reports / QUARTER / "report.zh.html").read_text("utf-8") == "the last good one"
    assert [path.name for path in (reports / f"{QUARTER}.failed").iterdir()] == ["6_evaluation.en.ipynb"]
    assert not (reports / ".building").exists()


def test_result_that_fails_does_so_in_the_cell_that_asks_for_it(
    own_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from crm_analysis.graph import RESULTS\nfrom dataclasses import replace\n"
    source += 'RESULTS["validity"] = replace(RESULTS["validity"], compute=None, name="validity", reads=("segments",))\n'
    source += 'ws.result("validity")'
    _broken_notebooks(tmp_path / "notebooks", monkeypatch, source=source)
    with pytest.raises(CRMError, match=r"6_evaluation, code cell \d+ .*TypeError"):
        make_report(_request(own_config, tmp_path / "reports", languages=("en",)))


def test_whole_run_has_a_limit_on_time(own_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = own_config.read_text("utf-8") + "report: {total_minutes: 0.02}\n"
    own_config.write_text(text, "utf-8")
    with pytest.raises(runner.TimeUpError, match=r"longer than 0.02 minutes[\s\S]*raise report.total_minutes"):
        make_report(_request(own_config, tmp_path / "reports", refresh=True))
    assert not (tmp_path / "reports" / QUARTER).exists()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--config", "absent.yml"], 2, "there is no such file"),
        (["--quarter", "2025Q9"], 2, "is not a quarter"),
        (["--lang", "fr"], 2, "'fr'|fr is no language"),
        (["--only", "segments"], 2, "there is no chapter 'segments'"),
        (["--quater", "2025Q3"], 2, "--quater"),
        (["--quarter", "2019Q1"], 1, "ends before the first order"),
        (["--quarter", "2031Q1"], 1, "begins after the newest order"),
    ],
)
def test_exit_status_and_message(
    demo_config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: Sequence[str],
    status: int,
    told: str,
) -> None:
    config = [] if "--config" in arguments else ["--config", str(demo_config)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["crm-analysis", "report", *config, "--reports", "reports", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == status
    assert re.search(told, said), said
    assert "Traceback" not in said


def test_absent_file_is_a_fault_of_the_data(own_config: Path, tmp_path: Path) -> None:
    (own_config.parent / "orders.csv").rename(own_config.parent / "order.csv")
    command = _command("report", "--config", own_config, "--reports", tmp_path / "reports")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no file matches 'orders.csv'" in done.stderr
    assert "did you mean 'order.csv'?" in done.stderr


def test_interrupted_run_says_so_and_leaves_no_half_report(own_config: Path, tmp_path: Path) -> None:
    command = _command("report", "--config", own_config, "--reports", tmp_path / "reports", "--no-cache")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not list((tmp_path / "reports").glob(".building/*")):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Interrupted; the last good report is untouched." in said
    assert [path.name for path in (tmp_path / "reports").iterdir()] == [".lock"]


def test_killed_at_random_moments_the_last_report_opens_and_the_next_run_works(
    own_config: Path, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    command = _command("report", "--config", own_config, "--reports", reports, "--lang", "en")
    begun = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - begun
    good = _contents(reports / QUARTER)
    moments = random.Random(7)
    for _ in range(KILLS):
        shutil.rmtree(own_config.parent / ".cache" / "notebooks", ignore_errors=True)
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(moments.uniform(0.2, whole))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        places = (reports / QUARTER, reports / ".previous" / QUARTER)
        assert any(place.is_dir() and _contents(place) == good for place in places)
    subprocess.run(command, check=True, capture_output=True)
    assert _contents(reports / QUARTER) == good
    assert not (reports / ".building").exists()
