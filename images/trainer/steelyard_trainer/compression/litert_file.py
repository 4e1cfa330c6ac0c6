"""What lies in a .tflite file: reading it, writing it without what no interpreter needs, counting its operators.
Imports LiteRT.

The format is LiteRT's schema, version 3 (https://ai.google.dev/edge/litert): a flatbuffer, and behind it, where they
are large, the contents of its buffers, which it names by offset and size.
"""

from collections import Counter
from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

_ALIGNMENT = 16
"""Of a buffer's content, in bytes, as the schema asks for it."""

_MOST_BYTES = 2**31 - 1
"""Of a flatbuffer. A larger file has its buffers behind it and stays as it is."""

LAYERS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
"""The operators that have weights as their second input."""

_OPERATORS: dict[int, str] = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
_TYPES: dict[int, str] = {code: name for name, code in vars(schema.TensorType).items() if name.isupper()}


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A buffer that is written where the schema wants it; the library's own is written anywhere."""

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802 - the library's name
        if self.data is None:
            return int(super().Pack(builder))
        content = bytes(self.data)
        builder.StartVector(1, len(content), _ALIGNMENT)
        builder.head -= len(content)
        builder.Bytes[builder.head : builder.head + len(content)] = content
        data = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


def stripped(content: bytes) -> bytes:
    """The same model without what no interpreter needs, in one flatbuffer.

    Names, descriptions, metadata, the ranges that the converter saw, and buffers that no tensor has go; tensors,
    operators and signatures stay, so that the outputs are the same to the last bit.

    Args:
        content: a .tflite file.
    """
    if len(content) > _MOST_BYTES:
        return content
    # Brings the buffers in from behind the flatbuffer, and points the empty ones at the first.
    model: Any = flatbuffer_utils.read_model_from_bytearray(content)
    model.description = model.metadata = model.metadataBuffer = None
    used = sorted({0, *(int(tensor.buffer) for graph in model.subgraphs for tensor in graph.tensors)})
    model.buffers = [_Buffer(data=model.buffers[place].data) for place in used]
    for graph in model.subgraphs:
        graph.name = None
        for tensor in graph.tensors:
            tensor.name = None
            tensor.buffer = used.index(tensor.buffer)
            if (quantization := tensor.quantization) is not None:
                quantization.min = quantization.max = None
                if quantization.scale is None and quantization.details is None:
                    tensor.quantization = None
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def operators(content: bytes) -> Counter[tuple[str, str]]:
    """How many operators of each kind there are: by the operator's name, and the type of its first input.

    FULLY_CONNECTED of FLOAT32 computes in float, whatever type its weights have, or quantizes rows as they come.
    """
    model: Any = flatbuffer_utils.read_model_from_bytearray(content)
    return Counter(
        (operator_name(model, operator), _TYPES[graph.tensors[operator.inputs[0]].type])
        for graph in model.subgraphs
        for operator in graph.operators
    )


def weights(content: bytes) -> list[tuple[str, tuple[int, ...], str]]:
    """The weights of each layer that has some: the operator's name, their shape, their type.

    Of FULLY_CONNECTED the shape is (outputs, inputs), of convolutions (outputs, height, width, inputs).
    """
    model: Any = flatbuffer_utils.read_model_from_bytearray(content)
    found = []
    for graph in model.subgraphs:
        for operator in graph.operators:
            if (name := operator_name(model, operator)) in LAYERS:
                tensor = graph.tensors[operator.inputs[1]]
                found.append((name, tuple(tensor.shape), _TYPES[tensor.type]))
    return found


def operator_name(model: Any, operator: Any) -> str:
    """What an operator of a model that was read is called in the schema."""
    code = model.operatorCodes[operator.opcodeIndex]
    return _OPERATORS[flatbuffer_utils.get_builtin_code_from_operator_code(code)]
