"""Models that were trained elsewhere, by the format of their files: `spec.trained.format`, in place of `spec.model`.
What goes with one is read from its capabilities, as of every kind of model. Imports the api only.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from steelyard.api.models.capabilities import Capabilities, Features, ModelKind
from steelyard.api.models.networks import KERAS
from steelyard.api.models.sklearn import SKLEARN
from steelyard.api.trial import ModelFormat

NOUN, PLURAL = "model from elsewhere", "models from elsewhere"


class ModelFromElsewhere(ModelKind):
    """What is the same of all: it takes the table's columns as they are, and nothing of it is trained here."""

    noun: ClassVar[str] = f"a {NOUN}"

    def misfit(self, features: Features) -> tuple[str, str] | None:
        """Text has no number that such a model would know it by. See ModelKind."""
        if not features.categories:
            return None
        words = ", ".join(f"'{name}'" for name in features.inputs if name in features.categories)
        return "exclude", (
            f"{self.noun} takes columns of numbers, as they are and in the table's order; {words} "
            f"{'holds' if len(features.categories) == 1 else 'hold'} categories: exclude it, or write numbers in its "
            "place, those that the model has learned"
        )


class KerasFromElsewhere(ModelFromElsewhere):
    """A .keras file."""

    capabilities = Capabilities(
        replace(KERAS, noun=NOUN, plural=PLURAL),
        candidates=("DynamicRange", "Float16", "Int8"),
        compression_objective="Size",
        is_searched=True,
    )


class SavedModelFromElsewhere(ModelFromElsewhere):
    """A TensorFlow SavedModel: what it computes, without layers that could go on learning."""

    capabilities = KerasFromElsewhere.capabilities


class SkopsFromElsewhere(ModelFromElsewhere):
    """A skops file with one of scikit-learn's models that the product has."""

    capabilities = Capabilities(
        replace(SKLEARN, noun=NOUN, plural=PLURAL), candidates=("Onnx",), compression_objective="Balanced"
    )


OF_FORMAT: Mapping[ModelFormat, ModelKind] = {
    "Keras": KerasFromElsewhere(),
    "SavedModel": SavedModelFromElsewhere(),
    "Skops": SkopsFromElsewhere(),
}
"""Every format of a model from elsewhere."""
