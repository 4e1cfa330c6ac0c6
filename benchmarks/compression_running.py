"""Runs the tasks of `compression.py` through `steelyard run`, and opens what was made. Imports the product."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from compression_tasks import Benchmarked
from sklearn.linear_model import LogisticRegression, Ridge

from steelyard.api.loading import load_training_job
from steelyard.api.metrics import Measure
from steelyard.api.training_job import TrainingJob
from steelyard.contract.report import PublishedReport
from steelyard.contract.workspace import Workspace
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.making import Maker
from steelyard_trainer.compression.paired import bound
from steelyard_trainer.compression.recipe import Recipe, Step
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.evaluation.metrics import value_of

CONFIDENCE = 0.95
PUBLISHED = "published"

Array = npt.NDArray[Any]


def template(task: Benchmarked, seed: int, folder: Path) -> dict[str, Any]:
    """The spec of a TrainingJob that trains a task's model, with the rows in the folder where they are made by code."""
    uri = task.dataset
    if callable(uri):
        pq.write_table(pa.table(uri()), folder / "rows.parquet")
        uri = "rows.parquet"
    drawn = {} if "column" in task.split else {"seed": 42, "stratify": task.is_classification}
    return {
        "task": "Classification" if task.is_classification else "Regression",
        "dataset": {"uri": uri, "target": "target", "split": {**task.split, **drawn}},
        "model": task.model,
        "training": {**task.training, "seed": seed},
    }


@dataclass(frozen=True)
class Took:
    """What a command took."""

    minutes: float
    """On the clock."""
    cpu_minutes: float


def run(kind: str, spec: Mapping[str, Any], folder: Path, name: str = "benchmark") -> tuple[Path, Took]:
    """Runs a manifest in the workspace `folder/name`; gives its path and what it took. Raises SystemExit where it
    fails, with all that it printed."""
    path = folder / f"{name}.yaml"
    manifest = {"apiVersion": "steelyard.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
    path.write_text(yaml.safe_dump(manifest))
    began, before = time.monotonic(), _cpu_seconds()
    printed = _steelyard("run", str(path), "--workspace", str(folder / name))
    (folder / f"{name}.log").write_text(printed)
    return path, Took((time.monotonic() - began) / 60, (_cpu_seconds() - before) / 60)


def trials(path: Path) -> list[dict[str, Any]]:
    """The trials of a search that ran, the best first."""
    workspace = path.with_suffix("")
    found: list[dict[str, Any]] = json.loads(_steelyard("trials", str(workspace), "-o", "json"))["trials"]
    return found


def _steelyard(*arguments: str) -> str:
    command = [sys.executable, "-m", "steelyard.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def _cpu_seconds() -> float:
    """Of processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Opened:
    """A job that ran: its rows, its model and what was published."""

    job: TrainingJob
    dataset: PreparedDataset
    workspace: Workspace
    published: Path

    @classmethod
    def of(cls, manifest: Path) -> "Opened":
        """What `run` left."""
        workspace = Workspace(manifest.with_suffix(""))
        return cls(load_training_job(manifest), PreparedDataset.load(workspace), workspace, manifest.parent / PUBLISHED)

    @cached_property
    def report(self) -> PublishedReport:
        """steelyard.json."""
        return PublishedReport.read(self.published)

    @cached_property
    def measure(self) -> Measure:
        """The metric that may drop."""
        return self.job.spec.measure(self.dataset.task)

    @cached_property
    def bench(self) -> Any:
        """Where the stage finish weighs the model."""
        if self.is_network:
            # Brings TensorFlow.
            from steelyard_trainer.families.keras.bench import Workbench

            return Workbench(self.workspace.model_file, self.workspace.finished, self.dataset, self.job.spec)
        from steelyard_trainer.families.sklearn.bench import EstimatorBench
        from steelyard_trainer.families.sklearn.saving import load_estimator
        from steelyard_trainer.families.sklearn.trial import Rows

        estimator = load_estimator(self.workspace.estimator_file)
        return EstimatorBench(estimator, self.job.spec, Rows(self.dataset), self.workspace.finished)

    @property
    def is_network(self) -> bool:
        """Whether Keras trained it."""
        return self.report.choice.baseline == "float32"

    @cached_property
    def test(self) -> Any:
        """The test rows, as the model takes them."""
        return self.bench.read(["test"])

    def answers(self, artifact: Artifact) -> Array:
        """What a file answers to the test rows."""
        outputs: Array = self.bench.candidates.measuring.serve(artifact).predict(self.test.features)
        return outputs

    def chosen(self) -> Array:
        """What the published file answers to the test rows."""
        return self.answers(Artifact(self.published, self.report.serving.runtime))

    def skops(self) -> Array:
        """What scikit-learn's model answers to them, which is published beside what was made of it."""
        return self.answers(Artifact(self.published, "Skops"))

    def value(self, outputs: Array) -> float:
        """The metric on the test rows."""
        return value_of(self.measure, self.test.targets, outputs, None)

    def lost(self, before: Array, after: Array) -> tuple[float, float, float]:
        """What is lost on the test rows: the number, and at least and at most, each with 95 %."""
        upper = bound(self.measure, self.test.targets, before, after, CONFIDENCE)
        lower = bound(self.measure, self.test.targets, after, before, CONFIDENCE)
        return upper.drop, -lower.upper, upper.upper

    def made(self, recipes: Mapping[str, Recipe]) -> dict[str, Artifact]:
        """What recipes make of the trained network; what is kept is not made again."""
        candidates = self.bench.candidates
        candidates.kept.folder.mkdir(parents=True, exist_ok=True)
        with Maker.of(candidates.trained(), candidates.kept) as maker:
            return {name: maker.make(recipe) for name, recipe in recipes.items()}

    def headroom(self) -> dict[str, float]:
        """What a linear model reaches on the test rows, the best of three penalties on the validation rows, and a
        constant guess."""
        parts = {name: self.dataset.read(name) for name in ("train", "validation", "test")}
        train, scores = parts["train"], []

        def value(part: str, outputs: Array) -> float:
            return value_of(self.measure, parts[part].targets, outputs, None)

        for strength in (0.1, 1.0, 10.0):
            if self.dataset.task == "Classification":
                model = LogisticRegression(C=1 / strength, max_iter=300).fit(train.features, train.targets)
                predict: Callable[[Array], Array] = model.predict_proba
            else:
                predict = Ridge(strength).fit(train.features, train.targets).predict
            outputs = {part: predict(parts[part].features) for part in ("validation", "test")}
            scores.append(tuple(value(part, np.reshape(each, (len(each), -1))) for part, each in outputs.items()))
        rows = len(parts["test"].targets)
        if self.dataset.task == "Classification":
            guess = np.tile(np.bincount(train.targets) / len(train.targets), (rows, 1))
        else:
            guess = np.full((rows, 1), train.targets.mean())
        return {"linear": max(scores)[1], "constant": value("test", guess)}


def step(technique: str, **settings: Any) -> Step:
    """A step of a recipe, with settings by the names of manifests."""
    return Step.of(technique, settings)
