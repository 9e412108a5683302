"""Every segmentation of a large company from its stored features: seconds, and the most memory held.

    crm-analysis demo /tmp/large --customers 1000000 --orders-per-customer 20 --tables customers,orders
    python tests/benchmarks/segmentation.py /tmp/large

Features and quarters of all quarters that are looked at are computed first and kept; then, in processes of their own,
the tiers of all schemes (scores, types, stages, tiers by rule, hysteresis and overrides, sizes), and the rest of the
chapter (movement, value, concentration, whether the tiers separate). Exit status 1: an expectation is missed, which is
meant for a million customers on two cores.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from contestants.companies import settings_of
from contestants.rounds import Contestant, Measured, run_once, say

from crm_analysis.base.settings import load_preset
from crm_analysis.graph_segmentation import SEGMENTATION

KEPT = ["features", "customer_periods", "coverage", "freezable_cuts"]
TIERS = ["rfm_cuts", "rfm_basis", "rfm_split", "rfm_rules", "rfm_eligibility", "segments", "tier_steps",
         "override_counts", "ten_segment_sizes", "eight_type_sizes", "lifecycle_sizes", "primary_sizes", "rfm_grid",
         "stage_by_type", "scheme_sizes", "scheme_lint", "scheme_tiers", "membership"]  # fmt: skip
MOST_SECONDS, MOST_MB = 60, 3000


def main(folder: Path, *, quarter: str) -> int:
    """Print a Markdown table and return the exit status."""
    shown = list(load_preset("retail")["segmentation"]["schemes"])
    rest = [result.name for result in SEGMENTATION if result.name not in {*TIERS, *KEPT}]
    with tempfile.TemporaryDirectory(prefix="crm-benchmark-") as scratch:
        given = {"config": str(settings_of(folder, Path(scratch) / "company", segmentation={"shown_schemes": shown})),
                 "quarter": quarter, "kept": KEPT}  # fmt: skip
        say("computing features of all quarters that are looked at")
        run_once(Contestant("features", "ours", "segment", given | {"results": []}))
        measured: dict[str, Measured] = {}
        for label, results in ((f"tiers of {len(shown)} schemes of rules and 2 of scores", TIERS), ("the rest", rest)):
            kept = KEPT if results is TIERS else [*KEPT, *TIERS, "raw_segments", "held_tiers", "overrides", "tiers"]
            measured[label] = run_once(Contestant(label, "ours", "segment", given | {"kept": kept, "results": results}))
    print("| what | customers | seconds | peak MB | slowest |", "| --- | ---: | ---: | ---: | --- |", sep="\n")
    for label, found in measured.items():
        print(f"| {label} | {found['customers']:,} | {found['seconds']:.1f} | {found['peak_mb']:,.0f} | "
              f"{', '.join(found['slowest'])} |")  # fmt: skip
    tiers = next(iter(measured.values()))
    is_met = tiers["seconds"] < MOST_SECONDS and tiers["peak_mb"] < MOST_MB
    print(f"\nExpected of the tiers: under {MOST_SECONDS} s and {MOST_MB:,} MB: {'met' if is_met else 'MISSED'}.")
    return 0 if is_met else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of a demo")
    parser.add_argument("--quarter", default="latest", help="2025Q3, FY26Q1 or latest")
    given = parser.parse_args()
    sys.exit(main(given.folder, quarter=given.quarter))
