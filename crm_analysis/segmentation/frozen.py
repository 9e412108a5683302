"""The frozen file: cut points as of the first day of a fiscal year, ``frozen/<fiscal year>.json`` beside the settings.

It is an input: made when it is absent, and changed by ``--refreeze`` alone, so that scores of the year's quarters can
be compared (REQUIREMENTS S1).
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from crm_analysis.base.errors import Problem, SettingsError
from crm_analysis.base.settings_rfm import RFMSettings
from crm_analysis.segmentation.cuts import frozen_parts
from crm_analysis.segmentation.rfm import DIMENSIONS, POPULATIONS

FOLDER = "frozen"
_FIX = "put the file back as it was, or write it anew with: crm-analysis report --refreeze"

Document = dict[str, Any]


def frozen_document(
    populations: Mapping[str, Any], *, year: str, as_of: date, settings: RFMSettings, currency: str
) -> Document:
    """Return the content of the frozen file of a fiscal year.

    Parameters
    ----------
    populations
        What :func:`crm_analysis.segmentation.cuts.freezable` returns as of the first day of the year.
    year
        Name of the fiscal year, ``2025`` or ``FY26``.
    """
    parts = frozen_parts(settings)
    return {
        "fiscal_year": year,
        "as_of": as_of.isoformat(),
        "made_with": {
            "method": settings.method if "cuts" in parts else None,
            "split": settings.split.model_dump(mode="json") if "split" in parts else None,
            "window_days": settings.window_days,
            "currency": currency,
        },
        "populations": {kind: _in_order(populations[kind]) for kind in POPULATIONS if kind in populations},
    }


def _in_order(figures: Mapping[str, Mapping[str, Any]]) -> Document:
    """Return the figures of a population in the order of R, F, M, wherever they come from."""
    orders = {"cuts": tuple(DIMENSIONS), "split": tuple(DIMENSIONS.values())}
    return {part: {name: figures[part][name] for name in names} for part, names in orders.items() if part in figures}


def write_frozen(document: Mapping[str, Any], path: Path) -> None:
    """Write a frozen file; it is never seen half written, and the same content gives the same bytes.

    Raises
    ------
    SettingsError
        The folder cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        fix = "give yourself the right to write there, or set segmentation.rfm.freeze: false"
        raise SettingsError(Problem(f"it cannot be written: {error.strerror}", str(path), fix)) from error


def read_frozen(path: Path, *, expected: Mapping[str, Any]) -> Document:
    """Return the content of a frozen file.

    Parameters
    ----------
    expected
        What :func:`frozen_document` returns for the settings in force; its populations do not matter.

    Raises
    ------
    SettingsError
        The file is malformed, or was made with other settings; all problems at once.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(Problem(f"it cannot be read: {error}", where, _FIX)) from error
    problems = check_frozen(document, expected=expected, where=where)
    if problems:
        raise SettingsError(problems)
    return document


def check_frozen(document: Any, *, expected: Mapping[str, Any], where: str) -> list[Problem]:
    """Return what is wrong with the content of a frozen file: its form, else what it was made with."""
    try:
        _FrozenFile.model_validate(document)
    except ValidationError as error:
        return [_malformed(item, where=where) for item in error.errors()]
    given = {name: document[name] for name in ("fiscal_year", "as_of")} | document["made_with"]
    wanted = {name: expected[name] for name in ("fiscal_year", "as_of")} | expected["made_with"]
    problems = [
        Problem(
            f"it was made with {name} {given[name]!r}, the settings in force give {wanted[name]!r}",
            where,
            "write it anew with: crm-analysis report --refreeze, or take the settings back",
        )
        for name in wanted
        if given[name] != wanted[name]
    ]
    parts = {part for part, name in (("cuts", "method"), ("split", "split")) if wanted[name] is not None}
    return problems or [
        Problem(f"population {kind!r} holds no {part}", where, _FIX)
        for kind, figures in document["populations"].items()
        for part in sorted(parts)
        if (figures or {}).get(part) is None
    ]


def _malformed(item: Any, *, where: str) -> Problem:
    place = ".".join(str(part) for part in item["loc"]) or "the file"
    return Problem(f"{place} is malformed: {item['msg']}", where, _FIX)


def _rising(points: tuple[float, ...]) -> tuple[float, ...]:
    if any(below > above for below, above in pairwise(points)):
        raise ValueError("cut points must not fall")
    return points


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


_Points = Annotated[list[float], Field(min_length=4, max_length=4), AfterValidator(_rising)]


class _Cuts(_Strict):
    recency: _Points
    frequency: _Points
    monetary: _Points


class _Split(_Strict):
    recency_days: float
    order_count: float
    spend_amount: float


class _Population(_Strict):
    cuts: _Cuts | None = None
    split: _Split | None = None


class _MadeWith(_Strict):
    method: str | None
    split: str | dict[str, float] | None
    window_days: int | None
    currency: str


class _Populations(_Strict):
    person: _Population | None = None
    organisation: _Population | None = None


class _FrozenFile(_Strict):
    fiscal_year: str
    as_of: str
    made_with: _MadeWith
    populations: _Populations
