"""Features and quarters against plain pandas, the bare engine and pymc-marketing; how they grow; the whole report.

    crm-analysis demo /tmp/large --customers 1000000 --orders-per-customer 20 --tables customers,orders
    python tests/benchmarks/features.py /tmp/large --report

Every contestant runs in a process of its own, one after another and round by round, so that a busy machine slows all
alike; the best round counts. ``seconds`` begin when imports are done and the typed tables are found, and end when the
result is on disk; ``start s`` is what came before; peaks are of the whole process. Equal numbers are checked before
anything is judged. pymc-marketing is installed into a folder that is thrown away. Ratios hold within one run; seconds
depend on the machine. Expectations are meant for a million customers: of a small company, the fixed cost of making the
queries is most of the time. Exit status 1: an expectation is missed, or numbers differ.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from contestants.agreement import DisagreementError, check_agreement, check_summaries
from contestants.companies import settings_of
from contestants.rounds import Contestant, Measured, run_once, run_rounds, say
from contestants.verdict import Row, verdict_table
from contestants.whole_report import run_report

from crm_analysis.sources.demo import make_demo

RFM_PACKAGES = ("pymc-marketing", "pyarrow")
GROWTH = 10
FEATURES, PERIODS, BOTH = "ours: features", "ours: periods", "ours: features and periods"
LOADING, SUMMARY, TENTH = "ours: loading", "ours: purchase summary", "ours: both, a tenth of the customers"
REPORT = "ours: the whole report"
PANDAS, PANDAS_PERIODS, PANDAS_BOTH = "pandas: features", "pandas: periods", "pandas: features and periods"
BARE, RFM_SUMMARY = "bare DuckDB: four aggregates", "pymc-marketing: rfm_summary"

ROWS = (
    Row(LOADING),
    Row(FEATURES),
    Row(PANDAS, ours=FEATURES),
    Row(BARE, ours=FEATURES, times=1 / 3),
    Row(PERIODS),
    Row(PANDAS_PERIODS, ours=PERIODS),
    Row(BOTH),
    Row(PANDAS_BOTH, ours=BOTH, times=3, memory=2),
    Row(SUMMARY),
    Row(RFM_SUMMARY, ours=SUMMARY, times=3, memory=3),
    Row(TENTH, ours=BOTH),
    Row(REPORT),
)


@dataclass(frozen=True)
class Company:
    """A demo with typed tables, and the folder where contestants write.

    Attributes
    ----------
    loading
        What loading took, with ``home`` (folder of the typed tables), ``quarter``, ``as_of``, ``orders`` (rows) and
        ``memory_limit``.
    """

    config: Path
    scratch: Path
    loading: Measured

    @property
    def typed(self) -> dict[str, str]:
        """What pandas needs to know: where the typed tables are, and the day of the door."""
        return {key: self.loading[key] for key in ("home", "as_of")}

    @property
    def opened(self) -> dict[str, str]:
        """What this package needs to know: settings, quarter, and the typed tables that it must find."""
        return {"config": str(self.config)} | {key: self.loading[key] for key in ("quarter", "home")}

    def output(self, name: str) -> str:
        """Return where a contestant writes."""
        return str(self.scratch / f"{name}.parquet")


def main(folder: Path, *, repeat: int, report: bool) -> int:
    """Print a Markdown table and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="crm-benchmark-") as name:
        scratch = Path(name)
        company = load(folder, scratch / "whole")
        python = make_environment(scratch / "environment")
        contestants = [*ours_and_pandas(company), bare(company), *summaries(company, python=python)]
        if tenth := make_tenth(folder, scratch / "tenth_demo"):
            contestants.append(ours(load(tenth, scratch / "tenth"), TENTH, "features", "customer_periods"))
        measured = {LOADING: company.loading} | run_rounds(contestants, repeat=repeat)
        equal = check_equal(company)
        slowest: list[str] = []
        if report:
            say("making the whole report with an empty cache")
            measured[REPORT], slowest = run_report(settings_of(folder, scratch / "report"), scratch / "report")
    table, missed = verdict_table([row for row in ROWS if row.label in measured], measured)
    print(f"{company.loading['orders']:,} orders behind the door of {company.loading['quarter']}, best of {repeat}\n")
    print(table, "", *equal, sep="\n")
    if TENTH in measured:
        times = measured[BOTH]["seconds"] / measured[TENTH]["seconds"]
        print(f"{GROWTH} times the customers take {times:.1f} times as long.")
    if slowest:
        print(f"Slowest results of the report: {', '.join(slowest)}.")
    if missed:
        print(f"Expectation missed: {', '.join(missed)}.")
    return 1 if missed else 0


# -- companies ---------------------------------------------------------------------------------------------------------


def load(folder: Path, scratch: Path) -> Company:
    """Load a demo into an empty cache."""
    config = settings_of(folder, scratch)
    found = run_once(Contestant(LOADING, "ours", "load", {"config": str(config)}))
    say(f"{LOADING}: {found['orders']:,} orders: {found['seconds']:.2f} s, {found['peak_mb']:,.0f} MB")
    return Company(config, scratch, found)


def make_tenth(folder: Path, scratch: Path) -> Path | None:
    """Make a company of a tenth of the customers with as many orders each; ``None`` when it would be too small."""
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    customers, rows = truth["customers"] // GROWTH, truth["rows"]
    if customers < 1000:
        return None
    make_demo(
        scratch, customers=customers, seed=truth["seed"], until=date.fromisoformat(truth["until"]), tables=list(rows),
        format=truth["format"], orders_per_customer=rows["orders"] / truth["customers"],
    )  # fmt: skip
    return scratch


# -- contestants -------------------------------------------------------------------------------------------------------


def ours(company: Company, label: str, *results: str) -> Contestant:
    """Return this package, computing results of the workspace."""
    links = [company.output(f"ours_{name}") for name in results]
    return Contestant(label, "ours", "compute", company.opened | {"results": list(results), "links": links})


def ours_and_pandas(company: Company) -> list[Contestant]:
    """Return features, periods and both, by this package and by pandas from the same typed tables."""
    features, periods = company.output("pandas_features"), company.output("pandas_periods")
    outputs = {"output": features, "periods_output": periods}
    return [
        ours(company, FEATURES, "features"),
        Contestant(PANDAS, "plain_pandas", "features", company.typed | {"output": features}),
        ours(company, PERIODS, "customer_periods"),
        Contestant(PANDAS_PERIODS, "plain_pandas", "periods", company.typed | {"output": periods}),
        ours(company, BOTH, "features", "customer_periods"),
        Contestant(PANDAS_BOTH, "plain_pandas", "both", company.typed | outputs),
    ]


def bare(company: Company) -> Contestant:
    """Return the engine without the package."""
    given = {"orders": f"{company.loading['home']}/orders.parquet", "output": company.output("bare"),
             "memory_limit": company.loading["memory_limit"]}  # fmt: skip
    return Contestant(BARE, "bare_duckdb", "totals", given)


def summaries(company: Company, *, python: str) -> list[Contestant]:
    """Return the summaries for purchase models; pymc-marketing is handed the counted orders, ours finds them itself."""
    purchases, as_of = company.output("purchases"), company.loading["as_of"]
    run_once(Contestant("counted orders", "plain_pandas", "counted", company.typed | {"output": purchases}))
    last_day = date.fromisoformat(as_of) - timedelta(days=1)
    mine = company.opened | {"output": company.output("summary")}
    theirs = {"purchases": purchases, "last_day": last_day.isoformat(), "output": company.output("rfm_summary")}
    return [
        Contestant(SUMMARY, "ours", "purchase_summary", mine),
        Contestant(RFM_SUMMARY, "rfm_summary", "summary", theirs, python=python),
    ]


def make_environment(folder: Path) -> str:
    """Install pymc-marketing into a virtual environment and return its Python."""
    say(f"installing {' and '.join(RFM_PACKAGES)} into a folder that is thrown away")
    python, uv = str(folder / "bin" / "python"), Path(sys.executable).with_name("uv")
    make, install = [sys.executable, "-m", "venv"], [python, "-m", "pip", "install", "--quiet"]
    if uv.exists():
        make, install = [*make, "--without-pip"], [str(uv), "pip", "install", "--quiet", "--python", python]
    subprocess.run([*make, str(folder)], check=True)
    subprocess.run([*install, *RFM_PACKAGES], check=True)
    return python


def check_equal(company: Company) -> list[str]:
    """Return a sentence for each pair of tables that hold the same numbers.

    Raises
    ------
    DisagreementError
        They do not.
    """
    output = company.output
    return [
        check_agreement(
            output("ours_features"), output("pandas_features"), keys=["customer_id"], label="ours and pandas, features"
        ),
        check_agreement(
            output("ours_customer_periods"), output("pandas_periods"), keys=["customer_id", "quarter"],
            label="ours and pandas, periods",
        ),
        check_summaries(output("summary"), output("rfm_summary"), label="ours and pymc-marketing, purchase summary"),
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of a demo with customers and orders alone")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the best counts (default 3)")
    parser.add_argument("--report", action="store_true", help="make the whole report, too")
    given = parser.parse_args()
    try:
        sys.exit(main(given.folder, repeat=given.repeat, report=given.report))
    except DisagreementError as error:
        sys.exit(str(error))
