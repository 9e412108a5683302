"""The chapter on churn of a demo, from an empty cache: seconds of each result, what others are made from apart."""

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from measure import Job, run

from crm_analysis import open_workspace
from crm_analysis.graph_churn import CHURN
from crm_analysis.graph_insight import INSIGHT
from crm_analysis.graph_purchases import PURCHASES
from crm_analysis.workspace import Workspace


class Stopwatch:
    """Seconds of each result without those of the results that it asks for."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def start(self) -> None:
        """Time every result from now on."""
        ensure = Workspace.ensure

        def timed(ws: Workspace, name: str) -> None:
            begun = time.perf_counter()
            self._inner.append(0.0)
            ensure(ws, name)
            took = time.perf_counter() - begun
            self.seconds[name] += took - self._inner.pop()
            if self._inner:
                self._inner[-1] += took

        Workspace.ensure = timed  # type: ignore[method-assign]


def chapter(*, config: str) -> Job:
    """Return a job that computes every result of the chapter; loading the tables comes before it."""
    ws = open_workspace(Path(config))
    assert ws.tables

    def job() -> dict[str, Any]:
        watch = Stopwatch()
        watch.start()
        own = [result.name for result in (*PURCHASES, *CHURN, *INSIGHT)]
        for name in own:
            ws.ensure(name)
        rows = len(ws.frame("churn_training", ["origin"]))
        return {
            "own": {name: watch.seconds[name] for name in own},
            "others": {name: seconds for name, seconds in watch.seconds.items() if name not in own},
            "rows": rows,
            "origins": len(ws.result("churn_status")["origins"]),
            "model": ws.result("champion")["model"],
        }

    return job


if __name__ == "__main__":
    run({"chapter": chapter})
