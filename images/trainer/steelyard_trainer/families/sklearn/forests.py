"""Forests that are one another's beginning, or one and the same, grown once. Imports scikit-learn.

A forest draws its trees' seeds one after the other, and its answer is the sum of its trees' in their order, divided by
their number: so what the first 50 trees of 200 say is what the forest of 50 would say, bit for bit. And a bound on the
depth is looked at where a node lies at it, and nowhere else: where all trees end above it, they are those of any other
bound that they end above.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.utils import check_array

from steelyard_trainer.families.sklearn.features import Matrix
from steelyard_trainer.families.sklearn.scores import Predictions, asked, for_all_classes


def nested_predictions(
    forest: RandomForestClassifier | RandomForestRegressor, sizes: Sequence[int], features: Matrix, classes: int | None
) -> Iterator[tuple[int, Predictions]]:
    """What the forests of the first trees say.

    Args:
        forest: a fitted forest.
        sizes: numbers of trees, none above the forest's.
        features: shape (rows, width).
        classes: classification: how many there are.

    Yields:
        (trees, what they say), by ascending number of trees.

    Raises:
        DataError: a number is beyond float32, which a forest refuses.
    """
    # What a forest makes of its input, and refuses in the same words.
    rows = asked(lambda: check_array(features, dtype=np.float32, order="C", input_name="X"))
    total: Matrix | None = None
    for count, tree in enumerate(forest.estimators_[: max(sizes)], start=1):
        said = tree.predict(rows, check_input=False) if classes is None else tree.predict_proba(rows, check_input=False)
        total = np.zeros_like(said, dtype=np.float64) if total is None else total
        total += said
        if count in sizes:
            yield count, _numbers(total / count) if classes is None else _labels(forest, total / count, classes)


def depth_of(forest: RandomForestClassifier | RandomForestRegressor) -> int:
    """The longest way from a root to a leaf of a fitted forest."""
    return max(int(tree.get_depth()) for tree in forest.estimators_)


def _numbers(values: Matrix) -> Predictions:
    return Predictions(lambda: values, lambda: values[:, np.newaxis])


def _labels(forest: RandomForestClassifier, probabilities: Matrix, classes: int) -> Predictions:
    def predict() -> Any:
        return forest.classes_.take(np.argmax(probabilities, axis=1), axis=0)

    return Predictions(predict, lambda: for_all_classes(probabilities, forest.classes_, classes))
