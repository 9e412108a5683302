"""The same features and quarters in plain pandas: reads the columns it needs, groups, merges; no loop over customers.

Money is read as floats and ids as categories, which is what makes pandas quick here.
"""

from datetime import date
from pathlib import Path

import measure
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

WINDOWS = (30, 90, 180, 365)
BEFORE = (90, 365)
DESCRIPTIVE = ["kind", "gender", "birth_date", "region", "industry", "company_size", "industry_position",
               "acquisition_channel", "owner", "department", "member_level", "points"]  # fmt: skip
DIGITS = 4  # of money
#: What has no table in this company: counts are 0, values are empty.
ABSENT_COUNTS = (
    "category_count", "interaction_in_count_90d", "interaction_out_count_90d", "complaint_count_90d",
    "interaction_in_count_365d", "interaction_out_count_365d", "complaint_count_365d", "event_count_90d",
    "survey_answered_count", "contract_count", "contract_active_count", "opportunity_open_count",
    "opportunity_won_count",
)  # fmt: skip
ABSENT_VALUES = (
    "category_top", "category_top_share", "first_response_hours_mean_365d", "resolution_hours_mean_365d",
    "customer_reply_hours_mean_180d", "customer_reply_hours_mean_180d_before", "survey_score_mean", "survey_score_last",
    "contract_end_date", "contract_days_left", "opportunity_stage",
)  # fmt: skip


def features(home: str, as_of: str, output: str) -> measure.Job:
    """Write a row per customer."""

    def job() -> None:
        orders = read_orders(Path(home), as_of=pd.Timestamp(as_of))
        features_table(orders, read_customers(Path(home)), as_of=pd.Timestamp(as_of)).to_parquet(output, index=False)

    return job


def periods(home: str, as_of: str, output: str) -> measure.Job:
    """Write a row per customer and quarter."""

    def job() -> None:
        orders = read_orders(Path(home), as_of=pd.Timestamp(as_of))
        periods_table(orders, counted_orders(orders)).to_parquet(output, index=False)

    return job


def both(home: str, as_of: str, output: str, periods_output: str) -> measure.Job:
    """Write both from one reading of the orders."""

    def job() -> None:
        day = pd.Timestamp(as_of)
        orders = read_orders(Path(home), as_of=day)
        purchases = counted_orders(orders)
        features_table(orders, read_customers(Path(home)), as_of=day, purchases=purchases).to_parquet(
            output, index=False
        )
        periods_table(orders, purchases).to_parquet(periods_output, index=False)

    return job


def counted(home: str, as_of: str, output: str) -> measure.Job:
    """Write the counted orders alone (``customer_id, ordered_on, amount``)."""

    def job() -> None:
        purchases = counted_orders(read_orders(Path(home), as_of=pd.Timestamp(as_of)))
        made = purchases[["customer_id", "ordered_on", "amount"]].astype({"customer_id": "str"})
        made.to_parquet(output, index=False)

    return job


# -- reading -----------------------------------------------------------------------------------------------------------


def read_orders(home: Path, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return orders before ``as_of``; amounts are signed: refunds lower."""
    names = ["order_id", "customer_id", "ordered_on", "amount", "discount", "channel", "is_refund", "refund_of"]
    orders = _read(home / "orders.parquet", names, categories=["customer_id", "channel"], before=as_of.date())
    money = orders["amount"]
    return orders.assign(
        spend_amount=np.where(orders["is_refund"], -money.abs(), money),
        gross_amount=np.where(orders["is_refund"], 0.0, money),
        refund_amount=np.where(orders["is_refund"], money.abs(), 0.0),
    )


def read_customers(home: Path) -> pd.DataFrame | None:
    """Return the customers' own columns, when there is such a table."""
    path = home / "customers.parquet"
    return _read(path, ["customer_id", *DESCRIPTIVE, "cooperation_start", "registered_on"]) if path.exists() else None


def counted_orders(orders: pd.DataFrame) -> pd.DataFrame:
    """Return purchases with a positive amount that were not refunded in full."""
    back = orders[orders["is_refund"] & orders["refund_of"].notna()]
    back_amount = back.groupby("refund_of")["refund_amount"].sum()
    purchases = orders[~orders["is_refund"] & (orders["amount"] > 0)]
    touched = purchases[purchases["order_id"].isin(back_amount.index)]
    left = touched["amount"] - touched["order_id"].map(back_amount)
    return purchases.drop(left.index[left.round(DIGITS) <= 0])


def _read(path: Path, names: list[str], *, categories: list[str] | None = None, before: date | None = None
          ) -> pd.DataFrame:  # fmt: skip
    """Return columns of a Parquet file: decimals as floats, days as ``datetime64``, categories in order."""
    filters = None if before is None else [("ordered_on", "<", before)]
    table = pq.read_table(path, columns=names, read_dictionary=categories, filters=filters)
    for place, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(pa.float64()))
    frame = table.to_pandas(date_as_object=False, self_destruct=True, split_blocks=True)
    for name in categories or ():
        frame[name] = frame[name].cat.reorder_categories(frame[name].cat.categories.sort_values())
    return frame


# -- features ----------------------------------------------------------------------------------------------------------


def features_table(
    orders: pd.DataFrame, customers: pd.DataFrame | None, *, as_of: pd.Timestamp, purchases: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return one row per customer that was registered or bought before ``as_of``, by id."""
    if purchases is None:
        purchases = counted_orders(orders)
    parts = [
        spending(orders, as_of=as_of),
        purchasing(purchases, as_of=as_of),
        rhythm(purchases),
        favourite_channel(purchases),
    ]
    made = pd.concat(parts, axis=1)
    made.index = made.index.astype("str")
    made = known_customers(made, customers, as_of=as_of)

    counts = [name for name in made.columns if "_count" in name]
    amounts = [name for name in made.columns if "_amount" in name]
    made[counts] = made[counts].fillna(0).astype("int64")
    made[amounts] = made[amounts].fillna(0.0).round(DIGITS)
    made = derived(made, last_day=as_of - pd.Timedelta(days=1))
    made = made.assign(**dict.fromkeys(ABSENT_COUNTS, 0), **dict.fromkeys(ABSENT_VALUES))
    return made.sort_index().rename_axis("customer_id").reset_index()


def derived(made: pd.DataFrame, *, last_day: pd.Timestamp) -> pd.DataFrame:
    """Add days, means, shares and trends that follow from other columns of the row."""
    since = made[["registered_on", "first_any_date"]].min(axis=1)
    recency = (last_day - made["last_order_date"]).dt.days.astype("float64")
    trends = {
        f"{what}_trend_{days}d": trend(made[f"{column}_{days}d"], made[f"{column}_{days}d_before"])
        for days in BEFORE
        for what, column in (("order", "order_count"), ("spend", "spend_amount"))
    }
    means = {
        f"basket_mean_amount{window}": made[f"counted_amount{window}"] / made[f"order_count{window}"]
        for window in ("", "_365d", "_365d_before")
    }
    return made.assign(
        exists_since_date=since,
        tenure_days=(last_day - since).dt.days.astype("float64"),
        cooperation_days=(last_day - made["cooperation_start"].fillna(since).clip(upper=since)).dt.days.astype(
            "float64"
        ),
        recency_days=recency,
        silence_ratio=recency / made["gap_mean_days"],
        refund_share=share(made["refund_amount"], made["gross_amount"]),
        discount_share=share(made["discount_amount"], made["discount_amount"] + made["gross_amount"]),
        **means,
        **trends,
    ).drop(
        columns=[
            "registered_on",
            "first_any_date",
            "cooperation_start",
            *(f"counted_amount{w}" for w in ("", "_365d", "_365d_before")),
        ]
    )


def share(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Return a share; none of nothing."""
    return part / whole.where(whole != 0)


def trend(now: pd.Series, before: pd.Series) -> pd.Series:
    """Return the relative change against both together; none when both are nothing."""
    return share(now - before, now.abs() + before.abs())


def known_customers(made: pd.DataFrame, customers: pd.DataFrame | None, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Add the columns of customers, and those who never bought; a registration past ``as_of`` is not known."""
    if customers is None:
        return made.assign(registered_on=pd.NaT, cooperation_start=pd.NaT, **dict.fromkeys(DESCRIPTIVE))
    own = customers.set_index("customer_id")
    for name in ("registered_on", "cooperation_start"):
        own[name] = own[name].where(own[name] < as_of)
    own = own[own["registered_on"].notna() | own.index.isin(made.index)]
    return made.join(own, how="outer")


def spending(orders: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return money, net of refunds: over all history and by window."""
    every = orders.groupby("customer_id", observed=True)
    purchases = orders[~orders["is_refund"]]
    made = every[["spend_amount", "gross_amount", "refund_amount"]].sum()
    made["first_any_date"] = every["ordered_on"].min()
    made["refund_count"] = every["is_refund"].sum()
    made["discount_amount"] = purchases.groupby("customer_id", observed=True)["discount"].sum()
    for name, inside in windows(orders["ordered_on"], as_of=as_of):
        made[f"spend_amount_{name}"] = orders[inside].groupby("customer_id", observed=True)["spend_amount"].sum()
    return made


def purchasing(purchases: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return how many orders, and when."""
    grouped = purchases.groupby("customer_id", observed=True)
    made = grouped.agg(
        first_order_date=("ordered_on", "min"),
        last_order_date=("ordered_on", "max"),
        order_count=("ordered_on", "size"),
        counted_amount=("amount", "sum"),
    )
    for name, inside in windows(purchases["ordered_on"], as_of=as_of):
        part = purchases[inside].groupby("customer_id", observed=True)["amount"]
        made[f"order_count_{name}"] = part.size()
        if name.startswith("365d"):
            made[f"counted_amount_{name}"] = part.sum()
    return made


def windows(day: pd.Series, *, as_of: pd.Timestamp) -> list[tuple[str, pd.Series]]:
    """Return the windows that end at ``as_of``, and those just before, as masks."""

    def between(start: int, end: int) -> pd.Series:
        return (day >= as_of - pd.Timedelta(days=start)) & (day < as_of - pd.Timedelta(days=end))

    ending = [(f"{days}d", between(days, 0)) for days in WINDOWS]
    return ending + [(f"{days}d_before", between(2 * days, days)) for days in BEFORE]


def rhythm(purchases: pd.DataFrame) -> pd.DataFrame:
    """Return the gaps between days with a purchase: mean and population standard deviation."""
    days = purchases[["customer_id", "ordered_on"]].drop_duplicates().sort_values(["customer_id", "ordered_on"])
    days["gap"] = days.groupby("customer_id", observed=True)["ordered_on"].diff().dt.days
    grouped = days.groupby("customer_id", observed=True)
    made = grouped.agg(
        order_day_count=("ordered_on", "size"), gap_count=("gap", "count"), gap_mean_days=("gap", "mean")
    )
    made["gap_spread_days"] = grouped["gap"].std(ddof=0).where(made["gap_count"] >= 2)
    return made


def favourite_channel(purchases: pd.DataFrame) -> pd.DataFrame:
    """Return the channel most often bought through, ties to the first by name, and its share."""
    counts = purchases.groupby(["customer_id", "channel"], observed=True).size().rename("orders").reset_index()
    grouped = counts.groupby("customer_id", observed=True)["orders"]
    made = pd.DataFrame({"channel_count": grouped.size(), "total": grouped.sum()})
    counts = counts.sort_values(["customer_id", "orders", "channel"], ascending=[True, False, True])
    first = counts.drop_duplicates("customer_id").set_index("customer_id")
    made["channel_top"] = first["channel"].astype("str")
    made["channel_top_share"] = first["orders"] / made["total"]
    return made.drop(columns="total")


# -- quarters ----------------------------------------------------------------------------------------------------------


def periods_table(orders: pd.DataFrame, purchases: pd.DataFrame) -> pd.DataFrame:
    """Return sums per customer and calendar quarter, by customer and quarter."""
    keys = ["customer_id", "quarter"]
    money = orders.assign(
        quarter=orders["ordered_on"].dt.to_period("Q"), discount_amount=orders["discount"].where(~orders["is_refund"])
    ).groupby(keys, observed=True)
    made = money[["gross_amount", "refund_amount", "spend_amount", "discount_amount"]].sum()
    made["refund_count"] = money["is_refund"].sum()
    counted_in = purchases.assign(quarter=purchases["ordered_on"].dt.to_period("Q")).groupby(keys, observed=True)
    made["order_count"] = counted_in.size()
    made["counted_amount"] = counted_in["amount"].sum()
    made = made.fillna({"order_count": 0, "counted_amount": 0.0}).astype({"order_count": "int64"}).reset_index()
    return made.assign(
        quarter=made["quarter"].astype("category").cat.rename_categories(str),
        quarter_start=made["quarter"].dt.start_time,
        interaction_in_count=0,
        interaction_out_count=0,
        complaint_count=0,
    )


if __name__ == "__main__":
    measure.run({"features": features, "periods": periods, "both": both, "counted": counted})
