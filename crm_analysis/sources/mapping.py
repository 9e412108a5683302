"""From raw columns to typed canonical ones; what fails to parse is null and remembered, never guessed."""

import difflib
from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.datatypes as dt

from crm_analysis.base.errors import DataError, Problem, nearest
from crm_analysis.sources.clocks import doubtful, to_utc, wall_clock
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


@ibis.udf.scalar.builtin(name="try_strptime")
def _try_strptime_zoned(text: str, formats: list[str]) -> dt.Timestamp(timezone="UTC"):  # type: ignore[valid-type]
    """Parse a time with its offset from UTC by the first format that fits."""


def local_columns(time_field: str) -> tuple[str, str]:
    """Return the names of the local date and hour that loading derives from a time field.

    >>> local_columns("ordered_at"), local_columns("at")
    (('ordered_on', 'ordered_hour'), ('on_date', 'on_hour'))
    """
    stem = time_field.removesuffix("at").removesuffix("_")
    return (f"{stem}_on", f"{stem}_hour") if stem else ("on_date", "on_hour")


def match_columns(
    raw: ibis.Table,
    table: Table,
    *,
    columns: Mapping[str, str],
    given: frozenset[str] = frozenset(),
    where: str | None = None,
) -> dict[str, str]:
    """Return ``{canonical field: raw column}`` for the fields that the file has.

    Parameters
    ----------
    columns
        Headings that settings name; other fields are looked for under their own name, case and spaces ignored.
    given
        Fields that need no column (constants, numbered rows).
    where
        Place of the source in the settings, for messages; ``data.tables.<table>`` when absent.

    Raises
    ------
    DataError
        A named heading or a required field is absent; all of them are named.
    """
    where = f"{where or f'data.tables.{table.name}'}.columns"
    found = {_plain(name): name for name in raw.columns if name != ROW}
    matched: dict[str, str] = {}
    problems = []
    for name, heading in columns.items():
        if name not in table:
            problems.append(no_field(name, table, where=where))
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


def no_field(name: object, table: Table, *, where: str) -> Problem:
    """Return the problem of a name that is no field of a table."""
    fix = nearest(name, table.names, kind=f"fields of {table.name}")
    return Problem(f"{str(name)!r} is no field of {table.name}", where, fix)


def typed(
    raw: ibis.Value,
    field: Field,
    *,
    values: Mapping[str, str],
    zone: str,
    date_format: str | Sequence[str] | None,
    decimal: str = ".",
) -> ibis.Value:
    """Return a raw column as the field's type; ``null`` where it does not parse.

    Parameters
    ----------
    values
        ``{text in the file: canonical text}``; others are kept.
    date_format
        The only forms of dates and times that are read, in order; ``None``: :data:`DATE_FORMATS`, and times with an
        offset from UTC.
    decimal
        Mark before the decimals of numbers written as text: ``.``, or ``,`` for ``1.234,56``.
    """
    if field.type in {Type.DATE, Type.TIME}:
        local, _ = _local_time(raw, zone=zone, date_format=date_format)
        return local.cast("date") if field.type is Type.DATE else to_utc(local, zone)
    if raw.type().is_numeric() and field.type in {Type.MONEY, Type.NUMBER, Type.INTEGER}:
        return _number(raw, field.type)
    if raw.type().is_boolean() and field.type is Type.FLAG:
        return raw
    text = _text_of(raw)
    if values:
        text = text.cases(*values.items(), else_=text)
    match field.type:
        case Type.MONEY | Type.NUMBER | Type.INTEGER:
            return _number(_plain_number(text, decimal=decimal), field.type)
        case Type.FLAG:
            word = text.lower()
            return ibis.cases((word.isin(TRUE_WORDS), True), (word.isin(FALSE_WORDS), False))
        case _:
            return text


def doubtful_time(raw: ibis.Value, *, zone: str, date_format: str | Sequence[str] | None) -> ibis.Value | None:
    """Return ``ambiguous``, ``nonexistent`` or null for the local times of a raw column; ``None`` where none can be.

    Times with an offset from UTC are never in doubt.
    """
    kind = raw.type()
    if kind.is_date() or (kind.is_timestamp() and kind.timezone is not None):
        return None
    local, is_zoned = _local_time(raw, zone=zone, date_format=date_format)
    found = doubtful(local, zone)
    if found is None or is_zoned is None:
        return found
    return ibis.ifelse(is_zoned, ibis.null("string"), found)


def _local_time(
    raw: ibis.Value, *, zone: str, date_format: str | Sequence[str] | None
) -> tuple[ibis.Value, ibis.Value | None]:
    """Return wall clocks, and which of them were written with an offset from UTC (``None``: none of them)."""
    kind = raw.type()
    if kind.is_timestamp() and kind.timezone is not None:
        return wall_clock(zone, raw), ibis.literal(True)
    if kind.is_timestamp():
        return raw, None
    if kind.is_date():
        return raw.cast("timestamp"), None
    text = _text_of(raw)
    if date_format is None:
        is_zoned = text.re_search(r"(Z|[+-]\d{2}:?\d{2})$")
        instant = text.try_cast("timestamp('UTC')")
        return ibis.ifelse(is_zoned, wall_clock(zone, instant), try_strptime(text, _formats(DATE_FORMATS))), is_zoned
    formats = [date_format] if isinstance(date_format, str) else list(date_format)
    zoned = [f for f in formats if "%z" in f or "%Z" in f]
    naive = [f for f in formats if f not in zoned]
    local = try_strptime(text, _formats(naive)) if naive else ibis.null("timestamp")
    if not zoned:
        return local, None
    instant = _try_strptime_zoned(text, _formats(zoned))
    return local.fill_null(wall_clock(zone, instant)), local.isnull() & instant.notnull()


def _formats(formats: Sequence[str]) -> ibis.Value:
    return ibis.array([ibis.literal(f) for f in formats])


def _plain_number(text: ibis.Value, *, decimal: str) -> ibis.Value:
    """Return a number without signs of currency and thousands; brackets mean minus."""
    group = r"\." if decimal == "," else ","
    point = "," if decimal == "," else r"\."
    plain = text.re_replace(r"[¥￥$€£元\s\x{A0}\x{202F}]|CNY|RMB", "").re_replace(r"^\((.*)\)$", r"-\1")
    plain = plain.replace("，", ",")
    grouped = plain.re_search(rf"^[+-]?\d{{1,3}}({group}\d{{3}})+({point}\d*)?$")
    plain = ibis.ifelse(grouped, plain.re_replace(group, ""), plain)
    if decimal == ".":
        return plain
    written = plain.re_search(r"^[+-]?\d*(,\d*)?([eE][+-]?\d+)?$")
    return ibis.ifelse(written, plain.replace(",", "."), ibis.null("string"))


def _number(value: ibis.Value, type_: Type) -> ibis.Value:
    """Return a number of its type; "not a number", infinities and broken whole numbers as null."""
    if type_ is not Type.INTEGER:
        return _finite(value.try_cast(ENGINE_TYPES[type_]))
    if value.type().is_integer():
        return value.try_cast("int64")
    exact = value.try_cast("decimal(38, 10)")
    return ibis.ifelse(exact == exact.floor(), exact.try_cast("int64"), ibis.null("int64"))


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


__all__ = ["MONEY_TYPE", "doubtful_time", "local_columns", "match_columns", "no_field", "typed"]
