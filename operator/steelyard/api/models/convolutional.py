"""The convolutional networks in `spec.model`: one that is put together field by field, and two of MLPerf Tiny (Banbury
et al., arXiv:2106.07597). Imports the api only.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from steelyard.api.base import refuse
from steelyard.api.models.capabilities import Features, ModelKind
from steelyard.api.models.networks import NETWORK, Activation, Regularization, Units, multiplied, narrower

MOST_STAGES = 8

Side = Annotated[int, Field(ge=1, le=4096)]


@dataclass(frozen=True)
class Convolutions:
    """What a convolutional network is made of. Its widths are those of its layers, the multiplier included."""

    stem: int
    """Filters of the first convolution."""
    stem_kernel: tuple[int, int]
    """Its height and width."""
    stem_stride: int
    stages: tuple[int, ...]
    """Filters of each stage; the first convolution of each but the first has stride 2."""
    blocks: int
    """Of each stage."""
    kernel: int
    """Height and width of a block's convolutions."""
    hidden_units: tuple[int, ...] = ()
    """Of the dense layers before the output."""
    residual: bool = False
    depthwise: bool = False
    batch_normalization: bool = True
    activation: Activation = "relu"

    @property
    def halvings(self) -> int:
        """How often height and width are halved."""
        return len(self.stages) - 1 + self.stem_stride // 2

    @property
    def widths(self) -> tuple[int, ...]:
        """Of all layers."""
        return (self.stem, *self.stages, *self.hidden_units)


class Convolutional(ModelKind):
    """What the settings of convolutional networks share."""

    capabilities = NETWORK

    input_shape: Annotated[list[Side], Field(min_length=3, max_length=3)]
    """Height, width and channels of the image that a row is, such as [8, 8, 1]: the features in the order of the
    columns, row by row, channels last (HWC). Their product is the number of features."""
    width: Annotated[float, Field(gt=0, le=16)] = 1.0
    """What the width of each layer is multiplied by (Howard et al., arXiv:1704.04861), rounded to the nearest whole
    number, at least 1."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Fraction of what enters each dense layer that a training step leaves out."""
    regularization: Regularization = Regularization()
    """Penalties on the weights."""

    @property
    def convolutions(self) -> Convolutions:
        """What the network is made of."""
        raise NotImplementedError

    @property
    def widths(self) -> tuple[int, ...]:
        """See ModelKind."""
        return self.convolutions.widths

    def narrowed(self, factor: float) -> Self | None:
        """By its multiplier. See ModelKind."""
        narrower(1, factor)
        student = self.model_copy(update={"width": self.width * factor})
        return student if student.convolutions.widths != self.convolutions.widths else None

    def misfit(self, features: Features) -> tuple[str, str] | None:
        """See ModelKind."""
        height, width, channels = self.input_shape
        if (product := height * width * channels) == (given := sum(features.inputs.values())):
            return None
        return "inputShape", (
            f"{height} x {width} x {channels} are {product:,} values, but a row of the table has {given:,} features; "
            "the product is to be their number"
        )

    @model_validator(mode="after")
    def _is_large_enough(self) -> Self:
        height, width, _ = self.input_shape
        halvings = self.convolutions.halvings
        if max(height, width) < 2**halvings:
            raise refuse(
                "inputShape",
                "{height} x {width} is too small: the network halves it {halvings} times; allowed: at least {least} in "
                "height or width",
                height=height,
                width=width,
                halvings=halvings,
                least=2**halvings,
            )
        return self


class Cnn(Convolutional):
    """A convolutional network over images whose pixels are the columns: a first convolution, stages of blocks, the
    average of each filter over all places, dense layers. Each stage after the first halves height and width."""

    filters: Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(min_length=1, max_length=MOST_STAGES)] = [
        32,
        64,
    ]
    """Filters of each stage, first to last; the first convolution has as many as the first stage."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 1
    """Blocks of each stage: a convolution each, with `residual` two."""
    kernel_size: Annotated[int, Field(ge=1, le=31)] = 3
    """Height and width of the convolutions, which pad with zeros."""
    residual: bool = False
    """Whether what enters a block is added to what leaves it (He et al., arXiv:1512.03385), through a convolution of
    size 1 where their shapes differ."""
    depthwise: bool = False
    """Whether the blocks' convolutions are separable: one filter for each channel, then one of size 1 over all of them
    (Howard et al., arXiv:1704.04861), with fewer weights."""
    hidden_units: Annotated[list[Units], Field(max_length=64)] = []
    """Units of each dense layer before the output."""
    activation: Activation = "relu"
    """The function after each convolution and each dense layer but the last."""
    batch_normalization: bool = True
    """Whether each convolution's output is normalized over the global batch (of all workers) before the activation."""

    @property
    def convolutions(self) -> Convolutions:
        """What the network is made of."""
        stages = tuple(multiplied(filters, self.width) for filters in self.filters)
        return Convolutions(
            stem=stages[0],
            stem_kernel=(self.kernel_size, self.kernel_size),
            stem_stride=1,
            stages=stages,
            blocks=self.blocks,
            kernel=self.kernel_size,
            hidden_units=tuple(multiplied(units, self.width) for units in self.hidden_units),
            residual=self.residual,
            depthwise=self.depthwise,
            batch_normalization=self.batch_normalization,
            activation=self.activation,
        )

    def shallower(self) -> Self | None:
        """With one block fewer in each stage, or, where each has but one, without the last stage. See ModelKind."""
        if self.blocks > 1:
            return self.model_copy(update={"blocks": self.blocks - 1})
        return self.model_copy(update={"filters": self.filters[:-1]}) if self.filters[1:] else None


class ResNet8(Convolutional):
    """ResNet-8, MLPerf Tiny's network for small images (Banbury et al., arXiv:2106.07597): three residual stages of
    16, 32 and 64 filters. For images of 32 x 32 x 3 in 10 classes it has 78,666 weights."""

    FILTERS: ClassVar[tuple[int, ...]] = (16, 32, 64)

    @property
    def convolutions(self) -> Convolutions:
        """What the network is made of."""
        stages = tuple(multiplied(filters, self.width) for filters in self.FILTERS)
        return Convolutions(stages[0], (3, 3), 1, stages, blocks=1, kernel=3, residual=True)


class DsCnn(Convolutional):
    """DS-CNN, MLPerf Tiny's network for spoken words (Banbury et al., arXiv:2106.07597; Zhang et al.,
    arXiv:1711.07128): a convolution of 10 x 4 with stride 2, then separable ones, all of 64 filters. For 49 x 10 x 1
    (time, frequency) in 12 classes it has 24,908 weights."""

    FILTERS: ClassVar[int] = 64

    blocks: Annotated[int, Field(ge=1, le=64)] = 4
    """Separable convolutions."""

    @property
    def convolutions(self) -> Convolutions:
        """What the network is made of."""
        filters = multiplied(self.FILTERS, self.width)
        return Convolutions(filters, (10, 4), 2, (filters,), self.blocks, kernel=3, depthwise=True)

    def shallower(self) -> Self | None:
        """With one block fewer. See ModelKind."""
        return self.model_copy(update={"blocks": self.blocks - 1}) if self.blocks > 1 else None
