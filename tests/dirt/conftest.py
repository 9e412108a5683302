"""A tiny company to be broken at will, its last good report, and what a good or a refused run must look like.

Sixty customers ``c01`` to ``c60`` buy from April to September 2025: customer ``n`` in every month whose number the
divisor ``n % 3 + 1`` divides, on day ``1 + n % 28``, for ``100 + n``. So the third quarter has 100 orders of 13,090:
20 customers with 3 orders (3 x 2,630), 20 with one in August (2,590) and 20 with one in September (2,610).
"""

import csv
import io
import os
import re
import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import nbformat
import pandas as pd
import pytest
import yaml
from filelock import FileLock

import crm_analysis
from crm_analysis.base.errors import CRMError, DataError
from crm_analysis.graph import RESULTS
from crm_analysis.opening import open_workspace
from crm_analysis.reporting.notebooks import find_chapters
from crm_analysis.reporting.request import Request
from crm_analysis.reporting.runner import make_report
from crm_analysis.reporting.show import MARK, Show
from crm_analysis.workspace import Workspace

QUARTER = "2025Q3"
TODAY = date(2025, 10, 8)
NOW = datetime(2025, 10, 8, 6, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
CUSTOMERS = 60
MONTHS = range(4, 10)
REVENUE = 13_090
CHAPTERS = 7
Rows = list[dict[str, Any]]


# -- the company -------------------------------------------------------------------------------------------------------


def _orders() -> Rows:
    months = [(n, month) for n in range(1, CUSTOMERS + 1) for month in MONTHS if month % ((n % 3) + 1) == 0]
    return [
        {
            "order_id": f"o{number}",
            "customer_id": f"c{n:02}",
            "ordered_at": f"2025-{month:02}-{1 + n % 28:02} 10:00:00",
            "amount": 100 + n,
            "channel": ("online", "store")[n % 2],
            "region": ("north", "south")[n % 2],
        }
        for number, (n, month) in enumerate(months, start=1)
    ]


def _customers() -> Rows:
    return [
        {
            "customer_id": f"c{n:02}",
            "kind": "person",
            "name": f"Customer {n}",
            "phone": f"1990000{n:04}",
            "region": ("north", "south")[n % 2],
            "registered_at": f"2024-12-{1 + n % 28:02} 09:00:00",
            "acquisition_channel": ("fair", "referral")[n % 2],
            "owner": ("w1", "w2", "w3")[n % 3],
        }
        for n in range(1, CUSTOMERS + 1)
    ]


def _interactions() -> Rows:
    return [
        {
            "interaction_id": f"i{n}",
            "customer_id": f"c{n:02}",
            "opened_at": f"2025-{1 + n % 9:02}-05 10:00:00",
            "first_human_reply_at": f"2025-{1 + n % 9:02}-05 12:00:00",
            "resolved_at": f"2025-{1 + n % 9:02}-06 12:00:00",
            "channel": ("phone", "email")[n % 2],
            "direction": ("in", "out")[n % 2],
            "kind": ("inquiry", "complaint", "call")[n % 3],
            "reason": "price",
        }
        for n in range(1, CUSTOMERS + 1)
    ]


def _surveys() -> Rows:
    return [
        {
            "survey_id": f"s{n}",
            "customer_id": f"c{n:02}",
            "sent_at": f"2025-{1 + n % 9:02}-10 10:00:00",
            "answered_at": f"2025-{1 + n % 9:02}-11 10:00:00",
            "question": question,
            "score": score,
            "scale_min": low,
            "scale_max": high,
        }
        for n in range(1, CUSTOMERS + 1)
        for question, score, low, high in [("satisfaction", 1 + n % 5, 1, 5), ("nps", n % 11, 0, 10)]
    ]


def _tables() -> dict[str, Rows]:
    """Return every table of the contract as rows, small and clean."""
    orders = _orders()
    some = range(1, 7)
    return {
        "customers": _customers(),
        "orders": orders,
        "order_items": [
            {"order_id": row["order_id"], "product_id": "p1", "category": ("tea", "cups")[k % 2], "quantity": 1,
             "amount": row["amount"]}
            for k, row in enumerate(orders)
        ],
        "interactions": _interactions(),
        "surveys": _surveys(),
        "contracts": [
            {"contract_id": f"k{n}", "customer_id": f"c{n:02}", "start_date": "2024-09-01", "end_date": "2025-08-01",
             "amount": 500}
            for n in some
        ],
        "actions": [
            {"action_id": f"a{n}", "customer_id": f"c{n:02}", "kind": "call", "assigned_at": "2025-07-02 09:00:00",
             "is_control": "false", "owner": "w1", "due_date": "2025-08-01", "done_at": "2025-07-20 09:00:00",
             "status": "done", "cost": 20}
            for n in some
        ],
        "opportunities": [
            {"opportunity_id": f"q{n}", "customer_id": f"c{n:02}", "stage": "closed", "entered_at":
             "2025-08-02 09:00:00", "amount": 100, "closed_at": "2025-08-02 09:00:00", "won": ("yes", "no")[n % 2]}
            for n in some
        ],
        "events": [
            {"customer_id": f"c{n:02}", "at": "2025-08-02 09:00:00", "event": "visit", "dwell_seconds": 30}
            for n in some
        ],
        "interviews": [
            {"interview_id": f"v{n}", "held_on": "2025-08-02", "role": "sales", "topic": "high_churn"} for n in some
        ],
        "overrides": [
            {"customer_id": "c01", "scheme": "eight_types", "tier": "important_value", "decided_at":
             "2025-07-02 09:00:00", "decided_by": "w1", "reason": "known well", "expires_on": "2026-07-01"}
        ],
        "customers_history": [
            {"customer_id": "c01", "field": "region", "value": "south", "changed_at": "2025-02-01 09:00:00"}
        ],
        "receivables": [
            {"invoice_id": f"r{n}", "customer_id": f"c{n:02}", "invoiced_on": "2025-07-02", "due_date": "2025-08-01",
             "amount": 100, "paid_on": "2025-07-30"}
            for n in some
        ],
        "budgets": [
            {"quarter": "2025Q3", "tier": "important_value", "purpose": "care", "granted_amount": 100,
             "used_amount": 50}
        ],
    }  # fmt: skip


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV with a heading."""
    out = io.StringIO()
    heads = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@dataclass
class Company:
    """A company on disk: rows by table, settings, a folder. Change the rows, then :meth:`write`."""

    folder: Path
    tables: dict[str, Rows]
    settings: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    good: Path = Path()

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "crm.yml"

    @property
    def reports(self) -> Path:
        """The folder of reports."""
        return self.folder / "reports"

    def keep(self, *names: str) -> None:
        """Drop all tables but these."""
        self.tables = {name: rows for name, rows in self.tables.items() if name in names}

    def write(self) -> Path:
        """Write settings and tables; return the settings file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        data = {name: {"path": f"{name}.csv"} | self.sources.get(name, {}) for name in self.tables}
        for name, rows in self.tables.items():
            (self.folder / f"{name}.csv").write_text(csv_text(rows), "utf-8")
        data_settings = {"tables": data} | self.settings.get("data", {})
        given: dict[str, Any] = {
            "company": {"zh": "小公司", "en": "Tiny company"},
            "segmentation": {"rfm": {"minimum_history_days": 60}},
            "evaluation": {"trend_quarters": 2},
        }
        given |= self.settings | {"data": data_settings}
        self.config.write_text(yaml.safe_dump(given, allow_unicode=True, sort_keys=False), "utf-8")
        return self.config

    def overwrite(self, name: str, content: bytes | str) -> None:
        """Replace a file that :meth:`write` made."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def request(self, **more: Any) -> Request:
        """Return what to make: one language unless told."""
        asked = {"quarter": QUARTER, "languages": ("en",)} | more
        return Request(self.config, self.reports, today=TODAY, now=NOW, **asked)

    def command(self, *more: object) -> list[str]:
        """Return the command line that makes the same report."""
        asked = ["--config", self.config, "--reports", self.reports, "--quarter", QUARTER, "--lang", "en", *more]
        return [sys.executable, "-m", "crm_analysis.cli", "report", *map(str, asked)]

    def workspace(self, *, quarter: str = QUARTER, lang: str = "en") -> Workspace:
        """Open the workspace."""
        return open_workspace(self.config, quarter=quarter, lang=lang, today=TODAY)

    # -- what must come out of it --------------------------------------------------------------------------------

    def refused(self, *told: str, kind: type[CRMError] = DataError, **asked: Any) -> CRMError:
        """Ask for a report that must be refused for a reason that is told; return the error.

        The error is of that kind itself, not a failing notebook that happens to be an error of ours; every problem
        says what, where and how to mend it; the last good report is the same byte for byte, and nothing lies about.
        """
        with pytest.raises(kind, match=kind.title) as caught:
            make_report(self.request(**asked))
        assert type(caught.value) is kind
        for problem in caught.value.problems:
            assert problem.what
            assert problem.where
            assert problem.fix
        missing = [text for text in told if text not in str(caught.value)]
        assert not missing, f"{missing} not in: {caught.value}"
        self.check_nothing_changed()
        return caught.value

    def made(self, *, read: Mapping[str, int] | None = None, **asked: Any) -> str:
        """Make a whole report, check that it is whole and that the one before is kept; return the page.

        Parameters
        ----------
        read
            Records in the files, where Python's reader of CSV counts others than the company has rows.
        """
        (lang,) = asked.get("languages", ("en",))
        outcome = make_report(self.request(**asked))
        self.check_rows(pd.read_parquet(outcome.folder / "results" / "load_report.parquet"), read=read)
        page = (outcome.folder / f"report.{lang}.html").read_text("utf-8")
        check_page(page)
        assert zipfile.is_zipfile(outcome.folder / "workbook.xlsx")
        assert (outcome.folder / "manifest.json").is_file()
        assert not (self.reports / ".building").exists()
        kept = self.reports / (f".previous/{QUARTER}" if outcome.quarter == QUARTER else QUARTER)
        assert contents(kept) == contents(self.good)
        return page

    def computed(self, *names: str, read: Mapping[str, int] | None = None, **asked: Any) -> Workspace:
        """Compute the results of these names, by default every one, and check that no row is lost."""
        ws = self.workspace(**asked)
        for name in names or RESULTS:
            ws.ensure(name)
        self.check_rows(ws.result("load_report"), read=read)
        return ws

    def check_rows(self, report: pd.DataFrame, *, read: Mapping[str, int] | None = None) -> None:
        """Check that rows in the files = used + quarantined."""
        counted = report.loc[~report["rule"].str.startswith("note.") & (report["rule"] != "read")]
        found = counted.groupby("table")["row_count"].sum().to_dict()
        wanted = {name: (read or {}).get(name) or self.rows_in_file(name) for name in self.tables}
        assert {name: found.get(name, 0) for name in wanted} == wanted

    def rows_in_file(self, name: str) -> int:
        """Return how many records a file holds, counted by Python's own reader."""
        with (self.folder / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            return sum(1 for _ in csv.DictReader(stream))

    def revenue(self, ws: Workspace) -> float:
        """Return the revenue of the quarter as the scorecard has it."""
        return float(ws.result("scorecard").set_index("kpi").loc["revenue", "value"])

    def check_nothing_changed(self) -> None:
        """Check that the last good report is the same byte for byte and nothing half made lies beside it."""
        assert contents(self.reports / QUARTER) == contents(self.good)
        beside = {path.name for path in self.reports.iterdir()} - {QUARTER, f"{QUARTER}.failed", ".lock", "index.html"}
        assert not beside


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class _Page(HTMLParser):
    """Collects chapters, elements and what is to be read."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)


def check_page(html: str) -> None:
    """Check that a page is a whole report that management can read: all chapters, nothing of the machine."""
    page = _Page()
    page.feed(html)
    page.close()
    assert html.lstrip().lower().startswith("<!doctype html>")
    assert html.rstrip().endswith("</html>")
    assert page.tags["h2"] >= CHAPTERS
    assert not {"script", "iframe", "object", "embed"} & set(page.tags)
    text = " ".join(page.text)
    found = re.search(r"Traceback|Error\b|\b(nan|NaN|NaT|None|inf)\b|<NA>", text)
    assert found is None, text[max(found.start() - 100, 0) : found.end() + 100]


def shown(ws: Workspace, *, chapters: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the cells of notebooks in this process and return the findings, empty sections and notes shown."""
    told: list[str] = []

    def emit(data: Mapping[str, str], metadata: Mapping[str, Any]) -> None:
        if metadata[MARK]["kind"] in {"finding", "missing", "note"}:
            told.append(unescape(re.sub(r"<[^>]+>", " ", data["text/html"])).strip())

    show = Show(ws.words, emit=emit)
    monkeypatch.setattr(crm_analysis, "open_notebook", lambda *_, **__: (ws, show), raising=False)
    for chapter in find_chapters(chapters):
        names: dict[str, Any] = {"config": "", "quarter": "", "lang": ""}
        for cell in nbformat.read(chapter.path, as_version=4).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, chapter.name, "exec"), names)
    return told


# -- fixtures ----------------------------------------------------------------------------------------------------------


def _shared_folder(factory: pytest.TempPathFactory) -> Path:
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Return the clean company with its report, made once for all workers; read-only by agreement."""
    company = Company(_shared_folder(tmp_path_factory) / "tiny", _tables())
    company.good = company.reports / QUARTER
    with FileLock(f"{company.folder}.lock"):
        if not (company.good / "manifest.json").is_file():
            company.write()
            make_report(company.request())
    return company


@pytest.fixture
def company(good: Company, tmp_path: Path) -> Company:
    """Return the clean company, not yet written, with its last good report and nothing in the cache."""
    shutil.copytree(good.good, tmp_path / "company" / "reports" / QUARTER)
    return Company(tmp_path / "company", _tables(), good=good.good)


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return ``says(ws, *chapters)``: the sentences that the notebooks, all by default, show of a workspace."""
    return lambda ws, *chapters: shown(ws, chapters=chapters, monkeypatch=monkeypatch)
