"""Settings and data looked through without making a report: a row per thing checked, in plain words.

It loads through the same code as a report, so the next report finds the typed tables in the cache.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from crm_analysis.base.errors import CRMError, DataError, Problem, SettingsError
from crm_analysis.base.period import Quarter
from crm_analysis.opening import choose_quarter, open_company, order_range
from crm_analysis.sources import quarantine
from crm_analysis.sources.schema import TABLES
from crm_analysis.workspace import Workspace

Status = Literal["ok", "look", "fail"]
SYMBOLS: dict[Status, tuple[str, str, str]] = {
    "ok": ("✓", "+", "green"), "look": ("!", "!", "yellow"), "fail": ("✗", "x", "red"),
}  # fmt: skip
#: Rules that put rows aside as they should, or because of what is told of another table.
_MEANT = ("void_status", quarantine.NOT_USED)
_RULES_SHOWN = 3


@dataclass(frozen=True)
class Row:
    """One thing checked: what was found, and what is wrong with it."""

    status: Status
    name: str
    found: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Checked:
    """All rows of a check.

    Attributes
    ----------
    exit_code
        0 a report can be made, 1 data cannot be used, 2 settings cannot be used.
    """

    rows: tuple[Row, ...]
    exit_code: int

    def count(self, status: Status) -> int:
        """Return how many rows have a status."""
        return sum(row.status == status for row in self.rows)


def check_company(config: Path, *, quarter: str = "latest", today: date | None = None) -> Checked:
    """Return what there is to say of settings and data.

    Parameters
    ----------
    quarter
        As for a report.
    today
        Orders dated later are told, and never make a quarter the latest.
    """
    try:
        ws = open_company(config, lang="en")
    except SettingsError as error:
        return Checked((_failed("settings", error, f"{config} cannot be used"),), error.exit_code)
    rows = [Row("ok", "settings", f"{config}, preset {ws.settings.preset}, {ws.settings.timezone}")]
    asked, exit_code = _asked_rows(quarter, first_month=ws.settings.fiscal_year_first_month)
    try:
        report = ws.loaded.report
    except DataError as error:
        return Checked((*rows, *_unloaded_rows(ws, error), *asked), max(exit_code, error.exit_code))
    rows += [_table_row(str(name), part, ws=ws) for name, part in report.groupby("table", sort=False)]
    if asked:
        return Checked((*rows, *asked, _absent_row(report, ws=ws)), exit_code)
    try:
        rows += _quarter_rows(ws, quarter, today=today)
    except CRMError as error:
        rows.append(_failed("quarter", error, f"{quarter} cannot be reported"))
        exit_code = error.exit_code
    return Checked((*rows, _absent_row(report, ws=ws)), exit_code)


def check_table(checked: Checked, *, ascii_only: bool = False) -> Table:
    """Return the rows as a table for the terminal, problems under the row that they belong to."""
    table = Table(box=box.ASCII2 if ascii_only else box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("status", no_wrap=True)
    table.add_column("checked", no_wrap=True)
    table.add_column("found", overflow="fold")
    for row in checked.rows:
        symbol, plain, colour = SYMBOLS[row.status]
        lines = [row.found]
        for problem in row.problems:
            lines += [f"- {problem.what}", f"  where: {problem.where}", f"  fix: {problem.fix}"]
        status = Text(f"{plain if ascii_only else symbol} {row.status.upper()}", style=colour)
        table.add_row(status, Text(row.name), Text("\n".join(lines)))
    return table


def check_verdict(checked: Checked, *, config: Path, quarter: str) -> str:
    """Return the last line: what can be done now."""
    look, failed = checked.count("look"), checked.count("fail")
    looks = f"{look} to look at" if look else "nothing to look at"
    if failed:
        what = "settings" if checked.exit_code == SettingsError.exit_code else "data"
        return f"No report can be made: the {what} cannot be used ({failed} failed, {looks}). Mend it and check again."
    asked = "" if quarter == "latest" else f" --quarter {quarter}"
    return f"A report can be made ({looks}): crm-analysis report --config {config}{asked}"


def _failed(name: str, error: CRMError, found: str) -> Row:
    count = len(error.problems)
    return Row("fail", name, f"{found}: {count} problem{'s' if count != 1 else ''}", error.problems)


def _asked_rows(quarter: str, *, first_month: int) -> tuple[list[Row], int]:
    """Return a row, and the exit status, for the name of a quarter that is none."""
    if quarter == "latest":
        return [], 0
    try:
        Quarter.parse(quarter, first_month=first_month)
    except SettingsError as error:
        return [_failed("quarter", error, f"{quarter} cannot be asked for")], error.exit_code
    return [], 0


def _unloaded_rows(ws: Workspace, error: DataError) -> list[Row]:
    """Return a row per table of the settings when loading failed, and one for what belongs to no table."""
    data = ws.settings.data
    names = [*data.tables, *(name for name in ("order_lines", "rates") if getattr(data, name) is not None)]
    by_table: dict[str, list[Problem]] = {}
    for problem in error.problems:
        found = re.match(r"data\.(?:tables\.)?(\w+)", problem.where)
        name = found[1] if found else ""
        if name == "order_items" and name not in names:
            name = "order_lines"
        by_table.setdefault(name if name in names else "data", []).append(problem)
    rows = [
        _failed(name, DataError(by_table[name]), "cannot be used")
        if name in by_table
        else Row("look", name, "not judged: nothing is loaded while another table cannot be used")
        for name in names
    ]
    return [*rows, *([_failed("data", DataError(by_table["data"]), "cannot be used")] if "data" in by_table else [])]


def _table_row(name: str, part: pd.DataFrame, *, ws: Workspace) -> Row:
    """Return rows read, used and put aside of one table: its part of the load report."""
    counts = {str(rule): int(n) for rule, n in zip(part["rule"], part["row_count"], strict=True) if n > 0}
    told = {rule.removeprefix(quarantine.NOTE): n for rule, n in counts.items() if rule.startswith(quarantine.NOTE)}
    aside = quarantine.reasons(part, name)
    used, put_aside = counts.get(quarantine.USED, 0), sum(aside.values())
    found = f"{used + put_aside:,} rows read, {used:,} used"
    if put_aside:
        found += f", {put_aside:,} put aside ({_ranked(aside)})"
    problems = []
    faults = {rule: n for rule, n in aside.items() if rule not in _MEANT}
    if faults:
        money = pd.to_numeric(part.loc[part["rule"].isin(faults), "amount"]).sum()
        carrying = f", carrying {ws.words.format_money(float(money))}" if money else ""
        what = f"{sum(faults.values()):,} rows cannot be used{carrying}: {_ranked(faults, shown=len(faults))}"
        problems.append(Problem(what, _where(name, ws), f"see them in {_quarantine(name, ws)}; mend the export"))
    if told:
        what = f"remarks on rows that are used all the same: {_ranked(told, shown=len(told))}"
        fix = "unparsable values are left empty: mend the export, or map them in the settings"
        problems.append(Problem(what, _where(name, ws), fix))
    return Row("look" if problems else "ok", name, found, tuple(problems))


def _ranked(counts: Mapping[str, int], *, shown: int = _RULES_SHOWN) -> str:
    """Return counts by rule, most first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = f", {len(ordered) - shown} more" if len(ordered) > shown else ""
    return ", ".join(f"{rule} {count:,}" for rule, count in ordered[:shown]) + more


def _where(name: str, ws: Workspace) -> str:
    if name in ws.settings.data.tables:
        return f"data.tables.{name}"
    return "data.rates" if name == "rates" else "data.order_lines"


def _quarantine(name: str, ws: Workspace) -> str:
    path = ws.shared.cache / "tables" / ws.loaded.fingerprint / "quarantine" / f"{name}.parquet"
    return str(path.relative_to(ws.shared.folder) if path.is_relative_to(ws.shared.folder) else path)


def _quarter_rows(ws: Workspace, quarter: str, *, today: date | None) -> list[Row]:
    chosen = choose_quarter(ws, quarter, today=today)
    try:
        latest = f"the latest finished one is {choose_quarter(ws, 'latest', today=today)}"
    except DataError:
        latest = "no quarter is finished"
    name = f"{chosen}, {chosen.start} to {chosen.last_day}"
    rows = [Row("ok", "quarter", name if quarter == "latest" else f"{name} (asked for; {latest})")]
    coverage = ws.at(chosen).result("coverage")
    return [*rows, _coverage_row(coverage, newest=order_range(ws)[1], today=today)]


def _coverage_row(coverage: dict[str, Any], *, newest: date, today: date | None) -> Row:
    problems = []
    if not coverage["is_complete"]:
        what = f"{coverage['quarter']} is not complete: {coverage['missing_days']} days are missing"
        fix = "ask for 'latest', export later, or read its figures as interim results: the report says so, too"
        problems.append(Problem(what, "orders.ordered_at", fix))
    if today is not None and newest > today:
        fix = "set data.exported_on to the day of the export, so that they are put aside; mend their dates"
        problems.append(Problem(f"orders are dated after today ({today})", "orders.ordered_at", fix))
    reach = f"orders reach from {coverage['first_order_date']} to {coverage['newest_order_date']}"
    return Row("look" if problems else "ok", "coverage", reach, tuple(problems))


def _absent_row(report: pd.DataFrame, *, ws: Workspace) -> Row:
    """Return the tables that are not given, and what each would add."""
    absent: Sequence[str] = [name for name in TABLES if name not in set(report["table"])]
    if not absent:
        return Row("ok", "not given", "nothing: every table of the data contract is there")
    lines = [f"{name} would add: {ws.words.word(f'adds.{name}')}" for name in absent]
    return Row("ok", "not given", "\n".join([f"{len(absent)} optional tables; the report goes without", *lines]))
