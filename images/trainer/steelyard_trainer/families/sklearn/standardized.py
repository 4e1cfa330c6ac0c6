"""Models of scikit-learn and the standardized target: copies that give it, for files that compute in float32, and
forests that are grown on it. Imports numpy and scikit-learn."""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet, Lasso, Ridge
from sklearn.neighbors import KNeighborsRegressor

from steelyard.serving.interface import TargetUnit
from steelyard_trainer.families.sklearn.build import Estimator
from steelyard_trainer.families.sklearn.features import Matrix

_FAR = 1e4
_CLOSE = 1e-4


def has_standardized_form(estimator: Estimator) -> bool:
    """Whether `standardized` knows it."""
    return isinstance(estimator, Ridge | Lasso | ElasticNet | KNeighborsRegressor)


def standardized(estimator: Estimator, unit: TargetUnit) -> Estimator:
    """A copy of a fitted model of regression whose answers are the target shifted and scaled. The given one stays as it
    is.

    Raises:
        TypeError: it is none of those that this module knows.
    """
    changed = copy.deepcopy(estimator)
    match changed:
        case Ridge() | Lasso() | ElasticNet():
            changed.coef_ = changed.coef_ / unit.scale
            changed.intercept_ = (changed.intercept_ - unit.mean) / unit.scale
        case KNeighborsRegressor():
            changed._y = unit.standardized(changed._y)
        case _:
            raise TypeError(f"{type(estimator).__name__} has no standardized form")
    return changed


def fit_precisely(estimator: Estimator, features: Matrix, targets: npt.NDArray[Any]) -> None:
    """Fits a model in place, as its `fit` does.

    Only a forest of regression on targets far from 0 (1.7e9 and some seconds), or very close together, is grown on
    the standardized ones, and its leaves are shifted and scaled back: scikit-learn's splits go by the difference of
    the mean square and the square of the mean, which has no digit left there, and it ends a node whose variance is
    below 2.2e-16.
    """
    unit = _awkward_unit(targets) if isinstance(estimator, RandomForestRegressor) else None
    if unit is None:
        estimator.fit(features, targets)
        return
    estimator.fit(features, unit.standardized(targets))
    for tree in estimator.estimators_:
        _restore(tree.tree_.value, unit)


def _awkward_unit(targets: npt.NDArray[Any]) -> TargetUnit | None:
    """The unit of targets that a forest can't be grown on as they are."""
    unit = TargetUnit(float(np.mean(targets)), float(np.std(targets)))
    is_awkward = abs(unit.mean) > _FAR * unit.scale or unit.scale < _CLOSE
    return unit if is_awkward and unit.scale > 0 else None


def _restore(values: Any, unit: TargetUnit) -> None:
    """A tree's values in the target's own unit, in place."""
    values *= unit.scale
    values += unit.mean
