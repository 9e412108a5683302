"""Tickets of a very large service desk: made by the engine, then timed by this package."""

from datetime import date
from pathlib import Path

import ibis
import measure

from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.evaluation.business_time import with_business_seconds
from crm_analysis.evaluation.service import service_cases, service_times_table
from crm_analysis.sources.business_calendar import BusinessCalendar
from crm_analysis.sources.connect import connect

QUARTER = Quarter(2025, 3)
ZONE = "Asia/Shanghai"
MADE = """
COPY (
    SELECT 'I' || i AS interaction_id, 'C' || i % 1000000 AS customer_id, opened_at,
        (opened_at + INTERVAL 8 HOUR)::DATE AS opened_on,
        opened_at + to_seconds((hash(i, 1) % 60000)::BIGINT) AS first_human_reply_at,
        opened_at + to_seconds((60000 + hash(i, 2) % 900000)::BIGINT) AS resolved_at,
        CASE WHEN hash(i, 3) % 20 = 0 THEN opened_at + to_seconds(1200000) END AS reopened_at,
        ['phone', 'wechat', 'app', 'email'][1 + (hash(i, 4) % 4)::BIGINT] AS channel,
        'in' AS direction,
        ['inquiry', 'after_sales', 'complaint'][1 + (hash(i, 5) % 3)::BIGINT] AS kind,
        true AS is_public,
        CASE WHEN hash(i, 6) % 10 = 0 THEN 'urgent' ELSE 'normal' END AS urgency,
        CASE WHEN hash(i, 7) % 8 = 0 THEN 'complex' ELSE 'general' END AS complexity,
        'W' || hash(i, 8) % 40 AS owner, 'resolved' AS outcome, NULL::VARCHAR AS reason
    FROM (SELECT i, TIMESTAMP '2025-06-30 16:00:00' + to_seconds((hash(i) % 7900000)::BIGINT) AS opened_at
        FROM range({rows}) t(i))
) TO '{path}' (FORMAT parquet)
"""


def make(folder: str, rows: int) -> measure.Job:
    """Write the tickets of a quarter."""

    def job() -> None:
        _connected(folder).raw_sql(MADE.format(rows=rows, path=Path(folder) / "tickets.parquet"))

    return job


def count(folder: str) -> measure.Job:
    """Count the business seconds from opening to reply of all tickets, and nothing else."""
    con = _connected(folder)
    tickets = con.read_parquet(Path(folder) / "tickets.parquet")
    calendar = BusinessCalendar(EvaluationSettings().service.hours, ZONE)

    def job() -> dict[str, int]:
        counted = with_business_seconds(
            tickets, since="opened_at", until={"business_seconds": "first_human_reply_at"}, calendar=calendar,
            first=date(2025, 7, 1), end=date(2025, 11, 1),
        )  # fmt: skip
        sums = counted.aggregate(tickets=counted.business_seconds.count(), seconds_sum=counted.business_seconds.sum())
        return {name: int(value) for name, value in sums.to_pandas().iloc[0].items()}

    return job


def cases(folder: str) -> measure.Job:
    """Write the result ``service_cases``: a row per ticket with all its times and states."""
    con = _connected(folder)
    tickets = con.read_parquet(Path(folder) / "tickets.parquet")

    def job() -> dict[str, int]:
        rows = service_cases(tickets, quarter=QUARTER, settings=EvaluationSettings(), zone=ZONE)
        rows.to_parquet(Path(folder) / "cases.parquet")
        return {"tickets": int(con.read_parquet(Path(folder) / "cases.parquet").count().to_pandas())}

    return job


def times(folder: str) -> measure.Job:
    """Make the table ``service_times`` from the written cases."""
    con = _connected(folder)
    rows = con.read_parquet(Path(folder) / "cases.parquet")
    tiers = rows.select("customer_id").distinct().mutate(tier=ibis._.customer_id.right(1))

    def job() -> dict[str, int]:
        return {"tickets": int(service_times_table(rows, tiers, settings=EvaluationSettings()).loc[0, "n"])}

    return job


def _connected(folder: str) -> ibis.BaseBackend:
    return connect(memory_limit="4GB", temp_folder=Path(folder) / "spill")


if __name__ == "__main__":
    measure.run({"make": make, "count": count, "cases": cases, "times": times})
