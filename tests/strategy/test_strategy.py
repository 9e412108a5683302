import pandas as pd
import pytest

from crm_analysis.base.errors import SettingsError
from crm_analysis.base.metrics import METRICS
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import PRESETS, Name, Settings, StrategyRow, StrategySettings, layer, load_preset
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.evaluation.scorecard import check_targets
from crm_analysis.segmentation.rules import EIGHT_TYPES, NON_BUYER
from crm_analysis.strategy import figures, findings
from crm_analysis.strategy.names import DIMENSIONS, strategy_names
from crm_analysis.strategy.table import (
    CONTACTS_SCHEMA,
    LOAD_SCHEMA,
    STRATEGY_SCHEMA,
    contacts_table,
    format_owner_load,
    format_plan,
    format_strategy,
    owner_load_table,
    strategy_table,
)


def name(text: str) -> Name:
    return Name(zh=f"{text}（中）", en=text)


def row(tier: str, contacts: float, owner: str = "sales") -> StrategyRow:
    texts = {dimension: name(dimension) for dimension in DIMENSIONS} | {"owner": name(owner)}
    return StrategyRow(tier=tier, contacts_per_quarter=contacts, **texts)


ROWS = (row("gold", 3, "manager"), row("plain", 0.5), row("late", 2), row("nobody", 9))
SIZES = pd.DataFrame(
    {
        "segment": ["late", "plain", "gold", "odd"],
        "customer_count": [10, 101, 20, 7],
        "spend_share": [0.1, 0.2, 0.6, 0.1],
    }
)
SEGMENTS = pd.DataFrame({"customer_id": list("abcd"), "tier": ["gold", "gold", "plain", "odd"]})
PERIODS = pd.DataFrame(
    {
        "customer_id": ["a", "a", "b", "c", "d", "e"],
        "quarter": ["2025Q3", "2025Q2", "2025Q3", "2025Q3", "2025Q3", "2025Q3"],
        "interaction_out_count": [2, 9, 0, 1, 4, 5],
    }
)
QUARTER = Quarter(2025, 3)
NAMES = {f"segment.{tier}": {"zh": tier, "en": tier} for tier in ("gold", "plain", "late", "odd")}


@pytest.fixture
def contacts() -> pd.DataFrame:
    return contacts_table(SEGMENTS, PERIODS, quarter=QUARTER)


@pytest.fixture
def strategy(contacts: pd.DataFrame) -> pd.DataFrame:
    return strategy_table(SIZES, rows=ROWS, contacts=contacts)


@pytest.fixture(params=LANGUAGES)
def words(request) -> Words:
    return Words(request.param, names=NAMES | strategy_names(StrategySettings(rows=ROWS)))


def test_contacts_of_the_quarter_sum_to_the_whole(contacts: pd.DataFrame) -> None:
    check_columns(contacts.columns, CONTACTS_SCHEMA, result="contacts")
    assert contacts.set_index("tier")["contact_count"].to_dict() == {"gold": 2, "no_tier": 5, "odd": 4, "plain": 1}
    assert contacts["start_customer_count"].tolist() == [2, 0, 1, 1]  # gold: a and b, contacted or not
    assert contacts.set_index("tier")["contacted_customer_count"].to_dict()["gold"] == 1  # b was not contacted
    assert contacts["contact_count"].sum() == 12


def test_plan_against_made_by_hand(strategy: pd.DataFrame) -> None:
    check_columns(strategy.columns, STRATEGY_SCHEMA, result="strategy_table")
    assert strategy["tier"].tolist() == ["gold", "plain", "late", "odd"]  # in the order of the rows, uncovered last
    assert strategy["is_covered"].tolist() == [True, True, True, False]
    assert strategy["planned_contact_count"].tolist()[:3] == [60, 50.5, 20]
    assert strategy["contact_count"].tolist() == [2, 1, 0, 4]
    gold = strategy.iloc[0]
    # two gold customers at the quarter's start, though there are twenty today: 2 x 3 contacts were due, one was reached
    assert strategy["due_contact_count"].tolist()[:3] == [6, 0.5, 0]
    assert (gold["contacted_share"], gold["plan_kept_rate"]) == (0.5, round(2 / 6, 6))
    assert pd.isna(strategy.iloc[2]["contacted_share"])  # nobody was in the tier
    assert pd.isna(strategy.iloc[3]["plan_kept_rate"])


def test_a_plan_of_no_contacts_has_no_rate(contacts: pd.DataFrame) -> None:
    table = strategy_table(SIZES, rows=(row("gold", 0),), contacts=contacts)
    assert table.iloc[0]["planned_contact_count"] == 0
    assert pd.isna(table.iloc[0]["plan_kept_rate"])


def test_without_interactions_made_contacts_are_unknown_not_zero(words: Words) -> None:
    table = strategy_table(SIZES, rows=ROWS)
    assert table["contact_count"].isna().all()
    assert findings.finding_strategy(table).id == "finding.strategy_planned"
    assert words.say(findings.finding_strategy(table))
    assert figures.plot_contacts(table, words=words).axes


def test_a_tier_with_two_rows_is_refused() -> None:
    with pytest.raises(SettingsError, match="tier 'gold' has two rows"):
        strategy_table(SIZES, rows=(row("gold", 1), row("gold", 2)))


def test_load_by_owner(strategy: pd.DataFrame) -> None:
    load = owner_load_table(strategy, rows=ROWS)
    check_columns(load.columns, LOAD_SCHEMA, result="owner_load")
    assert load["owner_key"].tolist() == ["strategy.plain.owner", "strategy.gold.owner"]
    assert load["planned_contact_count"].tolist() == [70.5, 60]
    assert load["customer_count"].tolist() == [111, 20]
    assert load["planned_contact_count"].sum() == strategy["planned_contact_count"].sum()


def test_reading_in_both_languages(strategy: pd.DataFrame, words: Words) -> None:
    shown = format_strategy(strategy, words=words)
    assert shown["service"].tolist()[3] == "—"
    assert shown["service"].tolist()[0] == words.word("strategy.gold.service")
    load = format_owner_load(owner_load_table(strategy, rows=ROWS), words=words)
    assert load["owner"].tolist() == [words.word("strategy.plain.owner"), words.word("strategy.gold.owner")]
    assert "70" in words.say(findings.finding_load(load))
    assert words.say(findings.finding_load(load.iloc[:0]))
    assert format_plan(strategy)["tier"].tolist() == ["gold", "plain", "late"]


def test_the_finding_names_the_largest_gap() -> None:
    words = Words("en", names=NAMES)
    table = strategy_table(SIZES, rows=ROWS, contacts=contacts_table(SEGMENTS, PERIODS, quarter=QUARTER))
    told = words.say(findings.finding_strategy(table))
    assert "asked for 6 contacts this quarter; 3 were made (46.2%; customers at its start: 3)" in told
    assert told.endswith("The largest gap is with gold: 6 due, 2 made")
    kept = table.assign(contact_count=table["due_contact_count"].fillna(0))
    assert words.say(findings.finding_strategy(kept)).endswith(
        "(100.0%; customers at its start: 3); no tier fell short"
    )
    assert words.say(
        findings.note_contacts(contacts_table(SEGMENTS, PERIODS, quarter=QUARTER), strategy=table)
    ).endswith("left out: 5 (customers: 1).")
    nothing = pd.DataFrame(columns=list(CONTACTS_SCHEMA))
    assert findings.note_contacts(nothing, strategy=table).id == "note.strategy_contacts_unknown"
    assert words.say(findings.note_uncovered(table)).startswith("Tiers without a strategy: 1 (first of them odd)")


def test_no_rows_at_all(words: Words) -> None:
    bare = strategy_table(SIZES, rows=())
    assert findings.finding_strategy(bare).id == "finding.strategy_none"
    assert owner_load_table(bare, rows=()).empty
    figure = figures.plot_contacts(bare, words=words)
    assert words.word("note.not_enough_data") in [text.get_text() for text in figure.axes[0].texts]
    for told in (findings.finding_strategy(bare), findings.note_uncovered(bare), findings.alt_contacts(bare)):
        assert words.say(told)


def test_the_figure_shows_made_and_planned(strategy: pd.DataFrame, words: Words) -> None:
    texts = [text.get_text() for text in figures.plot_contacts(strategy, words=words).axes[0].texts]
    assert texts == ["2 / 6", "1 / 0", "0 / 0"]
    unknown = strategy_table(SIZES, rows=ROWS)
    texts = [text.get_text() for text in figures.plot_contacts(unknown, words=words).axes[0].texts]
    assert texts == ["— / 60", "— / 50", "— / 20"]
    assert findings.alt_contacts(unknown).id == "alt.contacts_planned"
    assert words.say(findings.alt_contacts(unknown))
    assert words.say(findings.alt_contacts(strategy))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_covers_its_primary_scheme_and_the_eight_types_and_has_known_targets(preset: str) -> None:
    given = {"company": {"zh": "示例", "en": "Sample"}, "preset": preset, "data": {}}
    settings = Settings.model_validate(layer(load_preset(preset), given))
    tiers = [row.tier for row in settings.strategy.rows]
    assert len(set(tiers)) == len(tiers)
    assert {*EIGHT_TYPES.values(), NON_BUYER} <= set(tiers)
    primary = settings.segmentation.schemes.get(settings.segmentation.primary_scheme)
    if primary is not None:  # the rest of ABC and of the five grades holds nobody; that of the value tiers does
        assert {tier.id for tier in primary.tiers} <= set(tiers)
    assert ("retail_unclassified" in tiers) == (preset == "retail")
    assert check_targets(settings.evaluation.targets).keys() <= METRICS.keys()
    texts = strategy_names(settings.strategy)
    assert all(text["zh"] and text["en"] and text["zh"] != text["en"] for text in texts.values())
