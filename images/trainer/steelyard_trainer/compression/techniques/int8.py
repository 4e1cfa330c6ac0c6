"""8-bit weights and activations in LiteRT; search rows, or training rows, show the activations' range. Imports numpy,
and TensorFlow when it is applied.
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

    shown = (data.read_search or data.read_training)()
    sample = _spread(shown.features, settings.representative_rows)

    def configure(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([row[np.newaxis]] for row in sample)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]

    return convert(artifact, data, configure)


def _spread(features: npt.NDArray[Any], most: int) -> npt.NDArray[np.float32]:
    count = min(most, len(features))
    return features[np.linspace(0, len(features) - 1, count).round().astype(np.int64)].astype(np.float32)


def _fault(made: Artifact, _settings: Int8) -> str:
    from steelyard_trainer.compression.litert_file import LAYERS, operators

    counted = operators(made.file.read_bytes())
    if others := {name: kind for name, kind in counted if name in LAYERS and kind != "INT8"}:
        return f"it computes {', '.join(f'{name} in {kind}' for name, kind in others.items())}, not in INT8"
    return ""


TECHNIQUE = Technique(Int8, _apply, _fault)
