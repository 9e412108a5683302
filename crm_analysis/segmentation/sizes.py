"""Small tables over the customer frame: sizes of segments, the RFM grid, stage by type."""

import pandas as pd

from crm_analysis.base.privacy import OPEN, ResultSchema
from crm_analysis.segmentation.lifecycle import STAGES
from crm_analysis.segmentation.rules import EIGHT_TYPES, NON_BUYER, UNSCORED

SIZES_SCHEMA: ResultSchema = dict.fromkeys(
    ["segment", "customer_count", "customer_share", "order_count", "spend_amount", "spend_share",
     "recency_median_days"],
    OPEN,
)  # fmt: skip
RFM_GRID_SCHEMA: ResultSchema = dict.fromkeys(
    ["kind", "r_score", "f_score", "customer_count", "spend_mean_amount"], OPEN
)
STAGE_BY_TYPE_SCHEMA: ResultSchema = dict.fromkeys(["segment", "stage", "customer_count", "customer_share"], OPEN)

_LAST = (UNSCORED, NON_BUYER, "prospect")


def segment_sizes_table(segments: pd.DataFrame, *, by: str) -> pd.DataFrame:
    """Return how many customers every segment holds and what they are worth.

    ``segments`` -> ``segment, customer_count, customer_share, order_count, spend_amount, spend_share,
    recency_median_days``, most spend first, customers who are not scored or never bought last

    Parameters
    ----------
    segments
        Customer frame, see :func:`crm_analysis.segmentation.segments.segments_frame`.
    by
        ``ten_segment``, ``eight_type``, ``stage`` or ``tier``.

    Notes
    -----
    Shares (0-1) are of all customers and of all net spend in the frame; spend shares are empty when the total is not
    positive. Orders and spend are of all history. REQUIREMENTS S1, S2.
    """
    table = (
        segments.groupby(by, observed=True)
        .agg(
            customer_count=("customer_id", "size"),
            order_count=("order_count", "sum"),
            spend_amount=("spend_amount", "sum"),
            recency_median_days=("recency_days", "median"),
        )
        .rename_axis("segment")
        .reset_index()
    )
    total = float(table["spend_amount"].sum())
    table["customer_share"] = (table["customer_count"] / max(len(segments), 1)).round(6)
    shares = table["spend_amount"] / total if total > 0 else table["spend_amount"] * float("nan")
    table["spend_share"] = shares.astype(float).round(6)
    table["spend_amount"] = table["spend_amount"].astype(float).round(2)
    table["recency_median_days"] = table["recency_median_days"].astype(float).round(1)
    table["order_count"] = table["order_count"].astype("int64")
    table["last"] = table["segment"].isin(_LAST)
    ordered = table.sort_values(["last", "spend_amount", "segment"], ascending=[True, False, True])
    return ordered[list(SIZES_SCHEMA)].reset_index(drop=True)


def rfm_grid_table(segments: pd.DataFrame, *, kind: str | None = None) -> pd.DataFrame:
    """Return the mean spend per customer in the 25 cells of recency and frequency score.

    ``segments`` -> ``kind, r_score, f_score, customer_count, spend_mean_amount``, 25 rows (0 rows when nobody is
    scored); the mean is empty in empty cells

    Parameters
    ----------
    segments
        Customer frame, see :func:`crm_analysis.segmentation.segments.segments_frame`.
    kind
        Population; by default the one with most scored customers.
    """
    scored = segments.loc[segments["r_score"].notna()]
    if kind is None and not scored.empty:
        counts = scored["kind"].value_counts().sort_index()
        kind = str(counts.idxmax())
    members = scored.loc[scored["kind"] == kind]
    if members.empty:
        return pd.DataFrame(columns=list(RFM_GRID_SCHEMA))
    cells = pd.MultiIndex.from_product([range(5, 0, -1), range(1, 6)], names=["r_score", "f_score"])
    grid = (
        members.astype({"r_score": "int64", "f_score": "int64"})
        .groupby(["r_score", "f_score"])["spend_amount"]
        .agg(customer_count="size", spend_mean_amount="mean")
        .reindex(cells)
        .reset_index()
    )
    grid["customer_count"] = grid["customer_count"].fillna(0).astype("int64")
    grid["spend_mean_amount"] = grid["spend_mean_amount"].astype(float).round(2)
    return grid.assign(kind=kind)[list(RFM_GRID_SCHEMA)]


def stage_by_type_table(segments: pd.DataFrame) -> pd.DataFrame:
    """Return lifecycle stage crossed with the eight types.

    ``segments`` -> ``segment, stage, customer_count, customer_share``; the share (0-1) is of the segment's customers;
    every type that occurs with every stage, customers who never bought left out
    """
    buyers = segments.loc[segments["eight_type"] != NON_BUYER]
    stages = [stage for stage in STAGES if stage != "prospect"]
    counts = pd.crosstab(buyers["eight_type"], buyers["stage"])
    types = [name for name in (*EIGHT_TYPES.values(), UNSCORED) if name in counts.index]
    counts = counts.reindex(index=types, columns=stages, fill_value=0)
    table = counts.rename_axis("segment").reset_index().melt("segment", var_name="stage", value_name="customer_count")
    places = {name: place for place, name in enumerate((*types, *stages))}
    table = table.sort_values(["segment", "stage"], key=lambda names: names.map(places), ignore_index=True)
    sizes = table.groupby("segment")["customer_count"].transform("sum")
    table["customer_count"] = table["customer_count"].astype("int64")
    table["customer_share"] = (table["customer_count"] / sizes).astype(float).round(6)
    return table[list(STAGE_BY_TYPE_SCHEMA)]
