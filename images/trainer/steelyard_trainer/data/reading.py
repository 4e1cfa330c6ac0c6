"""The prepared dataset as training and evaluation read it. Imports steelyard, numpy and pyarrow."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steelyard.api.contract import Reason
from steelyard.api.errors import ConfigurationError
from steelyard.api.training_job import Task
from steelyard.api.workspace import Workspace
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.data.splitting import SplitName

ROW = "__row__"
"""The shards' column that holds the row's number in the source, from 0. No column of the user's may be called so."""


@dataclass(frozen=True)
class Examples:
    """One split, as the model takes it, in the order of scikit-learn's train_test_split."""

    features: npt.NDArray[np.float32]
    """Shape (rows, width)."""
    targets: npt.NDArray[Any]
    """Shape (rows,): int32 indices of the classes, or float32 in the target's own unit."""
    rows: npt.NDArray[np.int64]
    """Shape (rows,): the numbers of the rows in the source, from 0."""


@dataclass(frozen=True)
class PreparedDataset:
    """What prepare left in the workspace: `dataset.json` and `preprocessing.json`; the rows are read on demand."""

    folder: Path
    key: str
    """The key of the stage that made it."""
    fingerprint: str
    """SHA-256 (hex) of the content: equal for equal rows, splits and types, whenever and wherever it was made."""
    task: Task
    target: str
    classes: tuple[str, ...] | None
    """Classification: the labels as they were written, in the order of the class indices."""
    columns: tuple[tuple[str, str], ...]
    """(name, "Number" or "Category") of each feature, in the table's order."""
    source_rows: int
    dropped_rows: int
    rows: dict[SplitName, int]
    class_counts: dict[SplitName, list[int]] | None
    shards: dict[SplitName, list[tuple[str, int]]]
    """(file name, rows) of each shard, in order."""
    findings: dict[str, Any]
    preprocessing: Preprocessing

    @classmethod
    def load(cls, workspace: Workspace, key: str | None = None) -> "PreparedDataset":
        """Reads the descriptions, no rows.

        Args:
            workspace: the job's workspace.
            key: the key of the prepare stage that must have made it; None takes any.

        Raises:
            ConfigurationError: there is none, or it has another key.
        """
        try:
            document = json.loads(workspace.dataset_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigurationError(
                f"there is no prepared dataset in {workspace.prepared}; the stage prepare makes it",
                reason=Reason.SOURCE_NOT_FOUND,
            ) from None
        if key is not None and document["key"] != key:
            raise ConfigurationError(
                f"the dataset in {workspace.prepared} was prepared from other inputs (key {document['key']:.12}, "
                f"not {key:.12}); run the stage prepare again"
            )
        return cls(
            folder=workspace.prepared,
            key=document["key"],
            fingerprint=document["fingerprint"],
            task=document["task"],
            target=document["target"],
            classes=None if document["classes"] is None else tuple(document["classes"]),
            columns=tuple((column["name"], column["kind"]) for column in document["columns"]),
            source_rows=document["source"]["rows"],
            dropped_rows=document["source"]["droppedRows"],
            rows=document["rows"],
            class_counts=document["classCounts"],
            shards={split: [(s["file"], s["rows"]) for s in shards] for split, shards in document["shards"].items()},
            findings=document["findings"],
            preprocessing=Preprocessing.from_json(json.loads(workspace.preprocessing_file.read_text(encoding="utf-8"))),
        )

    def read(self, split: SplitName) -> Examples:
        """All rows of a split, preprocessed: rows x width x 4 bytes, and one shard more while it is read."""
        rows = self.rows[split]
        features = np.empty((rows, self.preprocessing.width), dtype=np.float32)
        targets = np.empty(rows, dtype=np.float32 if self.classes is None else np.int32)
        numbers = np.empty(rows, dtype=np.int64)
        start = 0
        for name, count in self.shards[split]:
            table = pq.read_table(self.folder / name)
            part = slice(start, start + count)
            features[part] = self.preprocessing.transform({column: _cells(table, column) for column, _ in self.columns})
            targets[part] = self._targets(table.column(self.target))
            numbers[part] = table.column(ROW).to_numpy()
            start += count
        return Examples(features, targets, numbers)

    def read_raw(self, split: SplitName) -> dict[str, list[Any]]:
        """The cells of a split as they were read, by column, the target included; missing ones are None."""
        names = [column for column, _ in self.columns] + [self.target]
        tables = [pq.read_table(self.folder / name, columns=names) for name, _ in self.shards[split]]
        return {name: [cell for table in tables for cell in table.column(name).to_pylist()] for name in names}

    def _targets(self, column: pa.ChunkedArray) -> npt.NDArray[Any]:
        if self.classes is None:
            numbers: npt.NDArray[Any] = column.to_numpy()
            return numbers.astype(np.float32)
        indices: npt.NDArray[Any] = pc.index_in(column, value_set=pa.array(self.classes, pa.string())).to_numpy()
        return indices.astype(np.int32)


def _cells(table: pa.Table, name: str) -> npt.NDArray[Any] | list[str | None]:
    """Numbers as float64 with NaN for missing ones, words as a list with None for missing ones."""
    column = table.column(name)
    cells: npt.NDArray[Any] | list[str | None] = (
        column.to_numpy() if pa.types.is_floating(column.type) else column.to_pylist()
    )
    return cells
