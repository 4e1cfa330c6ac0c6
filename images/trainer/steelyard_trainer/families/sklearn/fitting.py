"""Fits a model and says in the manifest's words what scikit-learn refuses. Imports scikit-learn and steelyard.api."""

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning

from steelyard.api.errors import ConfigurationError
from steelyard.api.training_job import TrainingJobSpec
from steelyard_trainer.families.sklearn.boosting import keep_trees_alone, set_up
from steelyard_trainer.families.sklearn.build import Estimator
from steelyard_trainer.families.sklearn.features import Matrix
from steelyard_trainer.families.sklearn.own import check_fitted
from steelyard_trainer.families.sklearn.standardized import fit_precisely


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
        set_up(estimator, targets, categories, tell)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit_precisely(estimator, features, targets)
        except ValueError as error:
            raise ConfigurationError(f"spec.model.{spec.model.kind}: scikit-learn can't fit it: {error}") from None
        except (TypeError, AttributeError) as error:
            if spec.model.entrypoint is None:
                raise
            said = f"{type(error).__name__}: {error}"
            raise ConfigurationError(f"spec.model.entrypoint: scikit-learn can't fit it: {said}") from None
    if spec.model.entrypoint is not None:
        check_fitted(estimator)
    if is_boosting:
        keep_trees_alone(estimator)
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        if spec.model.entrypoint is None:
            tell(f"{spec.model.kind} did not converge; a larger maxIterations, or scaling: Standard, lets it")
        else:
            own = spec.model.entrypoint.function_name
            tell(f"what {own} returned did not converge; more iterations (max_iter), or a scaler before it, lets it")
