"""`steelyard init` writes a manifest that is valid, fits the table and says what it guessed."""

import csv
import gzip
import io
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from steelyard.api.errors import DataError, SteelyardError
from steelyard.api.loading import load_training_job, parse_training_job, read_manifest
from steelyard.api.training_job import NAME_PATTERN, TrainingJob
from steelyard.cli import sample as sampling
from steelyard.cli.init import job_name, manifest_for, quoted
from steelyard.cli.judging import judge
from steelyard.cli.main import app
from steelyard.cli.sample import Column, Sample, read_sample
from steelyard.contract.stages import ExitCode, Reason


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def init(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["init", *map(str, arguments)], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def job_for(path: Path, *arguments: object) -> TrainingJob:
    init(path, "--to", path.parent / "job.yaml", "--force", *arguments)
    return load_training_job(path.parent / "job.yaml")


def passengers(path: Path, rows: int = 300) -> Path:
    header = ["id", "survived", "class of cabin", "name", "sex", "age", "fare", "deck"]
    return write(
        path,
        header,
        [
            [
                1000 + i,
                i % 2,
                i % 3 + 1,
                f"Name {i}",
                "fm"[i % 2],
                "" if i % 10 == 0 else i % 80,
                f"{i * 7 % 100}.25",
                "NA" if i % 5 == 0 else "A",
            ]
            for i in range(rows)
        ],
    )


def test_the_manifest_fits_the_table(tmp_path: Path) -> None:
    table = passengers(tmp_path / "Passengers 1912.csv")
    out = init(table, "--target", "survived")
    path = tmp_path / "passengers-1912.yaml"
    job = load_training_job(path)
    assert job.metadata.name == "passengers-1912"
    assert (job.spec.dataset.uri, job.spec.dataset.target, job.spec.task) == (table.name, "survived", "Classification")
    assert job.spec.dataset.exclude == ["id", "name"]
    assert job.spec.dataset.missing_values.strategy == "Median"
    text = path.read_text(encoding="utf-8")
    # "NA" is a word in a column of text.
    assert "# Empty cells in 300 rows: age 30.\n" in text
    assert "#   id: named as an identifier is, and different in 100% of the rows\n" in text
    assert "'name': text that is different in 100% of the rows\n" in out
    assert '# categorical: ["class of cabin"]\n' in text
    assert "# evaluation:" in text and job.spec.evaluation.require == []
    assert job.spec.compression is not None
    assert f"steelyard validate {path}" in out and f"steelyard run {path}" in out


def test_a_commented_line_can_be_put_to_use(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", [*(f"p{i}" for i in range(12)), "y"], [[i % 5] * 12 + [i % 2] for i in range(90)])
    text = init(table, "--to", "-")
    assert "p7]  # and 4 more\n" in text
    text = re.sub(r"^( +)# (missingValues|categorical):", r"\1\2:", text, flags=re.MULTILINE)
    text = re.sub(r"^  # (evaluation:|  require:|    - )", r"  \1", text, flags=re.MULTILINE)
    job = parse_training_job(yaml.safe_load(text))
    assert len(job.spec.dataset.categorical) == 8 and job.spec.dataset.missing_values.strategy == "Median"
    assert job.spec.evaluation.require[0].metric == "accuracy"


@pytest.mark.parametrize(
    ("header", "target"),
    [
        (["a", "Label", "b"], "Label"),
        (["y", "a", "target"], "target"),
        (["class", "a", "b"], "class"),
        (["a", "b", "c"], "c"),
    ],
)
def test_the_target_is_the_usual_name_else_the_last_column(tmp_path: Path, header: list[str], target: str) -> None:
    table = write(tmp_path / "a.csv", header, [[i % 2, i % 3, i % 2] for i in range(60)])
    assert job_for(table).spec.dataset.target == target
    assert "# a guess" in (tmp_path / "job.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        ([i % 20 for i in range(400)], "Classification"),
        ([i % 21 for i in range(100)], "Regression"),
        ([i % 2 + 0.5 for i in range(100)], "Regression"),
        (["high" if i % 2 else "low" for i in range(100)], "Classification"),
    ],
)
def test_the_task_follows_from_the_target(tmp_path: Path, cells: list[object], task: str) -> None:
    table = write(tmp_path / "a.csv", ["a", "b"], [[i % 7, cell] for i, cell in enumerate(cells)])
    job = job_for(table)
    assert job.spec.task == task
    assert job.spec.dataset.split.stratify == (True if task == "Classification" else None)


def test_classes_too_rare_to_be_dealt_out_are_not_stratified(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", ["a", "b"], [[i % 7, "rare" if i < 3 else i % 2] for i in range(100)])
    assert job_for(table).spec.dataset.split.stratify is False


@pytest.mark.parametrize(("rows", "largest"), [(2, 1), (10, 7), (100, 8), (2000, 32), (20_005, 256)])
def test_a_batch_is_no_larger_than_the_training_part(tmp_path: Path, rows: int, largest: int) -> None:
    training = job_for(write(tmp_path / "a.csv", ["a", "b"], [[i % 7, i % 2] for i in range(rows)])).spec.training
    assert training.batch_size <= largest
    assert training.workers == 1


def test_a_long_table_is_looked_at_in_part_all_over_it_and_its_rows_are_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "WHOLE_BYTES", 1 << 20)
    monkeypatch.setattr(sampling, "_BLOCK_BYTES", 10_000)
    rows = 160_000
    # What only later rows show: another kind of text, gaps, more classes than the first rows have.
    cells = [[f"{i % 7:07}", "" if i > 100_000 and i % 2 else i % 9 + i / 4, i // 1000] for i in range(rows)]
    table = write(tmp_path / "a.csv", ["a", "b", "y"], cells)
    sample = read_sample(table)
    assert sample.rows < rows / 4 and not sample.is_whole_table
    assert 0.8 * rows < sample.all_rows < 1.2 * rows
    assert max(int(text) for text in sample.column("y").counts) > 155
    text = init(table, "--to", "-")
    assert "  # task: Regression  # left to the whole table" in text and "strategy: Median" in text
    job = job_for(table)
    assert job.spec.task is None and job.spec.training.workers == 2
    assert job.spec.dataset.missing_values.strategy == "Median"


@pytest.mark.parametrize("packed", [False, True])
def test_a_block_that_begins_in_the_middle_of_a_quoted_cell_gives_no_false_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(sampling, "WHOLE_BYTES", 100_000)
    monkeypatch.setattr(sampling, "_BLOCK_BYTES", 5_000)
    table = write(
        tmp_path / "a.csv", ["a", "text", "y"], [[i, f"some, \n{i},\n text", "yn"[i % 2]] for i in range(40_000)]
    )
    if packed:
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(table.read_bytes()))
        table = tmp_path / "a.csv.gz"
    sample = read_sample(table)
    assert set(sample.column("y").counts) <= {"y", "n"} and sample.rows > 500
    assert all(text.isdigit() for text in sample.column("a").counts)


def test_identifiers_stay_where_nothing_else_is_left(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", ["id", "target"], [[i, i % 2] for i in range(50)])
    assert job_for(table).spec.dataset.exclude == []


def test_numbers_with_a_fraction_are_no_identifiers(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", ["x", "target"], [[i + 0.5, i % 2] for i in range(50)])
    assert job_for(table).spec.dataset.exclude == []


def test_tabs_and_compressed_tables_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"a\tb\n1\t0\n2\t1\n2\t0\n"))
    job = job_for(tmp_path / "a.tsv.gz")
    assert job.spec.dataset.uri == "a.tsv.gz" and job.spec.dataset.inferred_format == "CSV"


def test_another_ending_gets_its_format_said(tmp_path: Path) -> None:
    assert job_for(write(tmp_path / "a.txt", ["a", "b"], [[1, 0], [1, 1]])).spec.dataset.format == "CSV"


def test_the_uri_is_relative_to_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "data").mkdir()
    table = write(tmp_path / "data" / "a.csv", ["a", "b"], [[1, 0], [1, 1]])
    init(table, "--to", tmp_path / "jobs" / "job.yaml")
    assert load_training_job(tmp_path / "jobs" / "job.yaml").spec.dataset.uri == "../data/a.csv"
    monkeypatch.chdir(tmp_path / "data")
    assert yaml.safe_load(init("a.csv", "--to", "-"))["spec"]["dataset"]["uri"] == "a.csv"
    assert list((tmp_path / "data").iterdir()) == [table], "standard output writes no file"


def test_a_file_that_is_there_is_replaced_with_force_only(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", ["a", "b"], [[1, 0], [1, 1]])
    (tmp_path / "a.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(SteelyardError, match=r"a\.yaml is there already; .*--to.*--force") as caught:
        init(table)
    assert (caught.value.exit_code, caught.value.reason) == (ExitCode.CONFIGURATION, Reason.TARGET_OCCUPIED)
    assert (tmp_path / "a.yaml").read_text(encoding="utf-8") == "mine"
    init(table, "--force")
    assert load_training_job(tmp_path / "a.yaml").metadata.name == "a"


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


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("digits.csv", "digits"),
        ("My Table (2).CSV", "my-table-2"),
        ("2024_sales.csv.gz", "job-2024-sales"),
        ("Café Übersicht.tsv", "cafe-ubersicht"),
        ("数据.csv", "job"),
        ("a" * 39 + "-b.csv", "a" * 39),
        ("table", "table"),
    ],
)
def test_a_job_is_named_after_its_table(file_name: str, name: str) -> None:
    assert job_name(file_name) == name


@given(st.text(min_size=1))
def test_every_file_name_makes_a_valid_job_name(file_name: str) -> None:
    assert re.fullmatch(NAME_PATTERN, job_name(file_name))


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20) | st.sampled_from(
    ["yes", "null", "1e3", "0x1f", "a: b", "#", "- a", "[", "'", '"', "\n", "~", "y", "=", "<<", "2024-01-01", " a "]
)


@given(NAMES)
def test_quoting_keeps_every_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "quoted.yaml"
    # newline="" as a line feed of another system is part of no name.
    path.write_text(f"a: [{quoted(text)}, {quoted(text)}]\n", encoding="utf-8", newline="")
    assert read_manifest(path) == {"a": [text, text]}


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    names = draw(st.lists(NAMES, min_size=2, max_size=6, unique=True))
    rows = draw(st.integers(1, 500))
    columns = []
    for name in names:
        cells = draw(st.lists(NAMES | NUMBERS, min_size=1, max_size=min(rows, 5), unique=True))
        counts = dict.fromkeys(cells, 1)
        counts[cells[0]] += rows - len(cells)
        columns.append(Column(name, counts))
    return Sample(tuple(columns), rows, draw(st.just(rows) | st.integers(rows, 10**9)))


NUMBERS = st.from_regex(r"\A[$ ]?[-+]?[0-9]{1,3}([.,][0-9]{1,3}){0,2}[%]?\Z")


@given(samples(), st.text(st.characters(codec="utf-8", exclude_characters=":/"), min_size=1, max_size=20))
def test_every_table_gets_a_valid_manifest(sample: Sample, file_name: str) -> None:
    columns = judge(sample)
    target = next((column for column in reversed(columns) if column.counts and column.kind != "Date"), None)
    if target is None or all(column.kind == "Empty" for column in columns if column is not target):
        return  # `init` refuses such a table.
    text = manifest_for(sample, columns, target, name=job_name(file_name), uri=file_name, is_guess=True)
    job = parse_training_job(yaml.safe_load(text))
    assert job.spec.dataset.uri == file_name and job.spec.dataset.target == target.name
    assert set(job.spec.dataset.exclude) < {column.name for column in sample.columns} - {target.name}


# --- evidence ---------------------------------------------------------------------------------------------------------


def shuffled(count: int, start: int = 0, step: int = 1) -> list[int]:
    return [start + step * ((i * 7919) % count) for i in range(count)]


KEPT_AND_LEFT_OUT = [
    # Whole numbers that happen to differ are no identifiers.
    ("weight_g", shuffled(200, 2000, 5), None),
    ("population", [(i * 104729) % 999983 for i in range(200)], None),
    ("year", list(range(1800, 2000)), None),
    ("paid", shuffled(200, 0, 3), None),
    ("fraction", [i + 0.5 for i in range(200)], None),
    # A name such as id, values that mostly differ.
    ("customer_id", shuffled(200, 0, 13), "named as an identifier is"),
    ("userId", shuffled(200, 0, 13), "named as an identifier is"),
    ("", list(range(200)), "named as an identifier is"),
    ("Unnamed: 0", list(range(200)), "named as an identifier is"),
    ("__index_level_0__", [number * 3 for number in range(200)], "named as an identifier is"),
    ("store_id", [i % 9 for i in range(200)], None),
    # Consecutive, in whatever order.
    ("n", list(range(5, 205)), "consecutive whole numbers"),
    ("m", shuffled(199, 1), "consecutive whole numbers"),
    ("k", [i + (i > 100) * 900 for i in range(200)], "consecutive whole numbers"),
    # Text that differs in 95% of the rows.
    ("remark", [f"remark {i}" for i in range(200)], "text that is different in 100% of the rows"),
    ("remark", [f"remark {max(i, 9)}" for i in range(200)], "text that is different in 95% of the rows"),
    ("remark", [f"remark {max(i, 20)}" for i in range(200)], None),
    ("big", [10**17 + 12345 * i % 7 for i in range(200)], "whole numbers above 2^53"),
    ("rare", ["x" if i < 3 else "" for i in range(200)], "empty in all but 3 of 200 rows"),
    ("empty", [" " for _ in range(200)], "empty in all rows"),
]


@pytest.mark.parametrize(("name", "cells", "why"), KEPT_AND_LEFT_OUT)
def test_a_column_is_left_out_by_evidence_only(tmp_path: Path, name: str, cells: list[object], why: str | None) -> None:
    table = write(tmp_path / "a.csv", [name, "x", "y"], [[cell, i % 7, i % 2] for i, cell in enumerate(cells)])
    out = init(table)
    text = (tmp_path / "a.yaml").read_text(encoding="utf-8")
    job = load_training_job(tmp_path / "a.yaml")
    name = name or "column1"
    assert job.spec.dataset.exclude == ([] if why is None else [name])
    if why is not None:
        assert why in text and f"{name!r}: {why}" in out


def test_the_target_is_told_as_a_guess_where_it_is_one(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", ["a", "b"], [[i % 7, i % 2] for i in range(50)])
    assert "classification of 'b' (a guess; --target names another column)." in init(table)
    assert "classification of 'a'.\n" in init(table, "--force", "--target", "a")


def test_what_can_not_be_predicted_is_not_guessed_to_be_the_target(tmp_path: Path) -> None:
    rows = [[i % 7, i % 2, f"2024-01-{i % 28 + 1:02}", f"text {i}", i, 5] for i in range(60)]
    job = job_for(write(tmp_path / "a.csv", ["a", "b", "when", "remark", "row", "same"], rows))
    assert job.spec.dataset.target == "b"


# --- how files are written --------------------------------------------------------------------------------------------

LINES = [f"{i % 9},{i % 5}" for i in range(60)]
WRITTEN: list[tuple[str, bytes, dict[str, object]]] = [
    ("semicolons", b"a;b\n" + "".join(f"{i % 9};{i % 2}\n" for i in range(60)).encode(), {"delimiter": ";"}),
    ("bars", b"a|b\n" + "".join(f"{i % 9}|{i % 2}\n" for i in range(60)).encode(), {"delimiter": "|"}),
    ("tabs", b"a\tb\n" + "".join(f"{i % 9}\t{i % 2}\n" for i in range(60)).encode(), {"delimiter": "\t"}),
    (
        "German",
        "größe;ort\n".encode("cp1252")
        + "".join(f"{i % 9},5;{'Köln€' if i % 2 else 'x'}\n" for i in range(60)).encode("cp1252"),
        {"delimiter": ";", "encoding": "Windows-1252", "decimal": ","},
    ),
    ("UTF-16", ("a,b\n" + "\n".join(LINES)).encode("utf-16"), {"encoding": "UTF-16"}),
    ("marked UTF-8", b"\xef\xbb\xbfa,b\n" + "\n".join(LINES).encode(), {}),
    ("comments", b"# of 2024, all\n# by x\na,b\n" + "\n".join(LINES).encode(), {"comment": "#"}),
    ("titles", b"Sales of 2024\n\na,b\n" + "\n".join(LINES).encode(), {"headerRow": 3}),
    ("no header", "\n".join(f"{i % 9}.5,{'yn'[i % 2]}" for i in range(60)).encode(), {"headerRow": 0}),
    ("years as names", b"country,1990,1991\n" + "".join(f"c{i},{i % 9},{i % 5}\n" for i in range(60)).encode(), {}),
    ("a marked header", b"#a,b\n" + "\n".join(LINES).encode(), {}),
    ("quoted commas", b"a,b\n" + "".join(f'"x;{i % 9};y",{i % 2}\n' for i in range(60)).encode(), {}),
]


@pytest.mark.parametrize(("content", "csv_format"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])
def test_how_a_file_is_written_is_found(tmp_path: Path, content: bytes, csv_format: dict[str, object]) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    said = yaml.safe_load(init(tmp_path / "a.csv", "--to", "-"))["spec"]["dataset"].get("csv", {})
    assert said == csv_format
    job_for(tmp_path / "a.csv")


CELLS: list[tuple[list[str], dict[str, object]]] = [
    ([f"$1,{i * 7:03}" for i in range(60)], {"numbers": {"x": {"thousands": ",", "prefix": "$"}}}),
    ([f"{i % 30} %" for i in range(60)], {"numbers": {"x": {"suffix": "%"}}}),
    ([f"{i},{i % 10}5 €" for i in range(60)], {"numbers": {"x": {"suffix": "€"}}, "csv": {"decimal": ","}}),
    (["?" if i % 9 == 0 else str(i % 17) for i in range(60)], {"missingMarkers": ["?"]}),
    (["below" if i == 7 else str(i % 37) for i in range(60)], {"missingMarkers": ["below"]}),
    (["inf" if i == 7 else str(i % 37) for i in range(60)], {"missingMarkers": ["inf"]}),
    ([f"{i % 28 + 1:02}.{i % 12 + 1:02}.2023" for i in range(60)], {"dates": {"x": "%d.%m.%Y"}}),
    ([f"{i % 28 + 1:02}/{i % 12 + 1:02}/2023 12:30" for i in range(60)], {"dates": {"x": "%d/%m/%Y %H:%M"}}),
    ([f"2023-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(60)], {}),
    (["12A" if i % 3 == 0 else str(i % 17) for i in range(60)], {"categorical": ["x"]}),
    ([f"{i % 30:05}" for i in range(60)], {}),
    (["yes" if i % 3 else "no" for i in range(60)], {}),
    (["other" if i == 7 else str(i % 3) for i in range(60)], {"categorical": ["x"]}),
]


@pytest.mark.parametrize(("cells", "expected"), CELLS)
def test_what_must_be_said_of_cells_is_found_and_written(
    tmp_path: Path, cells: list[str], expected: dict[str, object]
) -> None:
    table = write(tmp_path / "a.csv", ["x", "w", "y"], [[cell, i % 7, "pq"[i % 2]] for i, cell in enumerate(cells)])
    dataset = yaml.safe_load(init(table, "--to", "-"))["spec"]["dataset"]
    fields = ("numbers", "csv", "missingMarkers", "dates", "categorical")
    found = {field: dataset[field] for field in fields if field in dataset}
    if expected.get("numbers") == {"x": {"suffix": "€"}}:
        expected = {"numbers": {"x": {"decimal": ",", "suffix": "€"}}, "csv": {"decimal": ","}}
    assert found == expected
    job_for(table)


@pytest.mark.parametrize("gap", ["", "  ", "NaN", "?"])
def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path, gap: str) -> None:
    rows = [[i % 7, gap if i % 10 == 0 else i * 0.5] for i in range(60)]
    table = write(tmp_path / "a.csv", ["x", "y"], rows)
    text = init(table, "--to", "-")
    assert "# 6 of 60 rows have no target; DropRow leaves them out.\n" in text
    assert yaml.safe_load(text)["spec"]["dataset"]["missingValues"] == {"target": "DropRow"}


# --- what is no table -------------------------------------------------------------------------------------------------


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


# --- Parquet ----------------------------------------------------------------------------------------------------------


def test_parquet_is_read_by_its_types_and_what_pandas_saved_is_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "code": pd.Categorical(["a", "b"] * 30),
            "when": pd.date_range("2024-01-01", periods=60),
            "parts": [[1, 2]] * 60,
            "flag": [True, False, None] * 20,
            "x": np.where(np.arange(60) % 7 == 0, np.nan, np.arange(60) / 2),
            "y": np.arange(60) % 3,
        },
        index=pd.Index(np.arange(60) * 2, name="row"),
    )
    frame.to_parquet(tmp_path / "a.parquet")
    text = init(tmp_path / "a.parquet", "--to", "-")
    dataset = yaml.safe_load(text)["spec"]["dataset"]
    assert dataset["target"] == "y" and dataset["exclude"] == ["parts"]
    assert "#   parts: holds list<element: int64>, neither numbers nor text nor dates\n" in text
    assert "# Left out anyway, as it is the index that pandas saved: row\n" in text
    assert "flag 20, x 9" in text and "when" not in str(dataset)
    job_for(tmp_path / "a.parquet")


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


def test_a_large_parquet_file_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_PARQUET_ROWS", 1000)
    monkeypatch.setattr(sampling, "_PARQUET_BLOCK_ROWS", 100)
    frame = pd.DataFrame({"x": np.arange(50_000) % 7, "y": np.arange(50_000) // 5000})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=5000)
    sample = read_sample(tmp_path / "a.parquet")
    assert sample.rows < sample.all_rows == 50_000 and len(sample.column("y").counts) == 10


def test_without_pyarrow_a_parquet_file_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="pyarrow, which reads it, is not installed"):
        init(tmp_path / "a.parquet")
