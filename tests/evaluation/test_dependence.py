"""Concentration a year on and dependence on single accounts: shares by hand, and what is not told of persons."""

from typing import Any

import ibis
import pandas as pd
import pytest

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.evaluation import bridges_findings as findings
from crm_analysis.evaluation.dependence import (
    CONCENTRATION_CHANGE_SCHEMA,
    concentration_change_table,
    dependence_document,
)

SETTINGS = PortfolioSettings(minimum_base=5, minimum_cell=10)


def features(amounts: list[float], *, kind: str | None = "organisation", orders: int = 1) -> pd.DataFrame:
    return pd.DataFrame({
        "customer_id": [f"c{k:03}" for k in range(len(amounts))], "kind": pd.Series([kind] * len(amounts), dtype="str"),
        "order_count_365d": orders, "spend_amount_365d": amounts,
    })  # fmt: skip


def document(frame: pd.DataFrame, settings: PortfolioSettings = SETTINGS) -> dict[str, Any]:
    return dependence_document(ibis.memtable(frame), settings=settings)


#: One account brings half of 2,000, twenty bring 50 each; two gave more back than they bought.
AMOUNTS = [1000.0, *[50.0] * 20, -30.0, -500.0]


def test_by_hand() -> None:
    found = document(features(AMOUNTS))
    assert (found["status"], found["buyer_count"], found["dependent_count"]) == ("watch", 23, 1)
    assert [top["spend_share"] for top in found["largest"]] == [0.5, 0.6, 0.725]  # 1000, + 4 * 50, + 9 * 50
    # 0.5^2 + 20 * 0.025^2
    assert found["herfindahl"] == 0.2625
    assert found["equal_count"] == round(1 / 0.2625, 1)


def test_who_bought_nothing_in_the_year_is_not_counted() -> None:
    silent = features([9000.0], orders=0).assign(customer_id="x")
    assert document(pd.concat([features(AMOUNTS), silent])) == document(features(AMOUNTS))


@pytest.mark.parametrize("kind", ["person", None])
def test_single_accounts_of_persons_are_not_told(kind: str | None) -> None:
    found = document(features(AMOUNTS, kind=kind))
    assert (found["status"], found["dependent_count"], found["are_organisations"]) == ("watch", 1, False)
    assert [top["spend_share"] for top in found["largest"]] == [None, None, 0.725]
    assert (found["herfindahl"], found["equal_count"]) == (None, None)
    told = features([100.0] * 40, kind=kind)
    assert document(told)["herfindahl"] == 0.025, "nobody stands out"
    strict = PortfolioSettings(minimum_base=5, minimum_cell=11)
    assert {top["spend_share"] for top in document(told, strict)["largest"]} == {None}


def test_one_person_among_the_largest_hides_them_all() -> None:
    mixed = features(AMOUNTS)
    mixed.loc[5, "kind"] = "person"
    assert [top["spend_share"] is None for top in document(mixed)["largest"]] == [True, True, False]


def test_the_share_of_dependence_is_a_setting() -> None:
    assert document(features(AMOUNTS), PortfolioSettings(minimum_base=5, dependent_share=0.51))["status"] == "good"
    assert document(features(AMOUNTS), PortfolioSettings(minimum_base=5, dependent_share=0.5))["dependent_count"] == 1


@pytest.mark.parametrize("frame", [features([5.0] * 4), features([0.0] * 9), features([-5.0] * 9)])
def test_too_little_is_said_to_be(frame: pd.DataFrame) -> None:
    found = document(frame)
    assert (found["status"], found["largest"], found["herfindahl"]) == ("too_small", [], None)
    assert str(found["buyer_count"]) in Words("en").say(findings.finding_dependence(found))


#: What chapter 2 tells of both quarters.
THEN = {"buyer_count": 20, "gini": 0.6, "tops": [{"top_share": 0.10, "spend_share": 0.5},
                                                 {"top_share": 0.20, "spend_share": 0.65}]}  # fmt: skip
TOPS = [{"top_share": 0.01, "spend_share": None}, *({"top_share": s, "spend_share": s + 0.5} for s in (0.1, 0.2))]
TODAY = {"buyer_count": 23, "gini": 0.7, "tops": TOPS}


def test_change_on_a_year_ago() -> None:
    table = concentration_change_table(
        TODAY, document(features(AMOUNTS)), year_ago=THEN, dependence_year_ago=document(features(AMOUNTS, kind=None))
    )
    check_columns(table.columns, CONCENTRATION_CHANGE_SCHEMA, result="concentration_change")
    assert table["account_group"].tolist() == ["top_10", "top_20", "largest_1", "largest_5", "largest_10"]
    assert table["share_change_pp"].tolist()[:2] == [0.1, 0.05]
    assert table["year_ago_share"].isna().tolist() == [False, False, True, True, False]
    assert (table["n"].unique().tolist(), table["year_ago_n"].unique().tolist()) == ([23], [20])
    told = findings.finding_concentration_change(table)
    assert (told.args["fifth"], told.args["before"], told.args["change"]) == (0.7, 0.65, 0.05)
    alone = concentration_change_table(TODAY, document(features(AMOUNTS)))
    assert alone["year_ago_share"].isna().all()
    assert findings.finding_concentration_change(alone).id == "dependence.no_year_ago"
    nothing = concentration_change_table({"buyer_count": 3, "tops": []}, {"largest": []})
    assert nothing.empty
    assert findings.finding_concentration_change(nothing).id == "dependence.no_share"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said(lang: str) -> None:
    words = Words(lang)
    frames = [
        features(AMOUNTS),
        features(AMOUNTS, kind="person"),
        features([1.0] * 40),
        features([1.0] * 40, kind=None),
    ]
    said = [words.say(findings.finding_dependence(document(frame))) for frame in frames]
    assert ["72.5%" in text for text in said] == [True, True, False, False]
    assert len({words.say(findings.note_dependence(document(frame))) for frame in frames}) == 4
    table = concentration_change_table(TODAY, document(features(AMOUNTS)), year_ago=THEN)
    assert "70.0%" in words.say(findings.finding_concentration_change(table))
