"""Every mistake in the data, or between it and the manifest, ends with one message that says where and what to do.

After each of them nothing half-made is left.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prepare_support import context, labelled_rows, run_stage_process, write_csv

from steelyard.api.errors import ConfigurationError, DataError, SteelyardError
from steelyard.contract.stages import Reason
from steelyard_trainer.data.prepare import prepare

HEADER = ["a", "b", "target"]


def _fails(folder, kind, *needles, reason=None, uri="t.csv", dataset=None, **spec):
    """The stage fails with all of the needles in its message, and leaves nothing."""
    stage = context(folder, {"uri": uri, **(dataset or {})}, **spec)
    with pytest.raises(SteelyardError) as failure:
        prepare(stage)
    message = failure.value.message
    assert isinstance(failure.value, kind), message
    for needle in needles:
        assert needle in message
    if reason is not None:
        assert failure.value.reason == reason
    assert not stage.workspace.prepared.exists()
    assert [path.name for path in stage.workspace.root.iterdir()] == ["attempts"]
    return message


def _text(folder, text):
    (folder / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())


def _rows_with(row, column, cell, count=60):
    rows = labelled_rows(count)
    rows[row][column] = cell
    return rows


def test_file_not_found_says_where_it_was_looked_for_and_what_is_near(tmp_path):
    write_csv(tmp_path / "table.csv", HEADER, labelled_rows())
    message = _fails(tmp_path, DataError, str(tmp_path / "tabel.csv"), uri="tabel.csv", reason=Reason.SOURCE_NOT_FOUND)
    assert "did you mean table.csv?" in message
    assert f"relative to the manifest's folder, {tmp_path}" in message


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "t.csv").mkdir()
    _fails(tmp_path, DataError, "is a folder")


@pytest.mark.parametrize(
    ("text", "needles"),
    [
        ("", ["t.csv is empty"]),
        ("a,b,target\n", ["has a header but no rows"]),
        ("\na,b,target\n1,2,3\n", ["first line of t.csv is empty"]),
        ("a,b,a,target\n1,2,3,4\n", ["same name more than once: 'a'"]),
        ("a;b;target\n1;2;3\n", ["no column 'target'", "separated by ';'"]),
        ("a,b,Target \n1,2,3\n", ["no column 'target'", "did you mean 'Target '?", "'a', 'b', 'Target '"]),
        ("target\n1\n2\n", ["only the target's column"]),
        ("__row__,target\n1,2\n", ["'__row__'", "rename it"]),
        ("a,b,target\n1,2,x\n3,4\n5,6,y\n", ["row 2 (line 3): 2 cells", "the header names 3 columns"]),
        ("a,b,target\n1,2,x\n\n3,4,y,5\n", ["row 2 (line 4): 4 cells", "the header names 3 columns"]),
        ('a,b,target\n1,2,x\n3,4,"y\n5,6,x\n', ["line 3", "opened that is not closed"]),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ["t.csv is an image (PNG), not a CSV file"]),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", ["t.csv is an image (JPEG), not a CSV file"]),
        (b"PK\x03\x04\x14\0", ["t.csv is a zip archive, not a CSV file"]),
        ("a,b,target\n1,2,x\n".encode("utf-16"), ["text in UTF-16"]),
        (b"a,b,target\n1,2,x\n3,\xff,y\n", ["line 3: it is not text in UTF-8"]),
        (b"a,b,target\n1,2,x\n3,\0,y\n", ["line 3: it holds a NUL byte"]),
    ],
)
def test_a_file_that_is_no_good_csv(tmp_path, text, needles):
    _text(tmp_path, text)
    _fails(tmp_path, DataError, *needles, reason=Reason.INVALID_DATA)


def _filler(rows):
    """More rows than are looked at before the fast reader begins."""
    return "".join(f"{row}.5,{row % 7},{'yes' if row % 2 else 'no'}\n" for row in range(rows))


@pytest.mark.parametrize(
    ("line", "needles"),
    [
        ("1,2\n", ["row 60,001 (line 60,002): 2 cells"]),
        ("1,2,3,4\n", ["row 60,001 (line 60,002): 4 cells"]),
        ('1,2,"no\n', ["line 60,002", "opened that is not closed"]),
        ("1,\0,no\n", ["line 60,002: it holds a NUL byte"]),
        ("1,2,n\0o\n", ["line 60,002: it holds a NUL byte"]),
        (b"1,2,\xff\n", ["line 60,002: it is not text in UTF-8"]),
        ("oops,2,no\n", ["row 60,001 (line 60,002), column 'a': 'oops' is not a number", "dataset.categorical"]),
        ("inf,2,no\n", ["row 60,001 (line 60,002), column 'a': inf is not a finite number"]),
        ("1,2,\n", ["the target 'target' is missing in 1 of 60,011 rows", "row 60,001 (line 60,002)"]),
    ],
)
def test_a_mistake_far_down_the_file_is_found_by_row_and_line(tmp_path, line, needles):
    line = line if isinstance(line, bytes) else line.encode()
    _text(tmp_path, b"a,b,target\n" + _filler(60_000).encode() + line + _filler(10).encode())
    _fails(tmp_path, DataError, *needles)


def test_an_unclosed_quote_in_a_column_that_is_not_read_is_found(tmp_path):
    _text(tmp_path, "target,a,note\n" + "".join(f"{row % 2},{row},{row}\n" for row in range(9000)) + '1,5,"n\n0,4,5\n')
    _fails(tmp_path, DataError, "line 9,002", "opened that is not closed", dataset={"exclude": ["note"]})


def test_a_stray_word_in_a_number_column_says_row_column_and_way_out(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, _rows_with(17, 1, "n.a."))
    _fails(
        tmp_path,
        DataError,
        "t.csv, row 18 (line 19), column 'b': 'n.a.' is not a number",
        "59 of the column's 60 cells",
    )
    # What the message proposes works.
    prepare(context(tmp_path, {"uri": "t.csv", "categorical": ["b"]}))


def test_a_column_of_text_at_first_that_is_mostly_numbers_is_one_of_numbers(tmp_path):
    rows = [["abc" if row < 600 else row % 50, row % 2] for row in range(20_000)]
    write_csv(tmp_path / "t.csv", ["x", "target"], rows)
    _fails(tmp_path, DataError, "row 1 (line 2), column 'x': 'abc' is not a number")


def test_half_a_parquet_file(tmp_path):
    pq.write_table(pa.table({"a": range(5000), "target": [0, 1] * 2500}), tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[: len(whole) // 2])
    _fails(tmp_path, DataError, "t.parquet is not a whole Parquet file", "cut off", uri="t.parquet")
    (tmp_path / "t.parquet").write_bytes(b"a,b\n1,2\n")
    _fails(tmp_path, DataError, "t.parquet is not a whole Parquet file", uri="t.parquet")


def test_a_parquet_column_that_is_neither_numbers_nor_text(tmp_path):
    lists = pa.array([[1], [2, 3]] * 20)
    pq.write_table(pa.table({"list": lists, "a": range(40), "target": [0, 1] * 20}), tmp_path / "t.parquet")
    _fails(tmp_path, DataError, "column 'list' of t.parquet holds list", "dataset.exclude", uri="t.parquet")
    prepare(context(tmp_path, {"uri": "t.parquet", "exclude": ["list"]}))


def test_half_a_gzip_file(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, labelled_rows(3000))
    subprocess.run(["gzip", str(tmp_path / "t.csv")], check=True)
    whole = (tmp_path / "t.csv.gz").read_bytes()
    (tmp_path / "t.csv.gz").write_bytes(whole[: len(whole) // 2])
    _fails(tmp_path, DataError, "t.csv.gz is not a whole gzip file", uri="t.csv.gz")


@pytest.mark.parametrize("cell", ["", "NaN", "nan"])
def test_a_missing_target_among_words(tmp_path, cell):
    write_csv(tmp_path / "t.csv", HEADER, _rows_with(4, 2, cell))
    _fails(tmp_path, DataError, "the target 'target' is missing in 1 of 60 rows", "row 5 (line 6)")


@pytest.mark.parametrize("values", [2, 45])
@pytest.mark.parametrize("cell", ["", "NaN", "NA", "None"])
def test_a_missing_target_among_numbers(tmp_path, cell, values):
    rows = [[row, row % values] for row in range(90)]
    rows[2][1] = rows[88][1] = cell
    write_csv(tmp_path / "t.csv", ["a", "target"], rows)
    _fails(tmp_path, DataError, "the target 'target' is missing in 2 of 90 rows", "row 3 (line 4)")


def test_a_missing_target_in_parquet(tmp_path):
    pq.write_table(pa.table({"a": range(9), "target": [0.0, 1.0, float("nan")] * 3}), tmp_path / "t.parquet")
    _fails(tmp_path, DataError, "the target 'target' is missing in 3 of 9 rows, first in row 3", uri="t.parquet")


def test_the_target_is_the_same_everywhere(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, [[*row[:2], "yes"] for row in labelled_rows()])
    _fails(tmp_path, DataError, "the target 'target' is 'yes' in all 60 rows")
    write_csv(tmp_path / "t.csv", HEADER, [[*row[:2], "1.5"] for row in labelled_rows()])
    _fails(tmp_path, DataError, "the target 'target' is 1.5 in all 60 rows")


def test_a_class_with_fewer_rows_than_the_split_needs(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, _rows_with(1, 2, "perhaps"))
    message = _fails(tmp_path, DataError, "class 'perhaps' has only 1 row when the test set is cut off")
    for way_out in ("merge it", "add rows", "dataset.split.stratify: false"):
        assert way_out in message
    assert "Regression" not in message
    write_csv(tmp_path / "n.csv", ["a", "target"], [[row, 3 if row == 1 else row % 2] for row in range(60)])
    assert _fails(tmp_path, DataError, "class '3' has only 1 row", uri="n.csv").endswith("say task: Regression")
    prepare(context(tmp_path, {"uri": "t.csv", "split": {"stratify": False}}))


def test_a_part_with_fewer_rows_than_classes(tmp_path):
    write_csv(tmp_path / "t.csv", ["a", "target"], [[row, f"class {row % 10}"] for row in range(40)])
    _fails(tmp_path, DataError, "the test set has 8 rows, but there are 10 classes")


def test_too_few_rows_to_split(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, [[1, 2, "a"], [3, 4, "b"]])
    _fails(tmp_path, DataError, "2 rows are too few", dataset={"split": {"stratify": False}})


def test_a_regression_target_that_is_no_number(tmp_path):
    write_csv(tmp_path / "t.csv", ["a", "target"], [[row, "many" if row == 7 else row + 0.5] for row in range(60)])
    _fails(tmp_path, DataError, "row 8 (line 9): the target 'target' is 'many'", task="Regression")
    write_csv(tmp_path / "t.csv", ["a", "target"], [[row, "many" if row == 7 else row + 0.5] for row in range(60)])
    _fails(tmp_path, DataError, "row 8 (line 9): the target 'target' is 'many'", "spec.task: Classification")
    write_csv(tmp_path / "t.csv", ["a", "target"], [[row, row + 0.5] for row in range(60_000)] + [[1, "many"]])
    _fails(tmp_path, DataError, "row 60,001 (line 60,002): the target 'target' is 'many'", "spec.task: Classification")


def test_a_target_with_a_different_word_in_every_row(tmp_path):
    write_csv(tmp_path / "t.csv", ["a", "target"], [[row, f"w{row}"] for row in range(10_500)])
    _fails(tmp_path, DataError, "more than 10,000 different labels")


def test_a_column_without_any_value(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, [[row[0], "", row[2]] for row in labelled_rows()])
    _fails(
        tmp_path,
        DataError,
        "column 'b' is empty in every row of the training set",
        dataset={"missingValues": {"strategy": "Mean"}},
    )


def test_missing_cells_under_fail_are_listed(tmp_path):
    rows = labelled_rows()
    rows[3][0] = rows[9][0] = rows[5][1] = ""
    write_csv(tmp_path / "t.csv", HEADER, rows)
    _fails(tmp_path, DataError, "'a' (2, first in row 4 (line 5)), 'b' (1, first in row 6 (line 7))", "DropRow")


def test_drop_row_that_leaves_nothing(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, [[row[0], "", row[2]] for row in labelled_rows()])
    _fails(
        tmp_path,
        DataError,
        "DropRow leaves no row: all 60",
        "60 of them in column 'b'",
        dataset={"missingValues": {"strategy": "DropRow"}},
    )


def test_a_text_can_not_fill_numbers(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, _rows_with(3, 0, ""))
    _fails(
        tmp_path,
        ConfigurationError,
        "spec.dataset.missingValues.value",
        "'?'",
        "'a' (1 empty cells)",
        dataset={"missingValues": {"strategy": "Constant", "text": "?"}},
    )


@pytest.mark.parametrize(
    ("checks", "needles"),
    [
        ({"minRows": 64}, ["minRows: there are 63 rows, but at least 64"]),
        ({"minClassFraction": 0.4}, ["minClassFraction: class 'yes' has 20 of 63 rows (0.3175)", "at least 0.4"]),
        ({"maxMissingFraction": 0.03}, ["maxMissingFraction: column 'a' is missing in 2 of 63 rows (0.03175)"]),
        ({"maxDuplicateFraction": 0.04}, ["maxDuplicateFraction: 3 of 63 rows (0.04762) repeat", "at most 0.04"]),
        ({"minRows": 64, "maxDuplicateFraction": 0}, ["minRows", "maxDuplicateFraction"]),
    ],
)
def test_checks_fail_with_their_figures_and_pass_at_the_limit(tmp_path, checks, needles):
    rows = labelled_rows(60)
    rows[5][0] = rows[8][0] = ""
    rows += [list(rows[1])] * 3
    write_csv(tmp_path / "t.csv", HEADER, rows)
    missing = {"missingValues": {"strategy": "Mean"}}
    _fails(tmp_path, DataError, *needles, reason=Reason.CHECK_FAILED, dataset={"checks": checks, **missing})
    met = {"minRows": 63, "minClassFraction": 20 / 63, "maxMissingFraction": 2 / 63, "maxDuplicateFraction": 3 / 63}
    prepare(context(tmp_path, {"uri": "t.csv", "checks": met, **missing}))


@pytest.mark.parametrize(
    ("dataset", "spec", "needles"),
    [
        ({"exclude": ["A"]}, {}, ["spec.dataset.exclude[0]: t.csv has no column 'A'", "did you mean 'a'?"]),
        ({"categorical": ["b", "z"]}, {}, ["spec.dataset.categorical[1]: t.csv has no column 'z'", "'a', 'b'"]),
        ({"exclude": ["a", "b"]}, {}, ["spec.dataset.exclude", "leaves no feature"]),
        (
            {},
            {"training": {"batchSize": 43}},
            ["spec.training.batchSize: 43 is more than the 42 rows of the training set"],
        ),
        (
            {},
            {"training": {"batchSize": 21, "workers": 3}},
            ["spec.training.workers: 3 workers are more than the training set's 2 batches", "at most 2"],
        ),
        (
            {},
            {"training": {"classWeights": {"strategy": "Explicit", "weights": {"yes": 2.0, "No": 1.0}}}},
            ["spec.training.classWeights.weights", "no class 'No'", "no weight for 'no'", "'no', 'yes'"],
        ),
        (
            {},
            {"model": {"cnn": {"inputShape": [3, 1, 1]}}},
            ["spec.model.cnn.inputShape: 3 x 1 x 1 are 3 values, but a row of the table has 2 features"],
        ),
        (
            {"categorical": ["a"]},
            {"model": {"wideAndDeep": {"crosses": [["a", "b"]]}}},
            ["spec.model.wideAndDeep.crosses[0]: 'b' is no category", "allowed: 'a'"],
        ),
        (
            {},
            {"evaluation": {"require": [{"metric": "r2", "minimum": 0.5}]}},
            ["spec.evaluation.require[0].metric", "r2 is no metric of Classification", "spec.task can set it"],
        ),
    ],
)
def test_a_manifest_that_does_not_go_with_the_data(tmp_path, dataset, spec, needles):
    write_csv(tmp_path / "t.csv", HEADER, labelled_rows())
    _fails(tmp_path, ConfigurationError, *needles, dataset=dataset, **spec)


def test_as_many_workers_as_batches_and_a_batch_of_all_rows_are_allowed(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, labelled_rows())
    for training in ({"batchSize": 42}, {"batchSize": 21, "workers": 2}, {"batchSize": 20, "workers": 3}):
        shutil.rmtree(tmp_path / "workspace", ignore_errors=True)
        prepare(context(tmp_path, {"uri": "t.csv"}, training=training))


@pytest.mark.parametrize(
    ("text", "spec", "exit_code", "needle"),
    [
        (None, {}, 65, "does not exist"),
        (b"", {}, 65, "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", {}, 65, "PNG"),
        (b"a,b,target\n1,2,x\n3,4\n", {}, 65, "row 2 (line 3): 2 cells"),
        (b"a,b,target\n" + b"1,2,x\n2,3,y\n" * 30 + b"oops,2,x\n", {}, 65, "row 61 (line 62), column 'a': 'oops'"),
        (b"a,b,target\n" + _filler(9000).encode() + b"1,\0,no\n", {}, 65, "NUL byte"),
        (b"a,b,target\n" + b"1,2,x\n2,3,y\n" * 30, {"training": {"batchSize": 999}}, 78, "spec.training.batchSize"),
    ],
)
def test_the_process_ends_with_the_code_and_the_message_and_no_traceback(tmp_path, text, spec, exit_code, needle):
    if text is not None:
        _text(tmp_path, text)
    ended = run_stage_process(tmp_path, {"uri": "t.csv"}, **spec)
    assert ended.exit_code == exit_code, ended.output
    assert needle in ended.result.message
    assert "Traceback" not in ended.output
    assert [path.name for path in (tmp_path / "workspace").iterdir()] == ["attempts"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0777", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a tmpfs is not permitted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


# The spool is 0.7 and 1.4 MiB: once the disk is full while the rows are dealt out, once while they are read.
@pytest.mark.parametrize("rows", [40_000, 80_000])
def test_a_full_disk(tmp_path, small_disk, rows):
    write_csv(tmp_path / "t.csv", ["a", "b", "target"], [[row, row, row % 2] for row in range(rows)])
    ended = run_stage_process(tmp_path, {"uri": "t.csv"}, workspace=small_disk / "workspace")
    assert ended.exit_code == 78, ended.output
    assert ended.result.reason == Reason.NO_SPACE
    assert "no room left on the disk" in ended.result.message and "--workspace" in ended.result.message
    assert str(small_disk / "workspace") in ended.result.message
    assert "Traceback" not in ended.output
    assert [path.name for path in (small_disk / "workspace").iterdir()] == ["attempts"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can drop its rights")
def test_a_workspace_that_can_not_be_written_to():
    # Not below tmp_path: pytest's folders are closed to other users.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        _fails_without_rights(folder)


def _fails_without_rights(folder):
    write_csv(folder / "t.csv", HEADER, labelled_rows())
    workspace = folder / "workspace"
    workspace.mkdir(mode=0o755)
    ended = run_stage_process(folder, {"uri": "t.csv"}, user=65534)
    assert ended.exit_code == 78, ended.output
    assert ended.result.reason == Reason.NOT_WRITABLE
    assert str(workspace) in ended.result.message
    assert "Traceback" not in ended.output
    assert list(workspace.iterdir()) == []
