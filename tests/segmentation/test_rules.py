"""The segment tables, their linter, and what is refused of a table of one's own."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from crm_analysis.base.errors import SettingsError
from crm_analysis.base.settings_rfm import RFMSettings, SegmentRule
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.opening import open_company, open_settings
from crm_analysis.segmentation.rfm_findings import finding_rules
from crm_analysis.segmentation.rules import (
    RFM_R_SEGMENTS,
    TEN_SEGMENTS,
    cell_segments,
    check_rules,
    rules_document,
    segment_rules,
)


def test_our_table_covers_all_cells_and_every_rule_decides() -> None:
    found = check_rules(TEN_SEGMENTS)
    assert (found["status"], found["uncovered"], found["shadowed"]) == ("good", [], [])
    assert len(cell_segments(TEN_SEGMENTS, otherwise="others")) == 125
    assert "others" not in cell_segments(TEN_SEGMENTS, otherwise="others").values()


def test_published_table_leaves_exactly_ten_cells() -> None:
    found = check_rules(RFM_R_SEGMENTS)
    assert found["uncovered"] == ["215", "241", "251", "252", "341", "351", "441", "451", "541", "551"]
    assert found["status"] == "watch"
    cells = cell_segments(RFM_R_SEGMENTS, otherwise="others")
    assert cells[2, 1, 5] == "others"
    assert sum(segment == "others" for segment in cells.values()) == 10


def test_shadowed_rule_is_named() -> None:
    rules = (SegmentRule(id="all"), SegmentRule(id="never", r=(5, 5)))
    found = check_rules(rules)
    assert found["shadowed"] == ["2 never"]
    assert found["overlap_count"] == 25
    assert found["status"] == "watch"


def test_settings_choose_the_table() -> None:
    own = (SegmentRule(id="all"),)
    assert segment_rules(RFMSettings()) is TEN_SEGMENTS
    assert segment_rules(RFMSettings(table="rfm_r")) is RFM_R_SEGMENTS
    assert segment_rules(RFMSettings(table=own)) == own


def test_best_and_worst_cells_are_what_their_names_say() -> None:
    cells = cell_segments(TEN_SEGMENTS, otherwise="others")
    assert cells[5, 5, 5] == "champions"
    assert cells[1, 5, 5] == "cant_lose_them"
    assert cells[5, 1, 1] == "new_customers"
    assert cells[1, 1, 1] == "lost"


def _segments(*cells: str) -> pd.DataFrame:
    """Scored customers in cells such as 215, and one without scores."""
    scores = [[int(digit) for digit in cell] for cell in cells] + [[None] * 3]
    return pd.DataFrame(scores, columns=["r_score", "f_score", "m_score"]).astype("Int64")


def test_customers_whom_no_rule_matches_are_counted() -> None:
    settings = RFMSettings(table="rfm_r", otherwise="others")
    document = rules_document(_segments("215", "215", "551", "555"), settings=settings)
    assert (document["customer_count"], document["scored_count"], document["otherwise"]) == (3, 4, "others")
    found = finding_rules(document)
    assert (found.args["n"], found.args["total"], found.args["share"], found.args["count"]) == (3, 4, 0.75, 10)
    said = [Words(lang).say(found) for lang in LANGUAGES]
    assert all("215 241 251 252 341 351 441 451 541 551" in text for text in said)
    assert "其他客户" in said[0]


def test_a_full_table_says_so() -> None:
    found = finding_rules(rules_document(_segments("111"), settings=RFMSettings()))
    assert found.id == "rfm.rules.complete"


def test_many_gaps_are_named_in_part() -> None:
    own = RFMSettings(table=(SegmentRule(id="champions", r=(5, 5)),))
    found = finding_rules(rules_document(_segments("111"), settings=own))
    assert found.args["count"] == 100
    assert found.args["cells"].endswith("...")


# -- settings ----------------------------------------------------------------------------------------------------------


def _config(folder: Path, table: list[dict[str, Any]], **more: Any) -> Path:
    path = folder / "crm.yml"
    values = {
        "company": {"zh": "甲", "en": "A"}, "data": {"tables": {"orders": {"path": "orders.csv"}}},
        "segmentation": {"rfm": {"table": table}},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(values | more, allow_unicode=True), "utf-8")
    return path


def test_a_rule_that_never_decides_is_refused_with_its_cells(tmp_path: Path) -> None:
    table = [{"id": "champions", "r": [4, 5]}, {"id": "promising", "r": [5, 5], "f": [1, 1]}, {"id": "lost"}]
    with pytest.raises(
        SettingsError, match=r"rule 2 \('promising'\) never decides: champions above it take all"
    ) as wrong:
        open_settings(_config(tmp_path, table))
    assert "(511 512 513 514 515)" in str(wrong.value)
    assert len(wrong.value.problems) == 1


def test_ids_that_stand_twice_or_have_no_name_are_refused_together(tmp_path: Path) -> None:
    table = [{"id": "champions", "r": [5, 5]}, {"id": "vip", "r": [4, 4]}, {"id": "champions", "r": [3, 3]}]
    with pytest.raises(SettingsError, match="segment 'champions' stands in 2 rules") as wrong:
        open_settings(_config(tmp_path, table))
    told = {problem.what: problem.where for problem in wrong.value.problems}
    assert told["segment 'vip' has no name"].endswith("segmentation.rfm.table.1.id")
    assert len(told) == 2


def test_a_table_with_gaps_passes_and_names_of_settings_reach_the_words(tmp_path: Path) -> None:
    names = {"segment.vip": {"zh": "贵宾", "en": "VIP"}, "segment.champions": {"zh": "明星客户", "en": "Stars"}}
    config = _config(tmp_path, [{"id": "vip", "r": [5, 5]}, {"id": "champions", "r": [4, 4]}], names=names)
    words = open_company(config, lang="zh").words
    assert words.word("segment.vip") == "贵宾"
    assert words.word("segment.champions") == "明星客户"


@pytest.mark.parametrize("table", [[{"id": "champions", "r": [5, 4]}], [{"r": [5, 5]}], ["champions"], "eleven"])
def test_a_table_of_another_form_is_told_once(tmp_path: Path, table: Any) -> None:
    with pytest.raises(SettingsError, match=r"segmentation\.rfm\.table") as wrong:
        open_settings(_config(tmp_path, table))
    assert len(wrong.value.problems) == 1
