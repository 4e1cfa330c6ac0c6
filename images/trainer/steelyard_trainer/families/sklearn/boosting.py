"""Gradient boosting before and after it is fitted. Imports scikit-learn and numpy.

scikit-learn puts a ColumnTransformer before the trees that numbers the categories and moves them to the front. Ours
come numbered, and in front: so what is saved is trees alone, and skops need not trust the functions that it holds.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier

from steelyard_trainer.families.sklearn.build import Estimator


def set_up(
    estimator: Estimator, targets: npt.NDArray[np.generic], categories: int, tell: Callable[[str], None]
) -> None:
    """Says what are categories, and lets early stopping go where its rows can't be dealt out by classes."""
    estimator.set_params(categorical_features=list(range(categories)) or None)
    if not estimator.early_stopping:
        return
    kept_aside = math.ceil(estimator.validation_fraction * len(targets))
    counts = np.unique(targets, return_counts=True)[1] if is_classifier(estimator) else np.array([len(targets)])
    if counts.min() < 2 or kept_aside < (len(counts) if is_classifier(estimator) else 1):
        estimator.set_params(early_stopping=False)
        tell(
            f"gradientBoosting goes without early stopping: of {len(targets):,} rows a tenth can't be kept aside that "
            "has rows of every class"
        )


def keep_trees_alone(estimator: Any) -> None:
    """Makes the trees of a fitted model take the features as `fit` did, in place; what it says stays the same.

    Args:
        estimator: a fitted HistGradientBoostingClassifier or -Regressor; the first features are codes of categories.
    """
    trees = list(itertools.chain.from_iterable(estimator._predictors))
    if estimator._preprocessor is not None:
        encoder = estimator._preprocessor.named_transformers_["encoder"]
        for feature, given in enumerate(encoder.categories_):
            codes = given[~np.isnan(given)].astype(np.int64)
            if not np.array_equal(codes, np.arange(len(codes))):
                _restore_codes(estimator, trees, feature, codes)
        estimator._preprocessor = None
    # For binned rows, of which there are none any more; one array of all trees is one file.
    nothing = np.zeros((0, 8), dtype=np.uint32)
    for tree in trees:
        tree.binned_left_cat_bitsets = nothing


def _restore_codes(estimator: Any, trees: list[Any], feature: int, codes: npt.NDArray[np.int64]) -> None:
    """Puts a feature's own codes in place of the numbers that scikit-learn gave them, where some code had no row."""
    for tree in trees:
        is_split = tree.nodes["is_categorical"].astype(bool) & (tree.nodes["feature_idx"] == feature)
        for place in tree.nodes["bitset_idx"][is_split]:
            bits = tree.raw_left_cat_bitsets[place]
            is_left = np.unpackbits(bits.view(np.uint8), bitorder="little")[: len(codes)].astype(bool)
            own = np.zeros(256, dtype=np.uint8)
            own[codes[is_left]] = 1
            tree.raw_left_cat_bitsets[place] = np.packbits(own, bitorder="little").view(np.uint32)
    estimator._bin_mapper.bin_thresholds_[feature] = codes.astype(np.float64)
