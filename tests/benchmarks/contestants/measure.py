"""One contestant in a process of its own: how long its job takes, and the most memory that the process ever held.

Standard library alone, so that a contestant runs in an environment without this package.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Job = Callable[[], Mapping[str, Any] | None]


def run(jobs: Mapping[str, Callable[..., Job]]) -> None:
    """Run the job that the command line names and print what it took as JSON.

    ``jobs`` makes a job from the keyword arguments of the command line (JSON). What came before (the interpreter,
    imports, making the job) is ``start_seconds``; the job alone is ``seconds``; ``peak_mb`` is the whole process's.
    """
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    job = jobs[name](**arguments)
    start = _age_of_process()
    begun = time.perf_counter()
    found = job() or {}
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "start_seconds": start, "peak_mb": _peak_mb(), **found}))


def quickest(job: Job, *, times: int) -> Job:
    """Return a job that does another one ``times`` times after a first one that does not count; the best time counts.

    For jobs of milliseconds, which a busy machine interrupts for longer than they take.
    """

    def repeated() -> Mapping[str, Any]:
        found = job() or {}
        took = []
        for _ in range(times):
            begun = time.perf_counter()
            found = job() or {}
            took.append(time.perf_counter() - begun)
        return {**found, "seconds": min(took)}

    return repeated


def _age_of_process() -> float:
    """Return the seconds since the process began."""
    began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - began / os.sysconf("SC_CLK_TCK")


def _peak_mb() -> float:
    """Return the peak of resident memory; of this program alone, unlike ``ru_maxrss``, which begins at the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmHWM: benchmarks need Linux")
