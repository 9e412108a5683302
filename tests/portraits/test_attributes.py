"""Attributes of tiers by hand: bands, shares, index, unknown, hidden cells."""

from collections.abc import Callable
from datetime import date
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import PortraitSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.portraits import findings
from crm_analysis.portraits.attributes import ATTRIBUTE_SCHEMA, OTHER, attribute_table, band_labels
from crm_analysis.portraits.figures import plot_index

AS_OF = date(2025, 10, 1)
OPEN = PortraitSettings(minimum_cell=1)
MakeTables = Callable[..., Any]


def _tiers(customers: ibis.Table, tiers: dict[str, list[str]]) -> ibis.Table:
    ids = [id_ for members in tiers.values() for id_ in members]
    names = [tier for tier, members in tiers.items() for _ in members]
    con = ibis.get_backend(customers)
    return con.create_table("tiers", pa.table({"customer_id": ids, "tier": names}))


def _attributes(
    make_tables: MakeTables, customers: list[dict[str, Any]], tiers: dict[str, list[str]],
    settings: PortraitSettings = OPEN,
) -> pd.DataFrame:  # fmt: skip
    table = make_tables(customers=customers)["customers"]
    found = attribute_table(table, _tiers(table, tiers), settings=settings, as_of=AS_OF)
    check_columns(found.columns, ATTRIBUTE_SCHEMA, result="portrait_attributes")
    return found


def _cell(table: pd.DataFrame, tier: str, attribute: str, value: str) -> pd.Series:
    return table.set_index(["tier", "attribute", "value"]).loc[(tier, attribute, value)]


def test_shares_index_and_unknown_by_hand(make_tables: MakeTables) -> None:
    customers = [
        {"customer_id": "a", "gender": "female"}, {"customer_id": "b", "gender": "female"},
        {"customer_id": "c", "gender": None}, {"customer_id": "d", "gender": "male"},
        {"customer_id": "e", "gender": "female"}, {"customer_id": "f", "gender": "male"},
    ]  # fmt: skip
    table = _attributes(make_tables, customers, {"high": ["a", "b", "c"], "low": ["d", "e", "f"]})
    high = _cell(table, "high", "gender", "female")
    assert (high["n"], high["share"], high["overall_share"]) == (2, 1.0, 0.6)
    assert high["index"] == pytest.approx(166.7)
    assert (high["known_count"], high["unknown_share"]) == (2, pytest.approx(1 / 3, abs=1e-6))
    low = _cell(table, "low", "gender", "female")
    assert (low["n"], low["share"], low["index"]) == (1, pytest.approx(1 / 3, abs=1e-6), 55.6)
    assert set(table["attribute"]) == {"gender"}, "attributes that nobody records are left out"


@pytest.mark.parametrize(
    ("born", "band"),
    [
        ("2007-10-02", "<18"), ("2007-10-01", "18–24"), ("2000-10-02", "18–24"), ("2000-10-01", "25–34"),
        ("1960-10-01", "≥65"), ("2025-10-02", None),
    ],
)  # fmt: skip
def test_age_turns_on_the_birthday(make_tables: MakeTables, born: str, band: str | None) -> None:
    table = _attributes(make_tables, [{"customer_id": "a", "birth_date": born}], {"t": ["a"]})
    assert table.loc[table["attribute"] == "age_band", "value"].tolist() == ([band] if band else [])


def test_tenure_counts_from_cooperation_else_registration(make_tables: MakeTables) -> None:
    customers = [
        {"customer_id": "a", "registered_at": "2024-10-02"},
        {"customer_id": "b", "registered_at": "2024-10-01"},
        {"customer_id": "c", "registered_at": "2025-01-01", "cooperation_start": "2020-10-01"},
    ]
    table = _attributes(make_tables, customers, {"t": ["a", "b", "c"]})
    assert table.loc[table["attribute"] == "tenure_band", "value"].tolist() == ["<1", "1", "≥5"]


def test_attributes_of_persons_leave_organisations_out(make_tables: MakeTables) -> None:
    customers = [
        {"customer_id": "a", "kind": "person", "gender": "male", "company_size": "large"},
        {"customer_id": "b", "kind": "organisation", "gender": "male", "company_size": "small"},
    ]
    table = _attributes(make_tables, customers, {"t": ["a", "b"]})
    assert _cell(table, "t", "gender", "male")["known_count"] == 1
    assert table.loc[table["attribute"] == "company_size", "value"].tolist() == ["small"]


def test_value_outside_its_closed_set_is_unknown(make_tables: MakeTables) -> None:
    customers = [{"customer_id": "a", "gender": "female"}, {"customer_id": "b", "gender": "unbekannt"}]
    cell = _cell(_attributes(make_tables, customers, {"t": ["a", "b"]}), "t", "gender", "female")
    assert (cell["share"], cell["known_count"], cell["unknown_share"]) == (1, 1, 0.5)


def test_further_categories_are_folded(make_tables: MakeTables) -> None:
    customers = [{"customer_id": f"c{k}", "region": region} for k, region in enumerate("aaabbcd")]
    tiers = {"t": [f"c{k}" for k in range(7)]}
    settings = PortraitSettings(minimum_cell=1, top_categories=2)
    table = _attributes(make_tables, customers, tiers, settings)
    regions = table.loc[table["attribute"] == "region"].set_index("value")["n"]
    assert regions.to_dict() == {"a": 3, "b": 2, OTHER: 2}


def test_small_cells_and_what_gives_them_away_are_hidden(make_tables: MakeTables) -> None:
    counts = {("x", "east"): 12, ("x", "west"): 15, ("y", "east"): 2, ("y", "west"): 8}
    customers = [
        {"customer_id": f"{tier}{region}{k}", "region": region}
        for (tier, region), n in counts.items()
        for k in range(n)
    ]
    tiers = {tier: [c["customer_id"] for c in customers if c["customer_id"].startswith(tier)] for tier in "xy"}
    table = _attributes(make_tables, customers, tiers, PortraitSettings(minimum_cell=5))
    assert table["is_suppressed"].all()
    assert table[["n", "share", "index"]].isna().all(axis=None)
    table = _attributes(make_tables, customers, tiers, PortraitSettings(minimum_cell=2))
    assert table["n"].sum() == 37


def test_number_of_persons_does_not_follow_from_an_attribute(make_tables: MakeTables) -> None:
    customers = [{"customer_id": f"p{k}", "kind": "person", "gender": "male"} for k in range(20)]
    customers += [{"customer_id": "o1", "kind": "organisation"}]
    tiers = {"t": [str(c["customer_id"]) for c in customers]}
    table = _attributes(make_tables, customers, tiers, PortraitSettings(minimum_cell=5))
    assert table.loc[table["attribute"] == "kind", "is_suppressed"].all()
    assert table.loc[table["attribute"] == "gender", ["known_count", "unknown_share"]].isna().all(axis=None)


def test_band_labels_name_single_years_and_open_ends() -> None:
    assert band_labels((1, 2, 3, 5)) == ["<1", "1", "2", "3–4", "≥5"]


# -- what is said of them ----------------------------------------------------------------------------------------------


def _row(tier: str, value: str, n: int, share: float, overall: float, **more: Any) -> dict[str, Any]:
    return {
        "tier": tier, "attribute": "gender", "value": value, "n": n, "share": share, "overall_share": overall,
        "index": share / overall * 100, "known_count": round(n / share), "unknown_share": 0.1, "is_suppressed": False,
    } | more  # fmt: skip


def test_many_customers_weigh_more_than_a_high_index() -> None:
    table = pd.DataFrame(
        [
            _row("champions", "female", 6, 0.30, 0.10),  # 20 known: 3.0 standard errors, index 300
            _row("lost", "male", 600, 0.60, 0.50),  # 1000 known: 6.3 standard errors, index 120
            _row("non_buyer", "male", 9000, 0.90, 0.50),
            _row("lost", "female", 400, 0.40, 0.50),
        ]
    )
    found = findings.distinctive_table(table)
    assert found[["tier", "value"]].to_numpy().tolist() == [["lost", "male"], ["champions", "female"]]
    said = findings.finding_attributes(table)
    assert (said.args["tier"], said.args["n"], said.args["index"]) == ("lost", 600, pytest.approx(120))
    assert said.args["value"].id == "gender.male"


def test_values_of_the_data_read_as_settings_name_them() -> None:
    named = Words("en", names={"region.西南": {"zh": "西南", "en": "Southwest"}})
    texts = {value: findings.value_text("region", value) for value in ("西南", "华东")}
    assert {value: named.say(text) for value, text in texts.items()} == {"西南": "Southwest", "华东": "华东"}
    assert findings.value_text("age_band", "30–44") == "30–44"


def test_nothing_to_show_is_said() -> None:
    table = pd.DataFrame([_row("lost", "male", 5, 0.6, 0.5, is_suppressed=True)])
    assert findings.finding_attributes(table).id == "portraits.attributes.none"
    note = findings.note_attributes(table, minimum=10)
    assert (note.args["hidden"], note.args["cells"], note.args["unknown"]) == (1, 1, 0.1)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(lang: str) -> None:
    words = Words(lang)
    table = pd.DataFrame([
        _row("champions", "female", 30, 0.6, 0.5), _row("champions", "male", 20, 0.4, 0.5),
        _row("lost", "female", 20, 0.4, 0.5), _row("lost", "male", 30, 0.6, 0.5, index=None),
    ])  # fmt: skip
    for item in (findings.alt_index(table), findings.note_attributes(table, minimum=10)):
        assert "{" not in words.say(item)
    assert words.word("gender.female") in words.say(findings.finding_attributes(table))
    figure = plot_index(table, words=words)
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        f"{words.word('attribute.gender')} · {words.word(f'gender.{value}')}" for value in ("female", "male")
    ]
    assert sorted(text.get_text() for text in ax.texts) == ["120", "80", "80"], "a hidden cell stays blank"
    assert isinstance(plot_index(table, words=words, show=["region"]), Figure)
