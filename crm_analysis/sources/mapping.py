"""From raw columns to typed canonical ones; what fails to parse is null and remembered, never guessed."""

import difflib
from collections.abc import Mapping

import ibis
import ibis.expr.datatypes as dt

from crm_analysis.base.errors import DataError, Problem
from crm_analysis.sources.reading import ROW
from crm_analysis.sources.schema import Field, Table, Type

MONEY_TYPE = "decimal(18, 4)"
ENGINE_TYPES = {
    Type.ID: "string",
    Type.TEXT: "string",
    Type.CATEGORY: "string",
    Type.DATE: "date",
    Type.TIME: "timestamp",
    Type.MONEY: MONEY_TYPE,
    Type.NUMBER: "float64",
    Type.INTEGER: "int64",
    Type.FLAG: "boolean",
}
TRUE_WORDS = ("true", "t", "1", "yes", "y", "是", "有")
FALSE_WORDS = ("false", "f", "0", "no", "n", "否", "无")
#: Tried in this order where settings give no format.
DATE_FORMATS = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M",
    "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日", "%Y年%m月%d日 %H:%M", "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S.%f",
)  # fmt: skip


@ibis.udf.scalar.builtin
def try_strptime(text: str, formats: list[str]) -> dt.timestamp:
    """Parse a local time by the first format that fits."""


@ibis.udf.scalar.builtin(name="timezone")
def _timezone(zone: str, at: dt.Timestamp(timezone="UTC")) -> dt.timestamp:  # type: ignore[valid-type]
    """Move an instant to the wall clock of a zone."""


@ibis.udf.scalar.builtin(name="timezone")
def _instant(zone: str, at: dt.timestamp) -> dt.Timestamp(timezone="UTC"):  # type: ignore[valid-type]
    """Read a wall clock of a zone as an instant."""


def to_utc(local: ibis.Value, zone: str) -> ibis.Value:
    """Return the UTC time without zone of a local wall-clock time."""
    return _timezone("UTC", _instant(zone, local))


def to_local(utc: ibis.Value, zone: str) -> ibis.Value:
    """Return the local wall-clock time of a UTC time without zone."""
    return _timezone(zone, _instant("UTC", utc))


def local_columns(time_field: str) -> tuple[str, str]:
    """Return the names of the local date and hour that loading derives from a time field.

    >>> local_columns("ordered_at"), local_columns("at")
    (('ordered_on', 'ordered_hour'), ('on_date', 'on_hour'))
    """
    stem = time_field.removesuffix("at").removesuffix("_")
    return (f"{stem}_on", f"{stem}_hour") if stem else ("on_date", "on_hour")


def match_columns(
    raw: ibis.Table, table: Table, *, columns: Mapping[str, str], given: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return ``{canonical field: raw column}`` for the fields that the file has.

    Parameters
    ----------
    columns
        Headings that settings name; other fields are looked for under their own name, case and spaces ignored.
    given
        Fields that need no column (constants, numbered rows).

    Raises
    ------
    DataError
        A named heading or a required field is absent; all of them are named.
    """
    where = f"data.tables.{table.name}.columns"
    found = {_plain(name): name for name in raw.columns if name != ROW}
    matched: dict[str, str] = {}
    problems = []
    for name, heading in columns.items():
        if name not in table:
            near = difflib.get_close_matches(name, table.names, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"fields of {table.name}: {', '.join(table.names)}"
            problems.append(Problem(f"{name!r} is no field of {table.name}", where, fix))
        elif _plain(heading) not in found:
            near = difflib.get_close_matches(_plain(heading), found, n=1)
            fix = f"did you mean {found[near[0]]!r}?" if near else f"headings in the file: {', '.join(found.values())}"
            problems.append(Problem(f"the file has no column {heading!r}", where, fix))
        else:
            matched[name] = found[_plain(heading)]
    for field in table:
        if field.name in matched or field.name in columns:
            continue
        if _plain(field.name) in found:
            matched[field.name] = found[_plain(field.name)]
        elif field.required and field.name not in given:
            fix = f"map it: {field.name}: <one of {', '.join(found.values())}>"
            problems.append(Problem(f"required column {field.name!r} ({field.zh}) is missing", where, fix))
    if problems:
        raise DataError(problems)
    return matched


def typed(
    raw: ibis.Value, field: Field, *, values: Mapping[str, str], zone: str, date_format: str | None
) -> ibis.Value:
    """Return a raw column as the field's type; ``null`` where it does not parse."""
    if field.type in {Type.DATE, Type.TIME}:
        return _typed_time(raw, field, zone=zone, date_format=date_format)
    if raw.type().is_numeric() and field.type in {Type.MONEY, Type.NUMBER, Type.INTEGER}:
        return _finite(raw.try_cast(ENGINE_TYPES[field.type]))
    if raw.type().is_boolean() and field.type is Type.FLAG:
        return raw
    text = _text_of(raw)
    if values:
        text = text.cases(*values.items(), else_=text)
    match field.type:
        case Type.MONEY | Type.NUMBER | Type.INTEGER:
            plain = text.re_replace(r"[¥￥$€£元\s]|CNY|RMB", "").replace("，", ",").re_replace(r"^\((.*)\)$", r"-\1")
            grouped = plain.re_search(r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$")
            plain = ibis.ifelse(grouped, plain.replace(",", ""), plain)
            return _finite(plain.try_cast(ENGINE_TYPES[field.type]))
        case Type.FLAG:
            word = text.lower()
            return ibis.cases((word.isin(TRUE_WORDS), True), (word.isin(FALSE_WORDS), False))
        case _:
            return text


def _typed_time(raw: ibis.Value, field: Field, *, zone: str, date_format: str | None) -> ibis.Value:
    kind = raw.type()
    if kind.is_timestamp() and kind.timezone is not None:
        local = _timezone(zone, raw)
    elif kind.is_timestamp():
        local = raw
    elif kind.is_date():
        local = raw.cast("timestamp")
    else:
        text = _text_of(raw)
        formats = ibis.array([ibis.literal(f) for f in ([date_format] if date_format else DATE_FORMATS)])
        local = try_strptime(text, formats)
        if date_format is None:
            zoned = text.re_search(r"(Z|[+-]\d{2}:?\d{2})$")
            local = ibis.ifelse(zoned, _timezone(zone, text.try_cast("timestamp('UTC')")), local)
    return local.cast("date") if field.type is Type.DATE else to_utc(local, zone)


def _finite(number: ibis.Value) -> ibis.Value:
    """Return a number with "not a number" and infinities as null."""
    if not number.type().is_floating():
        return number
    return ibis.ifelse(number.isnan() | number.isinf(), ibis.null("float64"), number)


def _text_of(raw: ibis.Value) -> ibis.Value:
    """Return trimmed text, empty as null; whole floats lose their ``.0`` (ids that a tool read as numbers)."""
    text = raw.cast("string").strip()
    if raw.type().is_floating():
        text = text.re_replace(r"\.0+$", "").nullif("nan")
    return text.nullif("")


def _plain(heading: str) -> str:
    return heading.strip().lstrip("\ufeff").lower().replace(" ", "_")


__all__ = ["MONEY_TYPE", "local_columns", "match_columns", "to_local", "to_utc", "typed"]
