"""Dirty texts: every record is counted, used or put aside, whatever its quotes, widths and line ends."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crm_analysis.base.errors import DataError
from crm_analysis.sources import reading
from crm_analysis.sources.text import CHUNK, count_records, sort_rows

HEAD = "order_id,customer_id,ordered_at,amount,store\n"
ROW = "o1,c1,2025-06-01 10:00,5,上海一店\n"


def _rules(loaded, table: str = "orders") -> dict[str, int]:
    rows = loaded.report[loaded.report.table == table]
    found = dict(zip(rows.rule, rows.row_count, strict=True))
    assert found["read"] == sum(n for rule, n in found.items() if rule != "read" and not rule.startswith("note."))
    return found


# -- counting ----------------------------------------------------------------------------------------------------------


def _count(path: Path, content: str) -> tuple[int, int] | None:
    path.write_bytes(content.encode())
    counts = count_records(path)
    return counts and (counts.filled, counts.blank)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", (0, 0)),
        ("a", (1, 0)),
        ("a\n", (1, 0)),
        ("a\nb", (2, 0)),
        ("a\r\nb\r\n", (2, 0)),
        ("a\n\nb\n", (2, 1)),
        ("a\r\n\r\nb\r\n", (2, 1)),
        ("\n\n\n", (0, 3)),
        ('a\n"x\ny"\nb\n', (3, 0)),
        ('a\n"x\n\ny"\n\nb\n', (3, 1)),
        ('a\n"say ""hi""\n"\nb\n', (3, 0)),
        ("a\rb\r", None),
        ("a\nb\rc\n", None),
        ("a\0b\n", None),
    ],
)
def test_records_by_hand(tmp_path: Path, content: str, expected: tuple[int, int] | None) -> None:
    assert _count(tmp_path / "x.csv", content) == expected


@pytest.mark.parametrize("cut", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("middle", ["\n", "\r\n", "\n\n", "\r\n\r\n", '\n"q\nq"\n'])
def test_a_record_across_blocks_is_counted_once(tmp_path: Path, cut: int, middle: str) -> None:
    content = "x" * (CHUNK + cut - len(middle) // 2) + middle + "y\n"
    blank = middle.count("\n") == 2 and '"' not in middle
    assert _count(tmp_path / "x.csv", content) == (3 if '"' in middle else 2, int(blank))


cells = st.text(st.sampled_from('ab1 ,;"\n\r店.'), max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(cells, min_size=2, max_size=3), min_size=1, max_size=8))
def test_what_a_writer_wrote_is_counted(tmp_path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    counts = _count(tmp_path / "x.csv", text.getvalue())
    assert counts is None or counts == (len(rows), 0)
    assert counts is not None or "\r" in text.getvalue()


# -- loading -----------------------------------------------------------------------------------------------------------

FIELDS = ["", "o1", "o2", "c1", "2025-06-01", "soon", "5", "-3", '"quoted, with comma"', '"a\nb"', '"a\n\nb"', '"open',
          'close"', 'in"side', '"x"y', " ", '""', '"""', "\0", "店", "\r"]  # fmt: skip
lines = st.tuples(
    st.lists(st.sampled_from(FIELDS), max_size=7), st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", ""])
)
GOOD = "good,c1,2025-06-01,5,\n"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.lists(lines, max_size=12))
@example(body=[(["o1", "c1", "2025-06-01", "5", '"open'], "\n")])
@example(body=[(["o1", "c1", "2025-06-01", "5", "x", "y"], "\r\n"), (['"a\nb"', "c1"], "\n")])
def test_no_row_is_lost_whatever_the_text(load_files, tmp_path: Path, body: list[tuple[list[str], str]]) -> None:
    text = HEAD + GOOD + "".join(",".join(fields) + end for fields, end in body)
    loaded = load_files({"orders": text})
    rules = _rules(loaded)
    stored = tmp_path / "cache" / loaded.fingerprint
    kept, aside = pd.read_parquet(stored / "orders.parquet"), pd.read_parquet(stored / "quarantine" / "orders.parquet")
    assert "good" in kept.order_id.tolist()
    assert len(kept) == rules["used"]
    assert len(kept) + len(aside) == rules["read"]
    assert aside["_row"].is_unique


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(st.text(st.sampled_from('ab ,"\n店'), min_size=1, max_size=5), min_size=5, max_size=5)))
def test_both_ways_of_reading_agree_on_clean_texts(load_files, monkeypatch, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["good", "c1", "2025-06-01", "5", "x"], *rows])
    content = HEAD + text.getvalue()
    fast = load_files({"orders": content})
    with monkeypatch.context() as patch:
        patch.setattr(reading, "_plain_csv", lambda *_, **__: None)
        slow = load_files({"orders": content}, earliest_date="1990-01-02")
    assert fast.fingerprint != slow.fingerprint
    pd.testing.assert_frame_equal(fast.report, slow.report)
    pd.testing.assert_frame_equal(fast.tables["orders"].to_pandas(), slow.tables["orders"].to_pandas())


def test_lines_after_a_stray_quote_are_read_again(tmp_path: Path) -> None:
    source, clean, malformed = tmp_path / "s.csv", tmp_path / "c.csv", tmp_path / "m.csv"
    source.write_text('a,b\n1,"x\n2,y\n3,"z\n4,"fine\nindeed"\n', newline="")
    went = sort_rows(
        source, clean=clean, malformed=malformed, encoding="utf-8", delimiter=",", first=1, row="n", text="t"
    )
    assert (went.read, went.malformed, went.has_long_fields) == (4, 2, True)
    assert list(csv.reader(clean.open(newline=""))) == [["n", "a", "b"], ["2", "2", "y"], ["4", "4", "fine\nindeed"]]
    assert list(csv.reader(malformed.open(newline=""))) == [["n", "t"], ["1", '1,"x'], ["3", '3,"z']]


@pytest.mark.parametrize("bad_row", [False, True])
def test_a_field_of_ten_megabytes(load_files, bad_row: bool) -> None:
    long = "x" * 10_000_000
    loaded = load_files({"orders": HEAD + ROW.replace("上海一店", long) + ("x\n" if bad_row else "")})
    assert loaded.tables["orders"].store.length().to_pandas().tolist() == [len(long)]
    assert _rules(loaded).get("malformed_row", 0) == bad_row


def test_a_field_beyond_all_bounds_is_put_aside(load_files, quarantine) -> None:
    loaded = load_files({"orders": HEAD + ROW + ROW.replace("o1", "o2").replace("上海一店", "x" * 40_000_000)})
    assert _rules(loaded) == {"read": 2, "used": 1, "malformed_row": 1}
    assert quarantine("orders")["_text"].str.len().tolist() == [1 << 20]


def test_malformed_rows_of_several_files_keep_their_numbers(load_files, tmp_path: Path, quarantine) -> None:
    for name, body in (("a", ROW + "x\n"), ("b", ROW.replace("o1", "o2") + "y\n" + ROW.replace("o1", "o3"))):
        (tmp_path / f"{name}.csv").write_text(HEAD + body)
    loaded = load_files({"orders": ("", {"path": "?.csv"})}, write=False)
    assert _rules(loaded) == {"read": 5, "used": 3, "malformed_row": 2}
    aside = quarantine("orders")
    assert dict(zip(aside["_row"], aside["_text"], strict=True)) == {2: "x", 4: "y"}


# -- encodings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real", "stated", "proposed"),
    [("gbk", "utf-8", "gb18030"), ("utf-8", "gbk", "utf-8"), ("utf-16", "utf-8", "utf-16"), ("utf-16", "gbk", "utf-16"),
     ("utf-8-sig", "gb18030", "utf-8"), ("utf-8", "utf-16", "utf-8")],
)  # fmt: skip
def test_the_encoding_that_fits_is_proposed(load_files, real: str, stated: str, proposed: str) -> None:
    content = (HEAD + ROW.replace("上海一店", "成都一店𠮷" if real == "utf-8" else "成都一店")).encode(real)
    with pytest.raises(DataError, match=f"orders.csv is not {stated}") as caught:
        load_files({"orders": (content, {"encoding": stated})})
    assert f"set data.tables.orders.encoding to {proposed}" in str(caught.value)


def test_what_is_no_text_at_all_is_told(load_files) -> None:
    with pytest.raises(DataError, match="save the file as UTF-8"):
        load_files({"orders": HEAD.encode() + b"\xff\xff\x80\x81\xff\n"})


def test_all_files_of_a_wrong_encoding_are_named(load_files, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_bytes((HEAD + ROW).encode("gbk"))
    with pytest.raises(DataError) as caught:
        load_files({"orders": ("", {"path": "?.csv"})}, write=False)
    assert [problem.what.split()[0] for problem in caught.value.problems] == ["a.csv", "b.csv"]
