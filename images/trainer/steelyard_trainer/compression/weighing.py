"""Weighs what a manifest asks for: makes and measures the candidates of a model, and chooses. Imports steelyard.api,
the candidates and the choice; a family's bench says what they are made of.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from steelyard.api.compression import BASELINE, Candidate
from steelyard.api.errors import DataError
from steelyard.api.metrics import Task
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.report import TrainingReport
from steelyard.contract.stages import Reason
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.candidates import Candidates
from steelyard_trainer.compression.choice import Choice, Measured, choose
from steelyard_trainer.contract import StageContext
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


def weigh(context: StageContext, bench: Bench, task: Task) -> Choice:
    """The choice among a model's candidates, on the validation set.

    Raises:
        DataError: the model's outputs are not finite numbers.
        SteelyardError: another process was started in this one's place (AttemptSuperseded).
    """
    names = candidates_of(context.job.spec)
    # The stage train counts epochs.
    shown = context.stage == "finish"
    measured = bench.candidates.measure(names, lambda done: _report(context, done, len(names)) if shown else None)
    if measured[0].figures is None:
        raise DataError("the model's outputs are not finite numbers", reason=Reason.LOSS_NOT_FINITE)
    return choice_of(context.job.spec, task, measured)


def candidates_of(spec: TrainingJobSpec) -> list[Candidate]:
    """What is weighed, the baseline first."""
    return [BASELINE, *(name for name in spec.candidates if name != BASELINE)]


def choice_of(spec: TrainingJobSpec, task: Task, measured: list[Measured]) -> Choice:
    """The choice that the manifest asks for; the baseline has finite figures."""
    compression = spec.compression
    return choose(
        measured,
        spec.measure(task),
        compression.max_metric_drop if compression else 0.0,
        spec.compression_objective,
        baseline_name(spec),
    )


def baseline_name(spec: TrainingJobSpec) -> str:
    """What the model without compression is called."""
    return spec.model.capabilities.family.baseline_form


def _report(context: StageContext, done: int, total: int) -> None:
    context.progress(done, total, "candidates")
