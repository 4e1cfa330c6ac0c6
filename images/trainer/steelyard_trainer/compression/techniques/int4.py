"""4-bit weights in LiteRT, by ai-edge-quantizer; activations are quantized as they come. Imports numpy, and
TensorFlow, LiteRT and ai-edge-quantizer when it is applied.

Weights are whole numbers from -7 to 7 (symmetric), times a scale for each output of a layer, or for each block of 32
inputs of an output (https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec).
"""

from typing import Any

import numpy as np

from steelyard.api.compression.techniques import Int4
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, StepData, Technique, Tell

_BITS = {"Float32": 0, "Int8": 8, "Int4": 4}


def _apply(artifact: Artifact, settings: Int4, data: StepData, _tell: Tell) -> Artifact:
    from steelyard_trainer.compression.litert_file import stripped
    from steelyard_trainer.compression.techniques.litert_converter import float_file

    content = float_file(artifact, data)
    _check_widths(content, settings)
    made = Artifact(data.into, "LiteRT")
    made.file.write_bytes(stripped(_quantized(content, settings)))
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


def _quantized(content: bytes, settings: Int4) -> bytes:
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName

    of_dense = QuantGranularity.CHANNELWISE if settings.block_size is None else QuantGranularity.BLOCKWISE_32
    layers: list[tuple[Any, int, Any]] = [(TFLOperationName.FULLY_CONNECTED, 4, of_dense)]
    if bits := _BITS[settings.convolutions]:
        # No kernel takes 4 bits of a depthwise one.
        for name, own in ((TFLOperationName.CONV_2D, bits), (TFLOperationName.DEPTHWISE_CONV_2D, 8)):
            layers += [(name, own, QuantGranularity.CHANNELWISE)]
    quantizing = quantizer.Quantizer(content)
    for name, bits, granularity in layers:
        quantizing.add_dynamic_config(regex=".*", operation_name=name, num_bits=bits, granularity=granularity)
    # Weights that are all 0 have the scale 0: whatever number stands for them is 0.
    with np.errstate(invalid="ignore"):
        made = quantizing.quantize(enable_progress_bar=False, enable_progress_report=False)
    return bytes(made.quantized_model)


TECHNIQUE = Technique(Int4, _apply)
