"""What a table's file is: init, validate and the stage prepare say the same of every file, whatever it is called."""

import gzip
import io
import json
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet
import pytest

from steelyard.api.dataset import DatasetFormat
from steelyard.api.errors import DataError
from steelyard.api.loading import parse_training_job
from steelyard.cells.csv_text import CsvStyle
from steelyard.cli.sample import read_sample
from steelyard.contract.workspace import Workspace
from steelyard.formats.base import FormatName
from steelyard.formats.gzipped import Header, header_of
from steelyard.formats.table import (
    ENDINGS,
    FORMATS,
    detect_format,
    format_by_ending,
    format_by_mark,
    format_named,
    mismatch,
)
from steelyard.local.source import source_findings
from steelyard.serving.rows import CsvRows
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.sources import open_source

TEXT = b"x,y\n" + b"".join(b"%d,%d\n" % (row, row % 3) for row in range(40))


def parquet() -> bytes:
    """The same table as Parquet."""
    content = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"x": list(range(40)), "y": [row % 3 for row in range(40)]}), content)
    return content.getvalue()


TABLES: dict[str, tuple[bytes, FormatName]] = {
    "text": (TEXT, "CSV"),
    "gzipped text": (gzip.compress(TEXT, mtime=0), "CSV"),
    "names in brackets": (b"[x y],y" + TEXT[3:], "CSV"),
    "text with a mark": (b"\xef\xbb\xbf" + TEXT, "CSV"),
    "Parquet": (parquet(), "Parquet"),
}
OTHERS: dict[str, bytes] = {
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "zip": b"PK\x03\x04\x14\0",
    "PDF": b"%PDF-1.7\n1 0 obj",
    "JSON": json.dumps([{"x": 1, "y": 2}]).encode(),
    "JSON of numbers": b"[1, 2, 3]",
    "gzipped JSON": gzip.compress(b'{"a": 1}', mtime=0),
    "HTML": b"<!DOCTYPE html><html><body>no</body></html>",
    "pickle": b"\x80\x04\x95\x10\0\0\0",
    "nothing": b"",
    "blank": b"\n \n",
    "half a gzip file": gzip.compress(TEXT, mtime=0)[:30],
    "half a Parquet file": parquet()[:200],
    "gzipped Parquet": gzip.compress(parquet(), mtime=0),
}
NAMES = ("t.csv", "t.csv.gz", "t.parquet", "t.data")


def context_of(folder: Path, dataset: dict[str, Any]) -> StageContext:
    """A stage prepare beside the file."""
    manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "tested"},
        "spec": {"dataset": {"target": "y", **dataset}, "model": {"linear": {}}},
    }
    return StageContext("prepare", parse_training_job(manifest), Workspace(folder / "w"), folder, "k", 0)


def judged(folder: Path, dataset: dict[str, Any]) -> tuple[bool, bool]:
    """Whether validate and prepare take a file as what it is said to be."""
    context = context_of(folder, dataset)
    spec = context.job.spec.dataset
    findings = source_findings(spec, context.resolve(spec.uri))
    try:
        rows = sum(batch.num_rows for batch in open_source(context).batches())
    except DataError:
        return not findings, False
    return not findings, rows == 40


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_told_by_its_content_whatever_it_is_called(tmp_path: Path, kind: str, name: str) -> None:
    content, expected = TABLES[kind]
    path = tmp_path / name
    path.write_bytes(content)
    if expected == "CSV" and name == "t.parquet":
        # The name alone says so, and text has no mark.
        assert detect_format(path).name == "Parquet"
        with pytest.raises(DataError, match="is not a whole Parquet file"):
            read_sample(path)
        assert judged(tmp_path, {"uri": name}) == (False, False)
        assert judged(tmp_path, {"uri": name, "format": "CSV"}) == (True, True)
        return
    sample = read_sample(path)
    assert detect_format(path) is sample.format is format_named(expected)
    said = {} if format_by_ending(name) is sample.format else {"format": sample.format.name}
    assert judged(tmp_path, {"uri": name, **said}) == (True, True)
    for other in FORMATS:
        if other is not sample.format:
            assert judged(tmp_path, {"uri": name, "format": other.name}) == (False, False)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_table_is_refused_by_all(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(OTHERS[kind])
    with pytest.raises(DataError):
        read_sample(path)
    for form in FORMATS:
        assert judged(tmp_path, {"uri": name, "format": form.name})[1] is False
    assert judged(tmp_path, {"uri": name, "format": "CSV"}) == (False, False)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (TABLES["Parquet"][0], "is a Parquet file, not a CSV file: say dataset.format: Parquet"),
        (OTHERS["PNG"], r"is an image \(PNG\), not a CSV file: steelyard learns from tables"),
        (OTHERS["gzipped JSON"], "is JSON, not a CSV file: write it as CSV or Parquet"),
    ],
)
def test_validate_and_prepare_say_it_in_the_same_words(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    context = context_of(tmp_path, {"uri": "t.csv"})
    (finding,) = source_findings(context.job.spec.dataset, tmp_path / "t.csv")
    with pytest.raises(DataError, match=says):
        open_source(context)
    with pytest.raises(DataError, match=says):
        raise DataError(finding.problem.message)


def test_the_table_has_every_format_of_the_manifest_that_is_a_file() -> None:
    assert [form.name for form in FORMATS] == list(get_args(FormatName))
    assert {*get_args(FormatName), "Prepared"} == {
        name for part in get_args(DatasetFormat) for name in (get_args(part) or (part,))
    }
    assert len(set(ENDINGS)) == len(ENDINGS)
    for form in FORMATS:
        assert all(format_by_ending(f"a{ending.upper()}") is form for ending in form.all_endings)
    assert [form.name for form in FORMATS if not form.has_mark] == ["CSV"]


def test_a_mark_counts_inside_gzip_only_where_such_files_may_be_gzipped(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(TABLES["gzipped text"][0])
    assert header_of(tmp_path / "t") == Header(TEXT, is_gzipped=True)
    assert format_by_mark(Header(b"PAR1", is_gzipped=False)) is format_named("Parquet")
    assert format_by_mark(Header(b"PAR1", is_gzipped=True)) is None
    assert mismatch("CSV", tmp_path / "t") is None


@pytest.mark.parametrize("content", [TEXT, TEXT.decode().encode("utf-16-le"), TEXT.decode().encode("utf-16-be")])
def test_what_is_said_to_be_utf16_and_has_not_its_mark_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    context = context_of(tmp_path, {"uri": "t.csv", "csv": {"encoding": "UTF-16"}})
    (finding,) = source_findings(context.job.spec.dataset, path)
    assert "t.csv is not a CSV file: it is not text in UTF-16, or lacks the mark" in finding.problem.message
    with pytest.raises(DataError, match="it is not text in UTF-16, which dataset"):
        list(open_source(context).batches())
    with pytest.raises(DataError, match=r"t\.csv is not a CSV file in UTF-16"):
        list(CsvRows(path, "t.csv", CsvStyle(encoding="UTF-16")).batches(["x"]))
    if content is not TEXT:
        with pytest.raises(DataError, match=r"it is not text in UTF-16, or lacks the mark|NUL byte"):
            read_sample(path)


def test_validate_sees_that_parquets_description_does_not_fit_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(parquet()[:-8] + b"\xff\xff\xff\x7fPAR1")
    context = context_of(tmp_path, {"uri": "t.parquet"})
    (finding,) = source_findings(context.job.spec.dataset, path)
    assert finding.problem.message.endswith("is damaged: its description is said to be longer than the file")
    with pytest.raises(DataError, match="is not a whole Parquet file"):
        open_source(context)
