"""The folder that a published model is, and where one may be put. Imports the contract only.

Here and not in serving, because the runner looks before it trains, the trainer before it publishes, and both must say
the same.
"""

import json
from collections.abc import Collection
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

SEARCH_PAGE_FILE = "search.html"
"""The search that the model is the best of, for people; where there was one."""
SEARCH_FILE = "search.json"
"""The same for programs."""

SERVED_FILES = (LITERT_FILE, ONNX_FILE, SKOPS_FILE)
"""Where a model's figures are from and its predictions come from: the first of these that it has."""
_EVIDENCE_FILES = (PREPROCESSING_FILE, REPORT_FILE, CARD_FILE)
NETWORK_FILES = tuple(sorted((LITERT_FILE, KERAS_FILE, *_EVIDENCE_FILES)))
"""What every network is published with."""
ESTIMATOR_FILES = tuple(sorted((SKOPS_FILE, *_EVIDENCE_FILES)))
"""What every model of scikit-learn is published with."""
KNOWN_FILES = frozenset((*NETWORK_FILES, *ESTIMATOR_FILES, ONNX_FILE, SEARCH_PAGE_FILE, SEARCH_FILE, SUMS_FILE))
"""All that a published model may have."""

KIND = "PublishedModel"
FORMAT_VERSION = 2
"""`formatVersion` in steelyard.json. 1, which was not written: every file gives the target in its own unit. 2: `output`
says what the served file gives; `model.keras` of a regression gives the standardized target."""
PROBABILITIES = "probabilities"
"""An `output`: of each class."""
TARGET = "target"
"""An `output`: the number, in the target's own unit."""
STANDARDIZED_TARGET = "standardizedTarget"
"""An `output`: the number, to be multiplied by preprocessing.json's `targetScale`, plus `targetMean`, in float64."""


def files_missing(names: Collection[str]) -> list[str]:
    """What a model with these files lacks, whatever it is."""
    is_estimator = SKOPS_FILE in names or ONNX_FILE in names
    return sorted(set(ESTIMATOR_FILES if is_estimator else NETWORK_FILES) - set(names))


def served_file(names: Collection[str]) -> str:
    """Which of a model's files predicts. Raises ValueError where none does."""
    try:
        return next(name for name in SERVED_FILES if name in names)
    except StopIteration:
        raise ValueError(f"none of {', '.join(SERVED_FILES)} is there") from None


def is_published_model(folder: Path) -> bool:
    """Whether a folder holds what Steelyard published, intact or not."""
    if (folder / SUMS_FILE).is_file() and any((folder / name).is_file() for name in SERVED_FILES):
        return True
    try:
        report = json.loads((folder / REPORT_FILE).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(report, dict) and (report.get("apiVersion"), report.get("kind")) == (API_VERSION, KIND)
