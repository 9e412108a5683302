"""A demo of as many orders for each customer as asked."""

from datetime import date

import pandas as pd
import pytest

from crm_analysis.sources.demo import make_demo

UNTIL = date(2025, 9, 30)
SMALL = 300


@pytest.mark.parametrize(("customers", "wanted"), [(SMALL, 20.0), (SMALL, 1.5), (1000, 40.0)])
def test_orders_per_customer_are_met(tmp_path, customers, wanted):
    truth = make_demo(tmp_path, customers=customers, seed=7, until=UNTIL, tables=["orders"], orders_per_customer=wanted)
    assert truth["rows"]["orders"] == len(pd.read_csv(tmp_path / "orders.csv", dtype=str))
    rows = truth["rows"]["orders"] - truth["faults"]["duplicate_orders"]
    assert rows / customers == pytest.approx(wanted, rel=0.02)


def test_orders_per_customer_scale_both_rates_and_nothing_else(tmp_path):
    usual = make_demo(tmp_path / "usual", customers=SMALL, seed=7, until=UNTIL, tables=["orders"])
    truth = make_demo(
        tmp_path / "more", customers=SMALL, seed=7, until=UNTIL, tables=["orders"], orders_per_customer=25
    )
    again = make_demo(
        tmp_path / "more", customers=SMALL, seed=7, until=UNTIL, tables=["orders"], orders_per_customer=25
    )
    assert truth == again
    here, plain = truth["parameters"], usual["parameters"]
    changed = {name for name in plain if here[name] != plain[name]}
    assert changed == {"person_rate", "organisation_rate"}
    factors = {here[name] / plain[name] for name in changed}
    assert max(factors) == pytest.approx(min(factors), rel=1e-5)
    assert min(factors) > 1.5  # 12 orders a customer without it


def test_orders_per_customer_are_met_over_many_blocks(monkeypatch, tmp_path):
    for module in ("block", "company", "rates"):
        monkeypatch.setattr(f"crm_analysis.sources.demo.{module}.BLOCK_SIZE", 2000)
    truth = make_demo(tmp_path, customers=6000, seed=7, until=UNTIL, tables=["orders"], orders_per_customer=20)
    rows = truth["rows"]["orders"] - truth["faults"]["duplicate_orders"]
    assert rows / 6000 == pytest.approx(20, rel=0.06)  # a first block of 2,000 has a standard error of 3 %


# --- other days, wrong arguments
