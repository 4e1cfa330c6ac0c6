"""The epochs of a training: steps, validation, checkpoints, early stopping, resume. Imports the family's other parts.

Every worker runs the same loop over the same figures, which every step reduces over all workers, and so all take the
same decisions without talking about them.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from steelyard.api.errors import ConfigurationError, SteelyardError
from steelyard.api.metrics import Measure, unique
from steelyard.api.training import Training
from steelyard.contract.stages import ExitCode, Reason
from steelyard.contract.step_values import single
from steelyard_trainer import pulse
from steelyard_trainer.families.keras.batches import Batches, share
from steelyard_trainer.families.keras.checkpoints import Checkpoint, Checkpoints, TrainingState
from steelyard_trainer.families.keras.epoch_metrics import EpochMetrics
from steelyard_trainer.families.keras.own.metrics import OwnMetrics
from steelyard_trainer.families.keras.step import Stepper
from steelyard_trainer.families.keras.stopping import Progression
from steelyard_trainer.families.keras.trial_steps import TrialSteps, shown


@dataclass(frozen=True)
class Validation:
    """This worker's share of the validation set."""

    features: NDArray[Any]
    targets: NDArray[Any]
    rows: int
    """Rows of all workers' shares together."""


@dataclass
class Loop:
    """A training of one worker. `run` leaves the model with the best epoch's weights."""

    spec: Training
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    stepper: Stepper
    batches: Batches
    validation: Validation | None
    """None where that part is trained on: the last epoch is the one that counts then."""
    checkpoints: Checkpoints
    metric: str
    """The name of the figure beside the loss: accuracy or mae."""
    metric_scale: float
    """What turns the step's metric into the target's unit; 1 for accuracy."""
    metrics: EpochMetrics
    """What else is told of the validation set after each epoch."""
    report: Callable[[int, dict[str, float]], None]
    """Called by every worker after each epoch (from 1) with its figures."""
    is_leaving: Callable[[], bool]
    """Whether this process was asked to end."""
    wants_checkpoint: Callable[[], bool] = lambda: False
    """Whether a checkpoint was asked for since the last call."""
    trial: TrialSteps | None = None
    """What a trial reports, and when it gives up."""
    epochs: int | None = None
    """Epochs that are trained; default: those of the spec, by which a schedule goes either way."""
    own_metrics: OwnMetrics | None = None
    """The user's, told beside the others."""
    has_own_optimizer: bool = False
    """Whether the user's model is compiled with the optimizer."""

    state: TrainingState = field(default_factory=TrainingState)
    _best: list[NDArray[Any]] = field(default_factory=list)
    _last_checkpoint: float = field(default_factory=time.monotonic)
    _began: float = field(default_factory=time.monotonic)

    @property
    def steps_done(self) -> int:
        """Steps of all epochs so far."""
        return self.state.epoch * self.batches.steps + self.state.step

    @property
    def is_pruned(self) -> bool:
        """Whether the trial gave up."""
        return self.trial is not None and self.trial.should_stop(self.state.reports)

    @property
    def seconds(self) -> float:
        """How long the training took so far, with what was before a checkpoint."""
        return self.state.seconds + time.monotonic() - self._began

    def resume(self) -> bool:
        """Takes everything from the newest checkpoint; returns whether there was one."""
        if (checkpoint := self.checkpoints.latest()) is None:
            return False
        self._check_is_of_this_model(checkpoint)
        self.state, self._best = checkpoint.state, checkpoint.best
        for variable, value in zip(self._variables(), checkpoint.variables, strict=True):
            variable.assign(value)
        return True

    def _check_is_of_this_model(self, checkpoint: Checkpoint) -> None:
        """A user's function may build another model than it did before."""
        own = [(variable.path, tuple(variable.shape)) for variable in self._variables()]
        known = [value.shape for value in checkpoint.variables]
        if [shape for _, shape in own] == known:
            return
        what = f"it holds {len(known)} arrays, the model and its optimizer have {len(own)}"
        if len(known) == len(own):
            path, here, there = next((p, h, t) for (p, h), t in zip(own, known, strict=True) if h != t)
            what = f"{path} has the shape {there} there and {here} here"
        raise ConfigurationError(
            f"the checkpoint of an earlier attempt is of another model: {what}. From the same manifest and code the "
            "same model must be built each time; to begin anew: --force, or another workspace"
        )

    def run(self) -> Progression:
        """Trains to the last epoch, or until it stops early or gives up.

        Raises:
            ConfigurationError: the loss is not finite (reason LossNotFinite).
            SteelyardError: the process was asked to end (exit code 75); worker 0 has written a checkpoint.
        """
        progression = Progression.to_the_end()
        if self.validation is not None:
            progression = Progression.of(self.spec.early_stopping, self.metrics.decides)
        if self.state.progression:
            progression = Progression(**self.state.progression)
        self._place_random_generators()
        epochs = self.epochs or self.spec.epochs
        while self.state.epoch < epochs and not (progression.should_stop(self.state.epoch) or self.is_pruned):
            self._train_epoch()
            self._end_epoch(progression)
        for variable, value in zip(_without_random_state(self.model.variables), self._best, strict=True):
            variable.assign(value)
        return progression

    def _train_epoch(self) -> None:
        first = self.state.step
        for batch in self.batches.epoch(self.state.epoch, first):
            pulse.step()
            figures = self.stepper.train(batch).numpy()
            pulse.step()
            self._add({"loss": figures[0], self.metric: figures[1]}, batch.step_weight)
            self.state.step += 1
            # The last step's checkpoint waits until the epoch has been evaluated.
            if self.state.step < self.batches.steps:
                self._leave_if_asked()
                self._checkpoint_if_due()

    def _add(self, figures: dict[str, float], weight: float) -> None:
        sums = self.state.sums
        for name, value in figures.items():
            sums[name] = sums.get(name, 0.0) + float(value) * weight
        sums["weight"] = sums.get("weight", 0.0) + weight

    def _end_epoch(self, progression: Progression) -> None:
        weight = self.state.sums.pop("weight")
        figures = {name: total / weight for name, total in self.state.sums.items()}
        if self.validation is not None:
            figures |= self._validate(self.validation)
        # A metric of the user's own may be called alike, and is in the target's unit already.
        for name in figures.keys() & {self.metric, f"val_{self.metric}"}:
            figures[name] *= self.metric_scale
        self.state.epoch, self.state.step, self.state.sums = self.state.epoch + 1, 0, {}
        self._refuse_not_finite(figures)
        for name, value in figures.items():
            self.state.history.setdefault(name, []).append(value)
        if progression.observe(self.state.epoch, figures):
            self._best = _values(self.model.variables)
        self.state.progression = progression.state()
        self.report(self.state.epoch, figures | shown(self.state.reports))
        self._leave_if_asked()
        self._checkpoint_if_due()

    def _validate(self, part: Validation) -> dict[str, float]:
        """The figures of the validation set; all in their own unit but the one that `metric_scale` turns into it."""
        epoch, reported = self.state.epoch + 1, []
        if self.trial is not None and self.trial.is_reported(epoch):
            reported = [self.trial.trial.measure]
        loss, metric, penalty, values, own = self._measure(part, unique([*self.metrics.told, *reported]))
        self.state.reports += [(epoch, single(values[measure])) for measure in reported]
        figures = {"val_loss": loss + penalty, f"val_{self.metric}": metric}
        told = {f"val_{measure.metric}": values[measure] for measure in self.metrics.told}
        return {**told, **{f"val_{name}": value for name, value in own.items()}, **figures}

    def _measure(
        self, part: Validation, measures: list[Measure]
    ) -> tuple[float, float, float, dict[Measure, float], dict[str, float]]:
        """Loss, metric and penalties of the step, and these metrics and the user's: those that are no sums by worker 0,
        from all workers' outputs."""
        if self.own_metrics is None and all(map(self.metrics.is_of_sums, measures)):
            loss, metric, penalty = self.stepper.evaluate(part.features, part.targets, part.rows)
            return loss, metric, penalty, self.metrics.values(measures, loss, metric), {}
        # Each worker fills in its share, and their sum has all.
        outputs = np.zeros((part.rows, self.stepper.outputs), np.float32)
        own = share(part.rows, self.batches.workers, self.batches.worker)
        loss, metric, penalty = self.stepper.evaluate(part.features, part.targets, part.rows, outputs[own])
        together = self.stepper.sum(outputs)
        wanted = [measure for measure in measures if not self.metrics.is_of_sums(measure)]
        found = self.metrics.values_of_outputs(wanted, together) if self.batches.worker == 0 else {}
        shared = self.stepper.sum(np.array([found.get(measure, 0.0) for measure in wanted]))
        values = dict(zip(wanted, map(float, shared), strict=True))
        return loss, metric, penalty, {**self.metrics.values(measures, loss, metric), **values}, self._own(together)

    def _own(self, outputs: NDArray[Any]) -> dict[str, float]:
        """The user's metrics, which worker 0 computes."""
        if self.own_metrics is None:
            return {}
        names = self.own_metrics.names
        found = self.own_metrics.values(outputs) if self.batches.worker == 0 else [0.0] * len(names)
        return dict(zip(names, map(float, self.stepper.sum(np.array(found))), strict=True))

    def _refuse_not_finite(self, figures: dict[str, float]) -> None:
        what = f"spec.training.optimizer.learningRate (it is {self.spec.optimizer.learning_rate:g})"
        if self.has_own_optimizer:
            what = f"the learning rate of the {type(self.optimizer).__name__} that the model is compiled with"
        for name, value in figures.items():
            if not math.isfinite(value):
                raise ConfigurationError(
                    f"{name} became {value} in epoch {self.state.epoch}: the training diverged, nothing is published; "
                    f"lower {what}",
                    reason=Reason.LOSS_NOT_FINITE,
                )

    def _checkpoint_if_due(self) -> None:
        every_steps = self.spec.checkpoint.every_steps
        is_due = time.monotonic() - self._last_checkpoint >= self.spec.checkpoint.every_seconds
        is_asked_for = self.wants_checkpoint()
        if is_asked_for or is_due or (every_steps is not None and self.steps_done % every_steps == 0):
            self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        self._last_checkpoint = time.monotonic()
        if self.batches.worker == 0:
            state = replace(self.state, seconds=self.seconds)
            self.checkpoints.write(self.steps_done, Checkpoint(state, _values(self._variables()), self._best))

    def _leave_if_asked(self) -> None:
        if self.is_leaving():
            self._write_checkpoint()
            raise SteelyardError(
                f"asked to end after step {self.steps_done}", reason=Reason.INTERRUPTED, exit_code=ExitCode.TRY_AGAIN
            )

    def _variables(self) -> list[Any]:
        return [*_without_random_state(self.model.variables), *self.optimizer.variables]

    def _place_random_generators(self) -> None:
        """Sets dropout's generators to what an uninterrupted run has at this step; each worker has its own stream."""
        for number, layer in enumerate(self.model.layers):
            if (generator := getattr(layer, "seed_generator", None)) is not None:
                stream = np.random.SeedSequence([self.spec.seed, number, self.batches.worker]).generate_state(1)[0]
                generator.state.assign(np.array([stream % 2**31, self.steps_done], generator.state.dtype))


def _without_random_state(variables: list[Any]) -> list[Any]:
    return [variable for variable in variables if "seed_generator" not in variable.path]


def _values(variables: list[Any]) -> list[NDArray[Any]]:
    return [np.array(variable) for variable in _without_random_state(variables)]
