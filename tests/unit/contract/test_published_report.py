"""steelyard.json as a typed document."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pages import FOLDERS, report_of
from published_support import report_document

from steelyard.contract.package import FORMAT_VERSION, RUNTIME_FILES
from steelyard.contract.report import PublishedReport


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_document_of_any_format_is_read_and_keeps_all_that_it_says(folder: Path) -> None:
    document = json.loads((folder / "steelyard.json").read_bytes())
    report = report_of(folder)
    written = report.to_json()
    assert written["formatVersion"] == document.get("formatVersion", 1)
    assert report.serving.file == RUNTIME_FILES[report.serving.runtime].file
    # A skops file lies beside every ONNX one.
    served = [name for name in ("model.tflite", "model.onnx", "model.skops") if (folder / name).is_file()]
    assert report.serving.file == served[0]
    # Format 1 did not say how the rows were dealt out.
    expected = {**document, "dataset": {"split": {}, **document["dataset"]}}
    assert {name: written[name] for name in document} == expected
    added = set(written) - set(document)
    assert added <= ({"serving"} if "formatVersion" in document else {"serving", "output", "formatVersion", "doubts"})


def test_the_present_format_is_the_bytes_of_the_one_before_and_its_version_and_what_serves() -> None:
    for folder in FOLDERS:
        text = (folder / "steelyard.json").read_text()
        if '"formatVersion": 2' in text:
            written = report_of(folder).to_json()
            del written["serving"]
            assert json.dumps(written, indent=2, ensure_ascii=False) + "\n" == text
    assert list(report_document())[:8] == [
        "apiVersion", "kind", "formatVersion", "name", "task", "target", "output", "serving",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"formatVersion": FORMAT_VERSION + 1}, f"formatVersion {FORMAT_VERSION + 1} is not known"),
        ({"formatVersion": "2"}, "formatVersion '2' is not known"),
        ({"kind": "TrainingJob"}, "no document of kind PublishedModel"),
        ({"choice": {}}, "choice.chosen"),
        ({"formatVersion": 2, "choice": {}}, "it lacks 'baseline'"),
        ({"serving": None}, "serving"),
        ({"manifest": {}}, "it lacks manifest.spec"),
        ({"metrics": {}}, "it lacks metrics.test"),
        ({"dataset": {**report_document()["dataset"], "classes": []}}, "it lacks dataset.classes"),
        ({"choice": {**report_document()["choice"], "chosen": "x"}}, "it lacks choice.candidates, x"),
    ],
)
def test_what_is_no_report_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        PublishedReport.parse({**report_document(), **change})


def test_what_a_later_version_adds_is_passed_over() -> None:
    document = report_document()
    document["dataset"]["licence"] = "CC0"
    assert PublishedReport.parse({**document, "more": 1}) == PublishedReport.parse(report_document())
