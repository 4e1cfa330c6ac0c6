"""A published folder whose checksums are right and whose files are not what they say: an error names the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from published_support import MODEL_OF, PUBLISHED, report_document

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.contract.package import SUMS_FILE
from steelyard.contract.stages import Reason
from steelyard.serving.published import PublishedModel, intact_report
from steelyard.serving.runtimes import load_model
from steelyard.stores.integrity import sums_of


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(PUBLISHED / MODEL_OF["LiteRT"] / "model", folder)
    (folder / "report.html").write_text("<!doctype html>")
    (folder / "steelyard.json").write_text(json.dumps(report_document("LiteRT")))
    return folder


def write(model: Path, name: str, content: bytes) -> None:
    (model / name).write_bytes(content)
    (model / SUMS_FILE).write_bytes(sums_of(model))


@pytest.mark.parametrize("name", ["steelyard.json", "preprocessing.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_named(model: Path, name: str, content: bytes) -> None:
    write(model, name, content)
    with pytest.raises(DataError, match=rf"{name} is no JSON") as caught:
        PublishedModel.load(model)
    assert caught.value.reason == Reason.MODEL_NOT_INTACT


def without(key: str) -> Callable[[Any], Any]:
    return lambda document: {name: value for name, value in document.items() if name != key}


@pytest.mark.parametrize(
    "damage",
    [
        without("columns"),
        without("task"),
        lambda document: {**document, "columns": [None]},
        lambda document: {**document, "columns": [{**document["columns"][0], "kind": "x"}]},
        lambda document: {**document, "columns": [{**document["columns"][0], "mean": None}]},
        lambda document: {**document, "columns": [{**document["columns"][0], "scale": "wide"}]},
        lambda document: {**document, "columns": [{**document["columns"][0], "fill": []}]},
        lambda document: {**document, "targetMean": None},
        lambda document: {**document, "columns": "x"},
        lambda _: [],
        lambda _: None,
    ],
)
def test_a_preprocessing_of_another_form_is_named(model: Path, damage: Callable[[Any], Any]) -> None:
    document = json.loads((model / "preprocessing.json").read_bytes())
    write(model, "preprocessing.json", json.dumps(damage(document)).encode())
    with pytest.raises(DataError, match=r"preprocessing\.json does not describe columns and a target: \w+Error"):
        PublishedModel.load(model)


def test_labels_that_are_not_as_many_as_the_outputs_are_told(model: Path) -> None:
    document = json.loads((model / "preprocessing.json").read_bytes())
    classes = document["classes"]
    write(model, "preprocessing.json", json.dumps({**document, "classes": classes[1:]}).encode())
    says = rf"model\.tflite gives {len(classes)} outputs, preprocessing\.json names {len(classes) - 1}"
    with pytest.raises(DataError, match=says):
        PublishedModel.load(model)


def test_features_that_are_not_as_many_as_the_model_takes_are_told(model: Path) -> None:
    document = json.loads((model / "preprocessing.json").read_bytes())
    width = len(document["columns"])
    write(model, "preprocessing.json", json.dumps({**document, "columns": document["columns"][1:]}).encode())
    says = rf"model\.tflite takes {width} features, preprocessing\.json makes {width - 1}"
    with pytest.raises(DataError, match=says):
        PublishedModel.load(model)


@pytest.mark.parametrize("content", [b"", b"x" * 50])
def test_a_file_that_litert_can_not_load_is_bad_data_to_whoever_serves_it(model: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="the LiteRT file can't be loaded"):
        load_model("LiteRT", content, 3, None)
    write(model, "model.tflite", content)
    with pytest.raises(DataError, match="the LiteRT file can't be loaded"):
        PublishedModel.load(model)


@pytest.mark.parametrize(
    ("versions", "says"),
    [({"steelyard": "9.1"}, "use 9.1, which published it, or a later one"), (None, "use a later one"), ("x", "use a")],
)
def test_a_later_format_is_told_whatever_else_it_says(model: Path, versions: Any, says: str) -> None:
    document = {**report_document("LiteRT"), "formatVersion": 99, "versions": versions}
    write(model, "steelyard.json", json.dumps(document).encode())
    with pytest.raises(ConfigurationError, match=rf"formatVersion 99 is not known .*; {says}"):
        intact_report(model)
