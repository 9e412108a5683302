"""The segment tables and their linter."""

from crm_analysis.base.settings import RFMSettings, SegmentRule
from crm_analysis.segmentation.rules import (
    RFM_R_SEGMENTS,
    TEN_SEGMENTS,
    cell_segments,
    check_rules,
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
