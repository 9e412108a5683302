"""Fixed cost of the notebooks: plain papermill with a kernel each, against one warm kernel for all.

    python tests/benchmarks/notebooks.py data/demo/crm.yml

All results are computed first; what is timed is showing them, in one language, one notebook after another. The empty
notebook is the fixed cost alone. Ratios hold within one run; seconds depend on the machine.
"""

import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill

from crm_analysis.opening import open_workspace
from crm_analysis.reporting.notebooks import (
    Chapter,
    WarmKernel,
    find_chapters,
    notebook_folder,
    results_asked,
    run_notebook,
)


def _seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def main(config: str) -> None:
    """Print a table: notebook, plain papermill, warm kernel, ratio."""
    logging.disable(logging.WARNING)
    chapters = find_chapters()
    ws = open_workspace(config)
    for chapter in chapters:
        for name in results_asked(nbformat.read(chapter.path, as_version=4)):
            ws.ensure(name)
    parameters = {"config": str(Path(config).resolve()), "quarter": str(ws.quarter), "lang": "zh"}
    folder = Path(tempfile.mkdtemp(prefix="crm-benchmark-"))
    empty = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell('lang = "zh"', metadata={"tags": ["parameters"]})]
    )
    nbformat.write(empty, folder / "0_empty.ipynb")
    rows = []
    begun = time.perf_counter()
    with WarmKernel() as kernel:
        kernel.clean()
        start = time.perf_counter() - begun
        for chapter in [Chapter(folder / "0_empty.ipynb"), *chapters]:
            given = {} if chapter.slug == "empty" else parameters
            output = folder / f"{chapter.name}.out.ipynb"
            plain = _seconds(
                lambda chapter=chapter, given=given, output=output: papermill.execute_notebook(
                    str(chapter.path),
                    str(output),
                    given,
                    kernel_name="python3",
                    cwd=str(notebook_folder()),
                    progress_bar=False,
                )
            )
            warm = _seconds(
                lambda chapter=chapter, given=given, output=output: run_notebook(
                    chapter, kernel=kernel, parameters=given, output=output, minutes=5
                )
            )
            rows.append((chapter.name, plain, warm))
    print(f"{'notebook':<18}{'plain papermill':>16}{'warm kernel':>13}{'ratio':>7}")
    for name, plain, warm in rows:
        print(f"{name:<18}{plain:>14.1f} s{warm:>11.1f} s{plain / warm:>7.1f}")
    plain, warm = (sum(row[column] for row in rows[1:]) for column in (1, 2))
    print(f"{'all chapters':<18}{plain:>14.1f} s{warm:>11.1f} s{plain / warm:>7.1f}")
    print(f"the warm kernel starts once, in {start:.1f} s, while the results are computed")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "data/demo/crm.yml")
