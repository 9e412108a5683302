"""One row per customer as of a day: what the analyses know of him, computed in the engine.

Windows are half-open and end at ``as_of``; ``_before`` is the window of the same length just before. Days run to the
last included day (``as_of`` - 1): a customer who bought on that day has ``recency_days`` 0. Refunds lower amounts at
their own date and never count as orders.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import ibis

from crm_analysis.base.privacy import DIRECT, OPEN, QUASI, SENSITIVE, ResultSchema
from crm_analysis.sources.as_of import Tables
from crm_analysis.sources.mapping import MONEY_TYPE
from crm_analysis.sources.purchases import counted_orders, signed_amounts

WINDOWS = (30, 90, 180, 365)
BEFORE = (90, 365)
DESCRIPTIVE = ("kind", "gender", "birth_date", "region", "industry", "company_size", "acquisition_channel", "owner",
               "member_level")  # fmt: skip

FEATURES_SCHEMA: ResultSchema = (
    {"customer_id": DIRECT}
    | dict.fromkeys(DESCRIPTIVE, OPEN)
    | {"gender": QUASI, "birth_date": QUASI}
    | dict.fromkeys(
        ("exists_since_date", "tenure_days", "first_order_date", "last_order_date", "recency_days", "order_count",
         "spend_amount", "gross_amount", "refund_count", "refund_amount", "discount_amount"), OPEN)
    | {f"{what}_{days}d": OPEN for days in WINDOWS for what in ("order_count", "spend_amount")}
    | {f"{what}_{days}d_before": OPEN for days in BEFORE for what in ("order_count", "spend_amount")}
    | dict.fromkeys(
        ("order_day_count", "gap_count", "gap_mean_days", "gap_spread_days", "basket_mean_amount", "discount_share",
         "channel_top", "channel_top_share", "category_top", "interaction_in_count_90d",
         "interaction_out_count_90d"), OPEN)
    | dict.fromkeys(
        ("complaint_count_90d", "complaint_count_365d", "first_response_hours_mean_365d", "survey_answered_count",
         "survey_score_mean", "survey_score_last"), SENSITIVE)
    | {"contract_end_date": OPEN, "contract_days_left": OPEN}
)  # fmt: skip


def features_table(tables: Tables, *, as_of: date) -> ibis.Table:
    """Return one row per customer that existed before ``as_of``, sorted by id.

    Parameters
    ----------
    tables
        Canonical tables behind the door of the same ``as_of``.

    Returns
    -------
    ibis.Table
        Columns of ``FEATURES_SCHEMA``. Counts are 0 for customers without orders; days, means and shares are null.
    """
    orders = signed_amounts(tables["orders"])
    purchases = counted_orders(tables["orders"])
    joined = _customers(tables)
    for part in (
        _spending(orders, as_of=as_of),
        _purchasing(purchases, as_of=as_of),
        _rhythm(purchases),
        _favourite(purchases, "channel"),
        _favourite_category(tables, purchases),
        _contacts(tables.get("interactions"), as_of=as_of),
        _survey_scores(tables.get("surveys")),
        _contract_state(tables.get("contracts"), as_of=as_of),
    ):
        if part is not None:
            joined = joined.left_join(part, "customer_id").drop("customer_id_right")
    last_day = ibis.literal(as_of - timedelta(days=1))
    start = ibis.least(joined.registered_on, joined.first_any_date)
    joined = joined.mutate(exists_since_date=start)
    joined = joined.mutate(
        tenure_days=last_day.delta(joined.exists_since_date, unit="day"),
        recency_days=last_day.delta(joined.last_order_date, unit="day"),
        discount_share=joined.discount_amount / (joined.discount_amount + joined.gross_amount).nullif(0),
        basket_mean_amount=joined.counted_amount / joined.order_count.nullif(0),
    )
    return joined.select(**dict(_finished(joined))).order_by("customer_id")


def _finished(joined: ibis.Table) -> Iterator[tuple[str, ibis.Value]]:
    """Yield the declared columns: counts filled with 0, amounts as floats, absent ones null."""
    for name in FEATURES_SCHEMA:
        if name not in joined.columns:
            counted = "_count" in name
            yield name, ibis.literal(0, "int64") if counted else ibis.null(_kind_of(name))
            continue
        column = joined[name]
        if "_count" in name:
            yield name, column.fill_null(0).cast("int64")
        elif "_amount" in name and name != "basket_mean_amount":
            yield name, column.fill_null(0).cast("float64")
        elif name.endswith("_share") or "_mean" in name or "_spread" in name:
            yield name, column.cast("float64").round(6)
        elif name.endswith("_days"):
            yield name, column.cast("float64")
        else:
            yield name, column


def _kind_of(name: str) -> str:
    if name.endswith("_date"):
        return "date"
    return "string" if name.endswith("_top") or name in DESCRIPTIVE else "float64"


def _customers(tables: Tables) -> ibis.Table:
    """Return every known customer: those of the table, and those known from orders alone."""
    ids = tables["orders"].select("customer_id").distinct()
    if "customers" not in tables:
        return ids.mutate(registered_on=ibis.null("date"), **{name: ibis.null(_kind_of(name)) for name in DESCRIPTIVE})
    described = tables["customers"]
    wanted = described.select("customer_id", *DESCRIPTIVE, registered_on=ibis.ifelse(
        described.registered_at.isnull(), ibis.null("date"), described.registered_on))  # fmt: skip
    everyone = ids.union(wanted.select("customer_id"), distinct=True)
    return everyone.left_join(wanted, "customer_id").drop("customer_id_right")


def _spending(orders: ibis.Table, *, as_of: date) -> ibis.Table:
    """Money: net of refunds, over all history and by window."""
    money = orders.spend_amount

    def within(start: int, end: int = 0) -> ibis.Value:
        last = ibis.literal(as_of - timedelta(days=end))
        return (orders.ordered_on >= ibis.literal(as_of - timedelta(days=start))) & (orders.ordered_on < last)

    sums = {f"spend_amount_{days}d": money.sum(where=within(days)) for days in WINDOWS}
    sums |= {f"spend_amount_{days}d_before": money.sum(where=within(2 * days, days)) for days in BEFORE}
    return orders.group_by("customer_id").aggregate(
        first_any_date=orders.ordered_on.min(),
        spend_amount=money.sum(),
        gross_amount=orders.gross_amount.sum(),
        refund_amount=orders.refund_amount.sum(),
        refund_count=orders.count(where=orders.is_refund),
        discount_amount=orders.discount.sum(where=~orders.is_refund).fill_null(ibis.literal(0).cast(MONEY_TYPE)),
        **sums,
    )


def _purchasing(purchases: ibis.Table, *, as_of: date) -> ibis.Table:
    """Counted orders: how many, when."""

    def within(start: int, end: int = 0) -> ibis.Value:
        last = ibis.literal(as_of - timedelta(days=end))
        return (purchases.ordered_on >= ibis.literal(as_of - timedelta(days=start))) & (purchases.ordered_on < last)

    counts = {f"order_count_{days}d": purchases.count(where=within(days)) for days in WINDOWS}
    counts |= {f"order_count_{days}d_before": purchases.count(where=within(2 * days, days)) for days in BEFORE}
    return purchases.group_by("customer_id").aggregate(
        first_order_date=purchases.ordered_on.min(),
        last_order_date=purchases.ordered_on.max(),
        order_count=purchases.count(),
        counted_amount=purchases.amount.sum(),
        **counts,
    )


def _rhythm(purchases: ibis.Table) -> ibis.Table:
    """Gaps between days with a purchase: mean and population standard deviation, from integer sums."""
    days = purchases.select("customer_id", "ordered_on").distinct()
    before = days.ordered_on.lag().over(group_by="customer_id", order_by="ordered_on")
    gaps = days.mutate(gap=days.ordered_on.delta(before, unit="day").cast("int64"))
    sums = gaps.group_by("customer_id").aggregate(
        order_day_count=gaps.count(),
        gap_count=gaps.gap.count(),
        gap_sum=gaps.gap.sum(),
        gap_square_sum=(gaps.gap * gaps.gap).sum(),
    )
    n, s1, s2 = (sums[name].cast("int64") for name in ("gap_count", "gap_sum", "gap_square_sum"))
    spread = ((n * s2 - s1 * s1).cast("float64").sqrt() / n.nullif(0)).cast("float64")
    return sums.select(
        "customer_id",
        "order_day_count",
        "gap_count",
        gap_mean_days=s1 / n.nullif(0),
        gap_spread_days=ibis.ifelse(n >= 2, spread, ibis.null("float64")),
    )


def _favourite(purchases: ibis.Table, column: str) -> ibis.Table:
    """Return the value most often bought through, ties to the first in binary order, and its share of orders."""
    known = purchases.filter(purchases[column].notnull())
    counts = known.group_by("customer_id", column).aggregate(order_count=known.count())
    window = {"group_by": "customer_id", "order_by": [ibis.desc("order_count"), ibis.asc(column)]}
    ranked = counts.mutate(
        place=ibis.row_number().over(**window), known_count=counts.order_count.sum().over(group_by="customer_id")
    )
    first = ranked.filter(ranked.place == 0)
    return first.select(
        "customer_id",
        **{f"{column}_top": first[column], f"{column}_top_share": first.order_count / first.known_count},
    )


def _favourite_category(tables: Tables, purchases: ibis.Table) -> ibis.Table | None:
    """Return the category with most lines, ties to the first in binary order."""
    if "order_items" not in tables:
        return None
    items = tables["order_items"].select("order_id", "category")
    bought = items.inner_join(purchases.select("order_id", "customer_id"), "order_id")
    return _favourite(bought, "category").select("customer_id", "category_top")


def _contacts(interactions: ibis.Table | None, *, as_of: date) -> ibis.Table | None:
    """Contacts in and out, complaints, and how fast a human answered."""
    if interactions is None:
        return None

    def since(days: int) -> ibis.Value:
        return interactions.opened_on >= ibis.literal(as_of - timedelta(days=days))

    incoming, complaint = interactions.direction == "in", interactions.kind == "complaint"
    seconds = interactions.first_human_reply_at.epoch_seconds() - interactions.opened_at.epoch_seconds()
    answered = incoming & (seconds >= 0) & since(365)
    return interactions.group_by("customer_id").aggregate(
        interaction_in_count_90d=interactions.count(where=incoming & since(90)),
        interaction_out_count_90d=interactions.count(where=(interactions.direction == "out") & since(90)),
        complaint_count_90d=interactions.count(where=complaint & since(90)),
        complaint_count_365d=interactions.count(where=complaint & since(365)),
        first_response_hours_mean_365d=seconds.cast("int64").sum(where=answered)
        / interactions.count(where=answered).nullif(0)
        / 3600,
    )


def _survey_scores(surveys: ibis.Table | None) -> ibis.Table | None:
    """Answered questions and their mean, every scale brought to 0-1; ``last`` is the latest answered questionnaire."""
    if surveys is None:
        return None
    width = (surveys.scale_max - surveys.scale_min).nullif(0)
    answers = surveys.filter(surveys.answered_at.notnull() & surveys.score.notnull())
    answers = answers.mutate(scaled=((answers.score - answers.scale_min) / width * 10_000).round().cast("int64"))
    latest = answers.answered_at.max().over(group_by="customer_id")
    marked = answers.mutate(is_last=answers.answered_at == latest)
    sums = marked.group_by("customer_id").aggregate(
        survey_answered_count=marked.count(),
        survey_score_mean=marked.scaled.sum() / marked.scaled.count() / 10_000,
        survey_score_last=marked.scaled.sum(where=marked.is_last)
        / marked.scaled.count(where=marked.is_last).nullif(0)
        / 10_000,
    )
    return sums.mutate(survey_score_last=sums.survey_score_last.round(6))


def _contract_state(contracts: ibis.Table | None, *, as_of: date) -> ibis.Table | None:
    """Return the latest contract end agreed before ``as_of`` and the days to it (negative when past)."""
    if contracts is None:
        return None
    ends = contracts.group_by("customer_id").aggregate(contract_end_date=contracts.end_date.max())
    left = ends.contract_end_date.delta(ibis.literal(as_of - timedelta(days=1)), unit="day")
    return ends.mutate(contract_days_left=left)
