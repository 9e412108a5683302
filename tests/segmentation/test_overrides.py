"""Overrides: what becomes of each, by hand; that nothing happens in silence."""

from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.base.privacy import DIRECT, FREE, check_columns
from crm_analysis.base.settings_movement import HysteresisSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.segmentation.movement_findings import finding_overrides, finding_stability
from crm_analysis.segmentation.overrides import (
    FAULTS,
    OVERRIDE_COUNTS_SCHEMA,
    OVERRIDES_SCHEMA,
    STATUSES,
    TIER_STEPS_SCHEMA,
    apply_overrides,
    override_counts_table,
    overrides_table,
    tier_steps_table,
)

AS_OF = date(2025, 10, 1)
TIERS = pd.DataFrame({"customer_id": ["c1", "c2", "c3", "c4"], "tier": ["a", "b", "c", "x"]})
COLUMNS = ["customer_id", "scheme", "tier", "decided_at", "decided_on", "decided_by", "reason", "expires_on"]


def override(customer: str, tier: str, decided: str, expires: str, *, scheme: str = "abc", at: str = "08:00") -> list:
    return [customer, scheme, tier, f"{decided} {at}", decided, "w1", "known to the board", expires]


def judged(*rows: list, tiers: pd.DataFrame = TIERS) -> pd.DataFrame:
    table = pd.DataFrame(list(rows), columns=COLUMNS)
    return overrides_table(table, tiers, as_of=AS_OF, scheme="abc", known_tiers=["a", "b", "c"])


def statuses(*rows: list) -> dict[tuple[str, str, str], str]:
    found = judged(*rows)
    days = found["decided_on"].dt.strftime("%m-%d")
    keys = zip(found["customer_id"], found["override_tier"], days, strict=True)
    return dict(zip(keys, found["override_status"], strict=True))


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (override("c1", "b", "2025-05-01", "2025-12-31"), "active"),
        (override("c1", "b", "2025-09-30", "2025-09-30"), "active"),  # both ends included
        (override("c1", "b", "2025-05-01", "2025-09-29"), "expired"),
        (override("c1", "a", "2025-05-01", "2025-12-31"), "no_effect"),
        (override("c4", "a", "2025-05-01", "2025-12-31"), "active"),  # no rank is needed
        (override("c1", "b", "2025-10-01", "2025-12-31"), "later"),
        (override("c1", "b", "2025-05-01", "2025-12-31", scheme="eight_types"), "other_scheme"),
        (override("c1", "d", "2025-05-01", "2025-12-31"), "unknown_tier"),
        (override("c1", "x", "2025-05-01", "2025-12-31"), "unknown_tier"),  # not one that may be given
        (override("c9", "b", "2025-05-01", "2025-12-31"), "unknown_customer"),
        (override("c1", "b", "2025-05-01", "2025-04-30"), "ends_before_decision"),
    ],
)
def test_what_becomes_of_one(row: list, status: str) -> None:
    found = judged(row)
    check_columns(found.columns, OVERRIDES_SCHEMA, result="overrides")
    assert found["override_status"].tolist() == [status]
    computed = dict(zip(TIERS["customer_id"], TIERS["tier"], strict=True)).get(row[0])
    assert found["computed_tier"].tolist() == [computed] or (computed is None and found["computed_tier"].isna().all())
    applied = apply_overrides(TIERS, found)
    assert applied["is_overridden"].sum() == (status == "active")
    in_force = row[2] if status == "active" else computed
    assert applied.loc[applied["customer_id"] == row[0], "tier"].tolist() == ([in_force] if computed else [])


def test_the_latest_decision_wins_also_when_it_has_expired() -> None:
    first, later = override("c1", "b", "2025-05-01", "2025-12-31"), override("c1", "c", "2025-06-01", "2025-12-31")
    assert statuses(first, later) == {("c1", "b", "05-01"): "superseded", ("c1", "c", "06-01"): "active"}
    taken_back = override("c1", "b", "2025-07-01", "2025-07-01")
    assert set(statuses(first, later, taken_back).values()) == {"superseded", "expired"}


def test_what_cannot_be_used_supersedes_nothing() -> None:
    first = override("c1", "b", "2025-05-01", "2025-12-31")
    for wrong in (
        override("c1", "d", "2025-06-01", "2025-12-31"),
        override("c1", "c", "2025-06-01", "2025-05-31"),
        override("c1", "c", "2025-06-01", "2025-12-31", scheme="other"),
        override("c1", "c", "2025-10-02", "2025-12-31"),
    ):
        assert statuses(first, wrong)["c1", "b", "05-01"] == "active"


def test_contradicting_decisions_of_one_instant_are_circular_until_somebody_decides() -> None:
    old = override("c1", "b", "2025-05-01", "2025-12-31")
    one, other = (override("c1", tier, "2025-06-01", "2025-12-31") for tier in "bc")
    found = statuses(old, one, other)
    assert found == {
        ("c1", "b", "05-01"): "superseded", ("c1", "b", "06-01"): "circular", ("c1", "c", "06-01"): "circular",
    }  # fmt: skip
    assert not apply_overrides(TIERS, judged(old, one, other))["is_overridden"].any()
    settled = statuses(old, one, other, override("c1", "c", "2025-07-01", "2025-12-31"))
    assert sorted(settled.values()) == ["active", "superseded", "superseded", "superseded"]
    another_hour = override("c1", "c", "2025-06-01", "2025-12-31", at="08:01")
    assert statuses(one, another_hour) == {("c1", "b", "06-01"): "superseded", ("c1", "c", "06-01"): "active"}


def test_the_same_decision_twice_is_no_contradiction() -> None:
    found = judged(override("c1", "b", "2025-06-01", "2025-11-30"), override("c1", "b", "2025-06-01", "2025-12-31"))
    assert found["override_status"].tolist() == ["active", "superseded"]
    assert found["expires_on"].dt.month.tolist() == [12, 11]


def test_contradictions_that_are_over_are_expired() -> None:
    found = statuses(override("c1", "b", "2025-06-01", "2025-07-31"), override("c1", "c", "2025-06-01", "2025-08-31"))
    assert "circular" not in found.values()
    assert "expired" in found.values()


def test_without_overrides_tiers_are_as_computed() -> None:
    for none in (None, pd.DataFrame(columns=COLUMNS)):
        found = overrides_table(none, TIERS, as_of=AS_OF, scheme="abc", known_tiers=["a"])
        check_columns(found.columns, OVERRIDES_SCHEMA, result="overrides")
        applied = apply_overrides(TIERS, found)
        assert applied["tier"].tolist() == applied["computed_tier"].tolist() == TIERS["tier"].tolist()
        assert not applied["is_overridden"].any()
        assert override_counts_table(found).empty


def test_reasons_and_customers_are_declared_as_what_they_are() -> None:
    assert (OVERRIDES_SCHEMA["customer_id"], OVERRIDES_SCHEMA["reason"]) == (DIRECT, FREE)
    assert {"customer_id", "reason", "decided_by"}.isdisjoint(OVERRIDE_COUNTS_SCHEMA)


# -- counts, steps, sentences ------------------------------------------------------------------------------------------

MANY = (
    override("c1", "b", "2025-05-01", "2025-12-31"), override("c1", "c", "2025-04-01", "2025-12-31"),
    override("c2", "b", "2025-05-01", "2025-12-31"), override("c3", "a", "2025-05-01", "2025-06-30"),
    override("c3", "vip", "2025-07-01", "2025-12-31"), override("c9", "a", "2025-07-01", "2025-12-31"),
    override("c8", "a", "2025-07-01", "2025-12-31"),
)  # fmt: skip


def test_counts_name_every_status_and_lose_none() -> None:
    counts = override_counts_table(judged(*MANY))
    check_columns(counts.columns, OVERRIDE_COUNTS_SCHEMA, result="override_counts")
    assert dict(zip(counts["override_status"], counts["override_count"], strict=True)) == {
        "active": 1, "no_effect": 1, "expired": 1, "superseded": 1, "unknown_tier": 1, "unknown_customer": 2,
    }  # fmt: skip
    assert counts["override_count"].sum() == len(MANY)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_sentence_tells_every_number(lang: str) -> None:
    words = Words(lang)
    said = words.say(finding_overrides(override_counts_table(judged(*MANY))))
    assert words.say("movement.overrides.fault", status="unknown_customer", n=2) in said
    assert len({words.word(f"override_status.{status}") for status in STATUSES}) == len(STATUSES)
    assert words.word("movement.overrides.no_faults") not in said
    clean = words.say(finding_overrides(override_counts_table(judged(MANY[0]))))
    assert words.word("movement.overrides.no_faults") in clean
    assert words.say(finding_overrides(override_counts_table(judged()))) == words.word("movement.overrides.none")


def test_faults_are_those_that_need_mending() -> None:
    assert FAULTS == ("circular", "ends_before_decision", "unknown_tier", "unknown_customer")


def test_steps_show_who_was_held_and_who_was_put_where() -> None:
    tiers = pd.DataFrame(
        {
            "customer_id": [f"c{k}" for k in range(6)],
            "raw_tier": ["a", "b", "b", "c", "c", "x"],
            "computed_tier": ["a", "a", "b", "b", "c", "x"],
            "tier": ["a", "a", "b", "a", "c", "x"],
            "is_held": [False, True, False, True, False, False],
            "is_overridden": [False, False, False, True, False, False],
        }
    )
    steps = tier_steps_table(tiers, order=["a", "b", "c", "d"])
    check_columns(steps.columns, TIER_STEPS_SCHEMA, result="tier_steps")
    assert steps.to_numpy().tolist() == [
        ["a", 1, 0, 1, 1, 3], ["b", 2, 1, 0, 0, 1], ["c", 2, 1, 0, 0, 1], ["x", 1, 0, 0, 0, 1]]  # fmt: skip
    by_row = steps["raw_count"] - steps["left_count"] + steps["held_count"] + steps["overridden_count"]
    assert by_row.tolist() == steps["customer_count"].tolist()
    told = finding_stability(steps, settings=HysteresisSettings(quarters_to_fall=3))
    assert told.args == {"n": 6, "held": 1, "held_share": 0.166667, "quarters": 3, "overridden": 1}
    off = finding_stability(steps, settings=HysteresisSettings(enabled=False))
    assert (off.id, off.args) == ("movement.stability.off", {"n": 6, "overridden": 1})


# -- what holds of all -------------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["c1", "c2", "c3", "c9"]), st.sampled_from("abcd"), st.integers(1, 12), st.integers(1, 12),
        st.sampled_from(["abc", "other"]),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=30)
@given(ROWS, st.randoms(use_true_random=False))
def test_every_override_has_one_status_whatever_the_order_of_rows(rows, random) -> None:
    made = [override(c, t, f"2025-{m:02}-05", f"2025-{e:02}-20", scheme=s) for c, t, m, e, s in rows]
    found = judged(*made)
    assert len(found) == len(made)
    assert set(found["override_status"]) <= set(STATUSES)
    active = found.loc[found["override_status"] == "active", "customer_id"]
    assert active.is_unique
    assert apply_overrides(TIERS, found)["is_overridden"].sum() == len(active)
    random.shuffle(made)
    again = judged(*made)
    pd.testing.assert_frame_equal(again, found)
