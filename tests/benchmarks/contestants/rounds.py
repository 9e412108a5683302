"""Contestants, each in a process of its own, run round by round; the best round of each counts."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Measured = dict[str, Any]


@dataclass(frozen=True)
class Contestant:
    """A line of the table: which job of which script, run by which Python, with what arguments."""

    label: str
    script: str
    job: str
    arguments: dict[str, Any]
    python: str = sys.executable


def run_once(contestant: Contestant) -> Measured:
    """Run a contestant in a fresh process and return its ``seconds``, ``start_seconds``, ``peak_mb`` and findings."""
    script = Path(__file__).with_name(f"{contestant.script}.py")
    command = [contestant.python, str(script), contestant.job, json.dumps(contestant.arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{contestant.label} failed with status {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def run_rounds(contestants: Sequence[Contestant], *, repeat: int) -> dict[str, Measured]:
    """Run all contestants ``repeat`` times, one after another in each round; return the best of each by label.

    The quickest time and the lowest peak are taken, from whatever round.
    """
    best: dict[str, Measured] = {}
    for turn in range(repeat):
        for contestant in contestants:
            found = run_once(contestant)
            say(f"round {turn + 1}: {contestant.label}: {found['seconds']:.2f} s, {found['peak_mb']:,.0f} MB")
            known = best.get(contestant.label, found)
            lowest = {key: min(known[key], found[key]) for key in ("seconds", "start_seconds", "peak_mb")}
            best[contestant.label] = found | lowest
    return best


def say(text: str) -> None:
    """Tell the progress, apart from the result."""
    print(text, file=sys.stderr, flush=True)
