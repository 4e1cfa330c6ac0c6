"""`steelyard init` on what is no table: what it is, and what to do instead."""

import gzip
import io
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from init_support import init, write

from steelyard.api.errors import DataError
from steelyard.contract.stages import ExitCode

BAD_TABLES = [
    (b"", "is empty, no CSV or Parquet file: a table begins with a line that names the columns"),
    (b"\n\n", "is blank, no CSV or Parquet file"),
    (b"a,b\n", "has a header but no rows"),
    (b"a,b\n1,2\n1,2,3\n", "line 3: 3 cells, but the header names 2 columns"),
    (b"a,b,a\n1,2,3\n", "has the column 'a' more than once"),
    (b"a,b\n1,2,\n1,2,\n", "line 2: 3 cells, but the header names 2 columns"),
    (b"a\n1\n", "has one column only, 'a', but a target and a feature are needed"),
    (b"\x89PNG\r\n\x1a\n\0\0", "is an image (PNG), no CSV or Parquet file: steelyard learns from tables"),
    (b"a,b\n1,\0\n", "is binary, no text, no CSV or Parquet file"),
    (b'a,b\n1,"2\n', "is not a CSV file: unexpected end of data"),
    (b"a,b\n1,\n2,\n", "no column beside the target 'a' has a value in the rows looked at"),
]


@pytest.mark.parametrize(("content", "essence"), BAD_TABLES, ids=[essence for _, essence in BAD_TABLES])
def test_a_bad_table_is_refused_and_nothing_is_written(tmp_path: Path, content: bytes, essence: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        init(tmp_path / "a.csv")
    assert essence in caught.value.message
    assert caught.value.exit_code == ExitCode.DATA
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_what_is_no_csv_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*no\.csv"):
        init(tmp_path / "no.csv")
    with pytest.raises(DataError, match="is a folder; name a CSV or Parquet file"):
        init(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="is not a whole Parquet file; it may have been cut off"):
        init(tmp_path / "a.parquet")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 99)[:-20])
    with pytest.raises(DataError, match="is not a CSV file: Compressed file ended"):
        init(tmp_path / "a.csv.gz")


def test_a_target_that_is_not_there_is_answered_with_the_columns(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", ["a", "b c"], [[1, 0]])
    with pytest.raises(DataError, match=r"has no column 'd' \(--target\); its columns are a, \"b c\""):
        init(table, "--target", "d")


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "<x/>")
    return buffer.getvalue()


OTHER_FILES = [
    ("t.json", b'[{"a":1}]', "is JSON, no CSV or Parquet file: write it as CSV or Parquet"),
    ("t.csv", b'{"a": [1, 2]}', "is JSON"),
    ("t.csv", b"[[1, 2], [3, 4]]", "is JSON"),
    ("t.jsonl", b'{"a": 1}\n{"a": 2}\n', "is JSON"),
    ("t.xlsx", zipped("xl/workbook.xml"), "is an Excel workbook, no CSV or Parquet file: save its sheet as CSV"),
    ("t.csv", zipped("xl/workbook.xml"), "is an Excel workbook"),
    ("t.zip", zipped("t.csv"), "is a zip archive, no CSV or Parquet file: unpack it"),
    ("t.csv", b"<!DOCTYPE html><html>404</html>", "is a web page (HTML)"),
    ("t.csv", b"\x00\x01\x02\x03\x99" * 99, "is binary, no text"),
    ("t.csv.gz", gzip.compress(b'{"a": 1}', mtime=0), "is JSON"),
    ("t.csv", b"", "is empty"),
    ("t.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "is a pointer of Git LFS"),
    ("t.csv", b"\x93NUMPY\x01", "is a NumPy array"),
]


@pytest.mark.parametrize(("name", "content", "says"), OTHER_FILES)
def test_what_is_no_table_is_named_with_what_to_do(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        init(tmp_path / name)
    assert says in caught.value.message and str(tmp_path / name) in caught.value.message


def test_other_places_and_folders_are_answered_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"s3://bucket/a\.csv lies elsewhere: .* download it"):
        init("s3://bucket/a.csv")
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "1.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"is a folder of images, such as 1\.jpg; steelyard learns from tables"):
        init(tmp_path)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"is a folder; name the file in it: .*/tables/a\.csv"):
        init(tmp_path / "tables")
    (tmp_path / "tables" / "b.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"is a folder of 2 tables, such as a\.csv; name one file"):
        init(tmp_path / "tables")


def test_a_parquet_file_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1, 2], [3, 4], [0, 1]], names=["a", "a", "b"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="has the column 'a' more than once; rename one of them"):
        init(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["", " "])
def test_a_parquet_file_with_a_column_without_a_name_is_refused(tmp_path: Path, name: str) -> None:
    """The manifest could not exclude it, and a job would end with the same words."""
    pq.write_table(pa.table([[1, 2], [3, 4], [0, 1]], names=["a", name, "b"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"has no name for column 2 of 3: name it; if it only numbers the rows, write"):
        init(tmp_path / "a.parquet")


def test_without_pyarrow_a_parquet_file_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="pyarrow, which reads it, is not installed"):
        init(tmp_path / "a.parquet")
