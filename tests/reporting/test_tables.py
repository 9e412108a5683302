"""Frames as tables: units, words, refusals, escaping."""

from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base.errors import AnalysisError
from crm_analysis.base.privacy import FREE, OPEN, SENSITIVE
from crm_analysis.base.words import Words
from crm_analysis.reporting.tables import (
    DIRECT_NAMES,
    MAX_ROWS,
    check_shown,
    format_column,
    format_status,
    is_number_column,
    render_table,
)

NAMES = {
    "column.channel": {"zh": "渠道", "en": "Channel"},
    "column.text": {"zh": "文本", "en": "Text"},
    "segment.champions": {"zh": "冠军客户", "en": "Champions"},
    "metric.nps.name": {"zh": "净推荐值", "en": "NPS"},
    "field.orders.amount": {"zh": "金额", "en": "amount paid"},
    "gender.female": {"zh": "女", "en": "female"},
    "attribute.gender": {"zh": "性别", "en": "Gender"},
    "value.other_values": {"zh": "其他", "en": "Others"},
    "channel.web": {"zh": "官网", "en": "Web"},
    "rule.future_date": {"zh": "未来日期", "en": "Date in the future"},
}


@pytest.fixture
def en() -> Words:
    return Words("en", names=NAMES)


@pytest.fixture
def zh() -> Words:
    return Words("zh", names=NAMES)


def cells(words: Words, **column) -> list[str]:
    """Return the cells of the first column given; further columns stand beside it."""
    return format_column(pd.DataFrame(column), name=next(iter(column)), words=words)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("n", 12345, "12,345"),
        ("customer_count", 12345.0, "12,345"),
        ("order_count_90d", 7, "7"),
        ("spend_share", 0.1234, "12.3%"),
        ("churn_rate", 0.5, "50.0%"),
        ("churn_probability", 0.08, "8.0%"),
        ("spend_amount", 1_234_567.0, "¥1.2M"),
        ("spend_amount_365d", -1234.0, "-¥1,234"),
        ("recency_median_days", 3.25, "3.2"),
        ("first_response_hours", 4.0, "4"),
        ("retention_change_pp", 0.012, "+1.2 pp"),
        ("growth_rate", -0.05, "-5.0%"),
        ("revenue_change_share", 0.05, "+5.0%"),
        ("index", 131.4, "131"),
        ("m_score", 3.5, "3.50"),
        ("r_score", 3.0, "3"),
        ("lower_bound", 1264.95, "1,264.95"),
        ("weight", 0.25, "0.25"),
    ],
)
def test_numbers_take_the_unit_of_their_name(en, name, value, text):
    assert cells(en, **{name: [value]}) == [text]


def test_days_of_a_column_have_the_same_digits(en):
    assert cells(en, gap_days=[12.0, 21.5, None]) == ["12.0", "21.5", "—"]
    assert cells(en, gap_days=[12.0, 21.0, None]) == ["12", "21", "—"]


@pytest.mark.parametrize("values", [["2025-09-30"], [date(2025, 9, 30)], pd.to_datetime(["2025-09-30 12:00"])])
def test_dates_of_every_type(en, zh, values):
    assert cells(en, newest_date=values) == ["Sep 30, 2025"]
    assert cells(zh, last_order_at=values) == ["2025年9月30日"]


def test_absent_values_are_dashes_in_every_kind_of_column(en):
    assert cells(en, newest_date=pd.to_datetime([None])) == ["—"]
    assert cells(en, order_count=pd.array([None], dtype="Int64")) == ["—"]
    assert cells(en, spend_share=[float("nan")]) == ["—"]
    assert cells(en, segment=pd.Series([None], dtype="str")) == ["—"]
    assert cells(en, note=pd.Series([None], dtype="str")) == ["—"]
    assert cells(en, status=[None]) == ["—"]
    assert cells(en, quarter=[None]) == ["—"]


def test_flags_and_quarters(en, zh):
    assert cells(en, is_control=[True, False]) == ["yes", "no"]
    assert cells(zh, quarter=["2025Q3"]) == ["2025年第三季度"]


def test_slugs_take_the_words_of_their_domain(en, zh):
    assert cells(zh, tier=["champions"]) == ["冠军客户"]
    assert cells(en, kpi=["nps"]) == ["NPS"]
    assert cells(en, rule=["future_date"]) == ["Date in the future"]


def test_fields_take_the_table_beside_them(en):
    assert cells(en, field=["amount"], table=["orders"]) == ["amount paid"]


def test_values_take_the_attribute_beside_them(zh):
    found = cells(zh, value=["female", "华东", "other_values"], attribute=["gender", "region", "region"])
    assert found == ["女", "华东", "其他"]


def test_a_slug_without_a_word_is_a_defect(en):
    with pytest.raises(KeyError, match=r"segment\.unknown_tier"):
        cells(en, segment=["unknown_tier"])
    with pytest.raises(KeyError, match=r"text\.some_slug"):
        cells(en, text=["some_slug"])


def test_values_of_the_company_stay_as_they_are_when_no_word_is_known(en):
    assert cells(en, channel=["web", "直播间", "live_stream"]) == ["Web", "直播间", "live_stream"]


def test_ready_text_stays_as_it_is(en):
    assert cells(en, value=["≥ 85.0%", "12.4"]) == ["≥ 85.0%", "12.4"]


@given(st.text(alphabet="<>&\"'abc/= ", min_size=1))
def test_everything_is_escaped(text):
    words = Words("en", names=NAMES)
    html = render_table(pd.DataFrame({"channel": [text]}), words=words, id_="t")
    body = html[html.index("<tbody") :]
    inner = body[body.index('class="gt_row gt_left">') + len('class="gt_row gt_left">') : body.index("</td>")]
    assert not set('<>"') & set(inner)


def test_a_script_in_a_category_is_harmless(en):
    html = render_table(pd.DataFrame({"channel": ["<script>alert(1)</script>"]}), words=en, id_="t")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize("name", ["customer_id", "name", "phone", "email", "wechat", "address", "contact_person"])
def test_direct_identifiers_are_refused(en, name):
    assert name in DIRECT_NAMES
    with pytest.raises(AnalysisError, match=f"column '{name}' identifies customers"):
        render_table(pd.DataFrame({name: ["x"], "n": [1]}), words=en, id_="t", schema={name: OPEN, "n": OPEN})


def test_free_text_is_refused_unless_the_result_declares_it_otherwise():
    table = pd.DataFrame({"cause": ["price"]})
    with pytest.raises(AnalysisError, match="column 'cause'"):
        check_shown(table, id_="t")
    with pytest.raises(AnalysisError, match="column 'cause'"):
        check_shown(table, id_="t", schema={"cause": FREE})
    check_shown(table, id_="t", schema={"cause": SENSITIVE})


def test_all_refusals_are_told_at_once():
    table = pd.DataFrame({"phone": ["1"] * (MAX_ROWS + 1), "email": "x"})
    with pytest.raises(AnalysisError, match="'phone'") as caught:
        check_shown(table, id_="contacts")
    assert len(caught.value.problems) == 3
    assert "61 rows are too many to read" in str(caught.value)
    assert "table 'contacts'" in str(caught.value)


def test_sixty_rows_are_shown(en):
    html = render_table(pd.DataFrame({"n": range(MAX_ROWS)}), words=en, id_="t")
    assert html.count("<tr>") == MAX_ROWS


def test_a_heading_without_a_word_is_a_defect(en):
    with pytest.raises(KeyError, match=r"column\.mystery_count"):
        render_table(pd.DataFrame({"mystery_count": [1]}), words=en, id_="t")


def test_table_has_own_ids_scopes_and_no_style(en):
    table = pd.DataFrame({"segment": ["champions"], "n": [5]})
    html = render_table(table, words=en, id_="sizes", labelled_by="sizes-caption")
    assert html.startswith('<table class="gt_table" aria-labelledby="sizes-caption">')
    assert 'scope="col" id="sizes-segment">Segment</th>' in html
    assert 'headers="sizes-n" class="gt_row gt_right">5</td>' in html
    assert "<style" not in html
    assert html == render_table(table.copy(), words=en, id_="sizes", labelled_by="sizes-caption")


def test_numbers_stand_right_and_words_left():
    table = pd.DataFrame(
        {
            "segment": ["champions"], "n": [1], "value": ["≥ 80%"], "target": ["—"], "newest_date": ["2025-01-01"],
            "channel": ["24小时店"], "is_control": [True], "quarter": ["2025Q3"], "change": ["-0.3 pp"],
        }
    )  # fmt: skip
    right = [name for name in table.columns if is_number_column(table, name=name)]
    assert right == ["n", "value", "change"]
    ages = pd.DataFrame({"attribute": ["age_band"], "value": ["18–24"]})
    assert not is_number_column(ages, name="value")


def test_status_is_symbol_word_and_colour(en, zh):
    html = format_status("bad", words=en)
    assert '<span class="status status-bad">' in html
    assert 'aria-hidden="true">×</span>Off target' in html
    assert "样本不足" in format_status("too_small", words=zh)


def test_unknown_status_is_a_defect(en):
    with pytest.raises(KeyError, match="splendid"):
        format_status("splendid", words=en)
