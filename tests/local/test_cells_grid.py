"""Every role of a column, in every format, with cells of every kind, from training to the score of `predict`: right, or
a clear error.
"""

import random
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from predict_support import Predictor, as_csv, as_parquet
from predict_support import predicted as predicted
from sklearn_support import EstimatorJob

from steelyard.api.errors import DataError
from steelyard.serving.estimators import SkopsModel

ROWS = 160
ROLES = ("feature", "category", "label")
FORMATS = ("CSV", "Parquet")
FOREST = {"randomForest": {"nEstimators": 5}}

KINDS: dict[str, tuple[Any, ...]] = {
    "int": (1, 2, 30, 40),
    "whole float": (1.0, 2.0, 30.0, 40.0),
    "float": (0.5, 1.5, 2.5, 3.5),
    "bool": (False, False, True, True),
    "text": ("ash", "elm", "fir", "oak"),
    "padded": ("ash ", " elm", "  fir", "oak\t"),
    "code": ("01", "02", "3", "4"),
    "date": (date(2020, 1, 31), date(2021, 5, 1), date(2022, 7, 4), date(2023, 12, 24)),
}
"""The cells of a column in four groups of rows. What is to be learned is which groups the second half are."""


def groups() -> list[int]:
    """The group of each row, in an order that says nothing."""
    found = [row % 4 for row in range(ROWS)]
    random.Random(1).shuffle(found)
    return found


def table(role: str, cells: tuple[Any, ...]) -> dict[str, list[Any]]:
    """With the column v in a role; where it is a feature, y is the target."""
    column = [cells[group] for group in groups()]
    # A feature that says nothing, and one that says all where the column is the target.
    noise, clue = [float(row % 7) for row in range(ROWS)], [float(group) for group in groups()]
    if role == "label":
        return {"noise": noise, "clue": clue, "v": column}
    return {"noise": noise, "v": column, "y": ["high" if group >= 2 else "low" for group in groups()]}


def written(columns: dict[str, list[Any]], form: str) -> bytes:
    """In a format. None is a cell of blanks alone, or, in a column of Parquet that can't hold blanks, null."""
    if form == "CSV":
        blanked = {name: ["  " if cell is None else cell for cell in cells] for name, cells in columns.items()}
        return as_csv(pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in blanked.items()}))
    arrays = {}
    for name, cells in columns.items():
        is_text = any(isinstance(cell, str) for cell in cells)
        arrays[name] = pa.array(["  " if cell is None else cell for cell in cells] if is_text else cells)
    return as_parquet(pa.table(arrays))


def dataset(role: str, form: str, **more: Any) -> dict[str, Any]:
    categorical = {"categorical": ["v"]} if role == "category" else {}
    return {"uri": "train", "format": form, "target": "v" if role == "label" else "y", **categorical, **more}


def trained(folder: Path, role: str, form: str, columns: dict[str, list[Any]], **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "train").write_bytes(written(columns, form))
    return EstimatorJob.on(folder, dataset(role, form, **more)).publish(FOREST)[0]


@pytest.fixture(autouse=True)
def quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the latency here."""
    monkeypatch.setattr(SkopsModel, "latencies", lambda *_arguments, **_options: [1.0])


REFUSED: dict[tuple[str, str, str], str] = {
    ("label", "date", "Parquet"): r"target 'v' of train holds date32.*can't be predicted",
}
"""What can't be learned, by role, kind and format, and what the error says of it."""


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("role", ROLES)
def test_it_is_right_or_a_clear_error(role: str, kind: str, form: str, tmp_path: Path, predicted: Predictor) -> None:
    columns = table(role, KINDS[kind])
    if said := REFUSED.get((role, kind, form)):
        with pytest.raises(DataError, match=said):
            trained(tmp_path, role, form, columns)
        return
    model = trained(tmp_path, role, form, columns)
    found = {each: predicted(model, written(columns, each), strict=True) for each in FORMATS}
    assert found["CSV"].out == found["Parquet"].out
    # Numbers with a fraction are a regression's.
    wanted = "rmse 0 on" if (role, kind) == ("label", "float") else "accuracy 1 on"
    for each in FORMATS:
        assert found[each].err == f"{wanted} {ROWS} rows\n"


@pytest.mark.parametrize(
    ("role", "kind", "form"),
    [
        (role, kind, form)
        for role in ROLES
        for kind in ("int", "float", "bool", "text", "date")
        for form in FORMATS
        if (role, kind, form) not in REFUSED
    ],
)
def test_blank_cells_are_gaps(role: str, kind: str, form: str, tmp_path: Path, predicted: Predictor) -> None:
    columns = table(role, KINDS[kind])
    columns["v"] = [None if row % 20 == 7 else cell for row, cell in enumerate(columns["v"])]
    with pytest.raises(DataError, match=r"'v'.*\b8\b.*missingValues"):
        trained(tmp_path, role, form, columns)
    missing = {"target": "DropRow"} if role == "label" else {"strategy": "Median"}
    model = trained(tmp_path / "filled", role, form, columns, missingValues=missing)
    found = {each: predicted(model, written(columns, each)) for each in FORMATS}
    assert found["CSV"].out == found["Parquet"].out and len(found["CSV"].lines) == ROWS
    for each in FORMATS:
        if role == "label":
            figure = "rmse 0" if kind == "float" else "accuracy 1"
            assert found[each].err == f"{figure} on {ROWS - 8} rows (the target is missing in 8 others)\n"
        else:
            (line,) = found[each].findings
            assert line == "column 'v': 8 of 160 cells are empty and filled as training learned to, first in row 8"
            assert found[each].score > 0.94
