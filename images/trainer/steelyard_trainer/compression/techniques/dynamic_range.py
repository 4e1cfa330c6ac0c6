"""8-bit weights in LiteRT; activations are quantized as they come. Imports TensorFlow when it is applied."""

from typing import Any

from steelyard.api.compression.techniques import DynamicRange
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import StepData, Technique, Tell


def _apply(artifact: Artifact, _settings: DynamicRange, data: StepData, _tell: Tell) -> Artifact:
    import tensorflow as tf

    from steelyard_trainer.compression.techniques.litert_converter import convert

    def configure(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]

    return convert(artifact, data, configure)


TECHNIQUE = Technique(DynamicRange, _apply)
