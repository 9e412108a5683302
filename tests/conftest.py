"""What all tests share: options, the demo company and its rendered report, canonical tables made by hand."""

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest
from filelock import FileLock
from hypothesis import settings

from crm_analysis.sources.schema import TABLES, Table, Type

ZONE = "Asia/Shanghai"
DEMO_CUSTOMERS = 800
DEMO_QUARTER = "2025Q3"
Rows = Sequence[Mapping[str, Any]]
MakeTables = Callable[..., dict[str, ibis.Table]]


#: A loaded machine is slow, not wrong; where CI is set, every run draws the same examples.
settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")
#: Queries are many small objects that stay: collecting garbage seldom saves a good part of the time.
gc.set_threshold(50_000, 20, 50)


# -- options -----------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--reference-data",
        metavar="DIR",
        default=None,
        help="folder of the published data sets; tests marked 'reference' are skipped without it",
    )


@pytest.fixture(scope="session")
def reference_data(request: pytest.FixtureRequest) -> Path:
    """Return the folder of published data sets; an option that names no folder is an error, not a skip."""
    given = request.config.getoption("--reference-data")
    if given is None:
        pytest.skip("needs the published data sets: --reference-data DIR")
    folder = Path(given).expanduser().resolve()
    if not folder.is_dir():
        pytest.fail(f"--reference-data: there is no folder {folder}", pytrace=False)
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what reads the demo's report on one worker: another would wait for it, or make it twice."""
    for item in items:
        if "rendered_reports" in getattr(item, "fixturenames", ()) or "demo-" in item.name:
            item.add_marker(pytest.mark.xdist_group("demo_report"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _in_ci():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}\nno test may be skipped where CI is set: {reason}"
    return report


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


# -- the demo company --------------------------------------------------------------------------------------------------


def _shared_folder(factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all workers of a run see."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def demo_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the settings file of a small demo company, made once for all workers; read-only by agreement."""
    from crm_analysis.sources.demo import make_demo

    folder = _shared_folder(tmp_path_factory) / "demo"
    with FileLock(f"{folder}.lock"):
        if not (folder / "crm.yml").is_file():
            make_demo(folder, customers=DEMO_CUSTOMERS)
    return folder / "crm.yml"


@dataclass(frozen=True)
class RenderedReports:
    """The report of the demo: its two pages, and the folder that also holds workbook, results and manifest."""

    folder: Path

    @property
    def zh(self) -> Path:
        return self.folder / "report.zh.html"

    @property
    def en(self) -> Path:
        return self.folder / "report.en.html"


@pytest.fixture(scope="session")
def rendered_reports(demo_config: Path, tmp_path_factory: pytest.TempPathFactory) -> RenderedReports:
    """Return the whole report of the demo, rendered once for all workers."""
    from crm_analysis.reporting.runner import Request, make_report

    reports = _shared_folder(tmp_path_factory) / "reports"
    rendered = RenderedReports(reports / DEMO_QUARTER)
    with FileLock(f"{reports}.lock"):
        if not (rendered.folder / "manifest.json").is_file():
            today, now = date(2025, 10, 8), datetime(2025, 10, 8, 6, 30, tzinfo=ZoneInfo(ZONE))
            make_report(Request(demo_config, reports, today=today, now=now, quarter=DEMO_QUARTER))
    return rendered


# -- canonical tables by hand ------------------------------------------------------------------------------------------

#: What a test need not say of a row; ``{n}`` is its number.
DEFAULTS: dict[str, dict[str, Any]] = {
    "customers": {"customer_id": "c{n}"},
    "orders": {"order_id": "o{n}", "customer_id": "c1", "amount": 100},
    "order_items": {"product_id": "p1", "quantity": 1, "amount": 100},
    "interactions": {"interaction_id": "i{n}", "customer_id": "c1", "channel": "phone", "direction": "in",
                     "kind": "inquiry"},
    "surveys": {"survey_id": "s{n}", "customer_id": "c1", "question": "satisfaction", "scale_min": 1, "scale_max": 5},
    "contracts": {"contract_id": "k{n}", "customer_id": "c1"},
    "actions": {"action_id": "a{n}", "kind": "call", "is_control": False, "owner": "w1", "status": "planned",
                "due_date": "2025-12-31"},
    "opportunities": {"opportunity_id": "op{n}", "customer_id": "c1", "stage": "lead"},
    "events": {"customer_id": "c1", "event": "visit"},
    "interviews": {"interview_id": "v{n}", "role": "sales", "topic": "slow_response"},
    "overrides": {"customer_id": "c1", "scheme": "eight_types", "tier": "vip", "decided_by": "w1", "reason": "known",
                  "expires_on": "2026-12-31"},
    "customers_history": {"customer_id": "c1", "field": "region"},
    "receivables": {"invoice_id": "r{n}", "customer_id": "c1", "due_date": "2025-12-31", "amount": 100},
    "budgets": {"quarter": "2025Q3", "tier": "vip", "purpose": "care", "granted_amount": 100},
}  # fmt: skip
ARROW = {
    Type.ID: pa.string(),
    Type.TEXT: pa.string(),
    Type.CATEGORY: pa.string(),
    Type.DATE: pa.date32(),
    Type.TIME: pa.timestamp("us"),
    Type.MONEY: pa.decimal128(18, 4),
    Type.NUMBER: pa.float64(),
    Type.INTEGER: pa.int64(),
    Type.FLAG: pa.bool_(),
}


@pytest.fixture(scope="session")
def make_tables() -> MakeTables:
    """Return ``make(zone=..., orders=[...], ...)``: lists of mappings become canonical tables in a fresh engine.

    Times are given as local wall clocks (``"2025-07-01 10:00"``); the tables hold UTC, the derived local columns
    (``ordered_on``, ``ordered_hour``, ...) and ``is_refund``, as after loading. What a row leaves out is filled from
    ``DEFAULTS`` where the field is required, else null. Names that are no field are refused.
    """

    def make(*, zone: str = ZONE, **tables: Rows) -> dict[str, ibis.Table]:
        con = ibis.duckdb.connect()
        made = {}
        for name in [name for name in TABLES if name in tables]:
            made[name] = con.create_table(name, _arrow(TABLES[name], tables[name], zone=zone))
        unknown = set(tables) - set(made)
        assert not unknown, f"no tables: {unknown}"
        return made

    return make


def _arrow(table: Table, rows: Rows, *, zone: str) -> pa.Table:
    filled = []
    for n, row in enumerate(rows, start=1):
        unknown = set(row) - set(table.names)
        assert not unknown, f"{table.name} has no fields {unknown}"
        default = DEFAULTS[table.name].items()
        filled.append({k: v.format(n=n) if isinstance(v, str) else v for k, v in default} | dict(row))
    columns = {
        field.name: pa.array([_value(row.get(field.name), field.type, zone=zone) for row in filled], ARROW[field.type])
        for field in table
    }
    if table.time is not None and table[table.time].type is Type.TIME:
        stem = table.time.removesuffix("_at")
        day, hour = ("on_date", "on_hour") if table.time == "at" else (f"{stem}_on", f"{stem}_hour")
        clocks = [_clock(row.get(table.time)) for row in filled]
        columns[day] = pa.array([None if c is None else c.date() for c in clocks], pa.date32())
        columns[hour] = pa.array([None if c is None else c.hour for c in clocks], pa.int64())
    if table.name == "orders":
        refunds = [Decimal(str(row["amount"])) < 0 or row.get("refund_of") is not None for row in filled]
        columns["is_refund"] = pa.array(refunds, pa.bool_())
    return pa.table(columns)


def _value(value: Any, type_: Type, *, zone: str) -> Any:
    if value is None:
        return None
    match type_:
        case Type.TIME:
            clock = _clock(value)
            assert clock is not None
            return clock.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)
        case Type.DATE:
            return value if isinstance(value, date) else date.fromisoformat(value)
        case Type.MONEY:
            return Decimal(str(value)).quantize(Decimal("0.0001"))
        case Type.NUMBER:
            return float(value)
        case _:
            return value


def _clock(value: datetime | date | str | None) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(str(value))
