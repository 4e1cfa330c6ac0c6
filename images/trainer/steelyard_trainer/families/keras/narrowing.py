"""First weights of a student that are its teacher's: of each layer the units with the largest weights, and their
connections with each other (filter pruning: Li et al. 2017, "Pruning Filters for Efficient ConvNets",
arXiv:1608.08710). Imports Keras and numpy.
"""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from steelyard_trainer.compression.techniques.base import CannotBeMadeError

Units = NDArray[np.intp]


def begin_as(student: keras.Model, teacher: keras.Model) -> None:
    """Gives a student the weights of its teacher's units with the largest sums of absolute weights.

    Args:
        student: narrower, of layers with the teacher's names; it is changed.
        teacher: its layers follow one another.

    Raises:
        CannotBeMadeError: they do not: what is added up or put together has units that belong together.
    """
    if any(isinstance(layer.input, list) and len(layer.input) > 1 for layer in teacher.layers):
        raise CannotBeMadeError(
            "Distill.start: Pruned needs a network whose layers follow one another: mlp, dsCnn, cnn without residual; "
            "leave start out"
        )
    kept: Units | None = None
    for layer in student.layers:
        if not layer.weights:
            continue
        own = teacher.get_layer(layer.name)
        if isinstance(own, keras.layers.DepthwiseConv2D):
            # A filter for each channel: those of the channels that are there.
            layer.set_weights(
                [own.get_weights()[0][:, :, _chosen(kept, own), :], *_each_of(kept, own.get_weights()[1:])]
            )
        elif (kernel := getattr(own, "kernel", None)) is None:
            layer.set_weights(_each_of(kept, own.get_weights()))
        else:
            inputs = np.array(kernel)[..., _chosen(kept, own), :]
            kept = _largest(inputs, layer.kernel.shape[-1])
            layer.set_weights([inputs[..., kept], *_each_of(kept, own.get_weights()[1:])])


def _chosen(kept: Units | None, layer: Any) -> Units:
    """The inputs of a layer that are kept: those of the first layer are all there."""
    return np.arange(layer.kernel.shape[-2]) if kept is None else kept


def _largest(kernel: NDArray[Any], count: int) -> Units:
    """The outputs with the largest sums of absolute weights, in their order."""
    sums = np.abs(kernel).sum(axis=tuple(range(kernel.ndim - 1)))
    return np.sort(np.argsort(-sums, kind="stable")[:count])


def _each_of(kept: Units | None, weights: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Of weights that each unit has one of, those of the units that are kept."""
    return [each if kept is None else each[kept] for each in weights]
