"""Manifests of searches, and what is said of those that are not valid."""

from typing import Any

import pytest

from steelyard.api.errors import ManifestError
from steelyard.api.loading import apply_overrides
from steelyard.contract.stages import ExitCode, Reason
from steelyard.search.manifest import parse_manifest

Manifest = dict[str, Any]


def manifest(model: str, *overrides: str) -> Manifest:
    """A valid search over a network (mlp) or a forest (randomForest), with overrides."""
    path = {"mlp": "model.mlp.dropout", "randomForest": "model.randomForest.maxFeatures"}[model]
    made: Manifest = {
        "apiVersion": "steelyard.dev/v1alpha1",
        "kind": "TuningJob",
        "metadata": {"name": "digits"},
        "spec": {
            "objective": {"metric": "accuracy"},
            "parameters": [{"path": path, "type": "Double", "min": 0.1, "max": 0.5}],
            "maxTrials": 30,
            "template": {"dataset": {"uri": "digits.csv", "target": "target"}, "model": {model: {}}},
        },
    }
    return apply_overrides(made, overrides)


def problems(model: str, *overrides: str) -> dict[str, str]:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(manifest(model, *overrides))
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert caught.value.reason == Reason.INVALID_MANIFEST
    return {problem.path: problem.message for problem in caught.value.problems}


def searching(*parameters: str) -> str:
    """An override that puts in these parameters."""
    return f"parameters=[{', '.join(parameters)}]"


DROPOUT = "{path: model.mlp.dropout, type: Double, min: 0, max: 0.5}"
RATE = "{path: training.optimizer.learningRate, type: Double, min: 0.001, max: 0.1, log: true}"
BATCH = "{path: training.batchSize, type: Int, min: 16, max: 64, step: 16}"
OPTIMIZER = "{path: training.optimizer.name, type: Categorical, values: [Adam, SGD]}"
MOMENTUM = (
    "{path: training.optimizer.momentum, type: Double, min: 0, max: 0.9, "
    "when: {path: training.optimizer.name, values: [SGD]}}"
)
UNITS = "{path: model.mlp.hiddenUnits, type: Categorical, values: [[32], [64, 32]]}"


def hanging_on(path: str, values: str) -> str:
    """A parameter that exists where another has one of some values."""
    return f"{DROPOUT[:-1]}, when: {{path: {path}, values: {values}}}}}"


def path_of(path: str) -> str:
    """An override that gives the one parameter another path."""
    return f"parameters.0.path={path}"
