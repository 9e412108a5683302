"""What a run is doing, on a terminal; nothing where nobody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def progress_shown() -> Iterator[Callable[[str, int, int, str], None]]:
    """Yield a function ``(phase, done, total, name)`` that moves the bar of its phase."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[item]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, object] = {}

        def report(phase: str, done: int, total: int, name: str) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(f"{phase:<9}", total=total, item="")
            bars.update(tasks[phase], completed=done, total=total, item=name)  # type: ignore[arg-type]

        yield report
