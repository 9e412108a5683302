"""The warning list and its changes, how the last one did, and the drift of customers: by hand."""

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.settings_churn_model import ChurnModelSettings, WarningSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import practice_findings as findings
from crm_analysis.churn.drift import DRIFT_SCHEMA, binned, drift_table, stability_index
from crm_analysis.churn.inputs import MODEL_FEATURES
from crm_analysis.churn.look_back import (
    LOOK_BACK_SCHEMA,
    look_back_document,
    look_back_table,
    scored_before_table,
)
from crm_analysis.churn.warnings import (
    CHANGES,
    STABILITY_SCHEMA,
    WARNING_SCHEMA,
    list_stability_table,
    warning_list,
)

DAY = date(2025, 10, 1)
FACTS = ("recency_days", "gap_mean_days", "order_count_90d", "order_count_90d_before", "complaint_count_90d")


def scored(losses: dict[str, float]) -> pd.DataFrame:
    ordered = sorted(losses.items(), key=lambda item: (-item[1], item[0]))
    ids, values = [id_ for id_, _ in ordered], [loss for _, loss in ordered]
    return pd.DataFrame({"customer_id": ids, "churn_probability": 0.5, "at_stake_amount": [2 * v for v in values],
                         "expected_loss_amount": values, "loss_rank": range(1, len(ids) + 1)})  # fmt: skip


def facts(ids: str, **columns) -> pd.DataFrame:
    base = {"customer_id": list(ids), **{name: [1.0] * len(ids) for name in (*FACTS, "order_count")}}
    return pd.DataFrame(base | columns)


def with_warning(*, list_length: int = 3, **warning) -> ChurnSettings:
    return ChurnSettings(list_length=list_length, model=ChurnModelSettings(warning=WarningSettings(**warning)))


def test_the_list_says_whom_why_what_who_and_until_when() -> None:
    scores = scored({"a": 90, "b": 50, "c": 10, "d": 0})
    reasons = pd.DataFrame({"customer_id": ["a", "a", "b"], "churn_cause": ["silence", "spend", "contract"],
                            "cause_rank": [1, 2, 1]})  # fmt: skip
    customers = pd.DataFrame({"customer_id": list("abc"), "tier": ["vip", "plain", "vip"], "owner": ["w1", None, "w2"]})
    strategy = pd.DataFrame({"tier": ["vip"], "suggested_action": ["visit"]})
    listed = warning_list(
        scores, facts("abcd"), settings=with_warning(list_length=9, due_days=10), as_of=DAY, contributions=reasons,
        customers=customers, strategy=strategy,
    )  # fmt: skip
    check_columns(listed.columns, WARNING_SCHEMA, result="warning_list")
    assert listed["customer_id"].tolist() == ["a", "b", "c"]  # nobody without an expected loss
    assert listed["churn_reason_1"].fillna("").tolist() == ["silence", "contract", ""]
    assert listed["churn_reason_2"].fillna("").tolist() == ["spend", "", ""]
    assert listed["suggested_action"].fillna("").tolist() == ["visit", "", "visit"]
    assert listed["owner"].fillna("").tolist() == ["w1", "", "w2"]
    assert listed["due_date"].unique().tolist() == [pd.Timestamp("2025-10-11")]
    plain = warning_list(scores, facts("abcd"), settings=with_warning(), as_of=DAY)
    assert plain[["tier", "owner", "suggested_action", "churn_reason_1"]].isna().all().all()


def test_capacity_gives_the_length() -> None:
    assert with_warning(people=2, contacts_per_person=15).list_capacity == 30
    assert with_warning(list_length=50).list_capacity == 50
    scores = scored({f"c{k}": 100 - k for k in range(9)})
    known = facts("x").iloc[[0] * 9].assign(customer_id=scores["customer_id"].tolist())
    listed = warning_list(scores, known, settings=with_warning(people=2, contacts_per_person=2), as_of=DAY)
    assert len(listed) == 4
    with pytest.raises(ValueError, match="given together"):
        WarningSettings(people=2)


def test_what_became_of_the_last_list() -> None:
    last = scored({"a": 90, "e": 85, "b": 80, "c": 70, "d": 60})
    now = scored({"a": 90, "x": 85, "e": 82, "y": 80, "z": 70, "d": 5})
    # a is still on it and silent, e still on it and has bought on the first day that counts, b left it and has bought
    known = facts("aebcdxyz", recency_days=[92.0, 91.0, 10.0, 365.0, 150.0, 1.0, 1.0, 1.0])
    table = list_stability_table(last, now, known, settings=with_warning(list_length=5), days_between=92)
    check_columns(table.columns, STABILITY_SCHEMA, result="list_stability")
    assert dict(zip(table["list_change"], table["customer_count"], strict=True)) == {
        "kept_bought": 1, "kept_silent": 1, "bought": 1, "not_eligible": 1, "lower_rank": 1}  # fmt: skip
    shorter = list_stability_table(last, now.head(2), known, settings=with_warning(list_length=4), days_between=92)
    assert shorter["customer_count"].sum() == 2  # the same length on both sides
    nothing = list_stability_table(last.head(0), now, known, settings=with_warning(), days_between=92)
    assert nothing.empty
    told = findings.finding_stability(table, day="2025-07-01")
    assert {name: told.args[name] for name in ("n", "kept", "share", "all_bought", "bought_share")} == {
        "n": 5, "kept": 2, "share": 0.4, "all_bought": 2, "bought_share": 0.4}  # fmt: skip
    for lang in LANGUAGES:
        assert Words(lang).say(told).count("40.0%") == 2
        assert Words(lang).say(findings.finding_stability(nothing, day="2025-07-01"))
        assert all(Words(lang).word(f"list_change.{change}") for change in CHANGES)


# -- looking back ------------------------------------------------------------------------------------------------------


def test_looking_back_by_hand() -> None:
    scores = scored({"a": 90, "b": 50, "c": 10, "d": 5, "e": 1, "f": 40})
    warned = scores.head(4)
    outcomes = pd.DataFrame({"customer_id": ["b", "e", "d"], "order_count": [1, 2, 0]})
    actions = pd.DataFrame({
        "customer_id": ["a", "b", "c", "e", "f", "f"], "campaign": ["k", "k", "k", None, "k", None],
        "is_control": [False, False, True, False, True, False], "is_assigned": True,
        "is_done": [True, False, False, True, False, True],
    })  # fmt: skip
    rows = scored_before_table(scores, warned, outcomes, actions)
    table = look_back_table(rows).set_index("look_back_group")
    check_columns([*table.columns, "look_back_group"], LOOK_BACK_SCHEMA, result="look_back")
    assert table["customer_count"].to_dict() == {
        "everyone": 6, "listed": 4, "listed_reached": 2, "listed_not_reached": 1, "listed_control": 1, "not_listed": 2,
    }  # fmt: skip
    assert table["churn_count"].to_dict() == {
        "everyone": 4, "listed": 3, "listed_reached": 2, "listed_not_reached": 0, "listed_control": 1, "not_listed": 1,
    }  # fmt: skip
    assert table.loc["listed", "lost_amount"] == 280  # a 180, f 80, c 20
    found = look_back_document(rows, model="recency", origin=DAY)
    assert (found["hit_count"], found["miss_count"], found["list_count"], found["reached_count"]) == (3, 1, 4, 2)
    assert (found["precision_rate"], found["recall_rate"], found["expected_rate"]) == (0.75, 0.75, 0.5)
    assert (found["saved"]["status"], found["saved"]["treated_count"], found["saved"]["control_count"]) == (
        "too_few", 2, 2)  # fmt: skip
    assert (found["calibration"]["verdict"], found["model"]) == ("kept", "recency")
    alone = look_back_document(scored_before_table(scores, warned, outcomes, None), model="recency", origin=DAY)
    assert alone["saved"]["status"] == "no_campaign"
    none = look_back_document(scored_before_table(scores, warned.head(0), outcomes, actions), model=None, origin=DAY)
    assert none["status"] == "none"
    for lang in LANGUAGES:
        words = Words(lang)
        for document in (found, alone, none):
            assert words.say(findings.finding_look_back(document, {"model": "recency"}))
            for note in (findings.note_saved(document), findings.note_calibration_drift(document)):
                assert words.say(note)
        assert all(words.word(f"look_back_group.{group}") for group in table.index)


@pytest.mark.parametrize(
    ("now", "id_"),
    [("recency", "look_back.same_method"), ("logistic", "look_back.other_method"), (None, "look_back.no_method_now")],
)
def test_the_method_that_is_judged_is_named(now: str | None, id_: str) -> None:
    scores = scored({"a": 90, "b": 50})
    outcomes = pd.DataFrame({"customer_id": ["b"], "order_count": [1]})
    document = look_back_document(scored_before_table(scores, scores, outcomes, None), model="recency", origin=DAY)
    told = findings.finding_look_back(document, {"model": now})
    assert told.args["method"].id == id_
    for lang in LANGUAGES:
        words = Words(lang)
        assert words.word("model.recency") in words.say(told)
        assert (words.word("model.logistic") in words.say(told)) == (now == "logistic")
        assert words.word("model.recency") in words.say(findings.note_calibration_drift(document))


@pytest.mark.parametrize(("churned", "verdict"), [(500, "kept"), (200, "fewer"), (800, "more")])
def test_a_quarter_unlike_what_was_expected_says_which_way(churned: int, verdict: str) -> None:
    ids = [f"c{k:05d}" for k in range(1_000)]  # half of them were expected to churn
    scores = pd.DataFrame({"customer_id": ids, "churn_probability": 0.5, "at_stake_amount": 10.0})
    outcomes = pd.DataFrame({"customer_id": ids[churned:], "order_count": 1})
    document = look_back_document(
        scored_before_table(scores, scores.head(50), outcomes, None), model="logistic", origin=DAY
    )
    assert document["calibration"]["verdict"] == verdict
    note = findings.note_calibration_drift(document)
    assert note.id == f"note.calibration_{verdict}"
    for lang in LANGUAGES:
        assert Words(lang).say(note)


# -- drift -------------------------------------------------------------------------------------------------------------


def test_the_index_by_hand() -> None:
    before, now = np.array([50.0, 50.0]), np.array([80.0, 20.0])
    shares = [(50.5 / 101, 50.5 / 101), (80.5 / 101, 20.5 / 101)]
    by_hand = sum((b - a) * np.log(b / a) for a, b in zip(*shares, strict=True))
    assert stability_index(before, now) == pytest.approx(by_hand)


def test_equal_values_never_split_and_unknown_is_a_bin() -> None:
    before = np.array([0.0] * 80 + [1.0] * 10 + [np.nan] * 10)
    counts = binned(before, np.array([0.0] * 50 + [2.0] * 50))
    assert counts[0].tolist() == [80, 10, 0, 10]
    assert counts[1].tolist() == [50, 0, 50, 0]  # larger than anything before: a bin of its own


@given(st.integers(0, 10_000))
def test_one_population_is_steady_and_the_index_is_never_negative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [pd.DataFrame({"x": rng.gamma(2, 10, 150)}) for _ in range(2)]
    table = drift_table(*frames, features=["x"], settings=WarningSettings())
    assert table["stability_score"][0] >= 0
    assert table["drift_state"][0] != "much_moved" or table["stability_score"][0] > table["chance_score"][0]


def test_what_lies_between_chance_and_the_watch_limit_has_changed_slightly() -> None:
    """500 at 0 and 500 at 1 become 425 and 575: shares move by .075, ln(575.5 / 425.5) = .3020, so PSI = .0226.

    Chance: chi-square's 95 % quantile of one degree, 3.8415, times 2 / 1000 = .0077.
    """
    before = pd.DataFrame({"recency_days": [0.0] * 500 + [1.0] * 500, "discount_share": [0.0] * 500 + [1.0] * 500})
    now = before.assign(recency_days=[0.0] * 425 + [1.0] * 575)
    table = drift_table(before, now, features=list(before), settings=WarningSettings())
    row = table.iloc[0]
    assert (row["n_last_quarter"], row["n_this_quarter"]) == (1000, 1000)
    assert (row["stability_score"], row["chance_score"]) == (0.0226, 0.0077)
    assert table["drift_state"].tolist() == ["slightly_moved", "steady"]
    told = findings.finding_drift(table, words=Words("en"), settings=WarningSettings())
    assert (told.id, told.args["above"], told.args["count"]) == ("finding.drift_slight", 1, 2)
    first = next(iter(before))
    unknown = drift_table(before.assign(**{first: np.nan}), now, features=list(before), settings=WarningSettings())
    assert unknown.set_index("feature")["drift_state"][first] == "not_known"  # not recorded then: no drift of customers
    moved = drift_table(before, now, features=list(before), settings=WarningSettings(psi_watch=0.02))
    assert moved["drift_state"].tolist() == ["moved", "steady"]
    told = findings.finding_drift(moved, words=Words("en"), settings=WarningSettings(psi_watch=0.02))
    assert (told.id, told.args["moved"], told.args["above"]) == ("finding.drift", 1, 1)


def test_what_moved_is_named_and_small_samples_are_silent() -> None:
    rng = np.random.default_rng(1)
    before = pd.DataFrame({"recency_days": rng.gamma(2, 10, 500), "discount_share": rng.random(500)})
    now = before.assign(recency_days=before["recency_days"] + 30)
    table = drift_table(before, now, features=["discount_share", "recency_days"], settings=WarningSettings())
    check_columns(table.columns, DRIFT_SCHEMA, result="churn_drift")
    assert table["feature"].tolist() == ["recency_days", "discount_share"]
    assert table["drift_state"].tolist() == ["much_moved", "steady"]
    assert table["stability_score"][1] == 0
    few = drift_table(before.head(50), now, features=["recency_days"], settings=WarningSettings())
    assert (few["drift_state"][0], few["stability_score"].isna()[0]) == ("too_few", True)
    steady = drift_table(before, before, features=["recency_days", "discount_share"], settings=WarningSettings())
    for lang in LANGUAGES:
        words = Words(lang)
        for each in (table, few, steady, few.head(0)):
            assert words.say(findings.finding_drift(each, words=words, settings=WarningSettings()))
        assert words.say(findings.note_drift(WarningSettings()))
        assert words.word("column.n_last_quarter") == {"zh": "客户数（上季度）", "en": "n, last quarter"}[lang]
        assert findings.format_drift(table, words=words)["feature"].str.len().min() > 2
        # a name says by itself what is counted, none is that of another feature
        names = [findings.feature_name(name, words=words) for name in MODEL_FEATURES]
        assert len(set(names)) == len(names)
        assert not [name for name in names if re.search(r"\b(their|its|those|then|such|the same)\b|该|再之前", name)]
    english, chinese = Words("en"), Words("zh")
    assert findings.feature_name("gap_mean_days", words=english) == "mean gap between days with a counted order"
    before = {lang.lang: findings.feature_name("order_count_365d_before", words=lang) for lang in (english, chinese)}
    assert before == {"en": "orders of the 365 days before the last 365", "zh": "近365天之前的365天订单数"}
    assert findings.feature_name("lateness_ratio", words=chinese) == "距最近购买天数与平均购买间隔之比"
