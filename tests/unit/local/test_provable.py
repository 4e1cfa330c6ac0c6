"""That too few rows are told before anything is trained, where the rows are known, and nothing where they are not."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import datasets

from steelyard.api.training_job import TrainingJobSpec
from steelyard.local.provable import _SHIPPED, too_few_rows_of
from steelyard.stores.surroundings import Surroundings


def spec(uri: str, compression: dict[str, Any] | None = None, **fields: Any) -> TrainingJobSpec:
    dataset = {"uri": uri, "target": "kind", **fields.pop("dataset", {})}
    return TrainingJobSpec.model_validate(
        {
            "dataset": dataset,
            "model": {"mlp": {"hiddenUnits": [8]}},
            "publish": [{"uri": "model"}],
            "compression": {} if compression is None else compression,
            **fields,
        }
    )


def told(folder: Path, of: TrainingJobSpec, *, read_table: bool = True) -> str | None:
    return too_few_rows_of(of, Surroundings(folder), read_table=read_table)


def table(folder: Path, rows: int, word: str = "red") -> str:
    (folder / "t.csv").write_text("size,kind\n" + "".join(f"{row},{word}\n" for row in range(rows)))
    return "t.csv"


def test_a_shipped_set_is_known(tmp_path: Path) -> None:
    said = told(tmp_path, spec("sklearn:digits", dataset={"target": "target"}), read_table=False)
    assert said == (
        "not even an equal model can be proved to lose at most 1 point of accuracy with 95%: that takes 268 validation "
        "rows, there are 180; the two numbers will be compared, and the model called not proved "
        "(compression.onTooFewRows)"
    )
    assert told(tmp_path, spec("sklearn:digits", dataset={"split": {"validation": 0.2}})) is None
    assert told(tmp_path, spec("sklearn:diabetes")) is None, "of r2 nobody knows it so early"
    for name, (_, rows) in _SHIPPED.items():
        assert len(getattr(datasets, f"load_{name}")()["target"]) == rows


@pytest.mark.parametrize(
    ("compression", "fields"),
    [
        ({"candidates": ["Baseline"]}, {}),
        ({"proof": "Point"}, {}),
        ({}, {"evaluation": {"metric": "macroF1"}}),
        ({}, {"dataset": {"split": {"group": "size"}}}),
    ],
)
def test_nothing_is_said_where_nothing_is_to_be_proved_or_known(
    tmp_path: Path, compression: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert told(tmp_path, spec(table(tmp_path, 50), compression, **fields)) is None
    assert told(tmp_path, spec(table(tmp_path, 50))) is not None


def test_where_no_number_is_enough_none_is_told(tmp_path: Path) -> None:
    said = told(tmp_path, spec(table(tmp_path, 50), {"maxMetricDrop": 0}))
    assert said is not None and "no number of rows would be enough; the two numbers" in said


def test_a_table_is_counted_where_it_may_be_read(tmp_path: Path) -> None:
    assert "there are 268;" not in (told(tmp_path, spec(table(tmp_path, 2671))) or "")
    assert told(tmp_path, spec(table(tmp_path, 2671))) is None
    said = told(tmp_path, spec(table(tmp_path, 2670)))
    assert said is not None and "there are 267;" in said
    assert told(tmp_path, spec("t.csv"), read_table=False) is None
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    assert told(tmp_path, spec("t.csv.gz")) == said
    pq.write_table(pa.table({"size": range(2670), "kind": ["red"] * 2670}), tmp_path / "t.parquet")
    assert told(tmp_path, spec("t.parquet")) == said


def test_a_target_of_numbers_may_be_one_to_predict(tmp_path: Path) -> None:
    assert told(tmp_path, spec(table(tmp_path, 50, "7"))) is None
    assert told(tmp_path, spec(table(tmp_path, 50, "nan"))) is None
    assert told(tmp_path, spec(table(tmp_path, 50, "NA"))) is None
    assert told(tmp_path, spec(table(tmp_path, 50, "7"), task="Classification")) is not None


def test_what_can_not_be_read_is_told_elsewhere(tmp_path: Path) -> None:
    assert told(tmp_path, spec("none.csv")) is None
    (tmp_path / "t.csv").write_bytes(b"size\n1\n")
    assert told(tmp_path, spec("t.csv")) is None


def test_a_prepared_dataset_tells_its_classes(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(
        json.dumps(
            {
                "task": "Classification",
                "classes": ["ham", "spam"],
                "rows": {"train": 9000, "validation": 1000, "test": 1000},
                "classCounts": {"validation": [988, 12]},
            }
        )
    )
    prepared = {"dataset": {"format": "Prepared"}}
    assert told(tmp_path, spec(".", {}, **prepared)) is None
    said = told(tmp_path, spec(".", {"maxClassDrop": 0.05, "onTooFewRows": "Baseline"}, **prepared), read_table=False)
    assert said == (
        "not even an equal model can be proved to lose at most 5 points of recall[spam] with 95%: that takes 52 "
        "validation rows of class 'spam', there are 12; the model without compression will be published "
        "(compression.onTooFewRows)"
    )
