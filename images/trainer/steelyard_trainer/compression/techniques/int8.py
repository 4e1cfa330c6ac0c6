"""8-bit weights and activations in LiteRT; rows of the training set show the activations' range. Imports numpy, and
TensorFlow when it is applied.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.compression.techniques import Int8
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import StepData, Technique, Tell


def _apply(artifact: Artifact, settings: Int8, data: StepData, _tell: Tell) -> Artifact:
    import tensorflow as tf

    from steelyard_trainer.compression.techniques.litert_converter import convert

    sample = _spread(data.read_training().features, settings.representative_rows)

    def configure(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row[np.newaxis]] for row in sample)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]

    return convert(artifact, data, configure)


def _spread(features: npt.NDArray[Any], most: int) -> npt.NDArray[np.float32]:
    count = min(most, len(features))
    return features[np.linspace(0, len(features) - 1, count).round().astype(np.int64)].astype(np.float32)


TECHNIQUE = Technique(Int8, _apply)
