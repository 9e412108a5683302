"""CSV files as text: encodings, an independent count of records, and rows that do not fit their heading.

The engine reads clean files by itself, fast. A file that it refuses, or of which it makes another number of rows than
counted here, is copied record by record: rows of the heading's width go to a clean copy, all others to a file of
malformed rows, so that nothing is lost and every row keeps its number.
"""

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np

from crm_analysis.base.errors import DataError, Problem
from crm_analysis.base.settings import ENCODINGS
from crm_analysis.sources.files import CHUNK

#: The longest field that is read, and how much is kept of a row that does not fit, in characters.
LONGEST, KEPT = 1 << 25, 1 << 20
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34


@dataclass(frozen=True)
class Counts:
    """Records of a text: ``filled`` and ``blank`` lines outside quotes, heading included."""

    filled: int
    blank: int

    def rows(self, width: int) -> int:
        """Return the rows below the heading; a blank line is a row where there is but one column."""
        return self.filled - 1 + (self.blank if width == 1 else 0)


@dataclass(frozen=True)
class Sorted:
    """Where the rows of a text went: ``read`` rows, of which ``malformed`` do not fit the heading."""

    read: int
    malformed: int
    has_long_fields: bool


def check_encoding(path: Path, *, encoding: str, where: str) -> None:
    """Raise when a file is not of the stated encoding, and propose one of which it is.

    Raises
    ------
    DataError
        With the first byte that does not fit.
    """
    problem = decoding_problem(path, encoding=encoding)
    if problem is not None:
        others = [other for other in ENCODINGS if other not in {encoding, "gbk"}]
        fits = next((other for other in others if decoding_problem(path, encoding=other) is None), None)
        fix = f"set {where}.encoding to {fits}" if fits else f"save the file as UTF-8 (or one of {', '.join(others)})"
        raise DataError(Problem(f"{path.name} is not {encoding} ({problem})", where, fix))


def decoding_problem(path: Path, *, encoding: str) -> str | None:
    """Return why a file is not of an encoding, ``None`` when it is."""
    with path.open("rb") as stream:
        start = stream.read(3)
        marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
        if marked is not None and marked != encoding:
            return f"it begins with the mark of {marked}"
        if encoding == "utf-16" and marked is None:
            return "it has no mark of utf-16"
        stream.seek(0)
        decoder, read = codecs.getincrementaldecoder(encoding)(), 0
        try:
            while block := stream.read(CHUNK):
                decoder.decode(block)
                read += len(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return f"byte {read + error.start}: {error.reason}"
    return None


def count_records(path: Path) -> Counts | None:
    """Return the records of a UTF-8 file; ``None`` when its form is not plain (NUL bytes, bare carriage returns).

    Notes
    -----
    Quotes are told by their parity, without regard to where they stand. Where that is wrong, the count differs from
    what the engine reads, and the file is read record by record.
    """
    filled = blank = returns = pairs = 0
    open_quote, length, last = 0, 0, 0
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            if b"\0" in block:
                return None
            codes = np.frombuffer(block, dtype=np.uint8)
            ends = codes == _NEWLINE
            before = np.concatenate(([last], codes[:-1]))
            returns += block.count(b"\r")
            pairs += int(np.count_nonzero(ends & (before == _RETURN)))
            if open_quote or b'"' in block:
                parity = (np.cumsum(codes == _QUOTE) + open_quote) & 1
                open_quote = int(parity[-1])
                ends &= parity == 0
            at = np.flatnonzero(ends)
            if at.size:
                lengths = np.diff(at, prepend=-1) - 1
                lengths[0] += length
                is_blank = (lengths == 0) | ((lengths == 1) & (before[at] == _RETURN))
                blank += int(np.count_nonzero(is_blank))
                filled += int(np.count_nonzero(~is_blank))
                length = len(codes) - 1 - int(at[-1])
            else:
                length += len(codes)
            last = int(codes[-1])
    return None if returns != pairs else Counts(filled + (length > 0), blank)


def copy_utf8(path: Path, copy: Path, *, encoding: str) -> Path:
    """Return a copy of a text in UTF-8 without mark and NUL bytes, made in a stream."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path, encoding) as stream, copy.open("w", encoding="utf-8", newline="") as out:
        while block := stream.read(CHUNK):
            out.write(block.replace("\0", ""))
    return copy


def read_heading(path: Path, *, encoding: str, delimiter: str) -> list[str]:
    """Return the headings of a file; empty when it has no line with text."""
    return next(iter(_first_records(path, encoding=encoding, delimiter=delimiter, limit=1)), [])


def check_heading(path: Path, *, encoding: str, delimiter: str, where: str) -> None:
    """Raise when the heading is a single column, but has another delimiter, or stands above wider rows.

    Raises
    ------
    DataError
        With the delimiter that it has.
    """
    heading, *rows = _first_records(path, encoding=encoding, delimiter=delimiter, limit=20) or [[]]
    if not heading:
        raise DataError(unfit(path, where=where))
    if len(heading) != 1:
        return
    counts = {other: heading[0].count(other) for other in DELIMITERS if other != delimiter}
    other = max(counts, key=lambda mark: counts[mark])
    if counts[other]:
        named = DELIMITERS.get(delimiter, "given delimiter")
        what = f"the heading of {path.name} has no {named} ({delimiter!r}), but {counts[other]} x {other!r}"
        raise DataError(Problem(what, f"{where}.delimiter", f"set it to {other!r}"))
    if any(len(row) > 1 for row in rows):
        raise DataError(unfit(path, where=where))


def unfit(path: Path, *, where: str) -> Problem:
    """Return the problem of a file whose rows do not fit its heading."""
    what = f"the rows of {path.name} do not fit its heading (delimiter, quotes or number of columns)"
    return Problem(what, where, "check the delimiter in the settings, or drop the lines above the heading")


def _first_records(path: Path, *, encoding: str, delimiter: str, limit: int) -> list[list[str]]:
    with _opened(path, encoding) as stream, _long_fields():
        records = _records(csv.reader(_Lines(stream), delimiter=delimiter, skipinitialspace=True))
        return list(islice((record for record in records if record), limit))


def sort_rows(
    path: Path, *, clean: Path, malformed: Path, encoding: str, delimiter: str, first: int, row: str, text: str
) -> Sorted:
    """Copy rows of the heading's width to ``clean`` and all others, as they stand, to ``malformed``.

    Parameters
    ----------
    first
        Number of the first row; both files begin with the column ``row``, the number of the row.
    text
        Heading of the second column of ``malformed``.

    Notes
    -----
    A field may hold line ends where it is quoted. A record of several lines that does not fit is taken for its first
    line alone, and reading goes on with the second, so that a quote that is never closed costs one line, not the rest
    of the file. Surplus fields that are empty are no fault. NUL bytes are dropped.
    """
    read = bad = 0
    has_long_fields = False
    with (
        _opened(path, encoding) as stream,
        clean.open("w", encoding="utf-8", newline="") as kept,
        malformed.open("w", encoding="utf-8", newline="") as aside,
        _long_fields(),
    ):
        good = csv.writer(kept, lineterminator="\r\n")  # both signs, so that a field with either is quoted
        rest = csv.writer(aside, lineterminator="\n", quoting=csv.QUOTE_ALL)
        lines = _Lines(stream)
        records = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
        heading = next((record for record in _records(records) if record), [])
        width = len(heading)
        good.writerow([row, *heading])
        rest.writerow([row, text])
        lines.taken.clear()
        for record in _records(records):
            taken, lines.taken = lines.taken, []
            if record == [] and width != 1:
                continue
            number = first + read
            read += 1
            fields = record if record is None or record else [""]
            if fields is not None and (len(fields) == width or (len(fields) > width and not any(fields[width:]))):
                has_long_fields |= len(taken) > 1
                good.writerow([number, *fields[:width]])
            else:
                bad += 1
                lines.waiting.extendleft(reversed(taken[1:]))
                rest.writerow([number, taken[0].rstrip("\r\n")[:KEPT]])
    return Sorted(read, bad, has_long_fields)


class _Lines:
    """Lines of a stream without NUL bytes, remembered in ``taken``; lines in ``waiting`` come first."""

    def __init__(self, stream: Iterator[str]) -> None:
        self.stream, self.taken = stream, list[str]()
        self.waiting: deque[str] = deque()

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.waiting.popleft() if self.waiting else next(self.stream).replace("\0", "")
        self.taken.append(line)
        return line


def _records(reader: Iterator[list[str]]) -> Iterator[list[str] | None]:
    """Yield records, ``None`` for one that is against the rules of quoting."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let fields be as long as records may be, as long as needed."""
    before = csv.field_size_limit(LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[TextIO]:
    with path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as stream:
        yield stream
