import ast
import re
from importlib.resources import files
from pathlib import Path

import pytest

from crm_analysis.base.metrics import DERIVED_TABLES, METRICS
from crm_analysis.base.words import LANGUAGES, Words, load_catalogue
from crm_analysis.evaluation import kpis, kpis_surveys, registry
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
    assert set(registry.KPI_FUNCTIONS) == set(METRICS)
    functions = list(registry.KPI_FUNCTIONS.values())
    assert len(set(functions)) == len(functions)


def test_every_module_that_registers_kpis_is_named_in_the_registry() -> None:
    folder = files("crm_analysis").joinpath("evaluation")
    entries = [entry for entry in folder.iterdir() if entry.is_file()]
    sources = {entry.name.removesuffix(".py"): entry.read_text("utf-8") for entry in entries}
    found = {name for name, source in sources.items() if re.search(r'^@kpi\("', source, flags=re.MULTILINE)}
    assert found == {module.__name__.rsplit(".", 1)[1] for module in registry.KPI_MODULES}
    assert len(found) > 3


def test_every_metric_has_a_test_by_hand() -> None:
    assert sorted(set(METRICS) - _tried_by_hand()) == []


def _tried_by_hand() -> set[str]:
    """Return the texts in tests of KPIs, their parameters included, that assert something."""
    found: set[str] = set()
    for path in sorted((Path(__file__).parents[1] / "evaluation").glob("test_*kpis*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_test = isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            if is_test and any(isinstance(inner, ast.Assert) for inner in ast.walk(node)):
                found |= {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)
                          and isinstance(part.value, str)}  # fmt: skip
    return found


def test_registering_twice_or_without_definition_is_refused() -> None:
    with pytest.raises(ValueError, match="'revenue' has a function already: revenue"):
        kpis.kpi("revenue")(kpis_surveys.nps)
    with pytest.raises(ValueError, match=r"'happiness' is not in base.metrics"):
        kpis.kpi("happiness")(kpis_surveys.nps)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_definitions_are_consistent(metric) -> None:
    is_ratio = metric.unit in {"share", "points", "hours", "score"}
    assert (metric.denominator is not None) == (is_ratio or metric.id == "average_order_value")
    assert metric.change_kind == ("points" if metric.unit in {"share", "points"} else "relative")
    assert not metric.is_proportion or (metric.unit == "share" and not metric.is_event_rate)
    assert not metric.is_event_rate or metric.denominator is not None
    assert set(metric.needs) <= (set(TABLES) | set(DERIVED_TABLES)) - {"orders"}
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
