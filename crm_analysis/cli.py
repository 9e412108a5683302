"""The command line: thin, and the only place that reads the clock. Exit status: 0 fine, 1 data or analysis, 2 usage."""

import signal
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from crm_analysis.base.errors import CRMError
from crm_analysis.base.words import LANGUAGES

INTERRUPTED = 130

app = typer.Typer(
    help="Quarterly CRM analysis: from customer data to a report for management and a workbook for staff.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def report(
    config: Annotated[Path, typer.Option(help="Settings file of the company.")] = Path("crm.yml"),
    quarter: Annotated[str, typer.Option(help="2025Q3, FY26Q1, or latest.")] = "latest",
    lang: Annotated[str, typer.Option(help="Languages, separated by commas.")] = ",".join(LANGUAGES),
    only: Annotated[str, typer.Option(help="Chapters, separated by commas, such as segmentation,churn.")] = "",
    reports: Annotated[Path, typer.Option(help="Folder of the reports.")] = Path("reports"),
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Use results computed before.")] = True,
    identified: Annotated[bool, typer.Option(help="Write names and contacts into the workbook.")] = False,
) -> None:
    """Make the report of a quarter: HTML in each language, workbook, results, manifest."""
    from crm_analysis.reporting.progress import progress_shown
    from crm_analysis.reporting.request import Request
    from crm_analysis.reporting.runner import make_report

    request = Request(
        config=config,
        reports=reports,
        today=date.today(),
        now=datetime.now().astimezone(),
        quarter=quarter,
        languages=_listed(lang),
        only=_listed(only),
        refresh=not cache,
        identified=identified,
    )
    try:
        with progress_shown() as shown:
            outcome = make_report(request, report=shown)
    except KeyboardInterrupt:
        print("Interrupted; the last good report is untouched.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    console = Console(soft_wrap=True)
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in outcome.seconds.items())
    console.print(f"[bold]{outcome.quarter}[/] is ready ({parts}). Open:")
    for path in outcome.files:
        console.print(f"  {path}", highlight=False)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Folder to write; made when absent.")] = Path("data/demo"),
    customers: Annotated[int, typer.Option(min=1, help="Number of customers.")] = 5_000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 20250930,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day of the data.")] = datetime(
        2025, 9, 30
    ),
    tables: Annotated[str, typer.Option(help="Tables to make, separated by commas; all when empty.")] = "",
) -> None:
    """Make a plainly synthetic company: three years of data, settings, and the truth behind it."""
    from crm_analysis.sources.demo import make_demo

    truth = make_demo(folder, customers=customers, seed=seed, until=until.date(), tables=_listed(tables) or None)
    console = Console(soft_wrap=True)
    counts = truth["rows"]
    rows = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    console.print(f"Demo company in {folder}: {rows}")
    console.print(f"Next: crm-analysis report --config {folder / 'crm.yml'}", highlight=False)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def main() -> None:
    """Run the command line; errors made on purpose are told without a traceback."""
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except CRMError as error:
        console = Console(stderr=True, soft_wrap=True)
        console.print("\n".join([str(error), *getattr(error, "__notes__", [])]), markup=False, highlight=False)
        sys.exit(error.exit_code)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
