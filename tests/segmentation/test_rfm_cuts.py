"""Which cut points hold, and the frozen file: its content, its faults, its bytes."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.errors import SettingsError
from crm_analysis.base.settings_rfm import CutSettings, PopulationCuts, RFMSettings, SplitSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.segmentation.cuts import freezable, frozen_parts, population_bases, rfm_basis
from crm_analysis.segmentation.frozen import check_frozen, frozen_document, read_frozen, write_frozen
from crm_analysis.segmentation.rfm_findings import finding_basis, note_cuts, note_split

AS_OF = date(2025, 1, 1)
SETTINGS = RFMSettings(minimum_buyers=5, minimum_history_days=100)
FIXED = PopulationCuts(person=CutSettings(recency=(30,), frequency=(2,), monetary=(100,)))
MEAN, MEDIAN = SplitSettings(by="mean"), SplitSettings(by="median")
THRESHOLDS = SplitSettings(recency_days=90, order_count=3, spend_amount=1000)


def _features(persons: int = 11, organisations: int = 3, first: float = 0.0) -> pd.DataFrame:
    """Buyers number k: last order ``first + 10 k`` days ago, k + 1 orders, 100 k spent."""
    order = np.arange(persons + organisations, dtype=float)
    recency = first + 10 * order
    last = pd.Timestamp("2025-01-01") - pd.to_timedelta(recency, unit="D")
    return pd.DataFrame({
        "customer_id": [f"c{k:03.0f}" for k in order], "kind": ["person"] * persons + ["organisation"] * organisations,
        "recency_days": recency, "order_count": order + 1, "spend_amount": 100 * order,
        "last_order_date": last, "first_order_date": last - pd.Timedelta(days=200),
    })  # fmt: skip


def _document(settings: RFMSettings = SETTINGS, features: pd.DataFrame | None = None) -> dict[str, Any]:
    populations = freezable(_features() if features is None else features, settings=settings)
    return frozen_document(populations, year="2025", as_of=AS_OF, settings=settings, currency="CNY")


def test_what_is_frozen_by_hand() -> None:
    assert _document() == {
        "fiscal_year": "2025",
        "as_of": "2025-01-01",
        "made_with": {"method": "quantiles", "split": "mean", "window_days": None, "currency": "CNY"},
        "populations": {  # persons 0 to 100 days; three organisations are too few
            "person": {
                "cuts": {"recency": [20, 40, 60, 80], "frequency": [3, 5, 7, 9], "monetary": [200, 400, 600, 800]},
                "split": {"recency_days": 50, "order_count": 6, "spend_amount": 500},
            }
        },
    }


def test_frozen_cut_points_hold_where_there_are_some() -> None:
    later = _features(persons=11, organisations=6, first=500)
    later["recency_days"] -= 400  # 100 days later for all of them, so that quantiles of the quarter differ
    bases = population_bases(later, settings=SETTINGS, frozen=_document())
    person, organisation = bases["person"], bases["organisation"]
    assert person.cuts.recency == (20, 40, 60, 80)
    assert person.split.recency_days == 50
    assert (person.cut_source, person.split_source) == ("frozen", "frozen")
    assert (organisation.cut_source, organisation.split_source) == ("quarter", "quarter")
    own = population_bases(later, settings=SETTINGS)["person"]
    assert own.cuts.recency == pytest.approx((120, 140, 160, 180))


@pytest.mark.parametrize(
    ("settings", "parts", "sources"),
    [
        (SETTINGS, ("cuts", "split"), ("frozen", "frozen")),
        (SETTINGS.model_copy(update={"freeze": False}), (), ("quarter", "quarter")),
        (SETTINGS.model_copy(update={"method": "rfm_r"}), (), ("quarter", "quarter")),
        (SETTINGS.model_copy(update={"split": SplitSettings(top_share=0.2)}), ("cuts", "split"), ("frozen", "frozen")),
        (SETTINGS.model_copy(update={"split": THRESHOLDS}), ("cuts",), ("frozen", "settings")),
        (SETTINGS.model_copy(update={"method": "fixed", "cuts": FIXED}), ("split",), ("settings", "frozen")),
    ],
)
def test_only_what_data_decide_is_frozen(
    settings: RFMSettings, parts: tuple[str, ...], sources: tuple[str, str]
) -> None:
    assert frozen_parts(settings) == parts
    document = _document(settings)
    assert {tuple(sorted(figures)) for figures in document["populations"].values()} <= {parts}
    assert check_frozen(document, expected=document, where="x") == []
    basis = population_bases(_features(), settings=settings, frozen=document)["person"]
    assert (basis.cut_source, basis.split_source) == sources


def test_a_frozen_file_reads_as_it_was_written_with_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "frozen" / "2025.json"
    write_frozen(_document(), path)
    first = path.read_bytes()
    mixed = _features().sample(frac=1, random_state=3)
    write_frozen(_document(features=mixed), path)
    assert path.read_bytes() == first
    assert read_frozen(path, expected=_document()) == _document()
    assert [entry.name for entry in path.parent.iterdir()] == ["2025.json"]


def test_whole_numbers_written_by_hand_are_numbers(tmp_path: Path) -> None:
    document = _document()
    document["populations"]["person"]["cuts"]["recency"] = [30, 90, 180, 365]
    path = tmp_path / "2025.json"
    path.write_text(json.dumps(document), "utf-8")
    read = read_frozen(path, expected=_document())
    assert population_bases(_features(), settings=SETTINGS, frozen=read)["person"].cuts.recency == (30, 90, 180, 365)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"populations": {"person": {"cuts": {"recency": [1, 2, 3, 4]}}}}, "populations.person.cuts.frequency is malf"),
        ({"populations": {"company": {}}}, "populations.company is malformed"),
        ({"as_of": None}, "as_of is malformed"),
        ({"populations": {"person": {}}}, "population 'person' holds no cuts"),
        ({"populations": {"person": None}}, "population 'person' holds no split"),
        ({"as_of": "2024-01-01"}, "made with as_of '2024-01-01', the settings in force give '2025-01-01'"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_fix(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    path = tmp_path / "frozen" / "2025.json"
    write_frozen(_document() | change, path)
    with pytest.raises(SettingsError, match=what) as refused:
        read_frozen(path, expected=_document())
    assert "--refreeze" in str(refused.value)
    assert "frozen/2025.json" in str(refused.value)


def test_cut_points_that_fall_are_malformed() -> None:
    document = _document()
    document["populations"]["person"]["cuts"]["monetary"] = [1.0, 3.0, 2.0, 4.0]
    (problem,) = check_frozen(document, expected=_document(), where="frozen/2025.json")
    assert problem.what.startswith("populations.person.cuts.monetary is malformed")
    assert "must not fall" in problem.what


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "2025.json"
    path.write_text("{", "utf-8")
    with pytest.raises(SettingsError, match="it cannot be read"):
        read_frozen(path, expected=_document())


@pytest.mark.parametrize(
    ("update", "told"),
    [
        ({"window_days": 365}, "window_days None"),
        ({"split": MEDIAN}, "split 'mean'"),
        ({"split": SplitSettings(top_share=0.2)}, "{'top_share': 0.2}"),
        ({"split": THRESHOLDS}, "split 'mean'"),
        ({"method": "fixed", "cuts": FIXED}, "method 'quantiles'"),
    ],
)
def test_other_settings_than_it_was_made_with_are_told(update: dict[str, Any], told: str) -> None:
    settings = SETTINGS.model_copy(update=update)
    expected = frozen_document({}, year="2025", as_of=AS_OF, settings=settings, currency="CNY")
    (problem,) = check_frozen(_document(), expected=expected, where="frozen/2025.json")
    assert told in problem.what
    assert "--refreeze" in problem.fix


def test_another_currency_is_told() -> None:
    expected = frozen_document({}, year="2025", as_of=AS_OF, settings=SETTINGS, currency="EUR")
    assert "currency 'CNY'" in check_frozen(_document(), expected=expected, where="x")[0].what


def test_thresholds_of_who_is_scored_do_not_matter_to_the_file() -> None:
    other = SETTINGS.model_copy(update={"minimum_buyers": 7})
    expected = frozen_document({}, year="2025", as_of=AS_OF, settings=other, currency="CNY")
    assert check_frozen(_document(), expected=expected, where="x") == []


@pytest.mark.parametrize(
    ("update", "frozen", "organisations", "status"),
    [
        ({}, True, 3, "frozen"),
        ({}, True, 6, "mixed"),
        ({}, False, 3, "quarter"),
        ({"freeze": False}, False, 3, "quarter"),
        ({"method": "rfm_r"}, False, 3, "quarter"),
        ({"method": "fixed", "cuts": FIXED}, False, 3, "settings"),
        ({"minimum_buyers": 99}, False, 3, "none"),
    ],
)
def test_the_report_says_where_cut_points_come_from(
    update: dict[str, Any], frozen: bool, organisations: int, status: str
) -> None:
    settings = SETTINGS.model_copy(update=update)
    known = _document() if frozen else {}
    basis = rfm_basis(_features(organisations=organisations), settings=settings, frozen=known)
    assert basis["status"] == status
    said = [Words(lang).say(item) for lang in LANGUAGES for item in (finding_basis(basis), note_cuts(basis))]
    assert all("{" not in text for text in said)
    if status == "frozen":
        assert "2025年1月1日" in said[0]
    if status == "mixed":
        assert "企业客户" in said[0]


def test_each_reason_has_its_own_words() -> None:
    said = set()
    for update in ({}, {"freeze": False}, {"method": "rfm_r"}, {"method": "fixed", "cuts": FIXED}):
        basis = rfm_basis(_features(), settings=SETTINGS.model_copy(update=update))
        said.add(Words("en").say(finding_basis(basis)))
    assert len(said) == 4


@pytest.mark.parametrize("split", [MEAN, MEDIAN, THRESHOLDS, SplitSettings(top_share=0.2)])
def test_every_split_has_its_note(split: SplitSettings) -> None:
    basis = rfm_basis(_features(), settings=SETTINGS.model_copy(update={"split": split}))
    notes = [Words(lang).say(note_split(basis)) for lang in LANGUAGES]
    assert all("{" not in note for note in notes)
    assert ("20.0%" in notes[0]) is (split.kind == "top_share")
