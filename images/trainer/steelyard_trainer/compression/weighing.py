"""Weighs what a manifest asks for: makes and measures the candidates of a model, and chooses. Imports steelyard.api,
the candidates and the choice; a family's bench says what they are made of.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from steelyard.api.errors import DataError
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.report import TrainingReport
from steelyard.contract.stages import Reason
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.candidates import Candidates
from steelyard_trainer.compression.choice import Choice, choose
from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.data.splitting import SplitName


class Bench(Protocol):
    """Where one trained model is weighed, judged and packed. Each family has its own."""

    @property
    def candidates(self) -> Candidates:
        """What is made of the model, and measured."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What turns raw rows into the model's features: published with it."""

    def read(self, splits: Sequence[SplitName]) -> Labelled:
        """The rows of some parts, as the model takes them."""

    def write(self, folder: Path, chosen: Artifact, baseline: Artifact) -> None:
        """Writes what is published of the model: the chosen candidate, and what one goes on training with."""

    def training(self, document: Mapping[str, Any]) -> TrainingReport:
        """What steelyard.json says of the training, from training.json."""

    def packages(self) -> dict[str, str]:
        """The versions of the libraries that made the model, beside numpy and scikit-learn."""


def weigh(
    candidates: Candidates, spec: TrainingJobSpec, report: Callable[[int, int], None] = lambda _done, _total: None
) -> Choice:
    """The choice among a model's candidates that the manifest asks for, on the validation set.

    Args:
        candidates: what is made of the model.
        spec: the job's; its `compression` says what is tried and what may be lost.
        report: called with how many are finished, and how many there are.

    Raises:
        DataError: the model's outputs are not finite numbers.
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
    """
    measured = candidates.measure(lambda done: report(done, len(candidates.recipes)))
    if measured[0].figures is None:
        raise DataError("the model's outputs are not finite numbers", reason=Reason.LOSS_NOT_FINITE)
    compression = spec.compression
    return choose(
        measured,
        spec.measure(candidates.measuring.task),
        compression.max_metric_drop if compression else 0.0,
        spec.compression_objective,
        baseline_name(spec),
    )


def baseline_name(spec: TrainingJobSpec) -> str:
    """What the model without compression is called."""
    return spec.model.capabilities.family.baseline_form
