"""Names that models and what is made of them share: what runs a model, what makes it smaller, what is best. Imports
nothing, so that both sides can.
"""

from typing import Literal

Form = Literal["Keras", "LiteRT", "OnnxRuntime", "Skops"]
"""What runs a model's files: Keras, which goes on training, or what serves published models."""

TechniqueName = Literal[
    "DynamicRange",
    "Float16",
    "Int8",
    "Int4",
    "Int2",
    "Distill",
    "QuantizationAware",
    "Prune",
    "Onnx",
    "Refit",
    "SelectTrees",
    "DistillMlp",
]
"""How a model is made smaller or faster: `api/compression/techniques.py` has the settings of each."""

CompressionObjective = Literal["Size", "Latency", "Balanced"]
"""What is best of what was made."""
