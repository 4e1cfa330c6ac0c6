"""From a Keras model to a .tflite file: what the techniques that do this share. Imports TensorFlow and Keras.

All take and give float32, whatever they compute in, so that they can be exchanged for each other.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from steelyard.serving.model import quiet_native_code
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import StepData


def convert(artifact: Artifact, data: StepData, configure: Callable[[Any], None] = lambda _converter: None) -> Artifact:
    """The model in LiteRT: the same bytes for the same model and settings of the converter.

    Args:
        artifact: a Keras model that takes (rows, width) float32.
        data: where the file goes, and where the exported model may lie for the next conversion.
        configure: sets up TensorFlow's converter.
    """
    with _quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(str(_exported(artifact, data.scratch)))
        configure(converter)
        content: bytes = converter.convert()
    made = Artifact(data.into, "LiteRT")
    made.file.write_bytes(content)
    return made


def _exported(artifact: Artifact, scratch: Path) -> Path:
    """The model as TensorFlow's converter reads it; made once for all conversions of an artifact."""
    folder = scratch / f"saved-model-{hashlib.sha256(str(artifact.folder).encode()).hexdigest()[:16]}"
    if not folder.exists():
        model: keras.Model = artifact.opened(partial(keras.saving.load_model, compile=False))
        model.export(folder, format="tf_saved_model", verbose=False)
    return folder


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the converter's remarks from the log; its errors are raised."""
    with warnings.catch_warnings(), quiet_native_code():
        warnings.simplefilter("ignore")
        yield
