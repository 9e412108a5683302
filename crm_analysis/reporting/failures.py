"""What went wrong, told in a line or two; the details of what nobody foresaw are kept in a file."""

import errno
import tempfile
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from crm_analysis import __version__
from crm_analysis.base.errors import CRMError, Problem
from crm_analysis.base.settings_file import mask_secrets, read_settings_file
from crm_analysis.sources.sql import is_engine_error

LOG = "crm-analysis-error.log"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_ELSEWHERE = "choose another folder (cache: in the settings, --reports on the command line)"
_SHOWN = 300


class SystemFaultError(CRMError):
    """The system refused: no right, no space, no memory."""

    title = "The system refused"


def known_failure(error: BaseException) -> CRMError | None:
    """Return an error as one that a user can act on, or None where nobody foresaw it."""
    if isinstance(error, CRMError):
        return error
    of_engine = is_engine_error(error)
    if isinstance(error, MemoryError) or (of_engine and type(error).__name__ == "OutOfMemoryException"):
        fix = "close other programs, lower data.memory_limit if it is above what the machine has, else raise it"
        return SystemFaultError(Problem("there is not enough memory", "data.memory_limit", fix))
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    if number in _FULL or (of_engine and "No space left" in text):
        return SystemFaultError(Problem("no space is left", _where(error), f"free space on that disk, or {_ELSEWHERE}"))
    if number in _FORBIDDEN or (of_engine and "Permission denied" in text):
        what = "it may not be read or written" if number != errno.EROFS else "the disk can only be read"
        return SystemFaultError(Problem(what, _where(error), f"give yourself the right to it, or {_ELSEWHERE}"))
    if number is not None and isinstance(error, OSError) and error.filename is not None:
        return SystemFaultError(Problem(str(error.strerror), _where(error), "mend this and run it again"))
    return None


def tell_failure(error: BaseException) -> str:
    """Return type and message of an unforeseen error in one line, passwords masked."""
    line = mask_secrets(" ".join(str(error).split()))
    return f"{type(error).__name__}: {line[:_SHOWN]}" if line else type(error).__name__


def save_details(error: BaseException, *, folder: Path, command: Sequence[str], now: datetime) -> Path:
    """Write where an unforeseen error came from and return the file; it goes to the system's folder when need be."""
    text = "\n".join(
        [
            f"crm-analysis {__version__}, {now.isoformat(timespec='seconds')}",
            mask_secrets(" ".join(command)),
            mask_secrets("".join(traceback.format_exception(error))),
        ]
    )
    for place in (folder, Path(tempfile.gettempdir())):
        try:
            place.mkdir(parents=True, exist_ok=True)
            (place / LOG).write_text(text, "utf-8")
        except OSError:
            continue
        return place / LOG
    raise error


def details_folder(config: Path | None) -> Path:
    """Return the folder for details: the cache that the settings name, or the usual one beside them."""
    if config is None:
        return Path(tempfile.gettempdir())
    try:
        named = read_settings_file(config).values.get("cache")
    except (CRMError, OSError):
        return Path(tempfile.gettempdir())
    return config.resolve().parent / (named if isinstance(named, str) else ".cache")


def _where(error: BaseException) -> str:
    name = getattr(error, "filename", None)
    return str(name) if name else tell_failure(error)
