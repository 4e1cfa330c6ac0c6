"""`spec.model`: exactly one kind of model. Imports the api only."""

from typing import Literal, TypeAlias

from steelyard.api.base import ExactlyOneOf
from steelyard.api.models.networks import Linear, Mlp
from steelyard.api.models.sklearn import (
    ElasticNet,
    GradientBoosting,
    Lasso,
    LogisticRegression,
    NearestNeighbors,
    RandomForest,
    Ridge,
)

NETWORKS = frozenset({"mlp", "linear"})
"""The kinds that are trained by TensorFlow, on one or several workers; the others are scikit-learn's."""
TASK_OF_MODEL: dict[str, Literal["Classification", "Regression"]] = {
    "ridge": "Regression",
    "lasso": "Regression",
    "elasticNet": "Regression",
    "logisticRegression": "Classification",
}
"""The kinds that have one task only."""

Estimator: TypeAlias = (
    RandomForest | Ridge | Lasso | ElasticNet | LogisticRegression | NearestNeighbors | GradientBoosting
)
"""A model of scikit-learn."""


class Model(ExactlyOneOf):
    """The model to train: exactly one kind."""

    mlp: Mlp | None = None
    """A multi-layer perceptron."""
    linear: Linear | None = None
    """Logistic or linear regression, trained as a network."""
    random_forest: RandomForest | None = None
    """scikit-learn: a random forest."""
    ridge: Ridge | None = None
    """scikit-learn: ridge regression."""
    lasso: Lasso | None = None
    """scikit-learn: the lasso (regression)."""
    elastic_net: ElasticNet | None = None
    """scikit-learn: the elastic net (regression)."""
    logistic_regression: LogisticRegression | None = None
    """scikit-learn: logistic regression (classification)."""
    nearest_neighbors: NearestNeighbors | None = None
    """scikit-learn: k nearest neighbors."""
    gradient_boosting: GradientBoosting | None = None
    """scikit-learn: gradient boosting of decision trees, with histograms."""

    @property
    def is_estimator(self) -> bool:
        """Whether scikit-learn fits it, in one process and without epochs."""
        return self.kind not in NETWORKS

    @property
    def estimator(self) -> Estimator:
        """The model of scikit-learn that is given. Raises TypeError where it is a network."""
        for estimator in (
            self.random_forest,
            self.ridge,
            self.lasso,
            self.elastic_net,
            self.logistic_regression,
            self.nearest_neighbors,
            self.gradient_boosting,
        ):
            if estimator is not None:
                return estimator
        raise TypeError(f"{self.kind} is no model of scikit-learn")
