"""Where the stage finish weighs, judges and packs a model of scikit-learn.

Imports scikit-learn, skops, ONNX, serving and the prepared data; never TensorFlow.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.api.errors import DataError
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.report import CrossValidationReport, EstimatorTraining, TrainingElsewhere
from steelyard.contract.workspace import ESTIMATOR_FILE
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.compression.answers import search_reader
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.auto import Search
from steelyard_trainer.compression.candidates import Candidates, Measuring, recipes_of
from steelyard_trainer.compression.kept_candidates import KeptCandidates, key_of
from steelyard_trainer.compression.making import Trained
from steelyard_trainer.compression.plan import Plan
from steelyard_trainer.compression.recipe import Recipe
from steelyard_trainer.compression.techniques.base import Tell
from steelyard_trainer.contract import StageContext
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.families.sklearn.build import Estimator
from steelyard_trainer.families.sklearn.compression import BASELINE_RECIPE, trained_estimator
from steelyard_trainer.families.sklearn.features import LabelledRows, Table
from steelyard_trainer.families.sklearn.from_elsewhere import check_answers, fitted
from steelyard_trainer.families.sklearn.refit import most_leaves_of, trees_of
from steelyard_trainer.families.sklearn.saving import load_estimator
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes
from steelyard_trainer.families.sklearn.tree_plan import Trees, tree_plan
from steelyard_trainer.families.sklearn.trial import Rows, fit_on
from steelyard_trainer.own_code.evidence import write_code
from steelyard_trainer.publishing.package import versions
from steelyard_trainer.trained import TrainedFolder


@dataclass(frozen=True)
class EstimatorBench:
    """The candidates of one fitted model."""

    estimator: Estimator
    spec: TrainingJobSpec
    rows: Rows
    finished: Path
    """The workspace's folder for the candidates of whichever model is weighed."""
    check_attempt: Callable[[], None] = lambda: None
    """Called before a candidate is put in place; raises where this process may no longer write."""
    tell: Tell = lambda _: None
    """Is told what a person should know of a candidate that is being made."""
    learned: Sequence[SplitName] = ("train",)
    """What the model has learned, and what is fitted in its place learns."""
    code: Path | None = None
    """The folder of the user's own code that built it."""

    @classmethod
    def of(cls, context: StageContext, dataset: PreparedDataset, trained: TrainedFolder | None) -> "EstimatorBench":
        """The bench of a job.

        Args:
            context: the job's.
            dataset: its data.
            trained: the fitted model; None: one is fitted here on the training set.

        Raises:
            DataError: the folder's model is damaged.
            ConfigurationError: the settings do not go with the rows.
        """
        spec, rows, folder = context.job.spec, Rows(dataset), trained.folder if trained else None
        model = fit_on(rows.part("train"), spec, rows) if folder is None else load_estimator(folder / ESTIMATOR_FILE)
        if spec.is_from_elsewhere and trained is not None:
            model = _fitted_to(dataset, model, f"{trained.field}: {trained.name}")
        is_refitted = spec.is_refit and folder == context.workspace.trained
        learned = dataset.learned(is_refit=is_refitted)
        how = (context.check_attempt, context.notice, learned, context.code)
        return cls(model, spec, rows, context.workspace.finished, *how)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """What turns raw rows into the model's features: published with it."""
        return self.rows.preprocessing(self.spec)

    @property
    def own_work(self) -> None:
        """Not counted: trees have no epochs."""

    def read(self, splits: Sequence[SplitName]) -> LabelledRows:
        """The rows of some parts, as the model takes them."""
        rows = self.rows
        table = rows.part(splits[0]) if len(splits) == 1 else Table.read(rows.dataset, splits)
        return rows.labelled(table, self.spec)

    def write(self, folder: Path, chosen: Artifact, baseline: Artifact) -> None:
        """Writes what is published of the model: the chosen candidate, and always the estimator itself."""
        given = [self._network_of(chosen)] if chosen.runtime == "LiteRT" else []
        for artifact in (baseline, *given, chosen):
            shutil.copytree(artifact.folder, folder, dirs_exist_ok=True)
        write_code(self.code, folder)

    def _network_of(self, chosen: Artifact) -> Artifact:
        """The network that a file in LiteRT is a form of: published beside it, as networks are."""
        candidates = self.candidates
        recipe = next(r for r in candidates.recipes.values() if candidates.kept.find(r) == chosen)
        network = candidates.kept.find(Recipe(recipe.steps[:-1]))
        assert network is not None
        return network

    def training(self, document: Mapping[str, Any]) -> EstimatorTraining | TrainingElsewhere:
        """What steelyard.json says of the training.

        Args:
            document: training.json.
        """
        if self.spec.is_from_elsewhere:
            named = {name: document[name] for name in ("format", "digest", "estimator")}
            return TrainingElsewhere(**named, program=document.get("program"))
        iterations, folds = getattr(self.estimator, "n_iter_", None), document.get("crossValidation")
        return EstimatorTraining(
            estimator=type(self.estimator).__name__,
            parameters={name: _plain(value) for name, value in sorted(self.estimator.get_params(deep=False).items())},
            iterations=None if iterations is None else int(np.max(iterations)),
            cross_validation=None if folds is None else CrossValidationReport.model_validate(folds),
        )

    def packages(self) -> dict[str, str]:
        """The versions of the libraries that made the model, beside numpy and scikit-learn."""
        steps = [step for recipe in recipes_of(self.spec, BASELINE_RECIPE).values() for step in recipe.steps]
        gives_networks = any(step.settings.gives == "Keras" for step in steps)
        of_networks = ("keras", "ai-edge-litert") if gives_networks else ()
        return {package: version(package) for package in ("skops", "skl2onnx", "onnxruntime", *of_networks)}

    @cached_property
    def _skops(self) -> bytes:
        return estimator_bytes(self.estimator)

    @cached_property
    def candidates(self) -> Candidates:
        """What is made of the model, and measured."""
        dataset = self.rows.dataset
        model = hashlib.sha256(self._skops).hexdigest()
        key = key_of(model, dataset.as_taken, self.spec, versions(self.packages()))
        measuring = Measuring(
            dataset.task,
            dataset.classes,
            self.preprocessing.target_unit,
            self.spec.told_measures(dataset.task),
            lambda: self.read(["validation"]),
            search_reader(lambda part: self.read([part]), dataset, self.spec.training.seed),
        )
        kept = KeptCandidates(self.finished, key, self.check_attempt)
        recipes, search = recipes_of(self.spec, BASELINE_RECIPE), Search.of(self.spec, self._plan, self.tell)
        return Candidates(kept, self._trained, recipes, measuring, self.tell, search=search)

    def _plan(self, _most_work: float) -> Plan:
        """How the model is searched, which is one of trees."""
        trees = Trees(trees_of(self.estimator), most_leaves_of(self.estimator))
        rows = sum(self.rows.dataset.rows[part] for part in self.learned)
        return tree_plan(trees, rows, getattr(self.estimator, "learning_rate", None))

    def _trained(self) -> Trained:
        candidates, width = self.candidates, self.preprocessing.width
        trained = trained_estimator(
            self.estimator,
            self._skops,
            candidates.kept,
            width,
            candidates.measuring,
            lambda part: self.read(self.learned if part == "train" else [part]),
            self.rows.dataset,
            self.spec,
        )
        # A refitted model has learned the search rows too: what learns from it sets some aside by itself.
        return replace(trained, read_search=None) if "search" in self.learned else trained


def _fitted_to(dataset: PreparedDataset, model: Estimator, where: str) -> Estimator:
    """A model from elsewhere, called `where`, if it fits the table. Raises DataError where it does not."""
    like = dataset.preprocessing
    try:
        made: Estimator = fitted(model, like.feature_names, dataset.classes, like.target_spelling)
        check_answers(made, len(like.feature_names), is_classifier=dataset.classes is not None)
    except RefusedError as error:
        raise DataError(f"{where} does not fit {dataset.target!r}: {error}") from None
    return made


def _plain(value: Any) -> Any:
    """A setting as JSON; weights of classes have numbers for keys, which JSON has not. What a user's estimator has for
    settings is told in scikit-learn's words."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else " ".join(repr(value).split())
