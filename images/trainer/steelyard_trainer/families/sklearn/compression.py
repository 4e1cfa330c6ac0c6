"""The candidates of a model of scikit-learn: its skops file, and what is made of that. Imports scikit-learn, skops,
serving and the compression; never TensorFlow.
"""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from steelyard.api.metrics import Task
from steelyard.api.training_job import TrainingJobSpec
from steelyard.serving.interface import TargetUnit
from steelyard_trainer.compression.answers import search_reader
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.candidates import Candidates, Measuring, recipes_of
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.making import Trained
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.compression.weighing import weigh
from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.families.sklearn.build import Estimator
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes

BASELINE_RECIPE = Recipe()
"""A model of scikit-learn is published as it is without compression."""


def trained_estimator(
    estimator: Estimator,
    content: bytes,
    kept: KeptCandidates,
    width: int,
    measuring: Measuring,
    read_training: Callable[[], Labelled],
) -> Trained:
    """A fitted model, for those who make something of it; its file is put to what is kept, if it is not there.

    Args:
        estimator: fitted.
        content: its skops file.
        kept: what is made of it.
        width: how many features it takes.
        measuring: says what its task is.
        read_training: reads the training set as it takes it.
    """

    def write(folder: Path) -> Artifact:
        artifact = Artifact(folder, "Skops")
        artifact.file.write_bytes(content)
        return artifact

    lies = kept.find(BASELINE_RECIPE) or kept.put(BASELINE_RECIPE, write)
    artifact = Artifact.in_memory(lies.folder, "Skops", estimator)
    classes = None if measuring.classes is None else len(measuring.classes)
    return Trained(artifact, width, classes, measuring.unit, read_training)


def compressed_estimator_cost(
    estimator: Estimator,
    spec: TrainingJobSpec,
    task: Task,
    classes: Sequence[str] | None,
    unit: TargetUnit | None,
    validation: Labelled,
    read_training: Callable[[], Labelled],
) -> Measured:
    """The candidate that would be published of a trial's model: what it costs and how good it is.

    `bytes` is the secondary objective Size, `latency_microseconds` Latency, and `figures[METRIC].value` the first one.
    The latency is measured only where the manifest's compression or trial asks for it, and is 0 elsewhere.

    Args:
        estimator: fitted on the training set.
        spec: the job's; its `compression` says what is tried and what may be lost, its `trial` what is asked for.
        task: what the model does.
        classes: the labels; None for regression.
        unit: regression: what ONNX gives the standardized target of.
        validation: the validation set as the model takes it.
        read_training: reads the training set, for a technique that needs it.

    Raises:
        DataError: the model's outputs are not finite numbers (reason LossNotFinite).
    """
    asked = {spec.compression_objective if spec.compression else None, spec.trial.secondary if spec.trial else None}
    with_latency, measures = not asked.isdisjoint({"Latency", "Balanced"}), spec.told_measures(task)
    search = search_reader(read_training, classes, spec.training.seed)
    measuring = Measuring(task, classes, unit, measures, lambda: validation, search, with_latency)
    with tempfile.TemporaryDirectory(prefix="steelyard-candidates-") as folder:
        kept, width = KeptCandidates(Path(folder), "trial"), validation.features.shape[1]
        content = estimator_bytes(estimator)
        trained = partial(trained_estimator, estimator, content, kept, width, measuring, read_training)
        candidates = Candidates(kept, trained, recipes_of(spec, BASELINE_RECIPE), measuring)
        return weigh(candidates, spec).chosen.measured
