"""How the results of segmentation hang together, on the demo company under settings of other companies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from crm_analysis import open_workspace
from crm_analysis.base.words import Message
from crm_analysis.segmentation.movement_findings import note_past_tiers
from crm_analysis.workspace import Workspace

Open = Callable[..., Workspace]


@pytest.fixture
def opened(demo_config: Path, tmp_path: Path) -> Open:
    """Return ``open_(segmentation={...}, without=[...])``: the demo under other settings, some tables left out."""

    def open_(*, without: tuple[str, ...] = (), **sections: Any) -> Workspace:
        settings = yaml.safe_load(demo_config.read_text("utf-8"))
        tables = {name: table for name, table in settings["data"]["tables"].items() if name not in without}
        for table in tables.values():
            table["path"] = str(demo_config.parent / table["path"])
        settings["data"]["tables"] = tables
        path = tmp_path / "crm.yml"
        path.write_text(yaml.safe_dump(settings | sections, allow_unicode=True), "utf-8")
        return open_workspace(path, quarter="2025Q3")

    return open_


def test_tiers_of_the_past_that_cannot_be_known_are_not_made_up(opened: Open) -> None:
    # b2b_classes reads company size and position, which are overwritten and whose history is not given
    ws = opened(without=("customers_history",), segmentation={"primary_scheme": "b2b_classes"})
    assert ws.result("past_tiers") == {"unknown_fields": ["company_size", "industry_position"]}
    held = ws.result("held_tiers")
    assert held["tier"].tolist() == held["raw_tier"].tolist()
    assert not held["is_held"].any()
    assert ws.result("movement")["customer_count"].sum() == 0
    assert ws.result("separation_panel").empty
    assert ws.result("separation_verdict")["status"] == "insufficient"
    assert ws.result("tier_contacts").empty
    assert note_past_tiers(ws.result("past_tiers")).args == {"fields": ["company_size", "industry_position"]}
    assert isinstance(note_past_tiers({"unknown_fields": []}), Message)


def test_a_crossing_of_type_and_stage_can_be_the_primary_scheme(opened: Open) -> None:
    name = {"zh": "甲", "en": "a"}
    leaving = "stage in ['declining', 'dormant', 'lost'] and eight_type == 'general_winback'"
    scheme = {
        "name": name,
        "tiers": [
            {"id": "leaving", "name": name, "when": leaving},
            {"id": "top", "name": name, "when": "r_score == 5"},
        ],
        "otherwise": {"id": "rest", "name": name},
    }
    ws = opened(segmentation={"primary_scheme": "crossed", "schemes": {"crossed": scheme}})
    raw = ws.result("raw_segments")
    is_leaving = raw["stage"].isin(["declining", "dormant", "lost"]) & (raw["eight_type"] == "general_winback")
    is_top = (raw["r_score"] == 5).fillna(False).astype(bool) & ~is_leaving
    assert is_leaving.sum() >= 5
    assert is_top.sum() >= 50
    assert set(raw.loc[is_leaving, "tier"]) == {"leaving"}
    assert set(raw.loc[is_top, "tier"]) == {"top"}
    assert set(raw.loc[~is_leaving & ~is_top, "tier"]) == {"rest"}
    sizes = ws.result("scheme_sizes").set_index(["scheme", "tier"])["by_rule_count"]  # the engine counts the same
    assert sizes["crossed", "leaving"] == is_leaving.sum()
    assert sizes["crossed", "top"] == is_top.sum()
    tiers = ws.rows("scheme_tiers").to_pandas()
    assert (tiers.loc[tiers["scheme"] == "crossed", "tier"] == "leaving").sum() == is_leaving.sum()


def test_no_scheme_by_rule_needs_to_be_shown(opened: Open) -> None:
    ws = opened(segmentation={"primary_scheme": "eight_types", "shown_schemes": []})
    assert ws.result("scheme_sizes").empty
    assert ws.rows("scheme_tiers").count().to_pandas() == 0
    assert ws.result("scheme_lint").empty


def test_responsibilities_add_up_to_the_tiers(opened: Open) -> None:
    ws = opened()
    table, sizes = ws.result("responsibilities"), ws.result("primary_sizes").set_index("segment")
    found = table.groupby("tier")["customer_count"].sum()
    assert found.to_dict() == sizes.loc[sizes["customer_count"] > 0, "customer_count"].to_dict()
    plan = ws.result("strategy_table").set_index("tier")["planned_contact_count"]
    assert table.groupby("tier")["planned_contact_count"].sum().round(1).to_dict() == plan[found.index].to_dict()
    assert table["tier"].drop_duplicates().tolist()[:2] == ["retail_high_value", "retail_potential"]
    top = table.loc[table["tier"] == "retail_high_value"]
    assert top["owner"].nunique() > 1
    assert top["customer_count"].tolist() == sorted(top["customer_count"], reverse=True)
    customers = ws.tables["customers"].select("customer_id", "owner").to_pandas()
    joined = ws.result("segments").merge(customers, on="customer_id", how="left")
    first = top.iloc[0]
    assert first["customer_count"] == ((joined["tier"] == first["tier"]) & (joined["owner"] == first["owner"])).sum()
