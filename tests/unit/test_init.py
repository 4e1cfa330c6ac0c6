"""`steelyard init` writes a manifest that is valid, fits the table and says what it guessed."""

import csv
import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from steelyard.api.contract import ExitCode, Reason
from steelyard.api.errors import DataError, SteelyardError
from steelyard.api.loading import load_training_job, parse_training_job, read_manifest
from steelyard.api.training_job import NAME_PATTERN, TrainingJob
from steelyard.cli.init import job_name, manifest_for, quoted
from steelyard.cli.main import app
from steelyard.cli.sample import SAMPLE_ROWS, Column, Sample, read_sample


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


@pytest.mark.parametrize(("rows", "largest"), [(2, 1), (10, 7), (100, 8), (2000, 32), (SAMPLE_ROWS + 5, 256)])
def test_a_batch_is_no_larger_than_the_training_part(tmp_path: Path, rows: int, largest: int) -> None:
    training = job_for(write(tmp_path / "a.csv", ["a", "b"], [[i % 7, i % 2] for i in range(rows)])).spec.training
    assert training.batch_size <= largest
    assert training.workers == 1


def test_a_long_table_is_looked_at_in_part_and_its_rows_are_estimated(tmp_path: Path) -> None:
    rows = 8 * SAMPLE_ROWS
    table = write(tmp_path / "a.csv", ["a", "b"], [[f"{i % 7:07}", i % 2] for i in range(rows)])
    sample = read_sample(table, [""])
    assert sample.rows == SAMPLE_ROWS and not sample.is_whole_table
    assert 0.8 * rows < sample.all_rows < 1.2 * rows
    assert job_for(table).spec.training.workers == 2


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
    (b"", "is empty; a CSV file begins with a line that names the columns"),
    (b"\n\n", "is empty; a CSV file begins"),
    (b"a,b\n", "has a header but no rows"),
    (b"a,b\n1,2\n1,2,3\n", "line 3: 3 cells, but the header names 2 columns"),
    (b"a,b,a\n1,2,3\n", "has the column 'a' more than once"),
    (b"a,,b\n1,2,3\n", "column 2 has no name in the header"),
    (
        b"a;b\n1;2\n",
        "has one column only, 'a;b', but a target and a feature are needed; it seems to be separated by ';'",
    ),
    (b"a\n1\n", "has one column only, 'a', but a target and a feature are needed"),
    (b"\x89PNG\r\n\x1a\n\0\0", "is not a CSV file: byte 0x89 is not UTF-8 text"),
    (b"a,b\n1,\0\n", "is not a CSV file: line 2 holds a NUL byte"),
    (b'a,b\n1,"2\n', "is not a CSV file: unexpected end of data"),
    (b"a,b\n1,\n2,\n", "the target 'b' is empty in all rows that were looked at"),
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
    with pytest.raises(DataError, match="is a folder; name a CSV file"):
        init(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="is a Parquet file; init reads CSV"):
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
        cells = draw(st.lists(NAMES, min_size=1, max_size=min(rows, 5), unique=True))
        kind = draw(st.sampled_from(["Number", "Category"]))
        columns.append(Column(name, kind, draw(st.integers(0, 5)), dict.fromkeys(cells, 1), draw(st.booleans())))
    return Sample(tuple(columns), rows, draw(st.integers(rows, 10**9)))


@settings(deadline=None)
@given(samples(), st.text(st.characters(codec="utf-8", exclude_characters=":/"), min_size=1, max_size=20))
def test_every_table_gets_a_valid_manifest(sample: Sample, file_name: str) -> None:
    target = sample.columns[-1]
    text = manifest_for(sample, target, name=job_name(file_name), uri=file_name, is_guess=True)
    job = parse_training_job(yaml.safe_load(text))
    assert job.spec.dataset.uri == file_name and job.spec.dataset.target == target.name
    assert set(job.spec.dataset.exclude) < {column.name for column in sample.columns} - {target.name}
