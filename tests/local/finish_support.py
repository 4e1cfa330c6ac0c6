"""Workspaces in which all but the stage finish is done: really prepared, with a Keras model that is solved at once.

The model is a hidden layer of random features and a least-squares output: as good as a trained one, in no time.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Env, Result
from steelyard.contract.workspace import Workspace
from steelyard_trainer.contract import Outcome, StageContext
from steelyard_trainer.data.prepare import prepare
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.finish import finish

DIGITS = {"uri": "sklearn:digits", "target": "target"}
ALL = {"compression": {"candidates": ["DynamicRange", "Float16", "Int8"], "maxMetricDrop": 0.01}}
HIDDEN_UNITS = 256
SHARPNESS = 10.0
"""Least squares against 0 and 1 gives outputs near those; times this they are good logits."""


def job_on(dataset: dict[str, Any], **spec: Any) -> TrainingJob:
    """A job; `publish` and other parts of the spec by name."""
    return parse_training_job(
        {
            "apiVersion": "steelyard.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": "tested"},
            "spec": {"dataset": dataset, "model": {"mlp": {"hiddenUnits": [HIDDEN_UNITS]}}, **spec},
        }
    )


@dataclass
class FinishStage:
    """The stage finish in a folder of its own, which relative URIs are relative to."""

    folder: Path
    dataset: dict[str, Any]

    @classmethod
    def ready(cls, folder: Path, dataset: dict[str, Any], scale: float = 1.0) -> "FinishStage":
        """Prepares the data and leaves a model.

        Args:
            folder: the workspace is made in it.
            dataset: spec.dataset.
            scale: what the hidden layer is multiplied by and the output divided by, which changes nothing in float32.
        """
        stage = cls(folder, dataset)
        stage.workspace.root.mkdir(parents=True)
        prepare(StageContext("prepare", job_on(dataset, onlyPrepare=True), stage.workspace, folder, "prepared", 0))
        stage.leave_model(scale)
        return stage

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder / "workspace")

    def prepared(self) -> PreparedDataset:
        return PreparedDataset.load(self.workspace)

    def leave_model(self, scale: float = 1.0, seed: int = 0) -> None:
        """What the stage train would leave."""
        self.workspace.trained.mkdir(exist_ok=True)
        solve(self.prepared(), scale, seed).save(self.workspace.model_file)
        training = {"history": {"loss": [0.2, 0.1]}, "bestEpoch": 2, "epochs": 2, "workers": 1, "steps": 40}
        training["dataset"] = self.prepared().fingerprint
        self.workspace.training_file.write_text(json.dumps({"key": "trained", "restarts": 0, **training}))

    def finish(self, **spec: Any) -> Outcome:
        """Runs the stage in this process."""
        job = job_on(self.dataset, **spec)
        return finish(StageContext("finish", job, self.workspace, self.folder, "finished", 0))

    def run(self, **spec: Any) -> tuple[int, Result, str]:
        """Runs the stage as a runner does; returns its exit code, its result and its standard error."""
        process = self.start(**spec)
        _, errors = process.communicate()
        return process.returncode, Result.from_json(json.loads((self.folder / "result.json").read_text())), errors

    def start(self, **spec: Any) -> subprocess.Popen[str]:
        """Starts the stage as a runner does."""
        self.workspace.spec_file.write_text(json.dumps(job_on(self.dataset, **spec).to_manifest()))
        environment = {
            Env.SPEC_FILE: self.workspace.spec_file,
            Env.WORKSPACE: self.workspace.root,
            Env.BASE_DIR: self.folder,
            Env.STAGE_KEY: "finished",
            Env.RESULT_FILE: self.folder / "result.json",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "steelyard_trainer", "finish"],
            env={**os.environ, **{str(name): str(value) for name, value in environment.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def solve(dataset: PreparedDataset, scale: float = 1.0, seed: int = 0) -> keras.Model:
    """A model of the kind that train leaves: probabilities, or the standardized target."""
    examples = dataset.read("train")
    random = np.random.default_rng(seed)
    width, classes = dataset.preprocessing.width, dataset.classes
    kernel = random.normal(0, 1 / np.sqrt(width), (width, HIDDEN_UNITS))
    bias = random.normal(0, 0.3, HIDDEN_UNITS)
    hidden = np.maximum(examples.features @ kernel + bias, 0)
    goal = (
        np.eye(len(classes))[examples.targets]
        if (unit := dataset.preprocessing.target_unit) is None
        else unit.standardized(examples.targets)[:, np.newaxis]
    )
    design = np.hstack([hidden, np.ones((len(hidden), 1))])
    # Ridge: there may be more features than rows.
    solution = np.linalg.solve(design.T @ design + 10 * np.eye(HIDDEN_UNITS + 1), design.T @ goal)
    solution *= 1.0 if classes is None else SHARPNESS
    features = keras.Input((width,), name="features")
    inner = keras.layers.Dense(HIDDEN_UNITS, activation="relu", name="hidden_1")
    outer = keras.layers.Dense(goal.shape[1], activation=None if classes is None else "softmax", name="output")
    model = keras.Model(features, outer(inner(features)))
    inner.set_weights([kernel * scale, bias * scale])
    outer.set_weights([solution[:-1] / scale, solution[-1]])
    return model


def report_of(model: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((model / "steelyard.json").read_text())
    return document


def outputs_of(content: bytes, features: np.ndarray) -> np.ndarray:
    """Row by row, by another road than the code's."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    rows = []
    for row in features:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], row[np.newaxis])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.array(rows)
