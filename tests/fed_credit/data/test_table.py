from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from fed_credit.data.table import read_table
from fed_credit.errors import DataError

TEXT = 'id,名称,note\n007,"农业, 有限","two\nlines"\n\n12345678901234567890,, NA\n'


def test_csv_stays_text_and_only_empty_is_missing(tmp_path: Path) -> None:
    for name, content in (
        ("plain.csv", TEXT.encode()),
        ("bom.txt", b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()),
        ("named_otherwise.csv", gzip.compress(TEXT.encode(), mtime=0)),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        frame = read_table(path)
        assert frame.columns.tolist() == ["id", "名称", "note"]
        assert frame["id"].tolist() == ["007", "12345678901234567890"]
        assert frame["名称"].isna().tolist() == [False, True]
        assert frame["note"][1] == " NA"
        assert set(map(str, frame.dtypes)) == {"str"}


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": [1.5, None], "d": pd.to_datetime(["2020-01-01", None]), "c": ["x", "y"]}, index=[7, 9]
    )
    frame.to_parquet(tmp_path / "table.bin")
    read = read_table(tmp_path / "table.bin")
    assert read.index.tolist() == [0, 1]
    pd.testing.assert_frame_equal(
        read[["a", "d", "c"]], frame.reset_index(drop=True), check_dtype=False
    )
    assert read["d"].dtype.kind == "M"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"a,b\n", "has a header but no rows"),
        ("t.csv", b"a,b", "has a header but no rows"),
        ("t.csv", gzip.compress(b"a,b\n", mtime=0), "has a header but no rows"),
        ("t.csv", b"\n\n", "begins with an empty line"),
        ("t.csv", b"a,b\n1,2\n3\n", "line 3 has 1 values where the header has 2"),
        ("t.csv", b"a,b\n1,2\n3,4,secret\n", "line 3 has 3 values where the header has 2"),
        ("t.csv", b"a,b,a\n1,2,3\n", "more than one column 'a'"),
        ("t.csv", b"a,b\n\xff\xfe,2\n", "in neither UTF-8 nor GB18030"),
        ("t.csv", "é,b\nê,2\n".encode("latin-1"), "in neither UTF-8 nor GB18030"),
        ("t.csv", b"PK\x03\x04 sheet", "Excel workbook"),
        ("t.csv", bytes(range(256)) * 40, "binary data"),
        (
            "t.csv.gz",
            gzip.compress(b"a,b\n" + b"1,2\n" * 9999, mtime=0)[:-9],
            "is not a whole gzip file",
        ),
        ("t.csv.gz", b"\x1f\x8b not gzip at all", "is not a whole gzip file"),
        ("t.parquet", b"PAR1 cut off", "is not a whole Parquet file"),
        ("t.parquet", b"a,b\n1,2\n", "is not a whole Parquet file"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_table_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "none.csv")
