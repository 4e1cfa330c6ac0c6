"""A quantized .tflite file as the same network in float32: each weight is the number that it stands for, and nothing
between the layers is rounded. Imports numpy and LiteRT.

What the types stand for: https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec; in
blocks: BlockwiseQuantization in LiteRT's schema. Numbers of 4 and 2 bits lie several to a byte, the first lowest.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from steelyard_trainer.compression.litert_file import LAYERS, operator_name

_BITS = {schema.TensorType.INT4: 4, schema.TensorType.INT2: 2}
_WHOLE = {
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT16: np.int16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}

_WRITTEN_AS = {**_WHOLE, schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
"""Operators that only change how a number is written."""


def in_float32(content: bytes) -> bytes | None:
    """The network of a quantized file in float32.

    Args:
        content: a .tflite file.

    Returns:
        None where it is in float32 already, or has sparse tensors, which this does not read.
    """
    model: Any = flatbuffer_utils.read_model_from_bytearray(content)
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    if not any(_stands_for_others(tensor) for tensor in tensors) or any(tensor.sparsity for tensor in tensors):
        return None
    for graph in model.subgraphs:
        _leave_out_conversions(graph, model)
        for tensor in [each for each in graph.tensors if _stands_for_others(each)]:
            if (data := model.buffers[tensor.buffer].data) is not None and len(data):
                model.buffers.append(schema.BufferT(data=_numbers(tensor, bytes(data), graph, model)))
                tensor.buffer = len(model.buffers) - 1
        for tensor in graph.tensors:
            if _stands_for_others(tensor):
                tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def zeros(content: bytes) -> list[tuple[int, int]]:
    """How many of each layer's weights are zeros, those that sparse tensors leave out counted, and of how many.

    Args:
        content: a .tflite file.
    """
    model: Any = flatbuffer_utils.read_model_from_bytearray(in_float32(content) or content)
    found = []
    for graph in model.subgraphs:
        made_of = {int(made): operator.inputs[0] for operator in graph.operators for made in operator.outputs}
        for operator in graph.operators:
            if operator_name(model, operator) in LAYERS:
                index = int(operator.inputs[1])
                # Behind a conversion, such as from a sparse tensor to a dense one.
                while model.buffers[graph.tensors[index].buffer].data is None:
                    index = int(made_of[index])
                tensor = graph.tensors[index]
                data = bytes(model.buffers[tensor.buffer].data)
                numbers = math.prod(tensor.shape)
                found.append((numbers - int(np.count_nonzero(np.frombuffer(data, _WRITTEN_AS[tensor.type]))), numbers))
    return found


def _stands_for_others(tensor: Any) -> bool:
    """Whether its numbers stand for numbers of float32; indices and sizes do not."""
    quantization = tensor.quantization
    is_scaled = quantization is not None and (quantization.scale is not None or quantization.details is not None)
    return tensor.type == schema.TensorType.FLOAT16 or (tensor.type != schema.TensorType.FLOAT32 and is_scaled)


def _leave_out_conversions(graph: Any, model: Any) -> None:
    """What reads what a conversion wrote reads what it was given."""
    given: dict[int, int] = {}
    kept = []
    for operator in graph.operators:
        if operator_name(model, operator) in _CONVERSIONS:
            (source,), (made,) = operator.inputs, operator.outputs
            given[int(made)] = given.get(int(source), int(source))
        else:
            kept.append(operator)
    graph.operators = kept
    for holder, field in [(graph, "outputs"), *((operator, "inputs") for operator in kept)]:
        setattr(holder, field, [given.get(int(index), int(index)) for index in getattr(holder, field)])
    for signature in model.signatureDefs or ():
        for item in signature.outputs:
            item.tensorIndex = given.get(int(item.tensorIndex), int(item.tensorIndex))


def _numbers(tensor: Any, data: bytes, graph: Any, model: Any) -> npt.NDArray[np.uint8]:
    """What a constant's numbers stand for, as the bytes of float32."""
    if tensor.type == schema.TensorType.FLOAT16:
        numbers = np.frombuffer(data, np.float16).astype(np.float32)
    else:
        whole = _whole(tensor.type, data, int(np.prod(tensor.shape))).reshape(tensor.shape)
        scales, zeros = _scales(tensor, graph, model)
        numbers = ((whole - zeros) * scales).astype(np.float32)
    return np.frombuffer(np.ascontiguousarray(numbers).tobytes(), np.uint8)


def _whole(kind: int, data: bytes, count: int) -> npt.NDArray[np.float64]:
    """The whole numbers of a constant."""
    if kind not in _BITS:
        return np.frombuffer(data, _WHOLE[kind]).astype(np.float64)
    bits = _BITS[kind]
    parts = [(np.frombuffer(data, np.uint8) >> shift) & (2**bits - 1) for shift in range(0, 8, bits)]
    numbers = np.stack(parts, axis=1).ravel()[:count].astype(np.float64)
    return np.where(numbers >= 2 ** (bits - 1), numbers - 2**bits, numbers)


def _scales(tensor: Any, graph: Any, model: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What each number is multiplied by, and what is taken from it before: of shapes that fit the tensor's."""
    quantization = tensor.quantization
    if quantization.details is not None:
        blocks, shape = quantization.details, tensor.shape
        written = np.frombuffer(bytes(model.buffers[graph.tensors[blocks.scales].buffer].data), np.float16)
        by_block = written.astype(np.float64).reshape(*shape[:-1], shape[-1] // blocks.blockSize)
        return np.repeat(by_block, int(blocks.blockSize), axis=-1).astype(np.float64), np.zeros(1)
    scales = np.asarray(quantization.scale, np.float64)
    zeros = np.zeros(1) if quantization.zeroPoint is None else np.asarray(quantization.zeroPoint, np.float64)
    along = [1] * len(tensor.shape)
    if len(scales) > 1:
        along[quantization.quantizedDimension] = -1
    return scales.reshape(along), zeros.reshape(along if len(zeros) > 1 else [1] * len(tensor.shape))
