import re

import pytest

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.words import LANGUAGES, Words, load_catalogue
from crm_analysis.evaluation import kpis
from crm_analysis.sources.schema import TABLES

AREAS = ("evaluation", "churn", "strategy", "summary")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("id_", METRICS)
def test_every_metric_has_its_words(id_: str, lang: str) -> None:
    metric, words = METRICS[id_], Words(lang)
    ids = [metric.name, metric.formula, metric.window, metric.numerator, f"measure_for.{id_}", f"unit.{metric.unit}"]
    absent = [word for word in [*ids, metric.denominator] if word is not None and not words.has(word)]
    assert absent == []


def test_exactly_one_function_is_registered_per_metric() -> None:
    assert set(kpis.KPI_FUNCTIONS) == set(METRICS)
    functions = list(kpis.KPI_FUNCTIONS.values())
    assert len(set(functions)) == len(functions)


def test_registering_twice_or_without_definition_is_refused() -> None:
    with pytest.raises(ValueError, match="'revenue' has a function already: revenue"):
        kpis.kpi("revenue")(kpis.nps)
    with pytest.raises(ValueError, match=r"'happiness' is not in base.metrics"):
        kpis.kpi("happiness")(kpis.nps)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_definitions_are_consistent(metric) -> None:
    is_ratio = metric.unit in {"share", "points", "hours", "score"}
    assert (metric.denominator is not None) == (is_ratio or metric.id == "average_order_value")
    assert metric.change_kind == ("points" if metric.unit in {"share", "points"} else "relative")
    assert not metric.is_proportion or metric.unit == "share"
    assert set(metric.needs) <= set(TABLES) - {"orders"}
    assert metric.minimum_n >= 1
    assert re.fullmatch(r"[DSPCTEX]\d+", metric.row)


def test_both_languages_say_the_same_with_the_same_numbers() -> None:
    zh, en = load_catalogue("zh"), load_catalogue("en")
    assert set(zh) == set(en)
    mine = ("metric.", "finding.", "note.", "alt.", "summary.", "churn.", "value.", "change.", "target.", "clause.")
    ids = [id_ for id_ in zh if id_.startswith(mine)]
    assert len(ids) > 80
    different = [id_ for id_ in ids if _placeholders(zh[id_]) != _placeholders(en[id_])]
    assert different == []


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"{[^{}]*}", text))
