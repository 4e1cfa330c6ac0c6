"""Which weights of a network are zeros while it is pruned. Imports Keras and TensorFlow."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from steelyard_trainer.families.keras.step import put

_RISES_FOR = 0.5
"""The part of all steps after which no more weights become zeros: the others learn on."""
_TIMES = 50
"""How often, at most, weights become zeros: finding the smallest takes longer than a step."""


class Masks:
    """The rule (WeightRule) of a network that is pruned: the share of zeros rises as 1 - (1 - t)^3, t from 0 to 1
    over the first half of the steps (equation 1 of the paper with s_i = 0). What is a zero stays one."""

    def __init__(
        self,
        kernels: Sequence[Any],
        optimizer: keras.optimizers.Optimizer,
        steps: int,
        sparsity: float,
        *,
        by_layer: bool,
    ) -> None:
        """
        Args:
            kernels: Keras's variables.
            optimizer: counts the steps.
            steps: of the whole training.
            sparsity: the share of zeros at the end.
            by_layer: whether each kernel has that share; else all of them together.
        """
        self._kernels = kernels
        self._done = optimizer.iterations
        self._rising_steps = max(1.0, steps * _RISES_FOR)
        self._every = max(1, int(self._rising_steps / _TIMES))
        self._sparsity = sparsity
        self._by_layer = by_layer

    def enter(self) -> list[Any]:
        """See WeightRule."""
        done = tf.cast(self._done.value, tf.int64)
        is_due = tf.logical_or(done % self._every == 0, tf.cast(done, tf.float32) >= self._rising_steps)
        masks = tf.cond(is_due, self._smallest, self._zeros)
        self.settle(masks)
        return list(masks)

    def leave(self, kept: list[Any]) -> None:
        """See WeightRule."""

    def settle(self, kept: list[Any]) -> None:
        """See WeightRule."""
        for kernel, mask in zip(self._kernels, kept, strict=True):
            put(kernel, kernel.value * mask)

    def _zeros(self) -> list[Any]:
        return [tf.cast(kernel.value != 0.0, tf.float32) for kernel in self._kernels]

    def _smallest(self) -> list[Any]:
        """1 for each weight that stays, by kernel."""
        progress = tf.minimum(1.0, tf.cast(self._done.value, tf.float32) / self._rising_steps)
        share = self._sparsity * (1.0 - (1.0 - progress) ** 3)
        sizes = [tf.abs(kernel.value) for kernel in self._kernels]
        if self._by_layer:
            return [_kept(size, _threshold([size], share)) for size in sizes]
        threshold = _threshold(sizes, share)
        return [_kept(size, threshold) for size in sizes]


def _threshold(sizes: Sequence[Any], share: Any) -> Any:
    """The size that a share of these is not above; below 0 where that is none."""
    every = tf.sort(tf.concat([tf.reshape(size, [-1]) for size in sizes], 0))
    count = tf.cast(tf.round(share * tf.cast(tf.size(every), tf.float32)), tf.int32)
    return tf.concat([[-1.0], every], 0)[count]


def _kept(size: Any, threshold: Any) -> Any:
    return tf.cast(size > threshold, tf.float32)
