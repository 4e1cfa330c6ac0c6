"""From the manifest's model to one of scikit-learn, not fitted yet. Imports scikit-learn and steelyard.api."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from steelyard.api.metrics import Task
from steelyard.api.models import sklearn as api
from steelyard.api.models.elsewhere import ModelFromElsewhere
from steelyard.api.models.entrypoint import Entrypoint
from steelyard.api.training import ClassWeights
from steelyard.api.training_job import TrainingJobSpec
from steelyard_trainer.families.sklearn.features import Form
from steelyard_trainer.families.sklearn.own import own_estimator
from steelyard_trainer.own_code.data_shape import DataShape

Estimator: TypeAlias = BaseEstimator
"""Targets are class indices, or numbers in the target's own unit; features are as `features` makes them."""

_NEIGHBORS = {"Auto": "auto", "KDTree": "kd_tree", "BallTree": "ball_tree", "Brute": "brute"}


def build_estimator(
    spec: TrainingJobSpec,
    task: Task,
    classes: Sequence[str] | None,
    *,
    threads: int = 1,
    names: Sequence[str] = (),
) -> Estimator:
    """The model with the manifest's settings; what the manifest leaves out is scikit-learn's default.

    Args:
        spec: the model, and of training the seed and the classes' weights.
        task: what it does.
        classes: classification: the labels, in the order of the class indices.
        threads: that a forest may grow trees with, all there are for -1; the trees are the same.
        names: of the features; for a function of the user's own.

    Raises:
        ConfigurationError: a function of the user's own fails, or returns what can't be fitted.
    """
    weights = class_weights_of(spec.training.class_weights, classes)
    match spec.model.given:
        case api.RandomForest() as forest:
            return _forest(forest, task, spec.training.seed, weights, threads)
        case api.GradientBoosting() as boosting:
            return _boosting(boosting, task, spec.training.seed, weights)
        case api.Ridge() as ridge:
            return Ridge(alpha=ridge.alpha, fit_intercept=ridge.fit_intercept)
        case api.Lasso() as lasso:
            return Lasso(alpha=lasso.alpha, fit_intercept=lasso.fit_intercept, max_iter=lasso.max_iterations)
        case api.ElasticNet() as net:
            return ElasticNet(
                alpha=net.alpha, l1_ratio=net.l1_ratio, fit_intercept=net.fit_intercept, max_iter=net.max_iterations
            )
        case api.LogisticRegression() as logistic:
            return LogisticRegression(
                C=logistic.c,
                fit_intercept=logistic.fit_intercept,
                max_iter=logistic.max_iterations,
                class_weight=weights,
            )
        case Entrypoint() as own:
            labels = None if classes is None else tuple(classes)
            return own_estimator(own, DataShape(len(names), tuple(names), labels, task, spec.training.seed))
        case api.NearestNeighbors() as nearest:
            kind = KNeighborsClassifier if task == "Classification" else KNeighborsRegressor
            return kind(
                n_neighbors=nearest.neighbors,
                weights=nearest.weights.lower(),
                algorithm=_NEIGHBORS[nearest.algorithm],
                leaf_size=nearest.leaf_size,
                p=nearest.p,
            )


def form_of(spec: TrainingJobSpec) -> Form:
    """How the model takes its features. Trees need no scale for a split; boosting splits categories as sets."""
    match spec.kind:
        case ModelFromElsewhere() | Entrypoint():
            return "Plain"
        case api.GradientBoosting():
            return "Coded"
        case api.RandomForest():
            return "Plain"
        case api.Ridge() | api.Lasso() | api.ElasticNet() | api.LogisticRegression() | api.NearestNeighbors() as model:
            return "Scaled" if model.scaling == "Standard" else "Plain"
        case model:
            raise AssertionError(model)


def _forest(
    forest: api.RandomForest, task: Task, seed: int, weights: Any, threads: int
) -> RandomForestClassifier | RandomForestRegressor:
    settings: dict[str, Any] = {
        "n_estimators": forest.n_estimators,
        "max_depth": forest.max_depth,
        "min_samples_split": forest.min_samples_split,
        "min_samples_leaf": forest.min_samples_leaf,
        "bootstrap": forest.bootstrap,
        "random_state": seed,
        "n_jobs": threads,
    }
    if forest.max_features is not None:
        settings["max_features"] = float(forest.max_features)
    if task == "Classification":
        return RandomForestClassifier(**settings, class_weight=weights)
    return RandomForestRegressor(**settings)


def _boosting(
    boosting: api.GradientBoosting, task: Task, seed: int, weights: Any
) -> HistGradientBoostingClassifier | HistGradientBoostingRegressor:
    """`fitting.fit` says which features are categories."""
    settings: dict[str, Any] = {
        "learning_rate": boosting.learning_rate,
        "max_iter": boosting.max_iterations,
        "max_leaf_nodes": boosting.max_leaf_nodes,
        "max_depth": boosting.max_depth,
        "min_samples_leaf": boosting.min_samples_leaf,
        "l2_regularization": boosting.l2_regularization,
        "early_stopping": boosting.patience > 0,
        "validation_fraction": 0.1,
        "n_iter_no_change": boosting.patience or 10,
        "categorical_features": None,
        "random_state": seed,
    }
    if task == "Classification":
        return HistGradientBoostingClassifier(**settings, class_weight=weights)
    return HistGradientBoostingRegressor(**settings)


def class_weights_of(spec: ClassWeights | None, classes: Sequence[str] | None) -> dict[int, float] | str | None:
    """The weights of classes as scikit-learn takes them; None: all rows count the same."""
    if spec is None or classes is None:
        return None
    if spec.weights is None:
        return "balanced"
    return {index: spec.weights[label] for index, label in enumerate(classes)}
