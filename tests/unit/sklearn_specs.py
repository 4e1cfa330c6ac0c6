"""Manifests, data and packs of scikit-learn's models."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from steelyard.api.dataset import MissingValues
from steelyard.api.metrics import Task
from steelyard.api.training_job import TrainingJobSpec
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.families.sklearn.features import Table
from steelyard_trainer.families.sklearn.pack_pieces import (
    PackedTrial,
)


def spec(model: dict[str, Any], **fields: Any) -> TrainingJobSpec:
    return TrainingJobSpec.model_validate({"dataset": {"uri": "a.csv", "target": "t"}, "model": model, **fields})


def digits(rows: int = 300) -> Table:
    features, targets = load_digits(return_X_y=True)
    names = tuple(f"p{index}" for index in range(features.shape[1]))
    return Table(names, features[:rows].copy(), {}, targets[:rows].astype(np.int64))


LIKE = Preprocessing((), "t", "Classification", tuple(str(digit) for digit in range(10)))


class Data:
    """What a packed trial needs of a dataset here."""

    has_search_rows = False
    folder = Path("prepared")
    preprocessing = Preprocessing((), "t", "Regression")
    missing_values = MissingValues()

    @property
    def task(self) -> Task:
        return self.preprocessing.task

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.preprocessing.classes


def packed_trial(number: int, forest: dict[str, Any] | None = None, folds: int | None = 2, **trial: Any) -> PackedTrial:
    model = {"ridge": {"alpha": float(number)}} if forest is None else {"randomForest": forest}
    metric = "r2" if forest is None else "accuracy"
    described = {"tuningJob": "t", "number": number, "metric": metric, "goal": "Maximize", **trial}
    evaluation = {"crossValidation": {"folds": folds}} if folds else {}
    return PackedTrial(number, spec(model, publish=[], trial=described, evaluation=evaluation), Data())  # type: ignore[arg-type]
