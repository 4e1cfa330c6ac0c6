"""Fits a model and says in the manifest's words what scikit-learn refuses. Imports scikit-learn and steelyard.api."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning

from steelyard.api.errors import ConfigurationError
from steelyard.api.training_job import TrainingJobSpec
from steelyard_trainer.estimators.build import Estimator
from steelyard_trainer.estimators.features import Matrix
from steelyard_trainer.estimators.standardized import fit_precisely


def fit(
    estimator: Estimator,
    spec: TrainingJobSpec,
    features: Matrix,
    targets: npt.NDArray[np.generic],
    tell: Callable[[str], None] = lambda _message: None,
    *,
    categories: int = 0,
) -> None:
    """Fits a model in place.

    Args:
        estimator: as `build_estimator` makes it.
        spec: what it was made of.
        features: shape (rows, width).
        targets: shape (rows,).
        tell: is told in words that it did not converge, or goes without early stopping.
        categories: how many of the features, the first ones, are codes of categories; for gradient boosting.

    Raises:
        ConfigurationError: its settings do not go with the rows.
    """
    nearest = spec.model.nearest_neighbors
    if nearest is not None and nearest.neighbors > len(targets):
        raise ConfigurationError(
            f"spec.model.nearestNeighbors.neighbors: {nearest.neighbors:,} is more than the {len(targets):,} rows that "
            f"are learned; at most {len(targets):,} is allowed"
        )
    is_boosting = spec.model.gradient_boosting is not None
    if is_boosting:
        _set_up_boosting(estimator, targets, categories, tell)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit_precisely(estimator, features, targets)
        except ValueError as error:
            raise ConfigurationError(f"spec.model.{spec.model.kind}: scikit-learn can't fit it: {error}") from None
    if is_boosting:
        _drop_encoder(estimator)
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        tell(f"{spec.model.kind} did not converge; a larger maxIterations, or scaling: Standard, lets it")


def _set_up_boosting(
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


def _drop_encoder(estimator: Estimator) -> None:
    """Takes out scikit-learn's own encoding of categories, which changes nothing: our codes are 0, 1, 2 ... without a
    hole, and come first. What is saved then holds no functions."""
    if estimator._preprocessor is None:
        return
    for codes in estimator._preprocessor.named_transformers_["encoder"].categories_:
        seen = codes[~np.isnan(codes)]
        assert np.array_equal(seen, np.arange(len(seen))), seen
    estimator._preprocessor = None
