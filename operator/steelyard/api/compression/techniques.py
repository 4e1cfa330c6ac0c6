"""The techniques of compression that a manifest may name: what each takes, gives and may be told. Imports the api only.

The trainer has how each is applied; what it may be told is said here alone, so that a manifest is refused before
anything runs.
"""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, get_args

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from steelyard.api.base import Fraction, Part, Share, refuse
from steelyard.api.forms import Form, TechniqueName
from steelyard.api.models import Model, kinds

MOST_LEAVES = 65_536
"""Of a tree that is fitted anew."""


class Settings(Part):
    """What a technique may be told, with defaults. A technique's class has a field `technique`: its name."""

    takes: ClassVar[tuple[Form, ...]]
    """The forms of models that it can be applied to."""
    gives: ClassVar[Form]
    """The form of what it makes."""
    kinds: ClassVar[tuple[str, ...]] = ()
    """The kinds of models that it can be applied to; empty: all that it takes the form of."""
    needs_training: ClassVar[bool] = False
    """Whether it reads the training set."""
    begins_anew: ClassVar[bool] = False
    """Whether what it makes has weights of its own, and nothing of what the steps before it did to the others."""
    learns: ClassVar[bool] = False
    """Whether it trains something, so that rows are set aside for it before the model is trained."""

    @model_serializer(mode="wrap")
    def _with_its_name(self, rest: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What says which class it is can't be left out, as defaults are elsewhere.
        said = {name: value for name, value in rest(self).items() if name not in self.unsaid}
        return {"technique": self.technique_name(), **said}

    @property
    def unsaid(self) -> Collection[str]:
        """Names of fields, of both spellings, that mean nothing beside those that are given."""
        return ()

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
    sparse: bool = False
    """Whether zeros are left out of the file, of layers that are mostly zeros (after Prune). They are filled in again
    when it is loaded: it takes no less memory, and is no faster."""


class Int8(OfNetworks):
    """8-bit weights and activations; rows show the range of the activations: search rows, where some were set aside
    (dataset.split.searchRows), else training rows."""

    needs_training = True

    technique: Literal["Int8"] = "Int8"
    """Int8"""
    representative_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """How many rows show the range of the activations, at most: evenly spread over the search rows, or the training
    set."""


class Int4(OfNetworks):
    """4-bit weights of dense layers; activations are quantized as they come. Embeddings stay in float32."""

    technique: Literal["Int4"] = "Int4"
    """Int4"""
    block_size: Literal[32] | None = None
    """Of a dense layer's weights: how many inputs share a scale. Every dense layer's number of inputs must be a
    multiple of it. Default: all inputs of an output share one."""
    convolutions: Literal["Float32", "Int8", "Int4"] = "Int8"
    """What the weights of convolutions are, of depthwise ones at least Int8. Int4 is the smallest, and slower than
    Float32; Int8 is the fastest."""


class Int2(OfNetworks):
    """2-bit weights of dense layers, each -1, 0 or 1 times its output's scale, as QuantizationAware learned them with
    bits 2 in the step before; activations are quantized as they come. It is published only if it answers as the network
    does (the runtime's kernels of few bits are young)."""

    technique: Literal["Int2"] = "Int2"
    """Int2"""
    convolutions: Literal["Float32", "Int8", "Int4"] = "Int8"
    """What the weights of convolutions are: as of Int4. None has 2 bits, which the runtime answers wrongly."""


class OnNetworks(Settings):
    """A technique that trains a network, which goes on to the next step. The search rows (dataset.split.searchRows) say
    which epoch is the best, and are not learned."""

    takes = ("Keras",)
    gives = "Keras"
    needs_training = True
    learns = True

    epochs: Annotated[int, Field(ge=1, le=100000)] | None = None
    """Passes over the training set, at most."""
    learning_rate: Annotated[float, Field(gt=0, le=100)] | None = None
    """Step size."""
    mixing: Share = 0.7
    """The trained network's share of what is learned from; the labels have the rest."""


class Distill(OnNetworks):
    """A smaller network of the same kind, which learns from the trained one's outputs and the labels (Hinton et al.,
    arXiv:1503.02531). Without a step after it it is published in float32."""

    begins_anew = True

    technique: Literal["Distill"] = "Distill"
    """Distill"""
    epochs: Annotated[int, Field(ge=1, le=100000)] | None = None
    """Passes over the training set, at most. Default: twice training.epochs, or as many as 3,000 steps take where
    these are fewer."""
    learning_rate: Annotated[float, Field(gt=0, le=100)] | None = None
    """Step size. Default: twice that of training.optimizer."""
    width: Annotated[float, Field(gt=0, le=1)] = 0.25
    """What each width of the trained network is multiplied by; 1 only with fewerLayers."""
    fewer_layers: Annotated[int, Field(ge=0, le=64)] = 0
    """How many hidden layers, or blocks, it has fewer."""
    model: Model | None = None
    """The student itself, such as {mlp: {hiddenUnits: [16]}}: any network, of the trained one's kind or another, that
    is smaller. Not with width or fewerLayers. Default: the trained network's kind, as these two say."""
    start: Literal["Random", "Pruned"] | None = None
    """The weights that it begins with: Random; Pruned, those of the trained network's units with the largest weights
    (Li et al., arXiv:1608.08710), for networks whose layers follow one another, with width alone. It is good after
    fewer epochs, and no better in the end. Default: Random."""
    temperature: Annotated[float, Field(gt=0, le=100)] = 3.0
    """Classification: what the logits are divided by; the higher, the more is learned about classes that the trained
    network finds unlikely."""
    noise: Annotated[float, Field(ge=0, le=10)] | None = None
    """What is added to the features, anew in each epoch, as a share of each feature's standard deviation; nothing to
    those of two values, as categories have. Default: 0.1 where fewer than 5,000 rows are learned, else 0."""

    @property
    def unsaid(self) -> Collection[str]:
        """What a student of its own has no use for."""
        return () if self.model is None else ("width", "fewer_layers", "fewerLayers")

    @model_validator(mode="after")
    def _is_one_student(self) -> Self:
        if self.model is None:
            return self
        if self.model_fields_set & {"width", "fewer_layers"}:
            raise refuse("model", "it says all of the student; leave out width and fewerLayers, or leave out model")
        if self.start == "Pruned":
            raise refuse("start", "Pruned takes the units of a narrower network of the same kind; leave out model")
        can = self.model.capabilities
        own = kinds(lambda other: other.has_epochs and other.family.trained_as in self.takes)
        allowed = ", ".join(kind for kind in own if kind != "entrypoint")
        if self.model.kind == "entrypoint":
            raise refuse(
                "model", "a student is a network of Steelyard's own kinds; allowed: {allowed}", allowed=allowed
            )
        if not (can.has_epochs and can.family.trained_as in self.takes):
            raise refuse("model", "{kind} is no network; allowed: {allowed}", kind=self.model.kind, allowed=allowed)
        return self

    @model_validator(mode="after")
    def _is_smaller(self) -> Self:
        if self.start == "Pruned" and self.fewer_layers:
            raise refuse("start", "Pruned keeps every layer; leave out fewerLayers")
        if self.width == 1 and not self.fewer_layers:
            raise refuse("width", "1 is the trained network's own width; allowed is less, or fewerLayers with it")
        return self


class FineTuning(OnNetworks):
    """A technique that goes on training a network, with a step size that falls to 0 along half a cosine."""

    learning_rate: Annotated[float, Field(gt=0, le=100)] | None = None
    """Step size in the beginning. Default: that of training.optimizer."""


class QuantizationAware(FineTuning):
    """Weights of few bits, learned as such (straight-through gradients: Bengio et al., arXiv:1308.3432). A step that
    writes weights of as many bits is to follow."""

    technique: Literal["QuantizationAware"] = "QuantizationAware"
    """QuantizationAware"""
    epochs: Annotated[int, Field(ge=1, le=100000)] | None = None
    """Passes over the training set, at most. Default: a third of training.epochs, or as many as 6,000 steps take where
    these are fewer."""
    learning_rate: Annotated[float, Field(gt=0, le=100)] | None = None
    """Step size in the beginning. Default: twice that of training.optimizer."""
    bits: Literal[4, 2] = 4
    """Bits of a dense layer's weight: 4 for Int4, 2 for Int2."""
    convolutions: Literal["Float32", "Int4"] = "Float32"
    """What the weights of convolutions are learned as: Int4 where they are written so; 8 bits need no learning."""


class Prune(FineTuning):
    """Weights that are zeros, the smallest ones, more and more of them (Zhu and Gupta, arXiv:1710.01878)."""

    technique: Literal["Prune"] = "Prune"
    """Prune"""
    epochs: Annotated[int, Field(ge=1, le=100000)] | None = None
    """Passes over the training set. Default: training.epochs, or as many as 3,000 steps take where these are fewer."""
    sparsity: Fraction = 0.9
    """The share of the weights that are zeros at the end."""
    scope: Literal["Global", "Layer"] = "Global"
    """Of which weights: Global, of all together; Layer, of each layer's."""


class Onnx(Settings):
    """A model of scikit-learn in ONNX, which computes in float32, or, gradient boosting whose answers would change by
    that, in float64. Trees are a TreeEnsemble of ai.onnx.ml 5, without what inference does not need."""

    takes = ("Skops",)
    gives = "OnnxRuntime"
    needs_training = True

    technique: Literal["Onnx"] = "Onnx"
    """Onnx"""


class DistillMlp(Settings):
    """An mlp that learns what the trained model says, of a forest out of bag, and the labels (Bucila et al., "Model
    compression", KDD 2006): another model, published in LiteRT. What follows on a network may follow."""

    takes = ("Skops",)
    gives = "Keras"
    kinds = ("randomForest", "nearestNeighbors", "gradientBoosting")
    needs_training = True
    learns = True

    technique: Literal["DistillMlp"] = "DistillMlp"
    """DistillMlp"""
    hidden_units: Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(min_length=1, max_length=8)] = [64, 32]
    """The units of each hidden layer."""
    epochs: Annotated[int, Field(ge=1, le=100000)] | None = None
    """Passes over the training set, at most. Default: 40, or as many as make 3,000 steps."""
    learning_rate: Annotated[float, Field(gt=0, le=100)] | None = None
    """Step size of Adam. Default: 0.002."""
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Classification: what the logits are divided by; the higher, the more is learned about classes that the trained
    model finds unlikely."""
    mixing: Share = 0.7
    """The trained model's share of what is learned from; the labels have the rest."""


class OnTrees(Settings):
    """A technique that makes a smaller model of the same kind of one of trees. Onnx may follow."""

    takes = ("Skops",)
    gives = "Skops"
    needs_training = True
    learns = True


class Refit(OnTrees):
    """The same model, fitted anew on the same rows with fewer trees and leaves; seed and other settings stay."""

    kinds = ("randomForest", "gradientBoosting")

    technique: Literal["Refit"] = "Refit"
    """Refit"""
    trees: Annotated[int, Field(ge=1, le=10000)] | None = None
    """How many trees; of gradient boosting, at most, and of several classes, of each class. Default: half of those that
    the model has."""
    max_leaf_nodes: Annotated[int, Field(ge=2, le=MOST_LEAVES)] | None = None
    """The most leaves of a tree. Default: a quarter of the most that a tree of the model has."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Gradient boosting: how much of each tree counts. Default: the model's own."""


class SelectTrees(OnTrees):
    """Some of a forest's trees, as they are: one after the other the one that helps the most, by out-of-bag predictions
    (Caruana et al., "Ensemble selection from libraries of models", ICML 2004). Only where bootstrap is true."""

    kinds = ("randomForest",)

    technique: Literal["SelectTrees"] = "SelectTrees"
    """SelectTrees"""
    trees: Annotated[int, Field(ge=1, le=10000)] | None = None
    """How many trees stay. Default: a quarter of those that the forest has."""


TechniqueSettings: TypeAlias = (
    DynamicRange
    | Float16
    | Int8
    | Int4
    | Int2
    | Distill
    | QuantizationAware
    | Prune
    | Onnx
    | Refit
    | SelectTrees
    | DistillMlp
)
"""All of them. Each class is named as its technique is in manifests."""

TECHNIQUES: dict[str, type[Settings]] = {each.technique_name(): each for each in get_args(TechniqueSettings)}
"""By the technique's name."""

assert get_args(TechniqueName) == tuple(TECHNIQUES)


def techniques_that_take(form: Form, kind: str | None = None) -> tuple[str, ...]:
    """The techniques that can be applied to a model in this form, of this kind; None: of some kind."""
    return tuple(
        name
        for name, settings in TECHNIQUES.items()
        if form in settings.takes and (kind is None or not settings.kinds or kind in settings.kinds)
    )
