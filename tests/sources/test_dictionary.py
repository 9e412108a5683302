"""The data dictionary says what the schema says."""

from pathlib import Path

from crm_analysis.sources import dictionary
from crm_analysis.sources.columns import FEATURES, PERIODS
from crm_analysis.sources.schema import TABLES, field_names

README = Path(__file__).parents[2] / "data" / "README.md"
COMMAND = (
    "from pathlib import Path; from crm_analysis.sources import dictionary as d; d.save_data_dictionary(Path('{}'))"
)


def test_the_file_is_up_to_date() -> None:
    assert README.read_text("utf-8") == dictionary.data_dictionary(), (
        f'data/README.md is not what the schema says; write it anew: python -c "{COMMAND.format("data/README.md")}"'
    )


def test_every_table_and_feature_is_explained() -> None:
    assert set(dictionary.PURPOSES) == set(TABLES)
    for column in (*FEATURES, *PERIODS):
        assert column.zh, column.name
        assert column.en, column.name
        assert bool(column.null_zh) == bool(column.null_en), column.name


def test_every_table_is_a_table_of_equal_rows() -> None:
    sections = dictionary.data_dictionary().split("\n## ")[1:]
    assert len(sections) == len(TABLES) + 2
    for section in sections:
        widths = {line.count("|") for line in section.splitlines() if line.startswith("|")}
        assert len(widths) == 1, section.splitlines()[0]


def test_what_the_dictionary_says_of_a_field() -> None:
    text = dictionary.data_dictionary()
    assert "| `score` | 评分 | score | number |  |  | fixed | sensitive |  | `answered_at` |" in text
    assert "time: `ordered_at` (loading adds the local `ordered_on` and `ordered_hour`); required · 必需" in text
    assert "key: none: rows have no identity; time: none: rows have no date" in text


def test_labels_are_words_in_both_languages() -> None:
    names = field_names()
    assert names["field.orders.amount"] == {"zh": "金额", "en": "amount"}
    assert all(text["zh"] and text["en"] for text in names.values())
    assert len(names) == len(TABLES) + sum(len(table.names) for table in TABLES.values())
