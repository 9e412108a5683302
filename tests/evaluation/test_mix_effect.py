"""A change taken apart into movement between tiers and change within them."""

import itertools
from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.evaluation.mix_cells import CELLS_SCHEMA, KPIS, empty_cells, tier_cells_table
from crm_analysis.evaluation.mix_effect import (
    MIX_SCHEMA,
    PARTS_SCHEMA,
    TIERS_COLUMNS,
    mix_effect_table,
    mix_parts_table,
    mix_tiers_table,
)
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.periods import customer_periods_table

QUARTER = Quarter(2025, 3)
RATE = "customer_retention_rate"


def cells(kpi: str, *rows: tuple[str | None, str | None, int, float, float]) -> pd.DataFrame:
    """Return cells from ``tier before, tier now, customers, total before, total now``."""
    return pd.DataFrame([(kpi, *row) for row in rows], columns=list(CELLS_SCHEMA))


def parts(table: pd.DataFrame, *, minimum_cell: int = 1) -> dict[str, float]:
    told = mix_parts_table(mix_effect_table(table), minimum_cell=minimum_cell)
    return told.set_index("change_part")["contribution"].to_dict()


def test_revenue_by_hand() -> None:
    # tier a: 10 customers of 100 each, then 5 of 120; tier b: 10 of 20, then 15 of 20 (5 moved from a to b)
    table = cells(
        "revenue",
        ("a", "a", 5, 500, 600), ("a", "b", 5, 500, 100), ("b", "b", 10, 200, 200),
        (None, "b", 3, 0, 90), ("a", None, 1, 70, 0), ("", "a", 2, 40, 30), (None, "", 4, 0, 88),
    )  # fmt: skip
    # mean of both means: a 110, b 20; of all customers (1200 + 900) / 40 = 52.5
    mix = (5 - 10) * (110 - 52.5) + (15 - 10) * (20 - 52.5)
    within = 7.5 * 20 + 12.5 * 0
    assert mix + within == 900 - 1200
    assert parts(table) == {
        "before": 1310, "mix": mix, "within": within, "joined": 90 + 30, "left": -70, "newcomers": 88 - 40, "now": 1108,
    }  # fmt: skip


def test_a_rate_by_hand() -> None:
    # before: a 10 of whom 8 kept, b 10 of whom 4; now: a 6 of whom 5, b 9 of whom 3, and b has 5 joiners of whom 1
    table = cells(
        RATE, ("a", "a", 6, 5, 5), ("a", "b", 2, 2, 1), ("b", "b", 7, 3, 2), ("a", None, 2, 1, 0), ("b", None, 3, 1, 0),
        (None, "b", 5, 0, 1),
    )  # fmt: skip
    before, now = 12 / 20, 9 / 20
    rate = {"a": (8 / 10, 5 / 6), "b": (4 / 10, 4 / 14)}
    height = {tier: sum(pair) / 2 - (before + now) / 2 for tier, pair in rate.items()}
    expected = {
        "before": before,
        "mix": (6 / 20 - 8 / 20) * height["a"] + (9 / 20 - 7 / 20) * height["b"],
        "within": (6 / 20 + 10 / 20) / 2 * (5 / 6 - 0.8) + (14 / 20 + 10 / 20) / 2 * (4 / 14 - 0.4),
        "joined": 5 / 20 * height["b"],
        "left": -2 / 20 * height["a"] - 3 / 20 * height["b"],
        "now": now,
    }
    assert parts(table) == pytest.approx(expected)


def test_tiers_carry_their_customers_and_means() -> None:
    table = cells("revenue", ("a", "a", 20, 500, 600), ("a", "b", 15, 500, 100), ("b", "b", 30, 200, 200))
    mix = mix_effect_table(table, order=("b", "a"))
    check_columns(mix.columns, MIX_SCHEMA, result="mix_effect")
    tiers = mix_tiers_table(mix, kpi="revenue", minimum_cell=10)
    assert list(tiers.columns) == list(TIERS_COLUMNS)
    assert tiers["tier"].tolist() == ["b", "a"]
    assert tiers["n_before"].tolist() == [30, 35]
    assert tiers["n_now"].tolist() == [45, 20]
    assert tiers["mean_before"].tolist() == pytest.approx([200 / 30, 1000 / 35])
    assert tiers["mean_now"].tolist() == pytest.approx([300 / 45, 30])
    assert tiers[["mix", "within"]].sum().sum() == pytest.approx(900 - 1200)
    small = mix_tiers_table(mix, kpi="revenue", minimum_cell=25)  # a is hidden now, and b with it
    assert small["n_now"].tolist() == [45, 20]
    assert small[["mean_before", "mean_now", "mix", "within"]].isna().all(axis=None)


def test_a_tier_that_is_empty_at_one_end_is_all_mix() -> None:
    table = cells("revenue", ("a", "b", 10, 1000, 400))
    found = parts(table)
    assert (found["mix"], found["within"]) == (-600, 0)


def test_few_customers_are_told_together() -> None:
    table = cells("revenue", ("a", "a", 50, 500, 600), (None, "a", 3, 0, 90), ("a", None, 30, 70, 0))
    found = parts(table, minimum_cell=5)
    assert found == {"before": 570, "mix": 0, "within": 100, "other": 90 - 70, "now": 690}
    assert parts(table)["joined"] == 90
    shares = mix_parts_table(mix_effect_table(table), minimum_cell=5).set_index("change_part")["part_share"]
    assert shares.loc[["mix", "within", "other"]].tolist() == pytest.approx([0, 100 / 120, 20 / 120], abs=1e-6)
    assert shares.loc[["before", "now"]].isna().all()


def test_a_change_of_nearly_nothing_is_not_shared_out() -> None:
    told = mix_parts_table(mix_effect_table(cells("revenue", ("a", "a", 50, 1000, 1009))), minimum_cell=1)
    assert told["part_share"].isna().all()
    told = mix_parts_table(mix_effect_table(cells("revenue", ("a", "a", 50, 1000, 1010))), minimum_cell=1)
    assert told["part_share"].dropna().tolist() == [0, 1]


def test_nothing_to_compare() -> None:
    nothing = mix_effect_table(empty_cells())
    check_columns(nothing.columns, MIX_SCHEMA, result="mix_effect")
    assert nothing.empty
    assert mix_effect_table(cells(RATE, (None, "a", 5, 0, 3)), kpis=[RATE]).empty  # nobody in the rate a year ago
    table = mix_parts_table(mix_effect_table(empty_cells(), kpis=()), minimum_cell=1)
    check_columns(table.columns, PARTS_SCHEMA, result="mix_parts")
    assert table.empty
    only = mix_effect_table(pd.concat([cells(kpi, ("a", "a", 5, 2, 3)) for kpi in KPIS]), kpis=[RATE])
    assert set(only["kpi"]) == {RATE}


amounts = st.floats(-1e6, 1e6).map(lambda value: round(value, 2))


@st.composite
def many_cells(draw, kpi: str) -> pd.DataFrame:
    allowed = ["", "a", "b", "c", None] if kpi == "revenue" else ["a", "b", "c", None]
    pairs = [pair for pair in itertools.product(allowed, repeat=2) if pair != (None, None)]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=8, unique=True))
    rows = []
    for before, now in chosen:
        n = draw(st.integers(1, 500))
        values = amounts if kpi == "revenue" else st.integers(0, n).map(float)
        rows.append((before, now, n, draw(values) if before is not None else 0.0,
                     draw(values) if now is not None else 0.0))  # fmt: skip
    return cells(kpi, *rows)


@settings(max_examples=20)
@given(data=st.data(), kpi=st.sampled_from(["revenue", RATE]), minimum=st.sampled_from([1, 50, 400]))
def test_the_parts_sum_to_the_change_exactly(data, kpi: str, minimum: int) -> None:
    table = data.draw(many_cells(kpi))
    in_before, in_now = table["tier_before"].notna(), table["tier_now"].notna()
    found = parts(table, minimum_cell=minimum)
    if kpi == RATE and not (in_before.any() and in_now.any()):
        assert found == {}
        return
    before = table["total_before"].sum()
    now = table["total_now"].sum()
    if kpi == RATE:
        before /= table.loc[in_before, "customer_count"].sum()
        now /= table.loc[in_now, "customer_count"].sum()
    assert (found["before"], found["now"]) == pytest.approx((before, now))
    change = sum(value for part, value in found.items() if part not in {"before", "now"})
    assert change == pytest.approx(now - before, abs=1e-6 * max(1, abs(before), abs(now)))


@settings(max_examples=20)
@given(data=st.data(), kpi=st.sampled_from(["revenue", RATE]))
def test_order_names_and_time_do_not_matter(data, kpi: str) -> None:
    table = data.draw(many_cells(kpi))
    known = parts(table)
    names = {"a": "z", "b": "y", "c": "x", "": ""}
    renamed = table.assign(**{side: table[side].map(names) for side in ("tier_before", "tier_now")})
    renamed = renamed.where(renamed.notna(), None).iloc[::-1]
    assert parts(renamed) == pytest.approx(known, abs=1e-6)
    swapped = {"tier_before": "tier_now", "tier_now": "tier_before", "total_before": "total_now",
               "total_now": "total_before"}  # fmt: skip
    back = parts(table.rename(columns=swapped)[list(CELLS_SCHEMA)])
    if not known:
        assert not back
        return
    for part in ("mix", "within"):
        assert back.get(part, 0) == pytest.approx(-known.get(part, 0), abs=1e-6)
    assert back.get("joined", 0) == pytest.approx(-known.get("left", 0), abs=1e-6)


@settings(max_examples=20)
@given(data=st.data(), scale=st.sampled_from([0.01, 7, 1000]))
def test_money_in_another_unit_scales_every_part(data, scale: float) -> None:
    table = data.draw(many_cells("revenue"))
    scaled = table.assign(total_before=table["total_before"] * scale, total_now=table["total_now"] * scale)
    expected = {part: value * scale for part, value in parts(table).items()}
    assert parts(scaled) == pytest.approx(expected, rel=1e-6, abs=1e-4)


def test_nobody_who_moves_has_no_mix() -> None:
    still = cells("revenue", ("a", "a", 9, 10, 90), ("b", "b", 5, 70, 20))
    assert parts(still)["mix"] == 0
    same = cells(RATE, ("a", "b", 8, 4, 4), ("b", "a", 8, 2, 2))  # rates follow the tier's place, not the customer
    assert parts(same)["mix"] == pytest.approx(0)


# -- in the engine -----------------------------------------------------------------------------------------------------


def test_cells_by_hand(make_tables) -> None:
    orders = [
        ("a", "2024-05-05", 10), ("a", "2024-08-01", 100), ("a", "2025-05-05", 10), ("a", "2025-08-01", 300),
        ("b", "2024-05-05", 10), ("b", "2025-01-05", 10), ("b", "2025-09-30", 50),  # lost in 2024Q3
        ("c", "2024-09-01", 40), ("c", "2025-06-01", 20),  # new in 2024Q3, not kept in 2025Q3
        ("d", "2025-07-01", 7),  # new in 2025Q3
    ]  # fmt: skip
    rows = [{"customer_id": who, "ordered_at": f"{day} 10:00", "amount": amount} for who, day, amount in orders]
    tables = as_of(make_tables(orders=rows), QUARTER.end, zone="Asia/Shanghai")
    periods = customer_periods_table(tables, quarters=QUARTER.back(9))
    con = ibis.get_backend(tables["orders"])
    before = con.create_table("before", pd.DataFrame({"customer_id": ["a", "b"], "tier": ["x", "y"]}))
    now = con.create_table("now", pd.DataFrame({"customer_id": ["a", "b", "c"], "tier": ["y", "y", "x"]}))
    found = tier_cells_table(before, now, periods, quarter=QUARTER)
    check_columns(found.columns, CELLS_SCHEMA, result="tier_cells")
    found = found.astype(object).where(found.notna(), None)
    told = {
        kpi: {tuple(row[1:3]): tuple(row[3:]) for row in own.to_numpy().tolist()} for kpi, own in found.groupby("kpi")
    }
    assert told["revenue"] == {
        ("x", "y"): (1, 100, 300), ("y", "y"): (1, 0, 50), ("", "x"): (1, 40, 0), (None, ""): (1, 0, 7),
    }  # fmt: skip
    assert told[RATE] == {("x", "y"): (1, 1, 1), ("y", None): (1, 0, 0), (None, "x"): (1, 0, 0)}
    assert told["churn_rate"] == {("x", "y"): (1, 0, 0), ("y", "y"): (1, 1, 0), (None, "x"): (1, 0, 1)}


def test_cells_hold_what_the_kpis_hold(make_tables) -> None:
    from crm_analysis.base.settings import EvaluationSettings
    from crm_analysis.evaluation.registry import KpiInputs, kpi_totals

    rng = np.random.default_rng(7)
    days = pd.Timestamp("2023-07-02") + pd.to_timedelta(rng.integers(0, 820, 900), unit="D")
    rows = [
        {"customer_id": f"c{who}", "ordered_at": f"{day.date()} 12:00", "amount": int(amount)}
        for who, day, amount in zip(rng.integers(0, 80, 900), days, rng.integers(1, 400, 900), strict=True)
    ]
    made = make_tables(orders=rows)
    tables = as_of(made, QUARTER.end, zone="Asia/Shanghai")
    periods = customer_periods_table(tables, quarters=QUARTER.back(9)).cache()
    con = ibis.get_backend(tables["orders"])
    tiers = {}
    for name, start in (("before", date(2024, 7, 1)), ("now", date(2025, 7, 1))):
        known = sorted({row["customer_id"] for row in rows if row["ordered_at"] < start.isoformat()})
        frame = pd.DataFrame({"customer_id": known, "tier": rng.choice(["x", "y", "z"], len(known))})
        tiers[name] = con.create_table(name, frame)
    mix = mix_effect_table(tier_cells_table(tiers["before"], tiers["now"], periods, quarter=QUARTER))
    told = mix_parts_table(mix, minimum_cell=1)
    for end, quarter in (("before", QUARTER.shift(-4)), ("now", QUARTER)):
        inputs = KpiInputs(tables=tables, periods=periods, quarter=quarter, settings=EvaluationSettings())
        totals = kpi_totals(inputs, list(KPIS)).to_pandas().set_index("kpi")
        for kpi in KPIS:
            row = totals.loc[kpi]
            value = row["numerator"] if kpi == "revenue" else row["numerator"] / row["denominator"]
            own = told.loc[(told["kpi"] == kpi) & (told["change_part"] == end)].iloc[0]
            assert own["contribution"] == pytest.approx(float(value))
