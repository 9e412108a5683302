"""What is wrong with settings, in words: every problem at once, each with its place, its line and the fix."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from crm_analysis.base.errors import Problem, SettingsError, nearest
from crm_analysis.base.settings_file import Place, SettingsFile, mask_secrets

M = TypeVar("M", bound=BaseModel)
Check = Callable[[SettingsFile], Sequence[Problem]]
_SHOWN = 60
_ROUNDS = 5
_FORMS = {r"^[A-Z]{3}$": "write three capital letters, such as CNY"}
_MAPPING = "write names and values under it, such as {name: value}"


def check_settings(model: type[M], file: SettingsFile, *, checks: Sequence[Check] = ()) -> M:
    """Return the settings of a file.

    Parameters
    ----------
    checks
        Further checks on the file as it is written; they must bear wrong values, since all are told together.

    Raises
    ------
    SettingsError
        Everything that is wrong: what one mistake hides is found by looking again without it.
    """
    problems = list(file.problems)
    values, told, settings = deepcopy(file.merged), set[tuple[Place, str]](), None
    for _ in range(_ROUNDS):
        try:
            settings = model.model_validate(values)
            break
        except ValidationError as error:
            found = [item for item in _merged(_located(error, values)) if not _is_told(item, told)]
        if not found:
            break
        problems += [_problem(place, item, model=model, file=file) for place, item in found]
        told |= {(place, item["type"]) for place, item in found}
        for place, item in found:
            if item["type"] != "missing":
                _take_out(values, place)
    problems += [problem for check in checks for problem in check(file)]
    if problems or settings is None:
        raise SettingsError(sorted(problems, key=_line_of))
    return settings


def _line_of(problem: Problem) -> int:
    found = re.search(r", line ([0-9]+):", problem.where)
    return int(found[1]) if found else 0


def _located(error: ValidationError, values: Any) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield pydantic's errors with their place in the values, names of union members left out."""
    for item in error.errors():
        place, here = [], values
        for number, part in enumerate(item["loc"]):
            is_item = isinstance(here, (list, tuple)) and isinstance(part, int) and part < len(here)
            if is_item or (isinstance(here, Mapping) and part in here):
                place.append(part)
                here = here[part]
            elif item["type"] == "missing" and number == len(item["loc"]) - 1:
                place.append(part)
        yield tuple(place), dict(item)


def _merged(found: Iterator[tuple[Place, dict[str, Any]]]) -> list[tuple[Place, dict[str, Any]]]:
    """Return errors without those that other members of a union gave: one per place and kind, the deepest win."""
    by_place: dict[Place, list[dict[str, Any]]] = {}
    for place, item in found:
        by_place.setdefault(place, []).append(item)
    kept = []
    for place, items in by_place.items():
        is_union = len(items) > 1 and len({item["loc"] for item in items}) > 1
        deeper = any(len(other) > len(place) and other[: len(place)] == place for other in by_place)
        is_form = all(item["type"].endswith(("_type", "literal_error")) for item in items)
        if deeper and is_form:
            continue
        literal = [item for item in items if item["type"] == "literal_error"]
        kept += [(place, item) for item in ((literal or items)[:1] if is_union else items)]
    return kept


def _is_told(found: tuple[Place, dict[str, Any]], told: set[tuple[Place, str]]) -> bool:
    """Tell whether an error was told before, or comes from taking out what was wrong."""
    place, item = found
    if item["type"] == "missing":
        beside = (place[: len(other)] == other or other[: len(place)] == place for other, _ in told if other)
        return (place, "missing") in told or any(beside)
    return (place, item["type"]) in told


def _take_out(values: Any, place: Place) -> None:
    """Take a wrong value out; a list with a wrong item goes as a whole, a section with a wrong whole stays."""
    parents = [values]
    for part in place:
        try:
            parents.append(parents[-1][part])
        except (KeyError, IndexError, TypeError):  # taken out before
            return
    if not place or (isinstance(parents[-1], Mapping) and len(place) == 1 and parents[-1]):
        return
    last = len(place) - 1
    while last > 0 and not isinstance(parents[last], dict):
        last -= 1
    if isinstance(parents[last], dict):
        parents[last].pop(place[last], None)


def _problem(place: Place, item: dict[str, Any], *, model: type[BaseModel], file: SettingsFile) -> Problem:
    """Return one pydantic error as what, where, fix."""
    where, kind, given = file.where(*place), item["type"], item["input"]
    if kind == "extra_forbidden":
        return Problem(f"unknown key {str(place[-1])!r}", where, _name_fix(place, model))
    if kind == "missing":
        return Problem("it is missing", where, f"add {place[-1]!r}")
    if kind == "literal_error" and isinstance(given, str):
        allowed = re.findall(r"'([^']+)'", item["ctx"]["expected"])
        return Problem(f"{given!r} is not allowed", where, nearest(given, allowed, kind="allowed"))
    if kind in {"string_type", "number_wanted", "day_wanted"}:
        wanted = {"string_type": "text", "number_wanted": "a number", "day_wanted": "a day"}[kind]
        return Problem(f"{_said(given)}, but {wanted} is wanted", where, _form_fix(given, wanted))
    told = item["msg"].removeprefix("Value error, ")
    if kind == "value_error" and isinstance(given, Mapping):
        return Problem(told, where, "change one of them")
    return Problem(f"{told} (got {_short(given)})", where, _value_fix(item))


def _said(given: Any) -> str:
    if given is None:
        return "it is empty"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return f"it is {kinds.get(type(given), type(given).__name__)} ({_short(given)})"


def _form_fix(given: Any, wanted: str) -> str:
    if wanted == "a day":
        return "write a day as 2025-09-30"
    if wanted == "a number":
        if isinstance(given, list):
            return "write numbers without quotes, such as [18, 25]"
        return _number_fix(given.strip() if isinstance(given, str) else "")
    if isinstance(given, (bool, int, float)):
        plain = str(given).lower() if isinstance(given, bool) else str(given)
        return f"put it in quotes: '{plain}'"
    return "write text"


def _number_fix(text: str) -> str:
    """Return how a number that was written as text is written.

    >>> _number_fix("1,200"), _number_fix("5 %"), _number_fix("0,9")
    ('write it without quotes and separators: 1200', 'write it as a share: 0.05', 'write 0.9, with a point')
    """
    share = re.fullmatch(r"([0-9]+\.?[0-9]*)\s*%", text)
    if share:
        return f"write it as a share: {float(share[1]) / 100:g}"
    if re.fullmatch(r"[-+]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]*)?", text):
        return f"write it without quotes and separators: {text.replace(',', '')}"
    if re.fullmatch(r"[-+]?[0-9]+,[0-9]+", text):
        return f"write {text.replace(',', '.')}, with a point"
    return "write a number such as 30"


def _value_fix(item: Mapping[str, Any]) -> str:
    kind, context, given = item["type"], item.get("ctx", {}), item["input"]
    if kind == "less_than_equal" and context["le"] == 1 and isinstance(given, (int, float)) and 1 < given <= 100:
        return f"shares lie between 0 and 1: write {given / 100:g}"
    fixes = {
        "greater_than_equal": f"give {context.get('ge')} or more",
        "greater_than": f"give more than {context.get('gt')}",
        "less_than_equal": f"give {context.get('le')} or less",
        "less_than": f"give less than {context.get('lt')}",
        "string_pattern_mismatch": _FORMS.get(str(context.get("pattern")), "give a value of that form"),
        "dict_type": _MAPPING, "model_type": _MAPPING, "tuple_type": "write a list such as [a, b]",
        "list_type": "write a list such as [a, b]", "bool_parsing": "write true or false", "bool_type":
        "write true or false", "int_from_float": "write a whole number",
    }  # fmt: skip
    return fixes.get(kind, "give a value of that form")


def _short(given: Any) -> str:
    text = mask_secrets(repr(given))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _name_fix(place: Place, model: type[BaseModel]) -> str:
    """Return the nearest valid name at a place, the same name elsewhere, or all valid names."""
    valid = sorted(_names_beside(place, model))
    if not difflib.get_close_matches(str(place[-1]), valid, n=1):
        elsewhere = [".".join(other) for other in _all_names(model) if other[-1] == place[-1]]
        if elsewhere:
            return f"it belongs elsewhere: {' or '.join(elsewhere)}"
    return nearest(place[-1], valid, kind="valid names here")


def _names_beside(place: Place, model: Any) -> list[str]:
    """Return the valid keys at the place where an unknown key was found."""
    for part in place[:-1]:
        found = model.model_fields.get(part)
        inner = [] if found is None else _models(found.annotation)
        model = inner[0] if inner else model
    return list(model.model_fields)


def _all_names(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yield every name that settings know, with the sections it lies in."""
    for name, found in model.model_fields.items():
        yield (name,)
        if isinstance(found.annotation, type) and issubclass(found.annotation, BaseModel):
            yield from ((name, *inner) for inner in _all_names(found.annotation))


def _models(annotation: Any) -> list[type[BaseModel]]:
    inner = [annotation, *_nested(annotation)]
    return [found for found in inner if isinstance(found, type) and issubclass(found, BaseModel)]


def _nested(annotation: Any) -> list[Any]:
    return [leaf for arg in get_args(annotation) for leaf in [arg, *_nested(arg)]]
