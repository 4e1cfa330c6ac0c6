"""16-bit floating-point weights in LiteRT. Imports TensorFlow when it is applied."""

from typing import Any

from steelyard.api.compression.techniques import Float16
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import StepData, Technique, Tell


def _apply(artifact: Artifact, settings: Float16, data: StepData, _tell: Tell) -> Artifact:
    import tensorflow as tf

    from steelyard_trainer.compression.techniques.litert_converter import convert

    def configure(converter: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if settings.sparse:
            converter.optimizations.append(tf.lite.Optimize.EXPERIMENTAL_SPARSITY)
        converter.target_spec.supported_types = [tf.float16]

    return convert(artifact, data, configure)


TECHNIQUE = Technique(Float16, _apply)
