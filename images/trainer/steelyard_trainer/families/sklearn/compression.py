"""The candidates of a model of scikit-learn: its skops file, and what is made of that. Imports scikit-learn, skops,
serving and the compression; never TensorFlow.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from steelyard.api.training_job import TrainingJobSpec
from steelyard_trainer.compression.answers import search_reader
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.candidates import Candidates, Measuring, costs_asked, recipes_of
from steelyard_trainer.compression.choice import Measured
from steelyard_trainer.compression.kept_candidates import KeptCandidates
from steelyard_trainer.compression.making import Trained
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.compression.weighing import weigh
from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.families.sklearn.build import Estimator
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
from steelyard_trainer.families.sklearn.teaching import how_trained

BASELINE_RECIPE = Recipe()
"""A model of scikit-learn is published as it is without compression."""


def trained_estimator(
    estimator: Estimator,
    content: bytes,
    kept: KeptCandidates,
    width: int,
    measuring: Measuring,
    read: Callable[[SplitName], Labelled],
    dataset: PreparedDataset,
    spec: TrainingJobSpec,
) -> Trained:
    """A fitted model, for those who make something of it; its file is put to what is kept, if it is not there.

    Args:
        estimator: fitted.
        content: its skops file.
        kept: what is made of it.
        width: how many features it takes.
        measuring: says what its task is.
        read: reads a part of the data as it takes it.
        dataset: says which parts there are.
        spec: the job's.
    """

    def write(folder: Path) -> Artifact:
        artifact = Artifact(folder, "Skops")
        artifact.file.write_bytes(content)
        return artifact

    lies = kept.find(BASELINE_RECIPE) or kept.put(BASELINE_RECIPE, write)
    artifact = Artifact.in_memory(lies.folder, "Skops", estimator)
    classes = None if measuring.classes is None else len(measuring.classes)
    read_search = partial(read, "search") if dataset.has_search_rows else None
    taught = None if spec.is_from_elsewhere else how_trained(spec, measuring.classes)
    return Trained(artifact, width, classes, measuring.unit, partial(read, "train"), taught, read_search)


def compressed_estimator_cost(
    estimator: Estimator,
    spec: TrainingJobSpec,
    dataset: PreparedDataset,
    read: Callable[[SplitName], Labelled],
) -> Measured:
    """The candidate that would be published of a trial's model: what it costs and how good it is.

    `bytes` is the secondary objective Size, `latency_microseconds` Latency, and `figures[METRIC].value` the first one.
    The latency is measured only where the manifest's compression or trial asks for it, and is 0 elsewhere.

    Args:
        estimator: fitted on the training set.
        spec: the job's; its `compression` says what is tried and what may be lost, its `trial` what is asked for.
        dataset: the data, which says what the model does.
        read: reads a part of it as the model takes it.

    Raises:
        DataError: the model's outputs are not finite numbers (reason LossNotFinite).
    """
    unit, validation, measures = dataset.preprocessing.target_unit, read("validation"), spec.told_measures(dataset.task)
    search = search_reader(read, dataset, spec.training.seed)
    measuring = Measuring(dataset.task, dataset.classes, unit, measures, lambda: validation, search, costs_asked(spec))
    with tempfile.TemporaryDirectory(prefix="steelyard-candidates-") as folder:
        kept, width = KeptCandidates(Path(folder), "trial"), validation.features.shape[1]
        content = estimator_bytes(estimator)
        trained = partial(trained_estimator, estimator, content, kept, width, measuring, read, dataset, spec)
        candidates = Candidates(kept, trained, recipes_of(spec, BASELINE_RECIPE), measuring)
        return weigh(candidates, spec).chosen.measured
