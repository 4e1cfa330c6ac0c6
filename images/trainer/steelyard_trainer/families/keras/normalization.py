"""Batch normalization over the global batch of all workers, padding left out. Imports Keras and TensorFlow."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("steelyard")
class GlobalBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras's BatchNormalization whose mean and variance are those of the rows of ALL workers that are no padding.

    Keras's own, when synchronized, ignores the mask, and when masked, does not synchronize. The moving statistics are
    therefore the same on every worker at any time, and equal those of one worker with the global batch.
    Of pictures, (rows, height, width, channels), every place of such a row counts.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The normalized inputs; mask (rows,) is False for rows of padding."""
        if mask is not None and len(inputs.shape) > 2:
            ones = [1] * (len(inputs.shape) - 2)
            mask = tf.broadcast_to(tf.reshape(mask, [-1, *ones]), tf.shape(inputs)[:-1])
        return super().call(inputs, training=training, mask=mask)

    def compute_mask(self, _inputs: Any, _previous_mask: Any) -> None:
        """None: the mask is given to each layer that needs it."""

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        weights = tf.cast(mask, inputs.dtype)[..., None]
        axes = list(range(len(inputs.shape) - 1))
        count = tf.reduce_sum(weights, axes)
        # Shape (2, width + 1): sums of x and of x squared, with the number of what is summed in the last column.
        sums = tf.stack(
            [
                tf.concat([tf.reduce_sum(inputs * weights, axes), count], 0),
                tf.concat([tf.reduce_sum(tf.square(inputs) * weights, axes), count], 0),
            ]
        )
        if (replica := tf.distribute.get_replica_context()) and replica.num_replicas_in_sync > 1:
            sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, sums)
        mean = sums[0, :-1] / sums[0, -1]
        variance = tf.maximum(sums[1, :-1] / sums[0, -1] - tf.square(mean), 0.0)
        return mean, variance

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        """Creates a weight; moving statistics are written by every worker with equal values."""
        if not kwargs.get("trainable", True):
            kwargs["aggregation"] = "only_first_replica"
        return super().add_weight(*args, **kwargs)
