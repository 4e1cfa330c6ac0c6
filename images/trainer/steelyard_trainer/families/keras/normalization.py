"""Batch normalization over the global batch of all workers, padding left out. Imports Keras and TensorFlow."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("steelyard")
class GlobalBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras's BatchNormalization whose mean and variance are those of the rows of ALL workers that are no padding.

    Keras's own, when synchronized, ignores the mask, and when masked, does not synchronize. The moving statistics are
    therefore the same on every worker at any time, and equal those of one worker with the global batch.
    """

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        weights = tf.cast(mask, inputs.dtype)[:, None]
        # Shape (2, width + 1): sums of x and of x squared, with the number of rows in the last column.
        sums = tf.stack(
            [
                tf.concat([tf.reduce_sum(inputs * weights, 0), tf.reduce_sum(weights, 0)], 0),
                tf.concat([tf.reduce_sum(tf.square(inputs) * weights, 0), tf.reduce_sum(weights, 0)], 0),
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
