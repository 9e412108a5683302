"""Purchase rates that give a wanted number of orders per customer, found by drawing the first block again."""

from dataclasses import replace
from datetime import date

from crm_analysis.sources.demo.block import BLOCK_SIZE, make_block, make_world
from crm_analysis.sources.demo.model import Parameters

LEAST_ORDERS, MOST_ORDERS = 1.0, 100.0
TOLERANCE = 0.002
MAXIMUM_DRAWS = 20


def parameters_for(
    parameters: Parameters, *, orders_per_customer: float, customers: int, seed: int, until: date
) -> Parameters:
    """Return parameters whose purchase rates give about ``orders_per_customer`` orders for each customer.

    Rows of ``orders`` are counted, refunds and void ones among them, over all customers, prospects included; planted
    duplicates come on top. Both rates are scaled by one factor, so persons and organisations keep their proportion.

    Notes
    -----
    The first purchase of a new customer happens whatever the rate, and who is treated depends on what was bought
    before, so the number of orders is not proportional to the rate. The first block of the same company is drawn with
    the same seed, the rates are scaled by what is missing apart from first purchases, and so on until the number is
    met within ``TOLERANCE``; of a small company, whose draws scatter more than that, the nearest of
    ``MAXIMUM_DRAWS`` is taken. The first block stands for all: with 50,000 customers its number of orders lies within
    0.6 % (one standard error) of the company's.
    """
    size = min(customers, BLOCK_SIZE)
    nearest, smallest, factor = parameters, float("inf"), 1.0
    for _ in range(MAXIMUM_DRAWS):
        tried = _scaled(parameters, factor)
        world = make_world(customers=customers, seed=seed, until=until, parameters=tried)
        orders = make_block(world, index=0, customers=customers, first_order=1).orders
        missed = len(orders) / size / orders_per_customer - 1
        if abs(missed) < smallest:
            nearest, smallest = tried, abs(missed)
        if smallest <= TOLERANCE:
            break
        first = int(orders.is_first.sum())
        wanted = max(orders_per_customer * size - first, 1.0)
        factor *= wanted / max(len(orders) - first, 1)
    return nearest


def _scaled(parameters: Parameters, factor: float) -> Parameters:
    """Return parameters with both purchase rates multiplied, to six digits, as they are recorded."""
    rates = {name: round(getattr(parameters, name) * factor, 6) for name in ("person_rate", "organisation_rate")}
    return replace(parameters, **rates)
