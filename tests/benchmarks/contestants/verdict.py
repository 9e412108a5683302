"""What was measured as one Markdown table: ratios to ours, what was expected, whether it is met."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contestants.rounds import Measured

HEADINGS = ("contestant", "seconds", "start s", "peak MB", "time / ours", "memory / ours", "expected of the ratios", "")


@dataclass(frozen=True)
class Row:
    """A line of the table; ``ours`` is the line it is compared with.

    Attributes
    ----------
    times, memory
        Smallest ratios that are expected: seconds and peak of this line to those of ``ours``; ``None`` for none.
    """

    label: str
    ours: str | None = None
    times: float | None = None
    memory: float | None = None


def verdict_table(rows: Sequence[Row], measured: Mapping[str, Measured]) -> tuple[str, list[str]]:
    """Return the table, and the lines whose expectation is missed."""
    cells, missed = [HEADINGS, ("---", *["---:"] * 5, "---", "---")], []
    for row in rows:
        found = measured[row.label]
        time_ratio = memory_ratio = wanted = result = ""
        if row.ours is not None:
            ours = measured[row.ours]
            times, memory = found["seconds"] / ours["seconds"], found["peak_mb"] / ours["peak_mb"]
            time_ratio, memory_ratio = f"{times:.2f}", f"{memory:.2f}"
            least = {"time": row.times, "memory": row.memory}
            wanted = ", ".join(f"{name} at least {value:.2g}" for name, value in least.items() if value is not None)
            if wanted:
                met = times >= (row.times or 0) and memory >= (row.memory or 0)
                result = "met" if met else "MISSED"
                missed += [] if met else [row.label]
        start = f"{found['start_seconds']:.1f}" if "start_seconds" in found else ""
        cells.append((row.label, f"{found['seconds']:.2f}", start, f"{found['peak_mb']:,.0f}", time_ratio, memory_ratio,
                      wanted, result))  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in cells), missed
