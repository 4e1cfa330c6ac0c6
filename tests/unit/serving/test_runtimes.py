"""What serves a published model is what its steelyard.json names, whatever its files are called."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from published_support import MODEL_OF, PUBLISHED, report_document

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.contract.package import RUNTIME_FILES, SUMS_FILE, RuntimeFiles
from steelyard.serving.published import PublishedModel
from steelyard.serving.runtimes import RUNTIMES, Runtime
from steelyard.stores.integrity import sums_of, verify


def published(folder: Path, runtime: str, **change: Any) -> Path:
    """A model of that runtime as the present version publishes it, with changes of its steelyard.json."""
    shutil.copytree(PUBLISHED / MODEL_OF[runtime] / "model", folder)
    (folder / "report.html").write_text("<!doctype html>")
    (folder / "steelyard.json").write_text(json.dumps({**report_document(runtime), **change}))
    (folder / SUMS_FILE).write_bytes(sums_of(folder))
    return folder


def test_both_tables_have_the_same_runtimes() -> None:
    assert list(RUNTIMES) == list(RUNTIME_FILES)
    assert len({files.file for files in RUNTIME_FILES.values()}) == len(RUNTIME_FILES)


def test_what_is_named_serves_and_not_what_a_file_is_called(tmp_path: Path) -> None:
    folder = published(tmp_path / "model", "OnnxRuntime")
    # The first that a version looked for that guessed.
    shutil.copy(PUBLISHED / "wine-network/model/model.tflite", folder)
    (folder / SUMS_FILE).write_bytes(sums_of(folder))
    assert type(PublishedModel.load(folder).model).__name__ == "OnnxModel"


class _Even:
    """Says that every class is as probable as any."""

    width = 13
    outputs = 3
    features_type = np.float32

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[Any]:
        return np.full((len(np.asarray(features)), 3), 1 / 3, np.float32)


def test_one_more_runtime_is_a_line_in_each_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving = {"runtime": "even", "file": "model.even"}
    folder = published(tmp_path / "model", "LiteRT", serving=serving)
    with pytest.raises(DataError, match=r"does not list model\.even"):
        PublishedModel.load(folder)
    (folder / "model.even").write_text("1/3")
    (folder / SUMS_FILE).write_bytes(sums_of(folder))
    with pytest.raises(ConfigurationError, match=r"serving.runtime 'even' is not known.* LiteRT, OnnxRuntime, Skops"):
        PublishedModel.load(folder)
    monkeypatch.setitem(RUNTIMES, "even", Runtime(lambda _content, _classes: _Even(), "serving"))  # type: ignore[arg-type]
    monkeypatch.setitem(RUNTIME_FILES, "even", RuntimeFiles("model.even"))
    (folder / "model.keras").unlink()
    (folder / "model.tflite").unlink()
    (folder / SUMS_FILE).write_bytes(sums_of(folder))
    assert verify(folder) == []
    model = PublishedModel.load(folder)
    row = {column.name: [1.0, 2.0] for column in model.preprocessing.columns}
    np.testing.assert_allclose(model.predict(row).outputs, 1 / 3)


def test_a_document_that_is_no_report_is_told(tmp_path: Path) -> None:
    folder = published(tmp_path / "model", "LiteRT", serving=None)
    with pytest.raises(DataError, match=r"steelyard.json is no report of a model: .*serving"):
        PublishedModel.load(folder)
