"""Sheets written as pages of Excel: formats, cells that staff fill in, pages as they are printed.

Cells are written as text, numbers or days, never as formulas.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from crm_analysis.base.words import Words
from crm_analysis.reporting.tables import word_of
from crm_analysis.reporting.workbook_sheets import Sheet

Styles = Mapping[str, Format]
Spoken = Mapping[str, Words]
WIDEST = 40
INPUT_WIDTH = 22
A4 = 9
#: Columns of the scorecard whose unit is that of the row.
UNIT_COLUMNS = ("value", "company_value", "low", "high", "target", "previous_value", "year_ago_value", "change",
                "year_ago_change")  # fmt: skip
CHANGE_COLUMNS = ("change", "year_ago_change")
#: Number formats by decimals: a point is written only where digits follow it.
DECIMALS = {0: "#,##0", 1: "#,##0.0", 2: "#,##0.00", 4: "#,##0.0000"}
_PAPER, _LINE, _WARN = "#FFF8DC", "#BFBFBF", "#B00020"
#: Texts that must be seen: ``(column, value)``.
_LOUD = {("marketing_consent", "refused")}
_LONGEST_NOTE = 1.6


def make_styles(book: xlsxwriter.Workbook) -> dict[str, Format]:
    """Return the formats of a workbook by name."""
    top = {"valign": "top"}
    head = {"bold": True, "text_wrap": True, "bottom": 1, **top}
    entered = {"bg_color": _PAPER, "border": 1, "border_color": _LINE, "text_wrap": True, **top}
    return {
        "head": book.add_format(head),
        "input_head": book.add_format(head | {"bg_color": _PAPER}),
        "input": book.add_format(entered),
        "title": book.add_format({"bold": True, "font_size": 14}),
        "strong": book.add_format({"bold": True, **top}),
        "wrap": book.add_format({"text_wrap": True, **top}),
        "loud": book.add_format({"text_wrap": True, "bold": True, "font_color": _WARN, **top}),
        "day": book.add_format({"num_format": "yyyy-mm-dd", "align": "left", **top}),
        "share": book.add_format({"num_format": "0.0%", **top}),
        **{f"number_{digits}": book.add_format({"num_format": form, **top}) for digits, form in DECIMALS.items()},
    }


def set_page(page: Worksheet, *, head_row: int) -> None:
    """Set how a page is printed: landscape, one page wide, its headings on every page."""
    page.set_landscape()
    page.set_paper(A4)
    page.fit_to_pages(1, 0)
    page.repeat_rows(head_row)
    page.set_footer("&L&A&R&P / &N")


def write_sheet(
    book: xlsxwriter.Workbook, sheet: Sheet, *, words: Spoken, styles: Styles, choices: Mapping[str, str]
) -> None:
    """Write a sheet: headings in all languages, cells, and the columns that staff fill in at the right.

    Parameters
    ----------
    choices
        Where the words to choose from stand, by column, as references to cells.
    """
    page = book.add_worksheet(page_name(sheet.name, words=words))
    page.freeze_panes(1, 1)
    set_page(page, head_row=0)
    for number, name in enumerate(sheet.rows.columns):
        heading = _heading(name, words=words)
        page.write_string(0, number, heading, styles["head"])
        width = _write_column(page, sheet.rows, name, number, words=words, styles=styles)
        longest = max(len(line) for line in heading.splitlines())
        page.set_column(number, number, min(WIDEST, max(10, longest * 1.2, width * 1.2)))
    for number, name in enumerate(sheet.inputs, start=len(sheet.rows.columns)):
        page.write_string(0, number, _heading(name, words=words), styles["input_head"])
        page.set_column(number, number, INPUT_WIDTH)
        _write_inputs(page, number, len(sheet.rows), words=words, styles=styles, source=choices.get(name))
    note = "\n".join(spoken.word(f"purpose.{sheet.name}") for spoken in words.values())
    page.write_comment(0, 0, note, {"x_scale": 3, "y_scale": max(1.5, len(note) / 100 * _LONGEST_NOTE)})
    if len(sheet.rows):
        page.autofilter(0, 0, len(sheet.rows), len(sheet.rows.columns) + len(sheet.inputs) - 1)


def page_name(name: str, *, words: Spoken) -> str:
    """Return the name of a page in all languages, as long as Excel lets it be."""
    return " ".join(spoken.word(f"sheet.{name}") for spoken in words.values())[:31]


def _heading(name: str, *, words: Spoken) -> str:
    ids = (f"column.{name}", f"field.customers.{name}")
    return "\n".join(spoken.word(ids[0] if spoken.has(ids[0]) else ids[1]) for spoken in words.values())


def _write_inputs(
    page: Worksheet, number: int, count: int, *, words: Spoken, styles: Styles, source: str | None
) -> None:
    """Write empty cells to fill in, with the list to choose from where there is one."""
    for row in range(1, count + 1):
        page.write_blank(row, number, None, styles["input"])
    if source is not None and count:
        told = " ".join(spoken.word("workbook.choose") for spoken in words.values())
        page.data_validation(1, number, count, number, {"validate": "list", "source": source, "error_message": told})


def _write_column(page: Worksheet, rows: pd.DataFrame, name: str, number: int, *, words: Spoken, styles: Styles) -> int:
    """Write the cells of a column and return the length of its longest line."""
    forms, widest = cell_styles(rows, name), 0
    for row, (value, form) in enumerate(zip(rows[name], forms, strict=True), start=1):
        if pd.isna(value):
            continue
        if isinstance(value, pd.Timestamp):
            page.write_datetime(row, number, value.to_pydatetime(), styles["day"])
        elif _is_number(value):
            page.write_number(row, number, float(value), styles[form])
        else:
            text = cell_text(name, value, words=words)
            widest = max(widest, *(len(line) for line in text.splitlines() or [""]))
            page.write_string(row, number, text, styles["loud" if (name, value) in _LOUD else "wrap"])
    return widest


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_))


def cell_text(name: str, value: Any, *, words: Spoken) -> str:
    """Return a slug, or yes and no, in all languages; other text as it is."""
    if isinstance(value, (bool, np.bool_)):
        return " ".join(spoken.word(f"answer.{'yes' if value else 'no'}") for spoken in words.values())
    return " ".join(dict.fromkeys(word_of(name, str(value), words=spoken) for spoken in words.values()))


def cell_styles(rows: pd.DataFrame, name: str) -> list[str]:
    """Return the format of each cell of a column: shares and amounts by unit, else the decimals that the column needs.

    The unit is that of the row where it states one, else it follows from the column's name. Rows of one unit have the
    same decimals.
    """
    units = rows["unit"] if "unit" in rows and name in UNIT_COLUMNS else [None] * len(rows)
    kinds = rows["change_kind"] if "change_kind" in rows and name in CHANGE_COLUMNS else [None] * len(rows)
    measures = [_measure(name, unit=unit, kind=kind) for unit, kind in zip(units, kinds, strict=True)]
    values: dict[str, list[float]] = {}
    for measure, value in zip(measures, rows[name], strict=True):
        known = not pd.isna(value) and _is_number(value)
        values.setdefault(measure, []).extend([float(value)] if known else [])
    forms = {measure: f"number_{decimals_of(found)}" for measure, found in values.items()}
    forms |= {"share": "share", "amount": "number_2"}
    return [forms[measure] for measure in measures]


def _measure(name: str, *, unit: Any, kind: Any) -> str:
    """Return what a cell measures: ``share``, ``amount``, another unit, or just a number."""
    if isinstance(kind, str) and kind == "relative":
        return "share"
    if isinstance(unit, str):
        return unit
    if name.endswith(("_share", "_rate", "_probability")):
        return "share"
    return "amount" if "_amount" in name else "number"


def decimals_of(values: Iterable[float]) -> int:
    """Return the fewest decimals that show numbers as well as two do; four where all are below 0.1.

    >>> decimals_of([1, 64]), decimals_of([0.5, 2]), decimals_of([1.25, 3]), decimals_of([0.0123]), decimals_of([])
    (0, 1, 2, 4, 0)
    """
    found: Sequence[float] = list(values)
    if all(value == round(value) for value in found):
        return 0
    if max(abs(value) for value in found) < 0.1:
        return 4
    return 1 if all(round(value, 1) == round(value, 2) for value in found) else 2
