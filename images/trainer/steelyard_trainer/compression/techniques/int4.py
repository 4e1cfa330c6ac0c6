"""4-bit weights in LiteRT, from -7 to 7: see few_bits. Imports TensorFlow, LiteRT and ai-edge-quantizer when it is
applied.
"""

from steelyard.api.compression.techniques import Int4
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, StepData, Technique, Tell


def _apply(artifact: Artifact, settings: Int4, data: StepData, _tell: Tell) -> Artifact:
    from steelyard_trainer.compression.litert_file import stripped
    from steelyard_trainer.compression.techniques.few_bits import in_few_bits
    from steelyard_trainer.compression.techniques.litert_converter import float_file

    content = float_file(artifact, data)
    _check_widths(content, settings)
    made = Artifact(data.into, "LiteRT")
    has_blocks = settings.block_size is not None
    made.file.write_bytes(stripped(in_few_bits(content, 4, settings.convolutions, has_blocks=has_blocks)))
    return made


def _check_widths(content: bytes, settings: Int4) -> None:
    """Refuses blocks that the dense layers' inputs can't be divided into."""
    from steelyard_trainer.compression.litert_file import weights

    if settings.block_size is None:
        return
    widths = [shape[-1] for layer, shape, _ in weights(content) if layer == "FULLY_CONNECTED"]
    if unfit := [width for width in widths if width % settings.block_size]:
        raise CannotBeMadeError(
            f"Int4.blockSize {settings.block_size} needs dense layers whose number of inputs is a multiple of it, but "
            f"this model has layers of {', '.join(map(str, dict.fromkeys(unfit)))} inputs; leave blockSize out"
        )


TECHNIQUE = Technique(Int4, _apply)
