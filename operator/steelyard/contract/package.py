"""The folder that a published model is, and where one may be put. Imports the contract only.

Here and not in serving, because the runner looks before it trains, the trainer before it publishes, and both must say
the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from steelyard.contract.version import API_VERSION

LITERT_FILE = "model.tflite"
"""A network: the chosen model."""
KERAS_FILE = "model.keras"
"""A network as it was trained, for further training."""
ONNX_FILE = "model.onnx"
"""A model of scikit-learn: the chosen model, where that is the ONNX one."""
SKOPS_FILE = "model.skops"
"""A model of scikit-learn: the fitted estimator, to go on with in scikit-learn; the chosen model where ONNX is not."""
PREPROCESSING_FILE = "preprocessing.json"
"""What turns raw rows into the model's input."""
REPORT_FILE = "steelyard.json"
"""The evidence: specification, versions, data, figures, candidates."""
CARD_FILE = "README.md"
"""The evidence for people."""
SUMS_FILE = "SHA256SUMS"
"""The SHA-256 of every other file, as `sha256sum --check` reads it; its own is the model's digest."""

CODE_FILE = "code.zip"
"""The user's own code that built the model, as evidence and for further training: nothing imports it from here."""
PAGE_FILE = "report.html"
"""The evidence as a page that needs nothing else."""
SEARCH_PAGE_FILE = "search.html"
"""The search that the model is the best of, for people; where there was one."""
SEARCH_FILE = "search.json"
"""The same for programs."""


@dataclass(frozen=True)
class RuntimeFiles:
    """What a model is published as that a runtime serves."""

    file: str
    """What it runs."""
    beside: tuple[str, ...] = ()
    """What else of the model is published."""


RUNTIME_FILES: Mapping[str, RuntimeFiles] = {
    "LiteRT": RuntimeFiles(LITERT_FILE, (KERAS_FILE,)),
    "OnnxRuntime": RuntimeFiles(ONNX_FILE, (SKOPS_FILE,)),
    "Skops": RuntimeFiles(SKOPS_FILE),
}
"""By the runtime's name in steelyard.json; `steelyard.serving.runtimes` has how each is loaded."""
WITHOUT_NETWORK = ("SavedModel",)
"""Formats of models from elsewhere of which no `model.keras` is published: they have no layers that could go on
learning, and whoever made them has them."""
_EVIDENCE_FILES = frozenset((PREPROCESSING_FILE, REPORT_FILE, CARD_FILE))
_SERVED_FILES = frozenset(files.file for files in RUNTIME_FILES.values())
_OTHER_FILES = (PAGE_FILE, SEARCH_PAGE_FILE, SEARCH_FILE, CODE_FILE, SUMS_FILE)
KNOWN_FILES = frozenset((*_SERVED_FILES, *_EVIDENCE_FILES, *_OTHER_FILES)).union(
    *(files.beside for files in RUNTIME_FILES.values())
)
"""All that a published model may have."""

KIND = "PublishedModel"
FORMAT_VERSION = 3
"""`formatVersion` in steelyard.json. 1, which was not written: every file gives the target in its own unit. 2: `output`
says what the served file gives; `model.keras` of a regression gives the standardized target. 3: `serving` names the
runtime and its file, and `report.html` is there."""
PROBABILITIES = "probabilities"
"""An `output`: of each class."""
TARGET = "target"
"""An `output`: the number, in the target's own unit."""
STANDARDIZED_TARGET = "standardizedTarget"
"""An `output`: the number, to be multiplied by preprocessing.json's `targetScale`, plus `targetMean`, in float64."""


def files_of(runtime: str | None, format_version: int = FORMAT_VERSION, came_as: str | None = None) -> frozenset[str]:
    """What every model is published with that a runtime serves.

    Args:
        runtime: its name in steelyard.json; None, or one that is not known here: only what all models have.
        format_version: of its steelyard.json.
        came_as: the format of a model from elsewhere.
    """
    files = RUNTIME_FILES.get(runtime or "")
    of_the_model = frozenset((files.file, *files.beside)) if files else frozenset[str]()
    if came_as in WITHOUT_NETWORK:
        of_the_model -= {KERAS_FILE}
    return of_the_model | _EVIDENCE_FILES | ({PAGE_FILE} if format_version >= 3 else set[str]())


def is_published_model(folder: Path) -> bool:
    """Whether a folder holds what Steelyard published, intact or not."""
    if (folder / SUMS_FILE).is_file() and any((folder / name).is_file() for name in _SERVED_FILES):
        return True
    try:
        report = json.loads((folder / REPORT_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(report, dict) and (report.get("apiVersion"), report.get("kind")) == (API_VERSION, KIND)
