"""Errors a user can act on: every problem says what, where and how to mend it, all problems at once."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_SHOWN = 10
#: What stands between a problem and its fix in a message.
FIX = "\n    fix: "


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: ``what`` it is, ``where`` it was found, and the ``fix``."""

    what: str
    where: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}{FIX}{self.fix}"


def nearest(name: object, valid: Iterable[str], *, kind: str, cutoff: float = 0.6) -> str:
    """Return a fix for a wrong name: the nearest valid one, else all of them.

    Parameters
    ----------
    kind
        What the valid names are, for messages.
    cutoff
        How alike names must be, from 0 (any) to 1 (equal).

    Examples
    --------
    >>> nearest("ordrs", ["customers", "orders"], kind="tables")
    "did you mean 'orders'?"
    """
    names = list(valid)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=cutoff)
    return f"did you mean {near[0]!r}?" if near else f"{kind}: {', '.join(names)}"


class CRMError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is what the command line returns.

    Parameters
    ----------
    problems
        One problem or several; the message shows at most ten and counts the rest.
    """

    exit_code = 1
    title = "The analysis cannot go on"

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        shown = [str(problem) for problem in self.problems[:MAX_SHOWN]]
        hidden = len(self.problems) - len(shown)
        if hidden:
            shown.append(f"... and {hidden} more of the same kind")
        super().__init__("\n".join([f"{self.title}:", *(f"  {line}" for line in shown)]))


class SettingsError(CRMError):
    """Settings, parameters or command-line arguments that cannot be used."""

    exit_code = 2
    title = "Settings cannot be used"


class DataError(CRMError):
    """Input data that cannot be used at all (single bad rows are quarantined instead)."""

    title = "Data cannot be used"


class InsufficientDataError(CRMError):
    """Too little data for an honest answer; a report shows the reason in place of the section."""

    title = "Not enough data"


class AnalysisError(CRMError):
    """A result that could not be computed."""

    title = "A result could not be computed"
