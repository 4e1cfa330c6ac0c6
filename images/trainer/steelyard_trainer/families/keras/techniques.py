"""The compression techniques: each turns a Keras model into the bytes of a .tflite file. Imports TensorFlow and Keras.

All take and give float32, whatever they compute in, so that they can be exchanged for each other.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from steelyard.api.compression import BASELINE, Candidate
from steelyard.serving.model import quiet_native_code

REPRESENTATIVE_ROWS = 500
"""How many training rows show Int8 the range of the activations."""

Matrix = npt.NDArray[np.float32]


class Converter:
    """Makes the candidates of one model."""

    def __init__(self, model: keras.Model, folder: Path, sample: Matrix) -> None:
        """Exports the model.

        Args:
            model: takes (rows, width) float32.
            folder: where the exported model goes; it is the caller's to remove.
            sample: shape (rows, width): representative rows of the training set.
        """
        with _quiet():
            model.export(folder, format="tf_saved_model", verbose=False)
        self._folder = folder
        self._sample = sample

    def convert(self, candidate: Candidate) -> bytes:
        """The candidate as the content of a .tflite file: the same for the same model and sample."""
        with _quiet():
            converter = tf.lite.TFLiteConverter.from_saved_model(str(self._folder))
            _TECHNIQUES[candidate](converter, self._sample)
            content: bytes = converter.convert()
        return content


def representative_sample(features: Matrix) -> Matrix:
    """At most REPRESENTATIVE_ROWS of the rows, evenly spread."""
    count = min(REPRESENTATIVE_ROWS, len(features))
    return features[np.linspace(0, len(features) - 1, count).round().astype(np.int64)]


def _float32(_converter: Any, _sample: Matrix) -> None:
    """Leaves everything as it is."""


def _dynamic_range(converter: Any, _sample: Matrix) -> None:
    """8-bit weights; activations are quantized as they come."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _float16(converter: Any, _sample: Matrix) -> None:
    """16-bit floating-point weights."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _int8(converter: Any, sample: Matrix) -> None:
    """8-bit weights and activations, whose range the sample shows."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[np.newaxis]] for row in sample)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


_TECHNIQUES: dict[Candidate, Callable[[Any, Matrix], None]] = {
    BASELINE: _float32,
    "DynamicRange": _dynamic_range,
    "Float16": _float16,
    "Int8": _int8,
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the converter's remarks from the log; its errors are raised."""
    with warnings.catch_warnings(), quiet_native_code():
        warnings.simplefilter("ignore")
        yield
