"""Validity: how many values break a rule (REQUIREMENTS D2)."""

from collections.abc import Mapping
from datetime import date

import ibis
import ibis.expr.types as ir
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import DiagnosisSettings
from crm_analysis.diagnosis.rules import rules_for
from crm_analysis.sources.schema import TABLES, Table

VALIDITY_SCHEMA: ResultSchema = dict.fromkeys(
    ["table", "field", "rule", "checked_count", "invalid_count", "invalid_rate"], OPEN
)


def validity_table(tables: Mapping[str, ir.Table], *, settings: DiagnosisSettings, as_of: date) -> pd.DataFrame:
    """Return how many values every rule checked, and how many broke it.

    canonical tables -> ``table, field, rule, checked_count, invalid_count, invalid_rate``, in the order of the data
    contract; rules that found nothing to check have ``checked_count`` 0 and an empty rate

    Parameters
    ----------
    tables
        Canonical tables of the engine, behind the door in time; one aggregate each.
    settings
        ``max_age_years``.
    as_of
        First day that is not yet known; a birth on it or later is in the future.

    Notes
    -----
    ``invalid_rate`` is 0-1. Loading has quarantined rows that cannot be used at all; these are values of rows in use.
    The rule ``duplicate_key`` counts rows beyond the first of the same key. REQUIREMENTS D2.
    """
    rows = [
        row
        for name, table in TABLES.items()
        if name in tables
        for row in _table_rows(tables[name], table=table, tables=tables, settings=settings, as_of=as_of)
    ]
    frame = pd.DataFrame(rows, columns=list(VALIDITY_SCHEMA))
    return frame.astype({"checked_count": "int64", "invalid_count": "int64", "invalid_rate": float})


def broken_rules(table: pd.DataFrame, *, limit: int = 15) -> pd.DataFrame:
    """Return the rules with invalid values, worst rate first, at most ``limit``."""
    broken = table.loc[table["invalid_count"] > 0]
    ordered = broken.sort_values(["invalid_rate", "table", "field", "rule"], ascending=[False, True, True, True])
    return ordered.head(limit).reset_index(drop=True)


def _table_rows(
    rows: ir.Table, *, table: Table, tables: Mapping[str, ir.Table], settings: DiagnosisSettings, as_of: date
) -> list[dict[str, object]]:
    joined, rules = rules_for(table, rows, tables=tables, settings=settings, as_of=as_of)
    aggregates: dict[str, ir.Value] = {"rows": joined.count()}
    if table.key:
        key = joined[table.key[0]] if len(table.key) == 1 else ibis.struct({k: joined[k] for k in table.key})
        aggregates["keys"] = key.nunique()
    for k, rule in enumerate(rules):
        aggregates[f"checked_{k}"] = joined.count(where=rule.checked)
        aggregates[f"invalid_{k}"] = joined.count(where=rule.checked & rule.invalid)
        if rule.needs:
            aggregates[f"needs_{k}"] = joined.count(where=joined[rule.needs].notnull())
    counts = joined.aggregate(**aggregates).to_pyarrow().to_pylist()[0]
    found = []
    if table.key:
        duplicates = counts["rows"] - counts["keys"]
        found.append(_row(table.name, table.key[0], "duplicate_key", counts["rows"], duplicates))
    for k, rule in enumerate(rules):
        applies = not rule.needs or counts[f"needs_{k}"] > 0
        checked, invalid = (counts[f"checked_{k}"], counts[f"invalid_{k}"]) if applies else (0, 0)
        found.append(_row(table.name, rule.field, rule.slug, checked, invalid))
    return found


def _row(table: str, field: str, rule: str, checked: int, invalid: int) -> dict[str, object]:
    return {
        "table": table,
        "field": field,
        "rule": rule,
        "checked_count": checked,
        "invalid_count": invalid,
        "invalid_rate": round(invalid / checked, 6) if checked else float("nan"),
    }
