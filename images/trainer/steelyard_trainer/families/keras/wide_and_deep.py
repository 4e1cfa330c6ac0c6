"""Wide and deep networks. Imports Keras and steelyard.api.

The network takes rows as preprocessing gives them: numbers as they are, of a category one value for each word, 1 for
its own (`serving/input_columns.py`). So an embedding is the product of a category's values with a matrix, a dense layer
without bias: what a table of vectors would give, in an operation that every format of 8 bits and fewer knows. A cross
is the outer product of two categories' values, of which one is 1; where it has more values than buckets, the values
whose index has the same remainder are added up, which is the hashing trick (Weinberger et al., arXiv:0902.2206) with
the remainder for a hash.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import keras

from steelyard.api.models.wide_and_deep import WideAndDeep
from steelyard_trainer.data.shape import Shape
from steelyard_trainer.families.keras.layers import Layers


def wide_and_deep(features: Any, spec: WideAndDeep, shape: Shape, layers: Layers, hidden: Callable[[Any], Any]) -> Any:
    """(rows, width) becomes (rows, outputs).

    Args:
        features: as preprocessing gives them.
        spec: the model.
        shape: says which of them are of which category.
        layers: makes the layers.
        hidden: the deep part's hidden layers.
    """
    column = keras.layers.Reshape((shape.width, 1), name="column")(features)
    numbers = [
        _flat(_part(column, start, stop, f"numbers_{number}"), f"numbers_{number}_flat")
        for number, (start, stop) in enumerate(shape.runs_of_numbers, start=1)
    ]
    categories = {
        category.name: _part(column, category.start, category.stop, f"category_{number}")
        for number, category in enumerate(shape.categories, start=1)
    }
    embedded = [
        layers.dense(
            _flat(values, f"category_{number}_flat"),
            min(spec.embedding_units, values.shape[1]),
            f"embedding_{number}",
            bias=False,
        )
        for number, values in enumerate(categories.values(), start=1)
    ]
    deep = layers.dense(hidden(_together([*numbers, *embedded], "embedded")), shape.outputs, "output")
    crosses = [
        _cross(categories[one], categories[other], spec.cross_buckets, f"cross_{number}")
        for number, (one, other) in enumerate(spec.crosses, start=1)
    ]
    wide = layers.dense(_together([features, *crosses], "crossed"), shape.outputs, "wide", bias=False)
    return keras.layers.Add(name="wide_and_deep")([wide, deep])


# All are layers, which have names of their own: those of operations depend on what else the process has made.


def _part(column: Any, start: int, stop: int, name: str) -> Any:
    """Some of a row's values: (rows, width, 1) becomes (rows, stop - start, 1)."""
    return keras.layers.Cropping1D((start, column.shape[1] - stop), name=name)(column)


def _flat(values: Any, name: str) -> Any:
    return keras.layers.Flatten(name=name)(values)


def _cross(one: Any, other: Any, buckets: int, name: str) -> Any:
    """(rows, words, 1) and (rows, other words, 1) become (rows, pairs), or (rows, buckets) where there are more."""
    pairs = one.shape[1] * other.shape[1]
    if pairs > buckets and (apart := _coprime(other.shape[1], buckets)) > other.shape[1]:
        # Else what is left of i * words + j hardly depends on i.
        other = keras.layers.ZeroPadding1D((0, apart - other.shape[1]), name=f"{name}_apart")(other)
        pairs = one.shape[1] * apart
    turned = keras.layers.Permute((2, 1), name=f"{name}_turned")(other)
    product = keras.layers.Multiply(name=f"{name}_product")([one, turned])
    if pairs <= buckets:
        return _flat(product, name)
    rounds = -(-pairs // buckets)
    product = keras.layers.Reshape((pairs, 1), name=f"{name}_pairs")(product)
    product = keras.layers.ZeroPadding1D((0, rounds * buckets - pairs), name=f"{name}_padded")(product)
    product = keras.layers.Reshape((rounds, buckets), name=f"{name}_rounds")(product)
    # The sum, as there is no such layer.
    mean = keras.layers.GlobalAveragePooling1D(name=f"{name}_mean")(product)
    return keras.layers.Rescaling(rounds, name=name)(mean)


def _coprime(least: int, buckets: int) -> int:
    """The first number from `least` that shares no factor with the buckets."""
    return next(number for number in itertools.count(least) if math.gcd(number, buckets) == 1)


def _together(tensors: list[Any], name: str) -> Any:
    return keras.layers.Concatenate(name=name)(tensors) if len(tensors) > 1 else tensors[0]
