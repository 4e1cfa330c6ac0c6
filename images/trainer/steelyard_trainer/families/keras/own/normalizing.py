"""Batch normalization in a user's network: over the rows of all workers that are no padding. Imports Keras.

The layers stay Keras's own where they are published: their class is another one while they are trained.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from steelyard_trainer.families.keras.normalization import GlobalBatchNormalization


class _Mask:
    """What the network that is being called was given."""

    rows: Any = None


@contextmanager
def rows_that_count(mask: Any) -> Iterator[None]:
    """While a network is called: which of its rows are no padding, shape (rows,)."""
    before, _Mask.rows = _Mask.rows, mask
    try:
        yield
    finally:
        _Mask.rows = before


class _OverAllWorkers(GlobalBatchNormalization):
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ARG002 - of padding in time
        return super().call(inputs, training=training, mask=_Mask.rows)


def normalizes_over_all(model: keras.Model) -> list[str]:
    """Has the network's own batch normalization count all workers' rows.

    Returns:
        The names of layers that are left to normalize each worker's own rows, padding included.
    """
    others = []
    for layer in model._flatten_layers():
        if type(layer) is keras.layers.BatchNormalization and _is_over_last(layer):
            layer.__class__ = _OverAllWorkers
        elif isinstance(layer, keras.layers.BatchNormalization) and not isinstance(layer, _OverAllWorkers):
            others.append(layer.name)
    return others


def as_keras_has_them(model: keras.Model) -> None:
    """Undoes it, for a network that is to be saved."""
    for layer in model._flatten_layers():
        if type(layer) is _OverAllWorkers:
            layer.__class__ = keras.layers.BatchNormalization


def _is_over_last(layer: Any) -> bool:
    return layer.axis in (-1, layer.input_spec.ndim - 1)
