from datetime import date

import pandas as pd
import pytest

from crm_analysis.base.errors import AnalysisError
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import findings
from crm_analysis.churn.inputs import (
    FEATURE_COLUMNS,
    MODEL_FEATURES,
    check_model_features,
    model_matrix,
)
from crm_analysis.churn.labels import (
    TRAINING_SCHEMA,
    check_churn_data,
    churn_definition,
    churn_origins,
    format_origins,
    label_churn,
    origins_table,
    training_table,
)
from crm_analysis.sources.features import FEATURES_SCHEMA

ORIGIN_COLUMNS = ("origin_date", "n", "churn_rate", "churn_rate_low", "churn_rate_high")


def customers(**columns) -> pd.DataFrame:
    n = len(columns["customer_id"])
    return pd.DataFrame({name: [0.0] * n for name in FEATURE_COLUMNS} | columns)


FEATURES = customers(
    customer_id=["e", "a", "b", "c", "d"],
    order_count=[3, 1, 5, 2, 0],
    recency_days=[10.0, 364.0, 365.0, 0.0, float("nan")],
    gap_mean_days=[20.0, float("nan"), 10.0, 90.0, float("nan")],
    gap_count=[9, 0, 4, 1, 0],
)
OUTCOMES = pd.DataFrame(
    {"customer_id": ["e", "c", "b"], "order_count": [0, 2, 1], "spend_amount": [0, 50, 9], "gap_order_count": [1, 0, 0]}
)


def test_labels_by_hand() -> None:
    labelled = label_churn(FEATURES, OUTCOMES, settings=ChurnSettings(), as_of_origin=date(2025, 7, 1))
    check_columns(labelled.columns, TRAINING_SCHEMA, result="churn_training")
    # b was silent for a whole year and d never bought: neither can churn; e bought in the gap only
    assert labelled["customer_id"].tolist() == ["a", "c", "e"]
    assert labelled["is_churned"].tolist() == [1, 0, 1]
    assert labelled["gap_order_count"].tolist() == [0, 0, 1]
    assert set(labelled["origin"]) == {"2025-07-01"}


def test_eligibility_follows_the_settings() -> None:
    wide = ChurnSettings(active_within_days=366)
    labelled = label_churn(FEATURES, OUTCOMES, settings=wide, as_of_origin=date(2025, 7, 1))
    assert labelled["customer_id"].tolist() == ["a", "b", "c", "e"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (ChurnSettings(origins=2), [date(2025, 4, 1), date(2025, 7, 1)]),
        (ChurnSettings(origins=2, gap_days=2), [date(2025, 4, 1), date(2025, 7, 1)]),  # 1 July + 92 days = 1 October
        (ChurnSettings(origins=2, gap_days=3), [date(2025, 1, 1), date(2025, 4, 1)]),
        (ChurnSettings(origins=2, horizon_days=180), [date(2025, 1, 1), date(2025, 4, 1)]),
    ],
)
def test_the_last_outcome_ends_by_the_reports_day(settings: ChurnSettings, expected: list[date]) -> None:
    assert churn_origins(Quarter(2025, 3), settings=settings) == expected


def test_overwritten_and_personal_fields_are_refused() -> None:
    check_model_features(MODEL_FEATURES)
    with pytest.raises(
        AnalysisError, match=r"(?s)'birth_date' of customers is quasi.*'owner' is overwritten in customers"
    ):
        check_model_features(["recency_days", "owner", "birth_date"])
    with pytest.raises(AnalysisError, match="'region' is overwritten in customers"):
        check_model_features(["region"])  # fixed in orders, overwritten in customers


def test_the_features_exist_in_the_customer_frame() -> None:
    assert set(FEATURE_COLUMNS) <= set(FEATURES_SCHEMA)
    assert {name for name in FEATURE_COLUMNS if FEATURES_SCHEMA[name] == "sensitive"} == {
        name for name in FEATURE_COLUMNS if TRAINING_SCHEMA[name] == "sensitive"
    }


def test_derived_features_by_hand() -> None:
    rows = customers(
        customer_id=["a", "b", "c"],
        recency_days=[60.0, 5.0, 7.0],
        gap_mean_days=[20.0, 0.5, float("nan")],
        order_count_90d=[1, 0, 0],
        order_count_90d_before=[3, 0, 2],
    )
    matrix = model_matrix(rows)
    assert list(matrix.columns) == list(MODEL_FEATURES)
    assert matrix["lateness_ratio"].tolist()[:2] == [3, 5]  # gaps under a day count as one
    assert matrix["lateness_ratio"].isna().tolist() == [False, False, True]
    assert matrix["order_trend_ratio"].fillna(9).tolist() == [-0.5, 9, -1]
    assert "lateness_ratio" not in rows


def test_enough_data_is_told(training: pd.DataFrame, settings: ChurnSettings) -> None:
    status = check_churn_data(training, settings=settings)
    assert status["status"] == "ok"
    assert status["origins"] == ["2024-07-01", "2024-10-01", "2025-01-01", "2025-04-01", "2025-07-01"]
    assert status["n"] == len(training) == 2500


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"minimum_customers": 501}, "churn.too_few_origins"),
        ({"minimum_events": 300}, "churn.too_few_events"),
    ],
)
def test_too_little_data_is_told_with_the_reason(training: pd.DataFrame, settings, change: dict, reason: str) -> None:
    status = check_churn_data(training, settings=settings.model_copy(update=change))
    assert status["status"] == "insufficient"
    assert status["message"]["message"] == reason
    for lang in LANGUAGES:
        assert Words(lang).say(findings.finding_churn(status, {"message": None}))


def test_no_origin_at_all_is_insufficient(settings: ChurnSettings) -> None:
    empty = training_table({}, settings=settings)
    assert list(empty.columns) == list(TRAINING_SCHEMA)
    assert check_churn_data(empty, settings=settings)["status"] == "insufficient"
    definition = churn_definition(empty, FEATURES, settings=settings, as_of=date(2025, 10, 1))
    assert definition["origins"] == []
    assert origins_table(definition).empty
    assert "not enough history" in Words("en").say(findings.finding_definition(definition))


def test_the_definition_by_hand() -> None:
    settings = ChurnSettings()
    labelled = training_table({date(2025, 7, 1): (FEATURES, OUTCOMES)}, settings=settings)
    definition = churn_definition(labelled, FEATURES, settings=settings, as_of=date(2025, 10, 1))
    assert definition["origins"] == [
        {"origin": "2025-07-01", "n": 3, "base_rate": 0.666667, "base_low": 0.20766, "base_high": 0.938508,
         "gap_customer_count": 1, "is_history_short": False},
    ]  # fmt: skip
    assert definition["n_now"] == 3
    # the mean gaps of e and c, 20 and 90 days, count once each: 20 + 0.9 x 70; the nine gaps of e are no nine customers
    assert (definition["gap_q90_days"], definition["rhythm_count"]) == (83, 2)
    told = Words("zh").say(findings.finding_definition(definition))
    assert "66.7%（样本量3）" in told
    assert findings.note_definition(definition).id == "note.churn_horizon_fits"
    assert findings.note_definition(definition | {"gap_q90_days": 91}).id == "note.churn_horizon_short"
    assert findings.note_definition(definition | {"gap_q90_days": None}).id == "note.churn_rhythm_unknown"
    assert list(origins_table(definition).columns) == [*ORIGIN_COLUMNS]  # no gap, nobody in it
    with_gap = origins_table(definition | {"gap_days": 7})
    assert list(with_gap.columns) == [*ORIGIN_COLUMNS, "gap_customer_count"]


@pytest.mark.parametrize(
    ("gap_days", "zh", "en"),
    [
        (0, "若在观察起点之后的90天内没有购买，", "in the 90 days from the origin on;"),
        (7, "自观察起点起间隔7天后，若在其后的90天内没有购买，", "in the 90 days that begin 7 days after the origin;"),
    ],
)
def test_the_definition_names_a_gap_only_where_there_is_one(gap_days: int, zh: str, en: str) -> None:
    settings = ChurnSettings(gap_days=gap_days)
    labelled = training_table({date(2025, 7, 1): (FEATURES, OUTCOMES)}, settings=settings)
    definition = churn_definition(labelled, FEATURES, settings=settings, as_of=date(2025, 10, 10))
    told = {lang: Words(lang).say(findings.finding_definition(definition)) for lang in LANGUAGES}
    assert zh in told["zh"]
    assert en in told["en"]
    assert "0天之后" not in told["zh"]


def test_an_origin_without_a_year_behind_it_has_no_rate() -> None:
    settings = ChurnSettings()
    labelled = training_table({date(2025, 7, 1): (FEATURES, OUTCOMES)}, settings=settings)
    for begun, is_short in ((date(2024, 7, 1), False), (date(2024, 7, 2), True)):  # 365 and 364 days before
        definition = churn_definition(labelled, FEATURES, settings=settings, as_of=date(2025, 10, 1), begun=begun)
        assert definition["origins"][0]["is_history_short"] is is_short
        told = Words("zh").say(findings.finding_definition(definition))
        assert ("历史数据不足365天" in told) is is_short
        assert ("66.7%" in told) is not is_short
        shown = format_origins(definition, words=Words("en"))["churn_rate"].tolist()
        assert shown == (["not enough history"] if is_short else ["66.7%"])
