"""A network that others learn from, and how they do: knowledge distillation (Hinton, Vinyals and Dean 2015, "Distilling
the Knowledge in a Neural Network", arXiv:1503.02531). Imports Keras and TensorFlow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from steelyard_trainer import pulse
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError
from steelyard_trainer.families.keras.step import Lesson

_BATCH_ROWS = 1024
_LEAST_PROBABILITY = 1e-30
"""What is less counts as this: its logarithm is to be a number."""


def opened(artifact: Artifact) -> keras.Model:
    """A Keras model's network."""
    model: keras.Model = artifact.opened(partial(keras.saving.load_model, compile=False))
    return model


@dataclass(frozen=True)
class Teacher:
    """A trained network."""

    model: keras.Model
    """Gives probabilities (rows, classes), or the standardized target (rows, 1)."""
    classifies: bool
    _ask: Callable[[Any], Any]

    @classmethod
    def of(cls, artifact: Artifact, classes: int | None) -> "Teacher":
        """The artifact's network.

        Args:
            artifact: a Keras model.
            classes: how many the task has; None for regression.
        """
        model = opened(artifact)
        return cls(model, classes is not None, tf.function(partial(model, training=False), reduce_retracing=True))

    def outputs(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """What it says of rows: logits less a constant of each row, which softmax does not see, or the standardized
        target.

        Args:
            features: float32 (rows, width).

        Raises:
            CannotBeMadeError: an output is not a finite number.
        """
        starts = range(0, len(features), _BATCH_ROWS)
        parts = []
        for start in starts:
            parts.append(self._ask(tf.constant(features[start : start + _BATCH_ROWS])).numpy())
            pulse.beat()
        outputs: NDArray[np.float32] = np.concatenate(parts)
        if not np.isfinite(outputs).all():
            raise CannotBeMadeError("the outputs of the network that it would learn from are not finite numbers")
        return np.log(np.maximum(outputs, np.float32(_LEAST_PROBABILITY))) if self.classifies else outputs


def taught(classifies: bool, temperature: float, mixing: float) -> Lesson:
    """What a student learns from a teacher's outputs and the labels.

    The teacher's share of the loss is the divergence of both outputs at the temperature (cross-entropy, less what the
    teacher's own outputs have of it, so that 0 is the least), times its square, which keeps the gradients' size
    (section 2 of the paper); in regression the squared difference of the outputs.

    Args:
        classifies: whether outputs are logits; else (rows, 1).
        temperature: what logits are divided by, above 0.
        mixing: the teacher's share of the loss, from 0 to 1; the labels have the rest.

    Returns:
        A lesson of targets (rows, 1 + outputs): the label, then the teacher's outputs.
    """

    def classification(outputs: Any, targets: Any) -> tuple[Any, Any]:
        labels, said = tf.cast(targets[:, 0], tf.int32), targets[:, 1:]
        goal = tf.nn.softmax(said / temperature)
        own = tf.nn.softmax_cross_entropy_with_logits(goal, said / temperature)
        soft = tf.nn.softmax_cross_entropy_with_logits(goal, outputs / temperature) - own
        hard = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)
        right = tf.cast(tf.equal(tf.argmax(outputs, 1, tf.int32), labels), tf.float32)
        return mixing * temperature**2 * soft + (1 - mixing) * hard, right

    def regression(outputs: Any, targets: Any) -> tuple[Any, Any]:
        errors, differences = outputs[:, 0] - targets[:, 0], outputs[:, 0] - targets[:, 1]
        return mixing * tf.square(differences) + (1 - mixing) * tf.square(errors), tf.abs(errors)

    return classification if classifies else regression
