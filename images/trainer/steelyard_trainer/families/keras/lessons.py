"""Trains a network where a technique of compression is applied: with step, loop and checkpoints of the stage
train, on as many workers. Imports the family's other parts.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.training import Cosine, EarlyStopping, LearningRateSchedule, Training
from steelyard.contract.stages import ExitCode, Reason
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, HowTrained, StepData
from steelyard_trainer.data.search_rows import set_aside
from steelyard_trainer.families.keras.batches import Batch, Batches, share
from steelyard_trainer.families.keras.checkpoints import Checkpoints
from steelyard_trainer.families.keras.epoch_metrics import EpochMetrics
from steelyard_trainer.families.keras.loop import Loop, Validation
from steelyard_trainer.families.keras.networks import TrainingNetwork
from steelyard_trainer.families.keras.optimizers import build_optimizer
from steelyard_trainer.families.keras.step import Lesson, Stepper, WeightRule
from steelyard_trainer.families.keras.teacher import Teacher

LEAST_STEPS = 3_000
"""Of a training whose epochs nobody has said. A student of a small table has too few otherwise, however many epochs its
teacher needed: of the digits, one of an eighth of the width of a small convolutional network lost 35 points after 420
steps, 17 after 1,500 and 6 after 3,000; those of a wide network of dense layers, and of a table of 341 rows, neither
gained nor lost after 1,500. It ends early where more do no good (`benchmarks/compression.py`)."""


def epochs_of(training: Training, rows: int, times: float, least_steps: int = LEAST_STEPS) -> int:
    """How many epochs a network learns, at most, where the settings of a technique do not say.

    Args:
        training: the job's.
        rows: that it learns.
        times: what the job's epochs are multiplied by; there are more where they have too few steps.
        least_steps: how many are enough.
    """
    steps = math.ceil(rows / (training.batch_size * training.workers))
    return max(1, round(training.epochs * times), math.ceil(least_steps / steps))


@dataclass(frozen=True)
class Rows:
    """Rows as a network learns them."""

    features: NDArray[Any]
    """float32 (rows, width)."""
    targets: NDArray[Any]
    """(rows,): int32 class indices, or the standardized target, float32."""


@dataclass(frozen=True)
class LessonRows:
    """The training set, cut for a lesson."""

    learned: Rows
    weights: NDArray[np.float32]
    """How much each learned row counts."""
    search: Rows
    """Say which epoch is the best, and when to stop; none where there are too few rows."""

    @classmethod
    def of(cls, data: StepData, how_trained: HowTrained) -> "LessonRows":
        """Reads the training set and the search rows; where none were set aside before the network was trained, some
        are now, which it has learned: twice the size of the set while it is cut."""

        def as_learned(features: NDArray[Any], targets: NDArray[Any]) -> Rows:
            own_unit = data.unit.standardized(targets).astype(np.float32) if data.unit else targets.astype(np.int32)
            return Rows(features, own_unit)

        examples = data.read_training()
        if data.read_search is not None:
            steering = data.read_search()
            learned = as_learned(examples.features, examples.targets)
            search = as_learned(steering.features, steering.targets)
        else:
            rows, others = set_aside(examples.targets, data.classes, how_trained.training.seed)
            learned, search = (as_learned(examples.features[part], examples.targets[part]) for part in (rows, others))
        return cls(learned, how_trained.row_weights(learned.targets), search)


@dataclass(frozen=True)
class TaughtBatches(Batches):
    """Batches in which every row's features are a little different in every epoch, and the teacher is asked each time.
    Targets: float32 (batch_size, 1 + outputs), the label and the teacher's outputs."""

    teacher: Teacher
    noise: NDArray[np.float32]
    """Standard deviation of what is added to each feature, shape (width,)."""

    @classmethod
    def of(cls, batches: Batches, teacher: Teacher, noise: float) -> Batches:
        """The batches with the teacher's outputs beside the labels.

        Args:
            batches: their targets are the labels.
            teacher: asked once for all rows where there is no noise.
            noise: in standard deviations of each feature; none of one that has two values only, as categories have.
        """
        if noise == 0:
            return replace(batches, targets=beside(batches.targets, teacher.outputs(batches.features)))
        features = batches.features
        deviations = features.std(axis=0, dtype=np.float64).astype(np.float32)
        is_of_two = ((features == features.min(axis=0)) | (features == features.max(axis=0))).all(axis=0)
        return cls(**vars(batches), teacher=teacher, noise=np.where(is_of_two, 0, np.float32(noise) * deviations))

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """See Batches. Each worker asks the teacher of all rows of a step, so that all see the same, and the same as
        one worker alone."""
        whole = Batches(self.features, self.targets, self.row_weights, self.workers * self.batch_size, 1, 0, self.seed)
        own = slice(self.worker * self.batch_size, (self.worker + 1) * self.batch_size)
        for step, batch in enumerate(whole.epoch(epoch, first_step), first_step):
            drawn = np.random.default_rng([self.seed, epoch, step, 1]).standard_normal(batch.features.shape, np.float32)
            features = batch.features + drawn * self.noise
            targets = beside(batch.targets, self.teacher.outputs(features))
            yield Batch(features[own], targets[own], batch.weights[own], batch.mask[own], batch.step_weight)


@dataclass(frozen=True)
class Course:
    """How long a network learns, and how fast."""

    spec: Training
    """Of one worker, whose batch is that of all."""
    ends_early: bool
    """Whether the best epoch of the search rows counts; else the last one does."""

    @classmethod
    def of(
        cls,
        training: Training,
        rows: int,
        *,
        times_epochs: float,
        times_rate: float,
        least_steps: int = LEAST_STEPS,
        epochs: int | None,
        learning_rate: float | None,
        ends_early: bool = True,
        falls: bool = False,
    ) -> "Course":
        """The job's own training, longer or shorter.

        Args:
            training: the job's.
            rows: that are learned.
            times_epochs: what its epochs are multiplied by, where `epochs` is not given; see `epochs_of`.
            times_rate: what its learning rate is multiplied by, where `learning_rate` is not given.
            least_steps: see `epochs_of`.
            epochs: at most.
            learning_rate: the step size.
            ends_early: whether it ends when a fifth of the epochs (at least five) have not made it better.
            falls: whether the learning rate falls to 0, along half a cosine; else it goes as the job's does.
        """
        epochs = epochs or epochs_of(training, rows, times_epochs, least_steps)
        rate = learning_rate or min(100.0, training.optimizer.learning_rate * times_rate)
        update = {
            "workers": 1,
            # The same global batch.
            "batch_size": training.batch_size * training.workers,
            "epochs": epochs,
            "optimizer": training.optimizer.model_copy(update={"learning_rate": rate}),
            "early_stopping": EarlyStopping(monitor="val_loss", patience=max(5, -(-epochs // 5))),
        }
        if falls:
            update["learning_rate_schedule"] = LearningRateSchedule(cosine=Cosine())
        return cls(training.model_copy(update=update), ends_early)


def learn(
    network: TrainingNetwork,
    batches: Callable[[Batches], Batches],
    rows: LessonRows,
    course: Course,
    data: StepData,
    name: str,
    lesson: Lesson | None = None,
    rule: Callable[[keras.optimizers.Optimizer, int], WeightRule] | None = None,
) -> int:
    """Trains a network, or goes on where an attempt before this one was; leaves it with the best epoch's weights.

    Args:
        network: with its first weights.
        batches: what the batches of labels become, as the lesson wants them.
        rows: what it learns from.
        course: how long.
        data: the step's.
        name: of the network, in progress lines.
        lesson: see Stepper.
        rule: makes the rule of the weights (see Stepper) from the optimizer and the number of all steps.

    Returns:
        How much work it was: rows x epochs x weights.

    Raises:
        CannotBeMadeError: the loss was not finite.
        SteelyardError: another process was started in this one's place (AttemptSuperseded), or worker 0 goes on from
            another step (WorkerLost).
    """
    spec, searched, together = course.spec, rows.search, data.together
    workers, worker = together.workers, together.worker
    learned, own_batch = rows.learned, spec.batch_size // workers
    labelled = Batches(learned.features, learned.targets, rows.weights, own_batch, workers, worker, spec.seed)
    with together.scope():
        optimizer = build_optimizer(spec, labelled.steps)
        made = rule(optimizer, spec.epochs * labelled.steps) if rule else None
        stepper = Stepper(network, optimizer, together.strategy, lesson=lesson, rule=made)
    is_searched = course.ends_early and len(searched.targets) > 0
    own = share(len(searched.targets), workers, worker)
    loop = Loop(
        spec=spec,
        model=network.model,
        optimizer=optimizer,
        stepper=stepper,
        batches=batches(labelled),
        validation=Validation(searched.features[own], searched.targets[own], len(searched.targets))
        if is_searched
        else None,
        checkpoints=Checkpoints(data.unfinished, "lesson", data.check_attempt),
        metric="accuracy" if data.classes else "mae",
        metric_scale=data.unit.scale if data.unit else 1.0,
        metrics=EpochMetrics((), None, searched.targets, None),
        report=lambda epoch, figures: data.progress(epoch, spec.epochs, f"epochs of {name}", figures),
        is_leaving=together.is_leaving,
        wants_checkpoint=together.wants_checkpoint,
    )
    loop.resume()
    _meet(loop, stepper, worker)
    try:
        loop.run()
    except ConfigurationError as error:
        if error.reason != Reason.LOSS_NOT_FINITE:
            raise
        raise CannotBeMadeError(
            f"its training diverged: the loss was not finite in epoch {loop.state.epoch}; a lower learningRate may help"
        ) from None
    return len(rows.learned.targets) * loop.state.epoch * int(network.model.count_params())


def _meet(loop: Loop, stepper: Stepper, worker: int) -> None:
    """All workers go on from the same step; waits for all of them. A worker that is done already puts the network in
    place of the checkpoints, and one that looked for them later would begin anew, alone.

    Raises SteelyardError (WorkerLost) where worker 0 goes on from another step: a shared storage may be late.
    """
    (first,) = stepper.sum(np.array([float(loop.steps_done if worker == 0 else 0)]))
    if first != loop.steps_done:
        raise SteelyardError(
            f"worker {worker} found the checkpoint after step {loop.steps_done}, worker 0 that after step {first:.0f}",
            reason=Reason.WORKER_LOST,
            exit_code=ExitCode.TRY_AGAIN,
        )


def beside(labels: NDArray[Any], outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Targets (rows, 1 + outputs) of a lesson by a teacher: the labels (rows,), then its outputs (rows, outputs)."""
    return np.hstack([labels[:, np.newaxis].astype(np.float32), outputs])
