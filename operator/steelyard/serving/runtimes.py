"""The runtimes that serve published models: one table. Imports the contract and the api; what a runtime needs is
imported when it loads a model.

A runtime that is new here needs a module of its own with a `ServedModel`, a line in this table, and one in
`steelyard.contract.package.RUNTIME_FILES`, which says what its models are published as.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.contract.report import PublishedReport, ServingReport
from steelyard.contract.stages import Reason
from steelyard.texts.installing import install_command

if TYPE_CHECKING:
    from steelyard.serving.interface import ServedModel, TargetUnit


def _litert(content: bytes, _classes: int | None) -> "ServedModel":
    from steelyard.serving.model import LiteRtModel

    try:
        return LiteRtModel(content)
    except (ValueError, RuntimeError) as error:
        raise DataError(
            f"the LiteRT file can't be loaded: {' '.join(str(error).split())}", reason=Reason.MODEL_NOT_INTACT
        ) from None


def _onnx(content: bytes, _classes: int | None) -> "ServedModel":
    from steelyard.serving.estimators import OnnxModel

    return OnnxModel(content)


def _skops(content: bytes, classes: int | None) -> "ServedModel":
    from steelyard.serving.estimators import SkopsModel

    return SkopsModel.load(content, classes)


def _skops_note(report: PublishedReport) -> str:
    from steelyard.serving.estimators import version_note

    return version_note(report.versions["scikit-learn"])


@dataclass(frozen=True)
class Runtime:
    """How the models of one runtime are loaded."""

    load: Callable[[bytes, int | None], "ServedModel"]
    """From the served file's content, and how many classes the task has (None for regression); it gives what the file
    gives. Raises ModuleNotFoundError where its library is not installed, DataError where the content is no such
    model."""
    extra: str
    """Of the package steelyard: brings the library."""
    note: Callable[[PublishedReport], str] = lambda _report: ""
    """What a person should know before using a model here; empty for nothing."""


RUNTIMES: Mapping[str, Runtime] = {
    "LiteRT": Runtime(_litert, "serving"),
    "OnnxRuntime": Runtime(_onnx, "estimators"),
    "Skops": Runtime(_skops, "estimators", _skops_note),
}
"""By the name in steelyard.json."""


def load_model(runtime: str, content: bytes, classes: int | None, unit: "TargetUnit | None") -> "ServedModel":
    """A model that predicts labels' probabilities, or the target in its own unit.

    Args:
        runtime: one of RUNTIMES.
        content: of the file that it serves.
        classes: how many the task has; None for regression.
        unit: regression: what a model that computes in float32 gives the standardized target of. One that computes in
            float64 gives the target itself. None: every one does.

    Raises:
        ModuleNotFoundError: the runtime's library is not installed.
        DataError: the content is no such model.
    """
    import numpy as np

    from steelyard.serving.interface import InTargetUnit

    model = RUNTIMES[runtime].load(content, classes)
    return model if unit is None or model.features_type is np.float64 else InTargetUnit(model, unit)


@contextmanager
def explained_import(serving: ServingReport) -> Iterator[None]:
    """A library that is not installed becomes a ConfigurationError that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"predicting with {serving.file} needs the library {error.name}, which is not installed; "
            f"{install_command(RUNTIMES[serving.runtime].extra)}"
        ) from None
