"""The workspace: named results in an acyclic graph, each computed once and cached by content.

A result is known by its name; its key is made from the data it reads, the settings it depends on, the quarter, the
keys of its inputs and the package's own sources. Equal keys mean equal results, so the cache never goes stale and
can be deleted at any time.
"""

import gc
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal

import ibis
import pandas as pd

from crm_analysis.base.errors import Problem, SettingsError
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import ResultSchema, check_columns
from crm_analysis.base.settings import Settings
from crm_analysis.base.words import Words
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.connect import Views, connect, stage
from crm_analysis.sources.load import Loaded, fingerprint_sources, load_tables

Kind = Literal["frame", "rows", "document"]
ROUND_DIGITS = 6
#: Collecting garbage seldom halves the time that queries take to become SQL: they are many small objects that stay.
_SELDOM = (50_000, 20, 50)


@dataclass(frozen=True)
class Result:
    """Declaration of a named result.

    Attributes
    ----------
    compute
        ``compute(ws, **inputs)`` returns a pandas frame (``frame``), an Ibis table that the engine writes (``rows``)
        or a plain mapping (``document``).
    inputs
        Names of the results it is computed from, passed as keyword arguments.
    reads
        Names of the results that ``compute`` reads itself through the workspace: some columns, or in the engine.
    sections
        Sections of the settings it depends on.
    frozen_quarters
        Quarters back from this one, it included, whose frozen cut points it depends on, by itself or through results of
        earlier quarters that it reads, or what tells them from settings; 0 for none. What it has from its inputs and
        reads needs no mention.
    schema
        Columns with their sensitivity; ``None`` for documents.
    """

    name: str
    kind: Kind
    compute: Callable[..., Any]
    inputs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    schema: ResultSchema | None = None
    frozen_quarters: int | Callable[[Settings], int] = 0

    def frozen_span(self, settings: Settings) -> int:
        """Return ``frozen_quarters`` under given settings."""
        return self.frozen_quarters if isinstance(self.frozen_quarters, int) else self.frozen_quarters(settings)


@dataclass
class Shared:
    """What all quarters of one workspace share: the connection, the loaded tables, the log of what was computed.

    Attributes
    ----------
    freeze
        Returns what is frozen for the fiscal year of a quarter; nothing is frozen without it.
    refreeze
        Write anew what is frozen, whatever the files hold.
    frozen
        What was read or written of it, by fiscal year.
    doors
        The tables behind the door of each quarter's end that was asked for.
    """

    folder: Path
    cache: Path
    results: Mapping[str, Result]
    refresh: bool = False
    freeze: Callable[["Workspace"], Mapping[str, Any]] | None = None
    refreeze: bool = False
    frozen: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    loaded: Loaded | None = None
    doors: dict[Quarter, Mapping[str, ibis.Table]] = field(default_factory=dict)
    con: Any = None
    files: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Workspace:
    """One company seen at the end of one quarter.

    Opened by :func:`crm_analysis.open_workspace`::

        ws = crm_analysis.open_workspace("data/demo/crm.yml", quarter="2025Q3")
        ws.result("segments")
    """

    settings: Settings
    quarter: Quarter
    words: Words
    shared: Shared = field(repr=False)

    @property
    def as_of(self) -> date:
        """Everything before local midnight of this day is known."""
        return self.quarter.end

    def at(self, quarter: Quarter) -> "Workspace":
        """Return the same company at another quarter; connection and cache are shared."""
        return replace(self, quarter=quarter)

    def speaking(self, lang: str) -> "Workspace":
        """Return the same company and quarter in another language."""
        return replace(self, words=Words(lang, names=self.words.names, currency=self.words.currency))

    # -- data ------------------------------------------------------------------------------------------------

    @property
    def con(self) -> Any:
        """The engine, connected when first asked for."""
        if self.shared.con is None:
            self.shared.con = connect(
                memory_limit=self.settings.data.memory_limit,
                temp_folder=self.shared.cache / "spill" / str(os.getpid()),
            )
        return self.shared.con

    @property
    def loaded(self) -> Loaded:
        """The canonical tables with their load report."""
        if self.shared.loaded is None:
            self.shared.loaded = load_tables(
                self.con,
                self.settings,
                folder=self.shared.folder,
                cache=self.shared.cache / "tables",
                code=code_fingerprint(),
            )
        return self.shared.loaded

    @property
    def tables(self) -> Mapping[str, ibis.Table]:
        """The canonical tables behind the door of this quarter's end."""
        if self.quarter not in self.shared.doors:
            first_month = self.settings.fiscal_year_first_month
            known = as_of(self.loaded.tables, self.as_of, zone=self.settings.timezone, first_month=first_month)
            self.shared.doors[self.quarter] = Views(self.con, known, mark=f"before_{self.as_of:%Y%m%d}")
        return self.shared.doors[self.quarter]

    @property
    def files(self) -> Mapping[str, str]:
        """Fingerprints of the input files, by table."""
        if self.shared.files is None:
            self.shared.files = fingerprint_sources(self.settings, folder=self.shared.folder)
        return self.shared.files

    @property
    def frozen(self) -> Mapping[str, Any]:
        """What is frozen for the fiscal year of the quarter: an input beside the data; empty where nothing is."""
        year = self.quarter.year
        if year not in self.shared.frozen:
            self.shared.frozen[year] = self.shared.freeze(self) if self.shared.freeze is not None else {}
        return self.shared.frozen[year]

    def frozen_back(self, quarters: int) -> list[Mapping[str, Any]]:
        """Return what is frozen for the fiscal years of so many quarters back, this one included, oldest first."""
        years = {quarter.year: quarter for quarter in self.quarter.back(quarters)} if quarters else {}
        return [self.at(quarter).frozen for quarter in years.values()]

    def stage(self, frame: pd.DataFrame, name: str) -> ibis.Table:
        """Put a local frame beside the tables, in the same engine."""
        return stage(self.con, frame, name)

    def rows(self, name: str) -> ibis.Table:
        """Return a stored ``frame`` or ``rows`` result as a table of the engine."""
        self.ensure(name)
        return self.con.read_parquet(self.path(name))

    # -- results ---------------------------------------------------------------------------------------------

    def declared(self, name: str) -> Result:
        """Return the declaration of a result."""
        if name not in self.shared.results:
            known = f"results: {', '.join(self.shared.results)}"
            raise SettingsError(Problem(f"there is no result {name!r}", "result", known))
        return self.shared.results[name]

    def with_inputs(self, names: Iterable[str]) -> list[str]:
        """Return names of results with all that they are made from, inputs first."""
        ordered: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in ordered:
                result = self.declared(name)
                for other in (*result.inputs, *result.reads):
                    visit(other)
                ordered[name] = None

        for name in names:
            visit(name)
        return list(ordered)

    def result(self, name: str) -> Any:
        """Return a named result: a pandas frame or a document; computed when it is not in the cache.

        Raises
        ------
        SettingsError
            There is no such result.
        """
        self.ensure(name)
        return load_result(self.path(name))

    def frame(self, name: str, columns: list[str]) -> pd.DataFrame:
        """Return some columns of a stored frame."""
        self.ensure(name)
        return load_result(self.path(name), columns=columns)

    def path(self, name: str) -> Path:
        """Return where a result is, or will be, stored."""
        suffix = "json" if self.declared(name).kind == "document" else "parquet"
        return self.shared.cache / "results" / name / f"{self.key(name)}.{suffix}"

    def key(self, name: str) -> str:
        """Return the key of a result: equal keys, equal contents."""
        keys = self.__dict__.setdefault("_keys", {})
        if name not in keys:
            result = self.declared(name)
            settings = self.settings.model_dump(mode="json")
            parts = [
                name,
                code_fingerprint(),
                str(self.quarter),
                self.settings.fiscal_year_first_month,
                self.settings.timezone,
                {section: settings[section] for section in ("data", *result.sections)},
                dict(self.files),
                [self.key(other) for other in (*result.inputs, *result.reads)],
                *([self.frozen_back(span)] if (span := result.frozen_span(self.settings)) else []),
            ]
            keys[name] = digest(json.dumps(parts, sort_keys=True, ensure_ascii=False))
        return keys[name]

    def notebook_key(self, notebook: bytes) -> str:
        """Return the key of an executed notebook: everything that what it shows depends on."""
        parts = [
            hashlib.blake2b(notebook, digest_size=16).hexdigest(),
            code_fingerprint(suffixes=(".py", ".yml", ".po")),
            str(self.quarter),
            self.words.lang,
            self.settings.model_dump(mode="json"),
            dict(self.files),
            self.frozen_back(max(result.frozen_span(self.settings) for result in self.shared.results.values())),
        ]
        return digest(json.dumps(parts, sort_keys=True, ensure_ascii=False))

    def ensure(self, name: str) -> None:
        """Compute a result unless the cache has it."""
        path = self.path(name)
        fresh = not self.shared.refresh or str(path) in self.shared.done
        if path.is_file() and fresh:
            self._note(name, path, seconds=0.0, cached=True)
            return
        result = self.declared(name)
        inputs = {key: self.result(key) for key in result.inputs}
        begun = time.perf_counter()
        with _collecting_seldom():
            value = result.compute(self, **inputs)
            self._store(result, value, path)
        self._note(name, path, seconds=time.perf_counter() - begun, cached=False)

    def _note(self, name: str, path: Path, *, seconds: float, cached: bool) -> None:
        if str(path) not in self.shared.done:
            self.shared.done.add(str(path))
            entry = {"result": name, "quarter": str(self.quarter), "seconds": seconds, "cached": cached}
            self.shared.log.append(entry | {"path": path})

    def _store(self, result: Result, value: Any, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            if result.kind == "document":
                part.write_text(json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain), "utf-8")
            else:
                check_columns(value.columns, result.schema or {}, result=result.name)
                if result.kind == "rows":
                    value.to_parquet(part)
                else:
                    _rounded(value).to_parquet(part, index=False)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Raise the thresholds of the garbage collector for a while."""
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def load_result(path: Path, *, columns: list[str] | None = None) -> Any:
    """Return a stored result; days come back as ``datetime64``."""
    if path.suffix == ".json":
        return json.loads(path.read_text("utf-8"))
    frame = pd.read_parquet(path, columns=columns)
    days = [name for name in frame.columns if name.endswith(("_date", "quarter_start"))]
    return frame.astype(dict.fromkeys(days, "datetime64[s]"))


@cache
def code_fingerprint(*, suffixes: tuple[str, ...] = (".py", ".yml")) -> str:
    """Return a fingerprint of the package's own files, by default of the Python sources and presets."""
    digest = hashlib.blake2b(digest_size=16)
    with as_file(files("crm_analysis")) as root:
        for path in sorted(path for suffix in suffixes for path in root.rglob(f"*{suffix}")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose floats are rounded to the digits that are stored."""
    floats = frame.select_dtypes("float").columns
    return frame.assign(**{name: frame[name].round(ROUND_DIGITS) for name in floats})


def digest(text: str) -> str:
    """Return a short fingerprint of a text."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    """Return numpy scalars and days as what JSON knows."""
    if isinstance(value, (date, pd.Timestamp)):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")
