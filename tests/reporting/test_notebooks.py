"""Running notebooks: strict parameters, isolation in a shared kernel, limits on time, failures that name their cell."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import pytest

from crm_analysis.base.errors import SettingsError
from crm_analysis.reporting.notebooks import (
    Chapter,
    NotebookError,
    WarmKernel,
    check_parameters,
    find_chapters,
    results_asked,
    run_notebook,
)

PARAMETERS_CELL = 'quarter: str = "latest"\nlang = "zh"'


def _notebook(sources: Sequence[str], *, tagged: Sequence[int] = (0,)) -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, source in enumerate(sources):
        cell = nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        if number in tagged:
            cell.metadata["tags"] = ["parameters"]
        notebook.cells.append(cell)
    return notebook


def _saved(folder: Path, name: str, sources: Sequence[str]) -> Chapter:
    path = folder / f"{name}.ipynb"
    nbformat.write(_notebook(sources), path)
    return Chapter(path)


@pytest.fixture(scope="module")
def kernel() -> Iterator[WarmKernel]:
    with WarmKernel(warm_up="import matplotlib") as warm:
        yield warm


def test_unknown_parameters_are_refused_all_at_once() -> None:
    with pytest.raises(SettingsError, match=r"unknown parameter 'quater'[\s\S]*unknown parameter 'zone'"):
        check_parameters(_notebook([PARAMETERS_CELL]), {"quater": 1, "zone": 2, "lang": "en"}, name="x")


def test_known_parameters_pass() -> None:
    check_parameters(_notebook([PARAMETERS_CELL]), {"quarter": "2025Q3", "lang": "en"}, name="x")


@pytest.mark.parametrize("tagged", [(), (0, 1)])
def test_anything_but_one_parameters_cell_is_refused(tagged: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match=f"{len(tagged)} cells are tagged 'parameters'"):
        check_parameters(_notebook([PARAMETERS_CELL, "x = 1"], tagged=tagged), {}, name="x")


def test_results_asked_are_found_in_order_without_repeats() -> None:
    sources = [PARAMETERS_CELL, 'b = ws.result("b")\na = ws.result("a")', 'again = f(ws.result("b"), ws.results("c"))']
    assert results_asked(_notebook(sources)) == ["b", "a"]


def test_chapters_come_in_order_and_by_slug() -> None:
    assert [chapter.slug for chapter in find_chapters()] == [
        "summary", "diagnosis", "segmentation", "portraits", "churn", "strategy", "evaluation",
    ]  # fmt: skip
    assert [chapter.name for chapter in find_chapters(["churn", "1_diagnosis"])] == ["1_diagnosis", "4_churn"]


def test_unknown_chapter_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"no chapter 'segments'[\s\S]*segmentation"):
        find_chapters(["segments"])


def test_parameters_reach_the_notebook_as_python_values(tmp_path: Path, kernel: WarmKernel) -> None:
    chapter = _saved(tmp_path, "1_x", [PARAMETERS_CELL, "print(repr(quarter), repr(lang))"])
    executed = run_notebook(
        chapter, kernel=kernel, parameters={"quarter": "007", "lang": "en"}, output=tmp_path / "out.ipynb", minutes=1
    )
    assert executed.cells[-1].outputs[0].text == "'007' 'en'\n"
    assert (tmp_path / "out.ipynb").is_file()


def test_nothing_leaks_from_one_notebook_to_the_next(tmp_path: Path, kernel: WarmKernel) -> None:
    leaving = 'import matplotlib\nsecret = 1\nmatplotlib.rcParams["axes.grid"] = True'
    looking = 'import matplotlib\nprint("secret" in globals(), matplotlib.rcParams["axes.grid"])'
    for name, source in [("1_leaves", leaving), ("2_looks", looking)]:
        chapter = _saved(tmp_path, name, [PARAMETERS_CELL, source])
        executed = run_notebook(chapter, kernel=kernel, parameters={}, output=tmp_path / f"{name}.out.ipynb", minutes=1)
    assert executed.cells[-1].outputs[0].text == "False False\n"


def test_failure_names_notebook_cell_and_error_and_saves_what_ran(tmp_path: Path, kernel: WarmKernel) -> None:
    chapter = _saved(tmp_path, "4_churn", [PARAMETERS_CELL, "x = 1", "# divide\n1 / 0", "y = 2"])
    with pytest.raises(NotebookError, match=r"notebook 4_churn, code cell 4 \(# divide\): ZeroDivisionError"):
        run_notebook(chapter, kernel=kernel, parameters={"lang": "en"}, output=tmp_path / "out.ipynb", minutes=1)
    kept = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert any(item.output_type == "error" for cell in kept.cells for item in cell.get("outputs", []))


def test_the_fix_of_an_error_is_told_in_place_of_looking_at_the_notebook(tmp_path: Path, kernel: WarmKernel) -> None:
    failing = "from crm_analysis.base.errors import AnalysisError, Problem\n"
    failing += 'raise AnalysisError(Problem("it is not installed", "churn.value", "run: pip install it"))'
    for source, fix in (("1 / 0", "open out.ipynb and run it to this cell"), (failing, "run: pip install it")):
        chapter = _saved(tmp_path, "4_churn", [PARAMETERS_CELL, source])
        with pytest.raises(NotebookError) as caught:
            run_notebook(chapter, kernel=kernel, parameters={}, output=tmp_path / "out.ipynb", minutes=1)
        (problem,) = caught.value.problems
        assert problem.fix == fix
        assert str(caught.value).count("fix: ") == 1
    assert "churn.value: it is not installed" in problem.what


def test_time_limit_ends_a_notebook(tmp_path: Path) -> None:
    chapter = _saved(tmp_path, "1_slow", [PARAMETERS_CELL, "import time\ntime.sleep(600)"])
    with WarmKernel(warm_up="pass") as own, pytest.raises(NotebookError, match=r"took longer than 0\.05 minutes"):
        run_notebook(chapter, kernel=own, parameters={}, output=tmp_path / "out.ipynb", minutes=0.05)
