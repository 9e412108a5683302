"""The whole report with an empty cache: how long, how much memory in all its processes, what was slowest."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

PAUSE = 0.1


def run_report(config: Path, scratch: Path) -> tuple[dict[str, Any], list[str]]:
    """Make the report of a settings file that has no cache; return what it took, and its three slowest results."""
    reports = scratch / "reports"
    command = [sys.executable, "-m", "crm_analysis.cli", "report", "--config", str(config), "--reports", str(reports)]
    peak, over = [0.0], threading.Event()
    with tempfile.TemporaryFile("w+") as told:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT)

        def watch() -> None:
            while not over.wait(PAUSE):
                peak[0] = max(peak[0], tree_mb(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        status = process.wait()
        seconds = time.perf_counter() - begun
        over.set()
        watcher.join()
        if status:
            told.seek(0)
            sys.exit(f"the report failed with status {status}:\n{told.read()}")
    (manifest,) = reports.glob("*/manifest.json")
    results = json.loads(manifest.read_text("utf-8"))["results"]
    slowest = sorted(results, key=lambda entry: -entry["seconds"])[:3]
    named = [f"{entry['result']} of {entry['quarter']} {entry['seconds']:.1f} s" for entry in slowest]
    return {"seconds": seconds, "peak_mb": peak[0]}, named


def tree_mb(root: int) -> float:
    """Return the resident memory of a process and all below it; shared pages count in each."""
    parents: dict[int, int] = {}
    sizes: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            lines = (folder / "status").read_text().splitlines()
        except OSError:  # it has ended meanwhile
            continue
        values = dict(line.split(":", 1) for line in lines)
        if "VmRSS" in values:
            parents[int(folder.name)] = int(values["PPid"])
            sizes[int(folder.name)] = int(values["VmRSS"].split()[0]) / 1024
    family = {root}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(sizes.get(member, 0.0) for member in family)
