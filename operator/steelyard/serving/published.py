"""A published model: what its folder holds, whether it is intact, and predictions from it.

Imports the api only; numpy and the library that runs a model when one is loaded.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.api.errors import ConfigurationError
from steelyard.contract.package import (
    FORMAT_VERSION,
    PREPROCESSING_FILE,
    REPORT_FILE,
    SEARCH_FILE,
    STANDARDIZED_TARGET,
    SUMS_FILE,
)
from steelyard.contract.report import PublishedReport
from steelyard.serving.runtimes import RUNTIMES, explained_import, load_model
from steelyard.stores.integrity import FileProblem, check_intact, check_is_published_model, not_intact, verify
from steelyard.texts.figures import counted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from steelyard.serving.gaps import Cells
    from steelyard.serving.interface import ServedModel
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
    report: PublishedReport
    """steelyard.json, as one of the present format."""
    document: Mapping[str, Any]
    """steelyard.json as it is."""
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
        document, problems = _intact_document(folder)
        report = _report_of(folder, document)
        serving = report.serving
        check_intact(folder, (problem for problem in problems if problem.file in (serving.file, PREPROCESSING_FILE)))
        with explained_import(serving):
            from steelyard.serving.preprocessing import Preprocessing

            try:
                preprocessing = Preprocessing.from_json(_json_of(folder, PREPROCESSING_FILE))
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                what = f"{PREPROCESSING_FILE} does not describe columns and a target: {type(error).__name__}: {error}"
                raise not_intact(folder, [what]) from None
            classes = None if preprocessing.classes is None else len(preprocessing.classes)
            # Those of the first format give the target in its own unit themselves.
            unit = preprocessing.target_unit if report.output == STANDARDIZED_TARGET else None
            model = load_model(serving.runtime, (folder / serving.file).read_bytes(), classes, unit)
            if model.outputs != (expected := classes or 1):
                what = f"{serving.file} gives {counted(model.outputs, 'output')}, {PREPROCESSING_FILE} names {expected}"
                raise not_intact(folder, [what])
            if model.width != preprocessing.width:
                takes = f"{serving.file} takes {counted(model.width, 'feature')}"
                raise not_intact(folder, [f"{takes}, {PREPROCESSING_FILE} makes {preprocessing.width}"])
            note = RUNTIMES[serving.runtime].note(report)
        return cls(preprocessing, model, report, document, (note,) if note else ())

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


def intact_report(folder: Path) -> PublishedReport:
    """What is said of a model, whose other files may be damaged or missing. Raises as `PublishedModel.load` does."""
    document, problems = _intact_document(folder)
    check_intact(folder, (problem for problem in problems if problem.file == SEARCH_FILE))
    return _report_of(folder, document)


def _intact_document(folder: Path) -> tuple[Any, list[FileProblem]]:
    """steelyard.json as it was published, and what is wrong with other files. Raises ConfigurationError, DataError."""
    check_is_published_model(folder)
    # A file that the user put beside the model does no harm here.
    problems = verify(folder)
    check_intact(folder, (problem for problem in problems if problem.file in (SUMS_FILE, REPORT_FILE)))
    return _json_of(folder, REPORT_FILE), problems


def _json_of(folder: Path, name: str) -> Any:
    """The content of a file that is as it was published. Raises DataError where it is no JSON all the same."""
    try:
        return json.loads((folder / name).read_bytes())
    except (ValueError, RecursionError) as error:
        raise not_intact(folder, [f"{name} is no JSON: {error}"]) from None


def _publisher(document: Mapping[str, Any]) -> str:
    """The version of Steelyard that published a model of a format that is not known here."""
    try:
        return f"{document['versions']['steelyard']}, which published it, or a later one"
    except (KeyError, TypeError):
        return "a later one"


def _report_of(folder: Path, document: Any) -> PublishedReport:
    """The report of an intact steelyard.json. Raises ConfigurationError where its format or its runtime is not known
    here, DataError where it is no report."""
    version = document.get("formatVersion", 1) if isinstance(document, dict) else 1
    if version not in range(1, FORMAT_VERSION + 1):
        raise ConfigurationError(
            f"{folder / REPORT_FILE}: formatVersion {version!r} is not known to this version of Steelyard, which reads "
            f"1 to {FORMAT_VERSION}; use {_publisher(document)}"
        )
    try:
        report = PublishedReport.parse(document)
    except ValueError as error:
        raise not_intact(folder, [f"{REPORT_FILE} is no report of a model: {error}"]) from None
    if report.serving.runtime not in RUNTIMES:
        raise ConfigurationError(
            f"{folder / REPORT_FILE}: serving.runtime {report.serving.runtime!r} is not known to this version of "
            f"Steelyard, which knows {', '.join(RUNTIMES)}"
        )
    return report
