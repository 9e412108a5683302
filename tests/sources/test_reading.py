"""Reading of files as they come: encodings, marks, quotes, several files, and messages that help."""

from pathlib import Path

import pandas as pd
import pytest

from crm_analysis.base.errors import DataError
from crm_analysis.base.settings import TableSource
from crm_analysis.sources.files import find_files, hash_files

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


def _rules(loaded, table: str = "orders") -> dict[str, int]:
    rows = loaded.report[loaded.report.table == table]
    return dict(zip(rows.rule, rows.row_count, strict=True))


def test_rows_of_another_width_are_put_aside_with_their_text_and_blank_lines_skipped(load_files, quarantine) -> None:
    rows = ["o1,c1,2025-06-01,5", "", "o2,c1,2025-06-02,6,店", "o3,c1,2025-06-02,6,店,b", "o4,c1,2025-06-02,6,店,", "x"]
    loaded = load_files({"orders": HEAD + "\n".join(rows)})
    assert loaded.tables["orders"].order_by("order_id").order_id.to_pandas().tolist() == ["o2", "o4"]
    assert _rules(loaded) == {"read": 5, "used": 2, "malformed_row": 3}
    aside = quarantine("orders")
    assert aside["_row"].tolist() == [1, 3, 5]
    assert aside["_rule"].tolist() == ["malformed_row"] * 3
    assert aside["_text"].tolist() == [rows[0], rows[3], rows[5]]


def test_the_text_of_other_rows_in_quarantine_is_empty(load_files, quarantine) -> None:
    load_files({"orders": HEAD + ROW + "o2,,2025-06-01,5,\nx\n"})
    assert quarantine("orders")["_text"].fillna("").tolist() == ["", "x"]


@pytest.mark.parametrize("tail", ["", "\n".join(["o3,c1,2025-06-03,7,b"] * 3) + "\n"])
def test_a_quote_that_is_never_closed_costs_one_line(load_files, quarantine, tail: str) -> None:
    loaded = load_files({"orders": HEAD + ROW + 'o9,c9,2025-06-01,5,"never closed\n' + ROW.replace("o1", "o2") + tail})
    assert _rules(loaded)["malformed_row"] == 1
    assert _rules(loaded)["used"] == (3 if tail else 2)
    assert quarantine("orders")["_text"].tolist()[0] == 'o9,c9,2025-06-01,5,"never closed'


def test_one_long_row_among_many(load_files, quarantine) -> None:
    many = "".join(f"o{n},c1,2025-06-01,5,\n" for n in range(30_000))
    loaded = load_files({"orders": HEAD + many + "o2,secret,2025-06-01,5,a,b\n" + "z1,c1,2025-06-01,5,\n"})
    assert _rules(loaded) == {"read": 30_002, "used": 30_001, "malformed_row": 1}
    assert quarantine("orders")["_row"].tolist() == [30_001]


@pytest.mark.parametrize("text", ["orders of 2025\n\n" + HEAD + ROW, HEAD + ROW.replace(",", "|") * 3])
def test_a_file_that_is_no_table_is_told_without_its_contents(load_files, text: str) -> None:
    with pytest.raises(DataError, match=r"data.tables.orders: the rows of orders.csv do not fit its heading") as caught:
        load_files({"orders": text.replace("c1", "secret")})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_named(load_files, delimiter: str) -> None:
    with pytest.raises(DataError, match=r"orders.delimiter: the heading of orders.csv has no comma") as caught:
        load_files({"orders": (HEAD + ROW).replace(",", delimiter)})
    assert f"set it to {delimiter!r}" in str(caught.value)


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
    assert _rules(loaded) == {"read": 2, "used": 1, "missing_amount": 1}


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


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("path", ["exports", "exports/", "exports/*"])
def test_a_folder_means_all_files_in_it(load_files, tmp_path: Path, suffix: str, path: str) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    for n in (2, 1):
        frame = pd.DataFrame({"order_id": [f"o{n}"], "customer_id": "c1", "ordered_at": "2025-06-01", "amount": "5"})
        frame.to_csv(folder / f"{n}.csv", index=False) if suffix == "csv" else frame.to_parquet(folder / f"{n}.parquet")
    if path != "exports/*":
        (folder / ".hidden.csv").write_text("x")
        (folder / "_SUCCESS").write_text("")
        (folder / "notes.docx").write_text("x")
    loaded = load_files({"orders": ("", {"path": path})}, write=False)
    assert loaded.tables["orders"].order_id.to_pandas().tolist() == ["o1", "o2"]


def test_kinds_are_not_mixed_and_both_are_named(tmp_path: Path) -> None:
    for name in ("a.csv", "b.parquet"):
        (tmp_path / name).write_text("x")
    for path in (".", "*"):
        with pytest.raises(DataError, match=r"files of several kinds: CSV \(a.csv\), Parquet \(b.parquet\)"):
            find_files(TableSource(path=path), folder=tmp_path, table="orders")
    with pytest.raises(DataError, match=r"table 'orders' is named, but a.csv is no DuckDB file"):
        find_files(TableSource(path="a.csv", table="orders"), folder=tmp_path, table="orders")


@pytest.mark.parametrize(
    ("name", "fix"),
    [("orders.xlsx", "save the sheet as CSV"), ("orders.csv.gz", "unpack it first"), ("orders.json", "CSV or Parquet")],
)
def test_what_cannot_be_read_is_told_with_what_to_do(tmp_path: Path, name: str, fix: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=f"{name} cannot be read as it is\n    fix: .*{fix}"):
        find_files(TableSource(path=name), folder=tmp_path, table="orders")


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    with pytest.raises(DataError, match=r"orders.path: the folder 'exports' holds no CSV or Parquet files"):
        find_files(TableSource(path="exports"), folder=tmp_path, table="orders")


@pytest.mark.parametrize("bad_row", ["", "x\n"])
def test_columns_of_several_files_are_united_by_name(load_files, tmp_path: Path, bad_row: str) -> None:
    (tmp_path / "1.csv").write_text("order_id,customer_id,ordered_at,amount\no1,c1,2025-06-01,5\n" + bad_row)
    (tmp_path / "2.csv").write_text("amount,store,ordered_at,customer_id,order_id\n6,店,2025-06-02,c1,o2\n")
    found = load_files({"orders": ("", {"path": "?.csv"})}, write=False).tables["orders"].to_pandas()
    assert found.amount.astype(float).tolist() == [5, 6]
    assert found.store.fillna("").tolist() == ["", "店"]


def test_columns_of_parquet_files_are_united_by_name(load_files, tmp_path: Path, quarantine) -> None:
    base = {"customer_id": "c1", "ordered_at": pd.Timestamp("2025-06-01"), "amount": 5.0}
    pd.DataFrame([{"order_id": "o1"} | base, {"order_id": None} | base]).to_parquet(tmp_path / "1.parquet")
    pd.DataFrame([{"store": "店", "order_id": "o2"} | base, {"order_id": None} | base]).to_parquet(
        tmp_path / "2.parquet"
    )
    loaded = load_files({"orders": ("", {"path": "?.parquet"})}, write=False)
    assert loaded.tables["orders"].to_pandas().store.fillna("").tolist() == ["", "店"]
    assert quarantine("orders")["_row"].tolist() == [2, 4], "numbers go on over the files"


def test_rows_are_numbered_in_the_order_of_the_files(load_files, tmp_path: Path) -> None:
    wanted = []
    for n in range(3):
        ids = [f"{n}-{k}" for k in range(70_000)]
        wanted += ids
        frame = pd.DataFrame({"store": ids, "customer_id": "c1", "ordered_at": "2025-06-01", "amount": 5})
        frame.to_csv(tmp_path / f"{n}.csv", index=False)
        frame.to_parquet(tmp_path / f"{n}.parquet", row_group_size=10_000)
    for suffix in ("csv", "parquet"):
        source = {"path": f"?.{suffix}", "row_id": "order_id"}
        found = (
            load_files({"orders": ("", source)}, write=False).tables["orders"].select("order_id", "store").to_pandas()
        )
        found = found.assign(order_id=found.order_id.astype(int)).sort_values("order_id")
        assert found.order_id.tolist() == list(range(1, len(wanted) + 1))
        assert found.store.tolist() == wanted


@pytest.mark.parametrize("tail", ["", "x\n"])
def test_a_column_named_like_the_row_number_gives_way(load_files, quarantine, tail: str) -> None:
    load_files({"orders": HEAD.replace("store", "_row") + ROW + "o2,,2025-06-01,5,77\n" + tail})
    assert quarantine("orders")["_row"].tolist() == ([2, 3] if tail else [2])


def test_decimal_commas(load_files) -> None:
    text = HEAD.replace(",", ";") + "o1;c1;2025-06-01;1.234,56;\no2;c1;2025-06-01;12,5 €;\no3;c1;2025-06-01;1,234.5;\n"
    loaded = load_files({"orders": (text, {"delimiter": ";", "decimal": ","})})
    assert loaded.tables["orders"].amount.to_pandas().astype(float).tolist() == [1234.56, 12.5]
    assert _rules(loaded) == {"read": 3, "used": 2, "unparsable_amount": 1}
