"""Reasons: exact sums for the linear model, direction, order of planted causes; the model kept without pickle."""

import base64
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.errors import AnalysisError
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.style import NARROW_INCHES
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import figures
from crm_analysis.churn import practice_findings as findings
from crm_analysis.churn.cause_facts import FACTS, fact_message, facts_table
from crm_analysis.churn.contributions import (
    CAUSE_SIZES_SCHEMA,
    CONTRIBUTIONS_SCHEMA,
    cause_log_odds,
    cause_sizes_table,
    contributions_table,
    format_reasons,
)
from crm_analysis.churn.inputs import CAUSES, MODEL_FEATURES, model_matrix
from crm_analysis.churn.model import fit_churn
from crm_analysis.churn.model_file import model_card, note_card, pack_model, unpack_model


@pytest.fixture(scope="module", params=["logistic", "boosting"])
def fitted(request, training, settings):
    return fit_churn(training, name=request.param, settings=settings)


def test_every_feature_shows_one_cause() -> None:
    shown = [name for features in CAUSES.values() for name in features]
    assert sorted(shown) == sorted(MODEL_FEATURES)
    assert set(FACTS) == set(CAUSES)


def test_linear_contributions_add_up_exactly(training, settings, features_now) -> None:
    linear = fit_churn(training, name="logistic", settings=settings)
    added = cause_log_odds(features_now, linear)
    difference = linear.log_odds(model_matrix(features_now).to_numpy()) - linear.log_odds(np.array([linear.reference]))
    np.testing.assert_allclose(added.sum(axis=1), difference, atol=1e-9)
    assert features_now["gap_mean_days"].isna().any()  # the indicators of missing values count with their feature


def test_the_typical_kept_customer_has_no_reason(fitted, features_now) -> None:
    typical = features_now.head(1).assign(**dict(zip(MODEL_FEATURES, fitted.reference, strict=True)))
    added = cause_log_odds(typical, fitted).iloc[0]
    own = added.drop(["silence", "frequency"])  # derived features of medians are not the medians of derived ones
    assert own.abs().max() < 1e-9


def test_changing_the_named_cause_towards_the_reference_lowers_the_score(fitted, features_now) -> None:
    table = contributions_table(features_now, fitted, customer_ids=features_now["customer_id"].tolist())
    matrix = pd.DataFrame(model_matrix(features_now).to_numpy(), columns=list(MODEL_FEATURES),
                          index=features_now["customer_id"])  # fmt: skip
    first = table.loc[table["cause_rank"] == 1]
    assert len(first) > 100
    for row in first.head(80).to_dict("records"):
        now = matrix.loc[[row["customer_id"]]].to_numpy()
        changed = now.copy()
        for name in CAUSES[row["churn_cause"]]:
            changed[0, MODEL_FEATURES.index(name)] = fitted.reference[MODEL_FEATURES.index(name)]
        fall = fitted.log_odds(now)[0] - fitted.log_odds(changed)[0]
        assert fall == pytest.approx(row["log_odds_added"], abs=1e-3)
        assert fall > 0


def test_planted_causes_are_found_in_their_order(fitted, features_now) -> None:
    # planted: orders falling off weigh 1.2 a piece, a standard deviation of silence (105 days) 0.9; the rest nothing
    added = cause_log_odds(features_now, fitted)
    strength = added.std().sort_values(ascending=False)
    assert strength.index[:2].tolist() == ["frequency", "silence"]
    assert strength.iloc[1] > 2 * strength.iloc[2]


def test_reasons_are_ranked_have_numbers_and_words(fitted, features_now) -> None:
    ids = features_now["customer_id"].head(60).tolist()
    table = contributions_table(features_now, fitted, customer_ids=ids[::-1])
    check_columns(table.columns, CONTRIBUTIONS_SCHEMA, result="churn_reasons")
    assert table["customer_id"].drop_duplicates().tolist() == [
        id_ for id_ in ids[::-1] if id_ in set(table["customer_id"])
    ]
    assert (table["log_odds_added"] >= fitted.settings.model.warning.minimum_log_odds).all()
    assert table.groupby("customer_id")["cause_rank"].agg(list).map(lambda ranks: ranks == sorted(ranks)).all()
    facts = features_now.set_index("customer_id")
    silent = table.loc[table["churn_cause"] == "silence"].iloc[0]
    assert silent["figure_now"] == facts.loc[silent["customer_id"], "recency_days"]
    sizes = cause_sizes_table(table)
    check_columns(sizes.columns, CAUSE_SIZES_SCHEMA, result="cause_sizes")
    assert sizes["named_count"].sum() == len(table)
    for lang in LANGUAGES:
        words = Words(lang)
        said = format_reasons(table, words=words)
        assert len(said) == table["customer_id"].nunique()
        assert words.say(findings.finding_reasons(sizes, listed_count=60))
        figure = figures.plot_causes(sizes, words=words)
        assert figure.axes[0].get_xlabel()
        assert figure.get_size_inches()[0] == NARROW_INCHES
        told = {"zh": ["首要原因", "列入前3项原因"], "en": ["main reason", "among the first 3 reasons"]}[words.lang]
        assert [text.get_text() for text in figure.legends[0].get_texts()] == told
    assert Words("zh").say(fact_message("silence_own", now=95, usual=30)) == "已沉默95天，自身平均间隔30天"
    assert Words("en").say(fact_message("silence_own", now=95, usual=30)) == "silent for 95 days, own mean gap 30"


def test_every_cause_and_fact_has_words() -> None:
    for lang in LANGUAGES:
        words = Words(lang)
        for cause, facts in FACTS.items():
            assert words.word(f"churn_cause.{cause}")
            for fact in facts:
                assert "2" in words.say(fact_message(fact.name, now=2.0, usual=7.0))


def test_a_fact_is_told_only_where_it_holds(training, settings, features_now) -> None:
    fitted = fit_churn(training, name="logistic", settings=settings)
    reference = dict.fromkeys(MODEL_FEATURES, 10.0)
    like = replace(fitted, reference=tuple(reference.values()))
    typical = features_now.head(1).assign(**dict.fromkeys(MODEL_FEATURES, 10.0))
    changes = [
        {"contract_days_left": np.nan},  # like the typical customer, without a contract
        {"recency_days": 64.0, "gap_mean_days": 142.0, "contract_days_left": 120.0},  # not late; buys seldom
        {"recency_days": 64.0, "gap_mean_days": np.nan, "contract_days_left": -455.0},
        {"order_count_90d": 9.0, "spend_amount_90d": 9.0, "survey_score_last": 9.0, "contract_days_left": 89.0},
        {"tenure_days": 9.0, "survey_answered_count": 0.0, "survey_score_last": np.nan, "contract_days_left": 90.0,
         "interaction_out_count_90d": 11.0},
    ]  # fmt: skip
    rows = pd.concat([typical.assign(**change) for change in changes], ignore_index=True)
    table = facts_table(rows, like)
    told = {
        place: dict(zip(part["churn_fact"], part["figure_now"], strict=True)) for place, part in table.groupby("place")
    }
    assert told == {
        1: {"frequency_seldom": 142.0},
        2: {"silence_typical": 64.0, "contract_ended": 455.0},
        3: {"frequency_fewer": 9.0, "spend_less": 9.0, "satisfaction_fallen": 9.0, "contract_near": 89.0},
        4: {"newness_young": 9.0, "satisfaction_unanswered": 0.0},
    }
    assert table.loc[table["churn_fact"] == "contract_ended", "figure_usual"].isna().all()


def test_no_reason_contradicts_the_customers_own_numbers(fitted, features_now) -> None:
    table = contributions_table(features_now, fitted, customer_ids=features_now["customer_id"].tolist())
    known = features_now.set_index("customer_id")
    late = table.loc[table["churn_fact"] == "silence_own"]
    own = known.loc[late["customer_id"]]
    assert len(late) > 50
    assert (own["recency_days"] > own["gap_mean_days"]).all()
    fewer = known.loc[table.loc[table["churn_fact"] == "frequency_fewer", "customer_id"]]
    assert (fewer["order_count_90d"] < fewer["order_count_90d_before"]).all()
    assert table["log_odds_added"].gt(0).all()


def test_a_rule_of_silence_has_one_reason(training, settings, features_now) -> None:
    rule = fit_churn(training, name="recency", settings=settings)
    table = contributions_table(features_now, rule, customer_ids=features_now["customer_id"].tolist())
    assert set(table["churn_cause"]) == {"silence"}
    known = training.assign(expected_purchase_count=np.float32(1.0) * training["order_count_90d"])
    other = fit_churn(known, name="expected_purchases", settings=settings)
    now = features_now.assign(expected_purchase_count=features_now["order_count_90d"].astype(float))
    told = contributions_table(now, other, customer_ids=now["customer_id"].tolist())
    assert set(told["churn_cause"]) == {"expectation"}
    few = now.loc[now["expected_purchase_count"] < other.reference[-1], "customer_id"]
    assert set(told["customer_id"]) <= set(few)  # only who is expected to buy less than the typical customer
    assert contributions_table(features_now, None, customer_ids=["c"]).empty
    assert findings.finding_reasons(cause_sizes_table(table.head(0)), listed_count=5).id == "finding.reasons_none"


# -- kept without pickle -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["logistic", "boosting", "recency"])
def test_a_kept_model_comes_back_the_same(training, settings, features_now, name: str) -> None:
    fitted = fit_churn(training, name=name, settings=settings)
    document = json.loads(json.dumps(pack_model(fitted)))
    again = unpack_model(document, settings=settings)
    assert (again.probability(features_now) == fitted.probability(features_now)).all()
    assert again.reference == pytest.approx(fitted.reference, nan_ok=True)
    pd.testing.assert_frame_equal(cause_log_odds(features_now, again), cause_log_odds(features_now, fitted))
    assert pack_model(fit_churn(training, name=name, settings=settings)) == pack_model(fitted)  # the same bytes


def test_what_is_not_trusted_is_not_loaded(training, settings) -> None:
    document = pack_model(fit_churn(training, name="recency", settings=settings))
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(document["estimator"]))) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(entries["schema.json"])
    schema["__class__"], schema["__module__"] = "Popen", "subprocess"
    entries["schema.json"] = json.dumps(schema).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    strange = document | {"estimator": base64.b64encode(buffer.getvalue()).decode()}
    with pytest.raises(AnalysisError, match=r"types that are not trusted: subprocess\.Popen"):
        unpack_model(strange, settings=settings)
    with pytest.raises(AnalysisError, match="made for other features"):
        unpack_model(document | {"features": ["recency_days"]}, settings=settings)


def test_the_model_card(training, settings) -> None:
    fitted = fit_churn(training, name="logistic", settings=settings)
    backtest = pd.DataFrame({"origin_date": ["2025-07-01"] * 2, "model": ["logistic", "recency"], "auc": [0.8, 0.6]})
    champion = {"model": "logistic", "is_model": True, "comparison": {}}
    card = model_card(fitted, backtest, champion, settings=settings)
    assert json.loads(json.dumps(card)) == card
    assert card["metrics"] == [{"origin_date": "2025-07-01", "model": "logistic", "auc": 0.8}]
    assert card["origins"]["tuned_on"] == ["2025-01-01"]
    assert card["features"] == list(MODEL_FEATURES)
    nothing = model_card(None, backtest, champion | {"model": None, "is_model": False}, settings=settings)
    for lang in LANGUAGES:
        words = Words(lang)
        assert words.format_int(fitted.row_count) in words.say(note_card(card))
        assert words.say(note_card(card | {"is_model": False}))
        assert words.say(note_card(nothing))
        assert all(words.word(id_) for id_ in [card["purpose"], *card["limits"]])
