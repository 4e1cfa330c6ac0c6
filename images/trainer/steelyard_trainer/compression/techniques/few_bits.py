"""Weights of few bits in LiteRT, by ai-edge-quantizer; activations are quantized as they come. Imports numpy, and
ai-edge-quantizer when it is asked.

Weights are whole numbers (symmetric), times a scale for each output of a layer, or for each block of 32 inputs of an
output (https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec).
"""

from typing import Any, Literal

import numpy as np

_BITS = {"Float32": 0, "Int8": 8, "Int4": 4}


def in_few_bits(
    content: bytes, dense_bits: int, convolutions: Literal["Float32", "Int8", "Int4"], *, has_blocks: bool = False
) -> bytes:
    """A LiteRT file with weights of few bits.

    Args:
        content: a LiteRT file in float32.
        dense_bits: 4 or 2, of a dense layer's weights.
        convolutions: what their weights are; of depthwise ones at least 8 bits.
        has_blocks: whether each 32 inputs of a dense layer's output have a scale of their own.
    """
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName

    of_dense = QuantGranularity.BLOCKWISE_32 if has_blocks else QuantGranularity.CHANNELWISE
    layers: list[tuple[Any, int, Any]] = [(TFLOperationName.FULLY_CONNECTED, dense_bits, of_dense)]
    if bits := _BITS[convolutions]:
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
