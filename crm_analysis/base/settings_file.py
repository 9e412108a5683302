"""The settings file as it was written: YAML read strictly, presets layered under it, the line of every value.

Read as YAML 1.2 does: only ``true`` and ``false`` are booleans (``no``, ``on`` and ``off`` are words), numbers with
leading zeros and days are text until a setting asks for something else, and a name that stands twice is an error.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from crm_analysis.base.errors import Problem, SettingsError

Place = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"
_SECRET = re.compile(r"(://[^:/?#@\s\"']*:)[^/?#\s\"']+(@)")
_SECRET_WORD = re.compile(r"(?i)\b(password|passwd|pwd)(\s*=\s*)[^\s&;'\"]+")


@dataclass(frozen=True)
class SettingsFile:
    """A settings file, what it lies on, and what is wrong with its form.

    Attributes
    ----------
    values
        As written, nothing filled in.
    preset
        Defaults of the industry that it names; empty where it names none that exists.
    lines
        Line (from 1) of each value by its place: ``("data", "tables", "orders", "path")``.
    problems
        Names that stand twice.
    """

    path: Path
    values: Mapping[str, Any]
    preset_name: str = ""
    preset: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[Place, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def merged(self) -> dict[str, Any]:
        """The file laid over its preset."""
        return layer(self.preset, self.values)

    @property
    def origins(self) -> dict[str, Any]:
        """The same tree as :attr:`merged`, each leaf where it comes from; what is absent is a default."""
        below = _each_leaf(self.preset, lambda _: f"preset {self.preset_name}")
        above = _each_leaf(self.values, lambda place: f"{self.path.name} line {self.line(place)}")
        return layer(below, above)

    def line(self, place: Place) -> int:
        """Return the line of a value, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def where(self, *place: str | int) -> str:
        """Return a place for messages: ``crm.yml, line 7: churn.seed``; what is absent has its section's line."""
        line = f", line {self.line(place)}" if place[:1] in self.lines else ""
        return f"{self.path.name}{line}: {'.'.join(map(str, place))}"

    def given(self, *place: str) -> Mapping[Any, Any]:
        """Return a mapping of the file at a place; empty where there is none, or something else."""
        return mapping_at(self.values, *place)


def read_settings_file(path: Path) -> SettingsFile:
    """Return a settings file, without a preset.

    Raises
    ------
    SettingsError
        The file is absent or cannot be read as a YAML mapping in UTF-8.
    """
    if not path.is_file():
        fix = "name an existing file with --config, or make a demo with: crm-analysis demo data/demo"
        raise SettingsError(Problem("there is no such file", str(path), fix))
    problems: list[Problem] = []
    lines: dict[Place, int] = {}
    try:
        loader = _Loader(path.read_text(encoding="utf-8-sig"))
        node = loader.get_single_node()
        problems += [_twice(path, *found) for found in _doubled(node, (), ())]
        values = loader.construct_document(node) if node is not None else {}
        lines.update(_lines(node, ()))
    except (yaml.YAMLError, ValueError, OSError) as error:  # ValueError: other encodings
        fix = "mend the line it names; the file must be YAML in UTF-8"
        if isinstance(error, OSError):
            fix = "give yourself the right to read it, or name another file with --config"
        raise SettingsError(Problem(f"it cannot be read: {_reason(error)}", str(path), fix)) from error
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        fix = "begin with lines such as 'company: {zh: ..., en: ...}'"
        raise SettingsError(Problem(f"it holds a {type(values).__name__}, not settings", str(path), fix))
    return SettingsFile(path, values, lines=lines, problems=tuple(problems))


def layer(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``above`` laid over ``below``: mappings merge key by key, everything else is replaced.

    >>> layer({"a": {"x": 1, "y": 2}, "b": [1]}, {"a": {"y": 3}, "b": [2]})
    {'a': {'x': 1, 'y': 3}, 'b': [2]}
    """
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = layer(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def mapping_at(values: Any, *place: str) -> Mapping[Any, Any]:
    """Return the mapping at a place of nested values; empty where there is none, or something else."""
    for part in place:
        values = values.get(part) if isinstance(values, Mapping) else None
    return values if isinstance(values, Mapping) else {}


def mask_secrets(text: str) -> str:
    """Return a text without the passwords of addresses in it.

    >>> mask_secrets("postgresql://crm:s3cret@db.example/crm")
    'postgresql://crm:***@db.example/crm'
    """
    return _SECRET_WORD.sub(r"\1\2***", _SECRET.sub(r"\1***\2", text))


class _Loader(yaml.SafeLoader):
    """YAML 1.2: see the module's docstring."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the form that PyYAML wants
        first: [(tag, form) for tag, form in resolvers if tag in {f"{_TAG}null", f"{_TAG}merge"}]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_DIGITS = list("-+0123456789")
_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(r"^[-+]?(0|[1-9][0-9_]*)$"), _DIGITS)
_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(r"^[-+]?((0|[1-9][0-9_]*)?\.[0-9]+|(0|[1-9][0-9_]*)\.?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|nan)$"),
    [*_DIGITS, "."],
)


def _doubled(node: Any, place: Place, above: tuple[int, ...]) -> Iterator[tuple[Place, int, int]]:
    """Yield ``(place, first line, second line)`` of names that stand twice in one mapping."""
    if id(node) in above:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1} refers to itself")
    above = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first and name != "<<":
                yield (*place, name), first[name], line
            first[name] = line
            yield from _doubled(value, (*place, name), above)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _doubled(item, (*place, number), above)


def _twice(path: Path, place: Place, first: int, second: int) -> Problem:
    where = f"{path.name}, line {second}: {'.'.join(map(str, place))}"
    what = f"{place[-1]!r} stands twice, in line {first} and in line {second}"
    return Problem(what, where, "keep one of them; put what belongs together under one name")


def _lines(node: Any, place: Place) -> Iterator[tuple[Place, int]]:
    """Yield the line of every value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = (*place, _key(key))
            yield name, key.start_mark.line + 1
            yield from _lines(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*place, number), item.start_mark.line + 1
            yield from _lines(item, (*place, number))


def _key(node: Any) -> Any:
    """Return the name that a node of a mapping became."""
    return _Loader("").construct_object(node, deep=True)


def _each_leaf(values: Any, told: Callable[[Place], str], place: Place = ()) -> Any:
    """Return the same tree with each leaf (an empty mapping or list, too) replaced by what is told of its place."""
    if isinstance(values, Mapping) and values:
        return {key: _each_leaf(value, told, (*place, key)) for key, value in values.items()}
    if isinstance(values, list) and values:
        return [_each_leaf(value, told, (*place, number)) for number, value in enumerate(values)]
    return told(place) if place else {}


def _reason(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)
