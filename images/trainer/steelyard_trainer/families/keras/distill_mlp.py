"""A small network in place of a model of scikit-learn, which it learns from: model compression (Bucila, Caruana and
Niculescu-Mizil 2006, "Model compression", KDD). Imports TensorFlow when it is applied.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from steelyard.api.compression.techniques import DistillMlp
from steelyard.texts.figures import counted
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, HowTrained, StepData, Technique, Tell
from steelyard_trainer.data.labelled import Labelled

if TYPE_CHECKING:
    import keras

    from steelyard_trainer.families.keras.lessons import LessonRows

_LEAST_PROBABILITY = 1e-3
"""Of a class of which a forest says that it can't be: its logarithm is to be a number that a network can give."""


def _apply(artifact: Artifact, settings: DistillMlp, data: StepData, tell: Tell) -> Artifact:
    from steelyard.api.models import Model
    from steelyard_trainer.data.shape import Shape
    from steelyard_trainer.families.keras.keras_file import write_keras
    from steelyard_trainer.families.keras.lessons import Course, beside, learn
    from steelyard_trainer.families.keras.networks import serving_network, training_network
    from steelyard_trainer.families.keras.teacher import taught

    if (how_trained := data.how_trained) is None or how_trained.answers is None:
        raise CannotBeMadeError("it is not known how the model was trained")
    training = how_trained.training
    student = Model.model_validate({"mlp": {"hiddenUnits": settings.hidden_units}})
    shape = Shape(data.width, data.classes)
    network = training_network(student, shape, training.seed)
    rows, answers, mean, deviation = _lesson(artifact, how_trained, data)
    learned = len(rows.learned.targets)
    course = Course.of(
        training, learned, times_epochs=2, times_rate=2, epochs=settings.epochs, learning_rate=settings.learning_rate
    )
    name = f"an mlp of {counted(network.model.count_params(), 'weight')}"
    tell(f"another model, {name}, learns from the trained one, for up to {counted(course.spec.epochs, 'epoch')}")
    learn(
        network,
        lambda batches: replace(batches, targets=beside(batches.targets, answers)),
        rows,
        course,
        data,
        name,
        taught(data.classes is not None, settings.temperature, settings.mixing),
    )
    made = Artifact(data.into, "Keras")
    write_keras(_with_standardization(serving_network(student, shape, network), mean, deviation), made.file)
    return made


def _lesson(
    artifact: Artifact, how_trained: HowTrained, data: StepData
) -> "tuple[LessonRows, npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.float64]]":
    """What the network learns: rows of standardized features, what the model says of the learned ones, and what the
    features were standardized by, their means and deviations."""
    from steelyard_trainer.families.keras.lessons import LessonRows, Rows

    assert how_trained.answers is not None
    examples = data.read_training()
    features = np.asarray(examples.features, dtype=np.float64)
    said = np.asarray(how_trained.answers(artifact, examples))
    if not np.isfinite(said).all():
        raise CannotBeMadeError("the outputs of the model that it would learn from are not finite numbers")
    if data.classes is None:
        said = data.unit.standardized(said) if data.unit else said
    else:
        said = np.log(np.maximum(said, _LEAST_PROBABILITY))
    mean, deviation = np.nanmean(features, axis=0), np.nanstd(features, axis=0)
    deviation[deviation == 0] = 1.0
    outputs = said.shape[1]

    def learned() -> Labelled:
        return _Rows(np.hstack([_standardized(features, mean, deviation), said]).astype(np.float32), examples.targets)

    def searched() -> Labelled:
        assert data.read_search is not None
        search = data.read_search()
        # Labels alone say which epoch is the best: nobody looks at what the model says of these.
        padding = np.zeros((len(search.targets), outputs))
        return _Rows(
            np.hstack([_standardized(search.features, mean, deviation), padding]).astype(np.float32), search.targets
        )

    read_search = searched if data.read_search else None
    rows = LessonRows.of(replace(data, read_training=learned, read_search=read_search), how_trained)
    width = data.width

    def alone(rows: Rows) -> Rows:
        return Rows(np.ascontiguousarray(rows.features[:, :width]), rows.targets)

    answers = np.ascontiguousarray(rows.learned.features[:, width:])
    return replace(rows, learned=alone(rows.learned), search=alone(rows.search)), answers, mean, deviation


@dataclass(frozen=True)
class _Rows:
    """Rows whose features are followed by what the model says of them."""

    features: npt.NDArray[np.float32]
    targets: npt.NDArray[Any]


def _standardized(
    features: npt.NDArray[np.float64], mean: npt.NDArray[np.float64], deviation: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """To mean 0 and deviation 1; a gap is the mean."""
    return np.nan_to_num((features - mean) / deviation, nan=0.0)


def _with_standardization(
    network: "keras.Model", mean: npt.NDArray[np.float64], deviation: npt.NDArray[np.float64]
) -> "keras.Model":
    """The network on features as the trained model takes them."""
    import keras

    features = keras.Input(network.inputs[0].shape[1:], name="features")
    by = keras.layers.Normalization(mean=mean.tolist(), variance=np.square(deviation).tolist(), name="standardized")
    tensor = by(features)
    # A gap is the mean, as it was when the network learned.
    tensor = keras.ops.where(keras.ops.isnan(tensor), keras.ops.zeros_like(tensor), tensor)
    for layer in network.layers[1:]:
        tensor = layer(tensor)
    model = keras.Model(features, tensor, name="student")
    # Keras numbers what has no name by how many there were in the process: equal networks are equal files.
    for number, operation in enumerate(model.operations):
        if not isinstance(operation, keras.layers.Layer):
            operation.name = f"gaps_{number}"
    return model


TECHNIQUE = Technique(DistillMlp, _apply)
