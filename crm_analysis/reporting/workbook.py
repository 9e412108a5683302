"""The Excel workbook that staff work from: lists to act from, then lists to look things up (REQUIREMENTS S12, C4, X5).

Names and contacts are masked unless ``identified``. What the sheets show is made in :mod:`.workbook_sheets` and
:mod:`.workbook_contacts`, how they look in :mod:`.workbook_pages`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd
import xlsxwriter

from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn.reasons import reason_codes
from crm_analysis.reporting.workbook_contacts import customer_sheet
from crm_analysis.reporting.workbook_pages import (
    Spoken,
    Styles,
    make_styles,
    page_name,
    set_page,
    write_sheet,
)
from crm_analysis.reporting.workbook_sheets import (
    INPUTS,
    Sheet,
    by_tier,
    responsibilities_of,
    scorecard_of,
    signalled,
    strategy_of,
    warned,
    whole_sheet,
)
from crm_analysis.sources.schema import ACTIONS
from crm_analysis.workspace import Workspace

#: A fixed day, so that the same results give the same bytes.
CREATED = datetime(2000, 1, 1)
#: What came of a contact, as records of actions tell it.
OUTCOMES = ("accepted", "reached", "declined", "no_answer")
README_WIDTHS = (34, 30, 90)


def save_workbook(ws: Workspace, path: Path, *, identified: bool = False) -> Path:
    """Write the workbook of a report and return its path.

    Parameters
    ----------
    identified
        Write names and contacts in full instead of masked.
    """
    words = {lang: ws.speaking(lang).words for lang in LANGUAGES}
    sheets = _sheets(ws, words=words, identified=identified)
    with xlsxwriter.Workbook(
        str(path), {"strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": False}
    ) as book:
        book.set_properties({"created": CREATED, "title": ws.settings.company.zh})
        styles = make_styles(book)
        choices = _write_readme(book, ws, sheets, words=words, styles=styles, identified=identified)
        for sheet in sheets:
            write_sheet(book, sheet, words=words, styles=styles, choices=choices)
    return path


def _sheets(ws: Workspace, *, words: Spoken, identified: bool) -> list[Sheet]:
    """Return all sheets, those that staff act from first."""
    customers: dict[str, pd.DataFrame] = {
        "warning_list": warned(ws, words=words),
        "priority_customers": ws.result("priority_customers"),
        "unattended_customers": ws.result("unattended_customers"),
        "churn_signals": signalled(ws),
        "segments": by_tier(ws),
    }
    lists = {
        name: customer_sheet(ws, name, rows, words=words, identified=identified) for name, rows in customers.items()
    }
    return [
        *(lists[name] for name in INPUTS),
        strategy_of(ws, words=words),
        responsibilities_of(ws, words=words),
        lists["churn_signals"],
        lists["segments"],
        _overrides(ws, identified=identified),
        whole_sheet("scorecard", ws.result("scorecard")),
        scorecard_of(ws, "tier", words=words),
        scorecard_of(ws, "owner", words=words),
    ]


def _overrides(ws: Workspace, *, identified: bool) -> Sheet:
    """Return what was decided by hand; the reason is free text, which may name people."""
    rows = ws.result("overrides")
    return whole_sheet("overrides", rows if identified else rows.drop(columns="reason"))


def input_choices(ws: Workspace, *, words: Spoken) -> dict[str, list[str]]:
    """Return the words that staff choose from, by column, each in all languages."""
    slugs = {
        "task_status": ("task_status", ACTIONS["status"].allowed),
        "task_outcome": ("task_outcome", OUTCOMES),
        "learnt_reason": ("churn_reason", reason_codes(ws.result("reason_counts"))),
    }
    return {
        column: [" ".join(dict.fromkeys(_word(f"{domain}.{slug}", spoken) for spoken in words.values())) for slug in of]
        for column, (domain, of) in slugs.items()
    }


def _word(id_: str, words: Words) -> str:
    return words.word(id_) if words.has(id_) else id_.partition(".")[2]


def _write_readme(
    book: xlsxwriter.Workbook, ws: Workspace, sheets: Sequence[Sheet], *, words: Spoken, styles: Styles,
    identified: bool,
) -> dict[str, str]:  # fmt: skip
    """Write the first sheet: what this is, who may open it, what each sheet is for; return where the choices stand."""
    name = " ".join(spoken.word("sheet.readme") for spoken in words.values())
    page = book.add_worksheet(name)
    for number, width in enumerate(README_WIDTHS):
        page.set_column(number, number, width)
    privacy = "workbook.identified" if identified else "workbook.masked"
    row = 0
    for lang, spoken in words.items():
        company = getattr(ws.settings.company, lang)
        page.write_string(
            row, 0, spoken.say("workbook.title", company=company, quarter=str(ws.quarter)), styles["title"]
        )
        page.merge_range(row + 1, 0, row + 1, 2, spoken.word(privacy), styles["wrap"])
        row += 2
    row += 1
    set_page(page, head_row=row)
    for number, id_ in enumerate(("column.sheet", "column.sheet_rows", "column.sheet_purpose")):
        page.write_string(row, number, _lines(id_, words), styles["head"])
    for group, inside in (("workbook.act", True), ("workbook.look_up", False)):
        row += 1
        page.write_string(row, 0, _lines(group, words, sep=" "), styles["strong"])
        for sheet in (each for each in sheets if (each.name in INPUTS) is inside):
            row += 1
            page.write_string(row, 0, page_name(sheet.name, words=words), styles["wrap"])
            page.write_string(row, 1, _counted(sheet, words), styles["wrap"])
            page.write_string(row, 2, _lines(f"purpose.{sheet.name}", words), styles["wrap"])
    page.merge_range(row + 2, 0, row + 2, 2, _lines("workbook.fill_in", words), styles["input"])
    page.set_row(row + 2, 32)
    return _write_choices(page, name, row + 3, input_choices(ws, words=words), words=words, styles=styles)


def _write_choices(
    page: xlsxwriter.worksheet.Worksheet, name: str, row: int, choices: Mapping[str, list[str]], *, words: Spoken,
    styles: Styles,
) -> dict[str, str]:  # fmt: skip
    """Write the words to choose from, a column each, and return the references to them."""
    found = {}
    for number, (column, told) in enumerate(choices.items()):
        page.write_string(row, number, _lines(f"column.{column}", words), styles["head"])
        for below, text in enumerate(told, start=1):
            page.write_string(row + below, number, text, styles["wrap"])
        letter = "ABC"[number]
        found[column] = f"='{name}'!${letter}${row + 2}:${letter}${row + 1 + len(told)}"
    return found


def _counted(sheet: Sheet, words: Spoken) -> str:
    shown = len(sheet.rows)
    id_ = "workbook.sheet_all" if shown == sheet.total else "workbook.sheet_first"
    return "\n".join(spoken.say(id_, shown=shown, total=sheet.total) for spoken in words.values())


def _lines(id_: str, words: Spoken, *, sep: str = "\n") -> str:
    return sep.join(spoken.word(id_) for spoken in words.values())
