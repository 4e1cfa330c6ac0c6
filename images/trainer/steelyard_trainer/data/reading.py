"""The prepared dataset as training and evaluation read it. Imports steelyard, numpy and pyarrow."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steelyard.api.dataset import SPLIT_BY, MissingValues
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.metrics import Task
from steelyard.contract.stages import Reason
from steelyard.contract.workspace import DATASET_FILE, PREPROCESSING_FILE, Workspace
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.checks import check_features, check_task, check_training
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.data.words import listed

ROW = "__row__"
"""The shards' column that holds the row's number in the source, from 0. No column of the user's may be called so."""


@dataclass(frozen=True)
class Examples:
    """One split, as the model takes it, in the order of scikit-learn's train_test_split."""

    features: npt.NDArray[np.float32]
    """Shape (rows, width)."""
    targets: npt.NDArray[Any]
    """Shape (rows,): int32 indices of the classes, or float64 in the target's own unit."""
    rows: npt.NDArray[np.int64]
    """Shape (rows,): the numbers of the rows in the source, from 0."""


@dataclass(frozen=True)
class PreparedDataset:
    """What prepare left: `dataset.json` and `preprocessing.json` of a folder; the rows are read on demand."""

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
    split: dict[str, Any]
    """How the rows were dealt out, as dealing.described says it; empty in a dataset of an older version."""
    preprocessing: Preprocessing
    missing_values: MissingValues
    """What becomes of missing cells; for learning anew from some of the rows."""
    kept: dict[SplitName, Examples] | None = field(default=None, compare=False, repr=False)
    """The rows that `read` has read, where they are read once for several models; None reads them each time."""

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
            dataset = cls._read(workspace.prepared)
        except FileNotFoundError:
            raise ConfigurationError(
                f"there is no prepared dataset in {workspace.prepared}; the stage prepare makes it",
                reason=Reason.SOURCE_NOT_FOUND,
            ) from None
        if key is not None and dataset.key != key:
            raise ConfigurationError(
                f"the dataset in {workspace.prepared} was prepared from other inputs (key {dataset.key:.12}, "
                f"not {key:.12}); run the stage prepare again"
            )
        return dataset

    @classmethod
    def of(cls, context: StageContext) -> "PreparedDataset":
        """The dataset of a job: what its stage prepare left, or, with `format: Prepared`, another job's.

        Raises:
            ConfigurationError: there is none, or the manifest does not go with it.
            DataError: the folder that the manifest names holds no whole prepared dataset, or the data has no class of
                those whose metric the manifest asks for.
        """
        spec = context.job.spec
        if not spec.dataset.is_prepared:
            dataset = cls.load(context.workspace)
            # Prepare has asked this, but of a manifest that may have changed in what is no input of that stage.
            check_task(spec, dataset.task)
            check_training(spec, dataset.rows["train"], dataset.classes)
            check_features(spec, dataset.preprocessing)
            return dataset
        folder = context.resolve(spec.dataset.uri)
        where = f"spec.dataset.uri: {context.show(spec.dataset.uri)}"
        try:
            dataset = cls._read(folder)
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(
                f"{where} is no prepared dataset: it has no {DATASET_FILE} and {PREPROCESSING_FILE}; name the folder "
                "`prepared` of a workspace",
                reason=Reason.SOURCE_NOT_FOUND,
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{where} is damaged: {type(error).__name__}: {error}") from None
        names = [name for shards in dataset.shards.values() for name, _ in shards]
        if missing := [name for name in names if not (folder / name).exists()]:
            raise DataError(f"{where} is not whole: {listed(missing)} is missing")
        if dataset.target != spec.dataset.target:
            raise ConfigurationError(
                f"spec.dataset.target: {spec.dataset.target!r} is not the target of the prepared dataset "
                f"{context.show(spec.dataset.uri)}; that is {dataset.target!r}"
            )
        if spec.task not in (None, dataset.task):
            raise ConfigurationError(f"spec.task: {spec.task}, but the dataset was prepared for {dataset.task}")
        of_folds = {
            "spec.evaluation.crossValidation": spec.evaluation.cross_validation is not None,
            "spec.compression.proof: CrossFitted": spec.compression is not None and spec.compression.is_cross_fitted,
        }
        if (asked := [field for field, is_given in of_folds.items() if is_given]) and (
            by := [name for name in SPLIT_BY if name in dataset.split]
        ):
            raise ConfigurationError(
                f"{asked[0]}: folds are dealt out by chance, but the rows of the prepared dataset by split.{by[0]} "
                f"({dataset.split[by[0]]!r}); leave it out"
            )
        check_task(spec, dataset.task)
        check_training(spec, dataset.rows["train"], dataset.classes)
        check_features(spec, dataset.preprocessing)
        return dataset

    @classmethod
    def _read(cls, folder: Path) -> "PreparedDataset":
        document = json.loads((folder / DATASET_FILE).read_text(encoding="utf-8"))
        preprocessing = json.loads((folder / PREPROCESSING_FILE).read_text(encoding="utf-8"))
        return cls(
            folder=folder,
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
            split=document.get("split", {}),
            preprocessing=Preprocessing.from_json(preprocessing),
            # A dataset of an older version does not say; what prepare filled is in preprocessing either way.
            missing_values=MissingValues.model_validate(document.get("missingValues", {})),
        )

    @property
    def has_search_rows(self) -> bool:
        """Whether rows of the training set were set aside for a search of candidates, before anything was trained."""
        return "search" in self.rows

    @property
    def as_taken(self) -> str:
        """SHA-256 (hex) of the rows as models take them: of the cells, and of what is made of them."""
        made = json.dumps(self.preprocessing.to_json(), sort_keys=True)
        return hashlib.sha256(f"{self.fingerprint} {made}".encode()).hexdigest()

    def learned(self, *, is_refit: bool) -> tuple[SplitName, ...]:
        """The parts that the published model learns: of one that is refitted all but the test set."""
        if not is_refit:
            return ("train",)
        return ("train", "validation", "search") if self.has_search_rows else ("train", "validation")

    def read(self, split: SplitName) -> Examples:
        """All rows of a split, preprocessed: rows x width x 4 bytes, and one shard more while it is read."""
        if self.kept is None:
            return self._read_rows(split)
        if split not in self.kept:
            self.kept[split] = self._read_rows(split)
            for array in vars(self.kept[split]).values():
                # One model must not change another's.
                array.setflags(write=False)
        return self.kept[split]

    def _read_rows(self, split: SplitName) -> Examples:
        rows = self.rows[split]
        features = np.empty((rows, self.preprocessing.width), dtype=np.float32)
        targets = np.empty(rows, dtype=np.float64 if self.classes is None else np.int32)
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

    def read_parts(self, splits: Sequence[SplitName]) -> Examples:
        """The rows of several splits, one after the other: twice their size while they are put together."""
        parts = [self.read(split) for split in splits]
        if len(parts) == 1:
            return parts[0]
        return Examples(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.rows for part in parts]),
        )

    def read_raw(self, split: SplitName) -> dict[str, list[Any]]:
        """The cells of a split as they were read, by column, the target included; missing ones are None."""
        names = [column for column, _ in self.columns] + [self.target]
        tables = [pq.read_table(self.folder / name, columns=names) for name, _ in self.shards[split]]
        return {name: [cell for table in tables for cell in table.column(name).to_pylist()] for name in names}

    def _targets(self, column: pa.ChunkedArray) -> npt.NDArray[Any]:
        if self.classes is None:
            numbers: npt.NDArray[Any] = column.to_numpy()
            return numbers.astype(np.float64)
        indices: npt.NDArray[Any] = pc.index_in(column, value_set=pa.array(self.classes, pa.string())).to_numpy()
        return indices.astype(np.int32)


def _cells(table: pa.Table, name: str) -> npt.NDArray[Any] | list[str | None]:
    """Numbers as float64 with NaN for missing ones, words as a list with None for missing ones."""
    column = table.column(name)
    cells: npt.NDArray[Any] | list[str | None] = (
        column.to_numpy() if pa.types.is_floating(column.type) else column.to_pylist()
    )
    return cells
