"""The techniques of compression that a manifest may name: what each takes, gives and may be told. Imports the api only.

The trainer has how each is applied; what it may be told is said here alone, so that a manifest is refused before
anything runs.
"""

from typing import Annotated, ClassVar, Literal, TypeAlias, get_args

from pydantic import Field

from steelyard.api.base import Part

Form = Literal["Keras", "LiteRT", "OnnxRuntime", "Skops"]
"""What runs a model's files: Keras, which goes on training, or what serves published models."""


class Settings(Part):
    """What a technique may be told, with defaults. A technique's class has a field `technique`: its name."""

    takes: ClassVar[tuple[Form, ...]]
    """The forms of models that it can be applied to."""
    gives: ClassVar[Form]
    """The form of what it makes."""
    needs_training: ClassVar[bool] = False
    """Whether it reads the training set."""

    @classmethod
    def technique_name(cls) -> str:
        """Its technique's name."""
        (name,) = get_args(cls.model_fields["technique"].annotation)
        return str(name)


class OfNetworks(Settings):
    """A technique that puts a network into the form in which it is published."""

    takes = ("Keras",)
    gives = "LiteRT"


class DynamicRange(OfNetworks):
    """8-bit weights; activations are quantized as they come."""

    technique: Literal["DynamicRange"] = "DynamicRange"
    """DynamicRange"""


class Float16(OfNetworks):
    """16-bit floating-point weights."""

    technique: Literal["Float16"] = "Float16"
    """Float16"""


class Int8(OfNetworks):
    """8-bit weights and activations; rows of the training set show the range of the activations."""

    needs_training = True

    technique: Literal["Int8"] = "Int8"
    """Int8"""
    representative_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """How many training rows show the range of the activations, at most: evenly spread over the training set."""


class Onnx(Settings):
    """A model of scikit-learn in ONNX, which computes in float32, or, gradient boosting, in float64."""

    takes = ("Skops",)
    gives = "OnnxRuntime"

    technique: Literal["Onnx"] = "Onnx"
    """Onnx"""


TechniqueSettings: TypeAlias = DynamicRange | Float16 | Int8 | Onnx
"""All of them. Each class is named as its technique is in manifests."""

TECHNIQUES: dict[str, type[Settings]] = {each.technique_name(): each for each in get_args(TechniqueSettings)}
"""By the technique's name."""

TechniqueName = Literal["DynamicRange", "Float16", "Int8", "Onnx"]
assert get_args(TechniqueName) == tuple(TECHNIQUES)


def techniques_that_take(form: Form) -> tuple[str, ...]:
    """The techniques that can be applied to a model in this form."""
    return tuple(name for name, settings in TECHNIQUES.items() if form in settings.takes)
