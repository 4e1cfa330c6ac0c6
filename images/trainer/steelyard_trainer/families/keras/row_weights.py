"""How much each row counts, by its class. Imports numpy and steelyard.api."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.api.training import ClassWeights


def row_weights(targets: NDArray[Any], classes: Sequence[str] | None, spec: ClassWeights | None) -> NDArray[np.float32]:
    """The weight of each row that is trained on.

    Args:
        targets: of all these rows, shape (rows,): class indices.
        classes: the labels; None for regression, whose rows all count the same.
        spec: what the manifest asks for; None: all count the same.
    """
    if spec is None or classes is None:
        return np.ones(len(targets), np.float32)
    if spec.weights is not None:
        by_class = np.array([spec.weights[label] for label in classes], np.float32)
    else:
        # Without stratify a class may have no row to train on; it has no weight then, and needs none.
        counts = np.maximum(np.bincount(targets, minlength=len(classes)), 1.0)
        by_class = (len(targets) / (len(counts) * counts)).astype(np.float32)
    weights: NDArray[np.float32] = by_class[targets]
    return weights
