"""Small-cell and complementary suppression."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.portraits.suppression import suppressed_cells


def test_disclosure_example_loses_all_four_cells() -> None:
    assert suppressed_cells([[12, 15], [2, 8]], minimum=5).all()


def test_nothing_small_hides_nothing() -> None:
    assert not suppressed_cells([[12, 15], [0, 8]], minimum=5).any(), "a zero shows nothing of anybody"


def test_one_line_hides_the_next_smallest() -> None:
    assert suppressed_cells([[2, 30, 8, 9]], minimum=5).tolist() == [[True, False, True, False]]


def test_hidden_cells_of_a_line_sum_to_the_minimum() -> None:
    # 2 and 2 alone would tell that both are small: their sum is below 5
    assert suppressed_cells([[2, 2, 30, 8]], minimum=5).tolist() == [[True, True, False, True]]


def test_zero_goes_last() -> None:
    assert suppressed_cells([[3, 0, 9]], minimum=5).tolist() == [[True, False, True]]


_tables = st.integers(min_value=1, max_value=5).flatmap(
    lambda columns: st.lists(
        st.lists(st.integers(min_value=0, max_value=40), min_size=columns, max_size=columns), min_size=1, max_size=5
    )
)


@given(counts=_tables, minimum=st.integers(min_value=2, max_value=10))
def test_no_hidden_cell_stands_alone_in_a_line(counts: list[list[int]], minimum: int) -> None:
    table = np.array(counts)
    hidden = suppressed_cells(table, minimum=minimum)
    assert hidden[(table > 0) & (table < minimum)].all()
    lines = [(table[k], hidden[k]) for k in range(table.shape[0])]
    if table.shape[0] > 1:
        lines += [(table[:, k], hidden[:, k]) for k in range(table.shape[1])]
    for numbers, away in lines:
        if away.any() and not away.all():
            assert away.sum() >= 2
            assert numbers[away].sum() >= minimum
