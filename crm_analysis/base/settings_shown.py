"""The settings in force, as lines of YAML: each value with where it comes from, ready to be copied."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from crm_analysis.base.errors import Problem, SettingsError, nearest
from crm_analysis.base.settings_file import SettingsFile, mask_secrets

DEFAULT = "default"
_COMMENT_COLUMN = 44


def settings_lines(settings: BaseModel, file: SettingsFile, *, only: str = "") -> list[str]:
    """Return the settings in force as YAML, each value with its origin as a comment.

    Parameters
    ----------
    file
        The file that the settings were read from.
    only
        A section, or a part of one (``segmentation.rfm``); everything when empty.

    Raises
    ------
    SettingsError
        There is no such section.

    Notes
    -----
    Passwords in addresses are masked; a line that was masked says so.
    """
    values = settings.model_dump(mode="json")
    origins: Any = file.origins
    kept: Any = values
    place = [part for part in only.split(".") if part]
    for number, part in enumerate(place):
        if not isinstance(kept, Mapping) or part not in kept:
            fix = nearest(part, list(kept) if isinstance(kept, Mapping) else [], kind="sections")
            raise SettingsError(Problem(f"there is no section {'.'.join(place[: number + 1])!r}", "--only", fix))
        kept = kept[part]
        origins = origins.get(part) if isinstance(origins, Mapping) else None
    for part in reversed(place):
        kept, origins = {part: kept}, {part: origins}
    return [_with_comment(text, origin) for text, origin in _lines(kept, origins, indent="")]


def _lines(value: Any, origins: Any, *, indent: str) -> Iterator[tuple[str, str]]:
    """Yield ``(YAML, origin)``; the origin of what only opens a section is empty."""
    for key, item in value.items():
        origin = origins.get(key) if isinstance(origins, Mapping) else None
        name = f"{indent}{_scalar(key)}:"
        if isinstance(item, Mapping) and item:
            yield name, ""
            yield from _lines(item, origin, indent=f"{indent}  ")
        elif isinstance(item, list) and any(isinstance(part, Mapping) for part in item):
            yield name, ""
            for number, part in enumerate(item):
                yield from _item(part, _at(origin, number), indent=f"{indent}  ")
        else:
            yield f"{name} {_flow(item)}", _leaf(origin)


def _item(part: Mapping[str, Any], origins: Any, *, indent: str) -> Iterator[tuple[str, str]]:
    """Yield the lines of a mapping in a list; the first begins with a dash."""
    for number, (text, origin) in enumerate(_lines(part, origins, indent=f"{indent}  ")):
        yield (f"{indent}- {text.lstrip()}" if number == 0 else text), origin


def _at(origin: Any, number: int) -> Any:
    return origin[number] if isinstance(origin, list) and number < len(origin) else origin


def _leaf(origin: Any) -> str:
    """Return the origin of a value; of a list, that of its first item."""
    while isinstance(origin, (list, Mapping)) and origin:
        origin = origin[0] if isinstance(origin, list) else next(iter(origin.values()))
    return origin if isinstance(origin, str) else DEFAULT


def _flow(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_flow(item) for item in value)}]"
    return "{}" if isinstance(value, Mapping) else _scalar(value)


def _scalar(value: Any) -> str:
    """Return a plain value as YAML on one line."""
    if isinstance(value, str):
        value = mask_secrets(value)
        # inside [..] and {..} these end a plain text; in double quotes YAML is JSON
        if any(mark in value for mark in ",[]{}\n") or value != value.strip():
            return json.dumps(value, ensure_ascii=False)
    text = yaml.safe_dump(value, allow_unicode=True, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def _with_comment(text: str, origin: str) -> str:
    if not origin:
        return text
    note = f"{origin}, password masked" if ":***@" in text else origin
    return f"{text:<{_COMMENT_COLUMN}}  # {note}"
