"""Breakdowns, satisfaction, growth and retention for reading: the tables of chapter 6 with values in their units."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.words import Message, Words, message
from crm_analysis.evaluation.breakdown import WHOLE
from crm_analysis.evaluation.display import interval_message, target_message, value_message

#: Told of every part, beside the KPIs that have a target.
CORE_KPIS = ("revenue", "active_customers", "average_order_value", "customer_retention_rate", "churn_rate",
             "value_growth_rate", "contacts_per_customer_month", "satisfaction_rate")  # fmt: skip
MAX_ROWS = 40
_URGENT = ("bad", "watch", "good", "no_target", "no_history", "too_small")


def shown_kpis(breakdown: pd.DataFrame, *, dimension: str) -> list[str]:
    """Return the KPIs to show by a dimension: those that have a target in one of its parts, else the core ones."""
    rows = breakdown.loc[(breakdown["dimension"] == dimension) & breakdown["target"].notna()]
    found = set(rows["kpi"]) or set(CORE_KPIS)
    return [kpi for kpi in METRICS if kpi in found and kpi in set(breakdown["kpi"])]


def format_breakdown(
    breakdown: pd.DataFrame,
    *,
    dimension: str,
    words: Words,
    kpis: Sequence[str] | None = None,
    max_rows: int = MAX_ROWS,
) -> pd.DataFrame:
    """Return KPIs by the parts of a dimension for reading, beside the whole.

    columns of ``KPI_BREAKDOWN_SCHEMA`` -> the dimension's name, ``kpi, value, interval, company_value, target, n,
    status``

    Parameters
    ----------
    kpis
        Those to show; by default :func:`shown_kpis`.
    max_rows
        Of more rows those that miss their target come first and the rest is left out.
    """
    chosen = shown_kpis(breakdown, dimension=dimension) if kpis is None else list(kpis)
    whole = breakdown.loc[breakdown["dimension"] == WHOLE].set_index("kpi")["value"].to_dict()
    rows = breakdown.loc[(breakdown["dimension"] == dimension) & breakdown["kpi"].isin(chosen)]
    if len(rows) > max_rows:
        urgency = rows["status"].map(_URGENT.index)
        kept = rows.assign(urgency=urgency).sort_values("urgency", kind="stable").head(max_rows).index
        rows = rows.loc[rows.index.isin(kept)]
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
    columns = {
        dimension: [row["part"] for row in records],
        "kpi": [row["kpi"] for row in records],
        "value": [words.say(part_value(row)) for row in records],
        "interval": [words.say(interval_message(row, unit=row["unit"])) for row in records],
        "company_value": [words.say(value_message(whole.get(row["kpi"]), unit=row["unit"])) for row in records],
        "target": [words.say(target_message(row["target"], kpi=row["kpi"])) for row in records],
        "n": pd.Series([row["n"] for row in records], dtype="int64"),
        "status": [row["status"] for row in records],
    }
    return pd.DataFrame(
        {name: pd.Series(cells, dtype=None if name == "n" else "str") for name, cells in columns.items()}
    )


def part_value(row: Mapping[Any, Any]) -> Message:
    """Return the value of a row of a breakdown, or why there is none."""
    if row["status"] in {"too_small", "no_history"}:
        return message(f"absent.{row['status']}")
    return value_message(row["value"], unit=row["unit"])


def format_orders(orders: pd.DataFrame, *, dimension: str, words: Words) -> pd.DataFrame:
    """Return revenue and orders by store or product line for reading; hidden amounts say so."""
    rows = orders.loc[orders["dimension"] == dimension].head(MAX_ROWS).reset_index(drop=True)
    return pd.DataFrame(
        {
            dimension: rows["part"],
            "net_revenue": _texts(rows["revenue_amount"], style="amount", words=words),
            "revenue_share": rows["revenue_share"],
            "order_count": rows["order_count"],
            "order_value": _texts(rows["order_value_amount"], style="amount", words=words),
            "customer_count": rows["customer_count"],
        }
    )


def format_satisfaction(satisfaction: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return satisfaction by tier for reading; shares of too few say so."""
    records: list[dict[str, Any]] = satisfaction.rename(
        columns={"satisfaction_rate_low": "low", "satisfaction_rate_high": "high"}
    ).to_dict("records")  # type: ignore[assignment]
    return pd.DataFrame(
        {
            "tier": satisfaction["tier"],
            "year_buyer_count": satisfaction["customer_count"],
            "asked_count": satisfaction["asked_count"],
            "coverage": _texts(satisfaction["coverage_share"], style="share", words=words),
            "coverage_status": satisfaction["coverage_status"],
            "sent_count": satisfaction["sent_count"],
            "survey_response": _texts(satisfaction["response_rate"], style="share", words=words),
            "answer_count": satisfaction["answer_count"],
            "satisfaction": _texts(satisfaction["satisfaction_rate"], style="share", words=words),
            "interval": pd.Series([words.say(interval_message(row)) for row in records], dtype="str"),
        }
    )


def format_surveys_sent(sent: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return what became of every question for reading; shares of too few say so."""
    return pd.DataFrame(
        {
            "question": sent["question"],
            "asked_count": sent["asked_count"],
            "sent_count": sent["sent_count"],
            "survey_returned_count": sent["returned_count"],
            "survey_response": _texts(sent["response_rate"], style="share", words=words),
            "valid_answer_count": sent["answer_count"],
        }
    )


def format_questions(questions: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the five-point questions over all customers, and by tier where there are enough answers, for reading."""
    rows = questions.loc[(questions["tier"] == WHOLE) | (questions["band"] != "too_small")].reset_index(drop=True)
    ends = zip(rows["score_mean_low"], rows["score_mean_high"], strict=True)
    return pd.DataFrame(
        {
            "tier": rows["tier"],
            "question": rows["question"],
            "n": rows["n"],
            "five_point_score": _texts(rows["score_mean"], style="score", words=words),
            "interval": pd.Series([_score_interval(low, high, words=words) for low, high in ends], dtype="str"),
            "band": rows["band"],
        }
    )


def format_growth(growth: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the change of net revenue by tier and factor for reading; hidden amounts say so."""
    money = {
        "revenue_before": "revenue_amount_before", "revenue_now": "revenue_amount_now",
        "revenue_change": "change_amount", "by_customers": "customers_amount",
        "by_frequency": "frequency_amount", "by_price": "price_amount",
    }  # fmt: skip
    texts = {name: _texts(growth[column], style="amount", words=words) for name, column in money.items()}
    buyers = {"buyers_before": growth["buyer_count_before"], "buyers_now": growth["buyer_count_now"]}
    return pd.DataFrame({"tier": growth["tier"], **buyers, **texts})


def format_classes(classes: pd.DataFrame) -> pd.DataFrame:
    """Return how many customers of each tier grow, hold, fall and stop, for reading."""
    return classes[["tier", "growth_class", "customer_count", "customer_share"]]


def format_cohorts(means: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the mean retention by quarters since the first purchase for reading."""
    return pd.DataFrame(
        {
            "quarters_since": means["quarters_since"],
            "cohort_count": means["cohort_count"],
            "cohort_customers": means["customer_count"],
            "returned_customers": means["retained_count"],
            "retention": _texts(means["retention_rate"], style="share", words=words),
        }
    )


def format_tier_retention(retention: pd.DataFrame, *, words: Words) -> pd.DataFrame:
    """Return the retention of each tier over the quarters for reading; rates of too few say so."""
    return pd.DataFrame(
        {
            "quarter": retention["quarter"],
            "tier": retention["tier"],
            "previous_buyers": retention["customer_count"],
            "returned_customers": retention["retained_count"],
            "retention": _texts(retention["retention_rate"], style="share", words=words),
        }
    )


def _texts(values: pd.Series, *, style: str, words: Words) -> pd.Series:
    """Return values in their unit, or that the sample is too small."""
    few = words.word("absent.too_small")
    return pd.Series(
        [few if value != value else words.say(value_message(value, unit=style)) for value in values], dtype="str"
    )


def _score_interval(low: float, high: float, *, words: Words) -> str:
    if low != low:  # NaN is unequal to itself
        return words.say(message("value.absent"))
    return words.say(message("value.interval_number", low=round(float(low), 2), high=round(float(high), 2)))
