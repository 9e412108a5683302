"""Whom the list holds: counts, rates and ranking by kind, from a few customers by hand."""

import pandas as pd
import pytest

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn.list_kinds import (
    LIST_KINDS_SCHEMA,
    finding_list_kinds,
    finding_list_silence,
    list_kinds_table,
    list_silence_document,
)

KINDS = pd.DataFrame({
    "customer_id": [f"c{k}" for k in range(60)], "kind": ["person"] * 40 + ["organisation"] * 15 + [None] * 5,
})  # fmt: skip


def judged_frame() -> pd.DataFrame:
    """Of 40 persons 10 churned and have the highest scores; of 15 organisations 5 churned; the first 12 were listed."""
    rows = pd.DataFrame({"customer_id": KINDS["customer_id"].head(55)})
    place = rows.index
    return rows.assign(
        is_churned=(place < 10) | (place >= 50),
        score=1.0 - place / 100,
        is_selected=(place < 8) | (place.isin(range(40, 52))),
    )


def test_counts_rates_and_areas_by_hand() -> None:
    listed = KINDS[["customer_id"]].iloc[[0, 41, 42, 43]]
    table = list_kinds_table(KINDS[["customer_id"]], listed, judged_frame(), KINDS)
    check_columns(table.columns, LIST_KINDS_SCHEMA, result="list_kinds")
    assert table["kind"].tolist() == ["organisation", "person", "unknown"]
    rows = table.set_index("kind")
    assert rows["scored_count"].tolist() == [15, 40, 5]
    assert rows["list_count"].tolist() == [3, 1, 0]
    assert rows["held_out_count"].tolist() == [15, 40, 0]
    assert rows.loc["person", ["held_out_churn_rate", "held_out_list_count", "auc"]].tolist() == [0.25, 8, 1.0]
    assert pd.isna(rows.loc["person", "held_out_list_churn_rate"])  # eight are too few
    # organisations 40 to 51 were listed, of whom 50 and 51 churned; five churners are too few to rank
    assert rows.loc["organisation", "held_out_list_churn_rate"] == pytest.approx(2 / 12, abs=1e-6)
    assert pd.isna(rows.loc["organisation", "auc"])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_who_is_silent_for_long_is_counted_from_the_limit_on(lang: str) -> None:
    recency = pd.DataFrame({"customer_id": list("abcde"), "recency_days": [89, 90, 179, 180, 365]})
    settings = ChurnSettings(horizon_days=90, rule_silence_days=180)
    document = list_silence_document(recency[["customer_id"]].head(4), recency, settings=settings)
    assert document == {"list_count": 4, "horizon_days": 90, "silence_days": 180, "past_horizon_count": 3,
                        "past_silence_count": 1}  # fmt: skip
    assert Words(lang).say(finding_list_silence(document))
    nobody = list_silence_document(recency.head(0), recency, settings=settings)
    assert finding_list_silence(nobody).id == "list_kinds.none"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_it_can_be_said_with_and_without_a_held_out_quarter(lang: str) -> None:
    words = Words(lang)
    table = list_kinds_table(KINDS[["customer_id"]], KINDS[["customer_id"]].iloc[[0, 41, 42, 43]], None, KINDS)
    told = words.say(finding_list_kinds(table))
    assert words.word("kind.organisation") in told
    assert "25.0%" in told  # 15 of 60
    nobody = list_kinds_table(KINDS[["customer_id"]], KINDS[["customer_id"]].head(0), None, KINDS)
    assert finding_list_kinds(nobody).id == "list_kinds.none"
    empty = list_kinds_table(KINDS[["customer_id"]].head(0), KINDS[["customer_id"]].head(0), None, KINDS)
    assert empty.empty
    assert finding_list_kinds(empty).id == "list_kinds.none"
