"""What a network may learn from a model of scikit-learn. Imports scikit-learn and serving; never TensorFlow."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import compute_sample_weight

from steelyard.api.training_job import TrainingJobSpec
from steelyard.serving.estimators import SkopsModel
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, HowTrained
from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.families.sklearn.build import class_weights_of
from steelyard_trainer.families.sklearn.forests_onnx import is_forest
from steelyard_trainer.families.sklearn.saving import load_estimator
from steelyard_trainer.families.sklearn.select_trees import out_of_bag_answers


def how_trained(spec: TrainingJobSpec, classes: Sequence[str] | None) -> HowTrained:
    """What a network is told that learns from a model.

    Args:
        spec: the job's.
        classes: the labels; None for regression.
    """
    weights = class_weights_of(spec.training.class_weights, classes)

    def row_weights(targets: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        if weights is None:
            return np.ones(len(targets), np.float32)
        return np.asarray(compute_sample_weight(weights, targets), dtype=np.float32)

    def answers(artifact: Artifact, rows: Labelled) -> npt.NDArray[np.float64]:
        return unlearned_answers(artifact.opened(load_estimator), rows, None if classes is None else len(classes))

    return HowTrained(spec.model, spec.training, row_weights, answers=answers)


def unlearned_answers(estimator: Any, rows: Labelled, classes: int | None) -> npt.NDArray[np.float64]:
    """What a model says of the rows that it learned: a forest, where it can, by the trees that have not learned a row.

    Args:
        estimator: fitted on the rows.
        rows: in the order in which it saw them.
        classes: how many there are; None for regression.

    Returns:
        Shape (rows, outputs): probabilities, or the target.

    Raises:
        CannotBeMadeError: it takes categories as no network does.
    """
    is_categorical = getattr(estimator, "is_categorical_", None)
    if is_categorical is not None and np.any(is_categorical):
        raise CannotBeMadeError(
            "gradient boosting takes a category as one number, its word's, which says nothing to an mlp"
        )
    said = np.asarray(SkopsModel(estimator, classes).predict(rows.features), dtype=np.float64)
    if not (is_forest(estimator) and estimator.bootstrap):
        return said
    out_of_bag = out_of_bag_answers(estimator, rows)
    is_asked = ~np.isnan(out_of_bag[:, 0])
    places = slice(None) if classes is None else np.asarray(estimator.classes_, dtype=np.int64)
    said[np.ix_(is_asked, np.arange(said.shape[1])[places])] = out_of_bag[is_asked]
    return said
