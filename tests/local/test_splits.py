"""Splits by a column and test files of one's own: who goes where, what is refused, what is said."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prepare_support import context, manifest, prepared, run_stage_process, write_csv
from sklearn.model_selection import GroupShuffleSplit

from steelyard.api.errors import ConfigurationError, DataError
from steelyard_trainer.data.prepare import prepare
from steelyard_trainer.data.reading import PreparedDataset

HEADER = ["a", "key", "target"]


def rows_with(keys: Sequence[object]) -> list[list[object]]:
    """A feature, these keys, and a target of two classes that every part gets."""
    return [[row + 0.5, key, "yes" if row % 2 else "no"] for row, key in enumerate(keys)]


def parts_of(dataset: PreparedDataset) -> dict[str, list[int]]:
    """The rows of each part, by number."""
    names = ("train", "validation", "test")
    return {name: dataset.read(name).rows.tolist() for name in names}  # type: ignore[arg-type]


def table(folder: Path, keys: Sequence[object], kind: str = "CSV", name: str = "table") -> str:
    """A table with these keys; its file's name."""
    rows = rows_with(keys)
    if kind == "CSV":
        return write_csv(folder / f"{name}.csv", HEADER, rows).name
    columns = {column: [row[index] for row in rows] for index, column in enumerate(HEADER)}
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return f"{name}.parquet"


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_groups_are_dealt_out_as_group_shuffle_split_does_it(tmp_path: Path, kind: str) -> None:
    keys = np.random.default_rng(3).integers(0, 40, 400)
    dataset = prepared(tmp_path, {"uri": table(tmp_path, keys.tolist(), kind), "split": {"group": "key", "seed": 5}})
    parts = parts_of(dataset)
    rest, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=5).split(keys, groups=keys))
    assert parts["test"] == test.tolist()
    validation_groups = int(np.ceil(0.1 * len(np.unique(keys))))
    again = GroupShuffleSplit(1, test_size=validation_groups, random_state=5)
    train, validation = next(again.split(rest, groups=keys[rest]))
    assert parts["train"] == rest[train].tolist() and parts["validation"] == rest[validation].tolist()
    groups = [set(keys[rows]) for rows in parts.values()]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert [name for name, _ in dataset.columns] == ["a"]
    assert dataset.split == {"group": "key", "test": 0.2, "validation": 0.1, "seed": 5}


def test_a_group_is_what_its_cell_says_whatever_its_spelling(tmp_path: Path) -> None:
    keys = [f"{'' if row % 3 else ' '}{row % 20}{'.0' if row % 7 == 0 else ''}" for row in range(200)]
    parts = parts_of(prepared(tmp_path, {"uri": table(tmp_path, keys), "split": {"group": "key"}}))
    groups = [{row % 20 for row in rows} for rows in parts.values()]
    assert sorted(group for part in groups for group in part) == list(range(20))


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
@pytest.mark.parametrize("unit", ["number", "date", "moment"])
def test_the_latest_rows_are_the_test_part(tmp_path: Path, kind: str, unit: str) -> None:
    order = np.random.default_rng(4).permutation(100)
    moments = [np.datetime64("2024-01-01T00:00:00") + np.timedelta64(int(place), "h") * 30 for place in order]
    texts = {"number": order.tolist(), "moment": [str(moment) for moment in moments]}
    days: list[Any] = [str(moment)[:10] for moment in moments]
    keys = texts.get(unit, days)
    if kind == "Parquet" and unit != "number":
        keys = [moment.astype(object) if unit == "moment" else moment.astype(object).date() for moment in moments]
    parts = parts_of(prepared(tmp_path, {"uri": table(tmp_path, keys, kind), "split": {"time": "key"}}))
    ordered = np.argsort(order).tolist()
    assert parts == {"train": ordered[:70], "validation": ordered[70:80], "test": ordered[80:]}


def test_dates_of_another_form_are_said_as_those_of_features_are(tmp_path: Path) -> None:
    keys = [f"{row % 28 + 1:02}.{row // 28 + 1:02}.2023" for row in range(100)]
    given = {"uri": table(tmp_path, keys), "split": {"time": "key"}}
    with pytest.raises(DataError, match=r"row 1 .*'01.01.2023'; allowed: numbers, or dates.*of others say the form"):
        prepared(tmp_path, given)
    parts = parts_of(prepared(tmp_path, {**given, "dates": {"key": "%d.%m.%Y"}}))
    assert parts["test"] == list(range(80, 100)) and parts["train"] == list(range(70))


def test_rows_of_the_same_time_stay_together_in_the_later_part(tmp_path: Path) -> None:
    years = [2020] * 40 + [2021] * 30 + [2022] * 30
    parts = parts_of(prepared(tmp_path, {"uri": table(tmp_path, years), "split": {"time": "key"}}))
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 40, "validation": 30, "test": 30}


def test_a_column_says_which_row_goes_where(tmp_path: Path) -> None:
    keys = ["train", " test", "validation ", "train", "test", "validation"] * 10
    dataset = prepared(tmp_path, {"uri": table(tmp_path, keys), "split": {"column": "key"}})
    parts = parts_of(dataset)
    assert all(keys[row].strip() == name for name, rows in parts.items() for row in rows)
    assert sum(map(len, parts.values())) == 60 and dataset.split == {"column": "key"}


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
@pytest.mark.parametrize("test_kind", ["CSV", "Parquet"])
def test_a_file_of_its_own_is_the_test_part(tmp_path: Path, kind: str, test_kind: str) -> None:
    uri, test_uri = table(tmp_path, range(50), kind), table(tmp_path, range(30), test_kind, "later")
    dataset = prepared(tmp_path, {"uri": uri, "testUri": test_uri, "exclude": ["key"]})
    parts = parts_of(dataset)
    assert parts["test"] == list(range(50, 80)) and len(parts["validation"]) == 5 and len(parts["train"]) == 45
    assert dataset.read_raw("test")["a"] == [row + 0.5 for row in range(30)]
    # What stands in the manifest changes the fingerprint.
    other = prepared(tmp_path / "other", {"uri": f"../{uri}", "testUri": f"../{test_uri}", "split": {"seed": 1}})
    assert other.fingerprint != dataset.fingerprint


def test_a_test_file_goes_with_a_split_by_a_column(tmp_path: Path) -> None:
    uri = table(tmp_path, [row % 10 for row in range(100)])
    write_csv(tmp_path / "later.csv", ["target", "a"], [["yes", 1], ["no", 2]])
    dataset = prepared(tmp_path, {"uri": uri, "testUri": "later.csv", "split": {"group": "key"}})
    parts = parts_of(dataset)
    assert (len(parts["train"]), len(parts["validation"]), parts["test"]) == (90, 10, [100, 101])
    assert dataset.split == {"group": "key", "validation": 0.1, "seed": 42, "testUri": "later.csv"}


@pytest.mark.parametrize(("row", "field"), [(["", 1], "target"), (["yes", ""], "strategy")])
def test_a_test_file_of_which_no_row_is_left(tmp_path: Path, row: list[object], field: str) -> None:
    write_csv(tmp_path / "later.csv", ["target", "a"], [row, row])
    dataset = {"uri": table(tmp_path, range(30)), "exclude": ["key"], "testUri": "later.csv"}
    with pytest.raises(DataError, match=r"no row of the test file \(dataset\.testUri\) is left.*missingValues"):
        prepared(tmp_path, {**dataset, "missingValues": {field: "DropRow"}})


def test_rows_with_gaps_are_dropped_before_any_split(tmp_path: Path) -> None:
    keys: list[object] = [row % 10 for row in range(100)]
    keys[7] = ""
    rows = rows_with(keys)
    rows[8][0] = ""
    uri = write_csv(tmp_path / "gaps.csv", HEADER, rows).name
    write_csv(tmp_path / "later.csv", HEADER, [["", 1, "no"], [1, 1, "yes"], [2, "", "no"]])
    given = {"uri": uri, "testUri": "later.csv", "split": {"group": "key"}, "missingValues": {"strategy": "DropRow"}}
    parts = parts_of(prepared(tmp_path, given))
    assert parts["test"] == [101, 102]
    assert sorted(parts["train"] + parts["validation"]) == [row for row in range(100) if row not in (7, 8)]


REFUSED: list[tuple[dict[str, Any], list[object], type[Exception], str]] = [
    ({"group": "kay"}, [1, 2, 3] * 9, ConfigurationError, "spec.dataset.split.group: .* no column 'kay'; did you mean"),
    ({"group": "key"}, [1, 2] * 9, DataError, "2 groups are too few: 1 go to the test set and 1 to validation"),
    ({"group": "key"}, [1, 2, "", 3] * 9, DataError, r"'key' \(split.group\) is empty in 9 of 36 rows, first in row 3"),
    ({"time": "key"}, [7] * 30, DataError, "30 rows of 1 different times are too few"),
    ({"time": "key"}, [1, 2, "May"] * 9, DataError, r"row 3 .*'key' \(split.time\) is 'May'; the rows before it have"),
    ({"time": "key"}, ["May"] * 9, DataError, "row 1 .*'May'; allowed: numbers, or dates and times such as 2024-05-31"),
    ({"time": "key"}, [1, "NaN", 3] * 9, DataError, r"\(split.time\) is empty in 9 of 27 rows, first in row 2"),
    ({"column": "key"}, ["train", "Test"] * 9, DataError, "row 2 .*is 'Test'; allowed: train, validation, test"),
    ({"column": "key"}, ["train", "test", ""] * 9, DataError, r"\(split.column\) is empty in 9 of 27 rows, first in"),
    ({"column": "key"}, ["train", "test"] * 9, DataError, "says validation in no row; each of train, validation and"),
]


@pytest.mark.parametrize(("split", "keys", "error", "says"), REFUSED)
def test_what_can_not_be_split_so_is_an_error_that_names_the_place(
    tmp_path: Path, split: dict[str, Any], keys: list[object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        prepared(tmp_path, {"uri": table(tmp_path, keys), "split": split})


TEST_FILES: list[tuple[list[str], list[list[object]], str]] = [
    (["a", "target"], [[1, "yes"]], r"the test file later.csv lacks 'key', which table.csv has"),
    (["a", "key"], [[1, 2]], "later.csv has no column 'target'"),
    (HEADER, [["x", 1, "yes"], ["y", 1, "no"]], "'a' holds numbers in table.csv, but text in the test file later.csv"),
    (HEADER, [[1, 1, "yes"], [1, 1, "maybe"]], "no row of the training set has the label 'maybe'.*1 of the test set"),
    (HEADER, [], "later.csv has a header but no rows"),
    (HEADER, [[1, 1, ""]], "the target 'target' is missing in 1 of 31 rows, first in row 1 .* of later.csv"),
    (HEADER, [["", 1, "yes"]], r"cells are empty in 'a' \(1, first in row 1 .* of later.csv\)"),
]


@pytest.mark.parametrize(("header", "rows", "says"), TEST_FILES)
def test_what_is_wrong_with_a_test_file_names_the_file(
    tmp_path: Path, header: list[str], rows: list[list[object]], says: str
) -> None:
    write_csv(tmp_path / "later.csv", header, rows)
    with pytest.raises(DataError, match=says):
        prepared(tmp_path, {"uri": table(tmp_path, range(30)), "testUri": "later.csv"})


def test_a_test_file_that_is_not_there_is_named_by_its_field(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"spec.dataset.testUri: the file .*later.csv does not exist"):
        prepared(tmp_path, {"uri": table(tmp_path, range(30)), "testUri": "later.csv"})


def test_the_stage_says_how_it_split(tmp_path: Path) -> None:
    ended = run_stage_process(tmp_path, {"uri": table(tmp_path, list(range(10)) * 5), "split": {"group": "key"}})
    assert ended.result is not None and ended.result.message.endswith("split by group 'key'")
    assert "'key' deals the rows out, and is no feature" in ended.output


def test_without_these_fields_nothing_is_said_of_them(tmp_path: Path) -> None:
    stage = context(tmp_path, {"uri": table(tmp_path, range(50))})
    assert "split by" not in prepare(stage).message
    document = json.loads(stage.workspace.dataset_file.read_text())
    assert document["split"] == {"test": 0.2, "validation": 0.1, "seed": 42}


def steelyard(*arguments: str | Path) -> int:
    """The command's exit code."""
    command = [sys.executable, "-m", "steelyard.cli.main", *map(str, arguments)]
    return subprocess.run(command, check=False, timeout=600).returncode


def test_the_published_model_says_how_it_was_split_and_predicts_without_that_column(tmp_path: Path) -> None:
    document = manifest(
        {"uri": table(tmp_path, [row % 20 for row in range(200)]), "split": {"group": "key"}},
        model={"logisticRegression": {}},
        training={},
        publish=[{"uri": "model"}],
    )
    (tmp_path / "job.yaml").write_text(json.dumps(document))
    assert steelyard("run", tmp_path / "job.yaml") == 0
    report = json.loads((tmp_path / "model" / "steelyard.json").read_text())
    assert report["dataset"]["split"] == {"group": "key", "test": 0.2, "validation": 0.1, "seed": 42}
    assert "all rows of one `key` are in one set" in (tmp_path / "model" / "README.md").read_text()
    rows = write_csv(tmp_path / "rows.csv", ["a"], [[1], [2]])
    assert steelyard("predict", tmp_path / "model", "--input", rows) == 0


def test_folds_of_data_that_a_column_dealt_out_are_refused(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, {"uri": table(tmp_path, list(range(10)) * 5), "split": {"group": "key"}})
    given = {"uri": str(dataset.folder), "format": "Prepared"}
    stage = context(tmp_path, given, model={"logisticRegression": {}}, training={}, evaluation={"crossValidation": {}})
    with pytest.raises(ConfigurationError, match=r"crossValidation: .* by split.group \('key'\)"):
        PreparedDataset.of(stage)
