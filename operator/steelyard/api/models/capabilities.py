"""What a kind of model can do, said once and beside the kind: whoever must know what goes with a model reads it here,
and nobody asks which library it is of. Imports the api only.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from steelyard.api.base import Part
from steelyard.api.forms import CompressionObjective, Form, TechniqueName
from steelyard.api.metrics import TASKS, Task


@dataclass(frozen=True)
class Family:
    """Models that the same code trains: the folder `steelyard_trainer/families/NAME`."""

    name: str
    noun: str
    """One of its models where a person reads, after "a"."""
    plural: str
    baseline_form: str
    """What the model without compression is called: the form in which it is published."""
    trained_as: Form
    """What its models are before anything is made of them."""
    slow_library: str = ""
    """What takes its processes seconds to start; empty where nothing does."""


@dataclass(frozen=True)
class Capabilities:
    """Of one kind of model."""

    family: Family
    candidates: tuple[TechniqueName, ...]
    """What is made of it beside the baseline, where the manifest does not choose: what needs no training."""
    compression_objective: CompressionObjective
    """What is best of its candidates, where the manifest does not say."""
    has_epochs: bool = False
    """Whether it is trained in epochs, of batches, with an optimizer and checkpoints."""
    has_workers: bool = False
    """Whether several processes can train it together."""
    has_folds: bool = False
    """Whether it can be cross-validated."""
    is_fitted_anew: bool = False
    """Whether it is fitted again, to the same last bit, where its file is wanted and was not kept."""
    is_searched: bool = False
    """Whether a search may say what is made of it (compression.candidates: [Auto])."""
    weighs_classes: bool = False
    """Whether weights of classes do something."""
    tasks: tuple[Task, ...] = TASKS

    @property
    def only_task(self) -> Task | None:
        """Its task where it has no other."""
        return self.tasks[0] if len(self.tasks) == 1 else None


@dataclass(frozen=True)
class Features:
    """What a table's columns are to a model, once they are known."""

    inputs: Mapping[str, int]
    """How many values each feature becomes: a number one, a category one for each of its words."""
    categories: Collection[str]
    """Those of the features that are categories."""


class ModelKind(Part):
    """What a model's settings share."""

    capabilities: ClassVar[Capabilities]
    """What models of the kind can do; where its settings decide, those of the first of `variants`."""
    variants: ClassVar[Mapping[str, Capabilities]] = {}
    """Of a kind whose field `framework` decides what it can do: by what that may be."""

    @property
    def can(self) -> Capabilities:
        """What a model of these settings can do."""
        return self.capabilities

    @property
    def widths(self) -> tuple[int, ...]:
        """Of its layers but the last; none where it has no layers."""
        return ()

    def narrowed(self, factor: float) -> Self | None:  # noqa: ARG002 - what has no widths has no use for it
        """The same kind of model with its widths multiplied: a student of it.

        Args:
            factor: above 0, at most 1. A width is rounded to the nearest whole number, halves up; it is never below 1
                and never above what it is now.

        Returns:
            The student; None where no width becomes smaller.

        Raises:
            ValueError: the factor is not above 0 and at most 1.
        """
        return None

    def misfit(self, features: Features) -> tuple[str, str] | None:  # noqa: ARG002 - most take any
        """Why the model can't take a table's features: the field at fault and what is wrong; None where it can."""
        return None

    def shallower(self) -> Self | None:
        """The same kind of model with the next fewer blocks or layers: a student of it; None where it has no fewer."""
        return None
