"""Folders that earlier versions published still verify, load and predict as they did. tests/data/published/README.md
says what they are."""

import csv
import shutil
from pathlib import Path

import pytest

from steelyard.cli.predict import predict
from steelyard.stores.integrity import verify

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[1] / "data/published").glob("*/predictions.csv"))


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_there_is_one_of_each_kind_of_file() -> None:
    files = {path.name for folder in FOLDERS for path in (folder / "model").iterdir()}
    assert {"model.tflite", "model.onnx", "model.skops"} <= files
    assert len(FOLDERS) >= 3


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_verifies(folder: Path) -> None:
    assert verify(folder / "model") == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_predicts_what_it_did(folder: Path, tmp_path: Path) -> None:
    # A copy that is alone: nothing beside it may be needed.
    model = Path(shutil.copytree(folder / "model", tmp_path / "model"))
    predict(model, folder / "rows.csv", output_file=tmp_path / "predictions.csv")
    now, then = lines(tmp_path / "predictions.csv"), lines(folder / "predictions.csv")
    assert len(now) == len(then) > 10
    assert now[0].keys() == then[0].keys()
    for mine, old in zip(now, then, strict=True):
        if "probability" in old:
            assert mine.pop("prediction") == old.pop("prediction")
        assert [float(cell) for cell in mine.values()] == pytest.approx(
            list(map(float, old.values())), rel=1e-6, abs=1e-6
        )
