"""The layers of which all networks are put together: for training, and for serving, with the same names and weights.
Imports Keras and steelyard.api.
"""

from collections.abc import Iterator
from typing import Any

import keras

from steelyard.api.models.networks import Activation, Regularization
from steelyard_trainer.families.keras.normalization import GlobalBatchNormalization


class Layers:
    """Makes the layers of one network, one after the other; the first weights are a function of the seed alone.

    Pictures are (rows, height, width, channels). Names are those of the layers, by which the network that serves takes
    over the weights.
    """

    def __init__(self, regularization: Regularization, seed: int, mask: Any) -> None:
        """Of a network.

        Args:
            regularization: penalties on the weights of every layer.
            seed: of its first weights and of dropout.
            mask: (rows,), False for rows of padding, for training; None for serving.
        """
        penalty = keras.regularizers.L1L2(regularization.l1, regularization.l2)
        self._penalty = penalty if regularization.l1 or regularization.l2 else None
        self._seeds = _seeds(seed)
        self._mask = mask
        self.normalizes = False
        """Whether any of them normalizes, and so has a use for the mask."""

    def dense(self, tensor: Any, units: int, name: str, *, bias: bool = True) -> Any:
        """(rows, width) becomes (rows, units)."""
        return keras.layers.Dense(
            units,
            use_bias=bias,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(self._seeds)),
            kernel_regularizer=self._penalty,
            name=name,
        )(tensor)

    def convolution(self, tensor: Any, filters: int, kernel: tuple[int, int], stride: int, name: str) -> Any:
        """Every filter over all channels, zeros around: height and width are divided by the stride, rounded up."""
        return keras.layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            kernel_initializer=keras.initializers.HeNormal(seed=next(self._seeds)),
            kernel_regularizer=self._penalty,
            name=name,
        )(tensor)

    def depthwise(self, tensor: Any, kernel: int, stride: int, name: str) -> Any:
        """A filter for each channel, zeros around."""
        # As HeNormal, which takes all channels for inputs of each filter.
        initializer = keras.initializers.VarianceScaling(2.0 * tensor.shape[-1], "fan_in", seed=next(self._seeds))
        return keras.layers.DepthwiseConv2D(
            kernel,
            strides=stride,
            padding="same",
            depthwise_initializer=initializer,
            depthwise_regularizer=self._penalty,
            name=name,
        )(tensor)

    def normalized(self, tensor: Any, name: str) -> Any:
        """Each unit or channel to mean 0 and deviation 1 over the global batch, times a weight, plus another."""
        self.normalizes = True
        if self._mask is None:
            return keras.layers.BatchNormalization(name=name)(tensor)
        return GlobalBatchNormalization(name=name)(tensor, mask=self._mask)

    def activated(self, tensor: Any, function: Activation, name: str) -> Any:
        """The function of each value."""
        return keras.layers.Activation(function, name=name)(tensor)

    def dropped(self, tensor: Any, rate: float, name: str) -> Any:
        """Without a fraction of the values in each step of training; itself for serving."""
        if not rate or self._mask is None:
            return tensor
        return keras.layers.Dropout(rate, seed=next(self._seeds), name=name)(tensor)


def _seeds(seed: int) -> Iterator[int]:
    """A seed for each layer in turn, so that no two layers begin alike."""
    while True:
        seed = (seed * 1_103_515_245 + 12_345) % 2**31
        yield seed
