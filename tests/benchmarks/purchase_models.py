"""Purchase models against lifetimes and pymc-marketing on CDNOW: how long a fit takes, and how high its likelihood is.

    python tests/benchmarks/purchase_models.py DIR/cdnow/cdnow_sample.csv

All fit the same purchase summary (2,357 customers to 1997-09-30), each in a process of its own, one after another and
round by round; the quickest of all fits counts. Every contestant has fitted once before the clock runs, so that imports
and what is compiled do not count. Likelihoods are of the parameters that each returned, all by this package's formula,
which tests hold to published numbers. lifetimes (archived; needs pandas before 2) and pymc-marketing are installed into
folders that are thrown away, unless Pythons that have them are given. Exit status 1: an expectation is missed.
"""

import argparse
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
from contestants.rounds import Contestant, Measured, run_rounds, say
from contestants.verdict import Row, verdict_table

from crm_analysis.churn.purchase_model import FAMILIES
from crm_analysis.churn.purchase_rows import purchase_rows
from crm_analysis.churn.purchase_spend import log_likelihood, repeaters_of
from crm_analysis.sources.purchases import purchase_summary_table

AS_OF = date(1997, 10, 1)
PACKAGES = {
    "lifetimes": ("lifetimes", "pandas<2", "numpy<1.25", "scipy<1.13", "setuptools<80"),
    "pymc-marketing": ("pymc-marketing",),
}
MODELS = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD", "pareto_nbd": "Pareto/NBD"}
#: How many times longer others are expected to take for BG/NBD, the default.
TIMES = {"lifetimes": 4.0, "pymc-marketing": 50.0}
SPEND = "Gamma-Gamma"
#: Fits of a contestant in a round, of which the quickest counts.
FITS = 5
#: Difference of log-likelihoods that counts as none.
EQUAL = 1e-3


def main(log: Path, *, repeat: int, pythons: dict[str, str]) -> int:
    """Print a Markdown table and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="crm-benchmark-") as name:
        folder = Path(name)
        summary = summary_of(log)
        path = str(folder / "summary.csv")
        summary.to_csv(path, index=False)
        installed = {package: pythons.get(package) or install(package, folder / package) for package in PACKAGES}
        contestants, rows = line_up(path, installed)
        measured = run_rounds(contestants, repeat=repeat)
    table, missed = verdict_table(rows, measured)
    print(f"{len(summary):,} customers, best of {repeat}\n", table, "", sep="\n")
    lower = say_likelihoods(summary, measured)
    for label in [*missed, *lower]:
        print(f"Expectation missed: {label}.")
    return 1 if missed or lower else 0


def summary_of(log: Path) -> pd.DataFrame:
    """Return the purchase summary of a log ``sample_id, date, amount``."""
    rows = pd.read_csv(log, dtype={"sample_id": "str"}, parse_dates=["date"])
    purchases = pd.DataFrame(
        {"customer_id": rows["sample_id"], "ordered_on": rows["date"].dt.date, "amount": rows["amount"]}
    )
    known = ibis.memtable(purchases.loc[purchases["ordered_on"] < AS_OF])
    return purchase_summary_table(known, as_of=AS_OF).to_pandas()


def install(package: str, folder: Path) -> str:
    """Install a package into a virtual environment and return its Python."""
    say(f"installing {package} into a folder that is thrown away")
    python, uv = str(folder / "bin" / "python"), Path(sys.executable).with_name("uv")
    make, add = [sys.executable, "-m", "venv"], [python, "-m", "pip", "install", "--quiet"]
    if uv.exists():
        make, add = [*make, "--without-pip"], [str(uv), "pip", "install", "--quiet", "--python", python]
    subprocess.run([*make, str(folder)], check=True)
    subprocess.run([*add, *PACKAGES[package]], check=True)
    return python


def line_up(summary: str, pythons: dict[str, str]) -> tuple[list[Contestant], list[Row]]:
    """Return all contestants, and the lines of the table."""
    contestants, rows = [], []
    for model, title in MODELS.items():
        given = {"summary": summary, "model": model, "times": FITS}
        ours = f"ours: {title}"
        contestants.append(Contestant(ours, "purchase_ours", "fit", given))
        rows.append(Row(ours))
        for package, script in (("lifetimes", "purchase_lifetimes"), ("pymc-marketing", "purchase_pymc")):
            label = f"{package}: {title}"
            contestants.append(Contestant(label, script, "fit", given, python=pythons[package]))
            rows.append(Row(label, ours=ours, times=TIMES[package] if model == "bg_nbd" else None))
    spend = {"summary": summary, "times": FITS}
    contestants += [
        Contestant(f"ours: {SPEND}", "purchase_ours", "spend", spend),
        Contestant(f"lifetimes: {SPEND}", "purchase_lifetimes", "spend", spend, python=pythons["lifetimes"]),
    ]
    rows += [Row(f"ours: {SPEND}"), Row(f"lifetimes: {SPEND}", ours=f"ours: {SPEND}")]
    return contestants, rows


def say_likelihoods(summary: pd.DataFrame, measured: dict[str, Measured]) -> list[str]:
    """Print the log-likelihood of every fit; return where another one is higher than ours."""
    rows, repeaters, lower = purchase_rows(summary), repeaters_of(summary), []
    x, mean = (repeaters[name].to_numpy(dtype=float) for name in ("repeat_count", "repeat_mean_amount"))
    print("| fit | log-likelihood | parameters |", "| --- | ---: | --- |", sep="\n")
    for title, model in [*((title, model) for model, title in MODELS.items()), (SPEND, None)]:
        values = {}
        for label in (label for label in measured if label.endswith(f": {title}")):
            params = measured[label]["params"]
            if model is None:
                order = np.array([params[name] for name in ("p", "q", "v")])
                values[label] = log_likelihood(order, x, mean, np.ones(len(x)))[0]
            else:
                family = FAMILIES[model]
                values[label] = family.log_likelihood(np.array([params[p] for p in family.parameters]), rows)[0]
            told = ", ".join(f"{name} {value:.5f}" for name, value in params.items())
            print(f"| {label} | {values[label]:,.5f} | {told} |")
        best = values[f"ours: {title}"]
        lower += [f"{label} has a higher likelihood" for label, value in values.items() if value > best + EQUAL]
    return lower


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="CDNOW sample with columns sample_id, date, amount")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the best counts (default 3)")
    for package in PACKAGES:
        parser.add_argument(f"--{package}", metavar="PYTHON", help=f"a Python that has {package}")
    given = parser.parse_args()
    chosen = {package: getattr(given, package.replace("-", "_")) for package in PACKAGES}
    sys.exit(main(given.log, repeat=given.repeat, pythons={name: path for name, path in chosen.items() if path}))
