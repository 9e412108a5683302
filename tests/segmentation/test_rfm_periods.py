"""The period view, on customers whose quarters can be counted by hand."""

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.segmentation.periods_view import GROUPS, MOVEMENTS_SCHEMA, customer_movements_table
from crm_analysis.segmentation.rfm_figures import plot_movements
from crm_analysis.segmentation.rfm_findings import alt_movements, finding_movements, note_movements

LAST = Quarter(2025, 3)
QUARTERS = LAST.back(5)  # 2024Q3 to 2025Q3
#: Spend per quarter by customer; absent is no row, 0 orders is a row with contacts or refunds alone.
STORIES = {
    "a": {0: 10, 1: 20, 2: 30, 3: 40, 4: 50},  # always there
    "b": {0: 100, 3: 200},  # gone, back, gone
    "c": {2: 7},  # once
    "d": {4: 1000},  # new now
}


def _periods(stories: dict[str, dict[int, float]], *, empty: dict[str, list[int]] | None = None) -> ibis.Table:
    """Customer x quarter rows of the five quarters; ``empty`` are rows without an order but with a refund of 5."""
    rows = [(who, place, 1, spend) for who, story in stories.items() for place, spend in story.items()]
    rows += [(who, place, 0, -5.0) for who, places in (empty or {}).items() for place in places]
    frame = pd.DataFrame(rows, columns=["customer_id", "place", "order_count", "spend_amount"])
    frame["quarter"] = [str(QUARTERS[place]) for place in frame["place"]]
    frame["quarter_start"] = pd.to_datetime([QUARTERS[place].start for place in frame["place"]])
    columns = ["customer_id", "quarter", "quarter_start", "order_count", "spend_amount"]
    schema = {"customer_id": "string", "quarter": "string", "quarter_start": "date", "order_count": "int64",
              "spend_amount": "float64"}  # fmt: skip
    return ibis.memtable(frame[columns], schema=ibis.schema(schema))


def test_every_quarter_by_hand() -> None:
    table = customer_movements_table(_periods(STORIES), quarters=QUARTERS)
    check_columns(table.columns, MOVEMENTS_SCHEMA, result="customer_movements_by_quarter")
    assert table["quarter"].tolist() == ["2024Q3", "2024Q4", "2025Q1", "2025Q2", "2025Q3"]
    assert table["is_first_quarter"].tolist() == [True, False, False, False, False]
    assert table["active_count"].tolist() == [2, 1, 2, 2, 2]
    assert table["new_count"].tolist() == [2, 0, 1, 0, 1]
    assert table["retained_count"].tolist() == [0, 1, 1, 1, 1]
    assert table["returned_count"].tolist() == [0, 0, 0, 1, 0]
    assert table["churned_count"].tolist()[1:] == [1, 0, 1, 1]
    assert table["churned_count"].isna().tolist() == [True, False, False, False, False]
    assert table["lapsed_share"].tolist()[1:] == [0.5, 0, 0.5, 0.5]
    assert table["active_spend_amount"].tolist() == [110, 20, 37, 240, 1050]
    assert table["returned_spend_amount"].tolist() == [0, 0, 0, 200, 0]
    assert table["new_spend_amount"].tolist() == [110, 0, 7, 0, 1000]
    assert table["churned_spend_amount"].tolist()[1:] == [100, 0, 7, 200]  # spent in the quarter before


def test_quarters_without_an_order_do_not_make_a_customer_active() -> None:
    plain = customer_movements_table(_periods(STORIES), quarters=QUARTERS)
    with_refunds = _periods(STORIES, empty={"b": [1, 4], "e": [2]})
    pd.testing.assert_frame_equal(customer_movements_table(with_refunds, quarters=QUARTERS), plain)


def test_history_before_the_quarters_that_are_told_counts() -> None:
    whole = customer_movements_table(_periods(STORIES), quarters=QUARTERS)
    two = customer_movements_table(_periods(STORIES), quarters=QUARTERS[3:])
    pd.testing.assert_frame_equal(two, whole.iloc[3:].reset_index(drop=True))


def test_quarters_before_the_data_are_left_out() -> None:
    late = {who: {place: spend for place, spend in story.items() if place >= 2} for who, story in STORIES.items()}
    table = customer_movements_table(_periods(late), quarters=QUARTERS)
    assert table["quarter"].tolist() == ["2025Q1", "2025Q2", "2025Q3"]
    assert table["is_first_quarter"].tolist() == [True, False, False]
    assert customer_movements_table(_periods(late), quarters=QUARTERS[:2]).empty


def test_a_quarter_in_which_nobody_buys_stands_there_with_zeros() -> None:
    table = customer_movements_table(_periods({"a": {0: 10, 2: 30, 4: 1}}), quarters=QUARTERS).set_index("quarter")
    assert table.loc["2024Q4", ["active_count", "churned_count", "lapsed_share"]].tolist() == [0, 1, 1]
    assert table.loc["2025Q1", ["returned_count", "churned_count"]].tolist() == [1, 0]
    assert np.isnan(table.loc["2025Q1", "lapsed_share"])


_stories = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3),
    st.dictionaries(st.integers(0, 4), st.integers(1, 500), min_size=1, max_size=5),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=25)
@given(stories=_stories)
def test_the_groups_add_up(stories: dict[str, dict[int, float]]) -> None:
    table = customer_movements_table(_periods(stories), quarters=QUARTERS)
    for unit in ("count", "spend_amount"):
        active = table[f"active_{unit}"].astype(float)
        told = sum(table[f"{group}_{unit}"].astype(float) for group in ("new", "retained", "returned"))
        assert active.tolist() == pytest.approx(told.tolist())
    before = table["active_count"].shift(1).iloc[1:]
    assert (before == (table["retained_count"] + table["churned_count"]).iloc[1:]).all()
    assert table["new_count"].sum() == len(stories)


@settings(max_examples=10)
@given(stories=_stories, data=st.data())
def test_other_ids_and_orders_of_rows_change_nothing(stories: dict[str, dict[int, float]], data: st.DataObject) -> None:
    mixed = data.draw(st.permutations(list(stories)))
    renamed = {f"x{number}": stories[name] for number, name in enumerate(mixed)}
    tables = [customer_movements_table(_periods(each), quarters=QUARTERS) for each in (stories, renamed)]
    pd.testing.assert_frame_equal(*tables)


def test_the_finding_carries_the_numbers() -> None:
    table = customer_movements_table(_periods(STORIES), quarters=QUARTERS)
    found = finding_movements(table)
    assert found.id == "rfm.movements.finding"
    assert {name: found.args[name] for name in ("n", *GROUPS, "before", "share", "amount")} == {
        "n": 2, "new": 1, "retained": 1, "returned": 0, "churned": 1, "before": 2, "share": 0.5, "amount": 200,
    }  # fmt: skip
    assert finding_movements(table.iloc[:1]).id == "rfm.movements.first"
    assert finding_movements(table.iloc[:0]).id == "rfm.movements.none"
    assert note_movements(table).id == "rfm.movements.note_first"
    assert note_movements(table.iloc[1:]).id == "rfm.movements.note"


def test_after_a_quarter_without_customers_there_is_no_share() -> None:
    table = customer_movements_table(_periods({"a": {0: 10, 4: 1}}), quarters=QUARTERS)
    assert finding_movements(table).id == "rfm.movements.from_nothing"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_can_be_said_and_drawn(lang: str) -> None:
    words = Words(lang)
    table = customer_movements_table(_periods(STORIES), quarters=QUARTERS)
    for shown in (table, table.iloc[:1], table.iloc[:0]):
        assert "{" not in words.say(alt_movements(shown))
        assert isinstance(plot_movements(shown, words=words), Figure)
    drawn = plot_movements(table.iloc[1:], words=words).axes[0]
    heights = [[patch.get_height() for patch in group.patches] for group in drawn.containers]
    assert heights == [[1, 1, 1, 1], [0, 0, 1, 0], [0, 1, 0, 1], [-1, 0, -1, -1]]  # retained, returned, new, churned
    untold = plot_movements(table, words=words).axes[0]
    assert any(words.word("rfm.movements.untold") in text.get_text() for text in untold.texts)
