"""Completeness: missing rate per field, and one weighted score of customer information (REQUIREMENTS D1).

Which empty cells count as missing:

* A field is measured on the rows it applies to. A field that becomes known later (``known_at``, such as the reason
  of a case) applies where that time is there; date of birth and gender apply to persons, industry and the like to
  organisations; where the kind of a customer is unknown, both apply; urgency and complexity apply to cases (inquiries,
  complaints, after-sales), the coded reason to complaints.
* Fields that are empty for good reason are not measured: event times other than the table's own (an open case has no
  ``resolved_at``) and :data:`NATURALLY_EMPTY`.
* A field that is empty throughout, because the files do not hold it, is listed with ``is_present`` false and stays out
  of the score: it is a decision about what to collect, not a gap in what was collected.
"""

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.base.settings import DiagnosisSettings
from crm_analysis.sources.schema import TABLES, Change, Family, Field, Table, Type

COMPLETENESS_SCHEMA: ResultSchema = dict.fromkeys(
    ["table", "field", "family", "role", "row_count", "missing_count", "missing_rate", "weight", "is_present"], OPEN
)

#: Fields whose emptiness says something else than "nobody recorded it".
NATURALLY_EMPTY = frozenset({
    "customers.member_level", "customers.points", "customers.acquisition_cost",
    "orders.refund_of", "orders.campaign_id", "orders.discount", "orders.currency", "orders.store",
    "order_items.discount", "interactions.text", "surveys.text", "contracts.renewal_of",
    "events.campaign_id", "events.dwell_seconds",
    "actions.campaign_id", "actions.customer_id", "actions.tier", "actions.feedback", "actions.problem",
    "actions.cause", "actions.remedy", "actions.start_date",
})  # fmt: skip
PERSON_FIELDS = frozenset({"customers.gender", "customers.birth_date"})
ORGANISATION_FIELDS = frozenset({
    "customers.industry", "customers.company_size", "customers.industry_position", "customers.contact_person",
    "customers.cooperation_start",
})  # fmt: skip
CASE_KINDS = {
    "interactions.urgency": ("inquiry", "complaint", "after_sales"),
    "interactions.complexity": ("inquiry", "complaint", "after_sales"),
    "interactions.reason": ("complaint",),
}
#: Tables about the company's own work: measured, but no customer information.
OWN_WORK = frozenset({"actions", "interviews", "overrides", "customers_history", "budgets"})


def completeness_table(tables: Mapping[str, ir.Table], *, settings: DiagnosisSettings) -> pd.DataFrame:
    """Return the missing rate of every field of the tables that are present.

    canonical tables -> ``table, field, family, role, row_count, missing_count, missing_rate, weight, is_present``,
    in the order of the data contract

    Parameters
    ----------
    tables
        Canonical tables of the engine; one aggregate each, no rows leave the engine.
    settings
        ``required_fields`` and ``deep_fields`` name fields of ``customers`` (or ``table.field``); ``field_weights``
        overrides weights.

    Notes
    -----
    ``row_count`` counts the rows the field applies to; ``missing_rate`` is 0-1, empty when there are none. Text of
    blanks is missing. ``role`` is ``key`` (loading already refuses rows without it), ``required``, ``deep`` or
    ``other``; only ``required`` (``required_weight``) and ``other`` (1) fields of customer tables carry weight.
    REQUIREMENTS D1, P6.
    """
    rows = [
        row
        for name, table in TABLES.items()
        if name in tables
        for row in _table_rows(tables[name], table=table, settings=settings)
    ]
    frame = pd.DataFrame(rows, columns=list(COMPLETENESS_SCHEMA))
    return frame.astype({"row_count": "int64", "missing_count": "int64", "missing_rate": float, "weight": float})


def completeness_score(table: pd.DataFrame, *, settings: DiagnosisSettings) -> dict[str, Any]:
    """Return the customer-information completeness score.

    Parameters
    ----------
    table
        What :func:`completeness_table` returns.
    settings
        ``completeness_target`` stands beside the score.

    Returns
    -------
    dict
        A document: ``score`` and ``target`` (0-1), ``families`` ``{family: 0-1}``, ``required`` and ``deep`` (plain
        means over those fields, 0-1), ``field_count`` in the score, ``absent_field_count``, ``customer_count`` and
        ``worst`` (``{table, field, missing_rate, row_count}`` or empty). Numbers that cannot be had are ``None``.

    Notes
    -----
    Weighted mean over fields of the share of rows that are filled. Without a table of customers there is no score:
    orders alone are no customer information. REQUIREMENTS D1.
    """
    present = table.loc[table["is_present"] & table["missing_rate"].notna()]
    scored = present.loc[present["weight"] > 0]
    gaps = scored.loc[scored["missing_count"] > 0]
    worst = gaps.sort_values(["missing_rate", "table", "field"], ascending=[False, True, True]).head(1)
    customers = table.loc[(table["table"] == "customers") & (table["field"] == "customer_id"), "row_count"]
    return {
        "score": _weighted(scored) if customers.sum() > 0 else None,
        "target": settings.completeness_target,
        "families": {str(name): _weighted(scored.loc[scored["family"] == name]) for name in Family},
        "required": _filled(present.loc[present["role"] == "required"]),
        "deep": _filled(present.loc[present["role"] == "deep"]),
        "field_count": len(scored),
        "absent_field_count": int((~table["is_present"]).sum()),
        "customer_count": int(customers.sum()),
        "worst": worst[["table", "field", "missing_rate", "row_count"]].to_dict("records")[0] if len(worst) else {},
    }


def gaps_table(table: pd.DataFrame, *, limit: int = 15) -> pd.DataFrame:
    """Return the fields of the score with gaps, highest missing rate first, at most ``limit``."""
    gaps = table.loc[table["is_present"] & (table["weight"] > 0) & (table["missing_count"] > 0)]
    ordered = gaps.sort_values(["missing_rate", "table", "field"], ascending=[False, True, True])
    return ordered.head(limit).reset_index(drop=True)


def is_measured(table: Table, field: Field) -> bool:
    """Tell whether an empty cell of a field is a gap at all (see the rules of this module)."""
    later_event = field.change is Change.EVENT and field.name != table.time
    return not later_event and f"{table.name}.{field.name}" not in NATURALLY_EMPTY


def field_role(table: Table, field: Field, *, settings: DiagnosisSettings) -> str:
    """Return ``key``, ``required``, ``deep`` or ``other``; plain names in settings mean fields of ``customers``."""
    names = {f"{table.name}.{field.name}"} | ({field.name} if table.name == "customers" else set())
    if field.required:
        return "key"
    if names & set(settings.required_fields):
        return "required"
    return "deep" if names & set(settings.deep_fields) else "other"


def _table_rows(rows: ir.Table, *, table: Table, settings: DiagnosisSettings) -> list[dict[str, Any]]:
    fields = [field for field in table if is_measured(table, field)]
    aggregates: dict[str, ir.Value] = {}
    for field in fields:
        applies = _applies(rows, table=table, field=field)
        missing = _is_missing(rows[field.name], field=field)
        aggregates[f"{field.name}__rows"] = rows.count(where=applies)
        aggregates[f"{field.name}__missing"] = rows.count(where=applies & missing)
    counts = rows.aggregate(**aggregates).to_pyarrow().to_pylist()[0]
    found = []
    for field in fields:
        row_count, missing_count = counts[f"{field.name}__rows"], counts[f"{field.name}__missing"]
        role = field_role(table, field, settings=settings)
        found.append(
            {
                "table": table.name,
                "field": field.name,
                "family": str(table.family),
                "role": role,
                "row_count": row_count,
                "missing_count": missing_count,
                "missing_rate": round(missing_count / row_count, 6) if row_count else float("nan"),
                "weight": _weight(table, field, role=role, settings=settings),
                "is_present": missing_count < row_count or row_count == 0,
            }
        )
    return found


def _weight(table: Table, field: Field, *, role: str, settings: DiagnosisSettings) -> float:
    own = settings.field_weights.get(f"{table.name}.{field.name}")
    if own is None and table.name == "customers":
        own = settings.field_weights.get(field.name)
    if own is not None:
        return own
    if table.name in OWN_WORK or role in ("key", "deep"):
        return 0.0
    return settings.required_weight if role == "required" else 1.0


def _applies(rows: ir.Table, *, table: Table, field: Field) -> ir.BooleanValue:
    full = f"{table.name}.{field.name}"
    is_due = ibis.literal(True) if field.known_at is None else rows[field.known_at].notnull()
    if full in CASE_KINDS:
        return is_due & rows["kind"].isin(CASE_KINDS[full])
    if full in PERSON_FIELDS:
        return rows["kind"].isnull() | (rows["kind"] != "organisation")
    if full in ORGANISATION_FIELDS:
        return rows["kind"].isnull() | (rows["kind"] != "person")
    return is_due


def _is_missing(column: ir.Value, *, field: Field) -> ir.BooleanValue:
    if field.type in (Type.ID, Type.TEXT, Type.CATEGORY):
        text: Any = column
        return column.isnull() | (text.strip() == "")
    return column.isnull()


def _weighted(fields: pd.DataFrame) -> float | None:
    total = float(fields["weight"].sum())
    if total <= 0:
        return None
    return round(float(((1 - fields["missing_rate"]) * fields["weight"]).sum()) / total, 6)


def _filled(fields: pd.DataFrame) -> float | None:
    return None if fields.empty else round(1 - float(fields["missing_rate"].mean()), 6)
