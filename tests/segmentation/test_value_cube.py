"""The cube of classes, the stability of scores, and what is said and drawn of them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_value import ValueSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.segmentation import value_figures as figures
from crm_analysis.segmentation import value_findings as findings
from crm_analysis.segmentation.value_cube import (
    CUBE_SCHEMA,
    SCORE_STABILITY_SCHEMA,
    hidden_cells,
    score_stability_table,
    value_cube_table,
)
from crm_analysis.segmentation.value_scores import DIMENSIONS

SETTINGS = ValueSettings(minimum_cell=3)


def scores(*groups: tuple[str, str, int, float]) -> pd.DataFrame:
    """Return customers: (population, classes of value, loyalty, potential by initials, how many, spend of each)."""
    names = {"l": ("low", 20.0), "m": ("middle", 50.0), "h": ("high", 90.0), "-": (None, np.nan)}
    rows = []
    for kind, initials, count, spend in groups:
        told = {f"{d}_class": names[i][0] for d, i in zip(DIMENSIONS, initials, strict=True)}
        told |= {f"{d}_score": names[i][1] for d, i in zip(DIMENSIONS, initials, strict=True)}
        rows += [{"kind": kind, "spend_amount_365d": spend, **told}] * count
    frame = pd.DataFrame(rows)
    return frame.assign(customer_id=[f"c{k:03}" for k in range(len(frame))])


SCORED = scores(
    ("person", "hhh", 5, 100.0), ("person", "hlm", 3, 40.0), ("person", "lmh", 4, 10.0), ("person", "lll", 8, 5.0),
    ("person", "hh-", 2, 1000.0), ("organisation", "mmm", 6, 50.0),
)  # fmt: skip


def cell(cube: pd.DataFrame, kind: str, *classes: str) -> pd.Series:
    return cube.set_index(["kind", "value_class", "loyalty_class", "potential_class"]).loc[(kind, *classes)]


def test_cube_by_hand() -> None:
    cube = value_cube_table(SCORED, settings=SETTINGS)
    check_columns(cube.columns, CUBE_SCHEMA, result="value_cube")
    assert cube["kind"].value_counts().to_dict() == {"person": 27, "organisation": 27}
    # 20 persons have all three scores and spend 500 + 120 + 40 + 40
    best = cell(cube, "person", "high", "high", "high")
    assert (best["customer_count"], best["customer_share"], best["year_spend_amount"]) == (5, 0.25, 500.0)
    assert best["spend_share"] == pytest.approx(500 / 700, abs=1e-6)
    assert cell(cube, "person", "high", "low", "middle")["customer_count"] == 3
    assert cube.loc[cube["kind"] == "person", "customer_count"].sum() == 20
    assert cell(cube, "organisation", "middle", "middle", "middle")["spend_share"] == 1.0
    assert cell(cube, "organisation", "low", "low", "low")["customer_count"] == 0


def test_amounts_of_small_cells_are_hidden_and_cannot_be_subtracted() -> None:
    cube = value_cube_table(SCORED, settings=ValueSettings(minimum_cell=4))
    hidden = cube.loc[(cube["kind"] == "person") & cube["year_spend_amount"].isna()]
    # 3 of high-low-middle alone would follow from the total: the next smallest, 4 of low-middle-high, goes too
    assert sorted(hidden["customer_count"]) == [3, 4]
    assert hidden["spend_share"].isna().all()


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([30, 20, 10], []),
        ([30, 2, 8, 12, 0], [1, 2]),
        ([30, 2, 1, 1, 9], [1, 2, 3, 4]),
        ([30, 2, 2, 1, 9], [1, 2, 3]),
        ([2], [0]),
    ],
)
def test_hidden_cells(counts: list[int], hidden: list[int]) -> None:
    found = hidden_cells(pd.Series(counts), minimum=5)
    assert found.index[found].tolist() == hidden


def test_without_spend_there_are_no_shares_of_it() -> None:
    cube = value_cube_table(scores(("person", "lll", 9, 0.0)), settings=SETTINGS)
    assert cube["spend_share"].isna().all()
    assert value_cube_table(SCORED.iloc[:0], settings=SETTINGS).empty


def test_stability_by_hand() -> None:
    before = scores(("person", "lll", 2, 1.0), ("person", "mlh", 1, 1.0), ("person", "hml", 1, 1.0))
    now = before.copy()
    now.loc[0, ["value_score", "value_class"]] = [41.0, "middle"]  # 21 points and another class
    now.loc[1, "value_score"] = 40.0  # 20 points are not more than 20
    table = score_stability_table(now, before, settings=SETTINGS).set_index("dimension")
    check_columns(table.reset_index().columns, SCORE_STABILITY_SCHEMA, result="value_stability")
    value = table.loc["value"]
    assert (value["customer_count"], value["moved_share"], value["class_changed_share"]) == (4, 0.25, 0.25)
    assert (value["score_median_before"], value["score_median"]) == (35.0, 45.5)
    # ranks before 1.5 1.5 3 4, now 2 1 3 4: covariance 4.5, variances 4.5 and 5
    assert value["rank_correlation"] == pytest.approx(4.5 / (4.5 * 5) ** 0.5, abs=1e-4)
    assert (table.loc["loyalty", "moved_share"], table.loc["loyalty", "rank_correlation"]) == (0, 1)
    strict = score_stability_table(now, before, settings=ValueSettings(moved_points=19))
    assert strict.loc[0, "moved_share"] == 0.5


def test_stability_needs_customers_in_both_quarters_and_different_scores() -> None:
    same = scores(("person", "lll", 3, 1.0))
    assert score_stability_table(same, same, settings=SETTINGS)["rank_correlation"].isna().all()
    assert score_stability_table(same, same.assign(customer_id="x"), settings=SETTINGS).empty


# -- words and figures -------------------------------------------------------------------------------------------------


def test_findings_hold_the_numbers() -> None:
    cube = value_cube_table(SCORED, settings=SETTINGS)
    assert findings.main_population(cube) == "person"
    args = findings.finding_cube(cube, kind="person").args
    assert (args["n"], args["total"], args["keep"], args["grow"]) == (5, 20, 3, 4)
    assert args["all_spend"] == pytest.approx(500 / (700 + 300), abs=1e-5)  # of those with all three scores
    moved = findings.finding_stability(
        score_stability_table(SCORED, SCORED, settings=SETTINGS), kind="person", points=20
    )
    assert (moved.args["n"], moved.args["value"], moved.args["value_rank"]) == (22, 0.0, 1.0)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(lang: str) -> None:
    words = Words(lang)
    cube = value_cube_table(SCORED, settings=ValueSettings(minimum_cell=4))
    stability = score_stability_table(SCORED, SCORED, settings=SETTINGS)
    for kind in ("person", "organisation"):
        figure = figures.plot_value_cube(cube, words=words, kind=kind)
        assert [len(ax.texts) for ax in figure.axes] == [9, 9, 9]
        assert words.say(findings.finding_cube(cube, kind=kind)) in words.say(findings.alt_cube(cube, kind=kind))
        assert "20" in words.say(findings.finding_stability(stability, kind=kind, points=20.0))
    nothing = cube.iloc[:0]
    assert findings.main_population(nothing) == "person"
    assert isinstance(figures.plot_value_cube(nothing, words=words, kind="person"), Figure)
    assert words.say(findings.finding_cube(nothing, kind="person")) == words.word("value.none")
    empty = findings.finding_stability(stability.iloc[:0], kind="person", points=20.0)
    assert words.say(empty) == words.word("value.stability.none")
