"""Validity rules as data: each tells, in the engine, which rows it checks and which of them are wrong (D2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir

from crm_analysis.base.settings import DiagnosisSettings
from crm_analysis.sources.schema import Table, Type

_PHONE_NOISE = r"[\s\-()（）]|^(\+|00)?86"
#: Mainland mobile; landline with or without area code; 400/800 service numbers.
_PHONE = r"^(1[3-9][0-9]{9}|(0[0-9]{2,3})?[1-9][0-9]{6,7}|[48]00[0-9]{7})$"
_EMAIL = r"^[A-Za-z0-9._%+'\-]+@[A-Za-z0-9\-]+(\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}$"


@dataclass(frozen=True)
class Rule:
    """One rule on one field.

    ``checked`` holds on rows that the rule looks at, ``invalid`` on those of them that break it. A rule with ``needs``
    checks nothing when that column is empty throughout (the company does not record it).
    """

    field: str
    slug: str
    checked: ir.BooleanValue
    invalid: ir.BooleanValue
    needs: str | None = None


def is_phone(phone: Any) -> Any:
    """Tell whether a text is a mainland phone number, after blanks, dashes, brackets and ``+86`` are dropped."""
    return phone.re_replace(_PHONE_NOISE, "").re_search(_PHONE)


def is_email(email: Any) -> Any:
    """Tell whether a text has the form of an e-mail address."""
    return email.strip().re_search(_EMAIL)


def rules_for(
    table: Table, rows: ir.Table, *, tables: Mapping[str, ir.Table], settings: DiagnosisSettings, as_of: date
) -> tuple[ir.Table, list[Rule]]:
    """Return the rows (joined with what the rules need) and the rules of a table.

    Parameters
    ----------
    table
        The contract of the table.
    rows
        Its rows; the rules are expressions over the table returned, not over this one.
    """
    rows = _with_other_tables(rows, table=table, tables=tables)
    rules = [
        Rule(field.name, "unknown_value", rows[field.name].notnull(), rows[field.name].notin(field.allowed))
        for field in table
        if field.allowed
    ]
    rules += [
        Rule(field.name, "negative_amount", rows[field.name].notnull(), rows[field.name] < 0)
        for field in table
        if field.type is Type.MONEY and (table.name, field.name) not in _SIGNED
    ]
    if "_is_known_customer" in rows.columns:
        rules.append(
            Rule("customer_id", "orphan_customer", rows["customer_id"].notnull(), rows["_is_known_customer"].isnull())
        )
    special = {
        "customers": _customer_rules,
        "orders": _order_rules,
        "interactions": _interaction_rules,
        "contracts": _contract_rules,
        "surveys": _survey_rules,
    }
    if table.name in special:
        rules += special[table.name](rows, settings, as_of)
    return rows, rules


#: Amounts that are negative for refunds.
_SIGNED = {("orders", "amount"), ("orders", "cost"), ("orders", "discount"), ("order_items", "amount"),
           ("order_items", "discount")}  # fmt: skip


def _with_other_tables(rows: ir.Table, *, table: Table, tables: Mapping[str, ir.Table]) -> ir.Table:
    if table.name == "customers":
        if "orders" not in tables:
            return rows.mutate(_first_ordered_on=ibis.null("date"))
        orders = tables["orders"]
        bought = orders.filter(~orders["is_refund"])
        first = bought.group_by(_buyer=bought["customer_id"]).aggregate(_first_ordered_on=bought["ordered_on"].min())
        return rows.left_join(first, rows["customer_id"] == first["_buyer"])
    if "customer_id" in table and "customers" in tables:
        known = tables["customers"].select(_known_id="customer_id").distinct()
        known = known.mutate(_is_known_customer=ibis.literal(True))
        return rows.left_join(known, rows["customer_id"] == known["_known_id"])
    return rows


def _customer_rules(rows: Any, settings: DiagnosisSettings, as_of: date) -> list[Rule]:
    born, first = rows["birth_date"], rows["_first_ordered_on"]
    registered = ibis.ifelse(rows["registered_at"].notnull(), rows["registered_on"], ibis.null("date"))
    oldest = date(as_of.year - settings.max_age_years, 1, 1)
    return [
        Rule("phone", "phone_form", rows["phone"].notnull(), ~is_phone(rows["phone"])),
        Rule("email", "email_form", rows["email"].notnull(), ~is_email(rows["email"])),
        Rule("birth_date", "future_date", born.notnull(), born >= ibis.literal(as_of)),
        Rule("birth_date", "impossible_age", born.notnull(), born < ibis.literal(oldest)),
        Rule("registered_at", "registered_after_order", registered.notnull() & first.notnull(), registered > first),
    ]


def _order_rules(rows: Any, settings: DiagnosisSettings, as_of: date) -> list[Rule]:
    negative = rows["amount"] < 0
    return [Rule("amount", "negative_without_original", negative, rows["refund_of"].isnull(), needs="refund_of")]


def _interaction_rules(rows: Any, settings: DiagnosisSettings, as_of: date) -> list[Rule]:
    return [
        Rule(name, "before_opening", rows[name].notnull(), rows[name] < rows["opened_at"])
        for name in ("first_human_reply_at", "resolved_at")
    ]


def _contract_rules(rows: Any, settings: DiagnosisSettings, as_of: date) -> list[Rule]:
    return [Rule("end_date", "end_before_start", rows["end_date"].notnull(), rows["end_date"] < rows["start_date"])]


def _survey_rules(rows: Any, settings: DiagnosisSettings, as_of: date) -> list[Rule]:
    score = rows["score"]
    outside = (score < rows["scale_min"]) | (score > rows["scale_max"])
    return [Rule("score", "score_off_scale", score.notnull(), outside)]
