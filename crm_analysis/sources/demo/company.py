"""The demo company as a whole: block after block, table after table, then settings and truth."""

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_analysis.base.errors import Problem, SettingsError
from crm_analysis.sources.demo import columns as col
from crm_analysis.sources.demo import vocabulary as words
from crm_analysis.sources.demo.block import BLOCK_SIZE, Block, World, make_block, make_world
from crm_analysis.sources.demo.business import (
    budgets_table,
    contracts_table,
    interviews_table,
    opportunities_table,
    overrides_table,
    receivables_table,
)
from crm_analysis.sources.demo.events import events_table
from crm_analysis.sources.demo.faults import Planted, spoil_customers, spoil_orders
from crm_analysis.sources.demo.model import Parameters
from crm_analysis.sources.demo.orders import CANCELLED, order_items_table, orders_table
from crm_analysis.sources.demo.people import customers_history_table, customers_table, registered_seconds
from crm_analysis.sources.demo.programme import actions_table
from crm_analysis.sources.demo.purchases import TARGETS
from crm_analysis.sources.demo.rates import LEAST_ORDERS, MOST_ORDERS, parameters_for
from crm_analysis.sources.demo.service import interactions_table
from crm_analysis.sources.demo.surveys import surveys_table
from crm_analysis.sources.demo.write import DemoFolder, Format
from crm_analysis.sources.schema import TABLES

MINIMUM_CUSTOMERS = 100
MAXIMUM_CUSTOMERS = 9_999_999

_BUILDERS: dict[str, Callable[[Block], pa.Table]] = {
    "order_items": lambda block: order_items_table(block.orders, latents=block.latents, rng=block.rng("order_items")),
    "interactions": interactions_table,
    "surveys": surveys_table,
    "contracts": contracts_table,
    "actions": actions_table,
    "opportunities": opportunities_table,
    "events": events_table,
    "overrides": overrides_table,
    "receivables": receivables_table,
}


def make_demo(
    folder: Path,
    *,
    customers: int = 5000,
    seed: int = 20250930,
    until: date = date(2025, 9, 30),
    tables: Sequence[str] | None = None,
    format: Format | None = None,  # noqa: A002
    parameters: Parameters | None = None,
    orders_per_customer: float | None = None,
) -> dict[str, Any]:
    """Write a synthetic company of three years into ``folder`` and return its truth.

    Parameters
    ----------
    folder
        New or empty, or with an earlier demo, which is replaced.
    customers
        Number of rows of ``customers``; duplicates of the same person included.
    until
        Last day of the history, inclusive.
    tables
        Names of the canonical tables to write; all by default. A table has the same bytes whatever else is written.
    format
        CSV up to 50,000 customers, Parquet above, unless given.
    parameters
        Parameters of the generative model; see `model`.
    orders_per_customer
        Rows of ``orders`` for each row of ``customers``, refunds included, met within 2 %: the purchase rates are
        scaled (`rates`), and ``truth.json`` names the rates that were found. As the parameters have it, about 12.4,
        unless given.

    Returns
    -------
    dict
        The content of ``truth.json``: parameters, campaigns, counts of planted faults, rows per table. Hidden traits
        per customer are in ``truth.parquet``, ids of the faulty rows in ``faults.parquet``.

    Raises
    ------
    SettingsError
        Unknown tables, an impossible number of customers or orders, or a folder with other files.
    """
    wanted = _check(customers=customers, tables=tables, format_=format, orders_per_customer=orders_per_customer)
    model = parameters or Parameters()
    blocks = math.ceil(customers / BLOCK_SIZE)
    chosen: Format = format or ("csv" if blocks == 1 else "parquet")
    if orders_per_customer is not None:
        model = parameters_for(
            model, orders_per_customer=orders_per_customer, customers=customers, seed=seed, until=until
        )
    world = make_world(customers=customers, seed=seed, until=until, parameters=model)
    demo = DemoFolder(Path(folder), format_=chosen, blocks=blocks)
    faults: dict[str, int] = {}
    members = np.zeros((len(world.campaigns), 2), dtype=np.int64)
    next_order, void_orders = 1, 0
    try:
        for index in range(blocks):
            block = make_block(world, index=index, customers=customers, first_order=next_order)
            planted = _write_block(demo, block, wanted=wanted, as_text=chosen == "csv")
            for fault, ids in planted.items():
                faults[fault] = faults.get(fault, 0) + len(ids)
            np.add.at(members, (block.assigned.campaign, block.assigned.is_control.astype(np.int64)), 1)
            void_orders += int((block.orders.status == CANCELLED).sum())
            next_order += len(block.orders)
        if "interviews" in wanted:
            demo.write("interviews", interviews_table(world))
        if "budgets" in wanted:
            demo.write("budgets", budgets_table(world, customers=customers))
        demo.rows = {name: demo.rows[name] for name in TABLES if name in demo.rows}
        truth = _truth(world, customers=customers, format_=chosen, faults=faults, members=members, rows=demo.rows)
        truth["void_orders"] = void_orders
        demo.finish(truth=truth, until=until)
    finally:
        demo.close()
    return truth


def _check(
    *, customers: int, tables: Sequence[str] | None, format_: str | None, orders_per_customer: float | None
) -> set[str]:
    problems = []
    wanted = list(TABLES) if tables is None else list(tables)
    unknown = sorted(set(wanted) - set(TABLES))
    if unknown or not wanted:
        what = f"unknown tables: {', '.join(unknown)}" if unknown else "no table is named"
        problems.append(Problem(what, "tables", f"choose from {', '.join(TABLES)}"))
    if not MINIMUM_CUSTOMERS <= customers <= MAXIMUM_CUSTOMERS:
        fix = f"give {MINIMUM_CUSTOMERS} to {MAXIMUM_CUSTOMERS}"
        problems.append(Problem(f"{customers} customers cannot be made", "customers", fix))
    if format_ not in (None, "csv", "parquet"):
        problems.append(Problem(f"{format_!r} is no format", "format", "give csv or parquet"))
    if orders_per_customer is not None and not LEAST_ORDERS <= orders_per_customer <= MOST_ORDERS:
        what = f"{orders_per_customer:g} orders per customer cannot be made"
        problems.append(Problem(what, "orders_per_customer", f"give {LEAST_ORDERS:g} to {MOST_ORDERS:g}"))
    if problems:
        raise SettingsError(problems)
    return set(wanted)


def _write_block(demo: DemoFolder, block: Block, *, wanted: set[str], as_text: bool) -> dict[str, list[str]]:
    """Write all wanted tables of a block; return the ids of the planted faults."""
    registered = registered_seconds(block)
    planted: dict[str, Planted] = {}
    register: Planted | None = None
    if wanted & {"customers", "customers_history"}:
        register = spoil_customers(customers_table(block, registered=registered), block=block)
    if register is not None and "customers" in wanted:
        planted["customers"] = register
    if "orders" in wanted:
        campaign_ids = [campaign.campaign_id for campaign in block.world.campaigns]
        orders = orders_table(block.orders, latents=block.latents, campaign_ids=campaign_ids)
        planted["orders"] = spoil_orders(orders, block=block, as_text=as_text)
    for name, plant in planted.items():
        demo.write(name, plant.table, block=block.index)
    for name, build in _BUILDERS.items():
        if name in wanted:
            demo.write(name, build(block), block=block.index)
    if register is not None and "customers_history" in wanted:
        history = customers_history_table(block, registered=registered, register=register.table)
        demo.write("customers_history", history, block=block.index)

    duplicates = planted["customers"].found["duplicate_people"] if "customers" in planted else []
    demo.append("truth.parquet", _hidden_table(block, duplicates=duplicates))
    found = [(fault, name, id_) for name, plant in planted.items() for fault, ids in plant.found.items() for id_ in ids]
    columns = zip(*found, strict=True) if found else ([], [], [])
    rows = {key: pa.array(values, pa.string()) for key, values in zip(("fault", "table", "id"), columns, strict=True)}
    demo.append("faults.parquet", pa.table(rows))
    return {fault: ids for plant in planted.values() for fault, ids in plant.found.items()}


def _hidden_table(block: Block, *, duplicates: list[str]) -> pa.Table:
    """Return the hidden traits of the customers of a block."""
    latents, world, assigned = block.latents, block.world, block.assigned
    count = len(latents)
    treated = np.bincount(assigned.who[~assigned.is_control], minlength=count)
    held_out = np.bincount(assigned.who[assigned.is_control], minlength=count)
    gone = latents.dropout_day < world.seasons.days
    number = col.ids("C", latents.number)
    return pa.table({
        "customer_id": number,
        "is_prospect": col.flags(latents.is_prospect),
        "acquired_date": col.dates(world.seasons.origin + latents.acquired_day),
        "purchase_rate_per_year": pa.array(np.round(latents.rate * 365.25, 6)),
        "mean_log_amount": pa.array(np.round(latents.level, 6)),
        "price_sensitivity": pa.array(np.round(latents.sensitivity, 6)),
        "service_quality": pa.array(np.round(latents.quality, 6)),
        "dropout_date": col.dates(world.seasons.origin + np.where(gone, latents.dropout_day, 0), valid=gone),
        "churn_cause": col.pick(words.CAUSES, np.where(gone, latents.cause, -1)),
        "treated_count": col.integers(treated),
        "control_count": col.integers(held_out),
        "is_treated": col.flags(treated > 0),
        "is_duplicate": pc.is_in(number, value_set=pa.array(duplicates, pa.string())),
    })  # fmt: skip


def _truth(
    world: World, *, customers: int, format_: str, faults: dict[str, int], members: np.ndarray, rows: dict[str, int]
) -> dict[str, Any]:
    p, start = world.parameters, world.seasons.start
    return {
        "note": "synthetic data; no person or organisation is real",
        "seed": world.seed,
        "customers": customers,
        "start": start.isoformat(),
        "until": world.until.isoformat(),
        "format": format_,
        "parameters": p.as_dict(),
        "regions": {
            name: {"share": p.region_weights[k], "quality": p.region_quality[k]} for k, name in enumerate(words.REGIONS)
        },
        "hazards_per_year": dict(zip(words.CAUSES, p.hazards, strict=True)),
        "owners": {
            name: {"region": words.REGIONS[int(world.staff.region[k])], "quality": float(world.staff.quality[k])}
            for k, name in enumerate(world.staff.names)
        },
        "campaigns": [
            {
                "campaign_id": campaign.campaign_id,
                "target": TARGETS[campaign.target],
                "launch_date": (start + timedelta(days=campaign.launch_day)).isoformat(),
                "treatment_days": p.treatment_days,
                "treatment_uplift": p.treatment_uplift,
                "treated_count": int(members[k, 0]),
                "control_count": int(members[k, 1]),
            }
            for k, campaign in enumerate(world.campaigns)
        ],
        "faults": faults,
        "rows": rows,
    }
