"""The chapter on churn of a large demo at six origins, the look back of the quarter before included.

    crm-analysis demo /tmp/large --customers 1000000 --tables customers,orders
    python tests/benchmarks/churn.py /tmp/large

Judged are the seconds of the chapter's own results and the most memory of the process, loading included; what other
chapters compute as well (features of ten quarters, tiers) is told apart. Exit status 1: an expectation is missed, which
is meant for a million customers on two cores.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from contestants.companies import settings_of
from contestants.rounds import Contestant, run_once

MOST_SECONDS, MOST_MB, ORIGINS, SHOWN = 300, 6000, 6, 15


def main(folder: Path) -> int:
    """Print a Markdown table and return the exit status."""
    with tempfile.TemporaryDirectory() as scratch:
        config = settings_of(folder, Path(scratch) / "company", churn={"origins": ORIGINS})
        found = run_once(Contestant("churn", "churn_chapter", "chapter", {"config": str(config)}))
    own, others = found["own"], found["others"]
    print("| result | seconds |", "| --- | ---: |", sep="\n")
    for name in sorted(own, key=lambda name: -own[name])[:SHOWN]:
        print(f"| {name} | {own[name]:.1f} |")
    print(f"| others of the chapter | {sum(sorted(own.values())[:-SHOWN]):.1f} |")
    for name in sorted(others, key=lambda name: -others[name])[:3]:
        print(f"| not of the chapter: {name} | {others[name]:.1f} |")
    seconds = sum(own.values())
    is_met = seconds < MOST_SECONDS and found["peak_mb"] < MOST_MB
    print(f"\n{found['rows']:,} labelled rows at {found['origins']} origins, champion {found['model']}: "
          f"{seconds:.1f} s of the chapter's own, {found['seconds']:.1f} s in all, "
          f"{found['peak_mb']:,.0f} MB at most.")  # fmt: skip
    print(f"Expected: under {MOST_SECONDS} s and {MOST_MB:,} MB: {'met' if is_met else 'MISSED'}.")
    return 0 if is_met else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="demo company")
    sys.exit(main(parser.parse_args().folder))
