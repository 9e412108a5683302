"""Who lies in which tier, and the sizes: engine and pandas agree, order decides, everybody has one tier."""

from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from crm_analysis.base.errors import AnalysisError
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_schemes import Scheme
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.segmentation.schemes import (
    OUTSIDE,
    SCHEME_SIZES_SCHEMA,
    SCHEME_TIERS_SCHEMA,
    assign_tiers,
    scheme_features,
    scheme_names,
    scheme_sizes_table,
    scheme_tiers_table,
)
from crm_analysis.segmentation.schemes_figures import plot_scheme_sizes
from crm_analysis.segmentation.schemes_findings import (
    alt_scheme_sizes,
    finding_scheme,
    note_several,
    sizes_of,
)

NAN = float("nan")
TYPES = pa.schema({"customer_id": pa.string(), "kind": pa.string(), "points": pa.float64(), "order_count": pa.int64(),
                   "spend_amount_365d": pa.float64()})  # fmt: skip


def scheme(rules: dict[str, str], **more: Any) -> Scheme:
    tiers = [{"id": id_, "name": {"zh": id_, "en": id_}, "when": when} for id_, when in rules.items()]
    rest = {"id": "rest", "name": {"zh": "其余", "en": "rest"}}
    return Scheme.model_validate({"name": {"zh": "方案", "en": "scheme"}, "tiers": tiers, "otherwise": rest} | more)


VALUE = scheme({"high": "spend_amount_365d >= 100", "member": "points >= 1", "buyer": "order_count >= 1"},
               reference_mix={"high": 0.25, "rest": 0.75})  # fmt: skip
COMPANIES = scheme({"big": "spend_amount_365d >= 100"}, population="organisation")
BOTH = {"value": VALUE, "companies": COMPANIES}
ROWS = [
    {"customer_id": "c1", "kind": "person", "points": 5.0, "order_count": 2, "spend_amount_365d": 100.0},
    {"customer_id": "c2", "kind": None, "points": None, "order_count": 1, "spend_amount_365d": 99.99},
    {"customer_id": "c3", "kind": "organisation", "points": None, "order_count": 0, "spend_amount_365d": 0.0},
    {"customer_id": "c4", "kind": "organisation", "points": 1.0, "order_count": 0, "spend_amount_365d": 300.01},
]  # fmt: skip


def staged(rows: list[dict[str, Any]]) -> ibis.Table:
    return ibis.memtable(pa.Table.from_pylist(rows, schema=TYPES))


@pytest.fixture(scope="module")
def sizes() -> pd.DataFrame:
    return scheme_sizes_table(staged(ROWS), schemes=BOTH)


def test_tiers_by_hand() -> None:
    table = scheme_tiers_table(staged(ROWS[::-1]), schemes=BOTH).to_pandas()
    check_columns(table.columns, SCHEME_TIERS_SCHEMA, result="scheme_tiers")
    assert table.values.tolist() == [
        ["c1", "value", "high", 3],
        ["c2", "value", "buyer", 1],
        ["c3", "companies", "rest", 0],
        ["c3", "value", "rest", 0],
        ["c4", "companies", "big", 1],
        ["c4", "value", "high", 2],
    ]
    frame = pd.DataFrame(ROWS, index=[7, 5, 3, 1])
    assert assign_tiers(frame, scheme=VALUE).to_dict() == {7: "high", 5: "buyer", 3: "rest", 1: "high"}
    assert assign_tiers(frame, scheme=COMPANIES).to_dict() == {7: OUTSIDE, 5: OUTSIDE, 3: "rest", 1: "big"}
    assert scheme_features(BOTH) == ["kind", "spend_amount_365d", "points", "order_count"]


def test_sizes_by_hand(sizes: pd.DataFrame) -> None:
    check_columns(sizes.columns, SCHEME_SIZES_SCHEMA, result="scheme_sizes")
    value = sizes_of(sizes, scheme="value")
    assert value["tier"].tolist() == ["high", "member", "buyer", "rest"]
    assert value["customer_count"].tolist() == [2, 0, 1, 1]  # the residual and empty tiers are shown
    assert value["customer_share"].tolist() == [0.5, 0, 0.25, 0.25]
    assert value["spend_amount_365d"].tolist() == [400.01, 0, 99.99, 0]
    assert value["spend_share"].tolist() == [0.80002, 0, 0.19998, 0]
    assert value["reference_share"].tolist() == [0.25, 0, 0, 0.75]
    assert value["matched_count"].tolist() == [2, 2, 2, 1]
    assert value["multiple_match_count"].tolist() == [2, 0, 0, 0]
    companies = sizes_of(sizes, scheme="companies")
    assert "reference_share" not in companies
    assert companies[["customer_count", "customer_share", "matched_count"]].values.tolist() == [[1, 0.5, 1]] * 2


def test_an_empty_population_and_no_scheme(sizes: pd.DataFrame) -> None:
    empty = scheme_sizes_table(staged(ROWS[:2]), schemes={"companies": COMPANIES})
    assert empty["customer_count"].tolist() == [0, 0]
    assert empty["customer_share"].isna().all()
    assert finding_scheme(empty, scheme="companies").id == "schemes.sizes.none"
    nothing = scheme_sizes_table(staged(ROWS), schemes={})
    assert list(nothing.columns) == list(sizes.columns)
    assert finding_scheme(nothing).id == alt_scheme_sizes(nothing).id == "schemes.lint.none"
    assert len(plot_scheme_sizes(nothing, words=Words("zh")).axes[0].texts) == 1
    assert finding_scheme(sizes) == finding_scheme(sizes, scheme="value")  # the first one
    pd.testing.assert_frame_equal(sizes_of(sizes), sizes_of(sizes, scheme="value"))


def test_absent_columns_are_all_named() -> None:
    with pytest.raises(AnalysisError, match=r"no column 'spend_amount_365d'\n(.*\n)*.*no column 'points'"):
        assign_tiers(pd.DataFrame({"order_count": [1]}), scheme=VALUE)


# -- invariants --------------------------------------------------------------------------------------------------------

CUSTOMERS = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from([None, "person", "organisation"]),
            "points": st.sampled_from([None, 0.0, 1.0, 7.0]),
            "order_count": st.integers(0, 4),
            "spend_amount_365d": st.sampled_from([-10.0, 0.0, 99.99, 100.0, 250.0]),
        }
    ),
    min_size=1,
    max_size=15,
).map(lambda rows: [{"customer_id": f"c{k:02}"} | row for k, row in enumerate(rows)])


@hypothesis_settings(max_examples=12)
@given(CUSTOMERS, st.randoms(use_true_random=False))
def test_everybody_has_one_tier_whatever_the_order_of_rows(rows: list[dict[str, Any]], chance) -> None:
    mixed = rows.copy()
    chance.shuffle(mixed)
    table = scheme_tiers_table(staged(mixed), schemes=BOTH).to_pandas()
    frame = pd.DataFrame(rows).set_index("customer_id")
    for id_, own in BOTH.items():
        by_hand = assign_tiers(frame, scheme=own)
        members = by_hand.loc[by_hand != OUTSIDE]
        found = table.loc[table["scheme"] == id_].set_index("customer_id")["tier"]
        assert found.to_dict() == members.to_dict()
    counted = scheme_sizes_table(staged(mixed), schemes=BOTH)
    pd.testing.assert_frame_equal(counted, scheme_sizes_table(staged(rows), schemes=BOTH))
    assert counted.groupby("scheme")["customer_count"].sum()["value"] == len(rows)


@given(CUSTOMERS, st.sampled_from([0.5, 2.0, 8.0]))
def test_money_in_another_unit_changes_no_tier_when_thresholds_follow(
    rows: list[dict[str, Any]], factor: float
) -> None:
    frame = pd.DataFrame(rows)
    scaled = frame.assign(spend_amount_365d=frame["spend_amount_365d"] * factor)
    following = scheme({"high": f"spend_amount_365d >= {100 * factor}", "member": "points >= 1",
                        "buyer": "order_count >= 1"})  # fmt: skip
    pd.testing.assert_series_equal(assign_tiers(frame, scheme=VALUE), assign_tiers(scaled, scheme=following))


@given(CUSTOMERS)
def test_the_order_of_rules_decides_where_several_fit_and_nowhere_else(rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(rows)
    turned = VALUE.model_copy(update={"tiers": VALUE.tiers[::-1]})
    first, last = assign_tiers(frame, scheme=VALUE), assign_tiers(frame, scheme=turned)
    fits = np.column_stack([frame["spend_amount_365d"] >= 100, frame["points"].astype(float) >= 1,
                            frame["order_count"] >= 1])  # fmt: skip
    names = np.array(["high", "member", "buyer"])
    for row, one, other in zip(fits, first, last, strict=True):
        assert (one, other) == ((names[row][0], names[row][-1]) if row.any() else ("rest", "rest"))


# -- sentences and the figure ------------------------------------------------------------------------------------------


def test_sentences(sizes: pd.DataFrame) -> None:
    words = Words("en", names=scheme_names(BOTH))
    told = words.say(finding_scheme(sizes, scheme="value"))
    assert told == (
        "scheme: “high” holds 2 customers (50.0%) and brings 80.0% of the net spend of the last 365 days, the most of "
        "all tiers; “rest”, whom no rule fits, holds 1 (25.0%) with 0.0% of spend; 4 customers in all. "
        "Fewer than 30 customers: shares are only a hint."
    )
    assert words.say(note_several(sizes, scheme="value")).startswith("2 customers (50.0%) fit several")
    assert note_several(sizes, scheme="companies").id == "schemes.sizes.one_each"
    poor = scheme_sizes_table(staged([ROWS[2]] * 40), schemes={"value": VALUE})
    assert finding_scheme(poor, scheme="value").id == "schemes.sizes.no_spend"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_figure_draws_every_tier_and_the_reference(sizes: pd.DataFrame, lang: str) -> None:
    words = Words(lang, names=scheme_names(BOTH))
    figure = plot_scheme_sizes(sizes, scheme="value", words=words)
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()][-1] == {"zh": "其余", "en": "rest"}[lang]
    assert len(left.patches) == len(right.patches) == 4
    assert sorted({float(line.get_xdata()[0]) for line in left.lines}) == [0.25, 0.75]
    assert left.get_ylim() == right.get_ylim()
    assert words.say(alt_scheme_sizes(sizes, scheme="value"))
    empty = scheme_sizes_table(staged(ROWS[:1]), schemes={"companies": COMPANIES})
    assert len(plot_scheme_sizes(empty, scheme="companies", words=words).axes[0].texts) == 1
