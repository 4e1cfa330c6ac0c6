"""`spec.model`: exactly one kind of model. Imports the api only."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from steelyard.api.base import ExactlyOneOf, Part
from steelyard.api.estimators import (
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

Activation = Literal["relu", "gelu", "elu", "silu", "tanh", "sigmoid"]


class Regularization(Part):
    """Penalties on the weights of every dense layer, added to the loss. Both together are the elastic net."""

    l1: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Factor of the sum of the weights' absolute values."""
    l2: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Factor of the sum of the weights' squares."""


class Mlp(Part):
    """A multi-layer perceptron: dense layers one after the other."""

    hidden_units: Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(min_length=1, max_length=64)] = [128]
    """Units of each hidden layer, first to last."""
    activation: Activation = "relu"
    """The function after each hidden layer."""
    batch_normalization: bool = False
    """Whether each hidden layer's output is normalized over the global batch (of all workers) before the activation."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Fraction of each hidden layer's outputs that a training step leaves out."""
    regularization: Regularization = Regularization()
    """Penalties on the weights."""


class Linear(Part):
    """A linear model: logistic regression for classification, linear regression for regression."""

    regularization: Regularization = Regularization()
    """Penalties on the weights: l2 is ridge, l1 is lasso, both are the elastic net."""


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
