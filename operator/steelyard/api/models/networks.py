"""The networks in `spec.model`, each with its students: narrower and shallower networks of the same kind. Imports the
api only.
"""

import math
from typing import Annotated, Literal, Self

from pydantic import Field

from steelyard.api.base import Part
from steelyard.api.models.capabilities import Capabilities, Family, ModelKind

KERAS = Family("keras", "network", "networks", baseline_form="float32", trained_as="Keras", slow_library="TensorFlow")
NETWORK = Capabilities(
    KERAS,
    candidates=("DynamicRange", "Float16", "Int8"),
    compression_objective="Size",
    has_epochs=True,
    has_workers=True,
    is_searched=True,
    weighs_classes=True,
)

Activation = Literal["relu", "gelu", "elu", "silu", "tanh", "sigmoid"]


Units = Annotated[int, Field(ge=1, le=65536)]


def multiplied(width: int, factor: float) -> int:
    """A width times a factor, rounded to the nearest whole number, halves up; at least 1."""
    return max(1, math.floor(width * factor + 0.5))


def narrower(width: int, factor: float) -> int:
    """A width of a student, as `ModelKind.narrowed` says."""
    if not 0 < factor <= 1:
        raise ValueError(f"a student's factor is above 0 and at most 1, not {factor}")
    return multiplied(width, factor)


class Regularization(Part):
    """Penalties on the weights of every dense layer and convolution, added to the loss. Both together are the elastic
    net."""

    l1: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Factor of the sum of the weights' absolute values."""
    l2: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Factor of the sum of the weights' squares."""


class Mlp(ModelKind):
    """A multi-layer perceptron: dense layers one after the other."""

    capabilities = NETWORK

    hidden_units: Annotated[list[Units], Field(min_length=1, max_length=64)] = [128]
    """Units of each hidden layer, first to last."""
    activation: Activation = "relu"
    """The function after each hidden layer."""
    batch_normalization: bool = False
    """Whether each hidden layer's output is normalized over the global batch (of all workers) before the activation."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Fraction of each hidden layer's outputs that a training step leaves out."""
    regularization: Regularization = Regularization()
    """Penalties on the weights."""

    @property
    def widths(self) -> tuple[int, ...]:
        """See ModelKind."""
        return tuple(self.hidden_units)

    def narrowed(self, factor: float) -> Self | None:
        """See ModelKind."""
        units = [narrower(width, factor) for width in self.hidden_units]
        return self.model_copy(update={"hidden_units": units}) if units != self.hidden_units else None

    def shallower(self) -> Self | None:
        """Without the last hidden layer. See ModelKind."""
        return self.model_copy(update={"hidden_units": self.hidden_units[:-1]}) if self.hidden_units[1:] else None


class Linear(ModelKind):
    """A linear model: logistic regression for classification, linear regression for regression."""

    capabilities = NETWORK

    regularization: Regularization = Regularization()
    """Penalties on the weights: l2 is ridge, l1 is lasso, both are the elastic net."""
