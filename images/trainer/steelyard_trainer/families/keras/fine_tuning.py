"""Goes on training a network that is trained, where a technique wants its weights otherwise. Imports Keras and the
family's other parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from steelyard.api.compression.techniques import FineTuning
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, StepData, Tell
from steelyard_trainer.families.keras.keras_file import write_keras
from steelyard_trainer.families.keras.lessons import LEAST_STEPS, Course, LessonRows, TaughtBatches, learn
from steelyard_trainer.families.keras.networks import TrainingNetwork
from steelyard_trainer.families.keras.step import WeightRule
from steelyard_trainer.families.keras.teacher import Teacher, opened, taught

TEMPERATURE = 3.0
"""As students have it by default."""


@dataclass(frozen=True)
class _AsItServes(TrainingNetwork):
    """Goes on without dropout, and with the statistics of batch normalization as they are: these are of more rows than
    a short training sees."""

    def __call__(self, features: Any, mask: Any, *, training: bool) -> Any:  # noqa: ARG002 - for whoever trains it
        return self.model(features, training=False)


def fine_tune(
    artifact: Artifact,
    settings: FineTuning,
    data: StepData,
    rule: Callable[[Sequence[keras.layers.Layer], keras.optimizers.Optimizer, int], WeightRule],
    tell: Tell,
    *,
    times_epochs: float,
    times_rate: float = 1.0,
    least_steps: int = LEAST_STEPS,
    ends_early: bool,
    name: str,
) -> Artifact:
    """A network with the weights that a rule allows, which learns from the trained one and from the labels.

    Args:
        artifact: a Keras model.
        settings: of the technique.
        data: the step's.
        rule: makes the rule from the layers, the optimizer and the number of all steps.
        tell: is told that it begins.
        times_epochs: what the job's epochs are multiplied by, where the settings do not say how many there are.
        times_rate: what the job's learning rate is multiplied by, where they do not say it.
        least_steps: how many steps these epochs have at least.
        ends_early: whether the best epoch counts; else the last one does.
        name: of the network, in what is told and in progress lines.

    Raises:
        CannotBeMadeError: the rule has nothing to do, or the training diverged.
    """
    if (how_trained := data.how_trained) is None:
        raise CannotBeMadeError("it is not known how the network was trained")
    if how_trained.is_elsewhere and artifact == data.trained:
        raise CannotBeMadeError(
            "a model from elsewhere does not go on learning: how it was trained is not known; a student of it does "
            "(Distill before this step)"
        )
    tell(f"{name} is fine-tuned to answer as the trained network")
    # What learned from a model of another library is its own teacher.
    teaches = data.trained if data.trained.runtime == "Keras" else artifact
    began, teacher = opened(artifact), Teacher.of(teaches, data.classes)
    classifies = data.classes is not None
    with data.together.scope():
        network = _AsItServes(_with_logits(_copy(began)) if classifies else _copy(began), False)
    rules: list[WeightRule] = []

    def remembered(optimizer: keras.optimizers.Optimizer, steps: int) -> WeightRule:
        rules.append(rule(network.model.layers, optimizer, steps))
        return rules[0]

    rows = LessonRows.of(data, how_trained)
    course = Course.of(
        how_trained.training,
        len(rows.learned.targets),
        times_epochs=times_epochs,
        times_rate=times_rate,
        least_steps=least_steps,
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        ends_early=ends_early,
        falls=True,
    )
    work = learn(
        network,
        partial(TaughtBatches.of, teacher=teacher, noise=0.0),
        rows,
        course,
        data,
        name,
        taught(classifies, TEMPERATURE, settings.mixing),
        remembered,
    )
    rules[0].enter()
    served = _copy(began)
    served.set_weights(network.model.get_weights())
    made = Artifact(data.into, "Keras", work)
    write_keras(served, made.file)
    return made


def _copy(model: keras.Model) -> keras.Model:
    """Layers of the same names with the same weights, which may be changed."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _with_logits(model: keras.Model) -> keras.Model:
    """The network before its softmax. Raises CannotBeMadeError where there is none."""
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return keras.Model(model.inputs, last.input)
    if getattr(last, "activation", None) is keras.activations.softmax:
        last.activation = keras.activations.linear
        return model
    raise CannotBeMadeError(f"its last layer, {last.name}, is no softmax")
