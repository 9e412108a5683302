"""What became of those scored, and what campaigns saved as they assigned customers: by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.intervals import newcombe
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import practice_findings as findings
from crm_analysis.churn.look_back import (
    SCORED_BEFORE_SCHEMA,
    actions_since_table,
    look_back_document,
    scored_before_table,
)
from crm_analysis.churn.saved import saved_document, with_sides
from crm_analysis.sources.as_of import as_of

ORIGIN, END, LATER = date(2025, 4, 1), date(2025, 6, 30), date(2025, 7, 1)
ZONE = "Asia/Shanghai"


def test_what_was_assigned_and_done_by_hand(make_tables) -> None:
    done = {"status": "done"}
    actions = [
        {"customer_id": "early", "assigned_at": "2025-03-31 23:59", "done_at": "2025-04-01 00:00", **done},
        {"customer_id": "before", "assigned_at": "2025-03-01 09:00", "done_at": "2025-03-31 23:59", **done},
        {"customer_id": "first", "campaign_id": "k", "assigned_at": "2025-04-01 00:00", "done_at": None},
        {"customer_id": "last", "campaign_id": "k", "assigned_at": "2025-06-29 23:59",
         "done_at": "2025-06-29 23:59", **done},
        {"customer_id": "after", "campaign_id": "k", "assigned_at": "2025-06-01 09:00",
         "done_at": "2025-06-30 00:00", **done},  # behind the door, yet past the window
        {"customer_id": "late", "campaign_id": "k", "assigned_at": "2025-06-30 00:00"},
        {"customer_id": "held", "campaign_id": "k", "assigned_at": "2025-05-01 09:00", "is_control": True},
        {"customer_id": None, "campaign_id": "k", "assigned_at": "2025-05-01 09:00"},
    ]  # fmt: skip
    known = as_of(make_tables(actions=actions, orders=[]), LATER, zone=ZONE)["actions"]
    table = actions_since_table(known, origin=ORIGIN, end=END, zone=ZONE).set_index("customer_id")
    assert table["is_assigned"].to_dict() == {"early": False, "first": True, "last": True, "after": True, "held": True}
    assert table["is_done"].to_dict() == {"early": True, "first": False, "last": True, "after": False, "held": False}
    assert table["campaign"].fillna("").to_dict()["early"] == ""
    assert table.index[table["is_control"]].tolist() == ["held"]


def test_sides_are_those_of_one_campaign_and_never_of_upkeep() -> None:
    ids = ["treated", "control", "several", "crossed", "both", "upkeep", "control_upkeep", "none"]
    scores = pd.DataFrame({"customer_id": ids, "churn_probability": 0.5, "at_stake_amount": 1.0})
    rows = [
        ("treated", "k", False), ("treated", "k", False), ("control", "k", True),
        ("several", "k", False), ("several", "m", False), ("crossed", "k", False), ("crossed", "m", True),
        ("both", "k", False), ("both", "k", True), ("upkeep", None, False),
        ("control_upkeep", "k", True), ("control_upkeep", None, False), ("not_scored", "k", True),
    ]  # fmt: skip
    actions = pd.DataFrame(rows, columns=["customer_id", "campaign", "is_control"])
    actions = actions.assign(is_assigned=True, is_done=~actions["is_control"])
    outcomes = pd.DataFrame({"customer_id": ["control"], "order_count": [1]})
    found = scored_before_table(scores, scores.head(0), outcomes, actions)
    check_columns(found.columns, SCORED_BEFORE_SCHEMA, result="scored_before")
    told = {name: set(found.loc[found[name], "customer_id"]) for name in found if name.startswith("is_")}
    assert told["is_treated"] == {"treated"}
    assert told["is_control"] == {"control", "control_upkeep"}  # as assigned, though another action was done
    assert told["is_left_out"] == {"several", "crossed", "both"}
    assert told["is_reached"] == {"treated", "several", "crossed", "both", "upkeep", "control_upkeep"}
    assert told["is_churned"] == set(ids) - {"control"}
    campaigns = found.set_index("customer_id")["campaign"]
    assert campaigns.dropna().to_dict() == {"treated": "k", "control": "k", "control_upkeep": "k"}
    assert saved_document(found) == {
        "status": "too_few", "left_out_count": 3, "treated_count": 1, "control_count": 2, "campaign_count": 0,
        "small_campaign_count": 1}  # fmt: skip


def side(campaign: str, kind: str, *, n: int, churned: int, expected: float) -> pd.DataFrame:
    return pd.DataFrame({
        "customer_id": [f"{campaign}{kind}{k}" for k in range(n)], "campaign": campaign, "churn_probability": expected,
        "is_churned": np.arange(n) < churned, "is_treated": kind == "t", "is_control": kind == "c",
        "is_left_out": False, "is_listed": True, "is_reached": False, "at_stake_amount": 1.0,
    })  # fmt: skip


def test_campaigns_of_different_risk_are_compared_each_with_its_own_controls() -> None:
    # risky: 30 of 60 and 30 of 60 churned; calm: 24 of 240 and 6 of 60. No difference in either.
    rows = pd.concat([
        side("risky", "t", n=60, churned=30, expected=0.5), side("risky", "c", n=60, churned=30, expected=0.52),
        side("calm", "t", n=240, churned=24, expected=0.1), side("calm", "c", n=60, churned=6, expected=0.1),
        side("small", "t", n=100, churned=0, expected=0.3), side("small", "c", n=29, churned=29, expected=0.3),
    ], ignore_index=True)  # fmt: skip
    found = saved_document(rows)
    assert found["status"] == "unclear"
    assert (found["treated_count"], found["control_count"]) == (300, 120)
    assert (found["campaign_count"], found["small_campaign_count"]) == (2, 1)
    assert found["difference"] == 0  # pooled: 36 / 120 - 54 / 300, 12 points
    assert found["low"] < 0 < found["high"]
    # weights: 60 x 60 / 120 = 30 and 240 x 60 / 300 = 48
    assert found["expected_treated_rate"] == round((30 * 0.5 + 48 * 0.1) / 78, 6)
    assert found["expected_control_rate"] == round((30 * 0.52 + 48 * 0.1) / 78, 6)
    assert "saved_count" not in found
    document = {"status": "ok", "saved": found}
    for lang, unit in (("en", "0.0 pp"), ("zh", "0.0个百分点")):
        said = Words(lang).say(findings.note_saved(document))
        assert unit in said
        assert "300" in said
        assert "small" not in said


def test_customers_saved_are_told_only_where_the_interval_leaves_0_out() -> None:
    rows = pd.concat([side("k", "t", n=200, churned=40, expected=0.4), side("k", "c", n=100, churned=50, expected=0.4)])
    found = saved_document(rows)
    assert found["is_balanced"]
    difference, low, high = newcombe(50, 100, 40, 200)  # 0.5 - 0.2
    assert (found["status"], found["difference"], found["saved_count"]) == ("saved", 0.3, 60)
    assert (found["low"], found["high"]) == (round(low, 6), round(high, 6))
    assert (found["saved_low"], found["saved_high"]) == (round(200 * low, 1), round(200 * high, 1))
    turned = saved_document(rows.assign(is_treated=rows["is_control"], is_control=rows["is_treated"]))
    assert (turned["status"], turned["difference"]) == ("lost", -0.3)
    assert difference == pytest.approx(0.3)
    assert "saved_count" not in turned


@pytest.mark.parametrize(
    ("control", "is_balanced"), [((0.3, 0.5), True), ((0.327, 0.527), True), ((0.329, 0.529), False)]
)
def test_sides_that_no_draw_makes_so_unlike_are_told(control: tuple[float, float], is_balanced: bool) -> None:
    rows = pd.concat([side("k", "t", n=100, churned=50, expected=0.4), side("k", "c", n=100, churned=50, expected=0.4)])
    half = np.arange(100) < 50
    rows["churn_probability"] = np.concatenate([np.where(half, 0.3, 0.5), np.where(half, *control)])
    # variances 100 x 0.1^2 / 99; error (2 x 0.010101 / 100)^0.5 = 0.014213, times 1.96: 0.027857
    found = saved_document(rows)
    assert found["is_balanced"] is is_balanced
    for lang in LANGUAGES:
        words = Words(lang)
        judged = words.word("saved.balanced" if is_balanced else "saved.unbalanced")
        assert judged in words.say(findings.note_saved({"status": "ok", "saved": found}))


@pytest.mark.parametrize(
    ("n_treated", "n_control", "status"),
    [(30, 30, "unclear"), (30, 29, "too_few"), (29, 30, "too_few"), (0, 40, "too_few"), (40, 0, "no_control"),
     (0, 0, "no_campaign")],
)  # fmt: skip
def test_what_is_not_compared_is_told(n_treated: int, n_control: int, status: str) -> None:
    rows = pd.concat([
        side("k", "t", n=n_treated, churned=n_treated // 2, expected=0.5),
        side("k", "c", n=n_control, churned=n_control // 2, expected=0.5),
        side("k", "x", n=4, churned=2, expected=0.5),
    ], ignore_index=True)  # fmt: skip
    rows["is_left_out"] = rows["customer_id"].eq("kx0")
    found = saved_document(rows)
    assert (found["status"], found["left_out_count"]) == (status, 1)
    assert (found["treated_count"], found["control_count"]) == (n_treated, n_control)
    for lang in LANGUAGES:
        assert Words(lang).say(findings.note_saved({"status": "ok", "saved": found}))


def test_nobody_assigned_leaves_no_sides() -> None:
    rows = pd.DataFrame({"customer_id": ["a"]})
    nothing = pd.DataFrame({"customer_id": [], "campaign": [], "is_control": pd.Series([], dtype="bool")})
    found = with_sides(rows, nothing)
    assert not found[["is_treated", "is_control", "is_left_out"]].any(axis=None)
    assert found["campaign"].isna().all()


def test_a_planted_effect_is_found_and_an_absent_one_is_not_claimed() -> None:
    rng, n = np.random.default_rng(4), 3_000
    ids = [f"c{k:05d}" for k in range(n)]
    risk = np.where(np.arange(n) < n / 2, 0.7, 0.2)
    campaign = np.where(np.arange(n) < n / 2, "risky", "calm")
    # the risky campaign holds half out, the calm one a tenth: pooling would make controls look lost
    is_control = rng.uniform(size=n) < np.where(campaign == "risky", 0.5, 0.1)
    scores = pd.DataFrame({"customer_id": ids, "churn_probability": risk, "at_stake_amount": 10.0})
    actions = pd.DataFrame({"customer_id": ids, "campaign": campaign, "is_control": is_control, "is_assigned": True,
                            "is_done": False})  # fmt: skip
    for effect, status in ((0.0, "unclear"), (0.15, "saved")):
        gone = rng.uniform(size=n) < risk - effect * ~is_control
        outcomes = pd.DataFrame({"customer_id": np.array(ids)[~gone], "order_count": 1})
        document = look_back_document(
            scored_before_table(scores, scores.head(50), outcomes, actions), model="logistic", origin=date(2025, 7, 1)
        )
        saved = document["saved"]
        assert saved["status"] == status
        assert saved["difference"] == pytest.approx(effect, abs=0.05)
        assert saved["expected_treated_rate"] == pytest.approx(saved["expected_control_rate"])
    pooled = gone[is_control].mean() - gone[~is_control].mean()
    assert pooled > saved["difference"] + 0.1
