"""The grids of quantized weights. Imports Keras and TensorFlow."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from steelyard_trainer.compression.techniques.base import CannotBeMadeError
from steelyard_trainer.families.keras.step import put

_RANGES = [1.0 - 0.05 * number for number in range(15)]
"""What a channel's range may be, in parts of its largest weight."""


def on_grid(kernel: Any, bits: int) -> Any:
    """A kernel's nearest point on its grid: symmetric, of its own in each output channel, which is the last axis. The
    range is the part of the largest weight that leaves the least squared error: of few bits, it pays to cut the largest
    off. Weights at its end are there always, so that LiteRT's converters, which take the largest weight for the range,
    find the same grid.

    Args:
        kernel: float32, of any shape.
        bits: 2 or more.
    """
    levels = float(2 ** (bits - 1) - 1)
    axes = list(range(len(kernel.shape) - 1))
    largest = tf.reduce_max(tf.abs(kernel), axis=axes, keepdims=True)
    # A channel of zeros stays one.
    largest = tf.where(largest > 0, largest, 1.0)
    nearest, least = kernel, tf.fill(tf.shape(largest), float("inf"))
    for part in _RANGES:
        step = largest * (part / levels)
        found = tf.clip_by_value(tf.round(kernel / step), -levels, levels) * step
        error = tf.reduce_sum(tf.square(kernel - found), axis=axes, keepdims=True)
        # Of equal ones the first: what is on its grid stays where it is.
        nearest, least = tf.where(error < least, found, nearest), tf.minimum(error, least)
    return nearest


class Grid:
    """The rule (WeightRule) of a network that is asked with its kernels on the grid. What is a zero stays one, as in a
    network that was pruned before."""

    def __init__(self, kernels: Sequence[tuple[Any, int]]) -> None:
        """
        Args:
            kernels: Keras's variables, each with the bits of a weight; at least one.

        Raises:
            CannotBeMadeError: there is none.
        """
        if not kernels:
            raise CannotBeMadeError("it has no layer whose weights could be learned in few bits")
        self._kernels = kernels
        self._masks = [tf.cast(kernel.value != 0.0, tf.float32) for kernel, _ in kernels]

    def enter(self) -> list[Any]:
        """See WeightRule."""
        kept = [tf.identity(kernel.value) for kernel, _ in self._kernels]
        for (kernel, bits), value in zip(self._kernels, kept, strict=True):
            put(kernel, on_grid(value, bits))
        return kept

    def leave(self, kept: list[Any]) -> None:
        """See WeightRule."""
        for (kernel, _), value in zip(self._kernels, kept, strict=True):
            put(kernel, value)

    def settle(self, kept: list[Any]) -> None:  # noqa: ARG002 - the optimizer changed all but the zeros
        """See WeightRule."""
        for (kernel, _), mask in zip(self._kernels, self._masks, strict=True):
            put(kernel, kernel.value * mask)
