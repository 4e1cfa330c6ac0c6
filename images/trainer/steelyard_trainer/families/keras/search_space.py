"""The networks that a search may train in place of the trained one, and what that takes. Imports Keras, the plan of
networks and the family's networks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras

from steelyard.api.compression.techniques import Distill
from steelyard.api.models import Model
from steelyard.api.training_job import TrainingJobSpec
from steelyard_trainer.compression.network_plan import Size, Space, questions
from steelyard_trainer.compression.plan import Plan
from steelyard_trainer.compression.techniques.base import CannotBeMadeError
from steelyard_trainer.data.shape import Shape
from steelyard_trainer.families.keras import distill, quantization_aware
from steelyard_trainer.families.keras.lessons import LEAST_STEPS, epochs_of
from steelyard_trainer.families.keras.networks import training_network

_BLOCK = 32
_MOST_UNITS = 1024
_MOST_OF_THE_WORK = 1 / 3
"""Of all that may be spent, one training takes no more for its many steps; though as much as the job's epochs say."""
_HOW_LONG = {
    "Distill": (distill.TIMES_EPOCHS, LEAST_STEPS),
    "QuantizationAware": (quantization_aware.TIMES_EPOCHS, quantization_aware.LEAST_STEPS),
}
"""What the job's epochs are multiplied by, and how many steps they have at least."""


@dataclass(frozen=True)
class Came:
    """A network from elsewhere, as far as a search must know it."""

    size: Size
    students: Model
    """Whose narrower ones are its students."""


def stand_in(weights: int, width: int, outputs: int) -> Model:
    """What stands for a network of an unknown kind: an mlp with about as many weights, and half as many units in its
    second hidden layer as in its first.

    Args:
        weights: that the network has; so many are not exceeded where there is any such mlp.
        width: features of a row.
        outputs: of the network.
    """
    # units x (width + 1) + units / 2 x (units + 1) + outputs x (units / 2 + 1) = weights
    half = (width + 1.5 + outputs / 2) / 2
    units = 2 * (math.sqrt(half**2 + max(0, weights - outputs) / 2) - half)
    first = min(_MOST_UNITS, max(2, int(units) // 2 * 2))
    return Model.model_validate({"mlp": {"hiddenUnits": [first, first // 2]}})


def plan_of(spec: TrainingJobSpec, shape: Shape, rows: int, most_work: float, came: Came | None = None) -> Plan:
    """How a job's network is searched. See `space_of`."""
    space = space_of(spec, shape, rows, most_work, came)
    own = space.size_of(1.0, 0)
    assert own is not None
    return Plan(lambda baseline: questions(space, baseline), rows * spec.training.epochs * own.weights)


def space_of(spec: TrainingJobSpec, shape: Shape, rows: int, most_work: float, came: Came | None = None) -> Space:
    """The networks that there are.

    Args:
        spec: the job's.
        shape: of what the network takes and gives.
        rows: of the training set.
        most_work: what the search may spend, in times the job's own training.
        came: where the network was trained elsewhere.
    """
    training = spec.training

    @cache
    def size_of(width: float, fewer_layers: int) -> Size | None:
        if came and width == 1 and not fewer_layers:
            return came.size
        model = came.students if came else spec.model
        if width < 1 or fewer_layers:
            try:
                model = distill.student_of(model, Distill.model_validate({"width": width, "fewerLayers": fewer_layers}))
            except CannotBeMadeError:
                return None
        network = training_network(model, shape, spec.training.seed).model
        inputs = [each.kernel.shape[0] for each in network.layers if isinstance(each, keras.layers.Dense)]
        has_convolutions = any(isinstance(each, keras.layers.Conv2D) for each in network.layers)
        takes_blocks = bool(inputs) and all(each % _BLOCK == 0 for each in inputs)
        return Size(int(network.count_params()), takes_blocks, has_convolutions)

    own = size_of(1.0, 0)
    assert own is not None
    own_work = rows * training.epochs * own.weights

    def training_of(technique: str, weights: int) -> tuple[Mapping[str, Any], int]:
        times, least_steps = _HOW_LONG[technique]
        # The fewer rows are learned, the more epochs there are: a fifth at most is set aside.
        fewest = max(1, round(training.epochs * times))
        epochs = epochs_of(training, rows * 4 // 5, times, least_steps)
        most = max(fewest, int(_MOST_OF_THE_WORK * most_work * own_work / (rows * weights)))
        return ({}, rows * epochs * weights) if epochs <= most else ({"epochs": most}, rows * most * weights)

    return Space(size_of, training_of, spec.compression_objective, own_learns=came is None)
