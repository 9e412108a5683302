"""The command line: thin, and the only place that reads the clock.

Exit status: 0 fine, 1 data or analysis, 2 usage or settings, 130 interrupted. No command ends in a traceback: what
nobody foresaw is told in one line, its details are kept in a file.
"""

import errno
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from crm_analysis.base.words import LANGUAGES

FAILED, INTERRUPTED = 1, 130
PIPED_WIDTH = 110
Config = Annotated[Path, typer.Option(help="Settings file of the company.")]
Asked = Annotated[str, typer.Option(help="2025Q3, FY26Q1, or latest.")]

app = typer.Typer(
    help="Quarterly CRM analysis: from customer data to a report for management and a workbook for staff.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def report(
    config: Config = Path("crm.yml"),
    quarter: Asked = "latest",
    lang: Annotated[str, typer.Option(help="Languages, separated by commas.")] = ",".join(LANGUAGES),
    only: Annotated[str, typer.Option(help="Chapters, separated by commas, such as segmentation,churn.")] = "",
    reports: Annotated[Path, typer.Option(help="Folder of the reports.")] = Path("reports"),
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Use results computed before.")] = True,
    identified: Annotated[bool, typer.Option(help="Write names and contacts into the workbook.")] = False,
    refreeze: Annotated[bool, typer.Option(help="Write the cut points of the fiscal year anew.")] = False,
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
        refreeze=refreeze,
    )
    with _told(config, interrupted="Interrupted; the last good report is untouched."), progress_shown() as shown:
        outcome = make_report(request, report=shown)
    console = Console(soft_wrap=True)
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in outcome.seconds.items())
    console.print(f"[bold]{outcome.quarter}[/] is ready ({parts}). Open:")
    for path in outcome.files:
        console.print(f"  {path}", highlight=False)


@app.command()
def check(config: Config = Path("crm.yml"), quarter: Asked = "latest") -> None:
    """Look through settings and data without making a report; exit 0 fine, 1 data, 2 settings cannot be used."""
    from crm_analysis.reporting.checks import check_company, check_table, check_verdict

    with _told(config):
        checked = check_company(config, quarter=quarter, today=date.today())
        console = _console()
        table = check_table(checked, ascii_only=console.options.ascii_only)
        if console.is_terminal:
            console.print(table)
        else:
            with console.capture() as captured:
                console.print(table)
            print("\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n"))
        print(check_verdict(checked, config=config, quarter=quarter))
    raise typer.Exit(checked.exit_code)


@app.command()
def settings(
    config: Config = Path("crm.yml"),
    only: Annotated[str, typer.Option(help="A section, or a part of one, such as segmentation.rfm.")] = "",
) -> None:
    """Print the settings in force as YAML, each value with where it comes from."""
    from crm_analysis.base.settings import read_file
    from crm_analysis.base.settings_shown import settings_lines
    from crm_analysis.opening import open_settings

    with _told(config):
        for line in settings_lines(open_settings(config), read_file(config), only=only):
            print(line)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Folder to write; made when absent.")] = Path("data/demo"),
    customers: Annotated[int, typer.Option(min=1, help="Number of customers.")] = 5_000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 20250930,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day of the data.")] = datetime(
        2025, 9, 30
    ),
    tables: Annotated[str, typer.Option(help="Tables to make, separated by commas; all when empty.")] = "",
    orders_per_customer: Annotated[
        float | None, typer.Option(help="Rows of orders for each customer, refunds included; about 12 when not given.")
    ] = None,
) -> None:
    """Make a plainly synthetic company: three years of data, settings, and the truth behind it."""
    from crm_analysis.sources.demo import make_demo

    with _told(None, interrupted="Interrupted; what was there before is untouched."):
        truth = make_demo(
            folder,
            customers=customers,
            seed=seed,
            until=until.date(),
            tables=_listed(tables) or None,
            orders_per_customer=orders_per_customer,
        )
    console = Console(soft_wrap=True)
    counts = truth["rows"]
    rows = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    console.print(f"Demo company in {folder}: {rows}")
    console.print(f"Next: crm-analysis report --config {folder / 'crm.yml'}", highlight=False)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _console() -> Console:
    """Return the console for tables; of a fixed width where nobody watches, so that piped text is always the same."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


@contextmanager
def _told(config: Path | None, *, interrupted: str = "Interrupted.") -> Iterator[None]:
    """End a command with words and an exit status, whatever goes wrong inside.

    Parameters
    ----------
    config
        Names the cache, where details are kept.
    """
    try:
        yield
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:  # the reader of a pipe has gone
            raise
        raise typer.Exit(_tell(error, config)) from None


def _tell(error: Exception, config: Path | None) -> int:
    """Say what went wrong and return the exit status."""
    from crm_analysis.reporting.failures import details_folder, known_failure, save_details, tell_failure

    console = Console(stderr=True, soft_wrap=True)
    known = known_failure(error)
    if known is not None:
        lines = [str(known), *getattr(error, "__notes__", [])]
        console.print("\n".join(lines), markup=False, highlight=False)
        return known.exit_code
    kept = save_details(error, folder=details_folder(config), command=sys.argv, now=datetime.now().astimezone())
    console.print(f"Unexpected error: {tell_failure(error)} (details: {kept})", markup=False, highlight=False)
    return FAILED


def main() -> None:
    """Run the command line."""
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a sign shows another one
            stream.reconfigure(errors="replace")
    app()


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
