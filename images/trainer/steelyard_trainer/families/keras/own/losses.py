"""A user's loss as a lesson: from Keras's loss or a function, the loss of each row. Imports Keras and TensorFlow."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.families.keras.own.outputs import ENDS, Gives, scores
from steelyard_trainer.families.keras.step import Lesson

_OF_SHARES = ("crossentropy", "kl_divergence")
"""In the name of a loss of Keras that takes probabilities, unless from_logits says otherwise."""


def lesson_of(loss: Any, gives: Gives, classes: int | None) -> Lesson:
    """What is learned by a loss.

    Args:
        loss: Keras's name of one, a keras.losses.Loss, or a function of (targets, outputs) that gives a number for each
            row. Targets are class indices (rows,), or, of one output, numbers (rows, 1). Keras's own losses that want
            one number for each class are given these.
        gives: what the network gives.
        classes: how many there are; None for regression.

    Returns:
        A lesson of what the network gives and the targets of a batch.

    Raises:
        RefusedError: it is none, or does not go with what the network gives.
    """
    found = _found(loss)
    name = _name(found)
    _check_logits(found, name, gives)
    each_row = _each_row(found)
    is_one_output = gives in ("Probability", "Logit", "Number")
    wants_one_hot = not is_one_output and "sparse" not in name and _is_of_keras(found)

    def targets_for(targets: Any) -> Any:
        if is_one_output:
            return tf.cast(targets, tf.float32)[:, None]
        return tf.one_hot(targets, classes) if wants_one_hot else targets

    def lesson(outputs: Any, targets: Any) -> tuple[Any, Any]:
        losses = each_row(targets_for(targets), outputs)
        if classes is None:
            return losses, tf.abs(outputs[:, 0] - targets)
        answers = tf.argmax(scores(outputs, gives), 1, tf.int32)
        return losses, tf.cast(tf.equal(answers, targets), tf.float32)

    _check_rows(lesson, 1 if is_one_output else classes or 1, classes)
    return lesson


def _found(loss: Any) -> Any:
    if isinstance(loss, dict | list | tuple):
        if len(loss) != 1:
            raise RefusedError(f"its loss is a {type(loss).__name__} of {len(loss)}; allowed: one loss")
        return _found(next(iter(loss.values() if isinstance(loss, dict) else loss)))
    try:
        found = keras.losses.get(loss)
    except (ValueError, TypeError) as error:
        raise RefusedError(f"its loss is none: {error}") from None
    if not callable(found):
        raise RefusedError(f"its loss is a {type(loss).__name__}; allowed: Keras's name, a Loss, a function")
    return found


def _name(loss: Any) -> str:
    function = getattr(loss, "fn", loss)
    return str(getattr(function, "__name__", type(function).__name__)).lower()


def _is_of_keras(loss: Any) -> bool:
    function = getattr(loss, "fn", loss)
    home = getattr(function, "__module__", None) or type(function).__module__
    return str(home).partition(".")[0] == "keras"


def _check_logits(loss: Any, name: str, gives: Gives) -> None:
    """A loss of probabilities that is given logits learns, but not what it should."""
    if not (_is_of_keras(loss) and any(part in name for part in _OF_SHARES)):
        return
    from_logits = bool(getattr(loss, "_fn_kwargs", {}).get("from_logits", getattr(loss, "from_logits", False)))
    if from_logits and gives in ("Probabilities", "Probability"):
        raise RefusedError(
            f"its loss, {name}, takes logits (from_logits=True), but it ends in {ENDS[gives]}; leave out one of the two"
        )
    if not from_logits and gives in ("Logits", "Logit"):
        raise RefusedError(
            f"its loss, {name}, takes probabilities, but it gives {ENDS[gives]}; say from_logits=True, or end in "
            f"{'a softmax' if gives == 'Logits' else 'a sigmoid'}"
        )


def _each_row(loss: Any) -> Callable[[Any, Any], Any]:
    """Without Keras's mean over the batch, which would count the padding."""
    call = loss.call if isinstance(loss, keras.losses.Loss) else loss

    def each_row(targets: Any, outputs: Any) -> Any:
        losses = tf.cast(tf.convert_to_tensor(call(targets, outputs)), tf.float32)
        if losses.shape.rank is not None and losses.shape.rank > 1:
            losses = tf.reduce_mean(losses, list(range(1, losses.shape.rank)))
        return losses

    return each_row


def _check_rows(lesson: Lesson, outputs: int, classes: int | None) -> None:
    """Tries it on three rows."""
    rows = 3
    given = tf.fill([rows, outputs], 1.0 / outputs if outputs > 1 else 0.5)
    targets = tf.zeros([rows], tf.float32 if classes is None else tf.int32)
    losses, _ = lesson(given, targets)
    if losses.shape != (rows,):
        raise RefusedError(
            f"its loss gives the shape {tuple(losses.shape)} for {rows} rows; allowed: a number for each row, as "
            "padding is left out afterwards (with Keras: no reduction)"
        )
