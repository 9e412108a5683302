"""This package, as a report uses it: results of a workspace, computed anew on typed tables."""

import shutil
import sys
from pathlib import Path
from typing import Any

import measure

from crm_analysis import open_workspace
from crm_analysis.graph_segmentation import SEGMENTATION
from crm_analysis.sources.purchases import counted_orders, purchase_summary_table
from crm_analysis.workspace import Workspace


def load(config: str) -> measure.Job:
    """Read raw files and write typed tables; the workspace has an empty cache."""

    def job() -> dict[str, Any]:
        ws = open_workspace(config)
        orders = int(ws.tables["orders"].count().to_pandas())
        cache = ws.shared.cache / "tables"
        (home,) = (path for path in cache.iterdir() if (path / "report.parquet").is_file())
        return {"home": str(home), "quarter": str(ws.quarter), "as_of": ws.as_of.isoformat(), "orders": orders,
                "memory_limit": ws.settings.data.memory_limit}  # fmt: skip

    return job


def compute(config: str, quarter: str, home: str, results: list[str], links: list[str]) -> measure.Job:
    """Compute results and leave a link to each."""
    ws = _opened(config, quarter, home=home)
    for name in results:
        ws.key(name)

    def job() -> None:
        for name in results:
            ws.ensure(name)
        for name, link in zip(results, links, strict=True):
            Path(link).unlink(missing_ok=True)
            Path(link).symlink_to(ws.path(name))

    return job


def segment(config: str, quarter: str, kept: list[str], results: list[str]) -> measure.Job:
    """Compute results from what is stored of ``kept``; everything else of the cache is forgotten before.

    An empty list of results forgets nothing and computes all results of segmentation, so that what they read is there.
    """
    ws = open_workspace(config, quarter=quarter)
    ws.loaded  # noqa: B018 - opens the typed tables before the clock runs
    if results:
        for folder in (ws.shared.cache / "results").iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder)

    def job() -> dict[str, Any]:
        for name in results or [result.name for result in SEGMENTATION]:
            ws.ensure(name)
        computed = sorted(
            (entry for entry in ws.shared.log if not entry["cached"]), key=lambda entry: -entry["seconds"]
        )
        slowest = [f"{entry['result']} of {entry['quarter']} {entry['seconds']:.1f} s" for entry in computed[:5]]
        return {"slowest": slowest, "customers": int(ws.rows("features").count().to_pandas())}

    return job


def purchase_summary(config: str, quarter: str, home: str, output: str) -> measure.Job:
    """Write what purchase models read: repeat purchases, age at the last, age, mean of repeats."""
    ws = _opened(config, quarter, home=home)

    def job() -> None:
        purchases = counted_orders(ws.tables["orders"])
        purchase_summary_table(purchases, as_of=ws.as_of, days_per_unit=1).to_parquet(output)

    return job


def _opened(config: str, quarter: str, *, home: str) -> Workspace:
    """Return the workspace with the typed tables that are there."""
    ws = open_workspace(config, quarter=quarter, refresh=True)
    if ws.shared.cache / "tables" / ws.loaded.fingerprint != Path(home):
        sys.exit("tables were loaded again: the package was changed while the benchmark ran")
    return ws


if __name__ == "__main__":
    measure.run({"load": load, "compute": compute, "segment": segment, "purchase_summary": purchase_summary})
