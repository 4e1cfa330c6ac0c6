"""A network from elsewhere where the stage finish weighs it: made to take a row of the table and to give what the
product's own networks give. Imports TensorFlow, Keras and the bench of networks.
"""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from steelyard.api.errors import DataError
from steelyard.contract.package import WITHOUT_NETWORK
from steelyard.contract.report import TrainingElsewhere
from steelyard.contract.stages import Reason
from steelyard.serving.interface import TargetUnit
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.network_plan import Size
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.shape import Shape
from steelyard_trainer.data.words import listed
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.elsewhere.keras_archive import check_archive
from steelyard_trainer.elsewhere.label_order import wrong_order
from steelyard_trainer.families.keras.bench import Workbench
from steelyard_trainer.families.keras.frozen_graph import graph_model
from steelyard_trainer.families.keras.row_shape import input_shape
from steelyard_trainer.families.keras.search_space import Came, stand_in

_ROWS_ASKED = 1000
"""By which it is told what the outputs are."""
_SUM = 1e-3
"""How far probabilities may be from a sum of 1."""


def as_they_are(dataset: PreparedDataset) -> PreparedDataset:
    """The same rows, their numbers neither shifted nor scaled: a model from elsewhere knows nothing of that."""
    return replace(dataset, preprocessing=dataset.preprocessing.unscaled())


def fitted(
    model: keras.Model,
    names: Sequence[str],
    classes: Sequence[str] | None,
    unit: TargetUnit | None,
    asked: npt.NDArray[np.float32],
) -> tuple[keras.Model, str]:
    """The model as one that takes (rows, columns) and gives probabilities (rows, classes) or the standardized target.

    Args:
        model: as it was trained elsewhere.
        names: of the table's columns, in its order.
        classes: the labels in their order; None for regression.
        unit: regression: what the standardized target is made by.
        asked: rows by which it is told what the outputs are, shape (rows, columns).

    Returns:
        The model, and what was added to it, in words; empty where nothing was.

    Raises:
        RefusedError: it does not fit the table or the target.
        DataError: its outputs are not finite numbers.
    """
    shape = input_shape(model)
    if (width := math.prod(shape)) != len(names):
        shown = f"{width:,}" if len(shape) == 1 else f"{width:,} (an array of {' x '.join(map(str, shape))})"
        raise RefusedError(
            f"it takes {shown} numbers a row, but the table has {len(names):,} columns beside the target: "
            f"{listed(names, 20)}; leave out what it has not learned (dataset.exclude), or name the table that it has"
        )
    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        shown = ", ".join(str(tuple(each.shape)) for each in model.outputs)
        raise RefusedError(f"it gives {shown}; allowed: one output of the shape (None, numbers)")
    _check_outputs(int(model.outputs[0].shape[1]), classes)
    try:
        outputs = np.asarray(model.predict(asked.reshape(-1, *shape), verbose=0))
    except Exception as error:  # noqa: BLE001 - whatever a foreign model makes of the rows
        raise RefusedError(f"it can't answer this table's rows: {type(error).__name__}: {str(error)[:300]}") from None
    if (wrong := ~np.isfinite(outputs).all(axis=1)).any():
        raise DataError(
            f"the model's outputs are not finite numbers, on {wrong.sum():,} of {len(asked):,} rows",
            reason=Reason.LOSS_NOT_FINITE,
        )
    features = keras.Input((width,), name="features")
    tensor = features if len(shape) == 1 else keras.layers.Reshape(shape, name="array")(features)
    added = [] if len(shape) == 1 else [f"the columns become an array of {' x '.join(map(str, shape))}"]
    result, more = _answers(model(tensor), outputs, classes, unit)
    if not added and not more:
        return model, ""
    return keras.Model(features, result, name="from_elsewhere"), "; ".join([*added, *([more] if more else [])])


def _check_outputs(outputs: int, classes: Sequence[str] | None) -> None:
    """Raises RefusedError where the target is no answer of so many numbers."""
    if classes is None:
        if outputs != 1:
            raise RefusedError(f"it gives {outputs:,} numbers a row, but the target is one number (task Regression)")
        return
    if outputs == len(classes) or (outputs == 1 and len(classes) == 2):
        return
    is_regression = " (is it a regression? say task: Regression)" if outputs == 1 else ""
    raise RefusedError(
        f"it gives {outputs:,} {'number' if outputs == 1 else 'numbers'} a row{is_regression}, but the target has "
        f"{len(classes):,} classes, in this order: {listed(classes, 20)}; one number for each is needed"
    )


def _answers(
    tensor: Any, outputs: npt.NDArray[Any], classes: Sequence[str] | None, unit: TargetUnit | None
) -> tuple[Any, str]:
    """What the product's networks would give, and what was done for it."""
    layers = keras.layers
    if classes is None:
        assert unit is not None
        return layers.Rescaling(1.0 / unit.scale, -unit.mean / unit.scale, name="standardized")(tensor), (
            "its output is standardized, as the published file's is"
        )
    are_shares = bool((outputs >= -_SUM).all() and (outputs <= 1 + _SUM).all())
    if outputs.shape[1] == 1:
        said = f"its output is the probability of {classes[1]!r}"
        if not are_shares:
            tensor = layers.Activation("sigmoid", name="probability")(tensor)
            said = f"its output is taken for the logit of {classes[1]!r}"
        other = layers.Rescaling(-1.0, 1.0, name="other")(tensor)
        return layers.Concatenate(name="probabilities")(
            [other, tensor]
        ), f"{said}, that of {classes[0]!r} is put beside it"
    if are_shares and (np.abs(outputs.sum(axis=1) - 1) <= _SUM).all():
        return tensor, ""
    if are_shares:
        raise RefusedError(
            "its outputs lie between 0 and 1, but their sum is not 1: they are no probabilities of classes that "
            "exclude each other; allowed: probabilities (softmax), or logits"
        )
    return layers.Softmax(name="probabilities")(tensor), "its outputs are taken for logits: a softmax is put after them"


@dataclass(frozen=True)
class BenchOfElsewhere(Workbench):
    """Where the candidates of a network from elsewhere are made."""

    where: str = field(kw_only=True)
    """What it is called in errors."""
    came: Mapping[str, Any] = field(kw_only=True)
    """What was found when it was read for the first time: training.json."""

    @cached_property
    def model(self) -> keras.Model:
        """The network, made to fit the table. Raises DataError where it does not."""
        dataset, preprocessing = self.dataset, self.dataset.preprocessing
        try:
            model = self._loaded()
            learned = dataset.read("train")
            asked = learned.features[:_ROWS_ASKED]
            names = preprocessing.feature_names
            made, added = fitted(model, names, dataset.classes, preprocessing.target_unit, asked)
            if dataset.classes is not None:
                answers = np.asarray(made.predict(asked, verbose=0))
                if told := wrong_order(answers, learned.targets[:_ROWS_ASKED], dataset.classes):
                    raise RefusedError(told)
        except RefusedError as error:
            raise DataError(f"{self.where} does not fit {dataset.target!r}: {error}") from None
        if added:
            self.tell(f"of the model from elsewhere: {added}")
        if (labels := dataset.classes) is not None and list(labels) != [str(index) for index in range(len(labels))]:
            self.tell(f"of the model from elsewhere: its outputs are taken for, in this order: {listed(labels, 20)}")
        return made

    def _loaded(self) -> keras.Model:
        """The network as it came. Raises RefusedError."""
        if self._has_layers:
            check_archive(self.model_file)
            return keras.saving.load_model(self.model_file, compile=False, safe_mode=True)
        return graph_model(self.model_file.read_bytes(), self.came)

    @cached_property
    def came_as(self) -> Came:
        """What a search knows of it, and what its students are."""
        weights, shape = max(1, int(self.came["weights"])), Shape.of(self.preprocessing)
        # A document of an earlier version does not tell the last two.
        takes_blocks, has_convolutions = (bool(self.came.get(name)) for name in ("takesBlocks", "hasConvolutions"))
        return Came(Size(weights, takes_blocks, has_convolutions), stand_in(weights, shape.width, shape.outputs))

    @property
    def _has_layers(self) -> bool:
        return self.came["format"] not in WITHOUT_NETWORK

    def write(self, folder: Path, chosen: Artifact, baseline: Artifact) -> None:
        """Writes what is published: of a graph, which has no layers to go on with, the chosen candidate alone."""
        if self._has_layers:
            super().write(folder, chosen, baseline)
        else:
            shutil.copytree(chosen.folder, folder, dirs_exist_ok=True)

    def training(self, document: Mapping[str, Any]) -> TrainingElsewhere:
        """What steelyard.json says of the training: that it was elsewhere."""
        named = {name: document[name] for name in ("format", "digest", "weights")}
        return TrainingElsewhere(**named, program=document.get("program"))
