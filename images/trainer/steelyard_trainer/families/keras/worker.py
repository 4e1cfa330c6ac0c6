"""`train`: the TensorFlow process of one worker. Imports the family's other parts.

Leaves the trained model and its history in the workspace (worker 0) and ends as the contract says.
"""

import os
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import ExitCode, Reason
from steelyard.contract.summaries import TrainSummary
from steelyard.contract.trial_report import TrialReport, short_error
from steelyard.search.best import leaves_model
from steelyard.texts.figures import counted
from steelyard_trainer import pulse
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.data.reading import Examples, PreparedDataset
from steelyard_trainer.families.keras.assembly import assembled, check_workers_alike, served_network
from steelyard_trainer.families.keras.batches import Batches, share
from steelyard_trainer.families.keras.checkpoints import Checkpoints
from steelyard_trainer.families.keras.epoch_metrics import EpochMetrics
from steelyard_trainer.families.keras.loop import Loop, Validation
from steelyard_trainer.families.keras.networks import TrainingNetwork
from steelyard_trainer.families.keras.repeatable import make_repeatable
from steelyard_trainer.families.keras.row_weights import row_weights
from steelyard_trainer.families.keras.step import Stepper
from steelyard_trainer.families.keras.stopping import Progression
from steelyard_trainer.families.keras.trial_steps import TrialSteps
from steelyard_trainer.gang.member import CLUSTER
from steelyard_trainer.trained import finished_training, leave_document

LOST_PEER_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
CHIEF_LEAVES_FIRST_SECONDS = 1.0
"""How long other workers go on after SIGTERM, so that worker 0, asked at the same time, can write a checkpoint."""


def train(context: StageContext) -> Outcome:
    """Trains, or goes on training, this worker's part.

    Raises:
        ConfigurationError: the loss is not finite.
        SteelyardError: a peer was lost, the process was asked to end, or another was started in its place (exit code
            75); the model is not good enough (10), where no stage follows that judges it.
    """
    on_end = signal.getsignal(signal.SIGTERM)
    strategy = connect()
    pulse.beat()
    requests = Requests.listen(context.worker)
    try:
        dataset = PreparedDataset.of(context)
        if strategy is None or not context.job.spec.trains_candidates:
            return train_on(context, dataset, strategy, requests)
        return _train_all(context, dataset, strategy, requests, on_end)
    except OSError:
        # The process that was started in this one's place may have removed its files.
        context.check_attempt()
        raise
    except LOST_PEER_ERRORS as error:
        raise SteelyardError(
            f"another worker was lost: {type(error).__name__}", reason=Reason.WORKER_LOST, exit_code=ExitCode.TRY_AGAIN
        ) from error


def connect() -> tf.distribute.Strategy | None:
    """Fixes what makes a run repeatable, then joins the other workers; None for a worker on its own."""
    make_repeatable()
    if CLUSTER not in os.environ:
        return None
    return tf.distribute.MultiWorkerMirroredStrategy()


@dataclass
class Requests:
    """What this process was asked for by signals: SIGTERM to end, SIGUSR1 for a checkpoint."""

    patience_seconds: float
    """How long it goes on after SIGTERM."""
    _asked_to_leave_at: float | None = None
    _asked_for_checkpoint: bool = False

    @classmethod
    def listen(cls, worker: int) -> "Requests":
        """Installs the handlers; after the strategy, which installs one that swallows SIGTERM."""
        requests = cls(0.0 if worker == 0 else CHIEF_LEAVES_FIRST_SECONDS)
        signal.signal(signal.SIGTERM, requests.leave)
        signal.signal(signal.SIGUSR1, requests._write_checkpoint)
        return requests

    def is_leaving(self) -> bool:
        """Whether it is time to end."""
        asked_at = self._asked_to_leave_at
        return asked_at is not None and time.monotonic() - asked_at >= self.patience_seconds

    def wants_checkpoint(self) -> bool:
        """Whether a checkpoint was asked for since the last call."""
        asked, self._asked_for_checkpoint = self._asked_for_checkpoint, False
        return asked

    def leave(self, _signal: int, _frame: object) -> None:
        """On SIGTERM."""
        if self._asked_to_leave_at is None:
            self._asked_to_leave_at = time.monotonic()

    def _write_checkpoint(self, _signal: int, _frame: object) -> None:
        self._asked_for_checkpoint = True


def _train_all(
    context: StageContext, dataset: PreparedDataset, strategy: tf.distribute.Strategy, requests: Requests, on_end: Any
) -> Outcome:
    """The model, unless an attempt before this one has, and then what is trained of its candidates."""
    # Brings the converter.
    from steelyard_trainer.families.keras.together import Crew, Word

    word = Word(strategy, context.worker)
    # Worker 0 says it for all: the others may see what it wrote a moment later.
    finished = finished_training(context, context.workspace.model_file) if context.worker == 0 else None
    if word.pass_on(finished is not None):
        outcome = finished or Outcome("trained before", {})
    else:
        outcome = train_on(context, dataset, strategy, requests)
        # The others read the model.
        word.pass_on()
    Crew(context, dataset, strategy, word, requests, on_end).make_candidates()
    return outcome


def train_on(
    context: StageContext, dataset: PreparedDataset, strategy: tf.distribute.Strategy | None, requests: Requests
) -> Outcome:
    """Trains, or goes on training, this worker's part of a job on its dataset. Raises as `train` does."""
    loop, network = build(context, dataset, strategy, requests)
    pulse.beat()
    if loop.resume():
        context.notice(f"goes on from the checkpoint after step {loop.steps_done}", "Resumed")
    progression = loop.run()
    summary = _summary(context, loop, progression)
    if loop.is_pruned:
        outcome = _give_up(context, loop, summary)
    else:
        outcome = Outcome(_told(context, loop, progression), summary)
        if context.worker == 0:
            model = served_network(context.job.spec, dataset, network)
            trial = context.job.spec.trial
            # It is compressed from its file.
            is_left = trial is not None and trial.secondary is not None
            if is_left:
                _leave_model(context, model)
            outcome = _judge(context, dataset, model, loop, outcome)
            is_to_be_left = leaves_model(context.job.spec, outcome.summary)
            if is_to_be_left and not is_left:
                _leave_model(context, model)
            elif is_left and not is_to_be_left:
                context.check_attempt()
                context.workspace.model_file.unlink()
    if context.worker == 0:
        leave_document(context, outcome, dataset, history=loop.state.history)
    return outcome


def _told(context: StageContext, loop: Loop, progression: Progression) -> str:
    trained = f"trained {counted(loop.state.epoch, 'epoch')}"
    if context.job.spec.is_refit:
        return f"{trained} on the training and validation sets"
    return f"{trained}; the best is epoch {progression.best_epoch}"


def _judge(
    context: StageContext, dataset: PreparedDataset, model: keras.Model, loop: Loop, outcome: Outcome
) -> Outcome:
    """Says how good the model is, where no stage finish says it."""
    spec = context.job.spec
    # Each brings scikit-learn, which only such jobs need here.
    if spec.trial is not None:
        from steelyard_trainer.families.keras.trial import judge_trial

        figure, secondary = judge_trial(context, dataset, model)
        epoch, steps = outcome.summary["bestEpoch"], tuple(loop.state.reports)
        report = TrialReport(
            spec.trial.number,
            "Complete",
            figure.value,
            steps,
            secondary,
            epoch,
            loop.seconds,
            standard_error=short_error(figure.standard_error),
        )
        message = f"{outcome.message}; {spec.trial.measure.name} {figure.value:.6g} on the validation set"
        return Outcome(message, {**outcome.summary, "trial": report.to_json()})
    if not spec.has_finish:
        from steelyard_trainer.families.keras.judge import judge_baseline

        return Outcome(outcome.message, {**outcome.summary, **judge_baseline(context, dataset, model)})
    return outcome


def _give_up(context: StageContext, loop: Loop, summary: dict[str, Any]) -> Outcome:
    """The end of a trial that is hopeless: it leaves no model."""
    trial = context.job.spec.trial
    assert trial is not None
    epoch, value = loop.state.reports[-1]
    steps = tuple(loop.state.reports)
    report = TrialReport(trial.number, "Pruned", value, steps, epoch=summary["bestEpoch"], seconds=loop.seconds)
    worst = next(limit.value for limit in trial.limits if limit.step == epoch)
    message = f"gave up after epoch {epoch}: {trial.measure.name} {value:.6g} is worse than {worst:.6g}"
    return Outcome(message, {**summary, "trial": report.to_json()}, Reason.PRUNED)


def build(
    context: StageContext, dataset: PreparedDataset, strategy: tf.distribute.Strategy | None, requests: Requests
) -> tuple[Loop, TrainingNetwork]:
    """Everything that a training needs, ready to resume or run."""
    spec = context.job.spec
    keras.utils.set_random_seed(spec.training.seed)
    training = dataset.read_parts(dataset.learned(is_refit=spec.is_refit))
    validation = None if spec.is_refit else dataset.read("validation")
    targets = validation.targets if validation else np.empty(0)
    batches = Batches(
        features=training.features,
        targets=_standardized(training, dataset),
        row_weights=row_weights(training.targets, dataset.classes, spec.training.class_weights),
        batch_size=spec.training.batch_size,
        workers=spec.training.workers,
        worker=context.worker,
        seed=spec.training.seed,
    )
    check_workers_alike(context, dataset, training.features, strategy)
    with strategy.scope() if strategy else nullcontext():
        made = assembled(context, dataset, training.features, batches.steps, targets)
        smoothing = spec.training.label_smoothing
        stepper = Stepper(made.network, made.optimizer, strategy, smoothing, judge=made.judge)
    checkpoints = Checkpoints(context.workspace.checkpoints, context.work_key, context.check_attempt)
    if context.worker == 0:
        checkpoints.clear_others()
    loop = Loop(
        spec=spec.training,
        model=made.network.model,
        optimizer=made.optimizer,
        stepper=stepper,
        batches=batches,
        validation=_own_validation(context, validation, dataset) if validation else None,
        checkpoints=checkpoints,
        metric="accuracy" if dataset.classes else "mae",
        metric_scale=dataset.preprocessing.target_scale,
        report=_reporter(context),
        is_leaving=requests.is_leaving,
        wants_checkpoint=requests.wants_checkpoint,
        metrics=replace(
            EpochMetrics.of(
                spec,
                targets,
                dataset.classes,
                dataset.preprocessing.target_mean,
                dataset.preprocessing.target_scale,
            ),
            has_own_loss=made.judge is not None,
        ),
        trial=TrialSteps(spec.trial) if spec.trial and validation else None,
        epochs=spec.trained.epochs if spec.trained else None,
        own_metrics=made.metrics,
        has_own_optimizer=made.has_own_optimizer,
    )
    return loop, made.network


def _own_validation(context: StageContext, examples: Examples, dataset: PreparedDataset) -> Validation:
    """This worker's share."""
    own = share(len(examples.rows), context.job.spec.training.workers, context.worker)
    return Validation(examples.features[own], _standardized(examples, dataset)[own], len(examples.rows))


def _standardized(examples: Examples, dataset: PreparedDataset) -> NDArray[Any]:
    """Class indices as they are; numbers shifted and scaled to mean 0 and deviation 1 over the training set."""
    unit = dataset.preprocessing.target_unit
    return unit.standardized(examples.targets).astype(np.float32) if unit else examples.targets


def _reporter(context: StageContext) -> Callable[[int, dict[str, float]], None]:
    """Worker 0 reports for all: the figures are the same on every worker."""
    spec = context.job.spec
    total = (spec.trained.epochs if spec.trained else None) or spec.training.epochs

    def report(epoch: int, figures: dict[str, float]) -> None:
        if context.worker == 0:
            context.progress(epoch, total, "epochs", **figures)

    return report


def _summary(context: StageContext, loop: Loop, progression: Progression) -> dict[str, Any]:
    best = progression.best_epoch
    figures = {name: values[best - 1] for name, values in loop.state.history.items()}
    return TrainSummary(
        epochs=loop.state.epoch,
        best_epoch=best,
        steps=loop.steps_done,
        workers=context.job.spec.training.workers,
        # A trial has its own report, and may have little room beside it.
        metrics=None if context.job.spec.trial else figures,
    ).to_json()


def _leave_model(context: StageContext, model: keras.Model) -> None:
    """Writes model.keras."""
    for leftover in context.workspace.trained.glob("partial*.keras"):
        leftover.unlink(missing_ok=True)
    partial = context.workspace.trained / f"partial-{secrets.token_hex(4)}.keras"
    model.save(partial)
    context.check_attempt()
    partial.rename(context.workspace.model_file)
