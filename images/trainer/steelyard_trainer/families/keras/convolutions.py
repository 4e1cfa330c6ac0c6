"""Convolutional networks, up to their last layer. Imports Keras and steelyard.api."""

from typing import Any

import keras

from steelyard.api.models.convolutional import Convolutional, Convolutions
from steelyard_trainer.families.keras.layers import Layers


def convolved(features: Any, spec: Convolutional, layers: Layers) -> Any:
    """What the output layer takes: (rows, height x width x channels) becomes (rows, units)."""
    made_of = spec.convolutions
    tensor = keras.layers.Reshape(tuple(spec.input_shape), name="picture")(features)
    tensor = layers.convolution(tensor, made_of.stem, made_of.stem_kernel, made_of.stem_stride, "stem")
    tensor = _activated(_normalized(tensor, made_of, layers, "stem"), made_of, layers, "stem")
    for stage, filters in enumerate(made_of.stages, start=1):
        for block in range(1, made_of.blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            tensor = _block(tensor, filters, stride, made_of, layers, f"stage_{stage}_block_{block}")
    tensor = keras.layers.GlobalAveragePooling2D(name="pooled")(tensor)
    for number, units in enumerate(made_of.hidden_units, start=1):
        tensor = layers.dropped(tensor, spec.dropout, f"dropout_{number}")
        tensor = _activated(layers.dense(tensor, units, f"hidden_{number}"), made_of, layers, f"hidden_{number}")
    return layers.dropped(tensor, spec.dropout, "dropout_output")


def _block(tensor: Any, filters: int, stride: int, made_of: Convolutions, layers: Layers, name: str) -> Any:
    if not made_of.residual:
        return _activated(_convolution(tensor, filters, stride, made_of, layers, name), made_of, layers, name)
    inner = _convolution(tensor, filters, stride, made_of, layers, f"{name}_first")
    inner = _activated(inner, made_of, layers, f"{name}_first")
    inner = _convolution(inner, filters, 1, made_of, layers, f"{name}_second")
    if stride != 1 or tensor.shape[-1] != filters:
        tensor = layers.convolution(tensor, filters, (1, 1), stride, f"{name}_shortcut")
    return _activated(keras.layers.Add(name=f"{name}_sum")([tensor, inner]), made_of, layers, name)


def _convolution(tensor: Any, filters: int, stride: int, made_of: Convolutions, layers: Layers, name: str) -> Any:
    """One of a block, normalized, without its activation."""
    if made_of.depthwise:
        tensor = layers.depthwise(tensor, made_of.kernel, stride, f"{name}_depthwise")
        tensor = _normalized(tensor, made_of, layers, f"{name}_depthwise")
        tensor = _activated(tensor, made_of, layers, f"{name}_depthwise")
        tensor = layers.convolution(tensor, filters, (1, 1), 1, f"{name}_pointwise")
    else:
        tensor = layers.convolution(tensor, filters, (made_of.kernel, made_of.kernel), stride, f"{name}_convolution")
    return _normalized(tensor, made_of, layers, name)


def _normalized(tensor: Any, made_of: Convolutions, layers: Layers, name: str) -> Any:
    return layers.normalized(tensor, f"{name}_normalization") if made_of.batch_normalization else tensor


def _activated(tensor: Any, made_of: Convolutions, layers: Layers, name: str) -> Any:
    return layers.activated(tensor, made_of.activation, f"{name}_activation")
