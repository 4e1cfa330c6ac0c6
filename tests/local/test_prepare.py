"""The prepare stage on good data: what it leaves in the workspace, and that nothing but the data decides it."""

import gzip
import json
import math
import shutil
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prepare_support import KEY, context, labelled_rows, prepared, run_stage_process, write_csv
from sklearn import datasets
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from steelyard.api.errors import ConfigurationError, DataError
from steelyard_trainer.data import csv_source
from steelyard_trainer.data.prepare import prepare
from steelyard_trainer.data.reading import ROW, PreparedDataset
from steelyard_trainer.data.splitting import SPLITS

HEADER = ["a", "b", "target"]


@pytest.fixture
def table(tmp_path):
    write_csv(tmp_path / "t.csv", HEADER, labelled_rows())
    return tmp_path


@pytest.fixture
def small_batches(monkeypatch):
    """Small tables come in many batches too."""
    monkeypatch.setattr(csv_source, "_BLOCK_BYTES", 400)
    monkeypatch.setattr(csv_source, "BATCH_BYTES", 1)


@pytest.mark.parametrize("stratify", [None, False])
def test_shipped_set_is_what_scikit_learn_would_make_of_it(tmp_path, stratify):
    dataset = prepared(tmp_path, {"uri": "sklearn:wine", "split": {"seed": 5, "stratify": stratify}})
    raw, labels = datasets.load_wine(return_X_y=True)
    rest, test = train_test_split(
        np.arange(178), test_size=0.2, random_state=5, stratify=labels if stratify is None else None
    )
    train, validation = train_test_split(
        rest, test_size=18, random_state=5, stratify=labels[rest] if stratify is None else None
    )
    scaler = StandardScaler().fit(raw[train])
    for split, rows in zip(SPLITS, (train, validation, test), strict=True):
        examples = dataset.read(split)
        np.testing.assert_array_equal(examples.rows, rows)
        np.testing.assert_array_equal(examples.targets, labels[rows])
        assert examples.targets.dtype == np.int32
        np.testing.assert_allclose(examples.features, scaler.transform(raw[rows]), rtol=1e-5, atol=1e-6)
    assert dataset.classes == ("0", "1", "2")
    assert dataset.class_counts == {s: np.bincount(dataset.read(s).targets).tolist() for s in SPLITS}
    assert (dataset.task, dataset.source_rows, dataset.dropped_rows) == ("Classification", 178, 0)


def test_search_rows_come_out_of_the_training_part_and_change_nothing_else(tmp_path):
    columns = {"uri": "sklearn:wine", "target": "target"}
    plain = prepared(tmp_path / "plain", columns)
    students = {"candidates": ["Distill"]}
    spec = {"compression": students, "model": {"mlp": {}}, "training": {"batchSize": 8}}
    dataset = prepared(tmp_path / "students", columns, **spec)
    assert dataset.rows == {"train": 100, "validation": 18, "test": 36, "search": 24}
    assert dataset.fingerprint != plain.fingerprint and not plain.has_search_rows
    parts = {split: dataset.read(split).rows.tolist() for split in (*SPLITS, "search")}
    assert sorted(parts["train"] + parts["search"]) == sorted(plain.read("train").rows)
    assert [parts[split] for split in SPLITS[1:]] == [plain.read(split).rows.tolist() for split in SPLITS[1:]]
    shares = [np.divide(dataset.class_counts[split], dataset.rows[split]) for split in ("train", "search")]
    assert np.abs(np.subtract(*shares)).max() < 0.03
    # What scales the features is learned from the rows that are trained on.
    assert np.abs(dataset.read("train").features.mean(axis=0)).max() < 1e-6
    formats = prepared(tmp_path / "formats", columns, **spec | {"compression": {"candidates": ["Int8"]}})
    assert formats.fingerprint == plain.fingerprint
    own = {**columns, "split": {"searchRows": False}}
    assert prepared(tmp_path / "own", own, **spec).fingerprint == plain.fingerprint


def test_regression_keeps_the_target_in_its_own_unit_and_learns_its_scale_from_training_alone(tmp_path):
    dataset = prepared(tmp_path, {"uri": "sklearn:diabetes"})
    _, values = datasets.load_diabetes(return_X_y=True)
    train = dataset.read("train")
    assert (dataset.task, dataset.classes, dataset.class_counts) == ("Regression", None, None)
    assert train.targets.dtype == np.float64
    np.testing.assert_array_equal(train.targets, values[train.rows])
    assert dataset.preprocessing.target_mean == pytest.approx(values[train.rows].mean(), rel=1e-12)
    assert dataset.preprocessing.target_scale == pytest.approx(values[train.rows].std(), rel=1e-12)


@pytest.mark.parametrize("strategy", ["Mean", "Median", "Constant"])
def test_preprocessing_is_learned_from_the_training_part_only(tmp_path, strategy):
    random = np.random.default_rng(3)
    numbers = random.normal(100, 5, 200)
    towns = random.choice(["Ulm", "Bonn", "Köln"], 200)
    number_gaps, town_gaps = random.random(200) < 0.2, random.random(200) < 0.2
    rows = [
        ["" if number_gap else repr(float(number)), "" if town_gap else town, row % 2]
        for row, (number, town, number_gap, town_gap) in enumerate(
            zip(numbers, towns, number_gaps, town_gaps, strict=True)
        )
    ]
    write_csv(tmp_path / "t.csv", ["x", "town", "target"], rows)
    missing = {"strategy": strategy, **({"value": 7} if strategy == "Constant" else {})}
    dataset = prepared(tmp_path, {"uri": "t.csv", "missingValues": missing}, shard_rows=17)
    # The same by scikit-learn, fitted on the rows that the stage says are the training set's.
    x = np.where(number_gaps, math.nan, numbers)[:, np.newaxis]
    town = np.where(town_gaps, None, towns.astype(object))[:, np.newaxis]
    if strategy == "Constant":
        imputers = (
            SimpleImputer(strategy="constant", fill_value=7),
            SimpleImputer(missing_values=None, strategy="constant", fill_value="7"),
        )
    else:
        imputers = (
            SimpleImputer(strategy=strategy.lower()),
            SimpleImputer(missing_values=None, strategy="most_frequent"),
        )
    transformer = make_column_transformer(
        (make_pipeline(imputers[0], StandardScaler()), [0]),
        (make_pipeline(imputers[1], OneHotEncoder(handle_unknown="ignore", sparse_output=False)), [1]),
    )
    raw = np.concatenate([x.astype(object), town], axis=1)
    transformer.fit(raw[dataset.read("train").rows])
    for split in SPLITS:
        examples = dataset.read(split)
        np.testing.assert_allclose(
            examples.features, transformer.transform(raw[examples.rows]).astype(float), rtol=1e-5, atol=1e-6
        )
    assert dataset.findings["missing"] == {"x": number_gaps.sum(), "town": town_gaps.sum()}


def test_drop_row_removes_rows_before_the_split(tmp_path):
    rows = labelled_rows(60)
    for row in (0, 7, 59):
        rows[row][row % 2] = ""
    write_csv(tmp_path / "t.csv", HEADER, rows)
    dataset = prepared(tmp_path, {"uri": "t.csv", "missingValues": {"strategy": "DropRow"}}, shard_rows=5)
    kept = np.array([row for row in range(60) if row not in (0, 7, 59)])
    labels = np.array([rows[row][2] for row in kept])
    rest, test = train_test_split(kept, test_size=0.2, random_state=42, stratify=labels)
    assert (dataset.source_rows, dataset.dropped_rows, sum(dataset.rows.values())) == (60, 3, 57)
    np.testing.assert_array_equal(dataset.read("test").rows, test)
    assert sorted([*dataset.read("train").rows, *dataset.read("validation").rows]) == sorted(rest)
    raw = dataset.read_raw("test")
    assert raw["a"] == [rows[row][0] for row in test]
    assert raw["target"] == [rows[row][2] for row in test]


def test_labels_stay_as_they_were_written_and_numbers_sort_by_value(tmp_path):
    write_csv(tmp_path / "t.csv", ["x", "target"], [[row, ["10", "9", "007"][row % 3]] for row in range(60)])
    assert prepared(tmp_path, {"uri": "t.csv"}).classes == ("007", "9", "10")
    write_csv(tmp_path / "t.csv", ["x", "target"], [[row, ["None", "NA", "ä"][row % 3]] for row in range(60)])
    shutil.rmtree(tmp_path / "workspace")
    assert prepared(tmp_path, {"uri": "t.csv"}).classes == ("NA", "None", "ä")


@pytest.mark.parametrize(
    ("targets", "task"),
    [
        (["0", "1"], "Classification"),
        ([str(number) for number in range(20)], "Classification"),
        ([str(number) for number in range(21)], "Regression"),
        (["0.5", "1"], "Regression"),
        (["1.0", "2.0"], "Classification"),
        (["low", "high"], "Classification"),
    ],
)
def test_the_task_is_inferred_from_the_target(tmp_path, targets, task):
    write_csv(tmp_path / "t.csv", ["x", "target"], [[row, targets[row % len(targets)]] for row in range(420)])
    dataset = prepared(tmp_path, {"uri": "t.csv"})
    assert dataset.task == task
    train = dataset.read("train")
    written = [targets[row % len(targets)] for row in train.rows]
    if task == "Regression":
        assert train.targets.tolist() == [np.float32(text) for text in written]
    else:
        # Whole numbers have one spelling.
        assert [dataset.classes[index] for index in train.targets] == [text.removesuffix(".0") for text in written]


def test_a_number_column_that_turns_out_to_be_text_is_read_again_as_text(tmp_path):
    # More rows than are looked at first.
    cells = [row % 9 if row < 6000 else f"w{row % 30}" for row in range(12000)]
    write_csv(tmp_path / "t.csv", ["code", "target"], [[cell, row % 2] for row, cell in enumerate(cells)])
    dataset = prepared(tmp_path, {"uri": "t.csv"})
    assert dataset.columns == (("code", "Category"),)
    (column,) = dataset.preprocessing.columns
    assert set(column.words) == {str(cell) for cell in cells}


def test_categorical_and_exclude(table):
    write_csv(table / "t.csv", ["id", "plz", "x", "target"], [[f"k{i}", f"0{i % 7}", i, i % 2] for i in range(2000)])
    dataset = prepared(table, {"uri": "t.csv", "exclude": ["id"], "categorical": ["plz"]})
    assert dataset.columns == (("plz", "Category"), ("x", "Number"))
    assert dataset.preprocessing.feature_names[:2] == ["plz=00", "plz=01"]
    assert "id" not in dataset.read_raw("test")


def test_the_same_rows_have_the_same_fingerprint_however_they_are_kept(table):
    rows = labelled_rows()
    options = {"missingValues": {"strategy": "Mean"}}
    rows[5][0] = ""
    write_csv(table / "t.csv", HEADER, rows)
    (table / "t.csv.gz").write_bytes(gzip.compress((table / "t.csv").read_bytes()))
    (table / "t.tsv").write_text((table / "t.csv").read_text().replace(",", "\t"))
    (table / "quoted.csv").write_text(
        '﻿"a","b","target"\r\n\r\n' + "".join(f'"{a}","{b}","{y}"\r\n' for a, b, y in rows), encoding="utf-8"
    )
    a, b, y = zip(*rows, strict=True)
    pq.write_table(
        pa.table({"a": pa.array([cell or None for cell in a], pa.float32()), "b": b, "target": y}), table / "t.parquet"
    )
    datasets_ = {}
    for name in ("t.csv", "t.csv.gz", "t.tsv", "quoted.csv", "t.parquet"):
        datasets_[name] = prepared(table, {"uri": name, **options})
        shutil.rmtree(table / "workspace")
    assert len({dataset.fingerprint for dataset in datasets_.values()}) == 1
    assert len({dataset.preprocessing for dataset in datasets_.values()}) == 1


def test_fingerprint_changes_with_a_cell_the_order_and_the_split_and_with_nothing_else(table):
    def fingerprint(rows=None, shard_rows=None, header=HEADER, **options):
        write_csv(table / "t.csv", header, labelled_rows() if rows is None else rows)
        shutil.rmtree(table / "workspace", ignore_errors=True)
        return prepared(table, {"uri": "t.csv", **options}, shard_rows=shard_rows).fingerprint

    first = fingerprint()
    assert fingerprint() == first
    assert fingerprint(shard_rows=7) == first
    cell = labelled_rows()
    cell[31][1] += 1
    label = labelled_rows()
    label[30][2] = "no"
    changed = [
        fingerprint(cell),
        fingerprint(label),
        fingerprint(labelled_rows()[::-1]),
        fingerprint(header=["a", "c", "target"]),
        fingerprint(split={"seed": 43}),
        fingerprint(split={"test": 0.25}),
        fingerprint(split={"stratify": False}),
        fingerprint(categorical=["b"]),
    ]
    assert len({first, *changed}) == len(changed) + 1


@pytest.mark.usefixtures("small_batches")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(12, 80), shard_rows=st.integers(1, 30), seed=st.integers(0, 99), data=st.data())
def test_every_row_is_in_exactly_one_shard_with_its_own_cells(tmp_path, rows, shard_rows, seed, data):
    numbers = data.draw(st.lists(st.none() | st.floats(-1e9, 1e9), min_size=rows, max_size=rows))
    words = data.draw(st.lists(st.sampled_from(["", "a", "b,c", 'd"e', "f\ng", "ü"]), min_size=rows, max_size=rows))
    cells = [
        ["" if n is None else repr(n), w, row, row % 2] for row, (n, w) in enumerate(zip(numbers, words, strict=True))
    ]
    write_csv(tmp_path / "t.csv", ["n", "w", "row", "target"], cells)
    shutil.rmtree(tmp_path / "workspace", ignore_errors=True)
    stage = context(
        tmp_path,
        {
            "uri": "t.csv",
            "categorical": ["w"],
            "missingValues": {"strategy": "Constant", "value": 0},
            "split": {"seed": seed, "stratify": False},
        },
    )
    try:
        prepare(stage, shard_rows=shard_rows)
    except DataError as error:
        # Of few rows the training set's may all be empty in a column.
        assert "is empty in every row of the training set" in error.message
        return
    dataset = PreparedDataset.load(stage.workspace)
    seen = []
    for split in SPLITS:
        for number, (name, count) in enumerate(dataset.shards[split]):
            shard = pq.read_table(dataset.folder / name).to_pydict()
            assert len(shard[ROW]) == count
            assert count == shard_rows or number == len(dataset.shards[split]) - 1
            for row, n, w, own, y in zip(
                shard[ROW], shard["n"], shard["w"], shard["row"], shard["target"], strict=True
            ):
                assert (n, w, own, y) == (numbers[row], words[row] or None, row, str(row % 2))
                seen.append(row)
    assert sorted(seen) == list(range(rows))
    assert {path.name for path in dataset.folder.iterdir()} == {
        "dataset.json",
        "preprocessing.json",
        *(name for shards in dataset.shards.values() for name, _ in shards),
    }


def test_parquet_types_become_numbers_and_words(tmp_path):
    table = pa.table(
        {
            "int": pa.array([1, None, 3] * 20, pa.int16()),
            "half": pa.array(np.array([0.5, np.nan, 2.0] * 20, dtype=np.float16)),
            "decimal": pa.array([Decimal("1.25"), None, Decimal("3.5")] * 20),
            "flag": pa.array([True, None, False] * 20),
            "code": pa.array([7, None, 9] * 20),
            "word": pa.array(["x", None, ""] * 20).dictionary_encode(),
            "target": pa.array([0.5 * row for row in range(60)], pa.float32()),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    dataset = prepared(
        tmp_path,
        {
            "uri": "t.parquet",
            "categorical": ["code"],
            "missingValues": {"strategy": "Constant", "value": -1},
        },
    )
    raw = dataset.read_raw("train")
    for place, row in enumerate(dataset.read("train").rows):
        cells = [raw[name][place] for name in ("int", "half", "decimal", "flag", "code", "word", "target")]
        expected = {0: [1, 0.5, 1.25, 1, "7", "x"], 1: [None] * 6, 2: [3, 2.0, 3.5, 0, "9", None]}[row % 3]
        assert cells == [*expected, 0.5 * row]
    assert [kind for _, kind in dataset.columns] == ["Number"] * 4 + ["Category"] * 2
    assert dataset.preprocessing.columns[4].words == ("-1", "7", "9")


def test_duplicates_are_counted_over_features_and_target(tmp_path):
    rows = labelled_rows(60)
    rows += [list(rows[3]), list(rows[3]), [*rows[4][:2], "yes" if rows[4][2] == "no" else "no"]]
    write_csv(tmp_path / "t.csv", HEADER, rows)
    assert prepared(tmp_path, {"uri": "t.csv"}).findings["duplicateRows"] == 2


def test_rows_that_drop_row_removed_are_no_duplicates(tmp_path):
    rows = [*labelled_rows(60), ["", 1, "no"], ["", 1, "no"], [0.5, 0, "yes"]]
    write_csv(tmp_path / "t.csv", HEADER, rows)
    dataset = prepared(tmp_path, {"uri": "t.csv", "missingValues": {"strategy": "DropRow"}})
    assert (dataset.dropped_rows, dataset.findings["duplicateRows"]) == (2, 1)


@pytest.mark.usefixtures("small_batches")
def test_large_table_in_many_batches_agrees_with_the_file(tmp_path):
    random = np.random.default_rng(0)
    values = random.normal(size=(30_000, 8)).round(4)
    labels = random.integers(0, 3, 30_000)
    rows = np.concatenate([values, labels[:, np.newaxis]], axis=1)
    header = ",".join([f"x{index}" for index in range(8)] + ["target"])
    np.savetxt(tmp_path / "t.csv", rows, fmt=["%.4f"] * 8 + ["%d"], delimiter=",", header=header, comments="")
    dataset = prepared(tmp_path, {"uri": "t.csv"}, shard_rows=4_000)
    rest, test = train_test_split(np.arange(30_000), test_size=0.2, random_state=42, stratify=labels)
    examples = dataset.read("test")
    np.testing.assert_array_equal(examples.rows, test)
    np.testing.assert_array_equal(examples.targets, labels[test])
    raw = dataset.read_raw("test")
    np.testing.assert_array_equal(np.array([raw[f"x{index}"] for index in range(8)]).T, values[test])
    assert len(dataset.read("train").rows) + len(dataset.read("validation").rows) == len(rest)


def test_a_second_run_with_the_same_key_does_nothing_and_another_key_makes_it_anew(table, capsys):
    stage = context(table, {"uri": "t.csv"})
    first = prepare(stage)
    made = stage.workspace.dataset_file.stat().st_mtime_ns
    (table / "t.csv").unlink()
    assert prepare(stage) == first
    assert stage.workspace.dataset_file.stat().st_mtime_ns == made
    assert '"event": "notice"' in capsys.readouterr().out
    write_csv(table / "t.csv", HEADER, labelled_rows(90))
    other = type(stage)(**{**stage.__dict__, "key": "6" * 64})
    assert sum(prepare(other).summary["rows"].values()) == 90
    assert PreparedDataset.load(stage.workspace, "6" * 64).source_rows == 90
    with pytest.raises(ConfigurationError, match="prepared from other inputs"):
        PreparedDataset.load(stage.workspace, KEY)


def test_as_a_process_it_reports_progress_and_a_result(table):
    ended = run_stage_process(table, {"uri": "t.csv"})
    assert ended.exit_code == 0, ended.output
    assert ended.result.reason == "Succeeded"
    assert ended.result.summary["rows"] == {"train": 42, "validation": 6, "test": 12}
    assert (ended.result.summary["task"], ended.result.summary["classes"]) == ("Classification", 2)
    assert len(ended.result.summary["fingerprint"]) == 64
    lines = [json.loads(line) for line in ended.output.splitlines()]
    assert lines[-1]["event"] == "progress"
    assert (lines[-1]["done"], lines[-1]["total"], lines[-1]["unit"]) == (60, 60, "rows")


def test_leftovers_of_a_killed_run_are_removed(table):
    stage = context(table, {"uri": "t.csv"})
    partial = stage.workspace.root / "prepared.partial"
    partial.mkdir(parents=True)
    (partial / "train-99999.parquet").write_text("half")
    prepare(stage)
    assert not partial.exists()
    assert not (stage.workspace.prepared / "train-99999.parquet").exists()
