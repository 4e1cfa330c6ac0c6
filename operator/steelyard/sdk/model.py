"""A published model in Python: `steelyard.load`. Imports the api, serving and numpy."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.sdk.tables import Table, cells_by_column
from steelyard.serving.findings import findings, without_other
from steelyard.serving.published import PublishedModel
from steelyard.serving.tally import Tally
from steelyard.stores.integrity import check_intact, digest_of, verify

BATCH_ROWS = 16_384
"""Rows that are in the model's form at a time: of a column with 1,000 categories, 130 MB."""
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")


class DataWarning(UserWarning):
    """Something about the rows or the model here that may make predictions worse."""


class Model:
    """A published model. For one thread at a time.

    It is read once, when it is loaded: whatever becomes of its folder then does not matter to predictions.
    """

    def __init__(self, folder: Path, published: PublishedModel) -> None:
        """See `load`."""
        self.folder = folder
        """Where it was loaded from."""
        self._published = published
        self._digest = digest_of(folder)
        labels = published.preprocessing.classes
        self._classes = None if labels is None else typed_labels(labels)

    @property
    def metadata(self) -> dict[str, Any]:
        """The evidence that was published with the model, steelyard.json: the manifest it is of, the versions it was
        made with, the data, and all figures with their standard errors."""
        return dict(self._published.document)

    @property
    def features(self) -> list[str]:
        """The columns that a table must have to be predicted from."""
        return [column.name for column in self._published.preprocessing.columns]

    @property
    def target(self) -> str:
        """The column that is predicted."""
        return self._published.preprocessing.target

    @property
    def task(self) -> str:
        """Classification or Regression."""
        return self._published.preprocessing.task

    @property
    def classes(self) -> npt.NDArray[Any] | None:
        """The labels in the order of `predict_proba`'s columns, of the type that `predict` gives; None of a
        regression."""
        return self._classes

    @property
    def digest(self) -> str:
        """`sha256:` and the SHA-256 of the folder's SHA256SUMS, as it was when the model was loaded."""
        return self._digest

    def predict(self, data: Table, *, strict: bool = False) -> npt.NDArray[Any]:
        """What the model says of each row.

        Args:
            data: a pandas or Polars DataFrame, an Arrow table, or a dictionary of columns. The columns may be in any
                order, and others may be among them.
            strict: raise where a cell is missing, or a word is one that training has not seen; else both are only
                counted, in a DataWarning.

        Returns:
            One value for each row, in the rows' order. Regression: float64. Classification: the labels; int64 where
            all labels are whole numbers, bool where they are true and false, else texts.

        Raises:
            DataError: a column is missing, or a cell can't be used; rows count from 1.
        """
        outputs = self._outputs(data, strict)
        if self._classes is None:
            return outputs.reshape(-1).astype(np.float64)
        labels: npt.NDArray[Any] = self._classes[outputs.argmax(axis=1)]
        return labels

    def predict_proba(self, data: Table, *, strict: bool = False) -> npt.NDArray[np.float64]:
        """The probability of each class.

        Args:
            data: as for `predict`.
            strict: as for `predict`.

        Returns:
            float64, shape (rows, classes); the columns are in the order of `classes`.

        Raises:
            ConfigurationError: it is a regression.
            DataError: as `predict`.
        """
        if self._classes is None:
            raise ConfigurationError("the model is of a regression, which has no probabilities; use predict")
        return self._outputs(data, strict).astype(np.float64)

    def verify(self, digest: str | None = None) -> str:
        """Checks that the folder is, byte for byte, what was published.

        Args:
            digest: what its digest must be. Without it, somebody who changes a file and SHA256SUMS alike goes
                unnoticed.

        Returns:
            The digest.

        Raises:
            DataError: a file is wrong, missing or too many; each is named.
        """
        check_intact(self.folder, verify(self.folder, digest))
        return digest_of(self.folder)

    def _outputs(self, data: Table, strict: bool) -> npt.NDArray[Any]:
        """The model's outputs, shape (rows, outputs). Raises DataError; warns for a caller of this method's caller."""
        table = cells_by_column(data, self.features)
        rows = len(next(iter(table.values())))
        tally = Tally()
        outputs = [
            self._published.predict(
                {name: cells[start : start + BATCH_ROWS] for name, cells in table.items()}, start + 1, tally
            ).outputs
            for start in range(0, max(rows, 1), BATCH_ROWS)
        ]
        preprocessing = self._published.preprocessing
        if strict and not (refused := without_other(tally, preprocessing)).is_empty:
            raise DataError("\n".join(["strict refuses cells:", *findings(refused, preprocessing, rows)]))
        if not tally.is_empty and not strict:
            warnings.warn("\n".join(findings(tally, preprocessing, rows)), DataWarning, stacklevel=3)
        return np.concatenate(outputs)

    def __repr__(self) -> str:
        what = self.task if self._classes is None else f"{self.task} of {len(self._classes)} classes"
        return f"<Model {self._published.report.name}: {what} of {self.target!r}>"


def load(path: str | Path) -> Model:
    """Loads a published model: a folder that `steelyard run` made.

    Nothing in the folder is imported or executed: a model is weights and figures, each file against its checksum. What
    should be known before it is used here, such as another version of scikit-learn, is a DataWarning.

    Args:
        path: the folder.

    Raises:
        ConfigurationError: it holds no published model, or a library that the model needs is not installed.
        DataError: a file that is needed is damaged or missing.
    """
    folder = Path(path).absolute()
    published = PublishedModel.load(folder)
    for note in published.notes:
        warnings.warn(note, DataWarning, stacklevel=2)
    return Model(folder, published)


def typed_labels(labels: tuple[str, ...]) -> npt.NDArray[Any]:
    """The labels, which training keeps as words, of the type that they are in most tables."""
    if all(_WHOLE.fullmatch(label) and label != "-0" for label in labels):
        return np.array([int(label) for label in labels], dtype=np.int64)
    if sorted(label.lower() for label in labels) == ["false", "true"]:
        return np.array([label.lower() == "true" for label in labels], dtype=np.bool_)
    return np.array(labels, dtype=np.str_)
