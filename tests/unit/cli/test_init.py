"""`steelyard init` writes a manifest that is valid, fits the table and says what it guessed."""

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from init_support import init, job_for, write

from steelyard.api.errors import SteelyardError
from steelyard.api.loading import load_training_job, parse_training_job
from steelyard.cli import sample as sampling
from steelyard.cli.sample import read_sample
from steelyard.contract.stages import ExitCode, Reason


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


def test_a_large_parquet_file_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_PARQUET_ROWS", 1000)
    monkeypatch.setattr(sampling, "_PARQUET_BLOCK_ROWS", 100)
    frame = pd.DataFrame({"x": np.arange(50_000) % 7, "y": np.arange(50_000) // 5000})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=5000)
    sample = read_sample(tmp_path / "a.parquet")
    assert sample.rows < sample.all_rows == 50_000 and len(sample.column("y").counts) == 10
