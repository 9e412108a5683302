"""Churn of a million customers at six origins: seconds of each step, and the most memory held.

    python tests/benchmarks/churn.py

Labelled customers are made in the process that is measured, origin by origin as the report does it; its memory counts,
its seconds are told apart. Exit status 1: an expectation is missed, which is meant for two cores.
"""

import argparse
import sys

from contestants.rounds import Contestant, run_once

MOST_SECONDS, MOST_MB = 300, 6000


def main(customers: int) -> int:
    """Print a Markdown table and return the exit status."""
    found = run_once(Contestant("churn", "churn_model", "whole", {"customers": customers}))
    print("| step | seconds |", "| --- | ---: |", sep="\n")
    for name, seconds in {"making the company": found["made_seconds"], **found["steps"]}.items():
        print(f"| {name} | {seconds:.1f} |")
    is_met = found["seconds"] < MOST_SECONDS and found["peak_mb"] < MOST_MB
    print(f"\n{found['rows']:,} labelled rows, champion {found['model']}: {found['seconds']:.1f} s without making the "
          f"company, {found['peak_mb']:,.0f} MB at most.")  # fmt: skip
    print(f"Expected: under {MOST_SECONDS} s and {MOST_MB:,} MB: {'met' if is_met else 'MISSED'}.")
    return 0 if is_met else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    sys.exit(main(parser.parse_args().customers))
