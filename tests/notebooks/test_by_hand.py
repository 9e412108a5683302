"""Notebooks as an analyst opens them: alone, with the parameters they are committed with, in a kernel of their own."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from crm_analysis.reporting.notebooks import notebook_folder

NAMES = sorted(path.name for path in notebook_folder().glob("[0-9]_*.ipynb"))
MINUTES = 3
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(rendered_reports, demo_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder laid out as a checkout is after the first report: notebooks beside ``data/demo``."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(notebook_folder(), root / "notebooks")
    shutil.copytree(demo_config.parent, root / "data" / "demo")
    return root


@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_from_top_to_bottom(checkout: Path, name: str) -> None:
    folder = checkout / "notebooks"
    notebook = nbformat.read(folder / name, as_version=4)
    NotebookClient(
        notebook, timeout=60 * MINUTES, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {output.metadata["crm_analysis"]["kind"] for output in outputs if output.output_type == "display_data"}
    assert {output.output_type for output in outputs} == {"display_data"}
    assert {"finding", "table"} <= kinds


def test_other_thresholds_are_tried_on_a_frame(checkout: Path) -> None:
    folder = checkout / "notebooks"
    notebook = nbformat.read(folder / "explore_segmentation.ipynb", as_version=4)
    NotebookClient(
        notebook, timeout=60 * MINUTES, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    shown = {cell.id: str(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"}
    assert all(shown[part] != "[]" for part in ("score", "name", "split", "tier", "own"))
    assert "is_changed" in shown["own"]
    assert "crm_analysis" in shown["split"]  # made by show


def test_changed_parameter_shows_another_quarter(checkout: Path) -> None:
    folder = checkout / "notebooks"
    shown = []
    for quarter in ("2025Q3", "2025Q2"):
        notebook = nbformat.read(folder / "6_evaluation.ipynb", as_version=4)
        cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        cell.source = cell.source.replace('"latest"', f'"{quarter}"').replace('"zh"', '"en"')
        client = NotebookClient(
            notebook, timeout=60 * MINUTES, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
        shown.append("".join(o.data["text/html"] for cell in notebook.cells for o in cell.get("outputs", [])))
    assert shown[0] != shown[1]
