"""What a user's network gives, and how that becomes what the product's networks give: logits in training, probabilities
where it serves. Imports Keras and TensorFlow.
"""

import inspect
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.own_code.data_shape import DataShape

Gives = Literal["Probabilities", "Logits", "Probability", "Logit", "Number"]
"""Of each class; or, of two classes, one number for the second; or, in regression, the standardized target."""
ENDS: dict[Gives, str] = {
    "Probabilities": "a softmax",
    "Logits": "logits",
    "Probability": "a sigmoid",
    "Logit": "a logit",
    "Number": "a number",
}
"""How a network ends that gives this, for people."""
_LEAST = 1e-7
"""A probability counts as at least this where only the probability is known (Keras's epsilon)."""


def gives_of(model: keras.Model, data: DataShape, asked: NDArray[np.float32]) -> Gives:
    """What a network gives.

    Args:
        model: takes rows of features.
        data: what the data asks of it.
        asked: some rows, for a network whose last layer does not say it.

    Raises:
        RefusedError: its output does not fit the data.
    """
    shape = model.output_shape
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[-1] is None:
        raise RefusedError(f"it gives {shape}; allowed: one output of the shape (None, numbers)")
    count = int(shape[-1])
    if data.classes is None:
        if count != 1:
            raise RefusedError(f"it gives {count:,} numbers a row, but the target is one number (task Regression)")
        return "Number"
    if count != len(data.classes) and not (count == 1 and len(data.classes) == 2):
        raise RefusedError(
            f"it gives {count:,} {'number' if count == 1 else 'numbers'} a row, but the target has "
            f"{len(data.classes):,} classes: its last layer needs data.outputs units"
        )
    end = _end_of(model)
    if end in ("softmax", "sigmoid", "linear"):
        return _by_end(end, count)
    outputs = np.asarray(model(asked, training=False))
    are_shares = bool((outputs >= 0).all() and (outputs <= 1).all())
    if count == 1:
        return "Probability" if are_shares else "Logit"
    return "Probabilities" if are_shares and np.allclose(outputs.sum(1), 1, atol=1e-3) else "Logits"


def scores(outputs: Any, gives: Gives) -> Any:
    """Logits (rows, classes), or the standardized target (rows, 1), of what a network gives. To be traced."""
    if gives in ("Logits", "Number"):
        return outputs
    if gives == "Probabilities":
        return _before(outputs, "Softmax", lambda shares: tf.math.log(tf.clip_by_value(shares, _LEAST, 1.0)))
    logit = outputs if gives == "Logit" else _before(outputs, "Sigmoid", _logit)
    return tf.concat([tf.zeros_like(logit), logit], 1)


def as_served(model: keras.Model, gives: Gives) -> keras.Model:
    """The network to publish, of the same layers: probabilities (rows, classes), or the standardized target."""
    layers, source, output = keras.layers, model.inputs[0], model.outputs[0]
    if any(_augments(layer) for layer in model._flatten_layers(include_self=False)):
        # Keras exports such layers as they train, unless they are told otherwise.
        source = keras.Input(source.shape[1:])
        output = model(source, training=False)
    if gives == "Logits":
        output = layers.Softmax(name="probabilities")(output)
    elif gives in ("Logit", "Probability"):
        share = layers.Activation("sigmoid", name="probability")(output) if gives == "Logit" else output
        other = layers.Rescaling(-1.0, 1.0, name="other")(share)
        output = layers.Concatenate(name="probabilities")([other, share])
    return keras.Model(source, output, name="own_model")


def _augments(layer: keras.layers.Layer) -> bool:
    """Whether a layer does what it does in training wherever nobody says which it is, as those for images do."""
    training = inspect.signature(layer.call).parameters.get("training")
    return training is not None and training.default is True


def _by_end(end: str, count: int) -> Gives:
    if count == 1:
        if end == "softmax":
            raise RefusedError("its last layer is a softmax over one number, which is always 1; take a sigmoid")
        return "Probability" if end == "sigmoid" else "Logit"
    if end == "sigmoid":
        raise RefusedError(
            "its last layer is a sigmoid for each class, but the classes exclude each other; take a softmax"
        )
    return "Probabilities" if end == "softmax" else "Logits"


def _end_of(model: Any) -> str:
    """The function of the last layer, by its name in Keras; empty where it does not say."""
    last = model.outputs[0]._keras_history.operation if getattr(model, "outputs", None) else None
    while isinstance(last, keras.Model):
        if not getattr(last, "outputs", None):
            return ""
        last = last.outputs[0]._keras_history.operation
    activation = getattr(last, "activation", None)
    if activation is not None:
        return str(getattr(activation, "__name__", ""))
    return {"Softmax": "softmax", "Sigmoid": "sigmoid"}.get(type(last).__name__, "")


def _before(outputs: Any, kind: str, otherwise: Any) -> Any:
    """What a function was given, as the graph has it: its inverse would lose digits."""
    operation = None if tf.executing_eagerly() else getattr(outputs, "op", None)
    return operation.inputs[0] if operation is not None and operation.type == kind else otherwise(outputs)


def _logit(share: Any) -> Any:
    share = tf.clip_by_value(share, _LEAST, 1 - _LEAST)
    return tf.math.log(share) - tf.math.log1p(-share)
