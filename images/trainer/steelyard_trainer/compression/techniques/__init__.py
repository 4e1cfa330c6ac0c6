"""The techniques of compression: a file each, and a line in this table. Imports one when it is asked for.

Those that need the code of a family of models lie in its folder.
"""

from importlib import import_module

from steelyard.api.errors import ConfigurationError
from steelyard_trainer.compression.techniques.base import AnyTechnique

TECHNIQUES: dict[str, str] = {
    "LiteRT": "steelyard_trainer.compression.techniques.litert",
    "DynamicRange": "steelyard_trainer.compression.techniques.dynamic_range",
    "Float16": "steelyard_trainer.compression.techniques.float16",
    "Int8": "steelyard_trainer.compression.techniques.int8",
    "Int4": "steelyard_trainer.compression.techniques.int4",
    "Int2": "steelyard_trainer.compression.techniques.int2",
    "Distill": "steelyard_trainer.families.keras.distill",
    "QuantizationAware": "steelyard_trainer.families.keras.quantization_aware",
    "Prune": "steelyard_trainer.families.keras.prune",
    "DistillMlp": "steelyard_trainer.families.keras.distill_mlp",
    "Onnx": "steelyard_trainer.families.sklearn.onnx",
    "Refit": "steelyard_trainer.families.sklearn.refit",
    "SelectTrees": "steelyard_trainer.families.sklearn.select_trees",
}
"""The module of each technique, by its name."""


def technique_named(name: str) -> AnyTechnique:
    """The technique of this name. Raises ConfigurationError where there is none."""
    if name not in TECHNIQUES:
        raise ConfigurationError(f"the technique {name!r} is not known; allowed: {', '.join(TECHNIQUES)}")
    technique: AnyTechnique = import_module(TECHNIQUES[name]).TECHNIQUE
    return technique
