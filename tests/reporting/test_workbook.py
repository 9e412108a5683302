"""The workbook cell by cell: formats, words for yes and no, consent, signals by name, words to choose from."""

import ibis
import numpy as np
import pandas as pd
import pytest
import xlsxwriter
from openpyxl import load_workbook

from crm_analysis.base.words import Words
from crm_analysis.churn.reasons import CODES, reason_codes
from crm_analysis.churn.signals import SIGNALS
from crm_analysis.reporting.workbook_contacts import consents
from crm_analysis.reporting.workbook_pages import (
    DECIMALS,
    cell_styles,
    cell_text,
    decimals_of,
    make_styles,
    write_sheet,
)
from crm_analysis.reporting.workbook_sheets import Sheet, name_signals, with_owner
from crm_analysis.sources.schema import field_names

WORDS = {lang: Words(lang, names=field_names()) for lang in ("zh", "en")}


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([], 0),
        ([1.0, 64.0, -3], 0),
        ([1.5, 2.0], 1),
        ([1.25, 2.0], 2),
        ([0.333333, 12], 2),
        ([1.9999], 1),
        ([0.0123, -0.05], 4),
    ],
)
def test_a_column_has_the_fewest_decimals_that_suit_it(values: list[float], decimals: int) -> None:
    assert decimals_of(values) == decimals


def test_no_number_format_ends_with_a_point() -> None:
    assert all(form.rstrip("#")[-1] == "0" for form in DECIMALS.values())


def test_formats_follow_unit_and_name() -> None:
    rows = pd.DataFrame({
        "unit": ["share", "amount", "count", "points", "points"], "value": [0.5, 10.0, 7.0, 41.5, 40.0],
        "spend_share": [0.1] * 5, "spend_amount": [1.0] * 5, "order_count": [1.0, 2.0, np.nan, 3.0, 4.0],
        "gap_days": [1.0, 2.25, 3.0, 4.0, 5.0],
    })  # fmt: skip
    assert cell_styles(rows, "value") == ["share", "number_2", "number_0", "number_1", "number_1"]
    assert cell_styles(rows, "spend_share") == ["share"] * 5
    assert cell_styles(rows, "spend_amount") == ["number_2"] * 5
    assert cell_styles(rows, "order_count") == ["number_0"] * 5
    assert cell_styles(rows, "gap_days") == ["number_2"] * 5


def test_changes_are_relative_or_in_the_unit_of_their_row() -> None:
    rows = pd.DataFrame({"unit": ["count", "share", "points", "points"], "change": [0.1, 0.02, 1.5, np.nan],
                         "change_kind": ["relative", "difference", "difference", None]})  # fmt: skip
    assert cell_styles(rows, "change") == ["share", "share", "number_1", "number_1"]


@pytest.mark.parametrize(("value", "text"), [(True, "是 yes"), (np.bool_(False), "否 no")])
def test_yes_and_no_are_words(value: bool, text: str) -> None:
    assert cell_text("is_silence", value, words=WORDS) == text


def test_missing_owners_are_said_to_be() -> None:
    rows = pd.DataFrame({"customer_id": ["c1", "c2"], "owner": ["Li", None]})
    assert with_owner(rows, words=WORDS)["owner"].tolist() == ["Li", "待分配 to be assigned"]
    assert list(with_owner(rows[["customer_id"]], words=WORDS)) == ["customer_id"]


def test_signals_are_counted_and_named_in_both_languages() -> None:
    table = pd.DataFrame({"customer_id": ["c1", "c2"], "signal_count": [2, 0]})
    for name in SIGNALS:
        table[f"is_{name}"] = pd.array([name in {"silence", "complaints"}, None], dtype="boolean")
    named = [[words.word("signal.silence"), words.word("signal.complaints")] for words in WORDS.values()]
    zh, en = f"{named[0][0]}和{named[0][1]}", f"{named[1][0]} and {named[1][1]}"
    found = name_signals(table, words=WORDS)
    assert found["signal_count"].tolist() == [2, 0]
    assert found["signals_shown"].tolist() == [f"{zh}\n{en}", ""]


def test_consent_is_told_of_those_on_the_list_whom_it_is_recorded_of() -> None:
    customers = ibis.memtable(
        pd.DataFrame({
            "customer_id": ["c1", "c2", "c3", "c4"], "marketing_consent": pd.array([True, False, None, True], "boolean")
        })
    )  # fmt: skip
    listed = ibis.memtable(pd.DataFrame({"customer_id": ["c1", "c2", "c3"]}))
    found = consents(customers, listed)
    assert found is not None
    assert found.to_numpy().tolist() == [["c1", "given"], ["c2", "refused"]]
    nobody = customers.mutate(marketing_consent=ibis.null("boolean"))
    assert consents(nobody, listed) is None


def _counts(**cases: int) -> pd.DataFrame:
    return pd.DataFrame({"reason": list(cases), "case_count": list(cases.values())})


def test_reasons_to_choose_from_are_those_recorded_then_the_usual_ones() -> None:
    found = reason_codes(pd.concat([_counts(price=3, not_recorded=50, delivery=4), _counts(price=2)]))
    assert found == ["price", "delivery", *(code for code in CODES if code not in {"price", "delivery"})]
    assert reason_codes(_counts(moved_away=1, price=2)) == ["price", "moved_away"]
    assert reason_codes(_counts(not_recorded=9)) == list(CODES)
    assert reason_codes(_counts()) == list(CODES)


def test_columns_to_fill_in_are_marked_and_have_their_list(tmp_path) -> None:
    rows = pd.DataFrame({"customer_id": ["c1", "c2"], "marketing_consent": ["refused", "given"]})
    with xlsxwriter.Workbook(str(tmp_path / "w.xlsx")) as book:
        sheet = Sheet("priority_customers", rows, 2)
        write_sheet(book, sheet, words=WORDS, styles=make_styles(book), choices={"task_status": "=$Z$1:$Z$4"})
    page = load_workbook(tmp_path / "w.xlsx").worksheets[0]
    assert [str(cell.value).split("\n")[1] for cell in page[1]][2:] == [
        "Status (choose)", "Result (choose)", "Remark (fill in)",
    ]  # fmt: skip
    assert {page.cell(3, column).fill.start_color.rgb for column in (3, 4, 5)} == {"FFFFF8DC"}
    assert page.cell(3, 2).fill.fill_type is None
    assert [(str(rule.sqref), rule.formula1) for rule in page.data_validations.dataValidation] == [
        ("C2:C3", "$Z$1:$Z$4")
    ]
    assert (page["B2"].font.bold, page["B3"].font.bold) == (True, False)
    assert page.auto_filter.ref == "A1:E3"
