"""A published model: what its folder holds, whether it is intact, and predictions from it.

Imports the api only; numpy and the library that runs a model when one is loaded.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.api.errors import ConfigurationError
from steelyard.contract.package import (
    FORMAT_VERSION,
    LITERT_FILE,
    ONNX_FILE,
    PREPROCESSING_FILE,
    REPORT_FILE,
    SERVED_FILES,
    SKOPS_FILE,
    STANDARDIZED_TARGET,
    SUMS_FILE,
    served_file,
)
from steelyard.stores.integrity import check_intact, check_is_published_model, not_intact, parse_sums, verify
from steelyard.texts.installing import install_command

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from steelyard.serving.gaps import Cells
    from steelyard.serving.interface import ServedModel, TargetUnit
    from steelyard.serving.preprocessing import Preprocessing
    from steelyard.serving.tally import Tally


@dataclass(frozen=True)
class Predictions:
    """What the model says of some rows, in their order."""

    values: list[str] | list[float]
    """Classification: the most probable class's label as it was written; regression: the number."""
    outputs: "npt.NDArray[np.floating[Any]]"
    """Shape (rows, classes): the probabilities, float32, of a skops file float64. For regression (rows, 1): the
    numbers, float64, in the target's own unit."""


@dataclass(frozen=True)
class PublishedModel:
    """A published model, ready to predict from raw rows."""

    preprocessing: "Preprocessing"
    model: "ServedModel"
    report: Mapping[str, Any]
    """steelyard.json."""
    notes: tuple[str, ...] = ()
    """What a person should know before using it here."""

    @classmethod
    def load(cls, folder: Path) -> "PublishedModel":
        """Loads a model whose files are intact.

        Raises:
            ConfigurationError: the folder holds no published model.
            ConfigurationError: a library that the model needs is not installed.
            ConfigurationError: a later version of Steelyard published it, in a format that this one does not know.
            DataError: a file that is needed is damaged or missing.
        """
        check_is_published_model(folder)
        served = _listed_served_file(folder)
        # A file that the user put beside the model does no harm here.
        needed = {SUMS_FILE, served, PREPROCESSING_FILE, REPORT_FILE}
        check_intact(folder, (problem for problem in verify(folder) if problem.file in needed))
        report = json.loads((folder / REPORT_FILE).read_bytes())
        _check_format(folder, report)
        with _explained_import(served):
            from steelyard.serving.preprocessing import Preprocessing

            preprocessing = Preprocessing.from_json(json.loads((folder / PREPROCESSING_FILE).read_bytes()))
            classes = None if preprocessing.classes is None else len(preprocessing.classes)
            # Those of the first format give the target in its own unit themselves.
            unit = preprocessing.target_unit if report.get("output") == STANDARDIZED_TARGET else None
            model = load_model(served, (folder / served).read_bytes(), classes, unit)
            notes = _notes(served, report)
        return cls(preprocessing, model, report, notes)

    def predict(self, table: "Mapping[str, Cells]", first_row: int = 1, tally: "Tally | None" = None) -> Predictions:
        """Predictions from raw cells.

        Args:
            table: cells by column, as they were read; columns that are no features are ignored.
            first_row: the number that errors give the first row.
            tally: counts the cells that were filled, or whose word training has not seen.

        Raises:
            DataError: a column is missing, or a cell can't be used.
        """
        outputs = self.model.predict(self.features(table, first_row, tally))
        return Predictions(self.preprocessing.labels(outputs), outputs)

    def features(
        self, table: "Mapping[str, Cells]", first_row: int = 1, tally: "Tally | None" = None
    ) -> "npt.NDArray[Any]":
        """What the model takes, of raw cells. Raises DataError as `predict` does."""
        return self.preprocessing.transform(table, first_row, dtype=self.model.features_type, tally=tally)


def load_model(name: str, content: bytes, classes: int | None, unit: "TargetUnit | None") -> "ServedModel":
    """A model that predicts labels' probabilities, or the target in its own unit.

    Args:
        name: the published file that it is in; says which library runs it.
        content: what is in that file.
        classes: how many the task has; None for regression.
        unit: regression: what a model that computes in float32 gives the standardized target of. One that computes in
            float64 gives the target itself. None: every one does.

    Raises:
        ModuleNotFoundError: that library is not installed.
        DataError: the content is no such model.
    """
    import numpy as np

    from steelyard.serving.interface import InTargetUnit

    model = _load_file(name, content, classes)
    return model if unit is None or model.features_type is np.float64 else InTargetUnit(model, unit)


def _load_file(name: str, content: bytes, classes: int | None) -> "ServedModel":
    if name == LITERT_FILE:
        from steelyard.serving.model import LiteRtModel

        return LiteRtModel(content)
    from steelyard.serving.estimators import OnnxModel, SkopsModel

    return OnnxModel(content) if name == ONNX_FILE else SkopsModel.load(content, classes)


def _check_format(folder: Path, report: Mapping[str, Any]) -> None:
    """Raises ConfigurationError where a model's format is not known here; the first one had no number."""
    version = report.get("formatVersion", 1)
    if version not in range(1, FORMAT_VERSION + 1):
        raise ConfigurationError(
            f"{folder / REPORT_FILE}: formatVersion {version!r} is not known to this version of Steelyard, which reads "
            f"1 to {FORMAT_VERSION}; use {report['versions']['steelyard']}, which published it, or a later one"
        )


def _listed_served_file(folder: Path) -> str:
    """The file that predicts, by what was published: not by what is there now."""
    try:
        listed, _ = parse_sums((folder / SUMS_FILE).read_bytes())
        return served_file(listed)
    except OSError:
        raise not_intact(folder, [f"{SUMS_FILE} is missing"]) from None
    except ValueError:
        raise not_intact(folder, [f"{SUMS_FILE} is wrong: it lists none of {', '.join(SERVED_FILES)}"]) from None


@contextmanager
def _explained_import(served: str) -> Iterator[None]:
    """A library that is not installed becomes a ConfigurationError that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = "serving" if served == LITERT_FILE else "estimators"
        raise ConfigurationError(
            f"predicting with {served} needs the library {error.name}, which is not installed; {install_command(extra)}"
        ) from None


def _notes(served: str, report: Mapping[str, Any]) -> tuple[str, ...]:
    if served != SKOPS_FILE:
        return ()
    from steelyard.serving.estimators import version_note

    note = version_note(str(report["versions"]["scikit-learn"]))
    return (note,) if note else ()
