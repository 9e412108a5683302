"""What loading kept and what it put aside, per table (REQUIREMENTS D2, X7)."""

import pandas as pd

from crm_analysis.base.words import Message, message
from crm_analysis.sources.schema import TABLES

_USED, _NOTE = "used", "note."


def load_summary_table(load_report: pd.DataFrame) -> pd.DataFrame:
    """Return rows used and rows put aside per table.

    ``table, rule, row_count, amount`` -> ``table, used_count, quarantined_count, quarantined_rate,
    quarantined_amount, unparsed_count``, in the order of the load report

    Notes
    -----
    Rows read are used plus quarantined. ``unparsed_count`` counts single values that did not parse in rows that are
    used all the same; ``quarantined_amount`` is the money of the rows put aside, empty for tables without amounts.
    """
    rows = []
    for table, part in load_report.groupby("table", sort=False):
        is_note = part["rule"].str.startswith(_NOTE)
        is_used = part["rule"] == _USED
        aside = part.loc[~is_note & ~is_used]
        used, quarantined = int(part.loc[is_used, "row_count"].sum()), int(aside["row_count"].sum())
        amounts = pd.to_numeric(aside["amount"]).astype(float)
        rows.append(
            {
                "table": table,
                "used_count": used,
                "quarantined_count": quarantined,
                "quarantined_rate": round(quarantined / max(used + quarantined, 1), 6),
                "quarantined_amount": round(float(amounts.sum(min_count=1)), 2),
                "unparsed_count": int(part.loc[is_note, "row_count"].sum()),
            }
        )
    columns = [
        "table", "used_count", "quarantined_count", "quarantined_rate", "quarantined_amount", "unparsed_count",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def finding_loading(load_report: pd.DataFrame) -> Message:
    """Return how many rows were read and how many of them were put aside."""
    summary = load_summary_table(load_report)
    used, aside = int(summary["used_count"].sum()), int(summary["quarantined_count"].sum())
    if aside == 0:
        return message("diagnosis.loading.clean", n=used, tables=len(summary))
    return message(
        "diagnosis.loading.finding",
        n=used + aside,
        tables=len(summary),
        aside=aside,
        rate=round(aside / max(used + aside, 1), 6),
        amount=round(float(summary["quarantined_amount"].sum()), 2),
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
