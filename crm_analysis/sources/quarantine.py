"""Rules that keep rows out, and the load report: for every table, rows read = rows used + rows in quarantine.

A row is put aside by the first rule that it breaks. Rows keep the amounts of their file in quarantine; the money that
the report tells of them is in the reporting currency, so that amounts without a rate are left out of it.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import ibis
import pandas as pd
from ibis.backends.duckdb import Backend

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import DataSettings
from crm_analysis.sources.as_of import utc_midnight
from crm_analysis.sources.currencies import RATE, RATES, converted
from crm_analysis.sources.mapping import MONEY_TYPE
from crm_analysis.sources.reading import ROW, TEXT
from crm_analysis.sources.rows import BAD, CLOCK
from crm_analysis.sources.schema import Table, Type

RULE = "_rule"
#: Rules of the load report that are no reason for quarantine: rows read, rows used, remarks on rows that are used.
READ, USED, NOTE = "read", "used", "note."
MALFORMED, DUPLICATE, NOT_USED, NO_RATE = "malformed_row", "duplicate_key", "order_not_used", "no_rate"
LOAD_REPORT_SCHEMA: ResultSchema = {"table": OPEN, "rule": OPEN, "row_count": OPEN, "amount": OPEN}


def with_first_rule(rows: ibis.Table, table: Table, *, data: DataSettings, zone: str) -> ibis.Table:
    """Add ``_rule``: ``used``, or the first rule that a row breaks by itself."""
    rules: list[tuple[ibis.Value, str]] = []
    for field in table:
        if field.required:
            if f"{BAD}{field.name}" in rows.columns:
                rules.append((rows[f"{BAD}{field.name}"], f"unparsable_{field.name}"))
            rules.append((rows[field.name].isnull(), f"missing_{field.name}"))
    if table.time is not None:
        time, is_day = rows[table.time], table[table.time].type is Type.DATE
        first = data.earliest_date if is_day else utc_midnight(data.earliest_date, zone)
        rules.append((time < ibis.literal(first), "before_earliest"))
        if data.exported_on is not None:
            after = data.exported_on + timedelta(days=1)
            rules.append((time >= ibis.literal(after if is_day else utc_midnight(after, zone)), "after_export"))
    if table.name == "orders":
        void = rows.status.lower().isin([status.lower() for status in data.void_statuses])
        rules.append((void.fill_null(False), "void_status"))
    if table.name == RATES.name:
        rules.append((rows.rate <= 0, "not_positive"))
    if RATE in rows.columns:
        if "currency" in table:  # items have the rate of their order, which is another rule
            rules.append((rows[RATE].isnull(), NO_RATE))
        too_large = converted(rows.amount, rows[RATE]).isnull() & rows[RATE].notnull()
        rules.append((too_large, "unparsable_amount"))
    return rows.mutate(**{RULE: ibis.cases(*rules, else_=USED) if rules else ibis.literal(USED)})


def repeated_rows(rows: ibis.Table, table: Table) -> ibis.Table | None:
    """Return ``_row, _rule`` of usable rows beyond the first of the same key; ``None`` where rows have no identity."""
    if not table.key:
        return None
    used = rows.filter(rows[RULE] == USED)
    counts = used.group_by(*table.key).aggregate(_times=used.count())
    same = used.semi_join(counts.filter(counts["_times"] > 1), list(table.key))
    nth = ibis.row_number().over(group_by=list(table.key), order_by=ROW)
    again = same.select(ROW, *table.key).mutate(_nth=nth)
    return again.filter(again["_nth"] > 0).select(ROW, **{RULE: ibis.literal(DUPLICATE)})


def rows_without_order(rows: ibis.Table, orders: ibis.Table) -> ibis.Table:
    """Return ``_row, _rule`` of usable rows whose order is not among the used ones."""
    used = rows.filter(rows[RULE] == USED)
    return used.anti_join(orders, "order_id").select(ROW, **{RULE: ibis.literal(NOT_USED)})


def with_later_rules(con: Backend, rows: ibis.Table, later: Sequence[ibis.Table], *, name: str) -> ibis.Table:
    """Return rows with the rules of ``later`` (``_row, _rule``; one rule per row) in place of ``used``."""
    if not later:
        return rows
    aside = ibis.union(*later, distinct=False) if len(later) > 1 else later[0]
    con.create_table(name, aside, temp=True, overwrite=True)
    found = con.table(name)
    if found.count().to_pandas() == 0:
        return rows
    found = found.select(_aside=found[ROW], _why=found[RULE])
    joined = rows.left_join(found, rows[ROW] == found["_aside"])
    return joined.mutate(**{RULE: joined["_why"].fill_null(joined[RULE])}).drop("_aside", "_why")


def put_aside(rows: ibis.Table, malformed: ibis.Table | None) -> ibis.Table:
    """Return the rows in quarantine by number, with the text of malformed ones in ``_text``."""
    aside = rows.filter(rows[RULE] != USED)
    kept = aside.drop(*[name for name in aside.columns if name.startswith(CLOCK)]).mutate(**{TEXT: ibis.null("string")})
    if malformed is not None:
        absent = {name: ibis.null(kind) for name, kind in kept.schema().items() if name not in {ROW, RULE, TEXT}}
        texts = malformed.mutate(**{RULE: ibis.literal(MALFORMED)} | absent)
        kept = kept.union(texts.select(*kept.columns))
    return kept.order_by(ROW)


# -- report ------------------------------------------------------------------------------------------------------------


def report_rows(rows: ibis.Table, table: str, *, read_count: int, malformed: ibis.Table | None = None) -> pd.DataFrame:
    """Return ``table, rule, row_count, amount`` of one table.

    Rows ``read`` come first (as counted apart from reading), then rows used and in quarantine by rule, then remarks on
    rows that are used: ``note.unparsable_<field>``, ``note.ambiguous_<field>``, ``note.nonexistent_<field>``.
    """
    money = ibis.null(MONEY_TYPE)
    if "amount" in rows.columns:
        amount = converted(rows.amount, rows[RATE]) if RATE in rows.columns else rows.amount
        money = amount.sum()
    by_rule = rows.group_by(rule=rows[RULE]).aggregate(row_count=rows.count(), amount=money).to_pandas()
    counted = [(str(r.rule), int(r.row_count), r.amount) for r in by_rule.itertuples()]
    if malformed is not None:
        counted.append((MALFORMED, int(malformed.count().to_pandas()), None))
    entries = [(READ, read_count, None), *sorted(counted, key=lambda entry: entry[0]), *_notes(rows)]
    return as_report(table, entries)


def as_report(table: str, entries: Sequence[tuple[str, int, object]]) -> pd.DataFrame:
    """Return ``(rule, row_count, amount)`` as a part of the load report."""
    frame = pd.DataFrame(entries, columns=["rule", "row_count", "amount"])
    frame.insert(0, "table", table)
    return frame.astype({"row_count": "int64", "amount": "float64"})


def _notes(rows: ibis.Table) -> list[tuple[str, int, object]]:
    is_used = rows[RULE] == USED
    counts: dict[str, ibis.Value] = {}
    for name in rows.columns:
        if name.startswith(BAD):
            counts[f"{NOTE}unparsable_{name.removeprefix(BAD)}"] = rows.count(where=is_used & rows[name])
        elif name.startswith(CLOCK):
            for doubt in ("ambiguous", "nonexistent"):
                rule = f"{NOTE}{doubt}_{name.removeprefix(CLOCK)}"
                counts[rule] = rows.count(where=is_used & (rows[name] == doubt))
    if not counts:
        return []
    found = rows.aggregate(**counts).to_pandas().iloc[0]
    return [(str(rule), int(count), None) for rule, count in found.items() if count]


def rows_by_fate(report: pd.DataFrame) -> pd.DataFrame:
    """Return ``table, read_count, used_count, quarantined_count`` of a load report, in its order."""
    is_note = report["rule"].str.startswith(NOTE)
    fate = report["rule"].where(report["rule"].isin([READ, USED]), "quarantined").mask(is_note)
    counts = report.assign(fate=fate).dropna(subset=["fate"]).pivot_table(
        index="table", columns="fate", values="row_count", aggfunc="sum", fill_value=0, sort=False
    )  # fmt: skip
    counts = counts.reindex(columns=[READ, USED, "quarantined"], fill_value=0).astype("int64")
    counts.columns = pd.Index(["read_count", "used_count", "quarantined_count"])
    return counts.reindex(report["table"].unique()).reset_index()


def check_balance(report: pd.DataFrame) -> None:
    """Prove that no row was lost.

    Raises
    ------
    RuntimeError
        Rows used and in quarantine are not the rows read: a defect of loading, not of the data.
    """
    fates = rows_by_fate(report)
    lost = fates[fates["read_count"] != fates["used_count"] + fates["quarantined_count"]]
    if not lost.empty:
        said = "; ".join(
            f"{r.table}: {r.read_count} read, {r.used_count} used, {r.quarantined_count} in quarantine"
            for r in lost.itertuples()
        )
        raise RuntimeError(f"loading does not add up, which is a defect: {said}")


def reasons(report: pd.DataFrame, table: str) -> Mapping[str, int]:
    """Return why rows of a table were put aside: ``{rule: rows}``."""
    part = report[(report["table"] == table) & ~report["rule"].str.startswith(NOTE)]
    aside = part[~part["rule"].isin([READ, USED]) & (part["row_count"] > 0)]
    return dict(zip(aside["rule"], aside["row_count"], strict=True))
