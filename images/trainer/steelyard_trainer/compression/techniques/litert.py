"""A network in LiteRT as it was trained, in float32. Imports TensorFlow when it is applied."""

from typing import Literal

from steelyard.api.compression.techniques import OfNetworks
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import StepData, Technique, Tell


class LiteRt(OfNetworks):
    """No manifest names it: it is the baseline, and the end of a recipe whose steps leave a network that goes on."""

    technique: Literal["LiteRT"] = "LiteRT"
    """LiteRT"""


def _apply(artifact: Artifact, _settings: LiteRt, data: StepData, _tell: Tell) -> Artifact:
    from steelyard_trainer.compression.litert_file import stripped
    from steelyard_trainer.compression.techniques.litert_converter import float_file

    made = Artifact(data.into, "LiteRT")
    made.file.write_bytes(stripped(float_file(artifact, data)))
    return made


TECHNIQUE = Technique(LiteRt, _apply)
