"""Every kind of cell in every role, from training on CSV or Parquet to the score of predictions for either: right, or a
clear error."""

import csv
import io
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from estimator_support import EstimatorJob
from predict_support import Predictor
from predict_support import predicted as predicted

from steelyard.api.errors import DataError

ROWS = 120
VALUES: dict[str, list[Any]] = {
    "int": [1, 2, 3],
    "float": [1.0, 2.0, 3.5],
    "bool": [False, True],
    "text": ["a", "b", "c"],
    "blank": [" a", "a ", "b", "  "],
    "date": [date(2024, 1, 1) + timedelta(days=100 * number) for number in range(4)],
}


def as_csv(table: pa.Table) -> bytes:
    """As pandas and most programs write it."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(table.column_names)
    writer.writerows(["" if cell is None else cell for cell in row.values()] for row in table.to_pylist())
    return file.getvalue().encode()


def as_parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


WRITERS = {"csv": as_csv, "parquet": as_parquet}


def table_of(role: str, kind: str) -> tuple[pa.Table, dict[str, Any]]:
    """A table in which one column of the kind says all, and what the manifest says of it."""
    values = VALUES[kind]
    cells = [values[row % len(values)] for row in range(ROWS)]
    steps = [float(_step(kind, row % len(values))) for row in range(ROWS)]
    # Labels are told by numbers, features tell labels.
    if role == "label":
        table = pa.table({"x": [step * 10 + row % 2 for row, step in enumerate(steps)], "one": cells})
        return table, {"target": "one", "missingValues": {"target": "DropRow"}}
    table = pa.table({"one": cells, "x": [row % 5 for row in range(ROWS)], "y": [f"l{step:g}" for step in steps]})
    said = {"categorical": ["one"]} if role == "category" else {}
    return table, {"target": "y", "missingValues": {"strategy": "Median"}, **said}


def _step(kind: str, place: int) -> int:
    """What a value stands for: " a" and "a " are one, and a gap is filled with the most frequent."""
    return {"blank": [0, 0, 1, 0]}.get(kind, [0, 1, 2, 3])[place]


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("role", ["feature", "category", "label"])
@pytest.mark.parametrize("file", WRITERS)
def test_from_training_to_the_score(tmp_path: Path, predicted: Predictor, file: str, role: str, kind: str) -> None:
    table, dataset = table_of(role, kind)
    (tmp_path / f"t.{file}").write_bytes(WRITERS[file](table))
    dataset["uri"] = f"t.{file}"
    # Four days in a text file are four labels.
    if (role, kind, file) == ("label", "date", "parquet"):
        with pytest.raises(DataError, match=r"target 'one' of t.parquet holds date32.*can't be predicted"):
            EstimatorJob.on(tmp_path, dataset)
        return
    job = EstimatorJob.on(tmp_path, dataset)
    model, _ = job.publish({"randomForest": {"nEstimators": 10}})
    for write in WRITERS.values():
        said = predicted(model, write(table))
        name = said.err.splitlines()[-1].split()[0]
        assert said.score < 0.3 if name == "rmse" else said.score == 1, (write, said.err)
        assert not any("not known" in line or "never saw" in line for line in said.findings)
