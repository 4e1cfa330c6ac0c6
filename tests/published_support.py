"""Folders that are laid out like published models, and what steelyard.json says of real ones."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from steelyard.contract.package import FORMAT_VERSION, SUMS_FILE, files_of
from steelyard.contract.report import PublishedReport
from steelyard.stores.integrity import sums_of

PUBLISHED = Path(__file__).parent / "data/published"
MODEL_OF = {"LiteRT": "wine-network", "OnnxRuntime": "flats-boosting", "Skops": "rent-ridge"}
"""A folder there, by what serves its model."""


def report_document(runtime: str = "LiteRT") -> dict[str, Any]:
    """What steelyard.json of the present format says of such a model."""
    report = PublishedReport.read(PUBLISHED / MODEL_OF[runtime] / "model")
    return report.model_copy(update={"format_version": FORMAT_VERSION}).to_json()


def made(folder: Path, names: Collection[str] = (), word: str = "", runtime: str = "LiteRT") -> Path:
    """A folder with the files of such a model and these beside, others for each word, and sums that are right."""
    folder.mkdir(parents=True)
    for name in {*files_of(runtime), *names}:
        (folder / name).write_text(f"the content of {name}{word}")
    (folder / "steelyard.json").write_text(json.dumps(report_document(runtime)))
    (folder / SUMS_FILE).write_bytes(sums_of(folder))
    return folder
