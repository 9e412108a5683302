"""A whole report: compute the results, let one kernel per language show them, write everything, swap it in."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nbformat

from crm_analysis.base.errors import AnalysisError, CRMError, Problem, SettingsError
from crm_analysis.base.words import LANGUAGES
from crm_analysis.opening import open_settings, open_workspace
from crm_analysis.reporting import archive
from crm_analysis.reporting.manifest import make_manifest, save_index, save_manifest
from crm_analysis.reporting.notebooks import (
    Chapter,
    WarmKernel,
    check_parameters,
    find_chapters,
    results_asked,
    run_notebook,
)
from crm_analysis.reporting.request import Outcome, Request
from crm_analysis.workspace import Workspace

RING_AGAIN_SECONDS = 5
FACT_RESULTS = ("load_report", "freshness", "coverage")
#: What the workbook shows, and full lists that stand in ``results`` alone: all schemes, and values of customers.
WORKBOOK_RESULTS = (
    "segments", "scheme_tiers", "overrides", "warning_list", "churn_reasons", "churn_signals", "reason_counts",
    "priority_customers", "purchase_parameters", "customer_values", "unattended_customers", "scorecard",
    "kpi_breakdown", "strategy_table", "responsibilities",
)  # fmt: skip

#: Called with what is under way and how much of it is done: ``("results", done, total, name)``.
Report = Callable[[str, int, int, str], None]


def make_report(request: Request, *, report: Report = lambda *_: None) -> Outcome:
    """Make a report, all or nothing.

    Raises
    ------
    CRMError
        With everything that is wrong; the last good report stays, and the notebooks of the failed run are kept.
    """
    chapters = find_chapters(request.only)
    unknown = [lang for lang in request.languages if lang not in LANGUAGES]
    if unknown or not request.languages:
        fix = f"give one or more of {', '.join(LANGUAGES)}"
        raise SettingsError(Problem(f"{', '.join(unknown) or 'nothing'} is no language of the reports", "--lang", fix))
    settings = open_settings(request.config)
    notebooks = {chapter: nbformat.read(chapter.path, as_version=4) for chapter in chapters}
    for chapter, notebook in notebooks.items():
        check_parameters(notebook, dict.fromkeys(("config", "quarter", "lang")), name=chapter.name)
    with archive.locked(request.reports), _time_limit(settings.report.total_minutes), ExitStack() as stack:
        ws = open_workspace(
            request.config, quarter=request.quarter, lang=request.languages[0], today=request.today,
            refresh=request.refresh, refreeze=request.refreeze,
        )  # fmt: skip
        stored = {
            lang: {chapter: _stored(ws.speaking(lang), chapter) for chapter in chapters} for lang in request.languages
        }
        kernels = {
            lang: stack.enter_context(WarmKernel())
            for lang, paths in stored.items()
            if request.refresh or not all(path.is_file() for path in paths.values())
        }
        name = str(ws.quarter) if not request.only else f"{ws.quarter}.partial"
        folder = archive.start_building(request.reports, name)
        try:
            outcome = _build(request, ws, notebooks, stored=stored, kernels=kernels, folder=folder, report=report)
        except BaseException as error:
            kept = archive.keep_failed(request.reports, name)
            shutil.rmtree(folder.parent, ignore_errors=True)
            if kept is not None and isinstance(error, CRMError):
                error.add_note(f"  what ran is kept in {kept}")
            raise
        place = archive.swap_in(request.reports, name)
        save_index(request.reports)
        failed = request.reports / f"{name}.failed"
        shutil.rmtree(failed, ignore_errors=True)
    return Outcome(place, [place / path.name for path in outcome.files], str(ws.quarter), outcome.seconds)


def _build(
    request: Request,
    ws: Workspace,
    notebooks: dict[Chapter, nbformat.NotebookNode],
    *,
    stored: Mapping[str, Mapping[Chapter, Path]],
    kernels: Mapping[str, WarmKernel],
    folder: Path,
    report: Report,
) -> Outcome:
    """Fill the folder of a run."""
    from crm_analysis.reporting.facts import make_facts
    from crm_analysis.reporting.html import render_report
    from crm_analysis.reporting.workbook import save_workbook

    seconds: dict[str, float] = {}
    with _timed(seconds, "results"):
        asked = [name for notebook in notebooks.values() for name in results_asked(notebook)]
        if not request.only:
            asked += WORKBOOK_RESULTS
        asked = ws.with_inputs([*asked, *FACT_RESULTS])
        _compute(ws, asked, report=report)
    with _timed(seconds, "notebooks"):
        executed = _show(request, ws, stored, kernels=kernels, folder=folder / "notebooks", report=report)
    written = []
    with _timed(seconds, "html"):
        for number, lang in enumerate(request.languages):
            report("files", number, len(request.languages) + 1, f"report.{lang}.html")
            facts = make_facts(ws, lang=lang, is_partial=bool(request.only))
            page = folder / f"report.{lang}.html"
            page.write_text(render_report(executed[lang], words=facts.words, facts=facts), "utf-8")
            written.append(page)
    _store(stored, folder / "notebooks")
    if not request.only:
        with _timed(seconds, "workbook"):
            report("files", len(request.languages), len(request.languages) + 1, "workbook.xlsx")
            written.append(save_workbook(ws, folder / "workbook.xlsx", identified=request.identified))
    report("files", len(request.languages) + 1, len(request.languages) + 1, "")
    _keep_results(ws, asked, folder / "results")
    save_manifest(make_manifest(ws, request=request, files=written, seconds=seconds), folder)
    return Outcome(folder, written, str(ws.quarter), seconds)


def _compute(ws: Workspace, names: Sequence[str], *, report: Report) -> None:
    """Compute results in this process, inputs first; one that fails is left for the cell that asks for it."""
    failed: set[str] = set()
    for number, name in enumerate(names):
        report("results", number, len(names), name)
        if failed & {*ws.declared(name).inputs, *ws.declared(name).reads}:
            failed.add(name)
            continue
        try:
            ws.ensure(name)
        except (MemoryError, OSError, TimeUpError):
            raise
        except SettingsError:
            raise
        except Exception:  # the cell that asks for it fails with the same error, and is named
            failed.add(name)
    report("results", len(names), len(names), "")


def _stored(ws: Workspace, chapter: Chapter) -> Path:
    """Return where the executed notebook of a chapter is kept as long as nothing that it shows changes."""
    return ws.shared.cache / "notebooks" / f"{ws.notebook_key(chapter.path.read_bytes())}.ipynb"


def _show(
    request: Request,
    ws: Workspace,
    stored: Mapping[str, Mapping[Chapter, Path]],
    *,
    kernels: Mapping[str, WarmKernel],
    folder: Path,
    report: Report,
) -> dict[str, list[nbformat.NotebookNode]]:
    """Run the notebooks that nothing is stored of, languages side by side; the first failure ends the run."""
    total = sum(len(paths) for paths in stored.values())
    done, lock, stop = [0], threading.Lock(), threading.Event()
    folder.mkdir()

    def run_language(lang: str) -> list[nbformat.NotebookNode]:
        executed = []
        for chapter, path in stored[lang].items():
            if stop.is_set():
                break
            output = folder / f"{chapter.name}.{lang}.ipynb"
            if request.refresh or not path.is_file():
                parameters = {"config": str(request.config.resolve()), "quarter": str(ws.quarter), "lang": lang}
                minutes = ws.settings.report.notebook_minutes
                try:
                    run_notebook(chapter, kernel=kernels[lang], parameters=parameters, output=output, minutes=minutes)
                except BaseException:
                    stop.set()
                    raise
            else:
                shutil.copyfile(path, output)
            executed.append(nbformat.read(output, as_version=4))
            with lock:
                done[0] += 1
                report("notebooks", done[0], total, f"{chapter.name} ({lang})")
        return executed

    report("notebooks", 0, total, "")
    with ThreadPoolExecutor(max_workers=len(stored)) as pool:
        running = {lang: pool.submit(run_language, lang) for lang in stored}
        try:
            return {lang: future.result() for lang, future in running.items()}
        except BaseException:
            stop.set()
            for lang, future in running.items():
                if not future.done() and lang in kernels:
                    kernels[lang].kill()
            raise


def _store(stored: Mapping[str, Mapping[Chapter, Path]], folder: Path) -> None:
    """Keep executed notebooks that made a good page for the next run; none is ever seen half written."""
    for lang, paths in stored.items():
        for chapter, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{os.getpid()}")
            shutil.copyfile(folder / f"{chapter.name}.{lang}.ipynb", part)
            part.replace(path)


def _keep_results(ws: Workspace, names: Sequence[str], folder: Path) -> None:
    """Copy the results that the report used; nothing writes there afterwards."""
    folder.mkdir()
    for path in (ws.path(name) for name in names):
        shutil.copyfile(path, folder / f"{path.parent.name}{path.suffix}")


class TimeUpError(AnalysisError):
    """The whole run took longer than the settings allow."""

    title = "The run was ended"


@contextmanager
def _time_limit(minutes: float) -> Iterator[None]:
    """End the run when its time is up; on systems without alarms only the limit per notebook holds."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(signum: int, frame: Any) -> None:
        fix = "raise report.total_minutes in the settings"
        raise TimeUpError(Problem(f"it took longer than {minutes:g} minutes", "report", fix))

    before = signal.signal(signal.SIGALRM, ring)
    # it rings again and again: an error raised inside a destructor or a callback is swallowed there
    signal.setitimer(signal.ITIMER_REAL, minutes * 60, RING_AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - begun, 2)
