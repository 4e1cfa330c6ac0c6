"""Keras networks from `spec.model`: one to train, one to serve. Imports Keras and steelyard.api.

The network that trains gives logits (classification), which losses like; the one that is published gives
probabilities, which users like. For regression both give the standardized target: what it is in its own unit is
computed in float64, beside the network. Both have the same weights.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray

from steelyard.api.models import Model
from steelyard.api.models.convolutional import Convolutional
from steelyard.api.models.networks import Linear, Mlp
from steelyard.api.models.wide_and_deep import WideAndDeep
from steelyard_trainer.data.shape import Shape
from steelyard_trainer.families.keras.convolutions import convolved
from steelyard_trainer.families.keras.layers import Layers
from steelyard_trainer.families.keras.wide_and_deep import wide_and_deep


@dataclass(frozen=True)
class TrainingNetwork:
    """A network to train."""

    model: keras.Model
    takes_row_mask: bool
    """Whether the model takes [features, mask] with mask (rows,) False for rows of padding, or the features alone."""

    def __call__(self, features: Any, mask: Any, *, training: bool) -> Any:
        """What `scores` and a lesson are given."""
        return self.model([features, mask] if self.takes_row_mask else features, training=training)

    @property
    def outputs(self) -> int:
        """How many numbers `scores` has for a row."""
        return int(self.model.output_shape[-1])

    @property
    def classifies(self) -> bool:
        """Whether it tells classes apart."""
        return self.outputs > 1

    def scores(self, outputs: Any) -> Any:
        """Of what a call gives: logits (rows, classes), or the standardized target (rows, 1)."""
        return outputs

    def begin_step(self, step: Any) -> None:
        """Before a step of training, counted over all epochs. Traced into its graph."""

    def added_losses(self) -> list[Any]:
        """What layers have added to the loss in the last call, one number each."""
        return []


@dataclass(frozen=True)
class Scaling:
    """What a network itself makes of features that nobody has scaled: mean 0 and deviation 1."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    """Shape (width,), above 0."""

    @classmethod
    def of(cls, features: NDArray[Any]) -> Self:
        """By what rows have, shape (rows, width). What is the same in all of them is only shifted."""
        variance = features.var(axis=0, dtype=np.float64)
        return cls(features.mean(axis=0, dtype=np.float64), np.where(variance > 0, variance, 1.0))

    def __call__(self, features: Any) -> Any:
        """The scaled features."""
        by = {"mean": self.mean.tolist(), "variance": self.variance.tolist()}
        return keras.layers.Normalization(**by, name="scaled")(features)


def training_network(spec: Model, shape: Shape, seed: int, scaling: Scaling | None = None) -> TrainingNetwork:
    """The network to train; its first weights are a function of the seed alone."""
    features = keras.Input((shape.width,), name="features")
    mask = keras.Input((), dtype="bool", name="row_mask")
    outputs, normalizes = _outputs(scaling(features) if scaling else features, spec, shape, seed, mask)
    return TrainingNetwork(keras.Model([features, mask] if normalizes else features, outputs), normalizes)


def serving_network(
    spec: Model, shape: Shape, trained: TrainingNetwork, name: str | None = None, scaling: Scaling | None = None
) -> keras.Model:
    """The network to publish, of plain Keras layers, with the trained one's weights.

    Features (rows, width) float32 give probabilities (rows, classes), or the standardized target (rows, 1). Without a
    name its file depends on how many networks the process made.
    """
    features = keras.Input((shape.width,), name="features")
    outputs, _ = _outputs(scaling(features) if scaling else features, spec, shape, seed=0, mask=None)
    if shape.classes:
        outputs = keras.layers.Softmax(name="probabilities")(outputs)
    model = keras.Model(features, outputs, name=name)
    for layer in trained.model.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
    return model


def _outputs(features: Any, spec: Model, shape: Shape, seed: int, mask: Any) -> tuple[Any, bool]:
    """What the last layer gives, and whether any normalizes. With a mask it is for training, without for serving."""
    match spec.given:
        case Mlp() as mlp:
            layers = Layers(mlp.regularization, seed, mask)
            tensor = _hidden(features, mlp, layers)
        case Linear() as linear:
            layers = Layers(linear.regularization, seed, mask)
            tensor = features
        case Convolutional() as convolutional:
            layers = Layers(convolutional.regularization, seed, mask)
            tensor = convolved(features, convolutional, layers)
        case WideAndDeep() as both:
            layers = Layers(both.regularization, seed, mask)
            outputs = wide_and_deep(features, both, shape, layers, partial(_hidden, spec=both, layers=layers))
            return outputs, layers.normalizes
        case other:
            raise TypeError(f"{type(other).__name__} is no network")
    return layers.dense(tensor, shape.outputs, "output"), layers.normalizes


def _hidden(tensor: Any, spec: Mlp | WideAndDeep, layers: Layers) -> Any:
    """Its hidden layers one after the other."""
    for number, units in enumerate(spec.hidden_units, start=1):
        tensor = layers.dense(tensor, units, f"hidden_{number}")
        if spec.batch_normalization:
            tensor = layers.normalized(tensor, f"normalization_{number}")
        tensor = layers.activated(tensor, spec.activation, f"activation_{number}")
        tensor = layers.dropped(tensor, spec.dropout, f"dropout_{number}")
    return tensor
