"""Where the stage finish weighs, judges and packs a network: what its candidates are made of and measured on. Imports
TensorFlow, Keras and serving.
"""

import hashlib
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from steelyard.api.errors import ConfigurationError
from steelyard.api.metrics import Measure
from steelyard.api.models import Model
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.package import KERAS_FILE
from steelyard.contract.report import NetworkTraining, TrainingElsewhere
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.compression.answers import search_reader
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.auto import Search
from steelyard_trainer.compression.candidates import Candidates, Measuring, costs_asked, recipes_of
from steelyard_trainer.compression.cost import ALL_COSTS, CostKind
from steelyard_trainer.compression.kept_candidates import KeptCandidates, key_of
from steelyard_trainer.compression.making import Trained, no_progress
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.compression.techniques.base import ALONE, HowTrained, Progress, Tell, Together
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import Examples, PreparedDataset
from steelyard_trainer.data.shape import Shape
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.families.keras.frozen_graph import weights_of
from steelyard_trainer.families.keras.keras_file import write_keras
from steelyard_trainer.families.keras.row_weights import row_weights
from steelyard_trainer.families.keras.search_space import Came, plan_of
from steelyard_trainer.publishing.package import versions
from steelyard_trainer.trained import TrainedFolder

BASELINE_RECIPE = Recipe.of("LiteRT")
"""A network as it is published without compression."""


def trained_network(
    model: keras.Model, folder: Path, dataset: PreparedDataset, spec: TrainingJobSpec, students: Model | None = None
) -> Trained:
    """A network, for those who make something of it.

    Args:
        model: as it was trained; takes (rows, width) float32.
        folder: where its file lies; it is not read.
        dataset: what it was trained on.
        spec: of the job that makes something of it.
        students: of a model from elsewhere: the kind of network that its students are.
    """
    preprocessing, class_weights = dataset.preprocessing, spec.training.class_weights
    shape = Shape.of(preprocessing)
    how_trained = HowTrained(
        students or spec.model,
        spec.training,
        lambda targets: row_weights(targets, dataset.classes, class_weights),
        shape.categories,
        is_elsewhere=students is not None,
    )
    return Trained(
        Artifact.in_memory(folder, "Keras", model),
        shape.width,
        shape.classes,
        preprocessing.target_unit,
        lambda: dataset.read("train"),
        how_trained,
        (lambda: dataset.read("search")) if dataset.has_search_rows else None,
    )


def reporter(context: StageContext) -> Progress:
    """Prints how far a candidate is."""

    def report(done: int, total: int, unit: str, figures: Mapping[str, float]) -> None:
        context.progress(done, total, unit, **figures)

    return report


def measuring_on(
    dataset: PreparedDataset,
    measures: Sequence[Measure],
    seed: int = 0,
    costs: frozenset[CostKind] = ALL_COSTS,
) -> Measuring:
    """How what is made of a network is measured; the seed, that of the training, says which the search rows are."""
    unit, search = dataset.preprocessing.target_unit, search_reader(dataset.read, dataset, seed)
    return Measuring(dataset.task, dataset.classes, unit, measures, lambda: dataset.read("validation"), search, costs)


@dataclass(frozen=True)
class Workbench:
    """Where the candidates of one trained model are made."""

    model_file: Path
    """The trained Keras model."""
    finished: Path
    """The workspace's folder for the candidates of whichever model is weighed."""
    dataset: PreparedDataset
    spec: TrainingJobSpec
    """The job's: which candidates there are, and what is told of each."""
    check_attempt: Callable[[], None] = lambda: None
    """Called before a candidate is put in place; raises where this process may no longer write."""
    tell: Tell = lambda _: None
    """Is told what a person should know of a candidate that is being made."""
    progress: Progress = no_progress
    """Is told how far a candidate is that takes long."""
    learned: tuple[SplitName, ...] = ("train",)
    """What is learned by the networks that are made of the model."""
    together: Together = ALONE
    """Who trains them."""

    @classmethod
    def of(cls, context: StageContext, dataset: PreparedDataset, trained: TrainedFolder, /, **more: Any) -> "Workbench":
        """Where a stage makes candidates.

        Args:
            context: of the stage.
            dataset: the job's.
            trained: the model.
            more: other fields.
        """
        spec, workspace = context.job.spec, context.workspace
        parts = dataset.learned(is_refit=spec.is_refit and trained.folder == workspace.trained)
        # The search rows say, of a refitted model's students too, which epoch is the best.
        learned = tuple(part for part in parts if part != "search")
        how = (spec, context.check_attempt, context.notice, reporter(context))
        return cls(trained.model_file, workspace.finished, dataset, *how, learned, **more)

    @cached_property
    def key(self) -> str:
        """What the candidates depend on."""
        with self.model_file.open("rb") as file:
            model = hashlib.file_digest(file, "sha256").hexdigest()
        made_by = versions({**self.packages(), "ai-edge-quantizer": version("ai-edge-quantizer")})
        return key_of(model, self.dataset.as_taken, self.spec, made_by)

    @property
    def preprocessing(self) -> Preprocessing:
        """What turns raw rows into the model's features: published with it."""
        return self.dataset.preprocessing

    @cached_property
    def model(self) -> keras.Model:
        """The trained model. Raises ConfigurationError where an earlier version trained it."""
        model = keras.saving.load_model(self.model_file, compile=False)
        # Its output is in the target's own unit already.
        if any(layer.name == "target_unit" for layer in model.layers):
            raise ConfigurationError(
                f"{self.model_file} was trained by an earlier version of Steelyard, whose networks this one can't "
                "weigh; train it again, with --force or in another workspace"
            )
        return model

    @property
    def own_work(self) -> int:
        """What was trained to make the model, at most: rows x epochs x weights; of one from elsewhere, what it would
        be."""
        return self.dataset.rows["train"] * self.spec.training.epochs * weights_of(self.model)

    @property
    def came_as(self) -> Came | None:
        """What a search knows of a model from elsewhere; None of one that was trained here."""
        return None

    def read(self, splits: Sequence[SplitName]) -> Examples:
        """The rows of some parts, as the model takes them."""
        return self.dataset.read_parts(splits)

    def write(self, folder: Path, chosen: Artifact, baseline: Artifact) -> None:  # noqa: ARG002 - Keras goes on with its own
        """Writes what is published of the model: the chosen candidate, and the Keras model for further training."""
        shutil.copytree(chosen.folder, folder, dirs_exist_ok=True)
        write_keras(self.model, folder / KERAS_FILE)

    def training(self, document: Mapping[str, Any]) -> NetworkTraining | TrainingElsewhere:
        """What steelyard.json says of the training, from training.json."""
        best = document["bestEpoch"]
        return NetworkTraining(
            epochs=document["epochs"],
            best_epoch=best,
            workers=document["workers"],
            steps=document["steps"],
            at_best_epoch={name: values[best - 1] for name, values in document["history"].items()},
            history={
                name: [value if math.isfinite(value) else None for value in values]
                for name, values in document["history"].items()
            },
        )

    def packages(self) -> dict[str, str]:
        """The versions of the libraries that made the model, beside numpy and scikit-learn."""
        # TensorFlow's distribution has another name on some machines.
        others = {package: version(package) for package in ("keras", "ai-edge-litert")}
        return {"tensorflow": str(tf.__version__), **others}

    @cached_property
    def candidates(self) -> Candidates:
        """What is made of the model, and measured."""
        kept = KeptCandidates(self.finished, self.key, self.check_attempt)
        measures = self.spec.told_measures(self.dataset.task)
        measuring = measuring_on(self.dataset, measures, self.spec.training.seed, costs_asked(self.spec))
        recipes = recipes_of(self.spec, BASELINE_RECIPE)
        shape, rows = Shape.of(self.preprocessing), self.dataset.rows["train"]
        search = Search.of(self.spec, partial(plan_of, self.spec, shape, rows, came=self.came_as), self.tell)
        return Candidates(kept, lambda: self.trained, recipes, measuring, self.tell, self.progress, search)

    @property
    def trained(self) -> Trained:
        """The model, and what techniques may know of it."""
        students = self.came_as.students if self.came_as else None
        trained = trained_network(self.model, self.model_file.parent, self.dataset, self.spec, students)
        return replace(trained, read_training=lambda: self.read(self.learned), together=self.together)
