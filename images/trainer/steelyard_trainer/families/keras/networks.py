"""Keras networks from `spec.model`: one to train, one to serve. Imports Keras and steelyard.api.

The network that trains gives logits (classification), which losses like; the one that is published gives
probabilities, which users like. For regression both give the standardized target: what it is in its own unit is
computed in float64, beside the network. Both have the same weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from steelyard.api.models import Model
from steelyard.api.models.networks import Linear, Mlp, Regularization
from steelyard_trainer.families.keras.normalization import GlobalBatchNormalization


@dataclass(frozen=True)
class Shape:
    """What the data asks of a network."""

    width: int
    """Preprocessed features of a row."""
    classes: int | None
    """Classes to tell apart; None for regression."""

    @property
    def outputs(self) -> int:
        """Units of the last dense layer."""
        return self.classes or 1


@dataclass(frozen=True)
class TrainingNetwork:
    """A network to train."""

    model: keras.Model
    takes_row_mask: bool
    """Whether the model takes [features, mask] with mask (rows,) False for rows of padding, or the features alone."""

    def __call__(self, features: Any, mask: Any, *, training: bool) -> Any:
        """Logits (rows, classes), or the standardized target (rows, 1)."""
        return self.model([features, mask] if self.takes_row_mask else features, training=training)


def training_network(spec: Model, shape: Shape, seed: int) -> TrainingNetwork:
    """The network to train; its first weights are a function of the seed alone."""
    features = keras.Input((shape.width,), name="features")
    mask = keras.Input((), dtype="bool", name="row_mask")
    outputs = _stack(features, spec, shape, seed, mask)
    normalizes = spec.mlp is not None and spec.mlp.batch_normalization
    return TrainingNetwork(keras.Model([features, mask] if normalizes else features, outputs), normalizes)


def serving_network(spec: Model, shape: Shape, trained: TrainingNetwork, name: str | None = None) -> keras.Model:
    """The network to publish, of plain Keras layers, with the trained one's weights.

    Features (rows, width) float32 give probabilities (rows, classes), or the standardized target (rows, 1). Without a
    name its file depends on how many networks the process made.
    """
    features = keras.Input((shape.width,), name="features")
    outputs = _stack(features, spec, shape, seed=0, mask=None)
    if shape.classes:
        outputs = keras.layers.Softmax(name="probabilities")(outputs)
    model = keras.Model(features, outputs, name=name)
    for layer in trained.model.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
    return model


def _stack(tensor: Any, spec: Model, shape: Shape, seed: int, mask: Any) -> Any:
    """The layers one after the other. With a mask they are for training, without one for serving."""
    seeds = _seeds(seed)
    match spec.mlp or spec.linear:
        case Mlp() as mlp:
            for number, units in enumerate(mlp.hidden_units, start=1):
                tensor = _dense(units, mlp.regularization, next(seeds), f"hidden_{number}")(tensor)
                if mlp.batch_normalization:
                    name = f"normalization_{number}"
                    tensor = (
                        keras.layers.BatchNormalization(name=name)(tensor)
                        if mask is None
                        else GlobalBatchNormalization(name=name)(tensor, mask=mask)
                    )
                tensor = keras.layers.Activation(mlp.activation, name=f"activation_{number}")(tensor)
                if mlp.dropout and mask is not None:
                    tensor = keras.layers.Dropout(mlp.dropout, seed=next(seeds), name=f"dropout_{number}")(tensor)
            regularization = mlp.regularization
        case Linear() as linear:
            regularization = linear.regularization
    return _dense(shape.outputs, regularization, next(seeds), "output")(tensor)


def _dense(units: int, regularization: Regularization, seed: int, name: str) -> keras.layers.Layer:
    penalty = keras.regularizers.L1L2(regularization.l1, regularization.l2)
    return keras.layers.Dense(
        units,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        kernel_regularizer=penalty if regularization.l1 or regularization.l2 else None,
        name=name,
    )


def _seeds(seed: int) -> Iterator[int]:
    """A seed for each layer in turn, so that no two layers begin alike."""
    while True:
        seed = (seed * 1_103_515_245 + 12_345) % 2**31
        yield seed
