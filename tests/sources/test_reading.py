"""Reading of files as they come: encodings, marks, quotes, several files, and messages that help."""

from pathlib import Path

import pandas as pd
import pytest

from crm_analysis.base.errors import DataError
from crm_analysis.base.settings import TableSource
from crm_analysis.sources.reading import find_files, hash_files

HEAD = "order_id,customer_id,ordered_at,amount,store\n"
ROW = "o1,c1,2025-06-01 10:00:00,5,上海一店\n"


def _store(loaded) -> list[str]:
    return loaded.tables["orders"].order_by("order_id").to_pandas().store.tolist()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_encodings(load_files, encoding: str) -> None:
    stated = "utf-8" if encoding == "utf-8-sig" else encoding
    assert _store(load_files({"orders": ((HEAD + ROW).encode(encoding), {"encoding": stated})})) == ["上海一店"]


def test_gb18030_beyond_gbk(load_files) -> None:
    text = HEAD + ROW.replace("上海一店", "𠮷野店")
    assert _store(load_files({"orders": (text.encode("gb18030"), {"encoding": "gb18030"})})) == ["𠮷野店"]
    with pytest.raises(DataError, match="is not gbk"):
        load_files({"orders": (text.encode("gb18030"), {"encoding": "gbk"})})


def test_a_wrong_encoding_is_told_with_the_setting_to_change(load_files) -> None:
    with pytest.raises(DataError, match=r"orders.csv is not utf-8 .byte \d+") as caught:
        load_files({"orders": (HEAD + ROW).encode("gbk")})
    assert "set data.tables.orders.encoding" in str(caught.value)


def test_a_character_across_a_block_is_read_whole(load_files) -> None:
    filler = "x" * ((1 << 20) - len((HEAD + ROW).encode()) - 1)
    text = HEAD + ROW.replace("上海一店", filler + "店")
    assert _store(load_files({"orders": text})) == [filler + "店"]


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_nul_bytes_are_dropped(load_files, encoding: str) -> None:
    content = (HEAD + ROW.replace("上海", "上\0海") + "\0\0").encode(encoding)
    assert _store(load_files({"orders": (content, {"encoding": encoding})})) == ["上海一店"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes_delimiters_and_line_ends(load_files, end: str) -> None:
    lines = [HEAD.strip().replace(",", ";"), 'o1;c1;2025-06-01;"1,234.50";"say ""hi""\nnext; line"',
             "o2;c1;2025-06-02;5;plain"]  # fmt: skip
    loaded = load_files({"orders": ("".join(line + end for line in lines), {"delimiter": ";"})})
    assert _store(loaded) == ['say "hi"\nnext; line', "plain"]
    assert loaded.tables["orders"].to_pandas().amount.astype(float).tolist() == [1234.5, 5]


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_line_ends_of_two_kinds(load_files, encoding: str) -> None:
    content = (HEAD + ROW.replace("\n", "\r\n") + ROW.replace("o1", "o2")).encode(encoding)
    assert _store(load_files({"orders": (content, {"encoding": encoding})})) == ["上海一店", "上海一店"]


def test_no_row_passes_for_a_comment(load_files) -> None:
    loaded = load_files({"orders": HEAD + ROW + ROW.replace("o1", "#1001") + ROW.replace("o1", "o2")})
    assert loaded.tables["orders"].order_id.to_pandas().tolist() == ["#1001", "o1", "o2"]


def test_short_rows_are_filled_and_blank_lines_skipped(load_files) -> None:
    loaded = load_files({"orders": HEAD + "o1,c1,2025-06-01,5\n\no2,c1,2025-06-02,6,店\n"})
    found = loaded.tables["orders"].order_by("order_id").to_pandas()
    assert found.store.isna().tolist() == [True, False]
    counted = loaded.report[~loaded.report.rule.str.startswith("note.")]
    assert counted[counted.rule == "used"].row_count.tolist() == [2]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (HEAD + ROW + '"never closed\n' + ROW, "rows do not fit its heading"),
        ("orders of 2025\n\n" + HEAD + ROW, "rows do not fit its heading"),
        (HEAD + ROW * 30_000 + "o2,secret,2025-06-01,5,a,b\n", "Line: 30002, Expected Number of Columns: 5 Found: 6"),
    ],
)
def test_a_file_that_is_no_table_is_told_without_its_contents(load_files, text: str, match: str) -> None:
    with pytest.raises(DataError, match=f"data.tables.orders: it cannot be read: .*{match}") as caught:
        load_files({"orders": text})
    assert "secret" not in str(caught.value)


def test_leading_noughts_stay(load_files) -> None:
    loaded = load_files({"orders": HEAD + "0012,007,2025-06-01,5,\n"})
    found = loaded.tables["orders"].to_pandas().iloc[0]
    assert (found.order_id, found.customer_id) == ("0012", "007")


def test_several_files_are_read_in_order_even_with_equal_names(load_files, tmp_path: Path) -> None:
    for year, encoding in (("2024", "gbk"), ("2025", "gbk")):
        (tmp_path / year).mkdir()
        text = HEAD + ROW.replace("o1", f"o{year}").replace("上海一店", f"{year}店")
        (tmp_path / year / "part.csv").write_bytes(text.encode(encoding))
    loaded = load_files({"orders": ("", {"path": "20*/part.csv", "encoding": "gbk"})}, write=False)
    assert _store(loaded) == ["2024店", "2025店"]


def test_parquet_is_read_as_it_is_stored(load_files, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"order_id": [1, 2], "customer_id": [17850.0, 17851.0], "amount": [2.5, float("nan")],
         "ordered_at": pd.to_datetime(["2025-06-01 10:00", "2025-06-02 10:00"])}
    )  # fmt: skip
    frame.to_parquet(tmp_path / "orders.parquet")
    loaded = load_files({"orders": ("", {"path": "orders.parquet"})}, write=False)
    found = loaded.tables["orders"].to_pandas()
    assert found.customer_id.tolist() == ["17850"]
    assert found.ordered_at.tolist() == [pd.Timestamp("2025-06-01 02:00")]
    assert dict(zip(loaded.report.rule, loaded.report.row_count, strict=True))["missing_amount"] == 1


def test_what_is_no_parquet_is_told(load_files, tmp_path: Path) -> None:
    (tmp_path / "orders.parquet").write_text("order_id\n1\n")
    with pytest.raises(DataError, match=r"data.tables.orders: it cannot be read"):
        load_files({"orders": ("", {"path": "orders.parquet"})}, write=False)


def test_files_are_found_in_order_or_near_names_told(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "d.csv").mkdir()
    found = find_files(TableSource(path="*.csv"), folder=tmp_path, table="orders")
    assert [path.name for path in found] == ["a.csv", "b.csv"]
    with pytest.raises(DataError, match=r"data.tables.orders.path: no file matches 'aa.csv'\n.*did you mean 'a.csv'"):
        find_files(TableSource(path="aa.csv"), folder=tmp_path, table="orders")
    with pytest.raises(DataError, match="relative to the settings file"):
        find_files(TableSource(path="nothing.xlsx"), folder=tmp_path, table="orders")


def test_the_fingerprint_is_of_names_and_contents(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("x")
    second.write_text("x")
    assert hash_files([first]) != hash_files([second])
    before = hash_files([first])
    first.write_text("y")
    assert hash_files([first]) != before
