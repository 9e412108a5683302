"""Business time and service tables of a very large service desk: seconds, and the most memory held.

    python tests/benchmarks/service.py --tickets 10000000

Tickets of one quarter are made by the engine and written; then, in processes of their own: business seconds from
opening to reply alone, the result ``service_cases`` (a row per ticket with all times and states) and ``service_times``
(means, medians, 90th percentiles and standards by seven attributes). Exit status 1: one of the three takes longer than
expected of ten million tickets on two cores.
"""

import argparse
import sys
import tempfile

from contestants.rounds import Contestant, Measured, run_once, say

MOST_SECONDS = 60
JOBS = {"count": "business seconds to the first reply", "cases": "service_cases", "times": "service_times"}


def main(*, tickets: int) -> int:
    """Print a Markdown table and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="crm-benchmark-") as folder:
        say(f"making {tickets:,} tickets")
        run_once(Contestant("tickets", "tickets", "make", {"folder": folder, "rows": tickets}))
        found: dict[str, Measured] = {
            job: run_once(Contestant(label, "tickets", job, {"folder": folder})) for job, label in JOBS.items()
        }
    print("| what | tickets | seconds | peak MB |", "| --- | ---: | ---: | ---: |", sep="\n")
    for job, label in JOBS.items():
        row = found[job]
        print(f"| {label} | {row['tickets']:,} | {row['seconds']:.1f} | {row['peak_mb']:,.0f} |")
    is_met = all(row["seconds"] < MOST_SECONDS for row in found.values())
    print(f"\nExpected of each: under {MOST_SECONDS} s: {'met' if is_met else 'MISSED'}.")
    return 0 if is_met else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickets", type=int, default=10_000_000)
    sys.exit(main(tickets=parser.parse_args().tickets))
