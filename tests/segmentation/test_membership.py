"""Membership levels with points and activity (REQUIREMENTS S9), by hand."""

import ibis
import pandas as pd
import pytest

from crm_analysis.base.settings import SegmentationSettings, load_preset
from crm_analysis.segmentation.membership import finding_membership, membership_table

SCHEME = SegmentationSettings.model_validate({"schemes": load_preset("retail")["segmentation"]["schemes"]}).schemes[
    "membership"
]

CUSTOMERS = pd.DataFrame(
    [
        # id, points, level, orders in 90 days, spend of a year
        ("a", 12_000.0, None, 1, 600.0),
        ("b", 3_000.0, "basic", 0, 100.0),  # points win over the registered level
        ("c", 2_999.0, None, 2, 200.0),
        ("d", None, "silver", 0, 0.0),  # a silver member without a record of points
        ("e", None, "silver", 1, 100.0),
        ("f", None, None, 5, 900.0),  # no member
    ],
    columns=["customer_id", "points", "member_level", "order_count_90d", "spend_amount_365d"],
)


def table(customers: pd.DataFrame) -> pd.DataFrame:
    return membership_table(ibis.duckdb.connect().create_table("features", customers), scheme=SCHEME)


def test_levels_by_hand() -> None:
    found = table(CUSTOMERS).set_index("tier")
    assert found.index.tolist() == ["member_diamond", "member_gold", "member_silver"]
    assert found["customer_count"].tolist() == [1, 1, 3]
    assert found["active_count"].tolist() == [1, 0, 2]
    assert found["active_rate"].tolist() == [1.0, 0.0, pytest.approx(2 / 3, abs=1e-6)]
    assert found["member_spend_share"].tolist() == [0.6, 0.1, 0.3]
    assert found["points_known_count"].tolist() == [1, 1, 1]
    assert found["points_outstanding"].tolist() == [12_000, 3_000, 2_999]
    said = finding_membership(found.reset_index())
    assert said.args == {"n": 5, "active": 3, "share": 0.6, "known": 3, "points": 17_999.0}


def test_without_points_the_registered_level_decides() -> None:
    found = table(CUSTOMERS.assign(points=pd.Series([None] * 6, dtype="float64")))
    assert dict(zip(found["tier"], found["customer_count"], strict=True)) == {"member_silver": 2, "member_basic": 1}
    assert found["points_outstanding"].isna().all()
    assert finding_membership(found).id == "membership.no_points"


def test_nobody_is_a_member() -> None:
    assert table(CUSTOMERS.tail(1)).empty
    assert finding_membership(membership_table(ibis.memtable(CUSTOMERS), scheme=None)).id == "membership.none"
