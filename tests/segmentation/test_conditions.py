"""The rule language: what is read, what is refused and how, and that the engine, pandas and cells agree."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from crm_analysis.base.errors import SettingsError
from crm_analysis.base.words import Words
from crm_analysis.segmentation.cells import Axis, Grid, grid_of
from crm_analysis.segmentation.conditions import Condition, feature_names
from crm_analysis.segmentation.criteria import condition_text, condition_words
from crm_analysis.segmentation.matching import match_expression, match_rows
from crm_analysis.segmentation.reading import MOST_CHARACTERS, parse_condition, read_condition

NAN = float("nan")


def holds(text: str, **columns: list) -> list[bool]:
    return match_rows(parse_condition(text), pd.DataFrame(columns)).tolist()


# -- what conditions mean ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("points >= 10", [False, True, True, False]),
        ("5 < points <= 10", [False, True, False, False]),
        ("points != 10", [True, False, True, False]),  # missing: no comparison holds
        ("not (points >= 10)", [True, False, False, True]),
        ("points < 10", [True, False, False, False]),
        ("not known(points)", [False, False, False, True]),
        ("points in [5, 20]", [True, False, True, False]),
        ("points not in [5, 20]", [False, True, False, False]),
        ("points / (points - 5) >= 0", [False, True, True, False]),  # by 0: missing
        ("-points < -15 or points * 2 == 10", [True, False, True, False]),
        ("true and points - 1 == 4", [True, False, False, False]),
        ("false or False or True", [True, True, True, True]),
    ],
)
def test_numbers_and_what_is_missing(text: str, wanted: list[bool]) -> None:
    assert holds(text, points=[5.0, 10.0, 20.0, NAN]) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("company_size == 'large'", [True, False, False]),
        ("company_size != 'large'", [False, True, False]),
        ("company_size in ['large', 'small']", [True, True, False]),
        ("company_size not in ['large']", [False, True, False]),
        ("'small' == company_size", [False, True, False]),
        ("company_size == industry_position", [False, True, False]),
        ("first_order_date >= '2025-01-31'", [True, False, False]),
        ("first_order_date in ['2024-12-31']", [False, True, False]),
    ],
)
def test_texts_and_days(text: str, wanted: list[bool]) -> None:
    days = [date(2025, 1, 31), date(2024, 12, 31), None]
    columns = {"company_size": ["large", "small", None], "industry_position": ["leader", "small", None]}
    assert holds(text, **columns, first_order_date=days) == wanted


def test_and_binds_closer_than_or_and_lines_are_joined() -> None:
    text = "points > 1\n  or order_count > 1\n  and recency_days > 1\n"
    frame = {"points": [2.0, 0.0, 0.0], "order_count": [0, 2, 2], "recency_days": [0.0, 2.0, 0.0]}
    assert holds(text, **frame) == [True, True, False]
    assert feature_names(parse_condition(text)) == ["points", "order_count", "recency_days"]


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("recncy_days > 3", r"no feature 'recncy_days'", "did you mean 'recency_days'"),
        ("zzz > 3", r"no feature 'zzz'", "use a feature such as"),
        ("customer_id == 'c1'", "names customer_id", "table overrides"),
        ("company_size > 1", r"'company_size' is a text, compared with a number", "quoted texts"),
        ("points == 'a'", r"'points' is a number, compared with a text", "without quotes"),
        ("company_size < 'a'", "texts have no order", "use == or != or in"),
        ("first_order_date > '2025-13-01'", "is a day, compared with a text", "'2025-09-30'"),
        ("points", "is a value, no condition", "compare it: points >= 1"),
        ("1 < 2", "compares values with each other", "name a feature"),
        ("points > 5,000", "is split by commas", "5000"),
        ("points is None", "asks with 'is'", "known"),
        ("points == None", "'None' cannot be compared", r"not known\(name\)"),
        ("points in []", "is no list of values", "brackets"),
        ("points in [1, order_count]", "holds more than plain values", "compare features by =="),
        ("1 < points in [2]", "chains 'in'", "join the comparisons by and"),
        ("points / 0 > 1", "divides by 0", "something else"),
        ("points > 1e999", "is too large", "smaller"),
        ("points > 1e300 * 1e300", "is too large", "smaller"),
        ("company_size * 2 > 1", "calculates with what is no number", "numbers alone"),
        ("points ** 2 > 4", "operator that conditions do not know", r"\+ - \* /"),
        ("(points > 1) > 2", "is a condition where a value is wanted", "brackets"),
        ("known(5)", "does not name one feature", r"known\(name\)"),
        ("abs(points) > 1", r"'abs\(points\)' is a call", r"known\(name\)"),
        ("__import__('os').system('x')", "is a call", "use features"),
        ("points.real > 1", r"'points.real' is an attribute", "use features"),
        ("points[0] > 1", "is a subscript", "use features"),
        ("lambda: 1", "is a lambda", "use features"),
        ("[x for x in points]", "is a comprehension", "use features"),
        ("points if points else points", "is a choice", "use features"),
        ("(points := 1) > 0", "is an assignment", "use features"),
        ("f'{points}' == company_size", "is a formatted text", "use features"),
        ("points = 1", "cannot be read", "write == to compare"),
        ("points ≥ 1", "cannot be read", "write >= "),
        ("points > 1 && points < 3", "cannot be read", "write and, or, not"),
        ("(points > 1", "cannot be read", "close every bracket"),
        ("points > 1) or (points < 3", "cannot be read", "write a condition such as"),
        ("company_size == 'a", "cannot be read", "close every quote"),
        ("points > 1 # rich", "holds no comments", "outside of the quotes"),
        ("", "is empty", "write a condition such as"),
        ("not " * 60 + "points > 1", "nested too deeply", "several tiers"),
        ("points > 1 or " * 200 + "points > 2", f"at most {MOST_CHARACTERS}", "several tiers"),
        ("(" * 500 + "points > 1" + ")" * 500, "cannot be read", "write a condition"),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_told_with_its_part_and_the_fix(text: str, what: str, fix: str) -> None:
    with pytest.raises(SettingsError, match=rf"here: .*{what}.*\n\s+fix: .*{fix}"):
        parse_condition(text, where="here")


def test_all_problems_of_a_condition_are_told_at_once() -> None:
    condition, problems = read_condition("spend >= 1 and (orders > 2 or points.x > 1)", where="w")
    assert condition is None
    assert [problem.what for problem in problems] == [
        "there is no feature 'spend'", "there is no feature 'orders'", "'points.x' is an attribute",
    ]  # fmt: skip


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    condition, problems = read_condition(text, where="w")
    assert (condition is None) == bool(problems)


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        ("order_count_90d >= 3 and spend_amount_90d >= 5000", "近90天订单数 ≥ 3 且 近90天净消费金额 ≥ 5,000",
         "orders of the last 90 days ≥ 3 and net spend of the last 90 days ≥ 5,000"),
        ("company_size in ['micro', 'odd']", "企业规模为微型、odd之一", "company size is one of micro, odd"),
        ("cooperation_days / 365.25 > 5", "合作天数 ÷ 365.25 > 5", "days of cooperation ÷ 365.25 > 5"),
        ("refund_share > 0.2 or not known(points)", "退款占消费总额比例 > 20.0% 或 会员积分无记录",
         "refunds as a share of spend before refunds > 20.0% or points unknown"),
        ("not (points < 5 and (points > 1 or true))", "非（会员积分 < 5 且 （会员积分 > 1 或 全部客户））",
         "not (points < 5 and (points > 1 or all customers))"),
    ],
)  # fmt: skip
def test_conditions_in_words(text: str, zh: str, en: str) -> None:
    assert condition_words(text, words=Words("zh")) == zh
    assert condition_words(parse_condition(text), words=Words("en")) == en


# -- the engine, pandas and cells agree --------------------------------------------------------------------------------

TYPES = {"points": pa.float64(), "order_count": pa.int64(), "spend_amount": pa.float64(), "company_size": pa.string(),
         "industry_position": pa.string(), "first_order_date": pa.date32()}  # fmt: skip
NUMBERS = st.sampled_from(["points", "order_count", "spend_amount"])
AMOUNTS = st.sampled_from(["0", "1", "2.5", "10", "-3", "1000"])
SIZES = st.sampled_from(["'large'", "'small'", "'odd'"])
SIGNS = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
DAYS = st.sampled_from(["'2025-01-31'", "'2024-12-31'"])


def _text(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(" ".join)


SUMS = st.one_of(NUMBERS, _text(NUMBERS, st.sampled_from(["+", "-", "*", "/"]), st.one_of(NUMBERS, st.just("2"))))
ATOMS = st.one_of(
    _text(SUMS, SIGNS, AMOUNTS),
    _text(AMOUNTS, st.sampled_from(["<", "<="]), NUMBERS, st.sampled_from(["<", "<="]), AMOUNTS),
    _text(st.just("company_size"), st.sampled_from(["==", "!="]), SIZES),
    _text(st.just("company_size"), st.sampled_from(["in", "not in"]), SIZES.map(lambda size: f"[{size}, 'x']")),
    _text(st.just("first_order_date"), SIGNS, DAYS),
    st.sampled_from(["known(points)", "known(company_size)", "company_size == industry_position", "true",
                     "points in [1, 2.5]", "spend_amount not in [10]"]),
)  # fmt: skip
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        _text(st.just("not ("), inner, st.just(")")),
        _text(st.just("("), inner, st.sampled_from([") and (", ") or ("]), inner, st.just(")")),
    ),
    max_leaves=6,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "points": st.sampled_from([None, -3.0, 0.0, 1.0, 2.0, 3.0, 10.0, 11.0]),
            "order_count": st.sampled_from([0, 1, 2, 3, 10, 1000]),
            "spend_amount": st.sampled_from([-5.0, -3.0, 0.0, 1.0, 2.5, 10.0, 999.99, 1000.0]),
            "company_size": st.sampled_from([None, "large", "small", "other", "x"]),
            "industry_position": st.sampled_from([None, "small", "leader"]),
            "first_order_date": st.sampled_from([None, date(2024, 12, 31), date(2025, 1, 15), date(2025, 1, 31)]),
        }
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def engine():
    return ibis.duckdb.connect()


@hypothesis_settings(max_examples=60)
@given(st.lists(CONDITIONS, min_size=4, max_size=4), ROWS)
def test_the_engine_and_pandas_agree(engine, texts: list[str], rows: list[dict]) -> None:
    table = pa.Table.from_pylist(rows, schema=pa.schema(TYPES))
    conditions = [parse_condition(text) for text in texts]
    staged = ibis.memtable(table)
    answers = engine.to_pyarrow(
        staged.select(**{f"a{k}": match_expression(condition, staged) for k, condition in enumerate(conditions)})
    ).to_pydict()
    frame = pd.DataFrame(rows, columns=list(TYPES))
    for k, condition in enumerate(conditions):
        assert answers[f"a{k}"] == match_rows(condition, frame).tolist(), texts[k]


@given(CONDITIONS)
def test_a_written_condition_is_read_back_the_same(text: str) -> None:
    condition = parse_condition(text)
    assert parse_condition(condition_text(condition)) == condition
    for words in (Words("zh"), Words("en")):
        assert condition_words(condition, words=words)


@hypothesis_settings(max_examples=60)
@given(st.lists(CONDITIONS, min_size=1, max_size=3), ROWS)
def test_customers_of_a_cell_fare_alike(texts: list[str], rows: list[dict]) -> None:
    """What a rule says of a row is what it says of the row's cell."""
    conditions = [parse_condition(text) for text in texts]
    grid = grid_of(conditions)
    frame = pd.DataFrame(rows, columns=list(TYPES))
    cells = [np.array([_cell_of(axis, row) for row in rows]) for axis in grid.axes]
    for condition in conditions:
        area = np.broadcast_to(grid.area(condition), grid.shape)
        found = area[tuple(cells)] if cells else np.full(len(rows), bool(area))
        assert found.tolist() == match_rows(condition, frame).tolist()


def _cell_of(axis: Axis, row: dict) -> int:
    """Return the cell of an axis that a row lies in, found apart from the code that is tested."""
    if axis.kind == "fact":
        return 0 if match_rows(parse_condition(axis.name), pd.DataFrame([row], columns=list(TYPES))).item() else 1
    value = row[axis.name]
    if value is None:
        return axis.size - 1
    if axis.kind == "text":
        return axis.values.index(value) if value in axis.values else len(axis.values)
    number = value.toordinal() if isinstance(value, date) else value
    inside = [low <= number <= high if low == high or axis.is_whole else low < number < high
              for low, high in axis.ranges]  # fmt: skip
    assert sum(inside) == 1
    return inside.index(True)


def test_thresholds_behind_arithmetic_are_solved() -> None:
    grid: Grid = grid_of([_parsed("cooperation_days / 365.25 > 5"), _parsed("10 - 2 * spend_amount >= 4")])
    assert grid.axes[0].ranges == ((-np.inf, 1826.0), (1827.0, np.inf))
    assert grid.axes[1].ranges == ((-np.inf, 3.0), (3.0, 3.0), (3.0, np.inf))
    assert grid.area(_parsed("10 - 2 * spend_amount >= 4"))[0, :].tolist() == [True, True, False]


def _parsed(text: str) -> Condition:
    return parse_condition(text)
