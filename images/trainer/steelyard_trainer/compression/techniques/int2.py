"""2-bit weights of dense layers in LiteRT, -1, 0 or 1: see few_bits. Imports TensorFlow, LiteRT and ai-edge-quantizer
when it is applied.

LiteRT 2.3 answers convolutions of 2 bits wrongly, without an error: they have more.
"""

from steelyard.api.compression.techniques import Int2
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import StepData, Technique, Tell


def _apply(artifact: Artifact, settings: Int2, data: StepData, _tell: Tell) -> Artifact:
    from steelyard_trainer.compression.litert_file import stripped
    from steelyard_trainer.compression.techniques.few_bits import in_few_bits
    from steelyard_trainer.compression.techniques.litert_converter import float_file

    made = Artifact(data.into, "LiteRT")
    made.file.write_bytes(stripped(in_few_bits(float_file(artifact, data), 2, settings.convolutions)))
    return made


TECHNIQUE = Technique(Int2, _apply)
