"""What a run is asked for, and what it made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from crm_analysis.base.words import LANGUAGES


@dataclass(frozen=True)
class Request:
    """What to make.

    Attributes
    ----------
    only
        Chapters by slug; empty for the whole report. A part goes to ``<quarter>.partial``.
    refresh
        Compute every result again (``--no-cache``).
    refreeze
        Write the cut points of the fiscal years anew (``--refreeze``).
    today, now
        Read from the clock by the command line alone.
    """

    config: Path
    reports: Path
    today: date
    now: datetime
    quarter: str = "latest"
    languages: Sequence[str] = LANGUAGES
    only: Sequence[str] = ()
    refresh: bool = False
    refreeze: bool = False
    identified: bool = False


@dataclass
class Outcome:
    """What was made, and how long each part took (seconds)."""

    folder: Path
    files: list[Path]
    quarter: str
    seconds: dict[str, float] = field(default_factory=dict)
