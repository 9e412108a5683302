"""The Excel workbook that staff work from: segment list, warning list, scorecard, strategy (REQUIREMENTS S12, C4, X5).

Names and contacts are masked unless ``identified``. Cells are written as text, numbers or days, never as formulas.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.privacy import DIRECT, mask
from crm_analysis.base.settings import Target
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn.contributions import format_reasons
from crm_analysis.evaluation.breakdown import WHOLE
from crm_analysis.evaluation.display import value_message
from crm_analysis.reporting.tables import word_of
from crm_analysis.segmentation.ranks import ranked_tiers
from crm_analysis.sources.schema import CUSTOMERS
from crm_analysis.strategy.table import format_strategy
from crm_analysis.workspace import Workspace

STRATEGY_TEXTS = ("frequency", "service", "resources", "owner", "due")
CONTACT_FIELDS = ("name", "phone", "contact_person", "owner")
#: Figures that tiers are decided by, beside those of the scores.
RECENT = ("order_count_90d", "spend_amount_90d", "order_count_365d", "spend_amount_365d")
#: A fixed day, so that the same results give the same bytes.
CREATED = datetime(2000, 1, 1)
WIDEST = 40
#: Columns of the scorecard whose unit is that of the row.
UNIT_COLUMNS = ("value", "company_value", "low", "high", "target", "previous_value", "year_ago_value", "change",
                "year_ago_change")  # fmt: skip
CHANGE_COLUMNS = ("change", "year_ago_change")


@dataclass(frozen=True)
class Sheet:
    """A sheet: its name, the rows, and how many rows there are in all."""

    name: str
    rows: pd.DataFrame
    total: int


def save_workbook(ws: Workspace, path: Path, *, identified: bool = False) -> Path:
    """Write the workbook of a report and return its path.

    Parameters
    ----------
    identified
        Write names and contacts in full instead of masked.
    """
    words = {lang: ws.speaking(lang).words for lang in LANGUAGES}
    sheets = [
        _customer_sheet(ws, "segments", _by_tier(ws), identified=identified),
        _customer_sheet(ws, "warning_list", _warned(ws, words=words), identified=identified),
        _customer_sheet(ws, "churn_signals", _signalled(ws), identified=identified),
        _customer_sheet(ws, "priority_customers", ws.result("priority_customers"), identified=identified),
        _customer_sheet(ws, "unattended_customers", ws.result("unattended_customers"), identified=identified),
        _overrides_sheet(ws, identified=identified),
        _sheet("scorecard", ws.result("scorecard")),
        _scorecard_sheet(ws, "tier"),
        _scorecard_sheet(ws, "owner"),
        _strategy_sheet(ws, words=words),
        _responsibilities_sheet(ws, words=words),
    ]
    with xlsxwriter.Workbook(
        str(path), {"strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": False}
    ) as book:
        book.set_properties({"created": CREATED, "title": ws.settings.company.zh})
        styles = _styles(book)
        _write_readme(book, ws, sheets, words=words, styles=styles, identified=identified)
        for sheet in sheets:
            _write_sheet(book, sheet, words=words, styles=styles)
    return path


def _by_tier(ws: Workspace) -> pd.DataFrame:
    """Return the customers tier by tier, the best tier and the largest spenders first."""
    rows = ws.result("segments").merge(ws.frame("features", ["customer_id", *RECENT]), on="customer_id")
    rows = rows.merge(ws.frame("tiers", ["customer_id", "raw_tier", "is_held", "is_overridden"]), on="customer_id")
    order = dict.fromkeys([*ranked_tiers(ws.settings.segmentation), *sorted(rows["tier"].unique())])
    places = {tier: place for place, tier in enumerate(order)}
    keyed = rows.assign(place=rows["tier"].map(places), most=-rows["spend_amount"])
    ordered = keyed.sort_values(["place", "most", "customer_id"], ignore_index=True)
    first = ["customer_id", "tier", "raw_tier", "is_held", "is_overridden"]
    return ordered[[*first, *(name for name in rows.columns if name not in first)]]


def _warned(ws: Workspace, *, words: Mapping[str, Words]) -> pd.DataFrame:
    """Return the warning list with its reasons and the action of the strategy as texts, in both languages."""
    rows, found = ws.result("warning_list"), ws.result("churn_reasons")
    said = [format_reasons(found, words=spoken).set_index("customer_id")["reasons"] for spoken in words.values()]
    reasons = [rows["customer_id"].map(texts).astype("str").fillna("") for texts in said]
    rows = rows.assign(reasons=["\n".join(filter(None, pair)) for pair in zip(*reasons, strict=True)])
    actions = {
        tier: "\n".join(dict.fromkeys(_told(f"strategy.{tier}.service", spoken) for spoken in words.values()))
        for tier in rows["suggested_action"].dropna().unique()
    }
    rows["suggested_action"] = rows["suggested_action"].map(actions)
    first = ["customer_id", "loss_rank", "tier", "reasons", "suggested_action", "due_date"]
    causes = [name for name in rows.columns if name.startswith("churn_reason_")]
    rest = [name for name in rows.columns if name not in {*first, *causes}]
    return rows[[*first, *rest]]


def _signalled(ws: Workspace) -> pd.DataFrame:
    """Return the customers who show a risk signal, those with most of them first."""
    rows = ws.result("churn_signals")
    shown = rows.loc[rows["signal_count"] > 0]
    return shown.sort_values(["signal_count", "customer_id"], ascending=[False, True], ignore_index=True)


def _customer_sheet(ws: Workspace, name: str, rows: pd.DataFrame, *, identified: bool) -> Sheet:
    listed = rows.head(ws.settings.report.list_rows)
    if "customers" in ws.tables and len(listed):
        ids = ws.stage(listed[["customer_id"]], f"listed_{name}")
        known = ws.tables["customers"].semi_join(ids, "customer_id").select("customer_id", *CONTACT_FIELDS)
        contacts = known.to_pandas()
        if not identified:
            for field in CONTACT_FIELDS:
                if CUSTOMERS[field].sensitivity is DIRECT:
                    contacts[field] = [mask(value, keep=3 if field == "phone" else 1) for value in contacts[field]]
        listed = listed.drop(columns=[name for name in CONTACT_FIELDS if name in listed])
        listed = listed.merge(contacts, on="customer_id", how="left", validate="many_to_one")
        first = ["customer_id", *(c for c in CONTACT_FIELDS if contacts[c].notna().any())]
        listed = listed[[*first, *(c for c in listed.columns if c not in {"customer_id", *CONTACT_FIELDS})]]
    return Sheet(name, listed, len(rows))


def _overrides_sheet(ws: Workspace, *, identified: bool) -> Sheet:
    """Return what was decided by hand; the reason is free text, which may name people."""
    rows = ws.result("overrides")
    return _sheet("overrides", rows if identified else rows.drop(columns="reason"))


def _scorecard_sheet(ws: Workspace, dimension: str) -> Sheet:
    """Return the KPIs of every tier or owner, part by part, beside the value of the whole company."""
    rows = ws.result("kpi_breakdown")
    whole = rows.loc[rows["dimension"] == WHOLE].set_index("kpi")["value"]
    parts = rows.loc[rows["dimension"] == dimension]
    shown = ["kpi", "unit", "value", "low", "high", "target", "attainment_share", "n", "status"]
    table = parts[["part", *shown]].rename(columns={"part": dimension})
    table.insert(4, "company_value", table["kpi"].map(whole))
    order = {part: place for place, part in enumerate(dict.fromkeys(table[dimension]))}
    ordered = table.sort_values(dimension, key=lambda parts: parts.map(order), kind="stable", ignore_index=True)
    return _sheet(f"scorecard_{dimension}", ordered)


def _strategy_sheet(ws: Workspace, *, words: Mapping[str, Words]) -> Sheet:
    """Return the strategy of every tier, its texts in both languages one under the other."""
    spoken = [format_strategy(ws.result("strategy_table"), words=each) for each in words.values()]
    both = spoken[0].copy()
    for name in STRATEGY_TEXTS:
        both[name] = ["\n".join(dict.fromkeys(texts)) for texts in zip(*(each[name] for each in spoken), strict=True)]
    return _sheet("strategy_table", both)


def _responsibilities_sheet(ws: Workspace, *, words: Mapping[str, Words]) -> Sheet:
    """Return who answers for whom, with the role, the day and the targets of the tier in both languages."""
    rows = ws.result("responsibilities")
    nobody = " ".join(spoken.word("workbook.nobody") for spoken in words.values())
    rows = rows.assign(owner=rows["owner"].fillna(nobody))
    texts: dict[str, Callable[[str, Words], str]] = {
        "role_in_charge": lambda tier, spoken: _told(f"strategy.{tier}.owner", spoken),
        "due": lambda tier, spoken: _told(f"strategy.{tier}.due", spoken),
        "targets": lambda tier, spoken: _targets(ws.settings.evaluation.targets, tier=tier, words=spoken),
    }
    for name, told in texts.items():
        by_tier = {
            tier: "\n".join(dict.fromkeys(told(tier, spoken) for spoken in words.values()))
            for tier in rows["tier"].unique()
        }
        rows = rows.assign(**{name: rows["tier"].map(by_tier)})
    first = ["tier", "role_in_charge", "owner"]
    return _sheet("responsibilities", rows[[*first, *(name for name in rows.columns if name not in first)]])


def _told(id_: str, words: Words) -> str:
    return words.word(id_) if words.has(id_) else ""


def _targets(targets: Sequence[Target], *, tier: str, words: Words) -> str:
    """Return the targets that settings give for a tier; those for all customers stand in the scorecard."""
    lines = []
    for target in (target for target in targets if target.tier == tier):
        metric = METRICS[target.kpi]
        if target.relative:
            lines.append(f"{words.word(metric.name)} {words.say('target.relative', change=target.value)}")
            continue
        sign = "≥" if metric.direction == "up" else "≤"
        lines.append(f"{words.word(metric.name)} {sign} {words.say(value_message(target.value, unit=metric.unit))}")
    return "\n".join(lines)


def _sheet(name: str, rows: pd.DataFrame) -> Sheet:
    return Sheet(name, rows, len(rows))


def _styles(book: xlsxwriter.Workbook) -> dict[str, Format]:
    return {
        "head": book.add_format({"bold": True, "text_wrap": True, "bottom": 1, "valign": "top"}),
        "title": book.add_format({"bold": True, "font_size": 14}),
        "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
        "day": book.add_format({"num_format": "yyyy-mm-dd", "align": "left"}),
        "share": book.add_format({"num_format": "0.0%"}),
        "amount": book.add_format({"num_format": "#,##0.00"}),
        "number": book.add_format({"num_format": "#,##0.##"}),
        "count": book.add_format({"num_format": "#,##0"}),
    }


def _write_readme(
    book: xlsxwriter.Workbook,
    ws: Workspace,
    sheets: list[Sheet],
    *,
    words: Mapping[str, Words],
    styles: Mapping[str, Format],
    identified: bool,
) -> None:
    """Write the first sheet: what this is, who may open it, what each sheet holds."""
    page = book.add_worksheet("说明 Read me")
    page.set_column(0, 0, 100, styles["wrap"])
    lines = []
    for lang, spoken in words.items():
        privacy = "workbook.identified" if identified else "workbook.masked"
        lines += [
            spoken.say("workbook.title", company=getattr(ws.settings.company, lang), quarter=str(ws.quarter)),
            spoken.word(privacy),
        ]
        for sheet in sheets:
            shown = len(sheet.rows)
            id_ = "workbook.sheet_all" if shown == sheet.total else "workbook.sheet_first"
            lines.append(spoken.say(id_, sheet=spoken.word(f"sheet.{sheet.name}"), shown=shown, total=sheet.total))
        lines.append("")
    for number, line in enumerate(lines):
        page.write_string(number, 0, line, styles["title"] if number == 0 else styles["wrap"])


def _write_sheet(
    book: xlsxwriter.Workbook, sheet: Sheet, *, words: Mapping[str, Words], styles: Mapping[str, Format]
) -> None:
    zh, en = words["zh"], words["en"]
    page = book.add_worksheet(f"{zh.word(f'sheet.{sheet.name}')} {en.word(f'sheet.{sheet.name}')}"[:31])
    page.freeze_panes(1, 1)
    for number, name in enumerate(sheet.rows.columns):
        heading = f"{_heading(zh, name)}\n{_heading(en, name)}"
        page.write_string(0, number, heading, styles["head"])
        width = _write_column(page, sheet.rows, name, number, words=words, styles=styles)
        longest = max(len(line) for line in heading.splitlines())
        page.set_column(number, number, min(WIDEST, max(10, longest * 1.2, width * 1.2)))
    if len(sheet.rows):
        page.autofilter(0, 0, len(sheet.rows), len(sheet.rows.columns) - 1)


def _heading(words: Words, name: str) -> str:
    field = f"field.customers.{name}"
    return words.word(f"column.{name}") if words.has(f"column.{name}") else words.word(field)


def _write_column(
    page: Worksheet,
    rows: pd.DataFrame,
    name: str,
    number: int,
    *,
    words: Mapping[str, Words],
    styles: Mapping[str, Format],
) -> int:
    """Write the cells of a column and return the length of its longest line."""
    units = rows["unit"] if "unit" in rows and name in UNIT_COLUMNS else [None] * len(rows)
    kinds = rows["change_kind"] if "change_kind" in rows and name in CHANGE_COLUMNS else [None] * len(rows)
    widest = 0
    for row, (value, unit, kind) in enumerate(zip(rows[name], units, kinds, strict=True), start=1):
        if pd.isna(value):
            continue
        if isinstance(value, pd.Timestamp):
            page.write_datetime(row, number, value.to_pydatetime(), styles["day"])
        elif isinstance(value, (bool, np.bool_)):
            page.write_boolean(row, number, bool(value))
        elif isinstance(value, (int, float, np.number)):
            page.write_number(row, number, float(value), styles[_style_of(name, unit=unit, kind=kind)])
        else:
            text = _text(name, value, words)
            widest = max(widest, *(len(line) for line in text.splitlines() or [""]))
            page.write_string(row, number, text, styles["wrap"])
    return widest


def _style_of(name: str, *, unit: str | None, kind: str | None) -> str:
    """Return the number format of a cell: by its unit where the row states one, else by the column's name."""
    if kind is not None:
        return "share" if kind == "relative" or unit == "share" else "number"
    if unit is not None:
        return {"share": "share", "amount": "amount", "count": "count"}.get(unit, "number")
    if name.endswith(("_share", "_rate", "_probability")):
        return "share"
    if "_amount" in name:
        return "amount"
    return "count" if "_count" in name or name == "n" else "number"


def _text(name: str, value: Any, words: Mapping[str, Words]) -> str:
    """Return a slug in both languages, other text as it is."""
    return " ".join(dict.fromkeys(word_of(name, str(value), words=spoken) for spoken in words.values()))
