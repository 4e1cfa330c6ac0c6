"""A network in LiteRT as it was trained, in float32. Imports TensorFlow when it is applied."""

from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import Settings, StepData, Technique, Tell


def _apply(artifact: Artifact, _settings: Settings, data: StepData, _tell: Tell) -> Artifact:
    from steelyard_trainer.compression.techniques.litert_converter import convert

    return convert(artifact, data)


TECHNIQUE = Technique("LiteRT", takes=("Keras",), gives="LiteRT", settings=Settings, apply=_apply)
