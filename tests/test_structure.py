"""The rules of the house, kept by walking the sources: who imports whom, what no module does, the form of notebooks."""

import ast
import graphlib
import importlib.util
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "crm_analysis"
MODULES = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
           for path in sorted(PACKAGE.rglob("*.py"))}  # fmt: skip
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

ANALYSES = ("diagnosis", "segmentation", "portraits", "churn", "strategy", "evaluation")
GRAPH = ("freezing", "graph", "graph_past", "graph_segmentation", "graph_service", "graph_bridges", "graph_effects",
         "graph_kpis", "graph_churn", "graph_purchases", "graph_insight")  # fmt: skip
LAYERS = ({"base": 0, "sources": 1} | dict.fromkeys(ANALYSES, 2) | dict.fromkeys(GRAPH, 4)
          | {"workspace": 3, "opening": 5, "reporting": 6, "cli": 7})  # fmt: skip
MOST_LINES = 500


def tree(name: str) -> ast.Module:
    return parsed(MODULES[name].read_text("utf-8"))


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def imports(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield ``(module of the package, statement)`` of every import, lazy and for types alone included."""
    for found in ast.walk(node):
        names: list[str] = []
        if isinstance(found, ast.Import):
            names = [alias.name for alias in found.names]
        elif isinstance(found, ast.ImportFrom):
            assert found.level == 0, "imports are absolute"
            inner = [f"{found.module}.{alias.name}" for alias in found.names]
            names = [name if name in MODULES else str(found.module) for name in inner]
        yield from ((name, found) for name in names if name.split(".")[0] == "crm_analysis")


def part(name: str) -> str:
    """Return the part of the house that a module belongs to; the package itself is ``""``."""
    return name.split(".")[1] if "." in name else ""


# -- imports -----------------------------------------------------------------------------------------------------------


def test_every_module_has_its_place() -> None:
    assert {part(name) for name in MODULES} - {""} == set(LAYERS)


def imports_go_one_way(name: str) -> None:
    here = part(name)
    if not here:  # the package itself: see below
        return
    for imported, statement in imports(tree(name)):
        there = part(imported)
        where = f"{name}, line {getattr(statement, 'lineno', 0)}: {imported}"
        if not there:  # the version, which the package itself holds
            assert isinstance(statement, ast.ImportFrom), where
            assert [alias.name for alias in statement.names] == ["__version__"], where
            continue
        assert LAYERS[there] <= LAYERS[here], f"{where} lies above {here}"
        if here in ANALYSES and there in ANALYSES:
            assert here == there, f"{where}: an analysis never imports another"


def test_the_workspace_knows_no_analysis() -> None:
    known = {part(name) for name, _ in imports(tree("crm_analysis.workspace"))}
    assert known <= {"base", "sources"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {other for other, _ in imports(tree(name))} - {name} for name in MODULES if part(name)}
    graphlib.TopologicalSorter(graph).prepare()


def test_the_package_imports_nothing_before_it_is_asked() -> None:
    body = tree("crm_analysis").body
    early = [name for statement in body if not isinstance(statement, ast.If) for name, _ in imports(statement)]
    assert early == []


# -- what no module does -----------------------------------------------------------------------------------------------

CLOCK = {"today", "now", "utcnow"}
TIME = {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime"}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv"}
READS_THE_CLOCK = {"crm_analysis.cli"}
#: ``connect`` for secrets; ``notebooks`` hands the environment to the kernel that it starts.
READS_THE_ENVIRONMENT = {"crm_analysis.cli", "crm_analysis.sources.connect", "crm_analysis.reporting.notebooks"}


def calls(name: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(name)) if isinstance(node, ast.Call))


def reads_clock(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute):
        return False
    of_time = isinstance(function.value, ast.Name) and function.value.id == "time" and function.attr in TIME
    return function.attr in CLOCK or of_time


def no_module_reads_the_clock(name: str) -> None:
    lines = [call.lineno for call in calls(name) if reads_clock(call)]
    assert (name in READS_THE_CLOCK) or not lines, f"{name}, lines {lines}"


def no_module_reads_the_environment(name: str) -> None:
    lines = []
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            lines += [node.lineno] if node.attr in ENVIRONMENT else []
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            lines += [node.lineno for alias in node.names if alias.name in ENVIRONMENT]
    assert (name in READS_THE_ENVIRONMENT) or not lines, f"{name}, lines {lines}"


def no_module_prints_or_changes_globals(name: str) -> None:
    printed = [call.lineno for call in calls(name) if isinstance(call.func, ast.Name) and call.func.id == "print"]
    assert name == "crm_analysis.cli" or not printed, f"{name} prints in lines {printed}"
    shared = [node.lineno for node in ast.walk(tree(name)) if isinstance(node, ast.Global)]
    assert not shared, f"{name} changes globals in lines {shared}"


def chance_comes_from_a_passed_seed(name: str) -> None:
    wrong = []
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            wrong += [node.lineno for alias in node.names if alias.name == "random"]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            text = ast.unparse(node.func)
            legacy = re.fullmatch(r"(np|numpy)\.random\.[a-z_]+", text) and not text.endswith(".default_rng")
            unseeded = text.endswith("default_rng") and not (node.args or node.keywords)
            wrong += [node.lineno] if legacy or unseeded else []
    assert not wrong, f"{name}, lines {wrong}"


def modules_are_short_and_say_what_they_are(name: str) -> None:
    count = len(MODULES[name].read_text("utf-8").splitlines())
    assert count <= MOST_LINES, f"{name} has {count} lines"
    assert ast.get_docstring(tree(name)), f"{name} has no docstring"


GUARDS = (
    imports_go_one_way,
    no_module_reads_the_clock,
    no_module_reads_the_environment,
    chance_comes_from_a_passed_seed,
    no_module_prints_or_changes_globals,
    modules_are_short_and_say_what_they_are,
)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_every_module_keeps_the_rules(guard: Callable[[str], None]) -> None:
    assert len(MODULES) > 50
    for name in MODULES:
        guard(name)


def test_the_guards_see_what_they_guard_against(monkeypatch, tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_text(
        "import os, time, random\nfrom os import environ\nprint(date.today(), time.time(), os.getenv('A'))\n"
    )
    monkeypatch.setitem(MODULES, "crm_analysis.churn.x", source)
    guards = set(GUARDS) - {imports_go_one_way}
    for guard in guards:
        with pytest.raises(AssertionError, match=r"crm_analysis.churn.x"):
            guard("crm_analysis.churn.x")
    for statement in ("from crm_analysis.workspace import Workspace", "import crm_analysis.segmentation.rfm"):
        source.write_text(statement)
        with pytest.raises(AssertionError, match=r"lies above churn|never imports another"):
            imports_go_one_way("crm_analysis.churn.x")


# -- the graph of results ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results():
    from crm_analysis.graph import RESULTS

    return RESULTS


def test_the_graph_has_no_circle_and_no_loose_end(results) -> None:
    made_of = {name: {*result.inputs, *result.reads} for name, result in results.items()}
    loose = {name: others - set(results) for name, others in made_of.items()}
    assert {name: missing for name, missing in loose.items() if missing} == {}
    order = list(graphlib.TopologicalSorter(made_of).static_order())
    assert sorted(order) == sorted(results)


def test_every_result_is_declared_in_full(results) -> None:
    from crm_analysis.base.privacy import Sensitivity
    from crm_analysis.base.settings import Settings

    for name, result in results.items():
        assert result.name == name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert set(result.sections) <= set(Settings.model_fields), name
        if result.kind == "document":
            assert result.schema is None, f"{name} is a document and has no columns"
            continue
        assert result.kind in {"frame", "rows"}, name
        assert result.schema, f"{name} declares no columns"
        assert all(isinstance(sensitivity, Sensitivity) for sensitivity in result.schema.values()), name


def test_every_result_takes_the_inputs_it_names(results) -> None:
    for result in results.values():
        inspect.signature(result.compute).bind(None, **dict.fromkeys(result.inputs))
        assert len(set(result.inputs)) == len(result.inputs), result.name


# -- notebooks ---------------------------------------------------------------------------------------------------------

PARAMETERS = ["config", "quarter", "lang"]
LONGEST_CELL = 12
NOT_IN_NOTEBOOKS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Try, ast.TryStar, ast.For,
                    ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Global, ast.Delete)  # fmt: skip
WRITES = re.compile(r"^(to_(csv|parquet|excel|json|html|pickle|feather|markdown|sql)|write\w*|save\w*|dump\w*|mkdir|"
                    r"unlink|touch|rmtree|open|print|exec|eval|system|run)$")  # fmt: skip


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code(path: Path) -> Iterator[tuple[nbformat.NotebookNode, ast.Module]]:
    return ((cell, ast.parse(cell.source)) for cell in read(path).cells if cell.cell_type == "code")


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def notebooks(test):
    return pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)(test)


def test_the_report_has_seven_chapters_and_analysts_have_their_own_notebooks() -> None:
    chapters = [path.stem for path in NOTEBOOKS if path.stem[0].isdigit()]
    assert chapters == ["0_summary", *(f"{n}_{name}" for n, name in enumerate(ANALYSES, 1))]
    assert {path.stem for path in NOTEBOOKS} - set(chapters) == {"explore_segmentation"}


@notebooks
def test_a_notebook_is_valid_and_has_run_nowhere(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not {"papermill", "widgets"} & set(notebook.metadata)
    for cell in notebook.cells:
        assert cell.cell_type in {"code", "markdown"}
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert not {"papermill", "execution", "collapsed"} & set(cell.metadata), cell.id


@notebooks
def test_ids_of_cells_are_unique_and_speak(path: Path) -> None:
    ids = [cell.id for cell in read(path).cells]
    assert [id_ for id_, count in Counter(ids).items() if count > 1] == []
    assert all(re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", id_) for id_ in ids)


@notebooks
def test_one_cell_holds_exactly_the_three_parameters(path: Path) -> None:
    tagged = [cell for cell in read(path).cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    body = ast.parse(tagged[0].source).body
    assert all(isinstance(line, ast.AnnAssign) and isinstance(line.value, ast.Constant) for line in body)
    assert [ast.unparse(line.target) for line in body] == PARAMETERS
    assert {ast.unparse(line.annotation) for line in body} == {"str"}
    assert all("# " in line for line in tagged[0].source.strip().splitlines()), "each says what it is"


@notebooks
def test_code_in_notebooks_is_thin(path: Path) -> None:
    for cell, body in code(path):
        own = [s for s in body.body if not isinstance(s, (ast.Import, ast.ImportFrom))]
        lines = sum(int(s.end_lineno) - s.lineno + 1 for s in own)
        assert lines <= LONGEST_CELL, f"{cell.id} has {lines} lines"
        for node in ast.walk(body):
            assert not isinstance(node, NOT_IN_NOTEBOOKS), f"{cell.id}: {type(node).__name__} belongs in the package"
            if isinstance(node, ast.Call):
                assert not WRITES.match(called(node)), f"{cell.id}: {called(node)}() writes or prints"


def test_every_table_of_the_chapter_on_churn_has_a_caption() -> None:
    from crm_analysis.base.words import load_catalogue

    path = next(path for path in NOTEBOOKS if path.stem == "4_churn")
    tables, bare = 0, []
    for _, body in code(path):
        for node in ast.walk(body):
            if not isinstance(node, ast.Call) or called(node) != "show":
                continue
            given = {word.arg: word.value for word in node.keywords}
            if "id" in given and "alt" not in given:
                tables += 1
                own = f"caption.{ast.literal_eval(given['id']).replace('-', '_')}"
                is_known = all(own in load_catalogue(lang) for lang in ("zh", "en"))
                bare += [own] if "caption" not in given and not is_known else []
    assert tables >= 20
    assert bare == []


@notebooks
def test_markdown_stands_in_both_languages_side_by_side(path: Path) -> None:
    cells = [cell for cell in read(path).cells if cell.cell_type == "markdown"]
    tags = [cell.metadata.get("tags", []) for cell in cells]
    assert tags == [["lang-zh"], ["lang-en"]] * (len(cells) // 2)
    han = re.compile(r"[\u4e00-\u9fff]")
    for zh, en in zip(cells[::2], cells[1::2], strict=True):
        headings = [re.findall(r"^(#+) ", cell.source, flags=re.MULTILINE) for cell in (zh, en)]
        assert headings[0] == headings[1], f"{zh.id} and {en.id}"
        assert han.search(zh.source), zh.id
        assert not han.search(en.source), en.id
    assert cells[0].source.startswith("# ")
    order = [cell.cell_type for cell in read(path).cells]
    assert order[:2] == ["markdown", "markdown"]


@notebooks
def test_sections_follow_the_title_one_heading_each(path: Path) -> None:
    for lang in ("zh", "en"):
        found = [re.findall(r"^(#+) ", cell.source, flags=re.MULTILINE) for cell in read(path).cells
                 if f"lang-{lang}" in cell.metadata.get("tags", [])]  # fmt: skip
        assert found[0] == ["#"]
        assert all(headings == ["##"] for headings in found[1:]), found


@notebooks
def test_notebooks_ask_for_results_that_exist(path: Path, results) -> None:
    from crm_analysis.reporting.notebooks import results_asked

    asked = results_asked(read(path))
    assert asked, "a chapter shows results"
    assert set(asked) <= set(results), sorted(set(asked) - set(results))


@notebooks
def test_notebooks_import_what_exists(path: Path) -> None:
    for cell, body in code(path):
        for node in ast.walk(body):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    submodule = importlib.util.find_spec(f"{node.module}.{alias.name}") if hasattr(
                        module, "__path__") and not hasattr(module, alias.name) else None  # fmt: skip
                    assert hasattr(module, alias.name) or submodule, f"{cell.id}: {node.module}.{alias.name}"


def test_what_is_shown_has_an_id_of_its_own() -> None:
    shown = Counter(
        keyword.value.value
        for path in NOTEBOOKS
        for _, body in code(path)
        for node in ast.walk(body)
        if isinstance(node, ast.Call) and called(node) == "show"
        for keyword in node.keywords
        if keyword.arg == "id" and isinstance(keyword.value, ast.Constant)
    )
    assert [id_ for id_, count in shown.items() if count > 1] == []
    assert len(shown) > len(NOTEBOOKS)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_notes_named_in_notebooks_are_words(lang: str) -> None:
    from crm_analysis.base.words import load_catalogue

    said = {
        node.value
        for path in NOTEBOOKS
        for _, body in code(path)
        for call in ast.walk(body)
        if isinstance(call, ast.Call) and called(call) in {"note", "show"}
        for node in [*call.args, *(k.value for k in call.keywords if k.arg in {"caption", "note", "alt", "aid"})]
        if isinstance(node, ast.Constant)
    }
    assert said - set(load_catalogue(lang)) == set()
