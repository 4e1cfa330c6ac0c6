"""Whether all workers begin with the same network: TensorFlow would give all of them worker 0's weights, and hide that
a function draws otherwise in every process. Imports TensorFlow and Keras.
"""

import hashlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from steelyard.api.errors import ConfigurationError
from steelyard_trainer.families.keras.step import sum_over_replicas
from steelyard_trainer.own_code.importing import FIELD

_BYTES = 6
"""Of a digest: a float64 holds so many exactly."""


def check_alike(model: keras.Model, strategy: tf.distribute.Strategy, worker: int, workers: int) -> None:
    """Compares the first weights of all workers, each of which calls this.

    Args:
        model: built outside the strategy's scope.
        strategy: of the workers.
        worker: this one.
        workers: how many there are.

    Raises:
        ConfigurationError: a worker's differ from worker 0's; on every worker.
    """
    own = layer_digests(model)
    whole = np.array([len(own), *_numbers("".join(digest for _, digest in own))], np.float64)
    of_all = _gathered(strategy, whole, worker, workers)
    if (of_all == of_all[0]).all():
        return
    other = int(np.flatnonzero((of_all != of_all[0]).any(axis=1))[0])
    what = f"{int(of_all[other, 0])} layers with weights, worker 0 {int(of_all[0, 0])}"
    if of_all[other, 0] == of_all[0, 0]:
        each = np.array([_numbers(digest)[0] for _, digest in own], np.float64)
        differs = _gathered(strategy, each, worker, workers)
        what = f"other first weights in layer {own[int(np.flatnonzero(differs[other] != differs[0])[0])][0]}"
    raise ConfigurationError(
        f"{FIELD} is not deterministic: worker {other} has {what}; draw from data.seed, and from nothing else that "
        "differs between processes"
    )


def layer_digests(model: keras.Model) -> list[tuple[str, str]]:
    """Of every layer with weights: its name, and a digest of their names, shapes and values."""
    found = []
    for layer in model._flatten_layers(include_self=False):
        weights = [*layer._trainable_variables, *layer._non_trainable_variables]
        if weights:
            hashed = hashlib.sha256()
            for variable in weights:
                value = np.asarray(variable)
                hashed.update(f"{variable.path} {value.shape} {value.dtype}".encode())
                hashed.update(value.tobytes())
            found.append((layer.name, hashed.hexdigest()))
    return found


def _numbers(digest: str) -> list[float]:
    """A digest of any text as a number that every float64 holds."""
    return [float(int.from_bytes(hashlib.sha256(digest.encode()).digest()[:_BYTES], "big"))]


def _gathered(strategy: Any, own: NDArray[np.float64], worker: int, workers: int) -> NDArray[np.float64]:
    """The rows of all workers, shape (workers, numbers)."""
    table = np.zeros((workers, len(own)))
    table[worker] = own
    gather = tf.function(lambda values: strategy.run(sum_over_replicas, (values,)), autograph=False)
    rows: NDArray[np.float64] = gather(tf.constant(table)).numpy()
    return rows
