"""From a Keras model to a .tflite file: what the techniques that do this share. Imports TensorFlow and Keras.

All take and give float32, whatever they compute in, so that they can be exchanged for each other.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from steelyard.serving.model import quiet_native_code
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.litert_file import stripped
from steelyard_trainer.compression.techniques.base import StepData


def convert(artifact: Artifact, data: StepData, configure: Callable[[Any], None]) -> Artifact:
    """The model in LiteRT, stripped: the same bytes for the same model and settings of the converter.

    Args:
        artifact: a Keras model that takes (rows, width) float32.
        data: where the file goes, and where the exported model may lie for the next conversion.
        configure: sets up TensorFlow's converter.
    """
    made = Artifact(data.into, "LiteRT")
    made.file.write_bytes(stripped(converted(artifact, data.scratch, configure)))
    return made


def float_file(artifact: Artifact, data: StepData) -> bytes:
    """The model in LiteRT in float32, as the converter writes it, with the names that other tools need; made once for
    all that is made of an artifact.

    Args:
        artifact: a Keras model that takes (rows, width) float32.
        data: where the file may lie for the next that asks for it.
    """
    path = data.scratch / f"float-{_digest(artifact)}.tflite"
    if not path.exists():
        path.write_bytes(converted(artifact, data.scratch, lambda _converter: None))
    return path.read_bytes()


def outputs_of(artifact: Artifact, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What a Keras model says of rows, shape (rows, outputs)."""
    model: keras.Model = artifact.opened(_load)
    return np.asarray(model(features, training=False))


def converted(artifact: Artifact, scratch: Path, configure: Callable[[Any], None]) -> bytes:
    """A Keras model in LiteRT, as TensorFlow's converter writes it.

    Args:
        artifact: takes float32.
        scratch: where the exported model may lie for the next conversion.
        configure: sets up the converter.
    """
    with _quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(_exported(artifact, scratch)))
        configure(converter)
        return bytes(converter.convert())


def _load(file: Path) -> keras.Model:
    return keras.saving.load_model(file, compile=False)


def _digest(artifact: Artifact) -> str:
    return hashlib.sha256(str(artifact.folder).encode()).hexdigest()[:16]


def _exported(artifact: Artifact, scratch: Path) -> Path:
    """The model as TensorFlow's converter reads it; made once for all conversions of an artifact."""
    folder = scratch / f"saved-model-{_digest(artifact)}"
    if not folder.exists():
        model: keras.Model = artifact.opened(_load)
        model.export(folder, format="tf_saved_model", verbose=False)
    return folder


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the converter's remarks from the log; its errors are raised."""
    with warnings.catch_warnings(), quiet_native_code():
        warnings.simplefilter("ignore")
        yield
