"""Running the notebooks by papermill: one warm kernel per language, a clean slate for each notebook, limits on time."""

import ast
import asyncio
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nbformat
from jupyter_client.manager import AsyncKernelManager

from crm_analysis.base.errors import FIX, AnalysisError, Problem, SettingsError

PARAMETERS = "parameters"
READY_SECONDS = 60
WARM_UP = "import crm_analysis.reporting.show, crm_analysis.graph, crm_analysis.base.style, seaborn, great_tables"
#: Names, figures and matplotlib settings of one notebook never reach the next.
CLEAN_SLATE = """
get_ipython().run_line_magic("reset", "-f")
import sys
if "matplotlib" in sys.modules:
    import matplotlib
    matplotlib.rcParams.update(matplotlib.rcParamsDefault)
if "matplotlib.pyplot" in sys.modules:
    sys.modules["matplotlib.pyplot"].close("all")
get_ipython().run_line_magic("reset", "-f")
"""


class NotebookError(AnalysisError):
    """A notebook that did not run to its end; names notebook, cell and error."""

    title = "A notebook failed"


@dataclass(frozen=True)
class Chapter:
    """A notebook of the report: ``2_segmentation`` is chapter 2, slug ``segmentation``."""

    path: Path

    @property
    def name(self) -> str:
        """File name without suffix."""
        return self.path.stem

    @property
    def slug(self) -> str:
        """Name without its number."""
        return self.name.partition("_")[2]


def find_chapters(only: Sequence[str] = ()) -> list[Chapter]:
    """Return the notebooks of the report in order, or those asked for by slug or name.

    Raises
    ------
    SettingsError
        A chapter does not exist.
    """
    chapters = [Chapter(path) for path in sorted(notebook_folder().glob("[0-9]_*.ipynb"))]
    known = {chapter.slug: chapter for chapter in chapters} | {chapter.name: chapter for chapter in chapters}
    unknown = [name for name in only if name not in known]
    if unknown:
        fix = f"chapters are {', '.join(chapter.slug for chapter in chapters)}"
        raise SettingsError([Problem(f"there is no chapter {name!r}", "--only", fix) for name in unknown])
    wanted = {known[name].name for name in only}
    return [chapter for chapter in chapters if not only or chapter.name in wanted]


def notebook_folder() -> Path:
    """Return the folder of notebooks: inside the wheel, or beside the package in a checkout."""
    package = Path(str(files("crm_analysis")))
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def check_parameters(notebook: nbformat.NotebookNode, given: Mapping[str, Any], *, name: str) -> None:
    """Refuse parameters that papermill would only warn about.

    Raises
    ------
    SettingsError
        Not exactly one cell is tagged ``parameters``, or a parameter is not assigned there.
    """
    tagged = [cell for cell in notebook.cells if PARAMETERS in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        what = f"{len(tagged)} cells are tagged 'parameters'"
        raise SettingsError(Problem(what, f"notebook {name}", "tag exactly one cell"))
    known = {
        target.id
        for node in ast.parse(tagged[0].source).body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    unknown = sorted(set(given) - known)
    if unknown:
        fix = f"assign it in the cell tagged 'parameters'; known: {', '.join(sorted(known))}"
        raise SettingsError([Problem(f"unknown parameter {key!r}", f"notebook {name}", fix) for key in unknown])


def results_asked(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the names of the results that a notebook loads, in order: its ``ws.result("...")`` calls."""
    names: dict[str, None] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
        for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
            asks = isinstance(call.func, ast.Attribute) and call.func.attr == "result"
            if asks and call.args and isinstance(call.args[0], ast.Constant):
                names[str(call.args[0].value)] = None
    return list(names)


class WarmKernel:
    """A kernel that serves one notebook after another; it starts in the background.

    Parameters
    ----------
    warm_up
        Code run once at the start: imports that every notebook needs.
    """

    def __init__(self, *, warm_up: str = WARM_UP) -> None:
        self._folder = tempfile.mkdtemp(prefix="crm-")
        # asynchronous: with a blocking manager nbclient neither sees a kernel die nor keeps a time limit
        self._manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(Path(self._folder) / "k"))
        self._warm_up = warm_up
        self._failure: BaseException | None = None
        self._starting = threading.Thread(target=self._start, daemon=True)
        self._starting.start()

    def _start(self) -> None:
        try:
            _wait_for(self._start_warm)
        except BaseException as error:  # handed to the thread that waits for the kernel
            self._failure = error

    async def _start_warm(self) -> None:
        env = os.environ | {"IPYTHONDIR": self._folder, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        await self._manager.start_kernel(env=env, cwd=str(notebook_folder()))
        await self._execute(self._warm_up)

    async def _execute(self, code: str) -> None:
        client = self._manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=READY_SECONDS)
            reply = await client.execute_interactive(code, timeout=READY_SECONDS, output_hook=lambda message: None)
        finally:
            client.stop_channels()
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"].get("traceback", ["the kernel refused the code"])))

    def clean(self) -> AsyncKernelManager:
        """Wait until the kernel is ready, clear what the last notebook left, and return its manager."""
        self._starting.join()
        if self._failure is not None:
            raise self._failure
        _wait_for(lambda: self._execute(CLEAN_SLATE))
        return self._manager

    async def _end(self) -> None:
        await self._manager.shutdown_kernel(now=True)

    def kill(self) -> None:
        """End the kernel at once; a notebook running in it fails."""
        pid = getattr(self._manager.provisioner, "pid", None)
        if pid is not None:
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._starting.join()
        if self._manager.has_kernel:
            _wait_for(self._end)
        shutil.rmtree(self._folder, ignore_errors=True)


def _wait_for(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine to its end in a thread and loop of its own, whatever loop the caller stands in."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(lambda: asyncio.run(work())).result()


def run_notebook(
    chapter: Chapter, *, kernel: WarmKernel, parameters: Mapping[str, Any], output: Path, minutes: float
) -> nbformat.NotebookNode:
    """Execute a notebook and return it; what ran is saved to ``output`` in any case.

    Raises
    ------
    NotebookError
        A cell failed, or the time was up; the message names the cell and the error, and the error's own fix where
        it brings one.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    output.parent.mkdir(parents=True, exist_ok=True)
    manager = kernel.clean()
    with _limit(kernel, minutes=minutes) as ran_out:
        try:
            return papermill.execute_notebook(
                str(chapter.path),
                str(output),
                parameters=dict(parameters),
                km=manager,
                kernel_name="python3",
                progress_bar=False,
                log_output=False,
            )
        except papermill.PapermillExecutionError as error:
            cell = _failing_cell(output)
            said, _, own_fix = f"{error.ename}: {error.evalue}".rpartition(FIX)
            what, fix = (said, own_fix) if said else (own_fix, f"open {output.name} and run it to this cell")
            raise NotebookError(Problem(what, f"notebook {chapter.name}, {cell}", fix)) from error
        except DeadKernelError as error:
            what = f"it took longer than {minutes:g} minutes" if ran_out.is_set() else "its kernel died"
            fix = "raise report.notebook_minutes in the settings" if ran_out.is_set() else "look for lack of memory"
            raise NotebookError(Problem(what, f"notebook {chapter.name}", fix)) from error


@contextmanager
def _limit(kernel: WarmKernel, *, minutes: float) -> Iterator[threading.Event]:
    ran_out = threading.Event()

    def end() -> None:
        ran_out.set()
        kernel.kill()

    timer = threading.Timer(minutes * 60, end)
    timer.daemon = True
    timer.start()
    try:
        yield ran_out
    finally:
        timer.cancel()


def _failing_cell(output: Path) -> str:
    """Return which cell of a saved notebook failed: its number among code cells and its first line."""
    if not output.is_file():
        return "before its first cell"
    cells = [cell for cell in nbformat.read(output, as_version=4).cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells, start=1):
        if any(item.output_type == "error" for item in cell.outputs):
            lines = cell.source.strip().splitlines()
            return f"code cell {number} ({lines[0] if lines else 'empty'})"
    return "unknown cell"
