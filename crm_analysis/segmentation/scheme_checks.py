"""Schemes of a settings file, checked as they are written: conditions, rules that never decide, ids and names.

What a preset brings is not held against the user: only schemes that the file itself names are looked at.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from crm_analysis.base.errors import Problem
from crm_analysis.base.settings_file import SettingsFile, mapping_at
from crm_analysis.base.settings_schemes import BUILT_IN_SCHEMES, Scheme
from crm_analysis.base.words import load_catalogue
from crm_analysis.segmentation.linter import Finding, unreachable
from crm_analysis.segmentation.reading import read_condition

_PLACE = ("segmentation", "schemes")


def check_schemes(file: SettingsFile) -> list[Problem]:
    """Return what is wrong with the schemes of a settings file.

    Conditions that cannot be read or name unknown features, tiers that no customer can reach, names of schemes that
    are taken, and tiers whose name is another one elsewhere.
    """
    problems: list[Problem] = []
    schemes = mapping_at(file.merged, *_PLACE)
    for id_ in mapping_at(file.values, *_PLACE):
        scheme = schemes.get(id_)
        if id_ in BUILT_IN_SCHEMES:
            where = file.where(*_PLACE, id_)
            problems.append(Problem(f"{id_!r} is the name of a built-in scheme", where, "choose another name"))
        if isinstance(scheme, Mapping):
            wrong = [*_conditions(file, id_, scheme)]
            problems += wrong or _reachable(file, id_, scheme)
    return [*problems, *_names(file, schemes)]


def _conditions(file: SettingsFile, id_: str, scheme: Mapping[Any, Any]) -> Iterator[Problem]:
    for number, tier in enumerate(_tiers(scheme)):
        when = tier.get("when")
        if isinstance(when, str):
            yield from read_condition(when, where=file.where(*_PLACE, id_, "tiers", number, "when"))[1]


def _reachable(file: SettingsFile, id_: str, scheme: Mapping[Any, Any]) -> list[Problem]:
    try:
        found = unreachable(Scheme.model_validate(scheme))
    except ValidationError:  # told by the form of the settings
        return []
    places = {tier.get("id"): number for number, tier in enumerate(_tiers(scheme))}
    return [_never(finding, file.where(*_PLACE, id_, "tiers", places[finding.tier], "when")) for finding in found]


def _never(finding: Finding, where: str) -> Problem:
    if finding.lint == "dead":
        what = f"no customer can reach tier {finding.tier!r}: its condition contradicts itself"
        return Problem(what, where, "loosen the condition, or drop the tier")
    what = f"no customer can reach tier {finding.tier!r}: {finding.other_tier} before it take all of {finding.cells}"
    return Problem(
        what, where, f"move it above {finding.other_tier.split(', ')[0]}, or narrow the conditions before it"
    )


def _names(file: SettingsFile, schemes: Mapping[Any, Any]) -> Iterator[Problem]:
    """Yield tiers of the file that carry another name elsewhere: a tier has one name in all reports."""
    own = mapping_at(file.values, *_PLACE)
    taken: dict[str, tuple[Any, str]] = {}
    told = {id_.removeprefix("segment.") for id_ in load_catalogue("en") if id_.startswith("segment.")}
    rules = mapping_at(file.merged, "segmentation", "rfm").get("table")
    told |= {str(rule.get("id")) for rule in rules if isinstance(rule, Mapping)} if isinstance(rules, list) else set()
    for id_, scheme in sorted(schemes.items(), key=lambda item: item[0] in own):
        if not isinstance(scheme, Mapping):
            continue
        rest = scheme.get("otherwise")
        parts: list[tuple[tuple[str | int, ...], Mapping[Any, Any]]]
        parts = [(("tiers", number), tier) for number, tier in enumerate(_tiers(scheme))]
        parts += [(("otherwise",), rest)] if isinstance(rest, Mapping) else []
        for place, tier in parts:
            slug, name = tier.get("id"), tier.get("name")
            if not isinstance(slug, str):
                continue
            where = file.where(*_PLACE, id_, *place, "id")
            if id_ in own and slug in told:
                what = f"tier {slug!r} is one of the scores' segments or stages, which have their own names"
                yield Problem(what, where, f"give it another id, such as {id_}_{slug}")
            elif id_ in own and slug in taken and taken[slug][0] != name and taken[slug][1] != id_:
                what = f"tier {slug!r} has another name in scheme {taken[slug][1]!r}"
                yield Problem(what, where, f"give both the same name, or this one another id, such as {id_}_{slug}")
            taken.setdefault(slug, (name, id_))


def _tiers(scheme: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    """Return the tiers of a scheme by their places; what is no mapping counts as an empty one."""
    tiers = scheme.get("tiers")
    return [tier if isinstance(tier, Mapping) else {} for tier in tiers] if isinstance(tiers, list) else []
