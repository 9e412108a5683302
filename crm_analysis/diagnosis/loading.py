"""What loading kept and what it put aside, per table (REQUIREMENTS D2, X7)."""

import pandas as pd

from crm_analysis.base.words import Message, message
from crm_analysis.sources.quarantine import NOT_USED, NOTE, READ, USED, rows_by_fate
from crm_analysis.sources.schema import TABLES

#: Rules that name the field they are about: ``missing_amount`` is ``missing`` of ``amount``.
_OF_FIELD = ("missing", "unparsable", "ambiguous", "nonexistent")
MOST_RULES = 40


def load_summary_table(load_report: pd.DataFrame) -> pd.DataFrame:
    """Return rows read, used and put aside per table.

    ``table, rule, row_count, amount`` -> ``table, read_count, used_count, quarantined_count, quarantined_rate,
    quarantined_amount, unparsed_count``, in the order of the load report

    Notes
    -----
    Rows read are used plus quarantined. ``unparsed_count`` counts single values that did not parse in rows that are
    used all the same; ``quarantined_amount`` is the money of the rows put aside, in the reporting currency, empty for
    tables without amounts.
    """
    unparsed = load_report[load_report["rule"].str.startswith(f"{NOTE}unparsable_")]
    counts = rows_by_fate(load_report).set_index("table")
    money = _aside(load_report).groupby("table", sort=False)["amount"].sum(min_count=1)
    share = counts["quarantined_count"] / counts["read_count"].clip(lower=1)
    summary = counts.assign(
        quarantined_rate=share.astype(float).round(6),
        quarantined_amount=money.reindex(counts.index).astype(float).round(2),
        unparsed_count=unparsed.groupby("table")["row_count"].sum().reindex(counts.index, fill_value=0).astype(int),
    )
    return summary.reset_index()


def load_rules_table(load_report: pd.DataFrame) -> pd.DataFrame:
    """Return what was put aside, and what is remarkable in rows that are used, by table and rule.

    ``table, rule, row_count, amount`` -> ``table, rule, field, quarantined_count, quarantined_amount, remark_count``;
    the most frequent, in the order of the load report

    Notes
    -----
    ``remark_count`` counts values in rows that are used: they did not parse, or are local times that clocks show twice
    or leave out.
    """
    is_note = load_report["rule"].str.startswith(NOTE)
    shown = load_report[is_note | load_report.index.isin(_aside(load_report).index)]
    parts = [_rule_and_field(rule.removeprefix(NOTE)) for rule in shown["rule"]]
    is_remark = is_note[shown.index]
    table = pd.DataFrame(
        {
            "table": shown["table"],
            "rule": [rule for rule, _ in parts],
            "field": pd.Series([field for _, field in parts], index=shown.index, dtype="object"),
            "quarantined_count": shown["row_count"].where(~is_remark).astype("Int64"),
            "quarantined_amount": pd.to_numeric(shown["amount"]).astype(float).round(2),
            "remark_count": shown["row_count"].where(is_remark).astype("Int64"),
        }
    )
    return table.loc[shown["row_count"].nlargest(MOST_RULES).index.sort_values()].reset_index(drop=True)


def _aside(load_report: pd.DataFrame) -> pd.DataFrame:
    """Return the rules by which rows were put aside."""
    is_note = load_report["rule"].str.startswith(NOTE)
    aside = load_report[~is_note & ~load_report["rule"].isin([READ, USED]) & (load_report["row_count"] > 0)]
    return aside.assign(amount=pd.to_numeric(aside["amount"]).astype(float))


def _rule_and_field(rule: str) -> tuple[str, str | None]:
    head, _, field = rule.partition("_")
    return (head, field) if head in _OF_FIELD else (rule, None)


def finding_loading(load_report: pd.DataFrame) -> Message:
    """Return how many rows were read and how many of them were put aside.

    The money of items whose order is put aside is that of the order: it is not added twice.
    """
    summary = load_summary_table(load_report)
    read, aside = int(summary["read_count"].sum()), int(summary["quarantined_count"].sum())
    if aside == 0:
        return message("diagnosis.loading.clean", n=read, tables=len(summary))
    reasons = _aside(load_report)
    money = reasons.loc[reasons["rule"] != NOT_USED, "amount"].sum()
    return message(
        "diagnosis.loading.finding",
        n=read,
        tables=len(summary),
        aside=aside,
        rate=round(aside / max(read, 1), 6),
        amount=round(float(money), 2),
    )


def note_absent_tables(load_report: pd.DataFrame) -> Message:
    """Return which tables of the data contract the company has not given, and what each would add."""
    absent = [name for name in TABLES if name not in set(load_report["table"])]
    if not absent:
        return message("diagnosis.absent.none")
    return message(
        "diagnosis.absent.some",
        tables=[message("diagnosis.absent.item", table=name, adds=name) for name in absent],
        n=len(absent),
    )
