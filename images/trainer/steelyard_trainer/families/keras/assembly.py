"""What a training is put together of, whoever says it: the manifest, or a function of the user's own. Imports Keras
and the family's other parts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from numpy.typing import NDArray

from steelyard.api.errors import ConfigurationError
from steelyard.api.training import Training
from steelyard.api.training_job import TrainingJobSpec
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.shape import Shape
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.families.keras.networks import TrainingNetwork, serving_network, training_network
from steelyard_trainer.families.keras.optimizers import build_optimizer
from steelyard_trainer.families.keras.own.alike import check_alike
from steelyard_trainer.families.keras.own.losses import lesson_of
from steelyard_trainer.families.keras.own.metrics import OwnMetrics, own_metrics
from steelyard_trainer.families.keras.own.network import OwnNetwork, own_network, refused
from steelyard_trainer.families.keras.step import Lesson
from steelyard_trainer.own_code.data_shape import DataShape
from steelyard_trainer.own_code.importing import FIELD, OwnCode

ROWS_ASKED = 256


@dataclass(frozen=True)
class Assembled:
    """A network and how it is trained."""

    network: TrainingNetwork
    optimizer: keras.optimizers.Optimizer
    judge: Lesson | None = None
    """See Stepper."""
    metrics: OwnMetrics | None = None
    has_own_optimizer: bool = False
    """Whether the user's model is compiled with it."""


def assembled(
    context: StageContext, dataset: PreparedDataset, features: NDArray[Any], steps: int, validation: NDArray[Any]
) -> Assembled:
    """Builds the network; to be called in the strategy's scope.

    Args:
        context: of the stage.
        dataset: the job's data.
        features: some rows that are learned.
        steps: of an epoch.
        validation: the targets of the validation set.

    Raises:
        ConfigurationError: the user's function fails, or what it returns can't be trained.
    """
    spec = context.job.spec
    if spec.model.entrypoint is None:
        network = training_network(spec.model, Shape.of(dataset.preprocessing), spec.training.seed)
        return Assembled(network, build_optimizer(spec.training, steps))
    code, data = own_code_of(context), DataShape.of(dataset.preprocessing, spec.training.seed)
    own = own_network(code, data, features[:ROWS_ASKED], context.worker)
    for layer in own.normalizes_alone:
        context.notice(f"{layer} normalizes the rows of each worker alone, with what fills the last batch")
    model = own.built
    optimizer = _optimizer(code, model, spec.training, lambda: build_optimizer(spec.training, steps))
    loss, metrics = code.hook("loss", data), code.hook("metrics", data)
    loss = loss if loss is not None else (model.loss if model.compiled else None)
    given = metrics if metrics is not None else _compiled_metrics(model)
    try:
        with code.called("its loss or its metrics"):
            judge = None if loss is None else lesson_of(loss, own.gives, data.outputs if data.classes else None)
            own_ones = own_metrics(given, own.gives, validation, dataset.preprocessing.target_unit)
    except RefusedError as error:
        raise refused(code, error) from None
    if judge is not None and spec.training.label_smoothing is not None:
        raise ConfigurationError(
            "spec.training.labelSmoothing is part of the loss that is taken where the code has none, but "
            f"{code.name} has a loss of its own; leave out one of the two"
        )
    return Assembled(own, optimizer, judge, own_ones, model.compiled)


def check_workers_alike(context: StageContext, dataset: PreparedDataset, features: NDArray[Any], strategy: Any) -> None:
    """Whether a user's function builds the same network on every worker; to be called by all, outside the strategy's
    scope. Raises ConfigurationError where it does not."""
    spec = context.job.spec
    if strategy is None or spec.model.entrypoint is None:
        return
    data = DataShape.of(dataset.preprocessing, spec.training.seed)
    own = own_network(own_code_of(context), data, features[:ROWS_ASKED], context.worker)
    check_alike(own.model, strategy, context.worker, spec.training.workers)
    raise ConfigurationError(
        f"spec.training.workers: several workers do not train a network of your own code ({FIELD}) yet, and "
        f"{spec.training.workers} are given; allowed: 1"
    )


def own_code_of(context: StageContext) -> OwnCode:
    """The user's code of a job with an entrypoint. Raises ConfigurationError as `OwnCode.of` does."""
    entrypoint = context.job.spec.model.entrypoint
    assert entrypoint is not None
    return OwnCode.of(entrypoint, context.code)


def served_network(spec: TrainingJobSpec, dataset: PreparedDataset, network: TrainingNetwork) -> keras.Model:
    """The trained network as it is published."""
    if isinstance(network, OwnNetwork):
        return network.served()
    return serving_network(spec.model, Shape.of(dataset.preprocessing), network)


def _optimizer(
    code: OwnCode, model: keras.Model, training: Training, otherwise: Callable[[], Any]
) -> keras.optimizers.Optimizer:
    """The compiled one, or the manifest's. Raises ConfigurationError where both say something."""
    if not model.compiled:
        return otherwise()
    default = Training()
    said = [
        field
        for field in ("optimizer", "learning_rate_schedule")
        if getattr(training, field) != getattr(default, field)
    ]
    if said:
        raise ConfigurationError(
            f"spec.training.{Training.model_fields[said[0]].alias}: {code.name} returns a model that is compiled with "
            f"{type(model.optimizer).__name__}; leave this out, or compile no optimizer in ({FIELD})"
        )
    return model.optimizer


def _compiled_metrics(model: keras.Model) -> list[Any]:
    given = getattr(getattr(model, "_compile_metrics", None), "_user_metrics", None) if model.compiled else None
    if isinstance(given, dict):
        given = list(given.values())
    return [each for one in given or [] for each in (one if isinstance(one, list | tuple) else [one])]
