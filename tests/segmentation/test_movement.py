"""Movement between tiers by hand, the test of the mix, what is said and drawn."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from crm_analysis.base.errors import AnalysisError
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.reporting.tables import render_table
from crm_analysis.segmentation.movement import (
    COMPARISONS,
    DIRECTIONS,
    MOVEMENT_SCHEMA,
    check_mix_change,
    movement_table,
    movements_table,
    moves_table,
    since,
    tiers_with_spend,
)
from crm_analysis.segmentation.movement_figures import plot_flow, plot_matrix
from crm_analysis.segmentation.movement_findings import (
    alt_flow,
    alt_matrix,
    finding_joiners,
    finding_mix_change,
    finding_movement,
    note_movement,
)

ORDER = ("champions", "promising", "lost")
NAMES = Words("en", names={f"segment.{slug}": {"zh": slug, "en": slug} for slug in "abcd"})


def quarter(customers: Mapping[str, tuple[str, float]]) -> pd.DataFrame:
    rows = [(customer, tier, spend) for customer, (tier, spend) in customers.items()]
    return pd.DataFrame(rows, columns=["customer_id", "tier", "spend_amount_365d"])


BEFORE = quarter({"c1": ("champions", 900.5), "c2": ("champions", 500), "c3": ("promising", 100), "c4": ("lost", 10),
                  "c5": ("non_buyer", 0), "c6": ("promising", 70), "c7": ("lost", np.nan)})  # fmt: skip
NOW = quarter({"c1": ("champions", 950.25), "c2": ("promising", 0), "c3": ("champions", 300), "c4": ("lost", -5),
               "c5": ("promising", 40), "c7": ("lost", 0), "c8": ("promising", 60),
               "c9": ("non_buyer", 0)})  # fmt: skip


def moves(table: pd.DataFrame) -> pd.DataFrame:
    return table.loc[table["customer_count"] > 0].set_index(["tier_before", "tier_now"])


def test_every_move_with_its_direction_and_money() -> None:
    table = movement_table(BEFORE, NOW, order=ORDER)
    found = moves(table)
    assert found["direction"].to_dict() == {
        ("champions", "champions"): "stayed", ("champions", "promising"): "down", ("promising", "champions"): "up",
        ("promising", "left"): "left", ("lost", "lost"): "stayed", ("non_buyer", "promising"): "unranked",
        ("joined", "promising"): "joined", ("joined", "non_buyer"): "joined",
    }  # fmt: skip
    assert set(table["direction"]) <= set(DIRECTIONS)
    assert found["customer_count"].tolist() == [1, 1, 1, 1, 2, 1, 1, 1]
    assert found["row_share"].tolist() == [0.5, 0.5, 0.5, 0.5, 1, 1, 0.5, 0.5]
    assert found["spend_amount_before"].tolist() == [900.5, 500, 100, 70, 10, 0, 0, 0]
    assert found["spend_amount_now"].tolist() == [950.25, 0, 300, 0, -5, 40, 60, 0]
    assert found["silent_count"].tolist() == [0, 1, 0, 0, 1, 0, 0, 0]
    assert found["silent_amount_before"].tolist() == [0, 500, 0, 0, 10, 0, 0, 0]


def test_all_pairs_of_tiers_stand_in_the_order_of_worth() -> None:
    table = movement_table(BEFORE, NOW, order=ORDER)
    assert list(dict.fromkeys(table["tier_before"])) == [*ORDER, "non_buyer", "joined"]
    assert list(dict.fromkeys(table["tier_now"])) == [*ORDER, "non_buyer", "left"]
    assert len(table) == 5 * 5 - 1  # nobody joins and leaves
    newcomers = movement_table(BEFORE.iloc[:2], NOW.iloc[:3], order=ORDER)
    assert newcomers.loc[newcomers["tier_before"] == "promising", "row_share"].isna().all()
    assert "lost" not in set(newcomers["tier_now"])


def test_spend_is_found_by_customer_whatever_the_order() -> None:
    tiers = NOW[["customer_id", "tier"]]
    features = NOW[["customer_id", "spend_amount_365d"]].iloc[::-1]
    pd.testing.assert_frame_equal(tiers_with_spend(tiers, features), NOW)
    assert tiers_with_spend(tiers, features.iloc[:-1])["spend_amount_365d"].isna().tolist() == [True] + [False] * 7


def test_a_customer_twice_is_refused() -> None:
    with pytest.raises(AnalysisError, match="a customer stands in this quarter twice"):
        movement_table(BEFORE, pd.concat([NOW, NOW.head(1)]), order=ORDER)


def test_comparisons_are_kept_apart_and_absent_quarters_left_out() -> None:
    both = movements_table({"year_ago": BEFORE.head(1), "previous_quarter": BEFORE}, NOW, order=ORDER)
    check_columns(both.columns, MOVEMENT_SCHEMA, result="movement")
    assert list(dict.fromkeys(both["comparison"])) == list(COMPARISONS)
    year = since(both, "year_ago")
    assert year.loc[year["direction"] == "joined", "customer_count"].sum() == 7
    none = movements_table({}, NOW, order=ORDER)
    check_columns(none.columns, MOVEMENT_SCHEMA, result="movement")
    assert finding_movement(since(none, "year_ago"), comparison="year_ago", minimum_cell=1).id == "movement.none"
    assert finding_joiners(since(none, "year_ago"), comparison="year_ago", minimum_cell=1).id == "movement.none"


def test_few_customers_show_their_number_and_no_money() -> None:
    table = movement_table(many(), many({"b": "a"}), order="abc")
    shown = moves_table(table, minimum_cell=50, rows=2)
    assert shown[["tier_before", "tier_now", "customer_count"]].to_numpy().tolist() == [["b", "a", 40]]
    assert shown[["spend_amount_before", "spend_amount_now"]].isna().all(axis=None)
    shown = moves_table(table, minimum_cell=40)
    assert shown[["spend_amount_before", "spend_amount_now"]].to_numpy().tolist() == [[400.0, 400.0]]
    assert len(moves_table(movement_table(BEFORE, NOW, order=ORDER), minimum_cell=1, rows=3)) == 3


# -- the mix of tiers --------------------------------------------------------------------------------------------------


def many(changed: Mapping[str, str] | None = None) -> pd.DataFrame:
    """60 customers in a, 40 in b, 20 in c, each with a spend of 10; all of a tier may go to another."""
    tiers = ["a"] * 60 + ["b"] * 40 + ["c"] * 20
    return pd.DataFrame({"customer_id": [f"c{k:03}" for k in range(120)], "spend_amount_365d": 10.0,
                         "tier": [(changed or {}).get(tier, tier) for tier in tiers]})  # fmt: skip


def counted(cells: Mapping[tuple[str, str], int]) -> pd.DataFrame:
    """Return the movement of customers counted by hand."""
    pairs = [pair for pair, count in cells.items() for _ in range(count)]
    ids = [f"c{k:05}" for k in range(len(pairs))]
    frames = [pd.DataFrame({"customer_id": ids, "tier": [pair[side] for pair in pairs], "spend_amount_365d": 1.0})
              for side in (0, 1)]  # fmt: skip
    return movement_table(*frames, order="abcd")


def test_two_tiers_are_mcnemars_test() -> None:
    # (25 - 10)^2 / (25 + 10) = 6.428571 with one degree of freedom
    test = check_mix_change(
        counted({("a", "a"): 50, ("a", "b"): 25, ("b", "a"): 10, ("b", "b"): 40}), order="abcd", minimum_moved=30
    )
    assert (test["status"], test["n"], test["moved_count"], test["df"]) == ("ok", 125, 35, 1)
    assert test["statistic"] == pytest.approx(6.4286)
    assert test["p_value"] == pytest.approx(math.erfc(math.sqrt(225 / 35 / 2)), abs=1e-6)
    assert (test["tier"], test["change_pp"]) == ("a", -0.12)
    assert finding_mix_change(test).id == "movement.mix.changed"
    assert finding_mix_change(test).args["p"] == "= 0.011"


def test_three_tiers_by_hand_and_the_order_of_tiers_does_not_matter() -> None:
    cells = {("a", "a"): 60, ("a", "b"): 20, ("a", "c"): 12, ("b", "a"): 6, ("b", "b"): 50, ("b", "c"): 15,
             ("c", "a"): 8, ("c", "b"): 0, ("c", "c"): 30}  # fmt: skip
    # row sums a 92, b 71, c 38; column sums a 74, b 70, c 57: d = -18, -1; variances 46, 41; covariance -26
    d, v = np.array([-18.0, -1.0]), np.array([[46.0, -26.0], [-26.0, 41.0]])
    by_hand = (d[0] ** 2 * v[1, 1] - 2 * d[0] * d[1] * v[0, 1] + d[1] ** 2 * v[0, 0]) / (
        v[0, 0] * v[1, 1] - v[0, 1] ** 2
    )
    test = check_mix_change(counted(cells), order="abcd", minimum_moved=30)
    assert test["df"] == 2
    assert test["statistic"] == pytest.approx(by_hand, abs=1e-4)
    renamed = {(str.translate(a, NEXT), str.translate(b, NEXT)): n for (a, b), n in cells.items()}
    again = check_mix_change(counted(renamed), order="abcd", minimum_moved=30)
    assert again["statistic"] == pytest.approx(by_hand, abs=1e-4)


NEXT = str.maketrans("abc", "bca")


def test_moves_that_cancel_out_leave_the_mix_as_it_was() -> None:
    test = check_mix_change(
        counted({("a", "b"): 40, ("b", "a"): 40, ("a", "a"): 9, ("c", "c"): 5}), order="abcd", minimum_moved=30
    )
    assert (test["status"], test["statistic"], test["p_value"], test["df"]) == ("ok", 0.0, 1.0, 1)
    assert finding_mix_change(test).id == "movement.mix.same"


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ({("joined", "a"): 0, ("a", "a"): 10}, "no_movement"),
        ({("a", "b"): 29, ("b", "b"): 10}, "too_small"),
        ({("a", "b"): 40, ("c", "d"): 40}, "singular"),  # two groups that exchange nobody
        ({("a", "a"): 5, ("non_buyer", "a"): 50}, "no_movement"),  # first purchases are no change of the mix
        ({("a", "a"): 5, ("retail_prospect", "a"): 50}, "no_movement"),  # nor are those of a tier without rank
        ({("non_buyer", "non_buyer"): 5, ("unscored", "a"): 50}, "no_customers"),
    ],
)
def test_where_there_is_no_test_the_reason_is_told(cells, status: str) -> None:
    test = check_mix_change(counted(cells), order="abcd", minimum_moved=30)
    assert (test["status"], test["p_value"]) == (status, None)
    assert NAMES.say(finding_mix_change(test))


def test_the_smallest_number_of_movers_is_a_setting() -> None:
    table = counted({("a", "b"): 29, ("b", "a"): 5, ("b", "b"): 10})
    assert [check_mix_change(table, order="abcd", minimum_moved=n)["status"] for n in (34, 35)] == ["ok", "too_small"]


# -- what is said and drawn --------------------------------------------------------------------------------------------


def test_the_finding_tells_the_largest_moves() -> None:
    table = movement_table(BEFORE, NOW, order=ORDER)
    told = finding_movement(table, comparison="previous_quarter", minimum_cell=1)
    numbers = {name: told.args[name] for name in ("n", "moved", "share", "up", "down", "unranked")}
    assert numbers == {"n": 6, "moved": 3, "share": 0.5, "up": 1, "down": 1, "unranked": 1}
    largest = told.args["largest_down"]
    assert largest.id == "movement.largest_down"
    assert largest.args == {"before": "champions", "now": "promising", "n": 1, "share": 0.5, "spent": 500, "spends": 0}
    few = finding_movement(table, comparison="previous_quarter", minimum_cell=2)
    assert few.args["largest_up"].id == "movement.largest_up_few"
    assert set(few.args["largest_up"].args) == {"before", "now", "n"}
    still = finding_movement(movement_table(NOW, NOW, order=ORDER), comparison="year_ago", minimum_cell=2)
    assert (still.args["moved"], still.args["largest_up"].id) == (0, "movement.no_up")


def test_joiners_and_leavers_are_told_with_money_where_they_are_many() -> None:
    table = movement_table(BEFORE, NOW, order=ORDER)
    told = finding_joiners(table, comparison="year_ago", minimum_cell=2)
    assert told.args == {"comparison": "year_ago", "joined": 2, "joined_spend": 60, "silent": 2, "silent_spend": 510,
                         "left": 1}  # fmt: skip
    assert finding_joiners(table, comparison="year_ago", minimum_cell=3).id == "movement.joiners_few"


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_figures_texts_and_tables_in_both_languages(lang: str, comparison: str) -> None:
    words = Words(lang)
    table = movement_table(BEFORE, NOW, order=ORDER)
    flow, matrix = plot_flow(table, comparison=comparison, words=words), plot_matrix(table, words=words)
    assert isinstance(flow, Figure)
    texts = {text.get_text() for text in flow.axes[0].texts}
    assert words.word(f"movement.then.{comparison}") in texts
    assert words.say("movement.node", name=words.word("segment.champions"), n=2, share=2 / 7) in texts
    assert words.say("movement.node_outside", name=words.word("segment.joined"), n=2) in texts
    assert len(flow.axes[0].texts) == 2 + 5 + 5
    assert {text.get_text().replace("\n", "") for text in matrix.axes[0].get_yticklabels()} >= {
        words.word("segment.lost").replace("\n", "")
    }
    assert sum(text.get_text() == "·" for text in matrix.axes[0].texts) == (table["customer_count"] == 0).sum()
    for alt in (alt_flow, alt_matrix):
        assert words.say(alt(table, comparison=comparison, minimum_cell=1))
    assert words.say(note_movement(minimum_cell=10))
    assert words.word("direction.unranked") in render_table(moves_table(table, minimum_cell=1), words=words, id_="x")
    nothing = table.iloc[:0]
    assert isinstance(plot_flow(nothing, comparison=comparison, words=words), Figure)
    assert isinstance(plot_matrix(nothing, words=words), Figure)


# -- what holds of all -------------------------------------------------------------------------------------------------

TIERS = st.sampled_from(["champions", "promising", "lost", "non_buyer", None])
PAIRS = st.lists(st.tuples(TIERS, TIERS, st.integers(-500, 50_000)), min_size=1, max_size=25)


def ends(pairs: list, *, ids: list[int], factor: int = 1) -> list[pd.DataFrame]:
    frames = []
    for side in (0, 1):
        rows = [(f"c{ids[k]:03}", pair[side], factor * pair[2] / 100) for k, pair in enumerate(pairs) if pair[side]]
        frame = pd.DataFrame(rows, columns=["customer_id", "tier", "spend_amount_365d"])
        frames.append(frame.astype({"customer_id": "str", "tier": "str", "spend_amount_365d": float}))
    return frames


@settings(max_examples=25)
@given(PAIRS, st.randoms(use_true_random=False))
def test_nobody_is_lost_and_ids_rows_and_currency_do_not_matter(pairs, random) -> None:
    before, now = ends(pairs, ids=list(range(len(pairs))))
    table = movement_table(before, now, order=ORDER)
    assert table["customer_count"].sum() == len({*before["customer_id"], *now["customer_id"]})
    sizes = table.groupby("tier_now")["customer_count"].sum()
    assert {tier: n for tier, n in sizes.items() if n and tier != "left"} == now["tier"].value_counts().to_dict()
    assert table["spend_amount_now"].sum() == pytest.approx(now["spend_amount_365d"].sum(), abs=1e-6)
    assert table["spend_amount_before"].sum() == pytest.approx(before["spend_amount_365d"].sum(), abs=1e-6)
    ids = random.sample(range(500), len(pairs))
    shuffled = [frame.sample(frac=1, random_state=1) for frame in ends(pairs, ids=ids, factor=100)]
    again = movement_table(*shuffled, order=ORDER)
    money = [name for name in table.columns if "amount" in name]
    pd.testing.assert_frame_equal(again.drop(columns=money), table.drop(columns=money))
    np.testing.assert_allclose(again[money], 100 * table[money], atol=1e-6)
